"""Images that can be told apart, and calls of `fit` in which nothing is trained."""

import itertools

import keras
import numpy as np
import pandas as pd
import pytest

from dagen_keras import models
from dagen_keras.augment import Augmenter
from dagen_keras.datasets import Dataset
from dagen_keras.study import Bench
from dagen_keras.study.judge import Judge, reserved

EMPTY = pd.DataFrame(columns=["kind", "seed", "dataset"])  # Nothing is computed yet.


def bars(n, first, brightest):
    """Upright bars, each of its own brightness: what an image is can be read from its maximum."""
    images = np.zeros((n, 28, 28, 1), "float32")
    brightness = first + (brightest - first) * np.arange(n, dtype="float32") / n
    images[:, 9:19, 12:16] = brightness[:, None, None, None]
    return images


def place(images):
    """The brightness of images of bars, which geometric transforms leave alone."""
    return np.round(images.max((1, 2, 3)), 6)


def toy_data(classes=10, of_a_class=130, test=200):
    """A `Dataset` of bars: training images from 0.6 to 0.9, test images above 0.92."""
    y = np.random.default_rng(0).permutation(np.arange(classes * of_a_class) % classes)
    x, x_test, y_test = bars(len(y), 0.6, 0.9), bars(test, 0.92, 1.0), np.arange(test) % classes
    return Dataset("digits", x, y, x_test, y_test, tuple(map(str, range(classes))), "bars")


TOY = toy_data()
POOL = bars(2000, 0.1, 0.5)  # What generators give, the classes taking turns: darker than TOY.


def labels_of(toy):
    """The label of each image, by its brightness."""
    places = np.concatenate([place(toy.x_train), place(toy.x_test)])
    return dict(zip(places, np.concatenate([toy.y_train, toy.y_test]), strict=True))


def moments(images):
    """Shift of the centre (dx, dy) and angle of each bar, in pixels and degrees."""
    weight = images[..., 0] / images.sum((1, 2, 3))[:, None, None]
    y, x = np.mgrid[:28, :28]
    dx, dy = ((weight * axis).sum((1, 2)) - 13.5 for axis in (x, y))
    cx, cy = x - 13.5 - dx[:, None, None], y - 13.5 - dy[:, None, None]
    xx, yy, xy = ((weight * product).sum((1, 2)) for product in (cx * cx, cy * cy, cx * cy))
    return dx, dy, np.degrees(0.5 * np.arctan2(-2 * xy, yy - xx))


class Fit:
    """A call of `fit` in which nothing is trained: its arguments and the batches it asked for.

    Of a `ShuffledBatches` (`images` and `passes` over them) three batches are asked for and two
    epochs are seen, of a generator all. The loss falls from epoch to epoch; where images validate,
    their loss is lowest after the second.
    """

    def __init__(self, model, x, arguments):
        self.model, self.arguments, self.kind = model, arguments, type(model)
        self.optimizer, self.callbacks = type(model.optimizer), list(arguments["callbacks"])
        self.stopping = [c for c in self.callbacks if isinstance(c, keras.callbacks.EarlyStopping)]
        self.share = float(model.share) if hasattr(model, "share") else None
        steps, most = arguments.get("steps_per_epoch"), arguments.get("epochs", 1)
        batches, whole = x, isinstance(x, keras.utils.PyDataset)
        if whole:
            self.passes = x.passes * (1 if steps else most)
            batches, most = (x[i % len(x)] for i in range(3)), min(most, 2)
            steps = steps or len(x)
        stack = keras.callbacks.CallbackList(self.callbacks, True, model=model, steps=steps)
        self.history, self.batches, self.epochs = stack._history, [], 0
        model.stop_training = False
        stack.on_train_begin()
        while self.epochs < most and not model.stop_training:
            self.batches += itertools.islice(batches, steps)
            logs = dict.fromkeys(("loss", "reconstruction"), 1 / (1 + self.epochs))
            if arguments.get("validation_data") is not None:
                logs["val_loss"] = abs(self.epochs - 1)
            stack.on_epoch_end(self.epochs, logs)
            self.epochs += 1
        stack.on_train_end()
        arrays = x.arrays if whole else map(np.concatenate, zip(*self.batches, strict=True))
        self.images, self.labels = (*arrays, None)[:2]
        self.sizes = [len(images) for images, *_ in self.batches]


def record_fits(monkeypatch):
    """The list of the `Fit`s that take the place of Keras's `fit` from now on."""
    found = []

    def fit(model, x=None, *positional, **arguments):
        names = ("y", "batch_size", "epochs", "verbose", "callbacks")
        found.append(Fit(model, x, arguments | dict(zip(names, positional, strict=False))))
        return found[-1].history

    monkeypatch.setattr(keras.Model, "fit", fit)
    return found


def spy(monkeypatch, owner, name):
    """The calls of a function from now on, which does what it did."""
    calls, original = [], getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *a, **k: calls.append((a, k)) or original(*a, **k))
    return calls


def ids(*images):
    """The images of these arrays as a set, to be compared and counted."""
    return {image.tobytes() for array in images for image in array}


def check_adam(model, *expected):
    """The optimizer is Adam, with this learning rate and beta_1."""
    config = model.optimizer.get_config()
    assert type(model.optimizer) is keras.optimizers.Adam
    assert (config["learning_rate"], config["beta_1"]) == pytest.approx(expected)


def toy_bench(monkeypatch, cells, data, reserve):
    """A bench with this data as "digits" and a judge, where nothing is trained.

    `calls` are those of `fit`. Classifiers name each image by its label; `scored` is what they
    were asked. Class-wise generators give images of `POOL`; `sampled` are their samplers.
    `kept` are the reserved images, as places.
    """
    bench, (_, kept) = Bench(), reserved(len(data.x_train), reserve)
    bench.once(("data", "digits"), lambda: data)
    bench.calls, bench.scored, bench.sampled = record_fits(monkeypatch), [], []
    bench.kept = set(place(data.x_train[kept]))
    predicted, labels = models.predict, labels_of(data)

    def predict(model, images, *size):
        if not isinstance(model.layers[-1], keras.layers.Dense) or len(model.outputs) > 1:
            return predicted(model, images, *size)
        bench.scored.append(place(images))
        return np.eye(data.n_classes)[[labels[one] for one in bench.scored[-1]]]

    def sample(augmenter, n, label, seed=None, sampler=None):
        bench.sampled.append(sampler or augmenter.sampler)
        return POOL[label :: data.n_classes][:n]

    monkeypatch.setattr(Augmenter, "sample", sample)
    judge = Judge(None, 0.99, (data.x_train[kept], data.y_train[kept]))
    monkeypatch.setattr(models, "predict", predict)
    monkeypatch.setattr(Judge, "share_named", lambda *arguments: 0.97)
    monkeypatch.setattr(cells, "judge_of", lambda *arguments: judge)
    return bench


def finder(grid):
    """`find(kind, **factors)`: the first cell of that kind with these factors, seed or dataset."""

    def find(kind, **factors):
        of_kind = (cell for cell in grid if cell.kind == kind)
        return next(c for c in of_kind if all(getattr(c, n) == v for n, v in factors.items()))

    return find
