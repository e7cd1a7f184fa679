import numpy as np
import pytest
from scipy import stats

from dagen_keras import models, sampling

DATA = stats.beta(2, 1)  # Of density 2 x on [0, 1].


class Uniform:
    """A GAN whose images are one pixel, uniform in [0, 1], told from `DATA` by 3 log(2 x) + 1."""

    offers = ("prior", "log-odds")
    latent_dim = 1

    def generate(self, labels, seed):
        assert (labels == 4).all()
        return np.random.default_rng(seed).random((len(labels), 1, 1, 1), dtype="float32")

    def log_odds(self, images, labels):
        assert len(images) == len(labels)
        assert (labels == 4).all()
        return 3 * np.log(2 * images.ravel() + 1e-9) + 1


def _held_out(rng, n=4000):
    return DATA.rvs(n, random_state=rng).reshape(-1, 1, 1, 1).astype("float32")


@pytest.fixture
def discriminator(rng):
    return sampling.CalibratedDiscriminator(Uniform(), _held_out(rng), 4, "logistic", seed=1)


def test_calibrated_log_odds_are_those_of_the_densities(discriminator):
    x = np.linspace(0.1, 0.9, 9).reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(discriminator.log_odds(x), np.log(2 * x.ravel()), atol=0.1)
    assert abs(discriminator.calibration.after.z) < 2 < abs(discriminator.calibration.before.z)
    assert discriminator.start_log_odds.shape == (4000,)


@pytest.mark.parametrize(
    "sampler", [sampling.Rejection(), sampling.MetropolisHastings(chain_length=100)]
)
def test_selected_images_follow_the_data_and_not_the_generator(discriminator, sampler):
    chosen = sampler.select(discriminator, 1000, seed=3)
    assert chosen.images.shape == (1000, 1, 1, 1)
    # Statistics of 1000 draws, at odds of 1 to 1000 of being wrong.
    assert stats.kstest(chosen.images.ravel(), DATA.cdf).pvalue > 0.001
    assert stats.kstest(chosen.images.ravel(), stats.uniform.cdf).pvalue < 1e-9
    again = sampler.select(discriminator, 1000, seed=3)
    np.testing.assert_array_equal(chosen.images, again.images)


def test_the_prior_takes_images_as_they_come(discriminator):
    chosen = sampling.Prior().select(discriminator, 50, seed=3)
    np.testing.assert_array_equal(chosen.images, Uniform().generate(np.full(50, 4), 3))
    np.testing.assert_array_equal(chosen.log_odds, discriminator.log_odds(chosen.images))
    assert (chosen.acceptance_rate, chosen.proposals) == (1.0, 50)


def test_a_fitted_sampler_draws_its_class_alone_and_comes_back(rng):
    sampler = sampling.Rejection().fit(Uniform(), _held_out(rng), label=4, seed=1)
    images = sampler.images(Uniform(), np.full(9, 4), seed=2)
    assert images.shape == (9, 1, 1, 1)
    again = sampling.Rejection().restored(Uniform(), sampler.state())
    np.testing.assert_array_equal(again.images(Uniform(), np.full(9, 4), seed=2), images)
    with pytest.raises(ValueError, match="was fitted to class 4 and draws no other"):
        sampler.images(Uniform(), np.full(9, 3), seed=2)


def test_few_images_do_not_show_infinite_odds(rng):
    # The real ones are all brighter than what is generated, so isotonic log-odds are infinite.
    class Dark(Uniform):
        def generate(self, labels, seed):
            return super().generate(labels, seed) / 4

    few = sampling.CalibratedDiscriminator(Dark(), np.ones((9, 1, 1, 1)), 4, "isotonic")
    np.testing.assert_allclose(few.start_log_odds, np.log(10))
    np.testing.assert_allclose(few.log_odds(np.full((2, 1, 1, 1), 0.1)), -np.log(10))
    images = sampling.Rejection().select(few, 500, seed=0).images.ravel()
    assert stats.kstest(images, stats.uniform(0, 0.25).cdf).pvalue > 0.001


def test_misuse_is_explained(rng):
    for n in (0, 4):
        with pytest.raises(ValueError, match=f"5 or more real images .* got {n}"):
            sampling.CalibratedDiscriminator(Uniform(), _held_out(rng, n), 4)
    ali = models.ALI((8, 8, 1), 2, latent_dim=4, filters=4)
    with pytest.raises(ValueError, match="an? ALI has no log-odds of images to calibrate"):
        sampling.CalibratedDiscriminator(ali, np.ones((9, 8, 8, 1)), 0)


def test_of_several_classes_one_must_be_said(rng):
    gan = models.CGAN((8, 8, 1), 3, latent_dim=4, filters=2)
    with pytest.raises(ValueError, match="say of which class the images are"):
        sampling.Rejection().fit(gan, rng.random((6, 8, 8, 1), dtype="float32"))
