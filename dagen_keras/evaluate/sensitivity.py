"""What effects paired differences can show: power, and the effect that is shown with 80 %."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from dagen_keras import checks
from dagen_keras.evaluate.signed_rank import (
    ALPHA,
    MINIMUM_PAIRS,
    critical_sum,
    one_a_seed,
    share,
    walsh_averages,
)

POWER = 0.8

_LARGEST_SIMULATED = 100
_SIMULATED_DIFFERENCES = 200_000
_EFFICIENCY = 3 / math.pi  # Of the signed-rank test against the z-test, for normal differences.


def detectable(differences: ArrayLike, alpha: float = ALPHA) -> float:
    """The effect that as many normal differences of the same spread show with 80 % power.

    Args:
        differences: (n,).
        alpha: level over both looks; the one-sided test is made at half of it.

    Returns:
        The effect, in the unit of the differences; NaN below eight, infinity if n differences show
        nothing at this level.

    Raises:
        ValueError: if differences are not (n,) or not finite, or `alpha` is not between 0 and 1.
    """
    differences = one_a_seed(differences)
    share("alpha", alpha)
    if len(differences) < MINIMUM_PAIRS:
        return math.nan
    effect = _effect_in_sd(len(differences), alpha)
    return effect * float(differences.std(ddof=1)) if math.isfinite(effect) else effect


def power(n: int, effect_in_sd: float, alpha: float = ALPHA) -> float:
    """The chance that n normal differences show an effect.

    It is simulated with a fixed seed up to 100 differences (standard error below half a percent at
    16), and asymptotic above.

    Args:
        n: how many differences; below eight they show nothing.
        effect_in_sd: their mean, in their standard deviations.
        alpha: level over both looks; the one-sided test is made at half of it.

    Returns:
        The chance, in [0, 1].

    Raises:
        ValueError: if `n` is no integer of 0 or more, the effect no number, or `alpha` is not
            between 0 and 1.
    """
    checks.integer(n, "n", 0)
    checks.number(effect_in_sd, "effect_in_sd")
    share("alpha", alpha)
    if n < MINIMUM_PAIRS:
        return 0.0
    if n > _LARGEST_SIMULATED:
        return float(stats.norm.cdf(effect_in_sd * math.sqrt(_EFFICIENCY * n) - _z(alpha)))
    return float((_shown_from(n, alpha) < effect_in_sd).mean())


@lru_cache
def _effect_in_sd(n, alpha):
    if n > _LARGEST_SIMULATED:
        return (_z(alpha) + stats.norm.ppf(POWER)) / math.sqrt(_EFFICIENCY * n)
    return float(np.quantile(_shown_from(n, alpha), POWER, method="higher"))


def _z(alpha):
    return stats.norm.isf(alpha / 2)


@lru_cache
def _shown_from(n, alpha):
    """For each of many draws of n normal differences, the effect above which they show it.

    An effect moves every Walsh average by as much, and is shown once a critical number of them lies
    above 0.
    """
    n_draws = _SIMULATED_DIFFERENCES // n
    critical = critical_sum(n, alpha / 2)
    if critical is None:
        return np.full(n_draws, math.inf)
    noise = np.random.default_rng(0).standard_normal((n_draws, n))
    averages = walsh_averages(noise)
    averages.partition(averages.shape[1] - critical)
    return -averages[:, -critical]
