import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dagen_keras.evaluate import (
    bootstrap_median_interval,
    compare_paired,
    mean_interval,
    paired_difference,
)


def test_eight_equal_signs_decide():
    result = compare_paired(np.arange(8) + np.linspace(0.1, 0.8, 8), np.arange(8))
    assert result.verdict == "reproduced"
    assert result.p_value == pytest.approx(2**-8)
    assert result.n_pairs == 8
    assert result.low <= result.median <= result.high
    assert result.median == pytest.approx(0.45)


def test_seven_pairs_do_not_decide():
    result = compare_paired(np.arange(7) + 1.0, np.zeros(7))
    assert result.p_value < 0.01
    assert result.verdict == "not decided"


def test_the_wrong_sign_is_not_reproduced():
    result = compare_paired(np.zeros(20), np.arange(20) + 1.0)
    assert result.verdict == "not reproduced"
    assert result.p_value > 0.99


def test_no_pairs_and_no_difference():
    assert compare_paired([], []).verdict == "not decided"
    equal = compare_paired(np.ones(9), np.ones(9))
    assert equal.verdict == "not reproduced"
    assert np.isnan(equal.p_value)
    with pytest.raises(ValueError, match="equally long"):
        compare_paired([1, 2], [1])


def test_bootstrap_interval_covers_the_median_as_often_as_it_says(rng):
    true = stats.expon().median()
    covered = 0
    for repeat in range(200):
        low, high = bootstrap_median_interval(rng.exponential(size=40), 0.95, 500, repeat)
        covered += low <= true <= high
    # 95 % of 200 is 190; binomial standard error 3.1.
    assert 178 <= covered <= 200


def test_the_interval_of_a_mean_is_students(rng):
    mean, low, high = mean_interval([1.0, 2.0, 4.0])
    # t(0.975, 2) = 4.302653, sd = 1.527525.
    assert mean == pytest.approx(7 / 3)
    assert high - mean == pytest.approx(4.302653 * 1.527525 / np.sqrt(3), rel=1e-5)
    assert mean - low == pytest.approx(high - mean)
    values = rng.normal(3, 2, size=11)
    for level in (0.5, 0.95, 0.99):
        expected = stats.t.interval(level, 10, values.mean(), stats.sem(values))
        assert mean_interval(values, level) == pytest.approx((values.mean(), *expected))


def test_the_interval_of_a_mean_leaves_out_what_is_missing():
    assert mean_interval([1.0, np.nan, 2.0, 4.0]) == mean_interval([1.0, 2.0, 4.0])
    np.testing.assert_equal(mean_interval([np.nan, 5.0]), (5.0, np.nan, np.nan))
    for nothing in ([], [np.nan, np.nan]):
        assert np.isnan(mean_interval(nothing)).all()


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says(rng):
    covered = 0
    for values in rng.normal(1, 3, size=(2000, 5)):
        _, low, high = mean_interval(values)
        covered += low <= 1 <= high
    # 95 % of 2000 is 1900; binomial standard error 9.7.
    assert 1860 <= covered <= 1940


def test_differences_are_of_rows_that_have_both():
    values = pd.DataFrame(
        {"new": [2.0, 3.5, np.nan, 9.0], "old": [1.0, 1.5, 7.0, np.nan], "none": 4 * [np.nan]}
    )
    # 1 and 2; t(0.975, 1) = 12.7062, standard error 0.5.
    expected = 1.5, 1.5 - 6.3531, 1.5 + 6.3531
    assert paired_difference(values, "new", "old") == pytest.approx(expected, rel=1e-5)
    assert paired_difference(values, "old", "new")[0] == pytest.approx(-1.5)
    for pair in (("new", "new"), ("new", "absent"), ("absent", "new"), ("new", "none")):
        assert np.isnan(paired_difference(values, *pair)).all(), pair
