import warnings

import numpy as np
import pytest
import scipy.linalg

from dagen_keras.evaluate import FeatureStatistics, frechet_distance, kernel_distance
from dagen_keras.evaluate.distances import trace_of_square_root


def with_moments(rng, n, mean, covariance):
    """Features (n, d) with exactly this mean and covariance, up to rounding."""
    x = rng.normal(size=(n, len(mean)))
    white = np.linalg.qr(x - x.mean(axis=0))[0] * np.sqrt(n - 1)
    return mean + white @ np.linalg.cholesky(covariance).T


def random_covariance(rng, d, condition=10.0):
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return rotation @ np.diag(np.geomspace(1, 1 / condition, d)) @ rotation.T


def test_frechet_distance_of_diagonal_gaussians(rng):
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 4.0, 0.25])
    real = with_moments(rng, 50, np.zeros(3), np.diag(a))
    generated = with_moments(rng, 80, np.array([1.0, -2.0, 0.0]), np.diag(b))
    closed_form = 5 + np.sum((np.sqrt(a) - np.sqrt(b)) ** 2)
    assert frechet_distance(real, generated) == pytest.approx(closed_form, rel=1e-12)


def test_frechet_distance_of_full_covariances(rng):
    s1, s2 = random_covariance(rng, 6), random_covariance(rng, 6)
    real = with_moments(rng, 40, np.zeros(6), s1)
    generated = with_moments(rng, 30, np.ones(6), s2)
    root = scipy.linalg.sqrtm(s1 @ s2).real
    expected = 6 + np.trace(s1 + s2 - 2 * root)
    assert frechet_distance(real, generated) == pytest.approx(expected, rel=1e-12)
    # Covariances that commute: tr (S + 4 S - 2 (2 S)) = tr S.
    wider = with_moments(rng, 40, np.zeros(6), 4 * s1)
    assert frechet_distance(real, wider) == pytest.approx(np.trace(s1), rel=1e-12)


@pytest.mark.parametrize("condition", [1.0, 1e6, 1e14])
def test_frechet_distance_of_identical_sets_is_zero(rng, condition):
    features = with_moments(rng, 100, np.zeros(20), random_covariance(rng, 20, condition))
    for other in (features, features[::-1]):
        assert 0 <= frechet_distance(features, other) < 1e-12
    few = rng.normal(size=(10, 20))
    with pytest.warns(UserWarning):
        assert 0 <= frechet_distance(few, few) < 1e-12


def test_frechet_distance_of_a_translation_is_the_squared_shift(rng):
    features, shift = rng.normal(size=(60, 8)), rng.normal(size=8)
    assert frechet_distance(features, features + shift) == pytest.approx(shift @ shift, rel=1e-10)


def test_trace_of_square_root_of_covariances_of_rank_one(rng):
    u, v = rng.normal(size=(2, 30))
    found = trace_of_square_root(9 * np.outer(u, u), 4 * np.outer(v, v))
    assert found == pytest.approx(6 * abs(u @ v), rel=1e-12)


def test_frechet_distance_with_fewer_images_than_features(rng):
    real, generated = rng.normal(size=(12, 40)), 3 + 2 * rng.normal(size=(15, 40))
    with pytest.warns(UserWarning, match="12 real and 15 generated images in 40 features.*biased"):
        found = frechet_distance(real, generated)
    # The centred features are themselves factors of the covariances.
    r1 = (real - real.mean(axis=0)) / np.sqrt(11)
    r2 = (generated - generated.mean(axis=0)) / np.sqrt(14)
    root = np.linalg.svd(r1 @ r2.T, compute_uv=False).sum()
    shift = real.mean(axis=0) - generated.mean(axis=0)
    expected = shift @ shift + np.sum(r1**2) + np.sum(r2**2) - 2 * root
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "warned"), [(8, True), (9, False)])
def test_frechet_distance_warns_of_as_many_images_as_features(rng, n, warned):
    few, many = rng.normal(size=(n, 8)), rng.normal(size=(50, 8))
    for pair in ((few, many), (many, few)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            frechet_distance(*pair)
        assert bool(caught) == warned


@pytest.mark.filterwarnings("error")
def test_constant_features_are_no_reason_to_warn(rng):
    varying = rng.normal(size=(50, 3))
    real = np.hstack([varying, np.ones((50, 2))])
    generated = np.hstack([varying + 1, np.full((50, 2), 3.0)])
    assert frechet_distance(real, generated) == pytest.approx(3 + 2 * 4, rel=1e-12)
    assert frechet_distance(np.zeros((5, 2)), np.ones((6, 2))) == 2


def test_frechet_distance_of_statistics_is_that_of_arrays(rng):
    real, generated = rng.normal(size=(50, 5)), rng.normal(size=(40, 5)) + 1
    expected = frechet_distance(real, generated)
    statistics = FeatureStatistics().update(real)
    assert frechet_distance(statistics, generated) == pytest.approx(expected, rel=1e-14)
    assert frechet_distance(generated, statistics) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sizes", [(1, 1, 98), (50, 50), (99, 1), (7, 30, 63)])
def test_statistics_do_not_depend_on_the_batches(rng, sizes):
    features = 1e6 + rng.normal(size=(100, 4)) * [1, 2, 3, 4]  # Sums of squares would cancel.
    statistics = FeatureStatistics()
    for batch in np.split(rng.permutation(features), np.cumsum(sizes)[:-1]):
        statistics.update(batch)
    assert statistics.n == 100
    np.testing.assert_allclose(statistics.mean, features.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(statistics.covariance, np.cov(features.T), rtol=1e-8, atol=1e-8)


def test_statistics_are_computed_in_float64(rng):
    features = (1000 + rng.normal(size=(500, 2))).astype("float32")
    found = FeatureStatistics().update(features).covariance
    np.testing.assert_allclose(found, np.cov(features.T.astype("float64")), rtol=1e-10)


def test_statistics_refuse_what_they_cannot_use(rng):
    statistics = FeatureStatistics()
    with pytest.raises(ValueError, match="at least 2 rows of features; got 0"):
        _ = statistics.covariance
    statistics.update(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="at least 2 rows of features; got 1"):
        frechet_distance(statistics, np.zeros((5, 3)))
    with pytest.raises(ValueError, match="3 columns, as before; got 2"):
        statistics.update(np.zeros((5, 2)))
    with pytest.raises(ValueError, match="not be empty"):
        statistics.update(np.zeros((0, 3)))


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_distances_refuse_what_they_cannot_use(distance, rng):
    good = rng.normal(size=(20, 3))
    bad = good.copy()
    bad[4, 1] = np.nan
    for wrong, message in [
        (bad, "generated_features must be finite; 1 of 20 rows.*row 4"),
        (good[:, :2], "must have the same features; got 3 and 2"),
        (good[:1], "generated_features must hold at least 2 rows; got 1"),
        (good[:, :, None], r"must have shape \(n, d\).*got shape \(20, 3, 1\)"),
        (np.array([["a", "b"]] * 3), "must be an array of real numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            distance(good, wrong)


def test_kernel_distance_by_hand():
    # (xy + 1)^3: 1 within the real, 27 within the generated, mean of 1, 1, 8, 27 between them.
    real, generated = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    for copies in (1, 3):  # x.y / d does not change with the features repeated.
        sides = (np.repeat(side, copies, axis=1) for side in (real, generated))
        mean, sd = kernel_distance(*sides, subset_size=2, n_subsets=3)
        assert mean == pytest.approx(1 + 27 - 2 * 37 / 4)
        assert sd == pytest.approx(0, abs=1e-12)


def test_kernel_distance_is_unbiased():
    # x ~ N(0, 1), y ~ N(m, 1): sum over j = 1, 2, 3 of binomial(3, j) (E x^j - E y^j)^2.
    rng = np.random.default_rng(1)
    for m in (0.0, 0.5):
        truth = 3 * m**2 + 3 * m**4 + (m**3 + 3 * m) ** 2
        found = [
            kernel_distance(rng.normal(size=(20, 1)), m + rng.normal(size=(20, 1)), 20, 1)[0]
            for _ in range(2000)
        ]
        standard_error = np.std(found) / np.sqrt(len(found))
        assert abs(np.mean(found) - truth) < 4 * standard_error
        assert 4 * standard_error < 1  # The biased estimate is 2.4 and more above the truth.


def test_kernel_distance_draws_from_all_images(rng):
    # In the second half of either side is another distribution; only the whole sides agree.
    half = rng.normal(size=(200, 4))
    real, generated = np.concatenate([half, half + 3]), np.concatenate([half + 3, half])
    mean, sd = kernel_distance(real, generated, subset_size=100, n_subsets=50)
    apart = kernel_distance(half, half + 3, subset_size=100, n_subsets=5)[0]
    assert abs(mean) < 4 * sd / np.sqrt(50) + 0.01 * apart
    assert sd > 0
    again = kernel_distance(real, generated, subset_size=100, n_subsets=50)
    other = kernel_distance(real, generated, subset_size=100, n_subsets=50, seed=1)
    assert again == (mean, sd) != other


def test_kernel_distance_of_few_images_takes_smaller_subsets(rng):
    real, generated = rng.normal(size=(30, 4)), rng.normal(size=(40, 4))
    with pytest.warns(UserWarning, match="subsets of 30 images instead of 1000: there are 30 real"):
        found = kernel_distance(real, generated)
    assert found == kernel_distance(real, generated, subset_size=30)
    with pytest.raises(ValueError, match="subset_size must be an integer of 2 or more; got 1"):
        kernel_distance(real, generated, subset_size=1)
    with pytest.raises(ValueError, match="n_subsets must be an integer of 1 or more; got 0"):
        kernel_distance(real, generated, subset_size=10, n_subsets=0)
