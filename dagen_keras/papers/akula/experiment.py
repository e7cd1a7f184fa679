"""What one cell of Akula et al. computes."""

import functools
import time
import warnings

import keras
import numpy as np
from scipy.special import logsumexp

from dagen_keras import backend, models
from dagen_keras.papers.akula.data import feature_space, prepare, prepare_all
from dagen_keras.papers.akula.generators import (
    GANSetting,
    VAESetting,
    discriminator,
    selected,
    synthetic,
)
from dagen_keras.papers.akula.grid import GANS, METHODS
from dagen_keras.papers.legacy import by_kind
from dagen_keras.sampling.calibration import reliability
from dagen_keras.study.packing import png

CLASSIFIER_BATCH = 64
SHOWN = {"vae": (100, 10), "rhvae": (100, 10), "gan": (64, 8)}  # Images and columns of figures.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def or_diverged(function):
    """`function`, whose result says where a model's loss did not stay finite."""

    @functools.wraps(function)
    def compute(*arguments, **keywords):
        try:
            return {"diverged": False, **function(*arguments, **keywords)}
        except models.NonFiniteLossError as error:
            return {"diverged": True, "why": str(error)}

    return compute


@or_diverged
def samples(data, seed, *, method, train_images, test_images, **how):
    """Draws a method's images, as many as the training images, and scores them."""
    images = prepare(data, seed, train_images, test_images)
    drawn = _drawn(images, seed, method, **how)
    x, _ = drawn.part(0, images.per_class)
    result = _scores(images, x)
    result["class_inception_scores"] = [
        _inception(images, of_class[: images.per_class]) for of_class in drawn.images
    ]
    result["seconds_an_image"] = drawn.seconds / sum(map(len, drawn.images))
    for name in drawn.reports[0]:
        result[name] = [report[name] for report in drawn.reports]
    if seed == 0:
        shown, columns = SHOWN[METHODS[method]["model"]]
        for label, of_class in enumerate(drawn.images):
            result[f"png_{label}"] = png(of_class[:shown], columns)
    return result


def floor(data, seed, *, train_images, test_images):
    """What real images score that the reference does not hold, and how good its classifier is."""
    images = prepare(data, seed, train_images, test_images)
    x, y = images.test
    space = feature_space(data)
    probabilities = models.predict(space.probabilities, data.x_test)
    return {
        **_scores(images, x),
        "class_inception_scores": [_inception(images, x[y == label]) for label in np.unique(y)],
        "classifier_accuracy": float((probabilities.argmax(axis=1) == data.y_test).mean()),
    }


@or_diverged
def classify(data, seed, *, method, regime, classifier_epochs, train_images, test_images, **how):
    """Trains the classifier on real and a method's images, and scores it after every epoch.

    Returns:
        `real` and `synthetic`: {"accuracy", "loss"} by epoch on the real test images and on as
        many images of the method; `pure`: the same of the latter, after the last epoch, for the
        classifier that has seen real training images alone.
    """
    images = prepare(data, seed, train_images, test_images)
    if method == "pure":
        _, curves = _pure(images, seed, classifier_epochs)
        return {**curves, "n_real": len(images.y), "n_synthetic": 0}
    drawn = _drawn(images, seed, method, **how)
    n, tested = images.per_class, len(images.test[1]) // len(images.names)
    # Training and test images of a method are different draws. (Random walks that did not move
    # may draw the same image, see `unmoved` in `samples`.)
    test = drawn.part(n, n + tested)
    if regime == "added":
        parts = [(images.x, images.y), drawn.part(0, n)]
    else:
        kept = np.arange(len(images.y)) % n < n - n // 2
        parts = [(images.x[kept], images.y[kept]), drawn.part(0, n // 2)]
    train = [np.concatenate(both) for both in zip(*parts, strict=True)]
    tests = {"real": images.test, "synthetic": test}
    _, curves = _fit_classifier(images, seed, train, classifier_epochs, tests)
    state, _ = _pure(images, seed, classifier_epochs)
    pure = models.set_state(_classifier(len(images.names), images.shape).fresh(0), state)
    return {
        **curves,
        "pure": dict(zip(("accuracy", "loss"), accuracy_and_loss(pure, *test), strict=True)),
        "n_real": len(parts[0][1]),
        "n_synthetic": len(parts[1][1]),
    }


@or_diverged
def chain_lengths(data, seed, *, chain_lengths, chain_images, train_images, test_images, **how):
    """The effect of K: images selected by chains of each length, by rejection, and unselected.

    Returns:
        `selections`: of each its scores, acceptance rate, proposals and seconds an image, and
        quantiles of the uncalibrated log-odds; `real`: these quantiles of real test images;
        `reliability`: for each class the calibration curves before and after.
    """
    images = prepare(data, seed, train_images, test_images)
    setting = _gan_setting(**how)
    wanted = [("prior", 1), ("rejection", 1)]
    wanted += [("metropolis_hastings", k) for k in chain_lengths]
    found, real, curves = {key: [] for key in wanted}, [], []
    for label in range(len(images.names)):
        source, _ = discriminator(images, seed, setting, label)
        curves.append(_reliability(source.calibration))
        x, y = images.test
        real.append(_raw_log_odds(source, x[y == label]))
        for sampler, k in wanted:
            start = time.perf_counter()
            chosen = source.select(
                sampler, chain_images, backend.subseed(seed, sampler, k, label), chain_length=k
            )
            seconds = time.perf_counter() - start
            found[sampler, k].append((chosen, seconds, _raw_log_odds(source, chosen.images)))
    return {
        "selections": [
            {"sampler": sampler, "K": k, **_selection(images, parts)}
            for (sampler, k), parts in found.items()
        ],
        "real": _quantiles(real),
        "reliability": curves,
    }


def _selection(images, parts):
    """Scores of one way to select, of the (`Selection`, seconds, log-odds) of each class."""
    chosen, seconds, log_odds = zip(*parts, strict=True)
    x = np.concatenate([selection.images for selection in chosen])
    return {
        **_scores(images, x),
        "class_inception_scores": [_inception(images, selection.images) for selection in chosen],
        "acceptance_rate": float(np.mean([s.acceptance_rate for s in chosen])),
        "restarted": float(np.mean([s.restarted for s in chosen])),
        "proposals_an_image": sum(s.proposals for s in chosen) / len(x),
        "seconds_an_image": sum(seconds) / len(x),
        "log_odds": _quantiles(log_odds),
    }


@or_diverged
def all_classes(data, seed, *, all_images, all_epochs, all_drawn, chain_length, **how):
    """One GAN of all classes, unselected and selected: Figs. 5 and 6."""
    images = prepare_all(data, seed, all_images)
    source, report = discriminator(images, seed, _gan_setting(gan_epochs=all_epochs, **how), 0)
    result = dict(report)
    for name in GANS:
        own = backend.subseed(seed, "all", name)
        chosen = source.select(METHODS[name]["sampler"], all_drawn, own, chain_length)
        result[name] = {**_scores(images, chosen.images), **selected(chosen)}
        if seed == 0:
            result[f"png_{name}"] = png(chosen.images[: SHOWN["gan"][0]], SHOWN["gan"][1])
    return result


def _drawn(images, seed, method, chain_length=None, **how):
    """All images of a method that any cell of a seed needs."""
    setting = _gan_setting(**how) if METHODS[method]["model"] == "gan" else _vae_setting(**how)
    per_class = images.per_class + len(images.test[1]) // len(images.names)
    return synthetic(images, seed, method, setting, per_class, chain_length)


def _vae_setting(*, vae_epochs, patience, vae_batch, vae_filters, vae_latent_dim):
    return VAESetting(vae_epochs, patience, vae_batch, vae_filters, vae_latent_dim)


def _gan_setting(*, gan_epochs, gan_batch, learning_rate, gan_filters, gan_latent_dim, held_out):
    return GANSetting(gan_epochs, gan_batch, learning_rate, gan_filters, gan_latent_dim, held_out)


@functools.lru_cache(maxsize=2)
def _reference(images):
    return feature_space(images.data).reference(images.x, progress=False)


def _scores(images, x):
    """FID, precision, recall and inception score of generated images of all classes together."""
    with warnings.catch_warnings():
        # Where there are few images the tables' notes say what an FID is then worth.
        warnings.simplefilter("ignore", UserWarning)
        scores = _reference(images).score(x, progress=False)
    names = ("fid", "precision", "recall", "inception_score", "n_real", "n_generated")
    return {name: getattr(scores, name) for name in names}


def _inception(images, x):
    return feature_space(images.data).inception_score(x, progress=False)[0]


def _raw_log_odds(source, x):
    return source.gan.log_odds(x, np.zeros(len(x), int))


def _quantiles(by_class):
    """Of all classes together."""
    return [float(q) for q in np.quantile(np.concatenate(by_class), QUANTILES)]


def _reliability(calibration):
    """Points of the reliability diagram of one class's discriminator."""
    both = {"before": calibration.probabilities_before, "after": calibration.probabilities_after}
    return {
        name: reliability(probabilities, calibration.real).to_dict("list")
        for name, probabilities in both.items()
    }


@functools.lru_cache(maxsize=2)
def _classifier(n_classes, shape):
    return models.ReusableModel(
        functools.partial(models.guruswamy_classifier, n_classes, shape),
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **backend.convolution_compile_options(),
    )


class Curves(keras.callbacks.Callback):
    """Accuracy and loss on sets of (images, labels) after every epoch: {set: {score: values}}."""

    def __init__(self, sets):
        super().__init__()
        self.sets = sets
        self.values = {name: {"accuracy": [], "loss": []} for name in sets}

    def on_epoch_end(self, epoch, logs=None):
        for name, (x, y) in self.sets.items():
            accuracy, loss = accuracy_and_loss(self.model, x, y)
            self.values[name]["accuracy"].append(round(accuracy, 5))
            self.values[name]["loss"].append(round(loss, 5))


def accuracy_and_loss(model, x, y):
    """Accuracy in [0, 1] and mean cross-entropy of a classifier that returns logits."""
    logits = models.predict(model, x).astype(float)
    log_p = logits - logsumexp(logits, axis=1, keepdims=True)
    return float((logits.argmax(axis=1) == y).mean()), float(-log_p[range(len(y)), y].mean())


def _fit_classifier(images, seed, train, epochs, tests):
    """The state of a classifier after all epochs, and its curves on `tests`."""
    own = backend.subseed(seed, "classifier")
    model = _classifier(len(images.names), images.shape).fresh(own)
    curves = Curves(tests)
    model.fit(
        models.ShuffledBatches(tuple(train), CLASSIFIER_BATCH, own),
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[models.StopOnNonFiniteLoss("the classifier"), curves],
    )
    return models.get_state(model), curves.values


@functools.lru_cache(maxsize=2)
def _pure(images, seed, epochs):
    """The classifier of real training images alone: its state and its curves."""
    return _fit_classifier(images, seed, (images.x, images.y), epochs, {"real": images.test})


# The results of one cell, by the kind that its parameters name; see `cells`.
compute = by_kind(
    samples=samples,
    floor=floor,
    classify=classify,
    chain_lengths=chain_lengths,
    all_classes=all_classes,
)
