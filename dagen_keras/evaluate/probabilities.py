"""The inception score, of class probabilities of generated images."""

import numpy as np
from scipy.special import entr

from dagen_keras.evaluate import rows


def inception_score(probabilities, n_splits=10):
    """The score of Salimans et al. 2016: exp of the mean KL(p(y|x) || p(y)), in [1, classes].

    Args:
        probabilities: p(y|x), array (n, classes) with rows that sum to 1.
        n_splits: how many parts are scored on their own; image i is in part i mod n_splits.

    Returns:
        (mean, standard deviation) over the parts.

    Raises:
        ValueError: if a row is no probabilities, or there are fewer rows than parts.
    """
    statistics = ProbabilityStatistics(n_splits).update(probabilities)
    if statistics.n < max(2, n_splits):
        raise ValueError(
            f"probabilities must hold at least {max(2, n_splits)} rows for {n_splits} parts; "
            f"got {statistics.n}."
        )
    return statistics.inception_score()


class ProbabilityStatistics:
    """What the inception score needs of probabilities that come in batches, of whatever sizes.

    Args:
        n_splits: row i, counted over all batches, is in part i mod n_splits.

    Attributes:
        n: how many rows came.
    """

    def __init__(self, n_splits=10):
        rows.count("n_splits", n_splits, 1)
        self.n, self._sums, self._entropies = 0, 0.0, np.zeros(n_splits)

    def update(self, probabilities):
        """Adds a batch, array (n, classes), and returns the statistics themselves.

        Raises:
            ValueError: if a row is negative somewhere or does not sum to 1 within 1e-3.
        """
        p = _probabilities(probabilities)
        n_splits = len(self._entropies)
        parts = [p[(part - self.n) % n_splits :: n_splits] for part in range(n_splits)]
        self._sums = self._sums + np.stack([part.sum(axis=0) for part in parts])
        self._entropies += [entr(part).sum() for part in parts]
        self.n += len(p)
        return self

    def inception_score(self):
        """(mean, standard deviation) over the parts that hold a row.

        The mean of KL(p(y|x) || p(y)) is the entropy of the mean less the mean of the entropies.
        """
        n_splits = min(len(self._entropies), self.n)
        counts = self.n // n_splits + (np.arange(n_splits) < self.n % n_splits)
        means = self._sums[:n_splits] / counts[:, None]
        scores = np.exp(entr(means).sum(axis=1) - self._entropies[:n_splits] / counts)
        return float(scores.mean()), float(scores.std())


def _probabilities(x):
    x = rows.features(x, "probabilities", minimum=1)
    sums = x.sum(axis=1)
    wrong = (x < 0).any(axis=1) | (np.abs(sums - 1) > 1e-3)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            "probabilities must be 0 or more and sum to 1 in each row, as a softmax gives them; "
            f"row {row} has the minimum {x[row].min():.4g} and the sum {sums[row]:.4g}."
        )
    return x
