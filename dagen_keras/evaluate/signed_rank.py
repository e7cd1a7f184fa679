"""Wilcoxon's signed-rank test and what belongs to it, exact with ties and zeros.

The test takes values to be symmetric about their centre; of skewed ones it tests the median of the
Walsh averages and not the mean.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from dagen_keras import checks
from dagen_keras.evaluate import rows

ALPHA = 0.01  # Level of a claim over both looks.
MINIMUM_PAIRS = 8  # Differences, one a seed, without which nothing is decided.
TOLERANCE = 1e-9  # Of the largest magnitude: what is closer differs by rounding only.


def signed_rank_p(values: ArrayLike) -> float:
    """The exact one-sided p-value of Wilcoxon's signed-rank test that values lie above 0.

    It is the share of all 2^n assignments of signs to the magnitudes' midranks whose sum of
    positive ranks is at least the observed one, so that ties are right. Zeros are left out. Values
    closer than 1e-9 of the largest magnitude count as equal, or as zero.

    Args:
        values: (n,).

    Returns:
        The p-value; NaN if all values are zero, or without any.

    Raises:
        ValueError: if values are not (n,) or not finite.
    """
    values = one_a_seed(values, "values")
    return p_above_zero(values, tolerance(values))


def p_above_zero(values, closer):
    values = values[np.abs(values) > closer]
    if not len(values):
        return math.nan
    values = values[np.argsort(np.abs(values))]
    group = np.cumsum(np.diff(np.abs(values), prepend=0) > closer) - 1
    tied = np.bincount(group)
    observed = _doubled_midranks(tied)[group[values > 0]].sum()
    return float(_upper_tail(tuple(tied.tolist()))[observed])


def _doubled_midranks(tied):
    """Twice the midrank, an integer, of each group of `tied` equal values."""
    return 2 * np.cumsum(tied) - tied + 1


@lru_cache(maxsize=256)
def _upper_tail(tied):
    """P(2 T+ >= t) at each index t, T+ the sum of the ranks that get a positive sign by chance."""
    ranks = np.repeat(_doubled_midranks(np.array(tied)), tied)
    chances = np.zeros(ranks.sum() + 1)
    chances[0] = 1
    for rank in ranks:
        chances[rank:] += chances[:-rank]
        chances /= 2
    return np.minimum(np.cumsum(chances[::-1])[::-1], 1)


def critical_sum(n, level):
    """The smallest T+ that n values without ties reach by chance at most at `level`; None if none.

    T+ is also the number of Walsh averages above 0.
    """
    (reached,) = np.nonzero(_upper_tail((1,) * n)[::2] <= level)
    return int(reached[0]) if len(reached) else None


def hodges_lehmann(differences: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """The Hodges-Lehmann estimate of the centre, and its exact interval.

    The estimate is the median of the Walsh averages (d_i + d_j) / 2, i <= j. The interval holds
    each centre that the two-sided signed-rank test at 1 - level does not reject. Its bounds are two
    of the averages, those that are right without ties; with ties it covers the centre more often.

    Args:
        differences: (n,).
        level: how often the interval is to cover the centre, between 0 and 1.

    Returns:
        (estimate, low, high), in the unit of the differences. The bounds are NaN if n is too small
        for the level, below six at 95 %; all are NaN without differences.

    Raises:
        ValueError: if differences are not (n,) or not finite, or `level` is not between 0 and 1.
    """
    differences = one_a_seed(differences)
    share("level", level)
    if not len(differences):
        return math.nan, math.nan, math.nan
    averages = np.sort(walsh_averages(differences))
    estimate = float(np.median(averages))
    critical = critical_sum(len(differences), (1 - level) / 2)
    if critical is None:
        return estimate, math.nan, math.nan
    return estimate, float(averages[-critical]), float(averages[critical - 1])


def walsh_averages(differences):
    """(..., n) to (..., n (n + 1) / 2)."""
    i, j = np.triu_indices(differences.shape[-1])
    return (differences[..., i] + differences[..., j]) / 2


def tolerance(differences, bound=0.0):
    return TOLERANCE * max(np.abs(differences).max(initial=0), abs(bound))


def one_a_seed(values, name="differences"):
    """`values` as float64 (n,), n at least 0; ValueError if they are not, or not finite.

    As of features, numbers beyond `rows.LARGEST` are refused.
    """
    values = checks.real(values, name).astype("float64")
    if values.ndim != 1:
        raise ValueError(f"{name} must have shape (n,), one a seed; got shape {values.shape}.")
    bad = ~np.isfinite(values)
    if bad.any():
        raise ValueError(
            f"{name} must be finite; {bad.sum()} of {len(values)} are NaN or infinite, "
            f"the first at position {int(np.argmax(bad))}."
        )
    return rows.within(values, name)


def share(name, value):
    if not 0 < checks.number(value, name) < 1:
        raise ValueError(f"{name} must lie between 0 and 1; got {value!r}.")
