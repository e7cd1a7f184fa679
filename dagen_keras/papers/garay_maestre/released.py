"""The VAE as Garay-Maestre et al. released it."""

import keras

from dagen_keras.models import BaseVAE, divergences


@keras.saving.register_keras_serializable("dagen_keras")
class ReleasedVAE(BaseVAE):
    """A VAE with the released code's two errors, to show what they do.

    Its noise is scaled by the variance, and the KL is averaged over latent dimensions.
    """

    def call(self, images, training=False):
        mean, log_var = self.encoder(images)
        latent = self.sampling(mean, 2 * log_var) if training else mean
        return {
            "reconstruction": self.decoder(latent),
            "latent": latent,
            "mean": mean,
            "log_var": log_var,
        }

    def divergence_of(self, y_pred):
        return divergences.kl(y_pred["mean"], y_pred["log_var"]) / self.latent_dim
