"""Checks of arrays with one row an image."""

import numpy as np

from dagen_keras import checks

# Up to here the kernel distance's deviation, of twelfth powers, is a float64.
LARGEST = 1e25


def finite(x, name):
    """`x` as an array (n, ...) of finite real numbers, n at least 1; ValueError if it is not."""
    x = checks.real(x, name)
    if x.ndim < 2 or 0 in x.shape:
        raise ValueError(f"{name} must have shape (n, ...) and not be empty; got shape {x.shape}.")
    bad = ~np.isfinite(x).all(axis=tuple(range(1, x.ndim)))
    if bad.any():
        raise ValueError(
            f"{name} must be finite; {bad.sum()} of {len(x)} rows hold NaN or infinity, "
            f"the first is row {int(np.argmax(bad))}."
        )
    return x


def within(x, name):
    """`x`; ValueError if its finite numbers are too large for what is made of their powers."""
    largest = max(float(x.max(initial=0)), -float(x.min(initial=0)))
    if largest > LARGEST:
        raise ValueError(
            f"{name} must be within +-{LARGEST:g}, so that powers of them are finite; got "
            f"{largest:g}."
        )
    return x


def matrix(x, name, minimum=1):
    """`x` as a finite float64 array (n, d), n at least `minimum`; ValueError if it is not."""
    x = finite(x, name)
    if x.ndim != 2:
        raise ValueError(f"{name} must have shape (n, d), one row an image; got shape {x.shape}.")
    if len(x) < minimum:
        raise ValueError(f"{name} must hold at least {minimum} rows; got {len(x)}.")
    return x.astype("float64", copy=False)


def features(x, name, minimum=2):
    """`x` as a `matrix` whose numbers are `within` what can be measured; else ValueError."""
    return within(matrix(x, name, minimum), name)


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
