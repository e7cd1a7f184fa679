"""A dataset as lossless pictures of 500 images each, half of what compressed arrays take.

python benchmarks/sheets.py DATA_DIR NAME FILE   writes FILE; needs the project
python benchmarks/sheets.py FILE NAME.npz        and back; needs NumPy and Pillow
"""

import io
import sys

import numpy as np
from PIL import Image

ROWS = 500  # WebP pictures have at most 16,383 rows of pixels.


def pack(x):
    """The bytes of sheets of uint8 images (n, height, width, channels), and each sheet's length."""
    sheets = []
    for start in range(0, len(x), ROWS):
        pixels = x[start : start + ROWS].reshape(-1, *x.shape[2:])
        file = io.BytesIO()
        Image.fromarray(pixels.squeeze()).save(file, "webp", lossless=True, method=4, exact=True)
        sheets.append(file.getvalue())
    return np.frombuffer(b"".join(sheets), "uint8"), [len(sheet) for sheet in sheets]


def unpack(data, lengths, shape):
    """The images again."""
    sheets = np.split(data, np.cumsum(lengths)[:-1])
    mode = "RGB" if shape[-1] == 3 else "L"
    parts = [np.asarray(Image.open(io.BytesIO(one.tobytes())).convert(mode)) for one in sheets]
    return np.concatenate(parts).reshape(shape)


def main(*arguments):
    if len(arguments) == 3:
        from dagen_keras import datasets

        directory, name, file = arguments
        data, arrays = datasets.load(name, data_dir=directory, download=False), {}
        for part in ("train", "test"):
            x = np.round(255 * getattr(data, f"x_{part}")).astype("uint8")
            arrays[f"data_{part}"], arrays[f"lengths_{part}"] = pack(x)
            arrays |= {f"shape_{part}": x.shape, f"y_{part}": getattr(data, f"y_{part}")}
        with open(file, "wb") as opened:
            np.savez(opened, **arrays)
    else:
        file, npz = arguments
        with np.load(file) as packed:
            arrays = {f"y_{part}": packed[f"y_{part}"] for part in ("train", "test")}
            for part in ("train", "test"):
                found = (packed[f"{what}_{part}"] for what in ("data", "lengths", "shape"))
                arrays[f"x_{part}"] = unpack(*found)
        np.savez(npz, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
