"""A dataset, in an order that does not depend on where it was read."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dagen_keras import checks
from dagen_keras.datasets.pixels import Pixels


class DataError(RuntimeError):
    """Data that cannot be had or cannot be read; says what was looked for and where."""


@dataclass(frozen=True)
class Record:
    """What is known of a dataset before it is read.

    Attributes:
        title: how a table's title names it; bundled data is called so.
        class_names: one string a class.
        read: a function `read(directory, download, **options)` that returns the `Dataset`;
            `directory` is a path or None.
        options: names of what `load` may be told of it.
    """

    title: str
    class_names: tuple[str, ...]
    read: Callable
    options: frozenset = frozenset()


@dataclass(frozen=True, eq=False)
class Dataset:
    """Train and test images of one dataset.

    Attributes:
        name: the name that `load` knows it by.
        x_train, x_test: images, float32 in [0, 1], shape (n, height, width, channels): arrays; or
            `Pixels`, bytes that are floats where they are used; or lazy `Patches`. Of all of them
            `x[rows]` is an array.
        y_train, y_test: int64 labels, shape (n,).
        class_names: one string a class.
        description: one sentence on where the images come from, for a table's title.
        subjects: where the images are of people, a DataFrame with one row an image, the training
            images' first; else None.
    """

    name: str
    x_train: np.ndarray | Pixels
    y_train: np.ndarray
    x_test: np.ndarray | Pixels
    y_test: np.ndarray
    class_names: tuple
    description: str
    subjects: pd.DataFrame | None = None

    @property
    def n_classes(self):
        return len(self.class_names)

    @property
    def image_shape(self):
        return self.x_train.shape[1:]

    @functools.cached_property
    def fingerprint(self):
        """16 hexadecimal digits that depend on the images, as bytes, and labels alone.

        Lazy images are not read for it: it is made from the hash that they have of each. It then
        differs from the fingerprint of an array of the same images.
        """
        digest = hashlib.sha256()
        for x, y in ((self.x_train, self.y_train), (self.x_test, self.y_test)):
            digest.update(repr(x.shape).encode())
            lazy = hasattr(x, "hashes")
            digest.update((x.hashes.astype(">u8") if lazy else to_bytes(x)).tobytes())
            digest.update(y.astype("<i8").tobytes())
        return digest.hexdigest()[:16]


def make_dataset(name, train, test, class_names, description, subjects=None):
    """A `Dataset` from (images, labels) pairs, checked and put into canonical order.

    Without `class_names` classes are called by their numbers, from 0 to the highest label.
    `subjects`, if given, has one row an image, the training images' first, and is reordered too.

    The order is by label and then by a hash of the image, so that copies of one dataset in
    different files give the same subsets for the same seed.

    Raises:
        DataError: if images or labels are not what they must be; names the part.
    """
    parts, orders = [], []
    for part, (x, y) in (("train", train), ("test", test)):
        x = np.asarray(x)
        if x.ndim == 3:
            x = x[..., None]
        if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[2] > 4 < x.shape[3]:
            raise DataError(
                f"Dataset '{name}': {part} images must have their channels last; got shape "
                f"{x.shape}. Move them: np.moveaxis(x, 1, -1)."
            )
        try:
            if x.dtype == np.uint8 and x.ndim == 4 and x.size:
                if x.max() <= 1:
                    raise ValueError(
                        f"{part} images of bytes must be from 0 to 255; got at most {x.max()}. "
                        "Multiply by 255, or give floats in [0, 1]."
                    )
                x = Pixels(x)
            else:
                x = checks.images(x, f"{part} images")
            y = checks.labels(y, len(x), f"{part} labels")
        except ValueError as error:
            raise DataError(f"Dataset '{name}': {error}") from error
        most = len(class_names) or len(train[0]) + len(test[0])
        if y.max() >= most:
            limit = f"only {most} classes" if class_names else f"there are only {most} images"
            raise DataError(f"Dataset '{name}': label {y.max()} in the {part} part, but {limit}.")
        if not isinstance(x, Pixels) and len(set(_hashes(x))) < len({i.tobytes() for i in x}):
            raise DataError(
                f"Dataset '{name}': some {part} images differ by less than a 255th, at which their "
                "order and the dataset's fingerprint cannot tell them apart: raise their contrast."
            )
        order = _canonical_order(x, y)
        parts += [Pixels(x.pixels[order]) if isinstance(x, Pixels) else x[order], y[order]]
        orders.append(order)
    (x_train, y_train), (x_test, y_test) = parts[:2], parts[2:]
    if x_train.shape[1:] != x_test.shape[1:]:
        raise DataError(
            f"Dataset '{name}': train images of shape {x_train.shape[1:]}, but test images of "
            f"shape {x_test.shape[1:]}."
        )
    if not class_names:
        numbers = np.arange(1 + max(y_train.max(), y_test.max()))
        absent = np.setdiff1d(numbers, y_train)
        if len(absent):
            raise DataError(
                f"Dataset '{name}': no training image has the label {absent[0]}; labels must be "
                "0, 1, 2, ... without a gap."
            )
        class_names = map(str, numbers)
    if subjects is not None:
        rows = np.concatenate([orders[0], len(orders[0]) + orders[1]])
        subjects = subjects.iloc[rows].reset_index(drop=True)
    return Dataset(name, *parts, tuple(class_names), description, subjects)


def to_bytes(x):
    """Images in [0, 1] as uint8, 1 being 255."""
    if isinstance(x, Pixels):
        return x.pixels
    return np.rint(x * 255).astype(np.uint8)


def image_hash(pixels):
    """A 64-bit number from the bytes of an image's uint8 pixels, row by row."""
    return int.from_bytes(hashlib.blake2b(pixels, digest_size=8).digest(), "big")


def canonical_order(hashes, y):
    """Positions of n images by label and then by hash; those equal in both stay in their order."""
    return np.lexsort((hashes, y))


def _canonical_order(x, y):
    return canonical_order(np.array(_hashes(x), np.uint64), y)


def _hashes(x):
    return [image_hash(image.tobytes()) for image in to_bytes(x)]
