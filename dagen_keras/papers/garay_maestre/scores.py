"""Scores of the grid's classifiers and the paper's own numbers, as frames in percent."""

import itertools

import numpy as np
import pandas as pd
from scipy import stats

from dagen_keras.papers.garay_maestre.grid import METHODS
from dagen_keras.runs.paper import reported

POINTS = "points of macro F1"


def scores_of(frame, table):
    """The classifiers of one table, F1 in percent, with their latent dimension or NaN."""
    columns = ["method", "train_size", "latent_dim", "level", "column", "seed", "f1"]
    columns += ["f1_selected_on_validation", "updates"]
    found = frame[frame["table"] == table].reindex(columns=columns)
    found["latent_dim"] = pd.to_numeric(found["latent_dim"])
    for column in ("f1", "f1_selected_on_validation"):
        found[column] = 100 * pd.to_numeric(found[column])
    return found


def independent(scores):
    """F1 of each method by independent (size, seed) pair; VAE methods averaged over LS."""
    means = scores.groupby(["train_size", "seed", "method"])["f1"].mean().unstack("method")
    return means.reindex(columns=METHODS)


def paper_cells(scores):
    """As the paper counts: one number for each (LS, size), CNN and AUG repeated for every LS."""
    groups = scores.fillna({"latent_dim": 0}).groupby(["train_size", "method", "latent_dim"])
    means = groups["f1"].mean()
    rows = []
    latent_dims = sorted(scores["latent_dim"].dropna().unique())
    sizes = sorted(scores["train_size"].unique())
    for size, latent_dim in itertools.product(sizes, latent_dims):
        row = {
            method: means.get((size, method, latent_dim if "VAE" in method else 0), np.nan)
            for method in METHODS
        }
        rows.append(row)
    return pd.DataFrame(rows, columns=list(METHODS))


def two_sided(difference):
    difference = np.asarray(difference, float)
    if not np.any(difference):
        return np.nan
    return float(f"{stats.wilcoxon(difference).pvalue:.3g}")


def at_released_latent_dim(scores, released):
    """Our scores and the paper's at the latent dimension of the released protocol's runs."""
    used = released["latent_dim"].dropna().unique()
    theirs = reported("garay_maestre_table2_f1_percent")
    if len(used):
        scores = scores[scores["latent_dim"].isna() | (scores["latent_dim"] == used[0])]
    latent_dim = used[0] if len(used) else 3
    return scores, theirs[theirs["latent_dim"] == latent_dim].set_index("train_size")
