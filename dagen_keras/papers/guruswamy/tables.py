"""Tables of Guruswamy et al.: ours beside the paper's."""

import numpy as np
import pandas as pd

from dagen_keras.evaluate import mean_interval, paired_difference
from dagen_keras.papers.guruswamy.grid import GENERATIVE, METHODS, TABLE1
from dagen_keras.papers.guruswamy.scores import of_paper, wide
from dagen_keras.papers.legacy import Table, reported

INTERVAL = "95 % intervals of the mean (Student's t over runs)"


def table1(runs, data, p):
    """Accuracy and top-k accuracy of every method, and its difference from no augmentation."""
    paper = of_paper()
    rows = []
    for dataset in runs["dataset"].unique():
        own = runs[runs["dataset"] == dataset]
        accuracy, role = wide(runs, dataset), own["role"].iloc[0]
        for method in (m for m in TABLE1 if m in set(own["method"])):
            of_method = own[own["method"] == method]
            mean, low, high = mean_interval(of_method["accuracy"])
            change = paired_difference(accuracy, method, "none")
            theirs, their_top = paper[role, method]
            k = of_method["k"].max()
            if k != {"fashion_mnist": 2, "cifar100": 5}.get(role):
                their_top = np.nan
            rows.append(
                {
                    "dataset": dataset,
                    "method": method,
                    "accuracy": mean,
                    "low": low,
                    "high": high,
                    "minus none": change[0],
                    "its low": change[1],
                    "its high": change[2],
                    "k": k,
                    "top-k": of_method["top_k_accuracy"].mean(),
                    "balanced": of_method["balanced_accuracy"].mean(),
                    "runs": int(of_method["accuracy"].notna().sum()),
                    "diverged": int(of_method["diverged"].sum()),
                    "paper: accuracy": theirs,
                    "paper: minus none": theirs - paper[role, "none"][0],
                    "paper: top-k": their_top,
                }
            )
    used = [
        f"{name.replace('_', ' ')} {p[name]}"
        for name in ("shrink", "gan_epochs", "gan_batch", "filters", "learning_rate")
    ]
    return Table(
        "table1",
        f"Table I on {data}: ours beside the paper's",
        f"% on test images, which are not cut; {INTERVAL}",
        pd.DataFrame(rows).round(2),
        "The paper's column is of Fashion-MNIST, CIFAR-100 or histopathology, whichever the "
        "dataset is or stands for. 'minus none' compares runs of the same images. "
        f"At most {p['classes']} classes and {p['train_images']:,} training images; "
        f"{', '.join(used)}. Digits are not mirrored by 'affine'.",
    )


def recall_table(runs, data):
    """Recalls of the sparse and of the full classes, before and after."""
    rows = []
    for dataset in runs["dataset"].unique():
        own = runs[runs["dataset"] == dataset]
        pairs = {name: wide(runs, dataset, name) for name in ("sparse_recall", "full_recall")}
        for method in (m for m in METHODS if m in set(own["method"])):
            row = {"dataset": dataset, "filled up by": method}
            for name, label in (("sparse_recall", "sparse"), ("full_recall", "full")):
                if method not in pairs[name]:
                    continue
                row[f"{label} classes"] = pairs[name][method].mean()
                names = (f"{label}: change", f"{label}: low", f"{label}: high")
                change = paired_difference(pairs[name], method, "none")
                row |= dict(zip(names, change, strict=True))
            of_method = own[own["method"] == method]
            row["accuracy"] = of_method["accuracy"].mean()
            row["accuracy on a test part cut alike"] = of_method["accuracy_on_cut"].mean()
            rows.append(row)
    return Table(
        "recalls",
        f"Recall of sparse and of full classes on {data}",
        f"%; mean over classes; change from no augmentation on the same images, {INTERVAL}",
        pd.DataFrame(rows).round(2),
        "The paper sparsifies before it splits, so that its test part may be imbalanced as its "
        "training part is: the last column weighs the recalls as that would.",
    )


def synthetic_table(runs, data):
    """A classifier that has seen no real image, beside chance and the most frequent class."""
    theirs = reported("guruswamy_synthetic_only_accuracy").set_index("dataset")["accuracy"] * 100
    rows = []
    for (dataset, method), own in runs[runs["synthetic_accuracy"].notna()].groupby(
        ["dataset", "method"], sort=False
    ):
        mean, low, high = mean_interval(own["synthetic_accuracy"])
        rows.append(
            {
                "dataset": dataset,
                "images of": method,
                "accuracy": mean,
                "low": low,
                "high": high,
                "one guess": 100 / len(own["recalls"].iloc[0]),
                "most frequent class": own["majority"].mean(),
                "real and synthetic": own["accuracy"].mean(),
                "runs": len(own),
                "paper": theirs.get(own["role"].iloc[0], np.nan),
            }
        )
    return Table(
        "synthetic_only",
        f"Trained on generated images alone, tested on real ones: {data}",
        f"accuracy, %; {INTERVAL}",
        pd.DataFrame(rows).round(2),
        "As many images of each class as the balanced training set has. Real images still "
        "validate. The paper does not say which of its models generated them.",
    )


def ablation_table(runs, data):
    """Masked or not, from scratch or from ALI, reconstructions and duplicates."""
    rows = []
    for dataset in runs["dataset"].unique():
        accuracy = wide(runs, dataset)
        own = runs[runs["dataset"] == dataset]
        for method in (m for m in METHODS if m not in TABLE1 or "ali" in m):
            if method not in accuracy:
                continue
            mean, low, high = mean_interval(accuracy[method])
            row = {"dataset": dataset, "filled up by": method, "accuracy": mean}
            row |= {"low": low, "high": high}
            masked = method.removesuffix(", no mask")
            for other, name in (("none", "none"), ("duplicates", "duplicates"), (masked, "masked")):
                names = (f"minus {name}", f"{name}: low", f"{name}: high")
                row |= dict(zip(names, paired_difference(accuracy, method, other), strict=True))
            row["runs"] = int((own["method"] == method).sum())
            rows.append(row)
    return Table(
        "ablations",
        f"AC-GAN on ALI, ALI itself, and copies: {data}",
        f"accuracy, %; {INTERVAL}",
        pd.DataFrame(rows).round(2),
        "v1: generator from scratch; v2: from ALI. Without the mask, images from ALI's codes count "
        "for real or fake as well. Reconstructions and duplicates are of the sparse classes' "
        "training images.",
    )


def collapse_table(runs, data):
    """How diverse each model's images are in the end, and how many classes have collapsed."""
    rows = []
    trained = runs[runs["method"].isin(GENERATIVE)]
    for (dataset, method), own in trained.groupby(["dataset", "method"], sort=False):
        last = [look[-1] for look in own["diversity"] if isinstance(look, list)]
        last = np.array(last, float)
        rows.append(
            {
                "dataset": dataset,
                "model": method,
                "diversity, mean": np.nanmean(last) if last.size else np.nan,
                "least diverse class": np.nanmin(last) if last.size else np.nan,
                "collapsed classes a run": own["collapsed"].dropna().map(len).mean(),
                "classes": last.shape[1] if last.size else "–",
                "diverged runs": int(own["diverged"].sum()),
                "runs": len(own),
            }
        )
    return Table(
        "diversity",
        f"Diversity of generated images after training, on {data}",
        "root-mean-square distance of two images of a class, relative to real images' (1 is as "
        "diverse)",
        pd.DataFrame(rows).round(2),
        "A class has collapsed where its images vary less than half as much as real ones. Kinds of "
        "image that are never drawn, and noise, this does not see. Rows of ALI's reconstructions "
        "are of the ALI that made them.",
    )
