"""What the models' `fit` is given: arrays, tensors, or batches of any kind that Keras takes."""

import itertools
import types

import keras
import numpy as np
from keras import ops

from dagen_keras.models.training import ShuffledBatches


def checked(x, check):
    """`x` for Keras's `fit`, once `check(images, ...)` has looked at it.

    An array and a tensor are looked at as a whole, and what `check` returns is trained on; of
    batches it looks at the first, before any step of training.

    Args:
        x: an array, a tensor, a `PyDataset`, a `tf.data.Dataset`, a generator, or another iterable.
        check: a function of the images, and of what else is in a batch, that raises an error.
    """
    if hasattr(x, "__array__"):
        return check(ops.convert_to_numpy(x))
    if isinstance(x, ShuffledBatches):
        check(*x.arrays)
    elif isinstance(x, types.GeneratorType):
        first = list(itertools.islice(x, 1))  # None of an empty one, which Keras refuses.
        for batch in first:
            check(*_parts(batch))
        return (batch for part in (first, x) for batch in part)
    elif isinstance(x, keras.utils.PyDataset):
        check(*_parts(x[0]))
    elif hasattr(x, "__iter__") and not isinstance(x, list | tuple | dict):
        check(*_parts(next(iter(x))))
    return x


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
    return [ops.convert_to_numpy(part) for part in parts if part is not None]
