import functools
import itertools
import pickle

import keras
import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from dagen_keras import backend, models, sampling
from dagen_keras.augment import Augmenter

SMALL_VAE = functools.partial(models.garay_maestre_vae, 2)


@pytest.fixture
def imbalanced(rng):
    """Bright and dark 8x8 images of three classes: 12, 4 and 3 of them."""
    y = np.repeat([0, 1, 2], [12, 4, 3])
    x = np.clip(y[:, None, None, None] / 2 + rng.normal(0, 0.1, (19, 8, 8, 1)), 0, 1)
    order = rng.permutation(19)
    return x[order].astype("float32"), y[order]


def _augmenter(**arguments):
    return Augmenter(SMALL_VAE, **{"epochs": 20, **arguments})


@pytest.mark.slow
def test_sample_gives_images_of_the_class_that_was_asked_for(imbalanced):
    augmenter = _augmenter(epochs=150).fit(*imbalanced)
    dark, bright = (augmenter.sample(20, label) for label in (0, 2))
    assert dark.shape == (20, 8, 8, 1)
    assert dark.dtype == np.float32
    assert 0 <= dark.min() <= bright.max() <= 1
    assert dark.mean() < 0.4 < 0.6 < bright.mean()
    assert augmenter.classes_.tolist() == [0, 1, 2]


def test_histories_say_how_each_class_trained(imbalanced):
    augmenter = _augmenter(epochs=6, patience=100).fit(*imbalanced)
    assert list(augmenter.histories_) == [0, 1, 2]
    assert all(len(own["loss"]) == 6 for own in augmenter.histories_.values())


@pytest.mark.slow
def test_a_seed_fixes_the_samples(imbalanced):
    one, two = (_augmenter().fit(*imbalanced).sample(5, 1) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    augmenter = _augmenter().fit(*imbalanced)
    assert not np.array_equal(one, augmenter.sample(5, 1, seed=9))
    assert not np.array_equal(one, _augmenter(seed=1).fit(*imbalanced).sample(5, 1))


@pytest.mark.slow
def test_a_class_does_not_depend_on_the_others(imbalanced):
    x, y = imbalanced
    alone = _augmenter().fit(x[y != 0], y[y != 0])
    np.testing.assert_array_equal(alone.sample(4, 2), _augmenter().fit(x, y).sample(4, 2))


@pytest.mark.parametrize(
    "strategy",
    ["auto", "minority", "not minority", "all", {1: 6, 2: 3}, lambda y: {2: 10}],
)
def test_fit_resample_counts_as_imbalanced_learn_does(imbalanced, strategy):
    x, y = imbalanced
    x_new, y_new = _augmenter(epochs=1, sampling_strategy=strategy).fit_resample(x, y)
    _, expected = RandomOverSampler(sampling_strategy=strategy).fit_resample(
        x.reshape(len(x), -1), y
    )
    assert np.bincount(y_new).tolist() == np.bincount(expected).tolist()
    np.testing.assert_array_equal(x_new[: len(x)], x)
    np.testing.assert_array_equal(y_new[: len(y)], y)
    assert x_new.shape[1:] == x.shape[1:]
    assert y_new.dtype == y.dtype


def test_binary_images_of_whole_numbers_get_images_with_shades(imbalanced):
    x, y = imbalanced
    x_new, _ = _augmenter(epochs=1).fit_resample((x > 0.5).astype(int), y)
    assert x_new.dtype.kind == "f"
    assert len(np.unique(x_new[len(x) :])) > 10


@pytest.mark.slow
def test_works_in_a_pipeline_with_flat_images(imbalanced):
    x, y = imbalanced
    flat = x.reshape(len(x), -1).astype("float64")
    pipeline = Pipeline(
        [("augment", _augmenter(image_shape=(8, 8, 1))), ("classify", LogisticRegression())]
    )
    pipeline.fit(flat, y)
    assert pipeline.score(flat, y) > 0.8
    assert pipeline.predict(flat).shape == (19,)
    x_new, _ = pipeline.named_steps["augment"].fit_resample(flat, y)
    assert x_new.shape == (36, 64)
    assert x_new.dtype == flat.dtype


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        SMALL_VAE,
        models.ReusableModel(functools.partial(SMALL_VAE, (8, 8, 1)), optimizer="sgd"),
    ],
)
def test_survives_clone(imbalanced, model):
    augmenter = Augmenter(model, epochs=3, sampling_strategy={1: 5}, seed=4).fit(*imbalanced)
    copy = clone(augmenter)
    assert copy is not augmenter
    assert not hasattr(copy, "classes_")
    assert (copy.epochs, copy.sampling_strategy, copy.seed) == (3, {1: 5}, 4)
    np.testing.assert_array_equal(copy.fit(*imbalanced).sample(3, 1), augmenter.sample(3, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x * 255, y), "Divide by 255"),
        (lambda x, y: (np.where(x > 0.9, np.nan, x), y), "hold NaN"),
        (lambda x, y: (x[..., 0], y), "Add a channel axis"),
        (lambda x, y: (x, y[:-1]), "one an image"),
        (lambda x, y: (x, np.append(y[:-1], 7)), "class 7 has 1 image"),
        (lambda x, y: (x.reshape(len(x), -1), y), "flat images of 64 pixels need image_shape"),
    ],
)
def test_bad_input_is_refused_before_training(imbalanced, change, message):
    with pytest.raises(ValueError, match=message):
        _augmenter().fit(*change(*imbalanced))


def test_misuse_is_explained(imbalanced):
    with pytest.raises(ValueError, match="not fitted yet"):
        _augmenter().sample(1, 0)
    augmenter = _augmenter(epochs=1).fit(*imbalanced)
    with pytest.raises(ValueError, match="no model for class 5; there are models for 0, 1, 2"):
        augmenter.sample(1, 5)
    with pytest.raises(ValueError, match="n must be an integer"):
        augmenter.sample(-1, 0)
    assert augmenter.sample(0, 0).shape == (0, 8, 8, 1)
    with pytest.raises(ValueError, match="unknown sampler 'priro'; known are prior, uniform"):
        _augmenter(sampler="priro").fit(*imbalanced)
    for wrong in ({"epochs": 0}, {"batch_size": 0}, {"seed": -1}, {"epochs": 1.5}):
        name = next(iter(wrong))
        with pytest.raises(ValueError, match=f"{name} must be an integer"):
            _augmenter(**wrong).fit(*imbalanced)
    with pytest.raises(ValueError, match="model must be a function"):
        Augmenter("vae").fit(*imbalanced)


def test_a_nan_loss_names_the_class(imbalanced):
    import keras

    augmenter = _augmenter(optimizer=lambda: keras.optimizers.SGD(1e6), epochs=100)
    with pytest.raises(models.NonFiniteLossError, match="the model of class 0 stopped"):
        augmenter.fit(*imbalanced)


def _gan(model_class, **settings):
    make = functools.partial(model_class, latent_dim=4, filters=4)
    return Augmenter(
        make, epochs=2, batch_size=8, optimizer=models.gan_optimizer, seed=3, **settings
    )


@pytest.mark.parametrize("model_class", [models.CGAN, models.ACGAN, models.ALI])
def test_one_conditional_model_fills_up_the_sparse_classes(model_class, rng):
    # Labels with gaps, as they are left when classes are taken out of a dataset.
    y = np.repeat([2, 5, 9], [10, 4, 7])
    x = rng.random((len(y), 8, 8, 1), dtype="float32")
    augmenter = _gan(model_class)
    new_x, new_y = augmenter.fit_resample(x, y)
    np.testing.assert_array_equal(new_x[: len(x)], x)
    assert dict(zip(*np.unique(new_y, return_counts=True), strict=True)) == {2: 10, 5: 10, 9: 10}
    assert list(augmenter.classes_) == [5, 9]
    five, nine = augmenter.model_of(5), augmenter.model_of(9)
    assert five is not nine
    for one, other in zip(five.get_weights(), nine.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert five.n_classes == 3
    again = augmenter.sample(6, label=5)
    np.testing.assert_allclose(new_x[len(x) : len(x) + 6], again, atol=1e-6)
    seed = backend.subseed(3, "samples", 5)
    np.testing.assert_array_equal(again, augmenter.model_of(5).generate(np.ones(6, int), seed))


def _decoder(model):
    return [np.array(weight) for weight in model.decoder.get_weights()]


@pytest.mark.slow
def test_a_model_of_a_class_is_the_callers_own_and_stays_what_it_is(imbalanced):
    augmenter = _augmenter(sampler="uniform").fit(*imbalanced)
    zero, two = augmenter.model_of(0), augmenter.model_of(2)
    before = _decoder(zero)
    sampled = augmenter.sample(4, 2)
    assert zero is not two is not augmenter.model_of(2)
    assert any((a != b).any() for a, b in zip(before, _decoder(two), strict=True))
    for old, new in zip(before, _decoder(zero), strict=True):
        np.testing.assert_array_equal(old, new)
    points = sampling.SAMPLERS["uniform"](two, 4, backend.subseed(0, "samples", 2))
    np.testing.assert_array_equal(models.predict(two.decoder, points), sampled)
    two.fit(imbalanced[0], epochs=1, verbose=0)
    np.testing.assert_array_equal(augmenter.sample(4, 2), sampled)


def test_trained_goes_through_the_classes_with_one_model(imbalanced):
    augmenter = _augmenter(epochs=2).fit(*imbalanced)
    seen = []
    for label, model in augmenter.trained():
        seen.append((label, id(model)))
        own = augmenter.model_of(label)
        for one, other in zip(_decoder(model), _decoder(own), strict=True):
            np.testing.assert_array_equal(one, other)
    assert [label for label, _ in seen] == [0, 1, 2]
    assert len({which for _, which in seen}) == 1


def test_conditional_models_are_seeded_and_shared_when_reusable(rng):
    y = np.repeat([0, 1], [8, 4])
    x = rng.random((12, 8, 8, 1), dtype="float32")
    make = functools.partial(models.ACGAN, (8, 8, 1), 2, latent_dim=4, filters=4)
    reusable = models.ReusableModel(make, optimizer=models.gan_optimizer)
    first, second = (
        Augmenter(reusable, epochs=2, batch_size=4, seed=1).fit(x, y).sample(5, 1) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert Augmenter(reusable, epochs=1, seed=1).fit(x, y).sample(0, 1).shape == (0, 8, 8, 1)


@pytest.mark.slow
def test_a_conditional_model_does_not_depend_on_which_classes_are_filled_up(rng):
    y = np.repeat([0, 1, 2], [9, 5, 4])
    x = rng.random((18, 8, 8, 1), dtype="float32")
    some, more = _gan(models.ACGAN, sampling_strategy={2: 6}), _gan(models.ACGAN)
    some.fit_resample(x, y)
    more.fit_resample(x, y)
    np.testing.assert_array_equal(some.sample(3, 2), more.sample(3, 2))
    np.testing.assert_array_equal(some.sample(3, 2), _gan(models.ACGAN).fit(x, y).sample(3, 2))


def test_a_reusable_model_of_other_classes_is_refused(rng):
    make = functools.partial(models.ACGAN, (8, 8, 1), 3, latent_dim=4, filters=4)
    reusable = models.ReusableModel(make, optimizer=models.gan_optimizer)
    x = rng.random((10, 8, 8, 1), dtype="float32")
    with pytest.raises(ValueError, match=r"the model has 3 classes .* the data have 5"):
        Augmenter(reusable).fit(x, np.arange(10) % 5)


@pytest.mark.parametrize("settings", [{}, {"n_classes": 1}])
def test_a_gan_refuses_patience_before_training(settings, rng, monkeypatch):
    monkeypatch.setattr(models.CGAN, "fit", _no_training)
    make = functools.partial(SMALL_GAN, **settings)
    with pytest.raises(ValueError, match="a GAN trains all its epochs.* leave patience None"):
        Augmenter(make, patience=3).fit(rng.random((6, 8, 8, 1)), np.arange(6) % 2)


SMALL_GAN = functools.partial(models.CGAN, latent_dim=4, filters=4)
ONE_CLASS_GAN = functools.partial(SMALL_GAN, n_classes=1)
# Of two classes where one model has all; compiled once, for all samplers.
MODELS = {
    name: models.ReusableModel(
        functools.partial(make, image_shape=(8, 8, 1)),
        optimizer="adam",
        **backend.convolution_compile_options(),
    )
    for name, make in {
        "VAE": SMALL_VAE,
        "VampVAE": functools.partial(SMALL_VAE, model_class=models.VampVAE),
        "RHVAE": functools.partial(models.chadebec_rhvae, hidden=(4,), n_leapfrog=1),
        "GAN": ONE_CLASS_GAN,
        "CGAN": functools.partial(SMALL_GAN, n_classes=2),
        "ACGAN": functools.partial(models.ACGAN, n_classes=2, latent_dim=4, filters=4),
        "ALI": functools.partial(models.ALI, n_classes=2, latent_dim=4, filters=4),
    }.items()
}
FITS = {
    "VAE": ["prior", "uniform"],
    "VampVAE": ["prior", "uniform", "vamp"],
    "RHVAE": ["prior", "uniform", "random_walk", "hmc"],
    "GAN": ["prior", "rejection", "metropolis_hastings"],
    "CGAN": ["prior", "rejection", "metropolis_hastings"],
    "ACGAN": ["prior", "rejection", "metropolis_hastings"],
    "ALI": ["prior"],
}
SAMPLERS = list(dict.fromkeys(sampler for fitting in FITS.values() for sampler in fitting))


def _no_training(*arguments, **keywords):
    raise AssertionError("training began")


@pytest.fixture
def two_classes(rng):
    """Labels 3 and 7, of 11 and 9 images."""
    y = np.repeat([3, 7], [11, 9])
    return np.clip(y[:, None, None, None] / 10 + rng.normal(0, 0.1, (20, 8, 8, 1)), 0, 1), y


@pytest.mark.slow
@pytest.mark.parametrize(("model", "sampler"), itertools.product(MODELS, SAMPLERS))
def test_every_sampler_draws_from_a_model_it_fits_and_is_else_refused_before_training(
    model, sampler, two_classes, monkeypatch
):
    augmenter = Augmenter(MODELS[model], sampler, epochs=1, chain_length=4)
    if sampler in FITS[model]:
        images = augmenter.fit(*two_classes).sample(3, label=7)
        assert images.shape == (3, 8, 8, 1)
        assert images.dtype == np.float32
        assert 0 <= images.min() <= images.max() <= 1
        assert augmenter.sample(0, label=7).shape == (0, 8, 8, 1)
        return
    monkeypatch.setattr(models.VAE, "fit", _no_training)
    monkeypatch.setattr(models.CGAN, "fit", _no_training)
    sentence = f"the sampler '{sampler}' needs an? .* which goes with {', '.join(FITS[model])}\\."
    with pytest.raises(ValueError, match=sentence):
        augmenter.fit(*two_classes)


def test_a_function_that_draws_latent_points_is_no_sampler_of_a_gan(two_classes, monkeypatch):
    monkeypatch.setattr(models.CGAN, "fit", _no_training)
    with pytest.raises(ValueError, match="a function that returns latent points needs a VAE"):
        Augmenter(SMALL_GAN, lambda model, n, seed: np.zeros((n, 4))).fit(*two_classes)


def _selecting(model, **settings):
    settings = {"sampler": "metropolis_hastings", "chain_length": 4, "epochs": 2, **settings}
    return Augmenter(model, **settings)


@pytest.mark.parametrize(("model", "fits"), [(ONE_CLASS_GAN, 2), (SMALL_GAN, 1)])
def test_held_out_images_calibrate_and_are_not_trained_on(model, fits, rng, monkeypatch):
    x, y = rng.random((90, 8, 8, 1), dtype="float32"), np.repeat([3, 7], [70, 20])
    trained, held_out = [], []

    def fit(self, batches, **settings):
        trained.append(batches.arrays)
        return keras.callbacks.History()

    def calibrated(gan, real_images, label, seed):
        held_out.append((real_images, label))

    monkeypatch.setattr(models.CGAN, "fit", fit)
    monkeypatch.setattr("dagen_keras.augment.augmenter.CalibratedDiscriminator", calibrated)
    _selecting(model).fit(x, y)
    assert len(trained) == fits
    assert [len(images) for images, _ in held_out] == [7, 5]  # A tenth, but at least 5.
    assert [label for _, label in held_out] == ([0, 0] if fits == 2 else [0, 1])
    if fits == 2:
        assert all((labels == 0).all() for _, labels in trained)
    used = np.concatenate([images for images, _ in trained + held_out])
    assert len(used) == 90
    assert {image.tobytes() for image in used} == {image.tobytes() for image in x}


def test_a_class_too_small_to_hold_images_out_is_refused(two_classes, monkeypatch):
    monkeypatch.setattr(models.CGAN, "fit", _no_training)
    x, y = two_classes
    with pytest.raises(ValueError, match="class 7 has 6 images; .* needs at least 5 held out"):
        _selecting(SMALL_GAN).fit(x[:17], y[:17])
    for wrong in ({"held_out": 0}, {"held_out": 1.0}, {"chain_length": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
            _selecting(SMALL_GAN, **wrong).fit(x, y)


def test_gans_of_one_class_each_that_select_are_seeded_and_survive_clone(two_classes):
    x, y = two_classes
    augmenter = _selecting(MODELS["GAN"], seed=2)
    new_x, new_y = augmenter.fit_resample(x, y)
    assert np.bincount(new_y).tolist() == [0, 0, 0, 11, 0, 0, 0, 11]
    assert augmenter.model_of(7).n_classes == 1
    again = clone(augmenter).fit(x, y)
    assert again.get_params()["chain_length"] == 4
    np.testing.assert_allclose(new_x[20:], again.sample(2, 7), atol=1e-6)
    # Each class has its own GAN and its own discriminator, whatever was asked for before.
    sevens = again.sample(4, 7)
    assert not np.array_equal(sevens, again.sample(4, 3))
    np.testing.assert_array_equal(sevens, again.sample(4, 7))
    assert not np.array_equal(sevens, again.sample(4, 7, seed=5))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(again)).sample(4, 7), sevens)


def test_another_sampler_after_training_needs_what_was_held_out(two_classes):
    selecting = _selecting(MODELS["CGAN"]).fit(*two_classes).set_params(sampler="prior")
    seed = backend.subseed(0, "samples", 7)
    np.testing.assert_array_equal(
        selecting.sample(3, 7), selecting.model_of(7).generate(np.ones(3, int), seed)
    )
    with pytest.raises(ValueError, match="'uniform' needs a VAE"):
        selecting.set_params(sampler="uniform").sample(3, 7)
    prior = _selecting(MODELS["CGAN"], sampler="prior").fit(*two_classes)
    with pytest.raises(ValueError, match="held out from training: call fit"):
        prior.set_params(sampler="rejection").sample(3, 7)
