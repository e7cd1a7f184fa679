import functools
import warnings

import keras
import numpy as np
import pytest

from dagen_keras import backend, models
from dagen_keras.papers.chadebec.networks import mlp


def _build():
    return models.garay_maestre_vae(2, (8, 8, 1))


def _reusable():
    return models.ReusableModel(
        _build, optimizer="rmsprop", **backend.compile_options(steps_per_execution=20)
    )


REUSABLE = _reusable()


def _flat(variables):
    return np.concatenate([np.ravel(np.asarray(v)) for v in variables])


@pytest.fixture
def images(rng):
    return (rng.random((4, 8, 8, 1)) > 0.7).astype("float32")


def test_fresh_restores_everything_that_training_changed(images):
    reusable = _reusable()
    model = reusable.fresh(7)
    start = _flat(model.variables), _flat(model.optimizer.variables)
    models.fit_passes(model, images, 20, 100)
    trained = _flat(model.variables)
    assert not np.array_equal(trained, start[0])
    again = reusable.fresh(7)
    assert again is model
    np.testing.assert_array_equal(_flat(again.variables), start[0])
    np.testing.assert_array_equal(_flat(again.optimizer.variables), start[1])
    models.fit_passes(again, images, 20, 100)
    np.testing.assert_array_equal(_flat(again.variables), trained)
    assert not np.array_equal(_flat(reusable.fresh(8).variables), start[0])


def test_fresh_equals_a_newly_built_and_compiled_model(images):
    reusable = _reusable()
    # For another number of images, a size left to TensorFlow would be traced anew.
    models.fit_passes(reusable.fresh(1), images[:3], 10, 100)
    reused = reusable.fresh(2)
    models.fit_passes(reused, images, 20, 100)
    new = _reusable().fresh(2)
    models.fit_passes(new, images, 20, 100)
    np.testing.assert_array_equal(_flat(reused.variables), _flat(new.variables))


@pytest.mark.slow
def test_fit_passes_is_fit_with_one_batch_a_pass(images):
    # Equal images: the order within a batch, which the posterior's noise meets, has no effect.
    images = images[[0, 0, 0, 0]]
    results = []
    for train in (
        lambda model: models.fit_passes(model, images, 20, 100),
        lambda model: model.fit(images, batch_size=4, epochs=20, shuffle=False, verbose=0),
    ):
        model = _reusable().fresh(0)
        train(model)
        assert int(model.optimizer.iterations) == 20
        results.append(_flat(model.variables))
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("passes", "batch_size", "steps"), [(23, 100, 23), (7, 3, 14)])
def test_fit_passes_counts_passes(images, passes, batch_size, steps):
    model = REUSABLE.fresh(0)
    models.fit_passes(model, images, passes, batch_size)
    assert int(model.optimizer.iterations) == steps


def test_nan_in_the_loss_stops_and_says_where_and_the_model_survives(images):
    reusable = models.ReusableModel(_build, optimizer=lambda: keras.optimizers.SGD(1e6))
    stop = models.StopOnNonFiniteLoss("the model of class 3")
    with pytest.raises(
        models.NonFiniteLossError, match=r"class 3 stopped in epoch \d+, at batch \d+: .*kl ="
    ):
        models.fit_passes(reusable.fresh(0), images, 100, 100, callbacks=[stop])
    model = reusable.fresh(0)
    assert np.isfinite(_flat(model.variables)).all()
    new = models.ReusableModel(_build, optimizer="sgd").fresh(0)
    np.testing.assert_array_equal(_flat(model.variables), _flat(new.variables))


def test_weights_that_the_last_step_broke_stop_training(images):
    # The one step's loss is finite, what it makes of the weights is not.
    model = models.ReusableModel(_build, optimizer=lambda: keras.optimizers.SGD(1e38)).fresh(0)
    said = r"in epoch 1, at its end: \d+ of \d+ weights hold NaN or infinity, .* \(SGD, .*1e\+38\)"
    with pytest.raises(models.NonFiniteLossError, match=said):
        models.fit_passes(model, images, 1, 100)


@pytest.mark.parametrize(
    ("first", "last", "warned"),
    [(10, 11.9, 0), (10, 12.1, 1), (10, -10, 0), (-10, -8.1, 0), (-10, -7.9, 1)],
)
def test_a_loss_that_ends_a_fifth_above_its_start_is_told(first, last, warned):
    callback = models.callbacks.WarnOfHigherLoss("the model of class 3")
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.5))
    callback.set_model(model)
    with warnings.catch_warnings(record=True) as caught:
        callback.on_train_begin()
        for loss in (first, 1e6, last):  # Only the ends count.
            callback.on_train_batch_end(0, {"loss": loss})
        callback.on_train_end({"loss": last})
    assert len(caught) == warned
    assert all("class 3" in str(w.message) and "rate 0.5" in str(w.message) for w in caught)


def test_fit_passes_gives_one_entry_a_window(images):
    model = REUSABLE.fresh(0)
    history = models.fit_passes(model, images, 24, 100, windows=4)
    assert history.epoch == [0, 1, 2, 3]
    assert [len(values) for values in history.history.values()] == [4, 4, 4]
    assert int(model.optimizer.iterations) == 24


class _Losses(keras.callbacks.Callback):
    """Reports one loss a window, as scripted, and keeps the weights of each window."""

    def __init__(self, losses):
        super().__init__()
        self.losses = losses
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        logs["loss"] = self.losses[epoch]
        self.weights.append(_flat(self.model.get_weights()))


def test_fit_passes_with_patience_stops_and_restores_the_best_window(images):
    model = REUSABLE.fresh(0)
    losses = _Losses([5.0, 3.0, 4.0, 3.5, 2.0, 2.5, 2.1, 2.2, 1.0, 0.5])
    history = models.fit_passes(model, images, 20, 100, windows=10, patience=6, callbacks=[losses])
    # Windows of 2 passes: 3 windows after the fifth, the best, brought nothing better.
    assert history.epoch == list(range(8))
    np.testing.assert_array_equal(_flat(model.get_weights()), losses.weights[4])
    assert not np.array_equal(losses.weights[4], losses.weights[7])


def test_fit_passes_with_patience_restores_the_best_window_also_after_all_passes(images):
    model = REUSABLE.fresh(0)
    losses = _Losses([5.0, 3.0, 4.0])
    history = models.fit_passes(model, images, 6, 100, windows=3, patience=100, callbacks=[losses])
    assert len(history.epoch) == 3
    np.testing.assert_array_equal(_flat(model.get_weights()), losses.weights[1])


@pytest.mark.slow
@pytest.mark.parametrize("passes", [4, 5])
def test_an_epoch_a_pass_takes_the_steps_of_one_epoch_of_all(images, passes):
    """Four images in batches of three: two steps a pass, each pass in an order of its own."""
    found = []
    for windows in (1, passes):
        model = models.ReusableModel(_build, optimizer="rmsprop").fresh(0)
        history = models.fit_passes(model, images, passes, 3, seed=1, windows=windows)
        assert len(history.history["loss"]) == windows
        assert int(model.optimizer.iterations) == 2 * passes
        found.append(_flat(model.variables))
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-6)


def test_with_patience_every_pass_is_looked_at(images):
    model, losses = REUSABLE.fresh(0), _Losses([3.0, 2.0, 2.5, 2.6, 2.7, 1.0])
    history = models.fit_passes(model, images, 6, 100, patience=3, callbacks=[losses])
    assert len(history.epoch) == 5
    np.testing.assert_array_equal(_flat(model.get_weights()), losses.weights[1])


def test_fit_updates_keeps_the_weights_of_the_best_validation_loss(rng):
    x, y = rng.random((40, 8, 8, 1), dtype="float32"), np.arange(40) % 2
    held_out, seen = (1 - x[:10], y[:10]), []
    model = mlp(2, (8, 8, 1))
    model.compile("adam", "sparse_categorical_crossentropy")

    def mark(n):
        loss = float(model.evaluate(*held_out, verbose=0))
        seen.append((n, loss, _flat(model.get_weights())))

    best = models.BestWeights({n // 3: functools.partial(mark, n) for n in range(3, 31, 3)})
    models.fit_updates(model, (x, y), 32, 30, 3, validation=held_out, callbacks=[best])
    assert [n for n, *_ in seen] == list(range(3, 31, 3))
    assert int(model.optimizer.iterations) == 30
    losses = [loss for _, loss, _ in seen]
    assert losses == sorted(losses, reverse=True), "the best so far"
    assert next(n for n, loss, _ in seen if loss == losses[-1]) == 3 * (best.best_epoch + 1)
    np.testing.assert_array_equal(_flat(model.get_weights()), seen[-1][2])


@pytest.mark.slow
def test_fit_passes_gives_the_metric_of_all_images_at_the_restored_weights(images):
    model = models.chadebec_rhvae(2, (8, 8, 1), (6,))
    model.compile("rmsprop")
    losses = _Losses([1.0, 2.0, 3.0])
    models.fit_passes(model, images, 3, 2, windows=3, patience=10, callbacks=[losses])
    np.testing.assert_array_equal(_flat(model.get_weights()), losses.weights[0])
    centroids = np.array(model.metric.centroids)
    model.update_metric(images)
    np.testing.assert_array_equal(centroids, model.metric.centroids)


def test_predict_does_not_depend_on_what_was_predicted_before(rng):
    inputs = rng.random((120, 8, 8, 1), dtype="float32")
    encoder = _build().encoder
    first = models.predict(encoder, inputs[:7])
    models.predict(encoder, inputs)
    for one, two in zip(first, models.predict(encoder, inputs[:7]), strict=True):
        assert one.shape == (7, 2)
        np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(first[0], np.asarray(encoder(inputs[:7])[0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [1, 49, 50, 120])
def test_predict_gives_what_keras_gives_whatever_the_number_of_rows(n, rng):
    network = models.dcgan.generator((8, 8, 1), n_classes=3, latent_dim=4, filters=4)
    z, labels = rng.standard_normal((120, 4), dtype="float32"), np.arange(120) % 3
    found = models.predict(network, [z[:n], labels[:n]])
    assert found.shape == (n, 8, 8, 1)
    np.testing.assert_array_equal(found, models.predict(network, [z, labels])[:n])
    expected = network.predict([z[:n], labels[:n]], verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_predict_keeps_the_structure_of_the_outputs(images):
    vae = _build()
    mean, log_var = models.predict(vae.encoder, images)
    assert mean.shape == log_var.shape == (4, 2)
    said = models.predict(vae, images)
    np.testing.assert_allclose(said["mean"], mean, rtol=1e-5, atol=1e-6)
    assert said["reconstruction"].shape == images.shape


def test_the_training_step_is_traced_once(images, monkeypatch):
    calls, compute_loss = [], models.VAE.compute_loss

    def counting(model, *arguments, **keywords):
        calls.append(model)
        return compute_loss(model, *arguments, **keywords)

    monkeypatch.setattr(models.VAE, "compute_loss", counting)
    vae = _build()
    vae.compile("adam")
    vae.fit(images, batch_size=4, epochs=2, verbose=0)
    assert len(calls) == 1


COUNTS = {
    models.fit_passes: ("passes", "batch_size", "windows", "patience"),
    models.fit_updates: ("batch_size", "updates", "every"),
    models.fit_with_validation: ("batch_size", "epochs", "patience"),
}


@pytest.mark.parametrize("value", [0, -3, 1.5, True])
@pytest.mark.parametrize(("fit", "names"), COUNTS.items(), ids=[fit.__name__ for fit in COUNTS])
def test_counts_are_integers_of_one_or_more(fit, names, value):
    arrays = np.zeros((4, 8, 8, 1)), np.zeros(4, int)
    given = (arrays, arrays) if fit is models.fit_with_validation else (arrays,)
    for name in names:
        counts = {n: 4 for n in names} | {name: value}
        with pytest.raises(ValueError, match=f"{name} must be an integer of 1 or more; got"):
            fit(None, *given, **counts)


def test_updates_are_whole_epochs():
    with pytest.raises(ValueError, match="updates must be a multiple of every, 4; got 6"):
        models.fit_updates(None, (np.zeros(4),), 2, updates=6, every=4)


def _classifier():
    model = models.conv_classifier(3, (8, 8, 1), (2,), ())
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


LABELS = np.arange(4) % 3
FITS = {
    "fit_passes": lambda model, arrays: models.fit_passes(model, arrays, 1, 2),
    "fit_updates": lambda model, arrays: models.fit_updates(model, arrays, 2, 2, 1),
    "validation": lambda model, arrays: models.fit_updates(
        model, (np.zeros((4, 8, 8, 1)), LABELS), 2, 2, 1, validation=arrays
    ),
    "fit_with_validation": lambda model, arrays: models.fit_with_validation(
        model, arrays, (np.zeros((4, 8, 8, 1)), LABELS), 2, 1, 1
    ),
    "its validation": lambda model, arrays: models.fit_with_validation(
        model, (np.zeros((4, 8, 8, 1)), LABELS), arrays, 2, 1, 1
    ),
}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_what_a_classifier_is_given_are_finite_images_and_a_label_each(fit, images):
    model = _classifier()
    broken = images.copy()
    broken[2, 0, 0, 0] = np.nan
    wrong = {
        "1 of 4 hold NaN or infinity, the first is image 2": (broken, LABELS),
        "must be one an image; got 12 for 4": (images, np.tile(LABELS, 3)),
        "must be one an image; got 3 for 4": (images, LABELS[:3]),
        "must be integers; got dtype float64": (images, LABELS + 0.5),
        "must be below 3, the number of classes; got 3": (images, LABELS + 1),
    }
    for message, arrays in wrong.items():
        with pytest.raises(ValueError, match=message):
            fit(model, arrays)


def test_batches_are_of_as_many_rows(images):
    with pytest.raises(ValueError, match="a row for each image; they have 4 and 8 rows"):
        models.ShuffledBatches((images, np.zeros(8)), 2)
