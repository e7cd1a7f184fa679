import numpy as np
import pytest

from dagen_keras import models

# Encoder and decoder parameters of Table 1 by latent dimension.
COUNTS = {
    2: (1_680_457, 1_729_601),
    3: (1_680_715, 1_729_729),
    4: (1_680_973, 1_729_857),
    8: (1_682_005, 1_730_369),
}


@pytest.mark.parametrize("latent_dim", COUNTS)
def test_parameter_counts_of_table_1(latent_dim):
    vae = models.garay_maestre_vae(latent_dim)
    counts = vae.encoder.count_params(), vae.decoder.count_params()
    assert counts == COUNTS[latent_dim]
    assert vae.latent_dim == latent_dim


@pytest.mark.parametrize("image_shape", [(28, 28, 1), (32, 32, 3), (50, 50, 1), (20, 28, 2)])
def test_shapes_for_any_even_size(image_shape):
    encoder = models.garay_maestre_encoder(3, image_shape)
    decoder = models.garay_maestre_decoder(3, image_shape)
    mean, log_var = encoder(np.zeros((2, *image_shape), "float32"))
    assert mean.shape == log_var.shape == (2, 3)
    images = np.asarray(decoder(np.zeros((2, 3), "float32")))
    assert images.shape == (2, *image_shape)
    assert 0 <= images.min() <= images.max() <= 1


@pytest.mark.parametrize("latent_dim", [0, 2.0, "3"])
def test_latent_dim_must_be_a_positive_integer(latent_dim):
    with pytest.raises(ValueError, match="latent_dim must be an integer of 1 or more"):
        models.garay_maestre_decoder(latent_dim)
