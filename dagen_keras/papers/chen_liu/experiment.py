"""What one cell of Chen and Liu computes."""

import functools
import warnings

import keras
import numpy as np

from dagen_keras import backend, models
from dagen_keras.augment import Augmenter
from dagen_keras.evaluate import (
    FeatureSpace,
    FeatureStatistics,
    frechet_distance,
    precision_recall,
)
from dagen_keras.models.divergences import kl, t_value, wasserstein2
from dagen_keras.papers.chen_liu.grid import LATENT_DIM
from dagen_keras.runs.packing import png
from dagen_keras.runs.paper import by_kind

VAE_BATCH, CLASSIFIER_BATCH = 100, 100
MONITORED, SHOWN = 1000, 40


def run(
    data,
    seed,
    *,
    divergence,
    heads,
    weight,
    train_images,
    epochs,
    feature_spaces,
    feature_updates,
    fid_images,
):
    """Trains one VAE of all classes and scores images drawn from its prior."""
    references = {  # First: weights that cannot be had should not be found out after training.
        space: real_reference(data, space, feature_updates, fid_images) for space in feature_spaces
    }
    x = some_of(data.x_train, train_images, seed)
    model = vae(divergence, heads, data.image_shape).fresh(backend.subseed(seed, "vae"))
    model.set_divergence_weight(models.LinearSchedule() if weight == "schedule" else weight)
    monitor = Monitor(x[:MONITORED], backend.subseed(seed, "monitor"))
    try:
        history = models.fit_passes(
            model,
            x,
            epochs,
            VAE_BATCH,
            seed=backend.subseed(seed, "order"),
            windows=epochs,
            callbacks=[monitor],
        )
    except models.NonFiniteLossError:
        return {"diverged": True}
    mean, log_var = models.predict(model.encoder, x)
    latent = np.random.default_rng(backend.subseed(seed, "prior")).standard_normal(
        (min(fid_images, len(x)), LATENT_DIM), dtype="float32"
    )
    result = {
        "diverged": False,
        **posterior_summary(mean, log_var),
        "history": {"reconstruction": history.history["reconstruction"], **monitor.values},
        "png": png(models.predict(model.decoder, latent[:SHOWN]), columns=10),
    }
    for space, reference in references.items():
        drawn = _score(reference, models.predict(model.decoder, latent))
        folded = _score(reference, models.predict(model.decoder, -np.abs(latent)))
        result |= {f"{space}_{name}": value for name, value in drawn.items()}
        result[f"{space}_folded_fid"] = folded["fid"]
    return result


@functools.lru_cache(maxsize=8)
def vae(divergence, heads, image_shape):
    """The `ReusableModel` of a divergence and heads, whatever its lambda."""
    return models.ReusableModel(
        functools.partial(build, divergence, heads, 1.0, image_shape),
        optimizer="adam",
        **backend.dense_compile_options(),
    )


def build(divergence, heads, weight, image_shape):
    """A VAE with a divergence and its lambda, and min(0, x) on the named heads."""
    bounded = {"none": (), "log_var": ("log_var",), "both": ("mean", "log_var")}[heads]
    activations = {f"{head}_activation": models.nonpositive for head in bounded}
    return models.chen_liu_vae(LATENT_DIM, image_shape, divergence, weight, **activations)


class Monitor(keras.callbacks.Callback):
    """Mean T, ELBO_KL and ELBO_W of some images after every epoch, with lambda 1 in both."""

    def __init__(self, images, seed):
        super().__init__()
        self.images = images
        self.noise = np.random.default_rng(seed).standard_normal(
            (len(images), LATENT_DIM), dtype="float32"
        )
        self.values = {"t": [], "elbo_kl": [], "elbo_w": []}

    def on_epoch_end(self, epoch, logs=None):
        # Called, not `predict`: the images fit one batch, and `predict` takes longer to start.
        mean, log_var = map(keras.ops.convert_to_numpy, self.model.encoder(self.images))
        drawn = mean + np.exp(log_var / 2) * self.noise
        decoded = keras.ops.convert_to_numpy(self.model.decoder(drawn)).astype(float)
        decoded, x = decoded.clip(1e-7, 1 - 1e-7), self.images
        log_p = (x * np.log(decoded) + (1 - x) * np.log1p(-decoded)).sum(axis=(1, 2, 3))
        for name, divergence in (("elbo_kl", kl), ("elbo_w", wasserstein2)):
            self.values[name].append(float((log_p - np.asarray(divergence(mean, log_var))).mean()))
        self.values["t"].append(float(np.mean(t_value(mean, log_var))))


def posterior_summary(mean, log_var):
    """What the posteriors of the training images say, (n, d) each."""
    t = np.asarray(t_value(mean, log_var))
    narrow = (log_var <= 0).all(axis=1)
    positive = t > 1e-3  # More than rounding, which decides where a posterior is the prior.
    return {
        "t": float(t.mean()),
        "narrow": float(narrow.mean()),
        "narrow_with_positive_t": float((narrow & positive).mean()),
        "negative_means": float((mean < 0).mean()),
        # Dimensions that tell images apart, in the usual count of active units.
        "active_units": int((mean.var(axis=0) > 0.01).sum()),
    }


def floor(data, seed, *, feature_spaces, feature_updates, fid_images):
    """Scores of real training images that the reference does not hold, and of test images."""
    result = {}
    for space in feature_spaces:
        reference = real_reference(data, space, feature_updates, fid_images)
        others = _order(len(data.x_train))[_n_reference(data, fid_images) :]
        others = others[: reference.statistics.n]
        tested = some_of(data.x_test, fid_images, seed)
        for name, images in (("train", data.x_train[others]), ("test", tested)):
            scores = _score(reference, images)
            result |= {f"{space}_{name}_{key}": value for key, value in scores.items()}
        if space == "classifier":
            predicted = models.predict(feature_classifier(data, feature_updates), data.x_test)
            accuracy = float((predicted.argmax(axis=1) == data.y_test).mean())
            result["classifier_accuracy"] = accuracy
    return result


def _score(reference, images):
    features = reference.space.features_of(images, progress=False)
    with warnings.catch_warnings():
        # Where there are few images the tables' notes say what an FID is then worth.
        warnings.simplefilter("ignore", UserWarning)
        fid = frechet_distance(reference.statistics, FeatureStatistics().update(features))
    precision, recall = precision_recall(reference.kept, features)
    return {
        "fid": fid,
        "precision": precision,
        "recall": recall,
        "n_real": reference.statistics.n,
        "n_generated": len(images),
    }


@functools.lru_cache(maxsize=2)
def real_reference(data, space, feature_updates, fid_images):
    """Features of real training images, computed once a process."""
    if space == "classifier":
        found = FeatureSpace.of_classifier(feature_classifier(data, feature_updates))
    else:
        found = FeatureSpace.inception()
    chosen = _order(len(data.x_train))[: _n_reference(data, fid_images)]
    return found.reference(data.x_train[chosen], keep=fid_images, progress=False)


def _n_reference(data, fid_images):
    """At most half the training images: the other half shows what an FID of real images is."""
    return min(fid_images, len(data.x_train) // 2)


def _order(n):
    return np.random.default_rng(0).permutation(n)


@functools.lru_cache(maxsize=2)
def feature_classifier(data, updates):
    """A classifier of all training images; its last hidden layer is the feature space."""
    train, seed = (data.x_train, data.y_train), backend.subseed(0, "space")
    # A model of its own: the one of Table 2 gets new weights for every cell.
    return fit_classifier(_new_classifier(data), train, updates, updates, seed)[0]


def some_of(x, n, seed):
    """`n` random rows of `x`, or all."""
    return x[np.random.default_rng(seed).permutation(len(x))[:n]]


def _new_classifier(data):
    return models.ReusableModel(
        functools.partial(models.chen_liu_cnn, data.n_classes, data.image_shape),
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        **backend.convolution_compile_options(),
    )


_classifier = functools.lru_cache(maxsize=2)(_new_classifier)


def fit_classifier(reusable, train, updates, patience, seed, extra=None):
    """The CNN trained on nine tenths of `train` and all of `extra`; the other tenth validates.

    Args:
        reusable: the CNN, a `ReusableModel`.
        train: images and labels.
        updates, patience: updates at most, and without a better validation loss.
        seed: fixes the split, weights and order.
        extra: generated images and labels.

    Returns:
        The model with its best weights, and how many updates it took.
    """
    train, validation = split(train, seed)
    if extra is not None:
        train = tuple(np.concatenate(pair) for pair in zip(train, extra, strict=True))
    model = reusable.fresh(seed)
    steps = -(-len(train[0]) // CLASSIFIER_BATCH)
    epochs, patience = -(-updates // steps), -(-patience // steps)
    models.fit_with_validation(model, train, validation, CLASSIFIER_BATCH, epochs, patience, seed)
    return model, int(model.optimizer.iterations)


def split(images_and_labels, seed):
    """Nine tenths and one tenth of images and labels."""
    x, y = images_and_labels
    order = np.random.default_rng(seed).permutation(len(x))
    validation, train = np.split(order, [max(1, len(x) // 10)])
    return (x[train], y[train]), (x[validation], y[validation])


def classify(
    data,
    seed,
    *,
    train_size,
    test_images,
    updates,
    patience,
    divergence=None,
    heads=None,
    weight=None,
    generated=0,
    passes=0,
):
    """Table 2: accuracy in [0, 1] of the CNN, with images of one VAE a class or without."""
    rows = np.random.default_rng(seed).permutation(len(data.x_train))[:train_size]
    train = data.x_train[rows], data.y_train[rows]
    own_seed = backend.subseed(seed, "classifier")
    extra = None
    if divergence is not None:
        make = functools.partial(build, divergence, heads, weight, data.image_shape)
        # The images that validate the classifier are no business of the VAEs either.
        extra = synthetic(make, *split(train, own_seed)[0], seed, generated, passes)
    model, taken = fit_classifier(_classifier(data), train, updates, patience, own_seed, extra)
    return {"accuracy": _accuracy(model, data, test_images), "updates_taken": taken}


def synthetic(make, x, y, seed, generated, passes):
    """`generated` images of VAEs trained on one class of `x` each, equally many of each class."""
    augmenter = Augmenter(
        models.ReusableModel(make, optimizer="adam", **backend.dense_compile_options()),
        epochs=passes,
        batch_size=VAE_BATCH,
        seed=backend.subseed(seed, "augmenter"),
    ).fit(x, y)
    n = -(-generated // len(augmenter.classes_))
    new = np.concatenate([augmenter.sample(n, label) for label in augmenter.classes_])
    return new, np.repeat(augmenter.classes_, n)


def _accuracy(model, data, test_images):
    tested = _order(len(data.x_test))[:test_images]
    predicted = models.predict(model, data.x_test[tested]).argmax(axis=1)
    return float((predicted == data.y_test[tested]).mean())


def first_updates(data, seed, *, train_size, updates, test_images):
    """Accuracy of the baseline's CNN after every fortieth of its first updates."""
    rows = np.random.default_rng(seed).permutation(len(data.x_train))[:train_size]
    train, _ = split((data.x_train[rows], data.y_train[rows]), seed)
    model = _classifier(data).fresh(backend.subseed(seed, "first"))
    batches = models.ShuffledBatches(train, CLASSIFIER_BATCH, seed)
    step = max(1, updates // 40)
    accuracies = {}
    for update in range(1, updates + 1):
        model.train_on_batch(*batches[(update - 1) % len(batches)])
        if update % step == 0:
            accuracies[update] = _accuracy(model, data, test_images)
    return {"updates": list(accuracies), "accuracies": list(accuracies.values())}


# The results of one cell, by the kind that its parameters name; see `cells`.
compute = by_kind(run=run, floor=floor, classify=classify, first_updates=first_updates)
