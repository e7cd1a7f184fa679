"""Markov chains on a latent space with a metric: all chains at once, compiled, seeded."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from keras import ops

from dagen_keras import backend
from dagen_keras.sampling.manifold.geodesics import arrays, check_points, step
from dagen_keras.sampling.manifold.metric import RiemannianMetric

# Chains a compiled call holds: their distances to the centroids stay in the processor's cache.
BLOCK = 100
# Centroids are padded to a multiple, so that classes of different sizes share what is compiled.
CENTROIDS_MULTIPLE = 50


class Chains(NamedTuple):
    """What a sampler returns.

    Attributes:
        samples: the chains' last states, float32 (n, d).
        acceptance_rate: of each chain, in [0, 1], shape (n,).
        path: all states, starting with the initial ones, (n_steps + 1, n, d).
    """

    samples: np.ndarray
    acceptance_rate: np.ndarray
    path: np.ndarray


def random_centroids(metric, n, seed):
    """`n` of the metric's centroids, drawn with replacement: where the chains start."""
    rng = np.random.default_rng(seed)
    centroids = ops.convert_to_numpy(metric.centroids)
    return centroids[rng.integers(len(centroids), size=n)]


def riemannian_random_walk(
    metric,
    initial,
    n_steps=200,
    covariance=0.5,
    n_integration_steps=10,
    corrected=False,
    seed=0,
):
    """The Riemannian random walk: proposals from the wrapped normal N^W(z, covariance I).

    A proposal z' is accepted with probability min(1, sqrt det G^-1(z') / sqrt det G^-1(z)), which
    leaves out how the proposal's density differs between the two directions. So the walk does not
    draw from eq. 3, and in general not in the limit of small covariances either, which the paper's
    Remark 1 claims: a short geodesic drifts by minus half the covariance times sum_i Gamma^k_ii,
    and that is of the order of what the acceptance adds. In one dimension the limit is the square
    of eq. 3; where G is isotropic it is (det G^-1)^(1/d), right for d = 2.

    With `corrected=True` the probability is that of Metropolis and Hastings, and the walk draws
    from eq. 3: a geodesic run backwards from z' has the velocity -v', the flow preserves the
    volume dz dq with q = G v, and so the ratio is multiplied by
    N(v'; 0, covariance I) det G(z) / (N(v; 0, covariance I) det G(z')).

    Proposals outside of `metric.support()`, and such that are not finite, are rejected.

    Args:
        metric: a `RiemannianMetric`.
        initial: where the chains start, (n, d); see `random_centroids`.
        n_steps: steps of each chain.
        covariance: variance of each component of the velocity; 0.5 in the released code.
        n_integration_steps: steps along each geodesic.
        corrected: whether to accept by the exact ratio.
        seed: fixes the walk.

    Returns:
        `Chains`.

    Raises:
        ValueError: if an argument is not as described.

    Reference: Chadebec and Allassonniere (2021), Algorithm 1.
    """
    _check(metric, initial, n_steps, covariance=covariance)
    if not isinstance(n_integration_steps, int | np.integer) or n_integration_steps < 1:
        raise ValueError(
            f"n_integration_steps must be an integer of 1 or more; got {n_integration_steps!r}."
        )
    settings = (float(covariance), int(n_integration_steps), bool(corrected))
    return _run(_walk, metric, initial, n_steps, seed, settings)


def log_density_gradient(metric, z):
    """Gradient of log sqrt det G^-1, tr(G dG^-1 / dz) / 2, shape (n, d)."""
    return metric.inverse_tensor_gradient(z, 0.5 * metric.tensor(z))


def hmc(
    metric,
    initial,
    n_steps=200,
    n_leapfrog=15,
    step_size=0.05,
    gradient=log_density_gradient,
    seed=0,
):
    """Hamiltonian Monte Carlo on the density of eq. 3, sqrt det G^-1 on `metric.support()`.

    Args:
        metric: a `RiemannianMetric`.
        initial: where the chains start, (n, d); see `random_centroids`.
        n_steps: steps of each chain.
        n_leapfrog, step_size: the trajectories; 15 and 0.05 in the released code.
        gradient: `gradient(metric, z)`, of the log density, that drives the trajectories. Whatever
            it is, the accept step keeps the density right.
        seed: fixes the chains.

    Returns:
        `Chains`.

    Raises:
        ValueError: if an argument is not as described.
    """
    _check(metric, initial, n_steps, step_size=step_size)
    if not isinstance(n_leapfrog, int | np.integer) or n_leapfrog < 1:
        raise ValueError(f"n_leapfrog must be an integer of 1 or more; got {n_leapfrog!r}.")
    settings = (int(n_leapfrog), float(step_size), gradient)
    return _run(_hmc, metric, initial, n_steps, seed, settings)


def _check(metric, initial, n_steps, **positive):
    check_points(metric, initial, "initial")
    if not isinstance(n_steps, int | np.integer) or n_steps < 1:
        raise ValueError(f"n_steps must be an integer of 1 or more; got {n_steps!r}.")
    for name, value in positive.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive; got {value!r}.")
    center, radius = metric.support()
    outside = np.linalg.norm(np.asarray(initial) - center, axis=1) > radius
    if outside.any():
        raise ValueError(
            f"{outside.sum()} of {len(outside)} initial points are outside of the metric's "
            f"support, the first is point {int(np.argmax(outside))}: start at centroids."
        )


def _run(kernel, metric, initial, n_steps, seed, settings):
    """Runs a kernel on blocks of chains, in threads; noise is NumPy's, the same everywhere."""
    rng = np.random.default_rng(seed)
    initial = np.asarray(initial, "float32")
    n, d = initial.shape
    noise = rng.standard_normal((n_steps, n, d), dtype="float32")
    log_uniform = np.log1p(-rng.random((n_steps, n), dtype="float32"))
    center, radius = metric.support()
    centroids, factors = arrays(metric)
    missing = -len(centroids) % CENTROIDS_MULTIPLE
    # Padding has factors of 0: it adds nothing to the metric.
    centroids = np.concatenate([centroids, np.zeros((missing, d), "float32")])
    factors = np.concatenate([factors, np.zeros((missing, d, d), "float32")])
    settings = (metric.temperature, metric.regularization, *settings)
    block = n if backend.on_gpu() else BLOCK

    def run(start):
        chains = np.minimum(np.arange(start, start + block), n - 1)
        path, accepted = backend.compiled(kernel)(
            *(centroids, factors, center.astype("float32"), np.float32(radius)),
            *(initial[chains], noise[:, chains], log_uniform[:, chains]),
            settings=settings,
        )
        kept = min(block, n - start)
        return ops.convert_to_numpy(path)[:, :kept], ops.convert_to_numpy(accepted)[:, :kept]

    starts = range(0, n, block)
    first = [run(0)]  # The one that compiles.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        paths, accepted = zip(*first, *pool.map(run, starts[1:]), strict=True)
    path = np.concatenate([initial[None], np.concatenate(paths, axis=1)])
    return Chains(path[-1], np.concatenate(accepted, axis=1).mean(axis=0), path)


def _walk(centroids, factors, center, radius, initial, noise, log_uniform, *, settings):
    temperature, regularization, covariance, n_integration_steps, corrected = settings
    metric = RiemannianMetric(centroids, factors, temperature, regularization)

    def advance(state, drawn):
        position, _, tensor, log_volume = state
        noise, log_uniform = drawn
        velocity = noise * covariance**0.5
        momentum = ops.sum(tensor * velocity[:, None, :], axis=-1)
        (proposal, momentum), _ = ops.scan(
            lambda s, _: (step(metric, *s, 1 / n_integration_steps), None),
            (position, momentum),
            length=n_integration_steps,
        )
        proposed_tensor, proposed_log_volume = metric.tensor_and_log_volume(proposal)
        log_ratio = log_volume - proposed_log_volume
        if corrected:
            end_velocity = metric.raised(proposal, momentum)
            squares = ops.sum(end_velocity**2 - velocity**2, axis=-1)
            log_ratio = 3 * log_ratio - squares / (2 * covariance)
        proposed = proposal, proposed_tensor, proposed_log_volume
        return _accept(state, proposed, log_ratio, log_uniform, center, radius)

    cached = metric.tensor_and_log_volume(initial)
    return _scan(advance, initial, cached, (noise, log_uniform))


def _hmc(centroids, factors, center, radius, initial, noise, log_uniform, *, settings):
    temperature, regularization, n_leapfrog, step_size, gradient = settings
    metric = RiemannianMetric(centroids, factors, temperature, regularization)

    def advance(state, drawn):
        position, _, log_volume, force = state
        momentum, log_uniform = drawn

        def leapfrog(s, _):
            position, momentum, force = s
            momentum = momentum + 0.5 * step_size * force
            position = position + step_size * momentum
            force = gradient(metric, position)
            return (position, momentum + 0.5 * step_size * force, force), None

        end, _ = ops.scan(leapfrog, (position, momentum, force), length=n_leapfrog)
        proposed = end[0], metric.log_volume(end[0]), end[2]
        kinetic = 0.5 * ops.sum(momentum**2 - end[1] ** 2, axis=-1)
        log_ratio = log_volume - proposed[1] + kinetic
        return _accept(state, proposed, log_ratio, log_uniform, center, radius)

    cached = metric.log_volume(initial), gradient(metric, initial)
    return _scan(advance, initial, cached, (noise, log_uniform))


def _scan(advance, initial, cached, drawn):
    """All positions and whether each step moved; a state is (position, moved, *cached)."""
    state = initial, ops.zeros_like(initial[:, 0]), *cached
    # Keras's scan on TensorFlow collects nothing but what has the state's shapes.
    _, states = ops.scan(lambda s, x: (advance(s, x),) * 2, state, drawn)
    return states[:2]


def _accept(state, proposed, log_ratio, log_uniform, center, radius):
    """The next state: `proposed` (position, *cached) where accepted, else the old one."""
    inside = ops.sum(ops.square(proposed[0] - center), axis=-1) <= radius**2
    # A comparison with NaN is false: what is not finite is rejected.
    accepted = ops.logical_and(log_uniform < log_ratio, inside)
    old = state[0], *state[2:]
    position, *cached = (
        ops.where(ops.reshape(accepted, (-1,) + (1,) * (len(new.shape) - 1)), new, before)
        for new, before in zip(proposed, old, strict=True)
    )
    return position, ops.cast(accepted, "float32"), *cached
