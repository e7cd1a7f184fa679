"""`load(name)`: every dataset by its name."""

import os
from pathlib import Path

from dagen_keras.datasets import bundled, external, histopathology, oasis, patches, phantoms

_BUNDLED = {
    "digits": bundled.digits,
    "photos": bundled.photos,
    "shapes": bundled.shapes,
    "phantoms": phantoms.load,
    "patches": patches.load,
}
_ARCHIVES = {"oasis": oasis.load, "histopathology": histopathology.load}
_N_CLASSES = {
    "digits": 10,
    "photos": 2,
    "shapes": 2,
    "phantoms": 2,
    "patches": 2,
    "oasis": 2,
    "histopathology": 2,
}
_OPTIONS = {
    "photos": {"image_size"},
    "shapes": {"image_size"},
    "phantoms": {"downsample"},
    "oasis": {"downsample", "slice_index"},
}

NAMES = (*_BUNDLED, *external.SPECIFICATIONS, *_ARCHIVES)

_TITLES = {
    "digits": "bundled digits",
    "photos": "bundled photos",
    "shapes": "circles and rings",
    "phantoms": "bundled phantoms",
    "patches": "bundled photo patches",
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "emnist": "EMNIST",
    "nist_letters": "NIST letters",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "oasis": "OASIS-1",
    "histopathology": "breast histopathology",
}


def title(name):
    """How a table's title names a dataset; bundled data is called so."""
    return _TITLES[name]


def n_classes(name):
    """How many classes a dataset has, without reading it."""
    if name in _N_CLASSES:
        return _N_CLASSES[name]
    return len(external.SPECIFICATIONS[name].class_names)


def load(name, *, data_dir=None, download=True, **options):
    """A dataset by its name.

    Args:
        name: `"digits"`, `"photos"`, `"shapes"`, `"phantoms"`, `"patches"` (bundled), `"mnist"`,
            `"fashion_mnist"`, `"emnist"` (balanced, 47 classes), `"nist_letters"` (ten capital
            and small vowels), `"cifar10"`, `"cifar100"`, `"oasis"` or `"histopathology"`.
        data_dir: for the datasets that are not bundled, the directory that holds `<name>.npz`
            (arrays x_train, y_train, x_test, y_test, as in `keras.datasets`) or a prepared TFDS
            dataset, or the archive of OASIS-1 or of the breast histopathology (in its folder
            `oasis` or `histopathology`, or itself). Default: the environment variable
            `DAGEN_DATA_DIR`, else TFDS's own.
        download: whether TFDS may download what is not there.
        **options: `image_size` for `"photos"` (default 32) and `"shapes"` (default 50);
            `downsample` for `"phantoms"` and `"oasis"` (default 1: 208x176 pixels; 4: 52x44);
            `slice_index` for `"oasis"` (default 90).

    Returns:
        A `Dataset`: images float32 in [0, 1] of shape (n, height, width, channels), integer
        labels, class names; for `"phantoms"`, `"oasis"`, `"patches"` and `"histopathology"` the
        subjects too. The images of `"histopathology"` are lazy `histopathology.Patches`.

    Raises:
        ValueError: if the name or an option is unknown.
        DataError: if the data cannot be had or read; the message says what was looked for,
            where, and how to supply it.

    Example:
        >>> data = load("digits")
        >>> data.x_train.shape, data.n_classes
        ((797, 28, 28, 1), 10)
    """
    if name not in NAMES:
        raise ValueError(f"unknown dataset {name!r}; known are {', '.join(NAMES)}.")
    unknown = set(options) - _OPTIONS.get(name, set())
    if unknown:
        raise ValueError(f"dataset '{name}' has no option {min(unknown)!r}.")
    size = options.get("image_size", 32)
    if not isinstance(size, int) or not 8 <= size <= 200:
        raise ValueError(f"image_size must be an integer from 8 to 200; got {size!r}.")
    if name in _BUNDLED:
        return _BUNDLED[name](**options)
    directory = data_dir or os.environ.get("DAGEN_DATA_DIR") or None
    directory = Path(directory).expanduser() if directory else None
    if name in _ARCHIVES:
        return _ARCHIVES[name](directory, **options)
    return external.load(name, directory, download)
