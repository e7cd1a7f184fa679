"""Slips of the code that Chadebec and Allassonniere released, to show what they do."""

from keras import ops

from dagen_keras.sampling import manifold
from dagen_keras.sampling.manifold.geodesics import derivatives
from dagen_keras.sampling.manifold.metric import multiply


def geodesic(metric, position, velocity, n_steps):
    """`manifold.geodesic` with the released force, which has the opposite sign."""
    return manifold.geodesic(metric, position, velocity, n_steps, derivatives=_derivatives)


def _derivatives(metric, position, momentum):
    velocity, force = derivatives(metric, position, momentum)
    return velocity, -force


def log_density_gradient(metric, z):
    """What the released HMC takes for the gradient of log sqrt det G^-1, shape (n, d).

    sum_i G M_i (c_i - z) w_i / T^2, where the gradient has tr(G M_i) in place of G M_i.
    """
    factors = ops.convert_to_tensor(metric.cholesky_factors)
    lowered = ops.sum(factors * metric.centroids[:, :, None], axis=1)
    pulled = ops.sum(factors * lowered[:, None, :], axis=-1)
    mixture = metric.inverse_tensor(z) - metric.regularization * ops.eye(metric.latent_dim)
    force = ops.matmul(metric.kernel(z), pulled) - multiply(mixture, z)
    return multiply(metric.tensor(z), force) / metric.temperature**2
