"""What tables, figures and the errata's evidence of Guruswamy et al. are made of."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit

from dagen_keras import datasets, plots
from dagen_keras.papers import reported
from dagen_keras.papers.guruswamy.protocol import METHODS, ROLES
from dagen_keras.study.evidence import NotYet, by_group, count
from dagen_keras.study.frame import column, select

BLUE, RED = plots.COLORS[1], plots.COLORS[5]
NEGATIVE, POSITIVE = 198_738, 78_786  # Patches, as the paper counts them.
T_OF_THREE = 4.303  # Student's t at 97.5 % for three runs.


def data(s):
    names = [datasets.title(name) for name in s.datasets]
    if "cifar100" in s.datasets and s.images.classes < 100:
        names[s.datasets.index("cifar100")] += f" ({s.images.classes} classes)"
    sizes = {"": s.images.train}
    if any(ROLES[name] == "histopathology" for name in s.datasets):
        sizes[" of patches"] = s.patches_images.train
    sizes = [f"{n if n == 'all' else f'{n:,}'}{of}" for of, n in sizes.items()]
    size = f"{', '.join(sizes)} training images before the cut"
    smaller = f", pixels averaged over {s.images.shrink}x{s.images.shrink}"
    return f"{', '.join(names)}; {size}{smaller if s.images.shrink > 1 else ''}"


def parts(frame):
    fills = with_differences(select(frame, {"kind": "fill"}))
    trained = fills[column(fills, "diversity").notna() | column(fills, "reconstructed").notna()]
    alone = fills[column(fills, "alone").notna()]
    theirs = reported("guruswamy_synthetic_only_accuracy").set_index("dataset")["accuracy"]
    changes = fills[fills["sparse_minus_none"].notna() & (column(fills, "method") != "none")]
    return {
        "table1": fills.assign(
            reported=[paper(row, "accuracy") for row in fills.to_dict("records")],
            reported_top=[paper(row, "top") for row in fills.to_dict("records")],
        ),
        "recalls": fills,
        "synthetic_only": alone.assign(reported=100 * alone["dataset"].map(theirs)),
        "diversity": trained,
        "recalls_by_method": (lambda: draw_recalls(changes)) if len(changes) else None,
    }


def paper(row, value):
    """Table I's number, in %, of a row of the frame; None where the paper has none."""
    table = reported("guruswamy_table1_accuracy").set_index("method")
    names = [n for n in table if n.startswith(f"{row['dataset']}_{value}")]
    known = names and row["method"] in table.index
    return 100 * table.loc[row["method"], names[0]] if known else None


def with_differences(fills):
    """Runs with what they differ by from none, and from duplicates, on the same images."""
    found, place = {}, ["dataset", "seed"]
    values = fills.reindex(columns=["accuracy", "sparse_recall", "full_recall"]).astype(float)
    for other in ("none", "duplicates"):
        theirs = select(fills, {"method": other}).drop_duplicates(place)
        theirs = values.loc[theirs.index].set_index(pd.MultiIndex.from_frame(theirs[place]))
        theirs = theirs.reindex(pd.MultiIndex.from_frame(fills[place]))
        for name in values:
            difference = values[name] - theirs[name].to_numpy()
            found[f"{name.removesuffix('_recall')}_minus_{other}"] = difference
    return fills.assign(**found)


def draw_recalls(rows):
    """Changes of recall from no augmentation: a dot a run, a line its mean, a panel a dataset."""
    names = list(rows["dataset"].unique())
    figure, axes = plt.subplots(1, len(names), figsize=(4.5 * len(names), 4), squeeze=False)
    methods = [m for m in METHODS if m in set(rows["method"])]
    for axis, name in zip(axes[0], names, strict=True):
        of_name = rows[rows["dataset"] == name]
        for value, shift, color in (("sparse", -0.2, RED), ("full", 0.2, BLUE)):
            change = 100 * of_name.set_index("method")[f"{value}_minus_none"].dropna()
            at = change.index.map(methods.index) + shift
            axis.plot(change, at, ".", color=color, alpha=0.5)
            means, label = change.groupby(at).mean(), f"{value} classes"
            ends = means.index - 0.2, means.index + 0.2
            axis.vlines(means, *ends, color=color, linewidth=2, label=label)
        axis.axvline(0, color="0.6", linewidth=0.8)
        axis.set_yticks(range(len(methods)), methods if axis is axes[0, 0] else [])
        axis.set_ylim(len(methods) - 0.5, -0.5)
        axis.set_xlabel("change of recall, points")
        axis.set_title(datasets.title(name))
    axes[0, 0].legend(fontsize=8)
    figure.tight_layout()
    return figure


def facts(frame):
    """What was measured, for the blanks of the answer and of the errata's evidence."""
    fills = with_differences(select(frame, {"kind": "fill"}))
    none = select(fills, {"method": "none"})
    acgan = select(fills, {"method": "acgan"})
    cut = none[none["dataset"].map(lambda name: ROLES[name] != "histopathology")]
    table = 100 * reported("guruswamy_table1_accuracy").set_index("method")
    cifar, histology = table["cifar100_accuracy"], table["histopathology_accuracy"]

    def change(value):
        return by_group(acgan, ["dataset"], 100 * column(acgan, value))

    return {
        "acgan_minus_none": change("accuracy_minus_none"),
        "acgan_minus_duplicates": change("accuracy_minus_duplicates"),
        "sparse": change("sparse_minus_none"),
        "full": change("full_minus_none"),
        "last_doubling": last_doubling(select(frame, {"kind": "pilot"})),
        "saturating": expit(-6),
        "used": 1 - expit(-6),
        "negative": 100 * NEGATIVE / (NEGATIVE + POSITIVE),
        "positive": 100 * POSITIVE / (NEGATIVE + POSITIVE),
        "spread": spread_of_three(fills),
        "acgan": histology["acgan"],
        "v3": histology["acgan_v3"],
        "cgan": histology["cgan"],
        "cifar_cgan": cifar["cgan"],
        "cifar_ali": cifar["acgan_ali_v1"],
        "cifar_none": cifar["none"],
        "uncut": by_group(cut, ["dataset"], 100 * column(cut, "accuracy")),
        "cut": by_group(cut, ["dataset"], 100 * column(cut, "accuracy_on_cut")),
    }


def last_doubling(pilots):
    """ "acgan from 12.92 to 7.84": the pilot's FID at its last two looks, the mean of its seeds."""
    fids = {
        method: np.mean([fid[-2:] for fid in curves], axis=0)
        for method, curves in column(pilots, "fid").dropna().groupby(column(pilots, "method"))
    }
    said = [f"{method} from {a:.2f} to {b:.2f}" for method, (a, b) in fids.items()]
    return ", ".join(said) or NotYet()


def spread_of_three(fills):
    """How wide the interval of a mean of three runs is, from the spread of ours."""
    said = []
    others = fills[column(fills, "method") != "none"]
    for name, rows in others.groupby("dataset", sort=False):
        by_method = rows.groupby("method")["accuracy_minus_none"]
        spread, n = 100 * by_method.std().mean(), rows["seed"].nunique()
        if np.isfinite(spread):
            half = T_OF_THREE * spread / np.sqrt(3)
            said.append(
                f"{datasets.title(name)}: a method's difference from none varies by {spread:.2f} "
                f"points ({count(n, 'seed')}), so three runs give +-{half:.2f} points (95 %)"
            )
    return "; ".join(said) or NotYet()
