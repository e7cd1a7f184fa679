"""imbalanced-learn's own checks of a sampler, as far as they apply to images.

They give tables of numbers: here each row, squashed into (0, 1), is an image of one row of pixels,
and a model that draws noise stands for one that is trained.
"""

import keras
import numpy as np
import scipy.sparse
from imblearn.utils.estimator_checks import parametrize_with_checks
from scipy.special import expit

from dagen_keras import backend
from dagen_keras.augment import Augmenter
from dagen_keras.models import GenerativeModel


class Noise(GenerativeModel):
    """Draws noise whatever it was trained on."""

    def __init__(self, image_shape):
        super().__init__()
        self.image_shape, self.latent_dim, self.built = image_shape, 1, True

    def fit(self, *arguments, **keywords):
        return keras.callbacks.History()

    def generate(self, n, seed=None, sampler="prior"):
        rng = np.random.default_rng(backend.any_seed(seed))
        return rng.random((n, *self.image_shape), dtype="float32")


class OfTables(Augmenter):
    """An `Augmenter` of rows of numbers."""

    def __init__(self, model=Noise, sampling_strategy="auto", random_state=None):
        super().__init__(model, sampling_strategy=sampling_strategy, random_state=random_state)

    def _images(self, x):
        if not scipy.sparse.issparse(x):
            x = np.asarray(x)
        if x.ndim == 2 and not scipy.sparse.issparse(x) and np.isfinite(x.astype(float)).all():
            x = expit(x.astype(float))
        self.image_shape = (1, x.shape[1], 1) if x.ndim == 2 else None
        return super()._images(x)


@parametrize_with_checks([OfTables(random_state=0)])
def test_check(estimator, check):
    check(estimator)
