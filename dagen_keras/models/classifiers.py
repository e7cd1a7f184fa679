"""Classifiers: a small CNN, a DenseNet. Their last layers are of float32 whatever the policy."""

import keras
from keras import layers

from dagen_keras import checks


def conv_classifier(
    n_classes=10,
    image_shape=(28, 28, 1),
    filters=(32, 64),
    hidden=(128,),
    dropout=0.0,
    activation="softmax",
):
    """A small CNN: 3x3 ReLU convolutions, each with 2x2 max pooling, and dense ReLU layers.

    Args:
        n_classes: number of classes.
        image_shape: (height, width, channels), height and width at least 2 to the power of the
            number of convolutions.
        filters: of each convolution.
        hidden: units of each dense layer before the last.
        dropout: share of the values that is dropped after each pooling.
        activation: of the last layer; None for logits.

    Returns:
        A model from images (n, *image_shape) to (n, n_classes).
    """
    check_sizes(n_classes, image_shape, smallest=2 ** len(filters))
    blocks = []
    for n in filters:
        blocks += [layers.Conv2D(n, 3, padding="same", activation="relu"), layers.MaxPooling2D()]
        if dropout:
            blocks.append(layers.Dropout(dropout))
    blocks.append(layers.Flatten())
    blocks += [layers.Dense(n, activation="relu") for n in hidden]
    blocks.append(layers.Dense(n_classes, activation=activation, dtype="float32"))
    return keras.Sequential([keras.Input(image_shape), *blocks], name="classifier")


def densenet(n_classes=10, image_shape=(28, 28, 1), growth_rate=10, depth=20, reduction=0.5):
    """DenseNet-BC as Chadebec and Allassonnière use it, appendix E.

    The network of https://github.com/bamos/densenet.pytorch, which the paper cites: a 3x3
    convolution to `2 growth_rate` channels; three dense blocks of `(depth - 4) // 3 // 2`
    bottleneck layers (batch norm, ReLU, 1x1 convolution to `4 growth_rate` channels, batch norm,
    ReLU, 3x3 convolution to `growth_rate`, concatenated to the layer's input); after the first and
    second block a transition (batch norm, ReLU, 1x1 convolution to a share `reduction` of the
    channels, 2x2 average pooling); batch norm, ReLU, average pooling, softmax. Convolutions have
    no bias. The division rounds down: depth 20 is two layers a block, the network of depth 16.

    That code ends with 8x8 average pooling, which is global for its 32x32 images and does not fit
    28x28 ones; here it is global for every shape.

    Args:
        n_classes: number of classes.
        image_shape: (height, width, channels), height and width at least 4.
        growth_rate: channels that each layer adds.
        depth: 10 or more.
        reduction: share of the channels that a transition keeps, rounded down; in (0, 1].

    Returns:
        A model from images (n, *image_shape) to probabilities (n, n_classes).

    Raises:
        ValueError: if an argument is not as described, or a transition would keep no channel.
    """
    check_sizes(n_classes, image_shape, smallest=4)
    checks.integer(growth_rate, "growth_rate")
    checks.integer(depth, "depth", least=10)  # For a layer in each dense block.
    if not 0 < reduction <= 1:
        raise ValueError(f"reduction must be in (0, 1]; got {reduction!r}.")
    images = keras.Input(image_shape, name="images")
    x = _convolution(2 * growth_rate, 3)(images)
    for block in range(3):
        if block:
            kept = int(x.shape[-1] * reduction)
            if not kept:
                raise ValueError(
                    f"reduction {reduction!r} keeps none of {x.shape[-1]} channels; it must be at "
                    f"least {1 / x.shape[-1]:.2g}."
                )
            x = layers.AveragePooling2D(2)(_convolution(kept, 1)(_norm_relu(x)))
        for _ in range((depth - 4) // 3 // 2):
            new = _convolution(4 * growth_rate, 1)(_norm_relu(x))
            new = _convolution(growth_rate, 3)(_norm_relu(new))
            x = layers.Concatenate()([x, new])
    x = layers.GlobalAveragePooling2D()(_norm_relu(x))
    probabilities = layers.Dense(n_classes, activation="softmax", dtype="float32")(x)
    return keras.Model(images, probabilities, name="densenet")


def _convolution(filters, size):
    """A convolution without bias, initialised as in bamos/densenet.pytorch."""
    initializer = keras.initializers.VarianceScaling(2, "fan_out", "untruncated_normal")
    return layers.Conv2D(
        filters, size, padding="same", use_bias=False, kernel_initializer=initializer
    )


def _norm_relu(x):
    return layers.ReLU()(batch_norm()(x))


def batch_norm():
    """Batch norm with PyTorch's default constants, as the authors' code has them.

    With Keras's momentum of 0.99 the moving averages would lag hundreds of steps behind the
    weights, and with them the validation loss of a small data set.
    """
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)


def check_sizes(n_classes, image_shape, smallest):
    """Refuses what no classifier can have; `smallest` is that of height and width."""
    checks.integer(n_classes, "n_classes", least=2)
    if min(checks.image_shape(image_shape)[:2]) < smallest:
        raise ValueError(
            f"image_shape must have a height and a width of at least {smallest}; "
            f"got {tuple(image_shape)}."
        )
