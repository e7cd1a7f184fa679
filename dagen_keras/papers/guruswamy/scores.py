"""What the tables, figures and claims of Guruswamy et al. share: scores in percent."""

import numpy as np
import pandas as pd

from dagen_keras import datasets
from dagen_keras.papers.guruswamy.grid import ROLES, top_k
from dagen_keras.papers.legacy import reported

NUMBERS = ["accuracy", "top_k_accuracy", "balanced_accuracy", "synthetic_accuracy"]
LISTS = ["recalls", "tested", "left", "sparse", "diversity", "looked_at", "collapsed"]
PICTURES = ["png", "png_ali_real", "png_ali_generated", "png_ali_reconstructed"]
OWN = ["dataset", "role", "method", "seed", "diverged"]
OWN += ["sparse_recall", "full_recall", "accuracy_on_cut", "majority"]


def runs_of(frame):
    """One row a run: its scores, in percent, with the recalls of sparse and of full classes."""
    found = frame.reindex(
        columns=[*frame.columns, *(set(NUMBERS + LISTS + PICTURES + OWN) - set(frame))]
    )
    found["method"] = found["column"]
    found["dataset"] = found["row"]
    roles = {datasets.title(name): role for name, role in ROLES.items()}
    found["role"] = found["row"].map(roles)
    of_two = found["top_k_accuracy"].isna()
    found["k"] = [
        np.nan if two else top_k(len(r)) for two, r in zip(of_two, found["recalls"], strict=True)
    ]
    found["diverged"] = found["diverged"].fillna(False).astype(bool)
    for name in NUMBERS:
        found[name] = 100 * pd.to_numeric(found[name])
    by_class = [_by_class(row) for _, row in found.iterrows()]
    for name in ("sparse_recall", "full_recall", "accuracy_on_cut", "majority"):
        found[name] = [values.get(name, np.nan) for values in by_class]
    return found


def _by_class(row):
    if not isinstance(row["recalls"], list):
        return {}
    recalls = np.array([np.nan if r is None else r for r in row["recalls"]], float)
    tested, left = np.array(row["tested"], float), np.array(row["left"], float)
    sparse = np.isin(np.arange(len(recalls)), row["sparse"])
    weights = tested * left
    return {
        "sparse_recall": 100 * np.nanmean(recalls[sparse]) if sparse.any() else np.nan,
        "full_recall": 100 * np.nanmean(recalls[~sparse]),
        # What the accuracy would be if the test part had been cut as the training part.
        "accuracy_on_cut": 100 * np.nansum(weights * recalls) / weights.sum(),
        "majority": 100 * tested.max() / tested.sum(),
    }


def wide(runs, dataset, value="accuracy"):
    """`value` by seed: a column for each method."""
    return runs[runs["dataset"] == dataset].pivot_table(value, "seed", "method")


def of_paper():
    """Table I of the paper in percent: {(role, method): (accuracy, top-k accuracy)}."""
    table = reported("guruswamy_table1_accuracy").set_index("method") * 100
    top = {"fashion_mnist": "fashion_mnist_top2", "cifar100": "cifar100_top5"}
    return {
        (role, method): (row[f"{role}_accuracy"], row.get(top.get(role), np.nan))
        for method, row in table.iterrows()
        for role in ("fashion_mnist", "cifar100", "histopathology")
    }


def title_of_role(runs, role):
    """How the dataset is called that stands in a role, the paper's own first; None if none is."""
    found = list(runs.loc[runs["role"] == role, "dataset"].unique())
    own = datasets.title(role)
    return own if own in found else (found[0] if found else None)
