"""Seeded choices of images. All return indices of images, none twice, drawn by NumPy."""

import numpy as np

from dagen_keras import checks

_PATIENT_DRAWS = 200


def balanced_subset(y, n, seed, name="training set"):
    """`n` indices with the same number of each class, in random order.

    Raises:
        ValueError: if `n` is not a multiple of the number of classes, or a class is too small
            (the message names it).
    """
    y, classes = _labels(y)
    if checks.integer(n, "n") % len(classes):
        raise ValueError(
            f"A balanced subset of {len(classes)} classes must have a multiple of "
            f"{len(classes)} images; got {n}."
        )
    return _draw(y, {label: n // len(classes) for label in classes}, seed, name)


def unbalanced_subset(y, n, seed, minimum=8, proportions_seed=0, name="training set"):
    """`n` indices whose class sizes follow weights drawn once from a flat Dirichlet.

    Args:
        y: integer labels, shape (m,).
        n: how many images in all.
        seed: fixes which images are drawn.
        minimum: every class has at least so many.
        proportions_seed: fixes the weights, the same for every `seed`.
        name: what the error message calls the labels.
    """
    y, classes = _labels(y)
    n, minimum = checks.integer(n, "n"), checks.integer(minimum, "minimum", least=0)
    free = n - minimum * len(classes)
    if free < 0:
        raise ValueError(
            f"{len(classes)} classes with at least {minimum} images each need "
            f"{minimum * len(classes)} images; got n={n}."
        )
    weights = np.random.default_rng(proportions_seed).dirichlet(np.ones(len(classes)))
    counts = np.floor(weights * free).astype(int)
    remainder = np.argsort(weights * free - counts)[::-1][: free - counts.sum()]
    counts[remainder] += 1
    return _draw(y, dict(zip(classes, counts + minimum, strict=True)), seed, name)


def keep_share(y, classes, share, seed):
    """Indices of all images, but of the given `classes` only a `share` in (0, 1]."""
    y, known = _labels(y)
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1]; got {share}.")
    unknown = sorted(set(classes) - set(known))
    if unknown:
        raise ValueError(f"no images of class {unknown[0]}; the classes are {known}.")
    counts = {label: int((y == label).sum()) for label in known}
    for label in set(classes):
        counts[label] = max(1, round(counts[label] * share))
    return _draw(y, counts, seed, "labels")


def stratified_validation(y, share, seed):
    """Indices (train, validation) with about `share` of each class, at least one, validating.

    Raises:
        ValueError: if a class has fewer than two images (the message names it).
    """
    y, classes = _labels(y)
    if not 0 < share < 1:
        raise ValueError(f"share must be in (0, 1); got {share}.")
    counts = {}
    for label in classes:
        size = int((y == label).sum())
        if size < 2:
            raise ValueError(
                f"class {label} has {size} image; it needs at least 2, one to train and one "
                "to validate."
            )
        counts[label] = min(size - 1, max(1, round(size * share)))
    validation = _draw(y, counts, seed, "labels")
    train = np.setdiff1d(np.arange(len(y)), validation)
    return np.random.default_rng(seed).permutation(train), validation


def split_by_patient(patients, share, seed, labels=None):
    """Positions (rest, chosen) such that no patient is in both; each ascending.

    `share` of the patients are chosen, at least one and not all: of 200 random choices the one
    that has most nearly this share of the images too, and with `labels` of each class's images,
    so that classes are about as frequent in both parts. Which patient is chosen does not depend
    on the order of the rows.

    Args:
        patients: the patient of each image, shape (n,).
        share: of the patients to choose, in (0, 1).
        seed: fixes the choice.
        labels: integer labels, shape (n,), or None.

    Raises:
        ValueError: if `share` is not in (0, 1), or there are fewer than two patients.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be in (0, 1); got {share}.")
    names, patient = np.unique(np.asarray(patients).astype(str), return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            f"images of at least 2 patients are needed to part them by patient; got {len(names)}."
        )
    labels = np.zeros(len(patient), int) if labels is None else checks.labels(labels, len(patient))
    classes, label = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (patient, label), 1)

    rng = np.random.default_rng(seed)
    n_chosen = min(len(names) - 1, max(1, round(share * len(names))))
    draws = [rng.permutation(len(names))[:n_chosen] for _ in range(_PATIENT_DRAWS)]
    shares = counts[np.array(draws)].sum(axis=1) / counts.sum(axis=0)
    best = draws[np.argmin(np.abs(shares - share).max(axis=1))]
    is_chosen = np.isin(patient, best)
    return np.flatnonzero(~is_chosen), np.flatnonzero(is_chosen)


def _labels(y):
    y = checks.labels(y, len(y))
    if not len(y):
        raise ValueError("labels must not be empty.")
    return y, [int(label) for label in np.unique(y)]


def _draw(y, counts, seed, name):
    rng = np.random.default_rng(seed)
    chosen = []
    for label, count in counts.items():
        members = np.flatnonzero(y == label)
        if len(members) < count:
            raise ValueError(
                f"class {label} has {len(members)} images in the {name}; {count} were asked for."
            )
        chosen.append(rng.permutation(members)[:count])
    return rng.permutation(np.concatenate(chosen))
