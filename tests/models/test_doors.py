"""Wherever images come in, of every model: what `fit` refuses is refused, with the same words."""

import keras
import numpy as np
import pytest
from models.every import (
    CLASSES,
    LABELS,
    SHAPE,
    compiled,
    every_model,
    every_vae,
    fresh,
)

from dagen_keras import models
from dagen_keras.models.gan import GAN

pytestmark = pytest.mark.xdist_group("every model")

WRONG = {  # What is made of images, and what is said.
    "255": (lambda x: 255 * x, r"must be in \[0, 1\]; got 0 to 255"),
    "-1": (lambda x: 2 * x - 1, r"must be in \[0, 1\]; got -1 to 1"),
    "nan": (lambda x: np.where(x > 0.5, np.nan, x), "must be finite"),
    "shape": (lambda x: x.reshape(-1, 4, 16, 1), "must have the shape"),
    "rank": (lambda x: x[..., 0], r"must have shape \(n, height, width, channels\)"),
    "none": (lambda x: x[:0], "must not be empty"),
    "complex": (lambda x: x.astype(complex), "real numbers"),
}


@pytest.fixture
def images(rng):
    return (rng.random((12, *SHAPE)) < 0.3).astype("float32")


def _others(model):
    return (LABELS,) if isinstance(model, GAN) else ()


@every_model
def test_what_fit_refuses_is_refused_at_every_door(build, images):
    """After a training: Keras then takes whatever has as many pixels."""
    model = fresh(build)
    others = _others(model)
    model.fit(images, *others, batch_size=4, verbose=0)
    before = model.get_weights()
    doors = {
        "fit": lambda x: model.fit(x, *others, verbose=0),
        "evaluate": lambda x: model.evaluate(x, *others, verbose=0),
        "train_on_batch": lambda x: model.train_on_batch(x, *others),
        "test_on_batch": lambda x: model.test_on_batch(x, *others),
        "validation_data": lambda x: model.fit(
            images, *others, validation_data=(x, *others), verbose=0
        ),
    }
    if not others:
        doors |= {"predict": lambda x: model.predict(x, verbose=0), "encode": model.encode}
    for name, (wrong, said) in WRONG.items():
        for door, enter in doors.items():
            with pytest.raises(ValueError, match=said):
                enter(wrong(images))
                pytest.fail(f"{door} took {name}")
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@every_model
def test_labels_counts_and_nothing_are_refused_in_words(build, images):
    model = compiled(build)
    others = _others(model)
    for wrong in (0, -1, 1.5, True, "8"):
        for name in ("batch_size", "epochs"):
            with pytest.raises(ValueError, match=f"{name} must be an integer of 1 or more"):
                model.fit(images, *others, **{name: wrong})
    with pytest.raises(ValueError, match="one an image; got 3 for 12 images"):
        model.fit(images, LABELS[:3])
    for wrong in ("loss", "loss_weights"):
        with pytest.raises(ValueError, match=f"has a loss of its own: omit {wrong}"):
            model.compile("adam", **{wrong: ["mse"]})
    with pytest.raises(ValueError, match="needs an optimizer"):
        model.compile(None)
    if others:
        for labels in (LABELS - 1, LABELS + 1, LABELS + 0.5, np.eye(CLASSES)[LABELS]):
            for door in (model.evaluate, model.train_on_batch, model.test_on_batch):
                with pytest.raises(ValueError, match="labels must"):
                    door(images, labels)
    with pytest.raises(ValueError, match="predicts nothing that metrics could judge"):
        model.compile("adam", metrics=["accuracy"])


@every_model
def test_a_list_of_images_is_one_array_or_none(build, images):
    model = fresh(build)
    others = _others(model)
    model.fit([images], *others, verbose=0)
    for door in (model.fit, model.evaluate):
        for wrong in ([255 * images], (255 * images,)):
            with pytest.raises(ValueError, match=r"must be in \[0, 1\]; got 0 to 255"):
                door(wrong, *others, verbose=0)
        for wrong in ([*images], (images, images), {"images": images}, []):
            with pytest.raises(ValueError, match="must be an array, a tensor, or batches; got a"):
                door(wrong, *others, verbose=0)


@every_vae
def test_weights_that_are_none_are_refused(build, images):
    model, n = fresh(build), len(images)
    start = model.get_weights()
    for wrong in (-np.ones(n), np.full(n, np.nan), np.ones((n, 3)), np.ones(n - 1)):
        with pytest.raises(ValueError, match="sample_weight must be"):
            model.fit(images, sample_weight=wrong, verbose=0)
    for wrong in (-1, np.inf):
        with pytest.raises(ValueError, match="class_weight must be finite and 0 or more"):
            model.fit(images, LABELS, class_weight=dict.fromkeys(range(CLASSES), wrong), verbose=0)
    for batches in (images, models.ShuffledBatches((images,), 4), _Batches([(images,)])):
        with pytest.raises(ValueError, match="class_weight needs labels beside the images"):
            model.fit(batches, class_weight={0: 0.0}, verbose=0)
    with pytest.raises(ValueError, match="Keras drops weights without labels"):
        model.fit(_Batches([(images, None, np.zeros(n))]), verbose=0)
    for one, other in zip(model.get_weights(), start, strict=True):
        np.testing.assert_array_equal(one, other)


class _Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


@pytest.mark.parametrize(
    "divergence",
    [lambda mean, log_var: mean**2, lambda mean, log_var: keras.ops.sum(mean)],
    ids=["a dimension", "one"],
)
def test_a_divergence_that_is_not_one_an_image_is_refused(divergence):
    with pytest.raises(ValueError, match="divergence must return a number for each image"):
        models.dense_vae(2, SHAPE, (6,), divergence=divergence)


def test_hidden_units_are_a_list():
    with pytest.raises(ValueError, match="hidden must list the units of each layer, .*; got 8"):
        models.dense_vae(2, SHAPE, 8)


class _BeforeValidation(keras.callbacks.Callback):
    """The states of the seeds as validation finds them: an RHVAE draws in it."""

    def on_test_begin(self, logs=None):
        self.states = [(v, v.numpy()) for v in self.model.variables if "seed" in v.path]


@every_vae
def test_weights_of_validation_images_count(build, images):
    model, before = fresh(build), _BeforeValidation()
    for weight in (0.0, 3.0):
        weights = np.full(len(images), weight)
        data = {"validation_data": (images, None, weights), "callbacks": [before]}
        history = model.fit(images, batch_size=12, verbose=0, **data).history
        for variable, state in before.states:
            variable.assign(state)
        found = model.evaluate(
            images, sample_weight=weights, batch_size=12, verbose=0, return_dict=True
        )
        assert history["val_loss"][0] == pytest.approx(found["loss"], rel=1e-5)
        assert (found["loss"] == 0) == (weight == 0)


@every_model
def test_a_model_of_lost_weights_draws_nothing(build, images):
    model = fresh(build)
    model.set_weights([np.full(w.shape, np.nan, w.dtype) for w in model.get_weights()])
    with pytest.raises(ValueError, match="draws images of NaN or infinity: its weights are lost"):
        model.generate(LABELS if isinstance(model, GAN) else 3, seed=0)
