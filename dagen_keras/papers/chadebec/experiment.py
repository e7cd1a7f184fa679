"""What one cell of Chadebec and Allassonniere computes."""

import functools
import time

import keras
import numpy as np

from dagen_keras import backend, datasets, models
from dagen_keras.augment import ClassicTransforms, augment_by_factor
from dagen_keras.datasets import oasis
from dagen_keras.evaluate import balanced_accuracy
from dagen_keras.papers.chadebec import generators, geometry
from dagen_keras.papers.chadebec.grid import METHODS
from dagen_keras.papers.legacy import by_kind
from dagen_keras.study.packing import pack, png

CLASSIFIER_BATCH = 32
TOY_RATE = 1e-3
COMPARED, SHOWN = 100, 30


def conventional():
    """The paper's noise, crop, flips and rotations. It gives no sizes; these are ours."""
    return ClassicTransforms(rotation=20, flip=True, crop=0.2, noise=0.05)


def classify(
    data,
    seed,
    *,
    method,
    split,
    train_size,
    training_set,
    number,
    test_per_class,
    classifier_updates,
    classifier_patience,
    max_passes=None,
    patience=None,
):
    """Table 2: trains the DenseNet and scores it on test images, accuracy in [0, 1]."""
    train, validation = generators.subset(data, split, train_size, seed)
    augmenter = None
    if method in METHODS:
        kind = METHODS[method][0]
        augmenter = generators.class_wise(data, kind, split, train_size, seed, max_passes, patience)
    x, y = training_images(train, method, training_set, number, augmenter, seed)
    (_, y_all), (x_test, y_test) = generators.ten_classes(data)
    n_classes = len(np.unique(y_all))
    per_class = min(test_per_class, np.bincount(y_test).min())
    tested = datasets.balanced_subset(
        y_test, int(per_class) * n_classes, backend.subseed(seed, "test"), "test part"
    )
    trained, epochs = fit_classifier(
        "DenseNet",
        (x, y),
        validation,
        n_classes,
        TOY_RATE,
        classifier_updates,
        classifier_patience,
        backend.subseed(seed, "classifier"),
    )
    predicted = models.predict(trained, x_test[tested]).argmax(axis=1)
    return {
        "accuracy": float((predicted == y_test[tested]).mean()),
        "balanced_accuracy": balanced_accuracy(y_test[tested], predicted),
        "images": len(x),
        "epochs": epochs,
    }


def training_images(train, method, training_set, number, augmenter, seed):
    """Images and labels of a row of Tables 2 and 3."""
    if method == "raw":
        return train
    if method == "augmented":
        return augment_by_factor(conventional(), *train, number, backend.subseed(seed, "augmented"))
    new = generators.draw(augmenter, method, number)
    if training_set == "synthetic only":
        return new
    return tuple(np.concatenate(pair) for pair in zip(train, new, strict=True))


@functools.lru_cache(maxsize=4)
def _classifier(name, n_classes, image_shape, learning_rate):
    build = {
        "DenseNet": models.densenet,
        "MLP": models.chadebec_mlp,
        "CNN": models.chadebec_cnn,
    }[name]
    return models.ReusableModel(
        lambda: build(n_classes, image_shape),
        optimizer=functools.partial(keras.optimizers.Adam, learning_rate),
        loss="sparse_categorical_crossentropy",
        **backend.convolution_compile_options(),
    )


def fit_classifier(name, train, validation, n_classes, learning_rate, updates, patience, seed):
    """A classifier trained until the validation loss stops falling: the model, and its epochs."""
    model = _classifier(name, n_classes, train[0].shape[1:], learning_rate).fresh(seed)
    epochs = max(1, updates // -(-len(train[0]) // CLASSIFIER_BATCH))
    history = models.fit_with_validation(
        model, train, validation, CLASSIFIER_BATCH, epochs, patience, seed
    )
    return model, len(history.epoch)


def classify_brains(
    data,
    seed,
    *,
    method,
    training_set,
    number,
    classifier,
    runs,
    learning_rates,
    updates,
    downsample,
    generator_rate=None,
    max_passes=None,
    patience=None,
):
    """Table 3: balanced accuracy in [0, 1] on test brains, mean and deviation over runs."""
    parts = generators.brains(data, downsample)
    augmenter = None
    if method in METHODS:
        augmenter = generators.class_wise_brains(
            data, METHODS[method][0], downsample, generator_rate, seed, max_passes, patience
        )
    train = training_images(parts["train"], method, training_set, number, augmenter, seed)
    test_scores = {}

    def score(learning_rate, run_seed):
        model, _ = fit_classifier(
            *(classifier, train, parts["validation"], 2, learning_rate, updates),
            *(10 if classifier == "DenseNet" else 20, run_seed),
        )
        scores = [
            balanced_accuracy(y, models.predict(model, x).argmax(axis=1))
            for x, y in (parts["validation"], parts["test"])
        ]
        test_scores.setdefault(learning_rate, []).append(scores[1])
        return scores[0]

    found = models.search_learning_rate(
        score, learning_rates, n_runs=runs, seed=backend.subseed(seed, "runs")
    )
    chosen = test_scores[found.learning_rate]
    return {
        "balanced_accuracy": float(np.mean(chosen)),
        "balanced_accuracy_sd": float(np.std(chosen, ddof=1)) if len(chosen) > 1 else None,
        "learning_rate": found.learning_rate,
        "runs": len(chosen),
    }


def compare(data, seed, *, method, size, max_passes, patience):
    """Figs. 2 and 3: latent points of training images and of a method, and decoded images."""
    model, history, passes = generators.trained(
        data, METHODS[method][0], size, max_passes, patience
    )
    x, y = generators.reduced(data, size)
    latent = generators.draw_latent(model, method, COMPARED, backend.subseed(seed, method))
    mean = models.predict(model.encoder, x)[0]
    return {
        "arrays": pack(mean=mean, labels=y, latent=latent),
        "png": png(models.predict(model.decoder, latent[:SHOWN]), columns=6),
        "training_png": png(x[np.random.default_rng(0).permutation(len(x))[:SHOWN]], columns=6),
        "passes": passes,
        "loss": float(np.min(history.history["loss"])),
    }


def geometry_of(data, seed, *, size, max_passes, patience):
    """Fig. 1, and the evidence of the errata, on the RHVAE of Figs. 2 and 3."""
    model, _, _ = generators.trained(data, "rhvae", size, max_passes, patience)
    _, labels = generators.reduced(data, size)
    return geometry.measure(model.metric, labels, backend.subseed(seed, "geometry"))


def brain_samples(data, seed, *, method, downsample, generator_rate, max_passes, patience):
    """Fig. 4: images of both classes, training ones too, and how long 100 take."""
    augmenter = generators.class_wise_brains(
        data, METHODS[method][0], downsample, generator_rate, seed, max_passes, patience
    )
    generators.draw(augmenter, method, 1)  # Compiles.
    start = time.perf_counter()
    images, labels = generators.draw(augmenter, method, 100)
    seconds = (time.perf_counter() - start) / len(augmenter.classes_)
    x, y = generators.brains(data, downsample)["train"]
    result = {"seconds_per_100": seconds}
    for label, name in enumerate(data.class_names):
        result[f"{name}_png"] = png(images[labels == label][:6], columns=6)
        result[f"{name}_training_png"] = png(x[y == label][:6], columns=6)
    return result


def demographics(data, seed):
    """Table 1, of the CSV."""
    return {"table1": oasis.table1(data.subjects).reset_index().to_dict("records")}


# The results of one cell, by the kind that its parameters name; see `cells`.
compute = by_kind(
    classify=classify,
    classify_brains=classify_brains,
    compare=compare,
    geometry=geometry_of,
    brain_samples=brain_samples,
    demographics=demographics,
)
