"""What is wrong is refused where it is given, in words, and not by what lies deeper."""

import numpy as np
import pytest

from dagen_keras import backend, checks, datasets, evaluate, models
from dagen_keras.augment import Augmenter, ClassicTransforms
from dagen_keras.datasets.base import DataError, make_dataset
from dagen_keras.sampling import Uniform
from dagen_keras.sampling.manifold import RiemannianMetric

X, Y = np.random.default_rng(0).random((12, 8, 8, 1), dtype="float32"), np.arange(12) % 3
BITS = (X > 0.5).astype("uint8")


def _dataset(x):
    return make_dataset("mine", (x, Y), (x, Y), (), "mine")


def _metric():
    factors = np.tile(np.eye(2, dtype="float32"), (3, 1, 1))
    return RiemannianMetric(np.zeros((3, 2), "float32"), factors, 1.0, 0.1)


@pytest.mark.parametrize(
    ("enter", "said"),
    [
        (lambda: _dataset(BITS), "bytes must be from 0 to 255; got at most 1. Multiply by 255"),
        (lambda: _dataset(np.zeros((12, 1, 28, 28))), "channels last.*np.moveaxis"),
        (lambda: datasets.Pixels(X), "must be an array of uint8.*got float32"),
        (lambda: datasets.Pixels(BITS[..., 0]), r"must be an array of uint8.*\(12, 8, 8\)"),
        (lambda: datasets.Pixels([1]), "must be an array of uint8"),
        (lambda: datasets.title("nope"), "unknown dataset 'nope'; known are"),
        (lambda: datasets.n_classes("nope"), "unknown dataset 'nope'; known are"),
        (
            lambda: datasets.unbalanced_subset(Y, 9, 0, minimum=-1),
            "minimum must be an integer of 0",
        ),
        (lambda: datasets.unbalanced_subset(Y, 9.0, 0), "n must be an integer of 1"),
        (lambda: datasets.balanced_subset(Y, "3", 0), "n must be an integer of 1"),
        (lambda: datasets.balanced_subset(Y[:0], 3, 0), "labels must not be empty"),
        (lambda: datasets.stratified_validation(Y[:0], 0.5, 0), "labels must not be empty"),
        (lambda: ClassicTransforms(flip="x"), "flip must be True, False or one of horizontal"),
        (lambda: ClassicTransforms(flip=1), "flip must be True, False"),
        (lambda: ClassicTransforms(rotation=np.nan), "rotation must be a number"),
        (lambda: ClassicTransforms(zoom=np.inf), "zoom must be a finite number"),
        (lambda: ClassicTransforms(shear="a"), "shear must be a number"),
        (lambda: ClassicTransforms(noise=0.1)(255 * X, seed=0), r"must be in \[0, 1\]"),
        (lambda: ClassicTransforms(crop=0.1)(X, seed=1.5), "seed must be an integer of 0 or more"),
        (lambda: ClassicTransforms(zca=True).fit(X * np.nan), "must be finite"),
        (lambda: backend.any_seed("a"), "seed must be an integer"),
        (lambda: backend.subseed(-1, "x"), "seed must be an integer of 0 or more"),
        (lambda: Uniform(2, -2), "low must be below high; got 2 and -2"),
        (lambda: Uniform(float("nan"), 1), "low must be a number"),
        (lambda: Uniform("a", 1), "low must be a number"),
        (lambda: _metric().log_volume(np.ones((2, 3), "float32")), r"shape \(n, 2\); got \(2, 3\)"),
        (lambda: _metric().tensor(np.ones(2, "float32")), r"shape \(n, 2\); got \(2,\)"),
        (lambda: checks.images(1.000001 * np.ones((1, 1, 1, 1))), r"got 1.000001 to 1.000001\.$"),
        (lambda: checks.images(16 * X), "Divide by 255"),
        (
            lambda: Augmenter(models.dense_vae, image_shape=(4, 16, 1)).fit(X, Y),
            r"image_shape is \(4, 16, 1\), but x is of \(8, 8, 1\)",
        ),
        (
            lambda: Augmenter(models.dense_vae(2, (8, 8, 1), (8,))).fit(X, Y),
            "model must be a function that returns a new model",
        ),
    ],
)
def test_what_is_wrong_is_told_at_the_door(enter, said):
    with pytest.raises((ValueError, DataError), match=said):
        enter()


def test_of_equal_scores_the_first_classes_count_as_in_named_classes():
    scores = np.zeros((3, 3))
    assert evaluate.named_classes(scores).tolist() == [0, 0, 0]
    for label, share in ((0, 1.0), (1, 0.0), (2, 0.0)):
        assert evaluate.top_k_accuracy([label] * 3, scores, 1) == share
    assert evaluate.top_k_accuracy([0, 1, 2], scores, 2) == pytest.approx(2 / 3)


def test_medmnist_s_validation_images_are_optional(tmp_path):
    arrays = {f"{part}_{what}" for part in ("train", "test") for what in ("images", "labels")}
    parts = {name: 255 * BITS if "images" in name else Y[:, None] for name in arrays}
    np.savez(tmp_path / "mine.npz", **parts)
    assert len(datasets.load("mine", data_dir=tmp_path).x_train) == 12
    np.savez(tmp_path / "more.npz", **parts, val_images=255 * BITS[:5], val_labels=Y[:5, None])
    assert len(datasets.load("more", data_dir=tmp_path).x_train) == 17
    np.savez(tmp_path / "less.npz", **parts, val_images=255 * BITS[:5])
    with pytest.raises(DataError, match="no array 'val_labels'"):
        datasets.load("less", data_dir=tmp_path)
