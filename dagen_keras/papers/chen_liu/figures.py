"""Figures of Chen and Liu."""

import functools

import matplotlib.pyplot as plt
import numpy as np

from dagen_keras import plots
from dagen_keras.models.divergences import t_value
from dagen_keras.papers.chen_liu.grid import METHODS, T_LIMIT
from dagen_keras.runs.packing import picture
from dagen_keras.runs.paper import Figure, reported

COLORS = dict(zip(METHODS, (plots.COLORS[1], plots.COLORS[5], plots.COLORS[2]), strict=True))


def figures(frame, runs, search, data, space):
    """Fig. 2 of the paper, and what its Tables 1 and 2 rest on."""
    drawn_from = [
        (
            "samples",
            f"Images drawn from the prior by each method at its best lambda, trained on {data}.",
            draw_samples,
            runs[(runs["seed"] == 0) & runs["png"].notna()],
        ),
        (
            "fid_by_lambda",
            f"FID against lambda in the search on {data}, feature space '{space}'; crosses are "
            f"runs with |T| > {T_LIMIT:g}, which the paper would exclude.",
            draw_search,
            search[search["fid"].notna()],
        ),
        (
            "training",
            f"T, and both ELBOs at lambda 1, of 1,000 training images at most by epoch, on "
            f"{data}: mean over runs.",
            draw_training,
            runs[runs["history"].notna()],
        ),
        (
            "baseline",
            f"Test accuracy of the CNN on real images in its first updates, on {data}, and "
            "the paper's baselines.",
            draw_first_updates,
            frame[frame["table"] == "Baseline"],
        ),
    ]
    surface = Figure(
        "figure2",
        "Fig. 2 and appendix C: T over (sigma1, sigma2) for mean 0, in closed form. It is 0 on "
        "the white line through the prior (1, 1).",
        draw_t_surface,
    )
    return [surface] + [
        Figure(name, caption, functools.partial(draw, rows))
        for name, caption, draw, rows in drawn_from
        if len(rows)
    ]


def draw_t_surface():
    """T on a grid of sigmas, for mean 0."""
    sigma = np.linspace(0.05, 2.5, 200, dtype="float32")
    grid = np.stack(np.meshgrid(sigma, sigma), axis=-1).reshape(-1, 2)
    t = np.asarray(t_value(np.zeros_like(grid), 2 * np.log(grid))).reshape(200, 200)
    figure, axis = plt.subplots(figsize=(5.5, 4.5))
    drawn = axis.contourf(sigma, sigma, t, levels=30, cmap="viridis")
    figure.colorbar(drawn, label="T")
    axis.contour(sigma, sigma, t, levels=[0], colors="white")
    axis.plot(1, 1, "o", color="white")
    axis.annotate("prior", (1, 1), (1.05, 1.07), color="white")
    axis.set_xlabel(r"$\sigma_1$")
    axis.set_ylabel(r"$\sigma_2$")
    return figure


def draw_samples(rows):
    """A picture for each method."""
    titles = rows["row"] + "\nlambda " + rows["weight"].astype(str)
    return plots.pictures(dict(zip(titles, rows["png"].map(picture), strict=True)))


def draw_search(search):
    """FID against lambda, a panel for each dataset."""
    sets = list(dict.fromkeys(search["dataset"]))
    figure, axes = plt.subplots(1, len(sets), figsize=(5.5 * len(sets), 4), squeeze=False)
    for axis, dataset in zip(axes[0], sets, strict=True):
        for method in METHODS:
            own = search[(search["dataset"] == dataset) & (search["method"] == method)]
            own = own.sort_values("weight")
            color = COLORS[method]
            axis.plot(own["weight"], own["fid"], color=color, alpha=0.3)
            for kept, marker in ((True, "o"), (False, "x")):
                part = own[own["kept"] == kept]
                label = method + ("" if kept else ", excluded by T")
                if len(part):
                    axis.plot(part["weight"], part["fid"], marker, color=color, label=label)
        axis.set_title(dataset)
        axis.set_xlabel(r"$\lambda$")
        axis.set_ylabel("FID")
        axis.legend()
        axis.grid(alpha=0.3)
    figure.tight_layout()
    return figure


def draw_training(runs):
    """Mean curves of T and of the two ELBOs."""
    panels = {
        "t": "mean T",
        "elbo_kl": "ELBO_KL, nats",
        "elbo_w": "ELBO_W, nats",
        "reconstruction": "reconstruction, nats",
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(3.4 * len(panels), 3.2))
    for axis, (name, title) in zip(axes, panels.items(), strict=True):
        for (dataset, method), own in runs.groupby(["dataset", "method"], sort=False):
            curves = np.array([history[name] for history in own["history"]])
            axis.plot(
                np.arange(1, curves.shape[1] + 1),
                curves.mean(axis=0),
                color=COLORS[method],
                label=f"{dataset}, {method}, lambda {own['weight'].iloc[0]}",
            )
        axis.set_title(title)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    return figure


def draw_first_updates(baseline):
    """Accuracy by update, with the paper's converged figures as lines."""
    theirs = reported("chen_liu_table2_accuracy_percent").set_index("train_size")["baseline"]
    figure, axis = plt.subplots(figsize=(6, 4))
    for number, (_, cell) in enumerate(baseline.iterrows()):
        accuracies = 100 * np.array(cell["accuracies"])
        axis.plot(
            cell["updates"],
            accuracies,
            color=plots.COLORS[(1 + number) % len(plots.COLORS)],
            label=cell["row"],
        )
    for size, figure_of_paper in theirs.items():
        axis.axhline(figure_of_paper, color="0.6", linestyle="--", linewidth=1)
        axis.annotate(
            f"paper, {size:,} images",
            (1, figure_of_paper),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=8,
            color="0.4",
        )
    axis.set_xlabel("updates of 100 images")
    axis.set_ylabel("accuracy on test images, %")
    axis.set_ylim(0, 100)
    axis.legend(loc="lower right")
    return figure
