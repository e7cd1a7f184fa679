"""Scores of classifiers."""

import numpy as np
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

from dagen_keras import checks
from dagen_keras.evaluate import rows


def named_classes(scores):
    """The class of highest score of each row; NumPy's `argmax` takes NaN for the highest.

    Args:
        scores: probabilities or logits, (n, n_classes).

    Returns:
        Labels, int64 (n,).

    Raises:
        ValueError: if scores are not (n, n_classes), of two classes at least, or not finite.
    """
    scores = rows.matrix(scores, "scores")
    if scores.shape[1] < 2:
        raise ValueError("scores must have a column for each class; one column names no class.")
    return scores.argmax(axis=1)


def balanced_accuracy(y_true, y_predicted):
    """Unweighted mean of the recalls of the classes in `y_true`, in [0, 1]; chance is 1/classes."""
    return float(balanced_accuracy_score(y_true, y_predicted))


def macro_f1(y_true, y_predicted):
    """Unweighted mean of the classes' F1 scores, in [0, 1]. A class never predicted counts 0."""
    return float(f1_score(y_true, y_predicted, average="macro", zero_division=0))


def per_class_recall(y_true, y_predicted, n_classes):
    """The share of each class's images that is found, in [0, 1], shape (n_classes,).

    NaN for a class without an image.

    Raises:
        ValueError: if labels are not integers below `n_classes`, as many of the one as the other.
    """
    y_true = checks.labels(y_true, len(y_true), "y_true", n_classes)
    y_predicted = checks.labels(y_predicted, len(y_true), "y_predicted", n_classes)
    return recall_score(
        y_true, y_predicted, labels=range(n_classes), average=None, zero_division=np.nan
    )


def top_k_accuracy(y_true, scores, k):
    """The share of images whose class is among the k of highest score, in [0, 1].

    Of classes of equal score those of lower numbers come first, as in `named_classes`.

    Args:
        y_true: integer labels, (n,).
        scores: probabilities or logits, (n, n_classes), n_classes at least 3.
        k: from 1 to n_classes - 1.

    Raises:
        ValueError: if the scores are not finite or of fewer classes, a label is not one of theirs,
            or `k` is not as described.
    """
    scores, k = rows.matrix(scores, "scores"), checks.integer(k, "k")
    n_classes = scores.shape[1]
    if n_classes < 3 or k >= n_classes:
        raise ValueError(
            "top-k accuracy needs scores of shape (n, n_classes) with n_classes of 3 or more and "
            f"above k; got shape {scores.shape} and k={k!r}."
        )
    y_true = checks.labels(y_true, len(scores), "y_true", n_classes)
    first = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float((first == y_true[:, None]).any(axis=1).mean())
