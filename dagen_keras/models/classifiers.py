"""The papers' classifiers."""

import keras
from keras import layers


def garay_maestre_classifier(n_classes=10, image_shape=(28, 28, 1)):
    """The CNN of Garay-Maestre et al., Table 1: images to class probabilities (n, n_classes)."""
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
