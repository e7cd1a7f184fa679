"""The grid of Chen and Liu: parameters, profiles, cells."""

from scipy.stats import qmc

from dagen_keras import datasets
from dagen_keras.runs.paper import Cell, Parameter

# Divergence, and the heads that end in min(0, x): the two objectives of the paper, and a third.
METHODS = {
    "ELBO_KL": ("kl", "none"),
    "ELBO_W": ("wasserstein2", "both"),
    "ELBO_W free": ("wasserstein2", "none"),
}
# Other heads, and the method whose lambda they take.
OTHER_HEADS = {
    ("kl", "log_var"): "ELBO_KL",
    ("kl", "both"): "ELBO_KL",
    ("wasserstein2", "log_var"): "ELBO_W free",
}
SPACES = ("classifier", "inception")
LATENT_DIM = 16
# Runs with a mean |T| above half the latent dimension over- or underfit.
T_LIMIT = 0.5 * LATENT_DIM
_SEARCH_SEED = 1000

PARAMETERS = {
    "dataset": Parameter("mnist", "the dataset", choices=datasets.NAMES),
    "second_dataset": Parameter(
        "fashion_mnist", "a second dataset of every table", choices=(*datasets.NAMES, "none")
    ),
    "search_runs": Parameter(30, "runs of the search of lambda, for each method", minimum=1),
    "lambda_max": Parameter(20.0, "lambdas are spread evenly from 0 to this", minimum=0.1),
    "runs": Parameter(30, "runs of Table 1 at the best lambda", minimum=1),
    "head_runs": Parameter(8, "runs of every other use of min(0, x), and of Appendix A", minimum=1),
    "train_images": Parameter(60_000, "training images of a VAE, at most", minimum=20),
    "epochs": Parameter(15, "epochs of a VAE", minimum=1),
    "feature_spaces": Parameter(
        list(SPACES), "feature spaces of the FID; the first chooses lambda", choices=SPACES
    ),
    "feature_updates": Parameter(1500, "updates of the feature space's classifier", minimum=1),
    "fid_images": Parameter(10_000, "real and generated images of an FID, at most", minimum=20),
    "classifier_sizes": Parameter([10_000, 20_000, 60_000], "training sets of Table 2", minimum=20),
    "classifier_runs": Parameter(8, "runs of Table 2", minimum=1),
    "class_passes": Parameter(150, "passes of a class's VAE in Table 2", minimum=1),
    "generated": Parameter(10_000, "images added in Table 2", minimum=10),
    "classifier_updates": Parameter(10_000, "updates of a classifier of Table 2", minimum=1),
    "classifier_patience": Parameter(
        1000, "updates without a better validation loss, after which it stops", minimum=1
    ),
    "test_images": Parameter(3000, "test images of Table 2, at most", minimum=10),
    "early_updates": Parameter(200, "first updates that the baseline is tested at", minimum=1),
}

PROFILES = {
    "quick": {
        "dataset": "digits",
        "second_dataset": "none",
        "search_runs": 2,
        "lambda_max": 4.0,
        "runs": 2,
        "head_runs": 1,
        "train_images": 700,
        "feature_spaces": ["classifier"],
        "feature_updates": 100,
        "classifier_sizes": [200],
        "classifier_runs": 1,
        "class_passes": 20,
        "generated": 200,
        "classifier_updates": 100,
        "classifier_patience": 50,
        "test_images": 500,
        "early_updates": 20,
    },
    "smoke": {
        "dataset": "digits",
        "second_dataset": "none",
        "search_runs": 2,
        "runs": 1,
        "head_runs": 1,
        "train_images": 200,
        "epochs": 2,
        "feature_spaces": ["classifier"],
        "feature_updates": 2,
        "fid_images": 100,
        "classifier_sizes": [100],
        "classifier_runs": 1,
        "class_passes": 2,
        "generated": 20,
        "classifier_updates": 2,
        "classifier_patience": 2,
        "test_images": 20,
        "early_updates": 10,
    },
}

# Rough times on two cores, in seconds: for the time left alone.
_VAE_IMAGE, _CLASSIFIER_IMAGE, _SCORED_IMAGE = 6e-5, 5e-4, 1e-3


def cells(parameters):
    """The search of lambda, the FID of real images, and what Table 2 compares with."""
    p = parameters
    grid = []
    for dataset in datasets_of(p):
        name = datasets.title(dataset)
        grid.append(
            Cell(
                *("Floor", name, "real", 0, dataset),
                {"kind": "floor", **_features(p)},
                10 + 100 * p["feature_updates"] * _CLASSIFIER_IMAGE,
            )
        )
        for number, weight in enumerate(_lambdas(p)):
            for method in METHODS:
                seed = _SEARCH_SEED + number
                grid.append(_run(p, "Search", dataset, method, METHODS[method], seed, weight))
        for size in p["classifier_sizes"]:
            grid.append(
                Cell(
                    *("Baseline", f"{name}, {size:,} images", "first updates", 0, dataset),
                    {
                        "kind": "first_updates",
                        "train_size": size,
                        "updates": p["early_updates"],
                        "test_images": p["test_images"],
                    },
                    5 + p["early_updates"] * 0.1,
                )
            )
            for seed in range(p["classifier_runs"]):
                grid.append(_classify(p, dataset, size, None, None, seed))
    return grid


def follow_up(parameters, frame):
    """Tables 1 and 2 at the best lambda of each method, where the search is done."""
    p = parameters
    grid = []
    for dataset in datasets_of(p):
        best = {method: best_lambda(p, frame, dataset, method) for method in METHODS}
        best = {method: weight for method, weight in best.items() if weight is not None}
        for seed in range(p["runs"]):
            for method, weight in best.items():
                grid.append(_run(p, "Table 1", dataset, method, METHODS[method], seed, weight))
        for seed in range(p["head_runs"]):
            for setting, method in OTHER_HEADS.items():
                if method in best:
                    grid.append(_run(p, "Heads", dataset, method, setting, seed, best[method]))
            for method in best:
                setting = METHODS[method]
                grid.append(_run(p, "Schedule", dataset, method, setting, seed, "schedule"))
        for size in p["classifier_sizes"]:
            for seed in range(p["classifier_runs"]):
                for method, weight in best.items():
                    grid.append(_classify(p, dataset, size, method, weight, seed))
    return grid


def best_lambda(parameters, frame, dataset, method):
    """The lambda with the smallest FID of a finished search, else None."""
    search = frame[frame["table"] == "Search"]
    found = search[search["row"] == _row(dataset, method)]
    if len(found) < parameters["search_runs"]:
        return None
    # Where no run of the search stayed finite there is nothing to go on with.
    fid = found.reindex(columns=[f"{parameters['feature_spaces'][0]}_fid"]).squeeze(axis=1)
    return None if fid.isna().all() else float(found.loc[fid.astype(float).idxmin(), "weight"])


def datasets_of(p):
    """The names of the run's datasets."""
    both = dict.fromkeys([p["dataset"], p["second_dataset"]])
    return [name for name in both if name != "none"]


def _lambdas(p):
    """Spread evenly over (0, lambda_max), in an order in which more runs fill the gaps."""
    return [
        round(float(p["lambda_max"] * x), 3)
        for (x,) in qmc.Halton(1, scramble=False).random(p["search_runs"] + 1)[1:]
    ]


def _row(dataset, method):
    return f"{datasets.title(dataset)}, {method}"


def _features(p):
    return {name: p[name] for name in ("feature_spaces", "feature_updates", "fid_images")}


def _run(p, table, dataset, method, setting, seed, weight):
    divergence, heads = setting
    own = {
        "kind": "run",
        "divergence": divergence,
        "heads": heads,
        "weight": weight,
        "train_images": p["train_images"],
        "epochs": p["epochs"],
        **_features(p),
    }
    images = min(p["train_images"], 60_000)
    cost = 1 + images * p["epochs"] * _VAE_IMAGE + min(p["fid_images"], 10_000) * _SCORED_IMAGE
    column = f"lambda {weight}" if table in ("Search", "Schedule") else f"min(0, x) on {heads}"
    return Cell(table, _row(dataset, method), column, seed, dataset, own, round(cost, 1))


def _classify(p, dataset, size, method, weight, seed):
    own = {
        "kind": "classify",
        "train_size": size,
        "test_images": p["test_images"],
        "updates": p["classifier_updates"],
        "patience": p["classifier_patience"],
    }
    cost = 5 + 100 * min(p["classifier_updates"], 3000) * _CLASSIFIER_IMAGE
    if method:
        divergence, heads = METHODS[method]
        own |= {"divergence": divergence, "heads": heads, "weight": weight}
        own |= {"generated": p["generated"], "passes": p["class_passes"]}
        cost += size * p["class_passes"] * _VAE_IMAGE
    row = f"{datasets.title(dataset)}, {size:,} images"
    return Cell("Table 2", row, method or "no augmentation", seed, dataset, own, round(cost, 1))
