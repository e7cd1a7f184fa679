"""Augmenter = model + sampler: generative models that make new labelled images."""

import inspect

import numpy as np
from imblearn.utils import check_sampling_strategy
from sklearn.base import BaseEstimator

from dagen_keras import backend, checks
from dagen_keras.models.training import (
    ReusableModel,
    ShuffledBatches,
    StopOnNonFiniteLoss,
    fit_passes,
    get_state,
    predict,
    set_state,
)
from dagen_keras.sampling import SAMPLERS


class Augmenter(BaseEstimator):
    """Makes labelled images with one generative model a class, or one for all classes.

    It follows scikit-learn's and imbalanced-learn's conventions: `clone` copies it, and it is a
    step of an `imblearn.pipeline.Pipeline`. Images may be flat, (n, pixels), as they are in such
    a pipeline; then `image_shape` says their shape, and new ones are flat as well.

    Args:
        model: a function `model(image_shape=...)` that returns a new VAE, such as
            `functools.partial(garay_maestre_vae, latent_dim=3)`; or, for one class-conditional
            model of all classes, a function `model(image_shape=..., n_classes=...)` that returns
            a new one, such as the class `ACGAN`; or a `ReusableModel` of either kind, which
            several augmenters can share so that it is compiled once.
        sampler: `"prior"`, `"uniform"`, `"vamp"` for a `VampVAE`, `"random_walk"` or `"hmc"` for
            an `RHVAE`, or a function `sampler(model, n, seed)` that returns latent points
            (n, latent_dim). A class-conditional model draws its own: `"prior"`.
        epochs: passes over a class's images, at most; over all images for a conditional model.
        patience: passes without a better training loss, after which a class's training stops;
            the best weights are kept. None trains all passes, as an adversarial model must: its
            losses do not say how good it is.
        batch_size: images a training step, at most.
        optimizer: an optimizer's name, or a function that returns one. Unused if `model` is a
            `ReusableModel`.
        sampling_strategy: which classes `fit_resample` fills up and to what size; as in
            imbalanced-learn's over-samplers.
        image_shape: (height, width, channels) of flat images.
        seed: fixes weights, noise and samples.

    Attributes:
        classes_: the labels that have a model: all after `fit`, those filled up after
            `fit_resample`.

    Example:
        >>> augmenter = Augmenter(functools.partial(garay_maestre_vae, latent_dim=3))
        >>> augmenter.fit(x, y)
        >>> threes = augmenter.sample(100, label=3)
        >>> augmenter = Augmenter(ACGAN, epochs=25, batch_size=64, optimizer=gan_optimizer)
        >>> x_balanced, y_balanced = augmenter.fit_resample(x, y)
    """

    # What imbalanced-learn's pipeline and checks ask of a sampler.
    _sampling_type = "over-sampling"

    def __init__(
        self,
        model,
        sampler="prior",
        *,
        epochs=200,
        patience=None,
        batch_size=100,
        optimizer="rmsprop",
        sampling_strategy="auto",
        image_shape=None,
        seed=0,
    ):
        self.model = model
        self.sampler = sampler
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.sampling_strategy = sampling_strategy
        self.image_shape = image_shape
        self.seed = seed

    def fit(self, x, y):
        """Trains one model for each class of `y`, or a conditional one for all.

        Args:
            x: images in [0, 1], (n, height, width, channels) or flat (n, pixels).
            y: integer labels, (n,).

        Raises:
            ValueError: if images or labels are not as described, or a class has one image.
            NonFiniteLossError: if a class's training loss becomes NaN; names the class.
        """
        images = self._images(x)
        y = checks.labels(y, len(images))
        return self._fit_classes(images, y, np.unique(y))

    def sample(self, n, label, seed=None):
        """`n` new images of class `label`: float32 in [0, 1], (n, height, width, channels).

        Args:
            n: how many.
            label: one of `classes_`.
            seed: fixes the latent points; default: the augmenter's own.
        """
        if not hasattr(self, "_states"):
            raise ValueError("this Augmenter is not fitted yet: call fit(x, y) first.")
        if label not in self._states:
            known = ", ".join(str(c) for c in self._states)
            raise ValueError(f"no model for class {label!r}; there are models for {known}.")
        if not isinstance(n, int | np.integer) or n < 0:
            raise ValueError(f"n must be an integer of 0 or more; got {n!r}.")
        model = self.model_of(label)
        seed = backend.subseed(self.seed if seed is None else seed, "samples", label)
        if hasattr(model, "generate"):
            return model.generate(np.full(n, self._known.index(label)), seed)
        if n == 0:
            return np.zeros((0, *model.encoder.input_shape[1:]), "float32")
        latent = self._sampler()(model, int(n), seed)
        return predict(model.decoder, latent)

    def fit_resample(self, x, y):
        """Adds new images to the classes that `sampling_strategy` names.

        Returns:
            (x, y) followed by the new images and their labels; images in the shape that `x` has,
            and in its dtype if that is a floating one.
        """
        images = self._images(x)
        y = np.asarray(y)
        labels = checks.labels(y, len(images))
        wanted = check_sampling_strategy(self.sampling_strategy, labels, self._sampling_type)
        wanted = {label: n for label, n in wanted.items() if n > 0}
        self._fit_classes(images, labels, sorted(wanted))
        new = [self.sample(n, label) for label, n in wanted.items()]
        new_labels = [np.full(n, label, dtype=y.dtype) for label, n in wanted.items()]
        x = np.asarray(x)
        # Whole numbers cannot hold the new images.
        dtype = x.dtype if np.issubdtype(x.dtype, np.floating) else np.float32
        new = [images.reshape(-1, *x.shape[1:]).astype(dtype) for images in new]
        return np.concatenate([x, *new]), np.concatenate([labels.astype(y.dtype), *new_labels])

    def model_of(self, label):
        """The trained model of one class. Valid until the next call for another class."""
        return set_state(self._trained, self._states[label])

    def _fit_classes(self, images, labels, classes):
        sizes = {label: int((labels == label).sum()) for label in classes}
        for label, size in sizes.items():
            if size < 2:
                raise ValueError(
                    f"class {label} has {size} image; a model of a class needs at least 2."
                )
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < least:
                raise ValueError(f"{name} must be an integer of {least} or more; got {value!r}.")
        self._sampler()
        self._known = [int(label) for label in np.unique(labels)]
        reusable = self._reusable(images.shape[1:], len(self._known))
        self._trained = reusable.fresh(backend.subseed(self.seed, "weights"))
        if hasattr(self._trained, "generate"):
            self._fit_conditional(images, labels)
            self._states = dict.fromkeys(classes, get_state(self._trained))
            self.classes_ = np.array(classes)
            return self
        states = {}
        for label in classes:
            self._trained = reusable.fresh(backend.subseed(self.seed, "weights", label))
            fit_passes(
                self._trained,
                images[labels == label],
                self.epochs,
                self.batch_size,
                seed=backend.subseed(self.seed, "order", label),
                patience=self.patience,
                callbacks=[StopOnNonFiniteLoss(f"the model of class {label}")],
            )
            states[label] = get_state(self._trained)
        self._states = states
        self.classes_ = np.array(classes)
        return self

    def _fit_conditional(self, images, labels):
        if self.sampler != "prior" or self.patience is not None:
            raise ValueError(
                "a class-conditional model draws its own noise and trains all its epochs: leave "
                f"sampler 'prior' and patience None; got {self.sampler!r} and {self.patience!r}."
            )
        model = self._trained
        if model.n_classes != len(self._known) or model.image_shape != images.shape[1:]:
            raise ValueError(
                f"the model has {model.n_classes} classes of images {model.image_shape}; the data "
                f"have {len(self._known)} of {images.shape[1:]}."
            )
        numbers = np.searchsorted(self._known, labels).astype("int32")
        order = backend.subseed(self.seed, "order")
        self._trained.fit(
            ShuffledBatches((images, numbers), self.batch_size, order),
            epochs=self.epochs,
            shuffle=False,
            verbose=0,
        )

    def _reusable(self, image_shape, n_classes):
        if isinstance(self.model, ReusableModel):
            return self.model
        if not callable(self.model):
            raise ValueError(
                "model must be a function that returns a new model, or a ReusableModel; got "
                f"{self.model!r}."
            )
        arguments = {"image_shape": tuple(image_shape)}
        conditional = "n_classes" in inspect.signature(self.model).parameters
        if conditional:
            arguments["n_classes"] = n_classes
        return ReusableModel(
            lambda: self.model(**arguments),
            optimizer=self.optimizer,
            **backend.convolution_compile_options(tiny_batches=not conditional),
        )

    def _sampler(self):
        if callable(self.sampler):
            return self.sampler
        if self.sampler in SAMPLERS:
            return SAMPLERS[self.sampler]
        raise ValueError(
            f"unknown sampler {self.sampler!r}; known are {', '.join(SAMPLERS)}, or a function."
        )

    def _images(self, x):
        x = np.asarray(x)
        if x.ndim == 2:
            if self.image_shape is None or int(np.prod(self.image_shape)) != x.shape[1]:
                raise ValueError(
                    f"flat images of {x.shape[1]} pixels need image_shape=(height, width, "
                    f"channels) with that product; got {self.image_shape}."
                )
            x = x.reshape(-1, *self.image_shape)
        return checks.images(x, "x")
