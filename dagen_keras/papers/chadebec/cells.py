"""What one cell of Chadebec and Allassonnière computes."""

import collections
import functools
import time

import keras
import numpy as np
from keras import ops
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from dagen_keras import backend, datasets, models
from dagen_keras.augment import Augmenter, ClassicTransforms, augment_by_factor
from dagen_keras.datasets import oasis
from dagen_keras.evaluate import balanced_accuracy, nearest_training_distance
from dagen_keras.papers.chadebec.protocol import ALONE, METHODS, RAW
from dagen_keras.sampling import SAMPLERS, manifold
from dagen_keras.sampling.manifold.geodesics import derivatives
from dagen_keras.sampling.manifold.metric import multiply
from dagen_keras.study.bench import Fitted
from dagen_keras.study.judge import fell, judge_of, partition
from dagen_keras.study.packing import pack, png

GENERATOR_BATCH, CLASSIFIER_BATCH = 200, 32
LATENT_DIM = 2
RATE = 1e-3
VALIDATION_SHARE, MINIMUM_PER_CLASS = 0.2, 8
# EMNIST: ten classes that mix capital and small letters. The paper does not name its own.
EMNIST_CLASSES = ("A", "B", "D", "E", "F", "a", "b", "d", "e", "f")
REDUCED_CLASSES = {"fashion_mnist": (1, 5, 8)}  # Of others the first three.
# Tables 4 and 5, where they differ: hidden layers of the encoder, and of the RHVAE the rest.
TOY = (400,), {"step_size": 1e-2, "regularization": 1e-3}
BRAIN = (1000, 400), {"step_size": 1e-3, "regularization": 1e-2}
CLASSIFIERS = {"DenseNet": models.densenet, "MLP": models.chadebec_mlp, "CNN": models.chadebec_cnn}
COMPARED, SHOWN, OF_A_CLASS = 100, 30, 6
GRID, GEODESICS, WRAPPED, BINS = 90, 8, 150, 12


def conventional():
    """The paper's noise, crop, flips and rotations. It gives no sizes; these are ours."""
    return ClassicTransforms(rotation=20, flip=True, crop=0.2, noise=0.05)


def flat(images):
    return images.reshape(len(images), -1)


# Data.


def images_of(cell, bench):
    """(images, labels) that cells may train on, and those that test, of ten classes."""
    data, free, _ = partition(cell, bench)
    classes = range(data.n_classes)
    if cell.dataset == "emnist":
        classes = [data.class_names.index(name) for name in EMNIST_CLASSES]
    return only(*free, classes), only(data.x_test, data.y_test, classes)


def only(x, y, classes):
    """The images of some classes, and their labels numbered from 0."""
    kept = np.isin(y, list(classes))
    return x[kept], np.searchsorted(np.sort(list(classes)), y[kept])


def subset(cell, bench):
    """The training set of Table 2: (x_train, y_train), (x_validation, y_validation).

    It depends on dataset, split, size and seed alone. Balanced, or with class sizes from weights
    drawn once from a Dirichlet and at least 8 images a class, the same for every seed.
    """
    (x, y), _ = images_of(cell, bench)
    size, name = cell.images.size, f"training part of {cell.dataset}"
    seed = backend.subseed(cell.seed, "subset", cell.split, size)
    if cell.split == "balanced":
        chosen = datasets.balanced_subset(y, size, seed, name)
    else:
        chosen = datasets.unbalanced_subset(y, size, seed, MINIMUM_PER_CLASS, name=name)
    x, y = x[chosen], y[chosen]
    parts = datasets.stratified_validation(y, VALIDATION_SHARE, seed)
    return [(x[part], y[part]) for part in parts]


def tested(cell, bench):
    """Test images, drawn once for all seeds, and their labels."""
    _, (x, y) = images_of(cell, bench)
    drawn = np.random.default_rng(0).permutation(len(x))[: cell.images.test_images]
    return x[np.sort(drawn)], y[np.sort(drawn)].astype("uint8")


def reduced(data, size):
    """Images of Figs. 1 to 3: all of `shapes`, else `size` images of three classes."""
    if data.name == "shapes":
        return data.x_train, data.y_train
    classes = REDUCED_CLASSES.get(data.name, (0, 1, 2))
    x, y = only(data.x_train, data.y_train, classes)
    chosen = datasets.balanced_subset(y, size - size % len(classes), 0, data.name)
    return x[chosen], y[chosen]


def brains(cell, bench):
    """(images, labels) of the parts "train", "validation" and "test", averaged to fewer pixels."""
    data = bench.data(cell.dataset)
    part = data.subjects["part"].to_numpy()
    x = np.concatenate([data.x_train, data.x_test])
    y = np.concatenate([data.y_train, data.y_test])
    x = oasis.block_mean(x[..., 0], cell.brains.downsample)[..., None]
    return {name: (x[part == name], y[part == name]) for name in ("train", "validation", "test")}


# Generators.


def generator(bench, model, image_shape, tables=TOY, rate=RATE):
    """The `ReusableModel` of "vae", "vamp" or "rhvae", with the settings of Tables 4 and 5."""
    hidden, of_rhvae = tables

    def build():
        if model == "rhvae":
            return models.chadebec_rhvae(LATENT_DIM, image_shape, hidden, **of_rhvae)
        model_class = {"vae": models.VAE, "vamp": models.VampVAE}[model]
        return models.chadebec_vae(LATENT_DIM, image_shape, hidden, model_class)

    return bench.reusable(
        ("generator", model, image_shape, hidden, rate),
        build,
        optimizer=functools.partial(keras.optimizers.Adam, rate),
        **backend.convolution_compile_options(),  # Steps one by one, as `fit_passes` likes them.
    )


def augmenter_of(reusable, settings, train, seed):
    """An `Augmenter` with a model a class, fitted to `train`."""
    return Augmenter(
        reusable,
        epochs=settings.passes,
        patience=settings.patience,
        batch_size=GENERATOR_BATCH,
        seed=seed,
    ).fit(*train)


def class_wise(cell, bench, model):
    """An `Augmenter` of Table 2's training set, kept for all its cells, and how training went."""

    def fit():
        train, _ = subset(cell, bench)
        reusable = generator(bench, model, train[0].shape[1:])
        seed = backend.subseed(cell.seed, "generator", model)
        augmenter = augmenter_of(reusable, cell.generators, train, seed)
        losses = [history["loss"] for history in augmenter.histories_.values()]
        falls = [fell(own) for own in losses]
        cut = [f for f, own in zip(falls, losses, strict=True) if len(own) == cell.generators.passes]
        found = {
            "passes": float(np.mean([len(own) for own in losses])),
            "fell": float(np.mean(falls)),
            "settled": 1 - float(np.mean(cut)) if cut else None,
        }
        if "judging" in cell.settings:
            found |= judge_of(cell, bench).of_vaes(augmenter.trained())
        return augmenter, found

    place = cell.dataset, cell.split, cell.seed, cell.images.size, cell.images.reserve
    return bench.fitted(("class-wise", model, *place, cell.generators), fit)


def class_wise_brains(cell, bench, model):
    """An `Augmenter` with a model each for CN and AD, kept for all cells of a seed."""

    def fit():
        train = brains(cell, bench)["train"]
        reusable = generator(bench, model, train[0].shape[1:], BRAIN, cell.brains.rate)
        seed = backend.subseed(cell.seed, "generator", model)
        return augmenter_of(reusable, cell.brains, train, seed)

    return bench.fitted(("brains", model, cell.dataset, cell.seed, cell.brains), fit)


def draw(augmenter, method, n):
    """`n` images of each class and their labels, by a method's sampler."""
    augmenter.set_params(sampler=METHODS[method][1])
    images = [augmenter.sample(n, label) for label in augmenter.classes_]
    return np.concatenate(images), np.repeat(augmenter.classes_, n)


def with_images(cell, train, new):
    """The images and labels of a row of Tables 2 and 3, of the raw ones and those drawn, if any."""
    if cell.method == RAW:
        return train
    if cell.method == "augmented":
        seed = backend.subseed(cell.seed, "augmented")
        return augment_by_factor(conventional(), *train, cell.number, seed)
    if cell.training_set == ALONE:
        return new
    return tuple(np.concatenate(pair) for pair in zip(train, new, strict=True))


def training_set(cell, bench):
    """(images, labels) of a row of Table 2, and what is known of its generators."""
    train, (held_out, _) = subset(cell, bench)
    if cell.method not in METHODS:
        return with_images(cell, train, None), {}
    augmenter, found = class_wise(cell, bench, METHODS[cell.method][0])
    new = draw(augmenter, cell.method, cell.number)
    for name, images in (("nearest", new[0]), ("nearest_held_out", held_out)):
        found = {**found, name: float(np.median(nearest_training_distance(images, train[0])))}
    return with_images(cell, train, new), found


# Table 2.


def classifier(bench, name, n_classes, image_shape, rate, seed):
    """A classifier with new weights, compiled once for all rates."""
    model = bench.reusable(
        ("classifier", name, n_classes, image_shape),
        lambda: CLASSIFIERS[name](n_classes, image_shape),
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        **backend.convolution_compile_options(),
    ).fresh(seed)
    model.optimizer.learning_rate = rate
    return model


def predictions(cell, bench, train, marks, images):
    """The classes that a DenseNet gives `images` after each of these updates.

    After so many updates it has the weights of the best validation loss so far. Also returned is
    after how many updates that was, at the end.
    """
    (x, y), (_, validation), every = train, subset(cell, bench), cell.classifier.every
    n_classes, seed = len(np.unique(y)), backend.subseed(cell.seed, "classifier")
    model = classifier(bench, "DenseNet", n_classes, x.shape[1:], RATE, seed)
    passes, found = -(-max(marks) * CLASSIFIER_BATCH // len(x)), {}
    batches = models.ShuffledBatches((x, y), CLASSIFIER_BATCH, seed, passes)
    best = keras.callbacks.EarlyStopping(
        "val_loss", patience=max(marks), mode="min", restore_best_weights=True
    )

    def look(epoch, logs):
        if (epoch + 1) * every in marks:
            weights = model.get_weights()
            model.set_weights(best.best_weights)
            predicted = models.predict(model, images, 100).argmax(axis=1)
            found[(epoch + 1) * every] = predicted.astype("uint8")
            model.set_weights(weights)

    model.fit(
        (batches[step] for step in range(max(marks))),
        steps_per_epoch=every,
        epochs=max(marks) // every,
        validation_data=models.ShuffledBatches(validation, CLASSIFIER_BATCH),
        callbacks=[
            models.StopOnNonFiniteLoss(f"the DenseNet ({cell.method})"),
            best,
            keras.callbacks.LambdaCallback(on_epoch_end=look),
        ],
        shuffle=False,
        verbose=0,
    )
    return found, (best.best_epoch + 1) * every


def classify(cell, bench):
    """Table 2: the DenseNet's accuracy on test images, and half-way."""
    train, about = training_set(cell, bench)
    images, labels = tested(cell, bench)
    updates, every = cell.classifier.updates, cell.classifier.every
    half = max(every, updates // 2 // every * every)
    found, best = predictions(cell, bench, train, (half, updates), images)
    return about | {
        "accuracy": float((found[updates] == labels).mean()),
        "half": float((found[half] == labels).mean()),
        "best": best,
        "images": len(train[0]),
        "classes": pack(predicted=found[updates], labels=labels),
    }


def pilot(cell, bench):
    """Accuracy on reserved images of the training partition after doubling numbers of updates."""
    _, _, (x_kept, y_kept) = partition(cell, bench)
    train, _ = training_set(cell, bench)
    marks = [cell.pilot.first * 2**n for n in range(cell.pilot.doublings + 1)]
    found, _ = predictions(cell, bench, train, marks, x_kept)
    return {"updates": marks, "accuracy": [float((found[m] == y_kept).mean()) for m in marks]}


def svm(cell, bench):
    """Table 2 by a support vector machine: RBF, scikit-learn's defaults after scaling."""
    (x, y), about = training_set(cell, bench)
    images, labels = tested(cell, bench)
    model = make_pipeline(StandardScaler(), SVC(cache_size=1000)).fit(flat(x), y)
    accuracy = float((model.predict(flat(images)) == labels).mean())
    return about | {"accuracy": accuracy, "images": len(x)}


# Brains.


def classify_brains(cell, bench):
    """Table 3: balanced accuracy on test brains, its mean and deviation over runs.

    The learning rate is that of the best mean balanced accuracy on validation brains.
    """
    settings, parts, new = cell.brains, brains(cell, bench), None
    if cell.method in METHODS:
        augmenter = class_wise_brains(cell, bench, METHODS[cell.method][0])
        new = draw(augmenter, cell.method, cell.number)
    x, y = with_images(cell, parts["train"], new)
    on_test = collections.defaultdict(list)

    def score(rate, seed):
        model = classifier(bench, cell.classifier, 2, x.shape[1:], rate, seed)
        epochs = max(1, settings.updates // -(-len(x) // CLASSIFIER_BATCH))
        patience = 10 if cell.classifier == "DenseNet" else 20
        sets = (x, y), parts["validation"]
        models.fit_with_validation(model, *sets, CLASSIFIER_BATCH, epochs, patience, seed)
        scores = {
            part: balanced_accuracy(labels, models.predict(model, images).argmax(axis=1))
            for part, (images, labels) in parts.items()
            if part != "train"
        }
        on_test[rate].append(scores["test"])
        return scores["validation"]

    seed = backend.subseed(cell.seed, "runs")
    found = models.search_learning_rate(score, settings.rates, n_runs=settings.runs, seed=seed)
    chosen = on_test[found.learning_rate]
    return {
        "balanced_accuracy": float(np.mean(chosen)),
        "over_runs": float(np.std(chosen, ddof=1)) if len(chosen) > 1 else None,
        "runs": len(chosen),
        "validation": found.score,
        "learning_rate": found.learning_rate,
    }


def brain_samples(cell, bench):
    """Fig. 4: images of both classes, training ones too, and how long 100 take."""
    augmenter = class_wise_brains(cell, bench, METHODS[cell.method][0])
    draw(augmenter, cell.method, 1)  # Compiles.
    start = time.perf_counter()
    new = draw(augmenter, cell.method, 100)
    seconds = (time.perf_counter() - start) / len(augmenter.classes_)

    def first(images, labels):
        return np.concatenate([images[labels == label][:OF_A_CLASS] for label in (0, 1)])

    sides = {"png": new, "training_png": brains(cell, bench)["train"]}
    pictures = {name: png(first(*side), columns=OF_A_CLASS) for name, side in sides.items()}
    return {"seconds_per_100": seconds, **pictures}


def subjects(cell, bench):
    """Table 1, of the CSV."""
    return {"table1": oasis.table1(bench.data(cell.dataset).subjects).reset_index().to_dict("records")}


# Figs. 1 to 3 and the errata's evidence.


def of_all_classes(cell, bench, model):
    """A `Fitted` model of all images of `reduced`, and the loss of each pass."""

    def fit():
        data, settings = bench.data(cell.dataset), cell.latent
        x, _ = reduced(data, settings.size)
        fitted = generator(bench, model, data.image_shape).fresh(backend.subseed(0, model))
        history = models.fit_passes(
            fitted, x, settings.passes, GENERATOR_BATCH, patience=settings.patience
        )
        return Fitted(fitted), history.history["loss"]

    return bench.fitted(("latent", cell.dataset, model, cell.latent), fit)


def latent(cell, bench):
    """Figs. 2 and 3: latent points of training images and of a method, and decoded images."""
    model, sampler = METHODS[cell.method]
    fitted, losses = of_all_classes(cell, bench, model)
    x, y = reduced(bench.data(cell.dataset), cell.latent.size)
    drawn = SAMPLERS[sampler](fitted.model, COMPARED, backend.subseed(cell.seed, cell.method))
    mean, _ = models.predict(fitted.model.encoder, x)
    some = np.random.default_rng(0).permutation(len(x))[:SHOWN]
    return {
        "arrays": pack(mean=mean, labels=y, latent=drawn),
        "png": png(models.predict(fitted.model.decoder, drawn[:SHOWN]), columns=6),
        "training_png": png(x[some], columns=6),
        "passes": len(losses),
        "loss": min(losses),
    }


def geometry(cell, bench):
    """Fig. 1, the released slips and how right the samplers are, on the RHVAE of Figs. 2 and 3."""
    fitted, _ = of_all_classes(cell, bench, "rhvae")
    metric, seed = fitted.model.metric, backend.subseed(cell.seed, "geometry")
    _, labels = reduced(bench.data(cell.dataset), cell.latent.size)
    axes, log_volume = log_volume_grid(metric)
    values, arrays = geodesics(metric, cell.geometry.steps, seed)
    chains = samplers(metric, cell.geometry, seed)
    density, n = bin_probabilities(metric), cell.geometry.chains
    exact = np.random.default_rng(seed).multinomial(n, density.ravel()).reshape(density.shape)
    values["samplers"] = {
        "independent exact draws": {"total_variation": total_variation(exact, density)}
    }
    for name, found in chains.items():
        counts = counts_by_square(metric, found.samples)
        values["samplers"][name] = {
            "total_variation": total_variation(counts, density),
            "acceptance": float(found.acceptance_rate.mean()),
        }
    arrays |= {"mean": metric.centroids, "labels": labels, "log_volume": log_volume}
    arrays |= {"axis_0": axes[0], "axis_1": axes[1]}
    return values | {"arrays": pack(**arrays, walk=next(iter(chains.values())).path[:, 0])}


def geodesics(metric, steps, seed):
    """Right and released geodesics: how their energy changes by steps, and what Fig. 1 draws."""
    rng, values = np.random.default_rng(seed), {"steps": list(steps)}
    start = manifold.random_centroids(metric, GEODESICS, seed)
    base = manifold.random_centroids(metric, 2, seed + 1)
    # One number of points, so that all is compiled once.
    points = np.concatenate([start, np.repeat(base, WRAPPED, axis=0)])
    velocity = rng.standard_normal(points.shape).astype("float32")
    arrays = {"velocity": velocity[:GEODESICS], "base": base}
    for name, integrate in (("right", manifold.geodesic), ("wrong", released_geodesic)):
        changes = values[f"{name}_change"] = []
        for n_steps in steps:
            paths = integrate(metric, points, velocity, n_steps)
            own = [path[:, :GEODESICS] for path in paths]
            energy = energies(metric, own)
            changes.append(float(np.median(np.abs(energy[-1] / energy[0] - 1))))
        thin = slice(None, None, -(-n_steps // 100))
        arrays |= {name: own[0][thin], f"{name}_energy": energy[thin]}
        if name == "right":
            arrays["wrapped"] = paths[0][-1, GEODESICS:].reshape(2, WRAPPED, -1)
    return values, arrays


def samplers(metric, settings, seed):
    """Chains by the name of their sampler, from the same centroids."""
    start = manifold.random_centroids(metric, settings.chains, seed)
    walk = functools.partial(manifold.riemannian_random_walk, metric, start, seed=seed)
    found = {f"walk, covariance {c:g}": walk(covariance=c) for c in settings.covariances}
    name = f"walk, covariance {settings.covariances[0]:g}, corrected"
    found[name] = walk(covariance=settings.covariances[0], corrected=True)
    found["HMC"] = manifold.hmc(metric, start, seed=seed)
    found["HMC, released gradient"] = manifold.hmc(
        metric, start, gradient=released_gradient, seed=seed
    )
    return found


def log_volume_grid(metric):
    """Axes (GRID,) and log sqrt det G (GRID, GRID), rows along the second latent dimension."""
    centroids = np.asarray(metric.centroids)
    low, high = centroids.min(axis=0) - 1, centroids.max(axis=0) + 1
    axes = np.linspace(low, high, GRID).T
    points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2).astype("float32")
    return axes, ops.convert_to_numpy(metric.log_volume(points)).reshape(GRID, GRID)


def energies(metric, paths):
    """The energy along geodesics: positions and momenta (steps, n, d) to (steps, n)."""
    positions, momenta = (ops.convert_to_numpy(path) for path in paths)
    found = metric.energy(positions.reshape(-1, 2), momenta.reshape(-1, 2))
    return ops.convert_to_numpy(found).reshape(positions.shape[:2])


def bin_probabilities(metric, finer=12):
    """Probabilities of BINS x BINS squares under eq. 3, integrated on a finer grid."""
    center, radius = metric.support()
    ticks = (np.arange(BINS * finer) + 0.5) / (BINS * finer) * 2 - 1
    points = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2) * radius
    log_density = -ops.convert_to_numpy(metric.log_volume((points + center).astype("float32")))
    weight = np.exp(log_density.astype(float)) * ((points**2).sum(axis=1) <= radius**2)
    weight = weight.reshape(BINS, finer, BINS, finer).sum(axis=(1, 3))
    return weight / weight.sum()


def counts_by_square(metric, samples):
    """How many samples (n, 2) are in each of these squares."""
    center, radius = metric.support()
    places = np.clip((samples - center) / radius, -1, 1)
    return np.histogram2d(*places.T, bins=BINS, range=[[-1, 1], [-1, 1]])[0]


def total_variation(counts, density):
    """Total variation distance between samples and eq. 3's density, over the squares."""
    return float(0.5 * np.abs(counts / counts.sum() - density).sum())


def released_geodesic(metric, position, velocity, n_steps):
    """`manifold.geodesic` with the released force, which has the opposite sign."""
    return manifold.geodesic(metric, position, velocity, n_steps, derivatives=_released_derivatives)


def _released_derivatives(metric, position, momentum):
    velocity, force = derivatives(metric, position, momentum)
    return velocity, -force


def released_gradient(metric, z):
    """What the released HMC takes for the gradient of log sqrt det G^-1, shape (n, d).

    sum_i G M_i (c_i - z) w_i / T^2, where the gradient has tr(G M_i) in place of G M_i.
    """
    factors = ops.convert_to_tensor(metric.cholesky_factors)
    lowered = ops.sum(factors * metric.centroids[:, :, None], axis=1)
    pulled = ops.sum(factors * lowered[:, None, :], axis=-1)
    mixture = metric.inverse_tensor(z) - metric.regularization * ops.eye(metric.latent_dim)
    force = ops.matmul(metric.kernel(z), pulled) - multiply(mixture, z)
    return multiply(metric.tensor(z), force) / metric.temperature**2


COMPUTE = {
    "classify": classify,
    "svm": svm,
    "pilot": pilot,
    "latent": latent,
    "geometry": geometry,
    "subjects": subjects,
    "brain_samples": brain_samples,
    "classify_brains": classify_brains,
}
