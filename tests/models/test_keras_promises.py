"""What Keras promises of a model, of every model that brings its own loss."""

import threading
import warnings

import keras
import numpy as np
import pytest
from keras import ops
from models.every import (
    CLASSES,
    GANS,
    LABELS,
    SHAPE,
    VAES,
    compiled,
    every_gan,
    every_kind,
    every_model,
    every_vae,
    fresh,
    small_rhvae,
    small_vae,
)

from dagen_keras import backend, evaluate, models
from dagen_keras.augment import transforms
from dagen_keras.models.gan import GAN

pytestmark = pytest.mark.xdist_group("every model")


@pytest.fixture
def images(rng):
    return (rng.random((12, *SHAPE)) < 0.3).astype("float32")


def _loss(model, x, y=None, **kwargs):
    """Of one pass in one batch, at the weights that the model starts with."""
    fit = {"batch_size": len(x), "epochs": 1, "shuffle": False, "verbose": 0}
    return model.fit(x, y, **fit, **kwargs).history["loss"][0]


@every_kind
def test_a_regularizer_adds_its_loss_and_its_gradient(build, images):
    plain = fresh(build)
    y = LABELS if isinstance(plain, GAN) else None
    heavy = compiled(build, regularizer=keras.regularizers.L2(10.0))
    pairs = zip(heavy.trainable_weights, plain.trainable_weights, strict=True)
    pairs = [(own, of_plain) for own, of_plain in pairs if own.regularizer is not None]
    before = [np.array(own) for own, _ in pairs]
    expected = 10 * sum((w**2).sum() for w in before)
    assert expected > 0.1
    assert _loss(heavy, images, y) - _loss(plain, images, y) == pytest.approx(expected, rel=1e-3)
    for start, (own, of_plain) in zip(before, pairs, strict=True):
        np.testing.assert_allclose(own, of_plain - 0.01 * 20 * start, atol=1e-5)


@every_vae
def test_weights_of_images_are_those_of_their_terms(build, images):
    def loss(*weights):
        return _loss(fresh(build), images, sample_weight=np.repeat(weights, 6))

    whole, first, second = _loss(fresh(build), images), loss(2.0, 0.0), loss(0.0, 2.0)
    assert first + second == pytest.approx(2 * whole, rel=1e-5)
    assert abs(first - second) > 0.01
    model = fresh(build)
    evaluated = model.evaluate(images, sample_weight=np.zeros(12), verbose=0, return_dict=True)
    assert evaluated["loss"] == 0
    start = [np.array(w) for w in model.trainable_weights]
    assert _loss(model, images, sample_weight=np.zeros(12)) == 0
    for weight, before in zip(model.trainable_weights, start, strict=True):
        np.testing.assert_array_equal(weight, before)


def test_weights_of_classes_weigh_their_images(images):
    ones, none = {0: 1.0, 1: 1.0, 2: 1.0}, {0: 1.0, 1: 0.0, 2: 0.0}
    whole, part = (
        _loss(fresh(small_vae), images, LABELS, class_weight=weights) for weights in (ones, none)
    )
    assert 0.2 * whole < part < 0.5 * whole


@every_gan
@pytest.mark.parametrize("weights", [{"sample_weight": np.ones(12)}, {"class_weight": {0: 2.0}}])
def test_a_gan_refuses_weights_of_images(build, weights, images):
    gan = fresh(build)
    with pytest.raises(ValueError, match="takes no sample_weight and no class_weight"):
        gan.fit(images, LABELS, verbose=0, **weights)
    with pytest.raises(ValueError, match="takes no sample_weight"):
        gan.fit(_Batches(images, LABELS, np.ones(12, "float32")), verbose=0)
    gan.fit(images, LABELS, verbose=0)
    with pytest.raises(ValueError, match="takes no sample_weight"):
        gan.evaluate(images, LABELS, sample_weight=np.ones(12), verbose=0)


class _Batches(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return 3

    def __getitem__(self, i):
        part = tuple(a[4 * i : 4 * i + 4] for a in self.arrays)
        return part if len(part) > 1 else part[0]


def _generator(*arrays):
    data = _Batches(*arrays)
    parts = map(data.__getitem__, range(len(data)))
    return (part if isinstance(part, tuple) else (part,) for part in parts)


def _tf_data(*arrays):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0]).batch(4)


KINDS = {"PyDataset": _Batches, "generator": _generator, "tf.data": _tf_data}


@every_model
@pytest.mark.parametrize("kind", ["tensor", *KINDS])
def test_images_out_of_range_are_refused_before_the_first_step(build, kind, images):
    model = fresh(build)
    arrays = [255 * images] + [LABELS] * isinstance(model, GAN)
    if kind == "tensor":
        given = [ops.convert_to_tensor(array) for array in arrays]
    else:
        given = [KINDS[kind](*arrays)]
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]; got 0 to 255. Divide by 255"):
        model.fit(*given, verbose=0)
    assert int(model.optimizer.iterations) == 0


def test_a_generator_that_gives_nothing_is_refused():
    with pytest.raises(ValueError, match="empty generator"):
        fresh(small_vae).fit((batch for batch in ()), verbose=0)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_every_kind_are_trained_on_as_they_come(kind, images):
    found = []
    for x, batch_size in ((KINDS[kind](images), None), (images, 4)):
        model = fresh(small_vae)
        model.fit(x, batch_size=batch_size, epochs=1, verbose=0, shuffle=False)
        assert int(model.optimizer.iterations) == 3
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.slow
def test_an_rhvae_has_the_metric_of_what_it_was_fitted_on(images):
    model = fresh(small_rhvae)
    for given in (ops.convert_to_tensor(images), _Batches(images), _Batches(images, LABELS)):
        model.fit(given, epochs=1, verbose=0)
        found = np.array(model.metric.centroids)
        np.testing.assert_allclose(found, model.encoder(images)[0], atol=1e-5)
    model.fit(_generator(images), epochs=1, verbose=0)
    assert model.metric is None, "of a generator's images nothing is left, and not an older metric"


def test_an_rhvae_has_the_metric_of_tf_data(images):
    model = fresh(small_rhvae)
    model.fit(_tf_data(images), epochs=1, verbose=0)
    np.testing.assert_allclose(model.metric.centroids, model.encoder(images)[0], atol=1e-5)
    model.fit(_tf_data(images).repeat(), epochs=1, steps_per_epoch=2, verbose=0)
    assert model.metric is None


@every_gan
def test_an_optimizer_that_couples_the_players_is_refused(build):
    gan = build()
    with pytest.raises(ValueError, match="global_clipnorm would clip each player's"):
        gan.compile(keras.optimizers.Adam(global_clipnorm=1.0))
    gan.compile(keras.optimizers.Adam(clipnorm=1.0))


@every_gan
def test_a_compiled_gan_comes_back_compiled(build, images, tmp_path):
    gan = compiled(build, models.gan_optimizer(3e-4))
    gan.fit(images, LABELS, verbose=0)
    gan.save(tmp_path / "gan.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = models.load_model(tmp_path / "gan.keras")
    assert float(loaded.optimizer.learning_rate) == pytest.approx(3e-4)
    assert int(loaded.optimizer.iterations) == int(gan.optimizer.iterations) > 0


@pytest.mark.parametrize("number", [np.int64(2), np.int32(2)])
def test_sizes_may_be_integers_of_any_kind(number):
    for build in (models.garay_maestre_vae, models.chadebec_vae, models.chadebec_rhvae):
        assert build(number, SHAPE).latent_dim == 2
    assert models.conv_vae(number, SHAPE, number).latent_dim == 2
    gan = models.ACGAN(tuple(np.array(SHAPE)), number, latent_dim=number, filters=number)
    assert type(gan.get_config()["latent_dim"]) is int
    assert gan.generate([0, 1], seed=0).shape == (2, *SHAPE)


@pytest.mark.parametrize("number", [True, 2.0, 0, "2", None])
@pytest.mark.parametrize(
    "build", [models.garay_maestre_vae, models.chadebec_rhvae, models.conv_vae]
)
def test_what_is_no_size_is_refused(build, number):
    with pytest.raises(ValueError, match="latent_dim must be an integer of 1 or more"):
        build(number, SHAPE)


@pytest.mark.parametrize(
    "layer",
    [transforms.RandomScale(0.3), transforms.RandomCrop(0.2), transforms.RandomNoise(0.1)],
    ids=lambda layer: layer.name,
)
def test_random_layers_come_back_from_their_config(layer, images):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer) and again.get_config() == layer.get_config()
    again.generator.state.assign(layer.generator.state)
    np.testing.assert_array_equal(layer(images), again(images))


@every_model
def test_one_watch_stops_at_nan_and_it_does_not_make_a_gpu_wait(build, images, monkeypatch):
    """The loss of a step is read once, on JAX in a thread. (On TensorFlow Keras waits itself.)"""
    readers = []

    def recorded(self, batch, logs=None):
        readers.append(threading.current_thread())

    monkeypatch.setattr(models.StopOnNonFiniteLoss, "on_train_batch_end", recorded)
    model = fresh(build)
    y = LABELS if isinstance(model, GAN) else None
    own = models.StopOnNonFiniteLoss("mine")
    for callbacks in (None, [own]):
        model.fit(images, y, verbose=0, callbacks=callbacks)
        [thread] = readers
        readers.clear()
        assert (thread is threading.main_thread()) == (keras.backend.backend() == "tensorflow")


@every_model
def test_training_stops_at_weights_that_are_nan(build, images):
    """Seen in the loss, or, where a ReLU hides them from it, when the epoch ends."""
    model = fresh(build)
    network = model.discriminator if isinstance(model, GAN) else model.encoder
    kernel = next(w for w in network.trainable_weights if "kernel" in w.path)
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(models.NonFiniteLossError, match="stopped in epoch 1, at"):
        model.fit(images, LABELS if isinstance(model, GAN) else None, epochs=5, verbose=0)


@every_gan
def test_a_gan_maps_no_images_to_themselves(build, images):
    gan = fresh(build)
    for ask in (gan, gan.predict, gan.predict_on_batch):
        with pytest.raises(ValueError, match=f"a {type(gan).__name__} maps no images to anything"):
            ask(images)
    # Nothing is lost by the question.
    assert gan.generate(LABELS, seed=0).shape == images.shape
    assert np.isfinite(_loss(gan, images, LABELS))


@every_model
def test_compile_takes_what_is_fastest_here_unless_told_otherwise(build):
    model = build()
    model.compile("sgd")
    expected = keras.backend.backend() != "tensorflow" or backend.on_gpu()
    assert model.jit_compile is expected and model.steps_per_execution == 1
    model.compile("sgd", jit_compile=True, steps_per_execution=3)
    assert model.jit_compile is True and model.steps_per_execution == 3


@every_vae
def test_only_a_vae_has_a_divergence_that_may_be_chosen(build):
    model = build()
    for name in ("divergence", "divergence_weight", "lambda_", "set_divergence_weight"):
        assert hasattr(model, name) == (type(model) is models.VAE)


class _Seen(keras.callbacks.Callback):
    """The epochs and batches of a training, and the images that each epoch's batches had."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.epochs, self.batches, self.rows = [], 0, []
        original = models.ShuffledBatches.__getitem__

        def getitem(batches, index):
            found = original(batches, index)
            self.rows.append((index, len(found), found[0].sum(axis=(1, 2, 3))))
            return found

        monkeypatch.setattr(models.ShuffledBatches, "__getitem__", getitem)

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)


@pytest.mark.parametrize("build", [VAES["VAE"], GANS["CGAN"]], ids=["VAE", "CGAN"])
def test_few_images_are_each_seen_once_an_epoch_in_orders_of_keras_seed(build, monkeypatch):
    images = np.arange(11).reshape(11, 1, 1, 1) / 11 * np.ones((1, *SHAPE))
    labels = {"y": np.arange(11) % 3} if build is GANS["CGAN"] else {}
    weights, orders = [], []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        seen = _Seen(monkeypatch)
        model = build()
        model.compile("sgd")
        history = model.fit(
            images, **labels, batch_size=4, epochs=5, verbose=0, callbacks=seen
        ).history
        monkeypatch.undo()
        assert (seen.epochs, seen.batches) == ([0, 1, 2, 3, 4], 15)
        assert len(history["loss"]) == 5
        rows = [row for _, row in sorted({i: (n, r) for i, n, r in seen.rows}.items())]
        assert {n for n, _ in rows} == {2 if labels else 1}
        order = np.concatenate([row for _, row in rows]).reshape(5, 11).round(3)
        assert (np.sort(order, axis=1) == np.sort(order[0])).all()
        assert len({tuple(one) for one in order}) == 5
        orders.append(order)
        weights.append(np.concatenate([np.ravel(w) for w in model.get_weights()]))
    np.testing.assert_array_equal(*orders[:2])
    np.testing.assert_array_equal(*weights[:2])
    assert not np.array_equal(orders[0], orders[2])


def test_what_keras_does_with_arrays_it_still_does(images):
    model = compiled(small_vae)
    model.compile("sgd")
    history = model.fit(images, epochs=2, validation_split=0.25, verbose=0).history
    assert len(history["val_loss"]) == 2
    history = model.fit(images, epochs=3, initial_epoch=1, validation_data=(images,), verbose=0)
    assert history.epoch == [1, 2]


@every_model
def test_generate_draws_by_a_seed_or_anew(build):
    model = build()
    few = 4 if model.n_classes == 1 else np.arange(4) % CLASSES
    one, other = model.generate(few, seed=1), model.generate(few, seed=2)
    assert one.shape == (4, *SHAPE) and one.dtype == np.float32
    assert 0 <= one.min() <= one.max() <= 1
    np.testing.assert_array_equal(one, model.generate(few, seed=1))
    assert not np.array_equal(one, other)
    assert not np.array_equal(model.generate(few), model.generate(few))
    none = 0 if model.n_classes == 1 else np.zeros(0, int)
    assert model.generate(none).shape == (0, *SHAPE)
    with pytest.raises(ValueError, match=r"the sampler .* needs .* which goes with prior"):
        model.generate(few, 1, "vamp" if type(model) is not models.VampVAE else "hmc")
    for wrong in (-1, 2.5) if model.n_classes == 1 else (np.full(2, 7), 3):
        with pytest.raises(ValueError, match="n must be an integer|labels must "):
            model.generate(wrong)


@pytest.mark.parametrize("kind", [models.CGAN, pytest.param(models.ALI, marks=pytest.mark.slow)])
def test_a_gan_of_one_class_needs_no_labels(kind, images):
    found = []
    for labels in (None, np.zeros(12, int)):
        with backend.seeded(0):
            gan = kind(SHAPE, latent_dim=4, filters=2, seed=0)
        gan.compile("sgd")
        keras.utils.set_random_seed(0)
        gan.fit(images, labels, epochs=2, batch_size=5, verbose=0)
        found.append([np.array(weight) for weight in gan.get_weights()])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(gan.generate(3, seed=1), gan.generate(np.zeros(3, int), seed=1))


def test_a_vae_encodes_to_its_posteriors_means(images):
    vae = small_vae()
    np.testing.assert_allclose(vae.encode(images), vae.encoder(images)[0], atol=1e-6)
    with pytest.raises(ValueError, match="Divide by 255"):
        vae.encode(images * 255)


@every_gan
def test_a_gan_of_several_classes_needs_labels_wherever_it_is_asked(build, images):
    gan = fresh(build)
    with pytest.raises(ValueError, match="needs labels beside its images"):
        gan.evaluate(images, verbose=0)


@pytest.mark.parametrize("build", [small_vae, lambda: models.CGAN(SHAPE, latent_dim=4, filters=2)])
def test_a_model_of_one_class_can_be_watched(build, images):
    model = build()
    model.compile("sgd")
    monitor = evaluate.SampleMonitor(images, np.zeros(12, int), every=1)
    model.fit(images, epochs=1, verbose=0, callbacks=[monitor])
    assert len(monitor.diversity) == 1


def test_an_acgan_of_one_class_is_refused_in_words():
    with pytest.raises(ValueError, match="needs n_classes of 2 or more .*conditional=True.* CGAN"):
        models.ACGAN(SHAPE)
