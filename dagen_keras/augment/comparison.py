"""Whether new images help: classifiers trained with and without, on the same splits."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit
from tqdm import tqdm

from dagen_keras.augment.advice import advice, intervals, verdicts
from dagen_keras.augment.bench import Bench, Generator
from dagen_keras.augment.methods import CHEAP, GENERATIVE, METHODS, check_sides
from dagen_keras.checks import RunError
from dagen_keras.evaluate import Resampled
from dagen_keras.models import NonFiniteLossError

TEST_SHARE, FEWEST_SPLITS, MOST_SPLITS = 1 / 4, 5, 30
FEWEST, GANS_FROM = 10, 1000  # Images: different ones of each class; all.
KEPT = ("nothing", "flips")  # However little time there is.
BALANCED = 1.1  # Sizes of the largest and the smallest class, whose ratio is no more.


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison found.

    Attributes:
        frame: a row a split and method: `accuracy`, `balanced_accuracy`, in [0, 1]; `seconds`;
            of a generative method `copies`, the share of its images that are copies.
        scores: of each method (mean, low, high) of accuracy and of balanced accuracy, in percent.
        verdicts: of each generative method its `Resampled` against the cheap method that the other
            splits named best, in points of balanced accuracy, and `p_holm`.
        best_cheap: the cheap method of highest mean balanced accuracy.
        advice: what to do, in a sentence.
        left_out: why, of each method that was left out.
        samples: of each generative method new images of the first split by class, uint8.
    """

    frame: pd.DataFrame
    scores: dict[str, dict[str, tuple[float, float, float]]]
    verdicts: dict[str, tuple[Resampled, float]]
    best_cheap: str
    advice: str
    left_out: dict[str, str]
    samples: dict[str, dict[str, np.ndarray]]


def compare(
    images: np.ndarray,
    labels: np.ndarray,
    methods: Sequence[str] | None = None,
    *,
    groups: np.ndarray | None = None,
    generators: Mapping[str, Generator] | None = None,
    budget: float = 900,
    seed: int = 0,
    progress: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Comparison:
    """Trains a classifier with each method on repeated stratified splits, as many as time allows.

    All methods have the same splits, classifier, updates and first weights. A generative method
    doubles the largest class and fills up the others to the same. Against chance, which several
    splits of one set share, stands `evaluate.corrected_resampled_t`, and Holm's correction for the
    generative methods; the cheap method that they are compared with is, for each split, the one
    that all other splits name best.

    Args:
        images: uint8, (n, height, width, channels).
        labels: names of classes, (n,).
        methods: of `CHEAP` and `GENERATIVE`; default: all that the images allow. "nothing" is
            always among them.
        groups: what each image is of, such as a patient, (n,): no group is on both sides. None:
            each is of its own, but for images that are the same.
        generators: generative methods of one's own by name: functions of the training images
            (uint8), their labels, how many new images of each class, and a seed, that return the
            new images of each class as a dictionary, uint8. They are compared beside `methods`.
        budget: seconds.
        seed: fixes splits, weights and images.
        progress: whether to show a progress bar.
        clock: what tells the time.

    Returns:
        A `Comparison`.

    Raises:
        RunError: if the images allow no comparison, a method is not known, or a generator gives
            other than images of that kind.
        NonFiniteLossError: if the classifier of the real images alone does not stay finite. Another
            method of which that holds is left out.
    """
    images, labels = np.asarray(images), np.asarray(labels).astype(str)
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(labels):
        raise RunError("images must be uint8, (n, height, width, channels), with a label each.")
    _check(images, labels)
    generators = dict(generators or {})
    taken = [name for name in generators if name in (*CHEAP, *METHODS)]
    if taken:
        raise RunError(f"a generator needs a name of its own; {taken[0]!r} is taken.")
    chosen, left_out = _choose(methods, images, labels)
    chosen += generators
    if groups is None:
        groups = _of_copies(images)
    start, splits = clock(), _splits(labels, groups, seed)
    bench = Bench(images, labels, seed, generators)
    expected = bench.warm_up(chosen, splits[0][0], clock)
    chosen, dropped = _affordable(chosen, expected, FEWEST_SPLITS, budget - (clock() - start))
    left_out |= dropped
    rows, samples = [], {}
    with tqdm(desc="comparing", unit="training", disable=not progress) as bar:
        for number, split in enumerate(splits):
            left = budget - (clock() - start)
            if number == 1:  # Now it is known how long a split takes.
                expected = {row["method"]: row["seconds"] for row in rows}
                chosen, dropped = _affordable(chosen, expected, FEWEST_SPLITS - 1, left)
                left_out |= dropped
            each = sum(expected[name] for name in chosen)
            if number >= FEWEST_SPLITS and each > left:
                break
            n_splits = number + max(FEWEST_SPLITS - number, int(left / max(each, 1e-9)))
            bar.total = min(len(splits), n_splits) * len(chosen)
            more, some, failed = _split(bench, split, number, chosen, bar, clock)
            rows, samples, left_out = rows + more, samples or some, left_out | failed
            chosen = [name for name in chosen if name not in failed]
    frame = pd.DataFrame(rows)
    frame = frame[frame["method"].isin(chosen)].reset_index(drop=True)
    ratio = float(np.mean([len(test) / len(train) for train, test in splits]))
    samples = {name: samples[name] for name in chosen if name in samples}
    judged, best_cheap = verdicts(frame, ratio)
    return Comparison(
        frame,
        intervals(frame, ratio),
        judged,
        best_cheap,
        advice(judged, best_cheap),
        left_out,
        samples,
    )


def _check(images, labels):
    different = _different(images, labels)
    if len(different) < 2:
        raise RunError("a comparison needs two classes or more; there is one.")
    if len(set.union(*different.values())) < 2:
        raise RunError("all images are alike: no classifier could tell them apart.")
    small = [f"'{name}' ({len(own)})" for name, own in different.items() if len(own) < FEWEST]
    if small:
        raise RunError(
            f"a comparison needs {FEWEST} different images of each class; too few has {small[0]}."
        )
    if min(images.shape[1:3]) < 4:
        raise RunError(f"images must be of 4x4 pixels at least; these are {images.shape[1:3]}.")
    check_sides(images)


def _different(images, labels):
    """The different images of each class, as bytes."""
    return {name: {i.tobytes() for i in images[labels == name]} for name in np.unique(labels)}


def _choose(methods, images, labels):
    """The methods to compare, and why others are left out."""
    known = (*CHEAP, *GENERATIVE)
    unknown = [name for name in methods or () if name not in known]
    if unknown:
        raise RunError(f"unknown method {unknown[0]!r}; known are {', '.join(known)}.")
    asked = [name for name in known if methods is None or name in (*methods, "nothing")]
    chosen, left_out, counts = [], {}, np.unique(labels, return_counts=True)[1]
    balanced = counts.max() <= BALANCED * counts.min()
    different = min(map(len, _different(images, labels).values()))
    for name in asked:
        method = METHODS.get(name)
        if name in ("duplicates", "class weights") and balanced:
            left_out[name] = "with classes of one size it is the same as nothing"
        elif name in GENERATIVE and method.conditional and len(images) < GANS_FROM:
            left_out[name] = f"a GAN needs {GANS_FROM:,} images; there are {len(images):,}"
        elif name in GENERATIVE and different * (1 - TEST_SHARE) < method.fewest:
            left_out[name] = f"it needs {method.fewest} different images of a class for training"
        else:
            chosen.append(name)
    return chosen, left_out


def _affordable(chosen, seconds, n_splits, left):
    """The methods for so many splits of which there is time, and why others are left out.

    The cheapest generative one comes before the other cheap ones, and these before the rest.
    """
    generative = sorted((name for name in chosen if name not in CHEAP), key=seconds.get)
    cheap = sorted((name for name in chosen if name in CHEAP), key=seconds.get)
    kept = [name for name in chosen if name in KEPT]
    for name in [*generative[:1], *cheap, *generative[1:]]:
        if name not in kept and n_splits * sum(seconds[k] for k in (*kept, name)) <= left:
            kept.append(name)
    dropped = {
        name: f"with it a split takes {seconds[name]:.0f} s more, too long for the budget"
        for name in chosen
        if name not in kept
    }
    return [name for name in chosen if name in kept], dropped


def _of_copies(images):
    """Groups of images that are the same, which must not be on both sides; None without any."""
    first = {}
    groups = [first.setdefault(image.tobytes(), n) for n, image in enumerate(images)]
    return groups if len(first) < len(images) else None


def _splits(labels, groups, seed):
    if groups is None:
        split = StratifiedShuffleSplit(MOST_SPLITS, test_size=TEST_SHARE, random_state=seed)
        return list(split.split(labels, labels))
    groups, splits = np.asarray(groups), []
    if len(groups) != len(labels):
        raise RunError(f"groups must be one an image; got {len(groups)} for {len(labels)}.")
    folds = round(1 / TEST_SHARE)
    classes = np.unique(labels)
    fewest = min(len(np.unique(groups[labels == name])) for name in classes)
    if fewest < folds:
        raise RunError(f"each class needs images of {folds} groups or more; one has {fewest}.")
    for number in range(MOST_SPLITS):
        split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed + number)
        train, test = next(iter(split.split(labels, labels, groups)))
        if set(labels[train]) != set(classes) or set(labels[test]) != set(classes):
            continue
        splits.append((train, test))
    if len(splits) < FEWEST_SPLITS:
        raise RunError("groups are too uneven: hardly a split has all classes on both sides.")
    return splits


def _split(bench, split, number, chosen, bar, clock):
    """A row a method of one split, of its new images some, and why a method failed."""
    train, test = split
    x, y = bench.images[test], bench.numbers[test]
    rows, samples, failed = [], {}, {}
    for name in chosen:
        start = clock()
        try:
            scores, samples[name] = bench.score(name, train, x, y, number)
        except NonFiniteLossError as error:
            if name in KEPT:
                raise
            failed[name] = f"in split {number + 1} its training did not stay finite: {error}"
            continue
        rows.append({"split": number, "method": name, **scores, "seconds": clock() - start})
        bar.update()
    return rows, {name: some for name, some in samples.items() if some}, failed
