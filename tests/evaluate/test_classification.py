import numpy as np
import pytest

from dagen_keras.evaluate import balanced_accuracy, macro_f1, per_class_recall, top_k_accuracy


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
