"""The claims of Guruswamy et al., decided by tests over seeds."""

import numpy as np

from dagen_keras import datasets
from dagen_keras.evaluate import (
    ALPHA,
    MINIMUM_PAIRS,
    bootstrap_median_interval,
    compare_paired,
)
from dagen_keras.papers.guruswamy.grid import PROPORTIONS, TABLE1
from dagen_keras.papers.guruswamy.scores import of_paper, title_of_role, wide
from dagen_keras.papers.legacy import Claim

WILCOXON = f"One-sided Wilcoxon signed-rank test over seeds, alpha {ALPHA}."
POINTS = "points of accuracy"
FAR = 5.0


def claims(runs):
    """The paper's six claims, on the datasets that are there or stand for its own."""
    found = [_all_alike(runs)]
    found.append(_paired(runs, 2, "cifar100", "affine augmentation helps", ["affine"], ["none"]))
    found.append(_paired(runs, 2, "cifar100", "AC-GANs hurt", ["none"], PROPORTIONS))
    text = "the AC-GAN gains accuracy, about 1 point in the paper"
    found.append(_paired(runs, 3, "histopathology", text, ["acgan"], ["none"]))
    found.append(_v3_is_best(runs))
    for role in ("fashion_mnist", "histopathology"):
        found.append(_synthetic(runs, role))
    found.append(_like_duplicates(runs))
    return found


def _on(runs, role, text):
    """The claim's text with the dataset's name, and that dataset's accuracy by seed."""
    dataset, own = title_of_role(runs, role), datasets.title(role)
    if dataset is None:
        return f"On {own} {text} (not run)", None
    place = f" (for {own})" if dataset != own else ""
    return f"On {dataset}{place} {text}", wide(runs, dataset)


def _paper_difference(role, better, worse):
    paper = of_paper()
    first, second = (np.mean([paper[role, m][0] for m in group]) for group in (better, worse))
    return f"{first - second:.2f} points"


def _paired(runs, number, role, text, better, worse):
    text, accuracy = _on(runs, role, text)
    paper = _paper_difference(role, better, worse)
    if accuracy is None or not {*better, *worse} <= set(accuracy):
        return Claim(number, text, WILCOXON, "not decided", paper=paper)
    pairs = accuracy[[*better, *worse]].dropna()
    comparison = compare_paired(*(pairs[list(group)].mean(axis=1) for group in (better, worse)))
    return Claim.of(number, text, WILCOXON, comparison, POINTS, paper=paper)


def _v3_is_best(runs):
    """v3 against each of the other three; the closest of them decides."""
    text, accuracy = _on(runs, "fashion_mnist", "v3 is the best of the AC-GANs")
    test = f"{WILCOXON[:-1]}, of v3 against each other AC-GAN; the least difference is shown."
    others = [m for m in PROPORTIONS if m != "acgan_v3"]
    paper = _paper_difference("fashion_mnist", ["acgan_v3"], ["acgan"])
    if accuracy is None or not {"acgan_v3", *others} <= set(accuracy):
        return Claim(4, text, test, "not decided", paper=paper)
    pairs = accuracy[list(PROPORTIONS)].dropna()
    found = {m: compare_paired(pairs["acgan_v3"], pairs[m]) for m in others}
    closest = min(found, key=lambda m: found[m].median)
    verdicts = {c.verdict for c in found.values()}
    verdict = verdicts.pop() if len(verdicts) == 1 else "not reproduced"
    unit = f"{POINTS} (median of v3 minus {closest})"
    return Claim.of(4, text, test, found[closest], unit, verdict, paper)


def _within(differences, limit):
    """Whether intervals of medians stay within +-limit: all, one not at all, or neither."""
    intervals = [bootstrap_median_interval(d) for d in differences]
    if any(low > limit or high < -limit for low, high in intervals):
        return "not reproduced", intervals
    inside = all(-limit <= low and high <= limit for low, high in intervals)
    return ("reproduced" if inside else "not decided"), intervals


def _all_alike(runs):
    text, accuracy = _on(
        runs, "fashion_mnist", "no method differs from none by more than 0.5 points"
    )
    test = "95 % bootstrap intervals of each method's median difference lie within 0.5 points."
    paper = "at most 0.45 points"
    if accuracy is None or "none" not in accuracy:
        return Claim(1, text, test, "not decided", paper=paper)
    methods = [m for m in TABLE1 if m in accuracy and m != "none"]
    differences = [(accuracy[m] - accuracy["none"]).dropna() for m in methods]
    differences = [d for d in differences if len(d)]
    if not differences:
        return Claim(1, text, test, "not decided", paper=paper)
    verdict, intervals = _within(differences, 0.5)
    widest = int(np.argmax([abs(d.median()) for d in differences]))
    n = min(len(d) for d in differences)
    if verdict == "reproduced" and len(methods) < len(TABLE1) - 1:
        verdict = "not decided"
    return Claim(
        1,
        text,
        test,
        verdict if n >= MINIMUM_PAIRS else "not decided",
        n_pairs=n,
        effect=float(differences[widest].median()),
        low=intervals[widest][0],
        high=intervals[widest][1],
        unit=f"{POINTS} ({methods[widest]} minus none, the largest of {len(methods)} differences)",
        paper=paper,
    )


def _synthetic(runs, role):
    """Claim 5: more than 5 points above always naming the most frequent class."""
    dataset = title_of_role(runs, role)
    text = f"training on generated images alone is far (over {FAR:g} points) above chance"
    text, _ = _on(runs, role, text)
    own = runs[(runs["dataset"] == dataset) & runs["synthetic_accuracy"].notna()]
    paper = {"fashion_mnist": "69.4 points", "histopathology": "6.2 points"}[role]
    if own.empty:
        return Claim(5, text, WILCOXON, "not decided", paper=paper)
    by_seed = own.groupby("seed")[["synthetic_accuracy", "majority"]].mean()
    above = by_seed["synthetic_accuracy"] - by_seed["majority"]
    verdict = compare_paired(above, np.full(len(above), FAR)).verdict
    comparison = compare_paired(above, np.zeros(len(above)))
    unit = f"{POINTS} (above always naming the most frequent class of the test part)"
    test = f"{WILCOXON[:-1]}, that the difference exceeds {FAR:g} points; p is for 0."
    return Claim.of(5, text, test, comparison, unit, verdict, paper)


def _like_duplicates(runs):
    test = "95 % bootstrap interval of the median difference lies within 0.5 points."
    text, accuracy = _on(runs, "fashion_mnist", "ALI's reconstructions do as much as duplicates")
    names = ["ali reconstructions", "duplicates"]
    if accuracy is None or not set(names) <= set(accuracy):
        return Claim(6, text, test, "not decided")
    both = accuracy[names].dropna()
    difference = both[names[0]] - both[names[1]]
    if not len(difference):
        return Claim(6, text, test, "not decided")
    verdict, ((low, high),) = _within([difference], 0.5)
    return Claim(
        6,
        text,
        test,
        verdict if len(difference) >= MINIMUM_PAIRS else "not decided",
        n_pairs=len(difference),
        effect=float(difference.median()),
        low=low,
        high=high,
        unit=f"{POINTS} (median of reconstructions minus duplicates)",
    )
