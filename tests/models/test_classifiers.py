import numpy as np

from dagen_keras import models


def test_parameter_count_of_table_1():
    assert models.garay_maestre_classifier().count_params() == 1_173_898


def test_saves_and_loads_to_the_same_probabilities(tmp_path, rng):
    classifier = models.garay_maestre_classifier(n_classes=4, image_shape=(8, 8, 3))
    images = rng.random((3, 8, 8, 3), dtype="float32")
    expected = classifier.predict(images, verbose=0)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    classifier.save(tmp_path / "classifier.keras")
    loaded = models.load_model(tmp_path / "classifier.keras")
    np.testing.assert_allclose(loaded.predict(images, verbose=0), expected, rtol=1e-5)
