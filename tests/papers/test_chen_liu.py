"""What reaches `compile`, `fit` and the data, the search, and verdicts on the paper's numbers."""

import itertools

import keras
import numpy as np
import pandas as pd
import pytest
from study.untrained import EMPTY, check_adam, ids, record_fits, spy
from study.verdicts import around, check_reproduced, decide, ids_where, missed, named

from dagen_keras import models, papers
from dagen_keras.datasets import Dataset
from dagen_keras.papers.chen_liu import cells, protocol
from dagen_keras.papers.chen_liu.protocol import FIDS
from dagen_keras.study import Bench, cell
from dagen_keras.study.judge import reserved
from dagen_keras.study.packing import unpack

STUDY = papers.get("chen_liu")
WEIGHTS = [0.05, 0.2, 0.8, 3.2, 12.8]
FREE, KEPT = reserved(240, 30)
PLACE = {"dataset": "digits", "weight": 0.5, "images": protocol.Images(reserve=30)}
PLACE["judging"] = protocol.Judging(updates=3)
SMALL = {**PLACE, "vae": protocol.Vae(epochs=2), "fid": protocol.Fid(images=60)}
TABLE2 = {**PLACE, "train_size": 90}
TABLE2["augmentation"] = protocol.Augmentation(generated=41, passes=1)
TABLE2["classifier"] = protocol.Classifier(epochs=3, updates=5, looked_at=(1, 4), test_images=15)
X, Y = np.random.default_rng(0).random((300, 8, 8, 1), dtype="float32"), np.tile([0, 1], 150)
TOY = Dataset("digits", X[:240], Y[:240], X[240:], Y[240:], ("0", "1"), "noise")
fits = pytest.fixture(record_fits)


@pytest.fixture(scope="module")
def bench():
    bench = Bench()
    bench.once(("data", "digits"), lambda: TOY)
    return bench


def runs(fids, weights, method="KL", dataset="mnist"):
    """A frame of finished runs, of which `fids(weight)` is the FID in each space; None diverged."""
    found = [fids(weight) or [None] * 3 for weight in weights]
    frame = pd.DataFrame(found, columns=FIDS).assign(kind="search", seed=1000)
    return frame.assign(weight=weights, dataset=dataset, method=method)


def near(optimum):
    return lambda weight: 3 * [abs(np.log(weight / optimum)) + 1]


def look(frame, **changed):
    return protocol.searched(protocol.Search(**changed), frame, "mnist", "KL")


def grown(fids):
    """The search from nothing to its end: its lambdas and the best."""
    weights, best = look(EMPTY)
    while best is None and weights != look(runs(fids, weights))[0]:
        weights, best = look(runs(fids, weights))
    return look(runs(fids, weights))


@pytest.mark.parametrize(
    ("optimum", "more", "best"),
    [(0.9, [0.4, 1.6], 0.8), (0.001, [0.0125, 0.1], 0.0125), (99, [6.4, 51.2], 51.2)],
)
def test_two_lambdas_follow_beside_the_best_or_beyond_an_edge(optimum, more, best):
    assert grown(near(optimum)) == ([*WEIGHTS, *more], best)


def test_the_best_has_the_lowest_mean_rank_once_all_are_done():
    # By sums 3 wins, by one space 1 or 3; ranks: 2.33, 1.67, 2.
    fids = {1: (1, 30, 300), 2: (2, 10, 200), 3: (3, 20, 1)}
    three = {"weights": (1.0, 2.0, 3.0), "refine": False}
    assert look(runs(fids.get, [1.0, 2.0, 3.0]), **three) == ([1.0, 2.0, 3.0], 2.0)
    assert look(runs(fids.get, [1.0, 2.0]), **three)[1] is None
    assert look(runs(near(1), WEIGHTS[:4])) == (WEIGHTS, None)


def test_runs_that_diverged_do_not_win_and_nothing_follows_if_all_did():
    assert grown(lambda weight: None if weight < 1 else 3 * [weight])[1] == 1.6
    assert grown(lambda weight: None) == (WEIGHTS, None)


def test_the_grid_comes_in_the_order_of_what_decides_most():
    def frame_of(cells):
        found = [c for c in cells if c.kind == "search"]
        found = [runs(near(0.8), [c.weight], c.method, c.dataset) for c in found]
        return pd.concat(found, ignore_index=True) if found else EMPTY

    grid = STUDY.grid(STUDY.settings("overnight"), frame_of)
    kinds = [k for k, _ in itertools.groupby(c.kind for c in grid)]
    assert kinds == ["floor", "search", "final", "pilot", "table2", "final"]
    of = {kind: [c for c in grid if c.kind == kind] for kind in kinds}
    assert [len(of[k]) for k in kinds[:5]] == [2, 2 * 3 * 7, 8 * 2 * 3 + 3 * 2, 2 * 3, 8 * 3 * 3]
    assert [c.seed for c in of["final"][:48]] == sorted(c.seed for c in of["final"][:48])
    assert {(c.method, c.serves) for c in of["final"][48:]} == {("W log-variance", ())}
    assert {c.weight for c in grid if "weight" in c.factors and c.kind != "search"} == {0.8}
    long = {(c.dataset, c.method) for c in grid if "long" in c.settings}
    assert long == {("mnist", "KL"), ("mnist", "W")}
    assert {c.dataset for c in of["table2"] + of["pilot"]} == {"mnist"}


def run_cell(kind="final", method="W", seed=3, **more):
    return cell(kind, seed=seed, method=method, **{**SMALL, **more})


@pytest.mark.parametrize("method", protocol.METHODS)
def test_what_reaches_the_vaes_training(bench, fits, method):
    cells.COMPUTE["final"](run_cell(method=method), bench)
    (fit,) = (fit for fit in fits if isinstance(fit.model, models.VAE))
    check_adam(fit.model, 1e-3, 0.9)
    assert (fit.passes, fit.sizes[0], fit.stopping) == (2, 100, [])
    assert fit.arguments.get("validation_data") is None
    for one in fits:  # The judge's too.
        np.testing.assert_array_equal(one.images, X[FREE])
    assert len(KEPT) == 30 and float(fit.model.lambda_) == 0.5
    assert fit.model.divergence == ("kl" if method == "KL" else "wasserstein2")
    mean, log_var = (np.asarray(a) for a in fit.model.encoder(X))
    assert (mean.max() <= 0) == (method == "W")
    assert (log_var.max() <= 0) == (method in ("W", "W log-variance"))


def test_the_search_looks_at_training_images_and_the_final_runs_at_test_images(bench, monkeypatch):
    looked = spy(monkeypatch, cells, "compare")
    found = [cells.COMPUTE[k](run_cell(k, "KL", seed=0), bench) for k in ("search", "final")]
    _, real = cells.spaces(run_cell(), bench)
    assert looked[0][0][0] is real["train"] and looked[1][0][0] is real["test"]
    # The same model and images, so that only the real ones differ: in the folded distance too.
    assert found[0]["t_by_epoch"] == found[1]["t_by_epoch"]
    assert found[0]["folded_fid"] != found[1]["folded_fid"]


def test_a_long_run_gives_what_a_short_one_gives_and_more(bench):
    short = cells.COMPUTE["final"](run_cell(), bench)
    long = cells.COMPUTE["final"](run_cell(long=protocol.Long(epochs=4)), bench)
    assert len(short["reconstruction"]) == 2 and len(long["reconstruction"]) == 4
    for name, value in short.items():
        found = long[name][:2] if isinstance(value, list) else long[name]
        assert found == pytest.approx(value, rel=1e-6), name
    more = {*(f"long_{name}" for name in FIDS), "long_reconstructed", "converged"}
    assert set(long) - set(short) == more
    assert long["long_fid_pixels"] != long["fid_pixels"]


def test_the_features_are_the_judges_and_64_components_of_training_pixels(bench):
    features, real = cells.spaces(run_cell(), bench)
    judge = cells.judge_of(run_cell(), bench).model
    found = features(TOY.x_test)
    maps, hidden = TOY.x_test, []
    for layer in judge.layers[:-1]:
        maps = layer(maps)
        if isinstance(layer, keras.layers.Conv2D):
            hidden.append(np.asarray(maps).mean(axis=(1, 2)))
    np.testing.assert_allclose(found["hidden"], np.asarray(maps), atol=1e-5)
    np.testing.assert_allclose(found["pooled"], np.concatenate(hidden, axis=1), atol=1e-5)
    pixels = X[FREE].reshape(len(FREE), -1).astype(float)
    centred = TOY.x_test.reshape(60, -1) - pixels.mean(axis=0)
    first = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)[2][0]
    assert found["pixels"].shape == (60, 64)
    np.testing.assert_allclose(np.abs(found["pixels"][:, 0]), np.abs(centred @ first), atol=1e-4)
    assert len(real["train"]["hidden"]) == len(real["test"]["hidden"]) == 60
    assert cells.spaces(run_cell(seed=4), bench)[1] is real


def test_the_summary_of_posteriors_against_a_calculation_by_hand():
    # The prior itself; a narrow one whose mean is far off; one that is wide in one dimension.
    mean = np.array([[0, 0, 0], [1.5, 0, 0.1], [-1, -2, 0]], "float32")
    sigma = np.array([[1, 1, 1], [0.9, 0.9, 1], [2, 0.5, 1]], "float32")
    t = [0.0, 2.26 + 2 * (np.log(0.81) + 1.1**2 - 1), np.log(4) + np.log(0.25) + 5.25]
    found = cells.posterior_summary(mean, 2 * np.log(sigma))
    expected = {"t": sum(t) / 3, "narrow_t": t[1], "narrow_with_positive_t": 1 / 3, "kept": True}
    expected |= {"negative_means": 2 / 9, "active_units": 2}  # The third's variance is 0.002.
    assert found == pytest.approx(expected, rel=1e-5)
    assert not cells.posterior_summary(mean + 5, 2 * np.log(sigma))["kept"]


@pytest.mark.parametrize("method", ["none", "KL"])
def test_what_reaches_table_2s_cnn(bench, fits, method):
    runs = [cell("table2", seed=seed, method=method, **TABLE2) for seed in (0, 1)]
    found = [cells.COMPUTE["table2"](one, bench) for one in runs]
    size = 90 if method == "none" else 90 + 42
    at_epochs = 3 * -(-size // 100)
    marks = sorted({1, 4, 5, at_epochs})
    calls = [fit for fit in fits if "epochs" not in fit.arguments]
    assert [len(fit.sizes) for fit in calls] == 2 * list(np.diff([0, *marks]))
    for fit in calls:
        check_adam(fit.model, 1e-3, 0.9)
        assert len(fit.callbacks) == 1 and "validation_data" not in fit.arguments
    first = calls[: len(marks)]
    sizes = [100, size - 100] if size > 100 else [size]
    assert sum((fit.sizes for fit in first), []) == list(np.resize(sizes, marks[-1]))
    a_pass = ids(np.concatenate([fit.images for fit in first])[:size])
    real = a_pass & ids(X[FREE])
    assert len(a_pass) == size and len(real) == 90 == len(a_pass & ids(X))
    vaes = [fit.images for fit in fits if isinstance(fit.model, models.VAE)]
    assert len(vaes) == (4 if method == "KL" else 0)
    assert not vaes or ids(*vaes[:2]) == real
    one, other = (unpack(values["classes"]) for values in found)
    np.testing.assert_array_equal(one["labels"], other["labels"])
    assert len(one["labels"]) == 15 and one["predicted"].dtype == np.uint8
    assert found[0]["accuracy"] == (one["predicted"] == one["labels"]).mean()
    assert (found[0]["updates"], len(found[0]["early_accuracy"])) == (at_epochs, 2)
    assert ("reconstructed" in found[0]) == (method == "KL")


TRAINED = {"reconstructed": 0.95, "judge_accuracy": 0.98}


def fids(hidden, pooled=None, pixels=None, dataset="mnist", kept=True):
    """Final runs whose 1 - FID_W / FID_KL are given, one a seed, for W and for W free."""
    gains = np.array([hidden if gain is None else gain for gain in (hidden, pooled, pixels)]).T
    of = {method: 60 * (1 - (method != "KL") * gains) for method in ("KL", "W", "W free")}
    rows = [pd.DataFrame(own, columns=FIDS).assign(method=method) for method, own in of.items()]
    frame = pd.concat(rows).rename_axis("seed").reset_index()
    frame = frame.assign(kind="final", dataset=dataset, weight=0.8, **TRAINED)
    return frame.assign(kept=kept | (frame["seed"] < 7))


def accuracies(size, **numbers):
    """Table 2's runs: the accuracy of each method in %, one a seed, and its test images."""
    rows = []
    for (method, values), seed in itertools.product(numbers.items(), range(8)):
        share = values[seed] / 100
        rows.append({"method": method, "seed": seed, "accuracy": share, "classes": named(share)})
    return pd.DataFrame(rows).assign(kind="table2", dataset="mnist", train_size=size, **TRAINED)


def verdict(claim, *frames):
    one = decide(STUDY, *frames)[claim]
    return one.verdict, one.reason


def test_the_papers_numbers_are_reproduced():
    none, kl = np.full(8, 30.2), 30.2 + around(35.2)
    of_fids = fids(around(0.642)), fids(around(0.53), dataset="fashion_mnist")
    found = decide(STUDY, *of_fids, accuracies(10_000, none=none, KL=kl, W=kl + around(7.5)))
    check_reproduced(found, "1", "1f", "2", "2f", "3a", "3b")
    assert ids_where(found, reason="shown only") == {"1x", "2x"}
    assert ids_where(found, verdict="not decided") == {"1x", "2x", "4", "5", "6"}


def test_spaces_that_differ_decide_nothing_and_the_least_favourable_is_shown():
    found = decide(STUDY, fids(around(0.642), around(-0.1), around(0.1)))["1"]
    assert (found.verdict, found.reason) == ("not decided", "differs between feature spaces")
    assert found.estimate == pytest.approx(-0.1, rel=0.1)
    assert found.gate.endswith("numbers of the feature space 'pooled'")
    assert verdict("1", fids(around(0.642), None, around(0.1)))[0] == "not decided"
    worse = fids(around(-0.2), around(-0.9), around(-0.1))
    assert verdict("1", worse) == ("contradicted", "")
    assert verdict("1", fids(around(0.6)[:7])) == ("not decided", "too few seeds")


def test_a_second_look_is_for_spaces_that_can_come_to_agree():
    claim, listed = STUDY.claims[0], STUDY.listed["1"]
    unsure = 0.4 + 0.1 * np.array([-9, -1, 1, 2, 3, 4, 5, 6])
    assert claim.wants_second_look(fids(around(0.642), unsure), listed)
    assert not claim.wants_second_look(fids(around(0.642), unsure, around(-0.2)), listed)
    assert not claim.wants_second_look(fids(around(0.642)), listed)


def test_the_gates_and_the_runs_that_t_excludes():
    assert "1" in missed(STUDY, fids(around(0.642)), "reconstructed", "W")
    found = decide(STUDY, fids(around(0.642), kept=False))
    assert (found["1"].n, found["1x"].n) == (8, 7)


def test_the_gain_shrinks_by_images_and_seeds():
    ten, none = np.full(8, 90.0), np.full(8, 80.0)
    small = accuracies(250, none=none, W=none + around(10))
    for change, gain in ((around(4), 6), (-9, 19)):
        found = decide(STUDY, small, accuracies(10_000, none=ten, W=ten + change))
        check_reproduced(found, "4")
        assert found["4"].estimate == pytest.approx(gain, rel=0.1)
    close = accuracies(10_000, none=ten, W=ten + around(10) - 0.3)
    assert verdict("4", small, close) == ("not decided", "test images")


def test_claim_5_falls_with_one_image_and_claim_6_asks_for_an_epoch():
    frame = fids(around(0.1)).assign(narrow_t=np.nan)
    frame.loc[3, "narrow_t"] = 1e-4
    assert verdict("5", frame) == ("not decided", "too few seeds")
    frame.loc[4, "narrow_t"] = 0.3
    assert verdict("5", frame) == ("contradicted", "") and decide(STUDY, frame)["5"].n == 2
    epochs = frame["method"].map({"KL": 40.0, "W": 30.0}) + frame["seed"]
    assert verdict("6", frame.assign(converged=epochs)) == ("reproduced", "")
    same = frame.assign(converged=40 + frame["seed"] + (frame["method"] == "KL") * 0.2)
    assert verdict("6", same)[0] == "not found"


def test_convergence_is_the_first_epoch_within_one_percent_of_the_last():
    assert cells.epochs_to_converge([200, 102, 101.5, 101, 100.5, 100]) == 4
    assert cells.epochs_to_converge([200, 100.9, 105, 100]) == 2
    assert cells.fell([9, 8, 4, 2]) == 0.5 and cells.fell([9]) is None
    assert cells.fell([1.0] * 17 + [1.0, 0.8, 0.5]) == 0.5
