import numpy as np
import pytest
from scipy import stats

from dagen_keras.evaluate import bootstrap_median_interval, compare_paired


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
