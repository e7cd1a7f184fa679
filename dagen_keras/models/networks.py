"""Encoders, decoders and metric networks, as functional models.

Their last layers are of float32 whatever the policy: losses are made of what these return.
"""

import math

import keras
from keras import layers, ops

from dagen_keras import checks


@keras.saving.register_keras_serializable("dagen_keras")
def nonpositive(x):
    """min(0, x), which Chen and Liu put on the heads of their encoder, so that sigma <= 1.

    It has no gradient where x > 0.
    """
    return ops.minimum(x, 0)


def check_dtypes(*networks):
    """Refuses networks that do not compute in float32 or mixed_bfloat16, to outputs of float32.

    The models' losses, noise and schedules are float32. Gradients that float16 cannot hold would
    need scaling, which the players of a GAN, and chains of an RHVAE, do not have.
    """
    for network in networks:
        for layer in (network, *network.layers):
            if layer.dtype_policy.name not in ("float32", "mixed_bfloat16"):
                raise ValueError(
                    "a generative model computes in float32 or mixed_bfloat16; "
                    f"'{layer.name}' does in {layer.dtype_policy.name}: build it under "
                    "keras.mixed_precision.set_dtype_policy('float32')."
                )
        for output in getattr(network, "outputs", None) or ():
            if output.dtype != "float32":
                raise ValueError(
                    f"the outputs of '{network.name}' must be float32; got {output.dtype}: give "
                    "its last layer dtype='float32'."
                )


def garay_maestre_encoder(latent_dim, image_shape=(28, 28, 1)):
    """Encoder of Garay-Maestre et al., Table 1: images to the mean and log-variance.

    Strides and padding, which the table leaves open, are those of the released code.

    Args:
        latent_dim: dimension of the latent space (the paper's LS).
        image_shape: (height, width, channels).

    Returns:
        A model from images (n, *image_shape) to two arrays (n, latent_dim).
    """
    latent_dim = checks.integer(latent_dim, "latent_dim")
    image_shape = checks.image_shape(image_shape)
    images = keras.Input(image_shape, name="images")
    x = layers.Conv2D(image_shape[-1], 2, padding="same", activation="relu")(images)
    x = layers.Conv2D(64, 2, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu")(x)
    return keras.Model(images, _posterior(x, latent_dim), name="encoder")


def garay_maestre_decoder(latent_dim, image_shape=(28, 28, 1)):
    """Decoder of Garay-Maestre et al., Table 1: latent points to images in [0, 1].

    Args:
        latent_dim: dimension of the latent space (the paper's LS).
        image_shape: (height, width, channels); of an odd side the last row or column is cut off.

    Returns:
        A model from (n, latent_dim) to (n, *image_shape).
    """
    latent_dim = checks.integer(latent_dim, "latent_dim")
    height, width, channels = checks.image_shape(image_shape)
    rows, columns = -(-height // 2), -(-width // 2)
    latent = keras.Input((latent_dim,), name="latent")
    x = layers.Dense(128, activation="relu")(latent)
    x = layers.Dense(rows * columns * 64, activation="relu")(x)
    x = layers.Reshape((rows, columns, 64))(x)
    x = layers.Conv2DTranspose(64, 3, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(64, 3, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(64, 3, strides=2, padding="valid", activation="relu")(x)
    images = layers.Conv2D(channels, 2, activation="sigmoid", dtype="float32")(x)
    if height % 2 or width % 2:
        cut = (0, height % 2), (0, width % 2)
        images = layers.Cropping2D(cut, dtype="float32")(images)
    return keras.Model(latent, images, name="decoder")


def dense_encoder(
    latent_dim,
    image_shape=(28, 28, 1),
    hidden=(400,),
    mean_activation=None,
    log_var_activation=None,
):
    """A fully connected encoder: images to the mean and log-variance.

    Args:
        latent_dim: dimension of the latent space.
        image_shape: (height, width, channels).
        hidden: units of the ReLU layers.
        mean_activation, log_var_activation: of the two outputs.

    Returns:
        A model from images (n, *image_shape) to two arrays (n, latent_dim).
    """
    latent_dim = checks.integer(latent_dim, "latent_dim")
    images, x = _hidden_layers(checks.image_shape(image_shape), hidden, "images")
    outputs = _posterior(x, latent_dim, mean_activation, log_var_activation)
    return keras.Model(images, outputs, name="encoder")


def dense_decoder(latent_dim, image_shape=(28, 28, 1), hidden=(400,)):
    """A fully connected decoder: latent points to images in [0, 1].

    `hidden` are the units of its ReLU layers. It ends with the sigmoid alone, so that a model can
    take the logits before it.
    """
    latent_dim = checks.integer(latent_dim, "latent_dim")
    image_shape = checks.image_shape(image_shape)
    latent, x = _hidden_layers((latent_dim,), hidden, "latent")
    x = layers.Dense(math.prod(image_shape), name="output")(x)
    x = layers.Reshape(image_shape)(x)
    images = layers.Activation("sigmoid", dtype="float32")(x)
    return keras.Model(latent, images, name="decoder")


def dense_metric_network(latent_dim, image_shape=(28, 28, 1), hidden=(400,)):
    """A fully connected metric network: images to their metric's entries.

    Returns:
        A model from images (n, *image_shape) to (n, d (d + 1) / 2): the logarithms of the
        diagonal of L, then its strictly lower part, row by row.
    """
    latent_dim = checks.integer(latent_dim, "latent_dim")
    images, x = _hidden_layers(checks.image_shape(image_shape), hidden, "images")
    return keras.Model(images, metric_entries(x, latent_dim), name="metric_network")


def metric_entries(x, latent_dim):
    """The last layers of a metric network: (n, units) to (n, d (d + 1) / 2)."""
    entries = layers.Dense(latent_dim, name="diagonal", dtype="float32")(x)
    if latent_dim > 1:
        n_lower = latent_dim * (latent_dim - 1) // 2
        lower = layers.Dense(n_lower, name="lower", dtype="float32")(x)
        entries = layers.Concatenate(dtype="float32")([entries, lower])
    return entries


def _hidden_layers(shape, hidden, name):
    if not isinstance(hidden, list | tuple):
        raise ValueError(f"hidden must list the units of each layer, such as (400,); got {hidden}.")
    inputs = keras.Input(shape, name=name)
    x = layers.Flatten()(inputs) if len(shape) > 1 else inputs
    for number, units in enumerate(hidden):
        x = layers.Dense(units, activation="relu", name=f"hidden_{number}")(x)
    return inputs, x


def _posterior(x, latent_dim, mean_activation=None, log_var_activation=None):
    return [
        layers.Dense(latent_dim, activation=mean_activation, name="mean", dtype="float32")(x),
        layers.Dense(latent_dim, activation=log_var_activation, name="log_var", dtype="float32")(x),
    ]
