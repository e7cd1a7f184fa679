"""Figures of the three kinds that studies share: sheets of images, curves, values by a factor.

What names a curve or a picture, `line` or `each`, is a text with a cell's factors in its blanks,
such as "{method}, {train_size:,.0f} images". Cells without the value are left out.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from dagen_keras import plots
from dagen_keras.study import packing
from dagen_keras.study.frame import column, select
from dagen_keras.study.report import Figure


def figure_of(
    name: str,
    rows: pd.DataFrame | Callable,
    caption: str,
    form: str | None = None,
    where: Mapping[str, Any] | None = None,
    **options: Any,
) -> Figure:
    """A `Figure` of the rows that `where` selects, in one of the `FORMS`, drawn with `options`.

    Without a form, `rows` is what draws it.
    """
    if form is None:
        return Figure(name, caption, rows)
    rows = select(rows, where or {})
    value = options.get("y", options.get("picture", "png"))
    rows = rows[column(rows, value).notna()]
    if form == "by_factor" and column(rows, options["x"]).nunique() == 1:
        caption += " One place on the horizontal axis has cells, so there is no line."
    return Figure(name, caption, (lambda: FORMS[form](rows, **options)) if len(rows) else None)


def sheet(
    rows: pd.DataFrame, each: str, picture: str = "png", columns: int | None = None
) -> plt.Figure:
    """Packed pictures of cells, a column, in rows of so many, `each` under its name."""
    shown = zip(_named(rows, each), rows[picture], strict=True)
    return plots.pictures({name: packing.picture(packed) for name, packed in shown}, columns)


def curves(
    rows: pd.DataFrame,
    y: str,
    line: str,
    labels: Sequence[str],
    x: str | None = None,
    scale: float = 1.0,
    log_x: bool = False,
) -> plt.Figure:
    """Columns x and y hold a list each: thin a curve a cell, thick the mean of each `line`.

    Without x, the entries of y are numbered from 1.
    """
    figure, axis = plt.subplots(figsize=(6.5, 4))
    at = rows[x] if x else rows[y].map(lambda values: list(range(1, 1 + len(values))))
    for name, group, color, style in _lines(rows, line):
        for index, values in group[y].items():
            values = scale * np.array(values)
            axis.plot(at[index], values, style, color=color, alpha=0.3, linewidth=1)
        mean = scale * np.mean(group[y].tolist(), axis=0)
        axis.plot(at[group.index[0]], mean, "o" + style, color=color, markersize=3, label=name)
    return _finish(figure, axis, labels, log_x, at.iloc[0] if log_x else None)


def by_factor(
    rows: pd.DataFrame,
    x: str,
    y: str,
    line: str,
    labels: Sequence[str],
    scale: float = 1.0,
    log_x: bool = False,
) -> plt.Figure:
    """y against a factor x: a dot a cell, a line through the means of each `line`.

    A column `reported` has the paper's values, not to be scaled; they are dotted.
    """
    figure, axis = plt.subplots(figsize=(6.5, 4))
    rows = rows.infer_objects()
    numeric = pd.api.types.is_numeric_dtype(rows[x])
    for name, group, color, style in _lines(rows, line):
        values = scale * pd.to_numeric(group[y])
        axis.plot(group[x], values, "o", color=color, alpha=0.4, markersize=4)
        mean = values.groupby(group[x], sort=numeric).mean()
        axis.plot(mean.index, mean, style, color=color, label=name)
        theirs = pd.to_numeric(column(group, "reported"))
        theirs = theirs.groupby(group[x], sort=numeric).first().dropna()
        if len(theirs):
            axis.plot(theirs.index, theirs, "s:", color=color, markersize=4)
    return _finish(figure, axis, labels, log_x, rows[x] if numeric else None)


FORMS = {"sheet": sheet, "curves": curves, "by_factor": by_factor}


def _named(rows, text):
    return pd.Series([text.format(**row) for row in rows.to_dict("records")], rows.index)


def _lines(rows, line):
    """Name, rows, colour and style of each line; colours that come again are dashed."""
    for number, (name, group) in enumerate(rows.groupby(_named(rows, line), sort=False)):
        again, color = divmod(number, len(plots.COLORS))
        yield name, group, plots.COLORS[color], "--" if again else "-"


def _finish(figure, axis, labels, log_x, ticks):
    if log_x:
        axis.set_xscale("log")
    if ticks is not None:
        ticks = sorted(set(ticks))
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
    axis.set_xlabel(labels[0])
    axis.set_ylabel(labels[1])
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return figure
