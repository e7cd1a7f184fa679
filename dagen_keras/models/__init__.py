"""What is trained: VAEs, classifiers, and the papers' networks."""

import keras

from dagen_keras.models.classifiers import garay_maestre_classifier
from dagen_keras.models.networks import garay_maestre_decoder, garay_maestre_encoder
from dagen_keras.models.training import (
    NonFiniteLossError,
    ReusableModel,
    StopOnNonFiniteLoss,
    fit_passes,
    predict,
)
from dagen_keras.models.vae import VAE, ReleasedVAE, Sampling, garay_maestre_vae

__all__ = [
    "VAE",
    "NonFiniteLossError",
    "ReleasedVAE",
    "ReusableModel",
    "Sampling",
    "StopOnNonFiniteLoss",
    "fit_passes",
    "garay_maestre_classifier",
    "garay_maestre_decoder",
    "garay_maestre_encoder",
    "garay_maestre_vae",
    "load_model",
    "predict",
]


def load_model(path, **kwargs):
    """A model saved with `model.save("....keras")`, with this package's classes known."""
    return keras.saving.load_model(path, **kwargs)
