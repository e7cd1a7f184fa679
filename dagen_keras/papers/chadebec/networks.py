"""The classifiers of brains of Chadebec and Allassonnière, appendix E."""

import keras
from keras import layers

from dagen_keras.models.classifiers import batch_norm, check_sizes, conv_classifier


def mlp(n_classes=2, image_shape=(208, 176, 1)):
    """The MLP of Chadebec and Allassonnière, appendix E: 400 hidden units, ReLU, softmax."""
    return conv_classifier(n_classes, image_shape, filters=(), hidden=(400,))


def cnn(n_classes=2, image_shape=(208, 176, 1), padding=1):
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
    check_sizes(n_classes, image_shape, smallest=44 if padding else 90)
    blocks = []
    for filters, strides in [(8, 1), (16, 1), (32, 2), (64, 2)]:
        blocks += [
            # Keras's "same" pads one side only where the stride is 2 and the length even.
            layers.ZeroPadding2D(padding),
            layers.Conv2D(filters, 3, strides=strides),
            batch_norm(),
            layers.LeakyReLU(0.01),
            layers.MaxPooling2D(),
        ]
    return keras.Sequential(
        [
            keras.Input(image_shape),
            *blocks,
            layers.Flatten(),
            layers.Dense(100, activation="relu"),
            layers.Dense(n_classes, activation="softmax", dtype="float32"),
        ],
        name="cnn",
    )
