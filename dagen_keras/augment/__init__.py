"""From images to more images: transforms, generative models, and whether they help."""

from dagen_keras.augment.augmenter import Augmenter
from dagen_keras.augment.comparison import Comparison, compare
from dagen_keras.augment.transforms import ClassicTransforms, augment_by_factor

__all__ = ["Augmenter", "ClassicTransforms", "Comparison", "augment_by_factor", "compare"]
