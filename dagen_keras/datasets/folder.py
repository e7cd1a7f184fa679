"""Images of one's own: a folder for each class, or one `.npz`."""

import collections
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from dagen_keras import checks
from dagen_keras.datasets.base import DataError
from dagen_keras.datasets.external import _read_npz

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
LARGEST_SIDE, LARGEST_AREA = 10_000, 50_000_000  # Pixels of a file; decoding more could take all.
MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and what is known of them.

    Attributes:
        images: uint8, (n, height, width, channels).
        labels: names of their classes, (n,).
        names: where each comes from: its path within the folder, or its number in the `.npz`.
        skipped: what was left out, a reason by name.
        ignored: how many entries were not looked at: files of other kinds, folders within a
            class's folder, files beside the folders of the classes; hidden ones do not count.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    skipped: dict[str, str]
    ignored: int = 0

    @property
    def classes(self) -> list[str]:
        """The names of the classes, sorted."""
        return [str(name) for name in np.unique(self.labels)]

    @property
    def told(self) -> list[str]:
        """Lines for the reader: what was left out, and what was not looked at."""
        lines = [f"left out: '{name}': {why}" for name, why in self.skipped.items()]
        if self.skipped:
            lines.append(f"{len(self.skipped)} images cannot be read, {len(self.names)} can.")
        if self.ignored:
            lines.append(
                f"not looked at: {self.ignored} files of other kinds, folders in a class's folder, "
                "or files beside the classes' folders."
            )
        return lines

    def of(self, rows: np.ndarray) -> "LabelledImages":
        """Some of them: `rows` are truth values or positions."""
        names = tuple(np.array(self.names, object)[rows])
        return LabelledImages(
            self.images[rows], self.labels[rows], names, self.skipped, self.ignored
        )


def read(
    path: str | Path, size: tuple[int, int] | None = None, channels: int | None = None
) -> LabelledImages:
    """The images of a folder that has a folder for each class, or the training images of a `.npz`.

    Files are PNG, JPEG, TIFF, BMP or WebP, grey or colour. They are turned as their EXIF says.
    16-bit greys keep their highest 8 bits, palettes become colours. What cannot be read is left
    out by name: also an image with transparency, one of over 10,000 pixels a side, and a link that
    leads out of the folder.

    Args:
        path: the folder; or a file in the layout of `keras.datasets` or of MedMNIST.
        size: (height, width) that all images are scaled to; None: they must be of one size.
        channels: 1 makes all images grey, 3 all coloured; None: they must be of one kind.

    Raises:
        DataError: if there is no image, or images are of several sizes or kinds; says what would
            help.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        images, labels, names, skipped, ignored = _read_folder(path)
    elif path.is_file() and path.suffix.lower() == ".npz":
        images, labels, names, skipped, ignored = *_read_arrays(path), {}, 0
    elif path.exists():
        raise DataError(f"'{path}' is neither a folder of images nor a .npz file.")
    else:
        raise DataError(f"there is no '{path}'.")
    if not images:
        left_out = "".join(f"\n  {name}: {why}" for name, why in list(skipped.items())[:10])
        raise DataError(
            f"'{path}' has no image that can be read. Each class needs a folder of its own in it, "
            f"of PNG, JPEG, TIFF, BMP or WebP files.{left_out}"
        )
    kinds = collections.Counter(image.mode for image in images)
    if channels is None and len(kinds) > 1:
        examples = {image.mode: name for image, name in zip(images, names, strict=True)}
        raise DataError(
            f"{kinds['L']} images are grey, such as '{examples['L']}', and {kinds['RGB']} "
            f"coloured, such as '{examples['RGB']}': make all grey, --channels 1, or all coloured, "
            "--channels 3."
        )
    if channels is not None:
        images = [image.convert(MODES[channels]) for image in images]
    sizes = collections.Counter(image.size for image in images)
    if size is not None:
        images = [image.resize(size[::-1], Image.Resampling.LANCZOS) for image in images]
    elif len(sizes) > 1:
        examples = ", ".join(f"{h}x{w} ({n})" for (w, h), n in sizes.most_common(3))
        raise DataError(
            f"images are of {len(sizes)} sizes, {examples}{', ...' * (len(sizes) > 3)}: scale all "
            "to one, such as --size 28 or --size 28x32 (height x width)."
        )
    array = np.stack([np.asarray(image) for image in images])
    array = array if array.ndim == 4 else array[..., None]
    return LabelledImages(array, np.array(labels), tuple(names), skipped, ignored)


def _read_folder(path):
    images, labels, names, skipped, ignored = [], [], [], {}, 0
    for folder in _visible(path):
        if not folder.is_dir():
            ignored += 1
            continue
        for file in _visible(folder):
            name = f"{folder.name}/{file.name}"
            if file.suffix.lower() not in SUFFIXES:
                ignored += 1
                continue
            try:
                if not file.resolve().is_relative_to(path.resolve()):
                    raise ValueError("a link that leads out of the folder")
                images.append(_read_image(file))
            except Exception as error:  # Of PIL there are many.
                skipped[name] = _reason(error)
                continue
            labels.append(folder.name)
            names.append(name)
    return images, labels, names, skipped, ignored


def _visible(folder):
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _reason(error):
    if isinstance(error, Image.UnidentifiedImageError):
        return "no image"
    return " ".join(str(error).split())[:150] or type(error).__name__


def _read_image(file):
    if not os.path.isfile(file):
        raise ValueError("no file")
    with Image.open(file) as image:
        width, height = image.size
        if max(width, height) > LARGEST_SIDE or width * height > LARGEST_AREA:
            raise ValueError(f"too large, {height}x{width} pixels")
        if getattr(image, "n_frames", 1) > 1:
            raise ValueError(f"{image.n_frames} pages, of which one had to be chosen")
        image.load()
        return _grey_or_colour(ImageOps.exif_transpose(image))


def _grey_or_colour(image):
    """The image in mode L or RGB.

    Raises:
        ValueError: if something would be lost: transparency, or numbers without a known range.
    """
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image, "uint16") >> 8).astype("uint8"))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode}, whose range is not known")
    if image.has_transparency_data and image.convert("RGBA").getextrema()[3][0] < 255:
        raise ValueError("transparent pixels")
    return image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")


def _read_arrays(path):
    x, y, *_ = _read_npz(path.stem, path)
    x = x[..., None] if x.ndim == 3 else x
    if x.dtype != np.uint8:
        x = np.rint(255 * checks.images(x, f"the images of '{path}'")).astype("uint8")
    if x.ndim != 4 or x.shape[3] not in MODES:
        raise DataError(f"'{path}' must hold grey or coloured images; got shape {x.shape}.")
    try:
        y = checks.labels(y, len(x), f"the labels of '{path}'")
    except ValueError as error:
        raise DataError(str(error)) from error
    images = [Image.fromarray(image.squeeze(2) if x.shape[3] == 1 else image) for image in x]
    digits = len(str(y.max()))
    return images, [f"{label:0{digits}d}" for label in y], [str(row) for row in range(len(x))]
