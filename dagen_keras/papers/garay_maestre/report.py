"""What tables, figures and the errata's evidence of Garay-Maestre et al. are made of."""

import numpy as np
import pandas as pd
from scipy import optimize, stats

from dagen_keras import datasets
from dagen_keras.evaluate.signed_rank import hodges_lehmann
from dagen_keras.papers import reported
from dagen_keras.papers.garay_maestre.protocol import ADJUSTED, BOTH_SIZES, METHODS, of_method
from dagen_keras.study.evidence import NotYet, count, difference
from dagen_keras.study.frame import by_seed, column, computed, select

PAIRS = [("VAE", "CNN"), ("VAE", "AUG"), ("AUG", "CNN")]
PAIRS += [("AUG+VAE", method) for method in ("CNN", "VAE", "AUG")]


def data(s):
    sizes = ", ".join(map(str, [*s.train_sizes, *s.shown_sizes]))
    tested = s.images.test_per_class * datasets.n_classes(s.dataset)
    name, filters = datasets.title(s.dataset), s.classifier.filters
    narrow = f"; a classifier of {filters} filters, not 64" if filters != 64 else ""
    return f"{name}, {sizes} training images in all, {tested:,} test images{narrow}"


def parts(frame):
    frame = frame.assign(reported=[paper_f1(row) for row in frame.to_dict("records")])
    classify = select(frame, {"kind": "classify"})
    small = select(classify, {"train_size": _smallest(frame, "classify")})
    return {
        "table2": frame,
        "released_protocol": as_released(frame),
        "table3": table3(frame),
        "figure3": select(small, {"method": ["CNN", "AUG"]}).fillna({"level": -1}),
        "f1_by_size": pd.concat([select(classify, of_method(method)) for method in METHODS]),
        "released": headline(frame),
    }


def paper_f1(row):
    """The paper's F1 of a row of Table 2, %; None where it has none, or for other data."""
    where = {
        name: row.get(name) for name in ("train_size", "latent_dim") if pd.notna(row.get(name))
    }
    theirs = select(reported("garay_maestre_table2_f1_percent"), where)
    known = row["dataset"] == "mnist" and row.get("method") in METHODS and len(theirs)
    adjusted = pd.isna(row.get("level")) or row["level"] == ADJUSTED
    return float(theirs[row["method"]].iloc[0]) if known and adjusted else None


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
    return pd.DataFrame(rows).dropna(axis=1, how="all")


def _two_sided(differences):
    differences = np.asarray(differences, float)
    if not np.any(differences):
        return np.nan
    return float(f"{stats.wilcoxon(differences).pvalue:.3g}")


def headline(frame):
    """The headline's runs, each named by its method, number of images and VAEs' images."""
    rows = select(frame, {"kind": "released", "method": ["CNN", "VAE"]})
    if rows.empty:
        return rows
    rows = rows.assign(vae_images=column(rows, "vae_images").fillna("")).sort_values(
        ["train_size", "method", "vae_images"]
    )
    names = [f"{r.method} {r.train_size:.0f} {r.vae_images}".strip() for r in rows.itertuples()]
    return as_released(rows.assign(training=names))


def as_released(rows):
    """Without the paper's numbers where the VAEs do not have the images of its code."""
    return rows.assign(reported=rows["reported"].where(column(rows, "vae_images") != "same"))


def facts(frame):
    """What was measured, for the blanks of the answer and of the errata's evidence."""
    eq2 = optimize.minimize_scalar(lambda sd: sd**2 - np.log(sd) - 1, bounds=(0.01, 3))
    theirs = reported("garay_maestre_table2_f1_percent")
    by_size = theirs.groupby("train_size")[["AUG", "CNN"]].first()
    losses = computed(frame, "vae_losses", "exact_kl")
    marked = theirs[(theirs["latent_dim"] == 4) & (theirs["train_size"] == 100)].iloc[0]
    small = _smallest(frame, "released")
    released = {"kind": "released", "train_size": small}
    cnn, vae, aug, both = ({**released, "method": method} for method in METHODS)
    ours = {"kind": "classify", "train_size": _smallest(frame, "classify")}
    our_cnn, our_vae, our_aug, our_both = ({**ours, **of_method(method)} for method in METHODS)
    compared = {
        "released_same": ({**vae, "vae_images": "same"}, cnn),
        "released_other": ({**vae, "vae_images": "other"}, cnn),
        "released_twice": ({**cnn, "train_size": 2 * small}, cnn),
        "released_unseen": (both, aug),
        "our_same": (our_vae, our_cnn),
        "our_other": ({**our_vae, "vae_images": "other"}, our_cnn),
        "our_seen": (our_both, our_aug),
    }
    return {
        **(losses.iloc[0].to_dict() if len(losses) else {}),
        **{n: difference(frame, "f1", *pair, "points of F1") for n, pair in compared.items()},
        "kept": _kept(select(frame, released)),
        "optimum": eq2.x,
        "aug_vae": marked["AUG+VAE"],
        "aug": marked["AUG"],
        "below": (theirs["AUG+VAE"] < theirs["AUG"]).sum(),
        "cells": len(theirs),
        "p_20": _two_sided(theirs["AUG"] - theirs["CNN"]),
        "p_5": _two_sided(by_size["AUG"] - by_size["CNN"]),
    }


def _smallest(frame, kind):
    rows = select(frame, {"kind": kind})
    return int(rows["train_size"].min()) if len(rows) else 0


def _kept(rows):
    """The released runs' updates, and what the kept epoch is better than the last by."""
    rows, parts = rows[column(rows, "f1").notna()], []
    for method, runs in rows.groupby(column(rows, "method"), sort=False):
        updates, gain = runs["updates"].mean(), 100 * (runs["f1"] - runs["last"]).mean()
        parts.append(f"{method} {updates:,.0f} and {gain:+.1f} ({count(len(runs), 'run')})")
    return ", ".join(parts) or NotYet()
