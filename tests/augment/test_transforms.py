import numpy as np
import pytest

from dagen_keras.augment import ClassicTransforms


@pytest.fixture
def images(digits):
    return digits.x_train[:20]


ALL = {
    "rotation": 30,
    "width_shift": 0.2,
    "height_shift": 0.1,
    "shear": 0.2,
    "zoom": 0.3,
    "flip": True,
}


def test_no_transform_changes_nothing(images):
    np.testing.assert_array_equal(ClassicTransforms()(images, seed=0), images)


@pytest.mark.parametrize("name", ALL)
def test_each_transform_changes_images_and_follows_its_seed(images, name):
    transform = ClassicTransforms(**{name: ALL[name]})
    one = transform(images, seed=1)
    assert one.shape == images.shape
    assert one.dtype == np.float32
    assert np.abs(one - images).max() > 0.1
    np.testing.assert_array_equal(one, transform(images, seed=1))
    assert not np.array_equal(one, transform(images, seed=2))
    assert one.min() > -1e-3
    assert one.max() < 1 + 1e-3


def test_shifts_stay_within_their_share():
    dot = np.zeros((200, 21, 21, 1), "float32")
    dot[:, 10, 10] = 1
    moved = ClassicTransforms(width_shift=0.2)(dot, seed=0)
    center = (moved[..., 0].sum(axis=1) * np.arange(21)).sum(axis=1) / moved.sum(axis=(1, 2, 3))
    assert np.abs(center - 10).max() <= 0.2 * 21 + 1e-3
    assert np.abs(center - 10).max() > 0.15 * 21
    np.testing.assert_allclose(moved.sum(axis=(2, 3))[:, 10], 1, rtol=1e-4)


def test_zoom_scales_about_the_centre():
    square = np.zeros((300, 41, 41, 1), "float32")
    square[:, 10:31, 10:31] = 1
    area = ClassicTransforms(zoom=0.5)(square, seed=0).sum(axis=(1, 2, 3)) / 21**2
    # The area goes with 1 / (scale_x scale_y), the scales being uniform in [0.5, 1.5].
    assert np.mean(area < 1) == pytest.approx(0.46, abs=0.1)
    assert area.min() == pytest.approx(1 / 1.5**2, rel=0.15)
    whole = ClassicTransforms(zoom=0.5)(np.ones((4, 9, 9, 1), "float32"), seed=0)
    np.testing.assert_allclose(whole, 1, rtol=1e-5)


def test_zca_decorrelates_pixels(rng):
    mixed = rng.normal(size=(500, 9)) @ rng.normal(size=(9, 9))
    images = mixed.reshape(500, 3, 3, 1).astype("float32")
    white = ClassicTransforms(zca=True).fit(images)(images, seed=0).reshape(500, 9)
    np.testing.assert_allclose(white.T @ white / 500, np.eye(9), atol=0.02)


def test_zca_must_be_fitted(images):
    with pytest.raises(ValueError, match="must be fitted first"):
        ClassicTransforms(zca=True)(images, seed=0)
