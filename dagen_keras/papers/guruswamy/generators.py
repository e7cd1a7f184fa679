"""The adversarial models of Guruswamy et al., trained on one seed's images."""

import functools
import warnings
from dataclasses import dataclass

import numpy as np

from dagen_keras import backend, models
from dagen_keras.evaluate import SampleMonitor

MONITORED = 2000


@dataclass(frozen=True)
class Setting:
    """How an adversarial model is built and trained."""

    epochs: int
    batch: int
    learning_rate: float
    filters: int
    latent_dim: int


@functools.lru_cache(maxsize=8)
def reusable(kind, shape, n_classes, setting, mask=True):
    """An adversarial model that is compiled once, whatever its seed and share of real images."""
    arguments = {"latent_dim": setting.latent_dim, "filters": setting.filters}
    build = {
        "cgan": functools.partial(models.CGAN, shape, n_classes, **arguments),
        "acgan": functools.partial(models.ACGAN, shape, n_classes, **arguments),
        "ali": functools.partial(models.ALI, shape, n_classes, **arguments),
        "acgan_on_ali": lambda: models.acgan_on_ali(
            models.ALI(shape, n_classes, **arguments), mask=mask
        ),
    }[kind]
    return models.ReusableModel(
        build,
        optimizer=lambda: models.gan_optimizer(setting.learning_rate),
        **backend.convolution_compile_options(),
    )


def train(kind, images, setting, own, seed=None, *, real_share=0.5, from_ali=False, mask=True):
    """A trained model and how its samples became diverse, or did not.

    Args:
        kind: "cgan", "acgan", "ali" or "acgan_on_ali".
        images: the seed's `Images`.
        setting: a `Setting`.
        own: fixes weights, noise and the order of images.
        seed: the run's, whose ALI an AC-GAN on ALI takes its codes from.
        real_share: share of real images, or "every third epoch" for v3.
        from_ali, mask: as for `models.acgan_on_ali`.

    Raises:
        NonFiniteLossError: if the loss becomes NaN or infinite.
    """
    gan = reusable(kind, images.shape, images.n_classes, setting, mask).fresh(own)
    if kind == "acgan_on_ali":
        ali, _ = trained_ali(images, setting, seed)
        gan.encoder.set_weights(ali.encoder.get_weights())
        if from_ali:
            gan.generator.set_weights(ali.generator.get_weights())
    gan.set_real_share(models.EveryThirdEpoch() if isinstance(real_share, str) else real_share)
    some = np.random.default_rng(own).permutation(len(images.y))[:MONITORED]
    every = max(1, setting.epochs // 10)
    monitor = SampleMonitor(images.x[some], images.y[some], every=every, seed=own)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # The tables say what has collapsed.
        history = gan.fit(
            models.ShuffledBatches((images.x, images.y.astype("int32")), setting.batch, own),
            epochs=setting.epochs,
            shuffle=False,
            verbose=0,
            callbacks=[monitor],
        )
    result = {
        "looked_at": monitor.epochs,
        "diversity": [
            [round(float(d), 3) if np.isfinite(d) else None for d in look]
            for look in monitor.diversity
        ],
        "collapsed": monitor.collapsed,
        "losses": {
            name: [round(float(v), 4) for v in values] for name, values in history.history.items()
        },
    }
    return gan, result


def trained_ali(images, setting, seed):
    """The ALI of a seed, trained once for all that is made from it."""
    state, result = _ali_state(images, setting, seed)
    model = reusable("ali", images.shape, images.n_classes, setting).fresh(0)
    return models.set_state(model, state), dict(result)


@functools.lru_cache(maxsize=2)
def _ali_state(images, setting, seed):
    ali, result = train("ali", images, setting, backend.subseed(seed, "ali"))
    return models.get_state(ali), result
