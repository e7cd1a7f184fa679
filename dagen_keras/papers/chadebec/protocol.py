"""Chadebec and Allassonnière: settings, grid and claims of the protocol, version 2."""

import itertools
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from dagen_keras import datasets
from dagen_keras.checks import RunError
from dagen_keras.study.cells import Grid, cell
from dagen_keras.study.claims import Gate, Larger, NotLarger, SmallerGain, served
from dagen_keras.study.judge import GATES, Judging
from dagen_keras.study.pilot import SEEDS, Pilot
from dagen_keras.study.settings import Count, Positive, Precision, Rate, Settings, Several

VERSION = 2
# Model and sampler. The tables draw from eq. 3 by HMC, Figs. 2 to 4 by the random walk.
METHODS = {
    "vae": ("vae", "prior"),
    "vamp": ("vamp", "vamp"),
    "rhvae_prior": ("rhvae", "prior"),
    "rhvae_manifold": ("rhvae", "hmc"),
    "rhvae_walk": ("rhvae", "random_walk"),
}
TABLE2 = ("vae", "rhvae_prior", "rhvae_manifold")
TABLE3 = ("vae", "rhvae_manifold")
FIGURES = ("vae", "vamp", "rhvae_prior", "rhvae_walk")
FIGURE4 = {"vae": "vae", "rhvae_manifold": "rhvae_walk"}  # By the method of Table 3.
RAW, BOTH, ALONE = "raw", "raw+synthetic", "synthetic only"
SPLITS = ("balanced", "unbalanced")
CLASSIFIERS = ("MLP", "CNN", "DenseNet")
LETTERS = "nist_letters"  # For EMNIST, which it is not.


class Images(Settings):
    """Table 2's images: a fifth of `size` validates; test images are drawn once for all seeds."""

    reserve: Positive = 2000  # Training images that no cell uses: the pilot's and the judge's.
    size: Annotated[int, Field(ge=80, multiple_of=10)] = 500
    test_images: Positive = 10_000


class Generators(Settings):
    """Passes at most (ours), and after how many without a better loss a training stops."""

    passes: Annotated[int, Field(ge=2)] = 1500
    patience: Positive = 20
    leapfrog: Positive = 3  # n_lf of Table 4; fewer compile faster.


class Classifier(Settings):
    """Updates of Table 2's DenseNets, for the pilot to choose, between looks at validation."""

    updates: Positive = 2500
    every: Positive = 50
    precision: Precision = "float32"


class Geometry(Settings):
    """Chains of each sampler, covariances of the walk, steps of the geodesics."""

    chains: Positive = 2000
    covariances: Several[Rate] = (0.5, 0.1, 0.01)
    steps: Several[Positive] = (10, 100, 1000)


class Brains(Settings):
    """Brains; `rate` is the generators', `rates` are searched for each classifier."""

    downsample: Literal[1, 2, 4] = 1
    rate: Rate = 1e-4
    rates: Several[Rate] = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
    runs: Positive = 5
    updates: Positive = 3000


class Protocol(Settings):
    """The `overnight` profile: Table 2 by the support vector machine, by DenseNet its claims.

    OASIS cannot be had here, so phantoms show that Fig. 4 and Tables 1 and 3 are computed.
    """

    dataset: Literal["mnist", "digits"] = "mnist"
    splits: Several[Literal[SPLITS]] = SPLITS
    seeds: Positive = 8
    shown_seeds: Count = 3  # Of the support vector machine.
    letters_seeds: Count = 3
    pilot_seeds: Count = 2
    factors: Several[Positive] = (5, 10, 15)
    numbers: Several[Positive] = (200, 500, 1000, 2000)
    by_densenet: Literal["claims", "all", "none"] = "claims"  # Of Table 2.
    figure_datasets: Several[Literal[datasets.NAMES]] = ("mnist", "fashion_mnist", "shapes")
    brain_dataset: Literal["oasis", "phantoms"] = "phantoms"
    brain_seeds: Count = 1  # Without one nothing is trained on brains.
    brain_classifiers: Several[Literal[CLASSIFIERS]] = ("MLP", "CNN")
    brain_methods: Several[Literal[TABLE3]] = TABLE3
    brain_numbers: Several[Positive] = (200,)
    images: Images = Images()
    letters_images: Images = Images(reserve=1000, test_images=2000)  # All that there are to test.
    generators: Generators = Generators()
    slow_generators: Generators = Generators(patience=50)  # Of the figures and of brains.
    classifier: Classifier = Classifier()
    geometry: Geometry = Geometry()
    brains: Brains = Brains(downsample=4)
    pilot: Pilot = Pilot(size=500, doublings=4)
    judging: Judging = Judging()


_SMALL = {
    "dataset": "digits",
    "seeds": 1,
    "shown_seeds": 1,
    "letters_seeds": 0,
    "factors": (5,),
    "figure_datasets": ("digits",),
    "brain_classifiers": ("MLP",),
    "brain_methods": ("vae",),
}
PROFILES = {
    "smoke": Protocol(
        **_SMALL,
        pilot_seeds=1,
        numbers=(2,),
        brain_numbers=(2,),
        images=Images(reserve=20, size=80, test_images=20),
        generators=Generators(passes=2, leapfrog=1),
        slow_generators=Generators(passes=2, leapfrog=1),
        classifier=Classifier(updates=2, every=1),
        geometry=Geometry(chains=50, covariances=(0.5,), steps=(2,)),
        brains=Brains(downsample=4, rate=1e-3, rates=(1e-3,), runs=1, updates=2),
        pilot=Pilot(size=80, first=1, doublings=1),
        judging=Judging(updates=2),
    ),
    "quick": Protocol(
        **_SMALL,
        splits=("balanced",),
        by_densenet="none",
        pilot_seeds=0,
        numbers=(100,),
        brain_seeds=0,
        images=Images(reserve=90, size=200, test_images=300),
        generators=Generators(passes=100, leapfrog=1),
        slow_generators=Generators(passes=100, leapfrog=1),
        geometry=Geometry(chains=500, covariances=(0.5,), steps=(100,)),
        judging=Judging(updates=50),
    ),
    "overnight": Protocol(),
    "paper": Protocol(
        shown_seeds=8,
        letters_seeds=8,
        by_densenet="all",
        brain_dataset="oasis",
        brain_seeds=8,
        brain_classifiers=CLASSIFIERS,
        brain_numbers=(200, 500, 1000, 2000),
        brains=Brains(),
    ),
}


def row(method, training_set, number=None):
    return {"method": method, "training_set": training_set, "number": number}


def rows(methods, factors, numbers):
    """The factors of each row of Tables 2 and 3, raw data first."""
    places = itertools.product(numbers, methods, (BOTH, ALONE))
    augmented = [row("augmented", BOTH, factor) for factor in factors]
    return [row(RAW, RAW), *augmented, *(row(m, training_set, n) for n, m, training_set in places)]


def cells(s, frame):
    """The pilot, Table 2 seed by seed, those of the claims first; the letters, figures, brains."""
    _check(s)
    grid, few, many = Grid(), min(s.numbers), max(s.numbers)

    def add(kind, seed, dataset, shares=(), **parts):
        shares += METHODS.get(parts.get("method"), ())[:1]  # Cells of one model share it.
        grid.append(cell(kind, seed=seed, dataset=dataset, shares=shares, **parts))

    def table2(kind, seed, dataset, split, factors, images=s.images, **parts):
        parts |= {"classifier": s.classifier} if kind != "svm" else {}
        if factors["method"] in METHODS:
            parts |= {"generators": s.generators, "shares": (seed, split)}
            parts |= {"judging": s.judging} if kind != "pilot" else {}
        add(kind, seed, dataset, split=split, **factors, images=images, **parts)

    def claimed(split, factors):
        number = {few: 200, many: 2000}.get(factors["number"], factors["number"])
        place = {"dataset": "mnist", "split": split, **factors, "number": number}
        return bool(served(CLAIMS, {"kind": "classify", **place}))

    table = rows(TABLE2, s.factors, s.numbers)
    everything = list(itertools.product(s.splits, table))
    by_densenet = {"all": everything, "claims": [p for p in everything if claimed(*p)]}
    by_densenet = by_densenet.get(s.by_densenet, [])
    piloted = [row(RAW, RAW), row("augmented", BOTH, max(s.factors))]
    piloted += [row(method, ALONE, many) for method in TABLE3]
    images = s.images.replace({"size": s.pilot.size})
    for seed, factors in itertools.product(SEEDS[: s.pilot_seeds], piloted):
        table2("pilot", seed, s.dataset, "balanced", factors, images, pilot=s.pilot)
    for seed in range(max(s.seeds, s.shown_seeds)):
        for place in by_densenet if seed < s.seeds else ():
            table2("classify", seed, s.dataset, *place)
        for place in everything if seed < s.shown_seeds else ():
            table2("svm", seed, s.dataset, *place)
    for seed, factors in itertools.product(range(s.letters_seeds), table):
        table2("svm", seed, LETTERS, "unbalanced", factors, s.letters_images)
    slow = {"generators": s.slow_generators}
    for dataset, method in itertools.product(s.figure_datasets, FIGURES):
        add("latent", 0, dataset, ("latent",), method=method, **slow)
    for dataset in dict.fromkeys((s.figure_datasets[0], s.figure_datasets[-1])):
        add("geometry", 0, dataset, ("latent", "rhvae"), geometry=s.geometry, **slow)
    add("subjects", 0, s.brain_dataset)
    slow |= {"brains": s.brains}
    for method in s.brain_methods if s.brain_seeds else ():
        add("brain_samples", 0, s.brain_dataset, (0,), method=FIGURE4[method], **slow)
    table = rows(s.brain_methods, s.factors, s.brain_numbers)
    for seed, factors in itertools.product(range(s.brain_seeds), table):
        for name in s.brain_classifiers:
            parts = {"classifier": name, **factors, **slow}
            add("classify_brains", seed, s.brain_dataset, (seed,), **parts)
    return grid


def _check(s):
    every = s.classifier.every
    for name, n in (("classifier.updates", s.classifier.updates), ("pilot.first", s.pilot.first)):
        if n % every:
            raise RunError(f"setting '{name}' must be a multiple of {every}, every; got {n}.")


@dataclass(frozen=True)
class OnOasis(Larger):
    """A claim that nobody can decide who does not have OASIS."""

    def decide(self, frame, listed):
        found = super().decide(frame, listed)
        return found if found.n else replace(found, reason="data cannot be had")


TABLE = {"kind": "classify", "dataset": "mnist", "split": "balanced"}
AT_200 = {**TABLE, "number": 200}
AT_2000 = {**TABLE, "training_set": ALONE, "number": 2000}
BOTH_SPLITS = {**AT_2000, "split": ["unbalanced", "balanced"]}
BRAIN = {"kind": "classify_brains", "dataset": "oasis"}
VAE, RHVAE, MANIFOLD = ({"method": method} for method in TABLE2)
OF_RAW, ON_BRAINS = row(RAW, RAW), row("rhvae_manifold", BOTH, 2000)
# The paper's patience ends training; only a class that our `passes` end must have settled.
SETTLED = Gate("settled", 0.99, "loss where `passes` end training, relative to a tenth earlier,")
TRAINED = {"gates": (*GATES, SETTLED), "images": "classes"}
CLAIMS = (
    Larger("1", "accuracy", MANIFOLD, VAE, {**AT_200, "training_set": ALONE}, **TRAINED),
    Larger("2", "accuracy", MANIFOLD, VAE, {**AT_200, "training_set": BOTH}, **TRAINED),
    Larger("3", "accuracy", row("rhvae_manifold", ALONE, 2000), OF_RAW, TABLE, **TRAINED),
    SmallerGain("4", "accuracy", MANIFOLD, VAE, BOTH_SPLITS, over="split", **TRAINED),
    *(
        OnOasis(f"5{letter}", "balanced_accuracy", ON_BRAINS, OF_RAW, {**BRAIN, "classifier": name})
        for letter, name in zip("abc", CLASSIFIERS, strict=True)
    ),
    NotLarger("6", "accuracy", row("augmented", BOTH, 10), OF_RAW, TABLE, **TRAINED),
    NotLarger("7", "accuracy", RHVAE, VAE, AT_2000, **TRAINED),
)
