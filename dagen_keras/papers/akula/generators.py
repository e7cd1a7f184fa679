"""The real images, judges and generators of Akula et al., and the images that are drawn.

Images of both classes are a list, an array a class; `joined` makes images and labels of it.
"""

import functools
import time
from dataclasses import dataclass, replace

import keras
import numpy as np

from dagen_keras import backend, evaluate, models
from dagen_keras.augment import ClassicTransforms
from dagen_keras.checks import RunError
from dagen_keras.papers.akula.protocol import CLASSES, LOOKS, METHODS
from dagen_keras.sampling import SAMPLERS, CalibratedDiscriminator, sampler_of
from dagen_keras.sampling.calibration import reliability
from dagen_keras.study.bench import Fitted
from dagen_keras.study.judge import Judge, accuracy, fell, judge_of, reserved
from dagen_keras.study.settings import enough

BATCH = 100  # Of the judge, and of predictions.
MONITORED = 500  # Images of a GAN that are looked at while it trains.
# The paper's "standard CNN", of which it says no more.
CLASSIFIER = functools.partial(
    models.conv_classifier, filters=(32, 64, 128), hidden=(), dropout=0.25, activation=None
)
VAES = {"vae": models.conv_vae, "rhvae": models.conv_rhvae}


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


def rows_of(data, asked, seed, together=False):
    """Rows of a seed's images, (classes, n) each: those that generators see, held out, of the test
    part, and reserved.

    Raises:
        RunError: if there are fewer than asked for, or if held-out images leave a generator fewer
            than two of a class.
    """
    names = data.class_names if together else CLASSES[data.name]

    def some(setting, n, y, rows, seed):
        draw = np.random.default_rng(seed)
        labels = [data.class_names.index(name) for name in names]
        rows = [draw.permutation(rows[y[rows] == label]) for label in labels]
        n = enough(setting, n, min(map(len, rows)), f"images of each class of {data.name}")
        return np.stack([own[:n] for own in rows])

    free, kept = reserved(len(data.x_train), asked.reserve)
    n = "all" if together or asked.train == "all" else asked.train // 2
    train = some("images.train", n, data.y_train, free, seed)
    held_out = -(-asked.held_out // len(names)) if together else asked.held_out
    if train.shape[1] < held_out + 2:
        raise RunError(
            f"of {train.shape[1]} training images of a class {held_out} cannot be held out and a "
            "generator be trained: give a larger 'images.train' or a smaller 'images.held_out'."
        )
    n, rows = asked.test // len(names), np.arange(len(data.y_test))
    test = some("images.test", n, data.y_test, rows, 0)
    reserve = some("images.reserve", "all", data.y_train, kept, 0)
    return train[:, held_out:], train[:, :held_out], test, reserve


def real_images(cell, bench, together=False):
    """The `Images` of a seed: of the two classes; or all there are of all classes, as one.

    Test images and reserve are the same for all seeds.
    """
    data, asked = bench.data(cell.dataset), cell.images
    rows = rows_of(data, asked, backend.subseed(cell.seed, "images"), together)
    of_rows = data.x_train, data.x_train, data.x_test, data.x_train
    parts = [[x[own] for own in each] for x, each in zip(of_rows, rows, strict=True)]
    if together:
        parts = [[np.concatenate(part)] for part in parts]
    names = ("all classes",) if together else CLASSES[data.name]
    return Images(names, *parts)


def classifier(bench, shape, precision="float32"):
    """The paper's "standard CNN" of two classes, a `ReusableModel` that returns logits."""
    return bench.classifier(CLASSIFIER, 2, shape, logits=True, precision=precision)


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
        all_images = cell.images.replace({"train": "all"})
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
            lambda: models.CGAN(shape, latent_dim=s.latent_dim, filters=s.filters),
            optimizer=lambda: models.gan_optimizer(s.rate),
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
    settings = {"chain_length": cell.chain_length} if cell.chain_length else {}
    sampler = SAMPLERS[METHODS[cell.method][1]](**settings)
    start, chosen = time.perf_counter(), []
    for label, one in enumerate(discriminators):
        seed = backend.subseed(cell.seed, what, cell.method, cell.chain_length, label)
        chosen.append(sampler.select(one, n, seed))
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
        latent = sampler_of(METHODS[cell.method][1], model).points(model, n, seed)
        images.append(models.predict(model.decoder, latent))
        codes = model.metric.centroids if "metric" in model.offers else []
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
