from pathlib import Path

import numpy as np
import pytest
from keras import ops
from scipy import stats

from dagen_keras import backend
from dagen_keras.sampling import manifold

FIXTURES = Path(__file__).parents[1] / "fixtures"
BINS = 12  # of the histograms in each dimension


def _array(tensor):
    return ops.convert_to_numpy(tensor)


def _tensor(values):
    return ops.convert_to_tensor(np.asarray(values, "float32"))


def _random_metric(d=2, m=6, scale=0.5, temperature=0.8, regularization=1e-2, seed=0):
    rng = np.random.default_rng(seed)
    centroids = rng.normal(size=(m, d))
    factors = np.tril(scale * rng.normal(size=(m, d, d)))
    diagonal = np.arange(d)
    factors[:, diagonal, diagonal] = np.exp(factors[:, diagonal, diagonal])
    return manifold.RiemannianMetric(
        centroids.astype("float32"), factors.astype("float32"), temperature, regularization
    )


def _inverse_tensor(metric, z):
    """G^-1 by the formula, in float64."""
    z, centroids, factors = (
        np.asarray(a, float) for a in (z, metric.centroids, metric.cholesky_factors)
    )
    squares = ((z[:, None] - centroids) ** 2).sum(axis=-1)
    kernel = np.exp(-squares / metric.temperature**2)
    mixture = np.einsum("ni,ijl,ikl->njk", kernel, factors, factors)
    return mixture + metric.regularization * np.eye(metric.latent_dim)


def _points(metric, rng):
    """Points near the centroids and far away from them."""
    near = rng.normal(size=(40, metric.latent_dim))
    return np.concatenate([near, 10 * near, metric.centroids]).astype("float32")


def _fixture(d):
    values = dict(np.load(FIXTURES / f"rhvae_d{d}.npz"))
    metric = manifold.RiemannianMetric(
        values["centroids"].astype("float32"),
        values["metric_L"].astype("float32"),
        float(values["temperature"]),
        float(values["regularization"]),
    )
    return metric, values


def _assert_agrees(actual, expected, tolerance=1e-4):
    """max |error| <= tolerance * max |expected|."""
    assert np.abs(_array(actual) - expected).max() <= tolerance * np.abs(expected).max()


# The metric


@pytest.mark.parametrize("d", [1, 2, 3, 10])
def test_inverse_tensor_is_the_formula(rng, d):
    metric = _random_metric(d, temperature=np.sqrt(d))
    z = _points(metric, rng)
    _assert_agrees(metric.inverse_tensor(z), _inverse_tensor(metric, z), 1e-6)


@pytest.mark.parametrize("d", [1, 2, 3, 10])
@pytest.mark.parametrize("scale", [0.5, 2.0], ids=["well", "ill"])
def test_positive_definite_and_inverse_up_to_rounding(rng, d, scale):
    metric = _random_metric(d, scale=scale, temperature=np.sqrt(d), regularization=1e-3)
    z = _points(metric, rng)
    inverse = _array(metric.inverse_tensor(z)).astype(float)
    tensor, log_volume = (_array(a).astype(float) for a in metric.tensor_and_log_volume(z))
    eigenvalues = np.linalg.eigvalsh(inverse)
    rounding = 1e-6 * eigenvalues[:, -1]
    assert (eigenvalues[:, 0] >= metric.regularization * (1 - 1e-5) - rounding).all()
    # Rounding is multiplied by the condition number.
    condition = eigenvalues[:, -1] / metric.regularization
    residual = np.abs(tensor @ inverse - np.eye(d)).max(axis=(1, 2))
    assert (residual <= 1e-6 * d * condition).all()
    np.testing.assert_array_equal(tensor, np.swapaxes(tensor, 1, 2))
    largest = np.linalg.eigvalsh(tensor)[:, -1]
    assert (np.linalg.eigvalsh(tensor)[:, 0] >= -1e-6 * largest).all()
    assert (np.diagonal(tensor, axis1=1, axis2=2) > 0).all()
    assert np.isfinite(log_volume).all()


@pytest.mark.parametrize("d", [1, 2, 3, 10])
def test_log_volume_is_half_the_log_determinant(rng, d):
    metric = _random_metric(d, temperature=np.sqrt(d))
    z = _points(metric, rng)
    sign, log_det = np.linalg.slogdet(_inverse_tensor(metric, z))
    assert (sign > 0).all()
    np.testing.assert_allclose(_array(metric.log_volume(z)), -0.5 * log_det, atol=1e-4 * d)


def test_far_away_the_inverse_tensor_is_the_regularization():
    metric = _random_metric(3)
    z = np.full((1, 3), 100.0, "float32")
    np.testing.assert_array_equal(_array(metric.inverse_tensor(z))[0], 0.01 * np.eye(3, dtype="f"))
    assert _array(metric.log_volume(z))[0] == pytest.approx(-1.5 * np.log(0.01), rel=1e-6)


@pytest.mark.parametrize("d", [1, 2, 3, 10])
def test_log_density_gradient_is_that_of_automatic_differentiation(rng, d):
    metric = _random_metric(d, temperature=np.sqrt(d))
    z = _points(metric, rng)
    values, gradient = backend.value_and_gradient(metric.log_volume, _tensor(z))
    np.testing.assert_array_equal(_array(values), _array(metric.log_volume(z)))
    _assert_agrees(manifold.log_density_gradient(metric, _tensor(z)), -_array(gradient), 1e-4)


@pytest.mark.parametrize("d", [2, 3])
def test_inverse_tensor_gradient_is_that_of_automatic_differentiation(rng, d):
    metric = _random_metric(d)
    z = _points(metric, rng)
    weights = rng.normal(size=(len(z), d, d)).astype("float32")
    weights = weights + np.swapaxes(weights, 1, 2)
    _, gradient = backend.value_and_gradient(
        lambda z: ops.sum(weights * metric.inverse_tensor(z), axis=(1, 2)), _tensor(z)
    )
    _assert_agrees(metric.inverse_tensor_gradient(_tensor(z), weights), _array(gradient), 1e-5)


@pytest.mark.parametrize("d", [2, 3])
def test_metric_agrees_with_float64(d):
    metric, expected = _fixture(d)
    z = _tensor(expected["query_z"])
    _assert_agrees(metric.inverse_tensor(z), expected["G_inv_query"])
    _assert_agrees(metric.tensor(z), expected["G_query"])
    gradient = expected["grad_log_sqrt_det_G_inv"]
    _assert_agrees(manifold.log_density_gradient(metric, z), gradient)


def test_raised_and_lowered_are_inverse(rng):
    metric = _random_metric(3)
    z, velocity = rng.normal(size=(2, 50, 3)).astype("float32")
    momentum = metric.lowered(z, velocity)
    np.testing.assert_allclose(_array(metric.raised(z, momentum)), velocity, atol=1e-4)
    # H = v^T G v / 2
    energy = 0.5 * (velocity * _array(momentum)).sum(axis=1)
    np.testing.assert_allclose(_array(metric.energy(z, momentum)), energy, rtol=1e-4)


def test_support_is_three_temperatures_beyond_the_outermost_centroid():
    centroids = np.array([[0, 0], [4, 0], [2, 1], [2, -1]], "float32")
    factors = np.ones((4, 1, 1), "float32") * np.eye(2, dtype="float32")
    center, radius = manifold.RiemannianMetric(centroids, factors, 0.5, 1e-3).support()
    np.testing.assert_allclose(center, [2, 0])
    assert radius == pytest.approx(2 + 1.5)


@pytest.mark.parametrize(
    ("centroids", "factors", "numbers", "message"),
    [
        ((4, 2), (4, 2, 3), (0.8, 1e-3), r"\(m, d, d\); got \(4, 2\) and \(4, 2, 3\)"),
        ((4, 2), (3, 2, 2), (0.8, 1e-3), r"\(m, d, d\); got"),
        ((4,), (4, 2, 2), (0.8, 1e-3), r"centroids must have shape \(m, d\)"),
        ((4, 2), (4, 2, 2), (0.0, 1e-3), "temperature must be positive; got 0.0"),
        ((4, 2), (4, 2, 2), (0.8, -1.0), "regularization must be positive; got -1.0"),
        ((4, 2), (4, 2, 2), (0.8, np.nan), "regularization must be positive; got nan"),
    ],
)
def test_metric_refuses_bad_arguments(centroids, factors, numbers, message):
    with pytest.raises(ValueError, match=message):
        manifold.RiemannianMetric(np.zeros(centroids, "f"), np.zeros(factors, "f"), *numbers)


# Geodesics


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 3])
def test_exponential_map_converges_at_second_order_to_the_exact_one(d):
    metric, expected = _fixture(d)
    errors = []
    for n_steps in (5, 10, 20):
        start = expected["query_z"], expected["query_v"]
        positions, momenta = manifold.geodesic(metric, *start, n_steps)
        assert positions.shape == momenta.shape == (n_steps + 1, *start[0].shape)
        np.testing.assert_array_equal(
            manifold.exponential_map(metric, *start, n_steps), positions[-1]
        )
        energy = _array(metric.energy(_tensor(positions[-1]), _tensor(momenta[-1])))
        exact = expected["exp_map_energy"]
        errors.append(
            (
                np.abs(positions[-1] - expected["exp_map_position"]).max(),
                np.abs(momenta[-1] - expected["exp_map_momentum"]).max(),
                np.abs(energy / exact[:, 0] - 1).max(),
            )
        )
    position, momentum, energy = np.transpose(errors)
    # Second order: a quarter of the error with twice the steps.
    assert ((position[:-1] / position[1:] > 3.6) & (position[:-1] / position[1:] < 4.4)).all()
    assert ((momentum[:-1] / momentum[1:] > 3.6) & (momentum[:-1] / momentum[1:] < 4.4)).all()
    assert energy[0] < 1e-4
    assert energy[1] < energy[0] / 3
    positions, momenta = manifold.geodesic(metric, *start, 160)
    _assert_agrees(positions[-1], expected["exp_map_position"], 3e-6)
    _assert_agrees(momenta[-1], expected["exp_map_momentum"], 3e-6)


@pytest.mark.slow
def test_energy_is_conserved_along_the_way(rng):
    metric = _random_metric(3)
    z, velocity = rng.normal(size=(2, 20, 3)).astype("float32")
    drifts = []
    for n_steps in (40, 80, 160):
        positions, momenta = (
            path.reshape(-1, 3) for path in manifold.geodesic(metric, z, velocity, n_steps)
        )
        energy = _array(metric.energy(_tensor(positions), _tensor(momenta))).reshape(-1, 20)
        drifts.append(np.median(np.abs(energy / energy[0] - 1).max(axis=0)))
    assert drifts[0] < 1e-2
    assert drifts[1] < drifts[0] / 3
    assert drifts[2] < drifts[1] / 3


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 3])
def test_a_geodesic_leads_back(d):
    metric, expected = _fixture(d)
    errors = []
    for n_steps in (5, 10, 20, 80):
        start = expected["query_z"]
        positions, momenta = manifold.geodesic(metric, start, expected["query_v"], n_steps)
        velocity = _array(metric.raised(_tensor(positions[-1]), _tensor(momenta[-1])))
        back = manifold.exponential_map(metric, positions[-1], -velocity, n_steps)
        errors.append(np.abs(back - start).max())
    assert errors[0] < 1e-4
    assert errors[1] < errors[0] / 4
    assert errors[2] < errors[1] / 4
    assert errors[3] < 1e-6


def test_without_velocity_nothing_moves_and_in_flat_space_lines_are_straight(rng):
    metric = _random_metric(2)
    z = _points(metric, rng)
    np.testing.assert_array_equal(manifold.exponential_map(metric, z, 0 * z), z)
    flat = manifold.RiemannianMetric(
        np.zeros((1, 2), "float32"), np.zeros((1, 2, 2), "float32"), 1.0, 0.5
    )
    velocity = rng.normal(size=z.shape).astype("float32")
    end = manifold.exponential_map(flat, z, velocity)
    np.testing.assert_allclose(end, z + velocity, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"position": np.zeros(2)}, r"position must have shape \(n, 2\); got \(2,\)"),
        ({"position": np.zeros((3, 3))}, r"position must have shape \(n, 2\); got \(3, 3\)"),
        ({"velocity": np.zeros((3, 1))}, r"velocity must have shape \(n, 2\)"),
        ({"position": np.full((3, 2), np.nan)}, "position must be finite"),
        ({"velocity": np.full((3, 2), np.inf)}, "velocity must be finite"),
        ({"n_steps": 0}, "n_steps must be an integer of 1 or more; got 0"),
        ({"n_steps": 2.5}, "n_steps must be an integer of 1 or more; got 2.5"),
    ],
)
def test_exponential_map_refuses_bad_arguments(changes, message):
    arguments = {"position": np.zeros((3, 2)), "velocity": np.zeros((3, 2)), **changes}
    with pytest.raises(ValueError, match=message):
        manifold.exponential_map(_random_metric(2), **arguments)


# Chains


def _masses(metric, power=1):
    """Bins over the metric's support, and the masses there of (sqrt det G^-1)^power, normalised.

    Each bin holds a fine grid; points outside of the support have no mass.
    """
    fine = 20
    center, radius = (np.asarray(a, float) for a in metric.support())
    edges = [np.linspace(c - radius, c + radius, BINS + 1) for c in center]
    middles = (np.arange(BINS * fine) + 0.5) * 2 * radius / (BINS * fine)
    grid = np.meshgrid(*[c - radius + middles for c in center], indexing="ij")
    z = np.stack(grid, axis=-1).reshape(-1, len(center))
    _, log_det = np.linalg.slogdet(_inverse_tensor(metric, z))
    density = np.exp(0.5 * power * log_det) * (np.linalg.norm(z - center, axis=1) <= radius)
    density = density.reshape((BINS, fine) * len(center))
    masses = density.sum(axis=tuple(range(1, 2 * len(center), 2)))
    return edges, masses / masses.sum()


def _total_variation(samples, edges, masses):
    counts, _ = np.histogramdd(samples, bins=edges)
    return 0.5 * np.abs(counts / len(samples) - masses).sum()


def _noise_level(masses, n):
    """Total variation that n independent, exact draws have: mean plus 4 standard deviations."""
    draws = np.random.default_rng(0).multinomial(n, masses.ravel(), size=200) / n
    distances = 0.5 * np.abs(draws - masses.ravel()).sum(axis=1)
    return distances.mean() + 4 * distances.std()


def _check_chains(metric, chains, initial, n_steps):
    """What holds for all chains."""
    n, d = initial.shape
    assert chains.samples.shape == (n, d)
    assert chains.path.shape == (n_steps + 1, n, d)
    assert chains.samples.dtype == chains.path.dtype == np.float32
    np.testing.assert_array_equal(chains.path[0], initial)
    np.testing.assert_array_equal(chains.path[-1], chains.samples)
    center, radius = metric.support()
    assert np.linalg.norm(chains.path - center, axis=-1).max() <= radius * (1 + 1e-6)
    moved = (np.diff(chains.path, axis=0) != 0).any(axis=-1).mean(axis=0)
    np.testing.assert_allclose(chains.acceptance_rate, moved, atol=1.5 / n_steps)
    assert (chains.acceptance_rate > 0).all()
    assert (chains.acceptance_rate <= 1).all()


@pytest.mark.slow
def test_hmc_draws_from_the_density_of_eq_3():
    metric, n = _random_metric(2), 5000
    edges, masses = _masses(metric)
    initial = manifold.random_centroids(metric, n, seed=0)
    chains = manifold.hmc(metric, initial, n_steps=100, seed=1)
    _check_chains(metric, chains, initial, 100)
    # Exact draws have 0.041 on average, at most 0.053; the centroids themselves 0.71.
    assert _total_variation(initial, edges, masses) > 0.6
    assert _total_variation(chains.samples, edges, masses) < _noise_level(masses, n) < 0.06
    assert chains.acceptance_rate.mean() > 0.95


@pytest.mark.slow
def test_hmc_draws_from_the_density_of_eq_3_whatever_drives_it():
    metric, n = _random_metric(2), 5000
    edges, masses = _masses(metric)
    initial = manifold.random_centroids(metric, n, seed=0)
    exact = manifold.hmc(metric, initial[:500], n_steps=100, seed=1)
    chains = manifold.hmc(metric, initial, n_steps=200, gradient=_half_the_gradient, seed=1)
    assert _total_variation(chains.samples, edges, masses) < _noise_level(masses, n)
    assert chains.acceptance_rate.mean() < exact.acceptance_rate.mean() - 0.02


def _half_the_gradient(metric, z):
    return 0.5 * manifold.log_density_gradient(metric, z)


@pytest.mark.slow
def test_corrected_walk_draws_from_the_density_of_eq_3_and_the_walk_does_not():
    metric, n = _random_metric(2), 5000
    edges, masses = _masses(metric)
    initial = manifold.random_centroids(metric, n, seed=0)
    distances = []
    for corrected in (True, False):
        chains = manifold.riemannian_random_walk(metric, initial, corrected=corrected, seed=2)
        _check_chains(metric, chains, initial, 200)
        distances.append(_total_variation(chains.samples, edges, masses))
    assert distances[0] < _noise_level(masses, n) < 0.06
    assert distances[1] > 0.4


@pytest.mark.slow
def test_small_steps_do_not_undo_the_bias_of_the_walk():
    # Measured with 5,000 chains: 0.60 at covariance 0.5, 0.37 at 0.1, 0.39 at 0.01.
    metric, n = _random_metric(2), 1000
    edges, masses = _masses(metric)
    initial = manifold.hmc(metric, manifold.random_centroids(metric, n, 0), seed=1).samples
    assert _total_variation(initial, edges, masses) < 0.13
    chains = manifold.riemannian_random_walk(metric, initial, 400, 0.01, 2, seed=2)
    assert _total_variation(chains.samples, edges, masses) > 0.25


@pytest.mark.slow
@pytest.mark.parametrize("corrected", [False, True])
def test_in_one_dimension_the_walk_of_small_steps_draws_from_the_square_of_eq_3(corrected):
    # A proposal drifts by minus half the Christoffel symbol times the covariance, the acceptance
    # adds half of grad log sqrt(G^-1): both are of one order, and in one dimension equal.
    metric = manifold.RiemannianMetric(
        np.array([[-1.0], [0.3], [1.5]], "float32"),
        np.array([1.0, 0.5, 1.5], "float32")[:, None, None],
        temperature=0.8,
        regularization=3e-2,
    )
    n = 2000
    edges, masses = _masses(metric)
    _, squared = _masses(metric, power=2)
    initial = manifold.hmc(metric, manifold.random_centroids(metric, n, 0), seed=1).samples
    assert _total_variation(initial, edges, masses) < _noise_level(masses, n) < 0.08
    chains = manifold.riemannian_random_walk(
        metric, initial, 1500, 0.01, n_integration_steps=2, corrected=corrected, seed=2
    )
    target, other = (masses, squared) if corrected else (squared, masses)
    assert _total_variation(chains.samples, edges, target) < _noise_level(target, n)
    assert _total_variation(chains.samples, edges, other) > 0.1


@pytest.mark.slow
def test_in_two_dimensions_the_walk_of_small_steps_is_right_where_the_metric_is_isotropic():
    # The trace of the Christoffel symbols vanishes there, and the bias with the covariance.
    scales = np.array([1.2, 0.8, 1.0], "float32")[:, None, None]
    centroids = np.array([[-0.8, 0.0], [0.8, 0.3], [0.0, -0.7]], "float32")
    metric = manifold.RiemannianMetric(centroids, scales * np.eye(2, dtype="float32"), 0.8, 0.1)
    n = 2000
    edges, masses = _masses(metric)
    initial = manifold.random_centroids(metric, n, 0)
    coarse = manifold.riemannian_random_walk(metric, initial, seed=2)
    assert _total_variation(coarse.samples, edges, masses) > 0.2
    start = manifold.hmc(metric, initial, seed=1).samples
    fine = manifold.riemannian_random_walk(metric, start, 800, 0.01, 2, seed=2)
    assert _total_variation(fine.samples, edges, masses) < _noise_level(masses, n) + 0.02


@pytest.mark.slow
def test_tiny_steps_are_nearly_always_accepted():
    metric = _random_metric(2)
    initial = manifold.random_centroids(metric, 50, 0)
    walk = manifold.riemannian_random_walk(metric, initial, 100, covariance=1e-6)
    assert walk.acceptance_rate.mean() > 0.99
    _check_chains(metric, walk, initial, 100)
    assert manifold.hmc(metric, initial, 100, step_size=1e-3).acceptance_rate.mean() > 0.999


@pytest.mark.parametrize("sampler", [manifold.hmc, manifold.riemannian_random_walk])
def test_nothing_leaves_the_support_even_from_its_edge(sampler):
    metric = _random_metric(2, m=2)
    center, radius = metric.support()
    angles = np.linspace(0, 2 * np.pi, 40)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    initial = (center + 0.999 * radius * ring).astype("float32")
    path = sampler(metric, initial, n_steps=100).path
    assert np.linalg.norm(path - center, axis=-1).max() <= radius * (1 + 1e-6)
    assert not np.array_equal(path[0], path[-1])


@pytest.mark.parametrize("sampler", [manifold.hmc, manifold.riemannian_random_walk])
def test_the_seed_fixes_chains(sampler):
    metric = _random_metric(2)
    initial = manifold.random_centroids(metric, 10, 0)
    first = sampler(metric, initial, n_steps=5, seed=3)
    for one, two in zip(first, sampler(metric, initial, n_steps=5, seed=3), strict=True):
        np.testing.assert_array_equal(one, two)
    other = sampler(metric, initial, n_steps=5, seed=4)
    assert not np.isin(other.samples, first.samples).any()


@pytest.mark.parametrize("sampler", [manifold.hmc, manifold.riemannian_random_walk])
@pytest.mark.parametrize("m", [49, 50])
def test_centroids_without_a_factor_change_nothing(sampler, m):
    # 49 and 50 fill one multiple of 50 centroids, 51 need two.
    metric = _random_metric(2, m=m)
    center, _ = metric.support()
    factors = metric.cholesky_factors
    more = manifold.RiemannianMetric(
        np.concatenate([metric.centroids, center[None]]),
        np.concatenate([factors, np.zeros_like(factors[:1])]),
        metric.temperature,
        metric.regularization,
    )
    initial = manifold.random_centroids(metric, 20, 0)
    one, two = (sampler(g, initial, n_steps=5, seed=1).path for g in (metric, more))
    np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sampler", [manifold.hmc, manifold.riemannian_random_walk])
def test_more_chains_than_a_block_holds(sampler):
    metric, n = _random_metric(2), 250
    initial = manifold.random_centroids(metric, n, 0)
    chains = sampler(metric, initial, n_steps=10, seed=1)
    _check_chains(metric, chains, initial, 10)
    # Every chain has noise of its own.
    assert len(np.unique(chains.samples, axis=0)) == n


def test_random_centroids_are_centroids_and_follow_the_seed():
    metric = _random_metric(2, m=7)
    points = manifold.random_centroids(metric, 7000, 0)
    found, counts = np.unique(points, axis=0, return_counts=True)
    np.testing.assert_array_equal(found, np.unique(metric.centroids, axis=0))
    assert stats.chisquare(counts).pvalue > 1e-3
    np.testing.assert_array_equal(points, manifold.random_centroids(metric, 7000, 0))
    assert not np.array_equal(points, manifold.random_centroids(metric, 7000, 1))


def test_total_variation_is_small_for_draws_of_the_density_and_large_for_others(rng):
    metric, n = _random_metric(2), 4000
    probabilities = manifold.square_probabilities(metric)
    assert probabilities.sum() == pytest.approx(1)
    chosen = rng.choice(probabilities.size, n, p=probabilities.ravel())
    places = np.stack(np.unravel_index(chosen, probabilities.shape), axis=1) + rng.random((n, 2))
    center, radius = metric.support()
    samples = (places / len(probabilities) * 2 - 1) * radius + center
    counts = manifold.square_counts(metric, samples)
    np.testing.assert_array_equal(counts.ravel(), np.bincount(chosen, minlength=counts.size))
    assert manifold.total_variation(counts, probabilities) < 0.06
    counts = manifold.square_counts(metric, np.repeat(samples[:1], n, 0))
    assert manifold.total_variation(counts, probabilities) > 0.5


@pytest.mark.parametrize(
    ("counts", "probabilities", "message"),
    [
        ([1, 2], [0.5, 0.25, 0.25], "of the same places"),
        ([1, -2], [0.5, 0.5], "counts must be finite, 0 or more"),
        ([0, 0], [0.5, 0.5], "counts must be finite, 0 or more, and not all 0"),
        ([1, np.nan], [0.5, 0.5], "counts must be finite"),
        ([1, 2], [-0.5, 1.5], "probabilities must be finite, 0 or more"),
        ([1, 2], [0.5, 0.6], "probabilities must sum to 1; got 1.1"),
    ],
)
def test_what_has_no_total_variation_is_refused(counts, probabilities, message):
    with pytest.raises(ValueError, match=message):
        manifold.total_variation(counts, probabilities)


def test_the_grid_of_the_log_volume_and_energies_along_paths(rng):
    metric = _random_metric(2)
    (x, y), log_volume = manifold.log_volume_grid(metric, 7)
    point = np.array([[x[2], y[5]]], "float32")
    assert log_volume[5, 2] == pytest.approx(float(_array(metric.log_volume(point))[0]), rel=1e-4)
    paths = rng.normal(size=(2, 3, 4, 2)).astype("float32")
    found = manifold.energies(metric, paths)
    by_hand = metric.energy(paths[0, 1], paths[1, 1])
    np.testing.assert_allclose(found[1], _array(by_hand), rtol=1e-4)


BAD_FOR_BOTH = [
    ({"initial": np.zeros(2)}, r"initial must have shape \(n, 2\); got \(2,\)"),
    ({"initial": np.zeros((4, 3))}, r"initial must have shape \(n, 2\); got \(4, 3\)"),
    ({"initial": np.full((4, 2), np.nan)}, "initial must be finite"),
    (
        {"initial": np.array([[0, 0], [99, 0], [99, 9]])},
        "2 of 3 initial points are outside of the metric's support, the first is point 1",
    ),
    ({"n_steps": 0}, "n_steps must be an integer of 1 or more; got 0"),
    ({"n_steps": 1.5}, "n_steps must be an integer of 1 or more; got 1.5"),
]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *BAD_FOR_BOTH,
        ({"covariance": 0.0}, "covariance must be positive; got 0.0"),
        ({"covariance": -1.0}, "covariance must be positive"),
        ({"covariance": np.nan}, "covariance must be positive"),
        ({"n_integration_steps": 0}, "n_integration_steps must be an integer of 1 or more"),
    ],
)
def test_walk_refuses_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        manifold.riemannian_random_walk(
            _random_metric(2), **{"initial": np.zeros((4, 2)), **changes}
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *BAD_FOR_BOTH,
        ({"step_size": 0.0}, "step_size must be positive; got 0.0"),
        ({"step_size": np.inf}, "step_size must be positive"),
        ({"n_leapfrog": 0}, "n_leapfrog must be an integer of 1 or more; got 0"),
    ],
)
def test_hmc_refuses_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        manifold.hmc(_random_metric(2), **{"initial": np.zeros((4, 2)), **changes})
