import keras
import numpy as np
import pytest
from keras import layers

from dagen_keras import models
from dagen_keras.evaluate import FeatureSpace, InceptionScoreMonitor, inception_score


@pytest.fixture(scope="module")
def classifier():
    layer = layers.Dense(3, activation="softmax")
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layer])
    kernel = np.random.default_rng(1).normal(scale=6, size=(64, 3))
    # It sees how images differ and not how bright they are: scores are far from 1.
    layer.set_weights([kernel - kernel.mean(axis=0), np.zeros(3)])
    return model


@pytest.fixture(scope="module")
def space(classifier):
    return FeatureSpace.of_classifier(classifier)


@pytest.fixture(scope="module")
def train():
    """A function that trains the same GAN anew, with such callbacks."""
    rng = np.random.default_rng(0)
    x, y = rng.random((24, 8, 8, 1), dtype="float32"), np.arange(24) % 3
    reusable = models.ReusableModel(
        lambda: models.CGAN((8, 8, 1), 3, latent_dim=4, filters=4),
        optimizer=lambda: models.gan_optimizer(0.01),
    )

    def run(epochs, *callbacks):
        gan = reusable.fresh(5)
        batches = models.ShuffledBatches((x, y), 12)
        gan.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks))
        return gan

    return run


class Still(keras.Model):
    """A model that counts what it is asked to generate, and draws images of its labels' grey."""

    n_classes = 3

    def __init__(self):
        super().__init__()
        self.asked = []

    def generate(self, labels, seed):
        self.asked.append((labels, seed))
        return np.broadcast_to(labels[:, None, None, None] / 2, (len(labels), 8, 8, 1))


def _looked_at(epochs, space, **settings):
    """A monitor that has followed so many epochs of a `Still`."""
    monitor, model = InceptionScoreMonitor(space, **settings), Still()
    monitor.set_model(model)
    monitor.set_params({"epochs": epochs})
    for epoch in range(epochs):
        monitor.on_epoch_end(epoch)
    return monitor, model


@pytest.mark.parametrize(
    "epochs, every, looks",
    [(7, 3, [1, 3, 6, 7]), (6, 3, [1, 3, 6]), (3, 1, [1, 2, 3]), (5, 9, [1, 5]), (1, 1, [1])],
)
def test_the_first_epoch_some_and_the_last_are_looked_at(space, epochs, every, looks):
    monitor, model = _looked_at(epochs, space, n=30, every=every)
    assert monitor.epochs == looks
    assert len(monitor.scores) == len(model.asked) == len(looks)


def test_every_look_is_of_the_same_noise_and_of_all_classes_in_turn(space):
    _, model = _looked_at(4, space, n=31, seed=17)
    assert {seed for _, seed in model.asked} == {17}
    for labels, _ in model.asked:
        np.testing.assert_array_equal(labels, np.arange(31) % 3)


def test_scores_are_those_of_the_probabilities_of_the_model_of_that_epoch(train, classifier, space):
    monitor = InceptionScoreMonitor(space, n=30, every=2, n_splits=3, seed=9)
    train(4, monitor)
    assert monitor.epochs == [1, 2, 4]
    for epochs, found in zip(monitor.epochs, monitor.scores, strict=True):
        images = train(epochs).generate(np.arange(30) % 3, 9)
        expected, _ = inception_score(models.predict(classifier, images), 3)
        assert expected > 1.01, "else any model would have this score"
        assert found == pytest.approx(expected, rel=1e-4)
    assert len({round(score, 4) for score in monitor.scores}) == 3, "the models differ"


def test_looking_does_not_change_training(train, space):
    alone = models.get_state(train(3))[0]
    watched = models.get_state(train(3, InceptionScoreMonitor(space, n=20)))[0]
    for ours, theirs in zip(watched, alone, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_score_that_cannot_be_had_is_refused_before_training(space):
    with pytest.raises(ValueError, match="the space 'alone' has no probabilities"):
        InceptionScoreMonitor(FeatureSpace("alone", space.features))
    with pytest.raises(ValueError, match="over 10 parts needs 10 images or more; got 9"):
        InceptionScoreMonitor(space, n=9)
    with pytest.raises(ValueError, match="over 12 parts needs 12 images or more; got 11"):
        InceptionScoreMonitor(space, n=11, n_splits=12)
    with pytest.raises(ValueError, match="every must be 1 or more; got 0"):
        InceptionScoreMonitor(space, every=0)
