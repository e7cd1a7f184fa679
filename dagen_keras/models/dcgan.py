"""Convolutional networks in the style of DCGAN, built from the image shape: of GANs and of VAEs.

Guruswamy et al. and Akula et al. give no architecture; these are ours. They follow Radford et al.
(2015): strided convolutions of 4x4 instead of pooling, batch norm and ReLU in the generator,
leaky ReLU (slope 0.2) in what takes images. Images are in [0, 1] outside and [-1, 1] inside. The
discriminators have dropout and no batch norm, so that real and generated images may share a batch.
Last layers are of float32 whatever the policy: losses are made of what these return.
"""

import keras
from keras import layers

from dagen_keras import checks
from dagen_keras.models.networks import metric_entries


def generator(image_shape, n_classes, latent_dim=100, filters=64):
    """[z (n, latent_dim), labels (n,)] to images (n, *image_shape) in [0, 1].

    The noise is multiplied by an embedding of the class. (Where the embedding was appended to it,
    generators learnt to ignore the noise: they drew one image of each class.) A dense layer makes
    a map of at most 8 pixels a side, which transposed convolutions of stride 2, two or more,
    double up to the image's size; what is over is cropped: 28 is 7 doubled twice, 50 is 7 doubled
    three times and cropped from 56.

    Args:
        image_shape: (height, width, channels).
        n_classes: number of classes.
        latent_dim: dimension of z.
        filters: filters of the last hidden layer; they double with each layer before it.
    """
    image_shape, n_classes, latent_dim, filters = sizes(
        image_shape, n_classes=n_classes, latent_dim=latent_dim, filters=filters
    )
    z = keras.Input((latent_dim,), name="latent")
    labels = keras.Input((), dtype="int32", name="labels")
    code = layers.Multiply()([z, _embedding(n_classes, latent_dim)(labels)])
    images = _transposed_convolutions(code, image_shape, filters, batch_norm=True)
    return keras.Model([z, labels], images, name="generator")


def conditional_discriminator(image_shape, n_classes, filters=64, dropout=0.3):
    """[images, labels (n,)] to the logit of "real" (n, 1); a CGAN's.

    The class is embedded as one more channel of the image.
    """
    image_shape, n_classes, filters = sizes(image_shape, n_classes=n_classes, filters=filters)
    height, width, _ = image_shape
    images = keras.Input(image_shape, name="images")
    labels = keras.Input((), dtype="int32", name="labels")
    plane = _embedding(n_classes, height * width)(labels)
    plane = layers.Reshape((height, width, 1))(plane)
    x = layers.Concatenate()([layers.Rescaling(2.0, -1.0)(images), plane])
    x = _convolutions(x, image_shape, filters, dropout)
    return keras.Model([images, labels], _logits(1)(x), name="discriminator")


def classifying_discriminator(image_shape, n_classes, filters=64, dropout=0.3):
    """Images to [the logit of "real" (n, 1), logits of the classes (n, n_classes)]; an AC-GAN's."""
    image_shape, n_classes, filters = sizes(image_shape, n_classes=n_classes, filters=filters)
    images = keras.Input(image_shape, name="images")
    x = _convolutions(layers.Rescaling(2.0, -1.0)(images), image_shape, filters, dropout)
    outputs = [_logits(1)(x), _logits(n_classes)(x)]
    return keras.Model(images, outputs, name="discriminator")


def joint_discriminator(image_shape, n_classes, latent_dim=100, filters=64, dropout=0.3):
    """[images, z (n, latent_dim), labels (n,)] to the logit of "from the encoder" (n, 1); ALI's."""
    image_shape, n_classes, latent_dim, filters = sizes(
        image_shape, n_classes=n_classes, latent_dim=latent_dim, filters=filters
    )
    images = keras.Input(image_shape, name="images")
    z = keras.Input((latent_dim,), name="latent")
    labels = keras.Input((), dtype="int32", name="labels")
    x = _convolutions(layers.Rescaling(2.0, -1.0)(images), image_shape, filters, dropout)
    code = layers.Concatenate()([z, _embedding(n_classes, latent_dim)(labels)])
    code = layers.LeakyReLU(0.2)(layers.Dense(4 * filters)(code))
    x = layers.Dense(4 * filters)(layers.Concatenate()([x, code]))
    x = layers.Dropout(dropout)(layers.LeakyReLU(0.2)(x))
    return keras.Model([images, z, labels], _logits(1)(x), name="discriminator")


def encoder(image_shape, latent_dim=100, filters=64):
    """Images to [mean, log_var] of z, each (n, latent_dim); ALI's and a VAE's."""
    image_shape, latent_dim, filters = sizes(image_shape, latent_dim=latent_dim, filters=filters)
    images = keras.Input(image_shape, name="images")
    x = _convolutions(layers.Rescaling(2.0, -1.0)(images), image_shape, filters)
    heads = [
        layers.Dense(latent_dim, name=name, dtype="float32")(x) for name in ("mean", "log_var")
    ]
    return keras.Model(images, heads, name="encoder")


def decoder(image_shape, latent_dim=100, filters=64):
    """z (n, latent_dim) to images in [0, 1]; a VAE's.

    The generator without classes and without batch norm, so that an image depends on its own z
    alone. It ends with the sigmoid alone, so that a model can take the logits before it.
    """
    image_shape, latent_dim, filters = sizes(image_shape, latent_dim=latent_dim, filters=filters)
    z = keras.Input((latent_dim,), name="latent")
    images = _transposed_convolutions(z, image_shape, filters)
    return keras.Model(z, images, name="decoder")


def metric_network(image_shape, latent_dim=100, filters=64):
    """Images to their metric's entries (n, d (d + 1) / 2), d = latent_dim; an RHVAE's.

    The logarithms of the diagonal of L, then its strictly lower part, row by row.
    """
    image_shape, latent_dim, filters = sizes(image_shape, latent_dim=latent_dim, filters=filters)
    images = keras.Input(image_shape, name="images")
    x = _convolutions(layers.Rescaling(2.0, -1.0)(images), image_shape, filters)
    return keras.Model(images, metric_entries(x, latent_dim), name="metric_network")


def sizes(image_shape, **others):
    """The image shape, a tuple, and the other sizes in their order, as Python's integers.

    Raises:
        ValueError: if no network can have these sizes.
    """
    integers = (checks.integer(n, name) for name, n in others.items())
    return checks.image_shape(image_shape), *integers


def _logits(n):
    return layers.Dense(n, dtype="float32")


def _doublings(image_shape):
    """How often a map of at most 8 pixels a side is doubled to reach the image; at least twice."""
    return max(2, (-(-max(image_shape[:2]) // 8) - 1).bit_length())


def _embedding(n_classes, size):
    """Of the noise's and the pixels' magnitude: Keras's default, 0.05, would hardly be heard."""
    return layers.Embedding(
        n_classes, size, embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0)
    )


def _transposed_convolutions(x, image_shape, filters, batch_norm=False):
    """A dense layer to a small map, transposed convolutions up to the image, and the sigmoid."""
    height, width, channels = image_shape
    doublings = _doublings(image_shape)
    rows, columns = (-(-side // 2**doublings) for side in (height, width))
    deepest = filters * 2 ** (doublings - 1)
    x = layers.Dense(rows * columns * deepest, use_bias=not batch_norm)(x)
    x = layers.Reshape((rows, columns, deepest))(x)
    for doubling in range(1, doublings + 1):
        last = doubling == doublings
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Conv2DTranspose(
            channels if last else deepest // 2**doubling,
            4,
            strides=2,
            padding="same",
            use_bias=last or not batch_norm,
        )(layers.ReLU()(x))
    over = rows * 2**doublings - height, columns * 2**doublings - width
    if any(over):
        x = layers.Cropping2D([(n // 2, n - n // 2) for n in over])(x)
    return layers.Activation("sigmoid", dtype="float32")(x)


def _convolutions(x, image_shape, filters, dropout=0.0):
    """The generator's transposed convolutions mirrored, then flat."""
    for halving in range(_doublings(image_shape)):
        x = layers.Conv2D(filters * 2**halving, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    return layers.Flatten()(x)
