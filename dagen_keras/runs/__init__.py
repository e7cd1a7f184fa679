"""Running a paper's grid of cells into a ledger, and reporting from it."""

from dagen_keras.runs.ledger import Ledger
from dagen_keras.runs.lock import writer
from dagen_keras.runs.paper import (
    Cell,
    Claim,
    Erratum,
    Figure,
    Paper,
    Parameter,
    Report,
    RunError,
    Table,
    resolve_parameters,
)
from dagen_keras.runs.run import Run, default_results

__all__ = [
    "Cell",
    "Claim",
    "Erratum",
    "Figure",
    "Ledger",
    "Paper",
    "Parameter",
    "Report",
    "Run",
    "RunError",
    "Table",
    "default_results",
    "resolve_parameters",
    "writer",
]
