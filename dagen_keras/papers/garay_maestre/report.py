"""Special tables and figures of Garay-Maestre et al., and the evidence of the errata."""

import numpy as np
import pandas as pd
from scipy import optimize, stats

from dagen_keras import datasets
from dagen_keras.evaluate.signed_rank import hodges_lehmann
from dagen_keras.papers import reported
from dagen_keras.papers.garay_maestre.protocol import BOTH_SIZES, METHODS, TABLES, of_method
from dagen_keras.study.evidence import count, difference
from dagen_keras.study.figures import by_factor, sheet
from dagen_keras.study.frame import by_seed, select
from dagen_keras.study.pilot import pilot_figure, pilot_table
from dagen_keras.study.report import NOT_YET, Table

F1 = "macro F1"
PAIRS = (
    ("VAE", "CNN"),
    ("VAE", "AUG"),
    ("AUG", "CNN"),
    ("AUG+VAE", "CNN"),
    ("AUG+VAE", "VAE"),
    ("AUG+VAE", "AUG"),
)


def data(s):
    sizes = ", ".join(map(str, [*s.train_sizes, *s.shown_sizes]))
    tested = s.images.test_per_class * datasets.n_classes(s.dataset)
    name = datasets.title(s.dataset)
    return f"{name}, {sizes} training images in all, {tested:,} test images"


def tables(frame):
    summaries = [table.table(frame) for table in TABLES]
    return [*summaries, table3(frame), pilot_table(frame, "f1", F1)]


def table3(frame):
    """The paper's way of counting beside one value a seed."""
    theirs = reported("garay_maestre_table2_f1_percent")
    by_size = theirs.groupby("train_size")[list(METHODS)].mean()
    says = reported("garay_maestre_table3_wilcoxon").set_index(["row", "column"]).iloc[:, 0]
    rows = []
    for first, second in PAIRS:
        ours = [by_seed(frame, "f1", {**BOTH_SIZES, **of_method(m)}) for m in (first, second)]
        difference = 100 * (ours[0] - ours[1]).dropna()
        rows.append(
            {
                "row": first,
                "column": second,
                "paper says": says.get((first, second)),
                "p, paper's 20 cells": _two_sided(theirs[first] - theirs[second]),
                "p, paper's 5 sizes": _two_sided(by_size[first] - by_size[second]),
                "p, our seeds": _two_sided(difference),
                "seeds": len(difference),
                "difference": round(hodges_lehmann(difference)[0], 2),
            }
        )
    return Table("table3", frame=pd.DataFrame(rows).dropna(axis=1, how="all"))


def _two_sided(differences):
    differences = np.asarray(differences, float)
    if not np.any(differences):
        return np.nan
    return float(f"{stats.wilcoxon(differences).pvalue:.3g}")


def figures(frame):
    classify = select(frame, {"kind": "classify"})
    table2 = pd.concat([select(classify, of_method(method)) for method in METHODS])
    small = select(classify, {"train_size": _smallest(frame, "classify")})
    levels = select(small, {"method": ["CNN", "AUG"]}).fillna({"level": -1})
    levels = levels.assign(training="conventional augmentation")
    samples = select(frame, {"kind": "samples"})
    theirs = None
    if set(table2.get("dataset", ())) == {"mnist"}:
        theirs = reported("garay_maestre_table2_f1_percent").groupby("train_size")[list(METHODS)]
        theirs = theirs.mean().reindex(sorted(table2["train_size"].unique()))
    f1 = f"{F1} on test images, %"
    return [
        sheet("figure2", samples, [f"LS {int(dim)}" for dim in samples.get("latent_dim", ())]),
        by_factor(
            "figure3",
            *(levels, "level", "f1", "training"),
            ("level: -1 none, 0 adjusted ... 6 all transformations", f1),
            scale=100,
        ),
        by_factor(
            "f1_by_size",
            *(table2, "train_size", "f1", "method"),
            ("training images in all (log scale)", f1),
            scale=100,
            log_x=True,
            reported=theirs,
        ),
        pilot_figure(frame, "f1", F1),
        by_factor(
            "released",
            *(_released(frame), "training", "f1", "kept by"),
            ("training images and the VAEs' images", f1),
            scale=100,
        ),
    ]


def _released(frame):
    """The headline's runs, each named by its method, number of images and VAEs' images."""
    rows = select(frame, {"kind": "released", "method": ["CNN", "VAE"]})
    if rows.empty:
        return rows
    images = rows.get("vae_images", pd.Series(None, rows.index)).fillna("")
    names = rows["method"] + " " + rows["train_size"].astype(int).astype(str) + " " + images
    rows = rows.assign(training=names.str.strip(), **{"kept by": "test images"})
    return rows.sort_values(["train_size", "method", "vae_images"], na_position="first")


def errata(frame):
    """What was measured, for the blanks of the errata's evidence."""
    optimum = optimize.minimize_scalar(
        lambda sd: sd**2 - np.log(sd) - 1, bounds=(0.01, 3), method="bounded"
    ).x
    theirs = reported("garay_maestre_table2_f1_percent")
    by_size = theirs.groupby("train_size")[["AUG", "CNN"]].first()
    losses = select(frame, {"kind": "vae_losses"})
    marked = theirs[(theirs["latent_dim"] == 4) & (theirs["train_size"] == 100)].iloc[0]
    return {
        "other_images": {"ours": _other_images(frame)},
        "unseen": {"ours": _unseen(frame)},
        "training": {"ours": _training(frame)},
        "vae": losses.iloc[0].to_dict() if len(losses) else None,
        "eq2": {"optimum": optimum},
        "marked": {
            "aug_vae": marked["AUG+VAE"],
            "aug": marked["AUG"],
            "below": (theirs["AUG+VAE"] < theirs["AUG"]).sum(),
            "cells": len(theirs),
        },
        "pairs": {
            "p_20": _two_sided(theirs["AUG"] - theirs["CNN"]),
            "p_5": _two_sided(by_size["AUG"] - by_size["CNN"]),
        },
    }


def _smallest(frame, kind):
    rows = select(frame, {"kind": kind})
    return int(rows["train_size"].min()) if len(rows) else 0


def _points(frame, first, second):
    return difference(frame, "f1", first, second, "points of F1")


def _other_images(frame):
    size = _smallest(frame, "released")
    cnn = {"kind": "released", "train_size": size, "method": "CNN"}
    vae = {**cnn, "method": "VAE"}
    ours = {"kind": "classify", "train_size": _smallest(frame, "classify")}
    our_cnn, our_vae = ({**ours, **of_method(method)} for method in ("CNN", "VAE"))
    pairs = [
        ("As released, VAE of the same images minus CNN", {**vae, "vae_images": "same"}, cnn),
        ("VAE of other images minus CNN", {**vae, "vae_images": "other"}, cnn),
        (f"CNN of {2 * size} images minus CNN", {**cnn, "train_size": 2 * size}, cnn),
        ("with equal updates, VAE of the same images minus CNN", our_vae, our_cnn),
        ("VAE of other images minus CNN", {**our_vae, "vae_images": "other"}, our_cnn),
    ]
    found = [(text, _points(frame, *pair)) for text, *pair in pairs]
    found = [f"{text} {value}" for text, value in found if value]
    return "; ".join(found) or "Ours is not computed yet"


def _unseen(frame):
    where = {"kind": "released", "train_size": _smallest(frame, "released")}
    ours = {"kind": "classify", "train_size": _smallest(frame, "classify")}
    texts = {
        "As released they train on the same data by the same steps: AUG+VAE minus AUG": _points(
            frame, {**where, "method": "AUG+VAE"}, {**where, "method": "AUG"}
        ),
        "Where the images are seen, with equal updates,": _points(
            frame, {**ours, **of_method("AUG+VAE")}, {**ours, **of_method("AUG")}
        ),
    }
    return " ".join(f"{text} {value}." for text, value in texts.items() if value) or NOT_YET


def _training(frame):
    rows = select(frame, {"kind": "released", "train_size": _smallest(frame, "released")})
    parts = []
    for method, runs in rows.groupby("method", sort=False) if len(rows) else ():
        gain = 100 * (runs["f1"] - runs["last"]).mean()
        updates = runs["updates"].mean()
        parts.append(f"{method} {updates:,.0f} and {gain:+.1f} ({count(len(runs), 'run')})")
    measured = " Ours, updates and points of F1 of the kept epoch over the last one:"
    return f"{measured} {', '.join(parts)}." if parts else ""
