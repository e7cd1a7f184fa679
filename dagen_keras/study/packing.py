"""Arrays and pictures as text, for the ledger."""

import base64
import io

import numpy as np
from PIL import Image


def pack(**arrays):
    """Arrays as base64 of a compressed .npz, floating ones as float32."""
    buffer = io.BytesIO()
    arrays = {name: np.asarray(a) for name, a in arrays.items()}
    np.savez_compressed(
        buffer,
        **{n: a.astype("float32") if a.dtype.kind == "f" else a for n, a in arrays.items()},
    )
    return base64.b64encode(buffer.getvalue()).decode()


def unpack(text):
    """The arrays of `pack`, by name."""
    with np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def png(images, columns):
    """Grey or colour images (n, height, width, 1 or 3) in [0, 1], row by row, a PNG in base64."""
    return _encoded(images, columns, "png", optimize=True)


def webp(images, columns, quality=50):
    """The same as a WebP picture: a tenth of the size where many colour images are noisy."""
    return _encoded(images, columns, "webp", quality=quality)


def _encoded(images, columns, form, **options):
    n, height, width, channels = images.shape
    rows = -(-n // columns)
    sheet = np.zeros((rows * columns, height, width, channels), "float32")
    sheet[:n] = images
    sheet = sheet.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width, channels)
    pixels = np.rint(sheet * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, form, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def picture(text):
    """The picture of `png` or `webp`, (height, width) or (height, width, 3), in [0, 1]."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) / 255
