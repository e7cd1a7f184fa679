import functools
import itertools
import random
import types

import keras
import numpy as np
import pandas as pd
import pytest

from dagen_keras import backend, datasets, models
from dagen_keras.evaluate import FeatureSpace
from dagen_keras.papers.chen_liu import LATENT_DIM, METHODS, PAPER, experiment, grid, scores
from dagen_keras.runs import resolve_parameters
from dagen_keras.runs.packing import png
from dagen_keras.runs.paper import reported

TINY = {"train_images": 40, "epochs": 2, "fid_images": 20, "class_passes": 1}
TINY |= {"classifier_sizes": [60], "generated": 45}
THREE = {"search_runs": 3, "lambda_max": 20.0}
RUN = {"divergence": "kl", "heads": "none", "weight": 1.0, "train_images": 40, "epochs": 2}
FEATURES = {"feature_spaces": ["classifier"], "feature_updates": 2, "fid_images": 20}
FOLLOWED = {"Table 1", "Heads", "Schedule"}


@pytest.fixture(scope="module")
def tiny():
    return resolve_parameters(PAPER, "smoke", TINY)


@pytest.fixture(scope="module")
def few(digits):
    """Three of the digits at half the size: 111 images to train with and 60 to test."""

    def part(x, y, n):
        rows = np.concatenate([np.flatnonzero(y == label)[:n] for label in range(3)])
        return np.ascontiguousarray(x[rows, ::2, ::2]), y[rows]

    parts = *part(digits.x_train, digits.y_train, 37), *part(digits.x_test, digits.y_test, 20)
    return datasets.Dataset("few", *parts, ("0", "1", "2"), "some of the bundled digits")


@pytest.fixture
def made_up(rng):
    """A dataset of random images, no two of them alike."""
    x = rng.random((70, 4, 4, 1), dtype="float32")
    y = np.tile(np.arange(2), 35)
    return datasets.Dataset("made_up", x[:50], y[:50], x[50:], y[50:], ("0", "1"), "made up")


def _bytes(images):
    return {image.tobytes() for image in images}


def _method(cell):
    return cell.row.rsplit(", ", 1)[1]


def _keys(cells):
    return [cell.key(PAPER, "0" * 16) for cell in cells]


def _of(cells, *tables):
    return [cell for cell in cells if cell.table in tables]


def _compute(cell, data):
    return PAPER.compute(cell.parameters, cell.seed, data)


def _forget():
    """As in a new process: nothing built, compiled or trained."""
    for cached in (
        experiment.vae,
        experiment.real_reference,
        experiment.feature_classifier,
        experiment._classifier,
    ):
        cached.cache_clear()


def _searched(parameters, fid):
    """A finished search, in which `fid(method, weight)` is a run's FID and None diverged."""
    rows = []
    for cell in _of(PAPER.cells(parameters), "Search"):
        found = fid(_method(cell), cell.parameters["weight"])
        values = {"diverged": True} if found is None else {"classifier_fid": found}
        place = {"table": cell.table, "row": cell.row, "column": cell.column, "seed": cell.seed}
        rows.append({**cell.parameters, **place, **values})
    return pd.DataFrame(rows)


# What the paper reports.


def test_reported_numbers_have_a_row_for_all_that_the_tables_show():
    table1 = reported("chen_liu_table1_fid")
    assert list(zip(table1["dataset"], table1["objective"], strict=True)) == [
        *(("MNIST", "ELBO_W"), ("MNIST", "ELBO_KL")),
        *(("Fashion-MNIST", "ELBO_W"), ("Fashion-MNIST", "ELBO_KL")),
    ]
    assert set(table1["objective"]) < set(METHODS)
    assert table1["runs"].tolist() == [30] * 4
    table2 = reported("chen_liu_table2_accuracy_percent")
    sizes = resolve_parameters(PAPER, "paper")["classifier_sizes"]
    assert table2["train_size"].tolist() == sizes
    assert set(table2.columns) == {"train_size", "baseline", "ELBO_KL", "ELBO_W"}
    # At the largest size KL is ahead, at the others W.
    assert (table2["ELBO_W"] > table2["ELBO_KL"]).tolist() == [True, True, False]


# The grid.


def test_the_search_is_the_same_for_every_method_and_inside_the_interval():
    parameters = resolve_parameters(PAPER, "paper", {"lambda_max": 7.0})
    search = _of(PAPER.cells(parameters), "Search")
    by_method = {
        (cell.dataset, method): [
            (c.parameters["weight"], c.seed)
            for c in search
            if (c.dataset, _method(c)) == (cell.dataset, method)
        ]
        for cell in search
        for method in METHODS
    }
    assert len(by_method) == 6
    first = by_method["mnist", "ELBO_KL"]
    assert all(found == first for found in by_method.values())
    weights = [weight for weight, _ in first]
    assert len(set(weights)) == 30
    assert min(weights) > 0
    assert max(weights) < 7
    # Evenly: each sixth of the interval holds its five, or one more or less.
    counts, _ = np.histogram(weights, bins=6, range=(0, 7))
    assert set(counts) <= {4, 5, 6}
    settings = {_method(c): (c.parameters["divergence"], c.parameters["heads"]) for c in search}
    assert settings == {
        "ELBO_KL": ("kl", "none"),
        "ELBO_W": ("wasserstein2", "both"),
        "ELBO_W free": ("wasserstein2", "none"),
    }


def test_more_runs_of_the_search_keep_those_that_are_there():
    few, many = (
        _of(PAPER.cells(resolve_parameters(PAPER, "quick", THREE | {"search_runs": n})), "Search")
        for n in (3, 8)
    )
    assert len(set(_keys(few))) == 9
    assert set(_keys(few)) < set(_keys(many))


def test_lambda_is_chosen_on_other_seeds_than_table_1s():
    parameters = resolve_parameters(PAPER, "paper", {"second_dataset": "none"})
    search = {cell.seed for cell in _of(PAPER.cells(parameters), "Search")}
    followed = PAPER.follow_up(parameters, _searched(parameters, lambda method, weight: weight))
    assert len(search) == 30
    assert {cell.seed for cell in _of(followed, "Table 1")} == set(range(30))
    assert not search & {cell.seed for cell in followed}


def test_what_follows_is_at_the_lambda_with_the_smallest_fid():
    counts = {"runs": 3, "head_runs": 1, "classifier_sizes": [100, 200], "classifier_runs": 2}
    parameters = resolve_parameters(PAPER, "quick", THREE | {"search_runs": 4, **counts})
    weights = [10.0, 5.0, 15.0, 2.5]
    best = dict(zip(METHODS, weights[1:], strict=True))
    frame = _searched(parameters, lambda method, weight: abs(weight - best[method]))
    assert sorted(set(frame["weight"])) == sorted(weights)
    followed = PAPER.follow_up(parameters, frame)
    assert {c.table for c in followed} == {"Table 1", "Heads", "Schedule", "Table 2"}
    for cell in _of(followed, "Table 1"):
        assert cell.parameters["weight"] == best[_method(cell)]
        setting = cell.parameters["divergence"], cell.parameters["heads"]
        assert setting == METHODS[_method(cell)]
    for cell in _of(followed, "Table 2"):
        assert cell.parameters["weight"] == best[cell.column]
        setting = cell.parameters["divergence"], cell.parameters["heads"]
        assert setting == METHODS[cell.column]
    heads = {
        (c.parameters["divergence"], c.parameters["heads"]): c.parameters["weight"]
        for c in _of(followed, "Heads")
    }
    assert heads == {
        ("kl", "log_var"): best["ELBO_KL"],
        ("kl", "both"): best["ELBO_KL"],
        ("wasserstein2", "log_var"): best["ELBO_W free"],
    }
    assert {c.parameters["weight"] for c in _of(followed, "Schedule")} == {"schedule"}
    counts = pd.Series([cell.table for cell in followed]).value_counts().to_dict()
    assert counts == {"Table 1": 3 * 3, "Heads": 3, "Schedule": 3, "Table 2": 3 * 2 * 2}
    listed = _keys([*PAPER.cells(parameters), *followed])
    assert len(set(listed)) == len(listed)


def test_nothing_follows_before_a_methods_search_is_complete():
    parameters = resolve_parameters(PAPER, "quick", THREE)
    complete = _searched(parameters, lambda method, weight: weight)
    nothing = complete.iloc[:0]
    assert PAPER.follow_up(parameters, nothing) == []
    assert PAPER.follow_up(parameters, pd.DataFrame(columns=["table", "row", "column"])) == []
    own = complete["row"].str.endswith("ELBO_KL")
    only_kl = PAPER.follow_up(parameters, complete[own])
    assert {_method(cell) for cell in _of(only_kl, "Table 1")} == {"ELBO_KL"}
    assert {c.parameters["divergence"] for c in only_kl} == {"kl"}
    one_less = complete.drop(complete.index[own][1])
    others = PAPER.follow_up(parameters, one_less)
    assert {_method(c) for c in _of(others, "Table 1")} == {"ELBO_W", "ELBO_W free"}
    assert {c.parameters["divergence"] for c in others} == {"wasserstein2"}


def test_runs_that_diverged_do_not_choose_lambda():
    parameters = resolve_parameters(PAPER, "quick", THREE)

    def fid(method, weight):
        if method == "ELBO_KL":
            return None
        return None if weight == 5 else weight

    followed = PAPER.follow_up(parameters, _searched(parameters, fid))
    assert {_method(cell) for cell in _of(followed, "Table 1")} == {"ELBO_W", "ELBO_W free"}
    assert {cell.parameters["weight"] for cell in _of(followed, "Table 1")} == {10.0}


def test_nothing_follows_where_every_run_diverged():
    parameters = resolve_parameters(PAPER, "quick", THREE)
    frame = _searched(parameters, lambda method, weight: None)
    assert PAPER.follow_up(parameters, frame.assign(classifier_fid=np.nan)) == []
    # In a run's frame no column tells of scores that no run has.
    assert PAPER.follow_up(parameters, frame) == []


def test_the_first_feature_space_chooses_lambda():
    parameters = resolve_parameters(
        PAPER, "quick", THREE | {"feature_spaces": ["inception", "classifier"]}
    )
    frame = _searched(parameters, lambda method, weight: weight)
    frame["inception_fid"] = -frame["classifier_fid"]
    followed = PAPER.follow_up(parameters, frame)
    assert {cell.parameters["weight"] for cell in _of(followed, "Table 1")} == {15.0}


def test_a_second_dataset_doubles_every_table():
    alone, both = (
        resolve_parameters(PAPER, "quick", THREE | {"second_dataset": name})
        for name in ("none", "photos")
    )
    counts = {}
    for name, parameters in (("alone", alone), ("both", both)):
        # The best lambda of a dataset is its own.
        frame = _searched(parameters, lambda method, weight: weight)
        frame.loc[frame["row"].str.contains("photos"), "classifier_fid"] *= -1
        cells = [*PAPER.cells(parameters), *PAPER.follow_up(parameters, frame)]
        counts[name] = pd.Series([(cell.table, cell.dataset) for cell in cells]).value_counts()
        for cell in _of(cells, "Table 1"):
            assert cell.parameters["weight"] == {"digits": 5.0, "photos": 15.0}[cell.dataset]
            assert cell.row.startswith(datasets.title(cell.dataset))
    assert {dataset for _, dataset in counts["alone"].index} == {"digits"}
    assert {table for table, _ in counts["alone"].index} == {
        *("Floor", "Search", "Baseline", "Table 1", "Heads", "Schedule", "Table 2")
    }
    for (table, dataset), n in counts["both"].items():
        assert n == counts["alone"][table, "digits"], (table, dataset)
    assert len(counts["both"]) == 2 * len(counts["alone"])


# What a cell computes.


@pytest.fixture(scope="module")
def computed(tiny, few):
    """Cells in an order in which each could leave something to the next, and their results."""
    _forget()
    frame = _searched(tiny, lambda method, weight: weight)
    followed = PAPER.follow_up(tiny, frame)
    kl = [c for c in _of(PAPER.cells(tiny), "Search") if _method(c) == "ELBO_KL"]
    baseline = next(c for c in _of(PAPER.cells(tiny), "Table 2"))
    augmented = next(c for c in _of(followed, "Table 2") if c.column == "ELBO_KL")
    diverging = {**kl[0].parameters, "weight": 1e39}
    results = {"floor": _compute(_of(PAPER.cells(tiny), "Floor")[0], few)}
    weights = _feature_weights(few)
    results["first"] = _compute(kl[0], few)
    with np.errstate(over="ignore"):  # Such a lambda is infinite in 32 bits.
        results["diverged"] = PAPER.compute(diverging, kl[0].seed, few)
    results["augmented"] = _compute(augmented, few)
    results["run"] = _compute(kl[1], few)
    results["baseline"] = _compute(baseline, few)
    return types.SimpleNamespace(
        cells={"run": kl[1], "baseline": baseline, "augmented": augmented},
        results=results,
        weights_before=weights,
        weights_after=_feature_weights(few),
    )


def _feature_weights(data):
    return experiment.feature_classifier(data, FEATURES["feature_updates"]).get_weights()


def test_a_run_has_finite_scores_and_one_entry_an_epoch(computed):
    values = computed.results["run"]
    assert values["diverged"] is False
    assert {len(entries) for entries in values["history"].values()} == {2}
    for name in ("fid", "folded_fid", "precision", "recall"):
        assert np.isfinite(values[f"classifier_{name}"])
    assert (values["classifier_n_real"], values["classifier_n_generated"]) == (20, 20)
    assert values["classifier_fid"] != values["classifier_folded_fid"]
    assert values["t"] != computed.results["first"]["t"]
    assert "lambda 5.0" in computed.cells["run"].column


def test_a_loss_that_overflows_is_a_run_that_diverged(computed):
    assert computed.results["diverged"] == {"diverged": True}


def test_the_classifiers_of_table_2_leave_the_feature_space_as_it_is(computed):
    for before, after in zip(computed.weights_before, computed.weights_after, strict=True):
        np.testing.assert_array_equal(before, after)
    assert 0 <= computed.results["baseline"]["accuracy"] <= 1
    assert computed.results["baseline"]["updates_taken"] == 2


def test_a_cell_computed_alone_equals_the_same_cell_computed_after_others(computed, few):
    _forget()
    # Nothing is before the run, nothing with a classifier before the baseline; what is generated
    # came first, and now comes after another's classifier.
    for name, cell in computed.cells.items():
        assert _compute(cell, few) == computed.results[name], str(cell)


def _trained(reusable, x, weight=None, callbacks=()):
    model = reusable.fresh(3)
    if weight is not None:
        model.set_divergence_weight(weight)
    history = models.fit_passes(model, x, 3, 20, seed=1, windows=3, callbacks=list(callbacks))
    return model, history.history, models.get_state(model)[0]


@pytest.fixture(scope="module")
def small():
    """A small model trained with a schedule, with lambda set after it, and with lambda built in."""
    x = np.random.default_rng(5).random((40, 4, 4, 1), dtype="float32")
    wasserstein = functools.partial(experiment.build, "wasserstein2", "none", image_shape=(4, 4, 1))
    settings = {"optimizer": "adam", **backend.dense_compile_options()}
    reusable = models.ReusableModel(lambda: wasserstein(1.0), **settings)
    without = _trained(reusable, x, models.LinearSchedule())[1:]
    monitor = experiment.Monitor(x[:30], 7)
    model, *afterwards = _trained(reusable, x, 0.01, [monitor])
    built = models.ReusableModel(lambda: wasserstein(0.01), **settings)
    return types.SimpleNamespace(
        x=x,
        model=model,
        monitor=monitor,
        without=without,
        afterwards=afterwards,
        built=_trained(built, x)[1:],
    )


def test_a_lambda_set_afterwards_trains_as_one_that_was_built_in(small):
    assert small.afterwards[0] == small.built[0]
    for ours, theirs in zip(small.afterwards[1], small.built[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert small.afterwards[0]["loss"] != small.without[0]["loss"]


def _divergences(mean, sigma):
    """KL, squared W2 and T of diagonal Gaussians, by the formulas for any two Gaussians."""
    m = mean.shape[-1]
    log_det = np.log(sigma**2).sum(axis=-1)
    squares = (mean**2).sum(axis=-1)
    kl = ((sigma**2).sum(axis=-1) + squares - m - log_det) / 2
    w2 = squares + (sigma**2 + 1 - 2 * sigma).sum(axis=-1)
    t = log_det + ((sigma - 2) ** 2).sum(axis=-1) + squares - m
    return kl, w2, t


def test_the_monitor_watches_the_model_as_it_is_after_the_epoch(small):
    images = small.x[:30].astype(float)
    assert {len(values) for values in small.monitor.values.values()} == {3}
    mean, log_var = (np.asarray(a, float) for a in small.model.encoder(small.x[:30]))
    sigma = np.exp(log_var / 2)
    noise = np.random.default_rng(7).standard_normal((30, LATENT_DIM), dtype="float32")
    drawn = (mean + sigma * noise).astype("float32")
    p = np.asarray(small.model.decoder(drawn), float)
    log_p = np.log(p**images * (1 - p) ** (1 - images)).reshape(30, -1).sum(axis=1)
    kl, w2, t = _divergences(mean, sigma)
    assert abs(kl.mean() - w2.mean()) > 0.02
    expected = {"t": t, "elbo_kl": log_p - kl, "elbo_w": log_p - w2}
    for name, values in expected.items():
        found = small.monitor.values[name]
        assert found[-1] == pytest.approx(values.mean(), rel=1e-4, abs=1e-4)
        assert len(set(found)) == 3


class _Recording(FeatureSpace):
    """The pixels as features; keeps what it is asked to look at."""

    seen = {"reference": [], "scored": []}

    def reference(self, images, **others):
        self.seen["reference"].append(images)
        return super().reference(images, **others)

    def features_of(self, images, **others):
        self.seen["scored"].append(images)
        return super().features_of(images, **others)


@pytest.fixture
def space(monkeypatch):
    """A space that takes the place of Inception's: what it is given as real and to score."""
    pixels = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
    for images in _Recording.seen.values():
        images.clear()
    monkeypatch.setattr(FeatureSpace, "inception", lambda: _Recording("pixels", pixels))
    experiment.real_reference.cache_clear()
    yield _Recording.seen
    experiment.real_reference.cache_clear()


class _Stop(Exception):
    pass


@pytest.mark.parametrize(
    ("weight", "start", "last"), [(3.5, 3.5, 3.5), ("schedule", 0.5, 0.5 + 0.05 * 14)]
)
def test_a_run_that_diverges_is_recorded_and_has_the_lambda_asked_for(
    made_up, space, monkeypatch, weight, start, last
):
    seen = {}

    def diverge(model, images, passes, batch_size, **others):
        seen.update(model=model, images=images, passes=passes, windows=others["windows"])
        raise models.NonFiniteLossError("told to")

    monkeypatch.setattr(models, "fit_passes", diverge)
    own = {**RUN, **FEATURES, "kind": "run", "weight": weight, "feature_spaces": ["inception"]}
    assert PAPER.compute(own, 0, made_up) == {"diverged": True}
    model = seen["model"]
    assert float(model.lambda_) == start
    schedule = model.divergence_weight
    assert (schedule(14) if callable(schedule) else float(model.lambda_)) == pytest.approx(last)
    assert len(_bytes(seen["images"])) == 40
    assert _bytes(seen["images"]) <= _bytes(made_up.x_train)
    assert (seen["passes"], seen["windows"]) == (2, 2)


@pytest.mark.parametrize("heads", ["none", "log_var", "both"])
def test_the_heads_that_are_named_are_never_positive(heads, rng):
    model = experiment.build("kl", heads, 1.0, (4, 4, 1))
    mean, log_var = (np.asarray(a) for a in model.encoder(rng.random((40, 4, 4, 1), "float32")))
    assert (mean.max() <= 0) == (heads == "both")
    assert (log_var.max() <= 0) == (heads != "none")
    assert mean.min() < 0
    assert log_var.min() < 0


def test_a_fault_other_than_a_loss_is_not_taken_for_divergence(made_up, space, monkeypatch):
    def fail(*arguments, **others):
        raise _Stop

    monkeypatch.setattr(models, "fit_passes", fail)
    own = {**RUN, **FEATURES, "kind": "run", "feature_spaces": ["inception"]}
    with pytest.raises(_Stop):
        PAPER.compute(own, 0, made_up)


def test_the_summary_of_posteriors_against_a_calculation_by_hand():
    # The prior itself; a narrow one whose mean is far off; one that is wide in one dimension.
    mean = np.array([[0, 0, 0], [1.5, 0, 0.1], [-1, -2, 0]], "float32")
    sigma = np.array([[1, 1, 1], [0.9, 0.9, 1], [2, 0.5, 1]], "float32")
    t = [
        0.0,
        2.25 + 0.01 + 2 * (np.log(0.81) + 1.1**2 - 1),
        (np.log(4) + 0 + 1 - 1) + (np.log(0.25) + 1.5**2 + 4 - 1),
    ]
    found = experiment.posterior_summary(mean, 2 * np.log(sigma))
    assert found["t"] == pytest.approx(sum(t) / 3, rel=1e-5)
    assert t[1] == pytest.approx(2.26, abs=0.01)
    assert t[2] == pytest.approx(5.25)
    assert found["narrow"] == pytest.approx(2 / 3)
    assert found["narrow_with_positive_t"] == pytest.approx(1 / 3)
    assert found["negative_means"] == pytest.approx(2 / 9)
    # The third dimension's mean varies by 0.0022, too little to count.
    assert found["active_units"] == 2


@pytest.mark.parametrize(("fid_images", "expected"), [(1000, 25), (8, 8)])
def test_the_floor_is_of_images_that_the_reference_does_not_hold(
    made_up, space, fid_images, expected
):
    own = {**FEATURES, "kind": "floor", "feature_spaces": ["inception"], "fid_images": fid_images}
    values = PAPER.compute(own, 0, made_up)
    (reference,), (train, test) = space["reference"], space["scored"]
    assert len(_bytes(reference)) == len(_bytes(train)) == expected <= len(made_up.x_train) // 2
    assert not _bytes(reference) & _bytes(train)
    assert _bytes(reference) | _bytes(train) <= _bytes(made_up.x_train)
    assert len(test) == min(fid_images, 20)
    assert _bytes(test) <= _bytes(made_up.x_test)
    assert values["inception_train_n_generated"] == expected
    PAPER.compute(own, 1, made_up)
    assert len(space["reference"]) == 1, "it is computed once a process"


def test_the_floor_of_a_run_is_near_zero_and_comes_with_the_classifiers_accuracy(computed):
    values = computed.results["floor"]
    assert values["classifier_train_fid"] < values["classifier_test_fid"] + 1
    assert values["classifier_train_fid"] < computed.results["run"]["classifier_fid"]
    assert values["classifier_accuracy"] > 0.2


def test_a_split_is_disjoint_and_a_tenth(made_up):
    x, y = made_up.x_train, np.arange(50)
    (x_train, y_train), (x_validation, y_validation) = experiment.split((x, y), 3)
    assert (len(x_train), len(x_validation)) == (45, 5)
    assert sorted([*y_train, *y_validation]) == list(range(50))
    np.testing.assert_array_equal(x_train, x[y_train])
    np.testing.assert_array_equal(x_validation, x[y_validation])
    np.testing.assert_array_equal(experiment.split((x, y), 3)[1][1], y_validation)
    assert set(experiment.split((x, y), 4)[1][1]) != set(y_validation)
    assert len(experiment.split((x[:5], y[:5]), 0)[1][1]) == 1


class _Classifier:
    """Keeps what it is trained on, and says that all images are of class 0."""

    def __init__(self):
        self.optimizer = types.SimpleNamespace(iterations=7)

    def fresh(self, seed):
        return self

    def fit(self, batches, validation_data, **others):
        self.train, self.validation = batches.arrays, validation_data.arrays
        self.others = others

    def predict_on_batch(self, images):
        return np.eye(2)[np.zeros(len(images), int)]


@pytest.fixture
def classifier(monkeypatch):
    found = _Classifier()
    monkeypatch.setattr(experiment, "_classifier", lambda data: found)
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_no_vae_of_table_2_sees_what_validates_the_classifier(
    made_up, monkeypatch, classifier, seed
):
    seen = {}

    def made(make, x, y, seed, generated, passes):
        model = make()
        seen.update(x=x, y=y, generated=generated, passes=passes, model=model)
        return np.full((generated, 4, 4, 1), 0.25, "float32"), np.zeros(generated, int)

    monkeypatch.setattr(experiment, "synthetic", made)
    own = {"kind": "classify", "train_size": 40, "test_images": 15, "updates": 20, "patience": 4}
    plain = PAPER.compute(own, seed, made_up)
    real, validation = classifier.train[0], classifier.validation[0]
    assert (len(real), len(validation)) == (36, 4)
    assert len(_bytes(real) | _bytes(validation)) == 40
    setting = {"divergence": "kl", "heads": "both", "weight": 2.5, "generated": 6, "passes": 3}
    values = PAPER.compute({**own, **setting}, seed, made_up)
    assert _bytes(seen["x"]) == _bytes(real)
    assert not _bytes(seen["x"]) & _bytes(classifier.validation[0])
    assert (seen["generated"], seen["passes"]) == (6, 3)
    assert float(seen["model"].lambda_) == 2.5
    # With and without generated images the real ones are the same, and only they validate.
    np.testing.assert_array_equal(classifier.validation[0], validation)
    np.testing.assert_array_equal(classifier.train[0][:36], real)
    assert (classifier.train[0][36:] == 0.25).all()
    assert len(classifier.train[0]) == len(classifier.train[1]) == 42
    labels = dict(zip(map(np.ndarray.tobytes, made_up.x_train), made_up.y_train, strict=True))
    assert [labels[image.tobytes()] for image in real] == classifier.train[1][:36].tolist()
    assert values == plain
    assert values["updates_taken"] == 7
    tested = np.random.default_rng(0).permutation(20)[:15]
    assert values["accuracy"] == pytest.approx((made_up.y_test[tested] == 0).mean())


def test_updates_and_patience_count_steps_whatever_the_training_set(made_up, classifier):
    train = np.zeros((300, 4, 4, 1), "float32"), np.zeros(300, int)
    experiment.fit_classifier(classifier, train, 20, 4, 0)
    # 270 images are three batches: seven epochs of three, and a patience of two.
    assert classifier.others["epochs"] == 7
    assert classifier.others["callbacks"][1].patience == 2
    assert classifier.others["callbacks"][1].restore_best_weights


def test_a_classifier_does_not_depend_on_what_was_drawn_elsewhere(made_up):
    reusable = experiment._new_classifier(made_up)
    train = np.repeat(made_up.x_train, 20, axis=0), np.repeat(made_up.y_train, 20)
    found = []
    for other in (0, 1):
        random.seed(other)
        np.random.seed(other)  # noqa: NPY002
        model, taken = experiment.fit_classifier(reusable, train, 9, 9, 3)
        found.append(model.get_weights())
        assert taken == 9
    for first, second in zip(*found, strict=True):
        np.testing.assert_array_equal(first, second)


def test_generated_images_are_equally_many_of_each_class_and_of_their_class(rng):
    y = rng.permutation(np.repeat([3, 7], 12))
    x = np.where(y == 7, 0.95, 0.05).astype("float32")[:, None, None, None]
    x = np.broadcast_to(x, (24, 4, 4, 1)).copy()
    images, labels = experiment.synthetic(
        lambda: experiment.build("kl", "none", 1.0, (4, 4, 1)), x, y, 0, 7, 60
    )
    assert images.shape == (8, 4, 4, 1)
    assert np.bincount(labels)[[3, 7]].tolist() == [4, 4]
    shade = images.mean(axis=(1, 2, 3))
    assert shade[labels == 3].max() < 0.4
    assert shade[labels == 7].min() > 0.6


def test_first_updates_are_tested_in_order(tiny, few):
    cell = _of(PAPER.cells(tiny), "Baseline")[0]
    values = PAPER.compute({**cell.parameters, "updates": 3}, 0, few)
    assert values["updates"] == [1, 2, 3]
    assert len(values["accuracies"]) == 3
    assert all(0 <= accuracy <= 1 for accuracy in values["accuracies"])


# What is made of the results.

PAPER_LIKE = {
    "fid": {"ELBO_KL": 60, "ELBO_W": 20, "ELBO_W free": 30},
    "accuracy": {
        10_000: {"no augmentation": 30, "ELBO_KL": 65, "ELBO_W": 73, "ELBO_W free": 73},
        20_000: {"no augmentation": 65, "ELBO_KL": 76, "ELBO_W": 77, "ELBO_W free": 77},
        60_000: {"no augmentation": 86, "ELBO_KL": 88, "ELBO_W": 87, "ELBO_W free": 87},
    },
    "epochs": {"ELBO_KL": 9, "ELBO_W": 4, "ELBO_W free": 4},
}
REVERSED = {
    "fid": {"ELBO_KL": 20, "ELBO_W": 60, "ELBO_W free": 50},
    "accuracy": {
        10_000: {"no augmentation": 80, "ELBO_KL": 75, "ELBO_W": 73, "ELBO_W free": 73},
        20_000: {"no augmentation": 86, "ELBO_KL": 88, "ELBO_W": 87, "ELBO_W free": 87},
        60_000: {"no augmentation": 86, "ELBO_KL": 88, "ELBO_W": 97, "ELBO_W free": 97},
    },
    "epochs": {"ELBO_KL": 4, "ELBO_W": 9, "ELBO_W free": 9},
}


def _history(converged, noise):
    """A reconstruction that is at its last value from epoch `converged` on."""
    reconstruction = [150.0] * (converged - 1) + [100.0 + noise] * (11 - converged)
    n = len(reconstruction)
    return {
        "reconstruction": reconstruction,
        "t": [-1.0] * n,
        "elbo_kl": [-120.0] * n,
        "elbo_w": [-118.5] * n,
    }


def _planted(first, second=None, seeds=8, names=("MNIST", "Fashion-MNIST")):
    """A made-up run: `first` is what its first dataset shows, and `second` its second."""
    rng = np.random.default_rng(0)
    sheet = png(np.zeros((2, 4, 4, 1)), columns=2)
    rows = []
    for name, shown in zip(names, (first, second or first), strict=False):
        place = {"table": "Floor", "row": name, "column": "real", "seed": 0}
        scored = {"train_fid": 1.25, "test_fid": 2.5, "train_n_real": 50, "train_n_generated": 40}
        rows.append({**place, **{f"classifier_{key}": value for key, value in scored.items()}})
        for (method, setting), seed in itertools.product(METHODS.items(), range(seeds)):
            run = dict(zip(("divergence", "heads"), setting, strict=True))
            run |= {"row": f"{name}, {method}", "diverged": False, "t": -1.0, "png": sheet}
            run |= {"narrow": 0.0, "narrow_with_positive_t": 0.0, "negative_means": 0.5}
            run |= {"history": _history(shown["epochs"][method] + seed % 2, rng.random() / 10)}
            run |= {"active_units": 12, "classifier_precision": 0.5, "classifier_recall": 0.5}
            fid = shown["fid"][method] + rng.normal()
            for table, weight, seed_of, more in (
                ("Search", float(seed + 1), 1000 + seed, seed),
                ("Table 1", 1.0, seed, 0),
                ("Schedule", "schedule", seed, 5),
            ):
                scored = {"classifier_fid": fid + more, "classifier_folded_fid": fid + 10}
                place = {"table": table, "column": f"lambda {weight}", "seed": seed_of}
                rows.append({**run, **place, "weight": weight, **scored})
        for (size, accuracy), seed in itertools.product(shown["accuracy"].items(), range(seeds)):
            for method, value in accuracy.items():
                place = {"table": "Table 2", "row": f"{name}, {size:,} images", "column": method}
                value = (value + 0.3 * rng.normal()) / 100
                own = {"train_size": size, "accuracy": value, "updates_taken": 50}
                rows.append({**place, "seed": seed, **own})
            place = {"table": "Baseline", "row": f"{name}, {size:,} images", "column": "first"}
            own = {"updates": [5, 10, 15], "accuracies": [0.1, 0.3, 0.5]}
            if seed == 0:
                rows.append({**place, "seed": 0, "train_size": size, **own})
    return pd.DataFrame(rows)


def _report(frame, **changed):
    changed = {"feature_spaces": ["classifier"], **changed}
    return PAPER.report(frame, resolve_parameters(PAPER, "paper", changed))


def _verdicts(frame):
    """The verdicts of each claim's number, in the claims' order."""
    found = {}
    for claim in _report(frame).claims:
        found.setdefault(claim.number, []).append(claim.verdict)
    return found


def test_claims_hold_where_the_numbers_do():
    assert _verdicts(_planted(PAPER_LIKE)) == {
        1: ["reproduced"] * 3,
        2: ["reproduced"] * 3,
        3: ["reproduced"] * 2,
        4: ["reproduced"],
        5: ["not decided"],
        6: ["reproduced"],
    }
    assert _verdicts(_planted(REVERSED)) == {
        1: ["not reproduced"] * 3,
        2: ["not reproduced"] * 3,
        3: ["not reproduced"] * 2,
        4: ["not reproduced"],
        5: ["not decided"],
        6: ["not reproduced"],
    }
    few = _verdicts(_planted(PAPER_LIKE, seeds=7))
    assert {verdict for verdicts in few.values() for verdict in verdicts} == {"not decided"}


def test_each_dataset_has_its_own_claim_on_fid_and_the_first_all_others():
    verdicts = _verdicts(_planted(PAPER_LIKE, REVERSED))
    assert verdicts.pop(2) == ["not reproduced"] * 3
    assert verdicts.pop(5) == ["not decided"]
    assert {v for found in verdicts.values() for v in found} == {"reproduced"}
    texts = [claim.text for claim in _report(_planted(PAPER_LIKE)).claims]
    assert "on MNIST" in texts[0]
    assert "on Fashion-MNIST" in texts[3]


def test_a_second_dataset_that_was_not_run_leaves_its_claim_undecided():
    frame = _planted(PAPER_LIKE, names=("bundled digits",))
    made = PAPER.report(frame, resolve_parameters(PAPER, "quick", THREE))
    found = [(claim.number, claim.verdict) for claim in made.claims]
    assert found[:6] == [(1, "reproduced")] * 3 + [(2, "not decided")] * 3


def test_effects_are_in_the_unit_that_the_claim_names():
    claims = {claim.text: claim for claim in _report(_planted(PAPER_LIKE)).claims}
    fid = claims["FID(W) < FID(KL) on MNIST"]
    assert fid.effect == pytest.approx(40, abs=1.5)
    assert fid.low <= fid.effect <= fid.high
    assert fid.n_pairs == 8
    gain = claims["With 10,000 images, augmentation by ELBO_W beats ELBO_KL"]
    assert gain.effect == pytest.approx(8, abs=0.5)
    shrinks = claims["The gain of W over none shrinks as the training set grows"]
    assert shrinks.effect == pytest.approx(43 - 1, abs=0.5)
    epochs = [claim for claim in claims.values() if claim.number == 6][0]
    assert epochs.effect == 5


def test_without_excluded_runs_only_those_kept_are_compared():
    frame = _planted(REVERSED, seeds=20)
    better = _planted(PAPER_LIKE, seeds=20)
    kept = frame["seed"] < 9
    frame.loc[kept, "classifier_fid"] = better.loc[kept, "classifier_fid"]
    own = frame["table"] == "Table 1"
    beyond = grid.T_LIMIT + 0.01
    # Either sign excludes, either method's run drops the pair, and so does a run that diverged.
    wasserstein = frame["row"].str.endswith("ELBO_W")
    frame.loc[own & ~kept & wasserstein & (frame["seed"] < 15), "t"] = beyond
    frame.loc[own & ~kept & frame["row"].str.endswith("ELBO_KL"), "t"] = -beyond
    gone = own & wasserstein & (frame["seed"] == 19)
    frame.loc[gone, ["t", "classifier_fid"]] = np.nan
    frame.loc[own & kept, "t"] = grid.T_LIMIT
    claims = [claim for claim in _report(frame).claims if claim.number in (1, 2)]
    assert [claim.n_pairs for claim in claims] == [19, 9, 20, 19, 9, 20]
    all_runs, kept_runs, free = claims[:3]
    assert (all_runs.verdict, kept_runs.verdict) == ("not reproduced", "reproduced")
    assert "without runs of |T| > 8" in kept_runs.text
    assert kept_runs.effect == pytest.approx(40, abs=2)
    assert "both without min(0, x)" in free.text
    table1 = _report(frame)["table1_classifier"].frame.set_index(["dataset", "method"])
    assert table1.loc["MNIST", "excluded"].to_dict() == {
        "ELBO_KL": 11,
        "ELBO_W": 7,
        "ELBO_W free": 0,
    }


def _claim5(**values):
    frame = _planted(PAPER_LIKE, seeds=3)
    own = (frame["table"] == "Table 1") & (frame["seed"] == 0)
    for name, value in values.items():
        frame.loc[own, name] = value
    return [claim for claim in _report(frame).claims if claim.number == 5][0]


def test_claim_5_falls_with_one_image_whose_t_is_positive():
    nothing = _claim5()
    assert (nothing.verdict, nothing.n_pairs) == ("not decided", 0)
    holds = _claim5(narrow=1.0)
    assert (holds.verdict, holds.n_pairs, holds.effect) == ("not decided", 6, 0)
    falls = _claim5(narrow=0.5, narrow_with_positive_t=0.01)
    assert (falls.verdict, falls.n_pairs) == ("not reproduced", 6)
    assert (falls.effect, falls.low, falls.high) == pytest.approx((1, 1, 1))


@pytest.mark.parametrize(
    ("reconstruction", "epoch"),
    [
        ([200, 102, 101.5, 101, 100.5, 100], 4),
        ([200, 100.9, 105, 100], 2),
        ([300, 200, 100], 3),
        ([100, 100.2], 1),
        ([50], 1),
    ],
)
def test_convergence_is_the_first_epoch_within_one_percent_of_the_last(reconstruction, epoch):
    assert scores.epochs_to_converge({"reconstruction": reconstruction}) == epoch


def _evidence(errata, start):
    (found,) = [erratum.evidence for erratum in errata if erratum.text.startswith(start)]
    return found


@pytest.fixture(scope="module")
def errata():
    return _report(pd.DataFrame(columns=["table", "row", "column", "seed"])).errata


def test_the_errata_of_the_equations_are_what_a_calculation_gives(errata):
    # Eq. 3 at the prior: the traces of Sigma, of the identity and of twice the root, added.
    identity = np.eye(2)
    printed = np.trace(identity + identity + 2 * identity)
    assert printed == 8
    assert _evidence(errata, "Eq. 3").startswith("At the prior itself (m = 2) it gives 8;")
    assert _evidence(errata, "Eq. 3").endswith("from itself is 0.")
    kl, w2, t = _divergences(np.zeros(2), np.full(2, 0.5))
    product = (np.log(4) * np.log(4) + 0.5 - 2) / 2
    assert _evidence(errata, "Eq. 4").endswith(f"it gives {product:.3f}; the KL is {kl:.3f}.")
    assert abs(product - kl) > 0.1
    kl, w2, t = _divergences(np.zeros(1), np.full(1, 0.5))
    text = np.log(0.25) + 1.75**2 - 1
    assert text > 0 > t
    assert t == pytest.approx(2 * (w2 - kl))
    assert _evidence(errata, "T is printed").endswith(
        f"the text's is {text:.3f}, the appendix's {t:.3f}, 2 (W2^2 - KL) = {t:.3f}."
    )
    kl, w2, t = _divergences(np.array([1, 0]), np.full(2, 0.5))
    assert _evidence(errata, 'The "W2"').endswith(
        f"W2^2 - KL = {w2 - kl:.4f}, the printed T = {2 * (w2 - kl):.4f}."
    )


def test_the_counterexample_to_proposition_1_is_one(errata):
    _, _, t = _divergences(np.array([1.5, 0]), np.full(2, 0.9))
    assert t > 2
    assert f"At mean (1.5, 0), sigma (0.9, 0.9): T = {t:.3f}." in _evidence(errata, "Proposition")
    _, _, centred = _divergences(np.zeros(2), np.full(2, 0.9))
    assert centred < 0
    assert "Its smallest value on [0.001, 1000] is 0, at" in _evidence(errata, "dT/dsigma")


def test_errata_without_results_say_so(errata):
    for start in ("A larger ELBO_W", "Proposition", "min(0, x)", "Runs are excluded", "Table 2"):
        assert "Not run." in _evidence(errata, start)
    assert "30.2, 65.1, 86.7 %" in _evidence(errata, "Table 2")


def test_errata_count_what_was_run():
    frame = _planted(PAPER_LIKE, seeds=3)
    search = (frame["table"] == "Search") & frame["row"].str.endswith("ELBO_KL")
    frame.loc[search & (frame["seed"] == 1000), "t"] = 2 * grid.T_LIMIT
    found = _report(frame).errata
    # Two Wasserstein methods on two datasets, three seeds each.
    assert "our 12 Wasserstein runs ELBO_W ends 1.50 (0.00) nats" in _evidence(found, "A larger")
    excluded = _evidence(found, "Runs are excluded")
    assert "ELBO_KL: 2 of 6 in the search, 0 of 6 in Table 1" in excluded
    assert "ELBO_W: 0 of 6 in the search" in excluded
    heads = _evidence(found, "min(0, x)")
    assert "both heads: " in heads
    assert "12.00 (0.00) of 16 units are active" in heads
    assert "MNIST, 10,000 images: 30.2 % is passed after 15 updates" in _evidence(found, "Table 2")


def test_tables_put_ours_beside_the_papers():
    frame = _planted(PAPER_LIKE, REVERSED)
    made = _report(frame)
    table1 = made["table1_classifier"]
    rows = table1.frame.set_index(["dataset", "method"])
    assert rows.loc[("MNIST", "ELBO_W"), "paper's FID"] == "23.17 (2.49)"
    assert rows.loc[("Fashion-MNIST", "ELBO_KL"), "paper's FID"] == "230 (10.39)"
    assert rows.loc[("MNIST", "ELBO_W free"), "paper's FID"] == "–"
    own = frame[(frame["table"] == "Table 1") & (frame["row"] == "MNIST, ELBO_W")]
    fid = own["classifier_fid"]
    assert rows.loc[("MNIST", "ELBO_W"), "FID, all runs"] == scores.mean_sd(fid)
    assert scores.mean_sd(fid) == f"{fid.mean():.2f} ({fid.std():.2f})"
    assert (rows["runs"] == 8).all()
    assert "1.25 (other training images), 2.50 (test images)" in table1.note
    assert "from 40 against 50 images" in table1.note
    search = made["search_classifier"].frame.set_index(["dataset", "method"])
    own = frame[(frame["table"] == "Search") & (frame["row"] == "MNIST, ELBO_KL")]
    best = own.loc[own["classifier_fid"].idxmin(), "weight"]
    assert search.loc[("MNIST", "ELBO_KL"), "best lambda"] == best
    table2 = made["table2"].frame
    row = table2[(table2["training images"] == 10_000) & (table2["added images of"] == "ELBO_W")]
    assert row["dataset"].tolist() == ["MNIST", "Fashion-MNIST"]
    assert row["paper"].tolist() == [72.9, 72.9]
    assert float(row["ours"].iloc[0].split()[0]) == pytest.approx(73, abs=0.5)
    heads = made["heads_classifier"].frame
    assert set(heads["lambda"]) == {1.0, "schedule"}
    assert (heads["runs"] == 8).all()
    updates = made["first_updates"].frame.set_index("training set")
    passed = updates["passed after updates"]
    assert passed["MNIST, 10,000 images"] == 15
    assert passed["MNIST, 60,000 images"] == "not in 15"
    convergence = made["convergence"].frame.set_index(["dataset", "method"])
    assert convergence.loc[("MNIST", "ELBO_KL"), "epochs to 1 %"].startswith("9.50")


def test_two_feature_spaces_are_never_mixed():
    frame = _planted(PAPER_LIKE)
    for name in ("fid", "folded_fid", "train_fid", "test_fid", "train_n_real", "train_n_generated"):
        frame[f"inception_{name}"] = 100 - frame[f"classifier_{name}"]
    made = _report(frame, feature_spaces=["inception", "classifier"])
    fids = {
        space: made[f"table1_{space}"].frame.set_index(["dataset", "method"])["FID, all runs"]
        for space in ("inception", "classifier")
    }
    ours = [float(found["MNIST", "ELBO_W"].split()[0]) for found in fids.values()]
    assert sum(ours) == pytest.approx(100, abs=0.02)
    # The first space decides, in which the order is the other one here.
    assert made.claims[0].verdict == "not reproduced"
    assert "inception" in made["fid_by_lambda"].caption


def test_a_report_can_be_made_of_nothing_and_of_a_part(errata):
    nothing = _report(pd.DataFrame(columns=["table", "row", "column", "seed"]))
    assert {claim.verdict for claim in nothing.claims} == {"not decided"}
    assert len(nothing.errata) == len(errata) == 10
    assert [figure.name for figure in nothing.figures] == ["figure2"]
    frame = _planted(PAPER_LIKE, seeds=2)
    for table in frame["table"].unique():
        part = frame[frame["table"] == table].dropna(axis="columns", how="all")
        made = _report(part)
        assert {claim.verdict for claim in made.claims} == {"not decided"}
    gone = {"diverged": True, "t": np.nan, "classifier_fid": np.nan, "history": None, "png": None}
    diverged = frame.copy()
    for name, value in gone.items():
        diverged.loc[diverged["table"].isin({"Search", *FOLLOWED}), name] = value
    made = _report(diverged)
    assert made["search_classifier"].frame["diverged"].tolist() == [2] * 6
    assert set(made["search_classifier"].frame["best lambda"]) == {"–"}
    assert {figure.name for figure in made.figures} == {"figure2", "baseline"}


def test_bundled_data_is_named_in_every_title_and_every_figure_is_drawn():
    frame = _planted(PAPER_LIKE, names=("bundled digits",), seeds=2)
    made = PAPER.report(frame, resolve_parameters(PAPER, "quick", THREE))
    assert all("bundled digits" in table.title for table in made.tables)
    for table in (made.claims_table(), made.errata_table()):
        assert "bundled digits" in table.title
    names = {figure.name for figure in made.figures}
    assert names == {"figure2", "samples", "fid_by_lambda", "training", "baseline"}
    for figure in made.figures:
        # Fig. 2 is a formula's, of no data.
        assert ("bundled digits" in figure.caption) == (figure.name != "figure2")
        drawn = figure.draw()
        assert drawn.axes
        drawn.clear()


def test_figures_have_room_for_two_datasets_and_all_sizes():
    made = _report(_planted(PAPER_LIKE, seeds=2))
    drawn = {figure.name: figure.draw() for figure in made.figures}
    assert len(drawn["fid_by_lambda"].axes) == 2
    labels = drawn["baseline"].axes[0].get_legend_handles_labels()[1]
    assert len(set(labels)) == 6
    for figure in drawn.values():
        figure.clear()


def test_a_name_is_of_one_table_or_figure():
    made = _report(_planted(PAPER_LIKE, seeds=2))
    names = [part.name for part in (*made.tables, *made.figures)]
    assert sorted(set(names)) == sorted(names)


def test_the_surface_of_t_touches_zero_at_the_prior():
    made = _report(pd.DataFrame(columns=["table", "row", "column", "seed"]))
    drawn = made["figure2"].draw()
    prior = drawn.axes[0].lines[0].get_xydata()
    np.testing.assert_array_equal(prior, [[1, 1]])
    drawn.clear()
