"""What a model of another precision than float32 does: it says so, or it works."""

import keras
import numpy as np
import pytest
from keras import layers

from dagen_keras import models
from dagen_keras.models import networks

SHAPE = (8, 8, 1)
MODELS = {
    "VAE": lambda: models.chadebec_vae(2, SHAPE, (6,)),
    "VampVAE": lambda: models.chadebec_vae(2, SHAPE, (6,), models.VampVAE),
    "RHVAE": lambda: models.chadebec_rhvae(2, SHAPE, (6,), n_leapfrog=1),
    "CGAN": lambda: models.CGAN(SHAPE, 3, latent_dim=4, filters=2),
    "ACGAN": lambda: models.ACGAN(SHAPE, 3, latent_dim=4, filters=2),
    "ALI": lambda: models.ALI(SHAPE, 3, latent_dim=4, filters=2),
}


@pytest.fixture
def policy():
    yield keras.mixed_precision.set_dtype_policy
    keras.mixed_precision.set_dtype_policy("float32")
    keras.config.set_floatx("float32")


@pytest.mark.parametrize("name", ["mixed_float16", "bfloat16", "float64"])
@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_a_generative_model_is_of_no_other_precision(build, name, policy):
    policy(name)
    with pytest.raises(ValueError, match=f"in float32 or mixed_bfloat16; '.*' does in {name}: "):
        build()
    policy("float32")
    build()


def test_networks_of_another_precision_are_refused(policy):
    encoder = networks.dense_encoder(2, SHAPE, (6,))
    policy("mixed_float16")
    decoder = networks.dense_decoder(2, SHAPE, (6,))
    policy("float32")
    with pytest.raises(ValueError, match="does in mixed_float16"):
        models.VAE(encoder, decoder)


def test_outputs_of_half_precision_are_refused(policy):
    policy("mixed_bfloat16")
    decoder = _decoder(layers.Activation("sigmoid"))
    with pytest.raises(ValueError, match="outputs of '.*' must be float32; got bfloat16: give its"):
        models.VAE(networks.dense_encoder(2, SHAPE, (6,)), decoder)


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(build, marks=[] if name in ("RHVAE", "ACGAN") else [pytest.mark.slow], id=name)
        for name, build in MODELS.items()
    ],
)
def test_mixed_bfloat16_trains_saves_and_draws_as_float32_does_but_for_digits(
    build, policy, tmp_path
):
    x, y = np.random.default_rng(0).random((12, *SHAPE), "float32"), np.arange(12) % 3
    found = {}
    for name in ("float32", "mixed_bfloat16"):
        policy(name)
        keras.utils.set_random_seed(0)
        model = build()
        policy("float32")
        data = (x, y) if model.n_classes > 1 else (x,)
        model.compile(keras.optimizers.Adam(1e-3))
        loss = model.fit(*data, batch_size=12, epochs=2, verbose=0).history["loss"]
        model.save(tmp_path / f"{name}.keras")
        again = models.load_model(tmp_path / f"{name}.keras")
        what = (np.arange(3), 0) if model.n_classes > 1 else (3, 0)
        images = model.generate(*what)
        np.testing.assert_array_equal(again.generate(*what), images)
        assert images.dtype == np.float32
        assert {v.dtype for v in model.trainable_variables} == {"float32"}
        assert model.compute_dtype == "float32"
        found[name] = loss, images, weights_of(model)
    (loss, images, weights), (mixed_loss, mixed_images, mixed_weights) = found.values()
    np.testing.assert_allclose(mixed_loss, loss, rtol=0.05)
    np.testing.assert_allclose(mixed_images, images, atol=0.05)
    # It was another arithmetic.
    assert any(np.any(one != other) for one, other in zip(weights, mixed_weights, strict=True))


def weights_of(model):
    return [np.array(v) for v in model.trainable_variables]


def test_floats_of_64_bits_are_refused_too(policy):
    keras.config.set_floatx("float64")
    policy("float64")
    with pytest.raises(ValueError, match="does in float64"):
        MODELS["VAE"]()


@pytest.mark.parametrize("name", ["mixed_float16", "mixed_bfloat16"])
def test_a_classifier_may_be_of_any_precision(name, policy):
    policy(name)
    model = models.conv_classifier(3, SHAPE, (4,), (8,))
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = np.random.default_rng(0).random((12, *SHAPE), "float32"), np.arange(12) % 3
    history = model.fit(x, y, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    predicted = models.predict(model, x)
    assert predicted.dtype == np.float32 and np.isfinite(predicted).all()


def _decoder(*last):
    latent = keras.Input((2,))
    x = layers.Reshape(SHAPE)(layers.Dense(64)(latent))
    for layer in last:
        x = layer(x)
    return keras.Model(latent, x)


@pytest.mark.parametrize("kind", [models.VAE, models.VampVAE])
def test_a_decoder_that_leaves_0_to_1_is_refused(kind):
    encoder = networks.dense_encoder(2, SHAPE, (6,))
    for last in ([], [layers.ReLU()], [layers.Activation("tanh")]):
        with pytest.raises(ValueError, match=r"must return images in \[0, 1\], as with a sigmoid"):
            kind(encoder, _decoder(*last))
    for name in ("sigmoid", "hard_sigmoid"):
        kind(encoder, _decoder(layers.Activation(name)))
    kind(encoder, _decoder(layers.Activation("sigmoid"), layers.UpSampling2D(1)))


def test_looking_at_a_decoder_draws_nothing():
    keras.utils.set_random_seed(0)
    noise = layers.GaussianNoise(0.1, seed=0)
    decoder = _decoder(noise, layers.Activation("hard_sigmoid"))
    before = [np.array(v) for v in decoder.variables]
    models.VAE(networks.dense_encoder(2, SHAPE, (6,)), decoder)
    for one, other in zip(before, decoder.variables, strict=True):
        np.testing.assert_array_equal(one, other)
