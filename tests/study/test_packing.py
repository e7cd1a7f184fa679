import numpy as np

from dagen_keras.study import packing


def test_packed_arrays_and_pictures_come_back(rng):
    arrays = {"a": rng.random((3, 2)), "b": np.arange(4)}
    back = packing.unpack(packing.pack(**arrays))
    np.testing.assert_allclose(back["a"], arrays["a"], rtol=1e-6)
    np.testing.assert_array_equal(back["b"], arrays["b"])
    images = rng.integers(0, 256, (5, 4, 3, 1)) / 255
    sheet = packing.picture(packing.png(images, columns=2))
    assert sheet.shape == (12, 6)
    np.testing.assert_allclose(sheet[4:8, :3], images[2, ..., 0], atol=1e-6)
    assert not sheet[8:, 3:].any()


def test_colour_pictures_come_back(rng):
    images = rng.integers(0, 256, (2, 4, 3, 3)) / 255
    sheet = packing.picture(packing.png(images, columns=2))
    assert sheet.shape == (4, 6, 3)
    np.testing.assert_allclose(sheet[:, 3:], images[1], atol=1e-6)
