"""Scores of classifiers, and whether differences mean anything."""

from dagen_keras.evaluate.classification import balanced_accuracy, macro_f1
from dagen_keras.evaluate.significance import (
    ALPHA,
    MINIMUM_PAIRS,
    Comparison,
    bootstrap_median_interval,
    compare_paired,
)

__all__ = [
    "ALPHA",
    "MINIMUM_PAIRS",
    "Comparison",
    "balanced_accuracy",
    "bootstrap_median_interval",
    "compare_paired",
    "macro_f1",
]
