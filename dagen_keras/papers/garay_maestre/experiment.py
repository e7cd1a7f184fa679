"""What one cell of Garay-Maestre et al. computes."""

import functools
import math

import keras
import numpy as np
from keras import ops

from dagen_keras import backend, datasets, models
from dagen_keras.augment import Augmenter, ClassicTransforms
from dagen_keras.evaluate import macro_f1
from dagen_keras.papers.garay_maestre.grid import ADJUSTED, EXTREME
from dagen_keras.runs.packing import png
from dagen_keras.runs.paper import by_kind

VALIDATION_SHARE = 0.15
VAE_BATCH, CLASSIFIER_BATCH = 100, 32
SYNTHETIC_PER_CLASS = 2500
FIGURE2_COLUMNS = 8


def transforms(level=ADJUSTED):
    """Conventional augmentation: 0 is the paper's adjusted one, 6 the released extreme.

    Levels between interpolate linearly; both flips join at level 3, ZCA whitening at level 6.
    """
    share = (level - ADJUSTED) / (EXTREME - ADJUSTED)
    return ClassicTransforms(
        rotation=20 + share * (360 - 20),
        width_shift=0.2 + share * 0.8,
        height_shift=0.2 + share * 0.8,
        shear=share * 1.0,
        zoom=share * 5.0,
        flip=level >= 3,
        zca=level == EXTREME,
    )


def subset(data, size, seed):
    """The training set of a (size, seed): (x_train, y_train), (x_validation, y_validation).

    It does not depend on the method, so that methods are compared on the same images.
    """
    chosen = datasets.balanced_subset(
        data.y_train, size, backend.subseed(seed, "subset", size), f"training part of {data.name}"
    )
    x, y = data.x_train[chosen], data.y_train[chosen]
    train, validation = datasets.stratified_validation(
        y, VALIDATION_SHARE, backend.subseed(seed, "validation")
    )
    return (x[train], y[train]), (x[validation], y[validation])


def classify(
    data,
    seed,
    *,
    method,
    train_size,
    latent_dim,
    vae_epochs,
    sampling,
    level,
    protocol,
    synthetic_per_epoch,
    max_epochs,
    patience,
    test_per_class,
    trains_on_synthetic=True,
):
    """Trains a classifier and scores it on test images: macro F1 and accuracy in [0, 1]."""
    (x, y), validation = subset(data, train_size, seed)
    tested = datasets.balanced_subset(
        data.y_test,
        test_per_class * data.n_classes,
        backend.subseed(seed, "test"),
        f"test part of {data.name}",
    )
    test = data.x_test[tested], data.y_test[tested]
    released = protocol == "released"
    pool = None
    if "VAE" in method and trains_on_synthetic:
        needed = math.ceil(max_epochs * synthetic_per_epoch / data.n_classes)
        pool = synthetic(
            data,
            train_size,
            seed,
            latent_dim,
            vae_epochs,
            models.ReleasedVAE if released else models.VAE,
            sampling,
            min(SYNTHETIC_PER_CLASS, needed),
        )
    transform = transforms(level).fit(x) if "AUG" in method else None
    if released:
        # The released AUG and AUG+VAE take as many steps of a batch as there are images.
        total = len(x) * CLASSIFIER_BATCH if transform else len(x) + (100 if pool else 0)
    else:
        total = len(x) + synthetic_per_epoch
    batches = _batches(x, y, pool, synthetic_per_epoch, transform, total, seed)
    model = _classifier(data.n_classes, data.image_shape).fresh(backend.subseed(seed, "classifier"))
    scores = _Scores(validation, test if released else None)
    steps = math.ceil(total / CLASSIFIER_BATCH)
    history = model.fit(
        batches,
        steps_per_epoch=steps,
        epochs=max_epochs,
        callbacks=[
            models.StopOnNonFiniteLoss(f"the classifier ({method})"),
            scores,
            *_early_stopping(released, method, patience),
        ],
        shuffle=False,
        verbose=0,
    )
    result = {"epochs": len(history.epoch), "updates": len(history.epoch) * steps}
    if released:
        return {**result, **scores.chosen_on_test()}
    return {
        **result,
        "best_epoch": int(np.argmin(history.history["val_loss"])) + 1,
        **_score(test[1], models.predict(model, test[0])),
    }


def _early_stopping(released, method, patience):
    if not released:
        stop = keras.callbacks.EarlyStopping(
            "val_loss", patience=patience, mode="min", restore_best_weights=True
        )
        return [stop]
    if "VAE" in method:
        return []
    return [keras.callbacks.EarlyStopping("test_loss", patience=patience, mode="min")]


class _Scores(keras.callbacks.Callback):
    """Adds `val_loss` to each epoch's logs and, if `test` is given, `test_loss`: leakage.

    With `test` it scores the test images after every epoch, as the released code does, so that
    its choice of the epoch and the honest one can be read off the same run.
    """

    def __init__(self, validation, test=None):
        super().__init__()
        self.validation, self.test = validation, test
        self.rows = []

    def on_epoch_end(self, epoch, logs=None):
        x, y = self.validation
        logs["val_loss"] = _cross_entropy(y, models.predict(self.model, x))
        if self.test is not None:
            x, y = self.test
            probabilities = models.predict(self.model, x)
            logs["test_loss"] = _cross_entropy(y, probabilities)
            self.rows.append({"val_loss": logs["val_loss"], **_score(y, probabilities)})

    def chosen_on_test(self):
        by_test = max(self.rows, key=lambda row: row["accuracy"])
        by_validation = min(self.rows, key=lambda row: row["val_loss"])
        return {
            "f1": by_test["f1"],
            "accuracy": by_test["accuracy"],
            "best_epoch": self.rows.index(by_test) + 1,
            "f1_selected_on_validation": by_validation["f1"],
        }


def _cross_entropy(y, probabilities):
    chosen = probabilities[np.arange(len(y)), y]
    return float(-np.log(np.maximum(chosen, 1e-7)).mean())


def _score(y, probabilities):
    predicted = probabilities.argmax(axis=1)
    return {"f1": macro_f1(y, predicted), "accuracy": float((predicted == y).mean())}


@functools.lru_cache(maxsize=2)
def _classifier(n_classes, image_shape):
    return models.ReusableModel(
        lambda: models.garay_maestre_classifier(n_classes, image_shape),
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        **backend.convolution_compile_options(),
    )


def _batches(x, y, pool, synthetic_per_epoch, transform, total, seed):
    """Endless batches, epoch after epoch of `total` images.

    An epoch holds the real images, the next `synthetic_per_epoch` of the pool if there is one,
    and, up to `total`, real (and pooled) images again; all transformed anew if asked.
    """
    rng = np.random.default_rng(backend.subseed(seed, "batches"))
    epoch = 0
    while True:
        images, labels = x, y
        if pool is not None:
            next_ones = np.arange(epoch * synthetic_per_epoch, (epoch + 1) * synthetic_per_epoch)
            next_ones %= len(pool[0])
            images = np.concatenate([x, pool[0][next_ones]])
            labels = np.concatenate([y, pool[1][next_ones]])
        repeats = [rng.permutation(len(images)) for _ in range(math.ceil(total / len(images)) - 1)]
        extra = np.concatenate([*repeats, []]).astype(int)[: total - len(images)]
        order = rng.permutation(np.concatenate([np.arange(len(images)), extra]).astype(int))
        images, labels = images[order], labels[order]
        if transform is not None:
            images = transform(images, backend.subseed(seed, "transform", epoch))
        for start in range(0, total, CLASSIFIER_BATCH):
            batch = slice(start, start + CLASSIFIER_BATCH)
            yield images[batch], labels[batch]
        epoch += 1


@functools.lru_cache(maxsize=8)
def _vae(latent_dim, image_shape, model_class):
    return models.ReusableModel(
        lambda: models.garay_maestre_vae(latent_dim, image_shape, model_class),
        optimizer="rmsprop",
        **backend.convolution_compile_options(tiny_batches=True),
    )


@functools.lru_cache(maxsize=2)
def augmenter(data, train_size, seed, latent_dim, vae_epochs, model_class, sampling):
    """Class-wise VAEs fitted to the training split of a (size, seed)."""
    (x, y), _ = subset(data, train_size, seed)
    return Augmenter(
        _vae(latent_dim, data.image_shape, model_class),
        sampling,
        epochs=vae_epochs,
        batch_size=VAE_BATCH,
        seed=backend.subseed(seed, "vae"),
    ).fit(x, y)


@functools.lru_cache(maxsize=2)
def synthetic(data, train_size, seed, latent_dim, vae_epochs, model_class, sampling, per_class):
    """Images of the class-wise VAEs and their labels, the classes taking turns."""
    fitted = augmenter(data, train_size, seed, latent_dim, vae_epochs, model_class, sampling)
    images = np.stack([fitted.sample(per_class, label) for label in fitted.classes_], axis=1)
    labels = np.tile(fitted.classes_, per_class)
    return images.reshape(-1, *data.image_shape), labels


def samples(data, seed, *, train_size, latent_dim, vae_epochs, sampling):
    """A picture of synthetic images, a row a class (Fig. 2), as PNG in base64."""
    fitted = augmenter(data, train_size, seed, latent_dim, vae_epochs, models.VAE, sampling)
    images = [fitted.sample(FIGURE2_COLUMNS, label) for label in fitted.classes_]
    return {"png": png(np.concatenate(images), columns=FIGURE2_COLUMNS)}


def vae_losses(data, seed, *, train_size, latent_dim, vae_epochs):
    """One class's VAE trained with the exact and with the released loss.

    Returns:
        For both, of the training images: the exact KL in nats an image, the standard deviation
        of the posterior, and that of all posterior means (each averaged over dimensions).
    """
    (x, y), _ = subset(data, train_size, seed)
    images = x[y == y.min()]
    result = {}
    for name, model_class in (("exact", models.VAE), ("released", models.ReleasedVAE)):
        vae = _vae(latent_dim, data.image_shape, model_class).fresh(backend.subseed(seed, "vae"))
        models.fit_passes(
            vae,
            images,
            vae_epochs,
            VAE_BATCH,
        )
        mean, log_var = models.predict(vae.encoder, images)
        posterior_sd = np.exp(log_var if name == "released" else log_var / 2)
        result[f"{name}_kl"] = float(
            ops.mean(models.divergences.kl(mean, 2 * np.log(posterior_sd)))
        )
        result[f"{name}_posterior_sd"] = float(posterior_sd.mean())
        result[f"{name}_mean_sd"] = float(mean.std(axis=0).mean())
    return result


# The results of one cell, by the kind that its parameters name; see `cells`.
compute = by_kind(classify=classify, samples=samples, vae_losses=vae_losses)
