"""Images of one's own, of whatever files there are."""

import os

import numpy as np
import pytest
from PIL import Image

from dagen_keras.datasets import DataError, folder


@pytest.fixture
def own(tmp_path, rng):
    """A function that writes an image into a class's folder."""

    def write(name, array=None, **options):
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = array
        if not isinstance(array, Image.Image):
            array = rng.integers(0, 256, (6, 8), "uint8") if array is None else array
            image = Image.fromarray(array)
        image.save(path, **options)
        return path

    return write


def _read(tmp_path, **options):
    return folder.read(tmp_path / "own", **options)


def test_every_format_gives_the_pixels_that_were_written(own, tmp_path, rng):
    pixels = rng.integers(0, 256, (6, 8, 3), "uint8")
    names = ["a/1.png", "a/2.bmp", "a/3.tiff", "b/4.webp", "b/ünï côdé 5.PNG"]
    for name in names:
        own(name, pixels, **({"lossless": True} if name.endswith("webp") else {}))
    own("b/6.jpg", pixels, quality=100, subsampling=0)
    found = _read(tmp_path)
    assert found.names == (*names[:4], "b/6.jpg", names[4])
    assert found.labels.tolist() == ["a"] * 3 + ["b"] * 3 and found.classes == ["a", "b"]
    assert found.images.shape == (6, 6, 8, 3) and found.images.dtype == np.uint8
    for number, image in enumerate(found.images):
        tolerance = 8 if number == 4 else 0
        np.testing.assert_allclose(image.astype(int), pixels, atol=tolerance)


def test_grey_palette_black_and_white_and_16_bits_become_what_they_show(own, tmp_path):
    grey = np.arange(48, dtype="uint8").reshape(6, 8) * 5
    own("a/1.png", grey)
    own("a/2.png", Image.fromarray(grey).convert("1"))
    own("a/3.png", Image.fromarray(grey.astype("uint16") * 257))
    own("a/4.png", Image.merge("LA", [Image.fromarray(grey), Image.new("L", (8, 6), 255)]))
    found = _read(tmp_path)
    assert found.images.shape == (4, 6, 8, 1)
    for number in (0, 2, 3):
        np.testing.assert_array_equal(found.images[number, ..., 0], grey)
    assert set(np.unique(found.images[1])) <= {0, 255}
    colour = np.stack([grey, 0 * grey, 255 - grey], axis=-1)
    own("a/5.png", Image.fromarray(colour).quantize(256))
    with pytest.raises(DataError, match="4 images are grey, such as 'a/4.png', and 1 coloured"):
        _read(tmp_path)
    assert _read(tmp_path, channels=1).images.shape == (5, 6, 8, 1)
    np.testing.assert_allclose(
        _read(tmp_path, channels=3).images[4].astype(int), colour.astype(int), atol=10
    )


def test_images_are_turned_as_their_exif_says(own, tmp_path, rng):
    pixels = rng.integers(0, 256, (6, 8), "uint8")
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned clockwise by 90 degrees.
    own("a/1.png", pixels, exif=exif)
    np.testing.assert_array_equal(_read(tmp_path).images[0, ..., 0], np.rot90(pixels, -1))


def test_sizes_are_one_or_made_one(own, tmp_path):
    own("a/1.png", np.full((6, 8), 7, "uint8"))
    own("a/2.png", np.full((9, 4), 9, "uint8"))
    with pytest.raises(DataError, match=r"of 2 sizes, 6x8 \(1\), 9x4 \(1\): scale all .*--size"):
        _read(tmp_path)
    found = _read(tmp_path, size=(5, 3))
    assert found.images.shape == (2, 5, 3, 1)
    assert [int(image.max()) for image in found.images] == [7, 9]


def test_what_cannot_be_read_is_named_and_the_rest_is_read(own, tmp_path, monkeypatch):
    good = own("a/good.png")
    truncated = own("a/truncated.png", np.zeros((60, 80, 3), "uint8"), compress_level=0)
    truncated.write_bytes(truncated.read_bytes()[:2000])
    (good.parent / "text.png").write_text("no image")
    (good.parent / "empty.jpg").touch()
    (good.parent / "folder.png").mkdir()
    outside = tmp_path / "outside.png"
    outside.write_bytes(good.read_bytes())
    (good.parent / "link.png").symlink_to(outside)
    (good.parent / "within.png").symlink_to(good)
    (good.parent / "loop.png").symlink_to(good.parent / "loop.png")
    (good.parent / "broken.png").symlink_to(tmp_path / "nowhere")
    own("a/wide.png", Image.new("1", (20_000, 1)))
    own("a/bomb.png", Image.new("1", (9_000, 9_000)))
    own("a/glass.png", Image.new("RGBA", (8, 6), (1, 2, 3, 4)))
    own("a/float.tiff", np.zeros((6, 8), "float32"))
    pages = [Image.new("L", (8, 6))] * 2
    own("a/pages.tiff", pages[0], save_all=True, append_images=pages[1:])
    (good.parent / "notes.txt").write_text("mine")
    (good.parent / ".hidden.png").write_text("")
    (good.parent / "more").mkdir()
    (good.parent.parent / "loose.png").write_bytes(good.read_bytes())
    found = _read(tmp_path)
    assert found.names == ("a/good.png", "a/within.png")
    assert found.ignored == 3  # notes.txt, more and loose.png
    assert found.told[-2:] == [
        f"{len(found.skipped)} images cannot be read, 2 can.",
        "not looked at: 3 files of other kinds, folders in a class's folder, or files beside the "
        "classes' folders.",
    ]
    assert "left out: 'a/pages.tiff': 2 pages, of which one had to be chosen" in found.told
    expected = {
        "truncated": "truncated",
        "text": "no image",
        "empty": "no image",
        "folder": "no file",
        "link": "leads out of the folder",
        "loop": "",
        "broken": "leads out of the folder",
        "wide": "too large, 1x20000 pixels",
        "bomb": "too large, 9000x9000 pixels",
        "glass": "transparent pixels",
        "float": "mode F, whose range is not known",
        "pages": "2 pages, of which one",
    }
    assert {name.split("/")[1].split(".")[0] for name in found.skipped} == expected.keys()
    for name, why in found.skipped.items():
        assert expected[name.split("/")[1].split(".")[0]] in why


@pytest.mark.parametrize("what", ["nothing", "a file", "an empty folder", "images without class"])
def test_where_there_is_no_image_it_says_what_there_should_be(tmp_path, what):
    path = tmp_path / "own"
    message = "there is no "
    if what == "a file":
        path.write_text("x")
        message = "neither a folder of images nor a .npz file"
    elif what != "nothing":
        path.mkdir()
        message = "no image that can be read. Each class needs a folder of its own"
    if what == "images without class":
        Image.new("L", (4, 4)).save(path / "1.png")
    with pytest.raises(DataError, match=message):
        folder.read(path)


@pytest.mark.parametrize("layout", ["keras", "medmnist"])
def test_arrays_in_a_file_are_images_too(tmp_path, rng, layout):
    x, y = rng.integers(0, 256, (12, 6, 8), "uint8"), np.arange(12) % 11
    parts = {"x_train": x, "y_train": y, "x_test": x[:2], "y_test": y[:2]}
    if layout == "medmnist":
        names = ("train_images", "train_labels", "test_images", "test_labels")
        parts = dict(zip(names, parts.values(), strict=True))
    np.savez(tmp_path / "own.npz", **parts)
    found = folder.read(tmp_path / "own.npz")
    np.testing.assert_array_equal(found.images[..., 0], x)
    assert found.labels.tolist() == [f"{label:02d}" for label in y]
    np.savez(tmp_path / "own.npz", **{**parts, list(parts)[1]: y - 1})
    with pytest.raises(DataError, match="labels of .*own.npz' must be 0 or more; got -1"):
        folder.read(tmp_path / "own.npz")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_without_permission_is_named(own, tmp_path):
    own("a/1.png")
    own("a/2.png").chmod(0)
    assert list(_read(tmp_path).skipped) == ["a/2.png"]
