"""Paired comparisons over (cell, seed) pairs."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

ALPHA = 0.01
MINIMUM_PAIRS = 8


@dataclass(frozen=True)
class Comparison:
    """A one-sided Wilcoxon signed-rank test that the first of each pair is larger.

    Attributes:
        n_pairs: how many pairs.
        p_value: of the test; NaN without a pair that differs.
        median: median of the differences, in the unit of the values.
        low, high: its 95 % bootstrap interval.
        verdict: "reproduced", "not reproduced" or "not decided".
    """

    n_pairs: int
    p_value: float
    median: float
    low: float
    high: float
    verdict: str


def compare_paired(larger, smaller, alpha=ALPHA):
    """Tests the claim that `larger` exceeds `smaller`, pair by pair.

    With fewer than 8 pairs the smallest possible p-value is close to alpha or above it, and the
    verdict is "not decided".

    Args:
        larger, smaller: equally long sequences of finite numbers.
        alpha: level of the test.

    Returns:
        A `Comparison`.
    """
    larger, smaller = np.asarray(larger, float), np.asarray(smaller, float)
    if larger.shape != smaller.shape or larger.ndim != 1:
        raise ValueError(
            f"pairs need two equally long sequences; got shapes {larger.shape}, {smaller.shape}."
        )
    difference = larger - smaller
    n = len(difference)
    if n == 0:
        return Comparison(0, np.nan, np.nan, np.nan, np.nan, "not decided")
    p_value = (
        float(stats.wilcoxon(difference, alternative="greater").pvalue)
        if np.any(difference)
        else np.nan
    )
    low, high = bootstrap_median_interval(difference)
    if n < MINIMUM_PAIRS:
        verdict = "not decided"
    else:
        verdict = "reproduced" if p_value < alpha else "not reproduced"
    return Comparison(n, p_value, float(np.median(difference)), low, high, verdict)


def bootstrap_median_interval(values, level=0.95, n_resamples=2000, seed=0):
    """Percentile bootstrap interval (low, high) of the median of `values`."""
    values = np.asarray(values, float)
    rng = np.random.default_rng(seed)
    medians = np.median(rng.choice(values, (n_resamples, len(values))), axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(medians, [tail, 1 - tail])
    return float(low), float(high)


def mean_interval(values, level=0.95):
    """(mean, low, high): the mean and its interval by Student's t, leaving out NaN.

    The interval of one value is NaN, and all three without any.
    """
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    if not len(values):
        return np.nan, np.nan, np.nan
    if len(values) == 1:
        return values[0], np.nan, np.nan
    quantile = stats.t.ppf((1 + level) / 2, len(values) - 1)
    half = quantile * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean(), values.mean() - half, values.mean() + half


def paired_difference(values, method, other):
    """`mean_interval` of column `method` minus `other` of a frame, over rows that have both.

    All three are NaN if the two are the same or one is missing.
    """
    if method == other or not {method, other} <= set(values):
        return mean_interval([])
    return mean_interval((values[method] - values[other]).dropna())
