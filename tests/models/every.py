"""Every model that brings its own loss, small, and compiled once for the tests of all promises."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from dagen_keras import backend, models
from dagen_keras.models import networks

SHAPE, CLASSES = (8, 8, 1), 3


def small_vae(model_class=models.VAE, regularizer=None, **settings):
    encoder = networks.dense_encoder(2, SHAPE, (6,))
    latent = keras.Input((2,))
    x = layers.Dense(64, kernel_regularizer=regularizer)(latent)
    images = layers.Activation("sigmoid")(layers.Reshape(SHAPE)(x))
    return model_class(encoder, keras.Model(latent, images), **settings)


def small_rhvae(regularizer=None, **settings):
    metric = networks.dense_metric_network(2, SHAPE, (6,))
    return small_vae(models.RHVAE, regularizer, metric_network=metric, n_leapfrog=1, **settings)


def _gan(model_class):
    def build(regularizer=None):
        gan = model_class(SHAPE, CLASSES, latent_dim=4, filters=2, seed=0)
        gan.generator.trainable_weights[-1].regularizer = regularizer
        gan.discriminator.trainable_weights[0].regularizer = regularizer
        return gan

    return build


VAES = {
    "VAE": small_vae,
    "VampVAE": lambda regularizer=None: small_vae(models.VampVAE, regularizer),
    "RHVAE": small_rhvae,
}
GANS = {name: _gan(getattr(models, name)) for name in ("CGAN", "ACGAN", "ALI")}
every_vae = pytest.mark.parametrize("build", VAES.values(), ids=VAES)
every_gan = pytest.mark.parametrize("build", GANS.values(), ids=GANS)
every_model = pytest.mark.parametrize("build", (VAES | GANS).values(), ids=VAES | GANS)
# Where one costs much: those that differ in how they train; the others are slow tests.
every_kind = pytest.mark.parametrize(
    "build",
    [
        pytest.param(
            build, id=name, marks=[] if name in ("VAE", "RHVAE", "ALI") else pytest.mark.slow
        )
        for name, build in (VAES | GANS).items()
    ],
)


LABELS = np.arange(12) % CLASSES


def compiled(build, optimizer="sgd", **settings):
    with backend.seeded(0):
        model = build(**settings)
    model.compile(optimizer, **backend.compile_options(steps_per_execution=10))
    return model


@functools.cache
def _reusable(build):
    return models.ReusableModel(
        build, optimizer="sgd", **backend.compile_options(steps_per_execution=10)
    )


def fresh(build):
    """The same as `compiled(build)`, but one model for all tests: its step is traced once."""
    return _reusable(build).fresh(0)
