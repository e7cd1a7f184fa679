"""Calibration of a discriminator's scores, so that D / (1 - D) is the ratio of densities."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import binomtest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

N_FOLDS = 5


@dataclass(frozen=True)
class CalibrationScore:
    """`brier_score` and `calibration_z` of one method's probabilities."""

    brier: float
    z: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """A map of log-odds, with its scores on images that it was not fitted on.

    Attributes:
        method: "none", "isotonic" or "logistic".
        scores: a `CalibrationScore` for "none" and each method tried.
        real: which held-out images are real, bool array (n,).
        probabilities_before, probabilities_after: the held-out images' D, arrays (n,), without
            calibration and with `method`; the latter from the folds that left the image out.
    """

    method: str
    scores: dict
    real: np.ndarray = field(repr=False)
    probabilities_before: np.ndarray = field(repr=False)
    probabilities_after: np.ndarray = field(repr=False)
    _apply: Callable = field(repr=False)

    def __call__(self, log_odds):
        """Calibrated log-odds, float64 array (n,), of uncalibrated ones (n,).

        Isotonic ones are -inf or inf where the held-out images were all of one kind.
        """
        return self._apply(_vector(log_odds, "log_odds"))

    @property
    def before(self):
        return self.scores["none"]

    @property
    def after(self):
        return self.scores[self.method]


def calibrate(log_odds, real, method="best", seed=0):
    """Fits the calibration of Turner et al. 2019 (section 3.1) on held-out images.

    Real and generated images weigh equally, whatever their numbers. "isotonic" is the best
    non-decreasing step map; "logistic" is a * log_odds + b, practically without a penalty, and
    turns the order round (a < 0) if the discriminator is worse than chance. Both clip log-odds
    to the range of the finite held-out ones, widened by 1 at either end; so infinite ones are fine.

    Args:
        log_odds: log(D / (1 - D)) of images the discriminator was not trained on, array (n,).
        real: which of them are real, bool array (n,).
        method: "isotonic", "logistic", "none", or "best": the one of the three with the lowest
            Brier score on images left out. A map that the held-out images do not show to be
            better than none is noise.
        seed: of the folds.

    Returns:
        A `Calibration`, fitted on all images.

    Raises:
        ValueError: if an argument is not as above, or a kind has too few images.
    """
    candidates = {"none": ["none"], "best": ["none", *_FITS]} | {name: [name] for name in _FITS}
    if method not in candidates:
        raise ValueError(f"method must be one of {', '.join(candidates)}; got {method!r}.")
    log_odds, real = _pair(log_odds, real, "log_odds")
    n_real, n_generated = real.sum(), (~real).sum()
    if method != "none" and min(n_real, n_generated) < N_FOLDS:
        raise ValueError(
            f"calibration needs {N_FOLDS} or more held-out images of each kind for its folds; "
            f"got {n_real} real and {n_generated} generated ones."
        )
    probabilities = {"none": expit(log_odds)}
    for name in (name for name in candidates[method] if name in _FITS):
        probabilities[name] = _out_of_fold(name, log_odds, real, seed)
    scores = {
        name: CalibrationScore(brier_score(p, real), calibration_z(p, real))
        for name, p in probabilities.items()
    }
    chosen = min(candidates[method], key=lambda name: scores[name].brier)
    return Calibration(
        chosen,
        scores,
        real,
        probabilities["none"],
        probabilities[chosen],
        np.copy if chosen == "none" else _fit(chosen, log_odds, real),
    )


def brier_score(probabilities, real):
    """Mean of (y - D)^2, real and generated images weighing equally: 0.25 for D = 1/2 throughout.

    Args:
        probabilities: D, array (n,) in [0, 1].
        real: y, bool array (n,), with both values.
    """
    d, real = _probabilities(probabilities, real)
    return float((np.mean((1 - d[real]) ** 2) + np.mean(d[~real] ** 2)) / 2)


def calibration_z(probabilities, real):
    """Z = sum(y - D) / sqrt(sum D (1 - D)) of Turner et al. 2019 (after Dawid).

    D is first moved from equal numbers of real and generated images to the share s of real ones
    in the sample; for equal numbers this changes nothing.

    If D is calibrated, Z has mean 0. Its variance is 1 for labels drawn at random, but
    1 - mean(D (1 - D)) / (s (1 - s)) for numbers of images fixed beforehand: |Z| > 2 is a sign of
    miscalibration all the more, and a weak discriminator can hide. Z sees no error that cancels
    over the images, and is near 0 after either calibration, which makes them cancel; the Brier
    score and `reliability` see more.

    Args:
        probabilities: D, array (n,) in [0, 1].
        real: y, bool array (n,), with both values.

    Returns:
        Z; if each D is 0 or 1, it is 0 where the errors cancel and else -inf or inf.
    """
    d, real = _probabilities(probabilities, real)
    d = _reweigh(d, real.sum() / (~real).sum())
    excess, variance = np.sum(real - d), np.sum(d * (1 - d))
    if variance == 0:
        return float(np.copysign(np.inf, excess)) if excess else 0.0
    return float(excess / np.sqrt(variance))


def reliability(probabilities, real, n_bins=10):
    """Predicted and observed shares of real images in equally wide bins of D.

    Args:
        probabilities: D, array (n,) in [0, 1].
        real: bool array (n,), with both values.
        n_bins: how many bins [0, 1] is cut into.

    Returns:
        A frame, one row for each bin with images: `predicted` (mean D) and `observed` (share of
        real images), both as if real and generated images were equally many; `n` (images);
        `low`, `high` (Wilson's 95 % interval of `observed`).
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be 1 or more; got {n_bins}.")
    d, real = _probabilities(probabilities, real)
    weights = compute_sample_weight("balanced", real)
    generated_per_real = (~real).sum() / real.sum()
    bins = np.minimum((d * n_bins).astype(int), n_bins - 1)
    rows = []
    for number in np.unique(bins):
        inside = bins == number
        n, n_real = int(inside.sum()), int(real[inside].sum())
        interval = binomtest(n_real, n).proportion_ci(method="wilson")
        observed, low, high = (
            float(_reweigh(share, generated_per_real)) for share in (n_real / n, *interval)
        )
        predicted = np.average(d[inside], weights=weights[inside])
        rows.append((predicted, observed, n, low, high))
    return pd.DataFrame(rows, columns=["predicted", "observed", "n", "low", "high"])


def _isotonic(log_odds, real, weights):
    model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    return model.fit(log_odds, real, sample_weight=weights)


def _logistic(log_odds, real, weights):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e6, tol=1e-8, max_iter=1000))
    return model.fit(log_odds[:, None], real, logisticregression__sample_weight=weights)


_FITS = {"isotonic": _isotonic, "logistic": _logistic}


def _fit(method, log_odds, real):
    finite = log_odds[np.isfinite(log_odds)]
    low, high = (finite.min() - 1, finite.max() + 1) if len(finite) else (-1, 1)
    weights = compute_sample_weight("balanced", real)
    model = _FITS[method](np.clip(log_odds, low, high), real, weights)
    return functools.partial(_calibrated, model, low, high)


def _calibrated(model, low, high, log_odds):
    x = np.clip(log_odds, low, high)
    if isinstance(model, IsotonicRegression):
        # Interpolation may exceed 1 by a rounding error.
        return logit(np.clip(model.predict(x), 0, 1))
    return model.decision_function(x[:, None])


def _out_of_fold(method, log_odds, real, seed):
    probabilities = np.empty(len(real))
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(log_odds, real):
        apply = _fit(method, log_odds[train], real[train])
        probabilities[test] = expit(apply(log_odds[test]))
    return probabilities


def _reweigh(d, factor):
    """Probabilities of real with the odds multiplied by `factor`."""
    return d * factor / (d * factor + (1 - d))


def _vector(x, name):
    x = np.asarray(x, "float64")
    if x.ndim != 1 or not len(x):
        raise ValueError(f"{name} must have shape (n,) and not be empty; got shape {x.shape}.")
    if np.isnan(x).any():
        raise ValueError(f"{name} must not hold NaN; {np.isnan(x).sum()} of {len(x)} are NaN.")
    return x


def _pair(x, real, name):
    x, real = _vector(x, name), np.asarray(real)
    if real.shape != x.shape or real.dtype != bool:
        raise ValueError(
            f"real must hold a bool for each of the {len(x)} {name}; got shape {real.shape}, "
            f"dtype {real.dtype}."
        )
    if real.all() or not real.any():
        n_real, n_generated = real.sum() or "none", (~real).sum() or "none"
        raise ValueError(
            "calibration needs held-out real and generated images; "
            f"got {n_real} real and {n_generated} generated: hold some out."
        )
    return x, real


def _probabilities(probabilities, real):
    d, real = _pair(probabilities, real, "probabilities")
    if d.min() < 0 or d.max() > 1:
        raise ValueError(f"probabilities must be in [0, 1]; got {d.min():g} to {d.max():g}.")
    return d, real
