"""The subjects of OASIS-1, or of phantoms of its form: the CSV, the paper's split and Table 1."""

import numpy as np
import pandas as pd

from dagen_keras.datasets.base import DataError

CLASS_NAMES = ("CN", "AD")
COLUMNS = ("ID", "M/F", "Hand", "Age", "Educ", "SES", "MMSE", "CDR", "eTIV", "nWBV", "ASF", "Delay")
PARTS = ("train", "validation", "test")

_NUMBERS = ("Age", "MMSE", "CDR")
_CDR_VALUES = (0.0, 0.5, 1.0, 2.0, 3.0)
# Of each label: validation subjects, test subjects, all (Chadebec and Allassonniere, Table 1).
_PAPER_SPLIT = {0: (30, 66, 316), 1: (12, 18, 100)}


def read_csv(path):
    """The table of subjects without repeat scans (`_MR2`), ordered by ID.

    Returns:
        A DataFrame with the columns `COLUMNS` and `label`: 0 (CN) where CDR is missing or 0,
        1 (AD) where it is above.

    Raises:
        DataError: if the file is not such a CSV or names a subject twice.
    """
    try:
        frame = pd.read_csv(path, dtype={"ID": str})
    except (ValueError, OSError) as error:
        raise DataError(f"'{path}' cannot be read as comma-separated text ({error}).") from error
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise DataError(
            f"'{path}' has no column '{missing[0]}'; it must have {', '.join(COLUMNS)}, separated "
            f"by commas, and has {', '.join(map(str, frame.columns))}."
        )
    for column in _NUMBERS:
        try:
            frame[column] = pd.to_numeric(frame[column])
        except (ValueError, TypeError) as error:
            raise DataError(f"'{path}': column '{column}' must hold numbers ({error}).") from error
    frame = frame[list(COLUMNS)].dropna(subset="ID")
    frame = frame[~frame["ID"].str.endswith("_MR2")].sort_values("ID", ignore_index=True)
    if frame.empty:
        raise DataError(f"'{path}' has no row of a subject.")
    if frame["ID"].duplicated().any():
        raise DataError(
            f"'{path}' has two rows of {frame['ID'][frame['ID'].duplicated()].iloc[0]}."
        )
    cdr = _cdr(frame)
    if not cdr.isin(_CDR_VALUES).all():
        row = frame[~cdr.isin(_CDR_VALUES)].iloc[0]
        known = ", ".join(f"{value:g}" for value in _CDR_VALUES)
        raise DataError(f"'{path}': CDR of {row['ID']} must be one of {known}; got {row['CDR']:g}.")
    return frame.assign(label=(cdr > 0).astype("int64"))


def split(frame, seed=0):
    """The paper's split, stratified by label.

    The paper's 316 CN give 220 / 30 / 66 and its 100 AD 70 / 12 / 18; other counts are split in
    the same proportions, rounded, with at least one in each part where a label has three subjects.
    Which subject is in which part does not depend on the order of the rows.

    Args:
        frame: a DataFrame with the columns `ID` and `CDR`, n rows.
        seed: fixes the split.

    Returns:
        Positions of the rows (train, validation, test), each ascending; n in all.
    """
    rng = np.random.default_rng(seed)
    label = (_cdr(frame) > 0).to_numpy()
    by_id = np.argsort(frame["ID"].to_numpy().astype(str), kind="stable")
    parts = [[], [], []]
    for value, (validation, test, total) in _PAPER_SPLIT.items():
        members = rng.permutation(by_id[label[by_id] == value])
        n = len(members)
        n_validation = max(round(n * validation / total), int(n > 2))
        n_test = max(round(n * test / total), int(n > 1))
        cuts = [n - n_validation - n_test, n - n_test]
        for part, chosen in zip(parts, np.split(members, cuts), strict=True):
            part.append(chosen)
    return tuple(np.sort(np.concatenate(part)) for part in parts)


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
        parts = {part: np.flatnonzero(frame["part"] == part) for part in PARTS}
    else:
        parts = dict(zip(PARTS, split(frame), strict=True))
    cdr = _cdr(frame)
    # As the paper, name 0.5, 1 and 2 even where there is none of them; 3 only where it occurs.
    ratings = [[0.0], [v for v in _CDR_VALUES if 0 < v < 3 or v == 3 and (cdr == v).any()]]
    rows = {}
    for part, chosen in {"all": frame.index, **parts}.items():
        for label, name in enumerate(CLASS_NAMES):
            group = frame.loc[[i for i in chosen if (cdr[i] > 0) == label]]
            counts = {value: (cdr[group.index] == value).sum() for value in ratings[label]}
            rows[part, name] = {
                "Obs.": len(group),
                "Age": _mean_and_sd(group["Age"]),
                "Sex M/F": "/".join(str((group["M/F"] == sex).sum()) for sex in "MF"),
                "MMSE": _mean_and_sd(group["MMSE"]),
                "CDR": ", ".join(f"{value:g}: {count}" for value, count in counts.items()),
            }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(["part", "label"])


def _cdr(frame):
    return frame["CDR"].astype(float).fillna(0.0)


def _mean_and_sd(values):
    return f"{values.mean():.1f} ± {values.std():.1f}" if values.count() > 1 else "-"
