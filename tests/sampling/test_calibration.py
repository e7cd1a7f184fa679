import pickle

import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy.special import expit, logit

from dagen_keras import plots
from dagen_keras.sampling.calibration import (
    brier_score,
    calibrate,
    calibration_z,
    reliability,
)


def draw(rng, n_real, n_generated):
    """The exact log ratio of N(2, 1), real, to N(0, 2^2), generated; it is at most 1.36."""
    x = np.concatenate([rng.normal(2, 1, n_real), rng.normal(0, 2, n_generated)])
    log_ratio = x**2 / 8 - (x - 2) ** 2 / 2 + np.log(2)
    return log_ratio, np.arange(len(x)) < n_real


def draw_shifted(rng, n_real, n_generated, shift=2.0):
    """The exact log ratio of N(shift, 1) to N(0, 1), whose scale does not end."""
    x = np.concatenate([rng.normal(shift, 1, n_real), rng.normal(0, 1, n_generated)])
    return shift * x - shift**2 / 2, np.arange(len(x)) < n_real


def bent(log_odds):
    """A monotone map that no affine one undoes."""
    return 3 * np.tanh(log_odds) + 0.05 * log_odds - 2


@pytest.mark.parametrize(("n_real", "n_generated"), [(300, 300), (100, 1000), (1000, 100)])
def test_z_of_calibrated_scores_has_the_stated_mean_and_variance(rng, n_real, n_generated):
    share = n_real / (n_real + n_generated)
    z, spread = [], []
    for _ in range(2000):
        log_ratio, real = draw(rng, n_real, n_generated)
        z.append(calibration_z(expit(log_ratio), real))
        moved = expit(log_ratio + logit(share))
        spread.append(np.mean(moved * (1 - moved)) / (share * (1 - share)))
    sd = np.sqrt(1 - np.mean(spread))
    # Four standard errors of the mean, and of the sd of a normal variable.
    assert np.mean(z) == pytest.approx(0, abs=4 * sd / np.sqrt(2000))
    assert np.std(z) == pytest.approx(sd, rel=4 / np.sqrt(2 * 2000))


def test_z_is_standard_normal_for_labels_drawn_from_a_strong_discriminator(rng):
    log_ratio = np.repeat([-6.0, 6.0], 5000)
    z = [calibration_z(expit(log_ratio), rng.random(10000) < expit(log_ratio)) for _ in range(1000)]
    assert np.mean(z) == pytest.approx(0, abs=4 / np.sqrt(1000))
    assert np.std(z) == pytest.approx(1, rel=0.1)


def test_z_is_the_papers_formula_for_equal_numbers():
    d = np.array([0.9, 0.6, 0.7, 0.2])
    real = np.array([True, True, False, False])
    expected = (2 - 2.4) / np.sqrt(0.09 + 0.24 + 0.21 + 0.16)
    assert calibration_z(d, real) == pytest.approx(expected)


def test_z_of_miscalibrated_scores_is_large(rng):
    log_ratio, real = draw(rng, 2000, 2000)
    assert abs(calibration_z(expit(log_ratio), real)) < 2
    for wrong in (2 * log_ratio, log_ratio + 0.5, log_ratio - 0.5):
        assert abs(calibration_z(expit(wrong), real)) > 5
        scores = calibrate(wrong, real, "logistic").scores
        assert scores["logistic"].brier < scores["none"].brier - 0.003
        assert abs(scores["logistic"].z) < 1


def test_z_of_sure_probabilities():
    real = np.array([True, True, False, False])
    assert calibration_z(real.astype(float), real) == 0
    assert calibration_z([0, 1, 0, 0], real) == np.inf
    assert calibration_z([1, 1, 1, 0], real) == -np.inf
    # Rounding leaves probabilities of 0 and 1 as they are, whatever the numbers.
    for n_real in range(1, 50):
        sure = np.arange(50) < n_real
        assert calibration_z(sure.astype(float), sure) == 0
    assert np.isfinite(calibration_z([0, 0.5, 0.5, 1], real))


def test_brier_score_closed_forms(rng):
    real = np.arange(50) < 7
    assert brier_score(np.full(50, 0.5), real) == pytest.approx(0.25)
    assert brier_score(real.astype(float), real) == 0
    assert brier_score((~real).astype(float), real) == 1
    # A constant d scores ((1 - d)^2 + d^2) / 2, whatever the share of real images.
    assert brier_score(np.full(50, 0.2), real) == pytest.approx(0.34)


@pytest.mark.parametrize(("a", "b"), [(2.0, 1.0), (0.5, -3.0), (-1.5, 0.5), (1e5, 0.0)])
def test_logistic_recovers_slope_and_offset(rng, a, b):
    log_ratio, real = draw_shifted(rng, 20000, 20000)
    calibration = calibrate((log_ratio - b) / a, real, "logistic")
    low, high = calibration((np.array([-2.0, 2.0]) - b) / a)
    # Recovered log ratios c + k l: c = 0, k = 1 within four standard errors.
    assert (high - low) / 4 == pytest.approx(1, abs=0.07)
    assert (high + low) / 2 == pytest.approx(0, abs=0.07)


def test_best_is_isotonic_for_a_bent_scale_and_logistic_for_an_affine_one(rng):
    log_ratio, real = draw_shifted(rng, 5000, 5000)
    calibration = calibrate(bent(log_ratio), real)
    assert calibration.method == "isotonic"
    assert calibration.after.brier < calibration.scores["logistic"].brier - 0.002
    assert calibration.before is calibration.scores["none"]
    assert set(calibration.scores) == {"none", "isotonic", "logistic"}

    log_ratio, real = draw_shifted(rng, 300, 300)
    calibration = calibrate(log_ratio / 3 + 1, real)
    assert calibration.method == "logistic"
    assert calibration.after is calibration.scores["logistic"]


def test_best_is_none_for_log_odds_that_are_right(rng):
    log_ratio, real = draw(rng, 20, 20)
    calibration = calibrate(log_ratio, real)
    assert calibration.method == "none"
    assert set(calibration.scores) == {"none", "isotonic", "logistic"}
    assert calibration.after is calibration.before
    np.testing.assert_array_equal(calibration(log_ratio), log_ratio)


@pytest.mark.parametrize(("n_real", "n_generated"), [(20000, 20000), (20000, 4000), (4000, 20000)])
def test_calibrated_log_odds_are_the_log_ratio_of_densities(rng, n_real, n_generated):
    log_ratio, real = draw_shifted(rng, n_real, n_generated)
    exact = np.linspace(-2.5, 2.5, 101)
    isotonic = calibrate(bent(log_ratio), real, "isotonic")(bent(exact))
    # log(5) = 1.6 would be the error if the numbers were not balanced.
    assert np.mean(isotonic - exact) == pytest.approx(0, abs=0.12)
    assert np.mean(np.abs(isotonic - exact)) < 0.25
    logistic = calibrate(log_ratio / 2 - 1, real, "logistic")(exact / 2 - 1)
    np.testing.assert_allclose(logistic, exact, atol=0.25)


def test_copies_of_the_generated_images_change_nothing(rng):
    log_ratio, real = draw_shifted(rng, 200, 200)
    copies = np.where(real, 1, 4)
    grid = np.linspace(-3, 3, 25)
    for method in ("isotonic", "logistic"):
        once = calibrate(log_ratio, real, method)
        more = calibrate(np.repeat(log_ratio, copies), np.repeat(real, copies), method)
        np.testing.assert_allclose(once(grid), more(grid), atol=1e-4)


def test_isotonic_sees_only_the_order(rng):
    log_ratio, real = draw_shifted(rng, 300, 300)
    one, other = (calibrate(x, real, "isotonic") for x in (log_ratio, np.sinh(log_ratio)))
    np.testing.assert_allclose(one(log_ratio), other(np.sinh(log_ratio)))


@pytest.mark.parametrize("method", ["isotonic", "logistic", "none"])
@pytest.mark.filterwarnings("error")
def test_maps_are_monotone_and_take_infinities(rng, method):
    log_ratio, real = draw_shifted(rng, 200, 300)
    log_ratio[:5], log_ratio[-5:], log_ratio[7] = np.inf, -np.inf, -np.inf
    calibration = calibrate(log_ratio, real, method)
    x = np.concatenate([[-np.inf, -1e300], np.linspace(-20, 20, 301), [1e300, np.inf]])
    y = calibration(x)
    assert y.shape == x.shape
    assert not np.isnan(y).any()
    assert np.all(y[1:] >= y[:-1])
    assert y[-1] > y[0]
    assert np.isfinite(calibration.after.brier)
    if method == "none":
        np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(calibration))(x), y)


@pytest.mark.filterwarnings("error")
def test_sure_ends_stay_infinite_and_beyond_the_range_nothing_is_extrapolated():
    log_odds, real = np.arange(40.0), np.arange(40) >= 20
    isotonic = calibrate(log_odds, real, "isotonic")
    np.testing.assert_array_equal(isotonic([-9, 3, 30, 99]), [-np.inf, -np.inf, np.inf, np.inf])
    assert isotonic.after.brier < 0.03

    log_odds[::3] += 15
    logistic = calibrate(log_odds, real, "logistic")
    ends = log_odds.min() - 1, log_odds.max() + 1
    np.testing.assert_array_equal(logistic([-999, 999]), logistic(ends))
    assert logistic(ends)[0] < logistic([log_odds.min()])[0]


@pytest.mark.filterwarnings("error")
def test_log_odds_that_are_all_infinite_or_all_equal():
    real = np.arange(100) < 60
    right = np.arange(100) % 5 > 0
    log_odds = np.where(right == real, np.inf, -np.inf)
    for method in ("isotonic", "logistic"):
        # 80 % of either kind are recognised.
        y = calibrate(log_odds, real, method)([-np.inf, np.inf])
        np.testing.assert_allclose(y, [-np.log(4), np.log(4)], atol=1e-4)
        np.testing.assert_allclose(calibrate(np.ones(100), real, method)([1, 2]), 0, atol=1e-6)


def test_scores_are_of_images_left_out():
    after, within = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        log_odds, real = rng.normal(size=200), np.arange(200) < 100
        calibration = calibrate(log_odds, real, "isotonic", seed)
        assert calibration.after.brier == brier_score(calibration.probabilities_after, real)
        after.append(calibration.after.brier)
        within.append(brier_score(expit(calibration(log_odds)), real))
    # The labels are noise: nothing predicts them better than 1/2, unless it has seen them.
    assert np.mean(after) > 0.25
    assert np.mean(within) < 0.245


def test_what_a_calibration_keeps(rng):
    log_ratio, real = draw_shifted(rng, 50, 80)
    one, same, other = (calibrate(log_ratio, real, "isotonic", seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.real, real)
    np.testing.assert_array_equal(one.probabilities_before, expit(log_ratio))
    np.testing.assert_array_equal(one.probabilities_after, same.probabilities_after)
    assert not np.array_equal(one.probabilities_after, other.probabilities_after)
    assert set(one.scores) == {"none", "isotonic"}

    none = calibrate(log_ratio[48:52], real[48:52], "none")  # Too few for folds.
    assert none.before is none.after
    np.testing.assert_array_equal(none.probabilities_after, none.probabilities_before)


def test_reliability_by_hand():
    d = np.array([0.0, 0.1, 0.6, 0.7, 0.7, 1.0])
    real = np.array([False, False, True, False, False, True])
    frame = reliability(d, real, n_bins=2)
    assert list(frame["n"]) == [2, 4]
    # Two real and four generated images: a real one counts twice.
    np.testing.assert_allclose(frame["observed"], [0, 4 / 6])
    np.testing.assert_allclose(frame["predicted"], [0.05, (2 * 0.6 + 0.7 + 0.7 + 2 * 1) / 6])
    # Wilson's interval of 2 of 4, its odds doubled.
    half = 0.5 * 1.96 / np.sqrt(4 + 1.96**2)
    odds = 2 * np.array([0.5 - half, 0.5 + half]) / np.array([0.5 + half, 0.5 - half])
    np.testing.assert_allclose(frame.loc[1, ["low", "high"]].astype(float), odds / (1 + odds), 1e-4)
    assert list(reliability(d, real)["n"]) == [1, 1, 1, 2, 1]


def test_reliability_of_calibrated_scores_is_on_the_diagonal(rng):
    log_ratio, real = draw_shifted(rng, 30000, 6000)
    frame = reliability(expit(log_ratio), real)
    assert frame["n"].sum() == 36000
    np.testing.assert_allclose(frame["observed"], frame["predicted"], atol=0.05)
    assert ((frame["low"] < frame["predicted"]) & (frame["predicted"] < frame["high"])).sum() >= 8
    wrong = reliability(expit(2 * log_ratio), real)
    assert np.abs(wrong["observed"] - wrong["predicted"]).max() > 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"real": np.ones(40, bool)}, "got 40 real and none generated: hold some out"),
        ({"real": np.zeros(40, bool)}, "got none real and 40 generated: hold some out"),
        ({"real": np.arange(40) < 4}, "5 or more .* got 4 real and 36 generated"),
        ({"real": np.ones(39, bool)}, r"a bool for each of the 40 log_odds; got shape \(39,\)"),
        ({"real": np.arange(40)}, "dtype int64"),
        ({"log_odds": np.zeros((40, 1))}, r"log_odds must have shape \(n,\)"),
        ({"log_odds": np.full(40, np.nan)}, "40 of 40 are NaN"),
        ({"method": "platt"}, "one of none, best, isotonic, logistic; got 'platt'"),
    ],
)
def test_calibrate_refuses(change, message):
    good = {"log_odds": np.arange(40.0), "real": np.arange(40) % 2 == 0}
    calibrate(**good)
    with pytest.raises(ValueError, match=message):
        calibrate(**good | change)


def test_scores_refuse_what_is_no_probability():
    real = np.array([True, False])
    for score in (brier_score, calibration_z, reliability):
        with pytest.raises(ValueError, match=r"in \[0, 1\]; got 0.5 to 1.5"):
            score([0.5, 1.5], real)
        with pytest.raises(ValueError, match="hold some out"):
            score([0.5, 0.5], ~real | real)
    with pytest.raises(ValueError, match="n_bins must be 1 or more; got 0"):
        reliability([0.2, 0.5], real, n_bins=0)
    with pytest.raises(ValueError, match="1 of 2 are NaN"):
        calibrate(np.arange(40.0), np.arange(40) % 2 == 0)([np.nan, 1])


def test_the_diagram_draws_each_curve(rng):
    log_ratio, real = draw_shifted(rng, 500, 500)
    calibration = calibrate(2 * log_ratio + 1, real)
    curves = {
        "before": reliability(calibration.probabilities_before, real),
        "after": reliability(calibration.probabilities_after, real),
    }
    figure = plots.reliability_diagram(curves)
    (axis,) = figure.axes
    assert axis.get_xlabel() == "predicted probability of real"
    assert axis.get_ylabel() == "share of real images"
    assert [text.get_text() for text in axis.get_legend().get_texts()] == list(curves)
    diagonal, *lines = axis.lines
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    for line, bars, frame in zip(lines, axis.collections, curves.values(), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), frame[["predicted", "observed"]])
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        np.testing.assert_array_equal(ends, frame[["low", "high"]])
    plt.close(figure)
