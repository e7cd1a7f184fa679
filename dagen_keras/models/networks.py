"""The papers' encoders and decoders, as functional models."""

import keras
from keras import layers


def garay_maestre_encoder(latent_dim, image_shape=(28, 28, 1)):
    """Encoder of Garay-Maestre et al., Table 1: images to the mean and log-variance.

    Strides and padding, which the table leaves open, are those of the released code.

    Args:
        latent_dim: dimension of the latent space (the paper's LS).
        image_shape: (height, width, channels), height and width even.

    Returns:
        A model from images (n, *image_shape) to two arrays (n, latent_dim).
    """
    _check(latent_dim, image_shape)
    images = keras.Input(image_shape, name="images")
    x = layers.Conv2D(image_shape[-1], 2, padding="same", activation="relu")(images)
    x = layers.Conv2D(64, 2, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu")(x)
    mean = layers.Dense(latent_dim, name="mean")(x)
    log_var = layers.Dense(latent_dim, name="log_var")(x)
    return keras.Model(images, [mean, log_var], name="encoder")


def garay_maestre_decoder(latent_dim, image_shape=(28, 28, 1)):
    """Decoder of Garay-Maestre et al., Table 1: latent points to images in [0, 1].

    Args:
        latent_dim: dimension of the latent space (the paper's LS).
        image_shape: (height, width, channels), height and width even.

    Returns:
        A model from (n, latent_dim) to (n, *image_shape).
    """
    _check(latent_dim, image_shape)
    height, width, channels = image_shape
    latent = keras.Input((latent_dim,), name="latent")
    x = layers.Dense(128, activation="relu")(latent)
    x = layers.Dense(height // 2 * (width // 2) * 64, activation="relu")(x)
    x = layers.Reshape((height // 2, width // 2, 64))(x)
    x = layers.Conv2DTranspose(64, 3, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(64, 3, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(64, 3, strides=2, padding="valid", activation="relu")(x)
    images = layers.Conv2D(channels, 2, padding="valid", activation="sigmoid")(x)
    return keras.Model(latent, images, name="decoder")


def _check(latent_dim, image_shape):
    if not isinstance(latent_dim, int) or latent_dim < 1:
        raise ValueError(f"latent_dim must be an integer of 1 or more; got {latent_dim!r}.")
    if len(image_shape) != 3 or image_shape[0] % 2 or image_shape[1] % 2:
        raise ValueError(
            "image_shape must be (height, width, channels) with even height and width; "
            f"got {tuple(image_shape)}."
        )
