"""The pilot: how many updates are enough, on training images that no cell uses."""

import numpy as np
import pandas as pd

from dagen_keras.study.figures import figure_of
from dagen_keras.study.frame import column, select
from dagen_keras.study.report import Figure, Table
from dagen_keras.study.settings import Count, Positive, Settings

SEEDS = (1000, 1001)  # Of pilots, as of searches: seeds that no claim uses.
ENOUGH = 0.5  # Points: what twice as many updates may add to the method that gains most.


class Pilot(Settings):
    """Training images of the search, its first number of updates, how often that is doubled."""

    size: Positive = 100
    first: Positive = 250
    doublings: Count = 3


def pilot_table(frame: pd.DataFrame, value: str, what: str, data: str) -> Table:
    """Mean of `value` (a list a cell, a share) by `updates`, and what twice as many add.

    The budget is the smallest number of updates at which twice as many add less than half a point
    to the mean of every method. If none is, it is the largest, and what it gives is not converged.
    """
    rows, found, says = select(frame, {"kind": "pilot"}), [], ""
    rows = rows[column(rows, value).notna()]
    if len(rows):
        means = pd.DataFrame(
            {
                method: 100 * np.mean(group[value].tolist(), axis=0)
                for method, group in rows.groupby("method", sort=False)
            },
            index=pd.Index(rows["updates"].iloc[0], name="updates"),
        )
        gains = means.shift(-1) - means
        found = means.assign(**{"twice as many add at most": gains.max(axis=1)})
        found["enough"] = np.where(gains.notna().all(axis=1), gains.max(axis=1) < ENOUGH, None)
        found = found.round(2).reset_index()
        enough = found["updates"][found["enough"].eq(True)]
        says = (
            f": {enough.min():,}"
            if len(enough)
            else f": none here, so the largest, {found['updates'].max():,}: not converged"
        )
    return Table(
        "pilot",
        f"The pilot, which chose the number of updates: {data}",
        f"{what} on images of the training partition that no cell uses, %; mean over seeds",
        pd.DataFrame(found),
        "The budget is the smallest number of updates at which twice as many add less than "
        f"{ENOUGH} points to the mean of every method{says}.",
    )


def pilot_figure(frame: pd.DataFrame, value: str, what: str, data: str) -> Figure:
    """Curves of the same; thin a run, thick the mean of a method."""
    return figure_of(
        "pilot_curves",
        frame,
        f"The pilot, {what} on images that no cell uses by the classifier's updates; thin a run, "
        f"thick the mean. {data}.",
        form="curves",
        where={"kind": "pilot"},
        x="updates",
        y=value,
        line="{method}",
        labels=("updates", f"{what}, %"),
        scale=100,
        log_x=True,
    )
