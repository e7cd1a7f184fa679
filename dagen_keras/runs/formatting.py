"""How numbers, durations and the columns of a table are shown to a reader."""

import collections

import numpy as np
import pandas as pd

MISSING, MOST_DECIMALS = "–", 4


def number(value, digits=3):
    """Three significant digits, or all before the point: "0.642", "-13.0", "12,345"."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:#.{digits}g}".rstrip(".")


def stated(value):
    """A number as a paper states it, with all its digits: "14.56"."""
    return MISSING if value is None else f"{value:,.12g}"


def duration(seconds):
    """Seconds as a reader says them: "40 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def counted(claims):
    """How many claims have each verdict, the most first: "5 not decided, 2 reproduced"."""
    counts = collections.Counter(claim["verdict"] for claim in claims)
    return ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common())


def columns(frame):
    """The columns of a table that hold anything.

    Args:
        frame: a table as its CSV file has it: texts, NaN where a field is empty.

    Returns:
        Dictionaries: the column's "title", its "values" as texts, and whether they are "numeric".
        Numbers of a column have as many decimals as the longest, at most 4.
    """
    return [_column(title, frame[title]) for title in frame if frame[title].notna().any()]


def _column(title, texts):
    known = texts.dropna()
    numbers = pd.to_numeric(known, errors="coerce")
    numeric = bool(np.isfinite(numbers).all())
    if numeric:
        decimals = max(map(_decimals, known))
        shown = numbers.map(lambda value: _rounded(value, decimals))
    else:
        shown = known.replace({"True": "yes", "False": "no"})
    values = shown.reindex(texts.index).fillna(MISSING).tolist()
    return {"title": title, "values": values, "numeric": numeric}


def _decimals(text):
    """Of a number as a CSV file has it; "1.0" has none, and "2e-06" more than are shown."""
    if "e" in text.lower():
        return MOST_DECIMALS
    return min(MOST_DECIMALS, len(text.partition(".")[2].rstrip("0")))


def _rounded(value, decimals):
    """The number with so many decimals; one that would be 0 and is not is "< 0.01"."""
    if value != 0 and float(f"{value:.{decimals}f}") == 0:
        least = f"{10.0**-decimals:.{decimals}f}"
        return f"< {least}" if value > 0 else f"> -{least}"
    return f"{value:.{decimals}f}"
