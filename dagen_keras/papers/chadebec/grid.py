"""The grid of Chadebec and Allassonniere: parameters, profiles, cells."""

from dagen_keras import datasets
from dagen_keras.papers.legacy import Cell, Parameter, RunError

SPLITS = ("balanced", "unbalanced")
# Generator and sampler of each method. Tables 2 and 3 draw from eq. 3 by HMC, Figs. 2 to 4 by the
# Riemannian random walk.
METHODS = {
    "vae": ("vae", "prior"),
    "vamp": ("vamp", "vamp"),
    "rhvae_prior": ("rhvae", "prior"),
    "rhvae_manifold": ("rhvae", "hmc"),
    "rhvae_walk": ("rhvae", "random_walk"),
}
TABLE_METHODS = ("vae", "rhvae_prior", "rhvae_manifold")
FIGURE_METHODS = ("vae", "vamp", "rhvae_prior", "rhvae_walk")
TRAINING_SETS = ("raw+synthetic", "synthetic only")
CLASSIFIERS = ("MLP", "CNN", "DenseNet")

PARAMETERS = {
    "dataset": Parameter("mnist", "the dataset of Table 2", choices=datasets.NAMES),
    "splits": Parameter(list(SPLITS), "how its classes are drawn", choices=SPLITS),
    "unbalanced_dataset": Parameter(
        "emnist", "a second, unbalanced dataset of Table 2", choices=(*datasets.NAMES, "none")
    ),
    "seeds": Parameter(5, "runs of every cell of Table 2", minimum=1),
    "train_size": Parameter(500, "images of Table 2; a fifth validates", minimum=20),
    "test_per_class": Parameter(800, "test images a class, at most", minimum=1),
    "methods": Parameter(
        list(TABLE_METHODS), "generative methods of the tables", choices=TABLE_METHODS
    ),
    "n_synthetic": Parameter([200, 500, 1000, 2000], "synthetic images a class", minimum=1),
    "training_sets": Parameter(
        list(TRAINING_SETS), "what synthetic images are added to", choices=TRAINING_SETS
    ),
    "augmentation_factors": Parameter([5, 10, 15], "conventional augmentation", minimum=2),
    "max_passes": Parameter(10000, "passes of a generative model, at most", minimum=1),
    "patience": Parameter(20, "passes without a better loss, Tables 2", minimum=1),
    "figure_patience": Parameter(50, "the same for the figures and OASIS", minimum=1),
    "classifier_updates": Parameter(30000, "updates of a classifier, at most", minimum=1),
    "classifier_patience": Parameter(
        50, "epochs of the toy data's DenseNet without a better validation loss", minimum=1
    ),
    "figure_datasets": Parameter(
        ["mnist", "fashion_mnist", "shapes"], "datasets of Fig. 3", choices=datasets.NAMES
    ),
    "figure_size": Parameter(120, "images of a reduced dataset of Fig. 3", minimum=6),
    "brains": Parameter("oasis", "the dataset of Tables 1 and 3", choices=("oasis", "phantoms")),
    "brain_downsample": Parameter(1, "pixels averaged in each direction", choices=(1, 2, 4)),
    "brain_classifiers": Parameter(
        list(CLASSIFIERS), "classifiers of Table 3", choices=CLASSIFIERS
    ),
    "brain_seeds": Parameter(1, "splits of Table 3", minimum=1),
    "brain_runs": Parameter(5, "runs of a classifier of Table 3", minimum=1),
    "brain_synthetic": Parameter(
        [200, 500, 1000, 2000], "synthetic images a class of Table 3", minimum=1
    ),
    "brain_methods": Parameter(
        ["vae", "rhvae_manifold"], "generative methods of Table 3", choices=TABLE_METHODS
    ),
    "brain_generator_rate": Parameter(
        1e-4, "learning rate of the generative models of brains", minimum=0.0
    ),
    "learning_rates": Parameter(
        [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6], "searched for each classifier", minimum=0.0
    ),
    "brain_updates": Parameter(30000, "updates of a classifier of Table 3, at most", minimum=1),
}

PROFILES = {
    "quick": {
        "dataset": "digits",
        "splits": ["balanced"],
        "unbalanced_dataset": "none",
        "seeds": 1,
        "train_size": 200,
        "test_per_class": 40,
        "methods": ["vae", "rhvae_manifold"],
        "n_synthetic": [40],
        "augmentation_factors": [5],
        "max_passes": 70,
        "classifier_updates": 100,
        "figure_datasets": ["shapes"],
        "brains": "phantoms",
        "brain_downsample": 4,
        "brain_generator_rate": 1e-3,
        "brain_classifiers": ["MLP", "CNN"],
        "brain_runs": 1,
        "brain_synthetic": [100],
        "learning_rates": [1e-3],
        "brain_updates": 100,
    },
    "smoke": {
        "dataset": "digits",
        "splits": ["balanced"],
        "unbalanced_dataset": "none",
        "seeds": 1,
        "train_size": 50,
        "test_per_class": 2,
        "methods": ["vae", "rhvae_manifold"],
        "n_synthetic": [2],
        "augmentation_factors": [5],
        "max_passes": 2,
        "classifier_updates": 2,
        "figure_datasets": ["shapes"],
        "brains": "phantoms",
        "brain_downsample": 4,
        "brain_generator_rate": 1e-3,
        "brain_classifiers": ["MLP"],
        "brain_runs": 1,
        "brain_synthetic": [2],
        "learning_rates": [1e-3],
        "brain_updates": 2,
    },
}

# Rough times on two cores, in seconds: for the time left alone.
_PASS, _TRAIN_IMAGE, _TEST_IMAGE = 0.015, 0.003, 0.001
_USUAL_PASSES, _USUAL_UPDATES = 600, 3000


def cells(parameters):
    """Figs. 1 to 4, Tables 1 to 3.

    Raises:
        RunError: if a training set is too small for the classes of its dataset.
    """
    p = parameters
    settings = {"max_passes": p["max_passes"], "patience": p["patience"]}
    slow = {**settings, "patience": p["figure_patience"]}
    figure_passes = min(p["max_passes"], _USUAL_PASSES)
    grid = []

    def add(table, row, column, seed, dataset, cost, **own):
        grid.append(Cell(table, row, column, seed, dataset, own, round(max(cost, 0.1), 1)))

    for number, dataset in enumerate(p["figure_datasets"]):
        for method in FIGURE_METHODS:
            add(
                *("Figs. 2 and 3", datasets.title(dataset), method, 0, dataset),
                10 + 3 * _PASS * figure_passes,
                kind="compare",
                method=method,
                size=p["figure_size"],
                **slow,
            )
        if number == 0 or dataset == "shapes":
            add(
                *("Fig. 1", datasets.title(dataset), "geometry", 0, dataset, 10),
                kind="geometry",
                size=p["figure_size"],
                **slow,
            )
    for seed in range(p["seeds"]):
        for dataset, split in table2_sets(p):
            _check_size(p["train_size"], dataset)
            grid += _table2(p, dataset, split, seed, settings)
    add("Table 1", p["brains"], "subjects", 0, p["brains"], 5, kind="demographics")
    brain = {"downsample": p["brain_downsample"]}
    slow_brain = {**slow, "generator_rate": p["brain_generator_rate"]}
    for method in ("vae", "rhvae_walk"):
        cost = 10 + 4 * _PASS * figure_passes
        add(
            *("Fig. 4", p["brains"], method, 0, p["brains"], cost),
            kind="brain_samples",
            method=method,
            **brain,
            **slow_brain,
        )
    for seed in range(p["brain_seeds"]):
        grid += _table3(p, seed, brain, slow_brain)
    return grid


def table2_sets(parameters):
    """(dataset, split) of Table 2's columns."""
    sets = [(parameters["dataset"], split) for split in parameters["splits"]]
    if parameters["unbalanced_dataset"] != "none":
        sets.append((parameters["unbalanced_dataset"], "unbalanced"))
    return sets


def training_sets(methods, sizes, factors, sets):
    """(name, method, training set, number) of a table's rows, raw data first."""
    yield "raw", "raw", "raw", 0
    for factor in factors:
        yield f"aug_x{factor}", "augmented", "raw+synthetic", factor
    for number in sizes:
        for method in methods:
            for training_set in sets:
                yield f"{method}_{number}", method, training_set, number


def _table2(p, dataset, split, seed, settings):
    updates = min(p["classifier_updates"], _USUAL_UPDATES)
    rows = training_sets(
        p["methods"], p["n_synthetic"], p["augmentation_factors"], p["training_sets"]
    )
    charged = set()
    for name, method, training_set, number in rows:
        own = {
            "kind": "classify",
            "method": method,
            "split": split,
            "train_size": p["train_size"],
            "training_set": training_set,
            "number": number,
            "test_per_class": p["test_per_class"],
            "classifier_updates": p["classifier_updates"],
            "classifier_patience": p["classifier_patience"],
            **(settings if method in METHODS else {}),
        }
        cost = 5 + 32 * updates * _TRAIN_IMAGE + 10 * p["test_per_class"] * _TEST_IMAGE
        model = METHODS.get(method, ("none",))[0]
        if model != "none" and model not in charged:
            charged.add(model)
            cost += 10 * _PASS * min(p["max_passes"], _USUAL_PASSES)
        # Unbalanced sets have two stars in the paper.
        name_of_set = datasets.title(dataset) + " unbalanced" * (split == "unbalanced")
        row = f"{name_of_set}, {training_set}"
        yield Cell("Table 2", row, name, seed, dataset, own, round(cost, 1))


def _table3(p, seed, settings, passes):
    rows = training_sets(
        p["brain_methods"], p["brain_synthetic"], p["augmentation_factors"], TRAINING_SETS
    )
    for name, method, training_set, number in rows:
        for classifier in p["brain_classifiers"]:
            own = {
                "kind": "classify_brains",
                "method": method,
                "training_set": training_set,
                "number": number,
                "classifier": classifier,
                "runs": p["brain_runs"],
                "learning_rates": p["learning_rates"],
                "updates": p["brain_updates"],
                **settings,
                **(passes if method in METHODS else {}),
            }
            image = {"MLP": 0.0002, "CNN": 0.001, "DenseNet": 0.009}[classifier]
            image *= (4 / p["brain_downsample"]) ** 2
            tries = p["brain_runs"] * len(p["learning_rates"])
            cost = 3 + tries * 32 * min(p["brain_updates"], _USUAL_UPDATES) * image
            row = f"{classifier}, {training_set}"
            yield Cell("Table 3", row, name, seed, p["brains"], own, round(cost, 1))


def _check_size(train_size, dataset):
    n_classes = min(10, datasets.n_classes(dataset))
    if train_size % n_classes or train_size < 5 * n_classes:
        raise RunError(
            f"parameter 'train_size' must be a multiple of the {n_classes} classes of '{dataset}' "
            f"and at least 5 images a class; got {train_size}."
        )
