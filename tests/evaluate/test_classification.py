import pytest

from dagen_keras.evaluate import balanced_accuracy, macro_f1


def test_macro_f1_by_hand():
    # Class 0: precision 1, recall 1/2; class 1: precision 1/2, recall 1; class 2: never predicted.
    assert macro_f1([0, 0, 1, 2], [0, 1, 1, 0]) == pytest.approx((0.5 + 2 / 3 + 0) / 3)
    assert macro_f1([0, 1], [0, 1]) == 1


def test_balanced_accuracy_by_hand():
    # Recalls: class 0 3/4, class 1 0.
    assert balanced_accuracy([0, 0, 0, 0, 1], [0, 0, 0, 1, 0]) == pytest.approx(0.375)
    assert balanced_accuracy([0, 0, 0, 1], [0, 0, 0, 0]) == 0.5
    assert balanced_accuracy([0, 1], [0, 1]) == 1
