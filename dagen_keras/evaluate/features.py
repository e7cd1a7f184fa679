"""Feature spaces: networks in whose features real and generated images are compared."""

import functools
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers
from tqdm import tqdm

from dagen_keras import checks
from dagen_keras.evaluate import inception
from dagen_keras.evaluate.distances import FeatureStatistics, frechet_distance, kernel_distance
from dagen_keras.evaluate.neighbors import precision_recall
from dagen_keras.evaluate.probabilities import inception_score
from dagen_keras.models.training import predict


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """A network's features, and a classifier's probabilities, of images in [0, 1].

    Scores in different feature spaces cannot be compared.

    Attributes:
        name: names the space in its scores.
        features: a Keras model from images (n, height, width, channels) to features (n, d).
        probabilities: a Keras model from the images to class probabilities (n, classes); None
            for no inception score. If both models start from the same `keras.Input`, the layers
            they share run once.
    """

    name: str
    features: keras.Model
    probabilities: keras.Model | None = None

    def __post_init__(self):
        for role in ("features", "probabilities"):
            model = getattr(self, role)
            if not isinstance(model, keras.Model | None):
                raise ValueError(f"{role} must be a Keras model; got {type(model).__name__}.")

    @classmethod
    def of_classifier(cls, classifier, name="classifier"):
        """The input of a classifier's last layer, and its probabilities.

        The weights are the classifier's own: train it before.

        Raises:
            ValueError: if it is no built Sequential or functional model that ends with a softmax
                Dense layer.
        """
        features, probabilities = _head_of(classifier)
        inputs = classifier.inputs[0]
        return cls(name, keras.Model(inputs, features), keras.Model(inputs, probabilities))

    @classmethod
    def inception(cls, weights="imagenet"):
        """Inception-V3: its 2048 average-pooled features, and its 1000 ImageNet classes.

        Images of any size, grey or RGB, are resized bilinearly to 299 x 299 and scaled to
        [-1, 1]; grey ones are repeated in three channels.

        With `"imagenet"` the weights are those of `keras.applications`, not those of TensorFlow
        from 2015 that the usual FID code takes: scores are comparable within this package only.

        Args:
            weights: "imagenet", or the path of a file of weights for
                `keras.applications.InceptionV3` with its head of 1000 classes.

        Raises:
            DataError: if the weights cannot be downloaded or read.
        """
        network = inception.network(weights)
        images = keras.Input((None, None, None), name="images")
        both = keras.Model(network.inputs[0], _head_of(network))
        features, probabilities = both(inception.InceptionInput()(images))
        source = "ImageNet" if weights == "imagenet" else Path(weights).name
        name = f"Inception-V3 of Keras ({source})"
        return cls(name, keras.Model(images, features), keras.Model(images, probabilities))

    def features_of(self, images, batch_size=250, progress=True):
        """The features (n, d) of images; see `reference` for the arguments."""
        return np.concatenate([f for f, _ in self._outputs(images, batch_size, progress)])

    def inception_score(self, images, n_splits=10, batch_size=250, progress=True):
        """`evaluate.inception_score` of images: (mean, standard deviation) over the parts.

        See `reference` for `images`, `batch_size` and `progress`.

        Raises:
            ValueError: if the space has no probabilities, or there are fewer images than parts.
        """
        self.check_inception(max(2, n_splits), n_splits)
        outputs = self._outputs(images, batch_size, progress)
        found = np.concatenate([probabilities for _, probabilities in outputs])
        self.check_inception(len(found), n_splits)
        return inception_score(found, n_splits)

    def check_inception(self, n_images, n_splits):
        """Refuses an inception score that cannot be had, with a sentence."""
        if self.probabilities is None:
            raise ValueError(f"the space '{self.name}' has no probabilities to score.")
        if n_images < max(2, n_splits):
            raise ValueError(
                f"an inception score over {n_splits} parts needs {max(2, n_splits)} images or "
                f"more; got {n_images}."
            )

    def reference(self, images, keep=10_000, batch_size=250, progress=True):
        """What scores need of the real images, computed once.

        Args:
            images: array (n, height, width, channels) in [0, 1], or an iterable of such batches
                of any sizes, of which one is in memory at a time.
            keep: how many images' features are kept at most, for the kernel distance and for
                precision and recall: a random choice with a fixed seed. The Fréchet distance and
                the inception score are of all images.
            batch_size: images that the network takes at a time; the last batch is padded.
            progress: show a progress bar.

        Returns:
            A `Reference`.

        Raises:
            ValueError: if the images are not as described, or do not fit the network.
        """
        checks.integer(keep, "keep", 2)
        statistics, kept, _ = _summary(self._outputs(images, batch_size, progress), keep)
        return Reference(self, statistics, kept, keep)

    def _outputs(self, images, batch_size, progress):
        """Yields (features, probabilities or None) of a batch."""
        checks.integer(batch_size, "batch_size", 1)
        total = len(images) if hasattr(images, "shape") else None
        what = f"Features ({self.name})"
        with tqdm(total=total, desc=what, unit="image", disable=not progress, leave=False) as bar:
            for batch in _batches(images, batch_size):
                self._check_shape(batch.shape[1:])
                features, probabilities = self._predict(batch, batch_size)
                if np.ndim(features) != 2:
                    raise ValueError(
                        f"the features of '{self.name}' must have shape (n, d); got shape "
                        f"{np.shape(features)}. End the network with a pooling or Flatten layer."
                    )
                yield features, probabilities
                bar.update(len(batch))

    def _check_shape(self, shape):
        expected = getattr(self.features, "input_shape", None)
        if expected is None:  # A subclassed model takes what it takes.
            return
        fits = len(expected) == 4 and all(
            e in (None, n) for e, n in zip(expected[1:], shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"the network of '{self.name}' takes images of shape {tuple(expected[1:])}; "
                f"got shape {tuple(shape)}."
            )

    @functools.cached_property
    def _predict(self):
        """A function from a batch and the size it is padded to, to (features, probabilities)."""
        f, p = self.features, self.probabilities
        if p is None:
            return lambda *batch: (predict(f, *batch), None)
        starts = [getattr(model, "inputs", None) for model in (f, p)]
        if all(starts) and starts[0][0] is starts[1][0]:
            both = keras.Model(starts[0][0], [f.outputs[0], p.outputs[0]])
            return functools.partial(predict, both)
        return lambda *batch: (predict(f, *batch), predict(p, *batch))


@dataclass(frozen=True, eq=False)
class Reference:
    """The real images' side of all scores, from `FeatureSpace.reference`.

    Attributes:
        space: the `FeatureSpace`.
        statistics: `FeatureStatistics` of all real images.
        kept: features (at most `keep`, d) of a random choice of them.
        keep: how many features are kept of either side.
    """

    space: FeatureSpace
    statistics: FeatureStatistics
    kept: np.ndarray
    keep: int

    def score(self, images, batch_size=250, progress=True, k=3):
        """Scores generated images against the real ones; the real ones are not seen again.

        Args:
            images, batch_size, progress: as for `FeatureSpace.reference`.
            k: which nearest neighbour, for precision and recall.

        Returns:
            `SampleScores`.

        Raises:
            ValueError: if the images are not as described, or k or fewer on a side.

        Warns:
            UserWarning: as `frechet_distance`, for no more images than features.
        """
        outputs = self.space._outputs(images, batch_size, progress)
        statistics, kept, probabilities = _summary(outputs, self.keep)
        precision, recall = precision_recall(self.kept, kept, k)
        subset_size = min(1000, len(self.kept), len(kept))
        kid, kid_sd = kernel_distance(self.kept, kept, subset_size)
        score, score_sd = None, None
        if probabilities:
            found = np.concatenate(probabilities)
            score, score_sd = inception_score(found, min(10, len(found)))
        return SampleScores(
            feature_space=self.space.name,
            fid=frechet_distance(self.statistics, statistics),
            kid=kid,
            kid_sd=kid_sd,
            precision=precision,
            recall=recall,
            inception_score=score,
            inception_score_sd=score_sd,
            n_real=self.statistics.n,
            n_generated=statistics.n,
        )


@dataclass(frozen=True)
class SampleScores:
    """How good generated images are, in one feature space.

    Attributes:
        feature_space: its name; scores in different spaces cannot be compared.
        fid: `frechet_distance`; 0 is best.
        kid, kid_sd: `kernel_distance`, mean and standard deviation over subsets; 0 is best.
        precision, recall: `precision_recall`, in [0, 1]; 1 is best.
        inception_score, inception_score_sd: `inception_score` over 10 parts, or as many as there
            are images; None in a space without probabilities.
        n_real, n_generated: how many images; FID, precision and recall depend on them.
    """

    feature_space: str
    fid: float
    kid: float
    kid_sd: float
    precision: float
    recall: float
    inception_score: float | None
    inception_score_sd: float | None
    n_real: int
    n_generated: int


def _head_of(classifier):
    """(input, output) of the last layer, a softmax Dense one; ValueError if it is not."""
    inputs = getattr(classifier, "inputs", None)
    last = classifier.layers[-1] if inputs else None
    if not isinstance(last, layers.Dense) or last.activation is not keras.activations.softmax:
        raise ValueError(
            "classifier must be a Sequential or functional model, built with its input shape, "
            "that ends with a softmax Dense layer. For other models use "
            "FeatureSpace(name, features, probabilities)."
        )
    return last.input, classifier.outputs[0]


def _batches(images, batch_size):
    """Yields checked images, `batch_size` at a time but for the last ones."""
    held = None
    for i, batch in enumerate([images] if hasattr(images, "shape") else images):
        batch = checks.images(batch, "images" if hasattr(images, "shape") else f"batch {i}")
        if held is not None and held.shape[1:] != batch.shape[1:]:
            raise ValueError(
                f"batch {i} must hold images of shape {held.shape[1:]}, as the batches before; "
                f"got {batch.shape[1:]}."
            )
        held = batch if held is None or not len(held) else np.concatenate([held, batch])
        while len(held) >= batch_size:
            yield held[:batch_size]
            held = held[batch_size:]
    if held is None:
        raise ValueError("images must not be empty; got no batch.")
    if len(held):
        yield held


def _summary(outputs, keep):
    """(FeatureStatistics, features of at most `keep` images, batches of probabilities)."""
    statistics, probabilities = FeatureStatistics(), []
    reservoir = Reservoir(keep)
    for f, p in outputs:
        statistics.update(f)
        reservoir.update(f)
        if p is not None:
            probabilities.append(p)
    return statistics, np.array(reservoir.rows), probabilities


class Reservoir:
    """A uniform random choice of rows that come in batches (Vitter 1985, algorithm R).

    Args:
        size: how many rows are kept at most.
        seed: fixes the choice, whatever the batches' sizes.

    Attributes:
        rows: the rows kept so far, a list.
    """

    def __init__(self, size, seed=0):
        self.rows, self._size, self._seen = [], size, 0
        self._rng = np.random.default_rng(seed)

    def update(self, batch):
        for row in batch:
            self._seen += 1
            if len(self.rows) < self._size:
                self.rows.append(row.copy())
            elif (slot := self._rng.integers(self._seen)) < self._size:
                self.rows[slot] = row.copy()
