"""When a claim about paired differences is decided, and what the differences could have shown.

Everything here is exact but the power, which is simulated, and the crossed bootstrap. The
signed-rank test takes the differences to be symmetric about their centre; of skewed ones it tests
the median of the Walsh averages and not the mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from dagen_keras.evaluate import rows
from dagen_keras.evaluate.significance import ALPHA, MINIMUM_PAIRS

LOOKS = (1, 2)
POWER = 0.8
TOLERANCE = 1e-9  # Of the largest magnitude: what is closer differs by rounding only.
SIDES = {"both": (1, -1), "upper": (1,), "lower": (-1,)}

_LARGEST_SIMULATED = 100
_SIMULATED_DIFFERENCES = 200_000
_EFFICIENCY = 3 / math.pi  # Of the signed-rank test against the z-test, for normal differences.

_TOO_FEW = ("not decided", "too few seeds")
_OPEN_SIZE = ("not decided", "direction shown, size open")


@dataclass(frozen=True)
class Verdict:
    """What paired differences say about a claim.

    Attributes:
        verdict: "reproduced", "contradicted", "smaller than claimed", "not found" or "not decided".
        reason: why it is not decided, "too few seeds" or "direction shown, size open"; else "".
        estimate: the Hodges-Lehmann estimate, in the unit of the differences.
        low, high: its exact 95 % interval; NaN below six differences.
        p_value: the one that "reproduced" needs; NaN if all differences lie on the bound.
        n: the differences off the bound, those that the test uses.
        ties: the differences on it.
        probability_better: the share of differences above 0, those at 0 counted half.
        detectable: the effect that as many differences of the observed spread show with 80 % power.
    """

    verdict: str
    reason: str
    estimate: float
    low: float
    high: float
    p_value: float
    n: int
    ties: int
    probability_better: float
    detectable: float


def paired_verdict(
    differences: ArrayLike,
    size: float | None = None,
    smallest: float | None = None,
    at: float = 0.0,
    alpha: float = ALPHA,
    look: int = 1,
) -> Verdict:
    """Decides the claim that differences lie above `at`, by as much as `size` if that is given.

    Args:
        differences: (n,), one a seed: the claimed better minus the claimed worse.
        size: how far above `at` the paper has them. At least half of it is asked for.
        smallest: without `size`, the smallest effect that matters; unused with it.
        at: the bound that the differences exceed if the claim is right.
        alpha: level of the claim over both looks; each of its tests is made at half of it.
        look: 1 or 2, which of the two this is.

    Returns:
        A `Verdict`. Its `estimate`, `low` and `high` are of the differences, `at` not taken off.

    Raises:
        ValueError: if differences are not (n,) or not finite, `size` or `smallest` is not above 0,
            `at` is not finite, `alpha` is not between 0 and 1, or `look` is neither 1 nor 2.
    """
    differences = _one_a_seed(differences)
    for name, value in (("size", size), ("smallest", smallest)):
        if value is not None:
            _positive(name, value)
    if not math.isfinite(at):
        raise ValueError(f"at must be a finite number; got {at!r}.")
    _check_test(alpha, look)

    n = _off(differences, at)
    verdict, reason = _first_row(differences, n, size, smallest, at, alpha / 2)
    return _report(differences, verdict, reason, _p_above(differences, at), n, alpha)


def _first_row(differences, n, size, smallest, at, level):
    """(verdict, reason) of the first row of the table that applies."""
    if n < MINIMUM_PAIRS:
        return _TOO_FEW
    if _p_below(differences, at) <= level:
        return "contradicted", ""

    larger = _p_above(differences, at) <= level
    half = None if size is None else at + size / 2
    enough = at + smallest if size is None and smallest is not None else half
    if enough is not None and _p_below(differences, enough) <= level:
        return ("smaller than claimed" if larger and size is not None else "not found"), ""

    estimate, *_ = hodges_lehmann(differences)
    if larger and (half is None or estimate >= half - _tolerance(differences, half)):
        return "reproduced", ""
    return _OPEN_SIZE if larger else _TOO_FEW


def equivalence(
    differences: ArrayLike,
    margin: float,
    sides: str = "both",
    alpha: float = ALPHA,
    look: int = 1,
) -> Verdict:
    """Decides the claim that differences stay within a margin.

    Args:
        differences: (n,), one a seed.
        margin: above 0, in the unit of the differences.
        sides: "both" if they lie between -margin and margin, "upper" if below margin, "lower" if
            above -margin.
        alpha: level of the claim over both looks; each of its tests is made at half of it.
        look: 1 or 2, which of the two this is.

    Returns:
        A `Verdict`, "reproduced" if the differences are shown to be inside each bound and
        "contradicted" if outside one. `p_value` is the largest that "reproduced" needs; `n` counts
        the differences off the bound that has more of them on it.

    Raises:
        ValueError: if differences are not (n,) or not finite, `margin` is not above 0, `sides` is
            unknown, `alpha` is not between 0 and 1, or `look` is neither 1 nor 2.
    """
    differences = _one_a_seed(differences)
    _positive("margin", margin)
    if sides not in SIDES:
        raise ValueError(f"sides must be one of {', '.join(SIDES)}; got {sides!r}.")
    _check_test(alpha, look)

    sided = [sign * differences for sign in SIDES[sides]]
    inside = [_p_below(d, margin) for d in sided]
    outside = [_p_above(d, margin) for d in sided]
    n, p_value = min(_off(d, margin) for d in sided), float(np.max(inside))
    if n < MINIMUM_PAIRS:
        verdict, reason = _TOO_FEW
    elif p_value <= alpha / 2:
        verdict, reason = "reproduced", ""
    elif min(outside) <= alpha / 2:
        verdict, reason = "contradicted", ""
    else:
        verdict, reason = _TOO_FEW
    return _report(differences, verdict, reason, p_value, n, alpha)


def _report(differences, verdict, reason, p_value, n, alpha):
    signs = np.sign(differences) * (np.abs(differences) > _tolerance(differences))
    return Verdict(
        verdict,
        reason,
        *hodges_lehmann(differences),
        p_value=p_value,
        n=n,
        ties=len(differences) - n,
        probability_better=float((1 + signs.mean()) / 2) if len(signs) else math.nan,
        detectable=detectable(differences, alpha),
    )


def _tolerance(differences, bound=0.0):
    return TOLERANCE * max(np.abs(differences).max(initial=0), abs(bound))


def _off(differences, bound):
    """How many differences do not lie on the bound."""
    return int((np.abs(differences - bound) > _tolerance(differences, bound)).sum())


def _p_above(differences, bound):
    return _signed_rank_p(differences - bound, _tolerance(differences, bound))


def _p_below(differences, bound):
    return _p_above(-differences, -bound)


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
    values = _one_a_seed(values, "values")
    return _signed_rank_p(values, _tolerance(values))


def _signed_rank_p(values, tolerance):
    values = values[np.abs(values) > tolerance]
    if not len(values):
        return math.nan
    values = values[np.argsort(np.abs(values))]
    group = np.cumsum(np.diff(np.abs(values), prepend=0) > tolerance) - 1
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


def _critical_sum(n, level):
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
    differences = _one_a_seed(differences)
    _share("level", level)
    if not len(differences):
        return math.nan, math.nan, math.nan
    averages = np.sort(_walsh_averages(differences))
    estimate = float(np.median(averages))
    critical = _critical_sum(len(differences), (1 - level) / 2)
    if critical is None:
        return estimate, math.nan, math.nan
    return estimate, float(averages[-critical]), float(averages[critical - 1])


def _walsh_averages(differences):
    """(..., n) to (..., n (n + 1) / 2)."""
    i, j = np.triu_indices(differences.shape[-1])
    return (differences[..., i] + differences[..., j]) / 2


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
    differences = _one_a_seed(differences)
    _share("alpha", alpha)
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
        ValueError: if `n` is no integer of 0 or more, or `alpha` is not between 0 and 1.
    """
    rows.count("n", n, 0)
    _share("alpha", alpha)
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
    critical = _critical_sum(n, alpha / 2)
    if critical is None:
        return np.full(n_draws, math.inf)
    noise = np.random.default_rng(0).standard_normal((n_draws, n))
    averages = _walsh_averages(noise)
    averages.partition(averages.shape[1] - critical)
    return -averages[:, -critical]


def crossed_bootstrap(
    differences: ArrayLike, level: float = 0.99, n_resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """The interval of a mean over seeds and test images when other ones could have been drawn.

    Seeds and images are resampled independently, as in the pigeonhole bootstrap of Owen 2007. It
    counts what is of a seed and an image alone up to three times, which makes the interval wider,
    and the seeds' variance times 1 - 1 / n_seeds, which makes it narrower.

    Args:
        differences: (n_seeds, n_images), the better minus the worse of a seed on an image, such as
            100, 0 or -100 points of accuracy.
        level: of the percentile interval, between 0 and 1.
        n_resamples: how often both are resampled.
        seed: of the resampling.

    Returns:
        (low, high), in the unit of the differences.

    Raises:
        ValueError: if differences are not (n_seeds, n_images), empty or not finite, `level` is not
            between 0 and 1, or `n_resamples` is no integer of 1 or more.
    """
    differences = rows.finite(differences, "differences")
    if differences.ndim != 2:
        raise ValueError(
            "differences must have shape (n_seeds, n_images), one row a seed; "
            f"got shape {differences.shape}."
        )
    _share("level", level)
    rows.count("n_resamples", n_resamples, 1)
    differences = differences.astype("float64", copy=False)
    n_seeds, n_images = differences.shape
    rng = np.random.default_rng(seed)
    means = [
        _times_drawn(rng, n_seeds) @ (differences @ _times_drawn(rng, n_images))
        for _ in range(n_resamples)
    ]
    tail = (1 - level) / 2
    low, high = np.quantile(np.divide(means, n_seeds * n_images), [tail, 1 - tail])
    return float(low), float(high)


def _times_drawn(rng, n):
    """How often each of n is drawn in n draws with replacement, (n,)."""
    return np.bincount(rng.integers(n, size=n), minlength=n).astype("float64")


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values, in the order given; None and NaN stay and are not counted."""
    adjusted = list(p_values)
    known = [i for i, p in enumerate(adjusted) if p is not None and not math.isnan(p)]
    largest = 0.0
    for rank, i in enumerate(sorted(known, key=adjusted.__getitem__)):
        largest = max(largest, min(1.0, (len(known) - rank) * float(adjusted[i])))
        adjusted[i] = largest
    return adjusted


def _one_a_seed(values, name="differences"):
    """`values` as float64 (n,), n at least 0; ValueError if they are not or not finite."""
    values = np.asarray(values, "float64")
    if values.ndim != 1:
        raise ValueError(f"{name} must have shape (n,), one a seed; got shape {values.shape}.")
    bad = ~np.isfinite(values)
    if bad.any():
        raise ValueError(
            f"{name} must be finite; {bad.sum()} of {len(values)} are NaN or infinite, "
            f"the first at position {int(np.argmax(bad))}."
        )
    return values


def _positive(name, value):
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be a finite number above 0; got {value!r}.")


def _share(name, value):
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1; got {value!r}.")


def _check_test(alpha, look):
    _share("alpha", alpha)
    if look not in LOOKS:
        raise ValueError(f"look must be 1 or 2, at 8 or at 16 seeds; got {look!r}.")
