"""Augmenter = model + sampler: generative models that make new labelled images."""

import copy
import functools
import json
import numbers
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imblearn
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

from dagen_keras import __version__, backend, checks
from dagen_keras.models.callbacks import StopOnNonFiniteLoss
from dagen_keras.models.generative import GenerativeModel
from dagen_keras.models.training import ReusableModel, fit_passes, get_state, set_state
from dagen_keras.sampling import SAMPLERS, Sampler, sampler_of

SAVED = "augmenter.json"
# Settings in it.
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
        model, own = self._model_of(label), self._of(label)[1]
        seed = int(self._draws.integers(2**31)) if seed is None else seed
        of = n if model.n_classes == 1 else np.full(n, self._number(label))
        return model.generate(of, backend.subseed(seed, "samples", label), sampler or own)

    def sample_each(
        self, n: int, seed: int | None = None, sampler: str | Sampler | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """`n` new images of each class, class after class, and their labels: see `sample`."""
        images = [self.sample(n, label, seed, sampler) for label in self._models()]
        return np.concatenate(images), np.repeat(self.classes_, n)

    def model_of(self, label: Any) -> GenerativeModel:
        """The trained model of one class, compiled; it stays what it is whatever is asked next."""
        state, _ = self._of(label)
        return set_state(self._reusable().new(backend.subseed(self._seed, "weights")), state)

    def trained(self) -> Iterator[tuple[Any, GenerativeModel]]:
        """Yields (label, model) for each class. The model is one: valid until the next is asked."""
        for label in self._models():
            yield label, self._model_of(label)

    def save(self, path: str | Path) -> None:
        """Writes the trained models and samplers into a new folder: `.keras`, `.npz` and JSON.

        Raises:
            NotFittedError: if the augmenter has no model.
            ValueError: if there is something at `path`, or the sampler or the sampling strategy is
                one of your own.
        """
        path, kinds = Path(path), {kind: name for name, kind in SAMPLERS.items()}
        samplers, strategy = [own for _, own in self._models().values()], self.sampling_strategy
        if path.exists():
            raise ValueError(f"{path} is there already: choose another name, or remove it.")
        if callable(strategy):
            raise ValueError("a sampling_strategy that is a function cannot be saved.")
        if type(samplers[0]) not in kinds:
            raise ValueError(f"only samplers of dagen_keras.sampling are saved; got {samplers[0]}.")
        said = {
            "versions": versions(),
            "classes": [*self._fitted],
            "known": [*self._known],
            "dtype": np.dtype(self._known.dtype).str,
            "image_shape": self._shape,
            "one_for_all": self._one_for_all,
            "settings": {name: getattr(self, name) for name in KEPT},
            "sampling_strategy": [*strategy.items()] if isinstance(strategy, dict) else strategy,
            "sampler": [kinds[type(samplers[0])], samplers[0].get_params()],
            "seed": self._seed,
            "histories": [self.histories_[label] for label in self._fitted],
        }
        text = json.dumps(said, indent=1, default=lambda value: value.item())
        path.mkdir(parents=True)
        for number, label in enumerate(self._fitted):
            if number == 0 or not self._one_for_all:
                self._model_of(label).save(path / f"model_{number}.keras")
            np.savez(path / f"sampler_{number}.npz", **samplers[number].state())
        (path / SAVED).write_text(text)

    @classmethod
    def load(cls, path: str | Path) -> "Augmenter":
        """The augmenter that `save` wrote: it draws as it did, and can be fitted anew.

        Nothing in the files is executed: no pickle is read, and Keras's `safe_mode` holds.

        Raises:
            ValueError: if there is no saved augmenter at `path`.
        """
        path = Path(path)
        if not (path / SAVED).is_file():
            raise ValueError(f"no saved Augmenter at {path}: it has no {SAVED}.")
        said = json.loads((path / SAVED).read_text())
        name, settings = said["sampler"]
        known = np.array(said["known"], said["dtype"])
        sampler = SAMPLERS[name](**settings)
        augmenter = cls(None, sampler, random_state=said["seed"], **said["settings"])
        strategy = said["sampling_strategy"]
        augmenter.sampling_strategy = dict(strategy) if isinstance(strategy, list) else strategy
        augmenter._begin(known, tuple(said["image_shape"]), said["seed"])
        for number, label in enumerate(np.array(said["classes"], said["dtype"])):
            if number == 0 or not said["one_for_all"]:
                augmenter._trained = keras.saving.load_model(path / f"model_{number}.keras")
                state = get_state(augmenter._trained)
            with np.load(path / f"sampler_{number}.npz", allow_pickle=False) as file:
                own = clone(sampler).restored(augmenter._trained, dict(file))
            augmenter._fitted[label] = state, own
            augmenter.histories_[label] = said["histories"][number]
        augmenter.classes_ = np.array([*augmenter._fitted])
        augmenter.model = _as_it_is(augmenter._trained)
        return augmenter

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
        new = [self.sample(n, label, self._seed) for label, n in wanted.items()]
        new_labels = [np.full(n, label, dtype=y.dtype) for label, n in wanted.items()]
        # Whole numbers cannot hold the new images.
        dtype = x.dtype if np.issubdtype(x.dtype, np.floating) else np.float32
        new = [images.reshape(-1, *x.shape[1:]).astype(dtype) for images in new]
        return np.concatenate([x, *new]), np.concatenate([y, *new_labels])

    def _begin(self, known, shape, seed):
        """Forgets what was fitted before; `known` are all labels, whether filled up or not."""
        self._known, self._shape, self._seed = known, shape, seed
        self._draws = np.random.default_rng(backend.subseed(seed, "draws"))
        self._fitted, self.histories_ = {}, {}

    @property
    def _one_for_all(self):
        return self._trained.n_classes > 1

    def _models(self):
        """The states and samplers by label."""
        if not getattr(self, "_fitted", None):
            raise NotFittedError(
                "this Augmenter is not fitted yet, or had no class to fill up: call fit(x, y)."
            )
        return self._fitted

    def _of(self, label):
        """The state of a label's model, and its sampler."""
        if label not in self._models():
            known = ", ".join(str(c) for c in self._fitted)
            raise ValueError(f"no model for class {label!r}; there are models for {known}.")
        return self._fitted[label]

    def _model_of(self, label):
        """The same, in the one model that all classes share. Valid until the next call."""
        state, _ = self._of(label)
        return set_state(self._trained, state)

    def _fit_classes(self, images, labels, classes):
        """Of these classes; if it fails, the augmenter is what it was before."""
        before = self.__dict__.copy()
        try:
            return self._fit_each(images, labels, classes)
        except BaseException:
            self.__dict__ = before
            raise

    def _fit_each(self, images, labels, classes):
        self._check_settings(labels, classes)
        self._begin(np.unique(labels), images.shape[1:], _seed_of(self.random_state))
        reusable = self._reusable()
        model = self._trained = reusable.fresh(backend.subseed(self._seed, "weights"))
        sampler = self._checked(model)
        held_out = self._hold_out(sampler, labels, classes)
        together = self._one_for_all and len(classes) > 0
        for group in [classes] if together else [[label] for label in classes]:
            of_class = [] if self._one_for_all else group
            rows = ~held_out & (self._one_for_all | np.isin(labels, group))
            self._trained = reusable.fresh(backend.subseed(self._seed, "weights", *of_class))
            history = self._train(images[rows], labels[rows], *of_class).history
            state = get_state(self._trained)
            for label in group:
                side = held_out if sampler.learns_from == "held out" else ~held_out
                own = clone(sampler)
                if sampler.learns_from is not None:
                    seed = backend.subseed(self._seed, "calibration", label)
                    own.fit(
                        self._trained, images[side & (labels == label)], self._number(label), seed
                    )
                self._fitted[label], self.histories_[label] = (state, own), history
        self.classes_ = np.array(classes)
        return self

    def _train(self, images, labels, *of_class):
        model = self._trained
        what = f"the model of class {of_class[0]}" if of_class else "the model of all classes"
        numbers = np.searchsorted(self._known, labels).astype("int32")
        return fit_passes(
            model,
            (images, numbers) if self._one_for_all else (images,),
            self.epochs,
            self.batch_size,
            seed=backend.subseed(self._seed, "order", *of_class),
            # A GAN may have a schedule by epochs.
            windows=None if model.loss_tells else self.epochs,
            patience=self.patience,
            callbacks=[StopOnNonFiniteLoss(what)],
        )

    def _hold_out(self, sampler, labels, classes):
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
            rng = np.random.default_rng(backend.subseed(self._seed, "held out", label))
            held_out[rng.choice(rows, n, replace=False)] = True
        return held_out

    def _number(self, label):
        """A label as the model knows it: from 0 on, without gaps; 0 if it knows one class."""
        return int(np.searchsorted(self._known, label)) if self._one_for_all else 0

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

    def _checked(self, model):
        """The sampler; refuses, before training, what does not go with the model."""
        if not isinstance(model, GenerativeModel):
            raise ValueError(f"model must return a GenerativeModel; got {model!r}.")
        sampler = sampler_of(self.sampler, model)
        if self.patience is not None and not model.loss_tells:
            raise ValueError(
                "a GAN trains all its epochs, as its losses do not say how good it is: leave "
                f"patience None; got {self.patience!r}."
            )
        n_classes = len(self._known) if self._one_for_all else 1
        if (model.n_classes, tuple(model.image_shape)) != (n_classes, self._shape):
            raise ValueError(
                f"the model has {model.n_classes} classes of images {model.image_shape}; the data "
                f"have {len(self._known)} of {self._shape}."
            )
        return sampler

    def _reusable(self):
        if isinstance(self.model, ReusableModel):
            return self.model
        if not callable(self.model):
            raise ValueError(
                "model must be a function that returns a new model, or a ReusableModel; got "
                f"{self.model!r}."
            )
        settings = {"n_classes": len(self._known)} if self.conditional else {}
        build = functools.partial(self.model, image_shape=self._shape, **settings)
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
        return checks.images(x, "x")

    def _labels(self, y, n):
        check_classification_targets(y)
        y = column_or_1d(y)
        if len(y) != n:
            raise ValueError(f"y must be one label an image; got {len(y)} for {n} images.")
        return y


def versions() -> dict[str, str]:
    """Of what a saved augmenter was made with."""
    return {
        "dagen_keras": __version__,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "imbalanced-learn": imblearn.__version__,
    }


def _seed_of(random_state):
    """A seed of scikit-learn's `random_state`: an integer is its own."""
    if random_state is None or isinstance(random_state, numbers.Integral):
        seed = None if random_state is None else checks.integer(random_state, "random_state", 0)
        return backend.any_seed(seed)
    return int(random_state.randint(2**31 - 1))


def _as_it_is(model):
    """A `ReusableModel` of untrained models like this one."""
    optimizer = type(model.optimizer)
    return ReusableModel(
        functools.partial(_made, type(model), model.get_config()),
        optimizer=functools.partial(_made, optimizer, model.optimizer.get_config()),
    )


def _made(kind, config):
    return kind.from_config(copy.deepcopy(config))  # Keras takes it apart.
