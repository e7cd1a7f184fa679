"""Tables of Akula et al.: ours beside the paper's."""

import numpy as np
import pandas as pd

from dagen_keras.evaluate import mean_interval, paired_difference
from dagen_keras.papers.akula.grid import GANS, METHODS, REGIMES
from dagen_keras.papers.akula.scores import mixed, of_paper, wide
from dagen_keras.papers.legacy import Table

INTERVAL = "95 % intervals of the mean (Student's t over runs)"
NEEDED = (
    "FIDs compare only between equal numbers of images, and are rough with fewer than the 128 "
    "features."
)


def accuracy_table(runs, data, p):
    """Accuracy and loss of every training set on real test images alone, and on mixed ones."""
    paper, rows = of_paper(), []
    for regime in ("none", *REGIMES):
        own = runs[runs["regime"] == regime]
        for method in (m for m in METHODS if m in set(own["method"])):
            of_method = own[own["method"] == method]
            on_real = wide(runs, regime, "accuracy on real")
            row = {"synthetic images": regime, "training set": method}
            _spread(row, "accuracy", mean_interval(of_method["accuracy on real"]))
            _spread(row, "minus pure", paired_difference(on_real, method, "pure"))
            row["loss"] = _mean(of_method["loss on real"])
            row["on mixed: accuracy"] = _mean(of_method["accuracy on mixed"])
            as_paper = paired_difference(mixed(runs, regime, "accuracy"), method, "pure")
            row["on mixed: minus pure on real"] = as_paper[0]
            row["on mixed: pure"] = _mean(of_method["pure accuracy on mixed"])
            row["on mixed: loss"] = _mean(of_method["loss on mixed"])
            row["after 1 epoch"] = _mean(of_method["start on real"])
            row["runs"] = int(of_method["accuracy on real"].notna().sum())
            row["diverged"] = int(of_method["diverged"].sum())
            if method in paper:
                row["paper: accuracy"], row["paper: loss"] = paper[method]
            rows.append(row)
    return Table(
        "accuracy",
        f"Accuracy and loss of the classifier on {data}, on real test images and on mixed ones",
        f"accuracy in %, loss in nats, after the last epoch; {INTERVAL}",
        pd.DataFrame(rows).round(3),
        "'added': all real images and as many synthetic; 'replaced': synthetic images instead of "
        "half of the real ones. 'on mixed': on the real test images and as many synthetic of the "
        "same kind; 'minus pure on real' is the difference that the paper reports, as far as its "
        "text tells, and 'pure' the accuracy of the classifier of real images on the same mixed "
        "set. 'added' makes as many epochs of twice the images: twice the updates. GANs learn from "
        f"all but the held-out {p['held_out']:.0%} of a class, VAEs from all; in 'replaced' they "
        "have seen the replaced images as well. 'diverged' counts runs in which the loss of a "
        "generative model or classifier was not finite. At most "
        f"{p['train_images']:,} real training and {p['test_images']:,} test images, "
        f"{p['classifier_epochs']} epochs.",
    )


def samples_table(drawn, data, feature_space):
    """Scores of each method's images, and what drawing them takes."""
    rows = []
    right = "".join(
        f" The classifier whose features are used names {100 * accuracy:.0f} % of all test images "
        "right."
        for accuracy in drawn["classifier_accuracy"].dropna()[:1]
    )
    for method, own in drawn.groupby("method", sort=False):
        row = {"images of": method}
        _spread(row, "FID", mean_interval(own["fid"]))
        row["precision"], row["recall"] = _mean(own["precision"]), _mean(own["recall"])
        _spread(row, "inception score", mean_interval(own["inception_score"]))
        row["of one class"] = np.mean([np.mean(s) for s in own["class_inception_scores"]])
        row["ms an image"] = 1000 * own["seconds_an_image"].median()
        for name, label in (
            ("acceptance_rate", "accepted"),
            ("restarted", "restarted"),
            ("unmoved", "unmoved"),
        ):
            values = [np.mean(by_class) for by_class in own[name].dropna()]
            row[label] = np.mean(values) if values else np.nan
        row["runs"] = len(own)
        rows.append(row)
    return Table(
        "samples",
        f"Images of each method on {data}",
        f"in the features of the {feature_space}, against real training images of both classes; "
        f"{INTERVAL}",
        pd.DataFrame(rows).round(3),
        "The inception score is of both classes together, and the mean of each class's own. "
        "'accepted': of all proposals; 'restarted': chains that never left their real start; "
        "'unmoved': random walks that ended at a training image's code, which they decode. ms an "
        "image: drawing and selecting, without training but with compilation at the first call, on "
        f"one noisy machine.{right} {NEEDED}",
    )


def chain_table(selections, data, feature_space):
    """The effect of K on scores, acceptance and time."""
    rows = []
    for (sampler, k), own in selections.groupby(["sampler", "K"], sort=False):
        row = {"selection": sampler, "K": k if sampler == "metropolis_hastings" else "–"}
        _spread(row, "FID", mean_interval(own["fid"]))
        for name in ("precision", "recall", "inception_score", "acceptance_rate", "restarted"):
            row[name.replace("_", " ")] = own[name].mean()
        row["median log-odds"] = np.mean([q[len(q) // 2] for q in own["log_odds"]])
        row["proposals an image"] = own["proposals_an_image"].mean()
        row["ms an image"] = 1000 * own["seconds_an_image"].median()
        row["runs"] = len(own)
        rows.append(row)
    return Table(
        "chain_lengths",
        f"The effect of K, the proposals of a chain, on {data}",
        f"FID and inception score of both classes together in the {feature_space}, log-odds of the "
        f"uncalibrated discriminator; {INTERVAL}",
        pd.DataFrame(rows).round(3),
        "A chain that restarts sees K proposals more. ms an image as measured on one noisy "
        f"machine. {NEEDED}",
    )


def calibration_table(drawn, names, data):
    """How the discriminators are calibrated, before and after."""
    rows = []
    own = drawn[drawn["calibration"].notna()].drop_duplicates("seed")
    for _, run in own.iterrows():
        for label, name in enumerate(names):
            (before, after), (z_before, z_after) = run["brier"][label], run["z"][label]
            rows.append(
                {
                    "class": name,
                    "run": run["seed"],
                    "chosen": run["calibration"][label],
                    "Brier score before": before,
                    "after": after,
                    "z before": z_before,
                    "z after": z_after,
                }
            )
    return Table(
        "calibration",
        f"Calibration of the discriminators on {data}",
        "Brier score (0.25 for D = 1/2) and z-statistic (beyond +-2: not calibrated) on held-out "
        "images",
        pd.DataFrame(rows).round(3),
        "'after' is of images that the calibration was not fitted on (5 folds).",
    )


def all_classes_table(together, selections, data, feature_space, p):
    """Inception scores: one GAN a class against one GAN of all classes."""
    rows = []
    for method in GANS:
        sampler = METHODS[method]["sampler"]
        own = selections[selections["sampler"] == sampler]
        if sampler == "metropolis_hastings":
            own = own[own["K"] == p["chain_length"]]
        if len(own):
            each = [np.mean(s) for s in own["class_inception_scores"]]
            rows.append(_scored("one class", method, each, own["fid"]))
        if len(together):
            scores, fids = (
                [cell[name] for cell in together[method]] for name in ("inception_score", "fid")
            )
            rows.append(_scored("all classes", method, scores, fids))
    return Table(
        "all_classes",
        f"GANs of one class and of all classes of {data}",
        f"inception score and FID in the {feature_space}; {INTERVAL}",
        pd.DataFrame(rows).round(3),
        f"Of equally many images; K = {p['chain_length']}. The inception score of one class is the "
        "mean of the classes' own; its FID is of both together against their real images, that of "
        "all classes against all real images: the two FIDs do not compare.",
    )


def _scored(trained_on, method, scores, fids):
    row = {"trained on": trained_on, "images of": method}
    _spread(row, "inception score", mean_interval(scores))
    row["FID"] = np.mean(fids)
    row["runs"] = len(scores)
    return row


def _spread(row, name, interval):
    """The mean and its interval, in three columns."""
    row |= dict(zip((name, f"{name}: low", f"{name}: high"), interval, strict=True))


def _mean(values):
    return values.astype(float).mean()
