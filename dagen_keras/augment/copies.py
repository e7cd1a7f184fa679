"""Whether new images are copies: how near the nearest training image is, as real ones are."""

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

COPY = 1 / 3  # Nearer than a third of what real images are apart.


@dataclass(frozen=True, eq=False)
class Nearest:
    """Of each new image the training image that is nearest to it.

    Attributes:
        row: its position among the training images, (n,).
        distance: the Euclidean distance, in units of a pixel in [0, 1], (n,).
        relative: that over `typical`, (n,); NaN where `typical` is 0.
        typical: the median distance of a real image of the class to the nearest other one.
    """

    row: np.ndarray
    distance: np.ndarray
    relative: np.ndarray
    typical: float

    @property
    def copies(self) -> np.ndarray:
        """Which new images are copies, or nearly: nearer than a third of `typical`."""
        return (self.relative < COPY) | (self.distance == 0)


def nearest(new: np.ndarray, training: np.ndarray, of_class: np.ndarray) -> Nearest:
    """The nearest training images of new ones of a class.

    The nearest of a training image is searched among the others, as if it had been held out.

    Args:
        new, training: uint8 (n, height, width, channels); all training images, of any class.
        of_class: which training images are of the new ones' class, (n,).
    """
    row, distance = _search(new, training)
    own = np.flatnonzero(of_class)
    _, apart = _search(training[own], training, own)
    typical = float(np.median(apart))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(typical > 0, distance / typical, np.nan)
    return Nearest(row, distance, relative, typical)


def _search(points, among, own=None):
    """Rows and distances of the nearest; `own` are the points' own rows, which do not count."""
    points, among = (x.reshape(len(x), -1).astype("float32") / 255 for x in (points, among))
    k = 1 if own is None else min(2, len(among))
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(among)
    rows = search.kneighbors(points, return_distance=False)
    rows = rows[:, 0] if own is None else np.where(rows[:, 0] == own, rows[:, -1], rows[:, 0])
    # Of the difference itself: the search rounds.
    return rows, np.linalg.norm(points.astype(float) - among[rows], axis=1)
