"""Conventional augmentation with Keras's layers, outside of the compiled model."""

import keras
import numpy as np
from keras import layers, ops

from dagen_keras import backend


class RandomScale(layers.Layer):
    """Scales both axes about the centre by factors in [1 - zoom, 1 + zoom].

    Keras's `RandomZoom` stops at a factor of 2 and does not mirror.
    """

    def __init__(self, zoom):
        super().__init__()
        self.zoom = zoom
        self.generator = keras.random.SeedGenerator()

    def call(self, images, training=True):
        n, height, width, _ = images.shape
        scales = keras.random.uniform((2, n, 1), 1 - self.zoom, 1 + self.zoom, seed=self.generator)
        zeros = ops.zeros((n, 1))
        centers = (width - 1) / 2, (height - 1) / 2
        (x, y), (shift_x, shift_y) = (
            scales,
            [(1 - scale) * center for scale, center in zip(scales, centers, strict=True)],
        )
        # A point (x, y) of the result shows (a0 x + a1 y + a2, b0 x + b1 y + b2) of the image.
        rows = ops.concatenate([x, zeros, shift_x, zeros, y, shift_y, zeros, zeros], axis=1)
        return ops.image.affine_transform(images, rows, fill_mode="nearest")


class ClassicTransforms:
    """Random geometric transforms of images.

    They run eagerly on whole arrays: inside a compiled model Keras's random layers would switch
    XLA off. Pixels outside of an image repeat its border.

    Args:
        rotation: largest rotation either way, in degrees.
        width_shift, height_shift: largest shifts, as a share of the width and height.
        shear: largest shear in both directions, in [0, 1].
        zoom: the two axes' scales are drawn from [1 - zoom, 1 + zoom]; a scale over 1 shows the
            image smaller, a negative one mirrored, as in Keras's former `ImageDataGenerator`.
        flip: whether to flip at random in both directions.
        zca: whether to decorrelate pixels first (ZCA whitening fitted to the images given to
            `fit`; the result is not confined to [0, 1]).

    Example:
        >>> transforms = ClassicTransforms(rotation=20, width_shift=0.2, height_shift=0.2)
        >>> augmented = transforms(images, seed=0)
    """

    def __init__(
        self, rotation=0, width_shift=0, height_shift=0, shear=0, zoom=0, flip=False, zca=False
    ):
        self.zca = zca
        self._whitening = None
        steps = []
        if rotation:
            steps.append(layers.RandomRotation(rotation / 360, fill_mode="nearest"))
        if width_shift or height_shift:
            steps.append(layers.RandomTranslation(height_shift, width_shift, fill_mode="nearest"))
        if shear:
            steps.append(layers.RandomShear(shear, shear, fill_mode="nearest"))
        if zoom:
            steps.append(RandomScale(zoom))
        if flip:
            steps.append(layers.RandomFlip())
        self._steps = steps

    def fit(self, images):
        """Fits the whitening, if there is one, to images (n, height, width, channels)."""
        if self.zca:
            flat = images.reshape(len(images), -1)
            center = flat.mean(axis=0)
            _, singular, axes = np.linalg.svd(flat - center, full_matrices=False)
            scale = 1 / np.sqrt(singular**2 / len(flat) + 1e-6)
            self._whitening = center, (axes.T * scale) @ axes
        return self

    def __call__(self, images, seed):
        """Transforms each image anew: float32 (n, height, width, channels), same shape."""
        images = np.asarray(images, dtype="float32")
        if self.zca:
            if self._whitening is None:
                raise ValueError("transforms with zca=True must be fitted first: fit(images).")
            center, matrix = self._whitening
            flat = (images.reshape(len(images), -1) - center) @ matrix
            images = flat.reshape(images.shape).astype("float32")
        for number, step in enumerate(self._steps):
            fresh = keras.random.SeedGenerator(backend.subseed(seed, number))
            step.generator.state.assign(fresh.state)
            images = step(images, training=True)
        return np.asarray(ops.convert_to_numpy(images))
