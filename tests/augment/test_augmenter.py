import functools
import itertools
import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
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


# Compiled once for all tests that do not look at how it is compiled.
REUSABLE = models.ReusableModel(functools.partial(SMALL_VAE, (8, 8, 1)), optimizer="rmsprop")


def _augmenter(model=REUSABLE, **arguments):
    return Augmenter(model, **{"epochs": 20, "random_state": 0, **arguments})


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
    first, second = (_augmenter().fit(*imbalanced) for _ in range(2))
    one = first.sample(5, 1, seed=9)
    np.testing.assert_array_equal(one, first.sample(5, 1, seed=9))
    np.testing.assert_array_equal(one, second.sample(5, 1, seed=9))
    assert not np.array_equal(one, second.sample(5, 1, seed=8))
    # Without a seed each call has its own, and `random_state` fixes their order.
    unseeded = [[own.sample(5, 1) for _ in range(2)] for own in (first, second)]
    assert not np.array_equal(*unseeded[0])
    np.testing.assert_array_equal(*unseeded)
    assert not np.array_equal(one, _augmenter(random_state=1).fit(*imbalanced).sample(5, 1, 9))


def test_random_state_is_scikit_learns(imbalanced):
    x, y = imbalanced

    def weights(random_state):
        augmenter = _augmenter(epochs=1, random_state=random_state).fit(x[y == 1], y[y == 1])
        return augmenter.model_of(1).encoder.get_weights()[0]

    legacy = [weights(np.random.RandomState(5)) for _ in range(2)]
    np.testing.assert_array_equal(*legacy)
    assert not np.array_equal(weights(None), weights(None))


@pytest.mark.slow
def test_a_class_does_not_depend_on_the_others(imbalanced):
    x, y = imbalanced
    alone = _augmenter().fit(x[y != 0], y[y != 0])
    both = _augmenter().fit(x, y)
    np.testing.assert_array_equal(alone.sample(4, 2, seed=1), both.sample(4, 2, seed=1))


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
    augmenter = Augmenter(model, epochs=3, sampling_strategy={1: 5}, random_state=4).fit(
        *imbalanced
    )
    copy = clone(augmenter)
    assert copy is not augmenter
    assert not hasattr(copy, "classes_")
    assert (copy.epochs, copy.sampling_strategy, copy.random_state) == (3, {1: 5}, 4)
    np.testing.assert_array_equal(copy.fit(*imbalanced).sample(3, 1), augmenter.sample(3, 1))
    copy.set_params(sampler=sampling.HMC(n_steps=3), sampler__n_leapfrog=2)
    assert copy.get_params()["sampler__n_leapfrog"] == clone(copy).sampler.n_leapfrog == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x * 255, y), "Divide by 255"),
        (lambda x, y: (np.where(x > 0.9, np.nan, x), y), "hold NaN"),
        (lambda x, y: (x[..., 0], y), "Add a channel axis"),
        (lambda x, y: (x, y[:-1]), "one label an image; got 18 for 19"),
        (lambda x, y: (x, y + 0.5), "Unknown label type"),
        (lambda x, y: (x, np.eye(3)[y]), "1d array|multilabel"),
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
    wrongs = ({"epochs": 0}, {"batch_size": 0}, {"random_state": -1}, {"patience": 1.5})
    for wrong in wrongs:
        name = next(iter(wrong))
        with pytest.raises(ValueError, match=f"{name} must be an integer"):
            _augmenter(**wrong).fit(*imbalanced)
    with pytest.raises(ValueError, match="model must be a function"):
        Augmenter("vae").fit(*imbalanced)
    dense = keras.Sequential([keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="model must return a GenerativeModel; got"):
        Augmenter(lambda image_shape: dense).fit(*imbalanced)


def test_a_nan_loss_names_the_class(imbalanced):
    augmenter = _augmenter(SMALL_VAE, optimizer=lambda: keras.optimizers.SGD(1e6), epochs=100)
    with pytest.raises(models.NonFiniteLossError, match="the model of class 0 stopped"):
        augmenter.fit(*imbalanced)


def _gan(model_class, **settings):
    make = functools.partial(model_class, latent_dim=4, filters=4)
    return Augmenter(
        make,
        conditional=True,
        epochs=2,
        batch_size=8,
        optimizer=models.gan_optimizer,
        random_state=3,
        **settings,
    )


@pytest.mark.parametrize(
    "model_class",
    [models.CGAN, models.ACGAN, pytest.param(models.ALI, marks=pytest.mark.slow)],
)
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
    again = augmenter.sample(6, label=5, seed=3)
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
    sampled = augmenter.sample(4, 2, seed=1)
    assert zero is not two is not augmenter.model_of(2)
    assert any((a != b).any() for a, b in zip(before, _decoder(two), strict=True))
    for old, new in zip(before, _decoder(zero), strict=True):
        np.testing.assert_array_equal(old, new)
    images = two.generate(4, backend.subseed(1, "samples", 2), "uniform")
    np.testing.assert_array_equal(images, sampled)
    two.fit(imbalanced[0], epochs=1, verbose=0)
    np.testing.assert_array_equal(augmenter.sample(4, 2, seed=1), sampled)


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
        Augmenter(reusable, epochs=2, batch_size=4, random_state=1).fit(x, y).sample(5, 1)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert Augmenter(reusable, epochs=1, random_state=1).fit(x, y).sample(0, 1).shape == (
        0,
        8,
        8,
        1,
    )


@pytest.mark.slow
def test_a_conditional_model_does_not_depend_on_which_classes_are_filled_up(rng):
    y = np.repeat([0, 1, 2], [9, 5, 4])
    x = rng.random((18, 8, 8, 1), dtype="float32")
    some, more = _gan(models.ACGAN, sampling_strategy={2: 6}), _gan(models.ACGAN)
    some.fit_resample(x, y)
    more.fit_resample(x, y)
    drawn = some.sample(3, 2, seed=1)
    np.testing.assert_array_equal(drawn, more.sample(3, 2, seed=1))
    np.testing.assert_array_equal(drawn, _gan(models.ACGAN).fit(x, y).sample(3, 2, seed=1))


def test_a_reusable_model_of_other_classes_is_refused(rng):
    make = functools.partial(models.ACGAN, (8, 8, 1), 3, latent_dim=4, filters=4)
    reusable = models.ReusableModel(make, optimizer=models.gan_optimizer)
    x = rng.random((10, 8, 8, 1), dtype="float32")
    with pytest.raises(ValueError, match=r"the model has 3 classes .* the data have 5"):
        Augmenter(reusable).fit(x, np.arange(10) % 5)


def test_a_gans_schedule_goes_by_epochs(rng):
    seen = []
    build = functools.partial(
        models.CGAN,
        latent_dim=4,
        filters=4,
        real_share=lambda epoch: seen.append(epoch) or 0.25 + 0.125 * epoch,
    )
    augmenter = Augmenter(build, epochs=3, random_state=0)
    augmenter.fit(rng.random((6, 8, 8, 1), dtype="float32"), np.zeros(6, int))
    assert seen[-3:] == [0, 1, 2] and len(augmenter.histories_[0]["loss"]) == 3
    assert float(augmenter.model_of(0).share) == 0.5


@pytest.mark.parametrize("conditional", [True, False])
def test_a_gan_refuses_patience_before_training(conditional, rng, monkeypatch):
    monkeypatch.setattr(models.CGAN, "fit", _no_training)
    augmenter = Augmenter(SMALL_GAN, conditional=conditional, patience=3)
    with pytest.raises(ValueError, match="a GAN trains all its epochs.* leave patience None"):
        augmenter.fit(rng.random((6, 8, 8, 1)), np.arange(6) % 2)


SMALL_GAN = functools.partial(models.CGAN, latent_dim=4, filters=4)
# Of two classes where one model has all; compiled once, for all samplers.
MODELS = {
    name: models.ReusableModel(
        functools.partial(make, image_shape=(8, 8, 1)),
        optimizer="adam",
    )
    for name, make in {
        "VAE": SMALL_VAE,
        "VampVAE": functools.partial(SMALL_VAE, model_class=models.VampVAE),
        "RHVAE": functools.partial(models.chadebec_rhvae, hidden=(4,), n_leapfrog=1),
        "GAN": SMALL_GAN,
        "CGAN": functools.partial(SMALL_GAN, n_classes=2),
        "ACGAN": functools.partial(models.ACGAN, n_classes=2, latent_dim=4, filters=4),
        "ALI": functools.partial(models.ALI, n_classes=2, latent_dim=4, filters=4),
    }.items()
}
OF_A_VAE = ["prior", "uniform", "gaussian_mixture"]
FITS = {
    "VAE": OF_A_VAE,
    "VampVAE": [*OF_A_VAE, "vamp"],
    "RHVAE": [*OF_A_VAE, "random_walk", "hmc"],
    "GAN": ["prior", "rejection", "metropolis_hastings"],
    "CGAN": ["prior", "rejection", "metropolis_hastings"],
    "ACGAN": ["prior", "rejection", "metropolis_hastings"],
    "ALI": ["prior"],
}
SAMPLERS = {
    **sampling.SAMPLERS,
    "gaussian_mixture": functools.partial(sampling.GaussianMixture, 2),
    "metropolis_hastings": functools.partial(sampling.MetropolisHastings, chain_length=4),
}


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
    augmenter = Augmenter(MODELS[model], SAMPLERS[sampler](), epochs=1)
    if sampler in FITS[model]:
        images = augmenter.fit(*two_classes).sample(3, label=7)
        assert images.shape == (3, 8, 8, 1)
        assert images.dtype == np.float32
        assert 0 <= images.min() <= images.max() <= 1
        assert augmenter.sample(0, label=7).shape == (0, 8, 8, 1)
        return
    monkeypatch.setattr(models.GenerativeModel, "fit", _no_training)
    sentence = f"the sampler .* needs an? .* which goes with {', '.join(FITS[model])}\\."
    with pytest.raises(ValueError, match=sentence):
        augmenter.fit(*two_classes)


def _selecting(model, **settings):
    settings = {"sampler": sampling.MetropolisHastings(4), "epochs": 2, **settings}
    return Augmenter(model, **{"random_state": 0, **settings})


@pytest.mark.parametrize(("conditional", "fits"), [(False, 2), (True, 1)])
def test_held_out_images_calibrate_and_are_not_trained_on(conditional, fits, rng, monkeypatch):
    x, y = rng.random((90, 8, 8, 1), dtype="float32"), np.repeat([3, 7], [70, 20])
    trained, held_out = [], []

    def fit(self, batches, **settings):
        trained.append(batches.arrays)
        return keras.callbacks.History()

    def calibrated(gan, real_images, label, seed):
        held_out.append((real_images, label))

    monkeypatch.setattr(models.CGAN, "fit", fit)
    monkeypatch.setattr("dagen_keras.sampling.samplers.CalibratedDiscriminator", calibrated)
    _selecting(SMALL_GAN, conditional=conditional).fit(x, y)
    assert len(trained) == fits
    assert [len(images) for images, _ in held_out] == [7, 5]  # A tenth, but at least 5.
    assert [label for _, label in held_out] == ([0, 0] if fits == 2 else [0, 1])
    assert {len(arrays) for arrays in trained} == {1 if fits == 2 else 2}
    used = np.concatenate([images for images, *_ in trained + held_out])
    assert len(used) == 90
    assert {image.tobytes() for image in used} == {image.tobytes() for image in x}


def test_a_class_too_small_to_hold_images_out_is_refused(two_classes, monkeypatch):
    monkeypatch.setattr(models.CGAN, "fit", _no_training)
    x, y = two_classes
    with pytest.raises(ValueError, match="class 7 has 6 images; .* needs at least 5 held out"):
        _selecting(SMALL_GAN).fit(x[:17], y[:17])
    for wrong in (0, 1.0):
        with pytest.raises(ValueError, match="held_out must be a share"):
            _selecting(SMALL_GAN, held_out=wrong).fit(x, y)


def test_gans_of_one_class_each_that_select_are_seeded_and_survive_clone(two_classes):
    x, y = two_classes
    augmenter = _selecting(MODELS["GAN"], random_state=2)
    new_x, new_y = augmenter.fit_resample(x, y)
    assert np.bincount(new_y).tolist() == [0, 0, 0, 11, 0, 0, 0, 11]
    assert augmenter.model_of(7).n_classes == 1
    again = clone(augmenter).fit(x, y)
    assert again.get_params()["sampler__chain_length"] == 4
    np.testing.assert_allclose(new_x[20:], again.sample(2, 7, seed=2), atol=1e-6)
    # Each class has its own GAN and its own discriminator, whatever was asked for before.
    sevens = again.sample(4, 7, seed=2)
    assert not np.array_equal(sevens, again.sample(4, 3, seed=2))
    np.testing.assert_array_equal(sevens, again.sample(4, 7, seed=2))
    assert not np.array_equal(sevens, again.sample(4, 7, seed=5))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(again)).sample(4, 7, seed=2), sevens)


def test_another_sampler_after_training_needs_to_be_fitted(two_classes):
    selecting = _selecting(MODELS["CGAN"]).fit(*two_classes)
    of_prior = selecting.model_of(7).generate(np.ones(3, int), backend.subseed(5, "samples", 7))
    np.testing.assert_array_equal(selecting.sample(3, 7, 5, "prior"), of_prior)
    with pytest.raises(ValueError, match=r"Uniform\(\) needs a VAE"):
        selecting.sample(3, 7, sampler="uniform")
    with pytest.raises(NotFittedError, match=r"Rejection\(\) is not fitted yet"):
        selecting.sample(3, 7, sampler="rejection")
    own = sampling.Rejection().fit(selecting.model_of(7), two_classes[0][:5], label=1)
    assert selecting.sample(3, 7, sampler=own).shape == (3, 8, 8, 1)


def test_labels_may_be_strings(imbalanced):
    x, y = imbalanced
    names = np.array(["bird", "cat", "dog"])
    x_new, y_new = _augmenter(epochs=1).fit_resample(x, names[y])
    assert y_new.dtype == names.dtype
    assert dict(zip(*np.unique(y_new, return_counts=True), strict=True)) == dict.fromkeys(names, 12)
    augmenter = _gan(models.ACGAN)
    augmenter.fit_resample(x, names[y])
    assert augmenter.classes_.tolist() == ["cat", "dog"]
    assert augmenter.sampling_strategy_ == {"cat": 8, "dog": 9}
    assert augmenter.sample(2, "dog").shape == (2, 8, 8, 1)


@pytest.mark.parametrize(
    ("model", "sampler"),
    [
        ("VAE", sampling.GaussianMixture(2)),
        *(
            pytest.param(*both, marks=pytest.mark.slow)
            for both in (
                ("VampVAE", "vamp"),
                ("RHVAE", sampling.HMC(n_steps=3)),
                ("GAN", sampling.MetropolisHastings(4)),
                ("ACGAN", "rejection"),
            )
        ),
    ],
)
def test_a_saved_augmenter_draws_as_it_did_and_can_be_fitted_anew(
    model, sampler, two_classes, tmp_path
):
    x, y = two_classes
    names = np.array(["", "", "", "three", "", "", "", "seven"])[y]
    augmenter = Augmenter(MODELS[model], sampler, epochs=1, random_state=3).fit(x, names)
    augmenter.save(tmp_path / "saved")
    files = {path.suffix for path in (tmp_path / "saved").iterdir()}
    assert files == {".json", ".keras", ".npz"}
    loaded = Augmenter.load(tmp_path / "saved")
    assert loaded.classes_.tolist() == augmenter.classes_.tolist() == ["seven", "three"]
    assert loaded.histories_ == augmenter.histories_
    for label in augmenter.classes_:
        drawn = augmenter.sample(3, label, seed=1)
        np.testing.assert_array_equal(loaded.sample(3, label, seed=1), drawn)
    assert (loaded.epochs, repr(loaded.sampler)) == (1, repr(augmenter._fitted.samplers["three"]))
    again = clone(loaded).fit(x, names)
    drawn = augmenter.sample(3, "seven", seed=1)
    np.testing.assert_allclose(again.sample(3, "seven", seed=1), drawn, atol=1e-6)
    with pytest.raises(ValueError, match="is there already"):
        augmenter.save(tmp_path / "saved")
    with pytest.raises(ValueError, match="no saved Augmenter at"):
        Augmenter.load(tmp_path)


@pytest.mark.slow
def test_a_loaded_augmenter_keeps_what_its_model_does_not_train(two_classes, tmp_path):
    x, y = two_classes
    ali = models.ALI(x.shape[1:], 2, latent_dim=8, filters=4)
    build = functools.partial(models.ACGAN, latent_dim=8, filters=4, encoder=ali.encoder)
    fitted = Augmenter(build, conditional=True, epochs=1, optimizer="adam").fit(x, y)
    fitted.save(tmp_path / "saved")
    refitted = Augmenter.load(tmp_path / "saved").fit(x, y)
    for now, then in zip(
        refitted.model_of(y[0]).encoder.get_weights(), ali.encoder.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(now, then)


def test_a_hostile_folder_is_refused_and_nothing_in_it_is_executed(two_classes, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (tmp_path / "executed").touch, ()

    saved, executed = tmp_path / "saved", tmp_path / "executed"
    augmenter = Augmenter(MODELS["VAE"], sampling.GaussianMixture(2), epochs=1)
    augmenter.fit(*two_classes).save(saved)
    original = (saved / "sampler_0.npz").read_bytes()
    np.savez(saved / "sampler_0.npz", weights_=np.array([Hostile()], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Augmenter.load(saved)
    (saved / "sampler_0.npz").write_bytes(original)
    name = str(executed)
    touch = keras.layers.Lambda(lambda x: (open(name, "w").close(), x)[1])
    keras.Sequential([keras.Input((2,)), touch]).save(saved / "model_0.keras")
    executed.unlink(missing_ok=True)
    with pytest.raises(ValueError, match="safe_mode"):
        Augmenter.load(saved)
    with pytest.raises(ValueError, match="safe_mode"):
        models.load_model(saved / "model_0.keras")
    assert not executed.exists()


def test_equal_labels_are_one_class(two_classes):
    x, y = two_classes
    augmenter = _augmenter(epochs=1).fit(x, np.searchsorted(np.unique(y), y))
    expected = augmenter.sample(2, 1, seed=1)
    for label in (1.0, np.int8(1), True):
        np.testing.assert_array_equal(augmenter.sample(2, label, seed=1), expected)
    with pytest.raises(ValueError, match="unknown sampler ''"):
        augmenter.sample(2, 1, sampler="")


def test_a_damaged_file_is_told_by_the_folder(two_classes, tmp_path):
    saved = tmp_path / "saved"
    _augmenter(epochs=1).fit(*two_classes).save(saved)
    for damaged in ("augmenter.json", "model_0.keras", "sampler_0.npz"):
        whole = (saved / damaged).read_bytes()
        for content in ("", "{}"):
            (saved / damaged).write_text(content)
            with pytest.raises(ValueError, match="the saved Augmenter at .*saved cannot be read: "):
                Augmenter.load(saved)
        (saved / damaged).write_bytes(whole)
    assert Augmenter.load(saved).classes_.tolist() == [3, 7]


def test_a_fit_that_fails_leaves_the_augmenter_as_it_was(imbalanced):
    x, y = imbalanced
    augmenter = _augmenter(SMALL_VAE, epochs=1).fit(x, y)
    before = augmenter.sample(3, 2, seed=1)
    for wrong in ({"sampler": "hmc"}, {"optimizer": lambda: keras.optimizers.SGD(1e8)}):
        augmenter.set_params(**wrong, epochs=50)
        with pytest.raises((ValueError, models.NonFiniteLossError)):
            augmenter.fit(x, y)
        augmenter.set_params(sampler="prior", optimizer="rmsprop")
    np.testing.assert_array_equal(augmenter.sample(3, 2, seed=1), before)


@pytest.mark.parametrize("conditional", [True, False])
def test_where_no_class_lacks_anything_nothing_is_trained(conditional, rng, monkeypatch, tmp_path):
    monkeypatch.setattr(models.CGAN, "fit", _no_training)
    x, y = rng.random((6, 8, 8, 1), dtype="float32"), np.arange(6) % 2
    augmenter = Augmenter(SMALL_GAN, conditional=conditional)
    for new, old in zip(augmenter.fit_resample(x, y), (x, y), strict=True):
        np.testing.assert_array_equal(new, old)
    for ask in (lambda: augmenter.sample_each(1), lambda: augmenter.save(tmp_path / "saved")):
        with pytest.raises(NotFittedError, match="had no class to fill up"):
            ask()
    for ask in (Augmenter(SMALL_GAN).model_of, Augmenter(SMALL_GAN).save):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            ask(tmp_path / "other")


def test_a_table_of_whole_numbers_is_refused_as_its_columns_would_cut_shades_off(imbalanced):
    x, y = imbalanced
    table = pd.DataFrame((x.reshape(len(x), -1) > 0.5).astype(int))
    augmenter = _augmenter(epochs=1, image_shape=(8, 8, 1))
    with pytest.raises(ValueError, match="columns of whole numbers"):
        augmenter.fit_resample(table, y)
    new, _ = augmenter.fit_resample(table.astype("float32"), y)
    assert isinstance(new, pd.DataFrame) and new.iloc[19:].to_numpy().std() > 0


def test_settings_survive_saving_and_what_cannot_is_refused_before_a_file_is_written(
    two_classes, tmp_path
):
    x, y = two_classes
    settings = {"epochs": np.int64(1), "sampling_strategy": {7: 11}, "random_state": 1}
    augmenter = Augmenter(MODELS["VAE"], sampling.Uniform(0, np.float32(1)), **settings)
    augmenter.fit_resample(x, y)
    augmenter.save(tmp_path / "saved")
    loaded = pickle.loads(pickle.dumps(Augmenter.load(tmp_path / "saved")))
    assert (loaded.sampling_strategy, loaded.conditional, loaded.epochs) == ({7: 11}, False, 1)
    counts = np.bincount(loaded.fit_resample(x, y)[1])
    assert counts[[3, 7]].tolist() == [11, 11]
    augmenter.set_params(sampling_strategy=lambda y: {7: 11})
    with pytest.raises(ValueError, match="a function cannot be saved"):
        augmenter.save(tmp_path / "other")
    assert not (tmp_path / "other").exists()
