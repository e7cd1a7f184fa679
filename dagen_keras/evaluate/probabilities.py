"""The inception score, of class probabilities of generated images."""

import numpy as np
from scipy.special import entr

from dagen_keras import checks
from dagen_keras.evaluate import rows


def inception_score(probabilities, n_splits=10, seed=0):
    """The score of Salimans et al. 2016: exp of the mean KL(p(y|x) || p(y)), in [1, classes].

    The images are shuffled before they are split: parts of images that come class by class, or
    with the classes in turn, would each be of few classes. The mean of KL(p(y|x) || p(y)) is the
    entropy of the mean less the mean of the entropies.

    Args:
        probabilities: p(y|x), array (n, classes) with rows that sum to 1, in any order.
        n_splits: how many parts of equal size, up to one image, are scored on their own.
        seed: fixes which images make a part.

    Returns:
        (mean, standard deviation) over the parts.

    Raises:
        ValueError: if a row is no probabilities, or there are fewer rows than parts.
    """
    checks.integer(n_splits, "n_splits", 1)
    p = _probabilities(probabilities)
    if len(p) < max(2, n_splits):
        raise ValueError(
            f"probabilities must hold at least {max(2, n_splits)} rows for {n_splits} parts; "
            f"got {len(p)}."
        )
    parts = np.array_split(np.random.default_rng(seed).permutation(len(p)), n_splits)
    entropies = entr(p).sum(axis=1)
    scores = [np.exp(entr(p[part].mean(axis=0)).sum() - entropies[part].mean()) for part in parts]
    return float(np.mean(scores)), float(np.std(scores))


def _probabilities(x):
    x = rows.matrix(x, "probabilities")
    sums = x.sum(axis=1)
    wrong = (x < 0).any(axis=1) | (np.abs(sums - 1) > 1e-3)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            "probabilities must be 0 or more and sum to 1 in each row, as a softmax gives them; "
            f"row {row} has the minimum {x[row].min():.4g} and the sum {sums[row]:.4g}."
        )
    return x
