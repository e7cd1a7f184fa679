"""The report of Akula et al., from a run's frame."""

from dagen_keras import datasets
from dagen_keras.papers.akula.claims import claims
from dagen_keras.papers.akula.errata import errata
from dagen_keras.papers.akula.figures import figures
from dagen_keras.papers.akula.grid import CLASSES
from dagen_keras.papers.akula.scores import (
    classified,
    drawn_of,
    effects_of,
    selections_of,
    together_of,
)
from dagen_keras.papers.akula.tables import (
    accuracy_table,
    all_classes_table,
    calibration_table,
    chain_table,
    samples_table,
)
from dagen_keras.papers.legacy import Report


def report(frame, parameters):
    """A `Report` of whatever cells are there."""
    names = CLASSES[parameters["dataset"]]
    # What was read, which may be a part of the dataset.
    title = datasets.title(parameters["dataset"])
    whole = ", ".join(frame["data"].unique()) if len(frame) else title
    data = f"{title} ({' and '.join(names)})"
    space = f"classifier of {whole}"
    runs, drawn, together = classified(frame), drawn_of(frame), together_of(frame)
    selections = selections_of(frame)
    return Report(
        data=data,
        tables=[
            accuracy_table(runs, data, parameters),
            samples_table(drawn, data, space),
            chain_table(selections, data, space),
            calibration_table(drawn, names, data),
            all_classes_table(together, selections, whole, space, parameters),
        ],
        figures=figures(runs, drawn, selections, together, effects_of(frame), names, data, space),
        claims=claims(runs, drawn, selections, together, space),
        errata=errata(runs, drawn),
    )
