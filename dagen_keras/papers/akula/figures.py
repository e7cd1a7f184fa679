"""Figures of Akula et al.: the paper's numbers, and ours."""

import functools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from dagen_keras import plots
from dagen_keras.papers.akula.grid import GANS, METHODS, OF_PAPER, VAES
from dagen_keras.papers.akula.scores import main_regime
from dagen_keras.papers.legacy import Figure
from dagen_keras.study.packing import picture

# The paper's figures of images: number, method, class.
IMAGES = (
    (3, "MH-GAN", 1),
    (4, "MH-GAN", 0),
    (10, "VAE", 0),
    (11, "manifold VAE", 0),
    (12, "VAE", 1),
    (13, "manifold VAE", 1),
)
# Its curves: number, methods, scores.
CURVES = (
    (7, ("pure", *GANS), ("accuracy", "loss")),
    (9, ("pure", *VAES), ("accuracy", "loss")),
    (14, ("pure", *OF_PAPER), ("accuracy",)),
)
COLORS = dict(zip(METHODS, plots.COLORS, strict=True))
AXES = {"accuracy": "accuracy, %", "loss": "loss"}


def figures(runs, drawn, selections, together, effects, names, data, feature_space):
    """The figures of whatever cells are there, in the paper's order."""
    found = []
    for number, method, label in IMAGES:
        shown = drawn[drawn["method"] == method]
        caption = f"Fig. {number}: images of the class '{names[label]}' by {method}, on {data}."
        for sheet in shown[f"png_{label}"].dropna():
            draw = functools.partial(draw_picture, sheet)
            found.append((number, f"figure{number}", caption, draw))
    for number, method in zip((5, 6), GANS, strict=True):
        caption = f"Fig. {number}: images of one GAN of all classes of the dataset, by {method}."
        for sheet in together[f"png_{method}"].dropna():
            draw = functools.partial(draw_picture, sheet)
            found.append((number, f"figure{number}", caption, draw))
    regime = main_regime(runs)
    curves = runs[runs["regime"].isin([regime, "none"]) & runs["curves"].notna()]
    for number, methods, scores in CURVES:
        shown = curves[curves["method"].isin(methods)]
        if len(shown):
            caption = (
                f"Fig. {number}: {' and '.join(scores)} of the classifier by epoch on {data}, "
                f"synthetic images {regime}; "
                "solid: real test images; dashed: mixed with as many synthetic ones. Mean over "
                "runs."
            )
            draw = functools.partial(draw_curves, shown, scores)
            found.append((number, f"figure{number}", caption, draw))
    scored = drawn[drawn["inception_scores"].notna()]
    if len(scored):
        caption = (
            f"Fig. 8: inception score by epoch of the GANs' training, in the {feature_space}: "
            "first run."
        )
        draw = functools.partial(draw_inception, scored.iloc[0], together, names)
        found.append((8, "figure8", caption, draw))
    if len(selections):
        caption = (
            f"The effect of K on {data}: FID in the {feature_space}, and the discriminator's "
            "log-odds of selected images (median, 5 and 95 %) beside those of real test images. "
            "K = 0 stands for no selection."
        )
        draw = functools.partial(draw_chain_lengths, selections, list(effects["real"]))
        found.append((20, "effect_of_k", caption, draw))
        caption = f"Calibration of the discriminators on held-out images of {data}, first run."
        draw = functools.partial(draw_reliability, effects["reliability"].iloc[0], names)
        found.append((21, "reliability", caption, draw))
    found.sort(key=lambda figure: figure[0])
    return [Figure(name, caption, draw) for _, name, caption, draw in found]


def draw_picture(text):
    """One sheet of images."""
    figure, axis = plt.subplots(figsize=(5, 5))
    axis.imshow(picture(text), interpolation="nearest")
    axis.axis("off")
    return figure


def draw_curves(runs, scores):
    """A panel a score, a colour a method: on real test images solid, on mixed ones dashed."""
    figure, axes = plt.subplots(1, len(scores), figsize=(5.5 * len(scores), 3.8), squeeze=False)
    for axis, score in zip(axes[0], scores, strict=True):
        for method, own in runs.groupby("method", sort=False):
            for test, style in (("real", "-"), ("mixed", "--")):
                name = f"{score} on {test}"
                lines = [curves[name] for curves in own["curves"] if name in curves]
                if lines:
                    mean = np.mean(lines, axis=0)
                    label = method if test == "real" else None
                    epochs = np.arange(1, len(mean) + 1)
                    axis.plot(epochs, mean, style, color=COLORS[method], label=label)
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_ylabel(AXES[score])
        axis.grid(alpha=0.3)
    axes[0, -1].legend()
    figure.tight_layout()
    return figure


def draw_inception(run, together, names):
    """Inception scores by epoch: the GAN of each class, and that of all."""
    figure, axis = plt.subplots(figsize=(6, 3.8))
    lines = list(zip(names, run["looked_at"], run["inception_scores"], strict=True))
    for _, cell in together[together["seed"] == run["seed"]].iterrows():
        lines.append(("all classes", cell["looked_at"], cell["inception_scores"]))
    for color, (name, epochs, scores) in zip(plots.COLORS, lines, strict=False):
        axis.plot(epochs, scores, ".-", color=color, label=name)
    axis.set_xlabel("epoch")
    axis.set_ylabel("inception score")
    axis.grid(alpha=0.3)
    axis.legend()
    return figure


def draw_reliability(curves, names):
    """Reliability before and after calibration, for each class."""
    return plots.reliability_diagram(
        {
            f"{name}, {when}": pd.DataFrame(curve)
            for name, both in zip(names, curves, strict=True)
            for when, curve in both.items()
        }
    )


def draw_chain_lengths(selections, real):
    """FID against K, and quantiles of log-odds against K."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.8))
    chains = selections[selections["sampler"] == "metropolis_hastings"]
    lengths = sorted(chains["K"].unique())
    places = {k: place for place, k in enumerate([0, *lengths])}
    unselected = selections[selections["sampler"] == "prior"]
    for axis in axes:
        axis.set_xticks(list(places.values()), places)
        axis.set_xlabel("K, proposals of a chain")
        axis.grid(alpha=0.3)
    for own, k in [(unselected, 0), *((chains[chains["K"] == k], k) for k in lengths)]:
        place = places[k]
        axes[0].plot(np.full(len(own), place), own["fid"], ".", color=plots.COLORS[1], alpha=0.5)
        axes[0].plot([place - 0.2, place + 0.2], 2 * [own["fid"].mean()], color=plots.COLORS[1])
        low, _, middle, _, high = np.mean(own["log_odds"].tolist(), axis=0)
        axes[1].plot([place, place], [low, high], color=plots.COLORS[1])
        axes[1].plot(place, middle, "o", color=plots.COLORS[1])
    rejected = selections[selections["sampler"] == "rejection"]["fid"]
    axes[0].axhline(rejected.mean(), color=plots.COLORS[2], linestyle="--", label="rejection")
    axes[0].legend()
    axes[0].set_ylabel("FID")
    low, _, middle, _, high = np.mean(real, axis=0)
    axes[1].axhspan(low, high, color="0.9", zorder=0, label="real test images, 5 to 95 %")
    axes[1].axhline(middle, color="0.6", label="their median")
    axes[1].set_ylabel("log-odds of 'real', uncalibrated")
    axes[1].legend(fontsize=8)
    figure.tight_layout()
    return figure
