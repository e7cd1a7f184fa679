"""What reaches `compile`, `fit` and the data, without training; verdicts on the paper's numbers."""

import itertools

import keras
import numpy as np
import pandas as pd
import pytest
from study import untrained
from study.untrained import POOL, TOY, check_adam, labels_of, moments, place, toy_bench
from study.verdicts import check_reproduced, decide, missed

from dagen_keras import models, papers
from dagen_keras.checks import RunError
from dagen_keras.papers.garay_maestre import cells, protocol
from dagen_keras.papers.garay_maestre.networks import ReleasedVAE

CLASSES, SIZE, RESERVE, UPDATES, EPOCHS = 10, 50, 100, 14, 6
STUDY = papers.get("garay_maestre")
CHANGES = {"train_sizes": (SIZE, 1100), "released_shown_seeds": 1, "pilot_seeds": 1}
CHANGES |= {"methods": protocol.METHODS, "levels": (6,), "released_seeds": 1}
CHANGES |= {"other_images": True, "vae.synthetic_per_epoch": 100}
CHANGES |= {"vae.epochs_share": 1.0, "images.reserve": RESERVE, "images.test_per_class": 4}
CHANGES |= {"classifier.updates": UPDATES, "released.epochs": EPOCHS, "released.patience": 2}
CHANGES |= {"released.test_per_class": 3, "pilot.size": SIZE, "pilot.first": 2}
SETTINGS = STUDY.settings("quick", CHANGES | {"pilot.doublings": 2})
find = untrained.finder(STUDY.cells(SETTINGS, untrained.EMPTY))
SYNTHETIC = place(POOL)
SCORES = {  # By epoch. Each rule of stopping and of choosing gives another epoch.
    "loss": [1.0, 0.9, 1.1, 1.2, 0.5, 0.4],
    "accuracy": [0.2, 0.3, 0.5, 0.4, 0.45, 0.1],
    "f1": [0.9, 0.4, 0.1, 0.3, 0.8, 0.2],
}


def real(fit):
    """Which images of a fit are none of the pool's."""
    return place(fit.images) > 0.55


@pytest.fixture
def bench(monkeypatch):
    return toy_bench(monkeypatch, cells, TOY, RESERVE)


def run(bench, kind, method, **factors):
    """(values, the classifier's fit) of a cell."""
    one = find(kind, method=method, train_size=SIZE, **factors)
    return STUDY.run(one, bench), bench.calls[-1]


def training_places(size=SIZE, images="same"):
    return set(place(cells.training_images(TOY, size, 0, RESERVE, images)[0]))


@pytest.mark.parametrize("method", protocol.METHODS)
def test_ours_takes_equal_updates_of_32_images_by_adam_and_never_stops(bench, method):
    """An epoch is all real images and the next 100 of the pool."""
    values, fit = run(bench, "classify", method)
    check_adam(fit.model, 1e-3, 0.9)
    assert len(bench.calls) == 1 + CLASSES * ("VAE" in method)
    assert fit.sizes == [32] * UPDATES
    assert fit.model.loss == "sparse_categorical_crossentropy"
    watching = {models.StopOnNonFiniteLoss, cells.ScoreEveryEpoch}
    assert {type(callback) for callback in fit.callbacks} == watching
    assert fit.arguments.get("validation_data") is None
    synthetic = 100 * ("VAE" in method)
    an_epoch, labels = SIZE + synthetic, labels_of(TOY)
    assert values["seen"] == pytest.approx(UPDATES * 32 / an_epoch) and values["seen"] > 2
    for epoch in range(int(values["seen"])):
        rows = slice(epoch * an_epoch, (epoch + 1) * an_epoch)
        found, given, true = place(fit.images)[rows], fit.labels[rows], real(fit)[rows]
        assert true.sum() == SIZE
        if "AUG" not in method:
            assert set(found[true]) == training_places()
            assert [labels[one] for one in found[true]] == list(given[true])
            order = np.argsort(found[~true])
            pool = SYNTHETIC[epoch * synthetic : (epoch + 1) * synthetic]
            np.testing.assert_allclose(found[~true][order], pool, atol=1e-5)
            assert (given[~true][order] == np.arange(synthetic) % CLASSES).all()


def test_no_reserved_image_trains_and_other_images_share_none_with_same(bench):
    same, other = (training_places(550, images) for images in ("same", "other"))
    assert len(same | other | bench.kept) == 550 + 550 + RESERVE
    _, labels = cells.training_images(TOY, 550, 0, RESERVE, "other")
    assert set(np.bincount(labels)) == {55}


def test_so_many_test_images_of_each_class_are_scored_half_way_and_at_last(bench, monkeypatch):
    values, fit = run(bench, "classify", "CNN")
    assert (values["f1"], values["accuracy"]) == (1.0, 1.0)
    assert len(bench.scored) == 2 and set(bench.scored[0]) <= set(place(TOY.x_test))
    labels = labels_of(TOY)
    assert list(np.bincount([labels[one] for one in bench.scored[0]])) == [4] * CLASSES
    assert (fit.arguments["steps_per_epoch"], fit.arguments["epochs"]) == (UPDATES // 2, 2)
    rows = iter([{"f1": 1, "accuracy": 0.5}, {"f1": 2, "accuracy": 0.5}])
    monkeypatch.setattr(cells, "_scores", lambda *arguments: next(rows))
    values, _ = run(bench, "classify", "CNN")
    assert (values["half"], values["f1"]) == (1, 2)
    with pytest.raises(RunError, match="'classifier.updates' must be a multiple of 2; got 7"):
        SETTINGS.replace({"classifier.updates": 7})


@pytest.mark.parametrize("kind", ["classify", "released"])
def test_adjusted_augmentation_turns_by_20_degrees_and_shifts_by_a_fifth(bench, kind):
    _, fit = run(bench, kind, "AUG")
    images = fit.images[real(fit)]
    dx, dy, angle = moments(images)
    assert 16 < np.abs(angle).max() < 21
    assert 4.5 < np.abs(dx).max() < 6 and 4.5 < np.abs(dy).max() < 6
    area = images.sum((1, 2, 3)) / place(images)
    assert np.abs(area / area.mean() - 1).max() < 0.1  # No zoom, no shear.
    assert len(np.unique(np.round(dx, 3))) > 0.8 * len(dx)  # Each image anew, each epoch.


def test_all_transformations_do_not_whiten(bench):
    _, fit = run(bench, "classify", "AUG", level=6)
    assert fit.images.min() >= 0 and fit.images.max() < 0.92
    assert np.isin(place(fit.images), place(TOY.x_train)).mean() > 0.02
    assert np.abs(moments(fit.images[fit.images.sum((1, 2, 3)) > 1])[0]).max() > 8


@pytest.mark.parametrize(
    ("method", "an_epoch", "stopped", "kept"),
    [
        ("CNN", [32, 18], 4, 2),
        ("VAE", [32] * 4 + [22], EPOCHS, 3),
        ("AUG", [32, 18] * 25, 4, 2),
        ("AUG+VAE", [32, 18] * 25, EPOCHS, 3),
    ],
)
def test_the_released_training_is_as_released(bench, monkeypatch, method, an_epoch, stopped, kept):
    rows = iter(pd.DataFrame(SCORES).to_dict("records"))
    monkeypatch.setattr(cells, "_scores", lambda model, x, y: next(rows))
    values, fit = run(bench, "released", method)
    check_adam(fit.model, 1e-3, 0.9)
    assert fit.epochs == values["epochs"] == stopped
    assert fit.sizes == an_epoch * stopped
    assert values["best_epoch"] == kept
    assert values["f1"] == SCORES["f1"][kept - 1]
    assert values["last"] == SCORES["f1"][stopped - 1]
    if method == "VAE":
        found = place(fit.images).reshape(stopped, 150)
        pool = SYNTHETIC[: stopped * 100].reshape(stopped, 100)
        np.testing.assert_allclose(np.sort(found)[:, :100], pool, atol=1e-5)
    else:
        assert real(fit).all() and len(bench.calls) == 1


def test_the_released_code_shows_test_images_alone_to_its_stopping(bench):
    run(bench, "released", "CNN")
    assert set(np.concatenate(bench.scored)) <= set(place(TOY.x_test))
    assert {len(scored) for scored in bench.scored} == {3 * CLASSES}


def test_the_pilot_is_scored_on_reserved_images_after_doubling_updates(bench):
    values, fit = run(bench, "pilot", "AUG+VAE")
    assert values["updates"] == [2, 4, 8] and fit.sizes == [32] * 8
    assert [set(scored) for scored in bench.scored] == 3 * [bench.kept]


@pytest.mark.parametrize("images", ["same", "other"])
@pytest.mark.parametrize(
    ("kind", "model", "sampler"),
    [("classify", models.VAE, "prior"), ("released", ReleasedVAE, "uniform")],
)
def test_a_vae_of_each_class_is_trained_as_said(bench, kind, images, model, sampler):
    _, classifier = run(bench, kind, "VAE", vae_images=images)
    vaes = bench.calls[:-1]
    assert set(bench.sampled) == {sampler}
    assert [fit.kind for fit in vaes] == [model] * CLASSES
    assert {fit.optimizer for fit in vaes} == {keras.optimizers.RMSprop}
    assert {fit.passes for fit in vaes} == {200}
    seen = set(place(classifier.images)) & set(place(TOY.x_train))
    theirs = set(place(np.concatenate([fit.images for fit in vaes])))
    assert len(theirs) == SIZE and theirs == training_places(images=images)
    assert (theirs == seen) if images == "same" else not theirs & seen


def test_vaes_take_batches_of_100_for_the_released_epochs(bench):
    cells.class_wise_vaes(find("classify", method="VAE", train_size=1100), bench)
    assert [(fit.passes, fit.sizes) for fit in bench.calls] == [(350, [100, 10, 100])] * CLASSES
    epochs = {images: cells.vae_epochs(images, 1.0) for images in (5, 10, 25, 50, 100, 500)}
    assert epochs == {5: 200, 10: 200, 25: 250, 50: 300, 100: 350, 500: 350}


def of_the_paper():
    """Eight seeds of the paper's table, their differences within a tenth of the claimed ones."""
    table = papers.reported("garay_maestre_table2_f1_percent")
    rng, rows = np.random.default_rng(0), []
    for (_, row), method in itertools.product(table.iterrows(), protocol.METHODS):
        has_vae = "VAE" in method
        if row["train_size"] > 100 or not (has_vae or row["latent_dim"] == 3):
            continue
        for seed, noise in enumerate(rng.uniform(-0.05, 0.05, 8) * 1.79):
            of_vae = {"vae_images": "same", "reconstructed": 0.97, "judge_accuracy": 0.99}
            factors = {**protocol.of_method(method, row["latent_dim"]), "seed": seed}
            factors |= {"train_size": row["train_size"], "f1": (row[method] + noise) / 100}
            rows.append({**factors, **(of_vae if has_vae else {})})
    return pd.DataFrame(rows).assign(kind="classify", dataset="mnist")


def test_the_rules_reproduce_the_papers_own_numbers_where_vaes_trained():
    found = decide(STUDY, of_the_paper())
    check_reproduced(found, "1", "2", "3", "6a", "6b")
    assert (found["4"].verdict, found["4"].reason) == ("not decided", "shown only")
    assert found["4"].estimate > 0 and found["4"].n == 8
    assert found["5"].verdict == "not decided"
    lost = missed(STUDY, of_the_paper(), "reconstructed", "VAE", "AUG+VAE")
    assert lost >= {"1", "2", "3", "6a", "6b"}
