"""No measure depends on the order in which images come: of classes in turn, or class by class."""

import keras
import numpy as np
import pytest
from keras import layers

from dagen_keras import evaluate

CLASSES, N, SIDE = 10, 600, 8


def images_of(rng):
    """Images of classes in turn, each class with its own mean image, and their labels."""
    labels = np.arange(N) % CLASSES
    means = np.random.default_rng(3).random((CLASSES, SIDE, SIDE, 1))
    noisy = 0.7 * means[labels] + 0.3 * rng.random((N, SIDE, SIDE, 1))
    return noisy.astype("float32"), labels


@pytest.fixture(scope="module")
def sides():
    """Real and generated images with their labels, and the likely classes of the latter."""
    real, generated = (images_of(np.random.default_rng(seed)) for seed in (0, 1))
    chances = np.random.default_rng(2).dirichlet(np.full(CLASSES, 0.1), size=N)
    chances[np.arange(N), generated[1]] += 9
    return {"real": real, "generated": generated, "chances": chances / 10}


@pytest.fixture(scope="module")
def space():
    network = keras.Sequential([keras.Input((SIDE, SIDE, 1)), layers.Flatten()])
    network.add(layers.Dense(CLASSES, activation="softmax"))
    kernel = np.random.default_rng(4).normal(scale=3, size=(SIDE**2, CLASSES))
    network.set_weights([kernel - kernel.mean(axis=0), np.zeros(CLASSES)])
    return evaluate.FeatureSpace.of_classifier(network)


def orders():
    """Rows as they are, class by class, and mixed."""
    mixed = np.random.default_rng(5).permutation(N)
    return np.arange(N), np.argsort(np.arange(N) % CLASSES, kind="stable"), mixed


def flat(images):
    return images.reshape(len(images), -1)


EXACT = {
    "frechet_distance": lambda real, new, labels, p: evaluate.frechet_distance(real, new),
    "precision_recall": lambda real, new, labels, p: evaluate.precision_recall(real, new),
    "density_coverage": lambda real, new, labels, p: evaluate.density_coverage(real, new),
    "nearest_training_distance": lambda real, new, labels, p: np.sort(
        evaluate.nearest_training_distance(new, real)
    ),
    "diversity": lambda real, new, labels, p: evaluate.diversity(
        new.reshape(-1, SIDE, SIDE, 1), labels, CLASSES
    ),
    "macro_f1": lambda real, new, labels, p: evaluate.macro_f1(labels, p.argmax(axis=1)),
    "balanced_accuracy": lambda real, new, labels, p: evaluate.balanced_accuracy(
        labels, p.argmax(axis=1)
    ),
    "per_class_recall": lambda real, new, labels, p: evaluate.per_class_recall(
        labels, p.argmax(axis=1), CLASSES
    ),
    "top_k_accuracy": lambda real, new, labels, p: evaluate.top_k_accuracy(labels, p, 2),
}


@pytest.mark.parametrize("name", EXACT)
def test_a_measure_of_all_rows_is_the_same_in_any_order(name, sides):
    (real, _), (new, labels) = sides["real"], sides["generated"]
    found = [
        EXACT[name](flat(real)[r], flat(new)[g], labels[g], sides["chances"][g])
        for r, g in zip(orders(), orders()[::-1], strict=True)
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("measure", "tolerance"),
    [
        # Parts of 60 images: the score of one order varies by 0.05 or so of some 9 with the seed.
        (lambda real, new, p: evaluate.inception_score(p)[0], 0.3),
        # Subsets of 200: mean over 100 of them; the value of one order varies by 0.002.
        (lambda real, new, p: evaluate.kernel_distance(real, new + 0.2, 200)[0], 0.01),
    ],
    ids=["inception_score", "kernel_distance"],
)
def test_a_measure_of_random_parts_is_alike_in_any_order(measure, tolerance, sides):
    real, new = flat(sides["real"][0]), flat(sides["generated"][0])
    found = [measure(real[o], new[o], sides["chances"][o]) for o in orders()]
    np.testing.assert_allclose(found, found[-1], atol=tolerance)


@pytest.mark.slow
def test_scores_in_a_feature_space_are_alike_in_any_order(space, sides):
    real, new = sides["real"][0], sides["generated"][0]
    found = [
        space.reference(real[o], keep=300, progress=False).score(new[o], progress=False)
        for o in orders()
    ]
    for name, tolerance in (("fid", 1e-5), ("kid", 3e-3), ("inception_score", 0.3)):
        values = [getattr(score, name) for score in found]
        np.testing.assert_allclose(values, values[-1], atol=tolerance, err_msg=name)
    for name in ("precision", "recall"):  # Of 300 kept images: standard errors of 0.03.
        values = [getattr(score, name) for score in found]
        np.testing.assert_allclose(values, values[-1], atol=0.12, err_msg=name)
