"""Which sampler goes with which model."""

# For each sampler what a model must have, as an attribute and in words. The model's class is not
# asked, so that other models can bring the attribute, and no model is imported here.
NEEDS = {
    "prior": ("latent_dim", "a VAE or a GAN"),
    "uniform": ("decoder", "a VAE"),
    "vamp": ("pseudo_inputs", "a VampVAE"),
    "random_walk": ("metric", "an RHVAE"),
    "hmc": ("metric", "an RHVAE"),
    "rejection": ("log_odds", "a GAN whose discriminator judges images, a CGAN or an ACGAN"),
    "metropolis_hastings": (
        "log_odds",
        "a GAN whose discriminator judges images, a CGAN or an ACGAN",
    ),
}


def samplers_for(model):
    """The names of the samplers that fit a model.

    Example:
        >>> samplers_for(garay_maestre_vae(latent_dim=3))
        ('prior', 'uniform')
        >>> samplers_for(CGAN((28, 28, 1), n_classes=1))
        ('prior', 'rejection', 'metropolis_hastings')
    """
    return tuple(name for name, (attribute, _) in NEEDS.items() if hasattr(model, attribute))


def check_sampler(sampler, model):
    """Refuses a sampler that does not fit the model, trained or not.

    Args:
        sampler: a name of `samplers_for`, or a function that returns latent points to decode.
        model: a model.

    Raises:
        ValueError: says what the sampler needs, and which samplers fit the model.
    """
    if not callable(sampler) and sampler not in NEEDS:
        raise ValueError(
            f"unknown sampler {sampler!r}; known are {', '.join(NEEDS)}, or a function that "
            "returns latent points."
        )
    attribute, what = ("decoder", "a VAE") if callable(sampler) else NEEDS[sampler]
    if not hasattr(model, attribute):
        name = "a function that returns latent points" if callable(sampler) else repr(sampler)
        raise ValueError(
            f"the sampler {name} needs {what}; this model is of class {type(model).__name__}, "
            f"which goes with {', '.join(samplers_for(model)) or 'none of them'}."
        )
