"""What is trained: VAEs, classifiers, and the papers' networks."""

import keras

from dagen_keras.models import dcgan, divergences
from dagen_keras.models.acgan import ACGAN, EveryThirdEpoch
from dagen_keras.models.ali import ALI, acgan_on_ali
from dagen_keras.models.callbacks import BestWeights, NonFiniteLossError, StopOnNonFiniteLoss
from dagen_keras.models.classifiers import (
    chadebec_cnn,
    chadebec_mlp,
    chen_liu_cnn,
    densenet,
    garay_maestre_classifier,
    guruswamy_classifier,
)
from dagen_keras.models.diff_augment import DiffAugment
from dagen_keras.models.gan import CGAN, gan_optimizer
from dagen_keras.models.generative import GenerativeModel
from dagen_keras.models.networks import (
    chadebec_decoder,
    chadebec_encoder,
    chadebec_metric_network,
    garay_maestre_decoder,
    garay_maestre_encoder,
    nonpositive,
)
from dagen_keras.models.rhvae import RHVAE, akula_rhvae, chadebec_rhvae
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
    akula_vae,
    chadebec_vae,
    chen_liu_vae,
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
    "akula_rhvae",
    "akula_vae",
    "chadebec_cnn",
    "chadebec_decoder",
    "chadebec_encoder",
    "chadebec_metric_network",
    "chadebec_mlp",
    "chadebec_rhvae",
    "chadebec_vae",
    "chen_liu_cnn",
    "chen_liu_vae",
    "dcgan",
    "densenet",
    "divergences",
    "fit_passes",
    "fit_updates",
    "fit_with_validation",
    "gan_optimizer",
    "garay_maestre_classifier",
    "garay_maestre_decoder",
    "garay_maestre_encoder",
    "garay_maestre_vae",
    "get_state",
    "guruswamy_classifier",
    "load_model",
    "nonpositive",
    "predict",
    "search_learning_rate",
    "set_state",
]


def load_model(path, **kwargs):
    """A model saved with `model.save("....keras")`, with this package's classes known."""
    return keras.saving.load_model(path, **kwargs)
