"""The claims of Akula et al., decided by tests over seeds."""

import numpy as np

from dagen_keras.evaluate import ALPHA, MINIMUM_PAIRS, compare_paired
from dagen_keras.papers.akula.grid import OF_PAPER
from dagen_keras.papers.akula.scores import mixed, of_paper, wide
from dagen_keras.runs.paper import Claim

WILCOXON = f"One-sided Wilcoxon signed-rank test over seeds, alpha {ALPHA}."
POINTS = "points of accuracy"
MARGIN = 0.5
VAES, GANS = ("VAE", "manifold VAE"), ("GAN", "MH-GAN")


def claims(runs, drawn, selections, together):
    """The paper's seven claims, on sets to which synthetic images were added."""
    regime = "added" if (runs["regime"] == "added").any() else "replaced"
    accuracy = wide(runs, regime, "accuracy on real")
    start = wide(runs, regime, "start")
    as_paper = mixed(runs, regime, "accuracy")
    paper = of_paper()
    mean_paper = np.mean([paper[m][0] for m in OF_PAPER]) - paper["pure"][0]
    text = "Adding synthetic images raises accuracy by about 5 points"
    found = [
        _paired(
            1,
            f"{text}: {where}",
            values,
            OF_PAPER,
            ["pure"],
            f"{POINTS} (mean of the four sets minus pure)",
            paper=f"{mean_paper:.2f} points",
        )
        for where, values in (
            ("on real test images alone", accuracy),
            ("on mixed test images, where synthetic ones count, against pure on real", as_paper),
        )
    ]
    gain = paper["manifold VAE"][0] - paper["VAE"][0]
    found.append(
        _paired(2, "Manifold VAE > VAE", accuracy, VAES[1:], VAES[:1], paper=f"{gain:.1f} points")
    )
    found.append(_not_worse(accuracy))
    found.append(
        _paired(
            4,
            "VAE sets start at a higher accuracy than GAN sets",
            start,
            VAES,
            GANS,
            f"{POINTS} after one epoch",
            paper="10 points",
        )
    )
    found.append(
        _paired(4, "VAE sets end higher than GAN sets", accuracy, VAES, GANS, paper="0.35 points")
    )
    found.append(_inception(drawn))
    found.append(_one_class(selections, together))
    loss = wide(runs, regime, "loss on real")
    for where, values in (
        ("real test images", loss),
        ("mixed test images, against pure on real", mixed(runs, regime, "loss")),
    ):
        found.append(_halved(where, values, paper))
    return found


def _paired(number, text, values, better, worse, unit=POINTS, paper=""):
    """The claim that the mean of some columns exceeds that of others."""
    if not {*better, *worse} <= set(values):
        return Claim(number, text, WILCOXON, "not decided", paper=paper)
    pairs = values[[*better, *worse]].dropna()
    comparison = compare_paired(*(pairs[list(side)].mean(axis=1) for side in (better, worse)))
    return Claim.of(number, text, WILCOXON, comparison, unit, paper=paper)


def _not_worse(accuracy):
    text = "MH-GAN >= GAN"
    test = f"The 95 % bootstrap interval of the median difference is above -{MARGIN} points."
    if not set(GANS) <= set(accuracy):
        return Claim(3, text, test, "not decided", paper="0.0 points")
    pairs = accuracy[list(GANS)].dropna()
    comparison = compare_paired(pairs["MH-GAN"], pairs["GAN"])
    verdict = "reproduced" if comparison.low > -MARGIN else "not reproduced"
    if comparison.n_pairs < MINIMUM_PAIRS:
        verdict = "not decided"
    return Claim.of(3, text, test, comparison, POINTS, verdict, "0.0 points")


def _inception(drawn):
    text = "Metropolis-Hastings selection raises the inception score"
    values = drawn.pivot_table("inception_score", "seed", "method")
    return _paired(5, text, values, ["MH-GAN"], ["GAN"], "inception score")


def _one_class(selections, together):
    text = "GANs of one class have a higher inception score than the GAN of all classes"
    own = selections[selections["sampler"] == "prior"].set_index("seed")
    both = together.set_index("seed")[["GAN"]].join(own["class_inception_scores"], how="inner")
    one = [np.mean(scores) for scores in both["class_inception_scores"]]
    of_all = [scores["inception_score"] for scores in both["GAN"]]
    return Claim.of(6, text, WILCOXON, compare_paired(one, of_all), "inception score, unselected")


def _halved(where, loss, paper):
    text = f"The loss falls by half: {where}"
    test = f"{WILCOXON[:-1]}, that the mean of the four is below half the pure set's loss."
    theirs = 100 * (1 - np.mean([paper[m][1] for m in OF_PAPER]) / paper["pure"][1])
    theirs = f"{theirs:.0f} % less"
    if not {"pure", *OF_PAPER} <= set(loss):
        return Claim(7, text, test, "not decided", paper=theirs)
    pairs = loss[["pure", *OF_PAPER]].dropna()
    mean = pairs[list(OF_PAPER)].mean(axis=1)
    tested = compare_paired(pairs["pure"] / 2, mean)
    change = compare_paired(100 * (1 - mean / pairs["pure"]), np.zeros(len(pairs)))
    return Claim(
        7,
        text,
        test,
        tested.verdict,
        n_pairs=tested.n_pairs,
        p_value=tested.p_value,
        effect=change.median,
        low=change.low,
        high=change.high,
        unit="% less than pure (median)",
        paper=theirs,
    )
