"""What one cell of Akula et al. computes: scores of images, and the classifier."""

import warnings

import keras
import numpy as np
from scipy.special import log_softmax

from dagen_keras import backend, evaluate, models
from dagen_keras.papers.akula.generators import (
    BATCH,
    choose,
    classifier,
    drawn,
    gans,
    joined,
    judge_of_two,
    key,
    real_images,
    rows_of,
    space,
)
from dagen_keras.papers.akula.protocol import GATED, METHODS, QUANTILES
from dagen_keras.study.bench import Fitted
from dagen_keras.study.packing import pack, webp

COLUMNS = {"vae": 10, "rhvae": 10, "gan": 8}  # Of the paper's sheets, which are square.


def sizes(s, _, data):
    """Takes once the rows of the images that cells take."""
    for together in (False, True):
        rows_of(data, s.images, 0, together)


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
        return evaluate.named_classes(logits).astype("uint8"), y.astype("uint8"), nats

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
    model = classifier(bench, images[0].shape[1:], s.precision).fresh(seed)
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
