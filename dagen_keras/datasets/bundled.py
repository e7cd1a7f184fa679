"""Images that need no download: digits, photos, shapes."""

import numpy as np
import sklearn.datasets
from scipy import ndimage

from dagen_keras.datasets.base import make_dataset

DIGITS = tuple("0123456789")
PHOTOS = ("temple", "flower")
SHAPES = ("circle", "ring")
DIGITS_TEST_PER_CLASS = 100
SHAPES_PER_CLASS = 90


def digits():
    """Scikit-learn's 1,797 real handwritten digits, 8x8 resized to 28x28.

    1,000 of them (100 a class) are the test part, 797 the training part.
    """
    source = sklearn.datasets.load_digits()
    # Splines are linear in the image and go side by side: what makes 28 of 8 is a matrix.
    spline = ndimage.zoom(np.eye(8), (3.5, 1), order=3, mode="nearest", grid_mode=True)
    x = spline @ (source.images / 16.0) @ spline.T
    x = np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)
    y = source.target.astype("int64")
    rng = np.random.default_rng(0)
    test = np.zeros(len(y), dtype=bool)
    for label in range(10):
        test[rng.permutation(np.flatnonzero(y == label))[:DIGITS_TEST_PER_CLASS]] = True
    return make_dataset(
        "digits",
        (x[~test], y[~test]),
        (x[test], y[test]),
        DIGITS,
        "bundled digits: scikit-learn's 8x8 digits, resized to 28x28",
    )


def photos(image_size=32):
    """Colour patches of scikit-learn's two sample photographs: a temple, a flower.

    The patches do not overlap; those of the right quarter of each photograph are the test part.
    """
    _check_size(image_size)
    parts = {True: ([], []), False: ([], [])}
    for label, file_name in enumerate(("china.jpg", "flower.jpg")):
        photo = sklearn.datasets.load_sample_image(file_name)
        rows, columns = photo.shape[0] // image_size, photo.shape[1] // image_size
        for row in range(rows):
            for column in range(columns):
                top, left = row * image_size, column * image_size
                x, y = parts[column >= columns * 3 // 4]
                x.append(photo[top : top + image_size, left : left + image_size])
                y.append(label)
    return make_dataset(
        "photos",
        *(tuple(np.array(values) for values in parts[test]) for test in (False, True)),
        PHOTOS,
        f"bundled photos: {image_size}x{image_size} patches of two photographs",
    )


def shapes(image_size=50):
    """Binary images of discs ("circle") and rings of different diameter and thickness.

    Their centres differ by up to 1.5 pixels, and no image occurs twice.
    90 training and 90 test images a class, drawn with a fixed seed.
    """
    _check_size(image_size)
    rng = np.random.default_rng(0)
    seen = set()

    def new(label):
        while True:
            image = draw_shape(label, image_size, rng)
            if image.tobytes() not in seen:
                seen.add(image.tobytes())
                return image

    y = np.repeat([0, 1], SHAPES_PER_CLASS)
    train, test = ((np.array([new(label) for label in y]), y) for _ in range(2))
    return make_dataset("shapes", train, test, SHAPES, "generated shapes: circles and rings")


def draw_shape(label, image_size, rng):
    """A disc (0) or a ring (1) of zeros and ones, float32 (image_size, image_size)."""
    rows, columns = np.mgrid[:image_size, :image_size] - (image_size - 1) / 2
    shift = rng.uniform(-1.5, 1.5, 2)
    radius = np.hypot(rows - shift[0], columns - shift[1])
    outer = rng.uniform(0.2, 0.46) * image_size
    inner = rng.uniform(0.3, 0.85) * outer if label else 0.0
    return ((radius <= outer) & (radius >= inner)).astype(np.float32)


def _check_size(image_size):
    if not isinstance(image_size, int) or not 8 <= image_size <= 200:
        raise ValueError(f"image_size must be an integer from 8 to 200; got {image_size!r}.")
