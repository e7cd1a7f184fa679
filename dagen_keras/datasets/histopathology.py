"""Breast histopathology (IDC): small colour patches, from the archive that the user downloaded.

They are 277,524 small PNG files of 279 patients and would fill 8.3 GB as one float32 array, so a
dataset of them holds paths and reads an image when it is asked for.
"""

import os
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from dagen_keras.datasets import lazy
from dagen_keras.datasets.base import DataError, Dataset, canonical_order, image_hash
from dagen_keras.datasets.lazy import IMAGE_SHAPE, Patches
from dagen_keras.datasets.splits import split_by_patient

__all__ = [
    "IMAGE_SHAPE",
    "Patches",
    "Scan",
    "as_dataset",
    "load",
    "scan",
]

CLASS_NAMES = ("negative", "positive")
TEST_SHARE = 0.2

_N_PATCHES = 277_524
# The public archive holds everything a second time in a folder of this name.
_COPY = "IDC_regular_ps50_idx5"
_FILE_NAME = re.compile(r"(.+)_idx5_x\d+_y\d+_class([01])\.png")
_THREADS = 4
_FILES_A_TASK = 256
_FILES_WITHOUT_BAR = 5_000

_MISNAMED = "not named <patient>/<0|1>/<patient>_idx5_x<X>_y<Y>_class<0|1>.png"
_OTHER_PATIENT = "named after another patient than their folder"
_OTHER_CLASS = "named after another class than their folder"
_REASONS = (_MISNAMED, _OTHER_PATIENT, _OTHER_CLASS, *lazy.REASONS)

_HOW_TO_SUPPLY = (
    "\n  Download the archive (an account is needed) from "
    "https://www.kaggle.com/datasets/paultimothymooney/breast-histopathology-images\n"
    "  and unpack it in DIR/histopathology, so that files are named like "
    "DIR/histopathology/10253/0/10253_idx5_x1351_y1101_class0.png (data/README.md says more),\n"
    "  and name DIR with --data-dir or DAGEN_DATA_DIR. Without it, use the bundled photo patches, "
    'load("patches").'
)


@dataclass(frozen=True, eq=False)
class Scan:
    """What a directory holds, by label and then by a hash of the image.

    Attributes:
        patches: n images, lazy ones or an array.
        labels: int64, 0 negative and 1 positive, shape (n,).
        patients: names, shape (n,).
        skipped: of each reason why files were skipped, (how many, the first one's path below the
            directory).
    """

    patches: Patches | np.ndarray
    labels: np.ndarray
    patients: np.ndarray
    skipped: dict

    @property
    def n_skipped(self):
        return sum(count for count, _ in self.skipped.values())

    def description(self, what, n_all):
        """A sentence that counts what was read, of `n_all` patches, and what was skipped."""
        n = len(self.labels)
        count = f"{n:,} of its {n_all:,}" if n < n_all else f"{n:,}"
        counted = f"{what}, {count} patches, {len(set(self.patients)):,} patients"
        if not self.skipped:
            return counted
        reasons = "; ".join(f"{count:,} {reason}" for reason, (count, _) in self.skipped.items())
        return f"{counted} ({self.n_skipped:,} files skipped: {reasons})"


def load(data_dir):
    """The archive in `data_dir`/histopathology, or else in `data_dir`, as a lazy `Dataset`.

    About a fifth of the patients are the test part, with about a fifth of the images of each
    class. `Dataset.subjects` has the columns `patient` and `label`.

    Args:
        data_dir: a directory, or None where the user named none.

    Raises:
        DataError: as `scan` and `as_dataset`.
    """
    if data_dir is None:
        raise DataError(
            f"Dataset 'histopathology' cannot be had: no directory is named.{_HOW_TO_SUPPLY}"
        )
    directory = Path(data_dir)
    if (directory / "histopathology").is_dir():
        directory = directory / "histopathology"
    found = scan(directory)
    description = found.description("breast histopathology (IDC)", _N_PATCHES)
    return as_dataset("histopathology", found, CLASS_NAMES, description)


def as_dataset(name, found, class_names, description):
    """A `Dataset` of a `Scan`, split by patient with seed 0.

    Raises:
        DataError: if there are too few patients for both classes to be in both parts.
    """
    try:
        parts = split_by_patient(found.patients, TEST_SHARE, 0, found.labels)
    except ValueError as error:
        raise DataError(f"Dataset '{name}': {error}") from error
    arrays = []
    for part, rows in zip(("train", "test"), parts, strict=True):
        counts = np.bincount(found.labels[rows], minlength=len(class_names))
        if not counts.all():
            raise DataError(
                f"Dataset '{name}': no patch of the class '{class_names[np.argmin(counts)]}' in "
                f"the {part} part; {len(set(found.patients))} patients are too few, or are not "
                "the whole archive."
            )
        lazily = isinstance(found.patches, Patches)
        arrays += [found.patches.select(rows) if lazily else found.patches[rows]]
        arrays += [found.labels[rows]]
    rows = np.concatenate(parts)
    subjects = pd.DataFrame({"patient": found.patients[rows], "label": found.labels[rows]})
    return Dataset(name, *arrays, tuple(class_names), description, subjects)


def scan(directory, progress=True):
    """Lists and decodes every PNG below `directory`, and keeps what can be used.

    Files are `<patient>/<0|1>/<patient>_idx5_x<X>_y<Y>_class<0|1>.png`, 50x50 pixels, 8-bit RGB.
    Others are skipped, with one warning that counts them by reason and names the first of each;
    files of other types and hidden ones are not looked at. Where a folder
    `IDC_regular_ps50_idx5` lies directly below `directory`, it is read alone: the public archive
    holds everything twice.

    Args:
        directory: where the patients' folders are.
        progress: whether to show a progress bar, from 5,000 files on.

    Returns:
        A `Scan`. It does not depend on the directory's place nor on the order in which the
        system lists it.

    Raises:
        DataError: if the directory cannot be listed or holds no such file.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise DataError(f"'{directory}' is no directory.{_HOW_TO_SUPPLY}")
    if (directory / _COPY).is_dir():
        directory = directory / _COPY
    files = _list(directory)
    if not files:
        raise DataError(f"No PNG file is below '{directory}'.{_HOW_TO_SUPPLY}")
    problems = [problem for *_, problem in files]
    named = [i for i, problem in enumerate(problems) if problem is None]
    hashes = np.zeros(len(files), np.uint64)
    for i, found in zip(named, _hash_all([files[i][0] for i in named], progress), strict=True):
        if isinstance(found, str):
            problems[i] = found
        else:
            hashes[i] = found

    kept = np.array([i for i in named if problems[i] is None], dtype=int)
    skipped = _count([path for path, *_ in files], problems, directory)
    if not len(kept):
        raise DataError(
            f"None of the {len(files):,} PNG files below '{directory}' can be used: "
            f"{_in_words(skipped)}.{_HOW_TO_SUPPLY}"
        )
    if skipped:
        warnings.warn(
            f"{len(files) - len(kept):,} of the {len(files):,} PNG files below '{directory}' are "
            f"skipped: {_in_words(skipped)}.",
            stacklevel=2,
        )
    labels = np.array([files[i][2] for i in kept], dtype="int64")
    order = canonical_order(hashes[kept], labels)
    kept = kept[order]
    patches = Patches([files[i][0] for i in kept], hashes[kept])
    patients = np.array([files[i][1] for i in kept])
    return Scan(patches, labels[order], patients, skipped)


def _hash_all(paths, progress):
    """Of each file, in order, the hash of its image or the reason why it cannot be used."""
    tasks = [paths[i : i + _FILES_A_TASK] for i in range(0, len(paths), _FILES_A_TASK)]
    hidden = not progress or len(paths) < _FILES_WITHOUT_BAR
    results = []
    with (
        ThreadPoolExecutor(_THREADS) as pool,
        tqdm(total=len(paths), desc="patches", unit="file", disable=hidden, leave=False) as bar,
    ):
        for found in pool.map(_hash_some, tasks):
            results += found
            bar.update(len(found))
    return results


def _hash_some(paths):
    found = []
    for path in paths:
        try:
            found.append(image_hash(lazy.decode(path)))
        except lazy.Unusable as error:
            found.append(str(error))
    return found


def _list(directory):
    """(path, patient, label, problem or None) of every PNG file, ordered by path."""

    def fail(error):
        raise DataError(f"'{error.filename}' cannot be listed ({error.strerror}).") from error

    files = []
    for folder, _, names in os.walk(directory, onerror=fail):
        parts = Path(folder).relative_to(directory).parts
        for name in names:
            if name.lower().endswith(".png") and not name.startswith("."):
                files.append((os.path.join(folder, name), *_parse(parts, name)))
    return sorted(files, key=lambda file: file[0])


def _parse(folders, name):
    """(patient, label, None) of a file by its name and folders, or (None, None, problem)."""
    match = _FILE_NAME.fullmatch(name)
    if not match or len(folders) != 2 or folders[1] not in ("0", "1"):
        return None, None, _MISNAMED
    if match[1] != folders[0]:
        return None, None, _OTHER_PATIENT
    if match[2] != folders[1]:
        return None, None, _OTHER_CLASS
    return folders[0], int(folders[1]), None


def _count(paths, problems, directory):
    """How many files have each problem and the first one's path, as in `Scan.skipped`."""
    skipped = {}
    for path, problem in zip(paths, problems, strict=True):
        if problem is not None:
            count, first = skipped.get(problem, (0, Path(path).relative_to(directory).as_posix()))
            skipped[problem] = count + 1, first
    return {reason: skipped[reason] for reason in _REASONS if reason in skipped}


def _in_words(skipped):
    return "; ".join(
        f"{count:,} {reason}, the first '{first}'" for reason, (count, first) in skipped.items()
    )
