"""What one cell of Guruswamy et al. computes."""

import functools

import keras
import numpy as np

from dagen_keras import backend, models
from dagen_keras.datasets import Stacked
from dagen_keras.evaluate import balanced_accuracy, per_class_recall, top_k_accuracy
from dagen_keras.papers.guruswamy.data import prepare
from dagen_keras.papers.guruswamy.filling import filler
from dagen_keras.papers.guruswamy.generators import Setting
from dagen_keras.papers.guruswamy.grid import top_k
from dagen_keras.papers.legacy import by_kind

CLASSIFIER_BATCH = 64


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
    gan_epochs=None,
    gan_batch=None,
    learning_rate=None,
    filters=None,
    latent_dim=None,
    **how,
):
    """Fills up the sparse classes, trains the classifier and scores it on test images.

    Returns:
        `scores` of the classifier, and of an adversarial model what it drew (pictures for seed 0)
        and how it trained. `diverged` is true where its loss did not stay finite; then there is
        nothing else.
    """
    images = prepare(data, seed, classes, train_images, test_images, shrink)
    setting = Setting(gan_epochs, gan_batch, learning_rate, filters, latent_dim)
    labels = np.repeat(list(images.missing), list(images.missing.values())).astype("int64")
    try:
        made, result = filler(images, seed, setting, fill, pictures=seed == 0, **how)
    except models.NonFiniteLossError as error:
        return {"diverged": True, "why": str(error)}
    fitted = functools.partial(
        fit_classifier, images, classifier_epochs, patience, backend.subseed(seed, "classifier")
    )
    new = [] if made is None else [(made(labels), labels)]
    result |= scores(fitted([(images.x, images.y), *new]), images)
    if synthetic_alone:
        del new  # Where images are many, both sets would be too many.
        # As many images of each class as the balanced training set has.
        counts = np.bincount(np.concatenate([images.y, labels]), minlength=images.n_classes)
        alone = np.repeat(np.arange(images.n_classes), counts)
        alone_scores = scores(fitted([(made(alone), alone)]), images)
        result["synthetic_accuracy"] = alone_scores["accuracy"]
    result |= {
        "diverged": False,
        "n_train": len(images.y),
        "added": len(labels) if fill else 0,
        "sparse": sorted(images.missing),
        "left": [images.shares.get(label, 1.0) for label in range(images.n_classes)],
    }
    return result


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
        found["top_k_accuracy"] = top_k_accuracy(y, logits, top_k(images.n_classes))
    return found


# The results of one cell, by the kind that its parameters name; see `cells`.
compute = by_kind(run=run)
