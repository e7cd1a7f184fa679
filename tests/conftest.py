"""What several tests use. The tests run on whatever backend KERAS_BACKEND names."""

import matplotlib
import numpy as np
import pytest

import dagen_keras  # noqa: F401  Cheap; picks Keras's backend before a test imports Keras.

matplotlib.use("Agg")


@pytest.fixture(scope="session", autouse=True)
def plain_graphs(pytestconfig):
    """Fast tests leave TensorFlow's graphs as they are, as most run for a step or two.

    A fixture, so that the process which only hands out tests does not import TensorFlow.
    """
    from dagen_keras import backend

    if pytestconfig.option.markexpr == "not slow" and "tensorflow" in backend.versions():
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def digits():
    from dagen_keras import datasets

    return datasets.load("digits")


@pytest.fixture
def no_data_dir(monkeypatch):
    monkeypatch.delenv("DAGEN_DATA_DIR", raising=False)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """`smoke(key)`: a paper's run of its `smoke` profile, all cells computed, once a session."""
    from dagen_keras import papers, runs

    results, computed = tmp_path_factory.mktemp("smoke"), {}

    def of(key):
        if key not in computed:
            run = runs.Run(papers.get(key), "smoke", results=results)
            assert run.compute(progress=False) == []
            computed[key] = run
        return computed[key]

    return of


def pytest_collection_modifyitems(items):
    """Which tests go to one process: those of one paper's `smoke` run, and fast ones of a file.

    What they share is then computed once, and models are compiled once.
    """
    for item in items:
        if "smoke" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group(item.callspec.params["key"]))
        elif not any(map(item.get_closest_marker, ("slow", "xdist_group"))):
            item.add_marker(pytest.mark.xdist_group(item.path.name))
