"""How new latent points and images are drawn."""

from dagen_keras.sampling import calibration, manifold, metropolis
from dagen_keras.sampling.calibration import calibrate
from dagen_keras.sampling.discriminator import CalibratedDiscriminator
from dagen_keras.sampling.metropolis import metropolis_hastings, rejection
from dagen_keras.sampling.samplers import (
    HMC,
    SAMPLERS,
    GaussianMixture,
    LatentSampler,
    MetropolisHastings,
    Prior,
    RandomWalk,
    Rejection,
    Sampler,
    SelectingSampler,
    Uniform,
    Vamp,
    sampler_of,
    samplers_for,
)

__all__ = [
    "SAMPLERS",
    "CalibratedDiscriminator",
    "GaussianMixture",
    "HMC",
    "LatentSampler",
    "MetropolisHastings",
    "Prior",
    "RandomWalk",
    "Rejection",
    "Sampler",
    "SelectingSampler",
    "Uniform",
    "Vamp",
    "calibrate",
    "calibration",
    "manifold",
    "metropolis",
    "metropolis_hastings",
    "rejection",
    "sampler_of",
    "samplers_for",
]
