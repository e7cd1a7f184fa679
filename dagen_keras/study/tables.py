"""Tables of the one kind that most are: a group of cells, its mean, spread and n, the paper's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from dagen_keras.study.frame import select
from dagen_keras.study.report import Table


@dataclass(frozen=True)
class Summary:
    """A row for each group of cells: mean, standard deviation and n of a value over seeds.

    Attributes:
        name: of the table and its file.
        rows: the factors that make a row, by the titles of their columns.
        values: columns of the frame by the titles of the table; of the first the standard
            deviation and n are given too, of the others the mean.
        where: which cells.
        percent: columns of the frame that are shares and are shown in %.
        digits: decimals of all numbers.
        reported: gives the paper's number of a row (its factors, a Series), or None.
    """

    name: str
    rows: dict[str, str]
    values: dict[str, str]
    where: dict[str, Any] = field(default_factory=dict)
    percent: tuple[str, ...] = ()
    digits: int = 2
    reported: Callable[[pd.Series], float | None] | None = None

    def table(self, frame: pd.DataFrame) -> Table:
        """The table of the cells that are done; without rows where there are none."""
        cells = select(frame, self.where)
        factors = list(self.rows.values())
        cells = cells.assign(**{name: cells.get(name) for name in factors})
        rows = []
        for values, group in cells.groupby(factors, dropna=False, sort=False):
            own = pd.Series(values, factors)
            rows.append({**dict(zip(self.rows, own, strict=True)), **self._numbers(group, own)})
        found = pd.DataFrame(rows).dropna(axis=1, how="all")
        _, *others = self.values
        for name in (*self.rows, *others):  # Whole numbers stay whole, beside gaps too.
            if name in found and pd.api.types.is_float_dtype(found[name]):
                whole = found[name].dropna()
                if (whole == whole.round()).all():
                    found[name] = found[name].astype("Int64")
        note = "Mean, standard deviation (sd) and number (n) of runs."
        return Table(self.name, frame=found, note=note)

    def _numbers(self, group, own):
        (title, column), *others = self.values.items()
        value = self._column(group, column).dropna()
        mean = round(value.mean(), self.digits)
        found = {
            title: mean,
            "sd": round(value.std(), self.digits) if len(value) > 1 else np.nan,
            "n": len(value),
        }
        theirs = self.reported(own) if self.reported else None
        if theirs is not None:
            found |= {"paper": theirs, "ours - paper": round(mean - theirs, self.digits)}
        for title, column in others:
            found[title] = round(self._column(group, column).mean(), self.digits)
        return found

    def _column(self, group, name):
        values = pd.to_numeric(group.get(name, pd.Series(dtype=float)), errors="coerce")
        return values * (100 if name in self.percent else 1)
