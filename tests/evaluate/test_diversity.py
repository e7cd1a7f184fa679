import warnings

import numpy as np
import pytest

from dagen_keras import models
from dagen_keras.evaluate import SampleMonitor, diversity


def test_diversity_is_the_root_mean_square_distance_of_pairs(rng):
    images = rng.random((7, 3, 3, 2))
    labels = np.array([0, 1, 1, 1, 1, 3, 3])
    found = diversity(images, labels, 4)
    flat = images[1:5].reshape(4, -1)
    squared = [((flat[i] - flat[j]) ** 2).sum() for i in range(4) for j in range(i)]
    assert found[1] == pytest.approx(np.sqrt(np.mean(squared)), rel=1e-5)
    assert found[3] == pytest.approx(np.linalg.norm(images[5] - images[6]), rel=1e-5)
    assert np.isnan(found[0]) and np.isnan(found[2])
    assert diversity(np.repeat(images[:1], 5, axis=0), np.zeros(5, int), 1)[0] == 0


def _trained(rng, monitor_settings, collapse):
    x, y = rng.random((12, 8, 8, 1), dtype="float32"), np.arange(12) % 3
    gan = models.CGAN((8, 8, 1), 3, latent_dim=4, filters=4)
    gan.compile(models.gan_optimizer())

    def generate(labels, seed):
        drawn = np.random.default_rng(seed).random((len(labels), 8, 8, 1), dtype="float32")
        for label in collapse:
            drawn[labels == label] = 0.5
        return drawn

    gan.generate = generate
    monitor = SampleMonitor(x, y, per_class=5, kept=2, **monitor_settings)
    gan.fit(x, y, epochs=5, verbose=0, callbacks=monitor)
    return monitor


def test_a_monitor_looks_at_the_first_some_and_the_last_epochs(rng):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monitor = _trained(rng, {"every": 2}, collapse=[])
    assert monitor.epochs == [1, 2, 4, 5]
    assert np.shape(monitor.diversity) == (4, 3)
    assert np.shape(monitor.samples) == (4, 6, 8, 8, 1)
    assert monitor.collapsed == []
    # Both real and drawn images are uniform noise here.
    np.testing.assert_allclose(monitor.diversity, 1, atol=0.2)
    np.testing.assert_array_equal(monitor.samples[0], monitor.samples[-1])


def test_collapsed_classes_are_named(rng):
    with pytest.warns(UserWarning, match=r"has collapsed.*: 1 \(0\.00\)\."):
        monitor = _trained(rng, {"every": 5}, collapse=[1])
    assert monitor.collapsed == [1]
    assert monitor.diversity[-1][1] == 0


def test_real_images_of_another_shape_are_refused_in_fit(rng):
    x, gan = rng.random((4, 8, 8, 1), dtype="float32"), models.CGAN((8, 8, 1), filters=4)
    gan.compile(models.gan_optimizer())
    monitor = SampleMonitor(rng.random((4, 9, 9, 1)), np.zeros(4, int))
    with pytest.raises(ValueError, match=r"have the shape \(8, 8, 1\), the real ones \(9, 9, 1\)"):
        gan.fit(x, verbose=0, callbacks=monitor)


def test_classes_of_which_collapse_cannot_be_told_are_named(rng):
    x, y = rng.random((6, 8, 8, 1), dtype="float32"), np.array([0, 0, 0, 1, 2, 2])
    x[5] = x[4]
    gan = models.CGAN((8, 8, 1), 3, latent_dim=4, filters=2)
    gan.compile(models.gan_optimizer())
    monitor = SampleMonitor(x, y, per_class=2)
    with pytest.raises(ValueError, match="nothing is looked at yet"):
        _ = monitor.collapsed
    with pytest.warns(UserWarning, match="cannot be told, .* images: 1, 2"):
        gan.fit(x, y, verbose=0, callbacks=monitor)
    assert np.isfinite(monitor.diversity[-1]).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"every": 0}, "every must be 1 or more; got 0"),
        ({"per_class": 1}, "per_class must be 2 or more and kept at most per_class; got 1 and 1"),
        ({"kept": 30}, "got 20 and 30"),
    ],
)
def test_bad_settings_are_refused(settings, message, rng):
    with pytest.raises(ValueError, match=message):
        SampleMonitor(rng.random((2, 8, 8, 1)), [0, 0], **settings)


def test_labels_beyond_the_classes_are_refused():
    images = np.zeros((4, 2, 2, 1))
    with pytest.raises(ValueError, match="labels must be below 2, the number of classes; got 3"):
        diversity(images, [0, 0, 3, 3], 2)
    with pytest.raises(ValueError, match="n_classes must be an integer of 1 or more; got 0"):
        diversity(images, [0, 0, 1, 1], 0)
