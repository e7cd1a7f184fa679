"""What tables, figures and the errata's evidence of Chen and Liu are made of."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from dagen_keras import datasets
from dagen_keras.models.divergences import kl, t_gradient, t_value, wasserstein2
from dagen_keras.papers import listed, reported
from dagen_keras.papers.chen_liu.protocol import CLAIMS, FIDS, SPACES, InEachSpace
from dagen_keras.study.evidence import NotYet, by_group, difference
from dagen_keras.study.frame import column, computed, select

GROUP = ["dataset", "method"]
PAPERS_NAMES = {"none": "baseline", "KL": "ELBO_KL", "W": "ELBO_W"}


def data(s):
    names = " and ".join(map(datasets.title, s.datasets))
    first, tested = datasets.title(s.datasets[0]), s.classifier.test_images
    kept = f"all training images but {s.images.reserve:,}"
    return f"{names}, {kept}; Table 2 on {first}, {tested:,} test images"


def parts(frame):
    search = select(frame, {"kind": "search"})
    fids = search.reindex(columns=FIDS).astype(float)
    ranks = fids.groupby([column(search, name) for name in ("dataset", "method")]).rank()
    search = search.assign(rank=ranks.mean(axis=1, skipna=False))
    long = frame[column(frame, "converged").notna()]
    return {
        "table1": by_space(frame),
        "spaces": spaces_table(frame) if len(select(frame, {"kind": "final"})) else frame[:0],
        "search": search.sort_values(["dataset", "method", "weight"]) if len(search) else search,
        "table2": frame.assign(reported=[paper_accuracy(row) for row in frame.to_dict("records")]),
        "early": first_updates(frame),
        "convergence": long.assign(last=column(long, "reconstruction").str[-1]),
        "figure2": draw_t_surface,
    }


def paper_fid(row):
    theirs = reported("chen_liu_table1_fid").set_index(["dataset", "objective"])["fid_mean"]
    return theirs.get((datasets.title(row["dataset"]), PAPERS_NAMES.get(row["method"])))


def paper_accuracy(row):
    theirs = reported("chen_liu_table2_accuracy_percent").set_index("train_size")
    known = row["dataset"] == "mnist" and row.get("train_size") in theirs.index
    return theirs.loc[row["train_size"], PAPERS_NAMES[row["method"]]] if known else None


def by_space(frame):
    """The final runs once for each feature space, with the FID of real images beside."""
    finals, floors = select(frame, {"kind": "final"}), select(frame, {"kind": "floor"})
    floors, parts = floors.drop_duplicates("dataset").set_index("dataset"), []
    finals = finals.assign(paper=[paper_fid(row) for row in finals.to_dict("records")])
    for space, name in zip(SPACES, FIDS, strict=True):
        part = finals.assign(space=space, fid=column(finals, name))
        part["kept_fid"] = part["fid"].where(column(part, "kept").eq(True))
        part["floor"] = part["dataset"].map(column(floors, name))
        parts.append(part.assign(long=column(part, f"long_{name}")))
    return pd.concat(parts).sort_values("dataset", kind="stable")


def spaces_table(frame):
    """What each feature space says of the claims on FID, beside what all say together."""
    rows, known = [], listed("chen_liu")
    for claim in (claim for claim in CLAIMS if isinstance(claim, InEachSpace)):
        together = claim.decide(frame, known[claim.id]).verdict
        for space, one in claim.each(frame, known[claim.id]).items():
            row = {"claim": f"{claim.id}. {known[claim.id].text}", "space": space}
            row |= {"ours": one.estimate, "low": one.low, "high": one.high, "n": one.n}
            rows.append({**row, "verdict": one.verdict, "reason": one.reason, "all": together})
    return pd.DataFrame(rows).round(4)


def first_updates(frame):
    """Table 2's runs, a row for each of their first updates that was looked at."""
    rows = computed(frame, "table2", "early")
    return rows.explode(["early", "early_accuracy"]) if len(rows) else rows


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


def facts(frame):
    """What was measured, for the blanks of the answer and of the errata's evidence."""
    finals, runs = (select(frame, {"kind": kind}) for kind in ("final", ["search", "final"]))
    ends = [column(finals, name).str[-1] for name in ("elbo_w", "elbo_kl")]
    printed, appendix = (np.log(0.25) + (s - 2) ** 2 - 1 for s in (0.25, 0.5))
    sigma = np.geomspace(1e-3, 1e3, 1001, dtype="float32")[:, None]
    t = _at(t_value, [1, 0], [0.5, 0.5])
    sizes, narrow = column(frame, "train_size"), pd.to_numeric(column(runs, "narrow_t")).dropna()
    most = {"kind": "table2", "train_size": sizes.max()}
    w_and_kl = ({**most, "method": method} for method in ("W", "KL"))
    return {
        "as_stated": _advantage(frame, "W"),
        "without_min": _advantage(frame, "W free"),
        "w_less_kl": difference(frame, "at_updates", *w_and_kl, "points at equal updates"),
        "largest_t": narrow.max() if len(narrow) else NotYet(),
        "w2_prior": _at(wasserstein2, [0, 0], [1, 1]),
        "product": 0.5 * (np.log(0.25) ** 2 + 2 * 0.25 - 2),
        "kl": _at(kl, [0, 0], [0.5, 0.5]),
        "printed": printed,
        "appendix": appendix,
        "t_half": _at(t_value, [0], [0.5]),
        "t_at_1": t,
        "difference": t / 2,
        "gap": by_group(finals, GROUP, ends[0] - ends[1]),
        "t_far": _at(t_value, [1.5, 0], [0.9, 0.9]),
        "positive": by_group(runs, GROUP, 100 * column(runs, "narrow_with_positive_t")),
        "slope": np.asarray(t_gradient(np.zeros_like(sigma), 2 * np.log(sigma))[1]).min(),
        "prior": by_group(finals, GROUP, column(finals, "fid_hidden")),
        "folded": by_group(finals, GROUP, column(finals, "folded_fid")),
        "units": by_group(finals, GROUP, column(finals, "active_units")),
        "excluded": by_group(
            finals, GROUP, column(finals, "kept"), lambda kept: f"{sum(kept == 0)} of {len(kept)}"
        ),
        "baselines": _baselines(frame),
    }


def _advantage(frame, method):
    """1 - FID of a method / FID of KL, "0.05, 0.37 and -6.49 on MNIST" in the spaces' order."""
    known, parts = listed("chen_liu"), []
    for claim in (c for c in CLAIMS if isinstance(c, InEachSpace)):
        if claim.method == method and not claim.kept_only:
            found = [one.estimate for one in claim.each(frame, known[claim.id]).values() if one.n]
            *others, last = (f"{estimate:.2f}" for estimate in found or [np.nan])
            name = datasets.title(claim.dataset)
            parts += [f"{', '.join(others)} and {last} on {name}"] if found else []
    return " and ".join(parts) or NotYet()


def _at(function, mean, sigma):
    """`function` at one posterior, given its sigma."""
    mean, sigma = np.array([mean], "float32"), np.array([sigma], "float32")
    return float(np.asarray(function(mean, 2 * np.log(sigma)))[0])


def _baselines(frame):
    theirs = reported("chen_liu_table2_accuracy_percent").set_index("train_size")["baseline"]
    rows, parts = first_updates(select(frame, {"method": "none"})), []
    for size, own in rows.groupby(column(rows, "train_size")):
        means = 100 * own["early_accuracy"].astype(float).groupby(own["early"]).mean()
        asked, images = theirs.get(size, theirs.iloc[0]), f"on {int(size):,} images"
        passed = means.index[means >= asked]
        after = f"passed after {passed[0]}" if len(passed) else f"not passed in {means.index[-1]}"
        parts.append(f"{asked:g} % is {after} updates {images}")
    return "; ".join(parts) or NotYet()
