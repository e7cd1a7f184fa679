import random

import keras
import numpy as np
import pytest
from keras import ops

from dagen_keras import backend


def test_seeded_fixes_weights_and_leaves_global_generators_alone():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = random.random(), np.random.random()  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    kernels = []
    for _ in range(2):
        with backend.seeded(5):
            layer = keras.layers.Dense(3)
            layer.build((None, 4))
        kernels.append(np.array(layer.kernel))
    np.testing.assert_array_equal(*kernels)
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="is about TensorFlow")
def test_seeded_leaves_tensorflows_generator_and_functions_alone():
    import tensorflow as tf

    tf.random.set_seed(1)
    expected = [float(tf.random.uniform(())) for _ in range(2)]
    tf.random.set_seed(1)
    found = [float(tf.random.uniform(()))]
    with backend.seeded(5):
        keras.layers.Dense(3).build((None, 4))
    found.append(float(tf.random.uniform(())))
    # Setting TensorFlow's seed starts its draws anew, and empties its cache of functions.
    assert found == expected


def test_subseeds_differ_by_purpose_and_stay():
    seeds = {backend.subseed(s, *p) for s in (0, 1) for p in (("a",), ("b",), ("a", 1), ("a1",))}
    assert len(seeds) == 8
    assert backend.subseed(0, "weights") == backend.subseed(0, "weights")
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_versions_name_the_backend():
    versions = backend.versions()
    assert versions["keras"] == keras.__version__
    assert keras.backend.backend() in versions
    assert backend.device()


def _rowwise(z):
    return ops.sum(ops.exp(z) * z, axis=-1)


def test_value_and_gradient_are_those_of_each_row(rng):
    z = rng.normal(size=(6, 3)).astype("float32")
    values, gradient = backend.value_and_gradient(_rowwise, ops.convert_to_tensor(z))
    np.testing.assert_allclose(ops.convert_to_numpy(values), (np.exp(z) * z).sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(gradient), np.exp(z) * (z + 1), rtol=1e-5)


def test_value_and_gradient_can_be_differentiated_once_more_and_compiled(rng):
    z = rng.normal(size=(6, 3)).astype("float32")

    def squared_gradient(z):
        return ops.sum(ops.square(backend.value_and_gradient(_rowwise, z)[1]), axis=-1)

    def second(z, *, settings):
        return backend.value_and_gradient(squared_gradient, z)[1] * settings[0]

    # d/dz (exp(z) (z + 1))^2
    expected = 2 * np.exp(2 * z) * (z + 1) * (z + 2)
    eager = second(ops.convert_to_tensor(z), settings=(1.0,))
    compiled = backend.compiled(second)(ops.convert_to_tensor(z), settings=(1.0,))
    for result in (eager, compiled):
        np.testing.assert_allclose(ops.convert_to_numpy(result), expected, rtol=1e-4, atol=1e-5)


def test_weights_of_gradients_are_differentiated_too(rng):
    z = rng.normal(size=(6, 3)).astype("float32")

    def weighted(z):
        return backend.value_and_gradient(ops.exp, z, weights=ops.square)[1]

    def both(z, *, settings):
        return backend.value_and_gradient(weighted, z)

    found = backend.compiled(both)(ops.convert_to_tensor(z), settings=())
    for one, expected in zip(found, (np.exp(3 * z), 3 * np.exp(3 * z)), strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(one), expected, rtol=1e-5)


def test_compiled_takes_arrays_of_any_shape_and_settings_of_python(rng):
    traces = []

    def scaled(x, *, settings):
        factor, double = settings
        traces.append(settings)
        return x * factor * (2 if double else 1)

    compiled = backend.compiled(scaled)
    assert backend.compiled(scaled) is compiled
    x = rng.normal(size=(4, 2)).astype("float32")
    for array, settings in ((x, (3.0, True)), (x, (3.0, False)), (x[:3], (3.0, True))):
        expected = array * 3 * (2 if settings[1] else 1)
        for _ in range(2):
            result = ops.convert_to_numpy(compiled(array, settings=settings))
            np.testing.assert_allclose(result, expected, rtol=1e-6)
    # Once for each pair of a shape and settings.
    assert len(traces) == 3


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="is about TensorFlow")
def test_pipelines_end_as_soon_as_they_are_used_up(monkeypatch):
    """tf.data's own tuning is off inside the block, and on again after it."""
    import tensorflow as tf

    begun, begin = [], tf.data.Dataset.__iter__

    def watched(dataset):
        begun.append(dataset.options().autotune.enabled)
        return begin(dataset)

    monkeypatch.setattr(tf.data.Dataset, "__iter__", watched)
    monkeypatch.setattr(backend, "_begin_pipeline", lambda: watched)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((4, 2), "float32")
    with pytest.raises(KeyError), backend.prompt_pipelines():
        model.fit(x, x[:, :1], epochs=2, verbose=0)
        raise KeyError
    assert set(begun) == {False}
    assert tf.data.Dataset.__iter__ is watched
