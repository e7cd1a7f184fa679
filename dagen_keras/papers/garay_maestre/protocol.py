"""Garay-Maestre et al.: settings, grid and claims of the protocol, version 2."""

import itertools
from typing import Literal

from dagen_keras import datasets
from dagen_keras.checks import RunError
from dagen_keras.study.cells import Grid, cell
from dagen_keras.study.claims import Larger, Shown
from dagen_keras.study.judge import GATES, Judging
from dagen_keras.study.pilot import SEEDS, Pilot
from dagen_keras.study.settings import Count, Even, Positive, Precision, Rate, Settings, Several

VERSION = 2
METHODS = ("CNN", "VAE", "AUG", "AUG+VAE")
# Fig. 3: 0 is the paper's adjusted augmentation, 6 the released "all transformations".
ADJUSTED, EXTREME = 0, 6


class Images(Settings):
    """Which images no cell trains on, and how many test."""

    reserve: Positive = 2000  # Of the training partition: the pilot's and the gate's.
    test_per_class: Positive = 700


class Vae(Settings):
    """The class-wise VAEs: the text's prior N(0, I); the released generator draws "uniform"."""

    sampling: Literal["prior", "uniform"] = "prior"
    epochs_share: Rate = 1.0  # Of the released numbers of epochs.
    synthetic_per_epoch: Positive = 100


class Classifier(Settings):
    """The classifier: the same number of updates for every method, the last weights scored.

    2,000 is the pilot's largest number (ledger lines b61c25dd6319b52f, f5ef0fdbd83d1a7a,
    02af81de1ffb6b3f, 7a54d14058843ad4 and the other methods'): from 1,000 on twice as many still
    added 1.6 points to AUG+VAE, so 1,000 is not enough, and 2,000 is what a night can pay for.
    """

    updates: Even = 2000
    filters: Positive = 64  # Of the first convolution; the others have twice as many.
    precision: Precision = "float32"


class Released(Settings):
    """The released training, whose stopping and choice of the epoch look at test images."""

    epochs: Positive = 60
    patience: Positive = 10
    test_per_class: Positive = 100


class Protocol(Settings):
    """The `overnight` profile: what the claims need 8 times, what is shown 3 times."""

    dataset: Literal[datasets.NAMES] = "mnist"
    seeds: Positive = 8
    shown_seeds: Count = 3
    methods: Several[Literal[METHODS]] = METHODS
    other_images: bool = True  # Whether there are VAEs of other real images as well.
    train_sizes: Several[Positive] = (50, 100)
    shown_sizes: tuple[Positive, ...] = (250,)
    latent_dim: Positive = 3
    shown_latent_dims: tuple[Positive, ...] = (2, 4, 8)
    levels: tuple[Positive, ...] = (2, EXTREME)
    samples_size: Positive = 100
    released_seeds: Count = 8
    released_shown_seeds: Count = 2
    pilot_seeds: Count = 2
    images: Images = Images()
    vae: Vae = Vae()
    classifier: Classifier = Classifier()
    released: Released = Released()
    pilot: Pilot = Pilot()
    judging: Judging = Judging()


_SMALL = {"dataset": "digits", "seeds": 1, "released_seeds": 1, "shown_sizes": ()}
PROFILES = {
    "smoke": Protocol(
        **_SMALL,
        shown_seeds=1,
        train_sizes=(20,),
        latent_dim=2,
        shown_latent_dims=(3,),
        levels=(EXTREME,),
        samples_size=20,
        released_shown_seeds=1,
        pilot_seeds=1,
        vae=Vae(epochs_share=0.01, synthetic_per_epoch=10),
        images=Images(reserve=20, test_per_class=2),
        classifier=Classifier(updates=2, filters=8),
        released=Released(epochs=1, test_per_class=2),
        pilot=Pilot(size=20, first=1, doublings=1),
        judging=Judging(updates=2),
    ),
    "quick": Protocol(
        **_SMALL | {"released_seeds": 0},
        shown_seeds=0,
        methods=("CNN", "VAE"),
        other_images=False,
        train_sizes=(50,),
        shown_latent_dims=(),
        levels=(),
        samples_size=50,
        released_shown_seeds=0,
        pilot_seeds=0,
        vae=Vae(epochs_share=0.2, synthetic_per_epoch=50),
        images=Images(reserve=90, test_per_class=60),
        classifier=Classifier(updates=300, filters=8),
        judging=Judging(updates=60),
    ),
    "overnight": Protocol(),
    "paper": Protocol(
        train_sizes=(50, 100, 250, 500, 1000),
        shown_sizes=(),
        shown_seeds=8,
        levels=(1, 2, 3, 4, 5, EXTREME),
        samples_size=500,
        released_shown_seeds=8,
    ),
}


def cells(s, frame):
    """The pilot, the released code's headline, the claims' cells seed by seed, what is shown."""
    _check(s)
    grid, small = Grid(), min(s.train_sizes)

    def add(kind, seed, size, method, latent_dim=None, vae_images=None, level=None, **parts):
        factors = {"method": method, "train_size": size, "latent_dim": latent_dim}
        factors |= {"vae_images": vae_images, "level": level}
        if latent_dim is not None:
            parts |= {"vae": s.vae, "shares": (kind, seed, size, latent_dim, vae_images)}
        grid.append(cell(kind, seed=seed, dataset=s.dataset, images=s.images, **factors, **parts))

    def classify(seed, size, method, latent_dim=s.latent_dim, **changes):
        parts = {"classifier": s.classifier, **({"judging": s.judging} if "VAE" in method else {})}
        add("classify", seed, size, **parts, **(of_method(method, latent_dim) | changes))

    def released(seed, size, method, vae_images=None):
        latent_dim = s.latent_dim if vae_images else None
        add("released", seed, size, method, latent_dim, vae_images, released=s.released)

    for seed in SEEDS[: s.pilot_seeds]:
        for method in METHODS:
            dim = s.latent_dim if "VAE" in method else None
            add("pilot", seed, s.pilot.size, method, dim, pilot=s.pilot)
    for seed in range(s.released_seeds):
        released(seed, small, "CNN")
        released(seed, small, "VAE", "same")
        released(seed, small, "VAE", "other")
        released(seed, 2 * small, "CNN")
    for seed in range(s.seeds):
        for size, method in itertools.product(s.train_sizes, s.methods):
            classify(seed, size, method)
        if s.other_images:
            classify(seed, small, "VAE", vae_images="other")
        for level in sorted(s.levels, reverse=True):
            classify(seed, small, "AUG", level=level)
    for seed in range(s.shown_seeds):
        for dim in s.shown_latent_dims:
            classify(seed, small, "VAE", dim)
        for size, method in itertools.product(s.shown_sizes, s.methods):
            classify(seed, size, method)
    for seed, method in itertools.product(range(s.released_shown_seeds), ("AUG", "AUG+VAE")):
        released(seed, small, method)
    for dim in (s.latent_dim, *s.shown_latent_dims):
        add("samples", 0, s.samples_size, None, dim)
    add("vae_losses", 0, s.samples_size, None, s.latent_dim)
    return grid


def _check(s):
    classes = datasets.n_classes(s.dataset)
    sizes = {"train_sizes": s.train_sizes, "shown_sizes": s.shown_sizes}
    sizes |= {"samples_size": (s.samples_size,), "pilot.size": (s.pilot.size,)}
    for name, values in sizes.items():
        for size in values:
            if size % classes or size < 2 * classes:
                raise RunError(
                    f"setting '{name}' must be a multiple of the {classes} classes of "
                    f"'{s.dataset}' and at least {2 * classes}, two images a class; got {size}."
                )
    if max(s.levels, default=EXTREME) > EXTREME:
        raise RunError(f"setting 'levels' must be from 1 to {EXTREME}; got {max(s.levels)}.")
    if set(s.shown_sizes) & set(s.train_sizes):
        raise RunError("settings 'train_sizes' and 'shown_sizes' must not share a size.")
    if s.latent_dim in s.shown_latent_dims:
        raise RunError("setting 'shown_latent_dims' must not repeat 'latent_dim'.")


def of_method(method, latent_dim=3):
    """The factors of a method of Table 2; a list of latent sizes stands for their mean."""
    has_vae = "VAE" in method
    return {
        "method": method,
        "level": ADJUSTED if "AUG" in method else None,
        "latent_dim": latent_dim if has_vae else None,
        "vae_images": "same" if has_vae else None,
    }


BOTH_SIZES = {"kind": "classify", "train_size": [50, 100]}
AT_50 = {"kind": "classify", "train_size": 50}
CLAIMS = (
    Larger("1", "f1", of_method("VAE"), of_method("CNN"), BOTH_SIZES, gates=GATES),
    Larger("2", "f1", of_method("AUG"), of_method("VAE"), BOTH_SIZES, gates=GATES),
    Larger("3", "f1", of_method("AUG+VAE"), of_method("AUG"), BOTH_SIZES, gates=GATES),
    Shown("4", "f1", of_method("VAE"), of_method("VAE", [2, 4, 8]), AT_50, gates=GATES),
    Larger("5", "f1", of_method("CNN"), {**of_method("AUG"), "level": EXTREME}, AT_50),
    Larger("6a", "f1", of_method("AUG+VAE"), of_method("CNN"), AT_50, gates=GATES),
    Larger("6b", "f1", of_method("AUG+VAE"), of_method("AUG"), AT_50, gates=GATES),
)
