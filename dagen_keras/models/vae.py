"""The variational autoencoder."""

import math

import keras
import numpy as np
from keras import layers, ops

from dagen_keras import checks
from dagen_keras.models.networks import (
    chadebec_decoder,
    chadebec_encoder,
    garay_maestre_decoder,
    garay_maestre_encoder,
)
from dagen_keras.models.training import StopOnNonFiniteLoss


@keras.saving.register_keras_serializable("dagen_keras")
class Sampling(layers.Layer):
    """Draws z = mean + exp(log_var / 2) * noise, the reparameterization trick.

    Reference: Kingma and Welling, Auto-Encoding Variational Bayes (2013), section 2.4.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, mean, log_var):
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_var) * noise

    def compute_output_shape(self, mean_shape, log_var_shape):
        return mean_shape

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable("dagen_keras")
class VAE(keras.Model):
    """A variational autoencoder with a Bernoulli decoder.

    The loss of one image is the binary cross-entropy summed over its pixels plus the exact
    Kullback-Leibler divergence between the posterior and N(0, I), summed over latent dimensions.
    Compile it with an optimizer alone and `fit(images)`.

    Called with `training=True` it decodes a draw from the posterior, otherwise the posterior
    mean, so that inference is deterministic.

    Args:
        encoder: a model from images to [mean, log_var], each (n, latent_dim).
        decoder: a model from (n, latent_dim) to images in [0, 1].
        seed: seed of the posterior's noise; None draws one.

    Example:
        >>> vae = garay_maestre_vae(latent_dim=3)
        >>> vae.compile("rmsprop")
        >>> vae.fit(images, batch_size=100, epochs=200)
        >>> new = vae.decoder(keras.random.normal((16, vae.latent_dim)))

    Reference: Kingma and Welling (2013), eq. 10. Garay-Maestre et al. print this divergence
    without the factor 1/2 and with log(sigma) for log(sigma^2) (their eq. 2).
    """

    sampling_class = Sampling
    networks = ("encoder", "decoder")

    def __init__(self, encoder, decoder, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.seed = seed
        self.sampling = self.sampling_class(seed)
        self.reconstruction_tracker = keras.metrics.Mean("reconstruction")
        self.kl_tracker = keras.metrics.Mean("kl")
        self.built = True  # Its networks are.

    @property
    def latent_dim(self):
        return self.decoder.input_shape[-1]

    def build(self, input_shape):
        self.built = True

    def fit(
        self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, **kwargs
    ):
        """Keras's `fit`; refuses bad images and stops as soon as the loss is not finite.

        Raises:
            ValueError: if `x` is an array but not of images in [0, 1].
            NonFiniteLossError: if the loss becomes NaN or infinite; says where.
        """
        if isinstance(x, np.ndarray):
            x = checks.images(x)
        if not isinstance(callbacks, list | tuple):
            callbacks = [] if callbacks is None else [callbacks]
        stop = StopOnNonFiniteLoss(f"the model '{self.name}'")
        return super().fit(x, y, batch_size, epochs, verbose, [*callbacks, stop], **kwargs)

    def call(self, images, training=False):
        mean, log_var = self.encoder(images)
        latent = self.sampling(mean, log_var) if training else mean
        return {
            "reconstruction": self.decoder(latent),
            "latent": latent,
            "mean": mean,
            "log_var": log_var,
        }

    def kl(self, mean, log_var):
        """KL(N(mean, exp(log_var)) || N(0, I)) of each image, shape (n,)."""
        return 0.5 * ops.sum(ops.exp(log_var) + ops.square(mean) - 1 - log_var, axis=-1)

    def divergence(self, y_pred):
        """What the loss adds to the reconstruction, of each image, shape (n,)."""
        return self.kl(y_pred["mean"], y_pred["log_var"])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        n_pixels = math.prod(self.encoder.input_shape[1:])
        flat = (-1, n_pixels)
        reconstruction = n_pixels * ops.mean(
            keras.losses.binary_crossentropy(
                ops.reshape(x, flat), ops.reshape(y_pred["reconstruction"], flat)
            )
        )
        kl = ops.mean(self.divergence(y_pred))
        self.reconstruction_tracker.update_state(reconstruction)
        self.kl_tracker.update_state(kl)
        return reconstruction + kl

    def get_config(self):
        networks = {
            name: keras.saving.serialize_keras_object(getattr(self, name)) for name in self.networks
        }
        return {**super().get_config(), **networks, "seed": self.seed}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        networks = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in cls.networks
        }
        return cls(**{**config, **networks})


def garay_maestre_vae(latent_dim, image_shape=(28, 28, 1), model_class=VAE):
    """The class-wise VAE of Garay-Maestre et al., Table 1."""
    return model_class(
        garay_maestre_encoder(latent_dim, image_shape),
        garay_maestre_decoder(latent_dim, image_shape),
    )


def chadebec_vae(latent_dim=2, image_shape=(28, 28, 1), hidden=(400,), model_class=VAE):
    """A VAE with the networks of Chadebec and Allassonniere, Table 5.

    `hidden` are the units of the encoder's ReLU layers, the decoder's in reverse; (1000, 400) for
    OASIS.
    """
    return model_class(
        chadebec_encoder(latent_dim, image_shape, hidden),
        chadebec_decoder(latent_dim, image_shape, hidden[::-1]),
    )


@keras.saving.register_keras_serializable("dagen_keras")
class ReleasedSampling(Sampling):
    """An erratum of Garay-Maestre et al.: their code scales the noise by the variance."""

    def call(self, mean, log_var):
        return super().call(mean, 2 * log_var)


@keras.saving.register_keras_serializable("dagen_keras")
class ReleasedVAE(VAE):
    """The VAE as Garay-Maestre et al. released it, to show what its two errors do.

    Its noise is scaled by the variance, and the KL is averaged over latent dimensions.
    """

    sampling_class = ReleasedSampling

    def kl(self, mean, log_var):
        """The released code's KL: the exact one of N(mean, exp(log_var)), over latent_dim."""
        return super().kl(mean, log_var) / self.latent_dim
