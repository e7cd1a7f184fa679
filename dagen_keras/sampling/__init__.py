"""How new latent points are drawn."""

from dagen_keras.sampling import manifold
from dagen_keras.sampling.latent import SAMPLERS, hmc, prior, random_walk, uniform, vamp_prior

__all__ = ["SAMPLERS", "hmc", "manifold", "prior", "random_walk", "uniform", "vamp_prior"]
