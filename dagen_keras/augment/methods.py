"""Ways to more images by their names, with settings that suit some hundred small images."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from dagen_keras import models
from dagen_keras.augment.augmenter import Augmenter
from dagen_keras.augment.transforms import ClassicTransforms
from dagen_keras.checks import RunError

BATCH = 64
LARGEST_SIDE = 128  # Of the images that the models here are for.


@dataclass(frozen=True)
class Method:
    """A way to more images.

    Attributes:
        title: what it is called in a sentence.
        fewest: different images that a class must have.
        build: a function `build(image_shape=...)` that returns a new model of one class, or with
            `n_classes` too one of all; None for a method without a model.
        sampler: the name of how images are drawn from the model.
        conditional: whether one model is trained on all classes.
        updates: training steps of a model, unless told otherwise.
        change: of a method without a model, `change(images, seed)`; None: images as they are.
    """

    title: str
    fewest: int
    build: Callable | None = None
    sampler: str = "prior"
    conditional: bool = False
    updates: int = 1000
    change: Callable[[np.ndarray, int], np.ndarray] | None = None

    @property
    def generative(self) -> bool:
        return self.build is not None

    def passes(self, n: int, updates: int) -> int:
        """How often n images are seen in so many updates, at least."""
        return -(-updates // -(-n // BATCH))

    def steps(self, n: int, updates: int) -> int:
        """The updates that these passes take."""
        return self.passes(n, updates) * -(-n // BATCH)

    def reusable(self, image_shape: tuple[int, int, int], n_classes: int) -> models.ReusableModel:
        """Its model, compiled once for all trainings; of all classes if it is conditional."""
        settings = {"n_classes": n_classes} if self.conditional else {}
        return models.ReusableModel(
            functools.partial(self.build, image_shape=image_shape, **settings),
            optimizer=models.gan_optimizer if self.conditional else _adam,
        )

    def augmenter(
        self,
        model: models.ReusableModel,
        n: int,
        seed: int,
        updates: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> Augmenter:
        """An `Augmenter` of such a `reusable` model for a training on n images."""
        return Augmenter(
            model,
            self.sampler,
            conditional=self.conditional,
            epochs=self.passes(n, updates or self.updates),
            batch_size=BATCH,
            random_state=seed,
            callbacks=callbacks,
        )

    def made_of(self, images: np.ndarray, n: int, seed: int) -> np.ndarray:
        """`n` images, 1 or more, of these of one class, each taken equally often, and changed."""
        rng = np.random.default_rng(seed)
        turns = [rng.permutation(len(images)) for _ in range(-(-n // len(images)))]
        chosen = images[np.concatenate(turns)[:n]]
        return chosen if self.change is None else self.change(chosen, seed)


def check_sides(images: np.ndarray) -> None:
    """Raises `RunError` for images that are too large for the models here."""
    height, width = images.shape[1:3]
    if max(height, width) > LARGEST_SIDE:
        raise RunError(
            f"images are of {height}x{width} pixels; the models here are for sides of up to "
            f"{LARGEST_SIDE}: scale them, such as --size 64."
        )


def _moved(images, seed):
    """Small turns, shifts and scales, which leave most things what they are."""
    return ClassicTransforms(rotation=10, width_shift=0.1, height_shift=0.1, zoom=0.1)(images, seed)


def _adam() -> Any:
    return keras.optimizers.Adam(1e-3)


METHODS = {
    "vae": Method(
        "a VAE of each class",
        10,
        functools.partial(models.conv_vae, latent_dim=8, filters=32),
        updates=500,
    ),
    "rhvae": Method(
        "an RHVAE of each class",
        10,
        functools.partial(models.chadebec_rhvae, latent_dim=2),
        sampler="hmc",
        updates=500,
    ),
    "acgan": Method(
        "an AC-GAN of all classes",
        10,
        functools.partial(models.ACGAN, latent_dim=64, filters=32),
        conditional=True,
        updates=3000,
    ),
    "mh-gan": Method(
        "an AC-GAN of all classes whose images Metropolis-Hastings selects",
        20,
        functools.partial(models.ACGAN, latent_dim=64, filters=32),
        sampler="metropolis_hastings",
        conditional=True,
        updates=3000,
    ),
    "transforms": Method("small turns, shifts and scales", 1, change=_moved),
    "duplicates": Method("duplicates", 1),
}
GENERATIVE = tuple(name for name, method in METHODS.items() if method.generative)
# What a classifier may be given instead, and how it is called in a sentence.
CHEAP = {
    "nothing": "no augmentation",
    "duplicates": "duplicates",
    "class weights": "class weights",
    "flips": "flips and shifts",
    "randaugment": "RandAugment",
    "mixup": "MixUp",
    "cutmix": "CutMix",
}
