import numpy as np
import pytest

from dagen_keras import checks


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.full((2, 4, 4, 1), 200.0), "Divide by 255"),
        (np.full((2, 4, 4, 1), -1.0), r"in \[0, 1\]; got -1"),
        (np.zeros((2, 4, 4)), "Add a channel axis"),
        (np.zeros((4, 4)), r"got shape \(4, 4\)"),
        (np.zeros((0, 4, 4, 1)), "must not be empty"),
        (np.zeros((2, 4, 4, 1), "complex"), "array of real numbers; got dtype complex128"),
        (np.zeros((2, 4, 4, 1), "m8[s]"), "array of real numbers; got dtype timedelta64"),
        ([[1, 2], [3]], "array of real numbers: setting an array element"),
        (np.array([["a"]]), "array of real numbers; got dtype <U1"),
        (np.ma.masked_equal(np.eye(4)[None, ..., None], 1), "must not be masked"),
    ],
)
def test_images_say_what_is_wrong(x, message):
    with pytest.raises(ValueError, match=message):
        checks.images(x)


def test_images_name_the_first_bad_one():
    x = np.zeros((5, 4, 4, 1))
    x[3, 0, 0, 0] = np.nan
    x[4, 0, 0, 0] = np.inf
    with pytest.raises(ValueError, match="2 of 5 images hold NaN or infinity, .* image 3"):
        checks.images(x)


def test_images_become_float32():
    assert checks.images(np.ones((2, 4, 4, 1), int)).dtype == np.float32


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, 2], "got 3 for 2 images"),
        ([0.0, 1.0], "must be integers"),
        (np.eye(2), "argmax"),
        ([-1, 0], "0 or more"),
        (["a", "b"], "must be integers"),
        ([True, False], "must be integers; got dtype bool"),
        (np.zeros(2, "m8[s]"), "must be integers; got dtype timedelta64"),
        (np.ma.masked_equal([0, 9], 9), "must not be masked"),
        (np.array([0, 2**63], "uint64"), "integers of 64 bits; got 9223372036854775808"),
    ],
)
def test_labels_say_what_is_wrong(y, message):
    with pytest.raises(ValueError, match=message):
        checks.labels(y, 2)


def test_labels_of_keras_datasets_lose_their_axis():
    assert checks.labels(np.array([[3], [4]]), 2).tolist() == [3, 4]


def test_labels_are_below_the_number_of_classes_where_that_is_known():
    assert checks.labels([0, 2], 2, n_classes=3).tolist() == [0, 2]
    with pytest.raises(ValueError, match="must be below 2, the number of classes; got 2"):
        checks.labels([0, 2], 2, n_classes=2)
    with pytest.raises(ValueError, match="n_classes must be an integer of 1 or more; got 1.5"):
        checks.labels([0, 2], 2, n_classes=1.5)
