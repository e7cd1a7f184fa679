"""The report of Garay-Maestre et al., from a run's frame."""

from dagen_keras import datasets
from dagen_keras.papers.garay_maestre.claims import claims
from dagen_keras.papers.garay_maestre.errata import errata
from dagen_keras.papers.garay_maestre.figures import figures
from dagen_keras.papers.garay_maestre.scores import scores_of
from dagen_keras.papers.garay_maestre.tables import released_table, table2, table3
from dagen_keras.runs.paper import Report


def report(frame, parameters):
    """A `Report` of whatever cells are there."""
    data = datasets.title(parameters["dataset"])
    scores = scores_of(frame, "Table 2")
    levels = scores_of(frame, "Fig. 3")
    released = scores_of(frame, "Released protocol")
    return Report(
        data=data,
        tables=[
            table2(scores, data, parameters["max_epochs"]),
            table3(scores, data),
            released_table(scores, released, data),
        ],
        figures=figures(frame, scores, levels, released, data),
        claims=claims(scores, levels),
        errata=errata(frame, scores, released),
    )
