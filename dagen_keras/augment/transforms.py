"""Conventional augmentation with Keras's layers, outside of the compiled model."""

import numbers

import keras
import numpy as np
from keras import layers, ops

from dagen_keras import backend, checks

FLIPS = ("horizontal", "vertical", "horizontal_and_vertical")


@keras.saving.register_keras_serializable("dagen_keras")
class RandomScale(layers.Layer):
    """Scales both axes about the centre by factors in [1 - zoom, 1 + zoom].

    Keras's `RandomZoom` stops at a factor of 2 and does not mirror.
    """

    def __init__(self, zoom, **kwargs):
        super().__init__(**kwargs)
        self.zoom = zoom
        self.generator = keras.random.SeedGenerator()

    def get_config(self):
        return {**super().get_config(), "zoom": self.zoom}

    def call(self, images, training=True):
        n, height, width, _ = images.shape
        scales = keras.random.uniform((2, n, 1), 1 - self.zoom, 1 + self.zoom, seed=self.generator)
        centers = (width - 1) / 2, (height - 1) / 2
        shifts = [(1 - scale) * center for scale, center in zip(scales, centers, strict=True)]
        return _resample(images, scales, shifts)


@keras.saving.register_keras_serializable("dagen_keras")
class RandomCrop(layers.Layer):
    """Shows a part of each image at the image's size; the part's sides are [1 - crop, 1] of it.

    Both sides are cropped by the same share, drawn uniformly, as is the part's place. Keras's
    `RandomCrop` gives smaller images.
    """

    def __init__(self, crop, **kwargs):
        super().__init__(**kwargs)
        self.crop = crop
        self.generator = keras.random.SeedGenerator()

    def get_config(self):
        return {**super().get_config(), "crop": self.crop}

    def call(self, images, training=True):
        n, height, width, _ = images.shape
        scale = keras.random.uniform((n, 1), 1 - self.crop, 1, seed=self.generator)
        places = keras.random.uniform((2, n, 1), seed=self.generator)
        room = (1 - scale) * (width - 1), (1 - scale) * (height - 1)
        shifts = [place * length for place, length in zip(places, room, strict=True)]
        return _resample(images, (scale, scale), shifts)


@keras.saving.register_keras_serializable("dagen_keras")
class RandomNoise(layers.Layer):
    """Adds Gaussian noise of standard deviation `noise` to each pixel, clipped to [0, 1]."""

    def __init__(self, noise, **kwargs):
        super().__init__(**kwargs)
        self.noise = noise
        self.generator = keras.random.SeedGenerator()

    def get_config(self):
        return {**super().get_config(), "noise": self.noise}

    def call(self, images, training=True):
        noise = keras.random.normal(images.shape, stddev=self.noise, seed=self.generator)
        return ops.clip(images + noise, 0, 1)


def _resample(images, scales, shifts):
    """Images whose pixel (x, y) shows (scale_x x + shift_x, scale_y y + shift_y) of the given."""
    (scale_x, scale_y), (shift_x, shift_y) = scales, shifts
    zeros = ops.zeros_like(shift_x)
    # A point (x, y) of the result shows (a0 x + a1 y + a2, b0 x + b1 y + b2) of the image.
    rows = [scale_x, zeros, shift_x, zeros, scale_y, shift_y, zeros, zeros]
    return ops.image.affine_transform(images, ops.concatenate(rows, axis=1), fill_mode="nearest")


class ClassicTransforms:
    """Random geometric transforms of images, and noise.

    They run eagerly on whole arrays: inside a compiled model Keras's random layers would switch
    XLA off. Pixels outside of an image repeat its border.

    Args:
        rotation: largest rotation either way, in degrees.
        width_shift, height_shift: largest shifts, as a share of the width and height.
        shear: largest shear in both directions, in [0, 1].
        zoom: the two axes' scales are drawn from [1 - zoom, 1 + zoom]; a scale over 1 shows the
            image smaller, a negative one mirrored, as in Keras's former `ImageDataGenerator`.
        flip: whether to flip at random in both directions; `"horizontal"` for left and right alone.
        zca: whether to decorrelate pixels first (ZCA whitening fitted to the images given to
            `fit`; the result is not confined to [0, 1]).
        crop: largest share of the height and width that is cropped away, in [0, 1); what is left
            is resized to the image's size.
        noise: standard deviation of Gaussian noise, added last; the result is clipped to [0, 1].

    Raises:
        ValueError: if a number is not finite, `crop` or `noise` is out of range, `flip` is none of
            the kinds, or noise, which clips to [0, 1], is asked for with `zca`.

    Example:
        >>> transforms = ClassicTransforms(rotation=20, width_shift=0.2, height_shift=0.2)
        >>> augmented = transforms(images, seed=0)
    """

    def __init__(
        self,
        rotation=0,
        width_shift=0,
        height_shift=0,
        shear=0,
        zoom=0,
        flip=False,
        zca=False,
        crop=0,
        noise=0,
    ):
        numbers_of = {"rotation": rotation, "width_shift": width_shift, "shear": shear}
        numbers_of |= {"height_shift": height_shift, "zoom": zoom, "crop": crop, "noise": noise}
        for name, value in numbers_of.items():
            if not np.isfinite(checks.number(value, name)):
                raise ValueError(f"{name} must be a finite number; got {value!r}.")
        if not isinstance(flip, bool | np.bool_) and flip not in FLIPS:
            raise ValueError(
                f"flip must be True, False or one of {', '.join(FLIPS)}; got {flip!r}."
            )
        if not 0 <= crop < 1:
            raise ValueError(f"crop must be a share in [0, 1); got {crop!r}.")
        if noise < 0:
            raise ValueError(f"noise must be a standard deviation of 0 or more; got {noise!r}.")
        if noise and zca:
            raise ValueError(
                "noise clips images to [0, 1], and whitened images (zca=True) are not confined to "
                "it; choose one of the two."
            )
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
            steps.append(layers.RandomFlip(flip if isinstance(flip, str) else FLIPS[-1]))
        # A step's seed is numbered by its place: a new kind of step goes to the end.
        if crop:
            steps.append(RandomCrop(crop))
        if noise:
            steps.append(RandomNoise(noise))
        self._steps = steps

    def fit(self, images):
        """Fits the whitening, if there is one, to images (n, height, width, channels)."""
        if self.zca:
            images = checks.images(images)
            flat = images.reshape(len(images), -1)
            center = flat.mean(axis=0)
            _, singular, axes = np.linalg.svd(flat - center, full_matrices=False)
            scale = 1 / np.sqrt(singular**2 / len(flat) + 1e-6)
            self._whitening = center, (axes.T * scale) @ axes, images.shape[1:]
        return self

    def __call__(self, images, seed):
        """Transforms each image anew: float32 (n, height, width, channels), same shape.

        Raises:
            ValueError: if `images` are not images in [0, 1], or `seed` is no integer.
        """
        images = checks.images(images)
        if self.zca:
            if self._whitening is None:
                raise ValueError("transforms with zca=True must be fitted first: fit(images).")
            center, matrix, shape = self._whitening
            if images.shape[1:] != shape:
                raise ValueError(
                    f"images must have the shape {shape} that the whitening was fitted to; got "
                    f"{images.shape[1:]}."
                )
            flat = (images.reshape(len(images), -1) - center) @ matrix
            images = flat.reshape(images.shape).astype("float32")
        for number, step in enumerate(self._steps):
            fresh = keras.random.SeedGenerator(backend.subseed(seed, number))
            step.generator.state.assign(fresh.state)
            images = step(images, training=True)
        return np.asarray(ops.convert_to_numpy(images))


def augment_by_factor(transforms, x, y, factor, seed):
    """The images and `factor - 1` transformed copies of them: `factor` times as many.

    This is how Chadebec and Allassonnière augment conventionally, by factors of 5, 10 and 15. A
    smaller factor gives the first images of a larger one.

    Args:
        transforms: a function `transforms(images, seed)` that returns images of the same shape,
            such as `ClassicTransforms`.
        x: images in [0, 1], (n, height, width, channels).
        y: integer labels, (n,).
        factor: an integer of 1 or more.
        seed: fixes the copies.

    Returns:
        Images, float32 (factor n, height, width, channels), the originals first and then copy
        after copy, and their labels, (factor n,).

    Raises:
        ValueError: if images, labels, factor, or what `transforms` returns are not as described.
    """
    if not isinstance(factor, numbers.Integral) or factor < 1:
        raise ValueError(f"factor must be an integer of 1 or more; got {factor!r}.")
    x = checks.images(x)
    y = checks.labels(y, len(x))
    copies = []
    for i in range(1, factor):
        # Its own to change.
        new = np.asarray(transforms(x.copy(), seed=backend.subseed(seed, "copy", i)))
        if new.shape != x.shape or not np.isfinite(new).all():
            raise ValueError(
                f"transforms must return as many images, {x.shape}, all finite; got {new.shape}."
            )
        copies.append(new)
    return np.concatenate([x, *copies]), np.tile(y, factor)
