"""Chadebec and Allassonnière: settings, grid and claims of the protocol, version 2."""

import itertools
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from dagen_keras import datasets
from dagen_keras.checks import RunError
from dagen_keras.study.cells import cell
from dagen_keras.study.claims import Gate, Larger, NotLarger, SmallerGain, served
from dagen_keras.study.judge import GATES, Judging
from dagen_keras.study.pilot import SEEDS, Pilot
from dagen_keras.study.settings import Count, Positive, Rate, Settings, Several

VERSION = 2
# Model and sampler of each method. The tables draw from eq. 3 by HMC, Figs. 2 to 4 by the
# Riemannian random walk.
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
RAW, BOTH, ALONE = "raw", "raw+synthetic", "synthetic only"
SPLITS = ("balanced", "unbalanced")
CLASSIFIERS = ("MLP", "CNN", "DenseNet")
Name = Literal[datasets.NAMES]


class Images(Settings):
    """Table 2's images: a fifth of `size` validates; test images are drawn once for all seeds."""

    reserve: Positive = 2000  # Training images that no cell uses: the pilot's and the judge's.
    size: Positive = 500
    test_images: Positive = 10_000


class Generators(Settings):
    """Passes at most, and after how many without a better loss a training stops."""

    passes: Annotated[int, Field(ge=2)] = 1500
    patience: Positive = 20


class Classifier(Settings):
    """Updates of every DenseNet of Table 2, and after how many the validation loss is looked at.

    The weights of the best validation loss are kept. The pilot is to choose `updates`.
    """

    updates: Positive = 2500
    every: Positive = 50


class Latent(Settings):
    """Figs. 1 to 3: models of all classes of a small set."""

    size: Annotated[int, Field(ge=6)] = 120
    passes: Positive = 1500
    patience: Positive = 50


class Geometry(Settings):
    """Chains of each sampler, covariances of the walk, steps of the geodesics."""

    chains: Positive = 2000
    covariances: Several[Rate] = (0.5, 0.1, 0.01)
    steps: Several[Positive] = (10, 100, 1000)


class Brains(Settings):
    """Fig. 4 and Table 3; `rate` is the generators', `rates` are searched for each classifier."""

    downsample: Literal[1, 2, 4] = 1
    rate: Rate = 1e-4
    passes: Positive = 1500
    patience: Positive = 50
    rates: Several[Rate] = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
    runs: Positive = 5
    updates: Positive = 3000


class Protocol(Settings):
    """The `overnight` profile: Table 2 by the support vector machine, by DenseNet its claims.

    OASIS cannot be had here, so phantoms show that Fig. 4 and Tables 1 and 3 are computed.
    """

    dataset: Name = "mnist"
    seeds: Positive = 8
    svm_seeds: Count = 3  # What is only shown; they share the generators of these seeds.
    pilot_seeds: Count = 2
    letters: Literal["nist_letters", "emnist"] = "nist_letters"
    letters_seeds: Count = 3
    factors: Several[Positive] = (5, 10, 15)
    numbers: Several[Positive] = (200, 500, 1000, 2000)
    all_by_densenet: bool = False
    figure_datasets: Several[Name] = ("mnist", "fashion_mnist", "shapes")
    brain_dataset: Literal["oasis", "phantoms"] = "phantoms"
    brain_seeds: Positive = 1
    brain_classifiers: Several[Literal[CLASSIFIERS]] = ("MLP", "CNN")
    brain_methods: Several[Literal[TABLE3]] = TABLE3
    brain_factors: Several[Positive] = (5,)
    brain_numbers: Several[Positive] = (200,)
    images: Images = Images()
    generators: Generators = Generators()
    classifier: Classifier = Classifier()
    latent: Latent = Latent()
    geometry: Geometry = Geometry()
    brains: Brains = Brains(downsample=4)
    pilot: Pilot = Pilot(size=500, doublings=4)
    judging: Judging = Judging()


_DIGITS = {
    "dataset": "digits",
    "seeds": 1,
    "svm_seeds": 1,
    "letters_seeds": 0,
    "factors": (5,),
    "figure_datasets": ("digits",),
}
PROFILES = {
    "smoke": Protocol(
        **_DIGITS,
        pilot_seeds=1,
        numbers=(2, 3),
        brain_classifiers=("MLP",),
        brain_methods=("vae",),
        brain_numbers=(2,),
        images=Images(reserve=20, size=80, test_images=20),
        generators=Generators(passes=2),
        classifier=Classifier(updates=2, every=1),
        latent=Latent(size=30, passes=2),
        geometry=Geometry(chains=50, covariances=(0.5,), steps=(2,)),
        brains=Brains(downsample=4, rate=1e-3, passes=1, rates=(1e-3,), runs=1, updates=2),
        pilot=Pilot(size=80, first=1, doublings=1),
        judging=Judging(updates=2),
    ),
    "quick": Protocol(
        **_DIGITS,
        pilot_seeds=0,
        numbers=(40, 100),
        brain_classifiers=("MLP",),
        brain_methods=("vae",),
        brain_numbers=(100,),
        images=Images(reserve=90, size=200, test_images=300),
        generators=Generators(passes=60),
        classifier=Classifier(updates=60, every=20),
        latent=Latent(passes=150),
        geometry=Geometry(chains=300, covariances=(0.5, 0.01), steps=(100,)),
        brains=Brains(downsample=4, rate=1e-3, passes=20, rates=(1e-3, 1e-4), runs=1, updates=100),
        judging=Judging(updates=100),
    ),
    "overnight": Protocol(),
    "paper": Protocol(
        svm_seeds=8,
        letters="emnist",
        letters_seeds=8,
        all_by_densenet=True,
        brain_dataset="oasis",
        brain_seeds=8,
        brain_classifiers=CLASSIFIERS,
        brain_factors=(5, 10, 15),
        brain_numbers=(200, 500, 1000, 2000),
        brains=Brains(),
    ),
}


def rows(methods, factors, numbers):
    """The factors of each row of Tables 2 and 3, raw data first."""
    yield row(RAW, RAW)
    for factor in factors:
        yield row("augmented", BOTH, factor)
    for number, method, training_set in itertools.product(numbers, methods, (BOTH, ALONE)):
        yield row(method, training_set, number)


def row(method, training_set, number=None):
    return {"method": method, "training_set": training_set, "number": number}


def cells(s, frame):
    """The pilot, Table 2 seed by seed, those of the claims first; the letters, figures, brains."""
    _check(s)
    grid = []

    def add(kind, seed, dataset, **parts):
        ids = served(CLAIMS, {"kind": kind, "dataset": dataset, **parts})
        grid.append(cell(kind, seed=seed, dataset=dataset, serves=ids, **parts))

    def table2(kind, seed, dataset, split, factors, images=s.images, **parts):
        model, _ = METHODS.get(factors["method"], (None, None))
        if model:
            parts |= {"generators": s.generators, "shares": (kind == "pilot", seed, split, model)}
            if dataset != "emnist":  # A judge of its 47 classes would say nothing of ten.
                parts |= {"judging": s.judging}
        add(kind, seed, dataset, split=split, **factors, images=images, **parts)

    few, many = min(s.numbers), max(s.numbers)
    table = list(rows(TABLE2, s.factors, s.numbers))
    balanced = [row(method, ALONE, few) for method in TABLE3]
    balanced += [row(method, ALONE, many) for method in TABLE2] + [row(RAW, RAW)]
    balanced += [row(method, BOTH, few) for method in TABLE3]
    balanced += [row("augmented", BOTH, factor) for factor in s.factors if factor == 10]
    claimed = [("balanced", factors) for factors in balanced]
    claimed += [("unbalanced", row(method, ALONE, many)) for method in TABLE3]
    if s.all_by_densenet:
        others = [place for place in itertools.product(SPLITS, table) if place not in claimed]
        claimed += others

    pilot_images = s.images.replace({"size": s.pilot.size})
    piloted = [row(RAW, RAW), row("augmented", BOTH, max(s.factors))]
    piloted += [row(method, ALONE, many) for method in TABLE3]
    for seed, factors in itertools.product(SEEDS[: s.pilot_seeds], piloted):
        budget = {"classifier": s.classifier, "pilot": s.pilot}
        table2("pilot", seed, s.dataset, "balanced", factors, pilot_images, **budget)
    for seed in range(max(s.seeds, s.svm_seeds)):
        for split, factors in claimed if seed < s.seeds else ():
            table2("classify", seed, s.dataset, split, factors, classifier=s.classifier)
        for split, factors in itertools.product(SPLITS, table) if seed < s.svm_seeds else ():
            table2("svm", seed, s.dataset, split, factors)
    for seed, factors in itertools.product(range(s.letters_seeds), table):
        table2("svm", seed, s.letters, "unbalanced", factors)
        if s.all_by_densenet:
            budget = {"classifier": s.classifier}
            table2("classify", seed, s.letters, "unbalanced", factors, **budget)
    for dataset, method in itertools.product(s.figure_datasets, FIGURES):
        shares = ("latent", METHODS[method][0])
        add("latent", 0, dataset, method=method, latent=s.latent, shares=shares)
    shares = ("latent", "rhvae")
    for dataset in dict.fromkeys((s.figure_datasets[0], s.figure_datasets[-1])):
        add("geometry", 0, dataset, latent=s.latent, geometry=s.geometry, shares=shares)
    brains = {"dataset": s.brain_dataset, "brains": s.brains}
    add("subjects", 0, s.brain_dataset)
    for method in ("rhvae_walk" if m == "rhvae_manifold" else m for m in s.brain_methods):
        add("brain_samples", 0, method=method, shares=(0, METHODS[method][0]), **brains)
    table = rows(s.brain_methods, s.brain_factors, s.brain_numbers)
    table = list(itertools.product(table, s.brain_classifiers))
    for seed, (factors, name) in itertools.product(range(s.brain_seeds), table):
        shares = (seed, *METHODS.get(factors["method"], ())[:1])
        shares = {"shares": shares} if len(shares) > 1 else {}
        add("classify_brains", seed, classifier=name, **factors, **shares, **brains)
    return grid


def _check(s):
    for name, size in (("images.size", s.images.size), ("pilot.size", s.pilot.size)):
        if size % 10 or size < 80:
            raise RunError(
                f"setting '{name}' must be a multiple of the 10 classes and at least 8 images a "
                f"class; got {size}."
            )
    every = s.classifier.every
    updates = {"classifier.updates": s.classifier.updates, "pilot.first": s.pilot.first}
    for name, value in updates.items():
        if value % every:
            raise RunError(
                f"setting '{name}' must be a multiple of classifier.every, {every}; got {value}."
            )
    if datasets.n_classes(s.dataset) != 10:
        raise RunError(f"setting 'dataset' must have ten classes; got '{s.dataset}'.")


@dataclass(frozen=True)
class OnOasis(Larger):
    """A claim that nobody can decide who does not have OASIS."""

    def decide(self, frame, listed):
        found = super().decide(frame, listed)
        return found if found.n else replace(found, reason="data cannot be had")


def of_brains(name):
    """Claim 5: 2,000 images of the manifold a class beside the raw brains, for a classifier."""
    return {
        "value": "balanced_accuracy",
        "better": row("rhvae_manifold", BOTH, 2000),
        "worse": row(RAW, RAW),
        "where": {"kind": "classify_brains", "dataset": "oasis", "classifier": name},
    }


TABLE = {"kind": "classify", "dataset": "mnist", "split": "balanced"}
AT_2000 = {**TABLE, "training_set": ALONE, "number": 2000}
BOTH_SPLITS = {**AT_2000, "split": ["unbalanced", "balanced"]}
VAE, RHVAE, MANIFOLD = ({"method": method} for method in TABLE2)
# The paper's patience ends training; only a class that our `passes` end must have settled.
SETTLED = Gate("settled", 0.99, "loss where `passes` end training, relative to a tenth earlier,")
TRAINED = {"gates": (*GATES, SETTLED), "images": "classes"}
CLAIMS = (
    Larger("1", "accuracy", MANIFOLD, VAE, {**AT_2000, "number": 200}, **TRAINED),
    Larger(
        "2", "accuracy", MANIFOLD, VAE, {**TABLE, "training_set": BOTH, "number": 200}, **TRAINED
    ),
    Larger("3", "accuracy", row("rhvae_manifold", ALONE, 2000), row(RAW, RAW), TABLE, **TRAINED),
    SmallerGain("4", "accuracy", MANIFOLD, VAE, BOTH_SPLITS, over="split", **TRAINED),
    *(OnOasis(f"5{id_}", **of_brains(name)) for id_, name in zip("abc", CLASSIFIERS, strict=True)),
    NotLarger("6", "accuracy", row("augmented", BOTH, 10), row(RAW, RAW), TABLE, **TRAINED),
    NotLarger("7", "accuracy", RHVAE, VAE, AT_2000, **TRAINED),
)
