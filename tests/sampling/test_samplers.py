from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from dagen_keras import models, sampling
from dagen_keras.sampling import manifold

N = 5000
# Statistics of N draws, at odds of 1 to 1000 of being wrong.
P = 0.001


class Plain(SimpleNamespace):
    """A model of three latent dimensions that offers what a VAE does."""

    offers = ("prior", "decoder")
    latent_dim = 3

    def encode(self, images):
        return images.reshape(len(images), -1)[:, :3]


@pytest.fixture
def vamp():
    """A `VampVAE` of two pseudo-inputs whose posteriors are known: N(+-3, 0.5^2)."""
    vae = models.chadebec_vae(1, (2, 2, 1), (4,), models.VampVAE)
    vae.pseudo_inputs = lambda: np.arange(2)
    vae.encoder = lambda u: (6.0 * u[:, None] - 3, np.full((2, 1), 2 * np.log(0.5)))
    return vae


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        (sampling.Prior(), stats.norm()),
        (sampling.Uniform(), stats.uniform(-1.5, 3)),
        (sampling.Uniform(0, 0.25), stats.uniform(0, 0.25)),
    ],
)
def test_points_are_independent_draws_of_the_stated_distribution(sampler, expected):
    points = sampler.points(Plain(), N, 0)
    assert points.shape == (N, 3) and points.dtype == np.float32
    for column in points.T:
        assert stats.kstest(column, expected.cdf).pvalue > P
    assert np.abs(np.corrcoef(points.T) - np.eye(3)).max() < 4 / np.sqrt(N)
    np.testing.assert_array_equal(points, sampler.points(Plain(), N, 0))
    assert not np.array_equal(points, sampler.points(Plain(), N, 1))


def test_a_vamp_draws_from_the_mixture_of_its_posteriors(vamp):
    points = sampling.Vamp().points(vamp, N, 0).ravel()
    mixture = lambda z: (stats.norm(-3, 0.5).cdf(z) + stats.norm(3, 0.5).cdf(z)) / 2  # noqa: E731
    assert stats.kstest(points, mixture).pvalue > P


def test_a_gaussian_mixture_draws_from_the_codes_of_the_images_it_was_fitted_to(rng):
    covariance = np.array([[1.0, 0.8, 0], [0.8, 1.0, 0], [0, 0, 0.04]])
    codes = rng.multivariate_normal([2, -1, 0], covariance, N)
    codes[: N // 4] -= [40, 0, 0]
    sampler = sampling.GaussianMixture(2).fit(Plain(), codes.reshape(N, 1, 1, 3), seed=1)
    np.testing.assert_allclose(sorted(sampler.weights_), [0.25, 0.75], atol=1e-6)
    points = sampler.points(Plain(), N, 0)
    left = points[:, 0] < -20
    assert left.mean() == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / N))
    for side, mean in ((left, -38), (~left, 2)):
        np.testing.assert_allclose(points[side].mean(axis=0), [mean, -1, 0], atol=0.15)
        np.testing.assert_allclose(np.cov(points[side].T), covariance, atol=0.15)
    state = sampling.GaussianMixture().restored(Plain(), sampler.state())
    np.testing.assert_array_equal(state.points(Plain(), 9, 3), sampler.points(Plain(), 9, 3))


@pytest.mark.parametrize("kind", ["VAE", "CGAN"])
def test_what_a_sampler_has_learnt_of_one_model_is_not_used_for_another(kind, rng):
    images = rng.random((30, 8, 8, 1), dtype="float32")
    if kind == "VAE":
        first, second = (models.dense_vae(2, (8, 8, 1), (6,)) for _ in range(2))
        sampler = sampling.GaussianMixture(2)
    else:
        first, second = (models.CGAN((8, 8, 1), latent_dim=2, filters=2) for _ in range(2))
        sampler = sampling.MetropolisHastings(chain_length=2)
    sampler.fit(first, images, 0)
    first.generate(2, 0, sampler)
    with pytest.raises(ValueError, match="was fitted to another model, or before more training"):
        second.generate(2, 0, sampler)
    again = type(sampler)().restored(second, sampler.state())
    second.generate(2, 0, again)
    first.compile("adam")
    first.fit(images, verbose=0)
    with pytest.raises(ValueError, match="was fitted to another model, or before more training"):
        first.generate(2, 0, sampler)


def test_a_gaussian_mixture_has_no_more_components_than_images(rng):
    sampler = sampling.GaussianMixture(10).fit(Plain(), rng.random((4, 1, 1, 3)))
    assert len(sampler.weights_) == 4
    with pytest.raises(ValueError, match="n_components must be an integer of 1 or more"):
        sampling.GaussianMixture(0).fit(Plain(), rng.random((4, 1, 1, 3)))


@pytest.mark.parametrize(
    ("sampler", "chains"),
    [
        (sampling.RandomWalk(5, 0.2, 3, True), manifold.riemannian_random_walk),
        (sampling.HMC(5, 4, 0.1), manifold.hmc),
    ],
)
def test_chains_start_at_random_centroids_with_the_samplers_settings(sampler, chains, rng):
    factors = np.tile(np.eye(2), (20, 1, 1))
    metric = manifold.RiemannianMetric(rng.normal(size=(20, 2)), factors, 0.8, 0.01)
    model = SimpleNamespace(offers=("metric",), metric=metric)
    start = manifold.random_centroids(metric, 7, 3)
    expected = chains(metric, start, seed=3, **sampler.get_params()).samples
    np.testing.assert_array_equal(sampler.points(model, 7, 3), expected)
    assert not np.array_equal(sampler.points(model, 7, 4), expected)
    model.metric = None
    with pytest.raises(ValueError, match=r"needs the RHVAE's metric: train it with fit\(images\)"):
        sampler.points(model, 7, 3)


def test_samplers_for_goes_by_what_a_model_offers():
    assert sampling.samplers_for(Plain()) == ("prior", "uniform", "gaussian_mixture")
    adversarial = SimpleNamespace(offers=("prior", "log-odds"))
    assert sampling.samplers_for(adversarial) == ("prior", "rejection", "metropolis_hastings")
    assert sampling.samplers_for(object()) == ()


@pytest.mark.parametrize("name", sampling.SAMPLERS)
def test_a_name_is_short_for_the_default_object(name):
    kind = sampling.SAMPLERS[name]
    model = SimpleNamespace(offers=(kind.needs,))
    sampler = sampling.sampler_of(name, model)
    assert type(sampler) is kind and sampler.get_params() == kind().get_params()
    assert sampling.sampler_of(sampler, model) is sampler
    assert repr(clone(sampler)) == repr(sampler)
    with pytest.raises(ValueError) as error:
        sampling.sampler_of(name, SimpleNamespace(offers=("prior",)) if name != "prior" else 0)
    assert f"the sampler {sampler} needs {sampler.of}; this model is of" in str(error.value)


def test_what_is_no_sampler_is_refused():
    for wrong in ("nuts", None, lambda model, n, seed: None, sampling.Prior):
        with pytest.raises(
            ValueError, match="unknown sampler .*; known are prior, .*LatentSampler"
        ):
            sampling.sampler_of(wrong, Plain())


@pytest.mark.parametrize("name", ["gaussian_mixture", "rejection", "metropolis_hastings"])
def test_a_sampler_that_learns_says_that_it_is_not_fitted(name):
    sampler = sampling.SAMPLERS[name]()
    draw = getattr(sampler, "images", None) or sampler.points
    with pytest.raises(NotFittedError, match=r"not fitted yet: call fit\(model, images\) with"):
        draw(Plain(), np.zeros(3, int), 0)


def test_a_sampler_of_ones_own_needs_points_alone():
    class Origin(sampling.LatentSampler):
        def points(self, model, n, seed):
            return np.zeros((n, model.latent_dim), "float32")

    vae = models.chadebec_vae(2, (4, 4, 1), (4,))
    images = vae.generate(3, sampler=Origin())
    np.testing.assert_array_equal(images, models.predict(vae.decoder, np.zeros((3, 2))))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (lambda n: np.zeros((n + 1, 3)), r"must return 4 points of 3 .* returned \(5, 3\)"),
        (lambda n: np.zeros((n - 1, 3)), r"returned \(3, 3\)"),
        (lambda n: np.zeros((n, 2)), r"returned \(4, 2\)"),
        (lambda n: np.full((n, 3), np.nan), "NaN or infinity in 4 of 4 points"),
        (lambda n: np.where(np.arange(n)[:, None] == 1, np.inf, np.ones((n, 3))), "in 1 of 4"),
    ],
)
def test_points_that_are_none_of_the_model_are_not_decoded(points, message):
    class Odd(sampling.LatentSampler):
        def points(self, model, n, seed):
            return points(n)

    for model in (
        models.chadebec_vae(3, (4, 4, 1), (4,)),
        models.CGAN((4, 4, 1), latent_dim=3, filters=2),
    ):
        with pytest.raises(ValueError, match=message):
            model.generate(4, seed=0, sampler=Odd())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (lambda n: np.zeros((n + 1, 4, 4, 1)), "must select 4 images; it selected 5"),
        (lambda n: np.full((n, 4, 4, 1), np.nan), "must be finite"),
        (lambda n: np.full((n, 4, 4, 1), 7.0), r"must be in \[0, 1\]"),
    ],
)
def test_what_is_selected_are_as_many_images(images, message):
    class Odd(sampling.SelectingSampler):
        def select(self, discriminator, n, seed):
            return SimpleNamespace(images=images(n))

    gan = models.CGAN((4, 4, 1), latent_dim=3, filters=2)
    sampler = Odd().fit(gan, np.random.default_rng(0).random((20, 4, 4, 1)))
    with pytest.raises(ValueError, match=message):
        gan.generate(4, seed=0, sampler=sampler)
