"""Reading a frame: one row a finished cell, factors and values side by side."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def column(rows: pd.DataFrame, name: str) -> pd.Series:
    """The column of a name; where there is none, a gap in every row."""
    return rows[name] if name in rows else pd.Series(None, rows.index, dtype=object)


def select(frame: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """The rows whose factors have these values; a list allows each of its values, None a gap.

    A factor that the frame does not have is a gap in every row.
    """
    chosen = np.ones(len(frame), bool)
    for name, value in where.items():
        values = column(frame, name)
        wanted = value if isinstance(value, list | tuple) else [value]
        matches = values.isin([one for one in wanted if one is not None])
        if None in wanted:
            matches |= values.isna()
        chosen &= matches.to_numpy()
    return frame[chosen]


def computed(frame: pd.DataFrame, kind: str, value: str) -> pd.DataFrame:
    """The cells of a kind that have a value."""
    rows = select(frame, {"kind": kind})
    return rows[column(rows, value).notna()]


def by_seed(frame: pd.DataFrame, value: str, where: dict[str, Any]) -> pd.Series:
    """One number a seed: `value` of the rows that `where` selects.

    Where a factor has a list, the mean over the list; a seed that lacks one of its values, or has
    NaN for it, is left out.

    Raises:
        ValueError: if a seed has two rows of the same factors in `where`: it must say more.
    """
    over = {name: list(v) for name, v in where.items() if isinstance(v, list | tuple)}
    rows = select(frame, where)
    if not len(rows) or value not in rows:
        return pd.Series(dtype=float)
    rows = rows.assign(**{value: pd.to_numeric(rows[value], errors="coerce")})
    if rows.duplicated(["seed", *over]).any():
        raise ValueError(f"{where} selects several cells of one seed; name more factors.")
    values = rows.dropna(subset=value).groupby("seed")[value]
    whole = values.size() == math.prod(map(len, over.values()))
    return values.agg(lambda runs: runs.to_numpy().mean())[whole]
