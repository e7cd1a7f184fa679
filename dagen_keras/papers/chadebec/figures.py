"""Figures of Chadebec and Allassonniere."""

import functools

import matplotlib.pyplot as plt
import numpy as np

from dagen_keras import plots
from dagen_keras.papers.chadebec.grid import FIGURE_METHODS
from dagen_keras.papers.legacy import Figure
from dagen_keras.study.packing import picture, unpack

NAMES = {
    "vae": "VAE, N(0, I)",
    "vamp": "VAMP-VAE, its prior",
    "rhvae_prior": "RHVAE, N(0, I)",
    "rhvae_walk": "RHVAE, Riemannian random walk",
}


def figures(frame, brains):
    geometry = frame[frame["table"] == "Fig. 1"]
    compared = frame[frame["table"] == "Figs. 2 and 3"]
    brain_rows = frame[frame["table"] == "Fig. 4"]
    found = []
    if len(geometry):
        space = geometry.iloc[0]["row"]
        found += [
            Figure(
                "figure1",
                f"Fig. 1 on {space}: the log volume element in grey, encoded images as crosses. "
                "Left: geodesics from red points with orange initial velocities. Middle and right: "
                "samples of the wrapped normal at the red point.",
                functools.partial(draw_figure1, geometry.iloc[0]),
            ),
            Figure(
                "wrong_geodesics",
                f"The released geodesics beside right ones on {space}, from the same points and "
                "velocities, and the energy along them, which a geodesic conserves.",
                functools.partial(draw_wrong_geodesics, geometry.iloc[0]),
            ),
            Figure(
                "walk",
                f"A Riemannian random walk of 200 steps on {space}.",
                functools.partial(draw_walk, geometry.iloc[0]),
            ),
        ]
    if len(compared):
        first = compared["row"].iloc[0]
        found += [
            Figure(
                "figure2",
                f"Fig. 2 on {first}: encoded training images (crosses, by class) and 100 latent "
                "samples of each method (blue), with decoded images below.",
                functools.partial(draw_figure2, compared[compared["row"] == first]),
            ),
            Figure(
                "figure3",
                "Fig. 3: training images and images decoded from each method's samples.",
                functools.partial(draw_figure3, compared),
            ),
        ]
    if len(brain_rows):
        found.append(
            Figure(
                "figure4",
                f"Fig. 4 on {brains}: training images, and images drawn from models of each class.",
                functools.partial(draw_figure4, brain_rows),
            )
        )
    return found


def draw_figure1(cell):
    """Geodesics and two wrapped normals over the log volume."""
    arrays = unpack(cell["arrays"])
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8))
    for axis in axes:
        _background(axis, arrays)
    paths, velocity = arrays["right"], arrays["velocity"]
    axes[0].plot(paths[:, :, 0], paths[:, :, 1], color=plots.COLORS[1], linewidth=1.5)
    arrows = {"color": plots.COLORS[2], "angles": "xy", "scale_units": "xy", "scale": 1}
    axes[0].quiver(*paths[0].T, *velocity.T, width=0.006, **arrows)
    axes[0].plot(*paths[0].T, "o", color=plots.COLORS[5], markersize=4)
    axes[0].set_title("geodesics")
    for axis, base, samples in zip(axes[1:], arrays["base"], arrays["wrapped"], strict=True):
        axis.plot(*samples.T, ".", color=plots.COLORS[1], markersize=4)
        axis.plot(*base, "o", color=plots.COLORS[5], markersize=6)
        axis.set_title("wrapped normal")
    figure.tight_layout()
    return figure


def draw_wrong_geodesics(cell):
    """Right and wrong-signed geodesics, and their energies."""
    arrays = unpack(cell["arrays"])
    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    _background(axes[0], arrays)
    time = np.linspace(0, 1, len(arrays["right"]))
    for name, color, label in (
        ("right", plots.COLORS[1], "right"),
        ("wrong", plots.COLORS[5], "released"),
    ):
        paths, energy = arrays[name], arrays[f"{name}_energy"]
        axes[0].plot(paths[:, :, 0], paths[:, :, 1], color=color, linewidth=1.5)
        lines = axes[1].plot(time, energy / energy[0], color=color, linewidth=1.2)
        lines[0].set_label(label)
    axes[0].plot(*arrays["right"][0].T, "o", color="black", markersize=4)
    axes[1].set_xlabel("time along the path")
    axes[1].set_ylabel("energy, relative to the start")
    axes[1].set_yscale("log")
    axes[1].grid(alpha=0.3)
    axes[1].legend()
    figure.tight_layout()
    return figure


def draw_walk(cell):
    """One chain over the log volume."""
    arrays = unpack(cell["arrays"])
    figure, axis = plt.subplots(figsize=(5.5, 4.2))
    _background(axis, arrays)
    axis.plot(*arrays["walk"].T, "-", color=plots.COLORS[1], linewidth=0.6)
    axis.plot(*arrays["walk"].T, ".", color=plots.COLORS[1], markersize=4)
    axis.plot(*arrays["walk"][0], "o", color=plots.COLORS[5], label="start")
    axis.legend()
    return figure


def _background(axis, arrays):
    """The log volume in grey with a scale, and the encoded images."""
    x, y = arrays["axis_0"], arrays["axis_1"]
    image = axis.pcolormesh(x, y, arrays["log_volume"], cmap="gray", shading="nearest")
    axis.figure.colorbar(image, ax=axis, label="log volume element")
    axis.plot(*arrays["mean"].T, "x", color=plots.COLORS[3], markersize=3, alpha=0.7)
    axis.set_xlim(x[0], x[-1])
    axis.set_ylim(y[0], y[-1])
    axis.set_xlabel("latent dimension 1")
    axis.set_ylabel("latent dimension 2")


def draw_figure2(rows):
    """Latent spaces with samples, and what they decode to."""
    rows = rows.set_index("column")
    methods = [m for m in FIGURE_METHODS if m in rows.index]
    figure, axes = plt.subplots(2, len(methods), figsize=(3.3 * len(methods), 6.6), squeeze=False)
    for column, method in enumerate(methods):
        arrays = unpack(rows.loc[method, "arrays"])
        axis = axes[0, column]
        for label in np.unique(arrays["labels"]):
            points = arrays["mean"][arrays["labels"] == label]
            axis.plot(*points.T, "x", markersize=4, color=plots.COLORS[(2, 3, 4)[label % 3]])
        axis.plot(*arrays["latent"].T, ".", color=plots.COLORS[1], markersize=5)
        axis.set_title(NAMES[method], fontsize=10)
        axis.set_xlabel("latent dimension 1")
        axes[1, column].imshow(picture(rows.loc[method, "png"]), cmap="gray", vmin=0, vmax=1)
        axes[1, column].axis("off")
    axes[0, 0].set_ylabel("latent dimension 2")
    figure.tight_layout()
    return figure


def draw_figure3(compared):
    """Methods down, datasets across."""
    spaces = list(dict.fromkeys(compared["row"]))
    figure, axes = plt.subplots(
        1 + len(FIGURE_METHODS), len(spaces), figsize=(3.6 * len(spaces), 15), squeeze=False
    )
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    for column, space in enumerate(spaces):
        rows = compared[compared["row"] == space].set_index("column")
        shown = [rows["training_png"].iloc[0]]
        shown += [rows["png"].get(method) for method in FIGURE_METHODS]
        for axis, text in zip(axes[:, column], shown, strict=True):
            if isinstance(text, str):
                axis.imshow(picture(text), cmap="gray", vmin=0, vmax=1)
            else:
                axis.text(0.5, 0.5, "not computed", ha="center", va="center")
        axes[0, column].set_title(space)
    labels = ["training images", *(NAMES[method] for method in FIGURE_METHODS)]
    for axis, label in zip(axes[:, 0], labels, strict=True):
        axis.set_ylabel(label, fontsize=9)
    figure.tight_layout()
    return figure


def draw_figure4(rows):
    """Training images, VAE and RHVAE, each for CN and AD."""
    rows = rows.set_index("column")
    shown = [("training images", rows.iloc[0], "_training_png")]
    shown += [(NAMES[method], row, "_png") for method, row in rows.iterrows()]
    figure, axes = plt.subplots(2 * len(shown), 1, figsize=(8, 3.3 * len(shown)))
    lines = [(t, row, name, end) for t, row, end in shown for name in ("CN", "AD")]
    for axis, (text, row, name, ending) in zip(axes, lines, strict=True):
        axis.imshow(picture(row[f"{name}{ending}"]), cmap="gray", vmin=0, vmax=1)
        axis.set_title(f"{text}: {name}", fontsize=9)
        axis.axis("off")
    figure.tight_layout()
    return figure
