"""A study whose cells take no time: squares, and one that fails when told to."""

import os
import time
import uuid
from dataclasses import replace
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np

from dagen_keras.study import (
    Decided,
    Decision,
    Larger,
    Listed,
    Settings,
    Study,
    cell,
)
from dagen_keras.study.frame import column
from dagen_keras.study.settings import Count, Positive, Several


class Power(Settings):
    exponent: Positive = 2


class Protocol(Settings):
    dataset: Literal["digits"] = "digits"
    seeds: Positive = 2
    numbers: Several[Count] = (1, 2, 3)
    power: Power = Power()


def square(n, seed, s, **arguments):
    return cell("square", seed=seed, dataset=s.dataset, n=n, power=s.power, **arguments)


def cells(s, frame):
    """All squares, and the first one once more."""
    grid = [square(n, seed, s) for seed in range(s.seeds) for n in s.numbers]
    return [*grid, grid[0]]


def compute(c, bench):
    trouble = os.environ.get("TOY_TROUBLE", "").split(":")
    if trouble[0] == str(c.n):
        if trouble[1] == "nan":
            return {"square": float("nan")}
        if trouble[1] == "numpy":
            return {"square": np.float32(1)}
        if trouble[1] == "factor":
            return {"n": 99, "square": 1}
        if trouble[1] == "interrupt":
            raise KeyboardInterrupt
        if trouble[1] == "sleep":
            time.sleep(60)
        raise ValueError("told to fail")
    images = bench.data(c.dataset).x_train
    return {"square": c.n**c.power.exponent + c.seed, "images": len(images)}


def parts(frame):
    return {"squares": frame.reindex(columns=["n", "seed", "square"]), "empty": plt.figure}


STUDY = Study(
    key="toy",
    title="Squares",
    reference="Nobody, 2026.",
    question="How large is a square?",
    answer="The largest has {largest} units.",
    notebook="99_toy.ipynb",
    protocol_version=2,
    profiles={"quick": Protocol(seeds=1), "paper": Protocol()},
    cells=cells,
    compute={"square": compute},
    claims=[Decision("1", lambda frame, listed: Decided.of(listed, estimate=float("nan")))],
    listed={"1": Listed("toy", "1", "decision", "Squares grow", "units")},
    data=lambda s: "bundled digits",
    parts=parts,
    facts=lambda frame: {"largest": column(frame, "square").max()} if len(frame) else {},
    tables={"squares": {"title": "Squares of <numbers>", "unit": "units", "note": "A note."}},
    figures={"empty": {"caption": "Nothing to see."}},
    errata={"none": {"text": "None.", "evidence": "Counted."}},
)


# Ten times the number with the largest square, once all squares are known.
def follow_up(s, frame):
    first = [square(n, seed, s) for seed in range(s.seeds) for n in s.numbers]
    known = frame[frame["n"].isin(s.numbers)] if "n" in frame else frame
    if len(known) < len(first):
        return first
    n = 10 * int(known.loc[known["square"].idxmax(), "n"])
    return first + [square(n, seed, s) for seed in range(2)]


FOLLOWING = replace(STUDY, cells=follow_up)


# Cells of one seed share a fit, which says where and when it was made.
def shared(s, frame):
    grid = [(n, seed) for n in s.numbers for seed in range(s.seeds)]
    return [square(n, seed, s, shares=("fit", seed)) for n, seed in grid]


def fitted(c, bench):
    return {
        **compute(c, bench),
        "fit": bench.fitted(c.seed, lambda: f"{os.getpid()} {uuid.uuid4()}"),
    }


# Cells that take a second, and say which process computed them.
def slow(c, bench):
    time.sleep(1)
    return {**compute(c, bench), "process": os.getpid()}


SLOW = replace(STUDY, compute={"square": slow})
SHARED = replace(STUDY, cells=shared, compute={"square": fitted})


# Two claims; the difference of a claim's seeds is drawn around an effect of its own.
def pairs(s, frame):
    return [
        cell("drawn", seed=seed, dataset=s.dataset, claim=claim, side=side, serves=[claim])
        for seed in range(s.seeds)
        for claim in ("near", "far")
        for side in ("better", "worse")
    ]


def two_looks(near, far):
    """The study of two claims whose differences have these effects, in standard deviations."""
    effects = {"near": near, "far": far}

    def drawn(c, bench):
        noise = np.random.default_rng([c.seed, c.claim == "far"]).normal()
        return {"score": (effects[c.claim] + noise) * (c.side == "better")}

    def claim(name):
        sides = {"better": {"side": "better"}, "worse": {"side": "worse"}}
        return Larger(name, "score", **sides, where={"claim": name}, scale=1.0, smallest=0.1)

    return replace(
        STUDY,
        profiles={"quick": Protocol(seeds=8)},
        cells=pairs,
        compute={"drawn": drawn},
        claims=[claim("near"), claim("far")],
        listed={name: Listed("toy", name, "larger", name, "units") for name in effects},
        tables={},
        figures={},
    )
