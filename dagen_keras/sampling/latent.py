"""Samplers: functions `sampler(model, n, seed)` of a trained model that return latent points."""

import numpy as np
from keras import ops

from dagen_keras.sampling import manifold
from dagen_keras.sampling.compatibility import check_sampler


def prior(model, n, seed):
    """`n` points of N(0, I), shape (n, model.latent_dim), float32."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, model.latent_dim)).astype("float32")


def uniform(model, n, seed, low=-1.5, high=1.5):
    """`n` points uniform in [low, high) in each dimension, shape (n, model.latent_dim), float32.

    The bounds are those of the generator that Garay-Maestre et al. released.
    """
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, (n, model.latent_dim)).astype("float32")


def vamp_prior(model, n, seed):
    """`n` points of a `VampVAE`'s prior, shape (n, model.latent_dim), float32."""
    check_sampler("vamp", model)
    mean, log_var = (ops.convert_to_numpy(a) for a in model.encoder(model.pseudo_inputs()))
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(mean), size=n)
    noise = rng.standard_normal((n, model.latent_dim))
    return (mean[chosen] + np.exp(log_var[chosen] / 2) * noise).astype("float32")


def random_walk(model, n, seed):
    """The last states of `n` Riemannian random walks on an `RHVAE`'s metric, from its centroids.

    200 steps of covariance 0.5 I, as in the released code.
    """
    return _explore(manifold.riemannian_random_walk, "random_walk", model, n, seed)


def hmc(model, n, seed):
    """The last states of `n` chains of Hamiltonian Monte Carlo on eq. 3's density of an `RHVAE`."""
    return _explore(manifold.hmc, "hmc", model, n, seed)


def _explore(chains, name, model, n, seed):
    check_sampler(name, model)
    if model.metric is None:
        raise ValueError(
            f"the sampler '{name}' needs the RHVAE's metric: train it with fit(images), or call "
            "update_metric(images)."
        )
    start = manifold.random_centroids(model.metric, n, seed)
    return chains(model.metric, start, seed=seed).samples


SAMPLERS = {
    "prior": prior,
    "uniform": uniform,
    "vamp": vamp_prior,
    "random_walk": random_walk,
    "hmc": hmc,
}
