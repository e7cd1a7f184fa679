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


def fit_passes(model, images, passes, batch_size, callbacks=(), **fit_arguments):
    """`model.fit(images, epochs=passes)` without `fit`'s cost for each pass over few images.

    Where all images fit in one batch, a pass is one step, and up to 50 passes run as one epoch.
    The history then has one entry for each such window. Otherwise it is plain `fit`.

    Args:
        model: a compiled model.
        images: array (n, ...).
        passes: how often the model sees each image.
        batch_size: images a step, at most.
        callbacks: Keras callbacks; their epochs are windows.
        **fit_arguments: further arguments of `fit`.

    Returns:
        Keras's `History`.
    """
    arguments = {"callbacks": list(callbacks), "verbose": 0, **fit_arguments}
    if len(images) > batch_size:
        return model.fit(images, batch_size=batch_size, epochs=passes, **arguments)
    window = max(w for w in range(1, 51) if passes % w == 0)
    return model.fit(
        np.concatenate([images] * window),
        batch_size=len(images),
        epochs=passes // window,
        shuffle=False,
        **arguments,
    )
