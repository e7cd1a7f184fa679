"""What a comparison trains: a classifier with each method, and the generative models."""

import contextlib
import functools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dagen_keras import backend, models
from dagen_keras.augment.copies import nearest
from dagen_keras.augment.methods import CHEAP, GENERATIVE, METHODS
from dagen_keras.checks import RunError
from dagen_keras.evaluate import balanced_accuracy, named_classes

BATCH, SHOWN = 32, 8
# Of training images (uint8), their classes' names, how many of each class, and a seed: new ones.
Generator = Callable[[np.ndarray, np.ndarray, dict[str, int], int], dict[str, np.ndarray]]
# Of four sets of 120 images, the best cheap method was up to 8 points below its score at 1,200
# updates after 200, and within a point of it after 500.
PASSES, FEWEST_UPDATES, MOST_UPDATES = 20, 500, 1500
LAYERS = {
    "flips": lambda: keras.layers.Pipeline(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
        ]
    ),
    "randaugment": lambda: keras.layers.RandAugment(value_range=(0, 1)),
    "mixup": keras.layers.MixUp,
    "cutmix": keras.layers.CutMix,
}


class Bench:
    """A classifier that is compiled once, and trained with each method on each split.

    Args:
        images: uint8, (n, height, width, channels).
        labels: names of classes, (n,).
        seed: fixes weights, orders and images.
        generators: one's own generative methods by name.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        seed: int,
        generators: Mapping[str, Generator] | None = None,
    ):
        self.images, self.seed, self.generators = images, seed, dict(generators or {})
        self.classes, self.numbers = np.unique(labels, return_inverse=True)
        shape, n_classes = images.shape[1:], len(self.classes)
        filters = (16, 32, 64)[: max(1, min(3, int(math.log2(min(shape[:2]))) - 1))]
        self.classifier = models.ReusableModel(
            lambda: models.conv_classifier(n_classes, shape, filters, (64,), 0.25),
            optimizer="adam",
            loss="categorical_crossentropy",
            **backend.compile_options(steps_per_execution=20),
        )
        self.updates = int(np.clip(PASSES * len(images) // BATCH, FEWEST_UPDATES, MOST_UPDATES))
        self._changed = {name: ChangedBatches(layer()) for name, layer in LAYERS.items()}
        self._generative = {
            METHODS[name]: METHODS[name].reusable(shape, n_classes) for name in GENERATIVE
        }

    def warm_up(
        self, methods: Sequence[str], train: np.ndarray, clock: Callable[[], float]
    ) -> dict[str, float]:
        """Compiles what is trained, which is not to count as a method's time.

        Returns:
            about the seconds that a split of each method will take; of a generator of one's own
            only those of the classifier are known.
        """
        x, y = self.images[train].astype("float32") / 255, self.numbers[train]
        model, seconds = self.classifier.fresh(0), {}
        models.predict(model, x[:1], 100)
        for name in methods:

            def classifier(updates, name=name):
                self._fit(model, name, x, y, 0, updates)

            seconds[name] = 0.0
            with contextlib.suppress(models.NonFiniteLossError):  # A split will say so.
                seconds[name] += self.updates * _seconds_an_update(classifier, 1, clock)
                if name in GENERATIVE:
                    seconds[name] += self._training_seconds(METHODS[name], x, y, clock)
        return seconds

    def _training_seconds(self, method, x, y, clock):
        """About how long the models of a split are trained."""
        sizes = [len(y)] if method.conditional else np.bincount(y)
        rows = slice(None) if method.conditional else y == np.argmax(sizes)
        images, labels, n = x[rows], y[rows], max(sizes)

        def fit(updates):
            with warnings.catch_warnings():  # What so few updates lead to says nothing.
                warnings.simplefilter("ignore")
                method.augmenter(self._generative[method], n, 0, updates).fit(images, labels)

        steps = sum(method.steps(size, method.updates) for size in sizes)
        return steps * _seconds_an_update(fit, method.steps(n, 1), clock)

    def score(
        self, name: str, train: np.ndarray, x: np.ndarray, y: np.ndarray, split: int = 0
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Trains with the method on these rows, and tests on other images.

        Args:
            name: of `CHEAP`, a generative one of `METHODS`, or one of `generators`.
            train: rows to train on.
            x: images to test on, uint8.
            y: their classes' numbers.
            split: its number, from which seeds are taken, so that methods share first weights.

        Returns:
            `accuracy` and `balanced_accuracy` in [0, 1], with `copies`, the share of the new images
            that are copies; and by class some of these, uint8.
        """
        seed = backend.subseed(self.seed, "split", split)
        images, numbers = self.images[train].astype("float32") / 255, self.numbers[train]
        scores, examples = {}, {}
        if name not in CHEAP:
            images, numbers, scores["copies"], examples = self.with_new(name, train, seed)
        model = self.classifier.fresh(backend.subseed(seed, "weights"))
        self._fit(model, name, images, numbers, backend.subseed(seed, "order"), self.updates)
        predicted = named_classes(models.predict(model, x.astype("float32") / 255, 100))
        scores["accuracy"] = float((predicted == y).mean())
        scores["balanced_accuracy"] = balanced_accuracy(y, predicted)
        return scores, examples

    @backend.prompt_pipelines()
    def _fit(self, model, name, x, y, seed, updates):
        model.fit(
            self.batches(name, x, y, seed, updates),
            steps_per_epoch=updates,
            epochs=1,
            callbacks=[models.StopOnNonFiniteLoss(f"the classifier ({name})")],
            shuffle=False,
            verbose=0,
        )

    def with_new(
        self, name: str, train: np.ndarray, seed: int
    ) -> tuple[np.ndarray, np.ndarray, float, dict[str, np.ndarray]]:
        """Training images and new ones, twice as many of each class as the largest class has.

        Returns:
            images in [0, 1], their classes' numbers, the new ones' share of copies, and some of
            them by class, uint8.
        """
        real, y = self.images[train], self.numbers[train]
        labels, counts = self.classes[y], np.bincount(y)
        wanted = dict(zip(self.classes.tolist(), 2 * counts.max() - counts, strict=True))
        generate = self.generators.get(name, functools.partial(self._drawn, METHODS.get(name)))
        new = generate(real, labels, wanted, seed)
        parts = [_checked(new.get(label), real, name, label) for label in wanted]
        copies = [
            nearest(part, real, labels == label).copies
            for label, part in zip(wanted, parts, strict=True)
        ]
        x = np.concatenate([real, *parts]).astype("float32") / 255
        y = np.concatenate([y, *(np.full(len(part), n) for n, part in enumerate(parts))])
        examples = {label: part[:SHOWN] for label, part in zip(wanted, parts, strict=True)}
        return x, y, float(np.concatenate(copies).mean()), examples

    def _drawn(self, method, real, labels, wanted, seed):
        """New images of the method by class, uint8."""
        x, new, most = real.astype("float32") / 255, {}, max(wanted.values())
        for part in [[*wanted]] if method.conditional else [[label] for label in wanted]:
            rows = np.isin(labels, part)
            augmenter = method.augmenter(self._generative[method], int(rows.sum()), seed)
            augmenter.fit(x[rows], labels[rows])
            for label in part:
                # Always as many: what draws them is compiled for their number.
                images = augmenter.sample(most, label, seed)[: wanted[label]]
                new[label] = np.rint(255 * images).astype("uint8")
        return new

    def batches(
        self, name: str, x: np.ndarray, y: np.ndarray, seed: int, updates: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Images, one-hot labels and weights, a batch an update, all of one size."""
        counts, rng = np.bincount(y, minlength=len(self.classes)), np.random.default_rng(seed)
        rows, weights = np.arange(len(y)), np.ones(len(y), "float32")
        if name == "class weights":
            weights = (len(y) / len(counts) / counts[y]).astype("float32")
        if name == "duplicates":
            of_class = [np.flatnonzero(y == number) for number in range(len(counts))]
            lacks = counts.max() - counts
            more = [rng.choice(own, n) for own, n in zip(of_class, lacks, strict=True)]
            rows = np.concatenate([rows, *more])
        passes = -(-updates * BATCH // len(rows))
        order = np.concatenate([rng.permutation(rows) for _ in range(passes)])
        onehot, change = np.eye(len(counts), dtype="float32"), self._change(name, seed)
        for number in range(updates):
            rows = order[number * BATCH : (number + 1) * BATCH]
            yield *change(x[rows], onehot[y[rows]]), weights[rows]

    def _change(self, name, seed) -> Callable[[Any, Any], tuple[Any, Any]]:
        """What is done to a batch of images and labels."""
        if name not in self._changed:
            return lambda images, labels: (images, labels)
        changed = self._changed[name]
        changed.restart(seed)

        def change(images, labels):
            both = changed.predict_on_batch({"images": images, "labels": labels})
            return np.clip(both["images"], 0, 1), both["labels"]

        return change


def _seconds_an_update(train, pass_steps, clock):
    """Of a function that trains so many updates, in whole passes; the first call compiles."""
    train(pass_steps)
    few, seconds = -(-8 // pass_steps), []
    for passes in (1, 1 + few):
        start = clock()
        train(passes * pass_steps)
        seconds.append(clock() - start)
    return max(0.0, seconds[1] - seconds[0]) / (few * pass_steps)


def _checked(new, real, name, label):
    """New images that are like the real ones.

    Raises:
        RunError: if they are not.
    """
    new = np.asarray(new)
    if new.dtype != np.uint8 or new.shape[1:] != real.shape[1:] or not len(new):
        raise RunError(
            f"the generator {name!r} must give, of class {label!r}, images like the real ones: "
            f"uint8, (n, {', '.join(map(str, real.shape[1:]))}); got {new.dtype}, {new.shape}."
        )
    return new


class ChangedBatches(keras.Model):
    """One of Keras's layers for training, compiled: four times as fast as the layer alone."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.compile(**backend.compile_options())

    def call(self, both):
        return self.layer(both, training=True)

    def restart(self, seed):
        """What is drawn from here on depends on this seed alone."""
        for number, state in enumerate(self.variables):
            state.assign([backend.subseed(seed, number), 0])
