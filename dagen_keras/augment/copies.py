"""Whether new images are copies: how near the nearest training image is, as real ones are."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import pairwise_distances_chunked

COPY = 1 / 3  # Nearer than a third of what real images are apart.
MEGABYTES = 256


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


def _search(points, among, but=None):
    """Rows and distances of the nearest; `but` are rows that are the points themselves."""
    points, among = (x.reshape(len(x), -1).astype("float32") / 255 for x in (points, among))

    def reduce(squares, start):
        if but is not None and len(among) > 1:
            rows = np.arange(len(squares))
            squares[rows, but[start + rows]] = np.inf
        return squares.argmin(axis=1)

    rows = np.concatenate(
        list(
            pairwise_distances_chunked(
                points,
                among,
                reduce_func=reduce,
                working_memory=MEGABYTES,
                metric="sqeuclidean",
            )
        )
    )
    # Of the difference itself: the search rounds.
    return rows, np.linalg.norm(points.astype(float) - among[rows], axis=1)
