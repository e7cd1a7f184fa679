"""Patches in PNG files that are read when they are asked for."""

import io

import numpy as np
from PIL import Image

from dagen_keras.datasets.base import DataError

IMAGE_SHAPE = (50, 50, 3)

_UNREADABLE = "not readable as PNG"
_WRONG_SIZE = "not 50x50 pixels"
_WRONG_COLOUR = "not 8-bit RGB"
REASONS = (_UNREADABLE, _WRONG_SIZE, _WRONG_COLOUR)


class Patches:
    """Images in PNG files, read when rows are asked for: `patches[rows]`.

    Args:
        paths: n file names.
        hashes: the `image_hash` of each, n integers.

    Attributes:
        paths: the same, an object array of shape (n,).
        hashes: the same, uint64, shape (n,).
        shape: (n, 50, 50, 3).
        dtype: of what is read, float32.
    """

    dtype = np.dtype("float32")
    ndim = 4

    def __init__(self, paths, hashes):
        self.paths = np.array(paths, dtype=object)
        self.hashes = np.asarray(hashes, dtype=np.uint64)
        if self.paths.ndim != 1 or self.paths.shape != self.hashes.shape:
            raise ValueError(
                "paths and hashes must be one an image; got "
                f"{self.paths.shape} and {self.hashes.shape}."
            )

    @property
    def shape(self):
        return (len(self.paths), *IMAGE_SHAPE)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, rows):
        """Reads images: float32 in [0, 1], shape (k, 50, 50, 3); (50, 50, 3) for an integer.

        Args:
            rows: what indexes an array of shape (n,): integers, booleans, a slice or an integer.

        Raises:
            IndexError: if a row is out of range.
            DataError: if a file is gone or was changed since the scan.
        """
        chosen = np.asarray(self.paths[_index(rows)], dtype=object)
        pixels = np.empty((*chosen.shape, *IMAGE_SHAPE), np.uint8)
        for at, path in np.ndenumerate(chosen):
            try:
                pixels[at] = decode(path)
            except Unusable as error:
                raise DataError(
                    f"'{path}' was readable when the directory was scanned, and is now {error}; "
                    "put it back, or load the dataset anew."
                ) from error
        return pixels.astype("float32") / np.float32(255)

    def __array__(self, dtype=None, copy=None):
        """All images: 8.3 GB of them in the whole archive."""
        if copy is False:
            raise ValueError("patches cannot become an array without being read.")
        return self[:].astype(dtype or self.dtype, copy=False)

    def select(self, rows):
        """Lazy `Patches` of some rows (integers, booleans or a slice); reads nothing."""
        rows = _index(rows)
        return Patches(self.paths[rows], self.hashes[rows])


def _index(rows):
    # An empty list would else become an array of floats.
    return np.array(rows, dtype=int) if isinstance(rows, list) and not rows else rows


class Unusable(Exception):
    """Why a file cannot be used, one of `REASONS`."""


def decode(path):
    """The pixels of a file, uint8, shape (50, 50, 3); raises `Unusable`."""
    height, width, _ = IMAGE_SHAPE
    try:
        # Read at once: the decoder's many small reads would contend for the interpreter's lock.
        with open(path, "rb") as file:
            content = io.BytesIO(file.read())
        with Image.open(content, formats=("PNG",)) as image:
            if image.size != (width, height):
                raise Unusable(_WRONG_SIZE)
            if image.mode != "RGB":
                raise Unusable(_WRONG_COLOUR)
            return np.frombuffer(image.tobytes(), np.uint8).reshape(IMAGE_SHAPE)
    except Unusable:
        raise
    except Exception as error:
        raise Unusable(_UNREADABLE) from error
