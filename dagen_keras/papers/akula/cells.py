"""What one cell of Akula et al. computes.

Images of both classes are a list, an array a class; `joined` makes images and labels of it.
"""

import time
import warnings
from dataclasses import dataclass, replace

import keras
import numpy as np
from scipy.special import log_softmax

from dagen_keras import backend, evaluate, models
from dagen_keras.augment import ClassicTransforms
from dagen_keras.checks import RunError
from dagen_keras.papers.akula.protocol import CLASSES, GATED, LOOKS, METHODS, QUANTILES
from dagen_keras.sampling import SAMPLERS, CalibratedDiscriminator
from dagen_keras.sampling.calibration import reliability
from dagen_keras.study.bench import Fitted
from dagen_keras.study.judge import Judge, accuracy, fell, judge_of, reserved
from dagen_keras.study.packing import pack, webp

BATCH = 100  # Of the judge, and of predictions.
MONITORED = 500  # Images of a GAN that are looked at while it trains.
COLUMNS = {"vae": 10, "rhvae": 10, "gan": 8}  # Of the paper's sheets, which are square.
VAES = {"vae": models.akula_vae, "rhvae": models.akula_rhvae}


@dataclass(frozen=True, eq=False)
class Images:
    """Real images, lists of equally many of each class."""

    names: tuple  # Of the classes; one if all classes are taken as one.
    seen: list  # Training images that generators see,
    held_out: list  # and that they do not see.
    test: list
    reserve: list  # Training images that nothing trains on.

    @property
    def train(self):
        """The classifier's training images, those that generators do not see first."""
        return [np.concatenate(parts) for parts in zip(self.held_out, self.seen, strict=True)]


def joined(of_each):
    """Images of a list one class after the other, and their labels from 0 on."""
    return np.concatenate(of_each), np.repeat(range(len(of_each)), list(map(len, of_each)))


def real_images(cell, bench, together=False):
    """The `Images` of a seed: of the two classes; or all there are of all classes, as one.

    Test images and reserve are the same for all seeds.

    Raises:
        RunError: if held-out images leave a generator fewer than two of a class.
    """
    data, asked = bench.data(cell.dataset), cell.images
    names = data.class_names if together else CLASSES[cell.dataset]
    labels = [data.class_names.index(name) for name in names]

    def some(x, y, rows, n, seed):
        """(classes, at most n, ...) images of these rows, in an order of the seed."""
        draw = np.random.default_rng(seed)
        rows = [draw.permutation(rows[y[rows] == label]) for label in labels]
        return np.stack([x[own[: min(n, *map(len, rows))]] for own in rows])

    free, kept = reserved(len(data.x_train), asked.reserve)
    most = len(free) if together else asked.train // 2
    seed = backend.subseed(cell.seed, "images")
    train = some(data.x_train, data.y_train, free, most, seed)
    held_out = -(-asked.held_out // len(names)) if together else asked.held_out
    if train.shape[1] < held_out + 2:
        raise RunError(
            f"of {train.shape[1]} training images of a class {held_out} cannot be held out and a "
            "generator be trained: give a larger 'images.train' or a smaller 'images.held_out'."
        )
    test = data.x_test, data.y_test, np.arange(len(data.y_test)), asked.test // len(names), 0
    reserve = some(data.x_train, data.y_train, kept, len(kept), 0)
    parts = train[:, held_out:], train[:, :held_out], some(*test), reserve
    if together:
        parts = [part.reshape(1, -1, *data.image_shape) for part in parts]
    return Images(("all classes",) if together else names, *map(list, parts))


def classifier(bench, shape):
    """The paper's "standard CNN" of two classes, a `ReusableModel` that returns logits."""
    return bench.classifier(models.guruswamy_classifier, 2, shape, logits=True)


def space(cell, bench):
    """The `FeatureSpace` of the judge of all the dataset's classes."""
    return bench.once(
        ("space", cell.dataset, cell.images.reserve, cell.judging),
        lambda: evaluate.FeatureSpace.of_classifier(judge_of(cell, bench).model),
    )


def judge_of_two(cell, bench):
    """The judge of the two classes: all of them but the reserve, mirrored and shifted."""

    def make():
        data, seed = bench.data(cell.dataset), backend.subseed(0, "judge")
        all_images = cell.images.model_copy(update={"train": 2 * len(data.x_train)})
        real = real_images(replace(cell, seed=0, settings={"images": all_images}), bench)
        transform = ClassicTransforms(width_shift=0.125, height_shift=0.125, flip="horizontal")
        model = classifier(bench, data.image_shape).new(seed)
        images, updates = joined(real.train), cell.naming.updates
        models.fit_updates(
            model, images, BATCH, updates, updates, seed, "the judge", transform=transform
        )
        return Judge(model, accuracy(model, *joined(real.test)), joined(real.reserve))

    return bench.once(("judge of two", cell.dataset, cell.images, cell.naming), make)


# Generators, one a class, fitted once a seed.


def key(cell, what, *groups):
    """Of what is fitted for a cell: what it is, dataset, seed, and groups of settings."""
    groups = (cell.settings[name] for name in ("images", *groups) if name in cell.settings)
    return what, cell.dataset, cell.seed, *groups


def vaes(cell, bench):
    """For each class the `Fitted` VAE or RHVAE; and what the gates ask of them."""
    (kind, _), s = METHODS[cell.method], cell.vae

    def fit():
        real, found, settled = real_images(cell, bench), [], []
        shape = bench.data(cell.dataset).image_shape
        reusable = bench.reusable(
            (kind, shape, s),
            lambda: VAES[kind](s.latent_dim, shape, s.filters),
            optimizer=lambda: keras.optimizers.Adam(s.rate),
            **backend.convolution_compile_options(),
        )
        for name, images in zip(real.names, real.seen, strict=True):
            seed = backend.subseed(cell.seed, kind, name)
            model = reusable.fresh(seed)
            history = models.fit_passes(model, images, s.epochs, s.batch, seed=seed, windows=LOOKS)
            settled.append(1 - fell(history.history["loss"]))
            found.append(Fitted(model))
        each = ((label, one.model) for label, one in enumerate(found))
        return found, {"settled": min(settled), **judge_of_two(cell, bench).of_vaes(each)}

    return bench.fitted(key(cell, kind, "vae", "naming"), fit)


def gans(cell, bench, together=False):
    """For each class, or for all together, a GAN's `CalibratedDiscriminator`; and a report."""
    s = cell.gan

    def fit():
        real, found, reports = real_images(cell, bench, together), [], []
        shape = bench.data(cell.dataset).image_shape
        reusable = bench.reusable(
            ("gan", shape, s),
            lambda: models.CGAN(shape, 1, latent_dim=s.latent_dim, filters=s.filters),
            optimizer=lambda: models.gan_optimizer(s.rate),
            **backend.convolution_compile_options(),
        )
        for name, seen, held_out in zip(real.names, real.seen, real.held_out, strict=True):
            seed = backend.subseed(cell.seed, "gan", name)
            gan, labels = reusable.fresh(seed), np.zeros(len(seen), "int32")
            monitor = evaluate.InceptionScoreMonitor(space(cell, bench), n=MONITORED, seed=seed)
            what = f"the GAN of {name}"
            budget = s.batch, s.updates, s.updates // LOOKS
            models.fit_updates(gan, (seen, labels), *budget, seed, what, callbacks=[monitor])
            seed = backend.subseed(seed, "calibration")
            found.append(CalibratedDiscriminator(Fitted(gan), held_out, seed=seed))
            new = gan.generate(labels, backend.subseed(seed, "diversity"))
            relative = evaluate.diversity(new, labels, 1) / evaluate.diversity(seen, labels, 1)
            report = {"name": name, "diversity": float(relative[0])}
            report["inception_by_look"] = [round(score, 4) for score in monitor.scores]
            reports.append(report | calibrated(found[-1].calibration))
        return found, {"gans": reports, "diversity": min(one["diversity"] for one in reports)}

    return bench.fitted(key(cell, ("gan", together), "gan", "judging"), fit)


def calibrated(calibration):
    """How a discriminator was calibrated, with scores and curves before and after."""
    report = {"calibration": calibration.method, "reliability": {}}
    for when in ("before", "after"):
        score, shares = getattr(calibration, when), getattr(calibration, f"probabilities_{when}")
        report |= {f"brier_{when}": round(score.brier, 5), f"z_{when}": round(score.z, 3)}
        curve = reliability(shares, calibration.real).round(4).to_dict("list")
        report["reliability"][when] = curve
    return report


def choose(discriminators, cell, n, what):
    """n images of each class, chosen in the cell's way; and what that took, of all together."""
    start, chosen = time.perf_counter(), []
    for label, one in enumerate(discriminators):
        seed = backend.subseed(cell.seed, what, cell.method, cell.chain_length, label)
        chosen.append(one.select(METHODS[cell.method][1], n, seed, cell.chain_length or 1))
    n *= len(chosen)
    return [one.images for one in chosen], {
        "acceptance_rate": float(np.mean([one.acceptance_rate for one in chosen])),
        "restarted": float(np.mean([one.restarted for one in chosen])),
        "proposals_an_image": sum(one.proposals for one in chosen) / n,
        "seconds_an_image": (time.perf_counter() - start) / n,
    }


def decode(fitted, cell, n):
    """n images of each class from VAEs; and the share of random walks that ended at a code."""
    start, images, unmoved = time.perf_counter(), [], []
    for label, one in enumerate(fitted):
        model, seed = one.model, backend.subseed(cell.seed, "drawn", cell.method, label)
        latent = SAMPLERS[METHODS[cell.method][1]](model, n, seed)
        images.append(models.predict(model.decoder, latent))
        codes = model.metric.centroids if hasattr(model, "metric") else []
        codes = set(map(tuple, np.asarray(codes)))
        unmoved += [point in codes for point in map(tuple, latent)]
    seconds = (time.perf_counter() - start) / len(unmoved)
    return images, {"unmoved": float(np.mean(unmoved)), "seconds_an_image": seconds}


def drawn(cell, bench):
    """A method's images, of each class as many as train and test; and what was reported."""
    of_gan = METHODS[cell.method][0] == "gan"

    def draw():
        real = real_images(cell, bench)
        n = len(real.train[0]) + len(real.test[0])
        found, report = (gans if of_gan else vaes)(cell, bench)
        images, said = choose(found, cell, n, "drawn") if of_gan else decode(found, cell, n)
        return images, report | said

    groups = ("gan", "judging") if of_gan else ("vae", "naming")
    return bench.fitted(key(cell, ("drawn", cell.method, cell.chain_length), *groups), draw)


# Scores of images.


def scores(cell, bench, images, together=False):
    """Of a list of images: FID and so on against real test images.

    `inception` is the mean of the classes' own scores, `inception_both` that of them together.
    """
    own = space(cell, bench)

    def make():
        x, _ = joined(real_images(cell, bench, together).test)
        return own.reference(x, progress=False)

    place = "reference", together, cell.dataset, cell.images, cell.judging
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        # Of no more images than features: bundled data are no measurement.
        found = bench.once(place, make).score(np.concatenate(images), progress=False)
    of_each = [own.inception_score(one, progress=False)[0] for one in images]
    return {
        **{name: getattr(found, name) for name in ("fid", "kid", "precision", "recall")},
        "inception": float(np.mean(of_each)),
        "inception_both": found.inception_score,
    }


def samples(cell, bench):
    """Scores a method's images, as many as there are test images; of "pure", real training ones.

    `nearest` is the median distance to the nearest of the images that generators see; of "pure"
    that of held-out images.
    """
    real, judge = real_images(cell, bench), judge_of_two(cell, bench)
    if cell.method == "pure":
        images, report = real.seen, {"judge_accuracy": judge.accuracy}
    else:
        images, report = drawn(cell, bench)
    images = [of_class[: len(real.test[0])] for of_class in images]
    x, y = joined(real.held_out if cell.method == "pure" else images)
    distances = evaluate.nearest_training_distance(x, joined(real.seen)[0])
    report = report | scores(cell, bench, images) | {"nearest": float(np.median(distances))}
    report["named"] = judge.share_named(x, y)
    if cell.seed == 0 and cell.method != "pure":
        columns = COLUMNS[METHODS[cell.method][0]]
        report |= {f"png_{label}": sheet(one, columns) for label, one in enumerate(images)}
    return report


def sheet(images, columns):
    """Images in a square; a hundred noisy colour images are to fit a line of the ledger."""
    return webp(images[: columns**2], columns, quality=15)


def select(cell, bench):
    """Images selected in one way by the GANs: scores, time, and the uncalibrated log-odds."""
    real, (found, _) = real_images(cell, bench), gans(cell, bench)
    images, report = choose(found, cell, len(real.test[0]), "select")
    for name, shown in (("log_odds", images), ("real_log_odds", real.test)):
        pairs = zip(found, shown, strict=True)
        odds = [one.gan.log_odds(x, np.zeros(len(x), int)) for one, x in pairs]
        report[name] = [round(float(q), 4) for q in np.quantile(np.concatenate(odds), QUANTILES)]
    return scores(cell, bench, images) | report


def all_classes(cell, bench):
    """The GAN of all classes, as many images as there are test images of one of the two."""
    n, real = len(real_images(cell, bench).test[0]), real_images(cell, bench, together=True)
    found, report = gans(cell, bench, together=True)
    images, said = choose(found, cell, n, "all")
    report = {**report, "seen": len(real.seen[0]), "acceptance_rate": said["acceptance_rate"]}
    if cell.seed == 0:
        report["png"] = sheet(images[0], COLUMNS["gan"])
    return report | scores(cell, bench, images, together=True)


# The classifier.


def look(model, real, synthetic):
    """Accuracy, cross-entropy and predicted classes, on real and on mixed test images.

    Both are (images, labels); mixed are both together. Without synthetic images (None) the mixed
    set is the real one twice, so that each image has its partner in another method's set.
    """

    def outputs(x, y):
        logits = models.predict(model, x, BATCH).astype(float)
        nats = -log_softmax(logits, axis=1)[np.arange(len(y)), y]
        return logits.argmax(axis=1).astype("uint8"), y.astype("uint8"), nats

    of_real = outputs(*real)
    of_other = outputs(*synthetic) if synthetic else of_real
    found = {}
    for test, parts in (("", [of_real]), ("_mixed", [of_real, of_other])):
        predicted, labels, nats = map(np.concatenate, zip(*parts, strict=True))
        found[f"accuracy{test}"] = float((predicted == labels).mean())
        found[f"loss{test}"] = float(nats.mean())
        found[f"classes{test}"] = pack(predicted=predicted, labels=labels)
    return found


def fit_classifier(cell, bench, images, synthetic=None):
    """The classifier after its updates on a list of images, and what `look` said after each epoch.

    All training sets take as many updates and are looked at after as many: an epoch is a pass over
    a set with added images.
    """
    s, real = cell.classifier, real_images(cell, bench)
    seed, rows = backend.subseed(cell.seed, "classifier"), []
    model = classifier(bench, images[0].shape[1:]).fresh(seed)
    updates = s.epochs * -(-2 * sum(map(len, real.train)) // s.batch)
    looks = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: rows.append(look(model, joined(real.test), synthetic))
    )
    budget = s.batch, updates, updates // s.epochs
    what = f"the classifier ({cell.method})"
    models.fit_updates(model, joined(images), *budget, seed, what, callbacks=[looks])
    return model, rows


def pure(cell, bench):
    """The `Fitted` classifier of real images alone, and its looks."""

    def fit():
        model, rows = fit_classifier(cell, bench, real_images(cell, bench).train)
        return Fitted(model), rows

    return bench.fitted(key(cell, "pure", "classifier"), fit)


def classify(cell, bench):
    """Trains the classifier on a training set; scored after every epoch on real and mixed images.

    Mixed are the real test images and as many of the method's that it was not trained on; of
    "pure" and "duplicates", which have none, the real ones. Added are as many images as there are
    real ones; with "replaced" half of the real ones are left out for as many.
    """
    real, values = real_images(cell, bench), {}
    n, tested = len(real.train[0]), len(real.test[0])
    if cell.method == "pure":
        rows = pure(cell, bench)[1]
    elif cell.method == "duplicates":
        _, rows = fit_classifier(cell, bench, [np.concatenate([x, x]) for x in real.train])
    else:
        images, report = drawn(cell, bench)
        new = n if cell.regime == "added" else n // 2
        left = n if cell.regime == "added" else n - new
        both = zip(real.train, images, strict=True)
        both = [np.concatenate([x[:left], synthetic[:new]]) for x, synthetic in both]
        synthetic = joined([x[n : n + tested] for x in images])
        _, rows = fit_classifier(cell, bench, both, synthetic)
        of_pure = look(pure(cell, bench)[0].model, joined(real.test), synthetic)
        values = {gate.value: report[gate.value] for gate in GATED if gate.value in report}
        values |= {f"pure_{name}": of_pure[name] for name in ("accuracy_mixed", "loss_mixed")}
    for test in ("", "_mixed"):
        for name in (f"accuracy{test}", f"loss{test}"):
            values[f"{name}_by_epoch"] = [round(row[name], 5) for row in rows]
        values[f"start{test}"] = rows[0][f"accuracy{test}"]
        values[f"classes_start{test}"] = rows[0][f"classes{test}"]
    return {**values, **rows[-1], "half": rows[(len(rows) - 1) // 2]["accuracy"]}


COMPUTE = {"samples": samples, "select": select, "all": all_classes, "classify": classify}
