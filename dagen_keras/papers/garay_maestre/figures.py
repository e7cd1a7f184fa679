"""Figures of Garay-Maestre et al."""

import functools

import matplotlib.pyplot as plt

from dagen_keras import plots
from dagen_keras.papers.garay_maestre.grid import METHODS
from dagen_keras.papers.garay_maestre.scores import independent
from dagen_keras.runs.packing import picture
from dagen_keras.runs.paper import Figure, reported


def figures(frame, scores, levels, released, data):
    size = levels["train_size"].iloc[0] if len(levels) else "?"
    pictures = frame[frame["table"] == "Fig. 2"]
    found = []
    if len(pictures):
        found.append(
            Figure(
                "figure2",
                f"Fig. 2 on {data}: digits drawn from class-wise VAEs trained on "
                f"{int(pictures['train_size'].iloc[0])} images in all, by latent size (LS).",
                functools.partial(draw_figure2, pictures),
            )
        )
    if len(levels):
        found.append(
            Figure(
                "figure3",
                f"Fig. 3 on {data}, {size} training images: macro F1 from the adjusted "
                "augmentation (0) to all transformations (6); the line is no augmentation, dots "
                "are runs. Level 6 also whitens training images (ZCA), and test images stay as "
                "they are.",
                functools.partial(draw_figure3, levels),
            )
        )
    if len(scores):
        found.append(
            Figure(
                "f1_by_size",
                f"Macro F1 against the number of training images on {data}. Solid: ours, mean "
                "and range over runs, VAE methods averaged over LS; dotted: the paper.",
                functools.partial(draw_f1_by_size, scores),
            )
        )
    if len(released):
        found.append(
            Figure(
                "leakage",
                f"The released protocol on {data}: each run's F1 with its epoch chosen on test "
                "images, against the same run's with the epoch chosen on validation.",
                functools.partial(draw_leakage, released),
            )
        )
    return found


def draw_figure2(rows):
    """Synthetic digits by latent size."""
    pictures = {}
    for _, row in rows.sort_values("latent_dim").iterrows():
        pictures[f"LS {int(row['latent_dim'])}"] = picture(row["png"])
    return plots.pictures(pictures)


def draw_figure3(levels):
    """F1 by level of augmentation, against none."""
    figure, axis = plt.subplots(figsize=(6, 4))
    augmented = levels[levels["method"] == "AUG"].drop_duplicates(["level", "seed"])
    mean = augmented.groupby("level")["f1"].mean()
    axis.plot(mean.index, mean, "-", color=plots.COLORS[1], label="AUG, mean")
    axis.plot(augmented["level"], augmented["f1"], "o", color=plots.COLORS[1], alpha=0.5)
    none = levels[levels["method"] == "CNN"]["f1"].mean()
    axis.axhline(none, color=plots.COLORS[5], label="no augmentation, mean")
    axis.set_xticks(range(7))
    axis.set_xlabel("level: 0 adjusted ... 6 all transformations")
    axis.set_ylabel("macro F1 on test images, %")
    axis.grid(alpha=0.3)
    axis.legend()
    return figure


def draw_f1_by_size(scores):
    """F1 against training size, with the range over seeds, beside the paper's numbers."""
    lines = {}
    for method in METHODS:
        values = independent(scores)[method].dropna().groupby("train_size")
        if len(values):
            table = values.agg(["mean", "min", "max"]).reset_index()
            lines[method] = table.set_axis(["x", "mean", "low", "high"], axis=1)
    colors = {method: plots.COLORS[METHODS.index(method)] for method in lines}
    figure = plots.lines_with_bands(
        lines,
        "training images in all (log scale)",
        "macro F1 on test images, %",
        colors,
        log_x=True,
    )
    axis = figure.axes[0]
    theirs = reported("garay_maestre_table2_f1_percent").groupby("train_size")[list(METHODS)].mean()
    theirs = theirs[theirs.index.isin(scores["train_size"].unique())]
    for method in METHODS:
        color = plots.COLORS[METHODS.index(method)]
        axis.plot(theirs.index, theirs[method], "s:", color=color, markersize=4, alpha=0.8)
    return figure


def draw_leakage(released):
    """F1 chosen on test images against F1 chosen on validation, run by run."""
    figure, axis = plt.subplots(figsize=(5, 4.5))
    for number, (method, runs) in enumerate(released.groupby("method", sort=False)):
        # Open rings that shrink: equal runs of two methods stay visible.
        axis.plot(
            runs["f1_selected_on_validation"],
            runs["f1"],
            "o",
            color=plots.COLORS[number],
            markerfacecolor="none",
            markeredgewidth=1.8,
            markersize=13 - 2 * number,
            label=method,
        )
    both = released[["f1", "f1_selected_on_validation"]].to_numpy()
    ends = [both.min() - 1, both.max() + 1]
    axis.plot(ends, ends, color="0.6", linewidth=1, label="no leakage")
    axis.set_xlabel("macro F1, epoch chosen on validation, %")
    axis.set_ylabel("macro F1, epoch chosen on test images, %")
    axis.grid(alpha=0.3)
    axis.legend()
    return figure
