"""Running a study's grid of cells into a ledger, and reporting from it."""

from dagen_keras.checks import RunError
from dagen_keras.runs.ledger import Ledger
from dagen_keras.runs.lock import writer
from dagen_keras.runs.run import Run, default_results

__all__ = ["Ledger", "Run", "RunError", "default_results", "writer"]
