import numpy as np
import pytest

from dagen_keras.augment import ClassicTransforms, augment_by_factor


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
    "crop": 0.3,
    "noise": 0.1,
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
    mixed = (mixed - mixed.min()) / np.ptp(mixed)
    images = mixed.reshape(500, 3, 3, 1).astype("float32")
    white = ClassicTransforms(zca=True).fit(images)(images, seed=0).reshape(500, 9)
    np.testing.assert_allclose(white.T @ white / 500, np.eye(9), atol=0.02)


def test_zca_must_be_fitted(images):
    with pytest.raises(ValueError, match="must be fitted first"):
        ClassicTransforms(zca=True)(images, seed=0)


def test_crop_shows_a_part_of_the_image():
    # A pixel's value is its place: a row of the crop runs evenly from its left to its right edge.
    ramp = np.broadcast_to(np.linspace(0, 1, 21, dtype="float32")[:, None], (500, 15, 21, 1))
    row = ClassicTransforms(crop=0.4)(ramp, seed=0)[:, 7, :, 0]
    side = row[:, -1] - row[:, 0]
    np.testing.assert_allclose(np.diff(row), np.repeat(side[:, None] / 20, 20, 1), atol=1e-5)
    assert row.min() > -1e-5
    assert row.max() < 1 + 1e-5
    assert side.min() == pytest.approx(0.6, abs=0.01)
    assert side.max() == pytest.approx(1, abs=0.01)
    assert side.mean() == pytest.approx(0.8, abs=0.02)
    place = row[:, 0] / (1 - side)
    assert place.mean() == pytest.approx(0.5, abs=0.05)
    assert place.std() == pytest.approx(12**-0.5, abs=0.05)


def test_crop_keeps_the_ratio_of_the_sides():
    x, y = np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 11))
    images = np.repeat(np.stack([x, y], axis=-1).astype("float32")[None], 20, axis=0)
    cropped = ClassicTransforms(crop=0.5)(images, seed=0)
    width = cropped[:, 5, -1, 0] - cropped[:, 5, 0, 0]
    height = cropped[:, -1, 10, 1] - cropped[:, 0, 10, 1]
    np.testing.assert_allclose(width, height, atol=1e-5)


def test_noise_has_its_standard_deviation_and_stays_in_the_unit_interval():
    grey = np.full((50, 20, 20, 1), 0.5, "float32")
    noisy = ClassicTransforms(noise=0.1)(grey, seed=0)
    assert noisy.mean() == pytest.approx(0.5, abs=0.005)
    assert noisy.std() == pytest.approx(0.1, rel=0.03)
    strong = ClassicTransforms(noise=1.0)(grey, seed=0)
    assert strong.min() == 0
    assert strong.max() == 1


def test_later_steps_leave_the_earlier_ones_as_they_were(images):
    before = ClassicTransforms(rotation=30, zoom=0.3)(images, seed=5)
    after = ClassicTransforms(rotation=30, zoom=0.3, noise=1e-6)(images, seed=5)
    np.testing.assert_allclose(after, before, atol=1e-4)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"crop": 1}, r"share in \[0, 1\); got 1"),
        ({"crop": -0.1}, "crop"),
        ({"noise": -0.1}, "0 or more; got -0.1"),
        ({"noise": np.nan}, "noise"),
        ({"noise": 0.1, "zca": True}, "choose one"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassicTransforms(**arguments)


def test_augment_by_factor(images):
    transforms = ClassicTransforms(rotation=10, noise=0.05)
    labels = np.arange(20) % 3
    x, y = augment_by_factor(transforms, images, labels, 3, seed=1)
    assert x.shape == (60, *images.shape[1:])
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x[:20], images)
    np.testing.assert_array_equal(y, np.tile(labels, 3))
    parts = x.reshape(3, *images.shape)
    assert not np.array_equal(parts[1], parts[2])
    np.testing.assert_array_equal(x, augment_by_factor(transforms, images, labels, 3, 1)[0])
    np.testing.assert_array_equal(x[:40], augment_by_factor(transforms, images, labels, 2, 1)[0])
    assert not np.array_equal(x, augment_by_factor(transforms, images, labels, 3, 2)[0])
    np.testing.assert_array_equal(augment_by_factor(transforms, images, labels, 1, 1)[0], images)


@pytest.mark.parametrize("factor", [0, 2.5, None])
def test_factor_must_be_a_positive_integer(images, factor):
    with pytest.raises(ValueError, match="factor must be an integer of 1 or more"):
        augment_by_factor(ClassicTransforms(), images, np.zeros(20, int), factor, seed=0)


def test_augment_by_factor_wants_a_label_an_image(images):
    with pytest.raises(ValueError, match="one an image"):
        augment_by_factor(ClassicTransforms(), images, np.zeros(19, int), 2, seed=0)


def test_augment_by_factor_does_not_believe_a_transform(images):
    before, labels = images.copy(), np.zeros(20, int)

    def in_place(x, seed):
        return np.subtract(1, x, out=x)

    x, _ = augment_by_factor(in_place, images, labels, 2, 0)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(x[:20], before)
    for wrong in (lambda x, seed: x[:3], lambda x, seed: np.where(x > 0.5, np.nan, x)):
        with pytest.raises(ValueError, match="transforms must return as many images"):
            augment_by_factor(wrong, images, labels, 3, 0)


def test_whitening_is_of_images_of_one_shape(rng):
    transforms = ClassicTransforms(zca=True).fit(rng.random((20, 8, 8, 1)))
    with pytest.raises(ValueError, match=r"must have the shape \(8, 8, 1\) that the whitening"):
        transforms(rng.random((5, 4, 16, 1)), seed=0)


def test_a_horizontal_flip_leaves_rows_where_they_are(rng):
    images = rng.random((40, 4, 4, 1), dtype="float32")
    flipped = ClassicTransforms(flip="horizontal")(images, seed=0)
    same = (flipped == images).all(axis=(1, 2, 3))
    mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same | mirrored).all()
    assert same.any() and mirrored.any()
