"""The report of Chen and Liu, from a run's frame."""

import pandas as pd

from dagen_keras import datasets
from dagen_keras.papers.chen_liu.claims import claims
from dagen_keras.papers.chen_liu.errata import errata
from dagen_keras.papers.chen_liu.figures import figures
from dagen_keras.papers.chen_liu.grid import datasets_of
from dagen_keras.papers.chen_liu.scores import accuracies, runs_of
from dagen_keras.papers.chen_liu.tables import (
    convergence_table,
    first_updates_table,
    heads_table,
    search_table,
    table1,
    table2,
)
from dagen_keras.runs.paper import Report


def report(frame, parameters):
    """A `Report` of whatever cells are there. The first feature space decides the claims."""
    sets = [datasets.title(name) for name in datasets_of(parameters)]
    data = " and ".join(sets)
    scores = accuracies(frame)
    floor = frame[frame["table"] == "Floor"]
    tables, by_space = [], {}
    for space in parameters["feature_spaces"]:
        runs, search = runs_of(frame, "Table 1", space), runs_of(frame, "Search", space)
        heads = pd.concat([runs, *(runs_of(frame, name, space) for name in ("Heads", "Schedule"))])
        by_space[space] = runs, search, heads
        tables += [
            table1(runs, floor, data, space),
            search_table(search, data, space),
            heads_table(heads, data, space),
        ]
    first_space = parameters["feature_spaces"][0]
    runs, search, heads = by_space[first_space]
    baseline = first_updates_table(frame, data)
    tables += [table2(scores, data, parameters), baseline, convergence_table(runs, data)]
    return Report(
        data=data,
        tables=tables,
        figures=figures(frame, runs, search, data, first_space),
        claims=claims(runs, scores, sets, first_space),
        errata=errata(runs, search, heads, baseline.frame, first_space),
    )
