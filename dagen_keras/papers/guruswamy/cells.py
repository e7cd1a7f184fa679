"""What one cell of Guruswamy et al. computes."""

import functools
import warnings
from dataclasses import dataclass, replace

import keras
import numpy as np

from dagen_keras import backend, datasets, evaluate, models
from dagen_keras.augment import ClassicTransforms
from dagen_keras.checks import RunError
from dagen_keras.datasets.oasis import block_mean
from dagen_keras.evaluate import FeatureSpace
from dagen_keras.papers.guruswamy.protocol import METHODS, ROLES
from dagen_keras.study.judge import accuracy, judge_of, reserved
from dagen_keras.study.packing import pack, webp
from dagen_keras.study.settings import enough

SPARSE = {1: 0.5, 3: 0.65, 7: 0.8}  # The shares that Fashion-MNIST's classes are cut to.
CIFAR100_SHARES = (0.65, 0.7, 0.75, 0.8)
VALIDATION_SHARE = 0.1
CLASSIFIER_BATCH = 64
# Section V.D: three blocks of convolution, pooling and dropout, and a layer of logits; sizes ours.
CLASSIFIER = functools.partial(
    models.conv_classifier, filters=(32, 64, 128), hidden=(), dropout=0.25, activation=None
)
PER_CLASS = 100  # Images drawn to see how diverse they are.
SCORED = 2000  # Images drawn for the pilot's FID.
SHOWN, COLUMNS = 20, 10


@dataclass(frozen=True, eq=False)
class Images:
    """One seed's images.

    Attributes:
        x, y: training images and labels; adversarial models see these alone.
        validation, test: (images, labels). The test part is not cut.
        missing: {sparse class: images that it lacks}, which augmentation adds.
        left: the share of its images that was left of each class.
    """

    x: np.ndarray
    y: np.ndarray
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    missing: dict[int, int]
    left: list[float]

    @property
    def n_classes(self):
        return len(self.left)

    def choose(self, labels, seed):
        """A training image for each label: random, each used once before any is used twice."""
        rng, rows = np.random.default_rng(seed), np.empty(len(labels), int)
        for label in np.unique(labels):
            of_class = rng.permutation(np.flatnonzero(self.y == label))
            rows[labels == label] = np.resize(of_class, (labels == label).sum())
        return self.x[rows]


def classes_of(name, n_classes, settings):
    """The classes that are used of a dataset: of CIFAR-100's some, drawn once for all seeds."""
    if name != "cifar100":
        return np.arange(n_classes)
    return np.sort(np.random.default_rng(0).permutation(n_classes)[: settings.classes])


def shares_left(name, n_classes):
    """The share of its images that is left of each sparse class: {label: share}.

    Of CIFAR-100's classes a fifth is drawn, once for all seeds, and the four shares go round, as
    20 of its 100 in the paper. Histopathology is imbalanced by nature.
    """
    if ROLES[name] == "histopathology":
        return {}
    if ROLES[name] == "fashion_mnist":
        return SPARSE
    drawn = np.random.default_rng(0).permutation(n_classes)[: n_classes // 5]
    return dict(zip(drawn.tolist(), np.resize(CIFAR100_SHARES, len(drawn)).tolist(), strict=True))


def images_of(cell, bench):
    """The `Images` of a cell's seed, the same for every method."""
    key = ("images", cell.dataset, cell.seed, cell.images)
    return bench.fitted(key, lambda: prepared(bench.data(cell.dataset), cell.seed, cell.images))


def chosen(data, seed, settings):
    """Which training images a seed has before the cut, in random order."""
    classes, rows = classes_of(data.name, data.n_classes, settings), np.arange(len(data.y_train))
    if ROLES[data.name] == "fashion_mnist":
        rows, _ = reserved(len(rows), settings.reserve)
    rows = np.random.default_rng(backend.subseed(seed, "images")).permutation(rows)
    rows = rows[np.isin(data.y_train[rows], classes)]
    what = f"training images of {data.name}"
    return rows[: enough("images.train", settings.train, len(rows), what)]


def sizes(s, name, data):
    """Takes once the images that cells take; and one to see whether it can be shrunk."""
    images = s.patches_images if ROLES[name] == "histopathology" else s.images
    chosen(data, 0, images)
    shrunk(data.x_train[np.arange(1)], images)
    if s.pilot_seeds and ROLES[name] == "fashion_mnist":
        chosen(data, 0, s.images.replace({"train": s.pilot.size}))


def prepared(data, seed, settings):
    """The `Images` of a dataset for a seed and `protocol.Images`.

    A random choice of training images; the sparse classes of it cut; a tenth of what is left
    validates, by patient where there are patients. What a sparse class lacks is what it lost;
    where the imbalance is natural, what the largest class has more.
    """
    classes, rows = classes_of(data.name, data.n_classes, settings), chosen(data, seed, settings)
    number = np.searchsorted(classes, np.arange(data.n_classes))  # Of a class among those used.
    shares = shares_left(data.name, len(classes))
    for label, share in shares.items():
        cut = backend.subseed(seed, "cut", label)
        rows = rows[datasets.keep_share(number[data.y_train[rows]], [label], share, cut)]
    split = backend.subseed(seed, "validation")
    if data.subjects is None:
        parts = datasets.stratified_validation(data.y_train[rows], VALIDATION_SHARE, split)
    else:
        patients = data.subjects["patient"].to_numpy()[rows]
        parts = datasets.split_by_patient(patients, VALIDATION_SHARE, split, data.y_train[rows])
    train, validation = (rows[part] for part in parts)
    counts = np.bincount(number[data.y_train[train]], minlength=len(classes))
    missing = {label: round(counts[label] * (1 / share - 1)) for label, share in shares.items()}
    if not shares:
        missing = {c: int(counts.max() - n) for c, n in enumerate(counts) if n < counts.max()}
    tested = np.flatnonzero(np.isin(data.y_test, classes))
    (x, y), of_validation, of_test = (
        (shrunk(images[part], settings), number[labels[part]])
        for images, labels, part in (
            (data.x_train, data.y_train, train),
            (data.x_train, data.y_train, validation),
            (data.x_test, data.y_test, tested),
        )
    )
    left = [shares.get(label, 1.0) for label in range(len(classes))]
    return Images(x, y, of_validation, of_test, missing, left)


def shrunk(x, settings):
    """Images averaged over blocks of `shrink` pixels a side."""
    if any(side % settings.shrink for side in x.shape[1:3]):
        raise RunError(
            f"setting 'images.shrink' must divide the images' sides {x.shape[1:3]}; got "
            f"{settings.shrink}."
        )
    return np.moveaxis(block_mean(np.moveaxis(x, -1, 1), settings.shrink), 1, -1)


def affine(dataset):
    """The affine baseline; the paper names the kinds of transform, not their sizes."""
    flip = False if dataset in ("mnist", "digits") else "horizontal"
    return ClassicTransforms(rotation=15, zoom=0.1, width_shift=0.1, height_shift=0.1, flip=flip)


def adversarial(bench, gan, shape, n_classes, model, mask=True, diff_augment=False):
    """The `ReusableModel` of an adversarial model; its share of real images is set afterwards."""
    arguments = {"latent_dim": gan.latent_dim, "filters": gan.filters}

    def build():
        if model == "acgan_on_ali":
            return models.acgan_on_ali(models.ALI(shape, n_classes, **arguments), mask=mask)
        classes = {"cgan": models.CGAN, "acgan": models.ACGAN, "ali": models.ALI}
        augmentation = models.DiffAugment() if diff_augment else None
        return classes[model](shape, n_classes, augmentation=augmentation, **arguments)

    return bench.reusable(
        ("gan", model, mask, diff_augment, shape, n_classes, tuple(arguments.items()), gan.rate),
        build,
        optimizer=lambda: models.gan_optimizer(gan.rate),
    )


def trained(cell, bench, images, method, *callbacks):
    """A method's adversarial model, trained on a seed's images. That of an ALI serves many cells.

    Args:
        cell: whose `gan` and `seed` are used.
        images: the seed's `Images`.
        method: one of `METHODS`, or "ali".
        *callbacks: Keras callbacks.

    Raises:
        NonFiniteLossError: if the loss becomes NaN or infinite.
    """
    how = {"model": "ali"} if method == "ali" else METHODS[method]
    build = {name: how[name] for name in ("model", "mask", "diff_augment") if name in how}
    shape, seed = images.x.shape[1:], backend.subseed(cell.seed, method)
    gan = adversarial(bench, cell.gan, shape, images.n_classes, **build).fresh(seed)
    if how["model"] == "acgan_on_ali":
        ali = ali_of(cell, bench, images)
        gan.encoder.set_weights(ali.encoder.get_weights())
        if how.get("from_ali"):
            gan.generator.set_weights(ali.generator.get_weights())
    share = how.get("real_share", 0.5)
    gan.set_real_share(models.EveryThirdEpoch() if isinstance(share, str) else share)
    batches = models.ShuffledBatches((images.x, images.y.astype("int32")), cell.gan.batch, seed)
    # Not `fit_passes`: Keras draws one order before the first pass, and version 2 has the next.
    gan.fit(
        batches,
        epochs=max(1, round(cell.gan.updates / len(batches))),
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
    return gan


def ali_of(cell, bench, images):
    """The ALI of a cell's seed, with its trained weights."""
    key = ("ali", cell.dataset, cell.seed, cell.images, cell.gan)
    return bench.fitted(key, lambda: trained(cell, bench, images, "ali")).model


def maker(cell, bench, images):
    """A function from labels (n,) to images of these classes, and what there is to say of it."""
    seed, method = backend.subseed(cell.seed, "fill", cell.method), cell.method
    # Whatever is made of real images is made of the same ones.
    chosen = backend.subseed(cell.seed, "chosen")

    def real(labels):
        return images.choose(labels, chosen)

    if method == "duplicates":
        return real, {}
    if method == "affine":
        return lambda labels: affine(cell.dataset)(real(labels), seed), {}
    if method == "ali_reconstructions":
        ali = ali_of(cell, bench, images)
        return (
            lambda labels: ali.reconstruct(real(labels), labels, seed),
            of_ali(cell, bench, images, ali),
        )
    gan = trained(cell, bench, images, method)
    labels = np.repeat(np.arange(images.n_classes), PER_CLASS)
    drawn = evaluate.diversity(gan.generate(labels, seed), labels, images.n_classes)
    drawn /= evaluate.diversity(images.x, images.y, images.n_classes)
    facts = {"diversity": float(np.nanmin(drawn)), "mean_diversity": float(np.nanmean(drawn))}
    facts["collapsed"] = int((drawn < 0.5).sum())
    return lambda labels: gan.generate(labels, seed + 1), facts


def of_ali(cell, bench, images, ali):
    """Whether ALI reconstructs: images that it has not seen, as the judge names them."""
    found = {}
    if "judging" in cell.settings:
        judge = judge_of(cell, bench)
        x, y = judge.kept
        again = ali.reconstruct(shrunk(x, cell.images), y, cell.seed)
        side = cell.images.shrink
        again = again.repeat(side, axis=1).repeat(side, axis=2)  # The judge's size.
        found = {"reconstructed": judge.share_named(again, y), "judge_accuracy": judge.accuracy}
    if cell.seed == 0:
        x, y = (part[:COLUMNS] for part in images.validation)
        both = np.concatenate([x, ali.reconstruct(x, y, cell.seed)])
        drawn = ali.generate(np.arange(SHOWN) % images.n_classes, cell.seed)
        found |= {"pairs": webp(both, COLUMNS), "generated": webp(drawn, COLUMNS)}
    return found


def fill(cell, bench):
    """Fills up the sparse classes, trains the classifier and scores it on test images."""
    images = images_of(cell, bench)
    labels = np.repeat(list(images.missing), list(images.missing.values())).astype("int64")
    sets, found = [(images.x, images.y)], {}
    if cell.method != "none":
        made, found = maker(cell, bench, images)
        sets.append((made(labels), labels))
        if cell.seed == 0:
            found["png"] = webp(made(np.arange(SHOWN) % images.n_classes), COLUMNS)
    found |= scores(*classifier(cell, bench, images, sets), images)
    if cell.synthetic_only:
        # As many images of each class as the balanced training set has.
        alone = np.sort(np.concatenate([images.y, labels]))
        model, _ = classifier(cell, bench, images, [(made(alone), alone)])
        found["alone"] = accuracy(model, *images.test)
        majority = np.bincount(images.test[1]).max() / len(images.test[1])
        found |= {"majority": float(majority), "above": found["alone"] - float(majority)}
    counts = {"trained_on": sum(len(y) for _, y in sets), "tested_on": len(images.test[1])}
    return found | counts | patients(bench.data(cell.dataset))


def patients(data):
    """How many patients the images are of, where they are of patients."""
    return {} if data.subjects is None else {"patients": int(data.subjects["patient"].nunique())}


def classifier(cell, bench, images, sets):
    """The classifier trained on the images and labels of `sets`, and how it was trained."""
    shape, settings = images.x.shape[1:], cell.classifier
    network = bench.classifier(
        CLASSIFIER, images.n_classes, shape, logits=True, precision=settings.precision
    )
    model = network.fresh(backend.subseed(cell.seed, "classifier"))
    stopping = keras.callbacks.EarlyStopping(
        "val_loss", patience=settings.patience, mode="min", restore_best_weights=True
    )
    every, looks = settings.look_every, -(-settings.updates // settings.look_every)
    history = models.fit_updates(
        model,
        [np.concatenate(part) for part in zip(*sets, strict=True)],
        *(CLASSIFIER_BATCH, looks * every, every),
        seed=backend.subseed(cell.seed, "order"),
        what=f"the classifier ({cell.method})",
        validation=images.validation,
        callbacks=[stopping],
    ).history["val_loss"]
    return model, {"best": every * (int(np.argmin(history)) + 1), "updates": every * len(history)}


def logits_of(model, images):
    return models.predict(model, images.test[0], 100)


def top_k(n_classes):
    """The paper's k: 2 for Fashion-MNIST's ten classes, 5 for CIFAR-100's; None for two classes."""
    return 5 if n_classes > 10 else 2 if n_classes > 2 else None


def scores(model, facts, images):
    """Accuracies and recalls in [0, 1] on the test images, and the classes that are named."""
    y, logits, k = images.test[1], logits_of(model, images), top_k(images.n_classes)
    predicted, sparse = evaluate.named_classes(logits), list(images.missing)
    recalls = evaluate.per_class_recall(y, predicted, images.n_classes)
    # What the accuracy would be if the test part had been cut as the training part.
    on_cut = np.bincount(y, minlength=images.n_classes) * images.left
    packed = {"predicted": predicted.astype("uint8"), "labels": y.astype("uint8")}
    found = {
        "accuracy": float((predicted == y).mean()),
        "balanced_accuracy": evaluate.balanced_accuracy(y, predicted),
        "sparse_recall": float(np.nanmean(recalls[sparse])),
        "full_recall": float(np.nanmean(np.delete(recalls, sparse))),
        "accuracy_on_cut": float(np.nansum(on_cut * recalls) / on_cut.sum()),
    }
    if k:
        found["top_k"] = evaluate.top_k_accuracy(y, logits, k)
        hits = (np.argsort(logits, axis=1)[:, -k:] == y[:, None]).any(axis=1)
        packed["top_k"] = np.packbits(hits)
    return found | facts | {"classes": pack(**packed)}


def pilot(cell, bench):
    """FID, against reserved images, of a method's images after doubling numbers of updates."""
    images, judge = images_of(cell, bench), judge_of(cell, bench)
    x, _ = judge.kept
    space = FeatureSpace.of_classifier(judge.model)
    reference = space.reference(x, progress=False)
    looks = Doubling(cell.pilot, reference, cell.images.shrink, backend.subseed(cell.seed, "look"))
    settings = {**cell.settings, "gan": cell.gan.replace({"updates": cell.pilot.marks[-1]})}
    trained(replace(cell, settings=settings), bench, images, cell.method, looks)
    return {"updates": looks.updates, "fid": looks.fids}


class Doubling(keras.callbacks.Callback):
    """FID of a GAN's images after the epochs that end nearest to doubling numbers of updates."""

    def __init__(self, pilot, reference, side, seed):
        super().__init__()
        self.updates, self.reference, self.side = pilot.marks, reference, side
        self.seed, self.fids = seed, []

    def on_epoch_end(self, epoch, logs=None):
        steps = self.params["steps"]
        while len(self.fids) < len(self.updates) and (
            epoch + 1 >= max(1, round(self.updates[len(self.fids)] / steps))
        ):
            labels = np.arange(SCORED) % self.model.n_classes
            drawn = self.model.generate(labels, self.seed)
            drawn = drawn.repeat(self.side, axis=1).repeat(self.side, axis=2)
            with warnings.catch_warnings(action="ignore", category=UserWarning):
                self.fids.append(self.reference.score(drawn, progress=False).fid)


COMPUTE = {"fill": fill, "pilot": pilot}
