import os
import pickle
import warnings

import numpy as np
import pytest
import sklearn.datasets
from PIL import Image

from dagen_keras import datasets
from dagen_keras.datasets import DataError, histopathology, patches


def _some(n=60, n_patients=6, seed=0):
    """Images, labels (about a third positive) and patients."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 50, 50, 3), np.uint8)
    patients = [f"{90 + i % n_patients}" for i in range(n)]
    return images, (np.arange(n) // n_patients % 3 == 0).astype(int), patients


def _write(directory, images, labels, patients):
    """Files of the archive's layout, side by side on the slide."""
    for i, (image, label, patient) in enumerate(zip(images, labels, patients, strict=True)):
        folder = directory / patient / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{patient}_idx5_x{1 + 50 * i}_y1_class{label}.png"
        Image.fromarray(image).save(folder / name)


def _content(found):
    """What a scan found, by image."""
    rows = zip(found.patches[:], found.labels, found.patients, strict=True)
    return {np.rint(image * 255).astype(np.uint8).tobytes(): row for image, *row in rows}


@pytest.fixture
def archive(tmp_path):
    directory = tmp_path / "histopathology"
    _write(directory, *_some())
    return directory


def _quiet_scan(directory):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return histopathology.scan(directory)


class TestScan:
    def test_finds_what_was_written(self, archive):
        images, labels, patients = _some()
        found = _quiet_scan(archive)
        assert found.patches.shape == (60, 50, 50, 3)
        assert found.skipped == {}
        assert _content(found) == {
            image.tobytes(): [label, patient]
            for image, label, patient in zip(images, labels, patients, strict=True)
        }

    def test_order_is_by_label_and_content_not_by_place_or_listing(
        self, archive, tmp_path, monkeypatch
    ):
        found = _quiet_scan(archive)
        assert (np.diff(found.labels) >= 0).all()
        images, labels, patients = _some()
        back = slice(None, None, -1)
        _write(tmp_path / "other", images[back], labels[back], patients[back])
        real = os.walk

        def walk(*args, **options):
            for folder, folders, names in real(*args, **options):
                folders.reverse()
                yield folder, folders, sorted(names, reverse=True)

        monkeypatch.setattr(os, "walk", walk)
        for directory in (archive, tmp_path / "other"):
            again = _quiet_scan(directory)
            np.testing.assert_array_equal(again.patches[:], found.patches[:])
            np.testing.assert_array_equal(again.labels, found.labels)
            np.testing.assert_array_equal(again.patients, found.patients)

    def test_what_cannot_be_used_is_counted_and_named_once(self, archive):
        expected = _content(_quiet_scan(archive))
        (archive / "91/2").mkdir()
        good = next((archive / "90/0").iterdir()).read_bytes()
        for name in (
            "90/0/patch.png",
            "90/0/90_idx5_x1_y1_class2.png",
            "91/2/91_idx5_x1_y1_class0.png",
            "90_idx5_x1_y1_class0.png",
            "90/1/91_idx5_x1_y1_class1.png",
            "90/1/90_idx5_x7_y1_class0.png",
            "90/0/90_idx5_x7_y1_class1.png",
        ):
            (archive / name).write_bytes(good)
        (archive / "92/0/92_idx5_x5_y5_class0.png").write_bytes(good[:-2000])
        (archive / "92/0/92_idx5_x6_y5_class0.png").write_bytes(b"")
        (archive / "92/0/92_idx5_x7_y5_class0.png").write_bytes(b"GIF89a not a PNG")
        for x, (mode, size) in enumerate(
            [("RGB", (50, 49)), ("RGB", (12, 50)), ("L", (50, 50)), ("RGBA", (50, 50))]
        ):
            Image.new(mode, size).save(archive / f"93/1/93_idx5_x{x}_y9_class1.png")
        for name in (".DS_Store", "90/0/._90_idx5_x1_y1_class0.png", "90/Thumbs.db"):
            (archive / name).write_bytes(b"")

        with pytest.warns(UserWarning) as caught:
            found = histopathology.scan(archive)
        assert len(caught) == 1
        assert list(found.skipped.values()) == [
            (4, "90/0/90_idx5_x1_y1_class2.png"),
            (1, "90/1/91_idx5_x1_y1_class1.png"),
            (2, "90/0/90_idx5_x7_y1_class1.png"),
            (3, "92/0/92_idx5_x5_y5_class0.png"),
            (2, "93/1/93_idx5_x0_y9_class1.png"),
            (2, "93/1/93_idx5_x2_y9_class1.png"),
        ]
        message = str(caught[0].message)
        assert message.startswith(f"14 of the 74 PNG files below '{archive}' are skipped: 4 not na")
        assert "3 not readable as PNG, the first '92/0/92_idx5_x5_y5_class0.png'" in message
        assert "2 not 50x50 pixels" in message
        assert "2 not 8-bit RGB, the first '93/1/93_idx5_x2_y9_class1.png'" in message
        assert found.description("some", 60) == (
            "some, 60 patches, 6 patients (14 files skipped: 4 not named "
            "<patient>/<0|1>/<patient>_idx5_x<X>_y<Y>_class<0|1>.png; 1 named after another "
            "patient than their folder; 2 named after another class than their folder; 3 not "
            "readable as PNG; 2 not 50x50 pixels; 2 not 8-bit RGB)"
        )
        assert _content(found) == expected

    def test_the_copy_inside_the_archive_is_read_alone(self, archive):
        copy = archive / "IDC_regular_ps50_idx5"
        _write(copy, *_some())
        found = _quiet_scan(archive)
        assert len(found.labels) == 60
        assert all(path.startswith(str(copy)) for path in found.patches.paths)

    def test_where_there_is_nothing_it_says_how_to_supply_it(self, tmp_path):
        for directory, message in (("nowhere", "is no directory"), ("", "No PNG file is below")):
            with pytest.raises(DataError, match=message) as caught:
                histopathology.scan(tmp_path / directory)
            assert "paultimothymooney/breast-histopathology-images" in str(caught.value)
            assert "DIR/histopathology/10253/0/10253_idx5_x1351" in str(caught.value)
            assert 'load("patches")' in str(caught.value)
        (tmp_path / "me.png").touch()
        with pytest.raises(DataError, match="None of the 1 PNG files .* 1 not named .*'me.png'"):
            histopathology.scan(tmp_path)

    def test_many_files_keep_their_order(self, tmp_path, monkeypatch):
        # More tasks than threads, and the progress bar on.
        monkeypatch.setattr(histopathology, "_FILES_A_TASK", 7)
        monkeypatch.setattr(histopathology, "_FILES_WITHOUT_BAR", 10)
        images, labels, patients = _some(200)
        _write(tmp_path, images, labels, patients)
        content = _content(histopathology.scan(tmp_path))
        assert [content[image.tobytes()][1] for image in images] == patients


class TestPatches:
    @pytest.fixture
    def lazy(self, archive):
        return histopathology.scan(archive).patches

    def test_reads_what_an_array_would_give(self, lazy):
        eager = np.array([np.asarray(Image.open(path)) for path in lazy.paths])
        eager = eager.astype("float32") / np.float32(255)
        for rows in (
            slice(None),
            slice(40, 2, -7),
            [3, 3, -1],
            np.array([[5, 1], [0, 2]]),
            np.arange(60) % 4 == 0,
            [],
            7,
            np.int64(-60),
        ):
            read = lazy[rows]
            expected = eager[np.array(rows, int) if isinstance(rows, list) else rows]
            assert isinstance(read, np.ndarray) and read.dtype == lazy.dtype == np.float32
            np.testing.assert_array_equal(read, expected)
        assert len(lazy) == 60 and lazy.shape == eager.shape and lazy.ndim == 4
        np.testing.assert_array_equal(np.asarray(lazy), eager)
        np.testing.assert_array_equal(np.concatenate([lazy, lazy])[60:], eager)
        np.testing.assert_array_equal([image[0, 0, 0] for image in lazy], eager[:, 0, 0, 0])

    def test_rows_out_of_range_are_refused(self, lazy):
        for rows in (60, [0, 60], -61):
            with pytest.raises(IndexError):
                lazy[rows]

    def test_selecting_reads_nothing(self, lazy):
        expected = lazy[[5, 9, 30]]
        for path in np.delete(lazy.paths, [5, 9, 30]):
            os.unlink(path)
        chosen = lazy.select([3, 5, 9, 30]).select(slice(1, None))
        assert isinstance(chosen, histopathology.Patches)
        assert chosen.shape == (3, 50, 50, 3)
        np.testing.assert_array_equal(chosen[:], expected)
        np.testing.assert_array_equal(chosen.hashes, lazy.hashes[[5, 9, 30]])
        assert len(lazy.select([])) == 0

    def test_a_file_that_vanished_or_changed_is_named(self, lazy):
        os.unlink(lazy.paths[4])
        Image.new("RGB", (50, 40)).save(lazy.paths[5])
        for row, reason in ((4, "not readable as PNG"), (5, "not 50x50 pixels")):
            with pytest.raises(DataError, match=f"and is now {reason}") as caught:
                lazy[row - 1 : row + 1] if row == 4 else lazy[row]
            assert lazy.paths[row] in str(caught.value)

    def test_paths_and_hashes_must_fit(self):
        with pytest.raises(ValueError, match="must be one an image"):
            histopathology.Patches(["a", "b"], [1])


class TestLoad:
    def test_is_lazy_and_split_by_patient(self, archive, no_data_dir, monkeypatch):
        data = datasets.load("histopathology", data_dir=archive.parent)
        assert isinstance(data.x_train, histopathology.Patches)
        assert isinstance(data.x_test, histopathology.Patches)
        assert data.x_train.shape == (50, 50, 50, 3) and len(data.x_test) == 10
        assert data.image_shape == (50, 50, 3)
        assert data.class_names == ("negative", "positive")
        assert data.n_classes == datasets.n_classes("histopathology") == 2
        assert datasets.title("histopathology") == "breast histopathology"
        assert (
            data.description == "breast histopathology (IDC), 60 of its 277,524 patches, 6 patients"
        )
        subjects = data.subjects
        np.testing.assert_array_equal(
            subjects["label"], np.concatenate([data.y_train, data.y_test])
        )
        parts = set(subjects["patient"][:50]), set(subjects["patient"][50:])
        assert not parts[0] & parts[1] and len(parts[0] | parts[1]) == 6
        content = _content(histopathology.scan(archive))
        for row, image in enumerate(np.concatenate([data.x_train[:], data.x_test[:]])):
            label, patient = content[np.rint(image * 255).astype(np.uint8).tobytes()]
            assert (label, patient) == (subjects["label"][row], subjects["patient"][row])

        monkeypatch.setenv("DAGEN_DATA_DIR", str(archive))
        again = datasets.load("histopathology")
        assert again.fingerprint == data.fingerprint
        assert pickle.loads(pickle.dumps(data)).fingerprint == data.fingerprint

    def test_fingerprint_depends_on_content_alone(self, archive, tmp_path):
        images, labels, patients = map(np.array, _some())

        def fingerprint(name, images=images, labels=labels, rows=slice(None, None, -1)):
            directory = tmp_path / name
            _write(directory, images[rows], labels[rows], patients[rows])
            return datasets.load("histopathology", data_dir=directory).fingerprint

        assert fingerprint("moved") == fingerprint("same", rows=slice(None))
        pixel, label = images.copy(), labels.copy()
        pixel[8, 20, 30, 1] ^= 1
        label[8] ^= 1
        found = [
            datasets.load("histopathology", data_dir=archive).fingerprint,
            fingerprint("pixel", images=pixel),
            fingerprint("label", labels=label),
            fingerprint("fewer", rows=slice(1, None)),
        ]
        assert found[0] == fingerprint("again")
        assert len(set(found)) == 4

    def test_without_the_archive_it_says_how_to_get_it(self, tmp_path, no_data_dir):
        with pytest.raises(DataError, match=r"(?s)no directory is named.*kaggle.*DAGEN_DATA_DIR"):
            datasets.load("histopathology")
        with pytest.raises(DataError, match=r"(?s)No PNG file.*kaggle"):
            datasets.load("histopathology", data_dir=tmp_path)
        with pytest.raises(ValueError, match="has no option 'image_size'"):
            datasets.load("histopathology", data_dir=tmp_path, image_size=50)

    def test_too_few_patients_are_refused(self, tmp_path):
        images, labels, _ = _some(6)
        _write(tmp_path / "one", images, labels, ["9"] * 6)
        with pytest.raises(DataError, match="at least 2 patients are needed .* got 1"):
            datasets.load("histopathology", data_dir=tmp_path / "one")
        _write(tmp_path / "two", images, [0, 0, 0, 1, 1, 1], list("aaabbb"))
        with pytest.raises(DataError, match="no patch of the class '(nega|posi)tive' in the train"):
            datasets.load("histopathology", data_dir=tmp_path / "two")


class TestPhotoPatches:
    @pytest.fixture(scope="class")
    def data(self):
        return datasets.load("patches")

    def test_are_in_memory_and_imbalanced_as_the_archive(self, data):
        assert type(data.x_train) is type(data.x_test) is np.ndarray
        assert data.x_train.shape == (504, 50, 50, 3) and data.x_train.dtype == np.float32
        assert data.x_test.shape == (168, 50, 50, 3)
        for y in (data.y_train, data.y_test):
            assert abs(y.mean() - 78_786 / 277_524) < 0.01
        assert datasets.n_classes("patches") == data.n_classes == 2
        assert data.subjects["patient"].nunique() == 8
        assert data.fingerprint == datasets.load("patches").fingerprint

    def test_are_not_called_histopathology(self, data):
        assert datasets.title("patches") == "bundled photo patches"
        assert data.description.startswith("bundled photo patches")
        assert "histopathology" not in data.description
        assert data.class_names == ("temple", "flower")

    def test_train_and_test_share_no_pixel(self, data):
        images, labels, strips, positions = patches.cut()
        photos = [sklearn.datasets.load_sample_image(f) for f in ("china.jpg", "flower.jpg")]
        drawn = {}
        for image, label, strip, (x, y) in zip(images, labels, strips, positions, strict=True):
            np.testing.assert_array_equal(image, photos[label][y : y + 50, x : x + 50])
            drawn[image.tobytes()] = label, strip, set(range(x, x + 50))
        assert len(drawn) == len(images)
        columns = {}
        for part, x in (("train", data.x_train), ("test", data.x_test)):
            for image in x:
                label, _, covered = drawn[np.rint(image * 255).astype(np.uint8).tobytes()]
                columns.setdefault((part, label), set()).update(covered)
        for label in (0, 1):
            assert columns["train", label] and columns["test", label]
            assert not columns["train", label] & columns["test", label]
