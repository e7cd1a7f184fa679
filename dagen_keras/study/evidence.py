"""Sentences with numbers for errata: what was measured, from how many runs."""

import collections
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from dagen_keras.evaluate.signed_rank import hodges_lehmann
from dagen_keras.study.frame import by_seed, column


class NotYet:
    """A fact that no finished cell gives yet, in whatever format it is asked for."""

    def __format__(self, spec):
        return "not computed yet"


def filled(text: str, facts: Mapping[str, Any]) -> str:
    """A text with facts in its blanks; a blank without a fact says that it is not computed yet."""
    return text.format_map(collections.defaultdict(NotYet, facts))


def difference(
    frame: pd.DataFrame,
    value: str,
    first: dict[str, Any],
    second: dict[str, Any],
    unit: str,
) -> str | NotYet:
    """ "+1.2 points (95 % interval 0.3 to 2.1; 8 seeds)" of two groups of cells.

    Args:
        frame: a study's.
        value: the column that is compared, seed by seed: `first` minus `second`.
        first, second: factors of the two groups.
        unit: of 100 times the difference.
    """
    found = 100 * (by_seed(frame, value, first) - by_seed(frame, value, second)).dropna()
    if found.empty:
        return NotYet()
    estimate, low, high = hodges_lehmann(found)
    interval = f"95 % interval {low:.1f} to {high:.1f}; " if np.isfinite(low) else ""
    return f"{estimate:+.1f} {unit} ({interval}{count(len(found), 'seed')})"


def count(n: int, thing: str) -> str:
    """ "1 seed", "8 seeds"."""
    return f"{n} {thing}{'' if n == 1 else 's'}"


def spread(values: pd.Series) -> str:
    """ "1.50 (1.20 to 1.70 in 8 runs)"; one value has no range."""
    values = pd.to_numeric(values)
    span = f"{values.min():.2f} to {values.max():.2f} in " if len(values) > 1 else ""
    return f"{values.mean():.2f} ({span}{count(len(values), 'run')})"


def by_group(
    rows: pd.DataFrame,
    factors: list[str],
    values: pd.Series,
    say: Callable[[pd.Series], str] = spread,
) -> str | NotYet:
    """ "mnist, KL 1.50 (...); mnist, W 2.10 (...)": what `say` says of each group's values."""
    values = values.dropna()
    groups = values.groupby([column(rows, name) for name in factors], sort=False)
    parts = [f"{', '.join(map(str, names))} {say(own)}" for names, own in groups]
    return "; ".join(parts) or NotYet()
