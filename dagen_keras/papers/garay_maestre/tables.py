"""Tables of Garay-Maestre et al.: ours beside the paper's."""

import numpy as np
import pandas as pd

from dagen_keras.papers.garay_maestre.grid import METHODS
from dagen_keras.papers.garay_maestre.scores import (
    POINTS,
    at_released_latent_dim,
    independent,
    paper_cells,
    two_sided,
)
from dagen_keras.runs.paper import Table, reported

PAIRS = [
    ("VAE", "CNN"),
    ("VAE", "AUG"),
    ("AUG", "CNN"),
    ("AUG+VAE", "CNN"),
    ("AUG+VAE", "VAE"),
    ("AUG+VAE", "AUG"),
]


def table2(scores, data, max_epochs):
    """Ours beside the paper: mean and standard deviation over runs."""
    rows = []
    groups = scores.groupby(["train_size", "method", "latent_dim"], dropna=False)["f1"]
    for (size, method, latent_dim), f1 in groups:
        theirs = reported("garay_maestre_table2_f1_percent")
        theirs = theirs[theirs["train_size"] == size]
        if not np.isnan(latent_dim):
            theirs = theirs[theirs["latent_dim"] == latent_dim]
        paper = theirs[method].iloc[0] if len(theirs) else np.nan
        rows.append(
            {
                "training images": size,
                "method": method,
                "LS": "–" if np.isnan(latent_dim) else int(latent_dim),
                "ours: mean": f1.mean(),
                "ours: sd": f1.std() if len(f1) > 1 else np.nan,
                "runs": len(f1),
                "paper": paper,
                "difference": f1.mean() - paper,
            }
        )
    few_epochs = (
        f"With {max_epochs} epochs at most, and not 60, transformed images are half learnt."
        if max_epochs < 60
        else ""
    )
    rows.sort(key=lambda r: (r["training images"], METHODS.index(r["method"]), str(r["LS"])))
    return Table(
        "table2",
        f"Table 2 on {data}: ours beside the paper's MNIST",
        "macro F1 on test images, %",
        pd.DataFrame(rows).round(2),
        "CNN and AUG use no VAE, so they do not depend on the latent dimension (LS). "
        "Every method gets the same number of updates an epoch and the same stopping rule. "
        + few_epochs,
    )


def table3(scores, data):
    """Wilcoxon tests: the paper's way of counting beside independent pairs."""
    theirs = reported("garay_maestre_table2_f1_percent")
    by_size = theirs.groupby("train_size")[list(METHODS)].mean()
    symbols = reported("garay_maestre_table3_wilcoxon").set_index(["row", "column"])[
        "significant_at_0.01"
    ]
    ours, cells = independent(scores), paper_cells(scores)
    rows = []
    for first, second in PAIRS:
        pairs = ours[[first, second]].dropna()
        counted = cells[[first, second]].dropna()
        rows.append(
            {
                "row": first,
                "column": second,
                "paper says": symbols.get((first, second), "–"),
                "p, paper's 20 cells": two_sided(theirs[first] - theirs[second]),
                "p, paper's 5 sizes": two_sided(by_size[first] - by_size[second]),
                "p, our cells": two_sided(counted[first] - counted[second]),
                "our cells": len(counted),
                "p, our independent pairs": two_sided(pairs[first] - pairs[second]),
                "our pairs": len(pairs),
                "median difference": (pairs[first] - pairs[second]).median(),
            }
        )
    return Table(
        "table3",
        f"Table 3 on {data}: does the row's method differ from the column's?",
        "p-values of two-sided Wilcoxon signed-rank tests; median difference (row minus column) "
        f"in {POINTS}",
        pd.DataFrame(rows).round({"median difference": 2}),
        "The paper's 20 cells repeat the 5 numbers of CNN and of AUG for every latent dimension; "
        "its 5 sizes average over latent dimensions. Five pairs cannot give p < 0.0625.",
    )


def released_table(scores, released, data):
    """The released protocol: its choice on test images, and the honest one of the same runs."""
    rows = []
    ours, theirs = at_released_latent_dim(scores, released)
    ours = ours.groupby(["train_size", "method"])["f1"].mean()
    for (size, method), runs in released.groupby(["train_size", "method"], sort=False):
        base = method.removesuffix(" true")
        leak = runs["f1"] - runs["f1_selected_on_validation"]
        rows.append(
            {
                "training images": size,
                "method": method,
                "runs": len(runs),
                "chosen on test images (leakage)": runs["f1"].mean(),
                "chosen on validation, same run": runs["f1_selected_on_validation"].mean(),
                "leakage": leak.mean(),
                "updates": round(runs["updates"].mean()),
                "our protocol": ours.get((size, base), np.nan),
                "paper": theirs[base].get(size, np.nan),
            }
        )
    columns = None if rows else ["training images", "method", "runs"]
    return Table(
        "released_protocol",
        f"The released training on {data}: what choosing the epoch on test images is worth",
        "macro F1, %; updates of the classifier in one run",
        pd.DataFrame(rows, columns=columns).round(2),
        "AUG+VAE as released never sees its synthetic images; 'AUG+VAE true' does, with as many "
        "updates. Released runs use the released VAE and U(-1.5, 1.5).",
    )
