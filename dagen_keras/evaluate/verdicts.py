"""When a claim about paired differences is decided, by exact signed-rank tests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dagen_keras import checks
from dagen_keras.evaluate import rows
from dagen_keras.evaluate.sensitivity import detectable
from dagen_keras.evaluate.signed_rank import (
    ALPHA,
    MINIMUM_PAIRS,
    hodges_lehmann,
    one_a_seed,
    p_above_zero,
    share,
    tolerance,
)

LOOKS = (1, 2)
SIDES = {"both": (1, -1), "upper": (1,), "lower": (-1,)}

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
    differences = one_a_seed(differences)
    for name, value in (("size", size), ("smallest", smallest)):
        if value is not None:
            _positive(name, value)
    if not math.isfinite(checks.number(at, "at")):
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
    if larger and (half is None or estimate >= half - tolerance(differences, half)):
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
    differences = one_a_seed(differences)
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
    signs = np.sign(differences) * (np.abs(differences) > tolerance(differences))
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


def _off(differences, bound):
    """How many differences do not lie on the bound."""
    return int((np.abs(differences - bound) > tolerance(differences, bound)).sum())


def _p_above(differences, bound):
    return p_above_zero(differences - bound, tolerance(differences, bound))


def _p_below(differences, bound):
    return _p_above(-differences, -bound)


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
    differences = rows.within(rows.finite(differences, "differences"), "differences")
    if differences.ndim != 2:
        raise ValueError(
            "differences must have shape (n_seeds, n_images), one row a seed; "
            f"got shape {differences.shape}."
        )
    share("level", level)
    checks.integer(n_resamples, "n_resamples", 1)
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
    """Holm's adjusted p-values, in the order given; None and NaN stay and are not counted.

    Raises:
        ValueError: if another is no number from 0 to 1, or they are not one after the other.
    """
    if np.ndim(p_values) != 1:
        raise ValueError(f"p_values must have shape (n,); got shape {np.shape(p_values)}.")
    adjusted = list(p_values)
    known = [i for i, p in enumerate(adjusted) if p is not None and p == p]  # NaN is not.
    for p in (adjusted[i] for i in known):
        if not 0 <= checks.number(p, "a p-value") <= 1:
            raise ValueError(f"a p-value must lie from 0 to 1; got {p!r}.")
    largest = 0.0
    for rank, i in enumerate(sorted(known, key=adjusted.__getitem__)):
        largest = max(largest, min(1.0, (len(known) - rank) * float(adjusted[i])))
        adjusted[i] = largest
    return adjusted


def _positive(name, value):
    if not 0 < checks.number(value, name) < math.inf:
        raise ValueError(f"{name} must be a finite number above 0; got {value!r}.")


def _check_test(alpha, look):
    share("alpha", alpha)
    if look not in LOOKS:
        raise ValueError(f"look must be 1 or 2, at 8 or at 16 seeds; got {look!r}.")
