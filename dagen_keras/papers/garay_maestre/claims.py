"""The claims of Garay-Maestre et al., decided by tests over seeds."""

import pandas as pd

from dagen_keras.evaluate import ALPHA, MINIMUM_PAIRS, bootstrap_median_interval, compare_paired
from dagen_keras.papers.garay_maestre.grid import EXTREME, METHODS
from dagen_keras.papers.garay_maestre.scores import POINTS, independent
from dagen_keras.runs.paper import Claim

WILCOXON = f"One-sided Wilcoxon signed-rank test over (size, seed) pairs, alpha {ALPHA}."
ORDER = [("VAE", "CNN"), ("AUG", "VAE"), ("AUG+VAE", "AUG")]


def claims(scores, levels):
    """The paper's six claims with tests over seeds."""
    pairs = independent(scores)
    found = []
    for number, (first, second) in enumerate(ORDER, start=1):
        found.append(_paired_claim(number, f"{first} > {second}", pairs, first, second, WILCOXON))
    found.append(_latent_claim(scores))
    extreme = levels[levels["level"] == EXTREME]
    wide = pd.DataFrame(
        {
            "CNN": levels[levels["method"] == "CNN"].set_index("seed")["f1"],
            "extreme": extreme.set_index("seed")["f1"],
        }
    )
    found.append(
        _paired_claim(
            5,
            "Unadjusted conventional augmentation is worse than none",
            wide,
            "CNN",
            "extreme",
            f"One-sided Wilcoxon signed-rank test over seeds, CNN against level 6 of Fig. 3 "
            "(whitening of training images included), "
            f"alpha {ALPHA}.",
        )
    )
    return found + _gain_claims(scores)


def _paired_claim(number, text, wide, first, second, test):
    both = wide.reindex(columns=[first, second]).dropna()
    unit = POINTS + f" (median of {first} minus {second})"
    return Claim.of(number, text, test, compare_paired(both[first], both[second]), unit)


def _latent_claim(scores):
    test = (
        "One-sided Wilcoxon signed-rank test of LS 3 against the best other LS, over "
        f"(size, method, seed), alpha {ALPHA}."
    )
    text = "LS = 3 is the best latent size on average"
    uses_vae = scores[scores["latent_dim"].notna()]
    wide = uses_vae.pivot_table("f1", ["train_size", "method", "seed"], "latent_dim").dropna()
    others = wide.drop(columns=3.0, errors="ignore")
    if 3.0 not in wide or others.empty:
        return Claim(4, text, test, "not decided")
    best = others.mean().idxmax()
    wide = wide.rename(columns={3.0: "LS 3", best: f"LS {best:g}"})
    return _paired_claim(4, text, wide, "LS 3", f"LS {best:g}", test)


def _gain_claims(scores):
    at_50 = scores[scores["train_size"] == 50]
    at_50 = at_50[at_50["latent_dim"].isna() | (at_50["latent_dim"] == 3)]
    wide = at_50.pivot_table("f1", "seed", "method").reindex(columns=METHODS)
    found = []
    for other, gain in (("CNN", 14.56), ("AUG", 4.76)):
        difference = (wide["AUG+VAE"] - wide[other]).dropna()
        text = f"At 50 images, AUG+VAE with LS 3 gains {gain} points of F1 over {other}"
        test = "Same sign and at least half the size, for the median over seeds."
        if len(difference) == 0:
            found.append(Claim(6, text, test, "not decided", paper=f"{gain} points"))
            continue
        verdict = "reproduced" if difference.median() >= gain / 2 else "not reproduced"
        low, high = bootstrap_median_interval(difference)
        found.append(
            Claim(
                6,
                text,
                test,
                verdict if len(difference) >= MINIMUM_PAIRS else "not decided",
                n_pairs=len(difference),
                effect=float(difference.median()),
                low=low,
                high=high,
                unit=POINTS,
                paper=f"{gain} points",
            )
        )
    return found
