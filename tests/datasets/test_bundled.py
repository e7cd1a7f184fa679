import numpy as np
import pytest
from scipy import ndimage
from sklearn.datasets import load_digits

from dagen_keras import datasets


def test_digits_has_100_test_images_a_class(digits):
    assert digits.x_train.shape == (797, 28, 28, 1)
    assert digits.x_train.dtype == np.float32
    assert digits.x_train.min() == 0
    assert digits.x_train.max() == 1
    assert np.bincount(digits.y_test).tolist() == [100] * 10
    assert digits.class_names == tuple("0123456789")


def test_digits_are_resized_by_cubic_splines(digits):
    small = load_digits()
    enlarged = ndimage.zoom(small.images / 16, (1, 3.5, 3.5), mode="nearest", grid_mode=True)
    expected = np.rint(255 * enlarged.clip(0, 1)).astype(np.uint8)
    found = np.concatenate([digits.x_train, digits.x_test])
    found = np.rint(255 * found[..., 0]).astype(np.uint8)
    assert sorted(map(bytes, found)) == sorted(map(bytes, expected))


@pytest.mark.parametrize("size", [32, 50])
def test_photos_are_colour_patches_in_two_classes(size):
    data = datasets.load("photos", image_size=size)
    assert data.image_shape == (size, size, 3)
    assert set(data.y_train) == set(data.y_test) == {0, 1}


def test_shapes_are_180_binary_circles_and_rings():
    data = datasets.load("shapes")
    assert data.x_train.shape == (180, 50, 50, 1)
    assert set(np.unique(data.x_train)) == {0, 1}
    # A circle is filled at its centre, a ring is not.
    np.testing.assert_array_equal(data.x_train[:, 25, 25, 0], 1 - data.y_train)


@pytest.mark.parametrize("name", ["digits", "photos", "shapes"])
def test_train_and_test_share_no_image_and_loading_repeats(name):
    data, again = datasets.load(name), datasets.load(name)
    train = {image.tobytes() for image in data.x_train}
    assert not train & {image.tobytes() for image in data.x_test}
    assert data.fingerprint == again.fingerprint
    np.testing.assert_array_equal(data.x_train, again.x_train)
    assert datasets.n_classes(name) == data.n_classes
