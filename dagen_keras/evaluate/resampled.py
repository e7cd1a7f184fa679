"""Differences over repeated splits of one set, which are not independent of each other."""

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy import stats

from dagen_keras import checks
from dagen_keras.evaluate.signed_rank import one_a_seed, share

POWER = 0.8


@dataclass(frozen=True)
class Resampled:
    """What differences over splits say.

    Attributes:
        estimate: their mean.
        low, high: its 95 % interval.
        p_value: one-sided, that the mean is not above 0; NaN if all differences are equal.
        visible: the effect that as many splits of this spread show at the level with 80 % power.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    visible: float


def corrected_resampled_t(
    differences: ArrayLike, test_over_train: float, level: float = 0.05
) -> Resampled:
    """The corrected resampled t-test of Nadeau and Bengio, Inference for the Generalization Error.

    Repeated splits share most of their training images, so the variance of the mean of k
    differences is not s^2 / k but about (1 / k + n_test / n_train) s^2 (2003, section 3).

    Args:
        differences: (k,), one a split, the better less the worse; two at least.
        test_over_train: n_test / n_train, the images of a split.
        level: one-sided, that `visible` is meant at.

    Returns:
        A `Resampled`, in the unit of the differences.

    Raises:
        ValueError: if an argument is not as described.
    """
    differences = one_a_seed(differences)
    k = len(differences)
    if k < 2:
        raise ValueError(f"differences must be of two splits or more; got {k}.")
    if not 0 < checks.number(test_over_train, "test_over_train") < math.inf:
        raise ValueError(f"test_over_train must be above 0; got {test_over_train!r}.")
    share("level", level)
    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    error = spread * math.sqrt(1 / k + test_over_train)
    two_sided, one_sided, power = stats.t.ppf([0.975, 1 - level, POWER], k - 1)
    half, visible = float(two_sided) * error, float(one_sided + power) * error
    p_value = float(stats.t.sf(mean / error, k - 1)) if error > 0 else math.nan
    return Resampled(mean, mean - half, mean + half, p_value, visible)
