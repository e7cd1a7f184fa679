import keras
import numpy as np
import pytest
from scipy import integrate, stats

from dagen_keras import backend
from dagen_keras.models import divergences


@pytest.fixture
def rows(rng):
    mean, log_var = rng.normal(size=(2, 50, 3)).astype("float32")
    return mean, log_var


def test_all_are_zero_at_the_prior_and_the_distances_nowhere_smaller(rows):
    zero = np.zeros((1, 3), "float32")
    for function in (divergences.kl, divergences.wasserstein2, divergences.t_value):
        assert np.asarray(function(zero, zero)) == pytest.approx([0], abs=1e-6)
    assert np.asarray(divergences.kl(*rows)).min() > 0
    assert np.asarray(divergences.wasserstein2(*rows)).min() > 0


def test_kl_against_monte_carlo(rng):
    mean, log_var = np.array([[0.7, -1.2]], "float32"), np.array([[0.5, -1.0]], "float32")
    sd = np.exp(log_var / 2)
    z = mean + sd * rng.standard_normal((400_000, 2))
    ratio = stats.norm.logpdf(z, mean, sd).sum(axis=1) - stats.norm.logpdf(z).sum(axis=1)
    standard_error = ratio.std() / np.sqrt(len(ratio))
    ours = float(divergences.kl(mean, log_var)[0])
    assert ours == pytest.approx(ratio.mean(), abs=4 * standard_error)


@pytest.mark.parametrize(("mean", "sd"), [(0.7, 0.4), (-1.5, 2.0), (0.0, 1e-3)])
def test_wasserstein2_against_optimal_transport_on_the_line(mean, sd):
    # On the line the optimal plan matches quantiles; the transport cost is an integral over them.
    cost, _ = integrate.quad(
        lambda q: (stats.norm.ppf(q, mean, sd) - stats.norm.ppf(q)) ** 2, 0, 1, limit=200
    )
    ours = divergences.wasserstein2(
        np.array([[mean]], "float32"), np.array([[2 * np.log(sd)]], "float32")
    )
    assert float(ours[0]) == pytest.approx(cost, rel=1e-4)


def test_wasserstein2_adds_over_dimensions(rows):
    mean, log_var = rows
    single = sum(
        np.asarray(divergences.wasserstein2(mean[:, [i]], log_var[:, [i]])) for i in range(3)
    )
    np.testing.assert_allclose(divergences.wasserstein2(mean, log_var), single, rtol=1e-5)


def test_t_is_twice_the_difference_and_the_appendix_formula(rows):
    mean, log_var = rows
    t = np.asarray(divergences.t_value(mean, log_var))
    difference = divergences.wasserstein2(mean, log_var) - divergences.kl(mean, log_var)
    np.testing.assert_allclose(t, 2 * np.asarray(difference), rtol=1e-4, atol=1e-5)
    sigma = np.exp(log_var.astype(float) / 2)
    appendix = (np.log(sigma**2) + (sigma - 2) ** 2 + mean**2).sum(axis=1) - 3
    np.testing.assert_allclose(t, appendix, rtol=1e-4, atol=1e-5)


def test_t_is_not_the_formula_of_the_papers_text(rows):
    mean, log_var = rows
    sigma = np.exp(log_var.astype(float) / 2)
    text = (np.log(sigma**2) + (sigma**2 - 2) ** 2 + mean**2).sum(axis=1) - 3
    assert np.abs(np.asarray(divergences.t_value(mean, log_var)) - text).max() > 1


def test_t_is_negative_for_small_sigma_at_mean_zero_but_not_elsewhere():
    log_var = np.array([[-1.0, -0.5]], "float32")
    assert float(divergences.t_value(np.zeros((1, 2), "float32"), log_var)[0]) < 0
    assert float(divergences.t_value(np.array([[-2.0, 0.0]], "float32"), log_var)[0]) > 0


def test_t_gradient_against_the_backends_own(rows):
    mean, log_var = rows
    by_mean, by_sigma = map(np.asarray, divergences.t_gradient(mean, log_var))
    together = keras.ops.convert_to_tensor(np.concatenate([mean, log_var], axis=1))
    _, gradient = backend.value_and_gradient(
        lambda z: divergences.t_value(z[:, :3], z[:, 3:]), together
    )
    gradient = np.asarray(gradient)
    np.testing.assert_allclose(by_mean, gradient[:, :3], rtol=1e-4, atol=1e-5)
    # d log_var / d sigma = 2 / sigma.
    own = gradient[:, 3:] * 2 / np.exp(log_var / 2)
    np.testing.assert_allclose(by_sigma, own, rtol=1e-3, atol=1e-4)
    assert by_sigma.min() >= 0


def test_small_differences_from_the_prior_keep_their_digits():
    mean, log_var = np.zeros((1, 1), "float32"), np.full((1, 1), 1e-4, "float32")
    assert float(divergences.kl(mean, log_var)[0]) == pytest.approx(1e-8 / 4, rel=1e-2, abs=0)
    wasserstein = float(divergences.wasserstein2(mean, log_var)[0])
    assert wasserstein == pytest.approx(2.5e-9, rel=1e-3, abs=0)
