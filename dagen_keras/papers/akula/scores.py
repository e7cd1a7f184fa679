"""What the tables, figures and claims of Akula et al. share: one row a run, in percent."""

import numpy as np
import pandas as pd

from dagen_keras.papers.akula.grid import OF_PAPER
from dagen_keras.papers.legacy import reported

# How the paper's rows call the methods.
NAMES = {"pure": "pure CIFAR (cat, dog)"} | {method: f"50% {method}" for method in OF_PAPER}

CLASSIFIED = ["seed", "regime", "method", "diverged", "curves"]
CLASSIFIED += ["start on real", "start on mixed"]
CLASSIFIED += [f"{score} on {test}" for test in ("real", "mixed") for score in ("accuracy", "loss")]
CLASSIFIED += [f"pure {score} on mixed" for score in ("accuracy", "loss")]
SCORES = ["fid", "precision", "recall", "inception_score", "class_inception_scores"]
SCORES += ["seconds_an_image", "acceptance_rate", "restarted", "unmoved", "classifier_accuracy"]
DRAWN = ["column", "seed", *SCORES, "png_0", "png_1", "looked_at", "inception_scores"]
DRAWN += ["calibration", "brier", "z"]
SELECTED = ["sampler", "K", "seed", *SCORES, "proposals_an_image", "log_odds"]
TOGETHER = ["seed", "GAN", "MH-GAN", "png_GAN", "png_MH-GAN", "looked_at", "inception_scores"]


def classified(frame):
    """One row a classifier: accuracy (%) and loss on real and on mixed test images.

    A mixed test set is the real test images and as many of the method's. `curves` has all four by
    epoch, `start on ...` the accuracy after the first; `pure ...` is of the classifier of real
    images alone on the same mixed set.
    """
    own = frame[frame["table"] == "Accuracy"]
    found = [_classifier(row, own) for _, row in own.iterrows()]
    return pd.DataFrame(found, columns=CLASSIFIED)


def _classifier(row, frame):
    result = {"seed": row["seed"], "regime": row["row"], "method": row["column"]}
    result["diverged"] = bool(row["diverged"])
    if result["diverged"]:
        return result
    curves = {f"{score} on real": _scaled(score, values) for score, values in row["real"].items()}
    if isinstance(row.get("synthetic"), dict):
        for score, values in row["synthetic"].items():
            curves[f"{score} on mixed"] = (curves[f"{score} on real"] + _scaled(score, values)) / 2
    result |= {name: values[-1] for name, values in curves.items()}
    for test in ("real", "mixed"):
        if f"accuracy on {test}" in curves:
            result[f"start on {test}"] = curves[f"accuracy on {test}"][0]
    result["curves"] = curves
    if isinstance(row.get("pure"), dict):
        pure = frame[(frame["column"] == "pure") & (frame["seed"] == row["seed"])]
        for score, on_synthetic in row["pure"].items():
            for _, of_pure in pure.iterrows():
                both = [of_pure["real"][score][-1], on_synthetic]
                result[f"pure {score} on mixed"] = _scaled(score, both).mean()
    return result


def _scaled(score, values):
    return (100 if score == "accuracy" else 1) * np.asarray(values, float)


def wide(runs, regime, value):
    """`value` by seed: a column for each method of a regime, and the pure training set's."""
    rows = runs[runs["regime"].isin([regime, "none"]) & runs[value].notna()]
    return rows.pivot_table(value, "seed", "method")


def main_regime(runs):
    """The regime that claims and errata are about: "added" where it was run."""
    return "replaced" if set(runs["regime"]) - {"none"} == {"replaced"} else "added"


def mixed(runs, regime, score):
    """A score by seed as the paper has it: on mixed images, the pure classifier's on real ones."""
    found = wide(runs, regime, f"{score} on mixed")
    pure = wide(runs, regime, f"{score} on real")
    return found.join(pure[["pure"]]) if "pure" in pure else found


def drawn_of(frame):
    """One row a method and run that did not diverge: the scores of its images, and its pictures."""
    found = frame[frame["table"] == "Samples"].reindex(columns=DRAWN)
    found = found.rename(columns={"column": "method"})
    numbers = ["fid", "precision", "recall", "inception_score", "seconds_an_image"]
    numbers.append("classifier_accuracy")
    found[numbers] = found[numbers].astype(float)
    return found[found["fid"].notna()]


def effects_of(frame):
    """One row a run of the effect of K."""
    found = frame[frame["table"] == "Effect of K"]
    found = found.reindex(columns=["seed", "selections", "real", "reliability"])
    return found.dropna(subset=["selections"])


def selections_of(frame):
    """One row a run of the effect of K and a way to select: its scores."""
    rows = [
        {"seed": run["seed"], **selection}
        for _, run in effects_of(frame).iterrows()
        for selection in run["selections"]
    ]
    return pd.DataFrame(rows).reindex(columns=SELECTED)


def together_of(frame):
    """One row a run of the GAN of all classes."""
    return frame[frame["table"] == "All classes"].reindex(columns=TOGETHER).dropna(subset=["GAN"])


def of_paper():
    """{method: (accuracy in %, loss)} of the paper."""
    table = reported("akula_accuracy_loss").set_index("training_set")
    return {m: (100 * table["accuracy"][n], table["loss"][n]) for m, n in NAMES.items()}
