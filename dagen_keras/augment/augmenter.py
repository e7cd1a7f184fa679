"""Augmenter = model + sampler: generative models that make new labelled images."""

import functools
import numbers
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import scipy.sparse
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from dagen_keras import backend, checks
from dagen_keras.augment.fitted import FittedModels
from dagen_keras.models.callbacks import StopOnNonFiniteLoss
from dagen_keras.models.generative import GenerativeModel
from dagen_keras.models.training import ReusableModel, fit_passes, get_state, set_state
from dagen_keras.sampling import Sampler, sampler_of

# Settings that are saved.
KEPT = ("conditional", "epochs", "patience", "batch_size", "held_out", "image_shape")


class Augmenter(BaseOverSampler):
    """Makes labelled images with one generative model a class, or one for all classes.

    It is an over-sampler of imbalanced-learn's, and a step of its `Pipeline`. Images may be flat,
    (n, pixels), as they are in such a pipeline; then `image_shape` says their shape, and those that
    `fit_resample` adds are flat as well.

    Args:
        model: a function `model(image_shape=...)` that returns a new `GenerativeModel` of one
            class, such as `functools.partial(garay_maestre_vae, latent_dim=3)` or the class
            `CGAN`; or, with `conditional`, a function `model(image_shape=..., n_classes=...)`, such
            as the class `ACGAN`; or a `ReusableModel` of any of these, which several augmenters
            can share so that it is compiled once.
        sampler: how images are drawn: an object such as `sampling.HMC(n_steps=100)`, or its name,
            see `sampling.samplers_for`.
        conditional: whether one model is trained on all classes, and told the class.
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
        held_out: with a sampler that learns from held-out images, the share of a class's images
            that the model is not trained on; as many images at least as the sampler needs.
        random_state: an integer fixes weights, noise, held-out images, and what `fit_resample`
            adds.
        callbacks: Keras callbacks of each training; they are not saved.

    Attributes:
        classes_: the labels that have a model: all after `fit`, those filled up after
            `fit_resample`.
        histories_: of each of these labels what Keras's `History` says of its model's training.
        sampling_strategy_: after `fit_resample`, how many images it added to each class.

    Example:
        >>> augmenter = Augmenter(functools.partial(garay_maestre_vae, latent_dim=3))
        >>> augmenter.fit(x, y)
        >>> threes = augmenter.sample(100, label=3)
        >>> adversarial = dict(epochs=25, batch_size=64, optimizer=gan_optimizer)
        >>> augmenter = Augmenter(ACGAN, conditional=True, **adversarial)
        >>> x_balanced, y_balanced = augmenter.fit_resample(x, y)
        >>> augmenter = Augmenter(CGAN, sampler="metropolis_hastings", **adversarial)
    """

    def __init__(
        self,
        model: Callable[..., GenerativeModel] | ReusableModel,
        sampler: str | Sampler = "prior",
        *,
        conditional: bool = False,
        epochs: int = 200,
        patience: int | None = None,
        batch_size: int = 100,
        optimizer: str | Callable[[], keras.optimizers.Optimizer] = "rmsprop",
        sampling_strategy: Any = "auto",
        image_shape: tuple[int, int, int] | None = None,
        held_out: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ):
        super().__init__(sampling_strategy=sampling_strategy)
        self.model = model
        self.sampler = sampler
        self.conditional = conditional
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.image_shape = image_shape
        self.held_out = held_out
        self.random_state = random_state
        self.callbacks = callbacks

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Augmenter":
        """Trains one model for each class of `y`, or a conditional one for all.

        Args:
            x: images in [0, 1], (n, height, width, channels) or flat (n, pixels).
            y: labels, integers or strings, (n,).

        Raises:
            ValueError: if images or labels are not as described, a class has too few images, or
                the sampler does not fit the model.
            NonFiniteLossError: if a class's training loss becomes NaN; names the class.
        """
        images = self._images(x)
        y = self._labels(y, len(images))
        return self._fit_classes(images, y, np.unique(y))

    def sample(
        self,
        n: int,
        label: Any,
        seed: int | None = None,
        sampler: str | Sampler | None = None,
    ) -> np.ndarray:
        """New images of a class.

        Args:
            n: how many.
            label: one of `classes_`.
            seed: fixes them. Two calls without one give different images; `random_state` fixes
                which the first, the second, ... are.
            sampler: another than the augmenter's; one that learns from images must be fitted.

        Returns:
            Images in [0, 1], float32 (n, height, width, channels).

        Raises:
            NotFittedError: if the augmenter, or the sampler, is not fitted.
            ValueError: if there is no model of the class, or the sampler does not fit it.
        """
        n = checks.integer(n, "n", least=0)
        return self._of(label).sample(n, label, seed, sampler)

    def sample_each(
        self, n: int, seed: int | None = None, sampler: str | Sampler | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """`n` new images of each class, class after class, and their labels: see `sample`."""
        images = [self.sample(n, label, seed, sampler) for label in self._models().states]
        return np.concatenate(images), np.repeat(self.classes_, n)

    def model_of(self, label: Any) -> GenerativeModel:
        """The trained model of one class, compiled; it stays what it is whatever is asked next."""
        found = self._of(label)
        reusable = self._reusable(found.image_shape, found.known)
        new = reusable.new(backend.subseed(found.seed, "weights"))
        return set_state(new, found.states[label])

    def trained(self) -> Iterator[tuple[Any, GenerativeModel]]:
        """Yields (label, model) for each class. The model is one: valid until the next is asked."""
        found = self._models()
        for label in found.states:
            yield label, found.model_of(label)

    def save(self, path: str | Path) -> None:
        """Writes the trained models and samplers into a new folder: `.keras`, `.npz` and JSON.

        Raises:
            NotFittedError: if the augmenter has no model.
            ValueError: if there is something at `path`, or the sampler or the sampling strategy is
                one of your own.
        """
        found, strategy = self._models(), self.sampling_strategy
        if callable(strategy):
            raise ValueError("a sampling_strategy that is a function cannot be saved.")
        settings = {name: getattr(self, name) for name in KEPT}
        settings["sampling_strategy"] = (
            [*strategy.items()] if isinstance(strategy, dict) else strategy
        )
        found.save(Path(path), settings)

    @classmethod
    def load(cls, path: str | Path) -> "Augmenter":
        """The augmenter that `save` wrote: it draws as it did, and can be fitted anew.

        Nothing in the files is executed: no pickle is read, and Keras's `safe_mode` holds.

        Raises:
            ValueError: if there is no saved augmenter at `path`, or a file of it is damaged.
        """
        found, settings = FittedModels.load(Path(path))
        if isinstance(settings["sampling_strategy"], list):
            settings["sampling_strategy"] = dict(settings["sampling_strategy"])
        return cls(found.untrained(), random_state=found.seed, **settings)._learnt(found)

    def _check_X_y(self, X, y, accept_sparse=None):
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        if isinstance(X, pd.DataFrame) and not all(map(pd.api.types.is_float_dtype, X.dtypes)):
            raise ValueError(
                "x has columns of whole numbers, which cannot hold new images: x.astype('float32')."
            )
        images = self._images(X)
        if images.ndim != np.ndim(X):  # Flat ones have features, and may have names of them.
            validate_data(self, X=X, y=y, reset=True, skip_check_array=True)
        return np.asarray(X), self._labels(y, len(images)), binarize_y

    def _fit_resample(self, x, y):
        """The images given, in their shape and, if it is a floating one, their dtype, and new."""
        images = self._images(x)
        wanted = {label: n for label, n in self.sampling_strategy_.items() if n > 0}
        self._fit_classes(images, y, sorted(wanted))
        new = [self.sample(n, label, self._fitted.seed) for label, n in wanted.items()]
        new_labels = [np.full(n, label, dtype=y.dtype) for label, n in wanted.items()]
        # Whole numbers cannot hold the new images.
        dtype = x.dtype if np.issubdtype(x.dtype, np.floating) else np.float32
        new = [images.reshape(-1, *x.shape[1:]).astype(dtype) for images in new]
        return np.concatenate([x, *new]), np.concatenate([y, *new_labels])

    def _models(self):
        """The `FittedModels`, of one class at least."""
        found = getattr(self, "_fitted", None)
        if found is None or not found.states:
            raise NotFittedError(
                "this Augmenter is not fitted yet, or had no class to fill up: call fit(x, y)."
            )
        return found

    def _of(self, label):
        """The same, of this class among others."""
        self._models().check(label)
        return self._fitted

    def _learnt(self, found):
        self._fitted, self.histories_ = found, found.histories
        self.classes_ = np.array([*found.states])
        return self

    def _fit_classes(self, images, labels, classes):
        self._check_settings(labels, classes)
        known, shape, seed = np.unique(labels), images.shape[1:], _seed_of(self.random_state)
        reusable = self._reusable(shape, known)
        model = reusable.fresh(backend.subseed(seed, "weights"))
        sampler = self._checked(model, shape, known)
        found = FittedModels(model, known, shape, seed)
        held_out = self._hold_out(sampler, labels, classes, seed)
        together = found.one_for_all and len(classes) > 0
        for group in [classes] if together else [[label] for label in classes]:
            of_class = [] if together else group
            rows = ~held_out & (together | np.isin(labels, group))
            reusable.fresh(backend.subseed(seed, "weights", *of_class))  # `model`, that is.
            numbers = [np.searchsorted(known, labels[rows]).astype("int32")] if together else []
            history = self._train(model, (images[rows], *numbers), seed, *of_class).history
            state = get_state(model)
            for label in group:
                own = clone(sampler)
                if sampler.learns_from is not None:
                    side = held_out if sampler.learns_from == "held out" else ~held_out
                    shown, draw = images[side & (labels == label)], ("calibration", label)
                    own.fit(model, shown, found.number(label), backend.subseed(seed, *draw))
                found.states[label], found.samplers[label] = state, own
                found.histories[label] = history
        return self._learnt(found)

    def _train(self, model, arrays, seed, *of_class):
        what = f"the model of class {of_class[0]}" if of_class else "the model of all classes"
        return fit_passes(
            model,
            arrays,
            self.epochs,
            self.batch_size,
            seed=backend.subseed(seed, "order", *of_class),
            # A GAN may have a schedule by epochs.
            windows=None if model.loss_tells else self.epochs,
            patience=self.patience,
            callbacks=[StopOnNonFiniteLoss(what), *self.callbacks],
        )

    def _hold_out(self, sampler, labels, classes, seed):
        """Which images the sampler learns from and the model is not trained on, bool (n,)."""
        held_out = np.zeros(len(labels), bool)
        for label in classes if sampler.learns_from == "held out" else ():
            rows = np.flatnonzero(labels == label)
            n = max(sampler.fewest, round(self.held_out * len(rows)))
            if len(rows) < n + 2:
                raise ValueError(
                    f"class {label} has {len(rows)} images; the sampler {sampler} needs at least "
                    f"{n} held out from training, and 2 to train with."
                )
            rng = np.random.default_rng(backend.subseed(seed, "held out", label))
            held_out[rng.choice(rows, n, replace=False)] = True
        return held_out

    def _check_settings(self, labels, classes):
        for label in classes:
            size = int((labels == label).sum())
            if size < 2:
                raise ValueError(
                    f"class {label} has {size} image; a model of a class needs at least 2."
                )
        for name in ("epochs", "batch_size"):
            checks.integer(getattr(self, name), name)
        if self.patience is not None:
            checks.integer(self.patience, "patience")
        if not isinstance(self.held_out, numbers.Real) or not 0 < self.held_out < 1:
            raise ValueError(f"held_out must be a share in (0, 1); got {self.held_out!r}.")

    def _checked(self, model, shape, known):
        """The sampler; refuses, before training, what does not go with the model."""
        if not isinstance(model, GenerativeModel):
            raise ValueError(f"model must return a GenerativeModel; got {model!r}.")
        sampler = sampler_of(self.sampler, model)
        if self.patience is not None and not model.loss_tells:
            raise ValueError(
                "a GAN trains all its epochs, as its losses do not say how good it is: leave "
                f"patience None; got {self.patience!r}."
            )
        n_classes = len(known) if model.n_classes > 1 else 1
        if (model.n_classes, tuple(model.image_shape)) != (n_classes, shape):
            raise ValueError(
                f"the model has {model.n_classes} classes of images {model.image_shape}; the data "
                f"have {len(known)} of {shape}."
            )
        return sampler

    def _reusable(self, shape, known):
        if isinstance(self.model, ReusableModel):
            return self.model
        if not callable(self.model) or isinstance(self.model, keras.Model):
            raise ValueError(
                "model must be a function that returns a new model, or a ReusableModel; got "
                f"{self.model!r}."
            )
        settings = {"n_classes": len(known)} if self.conditional else {}
        build = functools.partial(self.model, image_shape=shape, **settings)
        return ReusableModel(build, optimizer=self.optimizer)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags

    def _images(self, x):
        if scipy.sparse.issparse(x):
            raise ValueError("x must be an array of images, not a sparse matrix: x.toarray().")
        x = np.asarray(x)
        if x.ndim == 2:
            if self.image_shape is None or int(np.prod(self.image_shape)) != x.shape[1]:
                raise ValueError(
                    f"flat images of {x.shape[1]} pixels need image_shape=(height, width, "
                    f"channels) with that product; got {self.image_shape}."
                )
            x = x.reshape(-1, *self.image_shape)
        x = checks.images(x, "x")
        if self.image_shape is not None and tuple(self.image_shape) != x.shape[1:]:
            raise ValueError(f"image_shape is {self.image_shape}, but x is of {x.shape[1:]}.")
        return x

    def _labels(self, y, n):
        check_classification_targets(y)
        y = column_or_1d(y)
        if len(y) != n:
            raise ValueError(f"y must be one label an image; got {len(y)} for {n} images.")
        return y


def _seed_of(random_state):
    """A seed of scikit-learn's `random_state`: an integer is its own."""
    if random_state is None or isinstance(random_state, numbers.Integral):
        seed = None if random_state is None else checks.integer(random_state, "random_state", 0)
        return backend.any_seed(seed)
    return int(random_state.randint(2**31 - 1))
