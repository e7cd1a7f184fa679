import keras
import numpy as np
import pytest
from keras import ops
from scipy import special, stats

from dagen_keras import backend, models

SHAPE = (4, 4, 1)


def _vamp(seed=0, **settings):
    with backend.seeded(seed):
        return models.VampVAE(
            models.dense_encoder(2, SHAPE, (8,)),
            models.dense_decoder(2, SHAPE, (8,)),
            **settings,
        )


def _array(tensor):
    return ops.convert_to_numpy(tensor).astype(float)


def _posterior(mean, log_var):
    """Arrays (n, 2) as the frozen normal distributions of SciPy."""
    return stats.norm(mean, np.exp(0.5 * np.asarray(log_var, float)))


@pytest.fixture
def images(rng):
    return (rng.random((12, *SHAPE)) > 0.7).astype("float32")


@pytest.mark.parametrize("k", [1, 3])
def test_divergence_is_the_log_ratio_of_posterior_and_mixture(rng, images, k):
    vamp = _vamp(n_pseudo_inputs=k)
    mean, log_var = (_array(a) for a in vamp.encoder(images))
    z = mean + np.exp(0.5 * log_var) * rng.normal(size=mean.shape)
    log_q = _posterior(mean, log_var).logpdf(z).sum(axis=1)
    means, log_vars = (_array(a) for a in vamp.encoder(vamp.pseudo_inputs()))
    components = _posterior(means, log_vars).logpdf(z[:, None]).sum(axis=2)
    assert components.shape == (12, k)
    log_p = special.logsumexp(components, axis=1) - np.log(k)
    said = {
        name: np.asarray(value, "float32")
        for name, value in (("latent", z), ("mean", mean), ("log_var", log_var))
    }
    np.testing.assert_allclose(_array(vamp.divergence_of(said)), log_q - log_p, atol=1e-4)


def test_mean_divergence_is_the_closed_form_where_there_is_one(rng):
    vamp = _vamp(n_pseudo_inputs=1)
    # An encoder that says N(0.3, exp(-0.4)) of every image: the prior is this normal.
    for name, value in (("mean", 0.3), ("log_var", -0.4)):
        kernel, bias = vamp.encoder.get_layer(name).weights
        kernel.assign(0 * kernel)
        bias.assign(0 * bias + value)
    n = 400_000
    mean, log_var = np.array([0.9, -0.5]), np.array([0.2, -1.0])
    z = mean + np.exp(0.5 * log_var) * rng.normal(size=(n, 2))
    said = {
        name: np.broadcast_to(value, z.shape).astype("float32")
        for name, value in (("latent", z), ("mean", mean), ("log_var", log_var))
    }
    divergences = _array(vamp.divergence_of(said))
    # KL between two normal distributions.
    ratio = np.exp(log_var + 0.4)
    exact = 0.5 * (ratio + (mean - 0.3) ** 2 * np.exp(0.4) - 1 - np.log(ratio)).sum()
    standard_error = divergences.std() / np.sqrt(n)
    assert divergences.mean() == pytest.approx(exact, abs=4 * standard_error)


def test_pseudo_inputs_are_images_in_0_1(images):
    vamp = _vamp(n_pseudo_inputs=7)
    vamp.compile(keras.optimizers.Adam(1.0))
    before = _array(vamp.pseudo_inputs())
    vamp.fit(images, epochs=3, verbose=0)
    pseudo_inputs = _array(vamp.pseudo_inputs())
    for values in (before, pseudo_inputs):
        assert values.shape == (7, *SHAPE)
        assert values.min() >= 0
        assert values.max() <= 1
    # They are learned.
    assert np.abs(pseudo_inputs - before).max() > 0.1


@pytest.mark.slow
def test_training_learns_two_images_by_heart(images):
    vamp = _vamp()
    vamp.compile(keras.optimizers.Adam(1e-2))
    twos = np.repeat(images[:2], 8, axis=0)
    history = vamp.fit(twos, batch_size=16, epochs=150, verbose=0).history
    assert np.mean(history["loss"][-10:]) < 0.5 * history["loss"][0]
    assert set(history) == {"loss", "reconstruction", "divergence"}


def test_saves_and_loads_to_the_same_output_and_pseudo_inputs(tmp_path, images):
    vamp = _vamp(n_pseudo_inputs=3)
    vamp.compile("adam")
    vamp.fit(images, epochs=1, verbose=0)
    vamp.save(tmp_path / "vamp.keras")
    loaded = models.load_model(tmp_path / "vamp.keras")
    assert isinstance(loaded, models.VampVAE)
    assert loaded.n_pseudo_inputs == 3
    np.testing.assert_array_equal(_array(loaded.pseudo_inputs()), _array(vamp.pseudo_inputs()))
    expected = vamp.predict(images, verbose=0)
    for name, value in loaded.predict(images, verbose=0).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)
    loaded.fit(images, epochs=1, verbose=0)


@pytest.mark.parametrize("n_pseudo_inputs", [0, -1, 2.0, None])
def test_refuses_a_bad_number_of_pseudo_inputs(n_pseudo_inputs):
    with pytest.raises(ValueError, match="n_pseudo_inputs must be an integer of 1 or more; got"):
        _vamp(n_pseudo_inputs=n_pseudo_inputs)
