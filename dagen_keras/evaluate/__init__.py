"""Scores of classifiers and of generated images, and whether differences mean anything.

Importing it is cheap; Keras is imported with `FeatureSpace` and the monitors.
"""

import importlib

from dagen_keras.evaluate.classification import (
    balanced_accuracy,
    macro_f1,
    named_classes,
    per_class_recall,
    top_k_accuracy,
)
from dagen_keras.evaluate.distances import FeatureStatistics, frechet_distance, kernel_distance
from dagen_keras.evaluate.diversity import diversity
from dagen_keras.evaluate.neighbors import (
    density_coverage,
    nearest_training_distance,
    precision_recall,
)
from dagen_keras.evaluate.probabilities import inception_score
from dagen_keras.evaluate.resampled import Resampled, corrected_resampled_t
from dagen_keras.evaluate.sensitivity import detectable, power
from dagen_keras.evaluate.signed_rank import (
    ALPHA,
    MINIMUM_PAIRS,
    hodges_lehmann,
    signed_rank_p,
)
from dagen_keras.evaluate.verdicts import (
    Verdict,
    crossed_bootstrap,
    equivalence,
    holm,
    paired_verdict,
)

_WITH_KERAS = {
    "FeatureSpace": "features",
    "InceptionScoreMonitor": "monitor",
    "Reference": "features",
    "SampleMonitor": "monitor",
    "SampleScores": "features",
}

__all__ = [
    "Resampled",
    "corrected_resampled_t",
    "ALPHA",
    "MINIMUM_PAIRS",
    "FeatureSpace",
    "FeatureStatistics",
    "InceptionScoreMonitor",
    "Reference",
    "SampleMonitor",
    "SampleScores",
    "Verdict",
    "balanced_accuracy",
    "crossed_bootstrap",
    "density_coverage",
    "detectable",
    "diversity",
    "equivalence",
    "frechet_distance",
    "hodges_lehmann",
    "holm",
    "inception_score",
    "kernel_distance",
    "macro_f1",
    "named_classes",
    "nearest_training_distance",
    "paired_verdict",
    "per_class_recall",
    "power",
    "precision_recall",
    "signed_rank_p",
    "top_k_accuracy",
]


def __getattr__(name):
    if name in _WITH_KERAS:
        return getattr(importlib.import_module(f"{__name__}.{_WITH_KERAS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
