"""The images of one run: sparsified, split, and what is missing for balance."""

import functools
from dataclasses import dataclass

import numpy as np

from dagen_keras import backend, datasets
from dagen_keras.datasets.oasis import block_mean
from dagen_keras.papers.guruswamy.grid import sparse_classes
from dagen_keras.papers.legacy import RunError

VALIDATION_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Images:
    """One seed's images.

    Attributes:
        x, y: training images (an array or lazy) and labels; adversarial models see these alone.
        validation, test: (images, labels). The test part is not sparsified.
        missing: {sparse class: images that it lacks}, which augmentation adds.
        shares: {sparse class: share of its images that was left}.
        n_classes: number of classes.
        mirrors: whether a mirrored image is of the same class; a mirrored digit is not.
    """

    x: object
    y: np.ndarray
    validation: tuple
    test: tuple
    missing: dict
    shares: dict
    n_classes: int
    mirrors: bool

    @property
    def shape(self):
        return self.x.shape[1:]

    def choose(self, labels, seed):
        """A row of `x` for each label: random, each used once before any is used twice."""
        rng = np.random.default_rng(seed)
        rows = np.empty(len(labels), int)
        for label in range(self.n_classes):
            mine = labels == label
            of_class = rng.permutation(np.flatnonzero(self.y == label))
            rows[mine] = np.resize(of_class, mine.sum())
        return rows


@functools.lru_cache(maxsize=2)
def prepare(data, seed, classes, train_images, test_images, shrink):
    """The `Images` of a seed, the same for every method.

    A random choice of at most `train_images` of the first `classes` classes; the sparse classes
    of it cut; a tenth of what is left validates, by patient where there are patients. What a sparse
    class lacks is what it lost; where the imbalance is natural, what the largest class has more
    (of training images).
    """
    n_classes = min(classes, data.n_classes)
    rows = np.random.default_rng(backend.subseed(seed, "images")).permutation(len(data.y_train))
    rows = rows[data.y_train[rows] < n_classes][:train_images]
    shares = sparse_classes(data.name, n_classes)
    for label, share in shares.items():
        cut = backend.subseed(seed, "cut", label)
        rows = rows[datasets.keep_share(data.y_train[rows], [label], share, cut)]
    train, validation = _split(data, rows, backend.subseed(seed, "validation"))
    y = data.y_train[train]
    counts = np.bincount(y, minlength=n_classes)
    if shares:
        missing = {label: round(counts[label] * (1 / share - 1)) for label, share in shares.items()}
    else:
        missing = {
            label: int(counts.max() - n) for label, n in enumerate(counts) if n < counts.max()
        }
    tested = np.random.default_rng(0).permutation(len(data.y_test))
    tested = np.sort(tested[data.y_test[tested] < n_classes][:test_images])
    return Images(
        _pixels(data.x_train, train, shrink),
        y,
        (_pixels(data.x_train, validation, shrink), data.y_train[validation]),
        (_pixels(data.x_test, tested, shrink), data.y_test[tested]),
        missing,
        shares,
        n_classes,
        mirrors=data.name not in ("mnist", "digits"),
    )


def _split(data, rows, seed):
    if data.subjects is None:
        train, validation = datasets.stratified_validation(
            data.y_train[rows], VALIDATION_SHARE, seed
        )
    else:
        train, validation = datasets.split_by_patient(
            data.subjects["patient"].to_numpy()[rows], VALIDATION_SHARE, seed, data.y_train[rows]
        )
    return rows[train], rows[validation]


def _pixels(x, rows, shrink):
    """Images of some rows: still lazy where they are and nothing is averaged."""
    if hasattr(x, "select") and shrink == 1:
        return x.select(rows)
    chosen = x[rows]
    if shrink == 1:
        return chosen
    if any(side % shrink for side in chosen.shape[1:3]):
        raise RunError(
            f"parameter 'shrink' must divide the images' sides {chosen.shape[1:3]}; got {shrink}."
        )
    return np.moveaxis(block_mean(np.moveaxis(chosen, -1, 1), shrink), 1, -1)
