import keras
import numpy as np
import pytest
from keras import layers

from dagen_keras import models
from dagen_keras.evaluate import (
    FeatureSpace,
    SampleScores,
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_recall,
)
from dagen_keras.evaluate.features import Reservoir

pytestmark = pytest.mark.filterwarnings("ignore:The (kernel|Fréchet) distance")


@pytest.fixture(scope="module")
def classifier():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )


@pytest.fixture
def space(classifier):
    return FeatureSpace.of_classifier(classifier)


@pytest.fixture
def real(rng):
    return rng.random((65, 6, 6, 1), dtype="float32")


@pytest.fixture
def generated(rng):
    return rng.random((53, 6, 6, 1), dtype="float32") ** 2


@pytest.fixture
def batches_run(monkeypatch):
    """The shapes of the batches that any network ran on."""
    shapes = []

    def run(model, x, original=keras.Model.predict_on_batch):
        shapes.append(x.shape)
        return original(model, x)

    monkeypatch.setattr(keras.Model, "predict_on_batch", run)
    return shapes


def quiet(function, *arguments, **options):
    return function(*arguments, batch_size=20, progress=False, **options)


def test_features_and_probabilities_are_those_of_the_classifier(classifier, space, real):
    features = quiet(space.features_of, real)
    assert features.shape == (65, 8)
    probabilities = keras.ops.convert_to_numpy(classifier(real))
    kernel, bias = classifier.layers[-1].get_weights()
    logits = features @ kernel + bias
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax, probabilities, rtol=1e-4, atol=1e-6)


def test_scores_are_those_of_the_features(classifier, space, real, generated):
    scores = quiet(quiet(space.reference, real).score, generated, k=2)
    f1, f2 = quiet(space.features_of, real), quiet(space.features_of, generated)
    probabilities = models.predict(classifier, generated)
    assert isinstance(scores, SampleScores)
    assert scores.feature_space == "classifier"
    assert (scores.n_real, scores.n_generated) == (65, 53)
    assert scores.fid == pytest.approx(frechet_distance(f1, f2), rel=1e-9)
    assert (scores.kid, scores.kid_sd) == pytest.approx(kernel_distance(f1, f2))
    assert (scores.precision, scores.recall) == precision_recall(f1, f2, k=2)
    found = scores.inception_score, scores.inception_score_sd
    assert found == pytest.approx(inception_score(probabilities), rel=1e-5)


@pytest.mark.parametrize("n_splits", [1, 4, 10])
def test_an_inception_score_is_that_of_the_probabilities(classifier, space, generated, n_splits):
    probabilities = models.predict(classifier, generated)
    found = quiet(space.inception_score, generated, n_splits)
    assert found == pytest.approx(inception_score(probabilities, n_splits), rel=1e-5)
    parts = generated[:13], generated[13:]
    assert quiet(space.inception_score, iter(parts), n_splits) == pytest.approx(found, rel=1e-6)


def test_an_inception_score_that_cannot_be_had_is_refused(classifier, space, real, batches_run):
    for n, n_splits, needed in ((9, 10, 10), (1, 1, 2)):
        message = rf"over {n_splits} parts needs {needed} images or more; got {n}\."
        with pytest.raises(ValueError, match=message):
            quiet(space.inception_score, real[:n], n_splits)
    assert np.isfinite(quiet(space.inception_score, real[:10], 10)).all()
    batches_run.clear()
    with pytest.raises(ValueError, match="the space 'alone' has no probabilities"):
        quiet(FeatureSpace("alone", space.features).inception_score, real)
    assert not batches_run, "refused before the network runs"


def test_real_images_score_best_against_themselves(space, real):
    scores = quiet(quiet(space.reference, real).score, real)
    assert scores.fid == pytest.approx(0, abs=1e-9)
    assert (scores.precision, scores.recall) == (1, 1)


def test_networks_run_once_over_each_image_in_batches_of_one_size(
    space, real, generated, batches_run
):
    reference = quiet(space.reference, real)
    assert batches_run == [(20, 6, 6, 1)] * 4
    for _ in range(2):
        batches_run.clear()
        quiet(reference.score, generated)
        assert batches_run == [(20, 6, 6, 1)] * 3


def test_streams_score_as_arrays(space, real, generated):
    def stream(images, size):
        for start in range(0, len(images), size):
            yield images[start : start + size]

    expected = quiet(quiet(space.reference, real, keep=30).score, generated)
    reference = quiet(space.reference, stream(real, 7), keep=30)
    found = quiet(reference.score, stream(generated, 50))
    for name, value in vars(expected).items():
        assert getattr(found, name) == (
            value if isinstance(value, str) else pytest.approx(value, rel=1e-6, abs=1e-9)
        ), name
    other = quiet(space.reference, [real[:1], real[1:]], keep=30)
    np.testing.assert_allclose(other.kept, reference.kept, rtol=1e-6)


def test_scores_do_not_depend_on_the_batch_size(space, real, generated):
    first = quiet(quiet(space.reference, real).score, generated)
    second = space.reference(real, batch_size=65, progress=False).score(generated, 7, False)
    assert second.fid == pytest.approx(first.fid, rel=1e-5)
    assert second.kid == pytest.approx(first.kid, rel=1e-5, abs=1e-8)
    assert second.inception_score == pytest.approx(first.inception_score, rel=1e-5)


def test_one_batch_of_a_stream_is_in_memory_at_a_time(space, real, batches_run):
    def stream():
        for i in range(5):
            assert len(batches_run) == i  # All of the batches before went through the network.
            yield real[:20]

    assert quiet(space.reference, stream()).statistics.n == 100


def test_progress_is_shown_or_not(space, real, capsys):
    space.features_of(real, batch_size=20)
    shown = capsys.readouterr().err
    assert "Features (classifier)" in shown
    assert "/65 [" in shown
    quiet(space.features_of, real)
    assert "Features" not in capsys.readouterr().err


def test_kept_features_are_of_images_from_everywhere(space, real):
    reference = quiet(space.reference, real, keep=20)
    features = quiet(space.features_of, real)
    rows = [int(np.flatnonzero((features == kept).all(axis=1))[0]) for kept in reference.kept]
    assert len(set(rows)) == 20
    assert max(rows) > 45
    assert min(rows) < 20
    assert reference.statistics.n == 65


def test_reservoir_keeps_each_row_equally_often():
    counts = np.zeros(12)
    for seed in range(4000):
        reservoir = Reservoir(3, seed)
        for batch in np.split(np.arange(12)[:, None], [1, 5, 6]):
            reservoir.update(batch)
        counts[np.concatenate(reservoir.rows)] += 1
    # Each with probability 1/4: 1000 times, standard error 27.
    assert abs(counts - 1000).max() < 4 * 27


def test_any_model_gives_a_space(real, generated, batches_run):
    class Means(keras.Model):
        def call(self, images):
            return keras.ops.mean(images, axis=(1, 3))

    def softmax_model():
        return keras.Sequential(
            [keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(3, activation="softmax")]
        )

    space = FeatureSpace("column means", Means())
    features = quiet(space.features_of, real)
    np.testing.assert_allclose(features, real.mean(axis=(1, 3)), rtol=1e-5)
    scores = quiet(quiet(space.reference, real).score, generated)
    assert scores.feature_space == "column means"
    assert scores.inception_score is None
    assert scores.inception_score_sd is None
    probabilities = softmax_model()
    for network in (Means(), keras.Sequential([keras.Input((6, 6, 1)), layers.Flatten()])):
        space = FeatureSpace("two networks", network, probabilities)
        scores = quiet(quiet(space.reference, real).score, generated)
        expected = inception_score(models.predict(probabilities, generated))[0]
        assert scores.inception_score == pytest.approx(expected, rel=1e-5)


def test_classifiers_of_every_kind_give_a_space(classifier, real):
    inputs = keras.Input((6, 6, 1))
    functional = keras.Model(inputs, layers.Dense(3, "softmax")(layers.Flatten()(inputs)))
    grown = keras.Sequential()
    for layer in (keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(3, "softmax")):
        grown.add(layer)
    late = keras.Sequential([layers.Flatten(), layers.Dense(3, activation="softmax")])
    with pytest.raises(ValueError, match="built with its input shape"):
        FeatureSpace.of_classifier(late)
    late(real[:3])
    for model in (functional, grown, late):
        features = quiet(FeatureSpace.of_classifier(model).features_of, real)
        np.testing.assert_allclose(features, real.reshape(65, 36), rtol=1e-6)
    logits = keras.Sequential([keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(3)])
    for wrong in (logits, keras.Model(), functional.layers[-1]):
        with pytest.raises(ValueError, match="ends with a softmax Dense layer"):
            FeatureSpace.of_classifier(wrong)


def test_images_that_do_not_fit_are_refused(space, real):
    for images, message in [
        (255 * real, r"must be in \[0, 1\].*Divide by 255"),
        ([real, 2 * real], r"batch 1 must be in \[0, 1\]"),
        (real[..., 0], "Add a channel axis"),
        (real[:, :5], r"takes images of shape \(6, 6, 1\); got shape \(5, 6, 1\)"),
        ([real[:5], real[:5, :5]], r"batch 1 must hold images of shape \(6, 6, 1\)"),
        ([], "images must not be empty"),
    ]:
        with pytest.raises(ValueError, match=message):
            quiet(space.reference, images)
    with pytest.raises(ValueError, match="keep must be an integer of 2 or more"):
        quiet(space.reference, real, keep=1)
    with pytest.raises(ValueError, match="batch_size must be an integer of 1 or more"):
        space.features_of(real, batch_size=0)
    with pytest.raises(ValueError, match="k = 3 needs at least 4 images"):
        quiet(quiet(space.reference, real).score, real[:3])


def test_networks_that_give_no_features_are_refused(real):
    maps = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match=r"must have shape \(n, d\).*pooling or Flatten"):
        quiet(FeatureSpace("maps", maps).features_of, real)
    flat = keras.Sequential([keras.Input((36,)), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"takes images of shape \(36,\); got shape \(6, 6, 1\)"):
        quiet(FeatureSpace("flat", flat).features_of, real)
    with pytest.raises(ValueError, match="features must be a Keras model; got function"):
        FeatureSpace("function", lambda x: x)
    with pytest.raises(ValueError, match="probabilities must be a Keras model; got str"):
        FeatureSpace("two", flat, "softmax")
