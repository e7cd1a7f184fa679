"""Chen and Liu: settings, grid and claims of the protocol, version 2."""

import itertools
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from dagen_keras import datasets
from dagen_keras.checks import RunError
from dagen_keras.study.cells import Grid, cell
from dagen_keras.study.claims import Decided, Decision, Larger, Shown, SmallerGain
from dagen_keras.study.frame import column, select
from dagen_keras.study.judge import GATES, Judging
from dagen_keras.study.pilot import SEEDS, Pilot
from dagen_keras.study.settings import Count, Positive, Precision, Rate, Settings, Several

VERSION = 2
METHODS = {  # Divergence, and the heads that end in min(0, x).
    "KL": ("kl", ()),
    "W": ("wasserstein2", ("mean", "log_var")),
    "W free": ("wasserstein2", ()),
    "W log-variance": ("wasserstein2", ("log_var",)),
}
SEARCHED = ("KL", "W", "W free")  # The other takes W's lambda.
SPACES = ("hidden", "pooled", "pixels")
FIDS = [f"fid_{space}" for space in SPACES]
LATENT_DIM, HIDDEN = 16, (512, 256)  # Three layers each way; the paper gives no widths.
ROUNDING = 1e-3  # A larger T is more than rounding, which decides where a posterior is the prior.
SEARCH_SEED = SEEDS[0]
Name = Literal[datasets.NAMES]


class Images(Settings):
    """All training images train but these, which are the pilot's and the gate's."""

    reserve: Positive = 2000


class Vae(Settings):
    epochs: Positive = 15


class Long(Settings):
    """How far KL and W go on with the first dataset, for claim 6."""

    epochs: Positive = 60


class Search(Settings):
    """The lambdas; `refine` adds two beside the best, or beyond an edge."""

    weights: Several[Rate] = (0.05, 0.2, 0.8, 3.2, 12.8)
    refine: bool = True


class Fid(Settings):
    """Generated images, and real ones at most; more than the five neighbours looked at."""

    images: Annotated[int, Field(ge=6)] = 10_000


class Augmentation(Settings):
    """Table 2's images, of one VAE a class; few images need many passes (ours)."""

    generated: Positive = 10_000
    passes: Positive = 150


class Classifier(Settings):
    """One training, scored at equal epochs (the paper's), equal updates (the pilot's), early.

    2,000 is the pilot's (ledger lines e87bfb590c75e5ca, c76727e5b5231d9a, bcb0dc80629d0252, ...).
    """

    epochs: Positive = 15
    updates: Positive = 2000
    looked_at: Several[Positive] = (5, 10, 50, 200, 2000)
    test_images: Positive = 3000
    precision: Precision = "float32"


class Protocol(Settings):
    """The `overnight` profile. The first dataset has Table 2 and the long runs too."""

    datasets: Several[Name] = ("mnist", "fashion_mnist")
    seeds: Positive = 8
    heads_seeds: Count = 3
    pilot_seeds: Count = 2
    sizes: Several[Positive] = (250, 1000, 10_000)
    images: Images = Images()
    vae: Vae = Vae()
    long: Long = Long()
    search: Search = Search()
    fid: Fid = Fid()
    augmentation: Augmentation = Augmentation()
    classifier: Classifier = Classifier()
    pilot: Pilot = Pilot(size=1000, doublings=4)
    judging: Judging = Judging()


_DIGITS = {"datasets": ("digits",), "seeds": 1}
PROFILES = {
    "smoke": Protocol(
        **_DIGITS,
        heads_seeds=1,
        pilot_seeds=1,
        sizes=(100,),
        images=Images(reserve=20),
        vae=Vae(epochs=2),
        long=Long(epochs=3),
        search=Search(weights=(0.5,)),
        fid=Fid(images=100),
        augmentation=Augmentation(generated=20, passes=2),
        classifier=Classifier(epochs=1, updates=3, looked_at=(1, 2), test_images=20),
        pilot=Pilot(size=100, first=1, doublings=1),
        judging=Judging(updates=2),
    ),
    "quick": Protocol(
        **_DIGITS,
        heads_seeds=0,
        pilot_seeds=0,
        sizes=(250,),
        images=Images(reserve=90),
        vae=Vae(epochs=22),
        long=Long(epochs=25),
        search=Search(weights=(0.4,), refine=False),
        fid=Fid(images=300),
        augmentation=Augmentation(generated=250, passes=14),
        classifier=Classifier(epochs=10, updates=50, looked_at=(5, 20), test_images=300),
        judging=Judging(updates=100),
    ),
    "overnight": Protocol(),
    "paper": Protocol(seeds=16, sizes=(10_000, 20_000, 58_000)),
}


def cells(s, frame):
    """Real images and the search, then the claims' cells seed by seed, then what is shown."""
    if s.long.epochs <= s.vae.epochs:
        raise RunError(
            f"setting 'long.epochs' must be above vae.epochs, {s.vae.epochs}; got {s.long.epochs}."
        )
    grid, best, first = Grid(), {}, s.datasets[0]
    scoring = {"images": s.images, "fid": s.fid, "judging": s.judging}

    def add(kind, seed, dataset, **parts):
        grid.append(cell(kind, seed=seed, dataset=dataset, **parts))

    def run(kind, seed, dataset, method, weight):
        goes_on = kind == "final" and dataset == first and method in ("KL", "W")
        parts = {"method": method, "weight": weight, "vae": s.vae, **scoring}
        if weight is not None:
            add(kind, seed, dataset, **parts, **({"long": s.long} if goes_on else {}))

    def classify(kind, seed, method, size, **parts):
        if method != "none":
            parts |= {"weight": best[first, method], "augmentation": s.augmentation}
            parts |= {"judging": s.judging} if kind == "table2" else {}
        add(kind, seed, first, method=method, train_size=size, images=s.images, **parts)

    for dataset in s.datasets:
        add("floor", 0, dataset, **scoring)
    for dataset, method in itertools.product(s.datasets, SEARCHED):
        weights, best[dataset, method] = searched(s.search, frame, dataset, method)
        for weight in weights:
            run("search", SEARCH_SEED, dataset, method, weight)
    for seed, (place, weight) in itertools.product(range(s.seeds), best.items()):
        run("final", seed, *place, weight)
    methods = [method for method in ("KL", "W") if best[first, method] is not None]
    methods = ["none", *methods] if methods else []
    for seed, method in itertools.product(SEEDS[: s.pilot_seeds], methods):
        classify("pilot", seed, method, s.pilot.size, pilot=s.pilot)
    for seed, size, method in itertools.product(range(s.seeds), s.sizes, methods):
        classify("table2", seed, method, size, classifier=s.classifier)
    for seed, dataset in itertools.product(range(s.heads_seeds), s.datasets):
        run("final", seed, dataset, "W log-variance", best[dataset, "W"])
    return grid


def searched(search, frame, dataset, method):
    """The lambdas of a search as far as they are known, and the best of them once all are done."""
    where = {"kind": "search", "dataset": dataset, "method": method}
    fids = select(frame, where).reindex(columns=["weight", *FIDS]).set_index("weight").astype(float)
    weights = list(search.weights)
    if search.refine and fids.index.isin(weights).sum() == len(weights):
        start = best_weight(fids[fids.index.isin(weights)])
        weights += beside(start, weights) if start is not None else []
    done = set(weights) <= set(fids.index)
    return weights, best_weight(fids) if done else None


def best_weight(fids):
    """The lambda, `fids`' index, of the lowest mean rank over spaces; None if no run is finite.

    Of equal ranks the one of the lowest geometric mean FID.
    """
    fids = fids.dropna()
    if fids.empty:
        return None
    ranks, logs = fids.rank().mean(axis=1), np.log(fids.clip(lower=1e-12)).mean(axis=1)
    return min(map(float, fids.index), key=lambda weight: (ranks[weight], logs[weight]))


def beside(best, weights):
    """The geometric means of the best lambda and its neighbours; four times beyond an edge."""
    below = max((w for w in weights if w < best), default=best / 16)
    above = min((w for w in weights if w > best), default=best * 16)
    return [float(f"{np.sqrt(best * other):.6g}") for other in (below, above)]


@dataclass(frozen=True)
class InEachSpace:
    """FID of a method against KL's; the verdict is the one that all three feature spaces give.

    The numbers are those of the least favourable space, which `gate` names; p is the largest.
    """

    id: str
    dataset: str
    method: str
    form: type = Larger
    kept_only: bool = False  # Without the runs that T excludes.

    def claims(self):
        """The claim in each space, by its name."""
        kept = {"kept": True} if self.kept_only else {}
        where = {"kind": "final", "dataset": self.dataset, **kept}
        ours, theirs = {"method": self.method}, {"method": "KL"}
        settings = {"difference": lambda w, kl: 1 - w / kl, "gates": GATES}
        return {s: self.form(self.id, f"fid_{s}", ours, theirs, where, **settings) for s in SPACES}

    def sides(self):
        return self.claims()["hidden"].sides()

    def each(self, frame, listed):
        """What each space says."""
        return {space: claim.decide(frame, listed) for space, claim in self.claims().items()}

    def decide(self, frame, listed):
        found = self.each(frame, listed)
        space = min(found, key=lambda name: np.nan_to_num(found[name].estimate, nan=np.inf))
        p_values = [one.p_value for one in found.values() if one.p_value is not None]
        least = replace(found[space], p_value=max(p_values, default=None))
        if len({(one.verdict, one.reason) for one in found.values()}) > 1:
            least = replace(least, verdict="not decided", reason="differs between feature spaces")
        gate = [least.gate, f"numbers of the feature space '{space}'" if least.n else ""]
        looks = max(one.looks for one in found.values())
        return replace(least, gate="; ".join(filter(None, gate)), looks=looks)

    def wants_second_look(self, frame, listed):
        """Whether more seeds can make the spaces that are open agree with those that are not."""
        found = [(claim, claim.decide(frame, listed).verdict) for claim in self.claims().values()]
        open_ = [claim for claim, verdict in found if verdict == "not decided"]
        agree = len({verdict for _, verdict in found} - {"not decided"}) <= 1
        return bool(open_) and agree and all(c.wants_second_look(frame, listed) for c in open_)


def counterexample(frame, listed):
    """Claim 5 falls with one training image of which every sigma <= 1 and T > 0."""
    rows = select(frame, {"kind": ["search", "final"]})
    largest = pd.to_numeric(column(rows, "narrow_t")).dropna()
    fell = largest.max() > ROUNDING
    return Decided.of(
        listed,
        verdict="contradicted" if fell else "not decided",
        reason="" if fell else "too few seeds",
        estimate=float(largest.max()) if len(largest) else None,
        n=len(largest),
    )


TABLE2 = {"kind": "table2", "dataset": "mnist"}
AT_10_000 = {**TABLE2, "train_size": 10_000}
AT_BOTH = {**TABLE2, "train_size": [250, 10_000]}
NONE, KL, W = ({"method": method} for method in ("none", "KL", "W"))
BY_IMAGE = {"gates": GATES, "images": "classes"}
LONG = (replace(GATES[0], value="long_reconstructed"), *GATES[1:])
CLAIMS = (
    InEachSpace("1", "mnist", "W"),
    InEachSpace("1x", "mnist", "W", Shown, kept_only=True),
    InEachSpace("1f", "mnist", "W free"),
    InEachSpace("2", "fashion_mnist", "W"),
    InEachSpace("2x", "fashion_mnist", "W", Shown, kept_only=True),
    InEachSpace("2f", "fashion_mnist", "W free"),
    Larger("3a", "accuracy", W, KL, AT_10_000, **BY_IMAGE),
    Larger("3b", "accuracy", KL, NONE, AT_10_000, **BY_IMAGE),
    SmallerGain("4", "accuracy", W, NONE, AT_BOTH, over="train_size", **BY_IMAGE),
    Decision("5", counterexample),
    Larger("6", "converged", KL, W, {"kind": "final", "dataset": "mnist"}, scale=1, gates=LONG),
)
