import copy
import pickle

import numpy as np
import pytest

from dagen_keras import datasets, models


@pytest.fixture
def pair(rng):
    """Pixels and the array that they stand for."""
    pixels = rng.integers(0, 256, (9, 4, 5, 3), np.uint8)
    return datasets.Pixels(pixels), pixels.astype("float32") / np.float32(255)


@pytest.mark.parametrize("rows", [3, slice(2, 7), [4, 4, 0], np.arange(9) > 5, (slice(0, 2), 0)])
def test_rows_are_those_of_the_array(pair, rows):
    images, array = pair
    assert images[rows].dtype == np.float32
    np.testing.assert_array_equal(images[rows], array[rows])


def test_it_is_the_array_for_numpy(pair):
    images, array = pair
    assert (len(images), images.shape, images.ndim, images.dtype) == (9, (9, 4, 5, 3), 4, "f4")
    for of in (
        np.asarray,
        lambda x: 1 - x,
        lambda x: x * x + 0.5,
        lambda x: (x > 0.5).mean(),
        lambda x: x.reshape(9, -1).sum(axis=1),
        lambda x: np.concatenate([x, x]),
        lambda x: np.asarray(x, float),
        lambda x: copy.deepcopy(x)[:],
        lambda x: pickle.loads(pickle.dumps(x))[:],
    ):
        np.testing.assert_array_equal(of(images), of(array))
    for name in ("pixel", "_private", "hashes"):
        assert not hasattr(images, name)


def test_a_dataset_of_bytes_takes_a_quarter_of_the_memory(digits):
    assert isinstance(digits.x_train, datasets.Pixels)
    assert digits.x_train.pixels.nbytes * 4 == np.asarray(digits.x_train).nbytes
    assert digits.fingerprint == "c508d2a1b2dc50e3"


def test_a_model_is_fitted_to_it_as_to_the_array(digits):
    vae = models.chadebec_vae(2, digits.image_shape, (4,))
    vae.compile("sgd")
    assert np.isfinite(vae.fit(digits.x_train, epochs=1, verbose=0).history["loss"]).all()
    codes = vae.encode(digits.x_test)
    np.testing.assert_array_equal(codes, vae.encode(np.asarray(digits.x_test)))


def test_in_place_arithmetic_gives_an_array(pair):
    images, array = pair
    images -= 0.5
    assert isinstance(images, np.ndarray)
    np.testing.assert_array_equal(images, array - np.float32(0.5))
