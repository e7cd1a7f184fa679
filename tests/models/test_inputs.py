"""What a model refuses to be trained on, in whatever form it comes."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from dagen_keras import models

SHAPE, CLASSES = (8, 8, 1), 3
GANS = {name: getattr(models, name) for name in ("CGAN", "ACGAN", "ALI")}
every_gan = pytest.mark.parametrize("kind", GANS.values(), ids=GANS)


class Batches(keras.utils.PyDataset):
    """Three batches of four rows; counts the epochs that have ended."""

    def __init__(self, *arrays, workers=1):
        super().__init__(workers)
        self.arrays, self.ended = arrays, 0

    def __len__(self):
        return 3

    def __getitem__(self, i):
        return tuple(a[4 * i : 4 * i + 4] for a in self.arrays)

    def on_epoch_end(self):
        self.ended += 1


def _generator(*arrays):
    data = Batches(*arrays)
    return (data[i] for i in range(3))


def _tf_data(*arrays):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(arrays).batch(4)


KINDS = {
    "PyDataset": Batches,
    "PyDataset of threads": lambda *arrays: Batches(*arrays, workers=2),
    "generator": _generator,
    "tf.data": _tf_data,
}
every_kind = pytest.mark.parametrize("batches", KINDS.values(), ids=KINDS)


@pytest.fixture
def images(rng):
    return (rng.random((12, *SHAPE)) < 0.3).astype("float32")


LABELS = np.arange(12, dtype="int32") % CLASSES


def _spoilt(array, value):
    """The array with this value in the last of its three batches."""
    array = np.array(array, np.result_type(array, value))
    array[9] = value
    return array


@functools.cache
def _reusable(kind):
    settings = {"latent_dim": 4, "filters": 2, "seed": 0}
    build = functools.partial(models.chadebec_vae, 2, SHAPE, (6,))
    if kind is not models.VAE:
        build = functools.partial(kind, SHAPE, CLASSES, **settings)
    return models.ReusableModel(build, optimizer="sgd", steps_per_execution=1)


def _vae():
    return _reusable(models.VAE).fresh(0)


def _gan(kind=models.CGAN):
    return _reusable(kind).fresh(0)


@every_kind
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5.0, r"must be in \[0, 1\]; got 0 to 5"),
        (-5.0, r"must be in \[0, 1\]; got -5 to 1"),
        (np.nan, "must be finite"),
    ],
)
def test_images_of_a_later_batch_are_refused_by_its_number(batches, value, message, images):
    model = _vae()
    with pytest.raises(ValueError, match=f"^batch 2: images {message}") as caught:
        model.fit(batches(_spoilt(images, np.float32(value))), verbose=0, shuffle=False)
    assert type(caught.value) is ValueError
    for weight in model.weights:
        assert np.isfinite(ops.convert_to_numpy(weight)).all()
    model.fit(batches(images), verbose=0, shuffle=False)
    assert model.generate(2, seed=0).shape == (2, *SHAPE)


@every_kind
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.float32(0.9), "must be integers; got dtype float"),
        (-1, "must be 0 or more; got -1"),
        (7, "must be below 3, the number of classes; got 7"),
    ],
)
def test_labels_of_a_later_batch_are_refused_by_its_number(batches, value, message, images):
    gan, number = _gan(), 0 if isinstance(value, np.float32) else 2
    with pytest.raises(ValueError, match=f"^batch {number}: labels {message}"):
        gan.fit(batches(images, _spoilt(LABELS, value)), verbose=0, shuffle=False)
    gan.fit(batches(images, LABELS), verbose=0, shuffle=False)
    assert gan.generate([0, 1], seed=0).shape == (2, *SHAPE)


WRONG_LABELS = {
    "0.9": (LABELS + 0.9, "must be integers; got dtype float"),
    "-1": (_spoilt(LABELS, -1), "must be 0 or more; got -1"),
    "7": (_spoilt(LABELS, 7), "must be below 3, the number of classes; got 7"),
    "NaN": (LABELS * np.float32("nan"), "must be integers; got dtype float"),
    "bool": (LABELS > 0, "must be integers; got dtype bool"),
    "text": (LABELS.astype(str), "must be integers; got dtype <U"),
    "too few": (LABELS[:5], "must be one an image; got 5 for 12"),
}


@every_gan
@pytest.mark.parametrize(("labels", "message"), WRONG_LABELS.values(), ids=WRONG_LABELS)
def test_wrong_labels_of_arrays_and_tensors_are_refused(kind, labels, message, images):
    gan = _gan(kind)
    for convert in (np.asarray, ops.convert_to_tensor):
        if convert is ops.convert_to_tensor and labels.dtype.kind == "U":
            continue  # JAX has no tensor of texts.
        with pytest.raises(ValueError, match=f"labels {message}"):
            gan.fit(convert(images), convert(labels), verbose=0)
    assert int(gan.optimizer.iterations) == 0


def test_another_error_stays_what_it_is():
    def fail():
        raise KeyError("a file")
        yield

    with pytest.raises(KeyError, match="a file"):
        _vae().fit(fail(), verbose=0)


def test_a_py_dataset_keeps_its_length_and_hears_of_its_epochs(images):
    own, plain, model = Batches(images), Batches(images, LABELS), _vae()
    model.fit(own, epochs=3, verbose=0)
    assert int(model.optimizer.iterations) == 9
    classifier = models.conv_classifier(CLASSES, SHAPE, (2,), ())
    classifier.compile("sgd", "sparse_categorical_crossentropy")
    classifier.fit(plain, epochs=3, verbose=0)
    assert own.ended == plain.ended >= 3


def test_tf_data_keeps_its_length_its_shapes_and_its_batches(images):
    tf = pytest.importorskip("tensorflow")
    from dagen_keras.models import inputs

    data = tf.data.Dataset.from_tensor_slices((images, LABELS)).batch(4, drop_remainder=True)
    with inputs.checked(_vae(), data) as (looked_at, *_):
        assert looked_at.element_spec == data.element_spec
        assert int(looked_at.cardinality()) == 3
        for _ in range(2):
            for one, other in zip(looked_at, data, strict=True):
                np.testing.assert_array_equal(one[0], other[0])
                np.testing.assert_array_equal(one[1], other[1])
