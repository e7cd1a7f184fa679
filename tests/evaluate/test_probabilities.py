import itertools

import numpy as np
import pytest

from dagen_keras.evaluate import inception_score


def naive_score(p):
    marginal = p.mean(axis=0)
    divergences = [
        sum(pi * np.log(pi / mi) for pi, mi in zip(row, marginal, strict=True) if pi > 0)
        for row in p
    ]
    return np.exp(np.mean(divergences))


def test_uniform_predictions_score_one():
    assert inception_score(np.full((40, 5), 0.2)) == pytest.approx((1, 0))


def test_sure_and_balanced_predictions_score_the_number_of_classes():
    assert inception_score(np.tile(np.eye(4), (10, 1)), n_splits=1) == pytest.approx((4, 0))
    # Sure of one class: as bad as unsure.
    assert inception_score(np.tile(np.eye(4)[:1], (40, 1)))[0] == pytest.approx(1)


def test_score_is_that_of_a_loop_over_parts(rng):
    p = rng.dirichlet(np.full(6, 0.3), size=47)
    p[3] = np.eye(6)[2]
    p[4] = [0.5, 0.5, 0, 0, 0, 0]
    mixed = np.random.default_rng(0).permutation(47)
    starts = [0, 5, 10, 15, 20, 25, 30, 35, 39, 43, 47]
    scores = [naive_score(p[mixed[a:b]]) for a, b in itertools.pairwise(starts)]
    assert inception_score(p) == pytest.approx((np.mean(scores), np.std(scores)), rel=1e-12)
    assert inception_score(p, n_splits=1) == pytest.approx((naive_score(p), 0), rel=1e-12)


@pytest.mark.parametrize("order", [np.arange(1000) % 10, np.sort(np.arange(1000) % 10)])
def test_images_of_classes_in_turn_score_as_sorted_ones(order):
    # A part of 100 images has not exactly ten of each class: 9.5 to 9.7, not 10.
    mean, sd = inception_score(np.eye(10)[order])
    assert 9.3 < mean <= 10 + 1e-9 and sd < 0.2


def test_the_seed_fixes_the_parts(rng):
    p = rng.dirichlet(np.full(6, 0.3), size=40)
    assert inception_score(p, seed=1) == inception_score(p, seed=1) != inception_score(p, seed=2)
    assert inception_score(p[:3], n_splits=3)[0] == pytest.approx(1)


def test_tiny_probabilities_are_no_trouble():
    p = np.array([[1.0, 5e-324], [1.0, 0.0]] * 10)
    assert inception_score(p, n_splits=2) == pytest.approx((1, 0))


def test_score_refuses_what_is_no_probabilities():
    good = np.full((20, 4), 0.25)
    for wrong, message in [
        (good - np.eye(20, 4), "row 0 has the minimum -0.75 and the sum 0"),
        (np.log(good), "row 0 has the minimum -1.386"),
        (good * 1.01, "sum to 1 in each row.*the sum 1.01"),
        (good[0], "must have shape"),
        (good * np.nan, "probabilities must be finite"),
        (good + 0j, "probabilities must be an array of real numbers"),
        (good.astype(str), "probabilities must be an array of real numbers"),
        (good[:9], "at least 10 rows for 10 parts; got 9"),
    ]:
        with pytest.raises(ValueError, match=message):
            inception_score(wrong)
    with pytest.raises(ValueError, match="n_splits must be an integer of 1 or more; got 0"):
        inception_score(good, n_splits=0)
    with pytest.raises(ValueError, match="at least 2 rows"):
        inception_score(good[:1], n_splits=1)
    assert inception_score(good.astype("float32") * np.float32(1.0005))[0] == pytest.approx(1)
