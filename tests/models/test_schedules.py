"""A schedule that is wrong later is refused before anything is trained."""

import numpy as np
import pytest

from dagen_keras import models

SHAPE = (8, 8, 1)


def _gan(share):
    gan = models.CGAN(SHAPE, latent_dim=4, filters=2, real_share=share)
    gan.compile("sgd")
    return gan


def _vae(weight):
    networks = models.chadebec_vae(2, SHAPE, (6,))
    vae = models.VAE(networks.encoder, networks.decoder, divergence_weight=weight)
    vae.compile("sgd")
    return vae


@pytest.mark.parametrize(
    ("build", "value", "message"),
    [
        (_gan, 1.0, r"real_share must be in \(0, 1\), .* got 1.0"),
        (_gan, float("nan"), "real_share must be in .* got nan"),
        (_vae, -1.0, "divergence_weight must be a number of 0 or more, .* got -1.0"),
        (_vae, float("nan"), "divergence_weight must be a number of 0 or more, .* got nan"),
        (_vae, float("inf"), "divergence_weight must be a number of 0 or more, .* got inf"),
        (_vae, "a", "divergence_weight must be a number of 0 or more, .* got 'a'"),
    ],
)
def test_a_wrong_value_of_a_schedule_is_refused_before_training(build, value, message):
    images = np.zeros((4, *SHAPE))
    model = build(lambda epoch: value if epoch == 2 else 0.5)
    model.fit(images, epochs=2, verbose=0)
    with pytest.raises(ValueError, match=f"the schedule is wrong after 2 epochs: {message}"):
        model.fit(images, epochs=3, verbose=0)
    assert int(model.optimizer.iterations) == 2
    with pytest.raises(ValueError, match=message):
        build(lambda epoch: value)


def test_a_schedule_that_turns_wrong_is_refused_at_its_epoch():
    done = []
    gan = _gan(lambda epoch: 2.0 if epoch == 1 and len(done) > 3 else done.append(epoch) or 0.5)
    with pytest.raises(ValueError, match="the schedule is wrong after 1 epochs"):
        gan.fit(np.zeros((4, *SHAPE)), epochs=2, verbose=0)
    assert int(gan.optimizer.iterations) == 1
