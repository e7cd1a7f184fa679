"""What in Guruswamy et al. does not hold or is left open, with evidence."""

import numpy as np

from dagen_keras.evaluate import paired_difference
from dagen_keras.papers.guruswamy.grid import TABLE1
from dagen_keras.papers.guruswamy.scores import of_paper, wide
from dagen_keras.papers.legacy import Erratum

NEGATIVE, POSITIVE = 198_738, 78_786


def errata(runs):
    """What does not hold, each with its evidence."""
    paper = of_paper()
    patches = NEGATIVE + POSITIVE
    none, best = paper["cifar100", "none"][0], paper["cifar100", "acgan_ali_v1"][0]
    cgan = paper["cifar100", "cgan"][0]
    return [
        Erratum(
            "The generator is said to maximise L_C - L_S with L_S the discriminator's likelihood: "
            "that is the saturating loss.",
            "Its part log(1 - D(fake)) has the gradient -D(fake) in the discriminator's logit: "
            f"{_sigmoid(-6):.4f} where D(fake) = sigmoid(-6), as early in training, while "
            f"-log D(fake) has {1 - _sigmoid(-6):.4f}. We use the latter, non-saturating loss.",
        ),
        Erratum(
            'The classes of the histopathology are "about 75 % / 25 %".',
            f"The counts given, {NEGATIVE:,} and {POSITIVE:,}, are "
            f"{100 * NEGATIVE / patches:.1f} % and {100 * POSITIVE / patches:.1f} %.",
        ),
        Erratum(
            "Winners are called by differences of 0.1 to 0.5 points over three runs, without an "
            "interval.",
            _spread(runs),
        ),
        Erratum(
            "Table I sets two numbers of the histopathology in bold.",
            "0.8812 (AC-GAN) and 0.88 (v3); CGAN has 0.88 as well, not in bold.",
        ),
        Erratum(
            "On CIFAR-100 the GANs are said to be detrimental.",
            f"The AC-GANs are; CGAN ({cgan:.2f} %) and AC-GAN on ALI v1 ({best:.2f} %) are above "
            f"none ({none:.2f} %) in Table I.",
        ),
        Erratum(
            "The classes are cut before training and test part are split, so the test part may be "
            "imbalanced.",
            _cut_test(runs),
        ),
        Erratum(
            "Which of v1 and v2 of the AC-GAN on ALI starts from ALI, and which masks, is not "
            "said; nor how many images validate, which model made the images of the synthetic-only "
            "classifier, or any architecture.",
            "Here v1 starts from scratch, v2 from ALI, both mask; the others are in the table of "
            "ablations.",
        ),
    ]


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _spread(runs):
    """How wide the interval of a mean of three runs would be, from the spread of ours."""
    lines = []
    for dataset in runs["dataset"].unique():
        accuracy = wide(runs, dataset)
        methods = [m for m in TABLE1 if m in accuracy and m != "none"]
        if "none" not in accuracy or len(accuracy) < 2:
            continue
        spread = [(accuracy[m] - accuracy["none"]).std(ddof=1) for m in methods]
        half = 4.303 * np.nanmean(spread) / np.sqrt(3)
        line = (
            f"{dataset}: a method's difference from none varies by {np.nanmean(spread):.2f} points "
            f"(sd over {len(accuracy)} seeds), so three runs give +-{half:.2f} points (95 %)"
        )
        if "acgan_v3" in accuracy:
            mean, low, high = paired_difference(accuracy, "acgan_v3", "none")
            line += f"; v3, the paper's winner, minus none: {mean:.2f} ({low:.2f} to {high:.2f})"
        lines.append(line + ".")
    return " ".join(lines) or "One run here: no spread to tell."


def _cut_test(runs):
    none = runs[(runs["method"] == "none") & runs["accuracy"].notna()]
    parts = [
        f"{dataset}: {own['accuracy'].mean():.2f} % on a balanced test part, "
        f"{own['accuracy_on_cut'].mean():.2f} % on one cut alike"
        for dataset, own in none.groupby("dataset", sort=False)
        if any(own["left"].map(min) < 1)
    ]
    return ("Without augmentation, " + "; ".join(parts) + ".") if parts else "Not computed yet."
