"""Augmenter = model + sampler: generative models that make new labelled images."""

import inspect
import numbers

import numpy as np
from imblearn.utils import check_sampling_strategy
from sklearn.base import BaseEstimator

from dagen_keras import backend, checks
from dagen_keras.models.callbacks import StopOnNonFiniteLoss
from dagen_keras.models.training import (
    ReusableModel,
    ShuffledBatches,
    fit_passes,
    get_state,
    predict,
    set_state,
)
from dagen_keras.sampling import SAMPLERS, CalibratedDiscriminator, check_sampler
from dagen_keras.sampling.discriminator import FEWEST_HELD_OUT, SELECTING


class Augmenter(BaseEstimator):
    """Makes labelled images with one generative model a class, or one for all classes.

    It follows scikit-learn's and imbalanced-learn's conventions: `clone` copies it, and it is a
    step of an `imblearn.pipeline.Pipeline`. Images may be flat, (n, pixels), as they are in such
    a pipeline; then `image_shape` says their shape, and new ones are flat as well.

    Args:
        model: a function `model(image_shape=...)` that returns a new VAE, such as
            `functools.partial(garay_maestre_vae, latent_dim=3)`, or a new GAN of one class,
            `functools.partial(CGAN, n_classes=1)`; or, for one class-conditional model of all
            classes, a function `model(image_shape=..., n_classes=...)` that returns a new one,
            such as the class `ACGAN`; or a `ReusableModel` of any of these, which several
            augmenters can share so that it is compiled once.
        sampler: a name that fits the model, see `samplers_for`: `"prior"`; of a VAE `"uniform"`
            as well, `"vamp"` of a `VampVAE`, `"random_walk"` or `"hmc"` of an `RHVAE`; of a
            `CGAN` or `ACGAN` `"rejection"` or `"metropolis_hastings"`, with which the
            discriminator selects. Or, of a VAE, a function `sampler(model, n, seed)` that
            returns latent points (n, latent_dim).
        epochs: passes over a class's images, at most; over all images for a conditional model.
        patience: passes without a better training loss, after which a class's training stops;
            the best weights are kept. None trains all passes, as a GAN must: its losses do not
            say how good it is.
        batch_size: images a training step, at most.
        optimizer: an optimizer's name, or a function that returns one. Unused if `model` is a
            `ReusableModel`.
        sampling_strategy: which classes `fit_resample` fills up and to what size; as in
            imbalanced-learn's over-samplers.
        image_shape: (height, width, channels) of flat images.
        held_out: with a discriminator that selects, the share of a class's images that the GAN
            is not trained on and the discriminator calibrated with; five images at least.
        chain_length: proposals for each image by `"metropolis_hastings"`.
        seed: fixes weights, noise, held-out images and samples.

    Attributes:
        classes_: the labels that have a model: all after `fit`, those filled up after
            `fit_resample`.
        histories_: of each of these labels what Keras's `History` says of its model's training.

    Example:
        >>> augmenter = Augmenter(functools.partial(garay_maestre_vae, latent_dim=3))
        >>> augmenter.fit(x, y)
        >>> threes = augmenter.sample(100, label=3)
        >>> adversarial = dict(epochs=25, batch_size=64, optimizer=gan_optimizer)
        >>> augmenter = Augmenter(ACGAN, **adversarial)
        >>> x_balanced, y_balanced = augmenter.fit_resample(x, y)
        >>> one_class = functools.partial(CGAN, n_classes=1)
        >>> augmenter = Augmenter(one_class, sampler="metropolis_hastings", **adversarial)
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
        held_out=0.1,
        chain_length=640,
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
        self.held_out = held_out
        self.chain_length = chain_length
        self.seed = seed

    def fit(self, x, y):
        """Trains one model for each class of `y`, or a conditional one for all.

        Args:
            x: images in [0, 1], (n, height, width, channels) or flat (n, pixels).
            y: integer labels, (n,).

        Raises:
            ValueError: if images or labels are not as described, a class has too few images, or
                the sampler does not fit the model.
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
        if not hasattr(self, "_fitted"):
            raise ValueError("this Augmenter is not fitted yet: call fit(x, y) first.")
        if label not in self._fitted:
            known = ", ".join(str(c) for c in self._fitted)
            raise ValueError(f"no model for class {label!r}; there are models for {known}.")
        if not isinstance(n, int | np.integer) or n < 0:
            raise ValueError(f"n must be an integer of 0 or more; got {n!r}.")
        model, (_, discriminator) = self._model_of(label), self._fitted[label]
        check_sampler(self.sampler, model)  # It may be another than in `fit`.
        if self.sampler in SELECTING and discriminator is None:
            raise ValueError(
                f"the sampler {self.sampler!r} needs images that were held out from training: call "
                "fit(x, y) with this sampler."
            )
        seed = backend.subseed(self.seed if seed is None else seed, "samples", label)
        if n == 0:
            return np.zeros((0, *self._shape), "float32")
        if self.sampler in SELECTING:
            return discriminator.select(self.sampler, int(n), seed, self.chain_length).images
        if _is_gan(model):
            return model.generate(np.full(n, self._numbers(label)), seed)
        sampler = self.sampler if callable(self.sampler) else SAMPLERS[self.sampler]
        return predict(model.decoder, sampler(model, int(n), seed))

    def sample_each(self, n):
        """`n` new images of each class, class after class, and their labels: see `sample`."""
        images = [self.sample(n, label) for label in self.classes_]
        return np.concatenate(images), np.repeat(self.classes_, n)

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
        """The trained model of one class, compiled; it stays what it is whatever is asked next."""
        new = self._reusable().new(backend.subseed(self.seed, "weights"))
        return set_state(new, self._fitted[label][0])

    def trained(self):
        """Yields (label, model) for each class. The model is one: valid until the next is asked."""
        for label in self._fitted:
            yield label, self._model_of(label)

    def _model_of(self, label):
        """The same, in the one model that all classes share. Valid until the next call."""
        return set_state(self._trained, self._fitted[label][0])

    def _fit_classes(self, images, labels, classes):
        self._check_settings(labels, classes)
        self._known, self._shape = np.unique(labels), images.shape[1:]
        reusable = self._reusable()
        model = self._trained = reusable.fresh(backend.subseed(self.seed, "weights"))
        self._check_model(model)
        held_out = self._hold_out(labels, classes)
        one_for_all = _is_conditional(model)
        fitted, histories = {}, {}
        for group in [classes] if one_for_all else [[label] for label in classes]:
            of_class = [] if one_for_all else group
            rows = ~held_out & (one_for_all | np.isin(labels, group))
            self._trained = reusable.fresh(backend.subseed(self.seed, "weights", *of_class))
            history = self._train(images[rows], labels[rows], *of_class).history
            state = get_state(self._trained)
            for label in group:
                real = images[held_out & (labels == label)]
                fitted[label] = state, self._calibrated(real, label)
                histories[label] = history
        self._fitted, self.histories_ = fitted, histories
        self.classes_ = np.array(classes)
        return self

    def _train(self, images, labels, *of_class):
        model, order = self._trained, backend.subseed(self.seed, "order", *of_class)
        what = f"the model of class {of_class[0]}" if of_class else "the model of all classes"
        callbacks = [StopOnNonFiniteLoss(what)]
        if _is_gan(model):
            batches = ShuffledBatches((images, self._numbers(labels)), self.batch_size, order)
            return model.fit(
                batches, epochs=self.epochs, callbacks=callbacks, shuffle=False, verbose=0
            )
        return fit_passes(
            model,
            images,
            self.epochs,
            self.batch_size,
            seed=order,
            patience=self.patience,
            callbacks=callbacks,
        )

    def _hold_out(self, labels, classes):
        """Which images calibrate a discriminator and are not trained on, bool (n,)."""
        held_out = np.zeros(len(labels), bool)
        for label in classes if self.sampler in SELECTING else ():
            rows = np.flatnonzero(labels == label)
            n = max(FEWEST_HELD_OUT, round(self.held_out * len(rows)))
            if len(rows) < n + 2:
                raise ValueError(
                    f"class {label} has {len(rows)} images; the sampler {self.sampler!r} needs at "
                    f"least {n} held out from training, and 2 to train with."
                )
            rng = np.random.default_rng(backend.subseed(self.seed, "held out", label))
            held_out[rng.choice(rows, n, replace=False)] = True
        return held_out

    def _calibrated(self, real_images, label):
        """The discriminator of the class as just trained; None if the sampler needs none."""
        if self.sampler not in SELECTING:
            return None
        seed = backend.subseed(self.seed, "calibration", label)
        return CalibratedDiscriminator(
            self._trained, real_images, int(self._numbers(label)), seed=seed
        )

    def _numbers(self, labels):
        """The labels as a GAN knows them: from 0 on, without gaps; 0 if it knows one class."""
        return np.searchsorted(self._known, labels).astype("int32") * _is_conditional(self._trained)

    def _check_settings(self, labels, classes):
        for label in classes:
            size = int((labels == label).sum())
            if size < 2:
                raise ValueError(
                    f"class {label} has {size} image; a model of a class needs at least 2."
                )
        for name, least in (("epochs", 1), ("batch_size", 1), ("chain_length", 1), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < least:
                raise ValueError(f"{name} must be an integer of {least} or more; got {value!r}.")
        if not isinstance(self.held_out, numbers.Real) or not 0 < self.held_out < 1:
            raise ValueError(f"held_out must be a share in (0, 1); got {self.held_out!r}.")

    def _check_model(self, model):
        """Refuses, before training, what does not go with the model."""
        check_sampler(self.sampler, model)
        if not _is_gan(model):
            return
        if self.patience is not None:
            raise ValueError(
                "a GAN trains all its epochs, as its losses do not say how good it is: leave "
                f"patience None; got {self.patience!r}."
            )
        n_classes = len(self._known) if _is_conditional(model) else 1
        if (model.n_classes, model.image_shape) != (n_classes, self._shape):
            raise ValueError(
                f"the model has {model.n_classes} classes of images {model.image_shape}; the data "
                f"have {len(self._known)} of {self._shape}."
            )

    def _reusable(self):
        if isinstance(self.model, ReusableModel):
            return self.model
        if not callable(self.model):
            raise ValueError(
                "model must be a function that returns a new model, or a ReusableModel; got "
                f"{self.model!r}."
            )
        arguments = {"image_shape": self._shape}
        adversarial = "n_classes" in inspect.signature(self.model).parameters
        # `functools.partial(CGAN, n_classes=1)` has its number of classes.
        if adversarial and "n_classes" not in getattr(self.model, "keywords", {}):
            arguments["n_classes"] = len(self._known)
        return ReusableModel(
            lambda: self.model(**arguments),
            optimizer=self.optimizer,
            **backend.convolution_compile_options(
                tiny_batches=not adversarial and self.patience is None
            ),
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


def _is_gan(model):
    return hasattr(model, "generate")


def _is_conditional(model):
    """Whether one model is trained on all classes; a GAN of one class is trained on each."""
    return _is_gan(model) and model.n_classes > 1
