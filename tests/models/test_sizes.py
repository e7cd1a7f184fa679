"""Every model that takes an image shape takes any, or says which it takes."""

import functools

import numpy as np
import pytest

from dagen_keras import backend, models
from dagen_keras.papers.chadebec import networks as chadebec
from dagen_keras.papers.garay_maestre import networks as garay_maestre
from dagen_keras.papers.guruswamy import cells as guruswamy

ODD = [(27, 31, 1), (31, 26, 4), (96, 96, 3), (9, 40, 2), (1, 1, 1)]
SMALL = {"latent_dim": 4, "filters": 2}
GENERATIVE = {
    "garay_maestre_vae": functools.partial(models.garay_maestre_vae, 2),
    "garay_maestre_vamp": functools.partial(
        models.garay_maestre_vae, 2, model_class=models.VampVAE
    ),
    "chadebec_vae": functools.partial(models.chadebec_vae, hidden=(4,)),
    "chadebec_rhvae": functools.partial(models.chadebec_rhvae, hidden=(4,), n_leapfrog=1),
    "dense_vae": models.dense_vae,
    "conv_vae": functools.partial(models.conv_vae, **SMALL),
    "conv_rhvae": functools.partial(models.conv_rhvae, n_leapfrog=1, **SMALL),
    "CGAN": functools.partial(models.CGAN, **SMALL),
    "ACGAN": functools.partial(models.ACGAN, n_classes=2, **SMALL),
    "ALI": functools.partial(models.ALI, **SMALL),
}
CLASSIFIERS = {  # Each with the smallest side that it takes.
    "garay_maestre": (garay_maestre.classifier, 4),
    "conv_classifier": (models.conv_classifier, 4),
    "guruswamy": (guruswamy.CLASSIFIER, 8),
    "densenet": (models.densenet, 4),
    "mlp": (chadebec.mlp, 1),
    "cnn": (chadebec.cnn, 44),
}
BUILD = GENERATIVE | {name: build for name, (build, _) in CLASSIFIERS.items()}


def _generated(model, n):
    return model.generate(n if model.n_classes == 1 else np.arange(n) % 2, seed=0)


@pytest.mark.parametrize("shape", ODD, ids=str)
@pytest.mark.parametrize("name", GENERATIVE)
def test_a_generative_model_of_any_image_shape(name, shape):
    images = _generated(GENERATIVE[name](image_shape=shape), 2)
    assert images.shape == (2, *shape) and 0 <= images.min() <= images.max() <= 1


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if "rhvae" in name else [])
        for name in GENERATIVE
    ],
)
def test_a_generative_model_trains_on_odd_sizes(name, rng):
    with backend.seeded(0):
        model = GENERATIVE[name](image_shape=(7, 9, 4))
    model.compile("sgd")
    images = rng.random((5, 7, 9, 4), dtype="float32")
    labels = {} if model.n_classes == 1 else {"y": np.arange(5) % 2}
    loss = model.fit(images, **labels, epochs=1, verbose=0).history["loss"]
    assert np.isfinite(loss).all() and _generated(model, 3).shape == (3, 7, 9, 4)


@pytest.mark.parametrize("shape", [(28, 28), (28, 28.5, 1), None])
@pytest.mark.parametrize("build", BUILD.values(), ids=BUILD)
def test_what_is_no_image_shape_is_refused(build, shape):
    with pytest.raises(ValueError, match=r"image_shape must be \(height, width, channels\); got"):
        build(image_shape=shape)


@pytest.mark.parametrize(("build", "smallest"), CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_a_classifier_takes_any_shape_from_its_smallest_on(build, smallest):
    for shape in ((smallest, smallest, 1), (smallest + 3, smallest + 6, 4)):
        classifier = build(3, shape)
        assert classifier(np.zeros((2, *shape), "float32")).shape == (2, 3)
    if smallest > 1:
        with pytest.raises(ValueError, match=f"a width of at least {smallest}; got"):
            build(3, (smallest - 1, smallest, 1))
