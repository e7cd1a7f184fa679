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
from dagen_keras.evaluate import balanced_accuracy, named_classes, nearest_training_distance
from dagen_keras.papers.chadebec import networks
from dagen_keras.papers.chadebec.demographics import table1
from dagen_keras.papers.chadebec.protocol import ALONE, LETTERS, METHODS, RAW, SPLITS
from dagen_keras.sampling import manifold, sampler_of
from dagen_keras.sampling.manifold.geodesics import derivatives
from dagen_keras.sampling.manifold.metric import multiply
from dagen_keras.study.bench import Fitted
from dagen_keras.study.judge import fell, judge_of, partition, reserved
from dagen_keras.study.packing import pack, png
from dagen_keras.study.settings import enough

GENERATOR_BATCH, CLASSIFIER_BATCH, LATENT_DIM, RATE = 200, 32, 2, 1e-3
VALIDATION_SHARE, FEWEST = 0.2, 8  # Images of a class, of an unbalanced set.
# Tables 4 and 5, where they differ: the encoder's hidden layers, and settings of the RHVAE.
TOY = (400,), {"step_size": 1e-2, "regularization": 1e-3}
BRAIN = (1000, 400), {"step_size": 1e-3, "regularization": 1e-2}
CLASSIFIERS = {"DenseNet": models.densenet, "MLP": networks.mlp, "CNN": networks.cnn}
REDUCED, REDUCED_CLASSES = 120, {"fashion_mnist": (1, 5, 8)}  # Of others the first three.
COMPARED, SHOWN, OF_A_CLASS = 100, 30, 6
GEODESICS, WRAPPED = 8, 150


def conventional():
    """The paper's noise, crop, flips and rotations. It gives no sizes; these are ours."""
    return ClassicTransforms(rotation=20, flip=True, crop=0.2, noise=0.05)


def subset(cell, bench):
    """(images, labels) of the parts "train" and "validation" of a set of Table 2.

    It depends on dataset, split, size and seed alone. Balanced, or with class sizes from weights
    drawn once from a Dirichlet and at least 8 images a class, the same for every seed.
    """
    _, (x, y), _ = partition(cell, bench)
    seed = backend.subseed(cell.seed, "subset", cell.split, cell.images.size)
    chosen = drawn_subset(y, cell.split, cell.images.size, seed, cell.dataset)
    x, y = x[chosen], y[chosen]
    train, validation = datasets.stratified_validation(y, VALIDATION_SHARE, seed)
    return {"train": (x[train], y[train]), "validation": (x[validation], y[validation])}


def drawn_subset(y, split, size, seed, dataset):
    """Which of the images with these labels are of a set of Table 2."""
    name = f"training part of {dataset}"
    if split == "balanced":
        return datasets.balanced_subset(y, size, seed, name)
    return datasets.unbalanced_subset(y, size, seed, FEWEST, name=name)


def sizes(s, name, data):
    """Takes once the sets of each size that cells take."""
    images = s.letters_images if name == LETTERS else s.images
    if name in (s.dataset, LETTERS):
        free, _ = reserved(len(data.x_train), images.reserve)
        sets = [(split, images.size) for split in (s.splits if name == s.dataset else SPLITS[1:])]
        sets += [("balanced", s.pilot.size)] if name == s.dataset and s.pilot_seeds else []
        for split, size in sets:
            drawn_subset(data.y_train[free], split, size, 0, name)
        n = images.test_images
        enough("images.test_images", n, len(data.x_test), f"test images of {name}")
    if name in s.figure_datasets:
        reduced(data)


def tested(cell, bench):
    """Test images, drawn once for all seeds, and their labels."""
    data = bench.data(cell.dataset)
    drawn = np.random.default_rng(0).permutation(len(data.x_test))[: cell.images.test_images]
    return data.x_test[np.sort(drawn)], data.y_test[np.sort(drawn)].astype("uint8")


def reduced(data):
    """Images of Figs. 1 to 3 and their labels: all of `shapes`, else 120 of three classes."""
    if data.name == "shapes":
        return data.x_train, data.y_train
    classes = REDUCED_CLASSES.get(data.name, (0, 1, 2))
    rows = np.flatnonzero(np.isin(data.y_train, classes))
    rows = rows[datasets.balanced_subset(data.y_train[rows], REDUCED, 0, data.name)]
    return data.x_train[rows], np.searchsorted(classes, data.y_train[rows])


def generator(cell, bench, model, image_shape):
    """The `ReusableModel` of "vae", "vamp" or "rhvae", with the settings of Tables 4 and 5."""
    hidden, of_rhvae = BRAIN if "brains" in cell.settings else TOY
    rate = cell.brains.rate if "brains" in cell.settings else RATE
    n_leapfrog = cell.generators.leapfrog

    def build():
        if model == "rhvae":
            settings = {"n_leapfrog": n_leapfrog, **of_rhvae}
            return models.chadebec_rhvae(LATENT_DIM, image_shape, hidden, **settings)
        model_class = {"vae": models.VAE, "vamp": models.VampVAE}[model]
        return models.chadebec_vae(LATENT_DIM, image_shape, hidden, model_class)

    return bench.reusable(
        ("generator", model, image_shape, hidden, rate, n_leapfrog),
        build,
        optimizer=functools.partial(keras.optimizers.Adam, rate),
    )


def class_wise(cell, bench, parts):
    """An `Augmenter` with a model a class, and how training went; kept for all cells of a seed."""
    model, _ = METHODS[cell.method]
    places = [cell.settings.get(name) for name in ("generators", "images", "brains")]

    def fit():
        x, y = parts["train"]
        augmenter = Augmenter(
            generator(cell, bench, model, x.shape[1:]),
            epochs=cell.generators.passes,
            patience=cell.generators.patience,
            batch_size=GENERATOR_BATCH,
            random_state=backend.subseed(cell.seed, "generator", model),
        ).fit(x, y)
        losses = [history["loss"] for history in augmenter.histories_.values()]
        cut = [fell(own) for own in losses if len(own) == cell.generators.passes]
        found = {
            "passes": float(np.mean([len(own) for own in losses])),
            "fell": float(np.mean([fell(own) for own in losses])),
            "settled": 1 - float(np.mean(cut)) if cut else None,
        }
        if "judging" in cell.settings:
            found |= judge_of(cell, bench).of_vaes(augmenter.trained())
        return augmenter, found

    split = cell.factors.get("split")
    return bench.fitted((model, cell.dataset, cell.seed, split, *places), fit)


def draw(augmenter, method, n):
    """`n` images of each class and their labels, by a method's sampler."""
    return augmenter.sample_each(n, augmenter.random_state, METHODS[method][1])


def training_set(cell, bench, parts):
    """(images, labels) of a row of Tables 2 and 3, and what is known of its generators."""
    if cell.method == RAW:
        return parts["train"], {}
    if cell.method == "augmented":
        seed = backend.subseed(cell.seed, "augmented")
        return augment_by_factor(conventional(), *parts["train"], cell.number, seed), {}
    augmenter, found = class_wise(cell, bench, parts)
    new, (x, y), (held_out, _) = draw(augmenter, cell.method, cell.number), *parts.values()
    for name, images in (("nearest", new[0]), ("nearest_held_out", held_out)):
        found = {**found, name: float(np.median(nearest_training_distance(images, x)))}
    if cell.training_set == ALONE:
        return new, found
    return (np.concatenate([x, new[0]]), np.concatenate([y, new[1]])), found


def classifier(bench, name, n_classes, image_shape, rate, seed, precision="float32"):
    """A classifier with new weights, compiled once for all rates."""
    network = CLASSIFIERS[name], n_classes, image_shape
    model = bench.classifier(*network, precision=precision).fresh(seed)
    model.optimizer.learning_rate = rate
    return model


def predictions(cell, bench, marks, images):
    """The classes that a DenseNet gives `images` after each of these updates, and what it is of.

    After so many updates it has the weights of the best validation loss so far.
    """
    parts, found = subset(cell, bench), {}
    (x, y), about = training_set(cell, bench, parts)
    n_classes, seed = bench.data(cell.dataset).n_classes, backend.subseed(cell.seed, "classifier")
    network = "DenseNet", n_classes, x.shape[1:]
    model = classifier(bench, *network, RATE, seed, cell.classifier.precision)

    def predict(mark):
        found[mark] = named_classes(models.predict(model, images, 100)).astype("uint8")

    every, what = cell.classifier.every, f"the DenseNet ({cell.method})"
    best = models.BestWeights({mark // every: functools.partial(predict, mark) for mark in marks})
    fitting = {"validation": parts["validation"], "callbacks": [best]}
    models.fit_updates(model, (x, y), CLASSIFIER_BATCH, max(marks), every, seed, what, **fitting)
    return found, {**about, "images_trained": len(x), "best": (best.best_epoch + 1) * every}


def classify(cell, bench):
    """Table 2: the DenseNet's accuracy on test images, at last and half-way."""
    images, labels = tested(cell, bench)
    updates, every = cell.classifier.updates, cell.classifier.every
    half = max(every, updates // 2 // every * every)
    found, about = predictions(cell, bench, (half, updates), images)
    accuracy = {mark: float((predicted == labels).mean()) for mark, predicted in found.items()}
    classes = pack(predicted=found[updates], labels=labels)
    return about | {"accuracy": accuracy[updates], "half": accuracy[half], "classes": classes}


def pilot(cell, bench):
    """Accuracy on reserved images of the training partition after doubling numbers of updates."""
    _, _, (x_kept, y_kept) = partition(cell, bench)
    found, _ = predictions(cell, bench, cell.pilot.marks, x_kept)
    return {"updates": [*found], "accuracy": [float((p == y_kept).mean()) for p in found.values()]}


def svm(cell, bench):
    """Table 2 by a support vector machine: RBF, scikit-learn's defaults after scaling."""
    (x, y), about = training_set(cell, bench, subset(cell, bench))
    images, labels = tested(cell, bench)
    model = make_pipeline(StandardScaler(), SVC(cache_size=1000)).fit(x.reshape(len(x), -1), y)
    predicted = model.predict(images.reshape(len(images), -1))
    return about | {"accuracy": float((predicted == labels).mean()), "images_trained": len(x)}


def classify_brains(cell, bench):
    """Table 3: balanced accuracy on test brains, its mean and deviation over runs.

    The learning rate is that of the best mean balanced accuracy on validation brains.
    """
    settings, on_test = cell.brains, collections.defaultdict(list)
    parts = oasis.parts(bench.data(cell.dataset), settings.downsample)
    (x, y), _ = training_set(cell, bench, {name: parts[name] for name in ("train", "validation")})
    epochs = max(1, settings.updates // -(-len(x) // CLASSIFIER_BATCH))
    patience = 10 if cell.classifier == "DenseNet" else 20

    def score(rate, seed):
        model = classifier(bench, cell.classifier, 2, x.shape[1:], rate, seed)
        sets = (x, y), parts["validation"]
        models.fit_with_validation(model, *sets, CLASSIFIER_BATCH, epochs, patience, seed)
        validation, test = (
            balanced_accuracy(labels, named_classes(models.predict(model, images)))
            for images, labels in (parts["validation"], parts["test"])
        )
        on_test[rate].append(test)
        return validation

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
    parts = oasis.parts(bench.data(cell.dataset), cell.brains.downsample)
    augmenter, _ = class_wise(cell, bench, parts)
    draw(augmenter, cell.method, 1)  # Compiles.
    start = time.perf_counter()
    new = draw(augmenter, cell.method, 100)
    found = {"seconds_per_100": (time.perf_counter() - start) / len(augmenter.classes_)}
    for name, (x, y) in {"png": new, "training_png": parts["train"]}.items():
        first = np.concatenate([x[y == label][:OF_A_CLASS] for label in (0, 1)])
        found[name] = png(first, columns=OF_A_CLASS)
    return found


def subjects(cell, bench):
    """Table 1, of the CSV."""
    found = table1(bench.data(cell.dataset).subjects)
    return {"table1": found.reset_index().to_dict("records")}


def of_all_classes(cell, bench, model):
    """A `Fitted` model of all images of `reduced`, and the loss of each pass."""

    def fit():
        data, settings = bench.data(cell.dataset), cell.generators
        fresh = generator(cell, bench, model, data.image_shape).fresh(backend.subseed(0, model))
        training = reduced(data)[0], settings.passes, GENERATOR_BATCH
        history = models.fit_passes(fresh, *training, patience=settings.patience)
        return Fitted(fresh), history.history["loss"]

    return bench.fitted(("all classes", cell.dataset, model, cell.generators), fit)


def latent(cell, bench):
    """Figs. 2 and 3: latent points of training images and of a method, and decoded images."""
    model, sampler = METHODS[cell.method]
    fitted, losses = of_all_classes(cell, bench, model)
    x, y = reduced(bench.data(cell.dataset))
    vae, seed = fitted.model, backend.subseed(cell.seed, cell.method)
    drawn = sampler_of(sampler, vae).points(vae, COMPARED, seed)
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
    values, arrays = geodesics(metric, cell.geometry.steps, seed)
    chains = samplers(metric, cell.geometry, seed)
    probabilities = manifold.square_probabilities(metric)
    exact = np.random.default_rng(seed).multinomial(cell.geometry.chains, probabilities.ravel())
    distance = manifold.total_variation(exact.reshape(probabilities.shape), probabilities)
    found = {"independent exact draws": {"total_variation": distance}}
    for name, own in chains.items():
        counts = manifold.square_counts(metric, own.samples)
        distance = manifold.total_variation(counts, probabilities)
        accepted = float(own.acceptance_rate.mean())
        found[name] = {"total_variation": distance, "acceptance": accepted}
    axes, log_volume = manifold.log_volume_grid(metric)
    arrays |= {"mean": metric.centroids, "axes": axes, "log_volume": log_volume}
    return values | {"samplers": found, "arrays": pack(**arrays)}


def geodesics(metric, steps, seed):
    """Right and released geodesics: how their energy changes by steps, and what Fig. 1 draws."""
    values, rng = {"steps": list(steps)}, np.random.default_rng(seed)
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
            energy = manifold.energies(metric, [path[:, :GEODESICS] for path in paths])
            changes.append(float(np.median(np.abs(energy[-1] / energy[0] - 1))))
        thin = slice(None, None, -(-n_steps // 100))
        arrays |= {name: paths[0][thin, :GEODESICS], f"{name}_energy": energy[thin]}
        if name == "right":
            arrays["wrapped"] = paths[0][-1, GEODESICS:].reshape(2, WRAPPED, -1)
    return values, arrays


def samplers(metric, settings, seed):
    """Chains by the name of their sampler, from the same centroids."""
    start = manifold.random_centroids(metric, settings.chains, seed)
    walk = functools.partial(manifold.riemannian_random_walk, metric, start, seed=seed)
    hmc = functools.partial(manifold.hmc, metric, start, seed=seed)
    first = settings.covariances[0]
    return {
        **{f"walk, covariance {c:g}": walk(covariance=c) for c in settings.covariances},
        f"walk, covariance {first:g}, corrected": walk(covariance=first, corrected=True),
        "HMC": hmc(),
        "HMC, released gradient": hmc(gradient=released_gradient),
    }


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


KINDS = (classify, svm, pilot, subjects, classify_brains, latent, geometry, brain_samples)
COMPUTE = {kind.__name__: kind for kind in KINDS}
