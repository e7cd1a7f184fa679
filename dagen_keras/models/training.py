"""Training many small models: compile once, start afresh, stop at the first NaN."""

import keras
import numpy as np

from dagen_keras import backend


class NonFiniteLossError(FloatingPointError):
    """The training loss became NaN or infinite; says in which epoch and which term."""


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Raises `NonFiniteLossError` as soon as the training loss is NaN or infinite.

    Args:
        what: what is being trained, for the message.
    """

    def __init__(self, what="the model"):
        super().__init__()
        self.what = what
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        values = {name: float(value) for name, value in (logs or {}).items()}
        if not np.isfinite(values.get("loss", 0.0)):
            terms = ", ".join(f"{name} = {value:g}" for name, value in values.items())
            raise NonFiniteLossError(
                f"Training {self.what} stopped in epoch {self.epoch + 1}, at batch {batch + 1}: "
                f"{terms}. A smaller learning rate, or images in [0, 1] where the loss asks for "
                "them, may help."
            )


class ReusableModel:
    """A model built and compiled once, then trained any number of times from fresh weights.

    `fresh(seed)` gives the same model in the state that a newly built one would have: weights,
    the states of seed generators, and the optimizer's variables. Training after it does not
    depend on what was trained before.

    Args:
        build: a function without arguments that returns a new, uncompiled model.
        **compile_arguments: arguments of `Model.compile`; `optimizer` is an optimizer's name
            or a function without arguments that returns one.
    """

    def __init__(self, build, **compile_arguments):
        self.build = build
        self.compile_arguments = compile_arguments
        self._model = None

    def fresh(self, seed):
        with backend.seeded(seed):
            new = self.build()
        if self._model is None:
            arguments = {**self.compile_arguments}
            if callable(arguments["optimizer"]):
                arguments["optimizer"] = arguments["optimizer"]()
            new.compile(**arguments)
            new.optimizer.build(new.trainable_variables)
            self._optimizer_start = [np.array(v) for v in new.optimizer.variables]
            self._model = new
            return new
        for variable, start in zip(self._model.variables, new.variables, strict=True):
            variable.assign(start)
        for variable, start in zip(
            self._model.optimizer.variables, self._optimizer_start, strict=True
        ):
            variable.assign(start)
        return self._model

    def __getstate__(self):
        return {**self.__dict__, "_model": None}

    def __sklearn_clone__(self):
        return self


def fit_passes(model, images, passes, batch_size, seed=0, windows=1, callbacks=()):
    """`model.fit(images, epochs=passes)` without `fit`'s cost for each pass over few images.

    All passes of a window are one epoch of Keras. Within a pass each image is seen once, so no
    batch holds an image twice. The batches' size is left open when TensorFlow traces the
    training step: nothing is traced anew for another number of images, and results do not
    depend on the sizes trained before.

    Args:
        model: a compiled model.
        images: array (n, ...).
        passes: how often the model sees each image.
        batch_size: images a step, at most.
        seed: fixes the order of images where a pass takes several steps.
        windows: entries of the history, each over as many passes.
        callbacks: Keras callbacks; their epochs are windows. Each window is a `fit` of its own, so
            a callback that counts over epochs, such as `EarlyStopping`, starts anew in each.

    Returns:
        Keras's `History`, with one entry a window.
    """
    rng = np.random.default_rng(seed)
    history = keras.callbacks.History()
    history.on_train_begin()
    for window, part in enumerate(np.array_split(np.arange(passes), min(windows, passes))):
        done = model.fit(
            _Passes(images, [rng.permutation(len(images)) for _ in part], batch_size),
            initial_epoch=window,
            epochs=window + 1,
            callbacks=list(callbacks),
            shuffle=False,
            verbose=0,
        )
        history.epoch += done.epoch
        for name, values in done.history.items():
            history.history.setdefault(name, []).extend(values)
    return history


class _Passes(keras.utils.PyDataset):
    """Batches of one pass after another, each in its own order of the images."""

    def __init__(self, images, orders, batch_size):
        super().__init__()
        self.images, self.orders, self.batch_size = images, orders, batch_size
        self.steps = -(-len(images) // batch_size)

    def __len__(self):
        return self.steps * len(self.orders)

    def __getitem__(self, index):
        order, step = self.orders[index // self.steps], index % self.steps
        return (self.images[order[step * self.batch_size : (step + 1) * self.batch_size]],)


def predict(model, inputs, batch_size=50):
    """`model.predict` in batches of one size, the last one padded.

    A result then does not depend, in its last digits, on the shapes predicted before, and JAX
    compiles once.
    """
    padding = np.repeat(inputs[-1:], -len(inputs) % batch_size, axis=0)
    outputs = model.predict(np.concatenate([inputs, padding]), batch_size=batch_size, verbose=0)
    return keras.tree.map_structure(lambda output: output[: len(inputs)], outputs)
