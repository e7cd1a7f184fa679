"""The generative models of Akula et al., one a class, and the images that they draw."""

import functools
import time
from dataclasses import dataclass

import numpy as np

from dagen_keras import backend, models
from dagen_keras.augment import Augmenter
from dagen_keras.evaluate import InceptionScoreMonitor
from dagen_keras.papers.akula.data import feature_space
from dagen_keras.papers.akula.grid import METHODS
from dagen_keras.sampling import SAMPLERS, CalibratedDiscriminator

LOOKS, MONITORED = 10, 500  # Looks at a GAN's inception score in a training, images at a look.


@dataclass(frozen=True)
class VAESetting:
    """How the VAE or RHVAE of a class is built and trained."""

    epochs: int
    patience: int
    batch: int
    filters: int
    latent_dim: int


@dataclass(frozen=True)
class GANSetting:
    """How the GAN of a class is built and trained."""

    epochs: int
    batch: int
    learning_rate: float
    filters: int
    latent_dim: int
    held_out: float


@dataclass(frozen=True, eq=False)
class Synthetic:
    """Images that a method drew, equally many of each class, class by class.

    Attributes:
        images: for each class, an array (n, height, width, channels).
        seconds: for drawing them, without training.
        reports: for each class, what training and sampling reported.
    """

    images: list
    seconds: float
    reports: list

    def part(self, start, stop):
        """Images `start` to `stop` of each class, and labels."""
        x = [of_class[start:stop] for of_class in self.images]
        return np.concatenate(x), np.repeat(range(len(x)), [len(of_class) for of_class in x])


@functools.lru_cache(maxsize=2)
def synthetic(images, seed, method, setting, per_class, chain_length=None):
    """`per_class` images of each class, drawn as a method draws them; a `Synthetic`.

    Raises:
        NonFiniteLossError: if a model's loss becomes NaN or infinite.
    """
    draw = _draw_of_gan if METHODS[method]["model"] == "gan" else _draw_of_vae
    drawn, seconds, reports = [], 0.0, []
    for label in range(len(images.names)):
        new, taken, report = draw(images, seed, method, setting, label, per_class, chain_length)
        drawn.append(new)
        seconds += taken
        reports.append(report)
    return Synthetic(drawn, seconds, reports)


def _draw_of_vae(images, seed, method, setting, label, n, _):
    model = _augmenter(images, seed, setting, **METHODS[method]).model_of(label)
    start = time.perf_counter()
    latent = SAMPLERS[METHODS[method]["sampler"]](model, n, backend.subseed(seed, method, label))
    new = models.predict(model.decoder, latent)
    seconds = time.perf_counter() - start
    if not hasattr(model, "metric"):
        return new, seconds, {}
    centroids = {tuple(centroid) for centroid in np.asarray(model.metric.centroids)}
    return new, seconds, {"unmoved": float(np.mean([tuple(z) in centroids for z in latent]))}


def _draw_of_gan(images, seed, method, setting, label, n, chain_length):
    own = backend.subseed(seed, method, label)
    source, report = discriminator(images, seed, setting, label)
    start = time.perf_counter()
    if METHODS[method]["sampler"] == "prior":
        return source.propose(n, own), time.perf_counter() - start, report
    chosen = source.select(METHODS[method]["sampler"], n, own, chain_length)
    return chosen.images, time.perf_counter() - start, report | selected(chosen)


def selected(selection):
    """What a `Selection` says of itself."""
    return {
        "acceptance_rate": float(selection.acceptance_rate),
        "restarted": float(selection.restarted),
        "proposals": int(selection.proposals),
    }


@functools.lru_cache(maxsize=2)
def _augmenter(images, seed, setting, model, sampler):
    """A fitted `Augmenter` of VAEs, one a class."""
    return Augmenter(
        _vaes(model, images.shape, setting.latent_dim, setting.filters),
        sampler,
        epochs=setting.epochs,
        patience=setting.patience,
        batch_size=setting.batch,
        seed=backend.subseed(seed, model),
    ).fit(images.x, images.y)


@functools.lru_cache(maxsize=4)
def _vaes(model, shape, latent_dim, filters):
    make = {"vae": models.akula_vae, "rhvae": models.akula_rhvae}[model]
    return models.ReusableModel(
        lambda: make(latent_dim=latent_dim, image_shape=shape, filters=filters),
        optimizer="adam",
        **backend.convolution_compile_options(),
    )


@functools.lru_cache(maxsize=4)
def _gans(shape, setting):
    """The GAN of a class, compiled once for all classes and seeds."""
    return models.ReusableModel(
        lambda: models.CGAN(
            shape, n_classes=1, latent_dim=setting.latent_dim, filters=setting.filters
        ),
        optimizer=lambda: models.gan_optimizer(setting.learning_rate),
        **backend.convolution_compile_options(),
    )


@functools.lru_cache(maxsize=6)
def _trained_gan(images, seed, setting, label):
    """The model that all classes share, the state of a class's, and what its training reported."""
    own, space = _gan_seed(images, seed, label), feature_space(images.data)
    seen, _ = images.split(label, setting.held_out, own)
    gan = _gans(images.shape, setting).fresh(own)
    every = max(1, setting.epochs // LOOKS)
    monitor = InceptionScoreMonitor(space, n=MONITORED, every=every, seed=own)
    history = gan.fit(
        models.ShuffledBatches((seen, np.zeros(len(seen), "int32")), setting.batch, own),
        epochs=setting.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[monitor],
    ).history
    report = {
        "losses": {name: [round(float(v), 4) for v in values] for name, values in history.items()},
        "looked_at": monitor.epochs,
        "inception_scores": [round(score, 4) for score in monitor.scores],
    }
    return gan, models.get_state(gan), report


def discriminator(images, seed, setting, label):
    """A class's GAN with its discriminator calibrated on images that it has not seen.

    Valid until the next call for another class.

    Returns:
        A `CalibratedDiscriminator`, and what the training and the calibration reported.
    """
    gan, state, report = _trained_gan(images, seed, setting, label)
    models.set_state(gan, state)
    own = _gan_seed(images, seed, label)
    _, held_out = images.split(label, setting.held_out, own)
    found = CalibratedDiscriminator(gan, held_out, seed=backend.subseed(own, "calibration"))
    calibration = found.calibration
    return found, report | {
        "calibration": calibration.method,
        "brier": [calibration.before.brier, calibration.after.brier],
        "z": [calibration.before.z, calibration.after.z],
    }


def _gan_seed(images, seed, label):
    return backend.subseed(seed, "gan", images.names[label])
