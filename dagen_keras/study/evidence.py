"""Sentences with numbers for errata: what was measured, from how many runs."""

import collections
import string
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dagen_keras.evaluate.signed_rank import hodges_lehmann
from dagen_keras.study.frame import by_seed


class NotYet:
    """A fact that no finished cell gives yet, in whatever format it is asked for."""

    def __format__(self, spec):
        return "not computed yet"


def filled(text: str, facts: Mapping[str, Any]) -> str:
    """A text with facts in its blanks; a blank without a fact says that it is not computed yet.

    A text none of whose blanks has a fact yet is only that.
    """
    blanks = {name for _, name, _, _ in string.Formatter().parse(text) if name}
    if blanks and all(isinstance(facts.get(name, NotYet()), NotYet) for name in blanks):
        return "Not computed yet."
    return text.format_map(collections.defaultdict(NotYet, facts))


def difference(
    frame: pd.DataFrame,
    value: str,
    first: dict[str, Any],
    second: dict[str, Any],
    unit: str,
    scale: float = 100.0,
) -> str | NotYet:
    """ "+1.2 points (95 % interval 0.3 to 2.1; 8 seeds)" of two groups of cells.

    Args:
        frame: a study's.
        value: the column that is compared, seed by seed: `first` minus `second`.
        first, second: factors of the two groups.
        unit: of the difference times `scale`.
    """
    found = scale * (by_seed(frame, value, first) - by_seed(frame, value, second)).dropna()
    if found.empty:
        return NotYet()
    estimate, low, high = hodges_lehmann(found)
    interval = f"95 % interval {low:.1f} to {high:.1f}; " if np.isfinite(low) else ""
    return f"{estimate:+.1f} {unit} ({interval}{count(len(found), 'seed')})"


def count(n: int, thing: str) -> str:
    """ "1 seed", "8 seeds"."""
    return f"{n} {thing}{'' if n == 1 else 's'}"
