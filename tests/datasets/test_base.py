import numpy as np
import pandas as pd
import pytest

from dagen_keras.datasets.base import DataError, make_dataset


def _parts(rng, n=20):
    return [(rng.integers(0, 256, (n, 4, 4), np.uint8), rng.integers(0, 3, n)) for _ in range(2)]


def test_order_and_fingerprint_do_not_depend_on_the_files_order(rng):
    parts = _parts(rng)
    shuffle = rng.permutation(20)
    one = make_dataset("a", *parts, "abc", "")
    two = make_dataset("a", *[(x[shuffle], y[shuffle]) for x, y in parts], "abc", "")
    np.testing.assert_array_equal(one.x_train, two.x_train)
    np.testing.assert_array_equal(one.y_test, two.y_test)
    assert one.fingerprint == two.fingerprint


def test_fingerprint_depends_on_every_pixel_and_label(rng):
    (x, y), test = _parts(rng)
    fingerprints = {make_dataset("a", (x, y), test, "abc", "").fingerprint}
    changed = x.copy()
    changed[3, 2, 1] ^= 1
    fingerprints.add(make_dataset("a", (changed, y), test, "abc", "").fingerprint)
    fingerprints.add(make_dataset("a", (x, (y + 1) % 3), test, "abc", "").fingerprint)
    assert len(fingerprints) == 3


def test_floats_and_bytes_of_the_same_images_agree(rng):
    (x, y), test = _parts(rng)
    floats = make_dataset("a", (x / 255.0, y), test, "abc", "")
    assert floats.fingerprint == make_dataset("a", (x, y), test, "abc", "").fingerprint


def test_subjects_follow_their_images(rng):
    (x, y), (x_test, y_test) = _parts(rng)
    pixels = np.concatenate([x, x_test])[:, 0, 0]
    subjects = pd.DataFrame({"pixel": pixels, "label": np.concatenate([y, y_test])})
    data = make_dataset("a", (x, y), (x_test, y_test), "abc", "", subjects=subjects)
    images = np.concatenate([data.x_train, data.x_test])
    np.testing.assert_allclose(data.subjects["pixel"] / 255, images[:, 0, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(data.subjects["label"], [*data.y_train, *data.y_test])
    assert data.subjects.index.tolist() == list(range(40))
    without = make_dataset("a", (x, y), (x_test, y_test), "abc", "")
    assert without.subjects is None
    assert without.fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.full((2, 4, 4), 3.5), [0, 1], "train images must be in"),
        (np.zeros((2, 4, 4)), [0], "train labels must be one an image"),
        (np.zeros((2, 4, 4)), [0, 7], "only 3 classes"),
    ],
)
def test_bad_arrays_are_refused(rng, x, y, message):
    with pytest.raises(DataError, match=message):
        make_dataset("a", (x, np.array(y)), _parts(rng)[1], "abc", "")
