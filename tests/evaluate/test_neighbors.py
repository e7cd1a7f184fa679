import numpy as np
import pytest

from dagen_keras.evaluate import (
    density_coverage,
    nearest_training_distance,
    neighbors,
    precision_recall,
)


def naive_share_inside(points, centres, k):
    inside = 0
    for point in points:
        for i, centre in enumerate(centres):
            others = np.delete(centres, i, axis=0)
            radius = np.sort(np.linalg.norm(others - centre, axis=1))[k - 1]
            if np.linalg.norm(point - centre) <= radius:
                inside += 1
                break
    return inside / len(points)


def naive_precision_recall(real, generated, k):
    return naive_share_inside(generated, real, k), naive_share_inside(real, generated, k)


@pytest.mark.parametrize("k", [1, 3])
def test_precision_recall_is_that_of_a_double_loop(rng, k):
    real, generated = rng.normal(size=(60, 5)), 0.5 + 1.2 * rng.normal(size=(45, 5))
    found = precision_recall(real, generated, k)
    assert found == pytest.approx(naive_precision_recall(real, generated, k))
    assert 0 < found[0] < 1
    assert 0 < found[1] < 1


def test_precision_recall_with_ties_and_duplicates(rng):
    # Integers: distances equal a radius, and radii are 0, exactly.
    real = rng.integers(0, 4, size=(60, 3)) + 1000
    generated = rng.integers(0, 6, size=(50, 3)) + 1000
    real[:5], generated[:4] = 1009, 1009
    found = precision_recall(real, generated)
    assert found == pytest.approx(naive_precision_recall(real, generated, 3))


def test_precision_recall_of_near_duplicates_far_from_the_origin(rng):
    # In float32, squared distances by the product of matrices would all be rounding here.
    real = 1000 + 1e-2 * rng.normal(size=(40, 64))
    generated = 1000 + 1e-2 * rng.normal(size=(40, 64)) * 1.05
    found = precision_recall(real, generated)
    assert found == pytest.approx(naive_precision_recall(real, generated, 3))
    assert 0 < found[0] < 1


def test_precision_recall_of_identical_and_of_disjoint_sets(rng):
    real = rng.normal(size=(50, 8))
    assert precision_recall(real, real) == (1, 1)
    assert precision_recall(real, rng.permutation(real)) == (1, 1)
    assert precision_recall(real, real + 100) == (0, 0)


def test_a_dropped_mode_lowers_recall_only(rng):
    modes = np.repeat([[0.0, 0.0], [50.0, 0.0]], 100, axis=0)
    real = modes + rng.normal(size=(200, 2))
    complete, one_mode = modes + rng.normal(size=(200, 2)), rng.normal(size=(200, 2))
    precision, recall = precision_recall(real, complete)
    assert min(precision, recall) > 0.9
    precision, recall = precision_recall(real, one_mode)
    assert precision > 0.9
    assert 0.4 < recall <= 0.5
    # And images of no mode lower precision only.
    precision, recall = precision_recall(one_mode, complete)
    assert 0.4 < precision <= 0.5
    assert recall > 0.9


def test_precision_recall_does_not_depend_on_the_chunks(rng, monkeypatch):
    real, generated = rng.normal(size=(300, 4)), rng.normal(size=(250, 4))
    expected = precision_recall(real, generated)
    monkeypatch.setattr(neighbors, "CHUNK_MEGABYTES", 0.02)
    assert precision_recall(real, generated) == expected


def test_precision_recall_refuses_what_it_cannot_use(rng):
    good = rng.normal(size=(10, 3))
    with pytest.raises(ValueError, match="k = 3 needs at least 4 images on each side; got 3"):
        precision_recall(good, good[:3])
    with pytest.raises(ValueError, match="k must be an integer of 1 or more; got 0"):
        precision_recall(good, good, k=0)
    with pytest.raises(ValueError, match="same features; got 3 and 2"):
        precision_recall(good, good[:, :2])
    with pytest.raises(ValueError, match="real_features must be finite"):
        precision_recall(good + np.inf, good)


def naive_density_coverage(real, generated, k):
    held = np.zeros(len(real))
    for i, centre in enumerate(real):
        others = np.delete(real, i, axis=0)
        radius = np.sort(np.linalg.norm(others - centre, axis=1))[k - 1]
        held[i] = sum(np.linalg.norm(point - centre) <= radius for point in generated)
    return held.sum() / (k * len(generated)), (held > 0).mean()


@pytest.mark.parametrize("k", [1, 5])
def test_density_coverage_is_that_of_a_double_loop(rng, k, monkeypatch):
    monkeypatch.setattr(neighbors, "CHUNK_MEGABYTES", 0.005)
    real, generated = rng.normal(size=(60, 5)), 0.5 + 1.2 * rng.normal(size=(45, 5))
    found = density_coverage(real, generated, k)
    assert found == pytest.approx(naive_density_coverage(real, generated, k))
    assert 0 < found[0] < 1 and 0 < found[1] < 1
    ties = rng.integers(0, 4, size=(60, 3)) + 1000.0, rng.integers(0, 6, size=(50, 3)) + 1000.0
    assert density_coverage(*ties, k) == pytest.approx(naive_density_coverage(*ties, k))


def test_density_coverage_of_identical_and_of_disjoint_sets(rng):
    real = rng.normal(size=(50, 8))
    # Each ball holds its own centre and the k neighbours that it reaches to.
    assert density_coverage(real, rng.permutation(real)) == pytest.approx((6 / 5, 1))
    assert density_coverage(real, real + 100) == (0, 0)


def test_density_coverage_of_one_distribution_is_what_the_paper_expects(rng):
    real, generated = rng.normal(size=(2, 2000, 8))
    density, coverage = density_coverage(real, generated)
    assert density == pytest.approx(1, abs=0.05)
    assert coverage == pytest.approx(1 - 0.5**5, abs=0.02)


def test_one_odd_real_image_lifts_precision_and_not_density(rng):
    real, generated = rng.normal(size=(200, 2)), 30 + rng.normal(size=(200, 2))
    real[0] = 20.0, 20.0
    assert precision_recall(real, generated, 5)[0] > 0.9
    assert density_coverage(real, generated)[0] < 0.3
    assert density_coverage(real, generated)[1] == 1 / 200


def test_density_coverage_refuses_what_it_cannot_use(rng):
    good = rng.normal(size=(10, 3))
    assert density_coverage(good, good[:2])[0] > 0
    with pytest.raises(ValueError, match="k = 5 needs at least 6 real images; got 5"):
        density_coverage(good[:5], good)
    with pytest.raises(ValueError, match="k must be an integer of 1 or more; got 0"):
        density_coverage(good, good, k=0)
    with pytest.raises(ValueError, match="same features; got 3 and 2"):
        density_coverage(good, good[:, :2])


@pytest.mark.parametrize("shape", [(6, 5, 2), (7,)])
def test_nearest_training_distance_is_that_of_a_loop(rng, shape):
    training, generated = rng.random((40, *shape)), rng.random((600, *shape))
    expected = [np.sqrt(((training - x) ** 2).reshape(40, -1).sum(axis=1).min()) for x in generated]
    np.testing.assert_allclose(nearest_training_distance(generated, training), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_copy_is_at_distance_zero(rng, dtype):
    training = (255 * rng.random((50, 8, 8, 1))).astype(dtype)
    generated = training[[7, 3]].copy()
    generated[1, 0, 0, 0] += 3
    np.testing.assert_allclose(nearest_training_distance(generated, training), [0, 3], rtol=1e-6)


def test_bytes_and_floats_are_not_of_one_scale(rng):
    x = rng.random((5, 8, 8, 1))
    with pytest.raises(ValueError, match="of one scale, both bytes or both floats; got uint8 and"):
        nearest_training_distance((255 * x).astype("uint8"), x)


def test_the_nearest_is_the_nearest_far_from_the_origin(rng):
    training, generated = rng.normal(size=(2, 50, 4))
    found = nearest_training_distance(generated + 1e8, training + 1e8)
    np.testing.assert_allclose(found, nearest_training_distance(generated, training), atol=1e-6)


def test_nearest_training_distance_refuses_what_it_cannot_use():
    images = np.zeros((3, 4, 4, 1))
    with pytest.raises(ValueError, match=r"same shape; got \(4, 4, 1\) and \(4, 3, 1\)"):
        nearest_training_distance(images, images[:, :, :3])
    with pytest.raises(ValueError, match="training must have shape.*not be empty"):
        nearest_training_distance(images, images[:0])
    with pytest.raises(ValueError, match="generated must be finite"):
        nearest_training_distance(images + np.inf, images)
