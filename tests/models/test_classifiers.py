import keras
import numpy as np
import pytest

from dagen_keras import backend, models
from dagen_keras.papers.chadebec import networks as chadebec
from dagen_keras.papers.garay_maestre import networks as garay_maestre
from dagen_keras.papers.guruswamy import cells as guruswamy


def test_parameter_count_of_table_1():
    assert garay_maestre.classifier().count_params() == 1_173_898


def test_saves_and_loads_to_the_same_probabilities(tmp_path, rng):
    classifier = garay_maestre.classifier(n_classes=4, image_shape=(8, 8, 3))
    images = rng.random((3, 8, 8, 3), dtype="float32")
    expected = classifier.predict(images, verbose=0)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    classifier.save(tmp_path / "classifier.keras")
    loaded = models.load_model(tmp_path / "classifier.keras")
    np.testing.assert_allclose(loaded.predict(images, verbose=0), expected, rtol=1e-5)


def test_parameter_count_of_the_densenet():
    def norm(channels):
        return 4 * channels

    def layer(channels):
        return norm(channels) + channels * 40 + norm(40) + 9 * 40 * 10

    transition = norm(40) + 40 * 20
    # Growth 10 and two layers a block: 20 channels grow to 40, which a transition halves.
    block = layer(20) + layer(30)
    head = norm(40) + 40 * 10 + 10
    assert models.densenet().count_params() == 9 * 20 + 3 * block + 2 * transition + head
    assert models.densenet(depth=16).count_params() == models.densenet().count_params()
    one_layer = models.densenet(3, (9, 7, 3), growth_rate=2, depth=10, reduction=0.4)
    # 4 channels grow to 6, of which 2 are kept; they grow to 4, 1 is kept, and it grows to 3.
    small = 9 * 3 * 4 + sum(12 * c + 4 * 8 + 9 * 8 * 2 for c in (4, 2, 1))
    small += (4 * 6 + 6 * 2) + (4 * 4 + 4 * 1) + (4 * 3 + 3 * 3 + 3)
    assert one_layer.count_params() == small


def test_densenet_starts_like_the_original():
    classifier = models.densenet(growth_rate=32)
    kernels = [v.numpy() for v in classifier.trainable_variables if v.path.endswith("/kernel")]
    for kernel in kernels[:-1]:
        size, _, _, filters = kernel.shape
        assert kernel.std() == pytest.approx(np.sqrt(2 / (size**2 * filters)), rel=0.1)


def test_parameter_counts_of_appendix_e():
    assert chadebec.mlp().count_params() == 208 * 176 * 400 + 400 + 400 * 2 + 2
    blocks = sum(9 * i * o + o + 4 * o for i, o in [(1, 8), (8, 16), (16, 32), (32, 64)])
    for padding, features in [(1, 576), (0, 256)]:
        classifier = chadebec.cnn(padding=padding)
        assert classifier.count_params() == blocks + features * 100 + 100 + 100 * 2 + 2


@pytest.mark.parametrize("padding, smallest", [(1, 44), (0, 90)])
def test_cnn_says_the_smallest_image(padding, smallest):
    smallest_cnn = chadebec.cnn(image_shape=(smallest, smallest, 1), padding=padding)
    assert smallest_cnn.layers[-3].output.shape == (None, 64)
    with pytest.raises(ValueError, match=f"at least {smallest}"):
        chadebec.cnn(image_shape=(smallest + 8, smallest - 1, 1), padding=padding)


CHADEBEC = {
    "densenet": (models.densenet, (12, 10, 1)),
    "mlp": (chadebec.mlp, (8, 6, 1)),
    "cnn": (chadebec.cnn, (52, 44, 1)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHADEBEC)
def test_learns_two_classes_then_saves_and_loads(name, rng, tmp_path):
    build, image_shape = CHADEBEC[name]
    # The classes differ in which half of the image is brighter.
    y = np.arange(32) % 2
    x = 0.5 * rng.random((32, *image_shape), dtype="float32")
    x[y == 0, : image_shape[0] // 2] += 0.5
    x[y == 1, image_shape[0] // 2 :] += 0.5
    with backend.seeded(0):
        classifier = build(2, image_shape)
    classifier.compile(
        optimizer=keras.optimizers.Adam(3e-3),
        loss="sparse_categorical_crossentropy",
        **backend.compile_options(),
    )
    classifier.fit(x, y, epochs=40, batch_size=16, verbose=0)
    probabilities = models.predict(classifier, x, batch_size=32)
    assert probabilities.shape == (32, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (probabilities.argmax(axis=1) == y).mean() > 0.95
    classifier.save(tmp_path / "classifier.keras")
    loaded = models.load_model(tmp_path / "classifier.keras")
    np.testing.assert_allclose(models.predict(loaded, x, 32), probabilities, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", CHADEBEC)
def test_weights_follow_the_seed(name):
    build, image_shape = CHADEBEC[name]

    def weights(seed):
        with backend.seeded(seed):
            return np.concatenate([np.ravel(w) for w in build(2, image_shape).get_weights()])

    np.testing.assert_array_equal(weights(1), weights(1))
    assert not np.array_equal(weights(1), weights(2))


@pytest.mark.parametrize("name", CHADEBEC)
def test_bad_classes_and_shapes_are_refused(name):
    build, image_shape = CHADEBEC[name]
    for n_classes in (1, 2.0, None):
        with pytest.raises(ValueError, match="n_classes must be an integer of 2 or more"):
            build(n_classes, image_shape)
    for shape in (image_shape[:2], (*image_shape[:2], 0)):
        with pytest.raises(ValueError, match="height, width, channels"):
            build(2, shape)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"image_shape": (3, 28, 1)}, "at least 4"),
        ({"growth_rate": 0}, "growth_rate must be an integer of 1 or more; got 0"),
        ({"growth_rate": 1.5}, "growth_rate"),
        ({"depth": 9}, "depth must be an integer of 10 or more"),
        ({"reduction": 0}, r"reduction must be in \(0, 1\]; got 0"),
        ({"reduction": 1.5}, "reduction"),
        ({"growth_rate": 2, "depth": 10, "reduction": 0.25}, "keeps none of 3 channels"),
    ],
)
def test_bad_densenets_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.densenet(**arguments)


def test_bad_padding_is_refused():
    with pytest.raises(ValueError, match="padding must be 0 or 1; got 'same'"):
        chadebec.cnn(padding="same")


@pytest.mark.parametrize("shape", [(28, 28, 1), (50, 50, 3), (8, 8, 1)])
def test_guruswamy_classifier_is_three_convolutions_and_logits(shape):
    model = guruswamy.CLASSIFIER(7, shape)
    height, width, channels = shape
    convolutions = (9 * channels + 1) * 32 + (9 * 32 + 1) * 64 + (9 * 64 + 1) * 128
    logits = (height // 8 * (width // 8) * 128 + 1) * 7
    assert model.count_params() == convolutions + logits
    assert model(np.zeros((2, *shape), "float32")).shape == (2, 7)
    assert model.layers[-1].activation is keras.activations.linear
