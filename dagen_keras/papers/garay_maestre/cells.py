"""What one cell of Garay-Maestre et al. computes."""

import math

import keras
import numpy as np
from keras import ops

from dagen_keras import backend, datasets, models
from dagen_keras.augment import Augmenter, ClassicTransforms
from dagen_keras.evaluate import macro_f1, named_classes
from dagen_keras.papers.garay_maestre.networks import ReleasedVAE, classifier_of
from dagen_keras.papers.garay_maestre.protocol import ADJUSTED, EXTREME
from dagen_keras.study.judge import judge_of, partition, reserved
from dagen_keras.study.packing import png

CLASSIFIER_BATCH, VAE_BATCH = 32, 100
RELEASED_POOL, RELEASED_SYNTHETIC = 2500, 100  # Synthetic images a class, and an epoch.
COLUMNS = 8  # Of a sheet of samples.


def transforms(level=ADJUSTED):
    """Conventional augmentation: 0 is the paper's adjusted one, 6 the released extreme.

    Levels between interpolate linearly; both flips join at level 3. The released code asks for
    whitening as well but never fits it, so that it whitens nothing.
    """
    share = (level - ADJUSTED) / (EXTREME - ADJUSTED)
    return ClassicTransforms(
        rotation=20 + share * (360 - 20),
        width_shift=0.2 + share * 0.8,
        height_shift=0.2 + share * 0.8,
        shear=share * 1.0,
        zoom=share * 5.0,
        flip=level >= 3,
    )


def training_images(data, size, seed, reserve, images="same"):
    """A balanced training set of `size` images and their labels, in an order of its own.

    It depends on (size, seed) alone, so that methods are compared on the same images. `images`
    "other" is as large a set that shares no image with it.
    """
    free, _ = reserved(len(data.x_train), reserve)
    for name in ("same", "other"):
        draw = backend.subseed(seed, "subset", size, *([] if name == "same" else [name]))
        part = f"training part of {data.name}"
        chosen = free[datasets.balanced_subset(data.y_train[free], size, draw, part)]
        if name == images:
            return data.x_train[chosen], data.y_train[chosen]
        free = np.setdiff1d(free, chosen)
    raise ValueError(f"images must be 'same' or 'other'; got {images!r}.")


def sizes(s, _, data):
    """Takes once the images of each size that cells take."""
    small = min(s.train_sizes)
    piloted = [s.pilot.size] * (s.pilot_seeds > 0)
    for size in (*s.train_sizes, *s.shown_sizes, s.samples_size, 2 * small, *piloted):
        training_images(data, size, 0, s.images.reserve)
    training_images(data, small, 0, s.images.reserve, "other")
    test_images(data, max(s.images.test_per_class, s.released.test_per_class), 0)


def test_images(data, per_class, seed):
    """So many test images of each class and their labels."""
    draw = backend.subseed(seed, "test")
    n, part = per_class * data.n_classes, f"test part of {data.name}"
    chosen = datasets.balanced_subset(data.y_test, n, draw, part)
    return data.x_test[chosen], data.y_test[chosen]


def vae_epochs(images_per_class, share):
    """The released number of VAE epochs for so many training images a class, times `share`."""
    released = {10: 200, 25: 250, 50: 300, 100: 350}
    epochs = next((n for size, n in released.items() if images_per_class <= size), 350)
    return max(1, round(epochs * share))


def class_wise_vaes(cell, bench, released=False):
    """An `Augmenter` of one VAE a class, fitted for the cell; shared by cells of the same VAEs."""
    data, images = bench.data(cell.dataset), cell.vae_images or "same"
    model_class = ReleasedVAE if released else models.VAE
    key = ("vaes", cell.dataset, cell.seed, cell.train_size, cell.latent_dim, images, released)

    def fit():
        x, y = training_images(data, cell.train_size, cell.seed, cell.images.reserve, images)
        return Augmenter(
            _vae(bench, cell.latent_dim, data.image_shape, model_class),
            "uniform" if released else cell.vae.sampling,
            epochs=vae_epochs(cell.train_size // data.n_classes, cell.vae.epochs_share),
            batch_size=VAE_BATCH,
            random_state=backend.subseed(cell.seed, "vae"),
        ).fit(x, y)

    return bench.fitted((*key, cell.vae, cell.images), fit)


def _vae(bench, latent_dim, image_shape, model_class):
    return bench.reusable(
        ("vae", latent_dim, image_shape, model_class),
        lambda: models.garay_maestre_vae(latent_dim, image_shape, model_class),
        optimizer="rmsprop",
        **backend.compile_options(steps_per_execution=20),
    )


def pool_of(augmenter, per_class):
    """So many images of each class's VAE and their labels, the classes taking turns."""
    seed, classes = augmenter.random_state, augmenter.classes_
    images = np.stack([augmenter.sample(per_class, c, seed) for c in classes], axis=1)
    return images.reshape(-1, *images.shape[2:]), np.tile(augmenter.classes_, per_class)


def stream(x, y, pool, synthetic_per_epoch, transform, seed):
    """Endless epochs (images, labels), each in an order of its own.

    An epoch holds the real images and the next `synthetic_per_epoch` of the pool, if there is
    one; all transformed anew if asked.
    """
    rng, epoch = np.random.default_rng(backend.subseed(seed, "batches")), 0
    while True:
        images, labels = x, y
        if pool is not None:
            start = epoch * synthetic_per_epoch
            rows = np.arange(start, start + synthetic_per_epoch) % len(pool[0])
            images = np.concatenate([x, pool[0][rows]])
            labels = np.concatenate([y, pool[1][rows]])
        order = rng.permutation(len(images))
        images, labels = images[order], labels[order]
        if transform is not None:
            images = transform(images, backend.subseed(seed, "transform", epoch))
        yield images, labels
        epoch += 1


def full_batches(epochs):
    """Batches of 32 cut from endless epochs; none is smaller, so that updates are alike."""
    images, labels = next(epochs)
    while True:
        while len(images) < CLASSIFIER_BATCH:
            more = next(epochs)
            images, labels = np.concatenate([images, more[0]]), np.concatenate([labels, more[1]])
        yield images[:CLASSIFIER_BATCH], labels[:CLASSIFIER_BATCH]
        images, labels = images[CLASSIFIER_BATCH:], labels[CLASSIFIER_BATCH:]


def _scores(model, x, y):
    probabilities = models.predict(model, x, 100)
    predicted = named_classes(probabilities)
    chosen = probabilities[np.arange(len(y)), y]
    return {
        "f1": macro_f1(y, predicted),
        "accuracy": float((predicted == y).mean()),
        "loss": float(-np.log(np.maximum(chosen, 1e-7)).mean()),
    }


class ScoreEveryEpoch(keras.callbacks.Callback):
    """Scores images (x, y) after every epoch, or with `doubling` after epochs 1, 2, 4, ...

    The scores join the logs as "test_loss" and so on, where `EarlyStopping` finds them.
    """

    def __init__(self, x, y, doubling=False):
        super().__init__()
        self.images, self.doubling, self.rows = (x, y), doubling, []

    def on_epoch_end(self, epoch, logs=None):
        if self.doubling and epoch & (epoch + 1):
            return
        self.rows.append(_scores(self.model, *self.images))
        logs |= {f"test_{name}": value for name, value in self.rows[-1].items()}


@backend.prompt_pipelines()
def _train(
    cell, bench, batches, updates, pool, synthetic, *callbacks, filters=64, precision="float32"
):
    """A classifier after (steps, times): `times` epochs of so many steps on `batches` of a stream.

    Of the pool, if there is one, so many synthetic images join the real ones in each epoch.
    """
    data = bench.data(cell.dataset)
    x, y = training_images(data, cell.train_size, cell.seed, cell.images.reserve)
    transform = transforms(cell.level or ADJUSTED) if "AUG" in cell.method else None
    network = classifier_of(filters), data.n_classes, data.image_shape
    network = bench.classifier(*network, precision=precision)
    model = network.fresh(backend.subseed(cell.seed, "classifier"))
    steps, times = updates
    model.fit(
        batches(stream(x, y, pool, synthetic, transform, cell.seed)),
        steps_per_epoch=steps,
        epochs=times,
        callbacks=[models.StopOnNonFiniteLoss(f"the classifier ({cell.method})"), *callbacks],
        shuffle=False,
        verbose=0,
    )
    return model


def _pool(cell, bench, updates, n_classes):
    """The VAEs, as many images of theirs as so many updates see, and how many an epoch adds.

    None is seen twice. Without VAEs: None, None and 0.
    """
    if "VAE" not in cell.method:
        return None, None, 0
    augmenter, synthetic = class_wise_vaes(cell, bench), cell.vae.synthetic_per_epoch
    epochs = math.ceil(updates * CLASSIFIER_BATCH / (cell.train_size + synthetic)) + 1
    return augmenter, pool_of(augmenter, math.ceil(epochs * synthetic / n_classes)), synthetic


def classify(cell, bench):
    """Trains a classifier by our protocol; scored on test images, half-way (`half`) and at last."""
    data, updates = bench.data(cell.dataset), cell.classifier.updates
    augmenter, pool, synthetic = _pool(cell, bench, updates, data.n_classes)
    scores = ScoreEveryEpoch(*test_images(data, cell.images.test_per_class, cell.seed))
    network = {"filters": cell.classifier.filters, "precision": cell.classifier.precision}
    given = (updates // 2, 2), pool, synthetic, scores
    model = _train(cell, bench, full_batches, *given, **network)
    half, found = scores.rows
    found |= {
        "half": half["f1"],
        "updates": int(model.optimizer.iterations),
        "seen": updates * CLASSIFIER_BATCH / (cell.train_size + synthetic),
    }
    if augmenter is not None:
        found |= judge_of(cell, bench).of_vaes(augmenter.trained())
    return found


def pilot(cell, bench):
    """F1 on reserved images of the training partition after doubling numbers of updates."""
    data, _, kept = partition(cell, bench)
    updates = cell.pilot.first, 2**cell.pilot.doublings
    _, *synthetic = _pool(cell, bench, math.prod(updates), data.n_classes)
    scores = ScoreEveryEpoch(*kept, doubling=True)
    _train(cell, bench, full_batches, updates, *synthetic, scores)
    return {"updates": cell.pilot.marks, "f1": [row["f1"] for row in scores.rows]}


def released(cell, bench):
    """The released training: what it keeps by test images, and its last epoch.

    CNN and AUG stop on the test loss and keep its best epoch; VAE and AUG+VAE never stop and keep
    the epoch of best test accuracy. AUG and AUG+VAE take a step of up to 32 images for each
    training image, and AUG+VAE trains on the transformed real images alone.
    """
    data, settings, pool, synthetic = bench.data(cell.dataset), cell.released, None, 0
    if cell.method == "VAE":
        synthetic = RELEASED_SYNTHETIC
        needed = math.ceil(settings.epochs * synthetic / data.n_classes)
        pool = pool_of(class_wise_vaes(cell, bench, released=True), min(RELEASED_POOL, needed))
    steps = math.ceil((cell.train_size + synthetic) / CLASSIFIER_BATCH)
    updates = cell.train_size if "AUG" in cell.method else steps, settings.epochs
    callbacks = [ScoreEveryEpoch(*test_images(data, settings.test_per_class, cell.seed))]
    if "VAE" not in cell.method:
        patience = settings.patience
        callbacks.append(keras.callbacks.EarlyStopping("test_loss", patience=patience, mode="min"))
    model = _train(cell, bench, whole_epochs, updates, pool, synthetic, *callbacks)
    rows = callbacks[0].rows
    kept = kept_as_released(cell.method, rows)
    return {
        "f1": rows[kept]["f1"],
        "last": rows[-1]["f1"],
        "best_epoch": kept + 1,
        "epochs": len(rows),
        "updates": int(model.optimizer.iterations),
    }


def whole_epochs(epochs):
    """Batches of 32 of each epoch, its last one smaller, as the released generators give them."""
    for images, labels in epochs:
        for start in range(0, len(images), CLASSIFIER_BATCH):
            batch = slice(start, start + CLASSIFIER_BATCH)
            yield images[batch], labels[batch]


def kept_as_released(method, rows):
    """The index of the epoch that the released code keeps."""
    if "VAE" in method:
        return int(np.argmax([row["accuracy"] for row in rows]))
    return int(np.argmin([row["loss"] for row in rows]))


def samples(cell, bench):
    """A picture of synthetic images, a row a class (Fig. 2), as PNG in base64."""
    augmenter = class_wise_vaes(cell, bench)
    images, _ = augmenter.sample_each(COLUMNS, augmenter.random_state)
    return {"png": png(images, columns=COLUMNS)}


def vae_losses(cell, bench):
    """One class's VAE trained with the exact and with the released loss.

    Returns:
        For both, of the training images: the exact KL in nats an image, and the standard
        deviation of all posterior means, averaged over dimensions.
    """
    data = bench.data(cell.dataset)
    x, y = training_images(data, cell.train_size, cell.seed, cell.images.reserve)
    images = x[y == y.min()]
    found = {}
    for name, model_class in (("exact", models.VAE), ("released", ReleasedVAE)):
        vae = _vae(bench, cell.latent_dim, data.image_shape, model_class)
        vae = vae.fresh(backend.subseed(cell.seed, "vae"))
        passes = vae_epochs(cell.train_size // data.n_classes, cell.vae.epochs_share)
        models.fit_passes(vae, images, passes, VAE_BATCH)
        mean, log_var = models.predict(vae.encoder, images)
        posterior_sd = np.exp(log_var if name == "released" else log_var / 2)
        kl = models.divergences.kl(mean, 2 * np.log(posterior_sd))
        found[f"{name}_kl"] = float(ops.mean(kl))
        found[f"{name}_mean_sd"] = float(mean.std(axis=0).mean())
    return found


COMPUTE = {kind.__name__: kind for kind in (classify, pilot, released, samples, vae_losses)}
