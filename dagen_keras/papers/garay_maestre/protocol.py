"""Garay-Maestre et al.: settings, grid, claims and tables of the protocol, version 2."""

from typing import Literal

import pandas as pd

from dagen_keras import datasets
from dagen_keras.checks import RunError
from dagen_keras.papers import reported
from dagen_keras.study.cells import cell
from dagen_keras.study.claims import Larger, Shown
from dagen_keras.study.judge import GATES, Judging
from dagen_keras.study.settings import Count, Positive, Rate, Settings, Several
from dagen_keras.study.tables import Summary

METHODS = ("CNN", "VAE", "AUG", "AUG+VAE")
# Fig. 3: 0 is the paper's adjusted augmentation, 6 the released "all transformations".
ADJUSTED, EXTREME = 0, 6
PILOT_SEEDS = (1000, 1001)
Sampling = Literal["prior", "uniform"]


class Images(Settings):
    """Which images no cell trains on, and how many test."""

    reserve: Positive = 2000  # Of the training partition: the pilot's and the gate's.
    test_per_class: Positive = 700


class Vae(Settings):
    """The class-wise VAEs: the text's prior N(0, I); the released generator draws "uniform"."""

    sampling: Sampling = "prior"
    epochs_share: Rate = 1.0  # Of the released numbers of epochs.
    synthetic_per_epoch: Positive = 100


class Classifier(Settings):
    """The classifier: the same number of updates for every method, the last weights scored."""

    updates: Positive = 1000


class Released(Settings):
    """The released training, whose stopping and choice of the epoch look at test images."""

    epochs: Positive = 60
    patience: Positive = 10
    test_per_class: Positive = 100


class Pilot(Settings):
    """The search for the classifier's updates, on images that no cell uses."""

    size: Positive = 100
    first: Positive = 250
    doublings: Count = 3


class Protocol(Settings):
    """The `overnight` profile: what the claims need 8 times, what is shown 3 times."""

    dataset: Literal[datasets.NAMES] = "mnist"
    seeds: Positive = 8
    shown_seeds: Count = 3
    train_sizes: Several[Positive] = (50, 100)
    shown_sizes: tuple[Positive, ...] = (250,)
    latent_dim: Positive = 3
    shown_latent_dims: tuple[Positive, ...] = (2, 4, 8)
    levels: Several[Positive] = (2, EXTREME)
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


PROFILES = {
    "smoke": Protocol(
        dataset="digits",
        seeds=1,
        shown_seeds=1,
        train_sizes=(20,),
        shown_sizes=(),
        latent_dim=2,
        shown_latent_dims=(3,),
        levels=(EXTREME,),
        samples_size=20,
        released_seeds=1,
        released_shown_seeds=1,
        pilot_seeds=1,
        vae=Vae(epochs_share=0.01, synthetic_per_epoch=10),
        images=Images(reserve=20, test_per_class=2),
        classifier=Classifier(updates=2),
        released=Released(epochs=2, test_per_class=2),
        pilot=Pilot(size=20, first=1, doublings=1),
        judging=Judging(updates=2),
    ),
    "quick": Protocol(
        dataset="digits",
        seeds=1,
        shown_seeds=0,
        train_sizes=(50,),
        shown_sizes=(),
        shown_latent_dims=(),
        levels=(EXTREME,),
        released_seeds=1,
        released_shown_seeds=0,
        pilot_seeds=0,
        samples_size=50,
        vae=Vae(epochs_share=0.25),
        images=Images(reserve=100, test_per_class=60),
        classifier=Classifier(updates=60),
        released=Released(epochs=6, test_per_class=20),
        judging=Judging(updates=100),
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
    grid = []

    def classify(seed, method, size, latent_dim=None, level=None, images="same", serves=()):
        has_vae = "VAE" in method
        dim = (latent_dim or s.latent_dim) if has_vae else None
        grid.append(
            cell(
                "classify",
                seed=seed,
                dataset=s.dataset,
                serves=serves,
                shares=("ours", seed, size, dim, images) if has_vae else (),
                method=method,
                train_size=size,
                latent_dim=dim,
                level=(level or ADJUSTED) if "AUG" in method else None,
                vae_images=images if has_vae else None,
                images=s.images,
                classifier=s.classifier,
                **({"vae": s.vae, "judging": s.judging} if has_vae else {}),
            )
        )

    def released(seed, method, size, images="same"):
        has_vae = method == "VAE"  # AUG+VAE as released never sees an image of its VAEs.
        grid.append(
            cell(
                "released",
                seed=seed,
                dataset=s.dataset,
                method=method,
                train_size=size,
                latent_dim=s.latent_dim if has_vae else None,
                vae_images=images if has_vae else None,
                images=s.images,
                released=s.released,
                **({"vae": s.vae} if has_vae else {}),
            )
        )

    for seed in PILOT_SEEDS[: s.pilot_seeds]:
        for method in METHODS:
            parts = {"vae": s.vae} if "VAE" in method else {}
            grid.append(
                cell(
                    "pilot",
                    seed=seed,
                    dataset=s.dataset,
                    shares=("pilot", seed) if parts else (),
                    method=method,
                    train_size=s.pilot.size,
                    latent_dim=s.latent_dim if parts else None,
                    images=s.images,
                    pilot=s.pilot,
                    **parts,
                )
            )
    small = min(s.train_sizes)
    for seed in range(s.released_seeds):
        released(seed, "CNN", small)
        released(seed, "VAE", small)
        released(seed, "VAE", small, "other")
        released(seed, "CNN", 2 * small)
    for seed in range(s.seeds):
        for size in s.train_sizes:
            at_small = ("6a", "6b") if size == small else ()
            classify(seed, "CNN", size, serves=("1", *at_small[:1], "5"))
            classify(seed, "VAE", size, serves=("1", "2"))
            classify(seed, "AUG", size, serves=("2", "3", *at_small[1:]))
            classify(seed, "AUG+VAE", size, serves=("3", *at_small))
        classify(seed, "VAE", small, images="other")
        for level in sorted(s.levels, reverse=True):
            classify(seed, "AUG", small, level=level, serves=("5",) if level == EXTREME else ())
    dims = (s.latent_dim, *s.shown_latent_dims)
    for seed in range(s.shown_seeds):
        for dim in s.shown_latent_dims:
            classify(seed, "VAE", small, latent_dim=dim)
        for size in s.shown_sizes:
            for method in METHODS:
                classify(seed, method, size)
    for seed in range(s.released_shown_seeds):
        released(seed, "AUG", small)
        released(seed, "AUG+VAE", small)
    for dim in dims:
        common = {"train_size": s.samples_size, "latent_dim": dim, "vae": s.vae}
        common["images"] = s.images
        grid.append(cell("samples", seed=0, dataset=s.dataset, **common))
    grid.append(cell("vae_losses", seed=0, dataset=s.dataset, **{**common, "latent_dim": dims[0]}))
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
    if max(s.levels) > EXTREME:
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
    Shown(
        "4",
        "f1",
        of_method("VAE"),
        {**of_method("VAE"), "latent_dim": [2, 4, 8]},
        AT_50,
        gates=GATES,
    ),
    Larger("5", "f1", of_method("CNN"), {**of_method("AUG"), "level": EXTREME}, AT_50),
    Larger("6a", "f1", of_method("AUG+VAE"), of_method("CNN"), AT_50, gates=GATES),
    Larger("6b", "f1", of_method("AUG+VAE"), of_method("AUG"), AT_50, gates=GATES),
)


def paper_f1(row):
    """The paper's F1 of a row of Table 2, %; None where it has none, or for other data."""
    theirs = reported("garay_maestre_table2_f1_percent")
    theirs = theirs[theirs["train_size"] == row["train_size"]]
    if pd.notna(row["latent_dim"]):
        theirs = theirs[theirs["latent_dim"] == row["latent_dim"]]
    whole = row["dataset"] == "mnist" and row.get("level") in (None, ADJUSTED)
    return float(theirs[row["method"]].iloc[0]) if len(theirs) and whole else None


ROWS = {"images": "train_size", "method": "method", "LS": "latent_dim"}
OTHER = {"VAE trained on": "vae_images", "data": "dataset"}
TABLES = (
    Summary(
        "table2",
        "Table 2, every method with the same number of updates",
        {**ROWS, **OTHER, "level": "level"},
        {
            "F1": "f1",
            "updates": "updates",
            "times each real image was seen": "seen",
            "reconstructions named": "reconstructed",
        },
        "macro F1 on test images, %",
        {"kind": "classify"},
        percent=("f1",),
        reported=paper_f1,
        note="All images train, nothing stops early, the last weights are scored. CNN and AUG use "
        "no VAE, so they do not depend on the latent dimension (LS). VAEs trained on 'other' "
        "images show what 'same' ones cannot: more real digits. Level 0 is the adjusted "
        "augmentation. The last column is the gate: relative to the images themselves.",
    ),
    Summary(
        "released_protocol",
        "The released training, whose stopping and choice of the epoch look at the test images",
        {**ROWS, **OTHER},
        {"F1, kept": "f1", "F1, last epoch": "last", "updates": "updates", "epochs": "epochs"},
        "macro F1 on test images, %",
        {"kind": "released"},
        percent=("f1", "last"),
        reported=paper_f1,
        note="The released VAE, U(-1.5, 1.5). In the released code the VAEs are trained on other "
        "real images than the classifier. AUG+VAE never sees an image of its VAEs.",
    ),
)
