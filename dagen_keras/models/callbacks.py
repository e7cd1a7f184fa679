"""What watches a training: it stops at NaN, warns, follows a schedule, keeps the best weights."""

import math
import warnings

import keras
import numpy as np

HELP = (
    "What may help: a smaller learning rate, clipped gradients (`clipnorm=1` of the optimizer), "
    "Adam where it was SGD, and images in [0, 1] where the loss asks for them."
)


class NonFiniteLossError(FloatingPointError):
    """The training loss, or a weight, became NaN or infinite; says where and what may help."""


class _Watch(keras.callbacks.Callback):
    """Looks at the loss of each step.

    On JAX Keras then reads losses in a thread, so that a GPU does not wait for it; on TensorFlow
    it reads them itself, whoever looks. In a thread a batch's end may look at nothing else of the
    model, whose memory JAX has given to the next step, and batches may end in another order.

    Args:
        what: what is being trained, for the message.
    """

    async_safe = True

    def __init__(self, what="the model"):
        super().__init__()
        self.what = what

    def on_train_begin(self, logs=None):
        self.on_epoch_begin(0)

    def on_epoch_begin(self, epoch, logs=None):
        optimizer = self.model.optimizer
        self.epoch, rate = epoch, float(optimizer.learning_rate)
        self.by = f"{type(optimizer).__name__}, learning rate {rate:g}"


class StopOnNonFiniteLoss(_Watch):
    """Raises `NonFiniteLossError` as soon as the training loss is NaN or infinite.

    The weights are looked at when an epoch ends: a last step can break them, and on some machines
    TensorFlow's ReLU, without XLA, hides the NaN of a hidden layer from the loss.

    Args:
        what: what is being trained, for the message.
    """

    def on_train_batch_end(self, batch, logs=None):
        values = {name: float(value) for name, value in (logs or {}).items()}
        if not np.isfinite(values.get("loss", 0.0)):
            terms = ", ".join(f"{name} = {value:g}" for name, value in values.items())
            self._stop(f"in epoch {self.epoch + 1}, at batch {batch + 1}: {terms}")

    def on_epoch_end(self, epoch, logs=None):
        weights = self.model.weights
        broken = [w.path for w in weights if not np.isfinite(w.numpy()).all()]
        if broken:
            self._stop(
                f"in epoch {epoch + 1}, at its end: {len(broken)} of {len(weights)} weights hold "
                f"NaN or infinity, the first is {broken[0]}"
            )

    def _stop(self, seen):
        raise NonFiniteLossError(f"Training {self.what} stopped {seen} ({self.by}). {HELP}")


class WarnOfHigherLoss(_Watch):
    """Warns once, after training, if the loss ended a fifth or more above its start.

    The start is the loss of the first step, the end the mean over the last epoch.

    Args:
        what: what is being trained, for the message.
    """

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self.losses = []  # Of some of the first steps, one of which is the first.

    def on_train_batch_end(self, batch, logs=None):
        if len(self.losses) < 100:
            self.losses.append((self.epoch, batch, float(logs["loss"])))

    def on_train_end(self, logs=None):
        first = min(self.losses)[-1] if self.losses else np.nan
        last = float((logs or {}).get("loss", np.nan))
        if last - first > 0.2 * abs(first):
            warnings.warn(
                f"Training {self.what} ended above its start: the loss was {first:.4g} in the "
                f"first step and is {last:.4g}, the mean over the last epoch ({self.by}). {HELP}",
                stacklevel=2,
            )


class FollowSchedule(keras.callbacks.Callback):
    """Gives a variable the value of `schedule(epochs done)` before every epoch of `fit`.

    Before the first all values are looked at: a wrong one is refused before anything is trained.

    Args:
        variable: a scalar.
        schedule: a function of the number of epochs that are done.
        check: a function that returns a value that is allowed, and raises a ValueError else.
    """

    def __init__(self, variable, schedule, check):
        super().__init__()
        self.variable, self.schedule, self.check = variable, schedule, check

    def on_train_begin(self, logs=None):
        for epoch in range(self.params.get("epochs", 0)):
            self._value(epoch)

    def on_epoch_begin(self, epoch, logs=None):
        self.variable.assign(self._value(epoch))

    def _value(self, epoch):
        value = self.schedule(epoch)
        try:
            return self.check(value)
        except ValueError as error:
            raise ValueError(f"the schedule is wrong after {epoch} epochs: {error}") from None


class BestWeights(keras.callbacks.EarlyStopping):
    """Never stops; training ends with the weights of the lowest validation loss.

    Args:
        looks: functions without arguments by epochs, counted from 1, after which they are called
            while the model has the best weights so far.
    """

    def __init__(self, looks=None):
        super().__init__("val_loss", patience=math.inf, mode="min", restore_best_weights=True)
        self.looks = looks or {}

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        if epoch + 1 in self.looks:
            latest = self.model.get_weights()
            self.model.set_weights(self.best_weights)
            self.looks[epoch + 1]()
            self.model.set_weights(latest)
