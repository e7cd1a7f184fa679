"""The forms that studies of papers share, from settings and cells to claims, tables and figures."""

from dagen_keras.study.bench import Bench
from dagen_keras.study.cells import Cell, cell
from dagen_keras.study.claims import (
    Comparison,
    Decided,
    Decision,
    Exceeds,
    Gate,
    Larger,
    Listed,
    NotLarger,
    NotWorse,
    Shown,
    SmallerGain,
    Within,
)
from dagen_keras.study.report import Erratum, Figure, Report, Table
from dagen_keras.study.settings import Settings
from dagen_keras.study.study import PROFILES, Study

__all__ = [
    "PROFILES",
    "Bench",
    "Cell",
    "Comparison",
    "Decided",
    "Decision",
    "Erratum",
    "Exceeds",
    "Figure",
    "Gate",
    "Larger",
    "Listed",
    "NotLarger",
    "NotWorse",
    "Report",
    "Settings",
    "Shown",
    "SmallerGain",
    "Study",
    "Table",
    "Within",
    "cell",
]
