"""Scores of classifiers and of generated images, and whether differences mean anything.

Importing it is cheap; Keras is imported with `FeatureSpace`.
"""

import importlib

from dagen_keras.evaluate.classification import balanced_accuracy, macro_f1
from dagen_keras.evaluate.distances import FeatureStatistics, frechet_distance, kernel_distance
from dagen_keras.evaluate.neighbors import nearest_training_distance, precision_recall
from dagen_keras.evaluate.probabilities import inception_score
from dagen_keras.evaluate.significance import (
    ALPHA,
    MINIMUM_PAIRS,
    Comparison,
    bootstrap_median_interval,
    compare_paired,
)

_WITH_KERAS = ("FeatureSpace", "Reference", "SampleScores")

__all__ = [
    "ALPHA",
    "MINIMUM_PAIRS",
    "Comparison",
    "FeatureSpace",
    "FeatureStatistics",
    "Reference",
    "SampleScores",
    "balanced_accuracy",
    "bootstrap_median_interval",
    "compare_paired",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "macro_f1",
    "nearest_training_distance",
    "precision_recall",
]


def __getattr__(name):
    if name in _WITH_KERAS:
        return getattr(importlib.import_module(f"{__name__}.features"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
