"""Random search of a learning rate."""

from dataclasses import dataclass
from statistics import fmean

import numpy as np
import pandas as pd

from dagen_keras import backend
from dagen_keras.models.callbacks import NonFiniteLossError


@dataclass(frozen=True, eq=False)
class LearningRateSearch:
    """What `search_learning_rate` found.

    Attributes:
        learning_rate: the best one.
        score: its mean score.
        scores: a frame with a row for each run, in the order in which they were made; columns
            `learning_rate`, `seed` and `score`, which is NaN where training failed.
    """

    learning_rate: float
    score: float
    scores: pd.DataFrame


def search_learning_rate(
    train, learning_rates=(1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6), n_runs=5, n_trials=None, seed=0
):
    """The learning rate with the best mean validation score over `n_runs` runs.

    Chadebec and Allassonnière, appendix E, search so, by balanced accuracy. Rates are drawn in
    random order, none twice, and every rate is run with the same seeds. A run whose loss or score
    is not finite counts 0, the worst balanced accuracy, and the search goes on. Of equal means the
    smaller rate wins: it is farther from divergence.

    Args:
        train: a function `train(learning_rate, seed)` that returns a validation score in [0, 1].
        learning_rates: what is drawn from.
        n_runs: runs a rate.
        n_trials: rates to try, at most; None tries all.
        seed: fixes the order of the rates and the seeds of the runs.

    Returns:
        A `LearningRateSearch`.

    Raises:
        ValueError: if there is no rate, one is not positive, or `n_runs` or `n_trials` is below 1.
        NonFiniteLossError: if no run gave a finite score.

    Example:
        >>> found = search_learning_rate(train, n_runs=5)
        >>> found.learning_rate, found.scores.groupby("learning_rate").score.mean()
    """
    rates = sorted({float(rate) for rate in learning_rates})
    if not rates or not all(0 < rate < np.inf for rate in rates):
        raise ValueError(f"learning_rates must be positive numbers; got {learning_rates!r}.")
    if n_runs < 1 or (n_trials is not None and n_trials < 1):
        raise ValueError(
            f"n_runs and n_trials must be 1 or more; got n_runs={n_runs!r}, n_trials={n_trials!r}."
        )
    order = np.random.default_rng(seed).permutation(rates)[:n_trials]
    seeds = [backend.subseed(seed, "run", run) for run in range(n_runs)]
    rows = [
        (rate, run_seed, _score(train, rate, run_seed))
        for rate in order.tolist()
        for run_seed in seeds
    ]
    scores = pd.DataFrame(rows, columns=["learning_rate", "seed", "score"])
    if scores.score.isna().all():
        tried = ", ".join(f"{rate:g}" for rate in order)
        raise NonFiniteLossError(
            f"No run of the search had a finite loss, at any of the learning rates {tried}. Add "
            "smaller ones, or look for NaN in the images."
        )
    means = scores.fillna(0).groupby("learning_rate").score.agg(fmean)
    # Groups are sorted by rate, and of equal values the first is taken.
    return LearningRateSearch(float(means.idxmax()), float(means.max()), scores)


def _score(train, learning_rate, seed):
    try:
        score = float(train(learning_rate, seed))
    except NonFiniteLossError:
        return np.nan
    return score if np.isfinite(score) else np.nan
