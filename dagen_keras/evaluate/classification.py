"""Scores of classifiers."""

from sklearn.metrics import balanced_accuracy_score, f1_score


def balanced_accuracy(y_true, y_predicted):
    """Unweighted mean of the recalls of the classes in `y_true`, in [0, 1]; chance is 1/classes."""
    return float(balanced_accuracy_score(y_true, y_predicted))


def macro_f1(y_true, y_predicted):
    """Unweighted mean of the classes' F1 scores, in [0, 1]. A class never predicted counts 0."""
    return float(f1_score(y_true, y_predicted, average="macro", zero_division=0))
