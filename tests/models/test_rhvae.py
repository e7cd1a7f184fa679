import functools
import importlib
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from dagen_keras import backend, models
from dagen_keras.models import rhvae as rhvae_module
from dagen_keras.models.rhvae import damped, damped_rows

FIXTURES = Path(__file__).parents[1] / "fixtures"
SHAPE = (4, 4, 1)


def _rhvae(d=2, image_shape=SHAPE, hidden=(8,), metric_hidden=(8,), **settings):
    return models.RHVAE(
        models.dense_encoder(d, image_shape, hidden),
        models.dense_decoder(d, image_shape, hidden[::-1]),
        models.dense_metric_network(d, image_shape, metric_hidden),
        **settings,
    )


@functools.cache
def _reusable(**settings):
    return models.ReusableModel(
        lambda: _rhvae(n_leapfrog=2, **settings), optimizer=lambda: keras.optimizers.Adam(1e-2)
    )


def _seeded(seed=0, **settings):
    """A compiled, small model with weights of a seed; it is shared, to compile it once."""
    model = _reusable(**settings).fresh(seed)
    model.metric = None
    return model


def _array(tensor):
    return ops.convert_to_numpy(tensor)


def _fixture(d):
    """The model of a fixture, its inputs, its arrays, and names of its weights' gradients."""
    values = dict(np.load(FIXTURES / f"rhvae_d{d}.npz"))
    model = _rhvae(
        d,
        hidden=(32,),
        metric_hidden=(20,),
        n_leapfrog=int(values["n_lf"]),
        step_size=float(values["eps_lf"]),
        temperature=float(values["temperature"]),
        regularization=float(values["regularization"]),
        sqrt_beta_zero=float(values["sqrt_beta_zero"]),
    )
    networks = {"encoder": model.encoder, "decoder": model.decoder, "metric": model.metric_network}
    names = {}
    for network, weights in networks.items():
        for layer in weights.layers:
            for variable in layer.weights:
                kind = "hidden" if layer.name == "hidden_0" else layer.name
                names[id(variable)] = f"{network}_{kind}_{variable.name}"
                variable.assign(values[f"w_{names[id(variable)]}"])
    gradient_names = [f"grad_{names[id(v)]}" for v in model.trainable_variables]
    images, noise, momentum_noise = (
        values[name].astype("float32") for name in ("x", "eps", "gamma")
    )
    return model, (images.reshape(-1, *SHAPE), noise, momentum_noise), values, gradient_names


def _flow_and_gradients(model):
    """A compiled function of a batch: what `flow` returns, and the gradients of its loss's sum."""
    variables = model.trainable_variables

    def flow(images, noise, momentum_noise):
        said = model(images)
        entries = said["mean"], said["log_var"], said["cholesky_factors"]
        result = model.flow(images, *entries, noise, momentum_noise)
        loss = result["reconstruction"] + result["divergence"]
        return {**said, **result, "loss": loss, "loss_sum": ops.sum(loss)}

    if keras.backend.backend() == "jax":
        import jax

        def of_values(values, *inputs):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                result = flow(*inputs)
            return result["loss_sum"], result

        differentiated = jax.jit(jax.grad(of_values, has_aux=True))

        def with_gradients(*inputs):
            return differentiated([v.value for v in variables], *inputs)
    else:
        import tensorflow as tf

        @tf.function
        def with_gradients(*inputs):
            with tf.GradientTape() as tape:
                result = flow(*inputs)
            return tape.gradient(result["loss_sum"], [v.value for v in variables]), result

    def run(*inputs):
        gradients, result = with_gradients(*(ops.convert_to_tensor(a) for a in inputs))
        arrays = {name: _array(value) for name, value in result.items()}
        return arrays, [_array(gradient) for gradient in gradients]

    return run


def _assert_agrees(actual, expected, tolerance=1e-4):
    """max |error| <= tolerance * max |expected|."""
    assert np.shape(actual) == np.shape(expected)
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


# The formulas


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 3])
def test_flow_loss_and_gradients_agree_with_float64(d):
    model, inputs, expected, gradient_names = _fixture(d)
    result, gradients = _flow_and_gradients(model)(*inputs)
    for name, reference in (
        ("mean", "centroids"),
        ("log_var", "log_var"),
        ("cholesky_factors", "metric_L"),
        ("z_0", "z0"),
        ("z", "zK"),
        ("rho", "rhoK"),
        ("loss", "loss"),
        ("loss_sum", "loss_sum"),
    ):
        _assert_agrees(result[name], expected[reference])
    assert len(gradients) == 16
    for name, gradient in zip(gradient_names, gradients, strict=True):
        _assert_agrees(gradient, expected[name])


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 3])
def test_released_differentiation_is_that_of_pythae(d, monkeypatch):
    """What pythae 0.1.2 has in float64 for the weights, images and noise of the other fixture."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    released = importlib.import_module("released_training").ReleasedRHVAE
    model, inputs, _, gradient_names = _fixture(d)
    ours, _ = _flow_and_gradients(model)(*inputs)
    expected = dict(np.load(FIXTURES / f"rhvae_d{d}_released.npz"))
    names = ("n_leapfrog", "step_size", "temperature", "regularization", "sqrt_beta_zero")
    settings = {name: getattr(model, name) for name in names}
    networks = model.encoder, model.decoder, model.metric_network
    result, gradients = _flow_and_gradients(released(*networks, **settings))(*inputs)
    for name in ("z", "rho"):
        _assert_agrees(result[name], expected[name])
        assert np.abs(result[name] - ours[name]).max() > 0.005
    for name, gradient in zip(gradient_names, gradients, strict=True):
        _assert_agrees(gradient, expected[name])


@pytest.mark.parametrize("d", [2, 3])
def test_metric_of_images_agrees_with_float64(d):
    model, (images, _, _), expected, _ = _fixture(d)
    model.update_metric(images)
    _assert_agrees(model.metric.centroids, expected["centroids"])
    _assert_agrees(model.metric.cholesky_factors, expected["metric_L"])
    z = expected["zK"].astype("float32")
    _assert_agrees(_array(model.metric.inverse_tensor(z)), expected["G_inv_zK"])
    _assert_agrees(2 * _array(model.metric.log_volume(z)), expected["log_det_G_zK"])


@pytest.mark.slow
def test_bounds_change_nothing_where_the_trajectory_is_sane(monkeypatch):
    model, inputs, _, _ = _fixture(2)
    results = []
    for bounded in (True, False):
        if not bounded:
            for name in ("MAX_LOG_VAR", "MAX_KICK", "MAX_MOVE"):
                monkeypatch.setattr(rhvae_module, name, 1e6)
            # Its exponential has to be a float.
            monkeypatch.setattr(rhvae_module, "MAX_LOG_FACTOR", 50.0)
        result, gradients = _flow_and_gradients(model)(*inputs)
        results.append([*(result[name] for name in ("z_0", "z", "rho", "loss")), *gradients])
    for one, two in zip(*results, strict=True):
        _assert_agrees(one, two, 1e-6)


def test_loss_is_the_mean_over_images_of_reconstruction_and_divergence(rng):
    model = _seeded()
    images = rng.random((5, *SHAPE), dtype="float32")
    scores = model.evaluate(images, verbose=0, return_dict=True)
    assert set(scores) == {"loss", "reconstruction", "divergence"}
    assert scores["loss"] == pytest.approx(
        scores["reconstruction"] + scores["divergence"], rel=1e-5
    )


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal"])
def test_reconstruction_is_minus_the_log_likelihood(rng, likelihood):
    model = _rhvae(likelihood=likelihood, n_leapfrog=1)
    images = rng.random((5, *SHAPE), dtype="float32")
    said = model(images)
    entries = said["mean"], said["log_var"], said["cholesky_factors"]
    noise = rng.normal(size=(2, 5, 2)).astype("float32")
    result = model.flow(images, *entries, *noise)
    decoded = _array(model.decoder(result["z"])).astype(float)
    if likelihood == "normal":
        expected = 0.5 * (images - decoded) ** 2
    else:
        expected = -(images * np.log(decoded) + (1 - images) * np.log(1 - decoded))
    np.testing.assert_allclose(
        _array(result["reconstruction"]), expected.sum(axis=(1, 2, 3)), rtol=1e-4, atol=1e-5
    )


def test_where_a_step_is_refused_all_stays_what_it_was_measured_at(rng, monkeypatch):
    """Moves beyond the bound are refused."""
    with backend.seeded(0):
        model = _rhvae(step_size=1e-3)
    images = rng.random((40, *SHAPE), dtype="float32")
    said = model(images)
    entries = said["mean"], said["log_var"], said["cholesky_factors"]
    noise = rng.normal(size=(2, 40, 2)).astype("float32")
    moved, kick = [], models.RHVAE._kick

    def checked(self, metric, z, rho, at_z):
        anew = self._measure(metric, images.reshape(40, -1), z)
        for name, value in at_z.items():
            np.testing.assert_allclose(_array(value), _array(anew[name]), rtol=1e-4, atol=1e-5)
        return kick(self, metric, z, rho, at_z)

    monkeypatch.setattr(models.RHVAE, "_kick", checked)
    for bound in (1.0, 0.01, 1e-9):
        monkeypatch.setattr(rhvae_module, "MAX_MOVE", bound)
        flow = {name: _array(a) for name, a in model.flow(images, *entries, *noise).items()}
        decoded = _array(model.decoder(flow["z"])).astype(float)
        expected = -(images * np.log(decoded) + (1 - images) * np.log(1 - decoded))
        expected = expected.sum(axis=(1, 2, 3))
        np.testing.assert_allclose(flow["reconstruction"], expected, rtol=1e-4)
        z, rho, metric = flow["z"], flow["rho"], model._metric(*entries[::2])
        expected = (z**2).sum(axis=1) - (noise[0] ** 2).sum(axis=1) - _array(entries[1]).sum(axis=1)
        expected = expected / 2 + np.log(2 * np.pi) + _array(metric.log_volume(z))
        expected += _array(metric.energy(z, rho))
        np.testing.assert_allclose(flow["divergence"], expected, rtol=1e-4, atol=1e-4)
        moved.append(int((flow["z"] != flow["z_0"]).any(axis=1).sum()))
    nearly_all, some, none = moved
    assert nearly_all - 3 >= some > 3 > none == 0


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal"])
def test_the_slope_by_hand_is_that_of_automatic_differentiation_and_so_is_its_own(rng, likelihood):
    model = _rhvae(likelihood=likelihood)
    targets = rng.random((5, 16), dtype="float32")
    logits = ops.convert_to_tensor(rng.normal(0, 3, (5, 16)).astype("float32"))

    def slope(logits):
        return model._log_likelihood_slope(targets, logits)

    def differentiated(logits):
        likelihood_of = functools.partial(model._log_likelihood, targets)
        return backend.value_and_gradient(likelihood_of, logits)[1]

    np.testing.assert_allclose(_array(slope(logits)), _array(differentiated(logits)), atol=1e-5)
    once_more = (_array(backend.value_and_gradient(f, logits)[1]) for f in (slope, differentiated))
    np.testing.assert_allclose(*once_more, atol=1e-5)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_cholesky_factors_are_placed_row_by_row(rng, d):
    entries = rng.normal(size=(4, d * (d + 1) // 2)).astype("float32")
    factors = _array(_rhvae(d).cholesky_factors(entries))
    expected = np.zeros((4, d, d))
    lower = iter(range(d, entries.shape[1]))
    for row in range(d):
        for column in range(row):
            expected[:, row, column] = entries[:, next(lower)]
        expected[:, row, row] = np.exp(entries[:, row])
    np.testing.assert_allclose(factors, expected, rtol=1e-5)
    np.testing.assert_array_equal(factors, np.tril(factors))


# The guards


def test_damped_is_the_identity_inside_then_rises_to_twice_the_bound():
    inside = np.linspace(-3, 3, 61).astype("float32")
    np.testing.assert_array_equal(_array(damped(inside, 3.0)), inside)
    values = np.linspace(-100, 100, 20001).astype("float32")
    result = _array(damped(values, 3.0)).astype(float)
    steps = np.diff(result)
    assert (steps > 0).all()
    # Continuous, and its slope too: no steeper than the identity anywhere.
    assert steps.max() <= 0.01 * (1 + 1e-3)
    assert np.abs(np.diff(steps)).max() < 2e-4
    assert np.abs(result).max() < 6
    np.testing.assert_allclose(result, -result[::-1], atol=1e-6)
    np.testing.assert_allclose(_array(damped(np.array([-1e30, 1e30], "f"), 3.0)), [-6, 6])


def test_damped_has_a_gradient_everywhere():
    z = ops.convert_to_tensor(np.array([[0.0], [2.0], [3.0], [5.0], [1e6], [1e30]], "float32"))
    _, gradient = backend.value_and_gradient(lambda z: ops.sum(damped(z, 3.0), axis=-1), z)
    slopes = _array(gradient)[:, 0]
    np.testing.assert_allclose(slopes[[0, 1, 3]], [1, 1, (3 / 5) ** 2], rtol=1e-5)
    assert (slopes[2:4] > 0).all()
    assert np.isfinite(slopes).all()


def test_damped_rows_keeps_directions_and_damps_lengths(rng):
    directions = rng.normal(size=(500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = np.geomspace(1e-3, 1e15, 500)
    vectors = (directions * lengths[:, None]).astype("float32")
    result, sane = (_array(a) for a in damped_rows(vectors, 5.0))
    damped_lengths = np.linalg.norm(result.astype(float), axis=1)
    expected = np.where(lengths <= 5, lengths, 5 * (2 - 5 / lengths))
    np.testing.assert_allclose(damped_lengths, expected, rtol=1e-5)
    np.testing.assert_allclose(result / damped_lengths[:, None], directions, atol=1e-5)
    np.testing.assert_array_equal(sane[:, 0], lengths <= 5)
    np.testing.assert_array_equal(result[lengths <= 5], vectors[lengths <= 5])


@pytest.mark.parametrize("length", [0.0, 1.0, 5.0, 1e6, 1e18, 1e30])
def test_damped_rows_has_a_finite_gradient_everywhere(length):
    z = ops.convert_to_tensor(np.array([[0.6 * length, 0.8 * length]], "float32"))
    values, gradient = backend.value_and_gradient(
        lambda z: ops.sum(damped_rows(z, 5.0)[0], axis=-1), z
    )
    assert np.isfinite(_array(values)).all()
    assert np.isfinite(_array(gradient)).all()


def _enlarge(model, factor, networks):
    for network in networks:
        for variable in getattr(model, network).weights:
            variable.assign(variable * factor)


@pytest.mark.slow
@pytest.mark.parametrize("step_size", [1e-2, 1e4])
def test_values_and_gradients_stay_finite_where_the_trajectory_is_not_sane(step_size):
    model, inputs, _, _ = _fixture(2)
    model.step_size = step_size
    run = _flow_and_gradients(model)
    start = model.get_weights()
    everything = ("encoder", "decoder", "metric_network")
    for factor, networks in (
        (1.0, everything),
        (30.0, everything),
        (1e3, ["metric_network"]),
        (1e3, ["decoder"]),
        (1e3, ["encoder"]),
    ):
        model.set_weights(start)
        _enlarge(model, factor, networks)
        result, gradients = run(*inputs)
        for value in (*result.values(), *gradients):
            assert np.isfinite(value).all(), (factor, networks)


HARD_CASES = {
    "large_random_images": (
        {"image_shape": (208, 176, 1)},
        lambda rng: rng.random((6, 208, 176, 1)),
    ),
    "ten_times_the_step": ({"step_size": 0.1}, lambda rng: rng.random((20, *SHAPE)) > 0.5),
    "normal": ({"likelihood": "normal"}, lambda rng: rng.random((20, *SHAPE)) > 0.5),
    "ten_dimensions": ({"d": 10}, lambda rng: rng.random((20, *SHAPE)) > 0.5),
    "identical": ({}, lambda rng: np.repeat(rng.random((1, *SHAPE)), 2, axis=0)),
    "black": ({}, lambda rng: np.zeros((2, *SHAPE))),
    "one_image": ({}, lambda rng: rng.random((1, *SHAPE))),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", list(HARD_CASES))
def test_training_never_ends_in_nan(rng, case):
    settings, make = HARD_CASES[case]
    images = make(rng).astype("float32")
    model = _seeded(**settings)
    losses = models.fit_passes(model, images, 20, 200, windows=20).history["loss"]
    assert np.isfinite(losses).all()
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    assert np.isfinite(_array(model.metric.log_volume(model.metric.centroids))).all()


def test_a_diverged_training_ends_in_a_clear_error():
    # From four dimensions on, G^-1 goes to Cholesky's method as a whole; XLA would hide its error.
    model = _rhvae(4, n_leapfrog=1)
    jit_compile = False if keras.backend.backend() == "tensorflow" else "auto"
    model.compile(keras.optimizers.SGD(1e6), jit_compile=jit_compile)
    with pytest.raises(models.NonFiniteLossError, match=r"stopped .*\(SGD, .*1e\+06\).*`clipnorm"):
        model.fit(_blobs(), batch_size=24, epochs=50, verbose=0)


# Training, saving, seeds


def _blobs(n=24):
    """Images of one bright column each: four kinds."""
    images = np.zeros((n, *SHAPE), "float32")
    for index, image in enumerate(images):
        image[:, index % 4] = 1.0
    return images


@pytest.mark.slow
def test_fit_lowers_the_loss_and_sets_the_metric():
    images = _blobs()
    model = _seeded()
    assert model.metric is None
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Training")
        history = model.fit(images, batch_size=24, epochs=150, verbose=0).history
    assert np.mean(history["loss"][-10:]) < 0.75 * np.mean(history["loss"][:10])
    assert set(history) == {"loss", "reconstruction", "divergence"}
    mean, _ = model.encoder(images)
    np.testing.assert_allclose(model.metric.centroids, _array(mean), rtol=1e-4, atol=1e-5)
    factors = model.cholesky_factors(model.metric_network(images))
    np.testing.assert_allclose(model.metric.cholesky_factors, _array(factors), rtol=1e-4, atol=1e-5)
    assert (model.metric.temperature, model.metric.regularization) == (0.8, 1e-3)
    said = model.predict(images, verbose=0)
    assert said["reconstruction"].shape == images.shape
    np.testing.assert_allclose(said["latent"], said["mean"])


def test_a_loss_that_ends_above_its_start_is_told_once_with_numbers():
    model = _seeded()
    model.optimizer.learning_rate = 10.0
    with pytest.warns(UserWarning, match=r"ended above its start.* learning rate 10\)") as record:
        losses = models.fit_passes(model, _blobs(), 10, 200, windows=10).history["loss"]
    (told,) = (str(warning.message) for warning in record if warning.category is UserWarning)
    assert f"was {losses[0]:.4g} in the first step and is {losses[-1]:.4g}, the mean" in told


@pytest.mark.slow
def test_saves_and_loads_in_a_fresh_process_with_its_metric(tmp_path):
    images = _blobs()
    settings = {"n_leapfrog": 1, "step_size": 0.02, "temperature": 1.1, "likelihood": "normal"}
    with backend.seeded(0):
        model = _rhvae(3, **settings)
    model.compile("adam")
    models.fit_passes(model, images, 3, 200)
    model.save(tmp_path / "rhvae.keras")
    np.save(tmp_path / "images.npy", images)
    code = f"""
import numpy as np, dagen_keras
from pathlib import Path
folder = Path(r'{tmp_path}')
model = dagen_keras.load_model(folder / 'rhvae.keras')
images = np.load(folder / 'images.npy')
np.savez(
    folder / 'out.npz',
    reconstruction=model.predict(images, verbose=0)['reconstruction'],
    centroids=model.metric.centroids,
    factors=model.metric.cholesky_factors,
    numbers=[model.metric.temperature, model.metric.regularization],
    kind=type(model).__module__ + '.' + type(model).__name__,
)
model.fit(images, epochs=1, verbose=0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "out.npz")
    np.testing.assert_array_equal(found["centroids"], model.metric.centroids)
    np.testing.assert_array_equal(found["factors"], model.metric.cholesky_factors)
    np.testing.assert_array_equal(found["numbers"], [1.1, 1e-3])
    assert found["kind"] == "dagen_keras.models.rhvae.RHVAE"
    expected = model.predict(images, verbose=0)["reconstruction"]
    np.testing.assert_allclose(found["reconstruction"], expected, rtol=1e-5, atol=1e-6)
    loaded = models.load_model(tmp_path / "rhvae.keras")
    assert {name: getattr(loaded, name) for name in settings} == settings


def test_an_untrained_model_saves_and_loads_without_a_metric(tmp_path):
    model = _rhvae()
    model.save(tmp_path / "rhvae.keras")
    loaded = models.load_model(tmp_path / "rhvae.keras")
    assert loaded.metric is None
    for one, two in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_seed_fixes_training():
    weights = []
    for seed in (3, 3, 4):
        model = _seeded(seed)
        models.fit_passes(model, _blobs(), 3, 200)
        weights.append(np.concatenate([np.ravel(w) for w in model.get_weights()]))
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize("seed", [None, 5])
def test_posterior_and_momentum_have_noise_of_their_own(seed):
    model = _rhvae(seed=seed)
    noise = keras.random.normal((1000,), seed=model.sampling.seed_generator)
    momentum_noise = keras.random.normal((1000,), seed=model.momentum_seed)
    # The correlation of independent draws has a standard deviation of 0.03.
    assert abs(np.corrcoef(_array(noise), _array(momentum_noise))[0, 1]) < 0.15


# Bad arguments


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"step_size": 0}, "step_size must be positive; got 0"),
        ({"step_size": np.nan}, "step_size must be positive; got nan"),
        ({"temperature": -1.0}, "temperature must be positive; got -1.0"),
        ({"regularization": 0.0}, "regularization must be positive"),
        ({"sqrt_beta_zero": np.inf}, "sqrt_beta_zero must be positive; got inf"),
        ({"n_leapfrog": 0}, "n_leapfrog must be an integer of 1 or more; got 0"),
        ({"n_leapfrog": 2.0}, "n_leapfrog must be an integer of 1 or more; got 2.0"),
        ({"likelihood": "gaussian"}, "must be 'bernoulli' or 'normal'; got 'gaussian'"),
    ],
)
def test_refuses_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        _rhvae(**settings)


def test_refuses_a_metric_network_of_another_dimension():
    with pytest.raises(ValueError, match="must have 6 outputs for 3 latent dimensions; it has 3"):
        models.RHVAE(
            models.dense_encoder(3, SHAPE, (8,)),
            models.dense_decoder(3, SHAPE, (8,)),
            models.dense_metric_network(2, SHAPE, (8,)),
        )


@pytest.mark.parametrize(
    "last",
    [
        lambda: layers.Dense(16, activation="sigmoid", name="last"),
        lambda: layers.Activation("tanh", name="last"),
    ],
)
def test_refuses_a_decoder_whose_logits_it_cannot_take(last):
    decoder = keras.Sequential([keras.Input((2,)), layers.Dense(16), last()])
    networks = (
        models.dense_encoder(2, SHAPE, (8,)),
        decoder,
        models.dense_metric_network(2, SHAPE, (8,)),
    )
    with pytest.raises(ValueError, match=r"must end with the layer Activation.*ends with .*'last'"):
        models.RHVAE(*networks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: np.where(x > 0, np.nan, x), "hold NaN or infinity, the first is image 0"),
        (lambda x: x * 255, "Divide by 255"),
        (lambda x: x[..., 0], "Add a channel axis"),
        (lambda x: x[:0], "must not be empty"),
    ],
)
def test_fit_and_update_metric_refuse_bad_images(change, message):
    model = _seeded()
    for use in (lambda x: model.fit(x, verbose=0), model.update_metric):
        with pytest.raises(ValueError, match=message):
            use(change(_blobs()))
    assert model.metric is None
