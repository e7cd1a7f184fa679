import itertools

import numpy as np
import pandas as pd
import pytest

from dagen_keras import datasets
from dagen_keras.papers import chadebec
from dagen_keras.papers.chadebec import experiment, generators, geometry, released
from dagen_keras.papers.chadebec.claims import claims
from dagen_keras.papers.chadebec.grid import TABLE_METHODS
from dagen_keras.papers.legacy import RunError, reported, resolve_parameters
from dagen_keras.sampling import manifold


@pytest.fixture
def metric(rng):
    centroids = rng.normal(size=(20, 2)).astype("float32")
    factors = np.tril(rng.normal(scale=0.4, size=(20, 2, 2))).astype("float32")
    factors[:, [0, 1], [0, 1]] = np.exp(factors[:, [0, 1], [0, 1]])
    return manifold.RiemannianMetric(centroids, factors, 0.8, 1e-3)


def test_reported_numbers_have_a_row_for_every_method_and_size():
    table2 = reported("chadebec_table2_accuracy_percent")
    for dataset, method, n, training_set in itertools.product(
        ("MNIST", "MNIST unbalanced", "EMNIST unbalanced"),
        TABLE_METHODS,
        (200, 500, 1000, 2000),
        ("raw+synthetic", "synthetic only"),
    ):
        rows = table2[
            (table2["dataset"] == dataset)
            & (table2["method"] == f"{method}_{n}")
            & (table2["training_set"] == training_set)
        ]
        assert len(rows) == 1


def test_the_training_set_is_the_same_for_every_method_and_splits_80_to_20(digits):
    for split in ("balanced", "unbalanced"):
        (x, y), (x_validation, y_validation) = generators.subset(digits, split, 200, seed=0)
        assert len(y) + len(y_validation) == 200
        assert len(y_validation) == pytest.approx(40, abs=5)
        assert np.bincount(np.concatenate([y, y_validation])).min() >= 8
        again = generators.subset(digits, split, 200, seed=0)
        np.testing.assert_array_equal(x, again[0][0])
        other = generators.subset(digits, split, 200, seed=1)[0]
        assert x.shape != other[0].shape or (x != other[0]).any()
    counts = [
        np.bincount(np.concatenate([part[1] for part in generators.subset(digits, split, 200, 0)]))
        for split in ("balanced", "unbalanced")
    ]
    assert set(counts[0]) == {20}
    assert len(set(counts[1])) > 3


def test_reduced_sets_have_three_classes_or_all_shapes(digits):
    x, y = generators.reduced(digits, 120)
    assert np.bincount(y).tolist() == [40, 40, 40]
    x, y = generators.reduced(datasets.load("shapes"), 120)
    assert x.shape == (180, 50, 50, 1)


def test_brains_keep_their_parts_and_their_mean():
    data = datasets.load("phantoms")
    parts = generators.brains(data, 4)
    assert sum(len(y) for _, y in parts.values()) == 200
    assert parts["test"][0].shape[1:] == (52, 44, 1)
    np.testing.assert_allclose(parts["test"][0].mean(), data.x_test.mean(), rtol=1e-4)


def test_training_images_of_each_row_of_the_tables(rng):
    train = rng.random((6, 8, 8, 1), dtype="float32"), np.array([0, 0, 0, 1, 1, 1])

    class Fitted:
        classes_ = np.array([0, 1])

        def set_params(self, sampler):
            self.sampler = sampler

        def sample(self, n, label):
            return np.full((n, 8, 8, 1), label + (self.sampler == "hmc") / 2, "float32")

    def counts(*row):
        x, y = experiment.training_images(train, *row, Fitted(), seed=0)
        assert len(x) == len(y)
        return np.bincount(y).tolist()

    assert counts("raw", "raw", 0) == [3, 3]
    assert counts("augmented", "raw+synthetic", 5) == [15, 15]
    assert counts("vae", "raw+synthetic", 4) == [7, 7]
    assert counts("rhvae_manifold", "synthetic only", 4) == [4, 4]
    x, y = experiment.training_images(train, "rhvae_manifold", "synthetic only", 2, Fitted(), 0)
    np.testing.assert_array_equal(x[:, 0, 0, 0], y + 0.5)


def test_released_geodesics_change_their_energy_however_many_steps(metric, rng):
    start = manifold.random_centroids(metric, 10, 0)
    velocity = rng.standard_normal((10, 2)).astype("float32")
    for n_steps in (100, 400):
        right, wrong = (
            geometry.energies(metric, f(metric, start, velocity, n_steps))
            for f in (manifold.geodesic, released.geodesic)
        )
        assert np.abs(right[-1] / right[0] - 1).max() < 1e-3
        assert np.median(np.abs(wrong[-1] / wrong[0] - 1)) > 0.05


def test_released_gradient_is_g_m_where_the_gradient_has_the_trace(metric, rng):
    z = rng.normal(size=(5, 2)).astype("float32")
    kernel = np.asarray(metric.kernel(z))
    matrices = metric.cholesky_factors @ metric.cholesky_factors.swapaxes(1, 2)
    tensor = np.asarray(metric.tensor(z))
    away = metric.centroids[None] - z[:, None]
    slipped = np.einsum("nij,mjk,nmk,nm->ni", tensor, matrices, away, kernel) / 0.8**2
    trace = np.einsum("nij,mji,nmk,nm->nk", tensor, matrices, away, kernel) / 0.8**2
    ours = np.asarray(released.log_density_gradient(metric, z))
    np.testing.assert_allclose(ours, slipped, rtol=1e-3, atol=1e-3)
    right = np.asarray(manifold.log_density_gradient(metric, z))
    np.testing.assert_allclose(right, trace, rtol=1e-3, atol=1e-3)
    assert np.abs(ours - right).max() > 0.01


def test_total_variation_is_small_for_draws_of_the_density_and_large_for_others(metric):
    density = geometry.bin_probabilities(metric)
    assert density.sum() == pytest.approx(1)
    n = 4000
    rng = np.random.default_rng(1)
    squares = rng.choice(density.size, n, p=density.ravel())
    places = np.stack(np.unravel_index(squares, density.shape), axis=1) + rng.random((n, 2))
    center, radius = metric.support()
    samples = (places / geometry.BINS * 2 - 1) * radius + center
    exact = geometry.exact_total_variation(density, n, 0)
    assert geometry.total_variation(metric, samples, density) < 2 * exact
    assert geometry.total_variation(metric, np.repeat(samples[:1], n, 0), density) > 0.5


def _scores(better, n_seeds=9):
    """Scores of Table 2 in which `better` names what is ahead, by 5 points."""
    rng = np.random.default_rng(0)
    rows = []
    for split, seed in itertools.product(("balanced", "unbalanced"), range(n_seeds)):

        def add(method, training_set, number, score, split=split, seed=seed):
            noise = rng.normal(scale=0.3)
            row = {"set": "digits " + split, "split": split, "seed": seed, "method": method}
            row |= {"training_set": training_set, "number": number, "score": score + noise}
            rows.append(row)

        add("raw", "raw", 0, 80)
        add("augmented", "raw+synthetic", 10, 80 + 5 * (better == "augmented"))
        for method, training_set in itertools.product(
            TABLE_METHODS, ("raw+synthetic", "synthetic only")
        ):
            lost = 4 * (split == "unbalanced") * (method != "rhvae_manifold")
            add(method, training_set, 200, 78 + 5 * (method == better) - lost)
    return pd.DataFrame(rows)


def _verdicts(found):
    empty = pd.DataFrame(
        columns=["classifier", "method", "training_set", "number", "seed", "score", "set"]
    )
    return {claim.number: claim.verdict for claim in claims(found, empty)}


def test_claims_follow_from_scores():
    verdicts = _verdicts(_scores("rhvae_manifold"))
    assert [verdicts[n] for n in (1, 2, 3, 4)] == ["reproduced"] * 4
    assert (verdicts[5], verdicts[6], verdicts[7]) == ("not decided", "reproduced", "reproduced")
    verdicts = _verdicts(_scores("augmented"))
    assert (verdicts[3], verdicts[6]) == ("not reproduced", "not reproduced")
    assert _verdicts(_scores("rhvae_prior"))[7] == "not reproduced"
    assert set(_verdicts(_scores("rhvae_manifold", n_seeds=3)).values()) == {"not decided"}


def test_a_training_set_too_small_for_its_classes_is_refused():
    parameters = resolve_parameters(chadebec.PAPER, "quick", {"train_size": 45})
    with pytest.raises(RunError, match="multiple of the 10 classes of 'digits'"):
        chadebec.PAPER.cells(parameters)
