"""Tables of the one kind that most are: a group of cells, its mean, spread and n, the paper's."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dagen_keras.study.frame import column, select
from dagen_keras.study.report import Table


def table_of(
    name: str,
    cells: pd.DataFrame,
    /,
    title: str,
    unit: str,
    note: str = "",
    where: Mapping[str, Any] | None = None,
    **form: Any,
) -> Table:
    """A `Table` of the cells that `where` selects: their `summary`, if it has a form."""
    cells = select(cells, where or {})
    if form:
        cells = summary(cells, **form)
        note = " ".join(["Mean, standard deviation (sd) and number (n) of runs.", note]).strip()
    return Table(name, title, unit, cells, note)


def summary(
    cells: pd.DataFrame,
    rows: Mapping[str, str],
    values: Mapping[str, str],
    percent: Sequence[str] = (),
    digits: int = 2,
) -> pd.DataFrame:
    """A row for each group of cells: mean, standard deviation and n of a value over seeds.

    A column `reported` of the cells is the paper's number for the first value, shown beside it
    with the difference. So is a value called "paper", without.

    Args:
        cells: a study's frame or part of it.
        rows: the factors that make a row, by the titles of their columns.
        values: columns of the frame by the titles of the table; of the first the standard
            deviation and n are given too, of the others the mean.
        percent: columns of the frame that are shares and are shown in %.
        digits: decimals of all numbers.
    """
    factors, found = list(rows.values()), []
    cells = cells.assign(**{name: column(cells, name) for name in factors})
    for group_of, group in cells.groupby(factors, dropna=False, sort=False):
        numbers = _numbers(group, values, percent, digits)
        found.append({**dict(zip(rows, group_of, strict=True)), **numbers})
    first, *others = values
    order = dict.fromkeys([*rows, first, "paper", "ours - paper", "sd", "n", *others])
    found = pd.DataFrame(found).filter(order).dropna(axis=1, how="all")
    numbers = found.filter([*rows, *others]).select_dtypes("float")
    return found.assign(**numbers.convert_dtypes(convert_floating=False))  # 3 beside a gap too.


def _numbers(group, values, percent, digits):
    def numbers(name):
        scale = 100 if name in percent else 1
        return scale * pd.to_numeric(column(group, name), errors="coerce").dropna()

    (title, first), *others = values.items()
    first, theirs = numbers(first), numbers("reported")
    mean = round(first.mean(), digits)
    found = {title: mean, "sd": round(first.std(), digits), "n": len(first)}
    if len(theirs):
        reported = theirs.iloc[0]
        found |= {"paper": reported, "ours - paper": round(mean - reported, digits)}
    return found | {title: round(numbers(name).mean(), digits) for title, name in others}
