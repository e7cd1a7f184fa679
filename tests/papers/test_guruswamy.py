import numpy as np
import pandas as pd
import pytest

from dagen_keras import datasets, models
from dagen_keras.papers.guruswamy import (
    METHODS,
    PAPER,
    claims,
    data,
    experiment,
    generators,
    grid,
    scores,
)
from dagen_keras.papers.guruswamy.tables import interval, recall_table, table1
from dagen_keras.runs import RunError, resolve_parameters
from dagen_keras.runs.packing import picture
from dagen_keras.runs.paper import reported

ALL = {"classes": 100, "train_images": 10**6, "test_images": 10**6, "shrink": 1}
SETTING = generators.Setting(epochs=2, batch=16, learning_rate=1e-3, filters=4, latent_dim=4)
TINY = {"gan_epochs": 2, "gan_batch": 16, "learning_rate": 1e-3, "filters": 4, "latent_dim": 4}
RUN = {"classifier_epochs": 2, "patience": 2, "train_images": 120, "test_images": 30, "shrink": 2}


def _dataset(rng, sizes, name="mnist", side=8, subjects=None):
    y = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.random((len(y), side, side, 1), dtype="float32")
    names = tuple(str(label) for label in range(len(sizes)))
    return datasets.Dataset(name, x, y, x[::2], y[::2], names, "made up", subjects)


# What the paper reports.


def test_reported_numbers_have_a_row_for_every_row_of_table_1():
    table = reported("guruswamy_table1_accuracy")
    assert table["method"].tolist() == list(grid.TABLE1)
    assert scores.of_paper()["cifar100", "affine"] == pytest.approx((52.77, 81.16))
    assert np.isnan(scores.of_paper()["histopathology", "acgan"][1])
    alone = reported("guruswamy_synthetic_only_accuracy").set_index("dataset")["accuracy"]
    assert alone.to_dict() == {"fashion_mnist": 0.7937, "histopathology": 0.7786}


# The data.


def test_the_papers_sparse_classes_are_cut_to_their_shares_and_lack_what_they_lost(rng):
    images = data.prepare(_dataset(rng, [200] * 10), 0, **ALL)
    assert images.shares == {1: 0.5, 3: 0.65, 7: 0.8}
    counts = np.bincount(images.y) + np.bincount(images.validation[1])
    assert counts.tolist() == [200, 100, 200, 130, 200, 200, 200, 160, 200, 200]
    np.testing.assert_array_equal(np.bincount(images.validation[1]), counts // 10)
    assert images.missing == {1: 90, 3: 63, 7: 36}
    balanced = np.bincount(images.y)
    for label, n in images.missing.items():
        balanced[label] += n
    assert set(balanced) == {180}
    assert len(images.test[1]) == 1000, "the test part is not cut"


def test_training_and_validation_share_no_image_and_depend_on_the_seed(rng):
    source = _dataset(rng, [30] * 10)
    first, again, other = (data.prepare(source, seed, **ALL) for seed in (0, 0, 1))
    train = {image.tobytes() for image in first.x}
    assert not train & {image.tobytes() for image in first.validation[0]}
    assert len(train) == len(first.x)
    np.testing.assert_array_equal(first.x, again.x)
    assert train != {image.tobytes() for image in other.x}
    for seed in range(3):
        found = data.prepare(source, seed, **ALL)
        for x, y in ((found.x, found.y), found.validation):
            known = {image.tobytes(): label for image, label in zip(*_train(source), strict=True)}
            assert [known[image.tobytes()] for image in x] == list(y)


def _train(source):
    return source.x_train, source.y_train


def test_cifar100_has_twenty_sparse_classes_in_five_groups_of_four():
    shares = grid.sparse_classes("cifar100", 100)
    assert len(shares) == 20
    assert sorted(shares.values()) == sorted(5 * grid.CIFAR100_SHARES)
    assert shares == grid.sparse_classes("cifar100", 100)
    assert set(shares) != set(range(20)), "drawn, not the first"
    reduced = grid.sparse_classes("cifar100", 20)
    assert sorted(reduced.values()) == sorted(grid.CIFAR100_SHARES)
    assert max(reduced) < 20


def test_natural_imbalance_is_kept_and_filled_up_to_the_largest_class(rng):
    patients = pd.DataFrame({"patient": np.arange(120) % 12})
    source = _dataset(rng, [80, 40], "histopathology", subjects=patients)
    images = data.prepare(source, 0, **ALL)
    assert images.shares == {}
    counts = np.bincount(images.y)
    assert images.missing == {1: counts[0] - counts[1]}
    of = {
        x.tobytes(): patient for x, patient in zip(source.x_train, np.arange(120) % 12, strict=True)
    }
    train, validation = (
        {of[x.tobytes()] for x in part} for part in (images.x, images.validation[0])
    )
    assert not train & validation
    assert len(train | validation) == 12


def test_lazy_images_stay_lazy_unless_they_are_averaged():
    class Lazy:
        def __init__(self, x):
            self.x, self.read = x, 0

        shape = property(lambda self: self.x.shape)

        def __len__(self):
            return len(self.x)

        def __getitem__(self, rows):
            self.read += np.size(rows)
            return self.x[rows]

        def select(self, rows):
            return Lazy(self.x[rows])

    x = np.zeros((9, 4, 4, 3), "float32")
    lazy = Lazy(x)
    assert isinstance(data._pixels(lazy, np.arange(3), 1), Lazy)
    assert lazy.read == 0
    assert data._pixels(lazy, np.arange(3), 2).shape == (3, 2, 2, 3)
    assert lazy.read == 3


def test_shrinking_averages_blocks_and_refuses_what_does_not_divide(rng):
    x = rng.random((3, 8, 8, 2), dtype="float32")
    small = data._pixels(x, np.arange(3), 4)
    np.testing.assert_allclose(small[1, 1, 0, 1], x[1, 4:, :4, 1].mean(), rtol=1e-5)
    with pytest.raises(RunError, match=r"'shrink' must divide the images' sides \(8, 8\); got 3"):
        data._pixels(x, np.arange(3), 3)


def test_images_of_a_class_are_all_used_before_any_is_used_twice(rng):
    images = data.prepare(_dataset(rng, [30] * 10), 0, **ALL)
    drawn = images.of_class(1, 30, seed=0)
    counts = pd.Series([image.tobytes() for image in drawn]).value_counts()
    n = (images.y == 1).sum()
    assert len(counts) == n
    assert set(counts) <= {30 // n, 30 // n + 1}


# The grid.


def test_methods_of_a_seed_share_their_images_and_differ_in_what_fills_up():
    parameters = resolve_parameters(PAPER, "paper")
    cells = [c for c in PAPER.cells(parameters) if c.seed == 3 and c.dataset == "cifar100"]
    assert [c.column for c in cells] == list(METHODS)
    own = {c.column: c.parameters for c in cells}
    shared = {"classes", "train_images", "test_images", "shrink", "classifier_epochs", "patience"}
    assert len({str({k: v[k] for k in shared}) for v in own.values()}) == 1
    shares = [own[m]["real_share"] for m in grid.PROPORTIONS]
    assert shares == [0.5, 0.25, 0.75, "every third epoch"]
    assert [own[f"acgan_ali_v{i}"]["from_ali"] for i in (1, 2)] == [False, True]
    assert not any(own[m]["mask"] for m in METHODS if "no mask" in m)
    assert [m for m in METHODS if own[m].get("synthetic_alone")] == ["acgan"]


# What a cell computes.


@pytest.fixture(scope="module")
def few(digits):
    return digits


@pytest.mark.parametrize(
    "method", ["none", "affine", "cgan", "acgan_v3", "acgan_ali_v2, no mask", "ali reconstructions"]
)
def test_a_cell_fills_up_the_sparse_classes_and_scores_every_class(few, method):
    own = {"kind": "run", "classes": 10, **METHODS[method], **RUN}
    generative = method in grid.GENERATIVE
    if generative:
        own |= {**TINY, "synthetic_alone": method == "cgan"}
    found = PAPER.compute(own, 0, few)
    assert not found["diverged"]
    assert 0 <= found["accuracy"] <= 1
    tested, recalls = np.array(found["tested"]), np.array(found["recalls"], float)
    assert tested.sum() == 30
    np.testing.assert_allclose(np.nansum(recalls * tested) / 30, found["accuracy"])
    assert found["top_k_accuracy"] >= found["accuracy"]
    images = data.prepare(few, 0, 10, 120, 30, 2)
    assert found["sparse"] == [1, 3, 7]
    assert found["added"] == (sum(images.missing.values()) if method != "none" else 0)
    assert found["updates"] > 0
    assert ("synthetic_accuracy" in found) == (method == "cgan")
    if method != "none":
        assert picture(found["png"]).shape == (14 * 10, 14 * 8)
    if generative:
        assert np.shape(found["diversity"]) == (len(found["looked_at"]), 10)
        assert found["looked_at"] == [1, 2]


def test_a_cell_depends_on_its_seed_alone(few):
    own = {"kind": "run", "classes": 10, **METHODS["acgan"], **RUN, **TINY}

    def compute(seed):
        return PAPER.compute(own, seed, few)

    first = compute(0)
    other = compute(1)
    generators.reusable.cache_clear()
    experiment._classifier.cache_clear()
    data.prepare.cache_clear()
    assert compute(0) == first
    assert other != first


def test_proportions_share_one_compiled_model_and_differ(few):
    images = data.prepare(few, 0, 10, 120, 30, 2)
    generators.reusable.cache_clear()
    pictures = set()
    for share in (0.25, 0.5, 0.75, "every third epoch"):
        gan, _ = generators.train("acgan", images, SETTING, 5, real_share=share)
        pictures.add(gan.generate([0], seed=0).tobytes())
    assert generators.reusable.cache_info().currsize == 1
    # In two epochs there is no third: v3 is still v2.
    assert len(pictures) == 3


def test_the_ali_of_a_seed_is_trained_once_and_its_codes_are_used(few, monkeypatch):
    images = data.prepare(few, 0, 10, 120, 30, 2)
    trained = []
    train = generators.train
    monkeypatch.setattr(
        generators, "train", lambda kind, *a, **k: trained.append(kind) or train(kind, *a, **k)
    )
    generators._ali_state.cache_clear()
    for from_ali in (False, True):
        gan, _ = generators.train("acgan_on_ali", images, SETTING, 5, from_ali=from_ali, seed=0)
        ali, _ = generators.trained_ali(images, SETTING, 0)
        for ours, theirs in zip(gan.encoder.get_weights(), ali.encoder.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert trained == ["acgan_on_ali", "ali", "acgan_on_ali"]


def test_a_model_that_diverges_is_a_result(few, monkeypatch):
    def diverge(*arguments, **settings):
        raise models.NonFiniteLossError("stopped in epoch 1")

    monkeypatch.setattr(generators, "train", diverge)
    own = {"kind": "run", "classes": 10, **METHODS["cgan"], **RUN, **TINY}
    assert PAPER.compute(own, 0, few) == {"diverged": True, "why": "stopped in epoch 1"}


# The report.


def _frame(accuracies, dataset="MNIST", n_seeds=8, **values):
    """Runs whose accuracy is given by method, with a little spread over seeds."""
    rows = []
    for method, accuracy in accuracies.items():
        for seed in range(n_seeds):
            rows.append(
                {
                    "table": "Table I" if method in grid.TABLE1 else "Ablations",
                    "row": dataset,
                    "column": method,
                    "seed": seed,
                    "accuracy": accuracy + 0.0001 * seed + 0.00005 * (seed % 3),
                    "recalls": [1.0, 0.5],
                    "tested": [30, 10],
                    "left": [1.0, 0.5],
                    "sparse": [1],
                    "diverged": False,
                    **values,
                }
            )
    return pd.DataFrame(rows)


def test_the_interval_of_a_mean_is_students():
    mean, low, high = interval([1.0, 2.0, 4.0])
    # t(0.975, 2) = 4.302653, sd = 1.527525.
    assert mean == pytest.approx(7 / 3)
    assert high - mean == pytest.approx(4.302653 * 1.527525 / np.sqrt(3), rel=1e-5)
    assert mean - low == pytest.approx(high - mean)
    assert np.isnan(interval([])[0])


def test_table_1_compares_runs_of_the_same_images():
    runs = scores.runs_of(_frame({"none": 0.90, "acgan": 0.91}))
    table = table1(runs, "MNIST", resolve_parameters(PAPER, "paper")).frame.set_index("method")
    assert table.loc["acgan", "minus none"] == pytest.approx(1.0)
    # The seeds' spread is the same for both, so the difference has none.
    assert table.loc["acgan", "its high"] - table.loc["acgan", "its low"] < 0.01
    assert table.loc["acgan", "high"] - table.loc["acgan", "low"] > 0.01
    assert table.loc["acgan", "paper: accuracy"] == 91.78
    assert table.loc["acgan", "paper: minus none"] == pytest.approx(0.21)


def test_recalls_of_sparse_and_full_classes_and_the_accuracy_on_a_cut_test_part():
    table = recall_table(scores.runs_of(_frame({"none": 0.875})), "MNIST").frame
    assert table.loc[0, "sparse classes"] == 50
    assert table.loc[0, "full classes"] == 100
    # 30 and half of 10 images: (30 + 2.5) / 35.
    assert table.loc[0, "accuracy on a test part cut alike"] == pytest.approx(92.86)


def _verdicts(frame):
    return {
        (c.number, c.text.split(") ")[-1]): c.verdict for c in claims.claims(scores.runs_of(frame))
    }


def test_claims_are_decided_by_intervals_and_tests_over_seeds():
    alike = {"none": 0.9, "affine": 0.902, "acgan": 0.899}
    ali = {"ali reconstructions": 0.9, "duplicates": 0.9}
    proportions = {"acgan_v1": 0.89, "acgan_v2": 0.89, "acgan_v3": 0.901}
    found = _verdicts(_frame({**alike, **ali, **proportions}, synthetic_accuracy=0.8))
    by_number = {number: verdict for (number, _), verdict in found.items()}
    assert by_number[6] == "reproduced"
    assert by_number[4] == "reproduced"
    assert found[1, "no method differs from none by more than 0.5 points"] == "not reproduced"
    assert "reproduced" in [v for (n, _), v in found.items() if n == 5]
    found = _verdicts(_frame({**alike, "acgan_v3": 0.901}))
    assert found[1, "no method differs from none by more than 0.5 points"] == "reproduced"
    cifar = {"none": 0.4, "affine": 0.42, **dict.fromkeys(grid.PROPORTIONS, 0.41)}
    texts = [(c.text, c.verdict) for c in claims.claims(scores.runs_of(_frame(cifar, "CIFAR-100")))]
    assert ("On CIFAR-100 affine augmentation helps", "reproduced") in texts
    assert ("On CIFAR-100 AC-GANs hurt", "not reproduced") in texts


def test_few_seeds_decide_nothing():
    frame = _frame({m: 0.9 for m in METHODS}, n_seeds=3, synthetic_accuracy=0.8)
    assert {c.verdict for c in claims.claims(scores.runs_of(frame))} == {"not decided"}


def test_a_report_of_diverged_and_missing_runs_is_made():
    frame = pd.DataFrame(
        [
            {"table": "Table I", "row": "MNIST", "column": m, "seed": 0, "diverged": True}
            for m in ("none", "cgan")
        ]
    )
    report = PAPER.report(frame, resolve_parameters(PAPER, "paper", {"datasets": ["mnist"]}))
    table = report["table1"].frame
    assert table["diverged"].tolist() == [1, 1]
    assert table["runs"].tolist() == [0, 0]
    assert report["diversity"].frame["diverged runs"].sum() == 2
