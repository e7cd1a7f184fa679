"""Fig. 1 and the errata's evidence: geodesics, wrapped normals, walks, and how right they are."""

import numpy as np
from keras import ops

from dagen_keras.papers.chadebec import released
from dagen_keras.sampling import manifold
from dagen_keras.study.packing import pack

GRID, GEODESICS, WRAPPED, CHAINS, BINS = 90, 8, 150, 2000, 12
STEPS = (10, 100, 1000)
COVARIANCES = (0.5, 0.1, 0.01)


def measure(metric, labels, seed):
    """All of it, for a metric in two dimensions."""
    rng = np.random.default_rng(seed)
    start = manifold.random_centroids(metric, GEODESICS, seed)
    velocity = rng.standard_normal(start.shape).astype("float32")
    axes, log_volume = log_volume_grid(metric)
    right = manifold.geodesic(metric, start, velocity, 100)
    wrong = released.geodesic(metric, start, velocity, 100)
    base = manifold.random_centroids(metric, 2, seed + 1)
    wrapped = [
        manifold.exponential_map(
            metric,
            np.repeat(point[None], WRAPPED, axis=0),
            rng.standard_normal((WRAPPED, 2)).astype("float32"),
            100,
        )
        for point in base
    ]
    chains = _chains(metric, seed)
    values = {
        "arrays": pack(
            mean=metric.centroids,
            labels=labels,
            axis_0=axes[0],
            axis_1=axes[1],
            log_volume=log_volume,
            right=right[0],
            wrong=wrong[0],
            right_energy=energies(metric, right),
            wrong_energy=energies(metric, wrong),
            velocity=velocity,
            base=base,
            wrapped=np.stack(wrapped),
            walk=chains["walk, covariance 0.5"].path[:, 0],
        )
    }
    for n_steps in STEPS:
        for name, paths in (
            ("right", manifold.geodesic(metric, start, velocity, n_steps)),
            ("wrong", released.geodesic(metric, start, velocity, n_steps)),
        ):
            energy = energies(metric, [path[[0, -1]] for path in paths])
            change = np.abs(energy[-1] / energy[0] - 1)
            values[f"energy_change_{name}_{n_steps}"] = float(np.median(change))
    density = bin_probabilities(metric)
    values["samplers"] = {
        name: {
            "total_variation": total_variation(metric, found.samples, density),
            "acceptance": float(found.acceptance_rate.mean()),
        }
        for name, found in chains.items()
    }
    values["total_variation_exact"] = exact_total_variation(density, CHAINS, seed)
    return values


def log_volume_grid(metric):
    """Axes (GRID,) and log sqrt det G (GRID, GRID), rows along the second latent dimension."""
    centroids = np.asarray(metric.centroids)
    low, high = centroids.min(axis=0) - 1, centroids.max(axis=0) + 1
    axes = np.linspace(low, high, GRID).T
    points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2).astype("float32")
    return axes, ops.convert_to_numpy(metric.log_volume(points)).reshape(GRID, GRID)


def energies(metric, paths):
    """The energy along geodesics: positions and momenta (steps, n, d) to (steps, n)."""
    positions, momenta = (ops.convert_to_numpy(path) for path in paths)
    flat = metric.energy(positions.reshape(-1, 2), momenta.reshape(-1, 2))
    return ops.convert_to_numpy(flat).reshape(positions.shape[:2])


def bin_probabilities(metric, finer=12):
    """Probabilities of BINS x BINS squares under eq. 3, integrated on a finer grid."""
    center, radius = metric.support()
    ticks = (np.arange(BINS * finer) + 0.5) / (BINS * finer) * 2 - 1
    points = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2) * radius
    log_density = -ops.convert_to_numpy(metric.log_volume((points + center).astype("float32")))
    weight = np.exp(log_density.astype(float)) * ((points**2).sum(axis=1) <= radius**2)
    weight = weight.reshape(BINS, finer, BINS, finer).sum(axis=(1, 3))
    return weight / weight.sum()


def total_variation(metric, samples, density):
    """Total variation distance between samples and eq. 3's density, over the squares."""
    center, radius = metric.support()
    places = ((samples - center) / radius + 1) / 2 * BINS
    places = np.clip(places.astype(int), 0, BINS - 1)
    counts = np.zeros((BINS, BINS))
    np.add.at(counts, tuple(places.T), 1)
    return float(0.5 * np.abs(counts / len(samples) - density).sum())


def exact_total_variation(density, n, seed):
    """What `total_variation` gives for `n` independent draws of the density itself."""
    counts = np.random.default_rng(seed).multinomial(n, density.ravel())
    return float(0.5 * np.abs(counts / n - density.ravel()).sum())


def _chains(metric, seed):
    start = manifold.random_centroids(metric, CHAINS, seed)
    chains = {
        f"walk, covariance {covariance:g}": manifold.riemannian_random_walk(
            metric, start, covariance=covariance, seed=seed
        )
        for covariance in COVARIANCES
    }
    chains["walk, covariance 0.5, corrected"] = manifold.riemannian_random_walk(
        metric, start, covariance=0.5, corrected=True, seed=seed
    )
    chains["HMC"] = manifold.hmc(metric, start, seed=seed)
    chains["HMC, released gradient"] = manifold.hmc(
        metric, start, gradient=released.log_density_gradient, seed=seed
    )
    return chains
