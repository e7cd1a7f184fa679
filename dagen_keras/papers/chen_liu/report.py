"""Tables and figures of Chen and Liu, and the evidence of the errata."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from dagen_keras import datasets
from dagen_keras.models.divergences import kl, t_gradient, t_value, wasserstein2
from dagen_keras.papers import listed, reported
from dagen_keras.papers.chen_liu.protocol import CLAIMS, FIDS, SPACES, InEachSpace
from dagen_keras.study.evidence import count
from dagen_keras.study.figures import by_factor, curves, sheet
from dagen_keras.study.frame import select
from dagen_keras.study.pilot import pilot_figure, pilot_table
from dagen_keras.study.report import NOT_YET, Figure, Table
from dagen_keras.study.tables import Summary

PAPERS_NAMES = {"none": "baseline", "KL": "ELBO_KL", "W": "ELBO_W"}
ROWS = {"data": "dataset", "method": "method", "lambda": "weight"}
CURVES = {"t_by_epoch": "T", "elbo_kl": "ELBO_KL", "elbo_w": "ELBO_W"}
CURVES["reconstruction"] = "reconstruction"
READ = ["method", "weight", "train_size", "kept", "converged", "narrow_t", "early", "updates"]
READ += ["narrow_with_positive_t", "folded_fid", "active_units", *FIDS, *CURVES]
READ += [f"long_{fid}" for fid in FIDS]


def data(s):
    names = " and ".join(map(datasets.title, s.datasets))
    first, tested = datasets.title(s.datasets[0]), s.classifier.test_images
    kept = f"all training images but {s.images.reserve:,} (an eighth at most)"
    return f"{names}, {kept}; Table 2 on {first}, {tested:,} test images"


def paper_fid(row):
    theirs = reported("chen_liu_table1_fid").set_index(["dataset", "objective"])["fid_mean"]
    return theirs.get((datasets.title(row["dataset"]), PAPERS_NAMES.get(row["method"])))


def paper_accuracy(row):
    theirs = reported("chen_liu_table2_accuracy_percent").set_index("train_size")
    known = row["dataset"] == "mnist" and row["train_size"] in theirs.index
    return theirs.loc[row["train_size"], PAPERS_NAMES[row["method"]]] if known else None


TABLE1 = Summary(
    "table1",
    {**ROWS, "space": "space"},
    {"FID": "fid", "real images": "floor", "without high T": "kept_fid", "at the end": "long"},
    digits=4,
    reported=paper_fid,
)
QUALITY = Summary(
    "quality",
    ROWS,
    {
        **{name: name for name in ("precision", "recall", "density", "coverage")},
        **{"FID": "fid_hidden", "FID of -|z|": "folded_fid", "means below 0, %": "negative_means"},
        **{"T": "t", "active units": "active_units", "reconstructions named": "reconstructed"},
        "fall of the loss, %": "fell",
    },
    {"kind": "final"},
    percent=("negative_means", "fell"),
    digits=3,
)
SEARCH = Summary(
    "search",
    ROWS,
    {**dict(zip(SPACES, FIDS, strict=True)), "mean rank": "rank", "T": "t", "diverged": "diverged"},
    {"kind": "search"},
    digits=4,
)
TABLE2 = Summary(
    "table2",
    {"images": "train_size", **ROWS},
    {
        **{"equal epochs": "accuracy", "updates": "updates", "equal updates": "at_updates"},
        "reconstructions named": "reconstructed",
    },
    {"kind": "table2"},
    percent=("accuracy", "at_updates"),
    reported=paper_accuracy,
)
EARLY = Summary(
    "early",
    {"images": "train_size", "method": "method", "after updates": "early"},
    {"accuracy": "early_accuracy"},
    percent=("early_accuracy",),
)
CONVERGENCE = Summary("convergence", ROWS, {"epochs": "converged", "final reconstruction": "last"})


def whole(frame):
    """The frame with every column that a report reads."""
    return frame.reindex(columns=[*frame.columns, *{*READ} - {*frame.columns}])


def tables(frame):
    frame = whole(frame)
    long, search = frame[frame["converged"].notna()], select(frame, {"kind": "search"})
    ranks = search[FIDS].astype(float).groupby([search["dataset"], search["method"]]).rank()
    search = search.assign(rank=ranks.mean(axis=1, skipna=False))
    return [
        TABLE1.table(by_space(frame)),
        spaces_table(frame),
        QUALITY.table(frame),
        SEARCH.table(search.sort_values(["dataset", "method", "weight"])),
        TABLE2.table(frame),
        EARLY.table(first_updates(frame)),
        CONVERGENCE.table(long.assign(last=long["reconstruction"].map(last, na_action="ignore"))),
        pilot_table(frame, "accuracy", "accuracy"),
    ]


def last(values):
    return values[-1]


def by_space(frame):
    """The final runs once for each feature space, with the FID of real images beside."""
    finals, floors = select(frame, {"kind": "final"}), select(frame, {"kind": "floor"})
    floors, parts = floors.drop_duplicates("dataset").set_index("dataset"), []
    for space, name in zip(SPACES, FIDS, strict=True):
        kept = finals[name].where(finals["kept"].eq(True))
        real, long = finals["dataset"].map(floors[name]), finals[f"long_{name}"]
        more = {"space": space, "fid": finals[name], "floor": real, "kept_fid": kept, "long": long}
        parts.append(finals.assign(**more))
    return pd.concat(parts).sort_values(["dataset", "method"], kind="stable")


def spaces_table(frame):
    """What each feature space says of the claims on FID, beside what all say together."""
    rows, known = [], listed("chen_liu")
    for claim in (claim for claim in CLAIMS if isinstance(claim, InEachSpace)):
        together = claim.decide(frame, known[claim.id]).verdict
        for space, one in claim.each(frame, known[claim.id]).items():
            row = {"claim": f"{claim.id}. {known[claim.id].text}", "space": space}
            row |= {"ours": one.estimate, "low": one.low, "high": one.high, "n": one.n}
            rows.append({**row, "verdict": one.verdict, "reason": one.reason, "all": together})
    return Table("spaces", frame=pd.DataFrame(rows).round(4))


def first_updates(frame):
    """Table 2's runs, a row for each of their first updates that was looked at."""
    rows = select(frame, {"kind": "table2"}).dropna(subset="early")
    return rows.explode(["early", "early_accuracy"]) if len(rows) else rows


def figures(frame):
    frame = whole(frame).assign(line=frame["dataset"] + ", " + whole(frame)["method"])
    search, finals = (select(frame, {"kind": kind}) for kind in ("search", "final"))
    search, drawn = search.dropna(subset="fid_hidden"), finals[finals["seed"] == 0]
    epochs = finals["t_by_epoch"].map(lambda t: [*range(1, 1 + len(t))], na_action="ignore")
    trained = finals.assign(epoch=epochs).dropna(subset="epoch")
    table2 = select(frame, {"kind": "table2"}).dropna(subset="early")
    size = table2["train_size"].map("{:,.0f} images".format)
    table2 = table2.assign(line=table2["method"].astype(str) + ", " + size.astype(str))
    return [
        Figure("figure2", draw=draw_t_surface),
        sheet("samples", drawn, drawn["line"]),
        *(
            by_factor(
                f"{fid}_by_lambda",
                *(search, "weight", fid, "line", ("lambda (log scale)", "FID")),
                log_x=True,
            )
            for fid in FIDS
        ),
        *(
            curves(name, trained, "epoch", name, "line", ("epoch", f"{title}, nats"))
            for name, title in CURVES.items()
        ),
        curves(
            "early_curves",
            *(table2, "early", "early_accuracy", "line"),
            ("updates of batch 100", "accuracy, %"),
            scale=100,
            log_x=True,
        ),
        pilot_figure(frame, "accuracy", "accuracy"),
    ]


def draw_t_surface():
    """T on a grid of sigmas, for mean 0."""
    sigma = np.linspace(0.05, 2.5, 200, dtype="float32")
    grid = np.stack(np.meshgrid(sigma, sigma), axis=-1).reshape(-1, 2)
    t = np.asarray(t_value(np.zeros_like(grid), 2 * np.log(grid))).reshape(200, 200)
    figure, axis = plt.subplots(figsize=(5.5, 4.5))
    figure.colorbar(axis.contourf(sigma, sigma, t, levels=30), label="T")
    axis.contour(sigma, sigma, t, levels=[0], colors="white")
    axis.plot(1, 1, "o", color="white")
    axis.set(xlabel=r"$\sigma_1$", ylabel=r"$\sigma_2$")
    return figure


def errata(frame):
    """What was measured, for the blanks of the errata's evidence."""
    frame = whole(frame)
    finals, runs = (select(frame, {"kind": kind}) for kind in ("final", ["search", "final"]))
    narrow = runs[runs["narrow_t"].notna()]
    watched = finals[finals["elbo_w"].notna()]
    gap = watched["elbo_w"].map(last) - watched["elbo_kl"].map(last)
    printed, appendix = (np.log(0.25) + (s - 2) ** 2 - 1 for s in (0.25, 0.5))
    sigma = np.geomspace(1e-3, 1e3, 1001, dtype="float32")[:, None]
    t = _at(t_value, [1, 0], [0.5, 0.5])
    high = 100.0 * runs["kept"].eq(False).where(runs["kept"].notna())
    return {
        "eq3": {"w2_prior": _at(wasserstein2, [0, 0], [1, 1])},
        "eq4": {
            "product": 0.5 * (np.log(0.25) ** 2 + 2 * 0.25 - 2),
            "kl": _at(kl, [0, 0], [0.5, 0.5]),
        },
        "t_printed": {"printed": printed, "appendix": appendix, "t": _at(t_value, [0], [0.5])},
        "w2_squared": {"half": t / 2, "t": t},
        "no_bound": {"gap": _by_method(watched, gap)},
        "proposition1": {
            "t": _at(t_value, [1.5, 0], [0.9, 0.9]),
            "images": _by_method(narrow, 100 * narrow["narrow_with_positive_t"]),
        },
        "gradient": {
            "smallest": np.asarray(t_gradient(np.zeros_like(sigma), 2 * np.log(sigma))[1]).min()
        },
        "orthant": {
            "prior": _by_method(finals, finals["fid_hidden"]),
            "folded": _by_method(finals, finals["folded_fid"]),
            "units": _by_method(finals, finals["active_units"]),
        },
        "excluded": {"excluded": _by_method(runs, high)},
        "baselines": {"ours": _baseline(frame)},
    }


def _at(function, mean, sigma):
    """`function` at one posterior, given its sigma."""
    mean, sigma = np.array([mean], "float32"), np.array([sigma], "float32")
    return float(np.asarray(function(mean, 2 * np.log(sigma)))[0])


def _by_method(rows, values):
    """ "mnist, KL 1.50 (1.20 to 1.70 in 8 runs); ..."; one value has no range."""
    parts, values = [], pd.to_numeric(values).dropna()
    for names, own in values.groupby([rows["dataset"], rows["method"]], sort=False):
        span = f"{own.min():.2f} to {own.max():.2f} in " if len(own) > 1 else ""
        parts.append(f"{', '.join(names)} {own.mean():.2f} ({span}{count(len(own), 'run')})")
    return "; ".join(parts) or "not computed yet"


def _baseline(frame):
    theirs = reported("chen_liu_table2_accuracy_percent").set_index("train_size")["baseline"]
    rows, parts = first_updates(select(frame, {"method": "none"})), []
    for size, own in rows.groupby("train_size"):
        means = 100 * own["early_accuracy"].astype(float).groupby(own["early"]).mean()
        asked, images = theirs.get(size, theirs.iloc[0]), f"on {int(size):,} images"
        passed = means.index[means >= asked]
        after = f"passed after {passed[0]}" if len(passed) else f"not passed in {means.index[-1]}"
        parts.append(f"{asked:g} % is {after} updates {images}")
    return f"Ours: {'; '.join(parts)}." if parts else NOT_YET
