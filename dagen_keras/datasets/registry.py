"""`load(name)`: every dataset by its name."""

import os
from pathlib import Path
from typing import Any

from dagen_keras.datasets import bundled, external, histopathology, oasis, patches, phantoms
from dagen_keras.datasets.base import DataError, Dataset, Record
from dagen_keras.datasets.class_names import CIFAR10, CIFAR100, EMNIST_BALANCED, FASHION_MNIST


def _made(title, class_names, make, *options):
    """The record of a dataset that comes with the packages, or is generated."""
    return Record(title, class_names, lambda _, __, **given: make(**given), frozenset(options))


def _archive(title, class_names, load, *options):
    """The record of an archive that the user has downloaded."""
    return Record(title, class_names, lambda place, _, **given: load(place, **given), {*options})


def _public(name, title, class_names, tfds=None, keras=None, description=None):
    """The record of a dataset that libraries fetch, or `<name>.npz` holds."""
    source = external.Source(name, class_names, description or title, tfds, keras)
    return Record(title, class_names, source.load)


RECORDS = {
    "digits": _made("bundled digits", bundled.DIGITS, bundled.digits),
    "photos": _made("bundled photos", bundled.PHOTOS, bundled.photos, "image_size"),
    "shapes": _made("circles and rings", bundled.SHAPES, bundled.shapes, "image_size"),
    "phantoms": _made("bundled phantoms", oasis.CLASS_NAMES, phantoms.load, "downsample"),
    "patches": _made("bundled photo patches", patches.CLASS_NAMES, patches.load),
    "mnist": _public("mnist", "MNIST", bundled.DIGITS, "mnist", "mnist"),
    "fashion_mnist": _public(
        "fashion_mnist", "Fashion-MNIST", FASHION_MNIST, "fashion_mnist", "fashion_mnist"
    ),
    "emnist": _public(
        "emnist", "EMNIST", EMNIST_BALANCED, "emnist/balanced", description="EMNIST (balanced)"
    ),
    "nist_letters": _public("nist_letters", "NIST letters", tuple("AEIOUaeiou")),
    "cifar10": _public("cifar10", "CIFAR-10", CIFAR10, "cifar10", "cifar10"),
    "cifar100": _public("cifar100", "CIFAR-100", CIFAR100, "cifar100", "cifar100"),
    "oasis": _archive("OASIS-1", oasis.CLASS_NAMES, oasis.load, "downsample", "slice_index"),
    "histopathology": _archive(
        "breast histopathology", histopathology.CLASS_NAMES, histopathology.load
    ),
}
NAMES = tuple(RECORDS)
BUNDLED = NAMES[:5]


def title(name: str) -> str:
    """How a table's title names a dataset; bundled data is called so.

    Raises:
        ValueError: if the name is not known.
    """
    return _record(name).title


def n_classes(name: str) -> int:
    """How many classes a dataset has, without reading it.

    Raises:
        ValueError: if the name is not known.
    """
    return len(_record(name).class_names)


def _record(name):
    if name not in RECORDS:
        raise ValueError(f"unknown dataset {name!r}; known are {', '.join(NAMES)}.")
    return RECORDS[name]


def load(
    name: str, *, data_dir: str | Path | None = None, download: bool = True, **options: Any
) -> Dataset:
    """A dataset by its name.

    Args:
        name: `"digits"`, `"photos"`, `"shapes"`, `"phantoms"`, `"patches"` (bundled), `"mnist"`,
            `"fashion_mnist"`, `"emnist"` (balanced, 47 classes), `"nist_letters"` (ten capital
            and small vowels), `"cifar10"`, `"cifar100"`, `"oasis"` or `"histopathology"`; or any
            other, such as `"pneumoniamnist"`, of which `data_dir` holds `<name>.npz`.
        data_dir: for the datasets that are not bundled, the directory that holds `<name>.npz`, a
            prepared TFDS dataset, or the archive of OASIS-1 or of the breast histopathology (in
            its folder `oasis` or `histopathology`, or itself). Default: the environment variable
            `DAGEN_DATA_DIR`, else TFDS's own. The arrays of a `.npz` are those of
            `keras.datasets` (x_train, y_train, x_test, y_test) or of MedMNIST (train_images,
            train_labels, test_images, ...; validation images join the training ones).
        download: whether TFDS, or where it is absent Keras, may download what is not there.
        **options: `image_size` for `"photos"` (default 32) and `"shapes"` (default 50);
            `downsample` for `"phantoms"` and `"oasis"` (default 1: 208x176 pixels; 4: 52x44);
            `slice_index` for `"oasis"` (default 90).

    Returns:
        A `Dataset`: images, float32 in [0, 1], of shape (n, height, width, channels), as an array
        or as `Pixels`, of which `x[:]` is one; integer labels; class names; for `"phantoms"`,
        `"oasis"`, `"patches"` and `"histopathology"` the subjects too. The images of
        `"histopathology"` are lazy `histopathology.Patches`.

    Raises:
        ValueError: if the name or an option is unknown.
        DataError: if the data cannot be had or read; the message says what was looked for,
            where, and how to supply it.

    Example:
        >>> data = load("digits")
        >>> data.x_train.shape, data.n_classes
        ((797, 28, 28, 1), 10)
    """
    directory = data_dir or os.environ.get("DAGEN_DATA_DIR") or None
    directory = Path(directory).expanduser() if directory else None
    record = RECORDS.get(name)
    if name in BUNDLED and directory is not None and (directory / f"{name}.npz").is_file():
        raise DataError(
            f"'{directory / name}.npz' is called like a dataset that is bundled: give it another "
            "name, and it is loaded by that."
        )
    if record is None:
        if directory is None or not (directory / f"{name}.npz").is_file():
            raise ValueError(
                f"unknown dataset {name!r}; known are {', '.join(NAMES)}, and any of which "
                "data_dir holds '<name>.npz'."
            )
        record = Record(name, (), external.Source(name).load)
    unknown = set(options) - record.options
    if unknown:
        raise ValueError(f"dataset '{name}' has no option {min(unknown)!r}.")
    return record.read(directory, download, **options)
