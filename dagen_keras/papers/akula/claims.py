"""The claims of Akula et al., decided by tests over seeds."""

import dataclasses

import numpy as np

from dagen_keras.evaluate import ALPHA, MINIMUM_PAIRS, compare_paired
from dagen_keras.papers.akula.grid import GANS, OF_PAPER, VAES
from dagen_keras.papers.akula.scores import main_regime, mixed, of_paper, wide
from dagen_keras.papers.legacy import Claim

WILCOXON = f"One-sided Wilcoxon signed-rank test over seeds, alpha {ALPHA}."
POINTS = "points of accuracy"
MARGIN = 0.5


def claims(runs, drawn, selections, together, feature_space):
    """The paper's seven claims. Those of the classifier once on real test images, once on mixed."""
    regime, paper = main_regime(runs), of_paper()
    both = {
        f"real test images, synthetic {regime}": {
            "accuracy": wide(runs, regime, "accuracy on real"),
            "start": wide(runs, regime, "start on real"),
            "loss": wide(runs, regime, "loss on real"),
        },
        f"mixed test images (pure: real ones), synthetic {regime}": {
            "accuracy": mixed(runs, regime, "accuracy"),
            "start": wide(runs, regime, "start on mixed"),
            "loss": mixed(runs, regime, "loss"),
        },
    }
    found = []
    for where, values in both.items():
        accuracy, points = values["accuracy"], f"{POINTS} on {where}"
        gain = f"{np.mean([paper[m][0] for m in OF_PAPER]) - paper['pure'][0]:.2f} points"
        text = "Synthetic images raise accuracy (by about 5 points)"
        found.append(_paired(1, text, accuracy, OF_PAPER, ["pure"], points, gain))
        gain = f"{paper['manifold VAE'][0] - paper['VAE'][0]:.1f} points"
        found.append(_paired(2, "Manifold VAE > VAE", accuracy, VAES[1:], VAES[:1], points, gain))
        found.append(_not_worse(accuracy, points))
        text = "VAE sets start at a higher accuracy than GAN sets (after one epoch)"
        found.append(_paired(4, text, values["start"], VAES, GANS, points, "10 points"))
        text = "VAE sets end higher than GAN sets"
        found.append(_paired(4, text, accuracy, VAES, GANS, points, "0.35 points"))
        found.append(_halved(values["loss"], where, paper))
    found += _inception(drawn, together, feature_space)
    found.append(_one_class(selections, together, feature_space))
    return sorted(found, key=lambda claim: claim.number)


def _paired(number, text, values, better, worse, unit, paper=""):
    """The claim that the mean of some columns exceeds that of others."""
    if not {*better, *worse} <= set(values):
        return Claim(number, text, WILCOXON, "not decided", unit=unit, paper=paper)
    pairs = values[[*better, *worse]].dropna()
    comparison = compare_paired(*(pairs[list(side)].mean(axis=1) for side in (better, worse)))
    return Claim.of(number, text, WILCOXON, comparison, unit, paper=paper)


def _not_worse(accuracy, unit):
    text = "MH-GAN >= GAN"
    test = f"The 95 % bootstrap interval of the median difference is above -{MARGIN} points."
    if not set(GANS) <= set(accuracy):
        return Claim(3, text, test, "not decided", unit=unit, paper="0.0 points")
    pairs = accuracy[list(GANS)].dropna()
    comparison = compare_paired(pairs["MH-GAN"], pairs["GAN"])
    verdict = "reproduced" if comparison.low > -MARGIN else "not reproduced"
    if comparison.n_pairs < MINIMUM_PAIRS:
        verdict = "not decided"
    claim = Claim.of(3, text, test, comparison, unit, verdict, "0.0 points")
    return dataclasses.replace(claim, p_value=None)  # Of another test than this.


def _inception(drawn, together, feature_space):
    """Claim 5 for the GAN of all classes and for those of one, as in the paper's section 4.2."""
    text = "Metropolis-Hastings selection raises the inception score"
    of_all = together.set_index("seed")[["GAN", "MH-GAN"]].map(lambda s: s["inception_score"])
    each = drawn.assign(score=drawn["class_inception_scores"].map(np.mean))
    return [
        _paired(5, f"{text}: {of}", values, ["MH-GAN"], ["GAN"], f"in the {feature_space}")
        for of, values in (
            ("one GAN of all classes", of_all),
            ("one GAN a class, mean of the classes", each.pivot_table("score", "seed", "method")),
        )
    ]


def _one_class(selections, together, feature_space):
    text = "GANs of one class have a higher inception score than the GAN of all classes"
    own = selections[selections["sampler"] == "prior"].set_index("seed")
    both = together.set_index("seed")[["GAN"]].join(own["class_inception_scores"], how="inner")
    one = [np.mean(scores) for scores in both["class_inception_scores"]]
    of_all = [scores["inception_score"] for scores in both["GAN"]]
    unit = f"unselected images, in the {feature_space}"
    return Claim.of(6, text, WILCOXON, compare_paired(one, of_all), unit)


def _halved(loss, where, paper):
    text = "The loss falls by half"
    unit = f"% change of the pure set's loss (median) on {where}"
    test = f"{WILCOXON[:-1]}, that the mean of the four is below half the pure set's loss."
    theirs = 100 * (np.mean([paper[m][1] for m in OF_PAPER]) / paper["pure"][1] - 1)
    theirs = f"{theirs:+.0f} %, which would not pass"
    if not {"pure", *OF_PAPER} <= set(loss):
        return Claim(7, text, test, "not decided", unit=unit, paper=theirs)
    pairs = loss[["pure", *OF_PAPER]].dropna()
    mean = pairs[list(OF_PAPER)].mean(axis=1)
    tested = compare_paired(pairs["pure"] / 2, mean)
    change = compare_paired(100 * (mean / pairs["pure"] - 1), np.zeros(len(pairs)))
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
        unit=unit,
        paper=theirs,
    )
