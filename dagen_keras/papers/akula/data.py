"""The images of one run, and the space in which generated images are scored."""

import functools
from dataclasses import dataclass

import numpy as np

from dagen_keras import backend, datasets, models
from dagen_keras.evaluate import FeatureSpace
from dagen_keras.papers.akula.grid import CLASSES
from dagen_keras.papers.legacy import RunError

FEATURE_EPOCHS, FEATURE_BATCH = 10, 100
HELD_OUT_AT_LEAST = 10  # Two in each of the folds of a calibration.


@dataclass(frozen=True, eq=False)
class Images:
    """One seed's real images, with labels from 0 on.

    Attributes:
        x, y: training images and labels.
        test: (images, labels).
        names: the classes' names.
        data: the `Dataset` that they are from.
    """

    x: np.ndarray
    y: np.ndarray
    test: tuple
    names: tuple
    data: datasets.Dataset

    @property
    def shape(self):
        return self.x.shape[1:]

    @property
    def per_class(self):
        """Training images of a class."""
        return len(self.y) // len(self.names)

    def split(self, label, held_out, seed):
        """A class's training images: (those that a GAN sees, those that calibrate its scores)."""
        rows = np.random.default_rng(seed).permutation(np.flatnonzero(self.y == label))
        n = max(HELD_OUT_AT_LEAST, round(held_out * len(rows)))
        if n > len(rows) // 2:
            raise RunError(
                f"calibration would hold out {n} of {len(rows)} images of '{self.names[label]}', "
                "more than half: parameter 'train_images' (of all classes: 'all_images') must be "
                "larger, or 'held_out' smaller."
            )
        return self.x[rows[n:]], self.x[rows[:n]]


@functools.lru_cache(maxsize=2)
def prepare(data, seed, train_images, test_images):
    """The `Images` of a dataset's two classes: a seeded choice, equally many of each class."""
    labels = [data.class_names.index(name) for name in CLASSES[data.name]]
    # The same test images for every seed.
    rngs = np.random.default_rng(backend.subseed(seed, "images")), np.random.default_rng(0)
    x, y = _some(data.x_train, data.y_train, labels, train_images, rngs[0])
    test = _some(data.x_test, data.y_test, labels, test_images, rngs[1])
    return Images(x, y, test, CLASSES[data.name], data)


@functools.lru_cache(maxsize=2)
def prepare_all(data, seed, all_images):
    """The `Images` of all classes of a dataset as if they were one; equally many of each."""
    rng = np.random.default_rng(backend.subseed(seed, "all"))
    x, y = _some(data.x_train, data.y_train, range(data.n_classes), all_images, rng)
    test = data.x_test, np.zeros_like(data.y_test)
    return Images(x, np.zeros_like(y), test, ("all classes",), data)


def _some(x, y, labels, n, rng):
    """At most `n` images of these labels, equally many of each; new labels are positions."""
    per_class = min(n // len(labels), *(int(np.sum(y == label)) for label in labels))
    rows = [rng.permutation(np.flatnonzero(y == label))[:per_class] for label in labels]
    return x[np.concatenate(rows)], np.repeat(range(len(labels)), per_class)


@functools.lru_cache(maxsize=2)
def feature_space(data):
    """The features and probabilities of a classifier of all classes of a dataset.

    Trained on all its training images, the same for every run on one device. (Inception's weights
    need the network or a file; scores in different spaces do not compare.)
    """
    seed = backend.subseed(0, "features")
    model = models.ReusableModel(
        functools.partial(models.chen_liu_cnn, data.n_classes, data.image_shape),
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        **backend.convolution_compile_options(),
    ).fresh(seed)
    batches = models.ShuffledBatches((data.x_train, data.y_train), FEATURE_BATCH, seed)
    model.fit(batches, epochs=FEATURE_EPOCHS, shuffle=False, verbose=0)
    return FeatureSpace.of_classifier(model, f"classifier of {datasets.title(data.name)}")
