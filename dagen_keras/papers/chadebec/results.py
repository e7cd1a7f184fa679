"""The report of Chadebec and Allassonniere, from a run's frame."""

from dagen_keras import datasets
from dagen_keras.papers.chadebec.claims import claims
from dagen_keras.papers.chadebec.errata import errata
from dagen_keras.papers.chadebec.figures import figures
from dagen_keras.papers.chadebec.scores import table2_scores, table3_scores
from dagen_keras.papers.chadebec.tables import (
    generation_table,
    samplers_table,
    table1,
    table2,
    table3,
)
from dagen_keras.papers.legacy import Report


def report(frame, parameters):
    """A `Report` of whatever cells are there."""
    brains = {"oasis": "OASIS", "phantoms": "generated phantoms"}[parameters["brains"]]
    scores, brain_scores = table2_scores(frame), table3_scores(frame)
    geometry = frame[frame["table"] == "Fig. 1"]
    return Report(
        data=f"{datasets.title(parameters['dataset'])} and {brains}",
        tables=[
            table1(frame, brains),
            table2(scores, parameters),
            table3(brain_scores, brains),
            samplers_table(geometry),
            generation_table(frame, brains),
        ],
        figures=figures(frame, brains),
        claims=claims(scores, brain_scores),
        errata=errata(geometry),
    )
