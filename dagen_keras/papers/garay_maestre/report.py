"""Special tables and figures of Garay-Maestre et al., and the errata with their evidence."""

import numpy as np
import pandas as pd
from scipy import optimize, stats

from dagen_keras import datasets
from dagen_keras.evaluate.verdicts import hodges_lehmann
from dagen_keras.papers import reported
from dagen_keras.papers.garay_maestre.protocol import BOTH_SIZES, METHODS, TABLES, of_method
from dagen_keras.study.evidence import NOT_YET, count, difference
from dagen_keras.study.figures import by_factor, sheet
from dagen_keras.study.frame import by_seed, select
from dagen_keras.study.pilot import pilot_figure, pilot_table
from dagen_keras.study.report import Erratum, Table

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


def tables(frame, data):
    summaries = [table.table(frame, data) for table in TABLES]
    return [*summaries, table3(frame, data), pilot_table(frame, data, "f1", F1)]


def table3(frame, data):
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
    return Table(
        "table3",
        f"Table 3, does the row's method differ from the column's?: {data}",
        "p-values of two-sided signed-rank tests; difference in points of macro F1",
        pd.DataFrame(rows).dropna(axis=1, how="all"),
        "The paper's 20 cells repeat the 5 numbers of CNN and of AUG for every latent dimension; "
        "its 5 sizes average over latent dimensions, and five pairs cannot give p < 0.0625. Ours: "
        "a value a seed, the mean of 50 and 100 images, LS 3.",
    )


def _two_sided(differences):
    differences = np.asarray(differences, float)
    if not np.any(differences):
        return np.nan
    return float(f"{stats.wilcoxon(differences).pvalue:.3g}")


def figures(frame, data):
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
        sheet(
            "figure2",
            f"Fig. 2, digits drawn from class-wise VAEs by latent size (LS). {data}.",
            samples,
            [f"LS {int(dim)}" for dim in samples.get("latent_dim", ())],
        ),
        by_factor(
            "figure3",
            "Fig. 3, macro F1 without augmentation (-1) and from the adjusted one (0) to all "
            "transformations (6), at the smallest number of training images; dots are runs, the "
            f"line their mean. {data}.",
            *(levels, "level", "f1", "training"),
            ("level: -1 none, 0 adjusted ... 6 all transformations", f1),
            scale=100,
        ),
        by_factor(
            "f1_by_size",
            "Macro F1 against the number of training images; dots are runs, solid their mean, "
            f"dotted the paper (VAE methods averaged over LS). {data}.",
            *(table2, "train_size", "f1", "method"),
            ("training images in all (log scale)", f1),
            scale=100,
            log_x=True,
            reported=theirs,
        ),
        pilot_figure(frame, data, "f1", F1),
        by_factor(
            "released",
            "The released training, macro F1 of the epoch that it keeps by test images; dots are "
            "runs. 'same': VAEs trained on the classifier's own images; 'other': on as many other "
            f"real images, as the released code does. {data}.",
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
    """What does not hold, each with its evidence."""
    optimum = optimize.minimize_scalar(
        lambda sd: sd**2 - np.log(sd) - 1, bounds=(0.01, 3), method="bounded"
    ).x
    theirs = reported("garay_maestre_table2_f1_percent")
    by_size = theirs.groupby("train_size")[["AUG", "CNN"]].first()
    below = theirs[theirs["AUG+VAE"] < theirs["AUG"]]
    marked = theirs[(theirs["latent_dim"] == 4) & (theirs["train_size"] == 100)].iloc[0]
    found = {
        "The released VAEs are trained on other real images than the classifier: VAE.py seeds each "
        "digit anew, CNN.py once for all. 'With VAE images of 50 digits' means 45 more real "
        "digits.": _other_images(frame),
        "The released AUG+VAE trains on augmented real images alone: its synthetic images are "
        "never seen.": _unseen(frame),
        "The released methods differ in updates, in stopping and in what is kept, and stopping and "
        "choice look at test images.": _training(frame),
        "The released VAE scales its noise by the variance and averages the KL over latent "
        "dimensions.": _vae(frame),
        "Eq. 2 lacks the factor 1/2 and takes log(sigma) for log(sigma^2).": "With mean 0 it is "
        f"smallest at sigma = {optimum:.4f}, not at the prior's 1; the exact KL, which we use, is "
        "smallest at 1.",
        "Eq. 1 calls the output y and takes the logarithm of the input.": "The input has exact "
        "zeros, where its logarithm is minus infinity; the cross-entropy takes the logarithm of "
        "the reconstruction.",
        "Table 2 marks AUG+VAE as best where AUG is, and AUG+VAE is not best throughout.": "LS 4, "
        f"100 images: {marked['AUG+VAE']} against AUG's {marked['AUG']}. AUG+VAE is below AUG in "
        f"{len(below)} of {len(theirs)} cells.",
        "Table 3 counts 20 pairs of CNN and AUG of which 5 are independent.": "AUG against CNN: p "
        f"= {_two_sided(theirs['AUG'] - theirs['CNN']):.2g} over its 20 cells, "
        f"{_two_sided(by_size['AUG'] - by_size['CNN']):.4g} over its 5 independent pairs, the "
        "smallest value that five pairs can give.",
    }
    return [Erratum(text, evidence) for text, evidence in found.items()]


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
    theirs = (
        "In the paper's own table VAE(n) is CNN(2n): 84.6 against 84.4 % at 50 images, 91.5 "
        "against 90.9 at 100, 95.3 against 94.3 at 250, 96.1 against 96.5 at 500 (VAE averaged "
        "over LS, CNN(2n) interpolated)."
    )
    return f"{theirs} {'; '.join(found) or 'Ours is not computed yet'}."


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
    text = (
        "From the code's steps with 50 images: an epoch of CNN is 2 updates, of VAE 5, of AUG and "
        "AUG+VAE 50; CNN and AUG stop on the test loss and keep its best epoch, the others never "
        "stop and keep the epoch of best test accuracy."
    )
    rows = select(frame, {"kind": "released", "train_size": _smallest(frame, "released")})
    parts = []
    for method, runs in rows.groupby("method", sort=False) if len(rows) else ():
        gain = 100 * (runs["f1"] - runs["last"]).mean()
        updates = runs["updates"].mean()
        parts.append(f"{method} {updates:,.0f} and {gain:+.1f} ({count(len(runs), 'run')})")
    measured = "Ours, updates and points of F1 of the kept epoch over the last one:"
    return f"{text} {measured} {', '.join(parts)}." if parts else text


def _vae(frame):
    rows = select(frame, {"kind": "vae_losses"})
    if rows.empty:
        return NOT_YET
    row = rows.iloc[0]
    return (
        f"One class, {row['train_size']:.0f} images in all, LS {row['latent_dim']:.0f}: exact KL "
        f"{row['exact_kl']:.2f} nats an image when trained with the exact loss, "
        f"{row['released_kl']:.2f} with the released one; the means' standard deviation is "
        f"{row['exact_mean_sd']:.2f} and {row['released_mean_sd']:.2f}, where N(0, I) and "
        "U(-1.5, 1.5) have 1 and 0.87."
    )
