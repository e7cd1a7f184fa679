"""What reaches `compile`, `fit` and the data, without training; verdicts on the paper's numbers."""

import types
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from study.untrained import EMPTY, check_adam, finder, ids, record_fits, spy
from study.verdicts import around, check_reproduced, decide, ids_where, missed, named

from dagen_keras import models, papers, sampling
from dagen_keras.checks import RunError
from dagen_keras.datasets import Dataset
from dagen_keras.evaluate import FeatureSpace, nearest_training_distance
from dagen_keras.papers.akula import cells, generators, protocol, report
from dagen_keras.papers.akula.protocol import GANS, VAES
from dagen_keras.sampling import discriminator, samplers
from dagen_keras.study import Bench
from dagen_keras.study.judge import Judge, reserved
from dagen_keras.study.packing import picture, unpack

STUDY = papers.get("akula")
TRAIN, HELD_OUT, TEST = 70, 50, 10  # Of a class.
CHANGES = {"dataset": "cifar10", "images.train": 2 * TRAIN, "images.test": 2 * TEST}
CHANGES |= {"gan.updates": 20, "gan.batch": 16, "gan.rate": 3e-4, "vae.rate": 2e-3}
CHANGES |= {"vae.batch": 16, "classifier.epochs": 4, "chain_lengths": (1, 5)}
GRID = STUDY.cells(protocol.PROFILES["smoke"].replace(CHANGES), EMPTY)
NAMES = ("dog", "ship", "cat", "frog")
ACCURACY, LOSS = (report.paper()[name].to_dict() for name in ("accuracy", "loss"))
find = finder(GRID)
NOISE = np.random.default_rng(0).random((320, 8, 8, 3), dtype="float32")
X, X_TEST = np.split(NOISE, [280])
Y, Y_TEST = np.repeat(range(4), [100, 40, 100, 40]), np.repeat(range(4), 10)
TOY = Dataset("cifar10", X, Y, X_TEST, Y_TEST, NAMES, "noise")
FREE, KEPT = (ids(X[rows]) for rows in reserved(280, 20))


@pytest.fixture
def bench(monkeypatch):
    bench = Bench()
    bench.once(("data", "cifar10"), lambda: TOY)
    space = FeatureSpace.of_classifier(models.conv_classifier(4, (8, 8, 3)))
    stub = Judge(generators.CLASSIFIER(2, (8, 8, 3)), 0.9, (X_TEST[:2], np.arange(2)))
    for module in (cells, generators):
        monkeypatch.setattr(module, "space", lambda cell, bench: space)
        monkeypatch.setattr(module, "judge_of_two", lambda cell, bench: stub)
    return bench


fits = pytest.fixture(record_fits)


def names_of(images):
    """The names of the classes of real images."""
    labels = zip(NOISE, [*Y, *Y_TEST], strict=True)
    known = {image.tobytes(): NAMES[label] for image, label in labels}
    return [known[image.tobytes()] for image in images]


def check_training(fit, updates, batch, *optimizer):
    """So many updates of such an Adam, and nothing that stops early."""
    check_adam(fit.model, *optimizer)
    assert (len(fit.sizes), max(fit.sizes)) == (updates, batch)
    assert fit.arguments.get("validation_data") is None and not fit.stopping


@pytest.mark.parametrize("together", [False, True])
def test_which_images_generators_classifiers_and_scores_see(bench, together):
    cell = find("samples", method="GAN")
    found, other = (generators.real_images(replace(cell, seed=s), bench, together) for s in (0, 1))
    parts = [np.concatenate(p) for p in (found.seen, found.held_out, found.reserve, found.test)]
    assert sum(map(len, parts)) == len(ids(*parts))
    assert ids(*found.train) == ids(*parts[:2]) <= FREE
    assert ids(parts[2]) <= KEPT and ids(parts[3]) <= ids(X_TEST)
    assert ids(*other.test) == ids(parts[3]) and ids(*other.train) != ids(*found.train)
    if together:
        smallest = min(np.bincount(Y[reserved(280, 20)[0]])) - 13  # Of four classes 13 make 50.
        for (own,), n in ((found.seen, smallest), (found.held_out, 13), (found.test, 5)):
            assert sorted(names_of(own)) == sorted(n * NAMES)
    for label, name in enumerate(() if together else ("cat", "dog")):
        of_name = [found.seen[label], found.held_out[label], found.test[label], found.train[label]]
        assert list(map(len, of_name)) == [TRAIN - HELD_OUT, HELD_OUT, TEST, TRAIN]
        assert set(names_of(np.concatenate(of_name))) == {name}
    with pytest.raises(RunError, match="training images of a class .* cannot be held out"):
        few = protocol.Images(train=100, held_out=200, test=20, reserve=20)
        generators.real_images(replace(cell, settings={"images": few}), bench, together)


@pytest.mark.parametrize("together", [False, True])
def test_what_reaches_a_gans_training_and_its_calibration(bench, fits, monkeypatch, together):
    made = spy(monkeypatch, generators, "CalibratedDiscriminator")
    calibrated = spy(monkeypatch, discriminator, "calibrate")
    real = generators.real_images(find("samples", method="GAN"), bench, together)
    found, said = generators.gans(find("samples", method="GAN"), bench, together)
    assert len(fits) == len(real.seen) == len(found) == len(said["gans"]) == len(calibrated)
    for label, (fit, (given, more)) in enumerate(zip(fits, made, strict=True)):
        check_training(fit, 20, 16, 3e-4, 0.5)
        assert (fit.kind, fit.model.latent_dim, fit.model.filters) == (models.CGAN, 4, 2)
        assert ids(fit.images) == ids(real.seen[label]) and not fit.labels.any()
        assert ids(given[1]) == ids(real.held_out[label]) and set(more) == {"seed"}
        assert calibrated[label][0][2] == "best"
    assert said["diversity"] == min(one["diversity"] for one in said["gans"])
    # A GAN stays what it is when the next is trained.
    x, y = real.test[0], np.zeros(len(real.test[0]), int)
    first, other, again = (found[i].gan.log_odds(x, y) for i in (0, -1, 0))
    assert np.array_equal(first, again) and (together or not np.allclose(first, other))


def test_chains_start_at_held_out_images_have_k_proposals_and_restart(bench, fits, monkeypatch):
    asked = spy(monkeypatch, samplers, "select_by_metropolis_hastings")
    cell = find("samples", method="MH-GAN")
    images, said = generators.drawn(cell, bench)
    found, real = generators.gans(cell, bench)[0], generators.real_images(cell, bench)
    for label, ((_, _, starts, n, k, _), _) in enumerate(asked):
        assert starts == pytest.approx(found[label].log_odds(real.held_out[label]), abs=1e-3)
        assert (n, k, len(images[label])) == (TRAIN + TEST, 3, TRAIN + TEST)
    proposals = 3 + 4 * said["restarted"]
    assert said["proposals_an_image"] == pytest.approx(proposals) and proposals > 3
    cells.COMPUTE["select"](find("select", method="MH-GAN", chain_length=5), bench)
    assert [given[4] for given, _ in asked[2:]] == [5, 5]
    assert [c.chain_length for c in GRID if c.kind == "select"] == [None, None, 1, 5]
    assert find("all", method="MH-GAN").chain_length == 3


@pytest.mark.parametrize(("method", "kind"), [("VAE", models.VAE), ("manifold VAE", models.RHVAE)])
def test_what_reaches_a_vaes_training_and_how_it_is_drawn_from(
    bench, fits, monkeypatch, method, kind
):
    drawn = []

    def points(sampler, model, n, seed):
        return drawn.append((repr(sampler), n)) or np.zeros((n, 3), "float32")

    for one in (sampling.Prior, sampling.RandomWalk):
        monkeypatch.setattr(one, "points", points)
    cell = find("samples", method=method)
    (images, said), real = generators.drawn(cell, bench), generators.real_images(cell, bench)
    for fit, seen in zip(fits, real.seen, strict=True):
        check_adam(fit.model, 2e-3, 0.9)
        assert (fit.kind, fit.passes, fit.sizes) == (kind, 2, [16, 4, 16])
        assert ids(fit.images) == ids(seen) and not fit.stopping
    name, n = "Prior()" if method == "VAE" else "RandomWalk()", TRAIN + TEST
    assert drawn == 2 * [(name, n)] == [(name, len(own)) for own in images]
    assert said["settled"] == pytest.approx(0.5) and said["judge_accuracy"] == 0.9


def test_images_are_scored_against_test_images_beside_those_seen(bench, monkeypatch):
    referred = spy(monkeypatch, FeatureSpace, "reference")
    real = generators.real_images(find("all", method="GAN"), bench)
    new = [np.clip(own[:, ::-1] + 0.01, 0, 1) for own in real.train]
    monkeypatch.setattr(cells, "drawn", lambda cell, bench: (new, {"settled": 1.0}))
    found = cells.COMPUTE["samples"](find("samples", method="VAE"), bench)
    pure = cells.COMPUTE["samples"](find("samples", method="pure"), bench)
    assert len(referred) == 1 and ids(referred[0][0][1]) == ids(*real.test)
    seen, scored = np.concatenate(real.seen), np.concatenate([own[:TEST] for own in new])
    for values, x in ((found, scored), (pure, np.concatenate(real.held_out))):
        assert values["nearest"] == pytest.approx(np.median(nearest_training_distance(x, seen)))
    score = generators.space(None, bench).inception_score
    of_each = [score(own[:TEST], progress=False)[0] for own in new]
    assert found["inception"] == pytest.approx(np.mean(of_each)) and found["settled"] == 1.0
    assert picture(found["png_1"]).ndim == 3 and "png_0" not in pure


def test_the_judge_has_all_images_but_the_reserve_mirrored_and_shifted(monkeypatch, fits):
    bench = Bench()
    bench.once(("data", "cifar10"), lambda: TOY)
    calls = spy(monkeypatch, generators.models, "fit_updates")
    judge = generators.judge_of_two(find("samples", method="VAE"), bench)
    (_, (x, y), batch, updates, *_), more = calls[0]
    at_hand = min(np.bincount(Y[reserved(280, 20)[0]])[[0, 2]])
    assert list(y) == at_hand * [0] + at_hand * [1] and len(ids(x)) == 2 * at_hand
    assert names_of(x) == at_hand * ["cat"] + at_hand * ["dog"]
    assert not ids(judge.kept[0]) & FREE and (batch, updates) == (100, 5)
    assert not ids(fits[0].images) & ids(x) and "transform" in more


def test_a_look_on_real_and_on_mixed_images_by_hand():
    y, first = np.array([0, 1, 1, 1]), np.array([[1, 1, 9, 9], [9, 1, 1, 1]], "float32") / 10
    real, synthetic = ((np.tile(v[:, None, None, None], (8, 8, 3)), y) for v in first)
    # Logits that differ by 2 either way: a right name costs log(1 + e^-2), a wrong one 2 more.
    model = types.SimpleNamespace()
    model.predict_on_batch = lambda x: np.where(x[:, 0, 0, :1] > 0.5, [0, 2], [2, 0])
    found, alone = (cells.look(model, real, other) for other in (synthetic, None))
    right, unpacked = np.log1p(np.exp(-2)), unpack(found["classes_mixed"])
    assert (found["accuracy"], found["loss"]) == pytest.approx((3 / 4, right + 2 * 1 / 4))
    mixed = found["accuracy_mixed"], found["loss_mixed"]
    assert mixed == pytest.approx((3 / 8, right + 2 * 5 / 8))
    assert list(unpacked["predicted"]) == [0, 0, 1, 1, 1, 0, 0, 0]
    assert list(unpacked["labels"]) == 2 * list(y) and unpacked["labels"].dtype == np.uint8
    assert alone["accuracy_mixed"] == alone["accuracy"] and alone["loss_mixed"] == alone["loss"]
    assert len(unpack(alone["classes_mixed"])["labels"]) == 8


@pytest.mark.parametrize("which", ["pure", "duplicates added", "GAN added", "GAN replaced"])
def test_training_sets_have_equal_updates_and_what_they_say(bench, fits, monkeypatch, which):
    method, regime = [*which.split(), None][:2]
    new = np.random.default_rng(1).random((2, TRAIN + TEST, 8, 8, 3), dtype="float32")
    looked, look, real = (
        [],
        cells.look,
        generators.real_images(find("samples", method="GAN"), bench),
    )
    monkeypatch.setattr(cells, "drawn", lambda cell, bench: (list(new), {"diversity": 0.7}))
    monkeypatch.setattr(
        cells, "look", lambda *a: looked.append(a) or {**look(*a), "accuracy": len(looked)}
    )
    found = cells.COMPUTE["classify"](find("classify", method=method, regime=regime), bench)
    train, synthetic = ids(*real.train), ids(*new[:, :TRAIN])
    truth = {x.tobytes(): y for own in (real.train, new) for y in (0, 1) for x in own[y]}
    for fit in fits:  # Of a method's images the second: the classifier of real images alone.
        check_training(fit, 4 * -(-4 * TRAIN // 64), 64, 1e-3, 0.9)
        assert [truth[x.tobytes()] for x in fit.images] == list(fit.labels)
    images = ids(fits[0].images)
    if regime is None or method == "duplicates":
        times = 1 + (method == "duplicates")
        a_pass = [x.tobytes() for x in fits[0].images[: 2 * TRAIN * times]]
        assert images == train and {a_pass.count(x) for x in a_pass} == {times}
        assert sum(fits[0].sizes[: -(-len(a_pass) // 64)]) == len(a_pass)
    else:
        assert ids(fits[1].images) == train and len(fits) == 2
        used = images & train, images & synthetic
        n = 2 * TRAIN if regime == "added" else TRAIN
        assert list(map(len, used)) == [n, n] and len(images) == 2 * n
        assert {sum(truth[x] for x in own) for own in used} == {n // 2}
        assert 0 <= found["pure_accuracy_mixed"] <= 1 and found["diversity"] == 0.7
        tested = [other for _, _, other in looked if other is not None]
        assert len(tested) == 5  # After each epoch, and by the classifier of real images.
        assert all(ids(x) == ids(*new[:, TRAIN:]) for x, _ in tested)
    assert all(ids(x) == ids(*real.test) for _, (x, _), _ in looked)
    assert found["accuracy_by_epoch"] == [1, 2, 3, 4] and len(found["loss_mixed_by_epoch"]) == 4
    assert (found["start"], found["half"], found["accuracy"]) == (1, 2, 4)
    assert list(unpack(found["classes_start"])["labels"]) == TEST * [0] + TEST * [1]


def test_three_seeds_show_what_no_claim_needs():
    grid = STUDY.cells(STUDY.settings("overnight"), EMPTY)
    assert sum(c.regime == "added" for c in grid) == 8 * 5
    shown = [c for c in grid if c.regime == "replaced" or c.kind == "select"]
    assert {c.seed for c in shown} == {0, 1, 2} and not any(c.serves for c in shown)


def frame(on_real, on_mixed=None):
    """Eight seeds of pure and the four sets: accuracies in % by method, and the paper's losses."""
    means = pd.DataFrame({"accuracy": on_real, "accuracy_mixed": on_mixed or on_real})
    means = (means / 100).assign(loss=LOSS, loss_mixed=LOSS)
    pure = means.loc["pure"]
    rows = [(pure + off * (means - pure)).assign(seed=seed) for seed, off in enumerate(around(1))]
    rows = pd.concat(rows).rename_axis("method").reset_index()
    for test in ("", "_mixed"):
        rows[f"start{test}"] = rows[f"accuracy{test}"]
        classes = rows[f"accuracy{test}"].map(named)
        rows = rows.assign(**{f"classes{test}": classes, f"classes_start{test}": classes})
    of_vae, of_gan = rows["method"].isin(VAES), rows["method"].isin(GANS)
    rows.loc[of_vae, ["reconstructed", "judge_accuracy", "settled"]] = 0.95, 0.83, 0.999
    rows.loc[of_gan, "diversity"] = 0.7
    rows["regime"] = np.where(rows["method"] == "pure", None, "added")
    return rows.assign(kind="classify", dataset="cifar10")


def test_the_papers_numbers_are_reproduced_and_its_gain_may_be_on_mixed_images_alone():
    check_reproduced(decide(STUDY, frame(ACCURACY)), "1r", "1m", "7r", "7m")
    found = decide(STUDY, frame(dict.fromkeys(ACCURACY, 75.0) | {"pure": 80.0}, ACCURACY))
    assert (found["1m"].verdict, found["1r"].verdict) == ("reproduced", "contradicted")


def test_each_set_must_pass_its_gate_and_the_gans_sets_are_given_alone():
    rows = frame(ACCURACY)
    of_all = {"1r", "1m", "4sr", "4sm", "4er", "4em", "7r", "7m"}
    for gate in ("reconstructed", "settled", "judge_accuracy"):
        assert missed(STUDY, rows, gate, "manifold VAE") == of_all | {"2r", "2m"}
    assert missed(STUDY, rows, "diversity", "MH-GAN") == of_all | {"3r", "3m"}
    table = report.parts(rows.assign(reconstructed=rows["reconstructed"] / 2))["without_vaes"]
    assert list(table["verdict"]) == 4 * ["not decided", "reproduced"]


def test_inception_scores_are_compared_selected_with_not_and_one_class_with_all():
    means = [("samples", "GAN", 1.8), ("samples", "MH-GAN", 1.7)]
    means += [("all", "GAN", 4.0), ("all", "MH-GAN", 4.5)]
    rows = pd.DataFrame(8 * means, columns=["kind", "method", "inception"])
    rows["seed"] = np.arange(8).repeat(4)
    rows["inception"] *= 1 + rows["seed"] / 1000
    found = decide(STUDY, rows.assign(dataset="cifar10", diversity=0.8))
    check_reproduced(found, "5a")
    assert ids_where(found, verdict="contradicted") == {"5b", "6"}
    assert found["5a"].estimate == pytest.approx(0.5, abs=0.02)


def test_tables_and_errata_have_the_papers_numbers_beside_ours():
    rows = frame(ACCURACY)
    said, table = report.facts(rows), report.parts(rows)["accuracy"]
    assert (said["least_gain"], said["most_gain"]) == pytest.approx((5.0, 5.7))
    assert (said["least_fall"], said["most_fall"]) == pytest.approx((38.8, 48.5), abs=0.1)
    assert (said["ratio"], said["odds"], said["at_code"]) == pytest.approx((8 / 3, 0.25, 1), 0.01)
    assert said["away"] > 800 and said["gain"].startswith("VAE ")
    vae = table[table["method"] == "VAE"]
    assert set(vae["reported"]) == {92.0} and set(vae["paper_loss"]) == {0.191}
    assert [vae[n].mean() for n in ("gain", "gain_mixed")] == pytest.approx([0.05] * 2, rel=0.1)
