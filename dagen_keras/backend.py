"""What depends on the machine or on Keras's backend, in one place."""

import contextlib
import functools
import importlib.metadata
import os
import platform
import random

import keras
import numpy as np

from dagen_keras import checks


@contextlib.contextmanager
def seeded(seed):
    """Weights and seed generators made inside the block depend on `seed` alone.

    Keras draws the seeds of both from Python's generator, which is put back afterwards. (Its
    `set_random_seed` would seed TensorFlow as well, which then forgets every function it has made
    ready: the next training step of each model took up to three seconds more.)
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextlib.contextmanager
def precision(name):
    """Layers made inside the block have Keras's dtype policy of this name."""
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)


def subseed(seed, *purpose):
    """A 31-bit seed for one purpose (`"weights"`, class 3, ...) derived from a run's seed."""
    words = [checks.integer(seed, "seed", least=0), *"/".join(map(str, purpose)).encode()]
    return int(np.random.SeedSequence(words).generate_state(1)[0] >> 1)


def any_seed(seed):
    """The seed, or where it is None one that nobody knows."""
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1)[0] >> 1)
    return checks.integer(seed, "seed", least=0)


def value_and_gradient(function, z, weights=None):
    """`function(z)` and its gradient, for a function that maps row by row.

    Works inside a compiled loss that is itself differentiated.

    Args:
        function: maps (n, d) to (n, ...), each row on its own.
        z: tensor (n, d).
        weights: maps the values to the weights of their gradients, (n, ...) too; default: 1.

    Returns:
        The values (n, ...) and the weighted sum of their gradients in their own row of z, (n, d).
    """
    weights = weights or keras.ops.ones_like
    if keras.backend.backend() == "jax":
        import jax

        values, pull = jax.vjp(function, z)
        return values, pull(weights(values))[0]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(z)
        values = function(z)
    return values, tape.gradient(values, z, weights(values))


def cholesky(matrices):
    """Lower Cholesky factors of (n, d, d), NaN for a matrix that has none.

    Keras's `ops.cholesky` raises an error of TensorFlow's there, without XLA; where training has
    diverged, a loss that is NaN is what `StopOnNonFiniteLoss` can explain.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.numpy.linalg.cholesky(matrices)
    import tensorflow as tf

    return tf.linalg.cholesky(matrices)


@functools.cache
def compiled(function):
    """`function` of arrays compiled by XLA; its keyword argument `settings` stays Python's.

    It is compiled anew for new shapes and new settings.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function, static_argnames="settings")
    return lambda *arrays, settings: _with_settings(function, settings)(*arrays)


@functools.cache
def _with_settings(function, settings):
    """TensorFlow warns of many traces of one function; so each setting has its own."""
    import tensorflow as tf

    return tf.function(functools.partial(function, settings=settings), jit_compile=True)


def watched(dataset, look):
    """A `tf.data.Dataset` of whose every batch `look(number, parts)` has a look as it is drawn."""
    import tensorflow as tf

    def see(number, *parts):
        look(number, parts)
        return np.True_

    def passed_on(number, batch):
        seen = tf.numpy_function(see, [number, *tf.nest.flatten(batch)], tf.bool)
        with tf.control_dependencies([seen]):
            return tf.nest.map_structure(tf.identity, batch)

    return dataset.enumerate().map(passed_on).prefetch(1)


@contextlib.contextmanager
def prompt_pipelines():
    """Pipelines of data that Keras begins inside the block end as soon as they are used up.

    TensorFlow adjusts a pipeline in a thread of its own that may miss its end, and then sleeps on:
    each epoch took until 0.31, 0.63, ... 5.1, 10.2 or 20.5 s from its start, up to twice as long as
    it trained. Keras leaves no choice, so the options are set where a pipeline begins.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    begin, options = _begin_pipeline(), tf.data.Options()
    options.autotune.enabled = False
    tf.data.Dataset.__iter__ = lambda dataset: begin(dataset.with_options(options))
    try:
        yield
    finally:
        tf.data.Dataset.__iter__ = begin


@functools.cache
def _begin_pipeline():
    import tensorflow as tf

    return tf.data.Dataset.__iter__


def on_gpu():
    """Whether Keras computes on a GPU here."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    return False


def compile_options(steps_per_execution=1):
    """Arguments of `Model.compile` that are fastest on this machine.

    On the CPU TensorFlow's own operations beat XLA's, or are level with them at batches of a few
    images, and nothing is compiled anew for each batch size; several steps a call save overhead
    that shows at a few images: `benchmarks/compile_options.py`. JAX has no choice, and a GPU is
    best left to Keras.

    Args:
        steps_per_execution: how many steps a call may take there.
    """
    if keras.backend.backend() != "tensorflow" or on_gpu():
        return {"jit_compile": "auto"}
    return {"jit_compile": False, "steps_per_execution": steps_per_execution}


def device():
    """The device's name, as a result records it."""
    cores = os.cpu_count()
    if on_gpu():
        if keras.backend.backend() == "jax":
            import jax

            return jax.devices()[0].device_kind
        import tensorflow as tf

        gpu = tf.config.list_physical_devices("GPU")[0]
        return tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    return f"CPU, {cores} cores ({platform.machine()})"


def versions():
    """Versions of what computes: Python, Keras, the backend, NumPy and this package."""
    found = {"python": platform.python_version()}
    for name in ("dagen-keras", "keras", keras.backend.backend(), "numpy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found
