"""The grid of Garay-Maestre et al.: parameters, profiles, cells."""

from dagen_keras import datasets
from dagen_keras.runs.paper import Cell, Parameter, RunError

METHODS = ("CNN", "VAE", "AUG", "AUG+VAE")
RELEASED_METHODS = (*METHODS, "AUG+VAE true")
MINIMUM_PER_CLASS = 3
# Fig. 3: 0 is the paper's adjusted augmentation, 6 the released "all transformations".
ADJUSTED, EXTREME = 0, 6

PARAMETERS = {
    "dataset": Parameter("mnist", "the dataset", choices=datasets.NAMES),
    "seeds": Parameter(8, "runs of every cell", minimum=1),
    "train_sizes": Parameter([50, 100, 250, 500, 1000], "training images in all", minimum=2),
    "latent_dims": Parameter([2, 3, 4, 8], "latent dimensions (LS)", minimum=1),
    "test_per_class": Parameter(700, "test images a class", minimum=1),
    "sampling": Parameter("prior", "latent distribution", choices=("prior", "uniform")),
    "vae_epochs_share": Parameter(1.0, "share of the released numbers of VAE epochs", minimum=0.0),
    "synthetic_per_epoch": Parameter(100, "synthetic images an epoch of the classifier", minimum=1),
    "max_epochs": Parameter(60, "epochs of the classifier, at most", minimum=1),
    "patience": Parameter(10, "epochs without a better validation loss", minimum=1),
    "figure2_size": Parameter(500, "training images of the VAEs of Fig. 2", minimum=2),
    "figure3_size": Parameter(50, "training images of Fig. 3", minimum=2),
    "figure3_levels": Parameter(
        [1, 2, 3, 4, 5, 6], "levels of Fig. 3 between adjusted (0) and extreme (6)", minimum=1
    ),
    "released_sizes": Parameter([50, 100], "training images of the released protocol", minimum=2),
    "released_methods": Parameter(
        list(RELEASED_METHODS), "methods of the released protocol", choices=RELEASED_METHODS
    ),
    "released_seeds": Parameter(8, "runs of the released protocol", minimum=0),
    "released_epochs": Parameter(60, "epochs of the released protocol, at most", minimum=1),
    "released_test_per_class": Parameter(700, "its test images a class", minimum=1),
}

PROFILES = {
    "quick": {
        "dataset": "digits",
        "seeds": 1,
        "train_sizes": [50, 100],
        "latent_dims": [3],
        "test_per_class": 60,
        "vae_epochs_share": 0.25,
        "max_epochs": 8,
        "patience": 5,
        "figure2_size": 100,
        "figure3_levels": [6],
        "released_sizes": [50],
        "released_methods": ["CNN"],
        "released_seeds": 1,
        "released_epochs": 10,
        "released_test_per_class": 20,
    },
    "smoke": {
        "dataset": "digits",
        "seeds": 1,
        "train_sizes": [30],
        "latent_dims": [2],
        "test_per_class": 5,
        "vae_epochs_share": 0.01,
        "max_epochs": 1,
        "patience": 1,
        "synthetic_per_epoch": 10,
        "figure2_size": 30,
        "figure3_size": 30,
        "figure3_levels": [6],
        "released_sizes": [30],
        "released_methods": ["CNN"],
        "released_seeds": 1,
        "released_epochs": 1,
        "released_test_per_class": 5,
    },
}

# Rough times on two cores, in seconds an image or a step: for the time left alone.
_VAE_STEP, _VAE_IMAGE, _TRAIN_IMAGE, _TEST_IMAGE = 0.015, 0.002, 0.005, 0.001


def vae_epochs(images_per_class, share=1.0):
    """The released number of VAE epochs for so many training images a class, times `share`."""
    released = {10: 200, 25: 250, 50: 300, 100: 350}
    epochs = next((n for size, n in released.items() if images_per_class <= size), 350)
    return max(1, round(epochs * share))


def cells(parameters):
    """Table 2, Fig. 2, Fig. 3, the released protocol, and both VAE losses; seed by seed.

    Raises:
        RunError: if a training set cannot be balanced over the classes of the dataset.
    """
    p = parameters
    n_classes = datasets.n_classes(p["dataset"])
    for name in ("train_sizes", "figure2_size", "figure3_size", "released_sizes"):
        for size in p[name] if isinstance(p[name], list) else [p[name]]:
            if size % n_classes or size < MINIMUM_PER_CLASS * n_classes:
                raise RunError(
                    f"parameter '{name}' must be a multiple of the {n_classes} classes of "
                    f"'{p['dataset']}' and at least {MINIMUM_PER_CLASS} images a class (two "
                    f"train, one validates); got {size}."
                )
    main_latent_dim = 3 if 3 in p["latent_dims"] else p["latent_dims"][0]

    def epochs_of(size):
        return vae_epochs(size // n_classes, p["vae_epochs_share"])

    def cell(table, row, column, seed, cost, **own):
        return Cell(table, row, column, seed, p["dataset"], own, round(cost, 1))

    def classify(table, row, column, seed, size, method, latent_dim=None, level=None, **own):
        uses_vae = "VAE" in method and own.get("trains_on_synthetic", True)
        own = {
            "kind": "classify",
            "method": method,
            "train_size": size,
            "latent_dim": latent_dim,
            "vae_epochs": epochs_of(size) if uses_vae else None,
            "sampling": p["sampling"] if uses_vae else None,
            "level": level if "AUG" in method else None,
            "protocol": "ours",
            "synthetic_per_epoch": p["synthetic_per_epoch"],
            "max_epochs": p["max_epochs"],
            "patience": p["patience"],
            "test_per_class": p["test_per_class"],
            **own,
        }
        if own["protocol"] == "ours":
            images, steps = size + own["synthetic_per_epoch"], 0.6 * own["max_epochs"]
            tested = own["test_per_class"] * n_classes
        else:
            images = size * 32 if "AUG" in method else size + 100
            steps = own["max_epochs"]
            tested = own["test_per_class"] * n_classes * steps
        cost = 1 + images * steps * _TRAIN_IMAGE + tested * _TEST_IMAGE
        # The VAEs are trained once for VAE and AUG+VAE; the first is charged.
        if method == "VAE":
            cost += vae_cost(size, own["vae_epochs"])
        return cell(table, row, column, seed, cost, **own)

    def vae_cost(size, epochs):
        return epochs * (n_classes * _VAE_STEP + size * _VAE_IMAGE)

    def samples(latent_dim):
        size = p["figure2_size"]
        return cell(
            "Fig. 2",
            f"LS {latent_dim}",
            "samples",
            0,
            2 + (0 if size in p["train_sizes"] else vae_cost(size, epochs_of(size))),
            kind="samples",
            train_size=size,
            latent_dim=latent_dim,
            vae_epochs=epochs_of(size),
            sampling=p["sampling"],
        )

    grid = []
    for seed in range(p["seeds"]):
        for size in p["train_sizes"]:
            for method, level in (("CNN", None), ("AUG", ADJUSTED)):
                grid.append(
                    classify("Table 2", f"{size} images", method, seed, size, method, level=level)
                )
            for latent_dim in p["latent_dims"]:
                row = f"LS {latent_dim}, {size} images"
                for method, level in (("VAE", None), ("AUG+VAE", ADJUSTED)):
                    grid.append(
                        classify("Table 2", row, method, seed, size, method, latent_dim, level)
                    )
                # Here the VAEs that it draws from have just been trained.
                if seed == 0 and size == p["figure2_size"]:
                    grid.append(samples(latent_dim))
        size = p["figure3_size"]
        row = f"{size} images"
        for method, level in (("CNN", None), ("AUG", ADJUSTED)):
            grid.append(classify("Fig. 3", row, method, seed, size, method, level=level))
        for level in p["figure3_levels"]:
            grid.append(classify("Fig. 3", row, f"level {level}", seed, size, "AUG", level=level))
    if p["figure2_size"] not in p["train_sizes"]:
        grid += [samples(latent_dim) for latent_dim in p["latent_dims"]]
    size = max(p["train_sizes"])
    grid.append(
        cell(
            "Errata",
            f"LS {main_latent_dim}",
            "released VAE loss",
            0,
            8 + 2 * vae_cost(size, epochs_of(size)) / n_classes,
            kind="vae_losses",
            train_size=size,
            latent_dim=main_latent_dim,
            vae_epochs=epochs_of(size),
        )
    )
    for seed in range(p["released_seeds"]):
        for size in p["released_sizes"]:
            for method in p["released_methods"]:
                uses_vae = method in ("VAE", "AUG+VAE true")
                grid.append(
                    classify(
                        "Released protocol",
                        f"{size} images",
                        method,
                        seed,
                        size,
                        method,
                        latent_dim=main_latent_dim if uses_vae else None,
                        level=ADJUSTED,
                        protocol="released",
                        trains_on_synthetic=uses_vae,
                        sampling="uniform" if uses_vae else None,
                        synthetic_per_epoch=50 if "AUG" in method else 100,
                        max_epochs=p["released_epochs"],
                        test_per_class=p["released_test_per_class"],
                    )
                )
    return grid
