"""Data and generative models of Chadebec and Allassonniere."""

import functools

import keras
import numpy as np

from dagen_keras import backend, datasets, models
from dagen_keras.augment import Augmenter
from dagen_keras.datasets import oasis
from dagen_keras.papers.chadebec.grid import METHODS
from dagen_keras.sampling import SAMPLERS

BATCH = 200
LATENT_DIM = 2
VALIDATION_SHARE = 0.2
MINIMUM_PER_CLASS = 8
# Passes from which XLA pays for an RHVAE: eight seconds more to compile, some 10 ms less a step.
WORTH_COMPILING = 500
# EMNIST: ten classes that mix capital and small letters. The paper does not name its own.
EMNIST_CLASSES = ("A", "B", "D", "E", "F", "a", "b", "d", "e", "f")
REDUCED_CLASSES = {"mnist": (0, 1, 2), "digits": (0, 1, 2), "fashion_mnist": (1, 5, 8)}
# Table 4, and the networks of Table 5: hidden layers of the encoder, the decoder's in reverse.
TOY = {"hidden": (400,), "step_size": 1e-2, "regularization": 1e-3}
BRAINS = {"hidden": (1000, 400), "step_size": 1e-3, "regularization": 1e-2}


def ten_classes(data):
    """Images and labels (train, test) of the dataset's classes, ten at most, counted from 0."""
    chosen = range(min(10, data.n_classes))
    if data.name == "emnist":
        chosen = [data.class_names.index(name) for name in EMNIST_CLASSES]
    return [_only(x, y, chosen) for x, y in _parts(data)]


def subset(data, split, size, seed):
    """The training set of Table 2: (x_train, y_train), (x_validation, y_validation).

    Balanced, or with class sizes from weights drawn once from a Dirichlet and at least 8 images
    a class, the same for every seed and method.
    """
    (x, y), _ = ten_classes(data)
    seed = backend.subseed(seed, "subset", split, size)
    name = f"training part of {data.name}"
    if split == "balanced":
        chosen = datasets.balanced_subset(y, size, seed, name)
    else:
        chosen = datasets.unbalanced_subset(y, size, seed, MINIMUM_PER_CLASS, name=name)
    x, y = x[chosen], y[chosen]
    train, validation = datasets.stratified_validation(y, VALIDATION_SHARE, seed)
    return (x[train], y[train]), (x[validation], y[validation])


def reduced(data, size):
    """Images of Figs. 2 and 3: all of `shapes`, else `size` images of three classes."""
    if data.name == "shapes":
        return data.x_train, data.y_train
    classes = REDUCED_CLASSES.get(data.name, tuple(range(min(3, data.n_classes))))
    x, y = _only(data.x_train, data.y_train, classes)
    chosen = datasets.balanced_subset(y, size - size % len(classes), 0, data.name)
    return x[chosen], y[chosen]


def brains(data, downsample):
    """(images, labels) of the parts "train", "validation" and "test", averaged to fewer pixels."""
    parts = data.subjects["part"].to_numpy()
    x = np.concatenate([data.x_train, data.x_test])
    y = np.concatenate([data.y_train, data.y_test])
    x = oasis.block_mean(x[..., 0], downsample)[..., None]
    return {part: (x[parts == part], y[parts == part]) for part in ("train", "validation", "test")}


@functools.lru_cache(maxsize=8)
def generator(kind, image_shape, is_brain, learning_rate, xla):
    """A `ReusableModel` of a VAE, VAMP-VAE or RHVAE with the paper's settings."""
    settings = BRAINS if is_brain else TOY

    def build():
        if kind == "rhvae":
            return models.chadebec_rhvae(LATENT_DIM, image_shape, **settings)
        model_class = {"vae": models.VAE, "vamp": models.VampVAE}[kind]
        return models.chadebec_vae(LATENT_DIM, image_shape, settings["hidden"], model_class)

    return models.ReusableModel(
        build,
        optimizer=functools.partial(keras.optimizers.Adam, learning_rate),
        **backend.dense_compile_options(xla),
    )


@functools.lru_cache(maxsize=4)
def _whole(data, kind, size, max_passes, patience):
    x, _ = reduced(data, size)
    xla = kind == "rhvae" and max_passes > WORTH_COMPILING
    reusable = generator(kind, data.image_shape, False, 1e-3, xla)
    model = reusable.fresh(backend.subseed(0, "generator", kind))
    history = models.fit_passes(model, x, max_passes, BATCH, patience=patience)
    passes = int(model.optimizer.iterations) // -(-len(x) // BATCH)
    return model, models.get_state(model), history, passes


def trained(data, kind, size, max_passes, patience):
    """A model of all images of `reduced`, its training's `History`, and how many passes it took."""
    model, state, *training = _whole(data, kind, size, max_passes, patience)
    return models.set_state(model, state), *training


@functools.lru_cache(maxsize=3)
def class_wise(data, kind, split, size, seed, max_passes, patience):
    """An `Augmenter` with a model for each class of Table 2's training set."""
    (x, y), _ = subset(data, split, size, seed)
    return _augmenter(
        generator(kind, data.image_shape, False, 1e-3, xla=False),
        *(x, y, max_passes, patience, backend.subseed(seed, "generator", kind)),
    )


@functools.lru_cache(maxsize=3)
def class_wise_brains(data, kind, downsample, learning_rate, seed, max_passes, patience):
    """An `Augmenter` with a model each for CN and AD."""
    x, y = brains(data, downsample)["train"]
    return _augmenter(
        generator(kind, x.shape[1:], True, learning_rate, xla=False),
        *(x, y, max_passes, patience, backend.subseed(seed, "generator", kind)),
    )


def _augmenter(reusable, x, y, max_passes, patience, seed):
    augmenter = Augmenter(
        reusable, epochs=max_passes, patience=patience, batch_size=BATCH, seed=seed
    )
    return augmenter.fit(x, y)


def draw(augmenter, method, n):
    """`n` images of each class and their labels, by a method's sampler."""
    augmenter.set_params(sampler=METHODS[method][1])
    images = [augmenter.sample(n, label) for label in augmenter.classes_]
    return np.concatenate(images), np.repeat(augmenter.classes_, n)


def draw_latent(model, method, n, seed):
    """`n` latent points of a method."""
    return SAMPLERS[METHODS[method][1]](model, n, seed)


def _parts(data):
    return (data.x_train, data.y_train), (data.x_test, data.y_test)


def _only(x, y, classes):
    kept = np.isin(y, list(classes))
    renumbered = np.searchsorted(np.sort(list(classes)), y[kept])
    return x[kept], renumbered.astype("int64")
