"""The pilot: how many updates are enough, on training images that no cell uses."""

import numpy as np
import pandas as pd

from dagen_keras.study.figures import figure_of
from dagen_keras.study.frame import computed
from dagen_keras.study.report import Figure, Table
from dagen_keras.study.settings import Count, Positive, Settings

SEEDS = (1000, 1001)  # Of pilots, as of searches: seeds that no claim uses.


class Pilot(Settings):
    """Training images of the search, its first number of updates, how often that is doubled."""

    size: Positive = 100
    first: Positive = 250
    doublings: Count = 3

    @property
    def marks(self) -> list[int]:
        """The numbers of updates that are looked at."""
        return [self.first * 2**n for n in range(self.doublings + 1)]


def pilot_table(
    frame: pd.DataFrame, value: str, what: str, data: str, falls: bool = False
) -> Table:
    """Mean of `value` (a list a cell) by `updates`, and what twice as many add.

    A share is to rise: the budget is the smallest number of updates at which twice as many add
    less than half a point to the mean of every method. What `falls`, FID, is to fall: by less than
    5 %. If there is no such number, it is the largest, and what it gives is not converged.
    """
    rows, found, says = computed(frame, "pilot", value), pd.DataFrame(), ""
    if falls:
        scale, unit, limit, heading = 1, what, 5, "twice as many lower it at most, %"
        rule = f"lower the mean of every method by less than {limit} %"
    else:
        scale, unit, limit, heading = 100, f"{what}, %", 0.5, "twice as many add at most"
        rule = f"add less than {limit} points to the mean of every method"
    if len(rows):
        means = pd.DataFrame(
            {
                method: scale * np.mean(group[value].tolist(), axis=0)
                for method, group in rows.groupby("method", sort=False)
            },
            index=pd.Index(rows["updates"].iloc[0], name="updates"),
        )
        twice = means.shift(-1)
        gains = 100 * (1 - twice / means) if falls else twice - means
        found = means.assign(**{heading: gains.max(axis=1)})
        found["enough"] = np.where(gains.notna().all(axis=1), gains.max(axis=1) < limit, None)
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
        f"{unit} on images of the training partition that no cell uses; mean over seeds",
        found,
        f"The budget is the smallest number of updates at which twice as many {rule}{says}.",
    )


def pilot_figure(
    frame: pd.DataFrame, value: str, what: str, data: str, falls: bool = False
) -> Figure:
    """Curves of the same; thin a run, thick the mean of a method."""
    return figure_of(
        "pilot_curves",
        frame,
        f"The pilot, {what} on images that no cell uses, by updates; thin a run, thick the mean. "
        f"{data}.",
        form="curves",
        where={"kind": "pilot"},
        x="updates",
        y=value,
        line="{method}",
        labels=("updates", what if falls else f"{what}, %"),
        scale=1 if falls else 100,
        log_x=True,
    )
