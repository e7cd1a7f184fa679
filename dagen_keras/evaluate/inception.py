"""Inception-V3 and what it takes."""

import keras
from keras import layers, ops

from dagen_keras.datasets import DataError

SIZE = 299


@keras.saving.register_keras_serializable("dagen_keras")
class InceptionInput(layers.Layer):
    """Images (n, height, width, 1 or 3) in [0, 1] to (n, 299, 299, 3) in [-1, 1].

    Raises:
        ValueError: if there are other than 1 or 3 channels.
    """

    def call(self, images):
        if images.shape[-1] not in (None, 1, 3):
            raise ValueError(f"Inception-V3 takes 1 or 3 channels; got {images.shape[-1]}.")
        resized = ops.image.resize(images, (SIZE, SIZE), "bilinear", data_format="channels_last")
        return 2 * resized - ops.ones((3,))  # Broadcasts one channel to three.

    def compute_output_shape(self, input_shape):
        return (input_shape[0], SIZE, SIZE, 3)


def network(weights="imagenet"):
    """`keras.applications.InceptionV3` with its head, and weights from the network or a file.

    Raises:
        DataError: if the weights cannot be downloaded or read.
    """
    try:
        return keras.applications.InceptionV3(weights=str(weights))
    except Exception as error:  # Keras raises a bare Exception if a download fails.
        raise DataError(
            f"The weights of Inception-V3 cannot be had: looked for '{weights}' ({error}). There "
            "are two ways to supply them: run once where there is a network, and Keras downloads "
            "and keeps them; or name a file of them, FeatureSpace.inception('FILE'), such as "
            "keras.applications.InceptionV3().save_weights('inception.weights.h5') writes there."
        ) from error
