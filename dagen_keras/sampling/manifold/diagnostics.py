"""How the geometry of a two-dimensional latent space is looked at: its volume, energies, eq. 3."""

import numpy as np
from keras import ops

SQUARES = 12  # In each dimension of the support.


def log_volume_grid(metric, n=90):
    """Axes (2, n) and log sqrt det G (n, n), rows along the second latent dimension."""
    centroids = np.asarray(metric.centroids)
    low, high = centroids.min(axis=0) - 1, centroids.max(axis=0) + 1
    axes = np.linspace(low, high, n).T
    points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2).astype("float32")
    return axes, ops.convert_to_numpy(metric.log_volume(points)).reshape(n, n)


def energies(metric, paths):
    """The energy along geodesics: positions and momenta (steps, n, d) to (steps, n)."""
    positions, momenta = (ops.convert_to_numpy(path) for path in paths)
    d = metric.latent_dim
    found = metric.energy(positions.reshape(-1, d), momenta.reshape(-1, d))
    return ops.convert_to_numpy(found).reshape(positions.shape[:2])


def square_probabilities(metric, finer=12):
    """Probabilities of the squares of the support under eq. 3, integrated on a finer grid."""
    center, radius = metric.support()
    n = SQUARES * finer
    ticks = (np.arange(n) + 0.5) / n * 2 - 1
    points = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2) * radius
    log_density = -ops.convert_to_numpy(metric.log_volume((points + center).astype("float32")))
    weight = np.exp(log_density.astype(float)) * ((points**2).sum(axis=1) <= radius**2)
    weight = weight.reshape(SQUARES, finer, SQUARES, finer).sum(axis=(1, 3))
    return weight / weight.sum()


def square_counts(metric, samples):
    """How many of the samples (n, 2) are in each of these squares."""
    center, radius = metric.support()
    places = np.clip((samples - center) / radius, -1, 1)
    return np.histogram2d(*places.T, bins=SQUARES, range=[[-1, 1], [-1, 1]])[0]


def total_variation(counts, probabilities):
    """Total variation distance between counts and probabilities of the same places, in [0, 1].

    Raises:
        ValueError: if they are not of the same places, one is below 0 or not finite, there is no
            count above 0, or the probabilities do not sum to 1.
    """
    counts, probabilities = (np.asarray(a, "float64") for a in (counts, probabilities))
    if counts.shape != probabilities.shape:
        raise ValueError(
            "counts and probabilities must be of the same places; got shapes "
            f"{counts.shape} and {probabilities.shape}."
        )
    for name, values in (("counts", counts), ("probabilities", probabilities)):
        if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
            raise ValueError(f"{name} must be finite, 0 or more, and not all 0.")
    if abs(probabilities.sum() - 1) > 1e-6:
        raise ValueError(f"probabilities must sum to 1; got {probabilities.sum():.8g}.")
    return float(0.5 * np.abs(counts / counts.sum() - probabilities).sum())
