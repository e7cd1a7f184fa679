"""From images to more images: classic transforms, and generative models."""

from dagen_keras.augment.augmenter import Augmenter
from dagen_keras.augment.transforms import ClassicTransforms, augment_by_factor

__all__ = ["Augmenter", "ClassicTransforms", "augment_by_factor"]
