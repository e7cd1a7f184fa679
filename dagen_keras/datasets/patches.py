"""Bundled photo patches in the form of the breast histopathology, for where that cannot be had.

They show no tissue and no patient: 50x50 patches of scikit-learn's two sample photographs. A
"patient" is a vertical strip of both, with negatives from the temple and positives from the
flower. Patches of one strip overlap, as neighbours on a slide look alike; two strips share no
pixel, so a split by patient parts them cleanly.
"""

import numpy as np
import sklearn.datasets

from dagen_keras.datasets import histopathology
from dagen_keras.datasets.base import canonical_order, image_hash

CLASS_NAMES = ("temple", "flower")
DESCRIPTION = "bundled photo patches: 50x50 patches of two photographs, not tissue"
STRIP_WIDTH = 80

# Of each label: the photograph, and the strides of rows and columns in pixels. They make 60
# negatives and 24 positives a strip, 28.6 % positives; in the archive they are 28.4 %.
_PHOTOS = {0: ("china.jpg", 19, 15), 1: ("flower.jpg", 34, 30)}


def load():
    """The patches, in the order in which `histopathology.scan` would put their files.

    Six strips are the training part and two the test part; `Dataset.subjects` has the columns
    `patient`, the strip, and `label`.
    """
    images, labels, patients, _ = cut()
    hashes = np.array([image_hash(image.tobytes()) for image in images], np.uint64)
    order = canonical_order(hashes, labels)
    found = histopathology.Scan(
        images[order].astype("float32") / np.float32(255), labels[order], patients[order], {}
    )
    return histopathology.as_dataset("patches", found, CLASS_NAMES, DESCRIPTION)


def cut():
    """Cuts all patches of both photographs.

    Returns:
        images: uint8, shape (n, 50, 50, 3).
        labels: 0 temple, 1 flower, shape (n,).
        patients: "strip1" to "strip8" from left to right, shape (n,).
        positions: x and y of each patch's upper left pixel in its photograph, shape (n, 2).
    """
    size = histopathology.IMAGE_SHAPE[0]
    images, labels, patients, positions = [], [], [], []
    for label, (file_name, row_stride, column_stride) in _PHOTOS.items():
        photo = sklearn.datasets.load_sample_image(file_name)
        height, width, _ = photo.shape
        for strip in range(width // STRIP_WIDTH):
            left = strip * STRIP_WIDTH
            for y in range(0, height - size + 1, row_stride):
                for x in range(left, left + STRIP_WIDTH - size + 1, column_stride):
                    images.append(photo[y : y + size, x : x + size])
                    labels.append(label)
                    patients.append(f"strip{strip + 1}")
                    positions.append((x, y))
    return np.array(images), np.array(labels), np.array(patients), np.array(positions)
