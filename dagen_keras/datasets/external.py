"""Datasets that the user has or TFDS fetches: `<name>.npz` or TFDS."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dagen_keras.datasets.base import DataError, make_dataset
from dagen_keras.datasets.class_names import CIFAR10, CIFAR100, EMNIST_BALANCED, FASHION_MNIST


@dataclass(frozen=True)
class Specification:
    """What TFDS calls a dataset, if it has it, and its classes."""

    tfds_name: str | None
    class_names: tuple
    title: str
    transposed: bool = False


SPECIFICATIONS = {
    "mnist": Specification("mnist", tuple("0123456789"), "MNIST"),
    "fashion_mnist": Specification("fashion_mnist", FASHION_MNIST, "Fashion-MNIST"),
    "emnist": Specification(
        "emnist/balanced", EMNIST_BALANCED, "EMNIST (balanced)", transposed=True
    ),
    "nist_letters": Specification(None, tuple("AEIOUaeiou"), "NIST letters"),
    "cifar10": Specification("cifar10", CIFAR10, "CIFAR-10"),
    "cifar100": Specification("cifar100", CIFAR100, "CIFAR-100"),
}

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def load(name, data_dir, download):
    specification = SPECIFICATIONS[name]
    if data_dir is not None and not data_dir.is_dir():
        raise DataError(_not_found(name, data_dir, "the directory does not exist"))
    npz = data_dir / f"{name}.npz" if data_dir else None
    if npz is not None and npz.exists():
        arrays = _read_npz(name, npz)
    elif specification.tfds_name is None:
        raise DataError(_not_found(name, data_dir, f"there is no '{name}.npz'"))
    else:
        arrays = _read_tfds(name, specification, data_dir, download)
    n_train, n_test = len(arrays[1]), len(arrays[3])
    return make_dataset(
        name,
        arrays[:2],
        arrays[2:],
        specification.class_names,
        f"{specification.title}, {n_train:,} training and {n_test:,} test images",
    )


def _not_found(name, data_dir, reason):
    tfds_name = SPECIFICATIONS[name].tfds_name
    if tfds_name is None:
        return (
            f"Dataset '{name}' cannot be had: {reason}. Put '{name}.npz' with the arrays "
            f"{', '.join(_ARRAYS)} (as in keras.datasets) into a directory, and name it with "
            "--data-dir or DAGEN_DATA_DIR."
        )
    place = f"'{data_dir}'" if data_dir else "TFDS's default directory"
    return (
        f"Dataset '{name}' cannot be had: {reason}.\n"
        f"  Looked for: '{name}.npz' or a prepared TFDS dataset '{tfds_name}' in {place}.\n"
        f"  To supply it, either put '{name}.npz' with the arrays {', '.join(_ARRAYS)} (as in "
        f"keras.datasets) there,\n"
        f"  or prepare it on a machine with a network, "
        f"`python -c \"import tensorflow_datasets as tfds; tfds.load('{tfds_name}', "
        f"data_dir='DIR')\"`, and name DIR with --data-dir or DAGEN_DATA_DIR."
    )


def _read_npz(name, path):
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in _ARRAYS if key not in file]
            if missing:
                raise DataError(f"'{path}' has no array '{missing[0]}'; it has {file.files}.")
            return [file[key] for key in _ARRAYS]
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"Dataset '{name}': '{path}' cannot be read ({error}).") from error


def _read_tfds(name, specification, data_dir, download):
    if importlib.util.find_spec("tensorflow_datasets") is None:
        raise DataError(
            _not_found(name, data_dir, "there is no .npz file and tensorflow-datasets is absent")
        )
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(
            specification.tfds_name, data_dir=str(data_dir) if data_dir else None, try_gcs=False
        )
        incomplete = _incomplete(Path(builder.data_dir))
    except Exception as error:
        raise DataError(_not_found(name, data_dir, _one_line(error))) from error
    if incomplete:
        raise DataError(_not_found(name, data_dir, incomplete))
    if not builder.is_prepared():
        if not download:
            raise DataError(_not_found(name, data_dir, "it is not there"))
        try:
            builder.download_and_prepare()
        except Exception as error:
            reason = f"it is not there, and the download failed ({_one_line(error)})"
            raise DataError(_not_found(name, data_dir, reason)) from error
    arrays = []
    for split in ("train", "test"):
        try:
            examples = builder.as_dataset(split=split, batch_size=1024, shuffle_files=False)
            batches = [(batch["image"], batch["label"]) for batch in tfds.as_numpy(examples)]
        except Exception as error:
            reason = f"'{builder.data_dir}' cannot be read ({_one_line(error)})"
            raise DataError(_not_found(name, data_dir, reason)) from error
        if not batches:
            raise DataError(
                _not_found(name, data_dir, f"'{builder.data_dir}' has no {split} image")
            )
        images, labels = (np.concatenate(part) for part in zip(*batches, strict=True))
        # TFDS gives EMNIST's images as the archive stores them: rows and columns exchanged.
        arrays += [images.swapaxes(1, 2) if specification.transposed else images, labels]
    return arrays


def _incomplete(directory):
    """Why a TFDS directory that exists is not whole; None if it is whole or absent."""
    if not directory.is_dir():
        return None
    try:
        info = json.loads((directory / "dataset_info.json").read_text())
    except (OSError, ValueError) as error:
        return f"'{directory}' is half prepared ({_one_line(error)})"
    for split in info.get("splits", ()):
        lengths = split.get("shardLengths", ())
        for shard in range(len(lengths)):
            file_name = f"{info['name']}-{split['name']}.tfrecord-{shard:05d}-of-{len(lengths):05d}"
            if not (directory / file_name).exists():
                return f"'{directory}' is half prepared: '{file_name}' is missing"
    return None


def _one_line(error):
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "..."
