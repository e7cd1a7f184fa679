"""Guruswamy et al.: settings, grid and claims of the protocol, version 2."""

import itertools
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dagen_keras.evaluate import ALPHA
from dagen_keras.study.cells import Grid, cell
from dagen_keras.study.claims import Exceeds, Gate, Larger, Within
from dagen_keras.study.judge import GATES, Judging
from dagen_keras.study.pilot import SEEDS, Pilot
from dagen_keras.study.settings import All, Count, Positive, Precision, Rate, Settings, Several

VERSION = 2
# What fills up the sparse classes: which adversarial model, and how it is trained.
METHODS = {
    "none": {},
    "duplicates": {},
    "affine": {},
    "cgan": {"model": "cgan"},
    "acgan": {"model": "acgan"},
    "acgan_v1": {"model": "acgan", "real_share": 0.25},
    "acgan_v2": {"model": "acgan", "real_share": 0.75},
    "acgan_v3": {"model": "acgan", "real_share": "every third epoch"},
    "acgan_ali_v1": {"model": "acgan_on_ali"},
    "acgan_ali_v2": {"model": "acgan_on_ali", "from_ali": True},
    "ali_reconstructions": {"model": "ali"},
    "acgan_ali_v1_unmasked": {"model": "acgan_on_ali", "mask": False},
    "acgan_ali_v2_unmasked": {"model": "acgan_on_ali", "mask": False, "from_ali": True},
    "acgan_diffaugment": {"model": "acgan", "diff_augment": True},
}
TABLE1 = [name for name in METHODS if not name.endswith(("unmasked", "augment"))]
# Which of the paper's datasets each is, or stands for.
ROLES = {
    "fashion_mnist": "fashion_mnist",
    "mnist": "fashion_mnist",
    "digits": "fashion_mnist",
    "cifar100": "cifar100",
    "histopathology": "histopathology",
    "patches": "histopathology",
}
# The rows that a night computes of each, and of these what is trained on its images alone.
ROWS = {
    "fashion_mnist": [*TABLE1, "acgan_diffaugment"],
    "cifar100": ["none", "duplicates", "affine", "acgan", "acgan_v3"],
    "histopathology": ["none", "duplicates", "affine", "acgan"],
}
ALONE = {
    "fashion_mnist": ["cgan", "acgan", "acgan_v3", "acgan_ali_v1"],
    "cifar100": [],
    "histopathology": ["acgan"],
}
PILOTS = ["cgan", "acgan", "acgan_v3", "acgan_ali_v1"]
Method, Name = Literal[tuple(METHODS)], Literal[tuple(ROLES)]


class Images(Settings):
    """The images of a seed; `shrink` averages blocks of so many pixels a side.

    `reserve` training images stay out of it: of the data that stand for Fashion-MNIST, for the
    pilot and the judge. `classes` are drawn of CIFAR-100's, once for all seeds.
    """

    train: Annotated[int, Field(ge=50)] | All = 10_000
    classes: Annotated[int, Field(ge=5, le=100)] = 20
    reserve: Positive = 2000
    shrink: Positive = 1


class Gan(Settings):
    """All adversarial models (ours): Adam with beta_1 0.5; updates are rounded to epochs."""

    filters: Positive = 32
    latent_dim: Positive = 100
    batch: Annotated[int, Field(ge=4)] = 64
    rate: Rate = 2e-4
    updates: Positive = 7800


class Classifier(Settings):
    """The classifier: batch 64, Adam, looked at on validation images every so many updates.

    It stops after `patience` looks without a better loss, at the latest after `updates`, the same
    for every row, and keeps its best weights.
    """

    look_every: Positive = 125
    patience: Positive = 8
    updates: Positive = 5000
    precision: Precision = "float32"


class Protocol(Settings):
    """The `overnight` profile: what the claims need 8 times, what is shown 3 times."""

    datasets: Several[Name] = ("fashion_mnist", "cifar100", "histopathology")
    methods: Several[Method] = tuple(METHODS)
    everywhere: bool = False  # Every row on every dataset, as in Table I.
    seeds: Positive = 8
    shown_seeds: Count = 3
    pilot_seeds: Count = 2
    images: Images = Images()
    gan: Gan = Gan()
    patches_images: Images = Images(train="all")  # There are few of them.
    patches_gan: Gan = Gan(updates=2000)
    classifier: Classifier = Classifier()
    pilot: Pilot = Pilot(size=10_000, first=500, doublings=5)
    judging: Judging = Judging()


_BUNDLED = {"datasets": ("digits", "patches"), "seeds": 1, "shown_seeds": 1}
_SMOKE, _QUICK = Gan(filters=2, latent_dim=4, updates=3), Gan(filters=16, batch=32, rate=1e-3)
_FEW, _ALL = Images(train=100, reserve=40, shrink=2), Images(train="all", reserve=90, shrink=2)
PROFILES = {
    "smoke": Protocol(
        **_BUNDLED,
        pilot_seeds=1,
        images=_FEW,
        gan=_SMOKE,
        patches_images=_FEW,
        patches_gan=_SMOKE,
        classifier=Classifier(look_every=2, patience=1, updates=4),
        pilot=Pilot(size=100, first=1, doublings=1),
        judging=Judging(updates=2),
    ),
    "quick": Protocol(
        **_BUNDLED | {"datasets": ("digits",)},
        methods=("none", "duplicates", "affine", "acgan"),
        pilot_seeds=0,
        images=_ALL,
        gan=_QUICK.replace({"updates": 900}),
        patches_images=_ALL,
        patches_gan=_QUICK.replace({"updates": 150}),
        classifier=Classifier(look_every=25, patience=4, updates=200),
        judging=Judging(updates=100),
    ),
    "overnight": Protocol(),
    "paper": Protocol(
        everywhere=True,
        seeds=16,
        images=Images(train="all", classes=100),
        gan=Gan(filters=64, updates=40_000),
        patches_gan=Gan(filters=64, updates=40_000),
        classifier=Classifier(look_every=800, updates=80_000),
    ),
}


def cells(s, frame):
    """The pilot, then the claims' rows seed by seed, then what is shown."""
    grid = Grid()

    def add(kind, seed, dataset, method, **parts):
        role, how, images = ROLES[dataset], METHODS[method], s.images
        judged = kind == "pilot" or method == "ali_reconstructions"
        if role == "histopathology":
            images = s.patches_images
        if how:
            parts["gan"] = s.patches_gan if role == "histopathology" else s.gan
        if judged and role == "fashion_mnist":
            parts["judging"] = s.judging
        if "ali" in method:
            parts["shares"] = ("ali", seed, dataset)
        parts = {"images": images, **parts}
        grid.append(cell(kind, seed=seed, dataset=dataset, method=method, **parts))

    first = [d for d in s.datasets if ROLES[d] == "fashion_mnist"][:1]
    for seed, dataset, method in itertools.product(SEEDS[: s.pilot_seeds], first, PILOTS):
        if method in s.methods:
            images = s.images.replace({"train": s.pilot.size})
            add("pilot", seed, dataset, method, pilot=s.pilot, images=images)
    rows = [
        (dataset, method)
        for dataset, method in itertools.product(s.datasets, METHODS)
        if method in s.methods and (s.everywhere or method in ROWS[ROLES[dataset]])
    ]
    of_claims = [row for row in rows if row[1] not in SHOWN]
    shown = [row for row in rows if row[1] in SHOWN]
    for number, chosen in ((s.seeds, of_claims), (s.shown_seeds, shown)):
        for seed, (dataset, method) in itertools.product(range(number), chosen):
            alone = True if method in ALONE[ROLES[dataset]] else None
            add("fill", seed, dataset, method, synthetic_only=alone, classifier=s.classifier)
    return grid


@dataclass(frozen=True)
class Alike:
    """Claim 1: each of several methods within the margin of none.

    It is reproduced if each is, contradicted if one is at the level over their number. Methods
    whose models missed a gate are left out and named. The numbers are those of the method that
    differs most.
    """

    id: str
    value: str
    methods: tuple[str, ...]
    settings: dict

    def claims(self, alpha=ALPHA):
        """The claim of each method, by its name."""
        settings = {"worse": NONE, "where": FASHION, "alpha": alpha, **self.settings}
        return {m: Within(self.id, self.value, {"method": m}, **settings) for m in self.methods}

    def sides(self):
        return [side for claim in self.claims().values() for side in claim.sides()]

    def decide(self, frame, listed):
        found = {m: claim.decide(frame, listed) for m, claim in self.claims().items()}
        missed = [m for m, one in found.items() if one.reason == "gate missed"]
        kept = {m: one for m, one in found.items() if m not in missed}
        strictly = self.claims(ALPHA / max(1, len(kept)))
        against = [m for m in kept if strictly[m].decide(frame, listed).verdict == "contradicted"]
        open_ = [m for m, one in kept.items() if one.verdict != "reproduced"]
        method = max(
            against or open_ or kept or found, key=lambda m: np.nan_to_num(abs(found[m].estimate))
        )
        verdict = "contradicted" if against else "reproduced" if kept and not open_ else ""
        gate = [f"numbers of {method}" if found[method].n else "", found[method].gate]
        gate.append(f"left out: {', '.join(missed)}" if missed else "")
        return replace(
            found[method],
            verdict=verdict or "not decided",
            reason="" if verdict else found[method].reason or "too few seeds",
            gate="; ".join(filter(None, gate)),
            looks=max(one.looks for one in found.values()),
        )

    def wants_second_look(self, frame, listed):
        """Whether more seeds have an even chance to decide each method that is open."""
        found = [(claim, claim.decide(frame, listed)) for claim in self.claims().values()]
        open_ = [c for c, one in found if one.reason not in ("", "gate missed")]
        return bool(open_) and all(claim.wants_second_look(frame, listed) for claim in open_)


SHOWN = ["acgan_v1", "acgan_v2", "acgan_ali_v2", *(m for m in METHODS if m not in TABLE1)]
FASHION, CIFAR, PATCHES = (
    {"kind": "fill", "dataset": name} for name in ("fashion_mnist", "cifar100", "histopathology")
)
NONE, AFFINE, ACGAN, V3 = ({"method": m} for m in ("none", "affine", "acgan", "acgan_v3"))
ACGANS = {"method": ["acgan", "acgan_v3"]}
COPIES, AGAIN = {"method": "duplicates"}, {"method": "ali_reconstructions"}
DIVERSE = Gate("diversity", 0.5, "diversity of the least diverse class, relative to real images',")
TELLING = Gate(
    "alone",
    {"fashion_mnist": 0.7, "mnist": 0.95},
    "accuracy of a classifier of synthetic images alone",
)
FAITHFUL = Gate("reconstructed", 0.8, "reconstructions named by their class")
BY_IMAGE = {"gates": (DIVERSE,), "images": "classes"}
TRAINED = {"gates": (DIVERSE, TELLING), "images": "classes"}
CLAIMS = (
    Alike("1", "accuracy", ("affine", "cgan", "acgan", "acgan_v3", "acgan_ali_v1"), TRAINED),
    Larger("2a", "accuracy", AFFINE, NONE, CIFAR, **BY_IMAGE),
    Larger("2b", "accuracy", NONE, ACGANS, CIFAR, **BY_IMAGE),
    Larger("3", "accuracy", ACGAN, NONE, PATCHES, **BY_IMAGE),
    Larger("4", "accuracy", V3, ACGAN, FASHION, **TRAINED),
    Exceeds("5a", "above", ACGAN, where=FASHION, gates=(DIVERSE,)),
    Exceeds("5b", "above", ACGAN, where=PATCHES, gates=(DIVERSE,)),
    Within("6", "accuracy", AGAIN, COPIES, FASHION, gates=(FAITHFUL, GATES[1]), images="classes"),
)
