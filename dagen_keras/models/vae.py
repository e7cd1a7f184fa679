"""The variational autoencoder."""

import math
import numbers
from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from dagen_keras import backend, checks
from dagen_keras.models import dcgan, inputs, losses
from dagen_keras.models.callbacks import FollowSchedule
from dagen_keras.models.divergences import DIVERGENCES
from dagen_keras.models.generative import GenerativeModel
from dagen_keras.models.networks import (
    check_dtypes,
    dense_decoder,
    dense_encoder,
    garay_maestre_decoder,
    garay_maestre_encoder,
)
from dagen_keras.models.training import as_list, predict
from dagen_keras.sampling import Sampler, sampler_of


@keras.saving.register_keras_serializable("dagen_keras")
class Sampling(layers.Layer):
    """Draws z = mean + exp(log_var / 2) * noise, the reparameterization trick.

    Reference: Kingma and Welling, Auto-Encoding Variational Bayes (2013), section 2.4.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, mean, log_var):
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_var) * noise

    def compute_output_shape(self, mean_shape, log_var_shape):
        return mean_shape

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


class BaseVAE(GenerativeModel):
    """An encoder, a decoder, and a loss: the reconstruction's and a divergence from the prior.

    The reconstruction's loss of one image is the binary cross-entropy summed over its pixels.
    Called with `training=True` it decodes a draw from the posterior, otherwise the posterior
    mean, so that inference is deterministic.

    Args:
        encoder: a model from images to [mean, log_var], each (n, latent_dim).
        decoder: a model from (n, latent_dim) to images in [0, 1].
        seed: seed of the posterior's noise; None draws one.
        divergence_name: the divergence's among what training reports.

    Raises:
        ValueError: if the decoder's images are not in [0, 1], or a network is not of float32.
    """

    offers = ("prior", "decoder")
    # Arguments that are objects of Keras.
    serialized = ("encoder", "decoder")

    def __init__(self, encoder, decoder, seed=None, divergence_name="divergence", **kwargs):
        super().__init__(**kwargs)
        check_dtypes(self, encoder, decoder)
        check_decoder(decoder)
        self.encoder = encoder
        self.decoder = decoder
        self.seed = seed
        self.sampling = Sampling(seed)
        self.reconstruction_tracker = keras.metrics.Mean("reconstruction")
        self.divergence_tracker = keras.metrics.Mean(divergence_name)
        self.built = True  # Its networks are.

    @property
    def latent_dim(self) -> int:
        return self.decoder.input_shape[-1]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.encoder.input_shape[1:]

    @backend.prompt_pipelines()
    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """Keras's `predict`; refuses bad images."""
        with inputs.checked(self, x) as (x, *_):
            return super().predict(x, batch_size, verbose, steps, callbacks)

    def call(self, images, training=False):
        mean, log_var = self.encoder(images)
        latent = self.sampling(mean, log_var) if training else mean
        return {
            "reconstruction": self.decoder(latent),
            "latent": latent,
            "mean": mean,
            "log_var": log_var,
        }

    def encode(self, images: np.ndarray) -> np.ndarray:
        """The posteriors' means of images (n, height, width, channels), float32 (n, latent_dim)."""
        return predict(self.encoder, self.checked_images(images))[0]

    def generate(
        self, n: int, seed: int | None = None, sampler: str | Sampler = "prior"
    ) -> np.ndarray:
        """New images.

        Args:
            n: how many.
            seed: fixes them; two calls without one give different images.
            sampler: how latent points are drawn: an object of `dagen_keras.sampling`, or its name.

        Returns:
            Images in [0, 1], float32 (n, height, width, channels).

        Raises:
            ValueError: if the sampler does not fit the model.
        """
        n = checks.integer(n, "n", least=0)
        if n == 0:
            return np.zeros((0, *self.image_shape), "float32")
        sampler, seed = sampler_of(sampler, self), backend.any_seed(seed)
        points = sampler.checked_points(self, n, seed)
        return self.drawn(self.decoder, points)

    def divergence_of(self, y_pred):
        """What the loss adds to the reconstruction's of each image, shape (n,)."""
        raise NotImplementedError

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        n_pixels = math.prod(self.encoder.input_shape[1:])
        flat = (-1, n_pixels)
        cross_entropy = keras.losses.binary_crossentropy(
            ops.reshape(x, flat), ops.reshape(y_pred["reconstruction"], flat)
        )
        reconstruction = n_pixels * losses.mean_over_images(cross_entropy, sample_weight)
        divergence = losses.mean_over_images(self.divergence_of(y_pred), sample_weight)
        return self._loss(reconstruction, divergence)

    def _loss(self, reconstruction, divergence):
        self.reconstruction_tracker.update_state(reconstruction)
        self.divergence_tracker.update_state(divergence)
        return losses.with_losses_of(self, reconstruction + divergence)

    def get_config(self):
        serialized = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in self.serialized
        }
        return {**super().get_config(), **serialized, "seed": self.seed}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        deserialized = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in cls.serialized
        }
        return cls(**{**config, **deserialized})


def check_decoder(decoder):
    """Refuses a decoder whose images of a few far points are not in [0, 1].

    The cross-entropy would clip them, and its gradient vanish there. One that ends with a sigmoid
    is not asked: each of its operations would be compiled for that.
    """
    if getattr(decoder.layers[-1], "activation", None) is keras.activations.sigmoid:
        return
    points = 10 * np.random.default_rng(0).standard_normal((8, *decoder.input_shape[1:]), "float32")
    # Stateless: should a layer draw, nothing is changed by it.
    images, _ = decoder.stateless_call(
        decoder.trainable_variables, decoder.non_trainable_variables, points, training=False
    )
    images = ops.convert_to_numpy(images)
    if not 0 <= images.min() <= images.max() <= 1:
        raise ValueError(
            "decoder must return images in [0, 1], as with a sigmoid at its end; those of some "
            f"points are from {images.min():.3g} to {images.max():.3g}."
        )


@keras.saving.register_keras_serializable("dagen_keras")
class VAE(BaseVAE):
    """A variational autoencoder with a Bernoulli decoder.

    The loss of one image is the binary cross-entropy summed over its pixels plus lambda times the
    divergence of the posterior from N(0, I), by default 1 times the exact Kullback-Leibler
    divergence. Compile it with an optimizer alone and `fit(images)`.

    Args:
        encoder, decoder, seed: as for `BaseVAE`.
        divergence: `"kl"`, `"wasserstein2"` (squared), or a function of (mean, log_var), each
            (n, latent_dim), that returns (n,).
        divergence_weight: lambda, a number of 0 or more, or a function that gives it from the
            number of epochs of `fit` that are done, such as `LinearSchedule`. The weight in use
            is the variable `lambda_`.

    Raises:
        ValueError: if `divergence` or `divergence_weight` is not as described.

    Example:
        >>> vae = garay_maestre_vae(latent_dim=3)
        >>> vae.compile("rmsprop")
        >>> vae.fit(images, batch_size=100, epochs=200)
        >>> new = vae.generate(16)

    Reference: Kingma and Welling (2013), eq. 10. Chen and Liu (2021) for lambda and the
    Wasserstein distance. Garay-Maestre et al. print the KL without the factor 1/2 and with
    log(sigma) for log(sigma^2) (their eq. 2).
    """

    serialized = (*BaseVAE.serialized, "divergence", "divergence_weight")

    def __init__(
        self, encoder, decoder, seed=None, divergence="kl", divergence_weight=1.0, **kwargs
    ):
        if not callable(divergence) and divergence not in DIVERGENCES:
            raise ValueError(
                f"divergence must be one of {', '.join(DIVERGENCES)}, or a function of (mean, "
                f"log_var); got {divergence!r}."
            )
        name = (
            divergence
            if isinstance(divergence, str)
            else getattr(divergence, "__name__", "divergence")
        )
        super().__init__(encoder, decoder, seed, divergence_name=name, **kwargs)
        self.divergence = divergence
        if callable(divergence):
            _check_divergence(divergence, self.latent_dim)
        self.lambda_ = self.add_weight(shape=(), initializer="ones", trainable=False, name="lambda")
        self.set_divergence_weight(divergence_weight)

    def fit(
        self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, **kwargs
    ):
        """As of every `BaseVAE`; follows the schedule of `divergence_weight` where it is one."""
        callbacks = as_list(callbacks)
        if callable(self.divergence_weight):
            schedule = FollowSchedule(self.lambda_, self.divergence_weight, _checked_weight)
            callbacks.append(schedule)
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, **kwargs)

    def divergence_of(self, y_pred):
        divergence = DIVERGENCES.get(self.divergence, self.divergence)
        return divergence(y_pred["mean"], y_pred["log_var"])

    def _loss(self, reconstruction, divergence):
        self.reconstruction_tracker.update_state(reconstruction)
        self.divergence_tracker.update_state(divergence)
        return losses.with_losses_of(self, reconstruction + self.lambda_ * divergence)

    def set_divergence_weight(self, weight: float | Callable[[int], float]) -> None:
        """Another lambda, or schedule of it, without compiling anew."""
        first = _checked_weight(weight(0) if callable(weight) else weight)
        self.divergence_weight = weight
        self.lambda_.assign(first)


def _check_divergence(divergence, latent_dim):
    """Refuses what does not return a number for each image: broadcasting would hide it."""
    zeros = ops.zeros((3, latent_dim))
    shape = tuple(ops.shape(divergence(zeros, zeros)))
    if shape != (3,):
        raise ValueError(
            "divergence must return a number for each image, (n,), of mean and log_var, each (n, "
            f"{latent_dim}); of 3 images it returned the shape {shape}."
        )


def _checked_weight(weight):
    if not isinstance(weight, numbers.Real) or not 0 <= weight < math.inf:
        raise ValueError(
            "divergence_weight must be a number of 0 or more, or a function of the epoch; "
            f"got {weight!r}."
        )
    return weight


@keras.saving.register_keras_serializable("dagen_keras")
class LinearSchedule:
    """lambda = initial + step x epochs done; Chen and Liu, appendix A, with their values."""

    def __init__(self, initial=0.5, step=0.05):
        self.initial = initial
        self.step = step

    def __call__(self, epoch):
        return self.initial + self.step * epoch

    def get_config(self):
        return {"initial": self.initial, "step": self.step}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def garay_maestre_vae(latent_dim, image_shape=(28, 28, 1), model_class=VAE):
    """The class-wise VAE of Garay-Maestre et al., Table 1."""
    return model_class(
        garay_maestre_encoder(latent_dim, image_shape),
        garay_maestre_decoder(latent_dim, image_shape),
    )


def dense_vae(
    latent_dim=16,
    image_shape=(28, 28, 1),
    hidden=(512, 256),
    mean_activation=None,
    log_var_activation=None,
    model_class=VAE,
    **settings,
):
    """A VAE of fully connected layers.

    Args:
        latent_dim: dimension of the latent space.
        image_shape: (height, width, channels).
        hidden: units of the encoder's ReLU layers, the decoder's in reverse.
        mean_activation, log_var_activation: of the encoder's two outputs, such as `nonpositive`.
        model_class: `VAE` or `VampVAE`.
        **settings: settings of the model.
    """
    return model_class(
        dense_encoder(latent_dim, image_shape, hidden, mean_activation, log_var_activation),
        dense_decoder(latent_dim, image_shape, hidden[::-1]),
        **settings,
    )


def chadebec_vae(latent_dim=2, image_shape=(28, 28, 1), hidden=(400,), model_class=VAE):
    """A VAE with the networks of Chadebec and Allassonniere, Table 5.

    `hidden` are the units of the encoder's ReLU layers, the decoder's in reverse; (1000, 400) for
    OASIS.
    """
    return dense_vae(latent_dim, image_shape, hidden, model_class=model_class)


def conv_vae(latent_dim=16, image_shape=(32, 32, 3), filters=32, **settings):
    """A convolutional VAE, with networks of `dagen_keras.models.dcgan`.

    Args:
        latent_dim: dimension of the latent space.
        image_shape: (height, width, channels).
        filters: width of the networks.
        **settings: settings of `VAE`.
    """
    sizes = image_shape, latent_dim, filters
    return VAE(dcgan.encoder(*sizes), dcgan.decoder(*sizes), **settings)
