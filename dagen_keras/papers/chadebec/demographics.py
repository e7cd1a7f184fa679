"""Table 1 of Chadebec and Allassonnière: who the brains are of."""

import numpy as np
import pandas as pd

from dagen_keras.datasets import subjects


def table1(frame):
    """The paper's Table 1: demographics of each part and label.

    Args:
        frame: a DataFrame with the CSV's columns. Its column `part` says who is in which part,
            as in `Dataset.subjects`; without one, `split` does.

    Returns:
        A DataFrame with an index (part, label), part one of "all", "train", "validation", "test"
        and label "CN" or "AD", and the columns `Obs.` (integers), `Age`, `Sex M/F`, `MMSE`, `CDR`
        (text as the paper prints it). Age and MMSE are mean ± sample standard deviation of the
        subjects that have one, "-" if fewer than two do; a missing CDR counts as 0.
    """
    frame = frame.reset_index(drop=True)
    if "part" in frame:
        parts = {part: np.flatnonzero(frame["part"] == part) for part in subjects.PARTS}
    else:
        parts = dict(zip(subjects.PARTS, subjects.split(frame), strict=True))
    cdr = subjects.ratings(frame)
    # As the paper, name 0.5, 1 and 2 even where there is none of them; 3 only where it occurs.
    known = [[0.0], [v for v in subjects.CDR_VALUES if 0 < v < 3 or v == 3 and (cdr == v).any()]]
    rows = {}
    for part, chosen in {"all": frame.index, **parts}.items():
        for label, name in enumerate(subjects.CLASS_NAMES):
            group = frame.loc[[i for i in chosen if (cdr[i] > 0) == label]]
            counts = {value: (cdr[group.index] == value).sum() for value in known[label]}
            rows[part, name] = {
                "Obs.": len(group),
                "Age": _mean_and_sd(group["Age"]),
                "Sex M/F": "/".join(str((group["M/F"] == sex).sum()) for sex in "MF"),
                "MMSE": _mean_and_sd(group["MMSE"]),
                "CDR": ", ".join(f"{value:g}: {count}" for value, count in counts.items()),
            }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(["part", "label"])


def _mean_and_sd(values):
    return f"{values.mean():.1f} ± {values.std():.1f}" if values.count() > 1 else "-"
