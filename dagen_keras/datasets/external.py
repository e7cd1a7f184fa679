"""Datasets that the user has or libraries fetch: `<name>.npz`, TFDS, Keras."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from dagen_keras.datasets.base import DataError, make_dataset

KERAS = ("x_train", "y_train", "x_test", "y_test")
MEDMNIST = "train_images", "train_labels", "test_images", "test_labels"


@dataclass(frozen=True)
class Source:
    """Where a dataset's arrays may be had.

    Attributes:
        name: its name, and that of its `.npz`.
        class_names: one string a class; empty: their numbers.
        title: how its description begins; default: the name.
        tfds, keras: what TFDS and `keras.datasets` call it, if they have it.
    """

    name: str
    class_names: tuple[str, ...] = ()
    title: str = ""
    tfds: str | None = None
    keras: str | None = None

    def load(self, directory, download):
        """The dataset: of `<name>.npz`, else of TFDS, else, where TFDS is absent, of Keras.

        Raises:
            DataError: if it cannot be had; says what was looked for, where, and how to supply it.
        """
        if directory is not None and not directory.is_dir():
            raise DataError(self.not_found(directory, "the directory does not exist"))
        npz = directory / f"{self.name}.npz" if directory else None
        if npz is None or not npz.exists():
            return self._made(self.arrays(directory, download))
        try:
            return self._made(_read_npz(self.name, npz))
        except DataError as error:
            named = str(npz) in str(error)
            raise error if named else DataError(f"{error} It was read from '{npz}'.") from error

    def _made(self, arrays):
        description = (
            f"{self.title or self.name}, {len(arrays[0]):,} training and {len(arrays[2]):,} "
            "test images"
        )
        return make_dataset(self.name, arrays[:2], arrays[2:], self.class_names, description)

    def arrays(self, directory, download):
        """Training images and labels, test images and labels, from where they are found first."""
        if self.tfds is None:
            raise DataError(self.not_found(directory, f"there is no '{self.name}.npz'"))
        if importlib.util.find_spec("tensorflow_datasets") is not None:
            return _read_tfds(self, directory, download)
        if self.keras is None or not download:
            reason = "there is no .npz file and tensorflow-datasets is absent"
            raise DataError(self.not_found(directory, reason))
        try:
            train, test = getattr(keras.datasets, self.keras).load_data()
        except Exception as error:
            reason = f"tensorflow-datasets is absent, and Keras failed ({_one_line(error)})"
            raise DataError(self.not_found(directory, reason)) from error
        return [*train, *test]

    def not_found(self, directory, reason):
        """What a `DataError` says."""
        npz = f"'{self.name}.npz' with the arrays {', '.join(KERAS)} (as in keras.datasets)"
        if self.tfds is None:
            return (
                f"Dataset '{self.name}' cannot be had: {reason}. Put {npz} into a directory, and "
                "name it with --data-dir or DAGEN_DATA_DIR."
            )
        place = f"'{directory}'" if directory else "TFDS's default directory"
        return (
            f"Dataset '{self.name}' cannot be had: {reason}.\n"
            f"  Looked for: '{self.name}.npz' or a prepared TFDS dataset '{self.tfds}' in "
            f"{place}.\n"
            f"  To supply it, either put {npz} there,\n"
            f"  or prepare it on a machine with a network, "
            f"`python -c \"import tensorflow_datasets as tfds; tfds.load('{self.tfds}', "
            f"data_dir='DIR')\"`, and name DIR with --data-dir or DAGEN_DATA_DIR."
        )


def _read_npz(name, path):
    """The four arrays of a file in the layout of `keras.datasets` or of MedMNIST."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if MEDMNIST[0] in file:
                # A fixed validation part is optional, and joins the training images.
                parts = [part for part in ("train", "val", "test") if f"{part}_images" in file]
                names = [f"{part}_{what}" for part in parts for what in ("images", "labels")]
                found = {key: file[key] for key in _present(file, path, {*names, *MEDMNIST})}
                shape = found["train_images"].shape
                if len(shape) > 3 and shape[3] not in (1, 3):
                    raise DataError(f"'{path}' holds volumes {shape[1:]}, and no images.")
                for part in parts:
                    n, labelled = len(found[f"{part}_images"]), len(found[f"{part}_labels"])
                    if n != labelled:
                        raise DataError(
                            f"'{path}' has {n} '{part}_images', but {labelled} '{part}_labels'."
                        )
                train = [
                    np.concatenate([found[f"{part}_{what}"] for part in parts[:-1]])
                    for what in ("images", "labels")
                ]
                return [*train, found["test_images"], found["test_labels"]]
            found = [file[key] for key in _present(file, path, KERAS)]
            for key, array in zip(KERAS, found, strict=True):
                if not array.ndim:
                    raise DataError(f"'{path}' has a single value as '{key}', and no array.")
            return found
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"Dataset '{name}': '{path}' cannot be read ({error}).") from error


def _present(file, path, names):
    missing = [name for name in names if name not in file]
    if missing:
        raise DataError(f"'{path}' has no array '{missing[0]}'; it has {file.files}.")
    return names


def _read_tfds(source, data_dir, download):
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(
            source.tfds, data_dir=str(data_dir) if data_dir else None, try_gcs=False
        )
        incomplete = _incomplete(Path(builder.data_dir))
    except Exception as error:
        raise DataError(source.not_found(data_dir, _one_line(error))) from error
    if incomplete:
        raise DataError(source.not_found(data_dir, incomplete))
    if not builder.is_prepared():
        if not download:
            raise DataError(source.not_found(data_dir, "it is not there"))
        try:
            builder.download_and_prepare()
        except Exception as error:
            reason = f"it is not there, and the download failed ({_one_line(error)})"
            raise DataError(source.not_found(data_dir, reason)) from error
    arrays = []
    for split in ("train", "test"):
        try:
            examples = builder.as_dataset(split=split, batch_size=1024, shuffle_files=False)
            batches = [(batch["image"], batch["label"]) for batch in tfds.as_numpy(examples)]
        except Exception as error:
            reason = f"'{builder.data_dir}' cannot be read ({_one_line(error)})"
            raise DataError(source.not_found(data_dir, reason)) from error
        if not batches:
            raise DataError(
                source.not_found(data_dir, f"'{builder.data_dir}' has no {split} image")
            )
        images, labels = (np.concatenate(part) for part in zip(*batches, strict=True))
        # TFDS gives EMNIST's images as the archive stores them: rows and columns exchanged.
        arrays += [images.swapaxes(1, 2) if source.name == "emnist" else images, labels]
    return arrays


def _incomplete(directory):
    """Why a TFDS directory that exists is not whole; None if it is whole or absent."""
    if not directory.is_dir():
        return None
    try:
        info = json.loads((directory / "dataset_info.json").read_text(encoding="utf-8"))
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
