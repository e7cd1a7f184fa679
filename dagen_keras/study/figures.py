"""Figures of the three kinds that studies share: sheets of images, curves, values by a factor."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from dagen_keras import plots
from dagen_keras.study.packing import picture
from dagen_keras.study.report import Figure


def sheet(name: str, rows: pd.DataFrame, titles: Sequence[str], column: str = "png") -> Figure:
    """Packed pictures of cells side by side, each under its title."""
    chosen = [
        (title, packed)
        for title, packed in zip(titles, rows.get(column, ()), strict=False)
        if isinstance(packed, str)
    ]

    def draw():
        return plots.pictures({title: picture(packed) for title, packed in chosen})

    return Figure(name, draw=draw if chosen else None)


def curves(
    name: str,
    rows: pd.DataFrame,
    x: str,
    y: str,
    line: str,
    labels: tuple[str, str],
    scale: float = 1.0,
    log_x: bool = False,
) -> Figure:
    """Columns x and y hold a list each: thin a curve a cell, thick the mean of each `line`."""

    def draw():
        figure, axis = plt.subplots(figsize=(6.5, 4))
        for number, (title, group) in enumerate(rows.groupby(line, sort=False)):
            color = _color(number)
            for _, cell in group.iterrows():
                axis.plot(cell[x], scale * np.array(cell[y]), color=color, alpha=0.3, linewidth=1)
            mean = scale * np.mean(group[y].tolist(), axis=0)
            axis.plot(group[x].iloc[0], mean, "o-", color=color, markersize=3, label=title)
        if log_x:
            _log_axis(axis, rows[x].iloc[0])
        return _finish(figure, axis, labels)

    return Figure(name, draw=draw if len(rows) and y in rows else None)


def by_factor(
    name: str,
    rows: pd.DataFrame,
    x: str,
    value: str,
    line: str,
    labels: tuple[str, str],
    scale: float = 1.0,
    log_x: bool = False,
    reported: pd.DataFrame | None = None,
) -> Figure:
    """A value against a factor: a dot a cell, a line through the means of each `line`.

    `reported`, if given, has the paper's values: x as index, a column for each line; dotted.
    """

    def draw():
        figure, axis = plt.subplots(figsize=(6.5, 4))
        for number, (title, group) in enumerate(rows.groupby(line, sort=False)):
            color, values = _color(number), scale * pd.to_numeric(group[value])
            axis.plot(group[x], values, "o", color=color, alpha=0.4, markersize=4)
            mean = values.groupby(group[x]).mean()
            axis.plot(mean.index, mean, "-", color=color, label=title)
            if reported is not None and title in reported:
                axis.plot(reported.index, reported[title], "s:", color=color, markersize=4)
        if log_x:
            _log_axis(axis, rows[x])
        return _finish(figure, axis, labels)

    return Figure(name, draw=draw if len(rows) and value in rows else None)


def _color(number):
    return plots.COLORS[number % len(plots.COLORS)]


def _log_axis(axis, values):
    ticks = sorted(set(values))
    axis.set_xscale("log")
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()


def _finish(figure, axis, labels):
    axis.set_xlabel(labels[0])
    axis.set_ylabel(labels[1])
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return figure
