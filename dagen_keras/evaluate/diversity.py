"""How diverse generated images are, class by class: what collapse looks like in a number."""

import numpy as np

from dagen_keras import checks


def diversity(images, labels, n_classes):
    """The root-mean-square distance, in pixel space, of two different images of each class.

    It needs no pairs: the mean squared distance of two images is twice the sum of their pixels'
    unbiased variances. It is 0 for a generator that draws one image. It does not see that some
    kinds of image are never drawn while others differ enough (`precision_recall` does), nor noise,
    nor training images learnt by heart (`nearest_training_distance` does).

    Args:
        images: in [0, 1], (n, height, width, channels).
        labels: integers, (n,).
        n_classes: number of classes.

    Returns:
        Distances, shape (n_classes,); NaN for a class of fewer than two images.

    Raises:
        ValueError: if an argument is not as described.
    """
    images = checks.images(images)
    labels = checks.labels(labels, len(images), n_classes=n_classes)
    found = np.full(n_classes, np.nan)
    for label in range(n_classes):
        of_class = images[labels == label].reshape(-1, images[0].size)
        if len(of_class) > 1:
            found[label] = np.sqrt(2 * of_class.var(axis=0, ddof=1, dtype=float).sum())
    return found
