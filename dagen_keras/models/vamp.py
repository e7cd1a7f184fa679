"""The VAE with a VampPrior."""

import math

import keras
from keras import ops

from dagen_keras import checks
from dagen_keras.models.vae import BaseVAE


@keras.saving.register_keras_serializable("dagen_keras")
class VampVAE(BaseVAE):
    """A VAE whose prior is the mean of the posteriors of learned pseudo-inputs.

    The divergence log q(z|x) - log p(z) is estimated with the draw z of the posterior; p is the
    mixture (1/K) sum_k q(z|u_k). Called without `training`, z is the posterior mean.

    Args:
        encoder, decoder, seed: as for `BaseVAE`.
        n_pseudo_inputs: K, the number of pseudo-inputs u_k.

    Reference: Tomczak and Welling, VAE with a VampPrior (2018), eq. 9.
    """

    offers = (*BaseVAE.offers, "pseudo-inputs")

    def __init__(self, encoder, decoder, seed=None, n_pseudo_inputs=10, **kwargs):
        super().__init__(encoder, decoder, seed, **kwargs)
        self.n_pseudo_inputs = n_pseudo_inputs = checks.integer(n_pseudo_inputs, "n_pseudo_inputs")
        self.pseudo_logits = self.add_weight(
            shape=(n_pseudo_inputs, *encoder.input_shape[1:]),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="pseudo_logits",
        )

    def pseudo_inputs(self):
        """The u_k, images in [0, 1], shape (n_pseudo_inputs, height, width, channels)."""
        return ops.sigmoid(self.pseudo_logits)

    def divergence_of(self, y_pred):
        posterior = log_normal(y_pred["latent"], y_pred["mean"], y_pred["log_var"])
        means, log_vars = self.encoder(self.pseudo_inputs())
        components = log_normal(y_pred["latent"][:, None], means, log_vars)
        prior = ops.logsumexp(components, axis=1) - math.log(self.n_pseudo_inputs)
        return posterior - prior

    def get_config(self):
        return {**super().get_config(), "n_pseudo_inputs": self.n_pseudo_inputs}


def log_normal(z, mean, log_var):
    """log N(z; mean, exp(log_var)), summed over the last axis."""
    squares = ops.square(z - mean) * ops.exp(-log_var)
    return -0.5 * ops.sum(squares + log_var + math.log(2 * math.pi), axis=-1)
