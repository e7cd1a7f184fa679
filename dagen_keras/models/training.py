"""Training many small models: compile once, start afresh, take so many updates."""

import contextlib
import operator

import keras
import numpy as np

from dagen_keras import backend, checks
from dagen_keras.models.callbacks import StopOnNonFiniteLoss


def build_optimizer(model):
    """Makes the optimizer's variables, which Keras would make in the first training step.

    TensorFlow would then trace that step twice, which takes seconds for an `RHVAE`.
    """
    if model.compiled:  # If not, Keras says so.
        strategy = getattr(model, "distribute_strategy", None)
        with strategy.scope() if strategy else contextlib.nullcontext():
            model.optimizer.build(model.trainable_variables)


def prepare_fit(model, callbacks):
    """Builds the optimizer, and returns the callbacks of a `fit`, with a `StopOnNonFiniteLoss`.

    Args:
        model: the model to be trained.
        callbacks: those given to `fit`: one, several or None.
    """
    build_optimizer(model)
    callbacks = as_list(callbacks)
    if not any(isinstance(callback, StopOnNonFiniteLoss) for callback in callbacks):
        callbacks.append(StopOnNonFiniteLoss(f"the model '{model.name}'"))
    return callbacks


def as_list(callbacks):
    """The callbacks given to a `fit`: one, several or None, as a list."""
    if isinstance(callbacks, list | tuple):
        return list(callbacks)
    return [] if callbacks is None else [callbacks]


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

    def new(self, seed):
        """A model of its own, built and compiled anew."""
        with backend.seeded(seed):
            new = self.build()
        arguments = {**self.compile_arguments}
        if callable(arguments["optimizer"]):
            arguments["optimizer"] = arguments["optimizer"]()
        new.compile(**arguments)
        new.optimizer.build(new.trainable_variables)
        return new

    def fresh(self, seed):
        """The one model that is trained again and again, as a new one would be."""
        if self._model is None:
            new = self.new(seed)
            self._optimizer_start = [np.array(v) for v in new.optimizer.variables]
            self._model = new
            return new
        with backend.seeded(seed):
            new = self.build()
        set_state(self._model, (new.variables, None))
        for variable, start in zip(
            self._model.optimizer.variables, self._optimizer_start, strict=True
        ):
            variable.assign(start)
        return self._model

    def __getstate__(self):
        return {**self.__dict__, "_model": None}

    def __sklearn_clone__(self):
        return self


def get_state(model):
    """All that training changed: the variables' values, and an `RHVAE`'s metric."""
    return [np.array(v) for v in model.variables], getattr(model, "metric", None)


def set_state(model, state):
    """Puts `model` into a state of `get_state`, and returns it."""
    values, metric = state
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)
    if hasattr(model, "metric"):
        model.metric = metric
    return model


@backend.prompt_pipelines()
def fit_passes(
    model, arrays, passes, batch_size, seed=0, windows=None, patience=None, callbacks=()
):
    """`model.fit(*arrays, epochs=passes)` without `fit`'s cost for each pass over few images.

    All passes of a window are one epoch of Keras. Where steps are taken one by one
    (`steps_per_execution=1`), all epochs run through the batches as one, so that a window may be
    as short as a pass: Keras would set up a new iterator for each, which takes longer than the
    step of a few images. Within a pass each image is seen once, so no
    batch holds an image twice. The batches' size is left open when TensorFlow traces the
    training step: nothing is traced anew for another number of images, and results do not
    depend on the sizes trained before.

    Args:
        model: a compiled model.
        arrays: images (n, ...), or a tuple of them and their labels.
        passes: how often the model sees each image; rounded up to full windows.
        batch_size: images a step, at most.
        seed: fixes the order of images where a pass takes several steps.
        windows: entries of the history, each the mean over as many passes. Default: one, or with
            `patience` one a pass.
        patience: stop after so many passes, in full windows, without a better training loss, and
            restore the weights of the best window; None trains all passes.
        callbacks: Keras callbacks; their epochs are windows.

    Returns:
        Keras's `History`, with one entry a window.

    Raises:
        ValueError: if a number is no integer of 1 or more, images are not finite, or labels are
            not the model's, one an image.
    """
    _check_counts(passes=passes, batch_size=batch_size, windows=windows, patience=patience)
    arrays = arrays if isinstance(arrays, tuple) else (arrays,)
    _check_labelled(model, arrays)
    if windows is None:
        windows = 1 if patience is None else passes
    window = -(-passes // min(windows, passes))
    epochs = -(-passes // window)
    if patience is not None:
        patience = -(-patience // window)
        callbacks = [
            *callbacks,
            keras.callbacks.EarlyStopping(
                "loss", patience=patience, mode="min", restore_best_weights=True
            ),
        ]
    as_one = model.steps_per_execution == 1
    together = window * (epochs if as_one else 1)
    batches = ShuffledBatches(arrays, batch_size, seed, together, once=as_one)
    return model.fit(
        batches,
        epochs=epochs,
        steps_per_epoch=len(batches) // epochs if as_one else None,
        callbacks=list(callbacks),
        shuffle=False,
        verbose=0,
    )


@backend.prompt_pipelines()
def fit_with_validation(model, train, validation, batch_size, epochs, patience, seed=0):
    """A classifier's `fit` until the validation loss stops falling; the best weights are kept.

    Args:
        model: a compiled model.
        train, validation: images and labels of each.
        batch_size: images a step, at most.
        epochs: how often the model sees each image, at most.
        patience: epochs without a better validation loss, after which training stops.
        seed: fixes the order of the batches.

    Returns:
        Keras's `History`.

    Raises:
        ValueError: if a number is no integer of 1 or more, images are not finite, or labels are
            not the model's, one an image.
        NonFiniteLossError: if the loss becomes NaN or infinite; says where.
    """
    _check_counts(batch_size=batch_size, epochs=epochs, patience=patience)
    _check_labelled(model, train)
    _check_labelled(model, validation, "validation images")
    return model.fit(
        ShuffledBatches(train, batch_size, seed),
        epochs=epochs,
        validation_data=ShuffledBatches(validation, batch_size),
        callbacks=[
            StopOnNonFiniteLoss("the classifier"),
            keras.callbacks.EarlyStopping(
                "val_loss", patience=patience, mode="min", restore_best_weights=True
            ),
        ],
        shuffle=False,  # The batches are, by the seed.
        verbose=0,
    )


@backend.prompt_pipelines()
def fit_updates(
    model,
    arrays,
    batch_size,
    updates,
    every,
    seed=0,
    what="the model",
    validation=None,
    callbacks=(),
    transform=None,
):
    """`model.fit` for so many updates, pass after pass over the arrays; an epoch is some of them.

    So sets of different sizes are trained on equally, and looked at after as many updates.

    Args:
        model: a compiled model, with `steps_per_execution=1`.
        arrays: of n rows each, such as (images, labels).
        batch_size: rows an update, at most; the last one of a pass may have fewer.
        updates: how many, a multiple of `every`.
        every: updates an epoch of Keras.
        seed: fixes the order of the rows.
        what: what is trained, for the message if it fails.
        validation: (images, labels) of which the history has `val_loss` after each epoch.
        callbacks: Keras callbacks.
        transform: a function `f(images, update)` that changes a batch's images, such as
            `ClassicTransforms`.

    Returns:
        Keras's `History`.

    Raises:
        ValueError: if a number is no integer of 1 or more, `updates` no multiple of `every`, images
            are not finite, or labels are not the model's, one an image.
        NonFiniteLossError: if the loss becomes NaN or infinite; says where.
    """
    _check_counts(batch_size=batch_size, updates=updates, every=every)
    if updates % every:
        raise ValueError(f"updates must be a multiple of every, {every}; got {updates}.")
    _check_labelled(model, arrays)
    if validation:
        _check_labelled(model, validation, "validation images")
    steps = -(-len(arrays[0]) // batch_size)
    batches = ShuffledBatches(arrays, batch_size, seed, passes=-(-updates // steps))

    def given():
        for update in range(updates):
            images, *others = batches[update]
            yield (images if transform is None else transform(images, update), *others)

    return model.fit(
        given(),
        steps_per_epoch=every,
        epochs=updates // every,
        validation_data=validation and ShuffledBatches(validation, batch_size),
        callbacks=[StopOnNonFiniteLoss(what), *callbacks],
        shuffle=False,
        verbose=0,
    )


def _check_labelled(model, arrays, name="images"):
    """What a classifier is given: a ReLU may make a number of NaN, and NumPy labels of 0.9.

    A generative model looks at its batches itself.
    """
    from dagen_keras.models.generative import GenerativeModel

    if isinstance(model, GenerativeModel):
        return
    images, *labels = arrays
    bad = ~np.isfinite(images).reshape(len(images), -1).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{name} must be finite; {bad.sum()} of {len(images)} hold NaN or infinity, the first "
            f"is image {int(np.argmax(bad))}."
        )
    n_classes = model.output_shape[-1]
    if labels and n_classes > 1 and np.ndim(labels[0]) == 1:
        checks.labels(labels[0], len(images), f"labels of {name}", n_classes)


def _check_counts(**counts):
    for name, value in counts.items():
        if value is not None:
            checks.integer(value, name)


class ShuffledBatches(keras.utils.PyDataset):
    """Batches of arrays, shuffled anew for every pass, for Keras's `fit`.

    TensorFlow then traces a step with an open batch size, so that results do not depend on the
    sizes trained before.

    Args:
        arrays: arrays of n rows, such as (images, labels).
        batch_size: rows a batch, at most.
        seed: fixes the orders.
        passes: passes an epoch of Keras holds.
        once: the passes are all that there are, whatever Keras takes for an epoch.
    """

    def __init__(self, arrays, batch_size, seed=0, passes=1, once=False):
        super().__init__()
        if len({len(array) for array in arrays}) > 1:
            raise ValueError(
                "arrays must have a row for each image; they have "
                f"{' and '.join(str(len(array)) for array in arrays)} rows."
            )
        self.arrays, self.batch_size, self.passes, self.once = arrays, batch_size, passes, once
        self.steps = -(-len(arrays[0]) // batch_size)
        self.rng = np.random.default_rng(seed)
        self._draw()

    def _draw(self):
        n = len(self.arrays[0])
        self.orders = [self.rng.permutation(n) for _ in range(self.passes)]

    def on_epoch_end(self):
        if not self.once:
            self._draw()

    def __len__(self):
        return self.steps * self.passes

    def __getitem__(self, index):
        order, step = self.orders[index // self.steps], index % self.steps
        rows = order[step * self.batch_size : (step + 1) * self.batch_size]
        return tuple(array[rows] for array in self.arrays)


def predict(model, inputs, batch_size=50):
    """A model's outputs, as `model.predict`, in batches of one size, the last one padded.

    A result then does not depend, in its last digits, on the shapes predicted before, and JAX
    compiles once. `model.predict` sets up a pipeline of data in every call, which takes longer
    than the few batches that most calls are about.

    Args:
        model: a Keras model.
        inputs: an array of n rows, at least one, or a list of them, as the model takes them.
        batch_size: rows a batch.

    Returns:
        Arrays of n rows, structured as the model's outputs.
    """
    inputs = keras.tree.map_structure(np.asarray, inputs)
    n = len(keras.tree.flatten(inputs)[0])
    outputs = []
    for start in range(0, n, batch_size):
        rows = np.minimum(np.arange(start, start + batch_size), n - 1)
        batch = keras.tree.map_structure(operator.itemgetter(rows), inputs)
        outputs.append(model.predict_on_batch(batch))
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts)[:n], *outputs)
