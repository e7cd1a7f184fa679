"""The judge: a classifier of the whole training partition, which says whether generators trained.

A gate asks whether a *model* trained, never whether its samples are good, which may be the claim:
of VAEs, which share of its reconstructions of images that it has not seen the judge names by
their class, relative to the images themselves.
"""

from dataclasses import dataclass

import keras
import numpy as np

from dagen_keras import backend, models
from dagen_keras.evaluate import named_classes
from dagen_keras.study.bench import Bench
from dagen_keras.study.claims import Gate
from dagen_keras.study.settings import Positive, Settings, enough

BATCH = 100
GATES = (
    Gate("reconstructed", 0.9, "reconstructions named by the judge, relative to the images,"),
    Gate(
        "judge_accuracy",
        {"mnist": 0.97, "fashion_mnist": 0.88, "cifar10": 0.8},
        "accuracy of the judge",
    ),
)


class Judging(Settings):
    """How the judge is trained."""

    updates: Positive = 2000


@dataclass(frozen=True)
class Judge:
    """A trained `conv_classifier`, its accuracy on the test partition, and the reserved images and
    labels, which it has not seen.
    """

    model: keras.Model
    accuracy: float
    kept: tuple[np.ndarray, np.ndarray]

    def share_named(self, images: np.ndarray, labels: np.ndarray) -> float:
        """The share of images (n, height, width, channels) that it names by their labels (n,)."""
        return accuracy(self.model, images, labels)

    def of_vaes(self, trained) -> dict[str, float]:
        """What `GATES` ask of VAEs: `reconstructed`, of the reserved images, and `judge_accuracy`.

        Args:
            trained: pairs of a class and its VAE, such as `Augmenter.trained()`.
        """
        x, y = self.kept
        new = np.empty_like(x)
        for label, vae in trained:
            if label in y:
                mean, _ = models.predict(vae.encoder, x[y == label])
                new[y == label] = models.predict(vae.decoder, mean)
        share = self.share_named(new, y) / max(self.share_named(x, y), 1e-9)
        return {"reconstructed": share, "judge_accuracy": self.accuracy}


def accuracy(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> float:
    """The share of images that a classifier names by their labels, in [0, 1]."""
    return float((named_classes(models.predict(model, images, BATCH)) == labels).mean())


def reserved(n: int, reserve: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of n training images cells may use, and which are kept for pilots and gates.

    The `reserve` kept ones are drawn once for all seeds; both ascend.

    Raises:
        RunError: if they are more than an eighth.
    """
    enough("images.reserve", reserve, n // 8, "training images, of which an eighth is kept at most")
    order = np.random.default_rng(0).permutation(n)
    kept, free = np.split(order, [reserve])
    return np.sort(free), np.sort(kept)


def partition(cell, bench: Bench):
    """A cell's dataset, its images and labels that cells use, and those that are `reserved`."""
    data = bench.data(cell.dataset)
    rows = reserved(len(data.x_train), cell.images.reserve)
    return data, *((data.x_train[own], data.y_train[own]) for own in rows)


def judge_of(cell, bench: Bench) -> Judge:
    """The judge of a cell's dataset, trained once a process on all but the reserved images."""

    @backend.prompt_pipelines()
    def train():
        data, images, kept = partition(cell, bench)
        network = bench.classifier(models.conv_classifier, data.n_classes, data.image_shape)
        model = network.new(backend.subseed(0, "judge"))
        batches = models.ShuffledBatches(images, BATCH, backend.subseed(0, "judge", "order"))
        try:
            model.fit(
                batches,
                epochs=-(-cell.judging.updates // len(batches)),
                steps_per_epoch=min(len(batches), cell.judging.updates),
                callbacks=[models.StopOnNonFiniteLoss("the judge")],
                shuffle=False,
                verbose=0,
            )
        except models.NonFiniteLossError as error:  # It is not the cell's training that diverged.
            raise RuntimeError(str(error)) from error
        return Judge(model, accuracy(model, data.x_test, data.y_test), kept)

    return bench.once(("judge", cell.dataset, cell.judging, cell.images.reserve), train)


def fell(losses: list[float]) -> float | None:
    """The share by which the loss fell over the last tenth of training; None from one epoch."""
    tenth = max(1, round(len(losses) / 10))
    return 1 - losses[-1] / losses[-1 - tenth] if len(losses) > tenth else None
