"""Latent points from fixed distributions, drawn by NumPy: the same on every backend."""

import numpy as np


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


SAMPLERS = {"prior": prior, "uniform": uniform}
