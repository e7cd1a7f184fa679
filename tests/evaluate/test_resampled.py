"""The corrected resampled t-test."""

import numpy as np
import pytest
from scipy import stats

from dagen_keras.evaluate import corrected_resampled_t


def test_by_hand():
    differences = np.array([1.0, 2.0, 3.0, 6.0])
    found = corrected_resampled_t(differences, 1 / 3)
    error = np.sqrt((1 / 4 + 1 / 3) * differences.var(ddof=1))
    assert found.estimate == 3
    assert found.p_value == pytest.approx(stats.t(3).sf(3 / error))
    assert found.high - 3 == pytest.approx(3.182446 * error, rel=1e-6) == 3 - found.low
    assert found.visible == pytest.approx((2.353363 + 0.978472) * error, rel=1e-6)


def test_without_a_test_part_it_is_the_t_test(rng):
    differences = rng.normal(size=9)
    expected = stats.ttest_1samp(differences, 0, alternative="greater")
    assert corrected_resampled_t(differences, 1e-12).p_value == pytest.approx(expected.pvalue)


def test_of_overlapping_splits_it_is_wrong_as_seldom_as_it_says():
    """Of differences of correlation n_test / (n_test + n_train), for which it is made."""
    rng, k, ratio, n = np.random.default_rng(0), 16, 1 / 3, 4000
    shared, own = ratio / (1 + ratio), 1 / (1 + ratio)
    draws = np.sqrt(shared) * rng.normal(size=(n, 1)) + np.sqrt(own) * rng.normal(size=(n, k))
    corrected = np.mean([corrected_resampled_t(d, ratio).p_value <= 0.05 for d in draws])
    plain = np.mean(stats.ttest_1samp(draws, 0, axis=1, alternative="greater").pvalue <= 0.05)
    assert corrected == pytest.approx(0.05, abs=0.014)  # Four standard errors.
    assert plain > 0.2


def test_visible_is_seen_four_times_in_five():
    rng, k, ratio = np.random.default_rng(0), 16, 1 / 3
    shared, own = ratio / (1 + ratio), 1 / (1 + ratio)
    # Of the spread that is expected; a draw's own differs.
    effect = np.sqrt(own) * np.sqrt(1 / k + ratio) * (stats.t(k - 1).ppf([0.95, 0.8]).sum())
    seen = [
        corrected_resampled_t(
            effect + np.sqrt(shared) * rng.normal() + np.sqrt(own) * rng.normal(size=k), ratio
        ).p_value
        <= 0.05
        for _ in range(4000)
    ]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.03)


def test_equal_differences_say_nothing():
    found = corrected_resampled_t([2, 2, 2], 0.5)
    assert found.estimate == 2 and np.isnan(found.p_value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], 0.5), "two splits or more; got 1"),
        (([1.0, np.nan], 0.5), "must be finite"),
        (([1.0, 2.0], 0), "test_over_train must be above 0"),
        (([1.0, 2.0], 0.5, 1), "level must lie between 0 and 1"),
    ],
)
def test_what_it_cannot_use_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        corrected_resampled_t(*arguments)
