"""The subjects of OASIS-1, or of phantoms of its form: the CSV and the paper's split."""

import numpy as np
import pandas as pd

from dagen_keras.datasets.base import DataError

CLASS_NAMES = ("CN", "AD")
COLUMNS = ("ID", "M/F", "Hand", "Age", "Educ", "SES", "MMSE", "CDR", "eTIV", "nWBV", "ASF", "Delay")
PARTS = ("train", "validation", "test")

_NUMBERS = ("Age", "MMSE", "CDR")
CDR_VALUES = (0.0, 0.5, 1.0, 2.0, 3.0)
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
    cdr = ratings(frame)
    if not cdr.isin(CDR_VALUES).all():
        row = frame[~cdr.isin(CDR_VALUES)].iloc[0]
        known = ", ".join(f"{value:g}" for value in CDR_VALUES)
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
    label = (ratings(frame) > 0).to_numpy()
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


def ratings(frame):
    """CDR of each subject; a missing one counts as 0."""
    return frame["CDR"].astype(float).fillna(0.0)
