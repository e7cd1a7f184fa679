import subprocess
import sys

import keras
import numpy as np
import pytest

from dagen_keras import backend, models
from dagen_keras.papers.garay_maestre.networks import ReleasedVAE


def _vae(latent_dim=2, image_shape=(8, 8, 1)):
    return models.garay_maestre_vae(latent_dim, image_shape)


@pytest.fixture
def images(rng):
    return (rng.random((12, 8, 8, 1)) > 0.7).astype("float32")


def test_sampling_has_the_posteriors_moments():
    mean, log_var = np.full((200_000, 1), 0.5, "float32"), np.full((200_000, 1), -1.0, "float32")
    z = np.asarray(models.Sampling(seed=0)(mean, log_var))
    assert z.mean() == pytest.approx(0.5, abs=0.01)
    assert z.var() == pytest.approx(np.exp(-1.0), rel=0.02)


def test_loss_is_summed_cross_entropy_plus_kl(images):
    vae = _vae()
    vae.compile("rmsprop")
    scores = vae.evaluate(images, verbose=0, return_dict=True)
    mean, log_var = (np.asarray(a, float) for a in vae.encoder(images))
    decoded = np.asarray(vae.decoder(mean.astype("float32")), float)
    entropy = -(images * np.log(decoded) + (1 - images) * np.log(1 - decoded))
    reconstruction = entropy.sum(axis=(1, 2, 3)).mean()
    kl = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var).sum(axis=1).mean()
    assert scores["reconstruction"] == pytest.approx(reconstruction, rel=1e-4)
    assert scores["kl"] == pytest.approx(kl, rel=1e-3, abs=1e-5)
    assert scores["loss"] == pytest.approx(reconstruction + kl, rel=1e-4)


def _wasserstein_vae(**settings):
    return models.dense_vae(3, (8, 8, 1), **{"divergence": "wasserstein2", **settings})


@pytest.mark.parametrize("weight", [0.0, 2.5])
def test_loss_is_reconstruction_plus_lambda_times_the_chosen_divergence(images, weight):
    vae = _wasserstein_vae(divergence_weight=weight)
    vae.compile("adam")
    scores = vae.evaluate(images, verbose=0, return_dict=True)
    said = vae.predict(images, verbose=0)
    exact = np.asarray(models.divergences.wasserstein2(said["mean"], said["log_var"])).mean()
    assert set(scores) == {"loss", "reconstruction", "wasserstein2"}
    assert scores["wasserstein2"] == pytest.approx(exact, rel=1e-4)
    assert scores["loss"] == pytest.approx(scores["reconstruction"] + weight * exact, rel=1e-4)


def test_lambda_follows_its_schedule_without_a_new_compilation(images):
    # Nothing is learned, so the loss changes with lambda alone.
    vae = _wasserstein_vae(divergence_weight=models.LinearSchedule(0.5, 0.25))
    vae.compile(keras.optimizers.SGD(0.0))
    history = vae.fit(images, batch_size=12, epochs=4, verbose=0).history
    assert float(vae.lambda_) == pytest.approx(0.5 + 0.25 * 3)
    lambdas = (np.array(history["loss"]) - history["reconstruction"]) / history["wasserstein2"]
    np.testing.assert_allclose(lambdas, [0.5, 0.75, 1.0, 1.25], rtol=1e-3)


def test_another_lambda_needs_no_compilation(images):
    vae = _wasserstein_vae(divergence_weight=1.0)
    vae.compile("adam")
    vae.evaluate(images, verbose=0)
    function = vae.test_function
    vae.set_divergence_weight(3.0)
    scores = vae.evaluate(images, verbose=0, return_dict=True)
    expected = scores["reconstruction"] + 3 * scores["wasserstein2"]
    assert scores["loss"] == pytest.approx(expected, rel=1e-4)
    assert vae.test_function is function


def test_any_function_can_be_the_divergence(images):
    def squared_mean(mean, log_var):
        return keras.ops.sum(keras.ops.square(mean), axis=-1)

    vae = _wasserstein_vae(divergence=squared_mean)
    vae.compile("adam")
    history = vae.fit(images, epochs=1, verbose=0).history
    assert set(history) == {"loss", "reconstruction", "squared_mean"}


@pytest.mark.parametrize("bounded", [(), ("log_var",), ("mean", "log_var")])
def test_heads_bounded_by_min_0_stay_so(images, bounded):
    activations = {f"{head}_activation": models.nonpositive for head in bounded}
    vae = _wasserstein_vae(**activations)
    vae.compile(keras.optimizers.Adam(1e-2))
    vae.fit(images, epochs=20, verbose=0)
    said = vae.predict(images, verbose=0)
    for head in bounded:
        assert said[head].max() <= 0
    if not bounded:
        assert said["mean"].max() > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"divergence": "hellinger"}, "divergence must be one of kl, wasserstein2"),
        ({"divergence_weight": -1.0}, "divergence_weight must be a number of 0 or more"),
        ({"divergence_weight": np.nan}, "divergence_weight must be a number of 0 or more"),
    ],
)
def test_refuses_bad_divergences(settings, message):
    with pytest.raises(ValueError, match=message):
        _wasserstein_vae(**settings)


def test_a_model_with_its_own_divergence_refuses_another():
    vae = models.garay_maestre_vae(2, (8, 8, 1), models.VampVAE)
    for name in ("divergence", "divergence_weight"):
        with pytest.raises(ValueError, match=f"Unrecognized keyword .* VampVAE: .'{name}'"):
            models.VampVAE(vae.encoder, vae.decoder, **{name: "kl"})
        assert not hasattr(vae, name)


def test_divergence_lambda_and_heads_survive_saving(tmp_path, images):
    vae = _wasserstein_vae(
        divergence_weight=models.LinearSchedule(), mean_activation=models.nonpositive
    )
    vae.compile("adam")
    vae.fit(images, epochs=3, verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = models.load_model(tmp_path / "vae.keras")
    assert loaded.divergence == "wasserstein2"
    assert loaded.divergence_weight(2) == pytest.approx(0.6)
    assert float(loaded.lambda_) == pytest.approx(0.6)
    expected = vae.predict(images, verbose=0)["reconstruction"]
    np.testing.assert_allclose(
        loaded.predict(images, verbose=0)["reconstruction"], expected, rtol=1e-5, atol=1e-6
    )


@pytest.mark.slow
def test_training_learns_two_images_by_heart(images):
    with backend.seeded(0):
        vae = _vae()
    vae.compile(keras.optimizers.RMSprop(1e-3))
    twos = np.repeat(images[:2], 8, axis=0)
    history = vae.fit(twos, batch_size=8, epochs=60, verbose=0).history
    assert np.mean(history["loss"][-10:]) < 0.3 * history["loss"][0]
    assert set(history) == {"loss", "reconstruction", "kl"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: np.where(x > 0, np.nan, x), "hold NaN or infinity, the first is image 0"),
        (lambda x: x * 255, "Divide by 255"),
        (lambda x: x[..., 0], "Add a channel axis"),
    ],
)
def test_fit_refuses_bad_images(images, change, message):
    vae = _vae()
    vae.compile("rmsprop")
    with pytest.raises(ValueError, match=message):
        vae.fit(change(images), verbose=0)


def test_fit_stops_at_a_loss_that_is_not_finite(images):
    vae = _vae()
    vae.compile(keras.optimizers.SGD(1e6))
    with pytest.raises(models.NonFiniteLossError, match=r"stopped in epoch \d+, at batch \d+"):
        vae.fit(images, batch_size=4, epochs=50, verbose=0)


def test_saves_and_loads_to_the_same_output_also_after_training(tmp_path, images):
    vae = _vae()
    vae.compile("rmsprop")
    vae.fit(images, epochs=1, verbose=0)
    expected = vae.predict(images, verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = models.load_model(tmp_path / "vae.keras")
    for name, value in loaded.predict(images, verbose=0).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)
    loaded.fit(images, epochs=1, verbose=0)


@pytest.mark.slow
def test_loads_in_a_fresh_process(tmp_path, images):
    vae = models.garay_maestre_vae(2, (8, 8, 1))
    vae.save(tmp_path / "vae.keras")
    np.save(tmp_path / "images.npy", images)
    code = (
        "import dagen_keras, numpy as np; "
        f"vae = dagen_keras.load_model(r'{tmp_path / 'vae.keras'}'); "
        f"images = np.load(r'{tmp_path / 'images.npy'}'); "
        f"np.save(r'{tmp_path / 'out.npy'}', vae.predict(images, verbose=0)['reconstruction'])"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    np.testing.assert_allclose(
        np.load(tmp_path / "out.npy"),
        vae.predict(images, verbose=0)["reconstruction"],
        rtol=1e-5,
        atol=1e-6,
    )


def test_the_seed_fixes_training(images):
    weights = []
    for _ in range(2):
        with backend.seeded(3):
            vae = _vae()
        vae.compile("rmsprop")
        vae.fit(images, batch_size=5, epochs=2, verbose=0, shuffle=False)
        weights.append(np.concatenate([np.ravel(w) for w in vae.get_weights()]))
    np.testing.assert_array_equal(*weights)


def test_the_released_vae_scales_noise_by_the_variance_and_averages_the_kl():
    vae = models.garay_maestre_vae(4, (8, 8, 1), ReleasedVAE)
    mean, log_var = np.full((1, 4), 0.5, "float32"), np.full((1, 4), -1.0, "float32")
    exact = np.asarray(models.divergences.kl(mean, log_var))
    ours = vae.divergence_of({"mean": mean, "log_var": log_var})
    np.testing.assert_allclose(ours, exact / 4, rtol=1e-6)
    many = np.zeros((100_000, 4), "float32")
    vae.encoder, vae.decoder = lambda images: (many, many - 1.0), lambda z: z[:1]
    z = np.asarray(vae(np.zeros((1, 8, 8, 1), "float32"), training=True)["latent"])
    assert z.std() == pytest.approx(np.exp(-1.0), rel=0.02)
