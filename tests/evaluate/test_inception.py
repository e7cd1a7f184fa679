import keras
import numpy as np
import pytest

from dagen_keras.datasets import DataError
from dagen_keras.evaluate import FeatureSpace
from dagen_keras.evaluate.inception import InceptionInput


@pytest.fixture(autouse=True)
def random_weights(rng, monkeypatch):
    """Initial weights from NumPy: JAX would compile a draw for every shape."""

    def draw(initializer, shape, dtype=None):
        return np.sqrt(2 / np.prod(shape[:-1])) * rng.standard_normal(shape, "float32")

    monkeypatch.setattr(keras.initializers.GlorotUniform, "__call__", draw)


def test_input_is_resized_scaled_and_in_three_channels(rng):
    grey = rng.random((2, 20, 30, 1), dtype="float32")
    found = keras.ops.convert_to_numpy(InceptionInput()(grey))
    assert found.shape == (2, 299, 299, 3)
    np.testing.assert_array_equal(found[..., :1], found[..., 1:2])
    flat = keras.ops.convert_to_numpy(InceptionInput()(np.full((1, 9, 9, 1), 0.25, "float32")))
    np.testing.assert_allclose(flat, -0.5, rtol=1e-6)
    # A ramp stays a ramp, channel by channel.
    ramp = np.linspace(0, 1, 30, dtype="float32")[None, None, :, None] * [1, 0.5, 0]
    found = keras.ops.convert_to_numpy(InceptionInput()(ramp))[0, 150, 100:200]
    slope = 2 / 299 * 30 / 29
    np.testing.assert_allclose(np.diff(found, axis=0), [[slope, slope / 2, 0]] * 99, atol=1e-5)
    with pytest.raises(ValueError, match="takes 1 or 3 channels; got 2"):
        InceptionInput()(grey.repeat(2, axis=-1))


@pytest.mark.slow
def test_inception_from_a_file_of_weights(rng, tmp_path):
    network = keras.applications.InceptionV3(weights=None)
    path = tmp_path / "random.weights.h5"
    network.save_weights(path)
    space = FeatureSpace.inception(path)
    assert space.name == "Inception-V3 of Keras (random.weights.h5)"
    images = rng.random((3, 299, 299, 1), dtype="float32")
    features, probabilities = next(space._outputs(images, batch_size=3, progress=False))
    assert features.shape == (3, 2048)
    expected = network.predict_on_batch(2 * images.repeat(3, axis=-1) - 1)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-3)
    assert np.ptp(features) > 0


def test_weights_that_cannot_be_downloaded(monkeypatch):
    def no_network(*args, **kwargs):
        raise Exception("URL fetch failure")

    monkeypatch.setattr("keras.src.applications.inception_v3.file_utils.get_file", no_network)
    with pytest.raises(DataError, match="looked for 'imagenet' .URL fetch failure.*two ways.*file"):
        FeatureSpace.inception()


def test_a_file_of_weights_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="looked for '.*missing.weights.h5'"):
        FeatureSpace.inception(tmp_path / "missing.weights.h5")
