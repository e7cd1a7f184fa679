"""Measures by nearest neighbours: of samples against real images, and memorisation."""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin, pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from dagen_keras import checks
from dagen_keras.evaluate import rows

# In squared norms: above the rounding of squared distances, far below that of float32 features.
TOLERANCE = 1e-12
CHUNK_MEGABYTES = 64
CHUNK_ROWS = 256


def precision_recall(real_features, generated_features, k=3):
    """Improved precision and recall of Kynkäänniemi et al. 2019, eqs. 1 and 2.

    Precision is the share of the generated images inside the manifold of the real ones, recall
    the share of the real images inside that of the generated ones. A manifold is the union of
    balls around a side's images; a ball's radius is the distance to the k-th nearest other image.
    Both shares depend on the numbers of images: compare them between equal numbers.

    Memory does not grow with the square of n.

    Args:
        real_features, generated_features: arrays (n, d).
        k: which neighbour, 1 or more.

    Returns:
        (precision, recall), each in [0, 1].

    Raises:
        ValueError: if an array is not finite, not (n, d) with the other's d, or n is not above k.
    """
    real, generated = rows.pair(real_features, generated_features)
    checks.integer(k, "k", 1)
    fewest = min(len(real), len(generated))
    if fewest <= k:
        raise ValueError(f"k = {k} needs at least {k + 1} images on each side; got {fewest}.")
    centre = real.mean(axis=0)
    real, generated = real - centre, generated - centre
    return _share_inside(generated, real, k), _share_inside(real, generated, k)


def _share_inside(points, centres, k):
    """The share of points in the ball of any centre, its surface included up to rounding."""
    squared_radii = _squared_radii(centres, k)
    chunks = pairwise_distances_chunked(
        points,
        centres,
        reduce_func=lambda squared, start: (squared <= squared_radii).any(axis=1),
        working_memory=CHUNK_MEGABYTES,
        squared=True,
    )
    return float(np.concatenate(list(chunks)).mean())


def _squared_radii(centres, k):
    """Squared distances to the k-th nearest other centre, and a little for rounding."""
    distances, _ = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(centres).kneighbors()
    return distances[:, -1] ** 2 + TOLERANCE * np.einsum("ij,ij->i", centres, centres)


def density_coverage(real_features, generated_features, k=5):
    """Density and coverage of Naeem et al. 2020, https://arxiv.org/abs/2002.09797, eqs. 3 and 4.

    Each real image has a ball that reaches to its k-th nearest other real image. Density is the
    mean number of balls that hold a generated image, over k; coverage is the share of the balls
    that hold a generated image. Both are near 1 for images of one distribution, where coverage is
    1 - 2^-k for many images. Only real images have balls, so that an odd generated one does not
    make either better.

    Memory does not grow with the square of n.

    Args:
        real_features, generated_features: arrays (n, d).
        k: which neighbour, 1 or more.

    Returns:
        (density, coverage): 0 or more, and in [0, 1].

    Raises:
        ValueError: if an array is not finite, not (n, d) with the other's d, or there are k or
            fewer real images.
    """
    real, generated = rows.pair(real_features, generated_features)
    checks.integer(k, "k", 1)
    if len(real) <= k:
        raise ValueError(f"k = {k} needs at least {k + 1} real images; got {len(real)}.")
    centre = real.mean(axis=0)
    real, generated = real - centre, generated - centre
    squared_radii = _squared_radii(real, k)

    def in_each_ball(squared, start):
        return (squared <= squared_radii[start : start + len(squared), None]).sum(axis=1)

    chunks = pairwise_distances_chunked(
        real,
        generated,
        reduce_func=in_each_ball,
        working_memory=CHUNK_MEGABYTES,
        squared=True,
    )
    held = np.concatenate(list(chunks))
    return float(held.sum() / (k * len(generated))), float((held > 0).mean())


def nearest_training_distance(generated, training):
    """The distance of each generated image to the nearest training image; 0 for a copy.

    Args:
        generated, training: images (n, height, width, channels), or features (n, d).

    Returns:
        Euclidean distances (n_generated,), in units of a pixel or of the features.

    Raises:
        ValueError: if an array is empty or not finite, or an image of the one has another shape
            than one of the other, or is of bytes and the other of floats.
    """
    generated = rows.within(rows.finite(generated, "generated"), "generated")
    training = rows.within(rows.finite(training, "training"), "training")
    if generated.shape[1:] != training.shape[1:]:
        raise ValueError(
            "generated and training must hold images of the same shape; "
            f"got {generated.shape[1:]} and {training.shape[1:]}."
        )
    if generated.ndim == 4 and (generated.dtype.kind == "f") != (training.dtype.kind == "f"):
        raise ValueError(
            "generated and training must be of one scale, both bytes or both floats; got "
            f"{generated.dtype} and {training.dtype}."
        )
    dtype = np.result_type(generated, training, np.float32)
    generated, training = (
        x.reshape(len(x), -1).astype(dtype, copy=False) for x in (generated, training)
    )
    # Around their mean, which squared distances would lose beside large numbers.
    centre = training.mean(axis=0, dtype="float64").astype(dtype)
    centred, distances = training - centre, []
    for start in range(0, len(generated), CHUNK_ROWS):
        chunk = generated[start : start + CHUNK_ROWS]
        nearest = training[pairwise_distances_argmin(chunk - centre, centred)]
        distances.append(np.linalg.norm(chunk.astype("float64") - nearest, axis=1))
    return np.concatenate(distances)
