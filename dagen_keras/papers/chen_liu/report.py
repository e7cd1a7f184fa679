"""Tables and figures of Chen and Liu, and the errata with their evidence."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from dagen_keras import datasets
from dagen_keras.models.divergences import kl, t_gradient, t_value, wasserstein2
from dagen_keras.papers import listed, reported
from dagen_keras.papers.chen_liu.protocol import CLAIMS, FIDS, SPACES, T_LIMIT, InEachSpace
from dagen_keras.study.evidence import NOT_YET, count
from dagen_keras.study.figures import by_factor, curves, sheet
from dagen_keras.study.frame import select
from dagen_keras.study.pilot import pilot_figure, pilot_table
from dagen_keras.study.report import Erratum, Figure, Table
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
    "Table 1, FID against test images at the best lambda",
    {**ROWS, "space": "space"},
    {"FID": "fid", "real images": "floor", "without high T": "kept_fid", "at the end": "long"},
    "FID, each in the feature space of its row",
    digits=4,
    reported=paper_fid,
    note="Spaces: the judge's last hidden layer, its pooled convolution maps, and the pixels' "
    "first 64 principal components. The paper does not name its own. 'Real images': test against "
    f"training images. 'Without high T': runs of |T| <= {T_LIMIT:g}, a threshold of ours, in all "
    "methods. 'At the end': of the runs that go on for claim 6. 'W free' has no min(0, x).",
)
QUALITY = Summary(
    "quality",
    "Samples and models behind Table 1",
    ROWS,
    {
        **{name: name for name in ("precision", "recall", "density", "coverage")},
        **{"FID": "fid_hidden", "FID of -|z|": "folded_fid", "means below 0, %": "negative_means"},
        **{"T": "t", "active units": "active_units", "reconstructions named": "reconstructed"},
        "fall of the loss, %": "fell",
    },
    "shares and FID in the judge's last hidden layer, k = 5",
    {"kind": "final"},
    percent=("negative_means", "fell"),
    digits=3,
    note="'FID of -|z|': the prior's z folded into the negative orthant. 'W log-variance' has "
    "min(0, x) on that head alone. 'Reconstructions named' is the gate, relative to the images "
    "themselves; the fall over the last tenth of training is no gate.",
)
SEARCH = Summary(
    "search",
    "The search of lambda, one seed",
    ROWS,
    {**dict(zip(SPACES, FIDS, strict=True)), "mean rank": "rank", "T": "t", "diverged": "diverged"},
    "FID against training images in three feature spaces",
    {"kind": "search"},
    digits=4,
    note="The best lambda has the lowest mean rank; two lambdas beside or beyond the best follow.",
)
TABLE2 = Summary(
    "table2",
    "Table 2, the CNN with and without generated images",
    {"images": "train_size", **ROWS},
    {
        **{"equal epochs": "accuracy", "updates": "updates", "equal updates": "at_updates"},
        "reconstructions named": "reconstructed",
    },
    "accuracy, %",
    {"kind": "table2"},
    percent=("accuracy", "at_updates"),
    reported=paper_accuracy,
    note="One training, scored at 15 epochs of its own set and at the pilot's number of updates; "
    "no early stopping. Generated images: one VAE a class, 150 passes (ours) over the same images. "
    "The paper does not name the data of its table.",
)
EARLY = Summary(
    "early",
    "The CNN's first updates",
    {"images": "train_size", "method": "method", "after updates": "early"},
    {"accuracy": "early_accuracy"},
    "accuracy, %",
    percent=("early_accuracy",),
)
CONVERGENCE = Summary(
    "convergence",
    "Epochs to within 1 % of the final reconstruction",
    ROWS,
    {"epochs": "converged", "final reconstruction": "last"},
    "epochs; nats an image",
)


def whole(frame):
    """The frame with every column that a report reads."""
    return frame.reindex(columns=[*frame.columns, *{*READ} - {*frame.columns}])


def tables(frame, data):
    frame = whole(frame)
    long, search = frame[frame["converged"].notna()], select(frame, {"kind": "search"})
    ranks = search[FIDS].astype(float).groupby([search["dataset"], search["method"]]).rank()
    search = search.assign(rank=ranks.mean(axis=1, skipna=False))
    return [
        TABLE1.table(by_space(frame), data),
        spaces_table(frame, data),
        QUALITY.table(frame, data),
        SEARCH.table(search.sort_values(["dataset", "method", "weight"]), data),
        TABLE2.table(frame, data),
        EARLY.table(first_updates(frame), data),
        CONVERGENCE.table(
            long.assign(last=long["reconstruction"].map(last, na_action="ignore")), data
        ),
        pilot_table(frame, data, "accuracy", "accuracy"),
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


def spaces_table(frame, data):
    """What each feature space says of the claims on FID, beside what all say together."""
    rows, known = [], listed("chen_liu")
    for claim in (claim for claim in CLAIMS if isinstance(claim, InEachSpace)):
        together = claim.decide(frame, known[claim.id]).verdict
        for space, one in claim.each(frame, known[claim.id]).items():
            row = {"claim": f"{claim.id}. {known[claim.id].text}", "space": space}
            row |= {"ours": one.estimate, "low": one.low, "high": one.high, "n": one.n}
            rows.append({**row, "verdict": one.verdict, "reason": one.reason, "all": together})
    title = f"The claims on FID in each feature space: {data}"
    return Table("spaces", title, "1 - FID_W / FID_KL", pd.DataFrame(rows).round(4))


def first_updates(frame):
    """Table 2's runs, a row for each of their first updates that was looked at."""
    rows = select(frame, {"kind": "table2"}).dropna(subset="early")
    return rows.explode(["early", "early_accuracy"]) if len(rows) else rows


def figures(frame, data):
    frame = whole(frame).assign(line=frame["dataset"] + ", " + whole(frame)["method"])
    search, finals = (select(frame, {"kind": kind}) for kind in ("search", "final"))
    search, drawn = search.dropna(subset="fid_hidden"), finals[finals["seed"] == 0]
    epochs = finals["t_by_epoch"].map(lambda t: [*range(1, 1 + len(t))], na_action="ignore")
    trained = finals.assign(epoch=epochs).dropna(subset="epoch")
    table2 = select(frame, {"kind": "table2"}).dropna(subset="early")
    size = table2["train_size"].map("{:,.0f} images".format)
    table2 = table2.assign(line=table2["method"].astype(str) + ", " + size.astype(str))
    return [
        Figure(
            "figure2",
            "Fig. 2 and appendix C: T over (sigma1, sigma2) for mean 0, in closed form. It is 0 on "
            f"the white line through the prior (1, 1). It is of no data; the rest is of {data}.",
            draw_t_surface,
        ),
        sheet("samples", f"Images of the prior at the best lambda. {data}.", drawn, drawn["line"]),
        *(
            by_factor(
                f"{name}_by_lambda",
                f"FID against lambda in the search, feature space '{space}'. {data}.",
                *(search, "weight", name, "line", ("lambda (log scale)", "FID")),
                log_x=True,
            )
            for space, name in zip(SPACES, FIDS, strict=True)
        ),
        *(
            curves(
                name,
                f"{title} by epoch, of 1,000 training images (the reconstruction: of all). {data}.",
                *(trained, "epoch", name, "line", ("epoch", f"{title}, nats")),
            )
            for name, title in CURVES.items()
        ),
        curves(
            "early_curves",
            f"Accuracy on test images by the CNN's first updates. {data}.",
            *(table2, "early", "early_accuracy", "line"),
            ("updates of batch 100", "accuracy, %"),
            scale=100,
            log_x=True,
        ),
        pilot_figure(frame, data, "accuracy", "accuracy"),
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
    """What does not hold, each with its evidence."""
    frame = whole(frame)
    finals, runs = (select(frame, {"kind": kind}) for kind in ("final", ["search", "final"]))
    narrow = runs[runs["narrow_t"].notna()]
    watched = finals[finals["elbo_w"].notna()]
    gap = watched["elbo_w"].map(last) - watched["elbo_kl"].map(last)
    product = 0.5 * (np.log(0.25) ** 2 + 2 * 0.25 - 2)
    printed, appendix = (np.log(0.25) + (s - 2) ** 2 - 1 for s in (0.25, 0.5))
    sigma = np.geomspace(1e-3, 1e3, 1001, dtype="float32")[:, None]
    gradient = np.asarray(t_gradient(np.zeros_like(sigma), 2 * np.log(sigma))[1]).min()
    t = _at(t_value, [1, 0], [0.5, 0.5])
    found = {
        "Eq. 3 adds 2 Sigma^(1/2) where the distance subtracts it.": "At the prior itself (m = 2) "
        f"it gives {2 + 2 + 4:g}; the distance is {_at(wasserstein2, [0, 0], [1, 1]):g}.",
        "Eq. 4 multiplies the log-variances over dimensions where the KL adds them.": "At mean 0, "
        f"sigma (0.5, 0.5) it gives {product:.3f}; the KL is {_at(kl, [0, 0], [0.5, 0.5]):.3f}.",
        "T is printed with (sigma^2 - 2)^2 in the text and with (sigma - 2)^2 in appendix C.": "At "
        f"mean 0, sigma 0.5 (m = 1) the text's is {printed:.3f}, the appendix's {appendix:.3f}, "
        f"2 (W2^2 - KL) = {_at(t_value, [0], [0.5]):.3f}.",
        'The "W2" of eqs. 2 and 3 is the squared distance, and T is defined as W2 - KL but printed '
        "as twice that.": f"At mean (1, 0), sigma (0.5, 0.5): W2^2 - KL = {t / 2:.4f}, the printed "
        f"T = {t:.4f}.",
        "A larger ELBO_W is not a tighter bound: it is none. Appendix B admits that it can exceed "
        "log p(x).": "The KL is what makes the ELBO a bound; W2^2 is smaller wherever T < 0. "
        + _by_method(watched, gap, "ELBO_W minus ELBO_KL of one model at the end, nats"),
        "Proposition 1 (T <= 0 if every sigma <= 1) needs mean 0.": "At mean (1.5, 0), sigma (0.9, "
        f"0.9): T = {_at(t_value, [1.5, 0], [0.9, 0.9]):.3f}. "
        + _by_method(
            narrow,
            100 * narrow["narrow_with_positive_t"],
            "Images with every sigma <= 1 and T > 0, % of training images",
        ),
        "dT/dsigma >= 0 is stated for sigma <= 1; it holds for every sigma.": "Its smallest value "
        f"on [0.001, 1000] is {gradient:.1g}, at sigma = 1: 2 (sigma - 1)^2 / sigma.",
        "min(0, x) on the mean keeps every posterior mean in the negative orthant, while samples "
        "are drawn from a centred prior.": " ".join(
            _by_method(finals, finals[name], text)
            for name, text in (
                ("fid_hidden", "FID (hidden) of the prior's z"),
                ("folded_fid", "FID of the same z folded into the orthant"),
                ("active_units", "Active units of 16"),
            )
        ),
        "Runs are excluded by their T for the Wasserstein model alone.": "The paper gives no "
        "threshold; Table 1 shows both ways with ours. "
        + _by_method(
            runs,
            100.0 * runs["kept"].eq(False).where(runs["kept"].notna()),
            f"Runs of |T| > {T_LIMIT:g}, %",
        ),
        "Table 2's baselines, 30.2 % with 10,000 images, are those of a hardly trained CNN, and "
        "more images at fixed epochs are more updates.": "The paper's KL at 10,000 and 10,000 "
        "generated images (65.4 %) equals its own baseline at 20,000 (65.1 %). " + _baseline(frame),
    }
    return [Erratum(*pair) for pair in found.items()]


def _at(function, mean, sigma):
    """`function` at one posterior, given its sigma."""
    mean, sigma = np.array([mean], "float32"), np.array([sigma], "float32")
    return float(np.asarray(function(mean, 2 * np.log(sigma)))[0])


def _by_method(rows, values, text):
    """'text: mnist, KL 1.50 (1.20 to 1.70 in 8 runs); ...'; one value has no range."""
    parts, values = [], pd.to_numeric(values).dropna()
    for names, own in values.groupby([rows["dataset"], rows["method"]], sort=False):
        span = f"{own.min():.2f} to {own.max():.2f} in " if len(own) > 1 else ""
        parts.append(f"{', '.join(names)} {own.mean():.2f} ({span}{count(len(own), 'run')})")
    return f"{text}: {'; '.join(parts)}." if parts else f"{text}: not computed yet."


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
