"""Geodesics and the exponential map, by Hamilton's equations."""

import numpy as np
from keras import ops

from dagen_keras import backend
from dagen_keras.sampling.manifold.metric import RiemannianMetric


def derivatives(metric, position, momentum):
    """dp/dt = dH/dq and dq/dt = -dH/dp of H = q^T G^-1(p) q / 2, at p, q of shape (n, d)."""
    outer = 0.5 * momentum[:, :, None] * momentum[:, None, :]
    force = -metric.inverse_tensor_gradient(position, outer)
    return metric.raised(position, momentum), force


def exponential_map(metric, position, velocity, n_steps=10):
    """Where the geodesics that start at `position` with `velocity` are at time 1.

    Args:
        metric: a `RiemannianMetric`.
        position: points (n, d).
        velocity: tangent vectors at these points (n, d).
        n_steps: integration steps; the error falls with their square.

    Returns:
        End points (n, d), float32.

    Reference: Chadebec and Allassonniere, Algorithm 2.
    """
    return geodesic(metric, position, velocity, n_steps)[0][-1]


def geodesic(metric, position, velocity, n_steps=10, derivatives=derivatives):
    """The geodesics of `exponential_map`, step by step.

    Args:
        metric, position, velocity, n_steps: as for `exponential_map`.
        derivatives: `derivatives(metric, position, momentum)`, the equations of motion.

    Returns:
        Positions and momenta, each of shape (n_steps + 1, n, d). The velocity of a momentum is
        `metric.raised(position, momentum)`; `metric.energy(position, momentum)` is conserved.
    """
    check_points(metric, position, "position")
    check_points(metric, velocity, "velocity")
    if not isinstance(n_steps, int | np.integer) or n_steps < 1:
        raise ValueError(f"n_steps must be an integer of 1 or more; got {n_steps!r}.")
    arguments = (*arrays(metric), *(np.asarray(a, "float32") for a in (position, velocity)))
    positions, momenta = backend.compiled(_geodesic)(
        *arguments,
        settings=(metric.temperature, metric.regularization, int(n_steps), derivatives),
    )
    return tuple(ops.convert_to_numpy(path) for path in (positions, momenta))


def arrays(metric):
    """The metric's centroids and factors as float32 arrays, for a compiled function."""
    return tuple(
        ops.convert_to_numpy(a).astype("float32", copy=False)
        for a in (metric.centroids, metric.cholesky_factors)
    )


def check_points(metric, points, name):
    shape = np.shape(points)
    if len(shape) != 2 or shape[1] != metric.latent_dim:
        raise ValueError(f"{name} must have shape (n, {metric.latent_dim}); got {shape}.")
    if not np.isfinite(points).all():
        raise ValueError(f"{name} must be finite.")


def _geodesic(centroids, factors, position, velocity, *, settings):
    temperature, regularization, n_steps, derivatives = settings
    metric = RiemannianMetric(centroids, factors, temperature, regularization)
    start = position, metric.lowered(position, velocity)

    def advance(state, _):
        state = step(metric, *state, 1 / n_steps, derivatives)
        return state, state

    _, path = ops.scan(advance, start, length=n_steps)
    return tuple(
        ops.concatenate([first[None], rest]) for first, rest in zip(start, path, strict=True)
    )


def step(metric, position, momentum, dt, derivatives=derivatives):
    """One step of the midpoint rule for the position and the momentum (Algorithm 2)."""
    velocity, force = derivatives(metric, position, momentum)
    half = position + 0.5 * dt * velocity, momentum + 0.5 * dt * force
    velocity, force = derivatives(metric, *half)
    return position + dt * velocity, momentum + dt * force
