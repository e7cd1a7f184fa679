"""How new latent points and images are drawn."""

from dagen_keras.sampling import calibration, manifold, metropolis
from dagen_keras.sampling.calibration import calibrate
from dagen_keras.sampling.compatibility import check_sampler, samplers_for
from dagen_keras.sampling.discriminator import CalibratedDiscriminator
from dagen_keras.sampling.latent import SAMPLERS, hmc, prior, random_walk, uniform, vamp_prior
from dagen_keras.sampling.metropolis import metropolis_hastings, rejection

__all__ = [
    "SAMPLERS",
    "CalibratedDiscriminator",
    "calibrate",
    "calibration",
    "check_sampler",
    "hmc",
    "manifold",
    "metropolis",
    "metropolis_hastings",
    "prior",
    "random_walk",
    "rejection",
    "samplers_for",
    "uniform",
    "vamp_prior",
]
