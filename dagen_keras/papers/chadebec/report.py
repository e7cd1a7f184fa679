"""What tables, figures and the errata's evidence of Chadebec and Allassonnière are made of."""

import functools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from dagen_keras import datasets, plots
from dagen_keras.papers import reported
from dagen_keras.papers.chadebec.protocol import ALONE, LETTERS, RAW
from dagen_keras.study.evidence import NotYet, difference
from dagen_keras.study.frame import column, computed, select
from dagen_keras.study.packing import unpack

BLUE, ORANGE, RED = (plots.COLORS[n] for n in (1, 2, 5))
TABLE2 = "chadebec_table2_accuracy_percent"
TABLE3 = "chadebec_table3_balanced_accuracy_percent"
PAPERS_SETS = {"balanced": "MNIST", "unbalanced": "MNIST unbalanced"}


def data(s):
    names = [s.dataset, *[LETTERS][: s.letters_seeds], *s.figure_datasets, s.brain_dataset]
    return ", ".join(map(datasets.title, dict.fromkeys(names)))


def parts(frame):
    latent, brains = (with_training(computed(frame, k, "png")) for k in ("latent", "brain_samples"))
    spaces = computed(frame, "geometry", "arrays")
    table3 = computed(frame, "classify_brains", "balanced_accuracy")
    scores, arrays = table2(frame), [unpack(packed) for packed in column(spaces, "arrays")[:1]]
    drawn = {"figure1": draw_figure1, "wrong_geodesics": draw_wrong_geodesics}
    samplers = [
        {"latent space": datasets.title(space["dataset"]), "sampler": name, **found}
        for space in spaces.to_dict("records")
        for name, found in space["samplers"].items()
    ]
    return {
        "table1": pd.DataFrame([row for rows in column(frame, "table1").dropna() for row in rows]),
        "table2": scores,
        "generators": scores[column(scores, "passes").notna()],
        "by_number": select(scores, {"training_set": ALONE}),
        "table3": beside(table3, TABLE3, lambda r: r["dataset"] == "oasis" and r["classifier"]),
        "samplers": pd.DataFrame(samplers).round(3),
        **{name: functools.partial(f, *arrays) if arrays else None for name, f in drawn.items()},
        "figure2": functools.partial(draw_figure2, latent) if len(latent) else None,
        "figure3": latent,
        "figure4": brains,
    }


def with_training(rows):
    """Of each data set a row more in front, "training images", with a picture of these."""
    first = rows.drop_duplicates("dataset")
    pictures = column(first, "training_png")
    first = first.assign(method="training images", png=pictures, arrays=None)
    return pd.concat([first, rows]).sort_values("dataset", kind="stable")


def table2(frame):
    """Table 2's classifiers; the support vector machine's accuracy has a column of its own."""
    rows = select(frame, {"kind": ["classify", "svm"]})
    accuracy, is_svm = column(rows, "accuracy"), rows["kind"] == "svm"
    rows = rows.assign(accuracy=accuracy.where(~is_svm), svm=accuracy.where(is_svm))
    rows = beside(rows, TABLE2, lambda r: r["dataset"] == "mnist" and PAPERS_SETS[r["split"]])
    order = ["dataset", "split", "training_set", "method", "number"]
    return rows.sort_values(order, kind="stable") if len(rows) else rows


def beside(rows, table, place):
    """Rows with the paper's number, `reported`, by the table's first column, `place(row)`."""
    theirs, found = papers_numbers(table), []
    for row in rows.to_dict("records"):
        name = "aug_x" if row["method"] == "augmented" else f"{row['method']}_"
        name = RAW if row["method"] == RAW else f"{name}{row['number']:.0f}"
        found.append(theirs.get((place(row), name, row["training_set"])))
    return rows.assign(reported=found)


def papers_numbers(table):
    """A table of the paper: its numbers by what is in the first three columns."""
    *places, numbers = (values for _, values in reported(table).iloc[:, :4].items())
    return dict(zip(zip(*places, strict=True), numbers, strict=True))


def facts(frame):
    """What was measured, for the blanks of the answer and of the errata's evidence."""
    theirs = papers_numbers(TABLE3)
    places = {"alone": ("rhvae_manifold_2000", ALONE), "raw": (RAW, RAW)}
    found = {name: theirs["DenseNet", *place] for name, place in places.items()}
    for space in computed(frame, "geometry", "arrays").to_dict("records")[:1]:
        samplers = space["samplers"]
        distances = {name: f"{own['total_variation']:.3f}" for name, own in samplers.items()}
        found |= {
            "space": datasets.title(space["dataset"]),
            "steps": ", ".join(f"{n:,}" for n in space["steps"]),
            "wrong": ", ".join(f"{100 * change:.3g} %" for change in space["wrong_change"]),
            "right": ", ".join(f"{100 * change:.2g} %" for change in space["right_change"]),
            "hmc": f"{samplers['HMC']['acceptance']:.4f}",
            "slipped": f"{samplers['HMC, released gradient']['acceptance']:.4f}",
            "walks": "; ".join(f"{n} {d}" for n, d in distances.items() if n.startswith("walk")),
            "exact": distances["independent exact draws"],
            "walk": next(d for n, d in distances.items() if n.startswith("walk")),
            "by_hmc": distances["HMC"],
        }
    gains = {name: gain_over(frame, method) for name, method in (("vae", "vae"), ("raw", RAW))}
    return found | {f"along_minus_{name}": gain for name, gain in gains.items()}


def gain_over(frame, method):
    """What images drawn along the manifold, alone and at the most, gain over "vae" or "raw"."""
    says = []
    for kind, classifier in (("classify", "DenseNet"), ("svm", "support vector machine")):
        rows = computed(select(frame, {"training_set": ALONE}), kind, "accuracy")
        groups = rows.groupby([column(rows, "dataset"), column(rows, "split")], sort=False)
        for (dataset, split), group in groups:
            place = {"kind": kind, "dataset": dataset, "split": split}
            alone = {**place, "training_set": ALONE, "number": group["number"].max()}
            along = {**alone, "method": "rhvae_manifold"}
            other = {**(place if method == RAW else alone), "method": method}
            gain = difference(frame, "accuracy", along, other, "points")
            says += [f"{datasets.title(dataset)}, {split}, {classifier} {gain}"]
    return "; ".join(says) or NotYet()


def draw_figure1(arrays):
    """Geodesics and two wrapped normals over the log volume."""
    figure, axes = plt.subplots(1, 3, figsize=(14, 4), layout="tight")
    for axis in axes:
        plots.over_volume(axis, arrays["axes"], arrays["log_volume"], arrays["mean"])
    paths, arrows = arrays["right"], {"angles": "xy", "scale_units": "xy", "scale": 1}
    axes[0].plot(*paths.transpose(2, 0, 1), color=BLUE, linewidth=1.5)
    axes[0].quiver(*paths[0].T, *arrays["velocity"].T, width=0.006, color=ORANGE, **arrows)
    axes[0].plot(*paths[0].T, "o", color=RED, markersize=4)
    axes[0].set_title("geodesics")
    for axis, base, drawn in zip(axes[1:], arrays["base"], arrays["wrapped"], strict=True):
        axis.plot(*drawn.T, ".", color=BLUE, markersize=4)
        axis.plot(*base, "o", color=RED, markersize=6)
        axis.set_title("wrapped normal")
    return figure


def draw_wrong_geodesics(arrays):
    """Right geodesics and released ones, and their energies."""
    figure, (axis, energies) = plt.subplots(1, 2, figsize=(10, 4), layout="tight")
    plots.over_volume(axis, arrays["axes"], arrays["log_volume"], arrays["mean"])
    for name, color in (("right", BLUE), ("wrong", RED)):
        paths, energy = arrays[name], arrays[f"{name}_energy"]
        axis.plot(*paths.transpose(2, 0, 1), color=color, linewidth=1.5)
        time = np.linspace(0, 1, len(energy))
        lines = energies.plot(time, energy / energy[0], color=color, linewidth=1.2)
        lines[0].set_label({"right": "right", "wrong": "released"}[name])
    energies.set(xlabel="time along the path", ylabel="energy, relative to the start")
    energies.set_yscale("log")
    energies.legend()
    return figure


def draw_figure2(rows):
    """Latent spaces of each data set with samples of each method."""
    rows = rows[rows["arrays"].notna()]
    columns = rows["method"].nunique()
    height = -(-len(rows) // columns)
    size = 3.3 * columns, 3.3 * height
    figure, axes = plt.subplots(height, columns, figsize=size, squeeze=False, layout="tight")
    for axis, (_, row) in zip(axes.flat, rows.iterrows(), strict=False):
        arrays = unpack(row["arrays"])
        for label in np.unique(arrays["labels"]):
            points = arrays["mean"][arrays["labels"] == label]
            axis.plot(*points.T, "x", markersize=4, color=plots.COLORS[2 + label % 3])
        axis.plot(*arrays["latent"].T, ".", color=BLUE, markersize=5)
        axis.set_title(f"{datasets.title(row['dataset'])}: {row['method']}", fontsize=9)
    return figure
