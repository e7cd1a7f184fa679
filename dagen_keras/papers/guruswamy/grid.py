"""The grid of Guruswamy et al.: parameters, profiles, cells."""

import numpy as np

from dagen_keras import datasets
from dagen_keras.papers.legacy import Cell, Parameter

# Shares that sparse classes are cut to. CIFAR-100's are 20 random classes, five a share.
SHARES_OF_CLASSES = {1: 0.5, 3: 0.65, 7: 0.8}
CIFAR100_SHARES = (0.65, 0.7, 0.75, 0.8)

# The rows of Table I, in the paper's order: what fills up the sparse classes, and how it trains.
TABLE1 = {
    "none": {},
    "affine": {"fill": "affine"},
    "cgan": {"fill": "cgan"},
    "acgan": {"fill": "acgan", "real_share": 0.5},
    "acgan_v1": {"fill": "acgan", "real_share": 0.25},
    "acgan_v2": {"fill": "acgan", "real_share": 0.75},
    "acgan_v3": {"fill": "acgan", "real_share": "every third epoch"},
    "acgan_ali_v1": {"fill": "acgan_on_ali", "from_ali": False, "mask": True},
    "acgan_ali_v2": {"fill": "acgan_on_ali", "from_ali": True, "mask": True},
}
# What the paper mentions and has no row for.
OTHERS = {
    "acgan_ali_v1, no mask": {"fill": "acgan_on_ali", "from_ali": False, "mask": False},
    "acgan_ali_v2, no mask": {"fill": "acgan_on_ali", "from_ali": True, "mask": False},
    "ali": {"fill": "ali"},
    "ali reconstructions": {"fill": "ali_reconstructions"},
    "duplicates": {"fill": "duplicates"},
}
METHODS = {**TABLE1, **OTHERS}
PROPORTIONS = ("acgan", "acgan_v1", "acgan_v2", "acgan_v3")
GENERATIVE = tuple(m for m in METHODS if m not in ("none", "affine", "duplicates"))

# Which of the paper's datasets each is, or stands for.
ROLES = {
    "fashion_mnist": "fashion_mnist",
    "mnist": "fashion_mnist",
    "digits": "fashion_mnist",
    "cifar100": "cifar100",
    "cifar10": "cifar100",
    "histopathology": "histopathology",
    "patches": "histopathology",
}

PARAMETERS = {
    "datasets": Parameter(
        ["fashion_mnist", "cifar100", "histopathology"], "the datasets", choices=tuple(ROLES)
    ),
    "seeds": Parameter(8, "runs of every cell; the paper's are 3", minimum=1),
    "methods": Parameter(list(METHODS), "rows of Table I, and others", choices=tuple(METHODS)),
    "classes": Parameter(100, "classes of a dataset, at most: its first", minimum=2),
    "train_images": Parameter(
        300_000, "training images, at most, before classes are cut", minimum=20
    ),
    "test_images": Parameter(60_000, "test images, at most", minimum=10),
    "shrink": Parameter(1, "images are averaged over blocks of so many pixels a side", minimum=1),
    "gan_epochs": Parameter(50, "epochs of an adversarial model", minimum=1),
    "gan_batch": Parameter(64, "images in its batches", minimum=2),
    "learning_rate": Parameter(2e-4, "its Adam's learning rate", minimum=0.0),
    "filters": Parameter(64, "width of its networks", minimum=1),
    "latent_dim": Parameter(100, "dimension of its noise", minimum=1),
    "classifier_epochs": Parameter(100, "epochs of the classifier, at most", minimum=1),
    "patience": Parameter(5, "epochs without a better validation loss", minimum=1),
    "synthetic_methods": Parameter(
        ["acgan"], "methods whose images also train a classifier alone", choices=GENERATIVE
    ),
}

PROFILES = {
    "quick": {
        "datasets": ["digits", "patches"],
        "seeds": 1,
        "methods": ["none", "affine", "cgan", "acgan", "acgan_ali_v1"],
        "shrink": 2,
        "gan_epochs": 18,
        "gan_batch": 32,
        "learning_rate": 1e-3,
        "filters": 16,
        "classifier_epochs": 15,
    },
    "smoke": {
        "datasets": ["digits", "patches"],
        "seeds": 1,
        "methods": ["none", "affine", "cgan", "acgan_v3", "acgan_ali_v2", "duplicates"],
        "train_images": 100,
        "test_images": 40,
        "shrink": 2,
        "gan_epochs": 2,
        "filters": 4,
        "latent_dim": 8,
        "classifier_epochs": 2,
        "synthetic_methods": ["acgan_v3"],
    },
}

# Rough seconds on two cores, for the time left alone: a step of a GAN of 64 filters at batch 64 on
# 28x28 pixels, and an image of the classifier.
_GAN_STEP, _CLASSIFIER_IMAGE = 0.1, 4e-4


def cells(parameters):
    """Table I and what goes with it, seed by seed."""
    p = parameters
    grid = []
    for seed in range(p["seeds"]):
        for dataset in p["datasets"]:
            for method in p["methods"]:
                own = {"kind": "run", **METHODS[method], **_shared(p)}
                if method in GENERATIVE:
                    own |= _of_gan(p)
                    own["synthetic_alone"] = method in p["synthetic_methods"]
                row = datasets.title(dataset)
                table = "Table I" if method in TABLE1 else "Ablations"
                grid.append(Cell(table, row, method, seed, dataset, own, _cost(p, dataset, own)))
    return grid


def sparse_classes(dataset, classes):
    """The share that each sparse class of a dataset is cut to: {label: share}.

    Of CIFAR-100's classes, or of those that are used, a fifth is drawn, once for every seed, and
    the four shares go round. Other data of ten classes are cut as Fashion-MNIST is, and those that
    are imbalanced by nature are left as they are.
    """
    if ROLES[dataset] == "histopathology":
        return {}
    if dataset != "cifar100":
        return {label: share for label, share in SHARES_OF_CLASSES.items() if label < classes}
    classes = min(classes, 100)
    drawn = np.random.default_rng(0).permutation(classes)[: max(1, classes // 5)]
    shares = np.resize(CIFAR100_SHARES, len(drawn))
    return {int(c): float(s) for c, s in zip(drawn, shares, strict=True)}


def top_k(n_classes):
    """The paper's k: 2 for Fashion-MNIST's ten classes, 5 for CIFAR-100's hundred."""
    return 5 if n_classes > 10 else min(2, n_classes - 1)


def _shared(p):
    names = ("classes", "train_images", "test_images", "shrink", "classifier_epochs", "patience")
    return {name: p[name] for name in names}


def _of_gan(p):
    names = ("gan_epochs", "gan_batch", "learning_rate", "filters", "latent_dim")
    return {name: p[name] for name in names}


def _cost(p, dataset, own):
    size = {"histopathology": 220_000, "patches": 450, "digits": 720}.get(dataset, 50_000)
    pixels = {"fashion_mnist": 784, "cifar100": 1024, "histopathology": 2500}[ROLES[dataset]]
    images, pixels = min(size, p["train_images"]), pixels / 784 / p["shrink"] ** 2
    cost = 2 + images * min(p["classifier_epochs"], 20) * _CLASSIFIER_IMAGE * pixels
    if "gan_epochs" in own:
        steps = images / p["gan_batch"] * p["gan_epochs"]
        width = (p["filters"] / 64) * (p["gan_batch"] / 64)
        cost += 3 + steps * (0.004 + _GAN_STEP * pixels * width)
    return round(cost, 1)
