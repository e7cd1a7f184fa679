"""Samplers: objects with settings that say how images are drawn from a trained model.

A model's `generate` takes one. It has scikit-learn's `get_params`, `set_params` and `clone`. What
it `needs` a model to have is among what the model `offers`; so models and samplers do not know
each other's classes, and models of your own say what they offer.
"""

import math
import zlib
from typing import Any

import numpy as np
import sklearn.mixture
from keras import ops
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from dagen_keras import checks
from dagen_keras.sampling import manifold
from dagen_keras.sampling.discriminator import FEWEST_HELD_OUT, CalibratedDiscriminator
from dagen_keras.sampling.metropolis import (
    Selection,
    select_by_metropolis_hastings,
    select_by_rejection,
)


class Sampler(BaseEstimator):
    """What all samplers have in common.

    Attributes:
        needs: what a model must have among its `offers`.
        of: the models that have it, in words.
        learns_from: the images that `fit` needs, "training" or "held out" ones, which the model
            was not trained on; None for a sampler that needs no `fit`.
    """

    needs = "prior"
    of = "a VAE or a GAN"
    learns_from = None

    def fit(
        self, model: Any, images: np.ndarray, label: int | None = None, seed: int = 0
    ) -> "Sampler":
        """Learns what it needs of a trained model and images of one class; returns itself.

        Args:
            model: the trained model.
            images: in [0, 1], (n, height, width, channels); see `learns_from`.
            label: the images' class, as the model knows it; of a model of one class None will do.
            seed: fixes the fit.

        Raises:
            ValueError: if the sampler does not fit the model, or the images are too few.
        """
        self.check(model)
        return self

    def check(self, model: Any) -> None:
        """Refuses a model, trained or not, that the sampler does not fit.

        Raises:
            ValueError: says what the sampler needs, and which samplers fit the model.
        """
        if self.needs not in getattr(model, "offers", ()):
            raise ValueError(
                f"the sampler {self} needs {self.of}; this model is of class "
                f"{type(model).__name__}, which goes with "
                f"{', '.join(samplers_for(model)) or 'none of them'}."
            )

    def _learnt_of(self, model):
        """Keeps which model, in which state, this has learnt from; returns itself."""
        self._weights = _weights_of(model)
        return self

    def _check_learnt_of(self, model):
        """Refuses another model, such as that of another class, and one that was trained since."""
        if self._weights != _weights_of(model):
            raise ValueError(
                f"the sampler {self} was fitted to another model, or before more training: call "
                "fit(model, images)."
            )

    def state(self) -> dict[str, np.ndarray]:
        """What `fit` learnt, as arrays."""
        return {}

    def restored(self, model: Any, state: dict[str, np.ndarray]) -> "Sampler":
        """Itself, fitted to the model as it was when it had this `state`."""
        return self

    def _fitted(self, name):
        """An attribute that `fit` sets."""
        if not hasattr(self, name):
            raise NotFittedError(
                f"the sampler {self} is not fitted yet: call fit(model, images) with "
                f"{self.learns_from} images first."
            )
        return getattr(self, name)


def _weights_of(model):
    """A number that tells a model's trained weights from others."""
    found = 0
    for variable in getattr(model, "trainable_variables", ()):
        found = zlib.crc32(np.ascontiguousarray(ops.convert_to_numpy(variable)), found)
    return found


class LatentSampler(Sampler):
    """A sampler of latent points, which the model decodes. Your own needs `points` alone."""

    def points(self, model: Any, n: int, seed: int | None) -> np.ndarray:
        """`n` latent points, float32 (n, model.latent_dim)."""
        raise NotImplementedError

    def checked_points(self, model: Any, n: int, seed: int | None) -> np.ndarray:
        """What `points` returns, once it is sure to be that.

        A decoder would make something of whatever it gets: on some machines TensorFlow's ReLU
        turns NaN into numbers, and then images.

        Raises:
            ValueError: if it is of another shape, or not finite.
        """
        points = np.asarray(self.points(model, n, seed))
        if points.shape != (n, model.latent_dim):
            raise ValueError(
                f"the sampler {self} must return {n} points of {model.latent_dim} dimensions, "
                f"shape {(n, model.latent_dim)}; it returned {points.shape}."
            )
        bad = ~np.isfinite(points).all(axis=1)
        if bad.any():
            raise ValueError(
                f"the sampler {self} returned NaN or infinity in {bad.sum()} of {n} points."
            )
        return points


class Prior(LatentSampler):
    """Points of N(0, I): images as the model draws them."""

    def points(self, model, n, seed):
        rng = np.random.default_rng(seed)
        return rng.standard_normal((n, model.latent_dim)).astype("float32")

    def select(self, discriminator: CalibratedDiscriminator, n: int, seed: int) -> Selection:
        """`n` images as they come, which the discriminator only judges."""
        images = discriminator.propose(n, seed)
        return Selection(images, discriminator.log_odds(images), 1.0, 0, n)


class Uniform(LatentSampler):
    """Points uniform in [low, high) in each dimension.

    The default bounds are those of the generator that Garay-Maestre et al. released.
    """

    needs, of = "decoder", "a VAE"

    def __init__(self, low: float = -1.5, high: float = 1.5):
        for name, value in (("low", low), ("high", high)):
            if not math.isfinite(checks.number(value, name)):
                raise ValueError(f"{name} must be a finite number; got {value!r}.")
        if not low < high:
            raise ValueError(f"low must be below high; got {low!r} and {high!r}.")
        self.low = low
        self.high = high

    def points(self, model, n, seed):
        rng = np.random.default_rng(seed)
        return rng.uniform(self.low, self.high, (n, model.latent_dim)).astype("float32")


class GaussianMixture(LatentSampler):
    """Points of a mixture of Gaussians that is fitted to the training images' posterior means.

    Args:
        n_components: Gaussians of full covariance, at most as many as images.

    Attributes:
        weights_, means_, covariances_: of the fitted mixture, (k,), (k, d) and (k, d, d).
    """

    needs, of = "decoder", "a VAE"
    learns_from = "training"

    def __init__(self, n_components: int = 10):
        self.n_components = n_components

    def fit(self, model, images, label=None, seed=0):
        self.check(model)
        codes = model.encode(images).astype(float)
        n_components = min(checks.integer(self.n_components, "n_components"), len(codes))
        mixture = sklearn.mixture.GaussianMixture(n_components, random_state=seed).fit(codes)
        self.weights_, self.means_ = mixture.weights_, mixture.means_
        self.covariances_ = mixture.covariances_
        return self._learnt_of(model)

    def state(self):
        return {name: self._fitted(name) for name in ("weights_", "means_", "covariances_")}

    def restored(self, model, state):
        self.weights_, self.means_, self.covariances_ = state.values()
        return self._learnt_of(model)

    def points(self, model, n, seed):
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(self._fitted("weights_")), size=n, p=self.weights_)
        self._check_learnt_of(model)
        noise = rng.standard_normal((n, self.means_.shape[1], 1))
        factors = np.linalg.cholesky(self.covariances_)
        return (self.means_[chosen] + (factors[chosen] @ noise)[..., 0]).astype("float32")


class Vamp(LatentSampler):
    """Points of a `VampVAE`'s own prior, the mixture of its pseudo-inputs' posteriors."""

    needs, of = "pseudo-inputs", "a VampVAE"

    def points(self, model, n, seed):
        mean, log_var = (ops.convert_to_numpy(a) for a in model.encoder(model.pseudo_inputs()))
        rng = np.random.default_rng(seed)
        chosen = rng.integers(len(mean), size=n)
        noise = rng.standard_normal((n, model.latent_dim))
        return (mean[chosen] + np.exp(log_var[chosen] / 2) * noise).astype("float32")


class _Chains(LatentSampler):
    """The last states of chains on an RHVAE's metric, each from a centroid drawn at random."""

    needs, of = "metric", "an RHVAE"

    def points(self, model, n, seed):
        self.check(model)
        if model.metric is None:
            raise ValueError(
                f"the sampler {self} needs the RHVAE's metric: train it with fit(images), or call "
                "update_metric(images)."
            )
        start = manifold.random_centroids(model.metric, n, seed)
        return self.kernel(model.metric, start, seed=seed, **self.get_params()).samples


class RandomWalk(_Chains):
    """Riemannian random walks; the settings are those of `manifold.riemannian_random_walk`.

    200 steps of covariance 0.5 I, as in the released code.
    """

    kernel = staticmethod(manifold.riemannian_random_walk)

    def __init__(
        self,
        n_steps: int = 200,
        covariance: float = 0.5,
        n_integration_steps: int = 10,
        corrected: bool = False,
    ):
        self.n_steps = n_steps
        self.covariance = covariance
        self.n_integration_steps = n_integration_steps
        self.corrected = corrected


class HMC(_Chains):
    """Hamiltonian Monte Carlo on the density of eq. 3; the settings are those of `manifold.hmc`."""

    kernel = staticmethod(manifold.hmc)

    def __init__(self, n_steps: int = 200, n_leapfrog: int = 15, step_size: float = 0.05):
        self.n_steps = n_steps
        self.n_leapfrog = n_leapfrog
        self.step_size = step_size


class SelectingSampler(Sampler):
    """Chooses among a GAN's images of one class by its discriminator, calibrated by `fit`.

    Attributes:
        discriminator_: the `CalibratedDiscriminator`.
    """

    needs, of = "log-odds", "a GAN whose discriminator judges images, a CGAN or an ACGAN"
    learns_from, fewest = "held out", FEWEST_HELD_OUT

    def fit(self, model, images, label=None, seed=0):
        self.check(model)
        self.discriminator_ = CalibratedDiscriminator(model, images, label, seed=seed)
        return self._learnt_of(model)

    def state(self):
        return self._fitted("discriminator_").state()

    def restored(self, model, state):
        self.discriminator_ = CalibratedDiscriminator.restored(model, **state)
        return self._learnt_of(model)

    def images(self, model: Any, labels: np.ndarray, seed: int) -> np.ndarray:
        """Images of the class that `fit` was given, one for each label."""
        discriminator = self._fitted("discriminator_")
        if (labels != discriminator.label).any():
            raise ValueError(
                f"the sampler {self} was fitted to class {discriminator.label} and draws no other."
            )
        self._check_learnt_of(model)
        # Of the model that asks: the weights of several classes may share one.
        images = self.select(discriminator.of(model), len(labels), seed).images
        if len(images) != len(labels):
            raise ValueError(
                f"the sampler {self} must select {len(labels)} images; it selected {len(images)}."
            )
        return checks.images(images, f"what the sampler {self} selects")

    def select(self, discriminator: CalibratedDiscriminator, n: int, seed: int) -> Selection:
        """`n` images as a `Selection`, by any calibrated discriminator."""
        raise NotImplementedError


class Rejection(SelectingSampler):
    """Rejection sampling: see `metropolis.select_by_rejection`."""

    def select(self, discriminator, n, seed):
        return select_by_rejection(discriminator.propose, discriminator.log_odds, n, seed)


class MetropolisHastings(SelectingSampler):
    """Chains from held-out images: see `metropolis.select_by_metropolis_hastings`.

    Args:
        chain_length: proposals for each image; 640 in the paper.
    """

    def __init__(self, chain_length: int = 640):
        self.chain_length = chain_length

    def select(self, discriminator, n, seed):
        propose, score = discriminator.propose, discriminator.log_odds
        starts = discriminator.start_log_odds
        return select_by_metropolis_hastings(propose, score, starts, n, self.chain_length, seed)


SAMPLERS: dict[str, type[Sampler]] = {
    "prior": Prior,
    "uniform": Uniform,
    "gaussian_mixture": GaussianMixture,
    "vamp": Vamp,
    "random_walk": RandomWalk,
    "hmc": HMC,
    "rejection": Rejection,
    "metropolis_hastings": MetropolisHastings,
}


def samplers_for(model: Any) -> tuple[str, ...]:
    """The names of the samplers that fit a model.

    Example:
        >>> samplers_for(garay_maestre_vae(latent_dim=3))
        ('prior', 'uniform', 'gaussian_mixture')
        >>> samplers_for(CGAN((28, 28, 1)))
        ('prior', 'rejection', 'metropolis_hastings')
    """
    offers = getattr(model, "offers", ())
    return tuple(name for name, sampler in SAMPLERS.items() if sampler.needs in offers)


def sampler_of(sampler: str | Sampler, model: Any) -> Sampler:
    """The sampler itself, or the default one of a name, once it is sure to fit the model.

    Raises:
        ValueError: if it is no sampler, or does not fit the model.
    """
    if isinstance(sampler, str) and sampler in SAMPLERS:
        sampler = SAMPLERS[sampler]()
    if not isinstance(sampler, Sampler):
        raise ValueError(
            f"unknown sampler {sampler!r}; known are {', '.join(SAMPLERS)}, or an object such as "
            "sampling.MetropolisHastings(chain_length=100) or of your own subclass of "
            "sampling.LatentSampler."
        )
    sampler.check(model)
    return sampler
