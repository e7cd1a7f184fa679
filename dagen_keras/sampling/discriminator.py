"""A GAN's own discriminator selects among its images."""

import copy

import numpy as np

from dagen_keras import backend
from dagen_keras.sampling.calibration import N_FOLDS, calibrate

# Held-out images of a class without which its discriminator cannot be calibrated.
FEWEST_HELD_OUT = N_FOLDS


class CalibratedDiscriminator:
    """A GAN's discriminator of one class, calibrated on held-out and on as many generated images.

    It uses the GAN as it is when asked: train the GAN before, and no further. m held-out images of
    each kind show odds of m + 1 to 1 at most (Laplace's rule of succession), so log-odds are
    clipped there: isotonic calibration's can be infinite, and one lucky image at +inf would be
    all that is ever selected.

    Args:
        gan: a trained `CGAN` or `ACGAN`, or any model that offers "log-odds", with its
            `generate(labels, seed)` and `log_odds(images, labels)`.
        real_images: images of the class that the GAN was not trained on, in [0, 1],
            (m, height, width, channels).
        label: the class, as the GAN knows it; of a GAN of one class None will do.
        method: how to calibrate, see `calibrate`.
        seed: fixes the generated images and the calibration's folds.

    Attributes:
        calibration: the `Calibration`; its `before` and `after` say how good it is.
        start_log_odds: calibrated, of `real_images`, (m,): where chains start.

    Raises:
        ValueError: if the GAN has no log-odds of images, or `real_images` are too few.

    Example:
        >>> discriminator = CalibratedDiscriminator(gan, held_out_threes, label=3)
        >>> threes = MetropolisHastings(chain_length=100).select(discriminator, 100, seed=0).images

    Reference: Turner et al., Metropolis-Hastings generative adversarial networks (2019).
    """

    def __init__(self, gan, real_images, label=None, method="best", seed=0):
        if "log-odds" not in getattr(gan, "offers", ()):
            raise ValueError(
                f"a {type(gan).__name__} has no log-odds of images to calibrate; a CGAN and an "
                "ACGAN have."
            )
        if label is None and getattr(gan, "n_classes", 1) > 1:
            raise ValueError("say of which class the images are: label.")
        label, n = label or 0, len(real_images)
        if n < FEWEST_HELD_OUT:
            raise ValueError(
                f"a discriminator is calibrated on {FEWEST_HELD_OUT} or more real images of its "
                f"class that it was not trained on; got {n}."
            )
        self.gan, self.label = gan, label
        generated = self.propose(n, backend.subseed(seed, "generated"))
        self._calibrate(self._raw_log_odds(np.concatenate([real_images, generated])), method, seed)

    def _calibrate(self, log_odds, method, seed):
        """By raw log-odds (2 m,), of the real images and then of the generated ones."""
        n = len(log_odds) // 2
        self._state = {"log_odds": log_odds, "method": method, "seed": seed}
        self._bound = np.log(n + 1)
        self.calibration = calibrate(log_odds, np.arange(2 * n) < n, method, seed)
        self.start_log_odds = self._calibrated(log_odds[:n])

    def state(self):
        """What it was calibrated by, as arrays."""
        return {name: np.asarray(v) for name, v in {**self._state, "label": self.label}.items()}

    @classmethod
    def restored(cls, gan, log_odds, method, seed, label):
        """The `CalibratedDiscriminator` of this `state`."""
        one = cls.__new__(cls)
        one.gan, one.label = gan, int(label)
        one._calibrate(log_odds, str(method), int(seed))
        return one

    def propose(self, n, seed):
        """`n` generated images of the class, float32 in [0, 1]."""
        return self.gan.generate(np.full(n, self.label), seed)

    def log_odds(self, images):
        """Calibrated log-odds of "real", float64 (n,): estimates log p_data - log p_model."""
        return self._calibrated(self._raw_log_odds(images))

    def of(self, gan):
        """The same calibration for `gan`, which has the same weights."""
        other = copy.copy(self)
        other.gan = gan
        return other

    def _raw_log_odds(self, images):
        return self.gan.log_odds(images, np.full(len(images), self.label))

    def _calibrated(self, log_odds):
        return np.clip(self.calibration(log_odds), -self._bound, self._bound)
