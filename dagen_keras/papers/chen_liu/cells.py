"""What one cell of Chen and Liu computes."""

import itertools
import warnings

import keras
import numpy as np
from keras import layers
from sklearn.decomposition import PCA

from dagen_keras import backend, models
from dagen_keras.augment import Augmenter
from dagen_keras.evaluate import (
    density_coverage,
    frechet_distance,
    named_classes,
    precision_recall,
)
from dagen_keras.models.divergences import kl, t_value, wasserstein2
from dagen_keras.papers.chen_liu.protocol import FIDS, HIDDEN, LATENT_DIM, METHODS, ROUNDING, SPACES
from dagen_keras.study.judge import fell, judge_of, partition, reserved
from dagen_keras.study.packing import pack, png
from dagen_keras.study.settings import enough

BATCH = 100  # Of VAEs and classifiers.
COMPONENTS, NEIGHBOURS = 64, 5
MONITORED, SHOWN = 1000, 20
T_LIMIT = 0.5 * LATENT_DIM  # Ours: runs with a mean |T| above it over- or underfit.


def vae(bench, method, image_shape, weight=1.0):
    """The `ReusableModel` of a method; its lambda may be set after `fresh`."""
    divergence, heads = METHODS[method]
    activations = {f"{head}_activation": models.nonpositive for head in heads}
    return bench.reusable(
        ("vae", method, image_shape, weight),
        lambda: models.dense_vae(
            LATENT_DIM,
            image_shape,
            HIDDEN,
            divergence=divergence,
            divergence_weight=weight,
            **activations,
        ),
        optimizer="adam",
        **backend.compile_options(steps_per_execution=10),
    )


def some(x, n):
    """At most `n` rows of `x`, drawn once for all seeds."""
    return x[np.random.default_rng(0).permutation(len(x))[:n]]


def spaces(cell, bench):
    """A function from images to their features by space, and those of "train" and "test" images.

    The spaces, (n, d) each, are the judge's last hidden layer, the global averages of its
    convolutions' maps, and the first principal components of the training images' pixels.
    """

    def make():
        data, (x, _), _ = partition(cell, bench)
        judge = judge_of(cell, bench).model
        maps = [layer.output for layer in judge.layers if isinstance(layer, layers.Conv2D)]
        pooled = layers.Concatenate()([layers.GlobalAveragePooling2D()(m) for m in maps])
        network = keras.Model(judge.inputs, [judge.layers[-1].input, pooled])
        pixels = x.reshape(len(x), -1)
        pca = PCA(min(COMPONENTS, *pixels.shape), svd_solver="covariance_eigh").fit(pixels)

        def features(images):
            projected = pca.transform(images.reshape(len(images), -1))
            found = (*models.predict(network, images, BATCH), projected)
            return dict(zip(SPACES, found, strict=True))

        sides = {"train": x, "test": data.x_test}
        return features, {k: features(some(v, cell.fid.images)) for k, v in sides.items()}

    return bench.once(("spaces", cell.dataset, cell.images, cell.fid, cell.judging), make)


def fid(real, generated):
    # Of no more images than features: bundled data are no measurement.
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return frechet_distance(real, generated)


def compare(real, generated):
    """FID in each space, and precision, recall, density and coverage in the hidden one."""
    found = {f"fid_{space}": fid(real[space], generated[space]) for space in SPACES}
    pair = real["hidden"], generated["hidden"], NEIGHBOURS
    found["precision"], found["recall"] = precision_recall(*pair)
    found["density"], found["coverage"] = density_coverage(*pair)
    return found


def floor(cell, bench):
    """Real test images against real training images: the best that samples can come to."""
    _, real = spaces(cell, bench)
    return compare(real["train"], real["test"]) | {"judge_accuracy": judge_of(cell, bench).accuracy}


def run(cell, bench):
    """Trains one VAE of all classes and scores images drawn from its prior."""
    data, (x, _), _ = partition(cell, bench)
    model = vae(bench, cell.method, data.image_shape).fresh(backend.subseed(cell.seed, "vae"))
    model.set_divergence_weight(cell.weight)
    short = cell.vae.epochs
    epochs = cell.long.epochs if "long" in cell.settings else short
    scores = {}

    def look(epoch, logs):
        if epoch + 1 in (short, epochs):
            scores[epoch + 1] = score(model, cell, bench, x)

    monitor = Monitor(x[:: -(-len(x) // MONITORED)], backend.subseed(cell.seed, "monitor"))
    history = models.fit_passes(
        *(model, x, epochs, BATCH),
        seed=backend.subseed(cell.seed, "order"),
        windows=epochs,
        callbacks=[monitor, keras.callbacks.LambdaCallback(on_epoch_end=look)],
    ).history
    found = scores[short] | monitor.values
    found["reconstruction"] = [round(value, 4) for value in history["reconstruction"]]
    found["fell"] = fell(history["loss"][:short])
    if epochs > short:
        found |= {f"long_{name}": scores[epochs][name] for name in (*FIDS, "reconstructed")}
        found["converged"] = epochs_to_converge(history["reconstruction"])
    return found


def score(model, cell, bench, x):
    """What a VAE's samples, its posteriors of the images x and its reconstructions say."""
    features, real = spaces(cell, bench)
    real = real["train" if cell.kind == "search" else "test"]
    draw = np.random.default_rng(backend.subseed(cell.seed, "prior"))
    latent = draw.standard_normal((cell.fid.images, LATENT_DIM), dtype="float32")
    drawn = models.predict(model.decoder, latent, BATCH)
    folded = features(models.predict(model.decoder, -np.abs(latent), BATCH))
    found = compare(real, features(drawn))
    found |= posterior_summary(*models.predict(model.encoder, x, BATCH))
    of_each = [(label, model) for label in range(bench.data(cell.dataset).n_classes)]
    found |= judge_of(cell, bench).of_vaes(of_each)
    found["folded_fid"] = fid(real["hidden"], folded["hidden"])
    return found | ({"png": png(drawn[:SHOWN], columns=5)} if cell.seed == 0 else {})


def epochs_to_converge(reconstruction):
    """The first epoch whose reconstruction is within 1 % of the last one's."""
    return next(e for e, v in enumerate(reconstruction, 1) if v <= 1.01 * reconstruction[-1])


class Monitor(keras.callbacks.Callback):
    """Mean T, ELBO_KL and ELBO_W of some images after every epoch, with lambda 1 in both."""

    def __init__(self, images, seed):
        super().__init__()
        draw, size = np.random.default_rng(seed), (len(images), LATENT_DIM)
        self.images, self.noise = images, draw.standard_normal(size, dtype="float32")
        self.values = {"t_by_epoch": [], "elbo_kl": [], "elbo_w": []}

    def on_epoch_end(self, epoch, logs=None):
        # Called, not `predict`: the images fit one batch, and `predict` takes longer to start.
        mean, log_var = map(keras.ops.convert_to_numpy, self.model.encoder(self.images))
        decoded = self.model.decoder(mean + np.exp(log_var / 2) * self.noise)
        p, x = keras.ops.convert_to_numpy(decoded).astype(float).clip(1e-7, 1 - 1e-7), self.images
        log_p = (x * np.log(p) + (1 - x) * np.log1p(-p)).sum(axis=(1, 2, 3))
        elbos = [log_p - np.asarray(divergence(mean, log_var)) for divergence in (kl, wasserstein2)]
        values = (np.asarray(t_value(mean, log_var)), *elbos)
        for entries, value in zip(self.values.values(), values, strict=True):
            entries.append(round(float(value.mean()), 4))


def posterior_summary(mean, log_var):
    """What the posteriors of the training images say, (n, d) each."""
    t, narrow = np.asarray(t_value(mean, log_var)), (log_var <= 0).all(axis=1)
    return {
        "t": float(t.mean()),
        "kept": bool(abs(t.mean()) <= T_LIMIT),
        "narrow_t": float(t[narrow].max()) if narrow.any() else None,
        "narrow_with_positive_t": float((narrow & (t > ROUNDING)).mean()),
        "negative_means": float((mean < 0).mean()),
        # Dimensions that tell images apart, in the usual count of active units.
        "active_units": int((mean.var(axis=0) > 0.01).sum()),
    }


def sizes(s, name, data):
    """Asks for as many images as cells take."""
    free, _ = reserved(len(data.x_train), s.images.reserve)
    if name == s.datasets[0]:
        asked = {"sizes": max(s.sizes), "pilot.size": s.pilot.size if s.pilot_seeds else 0}
        for setting, size in asked.items():
            enough(setting, size, len(free), f"training images of {name}")
        n = s.classifier.test_images
        enough("classifier.test_images", n, len(data.x_test), f"test images of {name}")


def training_set(cell, bench):
    """Table 2's images and labels, real ones and then generated ones, and the VAEs if any.

    The real ones depend on size and seed alone, and a smaller set is part of a larger one.
    """
    data, (x, y), _ = partition(cell, bench)
    rows = np.random.default_rng(backend.subseed(cell.seed, "images")).permutation(len(x))
    x, y = x[rows[: cell.train_size]], y[rows[: cell.train_size]]
    if cell.method == "none":
        return x, y, None
    augmenter = Augmenter(
        vae(bench, cell.method, data.image_shape, cell.weight),
        epochs=cell.augmentation.passes,
        batch_size=BATCH,
        random_state=backend.subseed(cell.seed, "vae"),
    ).fit(x, y)
    each = -(-cell.augmentation.generated // len(augmenter.classes_))
    new = augmenter.sample_each(each, augmenter.random_state)
    return *map(np.concatenate, zip((x, y), new, strict=True)), augmenter


@backend.prompt_pipelines()
def predictions(cell, bench, x, y, marks, tested, precision="float32"):
    """The classes that one CNN, trained on (x, y), gives `tested` after each of these updates."""
    network = models.conv_classifier, bench.data(cell.dataset).n_classes, x.shape[1:]
    network = bench.classifier(*network, precision=precision)
    model = network.fresh(backend.subseed(cell.seed, "classifier"))
    passes, order = -(-max(marks) * BATCH // len(x)), backend.subseed(cell.seed, "batches")
    batches, found = models.ShuffledBatches((x, y), BATCH, order, passes), {}
    for done, mark in itertools.pairwise([0, *sorted(set(marks))]):
        model.fit(
            (batches[step] for step in range(done, mark)),
            steps_per_epoch=mark - done,
            callbacks=[models.StopOnNonFiniteLoss("the classifier")],
            shuffle=False,
            verbose=0,
        )
        found[mark] = named_classes(models.predict(model, tested, BATCH)).astype("uint8")
    return found


def table2(cell, bench):
    """The CNN with and without generated images, at equal epochs, equal updates, and early."""
    data = bench.data(cell.dataset)
    budgets, n = cell.classifier, cell.classifier.test_images
    tested, labels = some(data.x_test, n), some(data.y_test, n).astype("uint8")
    x, y, augmenter = training_set(cell, bench)
    at_epochs = budgets.epochs * -(-len(x) // BATCH)
    marks = (at_epochs, budgets.updates, *budgets.looked_at)
    found = predictions(cell, bench, x, y, marks, tested, budgets.precision)
    accuracy = {mark: float((predicted == labels).mean()) for mark, predicted in found.items()}
    values = {
        "accuracy": accuracy[at_epochs],
        "updates": at_epochs,
        "at_updates": accuracy[budgets.updates],
        "early": list(budgets.looked_at),
        "early_accuracy": [accuracy[mark] for mark in budgets.looked_at],
        "classes": pack(predicted=found[at_epochs], labels=labels),
        "classes_at_updates": pack(predicted=found[budgets.updates], labels=labels),
    }
    return values | (judge_of(cell, bench).of_vaes(augmenter.trained()) if augmenter else {})


def pilot(cell, bench):
    """Accuracy on reserved images of the training partition after doubling numbers of updates."""
    _, _, (x_kept, y_kept) = partition(cell, bench)
    x, y, _ = training_set(cell, bench)
    found = predictions(cell, bench, x, y, cell.pilot.marks, x_kept)
    return {"updates": [*found], "accuracy": [float((p == y_kept).mean()) for p in found.values()]}


COMPUTE = {"floor": floor, "search": run, "final": run, "table2": table2, "pilot": pilot}
