"""How new latent points are drawn."""

from dagen_keras.sampling.latent import SAMPLERS, prior, uniform

__all__ = ["SAMPLERS", "prior", "uniform"]
