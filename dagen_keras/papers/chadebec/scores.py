"""Scores of the grid's classifiers and the paper's own numbers, in percent."""

import numpy as np
import pandas as pd

POINTS = "points of accuracy"
BRAIN_POINTS = "points of balanced accuracy"


def table2_scores(frame):
    """One row a classifier of Table 2: dataset, split, name, training set, number, seed, score."""
    found = _scores(frame, "Table 2", "accuracy")
    found["set"] = found["row"].str.rsplit(", ", n=1).str[0]
    return found


def table3_scores(frame):
    """One row a classifier of Table 3; the score is balanced accuracy."""
    return _scores(frame, "Table 3", "balanced_accuracy")


def _scores(frame, table, measure):
    columns = ["row", "column", "seed", "method", "training_set", "number", "split"]
    columns += ["classifier", "balanced_accuracy_sd", "runs", "learning_rate", measure]
    found = frame[frame["table"] == table].reindex(columns=columns)
    found["score"] = 100 * pd.to_numeric(found[measure])
    return found


def pairs(first, second, keys=("set", "seed")):
    """Scores of two groups, one row for each value of `keys` that both have."""
    wide = pd.concat(
        [rows.groupby(list(keys))["score"].mean() for rows in (first, second)],
        axis=1,
        keys=["first", "second"],
    )
    return wide.dropna()


def select(scores, method, training_set, number=None):
    """The rows of one method and training set; the largest `number` for "largest"."""
    rows = scores[(scores["method"] == method) & (scores["training_set"] == training_set)]
    if number == "largest":
        return rows[rows["number"] == rows["number"].max()]
    return rows if number is None else rows[rows["number"] == number]


def mean_and_sd(values):
    values = np.asarray(values, float)
    return values.mean(), values.std(ddof=1) if len(values) > 1 else np.nan
