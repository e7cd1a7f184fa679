"""Figures that more than one place draws. Each function returns a matplotlib figure."""

import matplotlib.pyplot as plt
import numpy as np

# Colour-blind safe (Okabe and Ito).
COLORS = ("#000000", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00")


def image_grid(images, columns=10, titles=None, size=0.8):
    """Images (n, height, width, channels) in [0, 1], row by row."""
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns * size, rows * size * (1.25 if titles else 1))
    )
    for number, axis in enumerate(np.atleast_1d(axes).flat):
        axis.axis("off")
        if number < len(images):
            axis.imshow(images[number].squeeze(), cmap="gray", vmin=0, vmax=1)
            if titles:
                axis.set_title(titles[number], fontsize=8)
    return figure


def pictures(pictures_by_title, columns=None):
    """Pictures (height, width) side by side, in rows of so many, each under its title."""
    columns = columns or len(pictures_by_title)
    rows = -(-len(pictures_by_title) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3 * columns, 4 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, picture) in zip(axes.flat, pictures_by_title.items(), strict=False):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axis.set_title(title)
    return figure


def training_curves(history, labels=None, log=False):
    """One panel for each quantity of a Keras `History`; with `log` on a logarithmic scale."""
    values = history.history
    names = list(values)
    figure, axes = plt.subplots(1, len(names), figsize=(3.2 * len(names), 2.6), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        axis.plot(np.arange(1, len(values[name]) + 1), values[name])
        axis.set_title((labels or {}).get(name, name))
        axis.set_xlabel("epoch")
        if log:
            axis.set_yscale("log")
    figure.tight_layout()
    return figure


def latent_space(latent, labels, class_names):
    """Latent points (n, d) on their first two dimensions, coloured by label."""
    figure, axis = plt.subplots(figsize=(4.5, 4))
    for label in np.unique(labels):
        points = latent[labels == label]
        axis.scatter(points[:, 0], points[:, 1], s=14, label=class_names[label])
    axis.set_xlabel("latent dimension 1")
    axis.set_ylabel("latent dimension 2" if latent.shape[1] > 1 else "")
    axis.axhline(0, color="0.85", zorder=0)
    axis.axvline(0, color="0.85", zorder=0)
    axis.legend(fontsize=8)
    return figure


def over_volume(axis, axes, log_volume, means):
    """Draws a latent plane: its log volume element in grey, and encoded images (n, 2) as crosses.

    `axes` and `log_volume` are those of `manifold.log_volume_grid`.
    """
    grey = axis.pcolormesh(*axes, log_volume, cmap="gray", shading="nearest")
    axis.figure.colorbar(grey, ax=axis, label="log volume element")
    axis.plot(*means.T, "x", color=COLORS[3], markersize=3, alpha=0.7)
    axis.set(xlim=axes[0][[0, -1]], ylim=axes[1][[0, -1]])
    axis.set(xlabel="latent dimension 1", ylabel="latent dimension 2")


def lines_with_bands(lines, xlabel, ylabel, colors, log_x=False):
    """A line for each name: `lines[name]` is a frame with columns x, mean, low, high."""
    figure, axis = plt.subplots(figsize=(6, 4))
    for name, frame in lines.items():
        axis.plot(frame["x"], frame["mean"], "o-", color=colors[name], label=name)
        axis.fill_between(frame["x"], frame["low"], frame["high"], color=colors[name], alpha=0.15)
    if log_x:
        axis.set_xscale("log")
        ticks = sorted({x for frame in lines.values() for x in frame["x"]})
        axis.set_xticks(ticks, [f"{x:g}" for x in ticks])
        axis.minorticks_off()
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    axis.grid(alpha=0.3)
    if lines:
        axis.legend()
    return figure


def reliability_diagram(curves):
    """Predicted against observed shares: `curves[name]` is a frame of `reliability`."""
    figure, axis = plt.subplots(figsize=(4.5, 4.5))
    axis.plot([0, 1], [0, 1], "--", color="0.6", zorder=0)
    for number, (name, frame) in enumerate(curves.items()):
        color = COLORS[(number + 1) % len(COLORS)]
        axis.plot(frame["predicted"], frame["observed"], "o-", color=color, label=name)
        axis.vlines(frame["predicted"], frame["low"], frame["high"], color=color)
    axis.set_xlabel("predicted probability of real")
    axis.set_ylabel("share of real images")
    axis.set_aspect("equal")
    axis.grid(alpha=0.3)
    if curves:
        axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def diagram(boxes, arrows):
    """Boxes and arrows: how a model's parts hang together.

    Args:
        boxes: (x, y) by text, in units of a box; a text may have several lines.
        arrows: (from, to) or (from, to, label), by the boxes' texts.
    """
    x, y = np.array(list(boxes.values()), float).T
    figure, axis = plt.subplots(figsize=(1.9 * (np.ptp(x) + 1), 1.1 * (np.ptp(y) + 1)))
    axis.set_xlim(x.min() - 0.5, x.max() + 0.5)
    axis.set_ylim(y.min() - 0.5, y.max() + 0.5)
    axis.axis("off")
    drawn = {
        text: axis.annotate(
            text,
            place,
            ha="center",
            va="center",
            fontsize=9,
            bbox={"boxstyle": "round,pad=0.5", "fc": "white", "ec": COLORS[1]},
        )
        for text, place in boxes.items()
    }
    for start, end, *label in arrows:
        axis.annotate(
            "",
            boxes[end],
            boxes[start],
            arrowprops={
                "arrowstyle": "->",
                "patchA": drawn[start].get_bbox_patch(),
                "patchB": drawn[end].get_bbox_patch(),
                "shrinkA": 3,
                "shrinkB": 3,
            },
        )
        middle = np.mean([boxes[start], boxes[end]], axis=0)
        axis.text(
            *middle,
            *(label or [""]),
            ha="center",
            va="center",
            fontsize=8,
            color=COLORS[5],
            bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none"},
        )
    return figure
