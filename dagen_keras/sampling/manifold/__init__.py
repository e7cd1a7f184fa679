"""The geometry of a latent space: its metric, its geodesics, and chains that explore it."""

from dagen_keras.sampling.manifold.chains import (
    Chains,
    hmc,
    log_density_gradient,
    random_centroids,
    riemannian_random_walk,
)
from dagen_keras.sampling.manifold.diagnostics import (
    energies,
    log_volume_grid,
    square_counts,
    square_probabilities,
    total_variation,
)
from dagen_keras.sampling.manifold.geodesics import exponential_map, geodesic
from dagen_keras.sampling.manifold.metric import RiemannianMetric

__all__ = [
    "Chains",
    "RiemannianMetric",
    "energies",
    "exponential_map",
    "geodesic",
    "hmc",
    "log_density_gradient",
    "log_volume_grid",
    "random_centroids",
    "riemannian_random_walk",
    "square_counts",
    "square_probabilities",
    "total_variation",
]
