"""The report of Guruswamy et al., from a run's frame."""

from dagen_keras import datasets
from dagen_keras.papers.guruswamy.claims import claims
from dagen_keras.papers.guruswamy.errata import errata
from dagen_keras.papers.guruswamy.figures import figures
from dagen_keras.papers.guruswamy.scores import runs_of
from dagen_keras.papers.guruswamy.tables import (
    ablation_table,
    collapse_table,
    recall_table,
    synthetic_table,
    table1,
)
from dagen_keras.papers.legacy import Report


def report(frame, parameters):
    """A `Report` of whatever cells are there."""
    data = " and ".join(datasets.title(name) for name in parameters["datasets"])
    runs = runs_of(frame)
    return Report(
        data=data,
        tables=[
            table1(runs, data, parameters),
            recall_table(runs, data),
            synthetic_table(runs, data),
            ablation_table(runs, data),
            collapse_table(runs, data),
        ],
        figures=figures(runs, data),
        claims=claims(runs),
        errata=errata(runs),
    )
