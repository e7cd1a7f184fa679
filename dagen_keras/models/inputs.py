"""What the models' `fit` is given: arrays, tensors, or batches of any kind that Keras takes."""

import contextlib
import functools
import types

import keras
import numpy as np
from keras import ops

from dagen_keras import backend, checks
from dagen_keras.models.training import ShuffledBatches, build_optimizer


@contextlib.contextmanager
def checked(model, x, y=None, sample_weight=None, validation=None, class_weight=None):
    """Yields `x`, `y` and `validation` for Keras; `model.checked_batch` looks at each batch.

    An array and a tensor are looked at as a whole, and what that returns is used. Batches are
    looked at as they are drawn: what comes before a refused one is trained on, and the model stays
    usable. Only the first is looked at where others are out of reach: of a `PyDataset` of several
    processes, of a distributed dataset, and of iterables of other libraries.

    Args:
        model: what is fitted, or evaluated.
        x: an array, a tensor, a `PyDataset`, a `tf.data.Dataset`, a generator, or another iterable.
        y, sample_weight: what stands beside an array or a tensor, or None.
        validation: what Keras takes as `validation_data`, or None.
        class_weight: weights by label, which every batch then must have.

    Raises:
        ValueError: if a batch is refused, within whatever error Keras has made of it.
    """
    if isinstance(x, list | tuple | dict):
        if isinstance(x, dict) or len(x) != 1:
            raise ValueError(
                f"images must be an array, a tensor, or batches; got a {type(x).__name__} of "
                f"{len(x)}. An array of several images is np.stack(images)."
            )
        x = x[0]  # As Keras has it.
    build_optimizer(model)
    refused, start = {}, [(variable, variable.value) for variable in _variables(model)]

    def look(number, batch, of=""):
        try:
            parts = _parts(batch)
            if len(parts) > 2 and parts[1] is None is not parts[2]:
                raise ValueError("Keras drops weights without labels: give any, such as zeros.")
            _check_weighted(class_weight if not of else None, *parts[1:2])
            model.checked_batch(*parts)
        except ValueError as error:
            refused[of, int(number)] = ValueError(f"{of}batch {int(number)}: {error}")
            raise refused[of, int(number)] from None

    try:
        if hasattr(x, "__array__"):
            x, y, *_ = model.checked_batch(ops.convert_to_numpy(x), y, sample_weight)
            _check_weighted(class_weight, y)
            y = targets(x, y, sample_weight)
        else:
            x = _looked_at(x, look)
        yield x, y, _validation(validation, model, look)
    except Exception:
        if not refused:
            raise
        for variable, value in start:
            if variable._value is None:  # JAX's trainer has it when it draws the first batch.
                variable.assign(value)
        # Threads look at several at a time: what is told does not depend on which was first.
        raise refused[min(refused)] from None


def _check_weighted(class_weight, y=None):
    if class_weight is None:
        return
    if y is None:
        raise ValueError("class_weight needs labels beside the images: fit(images, labels).")
    wrong = [w for w in class_weight.values() if not 0 <= checks.number(w, "class_weight") < np.inf]
    if wrong:
        raise ValueError(f"class_weight must be finite and 0 or more; got {wrong[0]!r}.")


def _variables(model):
    return [*model.variables, *(model.optimizer.variables if model.compiled else ())]


def _looked_at(x, look):
    if isinstance(x, ShuffledBatches):
        look(0, x.arrays)
    elif isinstance(x, types.GeneratorType):
        return _generated(x, look)
    elif isinstance(x, keras.utils.PyDataset) and not x.use_multiprocessing:
        return _LookedAt(x, look)
    elif isinstance(x, keras.utils.PyDataset):
        look(0, x[0])
    elif hasattr(x, "enumerate"):  # A `tf.data.Dataset`.
        return backend.watched(x, look)
    elif hasattr(x, "__iter__"):
        look(0, next(iter(x)))
    return x


def _validation(data, model, look):
    if not isinstance(data, tuple | list):
        return _looked_at(data, functools.partial(look, of="validation_data, "))
    images, y, sample_weight = (*data, None, None)[:3]
    try:
        images, y, *_ = model.checked_batch(ops.convert_to_numpy(images), y, sample_weight)
    except ValueError as error:
        raise ValueError(f"validation_data: {error}") from error
    return images, targets(images, y, sample_weight), sample_weight


def _generated(batches, look):
    for number, batch in enumerate(batches):
        look(number, batch)
        yield batch


class _LookedAt(keras.utils.PyDataset):
    """The batches of another `PyDataset`, each looked at."""

    def __init__(self, batches, look):
        super().__init__(batches.workers, max_queue_size=batches.max_queue_size)
        self.batches, self.look = batches, look

    @property
    def num_batches(self):
        return self.batches.num_batches

    def __getitem__(self, index):
        batch = self.batches[index]
        self.look(index, batch)
        return batch

    def on_epoch_begin(self):
        self.batches.on_epoch_begin()

    def on_epoch_end(self):
        self.batches.on_epoch_end()


def targets(x, y, sample_weight):
    """`y`, or zeros where it is None and there are weights: Keras drops weights without targets."""
    return np.zeros(len(x)) if y is None and sample_weight is not None else y


def all_images(x):
    """All images of what a `fit` was given; None where they come but once, or without end."""
    if hasattr(x, "__array__"):
        return ops.convert_to_numpy(x)
    if isinstance(x, ShuffledBatches):
        return x.arrays[0]
    if isinstance(x, keras.utils.PyDataset):
        batches = map(x.__getitem__, range(x.num_batches or 0))
    elif hasattr(x, "cardinality"):  # A `tf.data.Dataset`; -1 is one without end.
        batches = [] if int(x.cardinality()) == -1 else x
    else:
        batches = []
    found = [_parts(batch)[0] for batch in batches]
    return np.concatenate(found) if found else None


def _parts(batch):
    """A batch's arrays: images, and labels or weights where it has them."""
    parts = batch if isinstance(batch, list | tuple) else [batch]
    return [part if part is None else ops.convert_to_numpy(part) for part in parts]
