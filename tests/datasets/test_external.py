import importlib.util
import os
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from dagen_keras import datasets

needs_tfds = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_datasets") is None, reason="tensorflow-datasets is absent"
)
REAL = os.environ.get("DAGEN_DATA_DIR")


def _write_npz(path, rng, shape=(28, 28), **replaced):
    arrays = {
        "x_train": rng.integers(0, 256, (30, *shape), np.uint8),
        "y_train": np.arange(30) % 10,
        "x_test": rng.integers(0, 256, (20, *shape), np.uint8),
        "y_test": np.arange(20) % 10,
    }
    arrays.update(replaced)
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize(
    ("name", "shape"), [("mnist", (28, 28)), ("fashion_mnist", (28, 28)), ("cifar10", (32, 32, 3))]
)
def test_npz_in_the_layout_of_keras_datasets(tmp_path, rng, name, shape):
    _write_npz(tmp_path / f"{name}.npz", rng, shape, y_train=np.arange(30)[:, None] % 10)
    data = datasets.load(name, data_dir=tmp_path)
    assert data.x_train.shape == ((30, 28, 28, 1) if len(shape) == 2 else (30, *shape))
    assert data.x_train.dtype == np.float32
    assert 0 <= data.x_train.min() < data.x_train.max() <= 1
    assert data.y_train.shape == (30,)
    assert data.n_classes == 10
    assert "30 training" in data.description


def test_letters_come_from_an_npz_alone(tmp_path, rng, no_data_dir):
    with pytest.raises(datasets.DataError, match="Put 'nist_letters.npz' with the arrays x_train"):
        datasets.load("nist_letters", data_dir=tmp_path)
    with pytest.raises(datasets.DataError, match="nist_letters.*--data-dir"):
        datasets.load("nist_letters")
    _write_npz(tmp_path / "nist_letters.npz", rng)
    data = datasets.load("nist_letters", data_dir=tmp_path)
    assert "".join(data.class_names) == "AEIOUaeiou"
    assert data.description.startswith("NIST letters, 30 training")


def _write_medmnist(path, rng, **replaced):
    """Images of as many rows as said, labels in a column, as MedMNIST has them."""
    sizes, arrays = {"train": 24, "val": 6, "test": 9}, {}
    for part, n in sizes.items():
        arrays[f"{part}_images"] = rng.integers(0, 256, (n, 28, 28, 3), np.uint8)
        arrays[f"{part}_labels"] = np.arange(n)[:, None].astype(np.uint8) % 3
    np.savez(path, **{k: v for k, v in (arrays | replaced).items() if v is not None})
    return arrays


@pytest.mark.parametrize("name", ["pathmnist", "mnist"])
def test_npz_in_the_layout_of_medmnist_of_any_name(tmp_path, rng, name):
    arrays = _write_medmnist(tmp_path / f"{name}.npz", rng)
    data = datasets.load(name, data_dir=tmp_path)
    assert data.x_train.shape == (30, 28, 28, 3) and data.x_test.shape == (9, 28, 28, 3)
    assert np.bincount(data.y_train).tolist() == [10, 10, 10]
    expected = np.concatenate([arrays["train_images"], arrays["val_images"]])
    pixels = np.rint(data.x_train * 255).astype(np.uint8)
    assert {one.tobytes() for one in pixels} == {one.tobytes() for one in expected}
    if name == "pathmnist":
        assert data.class_names == ("0", "1", "2")
        assert data.description == "pathmnist, 30 training and 9 test images"
    _write_medmnist(tmp_path / f"{name}.npz", rng, val_labels=None)
    with pytest.raises(datasets.DataError, match="has no array 'val_labels'; it has"):
        datasets.load(name, data_dir=tmp_path)


def test_volumes_of_medmnist_are_refused(tmp_path, rng):
    volumes = rng.integers(0, 256, (24, 8, 8, 8), np.uint8)
    _write_medmnist(tmp_path / "organmnist3d.npz", rng, train_images=volumes)
    with pytest.raises(datasets.DataError, match=r"holds volumes \(8, 8, 8\), and no images"):
        datasets.load("organmnist3d", data_dir=tmp_path)


def test_an_npz_with_objects_is_refused_and_nothing_in_it_is_executed(tmp_path, rng):
    class Hostile:
        def __reduce__(self):
            return (tmp_path / "executed").touch, ()

    objects = np.array([Hostile()] * 30, dtype=object)
    _write_npz(tmp_path / "mnist.npz", rng, x_train=objects)
    with pytest.raises(datasets.DataError, match="cannot be read .*allow_pickle=False"):
        datasets.load("mnist", data_dir=tmp_path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_keras_has_what_it_has_where_tfds_is_absent(rng, name, monkeypatch, no_data_dir):
    find = importlib.util.find_spec
    absent = lambda package: None if package == "tensorflow_datasets" else find(package)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", absent)
    train, test = ((rng.integers(0, 256, (n, 8, 8), np.uint8), np.arange(n) % 10) for n in (30, 20))
    monkeypatch.setattr(getattr(keras.datasets, name), "load_data", lambda: (train, test))
    data = datasets.load(name)
    assert len(data.x_train) == 30 and len(data.x_test) == 20
    with pytest.raises(datasets.DataError, match="tensorflow-datasets is absent"):
        datasets.load(name, download=False)

    def fail():
        raise OSError("no network")

    monkeypatch.setattr(getattr(keras.datasets, name), "load_data", fail)
    with pytest.raises(datasets.DataError, match=r"absent, and Keras failed \(no network\)"):
        datasets.load(name)


def test_data_dir_comes_from_the_environment(tmp_path, rng, monkeypatch):
    _write_npz(tmp_path / "mnist.npz", rng)
    monkeypatch.setenv("DAGEN_DATA_DIR", str(tmp_path))
    assert len(datasets.load("mnist").x_train) == 30


GREY, LABELS = np.zeros((30, 28, 28), "uint8"), np.arange(30) % 10
WRONG = {
    "no array": ({"y_test": None}, "has no array 'y_test'"),
    "no images": ({"x_train": None}, "has no array 'x_train'"),
    "out of range": ({"x_train": np.full((30, 28, 28), 300.0)}, "train images must be in"),
    "NaN": ({"x_test": np.full((20, 28, 28), np.nan)}, "test images must be finite"),
    "complex": ({"x_train": GREY * 1j}, "train images must be an array of real numbers; got dtype"),
    "times": ({"x_train": GREY.astype("m8[s]")}, "train images must be an array of real numbers"),
    "dates": ({"y_test": np.zeros(20, "M8[D]")}, "test labels must be integers; got dtype date"),
    "one image": ({"x_train": GREY[0]}, r"train images must have shape .* got shape \(28, 28\)"),
    "no image": ({"x_test": GREY[:0], "y_test": LABELS[:0]}, "test images must not be empty"),
    "zero size": ({"x_train": GREY[:, :0]}, "train images must not be empty"),
    "one number": ({"x_train": np.float32(1)}, "has a single value as 'x_train', and no array"),
    "one label": ({"y_train": np.int64(1)}, "has a single value as 'y_train', and no array"),
    "objects": ({"x_train": GREY.astype(object)}, "cannot be read .*allow_pickle=False"),
    "two shapes": (
        {"x_test": np.full((20, 32, 32, 3), 9, "uint8")},
        r"train images of shape \(28, 28, 1\), but test images of shape \(32, 32, 3\)",
    ),
    "few labels": ({"y_train": np.zeros(3, int)}, "train labels must be one an image"),
    "high label": ({"y_train": np.full(30, 12)}, "label 12 in the train part, but only 10 classes"),
    "huge label": (
        {"y_train": np.full(30, 2**63 + 5, "uint64")},
        "train labels must be integers of 64 bits; got 9223372036854775813",
    ),
    "low label": ({"y_test": np.full(20, -1)}, "test labels must be 0 or more; got -1"),
    "share": ({"y_train": np.full(30, 0.9)}, "train labels must be integers; got dtype float64"),
}


@pytest.mark.parametrize(("replaced", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_npz_is_refused_by_the_names_of_file_and_array(tmp_path, rng, replaced, message):
    path = tmp_path / "mnist.npz"
    _write_npz(path, rng, **replaced)
    with pytest.raises(datasets.DataError, match=message) as caught:
        datasets.load("mnist", data_dir=tmp_path)
    assert str(caught.value).count(str(path)) == 1


def test_images_that_bytes_cannot_tell_apart_are_refused(tmp_path, rng):
    _write_npz(tmp_path / "low.npz", rng, x_train=0.0019 * rng.random((30, 28, 28)))
    with pytest.raises(datasets.DataError, match="some train images differ by less than a 255th"):
        datasets.load("low", data_dir=tmp_path)


def test_a_gap_in_the_labels_is_no_class(tmp_path, rng):
    _write_npz(tmp_path / "own.npz", rng, y_train=1 + np.arange(30) % 2, y_test=np.ones(20, int))
    with pytest.raises(datasets.DataError, match=r"no training image has the label 0; .* a gap"):
        datasets.load("own", data_dir=tmp_path)


def test_a_file_called_like_what_is_bundled_is_not_passed_over(tmp_path, rng):
    _write_npz(tmp_path / "digits.npz", rng)
    with pytest.raises(datasets.DataError, match="digits.npz' is called like a dataset that is"):
        datasets.load("digits", data_dir=tmp_path)


def test_a_label_beyond_all_images_is_refused_where_no_class_has_a_name(tmp_path, rng):
    _write_npz(tmp_path / "own.npz", rng, y_train=np.full(30, 10**12))
    with pytest.raises(datasets.DataError, match="label 1000000000000 in the train part, but the"):
        datasets.load("own", data_dir=tmp_path)


def test_parts_of_medmnist_have_labels_of_their_own(tmp_path, rng):
    n = {"train_labels": 25, "val_labels": 5}
    wrong = {name: np.zeros((size, 1), "uint8") for name, size in n.items()}
    _write_medmnist(tmp_path / "pathmnist.npz", rng, **wrong)
    with pytest.raises(datasets.DataError, match="has 24 'train_images', but 25 'train_labels'"):
        datasets.load("pathmnist", data_dir=tmp_path)


def test_a_torn_npz_is_named(tmp_path, rng):
    path = tmp_path / "mnist.npz"
    _write_npz(path, rng)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(datasets.DataError, match=r"mnist\.npz' cannot be read"):
        datasets.load("mnist", data_dir=tmp_path)


def test_unknown_names_and_options_are_refused():
    with pytest.raises(ValueError, match=r"unknown dataset 'mnits'; known are digits, .*, and any"):
        datasets.load("mnits")
    with pytest.raises(ValueError, match="no option 'image_size'"):
        datasets.load("digits", image_size=3)
    with pytest.raises(ValueError, match="image_size must be an integer from 8 to 200; got 0"):
        datasets.load("photos", image_size=0)


def test_an_empty_directory_says_what_was_looked_for_where_and_how_to_supply_it(tmp_path):
    with pytest.raises(datasets.DataError) as caught:
        datasets.load("mnist", data_dir=tmp_path, download=False)
    message = str(caught.value)
    assert "'mnist.npz' or a prepared TFDS dataset 'mnist'" in message
    assert str(tmp_path) in message
    assert "x_train, y_train, x_test, y_test" in message
    assert "DAGEN_DATA_DIR" in message
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(datasets.DataError, match="does not exist"):
        datasets.load("mnist", data_dir=tmp_path / "nowhere")


@needs_tfds
@pytest.mark.parametrize(
    ("name", "shape", "n_classes"),
    [
        ("mnist", (28, 28, 1), 10),
        ("fashion_mnist", (28, 28, 1), 10),
        ("emnist", (28, 28, 1), 47),
        ("cifar10", (32, 32, 3), 10),
        ("cifar100", (32, 32, 3), 100),
    ],
)
def test_tfds_with_its_mock_data(name, shape, n_classes, no_data_dir):
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=12):
        data = datasets.load(name)
    assert data.x_train.shape == (12, *shape)
    assert data.n_classes == datasets.n_classes(name) == n_classes
    assert data.y_train.max() < n_classes


@needs_tfds
def test_emnist_images_are_turned_upright(no_data_dir):
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=3):
        examples = tfds.as_numpy(tfds.load("emnist/balanced", split="train"))
        stored = [example["image"] for example in examples]
        data = datasets.load("emnist")
    upright = {image.swapaxes(0, 1).tobytes() for image in stored}
    assert {np.rint(x * 255).astype(np.uint8).tobytes() for x in data.x_train} == upright


@needs_tfds
@pytest.mark.skipif(not (REAL and (Path(REAL) / "mnist").is_dir()), reason="needs the real MNIST")
class TestRealMNIST:
    @pytest.mark.slow
    def test_is_whole_and_an_npz_copy_is_the_same_dataset(self, tmp_path):
        data = datasets.load("mnist")
        assert data.x_train.shape == (60000, 28, 28, 1)
        assert len(data.x_test) == 10000
        assert np.bincount(data.y_test).min() >= 700
        shuffle = np.random.default_rng(1).permutation(60000)
        _write_npz(
            tmp_path / "mnist.npz",
            np.random.default_rng(0),
            x_train=np.rint(data.x_train[shuffle, ..., 0] * 255).astype(np.uint8),
            y_train=data.y_train[shuffle],
            x_test=np.rint(data.x_test[..., 0] * 255).astype(np.uint8),
            y_test=data.y_test,
        )
        assert datasets.load("mnist", data_dir=tmp_path).fingerprint == data.fingerprint

    @pytest.mark.parametrize("damage", ["missing", "torn", "no info"])
    def test_a_half_prepared_directory_is_named(self, tmp_path, damage):
        shutil.copytree(Path(REAL) / "mnist", tmp_path / "mnist", copy_function=shutil.copyfile)
        version = next((tmp_path / "mnist").iterdir())
        shard = next(version.glob("mnist-train*"))
        if damage == "missing":
            shard.unlink()
        elif damage == "torn":
            shard.write_bytes(shard.read_bytes()[:100_000])
        else:
            (version / "dataset_info.json").unlink()
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(datasets.DataError) as caught:
            datasets.load("mnist", data_dir=tmp_path)
        assert str(version) in str(caught.value)
        assert "half prepared" in str(caught.value) or "cannot be read" in str(caught.value)
        assert sorted(tmp_path.rglob("*")) == before
