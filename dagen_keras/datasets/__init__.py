"""Where images come from: `load(name)` and seeded splits."""

from dagen_keras.datasets import histopathology, oasis, patches, phantoms
from dagen_keras.datasets.base import DataError, Dataset
from dagen_keras.datasets.pixels import Pixels
from dagen_keras.datasets.registry import NAMES, load, n_classes, title
from dagen_keras.datasets.splits import (
    balanced_subset,
    keep_share,
    split_by_patient,
    stratified_validation,
    unbalanced_subset,
)

__all__ = [
    "NAMES",
    "DataError",
    "Dataset",
    "Pixels",
    "balanced_subset",
    "histopathology",
    "keep_share",
    "load",
    "n_classes",
    "oasis",
    "patches",
    "phantoms",
    "split_by_patient",
    "stratified_validation",
    "title",
    "unbalanced_subset",
]
