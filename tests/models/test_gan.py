import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from dagen_keras import models
from dagen_keras.models import dcgan

SHAPE, CLASSES, LATENT = (8, 8, 1), 3, 4
MODELS = (models.CGAN, models.ACGAN, models.ALI)


def _small(model_class, **settings):
    """Small, without dropout; batch norm in the generator alone."""
    settings = {"latent_dim": LATENT, "filters": 4, "dropout": 0.0, "seed": 1, **settings}
    return model_class(SHAPE, CLASSES, **settings)


def _data(rng, n=12):
    return rng.random((n, *SHAPE), dtype="float32"), np.arange(n) % CLASSES


def _values(variables):
    return [np.array(v) for v in variables]


class OneLoss(keras.Model):
    """Trains the given networks and no others, on a loss that is written out in a test."""

    def __init__(self, networks, loss):
        super().__init__()
        self.networks, self.by_hand, self.built = networks, loss, True

    def call(self, x):
        return x

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return self.by_hand(x, y)


def _next_normal(generator, shape):
    """What a seed generator gives next, which it still gives afterwards."""
    again = keras.random.SeedGenerator(0)
    again.state.assign(generator.state)
    return np.array(keras.random.normal(shape, seed=again))


def _log_d(logit):
    return ops.log(ops.sigmoid(logit[:, 0]))


def _log_not_d(logit):
    return ops.log(1 - ops.sigmoid(logit[:, 0]))


def _named(logits, labels):
    """log P(C = c)."""
    log_p = ops.log(ops.softmax(logits))
    return ops.sum(log_p * ops.one_hot(labels, CLASSES), axis=1)


def _losses_by_hand(model, z, share):
    """Each player's own loss, as the papers write it, for fixed noise."""
    generator, discriminator = model.generator, model.discriminator
    if type(model) is models.ALI:
        states = [np.array(g.state) for g in (model.sampling.seed_generator, model.noise)]
        assert not np.array_equal(*states)
        of_code = ops.convert_to_tensor(_next_normal(model.sampling.seed_generator, z.shape))

    def means(real, fake):
        return -share * ops.mean(real) - (1 - share) * ops.mean(fake)

    def cgan_d(x, c):
        real, fake = discriminator([x, c]), discriminator([generator([z, c], training=True), c])
        return means(_log_d(real), _log_not_d(fake))

    def cgan_g(x, c):
        return -ops.mean(_log_d(discriminator([generator([z, c], training=True), c])))

    def acgan_d(x, c):
        real, named = discriminator(x)
        fake, named_fake = discriminator(generator([z, c], training=True))
        return means(_log_d(real) + _named(named, c), _log_not_d(fake) + _named(named_fake, c))

    def acgan_g(x, c):
        fake, named = discriminator(generator([z, c], training=True))
        return -ops.mean(_log_d(fake) + _named(named, c))

    def ali_pairs(x, c):
        mean, log_var = model.encoder(x)
        code = mean + ops.exp(log_var / 2) * of_code
        fake = discriminator([generator([z, c], training=True), z, c])
        return discriminator([x, code, c]), fake

    def ali_d(x, c):
        real, fake = ali_pairs(x, c)
        return means(_log_d(real), _log_not_d(fake))

    def ali_g(x, c):
        real, fake = ali_pairs(x, c)
        return -ops.mean(_log_not_d(real)) - ops.mean(_log_d(fake))

    return {
        models.CGAN: (cgan_d, cgan_g),
        models.ACGAN: (acgan_d, acgan_g),
        models.ALI: (ali_d, ali_g),
    }[type(model)]


@pytest.mark.parametrize("share", [0.5, pytest.param(0.25, marks=pytest.mark.slow)])
@pytest.mark.parametrize("model_class", MODELS)
def test_each_players_update_is_that_of_its_own_loss_alone(model_class, share, rng):
    # With plain gradient descent of rate 1 an update is minus the gradient.
    x, y = _data(rng)
    players = {
        "discriminator": ["discriminator"],
        "generator": ["generator", *(["encoder"] if model_class is models.ALI else [])],
    }
    joint = _small(model_class, real_share=share)
    start = _values(joint.variables)
    networks = [name for names in players.values() for name in names]
    last_before = {
        name: np.array(getattr(joint, name).trainable_variables[-1]) for name in networks
    }
    z = ops.convert_to_tensor(_next_normal(joint.noise, (len(x), LATENT)))
    joint.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    joint.train_on_batch(x, y)

    alone = _small(model_class, real_share=share)
    for player, loss in zip(players, _losses_by_hand(alone, z, share), strict=True):
        models.set_state(alone, (start, None))
        names = players[player]
        one = OneLoss([getattr(alone, name) for name in names], loss)
        one.compile(keras.optimizers.SGD(1.0), jit_compile=False)
        one.train_on_batch(x, y)
        for name in names:
            pairs = zip(
                getattr(joint, name).trainable_variables,
                getattr(alone, name).trainable_variables,
                strict=True,
            )
            for ours, by_hand in pairs:
                np.testing.assert_allclose(ours, by_hand, rtol=2e-3, atol=2e-6)
            assert not np.allclose(ours, last_before[name], rtol=1e-3, atol=0), "nothing moved"


def _linear(image_shape=(1, 1, 2)):
    """G(z) = sigmoid(A z + b), D(x) = w.x + u.embedding: all of it can be written in NumPy."""
    z, labels = keras.Input((2,)), keras.Input((), dtype="int32")
    out = layers.Reshape(image_shape)(layers.Dense(2, name="a")(z))
    generator = keras.Model([z, labels], layers.Activation("sigmoid")(out))
    images = keras.Input(image_shape)
    logit = layers.Dense(1, name="w")(layers.Flatten()(images))
    return generator, keras.Model([images, keras.Input((), dtype="int32")], logit)


def test_gradients_of_linear_players_are_those_of_the_closed_form(rng):
    generator, discriminator = _linear()
    gan = models.CGAN(
        (1, 1, 2), 1, 2, generator=generator, discriminator=discriminator, seed=3, real_share=0.75
    )
    x = rng.random((50, 1, 1, 2), dtype="float32")
    z = _next_normal(gan.noise, (50, 2)).astype(float)
    a, b = _values(generator.trainable_variables)
    w, _ = _values(discriminator.trainable_variables)
    gan.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    gan.train_on_batch(x, np.zeros(50, int))

    def sigmoid(t):
        return 1 / (1 + np.exp(-t))

    real = x.reshape(50, 2).astype(float)
    fake = sigmoid(z @ a + b)
    p_real, p_fake = sigmoid(real @ w), sigmoid(fake @ w)
    gradient_w = -0.75 * ((1 - p_real) * real).mean(0) + 0.25 * (p_fake * fake).mean(0)
    gradient_b = (-(1 - p_fake) * w.T * fake * (1 - fake)).mean(0)
    new_w, new_b = discriminator.trainable_variables[0], generator.trainable_variables[1]
    np.testing.assert_allclose(np.array(new_w)[:, 0], w[:, 0] - gradient_w, atol=1e-5)
    np.testing.assert_allclose(np.array(new_b), b - gradient_b, atol=1e-5)


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_a_share_has_the_expected_gradient_of_batches_so_composed(share, rng):
    # Batches of 8 images, each drawn real with probability `share`: the mean gradient of w.
    _, discriminator = _linear()
    w, b = (np.array(v, float) for v in discriminator.trainable_variables)
    real, fake = rng.random((500, 2)), rng.random((500, 2)) ** 3

    def gradient(images, target):
        p = 1 / (1 + np.exp(-(images @ w + b)))
        return (p - target) * images

    drawn = []
    for _ in range(20_000):
        is_real = rng.random(8) < share
        rows = rng.integers(500, size=8)
        images = np.where(is_real[:, None], real[rows], fake[rows])
        drawn.append(gradient(images, is_real[:, None]).mean(0))
    error = np.std(drawn, axis=0) / np.sqrt(len(drawn))
    ours = share * gradient(real, 1).mean(0) + (1 - share) * gradient(fake, 0).mean(0)
    np.testing.assert_array_less(np.abs(np.mean(drawn, axis=0) - ours), 4 * error)

    # That weighing is what the model's update does: its loss alone at rate 1.
    fixed = keras.Sequential([keras.Input((2,)), layers.Reshape((1, 1, 2))])
    z, labels = keras.Input((2,)), keras.Input((), dtype="int32")
    generator = keras.Model([z, labels], fixed(z))
    gan = models.CGAN(
        (1, 1, 2), 1, 2, real_share=share, generator=generator, discriminator=discriminator
    )
    gan.draw = lambda n: ops.convert_to_tensor(fake, "float32")
    gan.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    gan.train_on_batch(real.reshape(-1, 1, 1, 2).astype("float32"), np.zeros(500, int))
    np.testing.assert_allclose(
        np.array(discriminator.trainable_variables[0])[:, 0], w[:, 0] - ours, atol=1e-5
    )


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("model_class", MODELS)
def test_the_frozen_pass_changes_no_variable_of_the_discriminator(model_class, rng):
    # Its loss alone: the discriminator's weighs nothing, and its pass for it is left out.
    gan = _small(model_class, dropout=0.5)
    x, y = _data(rng)
    before = _values(gan.discriminator.variables)
    discriminate, calls = gan.discriminate, []

    def counted(inputs, weights, state, training):
        calls.append(len(inputs[0]))
        found = discriminate(inputs, weights, state, training)
        return found if len(calls) > 1 else (found[0], state)

    gan.discriminate = counted
    gan.cross_entropies = lambda outputs, labels, real, weight=1.0: (
        0.0 if len(calls) == 1 else type(gan).cross_entropies(gan, outputs, labels, real, weight)
    )
    gan.compile(keras.optimizers.SGD(1.0), run_eagerly=keras.backend.backend() == "tensorflow")
    gan.train_on_batch(x, y)
    assert len(calls) >= 2
    for old, new in zip(before, gan.discriminator.variables, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("seed", range(8))
def test_the_generator_never_meets_a_discriminator_that_is_updated_already(seed, rng):
    # The frozen pass is needed for the generator's gradient alone, so nothing but the order of
    # reading and updating keeps it from using new weights.
    keras.utils.set_random_seed(seed)
    generator, discriminator = _linear()
    gan = models.CGAN((1, 1, 2), 1, 2, generator=generator, discriminator=discriminator)
    seen = []
    discriminate = gan.discriminate

    def spy(inputs, weights, state, training):
        gan.spies[len(seen)].assign(ops.reshape(weights[0], (2,)))
        seen.append(inputs)
        return discriminate(inputs, weights, state, training)

    gan.spies = [gan.add_weight(shape=(2,), trainable=False) for _ in range(2)]
    gan.discriminate = spy
    w = np.array(discriminator.trainable_variables[0])[:, 0]
    gan.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    gan.train_on_batch(rng.random((50, 1, 1, 2), dtype="float32"), np.zeros(50, int))
    assert not np.allclose(np.array(discriminator.trainable_variables[0])[:, 0], w)
    for value in gan.spies:
        np.testing.assert_array_equal(value, w)


def test_a_schedule_changes_the_share_by_epoch_without_a_new_compilation(rng):
    x, y = _data(rng)
    gan = _small(models.ACGAN, real_share=models.EveryThirdEpoch())
    gan.compile("sgd")
    shares = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: shares.append(float(gan.share))
    )
    gan.fit(x, y, epochs=1, verbose=0)
    function = gan.train_function
    gan.fit(x, y, epochs=7, verbose=0, callbacks=note)
    assert shares == [0.75, 0.75, 0.5, 0.75, 0.75, 0.5, 0.75]
    assert gan.train_function is function
    gan.set_real_share(0.25)
    assert float(gan.share) == 0.25


def test_masked_codes_do_not_count_for_real_or_fake(rng):
    ali = _small(models.ALI)
    gan = models.acgan_on_ali(ali)
    labels = ops.convert_to_tensor(np.arange(7) % CLASSES)
    np.testing.assert_allclose(gan.weight_of_fake(labels), [0, 0, 0, 1.75, 1.75, 1.75, 1.75])
    outputs = [ops.ones((7, 1)), ops.zeros((7, CLASSES))]
    errors = np.asarray(gan.cross_entropies(outputs, labels, True, gan.weight_of_fake(labels)))
    of_class, of_real = np.log(CLASSES), np.log1p(np.exp(-1.0))
    np.testing.assert_allclose(errors[:3], of_class, rtol=1e-5)
    np.testing.assert_allclose(errors[3:], of_class + 1.75 * of_real, rtol=1e-5)
    assert models.acgan_on_ali(ali, mask=False).weight_of_fake(labels) == 1.0


def test_an_acgan_on_something_else_is_refused():
    with pytest.raises(ValueError, match="ali must be an ALI, trained; got <CGAN"):
        models.acgan_on_ali(_small(models.CGAN))


@pytest.mark.parametrize("dropout", [1, -0.1, float("nan"), "0.5"])
def test_a_dropout_that_is_no_share_is_refused(dropout):
    with pytest.raises(ValueError, match=r"dropout must be a share in \[0, 1\); got"):
        _small(models.CGAN, dropout=dropout)


def test_an_acgan_on_ali_sees_codes_of_real_images_in_half_of_a_batch(rng):
    ali = _small(models.ALI)
    x, y = _data(rng)
    narrow = ali.encoder.get_layer("log_var")
    narrow.set_weights([np.zeros_like(narrow.get_weights()[0]), np.full(LATENT, -30.0)])
    seen = []

    class Spy(layers.Layer):
        def call(self, z):
            seen.append(np.array(z))
            return z

    gan = models.acgan_on_ali(ali)
    generator, spy = gan.generator, Spy()
    gan.generator = lambda inputs, training: generator([spy(inputs[0]), inputs[1]])
    gan.discriminator_inputs(ops.convert_to_tensor(x), ops.convert_to_tensor(y), True)
    (z,) = seen
    mean = np.array(ali.encoder(x)[0])
    np.testing.assert_allclose(z[:6], mean[:6], atol=1e-5)
    assert np.abs(z[6:] - mean[6:]).min(axis=1).max() > 1e-3


@pytest.mark.parametrize("from_ali", [False, True])
def test_the_generator_on_ali_starts_from_scratch_or_from_ali_and_leaves_ali_alone(from_ali, rng):
    x, y = _data(rng)
    ali = _small(models.ALI)
    before = _values(ali.variables)
    gan = models.acgan_on_ali(ali, from_ali=from_ali)
    for ours, theirs in zip(gan.generator.weights, ali.generator.weights, strict=True):
        if ours.name in ("kernel", "embeddings"):
            assert np.array_equal(ours, theirs) == from_ali
    codes = _values(gan.encoder.variables)
    gan.compile(models.gan_optimizer())
    gan.fit(x, y, epochs=2, verbose=0)
    for old, new in zip(before, ali.variables, strict=True):
        np.testing.assert_array_equal(old, new)
    for old, new in zip(codes, gan.encoder.variables, strict=True):
        np.testing.assert_array_equal(old, new)


def test_an_encoder_of_another_dimension_is_refused():
    encoder = dcgan.encoder(SHAPE, LATENT + 1, 4)
    with pytest.raises(ValueError, match="encoder must return a mean and a log-variance of 4"):
        _small(models.ACGAN, encoder=encoder)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (50, 50, 3), (8, 8, 1), (20, 33, 2)])
def test_networks_fit_any_image_shape(shape):
    generator = dcgan.generator(shape, 5, 6, 4)
    labels = ops.convert_to_tensor(np.array([0, 4], "int32"))
    images = generator([ops.zeros((2, 6)), labels])
    assert images.shape == (2, *shape)
    assert np.min(images) >= 0 and np.max(images) <= 1
    logit, classes = dcgan.classifying_discriminator(shape, 5, 4)(images)
    assert logit.shape == (2, 1) and classes.shape == (2, 5)
    assert dcgan.conditional_discriminator(shape, 5, 4)([images, labels]).shape == (2, 1)
    mean, log_var = dcgan.encoder(shape, 6, 4)(images)
    assert mean.shape == log_var.shape == (2, 6)
    joint = dcgan.joint_discriminator(shape, 5, 6, 4)
    assert joint([images, mean, labels]).shape == (2, 1)


def test_parameters_of_the_default_networks_for_28_pixels():
    # 100 inputs to 7x7x128, batch norm, 4x4x128 to 64, batch norm, 4x4x64 to 1; 10 embeddings.
    dense, first, last = 100 * 49 * 128, 16 * 128 * 64, 16 * 64 + 1
    assert dcgan.generator((28, 28, 1), 10).count_params() == (
        10 * 100 + dense + 4 * 128 + first + 4 * 64 + last
    )
    convolutions = (16 * 1 + 1) * 64 + (16 * 64 + 1) * 128
    heads = (49 * 128 + 1) * (1 + 10)
    discriminator = dcgan.classifying_discriminator((28, 28, 1), 10)
    assert discriminator.count_params() == convolutions + heads


@pytest.mark.slow
@pytest.mark.parametrize("model_class", MODELS)
def test_training_is_finite_seeded_and_survives_saving(model_class, rng, tmp_path):
    x, y = _data(rng)
    samples = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        gan = _small(model_class, real_share=models.EveryThirdEpoch(0.625, 0.375), dropout=0.25)
        gan.compile(models.gan_optimizer())
        history = gan.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0).history
        samples.append(gan.generate([2, 0, 1], seed=7))
    assert set(history) == {
        "loss",
        "discriminator_loss",
        "generator_loss",
        "real_score",
        "fake_score",
    }
    assert np.isfinite(list(history.values())).all()
    total = np.array(history["discriminator_loss"]) + history["generator_loss"]
    np.testing.assert_allclose(history["loss"], total, rtol=1e-4)
    np.testing.assert_array_equal(*samples)
    path = tmp_path / "gan.keras"
    gan.save(path)
    loaded = models.load_model(path)
    np.testing.assert_allclose(loaded.generate([2, 0, 1], seed=7), samples[1], atol=1e-6)
    assert loaded.real_share(2) == 0.375
    ours, theirs = gan.get_config(), loaded.get_config()
    for name in set(ours) - {"generator", "discriminator", "encoder"}:
        assert theirs[name] == ours[name] or list(theirs[name]) == list(ours[name])


@pytest.mark.slow
def test_a_saved_acgan_on_ali_keeps_its_encoder(rng, tmp_path):
    gan = models.acgan_on_ali(_small(models.ALI), mask=False)
    gan.save(tmp_path / "gan.keras")
    code = (
        "import sys, numpy as np; from dagen_keras import models\n"
        "gan = models.load_model(sys.argv[1])\n"
        "images = np.full((1, 8, 8, 1), 0.5, 'float32')\n"
        "print(gan.mask, *np.array(gan.encoder(images)[0])[0])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "gan.keras")]
    mask, *mean = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    expected = np.array(gan.encoder(np.full((1, *SHAPE), 0.5, "float32"))[0])[0]
    assert mask == "False"
    np.testing.assert_allclose([float(v) for v in mean], expected, atol=1e-5)


def test_images_depend_on_label_and_seed_and_not_on_what_else_is_generated():
    gan = _small(models.CGAN)
    one = gan.generate([0, 1, 2], seed=0)
    np.testing.assert_array_equal(one, gan.generate([0, 1, 2], seed=0))
    assert not np.array_equal(one, gan.generate([0, 1, 2], seed=1))
    assert not np.array_equal(one, gan.generate([1, 1, 2], seed=0))
    np.testing.assert_allclose(gan.generate([0] * 70, seed=0)[:3], gan.generate([0] * 3, 0))
    assert gan.generate(np.zeros(0, int), seed=0).shape == (0, *SHAPE)


def test_ali_decodes_draws_of_the_posterior_of_each_image(rng):
    x, y = _data(rng)
    ali = _small(models.ALI)
    narrow = ali.encoder.get_layer("log_var")
    zeros = np.zeros_like(narrow.get_weights()[0])
    again = ali.reconstruct(x, y, seed=0)
    assert again.shape == x.shape and again.dtype == np.float32
    assert not np.allclose(again, ali.reconstruct(x, y, seed=1), atol=1e-4)
    narrow.set_weights([zeros, np.full(LATENT, -30.0)])
    mean = ops.convert_to_numpy(ali.encoder(x)[0])
    labels = ops.convert_to_tensor(y.astype("int32"))
    decoded = ali.generator([ops.convert_to_tensor(mean), labels])
    np.testing.assert_allclose(ali.reconstruct(x, y, seed=0), decoded, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g, x, y: g.fit(x), "needs labels"),
        (lambda g, x, y: g.fit(x * 255, y), r"Divide by 255"),
        (lambda g, x, y: g.fit(x[:, :4], y), r"shape \(8, 8, 1\) of this model"),
        (lambda g, x, y: g.fit(x, y + 1), "labels must be below 3"),
        (lambda g, x, y: g.fit(x, y[:3]), "one an image"),
        (lambda g, x, y: g.generate([3], 0), "labels must be below 3"),
        (lambda g, x, y: g.generate([-1], 0), "0 or more"),
        (lambda g, x, y: g.generate([0.5], 0), "integers"),
        (lambda g, x, y: g.set_real_share(1.0), r"real_share must be in \(0, 1\)"),
        (lambda g, x, y: g.set_real_share("0.5"), r"real_share must be in \(0, 1\)"),
        (lambda g, x, y: g.set_real_share(lambda epoch: 1.5), r"real_share must be in \(0, 1\)"),
        (lambda g, x, y: g.generate(1, 0), r"labels must have shape \(n,\)"),
        (lambda g, x, y: g.fit(models.ShuffledBatches((x, y + 1), 4)), "labels must be below 3"),
        (lambda g, x, y: models.CGAN((8, 8), 3), "image_shape must be"),
        (lambda g, x, y: models.CGAN(28, 3), "image_shape must be"),
        (lambda g, x, y: models.CGAN((8.5, 8, 1), 3), "image_shape must be"),
        (
            lambda g, x, y: models.CGAN(SHAPE, 3, LATENT + 1, generator=g.generator),
            "generator must map",
        ),
        (lambda g, x, y: models.ACGAN(SHAPE, 0), "n_classes must be an integer of 1 or more"),
        (lambda g, x, y: models.ALI(SHAPE, 3, latent_dim=0.5), "latent_dim must be an integer"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(call, message, rng):
    with pytest.raises(ValueError, match=message):
        call(_small(models.CGAN), *_data(rng))


def test_a_diverging_training_stops_and_says_so(rng):
    gan = _small(models.CGAN)
    gan.compile(keras.optimizers.SGD(1e30))
    with pytest.raises(models.NonFiniteLossError, match="stopped in epoch"):
        gan.fit(*_data(rng), batch_size=4, epochs=5, verbose=0)


@pytest.mark.slow
def test_a_gan_covers_a_ring_of_gaussians(rng):
    # Eight Gaussians of deviation 0.02 on a circle of radius 0.35, seen as images of two pixels.
    angles = 2 * np.pi * np.arange(8) / 8
    centers = 0.5 + 0.35 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    rows = rng.integers(8, size=8192)
    points = (centers[rows] + 0.02 * rng.standard_normal((8192, 2))).clip(0, 1)
    z, labels = keras.Input((2,)), keras.Input((), dtype="int32")
    hidden = z
    for _ in range(2):
        hidden = layers.Dense(128, activation="relu")(hidden)
    out = layers.Reshape((1, 1, 2))(layers.Dense(2, activation="sigmoid")(hidden))
    images, of_image = keras.Input((1, 1, 2)), keras.Input((), dtype="int32")
    seen = layers.Rescaling(8.0, -4.0)(layers.Flatten()(images))
    for _ in range(2):
        seen = layers.Dense(128, activation="leaky_relu")(seen)
    keras.utils.set_random_seed(0)
    gan = models.CGAN(
        (1, 1, 2),
        1,
        latent_dim=2,
        generator=keras.Model([z, labels], out),
        discriminator=keras.Model([images, of_image], layers.Dense(1)(seen)),
        seed=0,
    )
    gan.compile(keras.optimizers.Adam(1e-3, beta_1=0.5), jit_compile=True)
    batches = models.ShuffledBatches(
        (points.reshape(-1, 1, 1, 2).astype("float32"), np.zeros(8192, "int32")), 512, passes=160
    )
    gan.fit(batches, shuffle=False, verbose=0)
    drawn = gan.generate(np.zeros(2000, int), seed=0).reshape(-1, 2)
    distance = np.linalg.norm(drawn[:, None] - centers, axis=2)
    good = distance.min(axis=1) < 0.08  # Four deviations.
    found = np.bincount(distance.argmin(axis=1)[good], minlength=8) >= 2000 * 0.02
    assert found.sum() == 8
    assert good.mean() > 0.8


@pytest.mark.parametrize("model_class", [models.CGAN, models.ACGAN])
def test_log_odds_are_the_discriminators_logits_without_dropout(model_class, rng):
    gan = _small(model_class, dropout=0.5)
    x, y = _data(rng)
    inputs = [x, y] if model_class is models.CGAN else x
    logits = keras.tree.flatten(gan.discriminator(inputs, training=False))[0]
    log_odds = gan.log_odds(x, y)
    assert log_odds.shape == (12,)
    np.testing.assert_allclose(log_odds, np.array(logits)[:, 0], atol=1e-5)
    with pytest.raises(ValueError, match="Divide by 255"):
        gan.log_odds(x * 255, y)
    with pytest.raises(ValueError, match="labels must be below 3"):
        gan.log_odds(x, y + 1)


def test_an_ali_has_no_log_odds_of_an_image():
    assert not hasattr(models.ALI, "log_odds")


def test_a_gan_of_one_class_is_a_plain_gan(rng):
    # Its discriminator learns to tell white images from what it generates.
    keras.utils.set_random_seed(0)
    gan = models.CGAN(SHAPE, 1, latent_dim=LATENT, filters=4, dropout=0.0, seed=1)
    gan.compile(keras.optimizers.Adam(0.01))
    zeros = np.zeros(16, int)
    gan.fit(np.ones((16, *SHAPE), "float32"), zeros, epochs=10, verbose=0)
    images = gan.generate(zeros, seed=0)
    assert images.shape == (16, *SHAPE)
    real, generated = (gan.log_odds(x, zeros) for x in (np.ones_like(images), images))
    assert real.mean() > generated.mean()
    with pytest.raises(ValueError, match="labels must be below 1"):
        gan.generate([1], seed=0)
