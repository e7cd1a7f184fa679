"""Scores of classifiers."""

import numpy as np
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score, top_k_accuracy_score


def balanced_accuracy(y_true, y_predicted):
    """Unweighted mean of the recalls of the classes in `y_true`, in [0, 1]; chance is 1/classes."""
    return float(balanced_accuracy_score(y_true, y_predicted))


def macro_f1(y_true, y_predicted):
    """Unweighted mean of the classes' F1 scores, in [0, 1]. A class never predicted counts 0."""
    return float(f1_score(y_true, y_predicted, average="macro", zero_division=0))


def per_class_recall(y_true, y_predicted, n_classes):
    """The share of each class's images that is found, in [0, 1], shape (n_classes,).

    NaN for a class without an image.
    """
    return recall_score(
        y_true, y_predicted, labels=range(n_classes), average=None, zero_division=np.nan
    )


def top_k_accuracy(y_true, scores, k):
    """The share of images whose class is among the k of highest score, in [0, 1].

    Args:
        y_true: integer labels, (n,).
        scores: probabilities or logits, (n, n_classes), n_classes at least 3.
        k: from 1 to n_classes - 1.

    Raises:
        ValueError: if the scores are of fewer classes or `k` is not as described.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or not 0 < k < scores.shape[1] or scores.shape[1] < 3:
        raise ValueError(
            "top-k accuracy needs scores of shape (n, n_classes) with n_classes of 3 or more and "
            f"above k; got shape {scores.shape} and k={k!r}."
        )
    return float(top_k_accuracy_score(y_true, scores, k=k, labels=range(scores.shape[1])))
