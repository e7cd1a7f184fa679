"""The classifier of Garay-Maestre et al., and the VAE as they released it."""

import functools

import keras
from keras import layers

from dagen_keras.models import BaseVAE, divergences
from dagen_keras.models.classifiers import check_sizes


def classifier(n_classes=10, image_shape=(28, 28, 1), filters=64):
    """The CNN of Garay-Maestre et al., Table 1: images to class probabilities (n, n_classes).

    `filters` are those of the first convolution; the others have twice as many.
    """
    check_sizes(n_classes, image_shape, smallest=4)
    return keras.Sequential(
        [
            keras.Input(image_shape),
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.Conv2D(2 * filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.Conv2D(2 * filters, 3, padding="same", activation="relu"),
            layers.Conv2D(2 * filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(n_classes, activation="softmax", dtype="float32"),
        ],
        name="classifier",
    )


@functools.cache
def classifier_of(filters):
    """The function that builds a `classifier` of so many filters, the same one each time."""
    return functools.partial(classifier, filters=filters)


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
