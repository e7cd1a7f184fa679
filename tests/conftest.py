"""What several tests use. The tests run on whatever backend KERAS_BACKEND names."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")


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
