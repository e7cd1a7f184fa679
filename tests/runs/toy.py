"""A paper whose cells take no time: squares, and one that fails when told to."""

import os
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from dagen_keras.runs import Cell, Claim, Erratum, Figure, Paper, Parameter, Report, Table


def cells(parameters):
    return [
        Cell("Squares", f"n {n}", "square", seed, "digits", {"n": n}, cost=2.0)
        for seed in range(parameters["seeds"])
        for n in parameters["numbers"]
    ] + [Cell("Again", "n 1", "square", 0, "digits", {"n": parameters["numbers"][0]}, cost=2.0)]


def compute(parameters, seed, data):
    trouble = os.environ.get("TOY_TROUBLE", "").split(":")
    if trouble[0] == str(parameters["n"]):
        if trouble[1] == "nan":
            return {"square": float("nan")}
        if trouble[1] == "numpy":
            return {"square": np.float32(1)}
        if trouble[1] == "interrupt":
            raise KeyboardInterrupt
        if trouble[1] == "sleep":
            time.sleep(60)
        raise ValueError("told to fail")
    return {"square": parameters["n"] ** 2 + seed, "images": len(data.x_train)}


def draw():
    return plt.figure(figsize=(3, 2))


def report(frame, parameters):
    rows = frame.reindex(columns=["table", "row", "seed", "square"])
    return Report(
        data="bundled digits",
        tables=[Table("squares", "Squares of <numbers>", "units", pd.DataFrame(rows), "A note.")],
        figures=[Figure("empty", "Nothing to see.", draw)],
        claims=[Claim(1, "Squares grow", "By eye.", "not decided", p_value=float("nan"))],
        errata=[Erratum("None.", "Counted.")],
    )


PAPER = Paper(
    key="toy",
    title="Squares",
    reference="Nobody, 2026.",
    question="How large is a square?",
    notebook="99_toy.ipynb",
    protocol_version=1,
    parameters={
        "dataset": Parameter("digits", "the dataset", choices=("digits",)),
        "seeds": Parameter(2, "runs", minimum=1),
        "numbers": Parameter([1, 2, 3], "what is squared", minimum=0),
        "share": Parameter(0.5, "a share"),
        "name": Parameter("a", "a name"),
    },
    profiles={"quick": {"seeds": 1}},
    cells=cells,
    compute=compute,
    report=report,
)
