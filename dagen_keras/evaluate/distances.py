"""Distances between the features of real and of generated images."""

import warnings

import numpy as np
from scipy.linalg.lapack import dpstrf

from dagen_keras import checks
from dagen_keras.evaluate import rows


class FeatureStatistics:
    """Mean and covariance of features that come in batches, of whatever sizes.

    Means and scatter matrices are merged as in Chan, Golub and LeVeque (1979), which stays
    accurate where a difference of sums of squares would not.

    Attributes:
        n: how many rows came.
        mean: array (d,); None before the first batch.
    """

    def __init__(self):
        self.n, self.mean, self._scatter = 0, None, None

    def update(self, features):
        """Adds a batch, array (n, d) with n at least 1, and returns the statistics themselves.

        Raises:
            ValueError: if it is not finite, not (n, d), or d differs from the batches before.
        """
        x = rows.features(features, "features", minimum=1)
        if self.n == 0:
            self.mean, self._scatter = np.zeros(x.shape[1]), np.zeros((x.shape[1],) * 2)
        if x.shape[1] != len(self.mean):
            raise ValueError(
                f"features must have {len(self.mean)} columns, as before; got {x.shape[1]}."
            )
        n, batch_mean = self.n + len(x), x.mean(axis=0)
        centred, shift = x - batch_mean, batch_mean - self.mean
        self._scatter += centred.T @ centred + self.n * len(x) / n * np.outer(shift, shift)
        self.mean = self.mean + len(x) / n * shift
        self.n = n
        return self

    @property
    def covariance(self):
        """Unbiased covariance (d, d), divided by n - 1; ValueError with fewer than 2 rows."""
        if self.n < 2:
            raise ValueError(f"a covariance needs at least 2 rows of features; got {self.n}.")
        return self._scatter / (self.n - 1)


def frechet_distance(real_features, generated_features):
    """The squared Fréchet distance of Gaussians with the features' means and covariances (FID).

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), Heusel et al. 2017, eq. 6; covariances are
    divided by n - 1.

    Args:
        real_features, generated_features: arrays (n, d), or `FeatureStatistics`.

    Returns:
        A number of 0 or more, in squared units of the features.

    Raises:
        ValueError: if an array is not finite, not (n, d) with the other's d, or n is below 2.

    Warns:
        UserWarning: if a side has no more images than features.
    """
    real = _statistics(real_features, "real_features")
    generated = _statistics(generated_features, "generated_features")
    s1, s2, d = real.covariance, generated.covariance, len(real.mean)
    rows.same_width(d, len(generated.mean))
    if min(real.n, generated.n) <= d:
        warnings.warn(
            f"The Fréchet distance of {real.n} real and {generated.n} generated images in {d} "
            "features: with no more images than features a covariance is singular, and the "
            "distance is biased far upwards. Compare it only between equal numbers of images.",
            stacklevel=2,
        )
    shift = real.mean - generated.mean
    distance = shift @ shift + np.trace(s1) + np.trace(s2) - 2 * trace_of_square_root(s1, s2)
    return max(0.0, float(distance))


def trace_of_square_root(s1, s2):
    """tr (S1 S2)^(1/2) of two covariances (d, d), which may be singular.

    It is the sum of the singular values of R1 R2^T for any factors S = R^T R. The square root of
    the matrix S1 S2 would lose half of the digits where that is singular.
    """
    return float(np.linalg.norm(_factor(s1) @ _factor(s2).T, "nuc"))


def _factor(covariance):
    """R (rank, d) with R^T R = covariance, by Cholesky with pivoting."""
    upper, pivots, rank, _ = dpstrf(covariance)
    factor = np.empty((rank, len(covariance)))
    factor[:, pivots - 1] = np.triu(upper)[:rank]
    return factor


def _statistics(features, name):
    if isinstance(features, FeatureStatistics):
        return features
    return FeatureStatistics().update(rows.features(features, name))


def kernel_distance(real_features, generated_features, subset_size=1000, n_subsets=100, seed=0):
    """The kernel distance (KID) of Bińkowski et al. 2018, section 4, over random subsets.

    The unbiased estimate of the squared maximum mean discrepancy, with the kernel
    (x.y / d + 1)^3. Unlike that of the Fréchet distance, its expectation does not depend on the
    number of images; for images of one distribution it is 0, so that negative values occur.

    Args:
        real_features, generated_features: arrays (n, d).
        subset_size: images a subset, drawn without replacement from each side; 2 or more.
        n_subsets: how many subsets.
        seed: fixes them.

    Returns:
        (mean, standard deviation) over the subsets. The deviation says little where the subsets
        hold a large part of a side's images.

    Raises:
        ValueError: if an array is not finite, not (n, d) with the other's d, or n is below 2.

    Warns:
        UserWarning: if a side has fewer than `subset_size` images; the subsets are then smaller.
    """
    real, generated = rows.pair(real_features, generated_features)
    checks.integer(subset_size, "subset_size", 2)
    checks.integer(n_subsets, "n_subsets", 1)
    size = min(subset_size, len(real), len(generated))
    if size < subset_size:
        warnings.warn(
            f"The kernel distance takes subsets of {size} images instead of {subset_size}: there "
            f"are {len(real)} real and {len(generated)} generated ones.",
            stacklevel=2,
        )
    rng = np.random.default_rng(seed)
    values = [
        _squared_discrepancy(
            real[rng.choice(len(real), size, replace=False)],
            generated[rng.choice(len(generated), size, replace=False)],
        )
        for _ in range(n_subsets)
    ]
    return float(np.mean(values)), float(np.std(values))


def _squared_discrepancy(x, y):
    """The unbiased estimate of the squared maximum mean discrepancy of x and y, both (n, d)."""
    n = len(x)
    within = sum(k.sum() - np.trace(k) for k in (_cubic_kernel(x, x), _cubic_kernel(y, y)))
    return within / (n * (n - 1)) - 2 * _cubic_kernel(x, y).mean()


def _cubic_kernel(x, y):
    k = x @ y.T / x.shape[1] + 1
    return k * k * k  # Many times faster than k**3.
