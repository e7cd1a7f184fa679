"""Checks at the public door: images, labels, and the error of a run that cannot be."""

import numbers

import numpy as np


class RunError(RuntimeError):
    """A run that cannot be done as asked; says why and what would be right."""


def integer(value, name, least=1):
    """`value` as an `int`, of whatever kind of integer it is.

    Raises:
        ValueError: if it is not an integer, or less than `least`.
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer of {least} or more; got {value!r}.")
    return int(value)


def number(value, name):
    """`value`, if it is a real number, infinite perhaps, and not NaN.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(value, numbers.Real) or value != value:
        raise ValueError(f"{name} must be a number; got {value!r}.")
    return value


def real(x, name):
    """`x` as an array of real numbers, of the dtype that it has; of Python's own, float64.

    Raises:
        ValueError: if it is none: of complex numbers, times or texts, masked, or ragged.
    """
    _refuse_masked(x, name)
    try:
        x = np.asarray(x)
        if x.dtype.kind in "OV":  # Python's own numbers; bfloat16.
            x = x.astype("float64")
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be an array of real numbers: {error}.") from error
    if x.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of real numbers; got dtype {x.dtype}.")
    return x


def image_shape(value):
    """`value` as an image's (height, width, channels), a tuple of `int`.

    Raises:
        ValueError: if it is none.
    """
    sides = value if isinstance(value, list | tuple) else ()
    if len(sides) != 3 or not all(isinstance(n, numbers.Integral) and n > 0 for n in sides):
        raise ValueError(f"image_shape must be (height, width, channels); got {value!r}.")
    return tuple(map(int, sides))


def images(x, name="images"):
    """`x` as float32 images of shape (n, height, width, channels) with pixels in [0, 1].

    Raises:
        ValueError: if the rank, the range or a pixel is not what it must be.
    """
    x = real(x, name)
    if x.ndim != 4:
        hint = " Add a channel axis: x[..., None]." if x.ndim == 3 else ""
        raise ValueError(
            f"{name} must have shape (n, height, width, channels); got shape {x.shape}.{hint}"
        )
    if 0 in x.shape:
        raise ValueError(f"{name} must not be empty; got shape {x.shape}.")
    x = x.astype("float32", copy=False)
    bad = ~np.isfinite(x).all(axis=(1, 2, 3))
    if bad.any():
        raise ValueError(
            f"{name} must be finite; {bad.sum()} of {len(x)} images hold NaN or infinity, "
            f"the first is image {int(np.argmax(bad))}."
        )
    low, high = float(x.min()), float(x.max())
    if low < 0 or high > 1:
        hint = " Divide by 255." if low >= 0 and 2 < high <= 255 else ""
        raise ValueError(f"{name} must be in [0, 1]; got {low:.8g} to {high:.8g}.{hint}")
    return x


def labels(y, n_images, name="labels", n_classes=None):
    """`y` as integer labels of shape (n_images,), below `n_classes` where that is said.

    Raises:
        ValueError: if they are not integers from 0 on, one for each image, or not below it.
    """
    _refuse_masked(y, name)
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        hint = " Use y.argmax(axis=1) for one-hot labels." if y.ndim == 2 else ""
        raise ValueError(f"{name} must have shape (n,); got shape {y.shape}.{hint}")
    if len(y) != n_images:
        raise ValueError(f"{name} must be one an image; got {len(y)} for {n_images} images.")
    if y.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers; got dtype {y.dtype}.")
    if len(y) and y.min() < 0:
        raise ValueError(f"{name} must be 0 or more; got {y.min()}.")
    if n_classes is not None and len(y) and y.max() >= integer(n_classes, "n_classes"):
        raise ValueError(f"{name} must be below {n_classes}, the number of classes; got {y.max()}.")
    if len(y) and y.max() > np.iinfo("int64").max:
        raise ValueError(f"{name} must be integers of 64 bits; got {y.max()}.")
    return y.astype("int64", copy=False)


def _refuse_masked(x, name):
    """What is masked would be taken for what lies beneath the mask."""
    if np.ma.is_masked(x):
        raise ValueError(f"{name} must not be masked: fill it, x.filled(...), or leave rows out.")
