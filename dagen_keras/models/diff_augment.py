"""Differentiable augmentation, for adversarial models of few images."""

import keras
from keras import ops

POLICIES = ("color", "translation", "cutout")


@keras.saving.register_keras_serializable("dagen_keras")
class DiffAugment(keras.layers.Layer):
    """Random changes of real and of generated images before a discriminator sees them.

    The generator is trained through them, so that it need not draw changed images; the
    discriminator, which never sees an image twice in the same way, cannot learn a few images by
    heart. Of images in [-1, 1], each image with draws of its own:

    - "color": brightness changed by U(-0.5, 0.5), then saturation times U(0, 2), then contrast
      times U(0.5, 1.5);
    - "translation": shifted by up to an eighth of each side, grey (0) moves in;
    - "cutout": a square of half the sides is grey, its centre anywhere in the image.

    Args:
        policy: which of these, in their order here.
        seed: seed of the draws; None draws one.

    Call arguments:
        images: (n, height, width, channels) in [0, 1]; returned in the same shape, where the
            colours changed beyond [0, 1].

    Raises:
        ValueError: for an unknown name in `policy`.

    Example:
        >>> gan = ACGAN(x.shape[1:], n_classes=10, augmentation=DiffAugment())

    Reference: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training" (2020),
    https://arxiv.org/abs/2006.10738; the strengths are those of its released code.
    """

    def __init__(self, policy=POLICIES, seed=None, **kwargs):
        super().__init__(**kwargs)
        unknown = [name for name in policy if name not in POLICIES]
        if unknown:
            raise ValueError(f"policy must be of {', '.join(POLICIES)}; got {unknown[0]!r}.")
        self.policy, self.seed = tuple(policy), seed
        self.draws = keras.random.SeedGenerator(seed)

    def call(self, images):
        x = 2 * images - 1
        for name in POLICIES:
            if name in self.policy:
                x = getattr(self, name)(x)
        return (x + 1) / 2

    def color(self, x):
        brightness, saturation, contrast = (
            self._uniform(x, low, high) for low, high in ((-0.5, 0.5), (0, 2), (0.5, 1.5))
        )
        x = x + brightness
        grey = ops.mean(x, axis=-1, keepdims=True)
        x = grey + saturation * (x - grey)
        mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
        return mean + contrast * (x - mean)

    def translation(self, x):
        # The pixel at i comes from i - shift: a matrix with ones there moves rows, then columns.
        for equation, side in (("nij,njwc->niwc", x.shape[1]), ("nij,nhjc->nhic", x.shape[2])):
            most = int(side / 8 + 0.5)
            shift = self._integer(x, -most, most)[:, :, 0]
            place = ops.arange(side, dtype="float32")
            comes_from = place[None, :, None] - shift
            moved = ops.cast(ops.equal(comes_from, place[None, None, :]), x.dtype)
            x = ops.einsum(equation, moved, x)
        return x

    def cutout(self, x):
        inside = []
        for side, shape in ((x.shape[1], (1, -1, 1, 1)), (x.shape[2], (1, 1, -1, 1))):
            half = int(side / 2 + 0.5)
            start = self._integer(x, 0, side - half % 2) - half // 2
            place = ops.reshape(ops.arange(side, dtype="float32"), shape)
            inside.append(ops.logical_and(place >= start, place < start + half))
        return ops.where(ops.logical_and(*inside), ops.zeros_like(x), x)

    def _uniform(self, x, low, high):
        """A number for each image, (n, 1, 1, 1)."""
        return keras.random.uniform((ops.shape(x)[0], 1, 1, 1), low, high, seed=self.draws)

    def _integer(self, x, low, high):
        """A whole number from low to high for each image, float32 (n, 1, 1, 1)."""
        return ops.floor(self._uniform(x, low, high + 1))

    def get_config(self):
        return {**super().get_config(), "policy": self.policy, "seed": self.seed}
