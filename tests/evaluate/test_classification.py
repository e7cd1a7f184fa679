import numpy as np
import pytest

from dagen_keras.evaluate import (
    balanced_accuracy,
    macro_f1,
    named_classes,
    per_class_recall,
    top_k_accuracy,
)


def test_macro_f1_by_hand():
    # Class 0: precision 1, recall 1/2; class 1: precision 1/2, recall 1; class 2: never predicted.
    assert macro_f1([0, 0, 1, 2], [0, 1, 1, 0]) == pytest.approx((0.5 + 2 / 3 + 0) / 3)
    assert macro_f1([0, 1], [0, 1]) == 1


def test_balanced_accuracy_by_hand():
    # Recalls: class 0 3/4, class 1 0.
    assert balanced_accuracy([0, 0, 0, 0, 1], [0, 0, 0, 1, 0]) == pytest.approx(0.375)
    assert balanced_accuracy([0, 0, 0, 1], [0, 0, 0, 0]) == 0.5
    assert balanced_accuracy([0, 1], [0, 1]) == 1


def test_recall_of_each_class():
    found = per_class_recall([0, 0, 1, 1, 1, 3], [0, 1, 1, 1, 0, 0], 4)
    np.testing.assert_allclose(found, [1 / 2, 2 / 3, np.nan, 0])


def test_top_k_accuracy_counts_the_k_highest_scores():
    scores = [[0.1, 0.5, 0.4], [0.6, 0.3, 0.1], [0.2, 0.3, 0.5]]
    assert top_k_accuracy([2, 2, 2], scores, 1) == pytest.approx(1 / 3)
    assert top_k_accuracy([2, 2, 2], scores, 2) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="n_classes of 3 or more and above k"):
        top_k_accuracy([0, 1], [[0.5, 0.5], [0.5, 0.5]], 1)
    with pytest.raises(ValueError, match="k=3"):
        top_k_accuracy([2, 2, 2], scores, 3)


def test_a_classifier_names_the_class_of_its_highest_score():
    assert named_classes([[0.1, 0.9], [0.7, 0.3]]).tolist() == [1, 0]


SCORES = np.full((4, 3), 1 / 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: named_classes(SCORES * np.nan), "scores must be finite; 4 of 4 rows"),
        (lambda: named_classes(SCORES[0]), "scores must have shape"),
        (lambda: named_classes(SCORES * 1j), "scores must be an array of real numbers"),
        (lambda: top_k_accuracy([0] * 4, SCORES * np.inf, 1), "scores must be finite"),
        (lambda: top_k_accuracy([0] * 4, SCORES + 0j, 1), "scores must be an array of real"),
        (lambda: top_k_accuracy([0, 0, 0, 3], SCORES, 1), "y_true must be below 3"),
        (lambda: top_k_accuracy([0, 0, 0, -1], SCORES, 1), "y_true must be 0 or more"),
        (lambda: top_k_accuracy([0.9] * 4, SCORES, 1), "y_true must be integers"),
        (lambda: top_k_accuracy([0], SCORES, 1), "y_true must be one an image; got 1 for 4"),
        (lambda: top_k_accuracy([0] * 4, SCORES, 1.5), "k must be an integer"),
        (lambda: per_class_recall([0, 1], [0, 2], 2), "y_predicted must be below 2"),
        (lambda: per_class_recall([0, 2], [0, 1], 2), "y_true must be below 2"),
        (lambda: per_class_recall([0, 1], [0, np.nan], 2), "y_predicted must be integers"),
        (lambda: per_class_recall([0, 1], [0], 2), "y_predicted must be one an image"),
        (lambda: per_class_recall([0, 1], [0, 1], 1.5), "n_classes must be an integer"),
        (lambda: balanced_accuracy([0, 1], [0, np.nan]), "y_pred contains NaN"),
        (lambda: macro_f1([0, 1], [0, np.nan]), "y_pred contains NaN"),
    ],
)
def test_what_is_no_score_and_no_label_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
