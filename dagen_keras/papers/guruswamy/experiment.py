"""What one cell of Guruswamy et al. computes."""

import functools
import time
import warnings
from dataclasses import dataclass

import keras
import numpy as np

from dagen_keras import backend, models
from dagen_keras.augment import ClassicTransforms
from dagen_keras.datasets import Stacked
from dagen_keras.evaluate import (
    SampleMonitor,
    balanced_accuracy,
    per_class_recall,
    top_k_accuracy,
)
from dagen_keras.papers.guruswamy.data import prepare
from dagen_keras.runs.packing import png
from dagen_keras.runs.paper import by_kind

CLASSIFIER_BATCH = 64
SHOWN_CLASSES, SHOWN = 10, 8
MONITORED = 2000
# The paper names the kinds of transform, not their sizes.
AFFINE = ClassicTransforms(
    rotation=15, zoom=0.1, width_shift=0.1, height_shift=0.1, flip="horizontal"
)


@dataclass(frozen=True)
class Setting:
    """How an adversarial model is built and trained."""

    epochs: int
    batch: int
    learning_rate: float
    filters: int
    latent_dim: int


def run(
    data,
    seed,
    *,
    classes,
    train_images,
    test_images,
    shrink,
    classifier_epochs,
    patience,
    fill=None,
    synthetic_alone=False,
    real_share=0.5,
    from_ali=False,
    mask=True,
    gan_epochs=None,
    gan_batch=None,
    learning_rate=None,
    filters=None,
    latent_dim=None,
):
    """Fills up the sparse classes, trains the classifier and scores it on test images.

    Returns:
        `scores` of the classifier, and of an adversarial model what it drew and how it trained.
        `diverged` is true where a model's loss did not stay finite; then there is nothing else.
    """
    images = prepare(data, seed, classes, train_images, test_images, shrink)
    setting = Setting(gan_epochs, gan_batch, learning_rate, filters, latent_dim)
    labels = np.repeat(list(images.missing), list(images.missing.values())).astype("int64")
    own = backend.subseed(seed, "fill", fill)
    start = time.perf_counter()
    try:
        made, result = _fill(fill, images, labels, setting, seed, own, real_share, from_ali, mask)
        result["fill_seconds"] = round(time.perf_counter() - start, 1)
        fitted = functools.partial(
            fit_classifier, images, classifier_epochs, patience, backend.subseed(seed, "classifier")
        )
        new = [] if made is None else [(made(labels), labels)]
        result |= scores(fitted([(images.x, images.y), *new]), images)
        if synthetic_alone:
            # As many images of each class as the balanced training set has.
            counts = np.bincount(np.concatenate([images.y, labels]), minlength=images.n_classes)
            alone = np.repeat(np.arange(images.n_classes), counts)
            result["synthetic_accuracy"] = scores(fitted([(made(alone), alone)]), images)[
                "accuracy"
            ]
    except models.NonFiniteLossError as error:
        return {"diverged": True, "why": str(error)}
    result |= {
        "diverged": False,
        "n_train": len(images.y),
        "added": len(labels) if fill else 0,
        "sparse": sorted(images.missing),
        "left": [images.shares.get(label, 1.0) for label in range(images.n_classes)],
    }
    return result


def _fill(fill, images, labels, setting, seed, own, real_share, from_ali, mask):
    """A function from labels to images, and what there is to say of it."""
    if fill is None:
        return None, {}
    if fill in ("affine", "duplicates", "ali_reconstructions"):
        result, change = {}, lambda x, label: x
        if fill == "affine":
            change = functools.partial(_in_chunks, own)
        elif fill == "ali_reconstructions":
            ali, result = trained_ali(images, setting, seed)
            change = lambda x, label: ali.reconstruct(x, np.full(len(x), label))  # noqa: E731

        def made(labels):
            found = np.empty((len(labels), *images.shape), "float32")
            for label in np.unique(labels):
                mine = labels == label
                found[mine] = change(images.of_class(label, mine.sum(), own), label)
            return found

        if fill == "ali_reconstructions":
            result["png_real"] = shown(images, lambda labels: _first(images, labels))
            result["png_generated"] = shown(images, lambda labels: ali.generate(labels, own))
            real = functools.partial(_first, images)
            result["png"] = shown(images, lambda labels: ali.reconstruct(real(labels), labels))
        else:
            result["png"] = shown(images, made)
        return made, result
    if fill == "ali":
        gan, result = trained_ali(images, setting, seed)
    else:
        gan, result = train(fill, images, setting, own, real_share, mask, from_ali, seed)

    def drawn(labels):
        return gan.generate(labels, backend.subseed(own, "drawn"))

    return drawn, {**result, "png": shown(images, drawn)}


def _in_chunks(seed, x, label):
    chunks = range(0, len(x), 1000)
    return np.concatenate(
        [AFFINE(x[i : i + 1000], backend.subseed(seed, label, i)) for i in chunks]
    )


def shown(images, made):
    """A picture of eight images each of at most ten classes, the sparse ones first."""
    chosen = [*sorted(images.missing), *range(images.n_classes)]
    chosen = sorted(list(dict.fromkeys(chosen))[:SHOWN_CLASSES])
    return png(made(np.repeat(chosen, SHOWN)), columns=SHOWN)


def _first(images, labels):
    """Real training images of given labels, in groups: the first of each class."""
    classes, counts = np.unique(labels, return_counts=True)
    rows = [
        np.resize(np.flatnonzero(images.y == c), n) for c, n in zip(classes, counts, strict=True)
    ]
    return images.x[np.concatenate(rows)]


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


def train(kind, images, setting, own, real_share=0.5, mask=True, from_ali=False, seed=None):
    """A trained model and how its samples became diverse, or did not."""
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


@functools.lru_cache(maxsize=4)
def _classifier(n_classes, shape):
    return models.ReusableModel(
        functools.partial(models.guruswamy_classifier, n_classes, shape),
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **backend.convolution_compile_options(),
    )


def fit_classifier(images, epochs, patience, seed, sets):
    """The classifier trained on the images and labels of `sets`, with its best weights."""
    model = _classifier(images.n_classes, images.shape).fresh(seed)
    x = Stacked(*(x for x, _ in sets))
    y = np.concatenate([y for _, y in sets])
    models.fit_with_validation(
        model, (x, y), images.validation, CLASSIFIER_BATCH, epochs, patience, seed
    )
    return model


def scores(model, images, chunk=5000):
    """Accuracies and recalls in [0, 1] on the test images, and how many of each class they are."""
    x, y = images.test
    logits = np.concatenate(
        [
            models.predict(model, x[np.arange(i, min(i + chunk, len(y)))])
            for i in range(0, len(y), chunk)
        ]
    )
    predicted = logits.argmax(axis=1)
    found = {
        "accuracy": float((predicted == y).mean()),
        "balanced_accuracy": balanced_accuracy(y, predicted),
        "recalls": [
            None if np.isnan(r) else float(r)
            for r in per_class_recall(y, predicted, images.n_classes)
        ],
        "tested": np.bincount(y, minlength=images.n_classes).tolist(),
        "updates": int(model.optimizer.iterations),
    }
    if images.n_classes > 2:
        k = min(5 if images.n_classes > 10 else 2, images.n_classes - 1)
        found["top_k_accuracy"] = top_k_accuracy(y, logits, k)
    return found


# The results of one cell, by the kind that its parameters name; see `cells`.
compute = by_kind(run=run)
