"""Checks of arrays with one row an image."""

import numbers

import numpy as np


def finite(x, name):
    """`x` as an array (n, ...) of finite real numbers, n at least 1; ValueError if it is not."""
    x = np.asarray(x)
    if x.dtype.kind not in "biuf":
        try:
            x = x.astype("float64")  # bfloat16, for one.
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} must be an array of numbers; got dtype {x.dtype}.") from error
    if x.ndim < 2 or 0 in x.shape:
        raise ValueError(f"{name} must have shape (n, ...) and not be empty; got shape {x.shape}.")
    bad = ~np.isfinite(x).all(axis=tuple(range(1, x.ndim)))
    if bad.any():
        raise ValueError(
            f"{name} must be finite; {bad.sum()} of {len(x)} rows hold NaN or infinity, "
            f"the first is row {int(np.argmax(bad))}."
        )
    return x


def features(x, name, minimum=2):
    """`x` as a float64 array (n, d), n at least `minimum`; ValueError if it is not."""
    x = finite(x, name)
    if x.ndim != 2:
        raise ValueError(f"{name} must have shape (n, d), one row an image; got shape {x.shape}.")
    if len(x) < minimum:
        raise ValueError(f"{name} must hold at least {minimum} rows; got {len(x)}.")
    return x.astype("float64", copy=False)


def pair(real_features, generated_features):
    """Both as `features`, with equal d; ValueError if they are not."""
    real = features(real_features, "real_features")
    generated = features(generated_features, "generated_features")
    same_width(real.shape[1], generated.shape[1])
    return real, generated


def same_width(real, generated):
    """ValueError if the features' numbers differ."""
    if real != generated:
        raise ValueError(
            f"real and generated images must have the same features; got {real} and {generated} "
            "of them."
        )


def count(name, value, minimum):
    """ValueError if `value` is no integer of `minimum` or more."""
    if not isinstance(value, numbers.Integral) or value < minimum:
        raise ValueError(f"{name} must be an integer of {minimum} or more; got {value!r}.")
