from types import SimpleNamespace

import keras
import numpy as np
import pytest

from dagen_keras import models
from dagen_keras.runs.execution import execute
from dagen_keras.study import Bench
from dagen_keras.study.bench import CELLS_BETWEEN
from dagen_keras.study.cells import cell


@pytest.fixture
def reusable():
    def build():
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    bench = Bench()
    return lambda b=bench: b.reusable("dense", build, optimizer="sgd", loss="mse")


def fit(reusable, seed):
    model, rng = reusable.fresh(seed), np.random.default_rng(seed)
    model.fit(rng.random((8, 2)), rng.random((8, 1)), epochs=2, shuffle=False, verbose=0)
    return model


def weights(model):
    return np.concatenate([np.ravel(w) for w in model.get_weights()])


def test_data_and_what_is_made_once_is_made_once():
    bench, made = Bench(), []
    assert bench.data("digits") is bench.data("digits")
    make = lambda: made.append(1) or len(made)  # noqa: E731
    assert [bench.once("a", make), bench.once("a", make), bench.once("b", make)] == [1, 1, 2]


def test_a_dataset_that_may_not_be_downloaded_is_not(no_data_dir, tmp_path):
    from dagen_keras.datasets import DataError

    with pytest.raises(DataError):
        Bench(data_dir=str(tmp_path), download=False).data("mnist")


def test_a_reusable_model_is_compiled_once(reusable):
    assert reusable() is reusable()
    assert fit(reusable(), 0) is fit(reusable(), 1)
    assert reusable(Bench()) is not reusable()


def test_a_fitted_model_stays_what_it_is_when_the_model_is_trained_again(reusable):
    bench = Bench()
    first = bench.fitted("first", lambda: fit(reusable(), 0))
    alone = weights(first.model)
    second = bench.fitted("second", lambda: fit(reusable(), 1))
    other = weights(second.model)
    assert not np.allclose(alone, other)
    np.testing.assert_array_equal(weights(first.model), alone)
    fit(reusable(), 5)
    np.testing.assert_array_equal(weights(second.model), other)
    np.testing.assert_array_equal(weights(bench.fitted("first", None).model), alone)


def test_what_was_used_longest_ago_goes_and_comes_back_the_same(reusable):
    bench, fits = Bench(fits=2), []

    def get(seed):
        found = bench.fitted(seed, lambda: fits.append(seed) or fit(reusable(), seed))
        return weights(found.model)

    before = get(0)
    get(1), get(0), get(2)  # 1 goes, as 0 was used after it.
    assert fits == [0, 1, 2]
    get(0), get(2)
    assert fits == [0, 1, 2]
    get(1)  # 0 goes.
    np.testing.assert_array_equal(get(0), before)
    assert fits == [0, 1, 2, 1, 0]


def test_what_is_no_keras_model_is_kept_as_it_is():
    thing = object()
    assert Bench().fitted("a", lambda: thing) is thing


def test_a_fit_that_fails_leaves_nothing():
    bench = Bench()

    def fail():
        raise FloatingPointError

    for _ in range(2):
        with pytest.raises(FloatingPointError):
            bench.fitted("a", fail)
    assert bench.fitted("a", lambda: 3) == 3


def test_what_is_given_back_between_cells_changes_no_model_and_no_number(reusable):
    bench = Bench()
    first = bench.fitted("first", lambda: fit(reusable(bench), 0))
    before = weights(first.model)
    for _ in range(CELLS_BETWEEN):
        bench.cell_done()
    np.testing.assert_array_equal(weights(first.model), before)
    np.testing.assert_array_equal(weights(fit(reusable(bench), 0)), before)


@pytest.mark.slow
def test_a_process_does_not_grow_with_its_cells():
    """Each cell builds a model of ten layers and trains on two megabytes, and keeps neither."""
    psutil = pytest.importorskip("psutil")
    x = np.zeros((2000, 256), "float32")

    def build():
        return keras.Sequential([keras.Input((256,)), *(keras.layers.Dense(4) for _ in range(10))])

    def compute(cell, bench):
        model = bench.reusable("dense", build, optimizer="sgd", loss="mse").fresh(cell.seed)
        model.fit(models.ShuffledBatches((x.copy(), x[:, :4]), 1000), verbose=0, shuffle=False)
        return {}

    study, bench = SimpleNamespace(key="toy", protocol_version=1, run=compute), Bench()
    sizes = []
    for seed in range(120):
        record = execute(study, cell("train", seed=seed, dataset="digits"), bench, code={})
        assert record["status"] == "done"
        if seed % 20 == 19:
            sizes.append(psutil.Process().memory_info().rss / 1e6)
    # In a process that has run other tests the first cells may find memory that these left.
    assert max(sizes[2:]) - sizes[1] < 20
