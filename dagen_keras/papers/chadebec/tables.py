"""Tables of Chadebec and Allassonniere: ours beside the paper's."""

import numpy as np
import pandas as pd

from dagen_keras import datasets
from dagen_keras.papers.chadebec.scores import mean_and_sd
from dagen_keras.papers.legacy import Table, reported

# Which of the paper's columns stands beside ours.
_BESIDE = {"balanced": "MNIST", "unbalanced": "MNIST unbalanced"}


def table1(frame, brains):
    """Demographics, computed from the CSV."""
    found = frame[frame["table"] == "Table 1"]
    rows = pd.DataFrame(found["table1"].iloc[0]) if len(found) else pd.DataFrame()
    return Table(
        "table1",
        f"Table 1 on {brains}: subjects",
        "years, counts and scores, mean ± standard deviation",
        rows,
        "" if brains == "OASIS" else "These are generated phantoms and not OASIS.",
    )


def table2(scores, parameters):
    """Ours beside the paper: accuracy, mean and standard deviation over runs."""
    theirs = reported("chadebec_table2_accuracy_percent")
    theirs = theirs.set_index(["dataset", "method", "training_set"])["accuracy_mean"]
    rows = []
    order = ["set", "training_set", "column"]
    for (name, training_set, column), runs in scores.groupby(order, sort=False):
        mean, sd = mean_and_sd(runs["score"])
        split = runs["split"].iloc[0]
        beside = "EMNIST unbalanced" if "EMNIST" in name else _BESIDE[split]
        paper = theirs.get((beside, column, training_set if column != "raw" else "raw"), np.nan)
        rows.append(
            {
                "dataset": name,
                "training set": "raw" if column == "raw" else training_set,
                "method": column,
                "ours: mean": mean,
                "ours: sd": sd,
                "runs": len(runs),
                "paper": paper,
                "difference": mean - paper,
            }
        )
    data = datasets.title(parameters["dataset"])
    return Table(
        "table2",
        f"Table 2 on {data}: ours beside the paper's",
        "accuracy on test images, %",
        pd.DataFrame(rows).round(2),
        f"{parameters['train_size']} images, a fifth of them validate. A number in a method's name "
        "counts synthetic images a class; the manifold is sampled by HMC. Each run has its own "
        f"images, models and classifier; {parameters['classifier_updates']:,} updates of the "
        "classifier at most. The paper's column is its MNIST or EMNIST.",
    )


def table3(scores, brains):
    """Ours beside the paper: balanced accuracy on test brains."""
    theirs = reported("chadebec_table3_balanced_accuracy_percent")
    theirs = theirs.set_index(["classifier", "method", "training_set"])["balanced_accuracy_mean"]
    rows = []
    order = ["classifier", "training_set", "column"]
    for (classifier, training_set, column), runs in scores.groupby(order, sort=False):
        sd = 100 * pd.to_numeric(runs["balanced_accuracy_sd"]).iloc[0]
        shown = "raw" if column == "raw" else training_set
        rows.append(
            {
                "classifier": classifier,
                "training set": shown,
                "method": column,
                "ours: mean": runs["score"].mean(),
                "ours: sd over runs": sd,
                "runs": int(runs["runs"].sum()),
                "learning rate": runs["learning_rate"].iloc[0],
                "paper": theirs.get((classifier, column, shown), np.nan),
            }
        )
    return Table(
        "table3",
        f"Table 3 on {brains}: ours beside the paper's OASIS",
        "balanced accuracy on test images, %",
        pd.DataFrame(rows).round({"ours: mean": 2, "ours: sd over runs": 2}),
        "The learning rate with the best balanced accuracy on validation. "
        + ("" if brains == "OASIS" else "Phantoms are not OASIS: the columns are not comparable."),
    )


def samplers_table(geometry):
    """How far each sampler's draws are from the density of eq. 3."""
    rows = []
    for _, cell in geometry.iterrows():
        for name, found in cell["samplers"].items():
            rows.append({"latent space": cell["row"], "sampler": name, **found})
        exact = {"total_variation": cell["total_variation_exact"], "acceptance": np.nan}
        rows.append({"latent space": cell["row"], "sampler": "independent exact draws", **exact})
    frame = pd.DataFrame(rows).rename(columns={"total_variation": "total variation"})
    return Table(
        "samplers",
        "Samplers against the density of eq. 3",
        "total variation distance over 12 x 12 squares of S; acceptance rate",
        frame.round(3),
        "2,000 chains of 200 steps started at centroids. Exact draws differ by chance alone. The "
        "walk's rule ignores how its proposal differs between directions, so it is biased, in "
        "general also for small covariances; the corrected rule is exact.",
    )


def generation_table(frame, brains):
    """Seconds for 100 images."""
    found = frame[frame["table"] == "Fig. 4"]
    rows = [
        {"method": row["column"], "seconds for 100 images": row["seconds_per_100"]}
        for _, row in found.iterrows()
    ]
    return Table(
        "generation_time",
        f"Time to make 100 images of {brains}",
        "seconds, after compilation",
        pd.DataFrame(rows).round(3),
        "The paper's sentence says 1 min. and 40 sec. on a Core i7; it is garbled. 200 steps.",
    )
