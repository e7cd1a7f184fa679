"""Watching an adversarial model while it trains."""

import warnings

import keras
import numpy as np

from dagen_keras import checks
from dagen_keras.evaluate.diversity import diversity

COLLAPSED = 0.5


class _Monitor(keras.callbacks.Callback):
    """Calls `look` after the first epoch, every `every` epochs, and after the last."""

    def __init__(self, every):
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be 1 or more; got {every}.")
        self.every, self.epochs = every, []

    def on_epoch_end(self, epoch, logs=None):
        done = epoch + 1
        if done == 1 or done % self.every == 0 or done == self.params.get("epochs"):
            self.epochs.append(done)
            self.look()


class InceptionScoreMonitor(_Monitor):
    """The inception score of a model's samples after epochs of `fit`.

    Args:
        space: a `FeatureSpace` with probabilities.
        n: images drawn at a look, of the model's classes in turn.
        every: epochs between two looks; the first epoch and the last are always looked at.
        n_splits: parts that are scored on their own.
        seed: fixes the noise, the same at every look.

    Attributes:
        epochs: how many epochs were done at each look.
        scores: the score at each look, the mean over the parts.

    Raises:
        ValueError: if the space has no probabilities, or `n` is less than `n_splits`.

    Example:
        >>> monitor = InceptionScoreMonitor(FeatureSpace.of_classifier(classifier), every=5)
        >>> gan.fit(x, y, batch_size=64, epochs=100, callbacks=[monitor])
        >>> monitor.scores
    """

    def __init__(self, space, n=1000, every=1, n_splits=10, seed=0):
        super().__init__(every)
        space.check_inception(n, n_splits)
        self.space, self.n, self.n_splits, self.seed = space, n, n_splits, seed
        self.scores = []

    def look(self):
        """Draws and scores now."""
        images = _drawn(self.model, np.arange(self.n) % self.model.n_classes, self.seed)
        score, _ = self.space.inception_score(images, self.n_splits, progress=False)
        self.scores.append(score)


class SampleMonitor(_Monitor):
    """Draws images of every class after epochs of `fit`, and says where they have become alike.

    Args:
        images, labels: real images, which the diversity is measured against.
        every: epochs between two looks; the first epoch and the last are always looked at.
        per_class: images drawn of each class at a look.
        kept: of them, how many of each class are kept in `samples`.
        seed: fixes the noise, the same at every look.

    Attributes:
        epochs: how many epochs were done at each look.
        diversity: at each look, `diversity` of the drawn images of each class relative to that of
            the real ones, shape (n_classes,).
        samples: at each look, images (n_classes kept, height, width, channels), class by class.
        collapsed: the classes whose relative diversity was below 0.5 at the last look. A warning
            names them when training ends; another one those of which it cannot be told.

    Example:
        >>> monitor = SampleMonitor(x, y, every=5)
        >>> gan.fit(x, y, batch_size=64, epochs=25, callbacks=[monitor])
        >>> monitor.collapsed

    Raises:
        ValueError: if images or labels are not what they must be, `kept` is more than `per_class`,
            or that less than 2; in `fit`, if the model's images are of another shape.
    """

    def __init__(self, images, labels, every=1, per_class=20, kept=1, seed=0):
        super().__init__(every)
        if per_class < 2 or kept > per_class:
            raise ValueError(
                "per_class must be 2 or more and kept at most per_class; got "
                f"{per_class} and {kept}."
            )
        self.images = checks.images(images)
        self.labels = checks.labels(labels, len(self.images))
        self.per_class, self.kept, self.seed = per_class, kept, seed
        self.diversity, self.samples = [], []

    def on_train_begin(self, logs=None):
        drawn, real = tuple(self.model.image_shape), self.images.shape[1:]
        if drawn != real:
            raise ValueError(f"the model's images have the shape {drawn}, the real ones {real}.")
        self.real = diversity(self.images, self.labels, self.model.n_classes)
        self.real[self.real == 0] = np.nan
        unknown = np.flatnonzero(np.isnan(self.real))
        if len(unknown):
            warnings.warn(
                "whether these classes collapse cannot be told, as they have no two different real "
                f"images: {', '.join(map(str, unknown))}.",
                stacklevel=2,
            )

    def look(self):
        """Draws and measures now."""
        n_classes = self.model.n_classes
        labels = np.repeat(np.arange(n_classes), self.per_class)
        drawn = _drawn(self.model, labels, self.seed)
        self.diversity.append(diversity(drawn, labels, n_classes) / self.real)
        by_class = drawn.reshape(n_classes, self.per_class, *drawn.shape[1:])
        self.samples.append(by_class[:, : self.kept].reshape(-1, *drawn.shape[1:]))

    @property
    def collapsed(self):
        if not self.diversity:
            raise ValueError("nothing is looked at yet: give the monitor to fit, as a callback.")
        return [int(c) for c in np.flatnonzero(self.diversity[-1] < COLLAPSED)]

    def on_train_end(self, logs=None):
        if self.diversity and self.collapsed:
            named = ", ".join(f"{c} ({self.diversity[-1][c]:.2f})" for c in self.collapsed)
            warnings.warn(
                "the generator has collapsed: images of these classes vary less than half as much "
                f"as real ones (relative diversity in brackets): {named}.",
                stacklevel=2,
            )


def _drawn(model, labels, seed):
    """Images of these classes; a model of one class needs but their number."""
    return model.generate(len(labels) if model.n_classes == 1 else labels, seed)
