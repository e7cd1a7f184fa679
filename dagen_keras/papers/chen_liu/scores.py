"""What the tables, figures and claims of Chen and Liu share."""

import numpy as np
import pandas as pd

from dagen_keras.papers.chen_liu.grid import T_LIMIT

RUN_COLUMNS = ["table", "row", "column", "seed", "divergence", "heads", "weight", "diverged", "t"]
RUN_COLUMNS += ["narrow", "narrow_with_positive_t", "negative_means", "active_units", "history"]


def runs_of(frame, table, space):
    """The VAEs of one table: their scores in one feature space, and whether T excludes them."""
    scores = [f"{space}_{name}" for name in ("fid", "folded_fid", "precision", "recall")]
    found = frame[frame["table"] == table].reindex(columns=RUN_COLUMNS + scores + ["png"])
    found = found.rename(columns={name: name.removeprefix(f"{space}_") for name in scores})
    found["dataset"] = found["row"].str.rsplit(", ", n=1).str[0]
    found["method"] = found["row"].str.rsplit(", ", n=1).str[1]
    for name in ("fid", "folded_fid", "precision", "recall", "t"):
        found[name] = pd.to_numeric(found[name])
    # A run that diverged has no T, and is excluded as well.
    found["kept"] = found["t"].abs() <= T_LIMIT
    return found


def accuracies(frame):
    """The classifiers of Table 2, accuracy in percent."""
    columns = ["row", "column", "seed", "train_size", "accuracy", "updates_taken"]
    found = frame[frame["table"] == "Table 2"].reindex(columns=columns)
    found = found.rename(columns={"column": "method"})
    found["dataset"] = found["row"].str.split(", ", n=1).str[0]
    found["accuracy"] = 100 * pd.to_numeric(found["accuracy"])
    return found


def wide(scores, value):
    """`value` by seed: a column for each method."""
    return scores.pivot_table(value, "seed", "method")


def epochs_to_converge(history):
    """The first epoch whose reconstruction is within 1 % of the last one's."""
    reconstruction = np.array(history["reconstruction"])
    return int(np.argmax(reconstruction <= 1.01 * reconstruction[-1])) + 1


def mean_sd(values):
    """'12.34 (0.56)', or what there is of it."""
    values = np.asarray(values, float)
    if not len(values):
        return "not run"
    sd = f" ({values.std(ddof=1):.2f})" if len(values) > 1 else ""
    return f"{values.mean():.2f}{sd}"
