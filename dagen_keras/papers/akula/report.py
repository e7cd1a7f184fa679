"""What tables, figures and the errata's evidence of Akula et al. are made of."""

from dataclasses import replace

import numpy as np
import pandas as pd

from dagen_keras import datasets, plots
from dagen_keras.papers import listed, reported
from dagen_keras.papers.akula.protocol import CLAIMS, CLASSES, GANS, PURE, QUANTILES, SETS, added
from dagen_keras.study.evidence import by_group
from dagen_keras.study.frame import by_seed, column, select

OF_RUNS = ("accuracy", "accuracy_mixed", "pure_accuracy_mixed", "gain", "gain_mixed", "loss")
CURVES = ("figure7", "figure7_loss", "figure9", "figure9_loss", "figure14")


def data(s):
    names, images = " and ".join(CLASSES[s.dataset]), s.images
    train = images.train if images.train == "all" else f"{images.train:,}"
    sizes = f"{train} training and {images.test:,} test images"
    return f"{datasets.title(s.dataset)} ({names}), {sizes}"


def paper():
    """The paper's accuracy in % and loss, by method."""
    theirs = reported("akula_accuracy_loss").set_index("training_set").set_axis(["pure", *SETS])
    return theirs.assign(accuracy=(100 * theirs["accuracy"]).round(2))


def parts(frame):
    classified = select(frame, {"kind": "classify"})
    selected, gans = by_selection(frame), by_class(select(frame, {"method": "GAN"}))
    of_each = select(gans, {"kind": "samples"})
    return {
        "accuracy": with_pure(classified),
        "without_vaes": without_vaes(frame) if len(classified) else frame[:0],
        "selection": selected,
        "calibration": of_each,
        **dict.fromkeys(CURVES, by_test(classified)),
        "figure8": gans,
        "fid_by_selection": selected,
        "log_odds": by_quantile(selected),
        "reliability": (lambda: draw_reliability(of_each)) if len(of_each) else None,
    }


def with_pure(rows):
    """Classifiers beside the one of real images alone, and the paper's numbers."""
    pure, theirs = rows["seed"].map(by_seed(rows, "accuracy", PURE)), paper()
    known = rows["dataset"].eq("cifar10") & column(rows, "regime").ne("replaced")
    theirs = theirs.reindex(column(rows, "method")).set_index(rows.index).where(known)
    return rows.assign(
        gain=column(rows, "accuracy").astype(float) - pure,
        gain_mixed=column(rows, "accuracy_mixed").astype(float) - pure,
        reported=theirs["accuracy"],
        paper_loss=theirs["loss"],
    )


def without_vaes(frame):
    """The claims on the mean of the four sets, and the same of the GANs' sets alone."""
    rows, known = [], listed("akula")
    for claim in (claim for claim in CLAIMS if claim.id[0] in "17"):
        for methods in (SETS, GANS):
            one = replace(claim, better=added(methods)).decide(frame, known[claim.id])
            row = {"claim": f"{claim.id}. {known[claim.id].text}", "sets": ", ".join(methods)}
            row |= {"ours": one.estimate, "low": one.low, "high": one.high, "unit": one.unit}
            rows.append({**row, "n": one.n, "verdict": one.verdict, "reason": one.reason})
    return pd.DataFrame(rows).round(4)


def by_test(rows):
    """Classifiers of real and of added images, once for each test set."""
    rows = select(rows, {"regime": ["added", None]})
    mixed = {f"{name}_by_epoch": column(rows, f"{name}_mixed_by_epoch") for name in paper()}
    mixed = rows[column(rows, "method").ne("pure")].assign(test="mixed", **mixed)
    return pd.concat([rows.assign(test="real"), mixed], ignore_index=True)


def by_class(rows):
    """A row for each GAN, of a class or of all, with what it reported."""
    rows = rows.assign(gans=column(rows, "gans")).dropna(subset="gans")
    rows = rows.explode("gans", ignore_index=True)
    return rows.join(pd.DataFrame([*rows["gans"]]), rsuffix="_of_class")


def by_selection(frame):
    """The ways to select, named: none, rejection, and chains by their length."""
    rows = select(frame, {"kind": "select"})
    lengths = column(rows, "chain_length").map("K = {:.0f}".format)
    names = column(rows, "method").map({"GAN": "none", "DRS-GAN": "rejection"}).fillna(lengths)
    milliseconds = 1000 * column(rows, "seconds_an_image").astype(float)
    return rows.assign(selection=names, milliseconds=milliseconds)


def by_quantile(rows):
    """Each quantile of the log-odds of selected and of real images."""
    rows = rows[column(rows, "log_odds").notna()]
    if rows.empty:
        return rows
    real = rows.drop_duplicates("seed").assign(selection="real images")
    rows = pd.concat([rows, real.assign(log_odds=real["real_log_odds"])], ignore_index=True)
    quantiles = [[f"{quantile:.0%}" for quantile in QUANTILES]] * len(rows)
    return rows.assign(quantile=quantiles).explode(["log_odds", "quantile"], ignore_index=True)


def draw_reliability(rows):
    """The first seed's discriminators, before and after calibration."""
    rows = rows[rows["seed"] == rows["seed"].min()]
    named = dict(zip(rows["name"], rows["reliability"], strict=True))
    curves = {f"{n}, {w}": pd.DataFrame(both[w]) for n, both in named.items() for w in both}
    return plots.reliability_diagram(curves)


def facts(frame):
    """What was measured, for the blanks of the answer and of the errata's evidence."""
    theirs, samples = paper(), select(frame, {"kind": "samples"})
    drawn = select(samples, {"method": SETS})
    ours, pure = theirs.loc[SETS], theirs.loc["pure"]
    gain, fall = ours["accuracy"] - pure["accuracy"], 100 * (1 - ours["loss"] / pure["loss"])
    classified = with_pure(select(frame, {"kind": "classify"}))
    rows, copies = (select(classified, added(methods)) for methods in (SETS, ["duplicates"]))
    accuracy, mixed, of_pure, gain_real, gain_mixed, loss = (
        column(rows, name).astype(float) for name in OF_RUNS
    )
    shares = {"gain": gain_real, "gain_mixed": gain_mixed, "synthetic": 2 * mixed - accuracy}
    shares["easier"] = of_pure - (accuracy - gain_real)
    milliseconds = 1000 * column(drawn, "seconds_an_image").astype(float)
    return {
        **{name: by_group(rows, ["method"], 100 * values) for name, values in shares.items()},
        "copies": by_group(copies, ["dataset"], 100 * column(copies, "gain").astype(float)),
        "named": by_group(samples, ["method"], 100 * column(samples, "named").astype(float)),
        "losses": by_group(rows, ["method"], loss),
        "milliseconds": by_group(drawn, ["method"], milliseconds),
        **{"least_gain": gain.min(), "most_gain": gain.max()},
        **{"least_fall": fall.min(), "most_fall": fall.max()},
        **{"ratio": (1 / 0.6 - 1) / (1 / 0.8 - 1), "odds": 1 / 0.8 - 1},
        **{"at_code": _volume(0), "away": _volume(3)},
    }


def _volume(distance, regularization=1e-3):
    """sqrt(det G) of G^-1 = (exp(-distance^2) + lambda) I in two dimensions."""
    return 1 / (np.exp(-(distance**2)) + regularization)
