from types import SimpleNamespace

import pytest

from dagen_keras import sampling
from dagen_keras.sampling.compatibility import NEEDS


class Decoding(SimpleNamespace):
    pass


VAE = Decoding(latent_dim=2, decoder=None)


def test_samplers_for_asks_what_a_model_has():
    assert sampling.samplers_for(VAE) == ("prior", "uniform")
    adversarial = SimpleNamespace(latent_dim=2, generate=None, log_odds=None)
    assert sampling.samplers_for(adversarial) == ("prior", "rejection", "metropolis_hastings")
    assert set(sampling.SAMPLERS) < set(NEEDS)


def test_check_sampler_says_what_fits():
    sampling.check_sampler("uniform", VAE)
    sampling.check_sampler(lambda model, n, seed: None, VAE)
    with pytest.raises(ValueError) as error:
        sampling.check_sampler("hmc", VAE)
    assert str(error.value) == (
        "the sampler 'hmc' needs an RHVAE; this model is of class Decoding, which goes with "
        "prior, uniform."
    )
    with pytest.raises(ValueError, match="unknown sampler 'nuts'; known are prior, .*hastings, or"):
        sampling.check_sampler("nuts", VAE)


@pytest.mark.parametrize("name", ["vamp", "random_walk", "hmc"])
def test_samplers_of_latent_points_refuse_with_the_same_sentence(name):
    with pytest.raises(ValueError, match=f"the sampler '{name}' needs an? .* goes with prior, uni"):
        sampling.SAMPLERS[name](VAE, 3, 0)
