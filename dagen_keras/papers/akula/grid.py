"""The grid of Akula et al.: parameters, profiles, cells."""

from dagen_keras import datasets
from dagen_keras.papers.legacy import Cell, Parameter

# What each training set holds beside real images: a model, and how images are drawn from it.
METHODS = {
    "pure": {},
    "VAE": {"model": "vae", "sampler": "prior"},
    "manifold VAE": {"model": "rhvae", "sampler": "random_walk"},
    "GAN": {"model": "gan", "sampler": "prior"},
    "MH-GAN": {"model": "gan", "sampler": "metropolis_hastings"},
    # Not in the paper: the cheaper selection.
    "DRS-GAN": {"model": "gan", "sampler": "rejection"},
}
VAES, GANS = ("VAE", "manifold VAE"), ("GAN", "MH-GAN")
OF_PAPER = (*VAES, *GANS)

# "added": as many synthetic images as real ones; "replaced": instead of half of the real ones.
REGIMES = ("added", "replaced")

# The two classes of a dataset; those in the places of the paper's cat and dog.
CLASSES = {"cifar10": ("cat", "dog"), "photos": ("temple", "flower")}

PARAMETERS = {
    "dataset": Parameter("cifar10", "where the two classes are from", choices=tuple(CLASSES)),
    "seeds": Parameter(8, "runs of every cell; the paper has one", minimum=1),
    "methods": Parameter(list(METHODS), "training sets", choices=tuple(METHODS)),
    "regimes": Parameter(list(REGIMES), "how synthetic images are mixed in", choices=REGIMES),
    "train_images": Parameter(10_000, "real training images of both classes, at most", minimum=40),
    "test_images": Parameter(2000, "real test images of both classes, at most", minimum=10),
    "all_images": Parameter(
        50_000, "training images of the GAN of all classes, at most", minimum=20
    ),
    "vae_epochs": Parameter(1000, "epochs of a VAE, at most", minimum=1),
    "patience": Parameter(50, "epochs without a better training loss", minimum=1),
    "vae_batch": Parameter(200, "images in its batches", minimum=1),
    "vae_filters": Parameter(32, "width of its networks", minimum=1),
    "vae_latent_dim": Parameter(16, "dimension of its latent space", minimum=1),
    "gan_epochs": Parameter(100, "epochs of a GAN of one class", minimum=1),
    "all_epochs": Parameter(40, "epochs of the GAN of all classes", minimum=1),
    "gan_batch": Parameter(64, "images in its batches", minimum=2),
    "learning_rate": Parameter(2e-4, "its Adam's learning rate", minimum=0.0),
    "gan_filters": Parameter(64, "width of its networks", minimum=1),
    "gan_latent_dim": Parameter(100, "dimension of its noise", minimum=1),
    "held_out": Parameter(
        0.1, "share of the real images that calibrate the discriminator", minimum=0.01
    ),
    "chain_length": Parameter(640, "proposals of a Metropolis-Hastings chain, K", minimum=1),
    "chain_lengths": Parameter([1, 10, 100, 640], "K whose effect is shown", minimum=1),
    "chain_images": Parameter(1000, "images of a class for each of these K", minimum=10),
    "classifier_epochs": Parameter(20, "epochs of the classifier", minimum=1),
}

PROFILES = {
    "quick": {
        "dataset": "photos",
        "seeds": 1,
        "methods": ["pure", *OF_PAPER],
        "regimes": ["added"],
        "vae_epochs": 25,
        "patience": 20,
        "vae_batch": 32,
        "vae_filters": 16,
        "gan_epochs": 30,
        "all_epochs": 20,
        "gan_batch": 32,
        "learning_rate": 1e-3,
        "gan_filters": 16,
        "chain_length": 40,
        "chain_lengths": [1, 10, 40],
        "chain_images": 60,
        "classifier_epochs": 10,
    },
    "smoke": {
        "dataset": "photos",
        "seeds": 1,
        "methods": ["pure", *OF_PAPER],
        "regimes": ["added"],
        "train_images": 80,
        "test_images": 20,
        "all_images": 80,
        "vae_epochs": 2,
        "vae_batch": 40,
        "vae_filters": 2,
        "vae_latent_dim": 3,
        "gan_epochs": 2,
        "all_epochs": 2,
        "gan_filters": 2,
        "gan_latent_dim": 4,
        "held_out": 0.25,
        "chain_length": 3,
        "chain_lengths": [1, 3],
        "chain_images": 10,
        "classifier_epochs": 2,
    },
}

_OF_IMAGES = ("train_images", "test_images")
_OF_VAE = ("vae_epochs", "patience", "vae_batch", "vae_filters", "vae_latent_dim")
_OF_GAN = ("gan_batch", "learning_rate", "gan_filters", "gan_latent_dim", "held_out")
_ONE_CLASS = (*_OF_IMAGES, *_OF_GAN, "gan_epochs")

# Rough seconds on two cores, for the time left alone: a training step on one 32x32 image of a GAN
# and a VAE of 64 filters, an RHVAE's, one image of the classifier, and one proposal of a chain.
_GAN, _VAE, _RHVAE, _CLASSIFIER, _PROPOSAL = 2.5e-3, 1.5e-3, 6e-3, 6e-4, 4e-4


def cells(parameters):
    """Images of every method, classifiers on them, the effect of K, and the GAN of all classes."""
    p = parameters
    grid = []

    def add(table, row, column, seed, own, cost):
        grid.append(Cell(table, row, column, seed, p["dataset"], own, round(cost, 1)))

    data = datasets.title(p["dataset"])
    for seed in range(p["seeds"]):
        add("Samples", data, "real test images", seed, {"kind": "floor", **_some(p, _OF_IMAGES)}, 5)
        for method in p["methods"]:
            own = {"method": method, **_of_method(p, method)}
            if method != "pure":
                cost = 5 + _training(p, method)
                add("Samples", data, method, seed, {"kind": "samples", **own}, cost)
            for regime in p["regimes"] if method != "pure" else ["none"]:
                classified = {"kind": "classify", **own, "regime": regime}
                classified["classifier_epochs"] = p["classifier_epochs"]
                images = p["train_images"] * (2 if regime == "added" else 1)
                cost = 3 + images * p["classifier_epochs"] * _CLASSIFIER
                add("Accuracy", regime, method, seed, classified, cost)
        if set(GANS) & set(p["methods"]):
            own = {"kind": "chain_lengths", **_some(p, _ONE_CLASS)}
            own |= _some(p, ("chain_lengths", "chain_images"))
            cost = 5 + 2 * p["chain_images"] * sum(p["chain_lengths"]) * _PROPOSAL
            add("Effect of K", data, "MH-GAN", seed, own, cost)
            own = {"kind": "all_classes", **_some(p, _OF_GAN), "all_drawn": p["chain_images"]}
            own |= _some(p, ("all_images", "all_epochs", "chain_length"))
            cost = p["all_images"] * p["all_epochs"] * _GAN * p["gan_filters"] / 64
            add("All classes", data, "GAN, MH-GAN", seed, own, 5 + cost)
    return grid


def _of_method(p, method):
    """The parameters that a method's images depend on."""
    model = METHODS[method].get("model")
    if model is None:
        return _some(p, _OF_IMAGES)
    if model != "gan":
        return _some(p, (*_OF_IMAGES, *_OF_VAE))
    return _some(p, (*_ONE_CLASS, *(["chain_length"] if method == "MH-GAN" else [])))


def _some(p, names):
    return {name: p[name] for name in names}


def _training(p, method):
    """Seconds that a method's models and images take; a GAN is trained once for all samplers."""
    n = p["train_images"]
    if method == "MH-GAN":
        return n * p["chain_length"] * _PROPOSAL
    if method == "GAN":
        return n * p["gan_epochs"] * _GAN * p["gan_filters"] / 64
    step = {"VAE": _VAE, "manifold VAE": _RHVAE}.get(method, 0)
    return n * p["vae_epochs"] * step * p["vae_filters"] / 64
