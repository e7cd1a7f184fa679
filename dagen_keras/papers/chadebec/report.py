"""What tables, figures and the errata's evidence of Chadebec and Allassonnière are made of."""

import functools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from dagen_keras import datasets, plots
from dagen_keras.papers import reported
from dagen_keras.papers.chadebec.protocol import ALONE, FIGURES, RAW
from dagen_keras.study.evidence import NotYet
from dagen_keras.study.frame import column, select
from dagen_keras.study.packing import picture, unpack

NAMES = {
    "vae": "VAE, N(0, I)",
    "vamp": "VAMP-VAE, its prior",
    "rhvae_prior": "RHVAE, N(0, I)",
    "rhvae_walk": "RHVAE, Riemannian random walk",
}
PAPERS_SETS = {
    ("mnist", "balanced"): "MNIST",
    ("mnist", "unbalanced"): "MNIST unbalanced",
    ("emnist", "unbalanced"): "EMNIST unbalanced",
}
BLUE, ORANGE, GREEN, RED = (plots.COLORS[n] for n in (1, 2, 3, 5))


def data(s):
    letters = [s.letters] if s.letters_seeds else []
    names = [s.dataset, *letters, *s.figure_datasets, s.brain_dataset]
    return ", ".join(map(datasets.title, dict.fromkeys(names)))


def parts(frame):
    latent, geometry, brains = (
        computed(frame, *place)
        for place in (("latent", "arrays"), ("geometry", "arrays"), ("brain_samples", "png"))
    )
    spaces = [space for _, space in geometry.iterrows()][:1]
    table3 = computed(frame, "classify_brains", "balanced_accuracy")
    table3 = table3.assign(reported=[paper_brains(row) for row in table3.to_dict("records")])
    scores = table2(frame)
    return {
        "table1": pd.DataFrame([row for own in _lists(frame, "table1") for row in own]),
        "table2": scores,
        "generators": scores[column(scores, "passes").notna()],
        "by_number": select(scores, {"training_set": ALONE}),
        "table3": table3,
        "samplers": pd.DataFrame([row for _, space in geometry.iterrows() for row in _of(space)]),
        "generation_time": brains,
        **{
            name: functools.partial(draw, *spaces) if spaces else None
            for name, draw in (
                ("figure1", draw_figure1),
                ("wrong_geodesics", draw_wrong_geodesics),
                ("walk", draw_walk),
            )
        },
        **{
            name: functools.partial(draw, rows) if len(rows) else None
            for name, draw, rows in (
                ("figure2", draw_figure2, latent),
                ("figure3", draw_figure3, latent),
                ("figure4", draw_figure4, brains),
            )
        },
    }


def computed(frame, kind, value):
    """The cells of a kind that have a value."""
    rows = select(frame, {"kind": kind})
    return rows[column(rows, value).notna()]


def _lists(frame, name):
    return column(frame, name).dropna()


def _of(space):
    """The samplers of a latent space, a row each."""
    for name, found in space["samplers"].items():
        yield {"latent space": datasets.title(space["dataset"]), "sampler": name, **found}


def table2(frame):
    """Table 2's classifiers; the support vector machine's accuracy has a column of its own."""
    rows = select(frame, {"kind": ["classify", "svm"]})
    accuracy, is_svm = column(rows, "accuracy"), rows["kind"] == "svm"
    accuracies = {"accuracy": accuracy.where(~is_svm), "svm": accuracy.where(is_svm)}
    theirs = [paper_accuracy(row) for row in rows.to_dict("records")]
    return rows.assign(**accuracies, reported=np.array(theirs, float))


def paper_row(row):
    """How the tables of the paper's numbers call a row."""
    if row["method"] == RAW:
        return RAW
    name = "aug_x" if row["method"] == "augmented" else f"{row['method']}_"
    return f"{name}{row['number']:.0f}"


def paper_accuracy(row):
    """The paper's accuracy, %; None for other data and rows."""
    theirs = reported("chadebec_table2_accuracy_percent")
    theirs = theirs.set_index(["dataset", "method", "training_set"])["accuracy_mean"]
    place = PAPERS_SETS.get((row["dataset"], row["split"]))
    return theirs.get((place, paper_row(row), row["training_set"]))


def paper_brains(row):
    """The paper's balanced accuracy, %; None unless on OASIS."""
    theirs = reported("chadebec_table3_balanced_accuracy_percent")
    theirs = theirs.set_index(["classifier", "method", "training_set"])["balanced_accuracy_mean"]
    found = theirs.get((row["classifier"], paper_row(row), row["training_set"]))
    return found if row["dataset"] == "oasis" else None


def facts(frame):
    """What was measured, for the blanks of the errata's evidence."""
    theirs = reported("chadebec_table3_balanced_accuracy_percent").query("classifier == 'DenseNet'")
    theirs = theirs.set_index(["method", "training_set"])["balanced_accuracy_mean"]
    found = {
        "alone": theirs["rhvae_manifold_2000", ALONE],
        "raw": theirs[RAW, RAW],
        **{name: NotYet() for name in ("space", "steps", "wrong", "right", "hmc", "slipped")},
        **{name: NotYet() for name in ("walks", "exact")},
    }
    geometry = computed(frame, "geometry", "arrays")
    if geometry.empty:
        return found
    space = geometry.iloc[0]
    samplers = space["samplers"]
    distances = {name: f"{own['total_variation']:.3f}" for name, own in samplers.items()}
    walks = [f"{name} {value}" for name, value in distances.items() if name.startswith("walk")]
    return found | {
        "space": datasets.title(space["dataset"]),
        "steps": ", ".join(f"{n:,}" for n in space["steps"]),
        "wrong": ", ".join(f"{100 * change:.3g} %" for change in space["wrong_change"]),
        "right": ", ".join(f"{100 * change:.2g} %" for change in space["right_change"]),
        "hmc": f"{samplers['HMC']['acceptance']:.4f}",
        "slipped": f"{samplers['HMC, released gradient']['acceptance']:.4f}",
        "walks": "; ".join(walks),
        "exact": distances["independent exact draws"],
    }


def draw_figure1(space):
    """Geodesics and two wrapped normals over the log volume."""
    arrays = unpack(space["arrays"])
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="tight")
    for axis in axes:
        _background(axis, arrays)
    paths = arrays["right"]
    axes[0].plot(paths[:, :, 0], paths[:, :, 1], color=BLUE, linewidth=1.5)
    arrows = {"color": ORANGE, "angles": "xy", "scale_units": "xy", "scale": 1}
    axes[0].quiver(*paths[0].T, *arrays["velocity"].T, width=0.006, **arrows)
    axes[0].plot(*paths[0].T, "o", color=RED, markersize=4)
    axes[0].set_title("geodesics")
    for axis, base, drawn in zip(axes[1:], arrays["base"], arrays["wrapped"], strict=True):
        axis.plot(*drawn.T, ".", color=BLUE, markersize=4)
        axis.plot(*base, "o", color=RED, markersize=6)
        axis.set_title("wrapped normal")
    return figure


def draw_wrong_geodesics(space):
    """Right geodesics and released ones, and their energies."""
    arrays = unpack(space["arrays"])
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="tight")
    _background(axes[0], arrays)
    for name, color, label in (("right", BLUE, "right"), ("wrong", RED, "released")):
        paths, energy = arrays[name], arrays[f"{name}_energy"]
        axes[0].plot(paths[:, :, 0], paths[:, :, 1], color=color, linewidth=1.5)
        time = np.linspace(0, 1, len(energy))
        first, *_ = axes[1].plot(time, energy / energy[0], color=color, linewidth=1.2)
        first.set_label(label)
    axes[0].plot(*arrays["right"][0].T, "o", color="black", markersize=4)
    axes[1].set(xlabel="time along the path", ylabel="energy, relative to the start")
    axes[1].set_yscale("log")
    axes[1].grid(alpha=0.3)
    axes[1].legend()
    return figure


def draw_walk(space):
    """One chain over the log volume."""
    arrays = unpack(space["arrays"])
    figure, axis = plt.subplots(figsize=(5.5, 4.2), layout="tight")
    _background(axis, arrays)
    axis.plot(*arrays["walk"].T, ".-", color=BLUE, linewidth=0.6, markersize=4)
    axis.plot(*arrays["walk"][0], "o", color=RED, label="start")
    axis.legend()
    return figure


def _background(axis, arrays):
    """The log volume in grey with a scale, and the encoded images."""
    x, y = arrays["axis_0"], arrays["axis_1"]
    image = axis.pcolormesh(x, y, arrays["log_volume"], cmap="gray", shading="nearest")
    axis.figure.colorbar(image, ax=axis, label="log volume element")
    axis.plot(*arrays["mean"].T, "x", color=GREEN, markersize=3, alpha=0.7)
    axis.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    axis.set(xlabel="latent dimension 1", ylabel="latent dimension 2")


def draw_figure2(rows):
    """Latent spaces of the last data set with samples, and what they decode to."""
    rows = rows[rows["dataset"] == rows["dataset"].iloc[-1]]
    figure, axes = plt.subplots(
        2, len(rows), figsize=(3.3 * len(rows), 6.6), squeeze=False, layout="tight"
    )
    for (above, below), (_, row) in zip(axes.T, rows.iterrows(), strict=True):
        arrays = unpack(row["arrays"])
        for label in np.unique(arrays["labels"]):
            points = arrays["mean"][arrays["labels"] == label]
            above.plot(*points.T, "x", markersize=4, color=plots.COLORS[2 + label % 3])
        above.plot(*arrays["latent"].T, ".", color=BLUE, markersize=5)
        above.set_title(NAMES[row["method"]], fontsize=10)
        above.set(xlabel="latent dimension 1", ylabel="latent dimension 2")
        _show(below, row["png"])
    return figure


def draw_figure3(rows):
    """Training images and methods down, data sets across."""
    spaces = list(rows.groupby("dataset", sort=False))
    lines = ["training images", *FIGURES]
    size = 3.6 * len(spaces), 3 * len(lines)
    figure, axes = plt.subplots(len(lines), len(spaces), figsize=size, squeeze=False)
    for column_, (dataset, own) in zip(axes.T, spaces, strict=True):
        pictures = {lines[0]: own["training_png"].iloc[0], **own.set_index("method")["png"]}
        for axis, line in zip(column_, lines, strict=True):
            if line in pictures:
                _show(axis, pictures[line], f"{datasets.title(dataset)}: {NAMES.get(line, line)}")
    figure.tight_layout()
    return figure


def draw_figure4(rows):
    """Training images and each method's, those of CN above those of AD."""
    shown = {"training images": rows["training_png"].iloc[0]}
    shown |= {NAMES[row["method"]]: row["png"] for _, row in rows.iterrows()}
    size = 8, 3.5 * len(shown)
    figure, axes = plt.subplots(len(shown), 1, figsize=size, layout="tight")
    for axis, (name, packed) in zip(axes, shown.items(), strict=True):
        _show(axis, packed, name)
    return figure


def _show(axis, packed, title=""):
    axis.imshow(picture(packed), cmap="gray", vmin=0, vmax=1)
    axis.set_title(title, fontsize=9)
    axis.axis("off")
