"""From a folder of images to a folder of new ones, by the command line."""

import functools
import json
import os
import re
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from dagen_keras import cli, models
from dagen_keras.augment import produce as module
from dagen_keras.augment.copies import nearest
from dagen_keras.augment.methods import METHODS, Method
from dagen_keras.augment.produce import produce
from dagen_keras.checks import RunError

NUMBERS = {"dark ones": 20, "light": 30}


@pytest.fixture(autouse=True)
def small_models(monkeypatch):
    """The same methods with models that train in a moment."""
    gan = functools.partial(models.ACGAN, latent_dim=4, filters=2)
    small = {
        "vae": Method("a VAE of each class", 10, models.dense_vae, updates=3),
        "rhvae": Method("an RHVAE of each class", 10, models.chadebec_rhvae, "hmc", updates=2),
        "acgan": Method("an AC-GAN", 10, gan, conditional=True, updates=2),
        "mh-gan": Method("an AC-GAN", 20, gan, "metropolis_hastings", conditional=True, updates=2),
    }
    for name, method in small.items():
        monkeypatch.setitem(METHODS, name, method)


@pytest.fixture
def source(tmp_path, rng):
    """Two classes of images of 8x6, and in one of them two of the same pixels."""
    for label, (name, n) in enumerate(NUMBERS.items()):
        (tmp_path / "own" / name).mkdir(parents=True)
        for number in range(n):
            pixels = (120 * label + rng.integers(0, 130, (8, 6))).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "own" / name / f"{number:02d}.png")
    return tmp_path / "own"


def _augment(*arguments):
    return cli.main(["augment", *map(str, arguments)])


def _images(folder):
    return {
        path.relative_to(folder).as_posix(): np.asarray(Image.open(path))
        for path in sorted(folder.glob("*/*.png"))
    }


def _same(one, other):
    assert one.keys() == other.keys()
    for name, image in one.items():
        np.testing.assert_array_equal(image, other[name])


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(
            name,
            marks=[pytest.mark.slow] if method.sampler != "prior" or method.conditional else [],
        )
        for name, method in METHODS.items()
    ],
)
def test_a_folder_of_each_class_with_what_is_known_of_each_image(method, source, tmp_path, capsys):
    out = tmp_path / "out"
    assert _augment(source, out, "--method", method, "--per-class", 5) == 0
    images, manifest = _images(out), json.loads((out / "manifest.json").read_text())
    assert [name.split("/")[0] for name in images] == ["dark ones"] * 5 + ["light"] * 5
    assert all(image.shape == (8, 6) and image.dtype == np.uint8 for image in images.values())
    assert [image["file"] for image in manifest["images"]] == list(images)
    assert manifest["method"] == method and manifest["seed"] == 0 and manifest["versions"]
    real = _images(source)
    stacked = np.stack([*real.values()]) / 255
    for one in manifest["images"]:
        distances = np.linalg.norm((stacked - images[one["file"]] / 255).reshape(50, -1), axis=1)
        assert one["distance"] == pytest.approx(distances.min(), abs=1e-4)
        assert one["nearest"] == [*real][int(distances.argmin())]
    assert {name: c["real"] for name, c in manifest["classes"].items()} == NUMBERS
    assert all(c["new"] == 5 for c in manifest["classes"].values())
    copies = sum(one["copy"] for one in manifest["images"])
    assert (copies == 10) == (method == "duplicates")
    assert f"10 images are in '{out}', {copies} of them copies" in capsys.readouterr().out
    assert (out / "models.zip").exists() == METHODS[method].generative
    with Image.open(out / "contact_sheet.png") as sheet:
        assert sheet.width > 2 * 5 * 6
    assert {path.name for path in tmp_path.iterdir()} == {"own", "out"}
    again = tmp_path / "again"
    produce(source, again, method, per_class=5, progress=False)
    _same(_images(again), images)
    produce(source, tmp_path / "other", method, per_class=5, seed=1, progress=False)
    other = _images(tmp_path / "other")
    assert any(np.any(images[name] != other[name]) for name in images)


def test_balance_makes_what_a_class_lacks(source, tmp_path):
    manifest = produce(source, tmp_path / "out", "vae", balance=True, progress=False)
    assert {name: c["new"] for name, c in manifest["classes"].items()} == {"dark ones": 10}
    assert len(_images(tmp_path / "out")) == 10
    with pytest.raises(RunError, match="nothing to balance"):
        shutil.rmtree(source / "light")
        produce(source, tmp_path / "more", "vae", balance=True, progress=False)


def test_saved_models_are_used_without_training(source, tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    produce(source, first, "vae", per_class=5, progress=False)
    monkeypatch.setattr(keras.Model, "fit", None)
    assert _augment(source, second, "--saved", first, "--per-class", 5) == 0
    _same(_images(second), _images(first))
    produce(source, tmp_path / "third", saved=second, per_class=5, progress=False)
    _same(_images(tmp_path / "third"), _images(first))


def test_saved_models_need_not_know_a_class_that_lacks_nothing(source, tmp_path):
    produce(source, tmp_path / "first", "vae", balance=True, progress=False)  # Of one class alone.
    produce(source, tmp_path / "out", saved=tmp_path / "first", balance=True, progress=False)
    _same(_images(tmp_path / "out"), _images(tmp_path / "first"))


def test_here_is_a_folder_too(source, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    produce(source, ".", "duplicates", per_class=1, progress=False)
    assert len(_images(tmp_path / "out")) == 2


def test_saved_models_of_other_images_are_refused(source, tmp_path, capsys):
    produce(source, tmp_path / "first", "vae", per_class=2, progress=False)
    command = [source, tmp_path / "out", "--saved", tmp_path / "first", "--per-class", 2]
    wrong = {
        ("--size", "8x8"): r"saved models are of images (8, 6, 1); these are (8, 8, 1)",
        ("--method", "acgan"): "the saved models are of --method vae, not acgan",
    }
    for options, message in wrong.items():
        assert _augment(*command, *options) == 2
        assert message in capsys.readouterr().err
    (source / "light").rename(source / "bright")
    assert _augment(*command) == 2
    assert "know no class 'bright'; they know dark ones, light" in capsys.readouterr().err
    (tmp_path / "first" / "models.zip").write_bytes(b"PK")
    manifest = json.loads((tmp_path / "first" / "manifest.json").read_text())
    manifest["versions"]["keras"] = "2.0"
    (tmp_path / "first" / "manifest.json").write_text(json.dumps(manifest))
    assert _augment(*command) == 2
    assert re.search("cannot be read: .* It was made with .*'2.0'", capsys.readouterr().err)
    (tmp_path / "first" / "models.zip").unlink()
    assert _augment(*command) == 2
    assert "has no models.zip" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


class Ended(BaseException):
    pass


slow = functools.partial(pytest.param, marks=pytest.mark.slow)


@pytest.mark.parametrize("when", ["second training", slow("drawing"), slow("writing")])
def test_a_run_that_was_ended_goes_on_and_nothing_is_half_written(
    when, source, tmp_path, monkeypatch, capsys
):
    produce(source, tmp_path / "whole", "vae", per_class=5, progress=False)
    fits, fit = [], models.VAE.fit

    def fit_once(self, *args, **kwargs):
        fits.append(1)
        if when == "second training" and len(fits) == 2:
            raise Ended
        return fit(self, *args, **kwargs)

    def end(*args):
        raise Ended

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(models.VAE, "fit", fit_once)
        if when != "second training":
            patch.setattr(module, {"drawing": "_draw", "writing": "contact_sheet"}[when], end)
        with pytest.raises(Ended):
            produce(source, out, "vae", per_class=5, progress=False)
    assert not out.exists()
    other = {"per_class": 6, "progress": False}
    with pytest.raises(RunError, match="is of a run with other settings that did not end: --force"):
        produce(source, out, "vae", **other)
    trained = len(fits) - (when == "second training")
    monkeypatch.setattr(models.VAE, "fit", fit_once)
    fits[:] = [1, 1]  # So that none is ended.
    produce(source, out, "vae", per_class=5, progress=False)
    assert len(fits) - 2 == 2 - trained
    assert capsys.readouterr().out.count("trained before") == trained
    _same(_images(out), _images(tmp_path / "whole"))
    assert not list(tmp_path.glob(".*"))


def test_what_is_there_is_replaced_by_force_alone_and_what_is_not_ours_stays(source, tmp_path):
    out, options = tmp_path / "out", {"per_class": 2, "progress": False}
    produce(source, out, "duplicates", **options)
    with pytest.raises(RunError, match="out' is there already: choose another name, or --force"):
        produce(source, out, "duplicates", **options)
    before = _images(out)
    produce(source, out, "transforms", force=True, **options)
    assert _images(out).keys() != before.keys()
    assert {path.name for path in tmp_path.iterdir()} == {"own", "out"}
    shutil.rmtree(out)
    out.mkdir()
    produce(source, out, "duplicates", **options)  # An empty folder is nothing.
    shutil.rmtree(out)
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    produce(source, out, "duplicates", force=True, **options)
    assert (tmp_path / "out.1.old" / "mine.txt").read_text() == "mine"


def test_what_cannot_be_is_said_before_anything_is_made(source, tmp_path, capsys):
    out = tmp_path / "out"
    (tmp_path / "file").write_text("")
    (source / "single").mkdir()
    shutil.copy(source / "light" / "00.png", source / "single")
    options = ("--method", "vae", "--per-class", 2)
    wrong = {
        (source, source / "out", *options): "must not lie in one another",
        (source, tmp_path, *options): "must not lie in one another",
        (source, tmp_path / "file", *options): "is no folder: choose another name",
        (source, tmp_path / "no" / "out", *options): "there is no folder",
        (tmp_path / "none", out, *options): "there is no '",
        (source, out, "--per-class", 2): "unknown method None; known are vae, rhvae",
        (source, out, *options, "--size", 200): "of 200x200 pixels; the models here are for sides",
    }
    for arguments, message in wrong.items():
        assert _augment(*arguments) == 2, arguments
        assert message in capsys.readouterr().err
    for arguments in (
        (source, out, "--method", "vae"),
        (source, out, *options, "--balance"),
        (source, out, *options, "--size", "8x"),
        (source, out, *options, "--seed", -1),
        (source, out, "--method", "magic", "--per-class", 1),
        (source, out, "--method", "vae", "--per-class", 0),
    ):
        with pytest.raises(SystemExit):
            _augment(*arguments)
    assert {path.name for path in tmp_path.iterdir()} == {"own", "file"}


def test_a_class_of_too_few_different_images_is_left_out_by_name(source, tmp_path, capsys):
    for name, copies in (("single", 1), ("alike", 12)):
        (source / name).mkdir()
        for number in range(copies):
            shutil.copy(source / "light" / "00.png", source / name / f"{number}.png")
    assert _augment(source, tmp_path / "out", "--method", "vae", "--per-class", 2) == 0
    said = capsys.readouterr().out
    for name in ("single", "alike"):
        assert f"left out: class '{name}', which has 1 different images; a VAE of each" in said
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == set(NUMBERS)
    assert _augment(source, tmp_path / "more", "--method", "duplicates", "--per-class", 2) == 0
    assert "note: 1 images are in several classes: alike, light, single." in capsys.readouterr().out
    for name in NUMBERS:
        shutil.rmtree(source / name)
    assert _augment(source, tmp_path / "none", "--method", "vae", "--per-class", 2) == 2
    assert "no class has the 10 different images that it needs" in capsys.readouterr().err


def test_one_class_is_enough_but_for_a_model_of_several(source, tmp_path, capsys):
    shutil.rmtree(source / "light")
    assert _augment(source, tmp_path / "out", "--method", "vae", "--per-class", 2) == 0
    assert _augment(source, tmp_path / "gan", "--method", "acgan", "--per-class", 2) == 2
    assert "an AC-GAN needs two classes; for one take --method vae" in capsys.readouterr().err


def test_copies_are_nearer_than_real_images_are_apart(rng):
    training = rng.integers(0, 256, (40, 5, 5, 1)).astype("uint8")
    near = np.clip(training[:4].astype(int) + 2, 0, 255).astype("uint8")
    new = np.concatenate([training[7:9], near, rng.integers(0, 256, (6, 5, 5, 1), "uint8")])
    found = nearest(new, training, np.arange(40) < 20)
    assert found.row[:6].tolist() == [7, 8, 0, 1, 2, 3]
    assert found.copies.tolist() == [True] * 6 + [False] * 6
    flat = training.reshape(40, -1) / 255
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=-1) + 99 * np.eye(40)
    assert found.typical == pytest.approx(np.median(apart[:20].min(axis=1)), rel=1e-5)
    np.testing.assert_allclose(found.relative, found.distance / found.typical)
    alike = nearest(new, np.repeat(training[:1], 5, axis=0), np.ones(5, bool))
    assert alike.typical == 0 and not alike.copies.any() and np.isnan(alike.relative).all()


def test_a_full_disk_names_the_file_and_leaves_nothing_half_made(source, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="cannot be written: No space left on device"):
        produce(source, tmp_path / "out", "duplicates", per_class=2, progress=False)
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    produce(source, tmp_path / "out", "transforms", per_class=2, progress=False)
