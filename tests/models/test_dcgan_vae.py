"""The convolutional VAE and RHVAE: networks of `dcgan`, `conv_vae` and `conv_rhvae`."""

import functools
import math

import keras
import numpy as np
import pytest
from keras import layers, ops

from dagen_keras import models
from dagen_keras.models import dcgan
from dagen_keras.models.rhvae import logits_of

SHAPE = (16, 16, 3)
SIZES = {"latent_dim": 4, "image_shape": SHAPE, "filters": 4}


def _array(tensor):
    return ops.convert_to_numpy(tensor)


@functools.cache
def _reusable(build, **settings):
    return models.ReusableModel(
        lambda: build(**SIZES, **settings),
        optimizer=lambda: keras.optimizers.Adam(1e-3),
    )


def _seeded(build=models.conv_rhvae, seed=0, **settings):
    """A compiled, small model with weights of a seed; it is shared, to compile it once."""
    if build is models.conv_rhvae:
        settings = {"n_leapfrog": 1, "likelihood": "bernoulli", **settings}
    model = _reusable(build, **settings).fresh(seed)
    if hasattr(model, "metric"):
        model.metric = None
    return model


@functools.cache
def _photos(n=12):
    """Every second pixel of photographs, half of them of each class."""
    from dagen_keras import datasets

    x = datasets.load("photos").x_train
    return x[:: len(x) // n][:n, ::2, ::2].astype("float32")


# The networks


@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28, 1), (50, 50, 3), (16, 16, 1), (20, 33, 2)])
def test_networks_fit_any_image_shape(shape, rng):
    images = rng.random((2, *shape), dtype="float32")
    sizes = {"latent_dim": 5, "image_shape": shape, "filters": 4}
    for model in (models.conv_vae(**sizes), models.conv_rhvae(**sizes)):
        said = model(images)
        assert said["mean"].shape == said["log_var"].shape == (2, 5)
        reconstruction = _array(said["reconstruction"])
        assert reconstruction.shape == images.shape
        assert reconstruction.min() >= 0 and reconstruction.max() <= 1
    assert dcgan.metric_network(shape, 5, 4)(images).shape == (2, 15)
    assert said["cholesky_factors"].shape == (2, 5, 5)


def test_parameters_of_the_default_networks():
    # 32 pixels are 8 doubled twice, with 64 and 32 filters between.
    down = (16 * 3 + 1) * 32 + (16 * 32 + 1) * 64
    up = (16 + 1) * 64 * 64 + (16 * 64 + 1) * 32 + (16 * 32 + 1) * 3
    head = 64 * 64 + 1
    vae, rhvae = models.conv_vae(), models.conv_rhvae()
    for model in (vae, rhvae):
        assert model.encoder.count_params() == down + head * 2 * 16
        assert model.decoder.count_params() == up
    assert rhvae.metric_network.count_params() == down + head * 16 * 17 // 2


@pytest.mark.parametrize("shape", [SHAPE, (20, 33, 2)])
def test_the_decoder_ends_with_the_sigmoid_alone(shape, rng):
    decoder = dcgan.decoder(shape, 4, 4)
    last = decoder.layers[-1]
    assert isinstance(last, layers.Activation) and last.activation is keras.activations.sigmoid
    z = rng.normal(size=(3, 4)).astype("float32")
    logits = _array(logits_of(decoder)([z])).astype(float)
    np.testing.assert_allclose(_array(decoder(z)), 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_a_decoded_image_depends_on_its_own_row_alone(rng):
    decoder = dcgan.decoder(SHAPE, 4, 4)
    z = rng.normal(size=(5, 4)).astype("float32")
    together = _array(decoder(z, training=True))
    alone = np.concatenate([_array(decoder(row[None])) for row in z])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def _logits_by_hand(weights, z):
    """The logits (8, 8, 1) of one z in float64: each input adds its kernel to the output."""
    dense, bias, *convolutions = weights
    x = (z @ dense + bias).reshape(2, 2, -1)
    for kernel, bias in zip(convolutions[::2], convolutions[1::2], strict=True):
        x = np.maximum(x, 0)
        side = len(x)
        padded = np.zeros((2 * side + 2, 2 * side + 2, kernel.shape[2]))
        for row, column in np.ndindex(side, side):
            padded[2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += kernel @ x[row, column]
        x = padded[1:-1, 1:-1] + bias
    return x


def _numerical_gradient(function, z, h=1e-5):
    return np.array([(function(z + e) - function(z - e)) / (2 * h) for e in h * np.eye(len(z))])


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal"])
def test_flow_is_that_of_the_hamiltonian_differentiated_numerically(rng, likelihood):
    n, d, temperature, regularization, step_size, sqrt_beta_zero = 3, 4, 2.0, 0.01, 0.02, 0.3
    rhvae = models.conv_rhvae(
        d,
        (8, 8, 1),
        2,
        temperature,
        regularization=regularization,
        step_size=step_size,
        likelihood=likelihood,
    )
    images = rng.random((n, 8, 8, 1), dtype="float32")
    said = {name: _array(value) for name, value in rhvae(images).items()}
    noise, momentum_noise = rng.normal(size=(2, n, d)).astype("float32")
    inputs = said["mean"], said["log_var"], said["cholesky_factors"], noise, momentum_noise
    result = {name: _array(value) for name, value in rhvae.flow(images, *inputs).items()}

    mean, log_var, factors, noise, momentum_noise = (a.astype(float) for a in inputs)
    weights = [_array(w).astype(float) for w in rhvae.decoder.weights]
    matrices = factors @ factors.swapaxes(1, 2)

    def inverse_metric(z):
        kernel = np.exp(-((z - mean) ** 2).sum(axis=1) / temperature**2)
        return np.tensordot(kernel, matrices, 1) + regularization * np.eye(d)

    def minus_log_p(image, z):
        logits = _logits_by_hand(weights, z)
        if likelihood == "normal":
            return 0.5 * ((image - 1 / (1 + np.exp(-logits))) ** 2).sum()
        return (np.logaddexp(0, logits) - image * logits).sum()

    def hamiltonian(image, z, rho):
        inverse = inverse_metric(z)
        log_det = -np.linalg.slogdet(inverse)[1]
        return minus_log_p(image, z) + z @ z / 2 + rho @ inverse @ rho / 2 + log_det / 2

    for i, image in enumerate(images.astype(float)):

        def kick(z, rho, image=image):
            force = -_numerical_gradient(lambda z: hamiltonian(image, z, rho), z)
            return step_size / 2 * force

        z = z_0 = mean[i] + np.exp(log_var[i] / 2) * noise[i]
        rho = factors[i] @ momentum_noise[i] / sqrt_beta_zero
        inverse_s = 1 / sqrt_beta_zero
        for k in (1, 2, 3):
            half = rho
            for _ in range(3):
                half = rho + kick(z, half)
            z = z + step_size * inverse_metric(z) @ half
            after = (1 - 1 / sqrt_beta_zero) * (k / 3) ** 2 + 1 / sqrt_beta_zero
            rho, inverse_s = (half + kick(z, half)) * after / inverse_s, after
        # -log N(z; 0, I) - log N(rho; 0, G) + log N(eps; 0, I) - sum log_var / 2
        divergence = hamiltonian(image, z, rho) - minus_log_p(image, z) - noise[i] @ noise[i] / 2
        divergence += d / 2 * math.log(2 * math.pi) - log_var[i].sum() / 2
        expected = {
            "z_0": z_0,
            "z": z,
            "rho": rho,
            "reconstruction": minus_log_p(image, z),
            "divergence": divergence,
        }
        for name, value in expected.items():
            np.testing.assert_allclose(result[name][i], value, rtol=1e-3, atol=1e-4, err_msg=name)


# Training


@pytest.mark.slow
@pytest.mark.parametrize("build", [models.conv_vae, models.conv_rhvae])
def test_training_lowers_the_loss_of_photographs(build):
    model = _seeded(build)
    history = models.fit_passes(model, _photos(), 50, 200, windows=5).history
    assert (np.diff(history["loss"]) < 0).all()
    assert history["loss"][-1] < 0.97 * history["loss"][0]


HARD_IMAGES = {
    "photographs": lambda rng: _photos(),
    "noise": lambda rng: rng.random((12, *SHAPE)),
    "black": lambda rng: np.zeros((12, *SHAPE)),
    "identical": lambda rng: np.repeat(rng.random((1, *SHAPE)), 12, axis=0),
    "one_image": lambda rng: rng.random((1, *SHAPE)),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "likelihood"),
    [*((kind, "bernoulli") for kind in HARD_IMAGES), ("noise", "normal"), ("black", "normal")],
)
def test_training_never_ends_in_nan(rng, kind, likelihood):
    images = HARD_IMAGES[kind](rng).astype("float32")
    model = _seeded(likelihood=likelihood)
    history = models.fit_passes(model, images, 10, 200, windows=10).history
    assert np.isfinite(history["loss"]).all()
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    assert np.isfinite(_array(model.metric.log_volume(model.metric.centroids))).all()


both = pytest.mark.parametrize(
    "build", [models.conv_vae, pytest.param(models.conv_rhvae, marks=pytest.mark.slow)]
)


@both
def test_the_seed_fixes_training(build):
    trained = []
    for seed in (3, 3, 4):
        model = _seeded(build, seed)
        models.fit_passes(model, _photos(), 3, 200)
        trained.append(np.concatenate([np.ravel(w) for w in model.get_weights()]))
    np.testing.assert_array_equal(trained[0], trained[1])
    assert not np.array_equal(trained[0], trained[2])


@both
def test_saves_and_loads(build, tmp_path):
    model = _seeded(build)
    models.fit_passes(model, _photos(), 3, 200)
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    expected = model.predict(_photos(), verbose=0)
    for name, value in loaded.predict(_photos(), verbose=0).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)
    if build is models.conv_rhvae:
        for name in ("centroids", "cholesky_factors", "temperature", "regularization"):
            np.testing.assert_array_equal(getattr(loaded.metric, name), getattr(model.metric, name))


@pytest.mark.slow
def test_samplers_run_on_it():
    model = _seeded()
    models.fit_passes(model, _photos(), 3, 200)
    for name in ("prior", "random_walk", "hmc"):
        images = model.generate(7, 0, name)
        assert images.shape == (7, *SHAPE)
        assert np.isfinite(images).all()


# Bad arguments


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (32, 32)}, r"image_shape must be \(height, width, channels\); got"),
        ({"latent_dim": 0}, "latent_dim must be an integer of 1 or more; got 0"),
        ({"filters": 2.5}, "filters must be an integer of 1 or more; got 2.5"),
    ],
)
@pytest.mark.parametrize("build", [models.conv_vae, models.conv_rhvae])
def test_refuses_bad_sizes(build, settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)


def test_refuses_a_temperature_that_is_not_positive():
    with pytest.raises(ValueError, match="temperature must be positive; got 0"):
        models.conv_rhvae(**SIZES, temperature=0)
