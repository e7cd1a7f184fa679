"""The papers' classifiers."""

import keras
from keras import layers

from dagen_keras import checks


def garay_maestre_classifier(n_classes=10, image_shape=(28, 28, 1)):
    """The CNN of Garay-Maestre et al., Table 1: images to class probabilities (n, n_classes)."""
    _check(n_classes, image_shape, smallest=4)
    return keras.Sequential(
        [
            keras.Input(image_shape),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Conv2D(128, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.Conv2D(128, 3, padding="same", activation="relu"),
            layers.Conv2D(128, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(n_classes, activation="softmax"),
        ],
        name="classifier",
    )


def chen_liu_cnn(n_classes=10, image_shape=(28, 28, 1)):
    """A three-layer CNN for Chen and Liu, Table 2: images to probabilities (n, n_classes).

    The paper says no more of it. Ours: 3x3 convolutions of 32 and 64 ReLU filters, each with 2x2
    max pooling, 128 ReLU units, softmax. The 128 are the features of the FID in its own space.

    Args:
        n_classes: number of classes.
        image_shape: (height, width, channels), height and width at least 4.
    """
    _check(n_classes, image_shape, smallest=4)
    return keras.Sequential(
        [
            keras.Input(image_shape),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(n_classes, activation="softmax"),
        ],
        name="classifier",
    )


def guruswamy_classifier(n_classes=10, image_shape=(28, 28, 1)):
    """The classifier of Guruswamy et al., section V.D: images to logits (n, n_classes).

    Three blocks of convolution, max pooling and dropout, and a dense layer of logits. Sizes are
    ours: 3x3 convolutions of 32, 64 and 128 ReLU filters, 2x2 pooling, dropout 0.25.

    Args:
        n_classes: number of classes.
        image_shape: (height, width, channels), height and width at least 8.
    """
    _check(n_classes, image_shape, smallest=8)
    blocks = []
    for filters in (32, 64, 128):
        blocks += [
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
        ]
    return keras.Sequential(
        [keras.Input(image_shape), *blocks, layers.Flatten(), layers.Dense(n_classes)],
        name="classifier",
    )


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
    _check(n_classes, image_shape, smallest=4)
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
    probabilities = layers.Dense(n_classes, activation="softmax")(x)
    return keras.Model(images, probabilities, name="densenet")


def chadebec_mlp(n_classes=2, image_shape=(208, 176, 1)):
    """The MLP of Chadebec and Allassonnière, appendix E: 400 hidden units, ReLU, softmax.

    Args:
        n_classes: number of classes.
        image_shape: (height, width, channels).

    Returns:
        A model from images (n, *image_shape) to probabilities (n, n_classes).

    Raises:
        ValueError: if an argument is not as described.
    """
    _check(n_classes, image_shape, smallest=1)
    return keras.Sequential(
        [
            keras.Input(image_shape),
            layers.Flatten(),
            layers.Dense(400, activation="relu"),
            layers.Dense(n_classes, activation="softmax"),
        ],
        name="mlp",
    )


def chadebec_cnn(n_classes=2, image_shape=(208, 176, 1), padding=1):
    """The CNN of Chadebec and Allassonnière, Table 6: four blocks, 100 ReLU, softmax.

    A block is a 3x3 convolution, batch norm, leaky ReLU (slope 0.01) and 2x2 max pooling; the
    convolutions have 8, 16, 32 and 64 filters and strides 1, 1, 2 and 2.

    The table contradicts itself: the padding of 1 in its caption leaves 3x3x64 = 576 features of a
    208x176 image, the 256 = 2x2x64 inputs of its first dense layer follow from a padding of 0. The
    default is the caption's, which also takes smaller images.

    Args:
        n_classes: number of classes.
        image_shape: (height, width, channels); height and width at least 44 with padding 1, 90
            with padding 0.
        padding: zeros around each convolution's input, 1 or 0.

    Returns:
        A model from images (n, *image_shape) to probabilities (n, n_classes).

    Raises:
        ValueError: if an argument is not as described; says the smallest height and width.
    """
    if padding not in (0, 1):
        raise ValueError(f"padding must be 0 or 1; got {padding!r}.")
    _check(n_classes, image_shape, smallest=44 if padding else 90)
    blocks = []
    for filters, strides in [(8, 1), (16, 1), (32, 2), (64, 2)]:
        blocks += [
            # Keras's "same" pads one side only where the stride is 2 and the length even.
            layers.ZeroPadding2D(padding),
            layers.Conv2D(filters, 3, strides=strides),
            _batch_norm(),
            layers.LeakyReLU(0.01),
            layers.MaxPooling2D(),
        ]
    return keras.Sequential(
        [
            keras.Input(image_shape),
            *blocks,
            layers.Flatten(),
            layers.Dense(100, activation="relu"),
            layers.Dense(n_classes, activation="softmax"),
        ],
        name="cnn",
    )


def _convolution(filters, size):
    """A convolution without bias, initialised as in bamos/densenet.pytorch."""
    initializer = keras.initializers.VarianceScaling(2, "fan_out", "untruncated_normal")
    return layers.Conv2D(
        filters, size, padding="same", use_bias=False, kernel_initializer=initializer
    )


def _norm_relu(x):
    return layers.ReLU()(_batch_norm()(x))


def _batch_norm():
    """Batch norm with PyTorch's default constants, as the authors' code has them.

    With Keras's momentum of 0.99 the moving averages would lag hundreds of steps behind the
    weights, and with them the validation loss of a small data set.
    """
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)


def _check(n_classes, image_shape, smallest):
    checks.integer(n_classes, "n_classes", least=2)
    if min(checks.image_shape(image_shape)[:2]) < smallest:
        raise ValueError(
            f"image_shape must have a height and a width of at least {smallest}; "
            f"got {tuple(image_shape)}."
        )
