"""A GAN's own discriminator selects among its images."""

import numpy as np

from dagen_keras import backend
from dagen_keras.sampling.calibration import N_FOLDS, calibrate
from dagen_keras.sampling.compatibility import check_sampler
from dagen_keras.sampling.metropolis import (
    Selection,
    select_by_metropolis_hastings,
    select_by_rejection,
)

# The samplers that need a calibrated discriminator.
SELECTING = ("rejection", "metropolis_hastings")
# Held-out images of a class without which its discriminator cannot be calibrated.
FEWEST_HELD_OUT = N_FOLDS


class CalibratedDiscriminator:
    """A GAN's discriminator of one class, calibrated on held-out and on as many generated images.

    It uses the GAN as it is when asked: train the GAN before, and no further. m held-out images of
    each kind show odds of m + 1 to 1 at most (Laplace's rule of succession), so log-odds are
    clipped there: isotonic calibration's can be infinite, and one lucky image at +inf would be
    all that is ever selected.

    Args:
        gan: a trained `CGAN` or `ACGAN`, or any model with its `generate(labels, seed)` and
            `log_odds(images, labels)`.
        real_images: images of the class that the GAN was not trained on, in [0, 1],
            (m, height, width, channels).
        label: the class, as the GAN knows it.
        method: how to calibrate, see `calibrate`.
        seed: fixes the generated images and the calibration's folds.

    Attributes:
        calibration: the `Calibration`; its `before` and `after` say how good it is.
        start_log_odds: calibrated, of `real_images`, (m,): where chains start.

    Raises:
        ValueError: if the GAN has no log-odds of images, or `real_images` are too few.

    Example:
        >>> discriminator = CalibratedDiscriminator(gan, held_out_threes, label=3)
        >>> threes = discriminator.select("metropolis_hastings", 100).images

    Reference: Turner et al., Metropolis-Hastings generative adversarial networks (2019).
    """

    def __init__(self, gan, real_images, label=0, method="best", seed=0):
        check_sampler("metropolis_hastings", gan)
        n = len(real_images)
        if n < FEWEST_HELD_OUT:
            raise ValueError(
                f"a discriminator is calibrated on {FEWEST_HELD_OUT} or more real images of its "
                f"class that it was not trained on; got {n}."
            )
        self.gan, self.label, self._bound = gan, label, np.log(n + 1)
        generated = self.propose(n, backend.subseed(seed, "generated"))
        log_odds = self._raw_log_odds(np.concatenate([real_images, generated]))
        self.calibration = calibrate(log_odds, np.arange(2 * n) < n, method, seed)
        self.start_log_odds = self._calibrated(log_odds[:n])

    def propose(self, n, seed):
        """`n` generated images of the class, float32 in [0, 1]."""
        return self.gan.generate(np.full(n, self.label), seed)

    def log_odds(self, images):
        """Calibrated log-odds of "real", float64 (n,): estimates log p_data - log p_model."""
        return self._calibrated(self._raw_log_odds(images))

    def select(self, sampler, n, seed=0, chain_length=640):
        """`n` images of the class, as a `Selection`.

        Args:
            sampler: `"prior"` (images as they come), `"rejection"` or `"metropolis_hastings"`.
            n: how many, 1 or more.
            seed: fixes them.
            chain_length: proposals for each image by Metropolis-Hastings.
        """
        if sampler == "prior":
            images = self.propose(n, seed)
            return Selection(images, self.log_odds(images), 1.0, 0, n)
        if sampler == "rejection":
            return select_by_rejection(self.propose, self.log_odds, n, seed)
        if sampler == "metropolis_hastings":
            return select_by_metropolis_hastings(
                self.propose, self.log_odds, self.start_log_odds, n, chain_length, seed
            )
        raise ValueError(
            f"sampler must be 'prior', {' or '.join(map(repr, SELECTING))}; got {sampler!r}."
        )

    def _raw_log_odds(self, images):
        return self.gan.log_odds(images, np.full(len(images), self.label))

    def _calibrated(self, log_odds):
        return np.clip(self.calibration(log_odds), -self._bound, self._bound)
