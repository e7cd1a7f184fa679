"""What is trained: VAEs, classifiers, and the papers' networks."""

import keras

from dagen_keras.models import dcgan, divergences
from dagen_keras.models.acgan import ACGAN, EveryThirdEpoch
from dagen_keras.models.ali import ALI, acgan_on_ali
from dagen_keras.models.callbacks import BestWeights, NonFiniteLossError, StopOnNonFiniteLoss
from dagen_keras.models.cgan import CGAN
from dagen_keras.models.classifiers import conv_classifier, densenet
from dagen_keras.models.diff_augment import DiffAugment
from dagen_keras.models.gan import GAN, gan_optimizer
from dagen_keras.models.generative import GenerativeModel
from dagen_keras.models.networks import (
    dense_decoder,
    dense_encoder,
    dense_metric_network,
    garay_maestre_decoder,
    garay_maestre_encoder,
    nonpositive,
)
from dagen_keras.models.rhvae import RHVAE, chadebec_rhvae, conv_rhvae
from dagen_keras.models.search import LearningRateSearch, search_learning_rate
from dagen_keras.models.training import (
    ReusableModel,
    ShuffledBatches,
    fit_passes,
    fit_updates,
    fit_with_validation,
    get_state,
    predict,
    set_state,
)
from dagen_keras.models.vae import (
    VAE,
    BaseVAE,
    LinearSchedule,
    Sampling,
    chadebec_vae,
    conv_vae,
    dense_vae,
    garay_maestre_vae,
)
from dagen_keras.models.vamp import VampVAE

__all__ = [
    "ACGAN",
    "ALI",
    "BaseVAE",
    "BestWeights",
    "CGAN",
    "DiffAugment",
    "GAN",
    "EveryThirdEpoch",
    "GenerativeModel",
    "RHVAE",
    "VAE",
    "LearningRateSearch",
    "LinearSchedule",
    "NonFiniteLossError",
    "ReusableModel",
    "Sampling",
    "ShuffledBatches",
    "VampVAE",
    "StopOnNonFiniteLoss",
    "acgan_on_ali",
    "chadebec_rhvae",
    "chadebec_vae",
    "conv_classifier",
    "conv_rhvae",
    "conv_vae",
    "dense_decoder",
    "dense_encoder",
    "dense_metric_network",
    "dense_vae",
    "dcgan",
    "densenet",
    "divergences",
    "fit_passes",
    "fit_updates",
    "fit_with_validation",
    "gan_optimizer",
    "garay_maestre_decoder",
    "garay_maestre_encoder",
    "garay_maestre_vae",
    "get_state",
    "load_model",
    "nonpositive",
    "predict",
    "search_learning_rate",
    "set_state",
]


def load_model(path, **kwargs):
    """A model saved with `model.save("....keras")`, with this package's classes known."""
    return keras.saving.load_model(path, **kwargs)
