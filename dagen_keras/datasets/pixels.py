"""Images that are bytes in memory and floats where they are used."""

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class Pixels(NDArrayOperatorsMixin):
    """uint8 images that stand for the float32 array of them in [0, 1], in a quarter of its memory.

    Rows that are asked for, and whatever NumPy or Keras make of it, are floats.

    Args:
        pixels: uint8, (n, height, width, channels).

    Raises:
        ValueError: if they are not.

    Attributes:
        pixels: the same.
        shape, ndim, dtype: of the array that it stands for.
    """

    dtype, ndim = np.dtype("float32"), 4

    def __init__(self, pixels: np.ndarray):
        if getattr(pixels, "dtype", None) != np.uint8 or pixels.ndim != 4:
            raise ValueError(
                "pixels must be an array of uint8, (n, height, width, channels); got "
                f"{getattr(pixels, 'dtype', type(pixels).__name__)}, {np.shape(pixels)}."
            )
        self.pixels, self.shape = pixels, pixels.shape

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, rows):
        return self.pixels[rows].astype("float32") / np.float32(255)

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("pixels cannot become floats without a copy.")
        return self[:].astype(dtype or self.dtype, copy=False)

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        arrays = (x[:] if isinstance(x, Pixels) else x for x in inputs)
        if any(isinstance(x, Pixels) for x in keywords.get("out", ())):
            del keywords["out"]  # `x -= 1` makes x an array of floats.
        return getattr(ufunc, method)(*arrays, **keywords)

    def __getattr__(self, name):
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        return getattr(self[:], name)  # An array's `mean`, `reshape` and so on.
