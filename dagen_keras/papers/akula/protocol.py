"""Akula et al.: settings, grid and claims of the protocol, version 2."""

from typing import Annotated, Literal

from pydantic import Field

from dagen_keras.study.cells import Grid, cell
from dagen_keras.study.claims import Gate, Larger, NotWorse
from dagen_keras.study.judge import GATES, Judging
from dagen_keras.study.settings import (
    All,
    Count,
    Even,
    Positive,
    Precision,
    Rate,
    Settings,
    Several,
)

VERSION = 2
METHODS = {  # What a training set holds beside real images: a model's, and how they are drawn.
    "VAE": ("vae", "prior"),
    "manifold VAE": ("rhvae", "random_walk"),
    "GAN": ("gan", "prior"),
    "MH-GAN": ("gan", "metropolis_hastings"),
    "DRS-GAN": ("gan", "rejection"),  # Not in the paper: the cheaper selection.
}
VAES, GANS = ["VAE", "manifold VAE"], ["GAN", "MH-GAN"]
SETS = [*VAES, *GANS]
CLASSES = {"cifar10": ("cat", "dog"), "photos": ("temple", "flower")}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # Of log-odds.
LOOKS = 10  # At a GAN's inception score, and windows of a VAE's loss, in a training.


class Images(Settings):
    """How many images of both classes together, equally many of each."""

    train: Even | All = 5000
    held_out: Annotated[int, Field(ge=50)] = 250  # Of a class; no generator sees them.
    test: Annotated[int, Field(ge=20, multiple_of=2)] = 2000
    reserve: Positive = 2000  # Of all classes' training images; nothing trains on them.


class Vae(Settings):
    """The VAE and the RHVAE of each class. (The paper's stop after some 450 epochs.)"""

    epochs: Annotated[int, Field(ge=2)] = 150
    batch: Positive = 200
    rate: Rate = 1e-3
    filters: Positive = 16
    latent_dim: Positive = 16


class Gan(Settings):
    """A DCGAN of each class, and one of all classes."""

    updates: Annotated[int, Field(ge=LOOKS, multiple_of=LOOKS)] = 5000
    batch: Positive = 64
    rate: Rate = 2e-4
    filters: Positive = 32
    latent_dim: Positive = 100


class Classifier(Settings):
    """The same updates for every training set: the paper's epochs, of a set with added images."""

    epochs: Annotated[int, Field(ge=2)] = 20
    batch: Positive = 64
    precision: Precision = "float32"


class Protocol(Settings):
    """The `overnight` profile: what the claims need 8 times, what is shown 3 times."""

    dataset: Literal[tuple(CLASSES)] = "cifar10"
    seeds: Positive = 8
    shown_seeds: Count = 3
    chain_length: Positive = 100  # K, the proposals of a chain.
    chain_lengths: Several[Positive] = (1, 10, 100)  # Of which the effect is shown.
    images: Images = Images()
    vae: Vae = Vae()
    gan: Gan = Gan()
    classifier: Classifier = Classifier()
    judging: Judging = Judging()  # Of all classes: images are scored in its features.
    naming: Judging = Judging(updates=5000)  # Of the two classes: the gates' judge.


_PHOTOS = {"dataset": "photos", "seeds": 1}
PROFILES = {
    "smoke": Protocol(
        **_PHOTOS,
        shown_seeds=1,
        chain_length=3,
        chain_lengths=(1, 3),
        images=Images(train=140, held_out=50, test=20, reserve=20),
        vae=Vae(epochs=2, filters=2, latent_dim=3),
        gan=Gan(updates=10, filters=2, latent_dim=4),
        classifier=Classifier(epochs=2),
        judging=Judging(updates=5),
        naming=Judging(updates=5),
    ),
    "quick": Protocol(
        **_PHOTOS,
        shown_seeds=0,
        chain_length=20,
        images=Images(train=220, held_out=50, test=120, reserve=40),
        vae=Vae(epochs=60, batch=32, filters=8, latent_dim=4),
        gan=Gan(updates=300, batch=20, rate=1e-3, filters=8),
        classifier=Classifier(epochs=5),
        judging=Judging(updates=40),
        naming=Judging(updates=40),
    ),
    "overnight": Protocol(),
    "paper": Protocol(
        shown_seeds=8,
        chain_length=640,
        chain_lengths=(1, 10, 100, 640),
        images=Images(train="all"),
        vae=Vae(epochs=450, filters=32),
        gan=Gan(updates=7800, filters=64),
    ),
}


def cells(s, frame):
    """Seed by seed the five training sets, and with them what is shown; the GAN of all classes."""
    grid = Grid()

    def add(kind, seed, method, regime=None, chain_length=None, **parts):
        if kind != "select" and method == "MH-GAN":
            chain_length = s.chain_length
        parts |= {"method": method, "regime": regime, "chain_length": chain_length}
        parts |= {"images": s.images, "shares": (seed, "all" if kind == "all" else "each")}
        grid.append(cell(kind, seed=seed, dataset=s.dataset, **parts))

    of = dict.fromkeys(VAES, {"vae": s.vae}) | dict.fromkeys(GANS, {"gan": s.gan})
    judges, classifier = {"judging": s.judging, "naming": s.naming}, {"classifier": s.classifier}
    for seed in range(max(s.seeds, s.shown_seeds)):
        shown, wanted = seed < s.shown_seeds, seed < s.seeds
        if wanted:
            add("samples", seed, "pure", **judges)
            add("classify", seed, "pure", **classifier)
            add("classify", seed, "duplicates", "added", **classifier)
        for method in SETS:
            if wanted:
                add("samples", seed, method, **of[method], **judges)
            for regime in ["added"] * wanted + ["replaced"] * shown:
                add("classify", seed, method, regime, **classifier, **of[method], **judges)
            if shown and method == "GAN":
                ways = [("GAN", None), ("DRS-GAN", None), *(("MH-GAN", k) for k in s.chain_lengths)]
                for way, length in ways:
                    add("select", seed, way, chain_length=length, **of["GAN"], **judges)
        for method in GANS if wanted else ():
            add("all", seed, method, **of[method], **judges)
    return grid


SETTLED = Gate("settled", 0.99, "the loss at the end, relative to a tenth of the training before,")
DIVERSITY = Gate("diversity", 0.5, "diversity of the least diverse class, relative to real images,")
GATED = (*GATES, SETTLED, DIVERSITY)  # Rows without the value have no such model.


def added(methods):
    """The factors of training sets with added images; a list stands for their mean."""
    return {"kind": "classify", "method": methods, "regime": "added"}


def fall(ours, pure):
    """The share by which a loss is below the pure one."""
    return 1 - ours / pure


def both(form, id, value, better, worse, **more):
    """A claim on real and on mixed test images; their predicted classes stand beside accuracies."""
    images = {"accuracy": "classes", "start": "classes_start"}.get(value)
    for test, end in (("r", ""), ("m", "_mixed")):
        more |= {"gates": GATED, "images": images and images + end}
        yield form(id + test, value + end, better, worse, **more)


PURE = {"kind": "classify", "method": "pure", "regime": None}
ONE, ALL = ({m: {"kind": kind, "method": m} for m in GANS} for kind in ("samples", "all"))
SCORE = {"gates": GATED, "scale": 1.0, "smallest": 0.05}
CLAIMS = (
    *both(Larger, "1", "accuracy", added(SETS), PURE),
    *both(Larger, "2", "accuracy", added("manifold VAE"), added("VAE")),
    *both(NotWorse, "3", "accuracy", added("MH-GAN"), added("GAN")),
    *both(Larger, "4s", "start", added(VAES), added(GANS)),
    *both(Larger, "4e", "accuracy", added(VAES), added(GANS)),
    Larger("5a", "inception", ALL["MH-GAN"], ALL["GAN"], **SCORE),
    Larger("5b", "inception", ONE["MH-GAN"], ONE["GAN"], **SCORE),
    Larger("6", "inception", ONE["GAN"], ALL["GAN"], **SCORE),
    *both(Larger, "7", "loss", added(SETS), PURE, difference=fall),
)
