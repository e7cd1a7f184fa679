"""Whether the advice of `compare` is right, in scenarios whose truth is known.

A scenario is a source of images, few or uneven classes, and a generative method: helpful (a
thousand unseen real images of each class, or means of four of them), harmful (copies, one image
again and again, wrong labels), or a VAE. `compare` is given one draw of images, and a budget of
processor time, so that other load changes nothing. The truth is the mean over 15 other draws of a
method's balanced accuracy on 3,000 held-out images, less that of the best cheap method: of those
that are the best three after 5 draws, which alone go on to 15. A line a scenario is written to
RESULTS, and what is there is not computed again; --table prints what they say together. One thread
a process: OMP_NUM_THREADS=1, and --part 1/2, --part 2/2.
"""

import argparse
import collections
import functools
import itertools
import json
import math
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image
from sklearn.model_selection import StratifiedShuffleSplit

from dagen_keras import augment, backend, datasets
from dagen_keras.augment.bench import Bench
from dagen_keras.augment.command import seconds
from dagen_keras.augment.comparison import TEST_SHARE
from dagen_keras.augment.methods import CHEAP
from dagen_keras.datasets import bundled, phantoms

DRAWS, FIRST_DRAWS, FINALISTS = 15, 5, 3
HELD_OUT = 1500  # Images of a class.
SIZES = {"even": (60, 60), "uneven": (200, 30), "many": (200, 200)}


def shapes(rng, data_dir):
    """Discs and rings of 16x16 pixels in noise."""
    y = np.repeat([0, 1], 4000)
    x = np.array([bundled.draw_shape(label, 16, rng) for label in y])
    return _bytes(0.2 + 0.6 * x + rng.normal(0, 0.4, x.shape))[..., None], y


def brains(rng, data_dir):
    """Phantoms of 14x12 pixels: less atrophy, more atrophy."""
    frame, slices = phantoms.generate(4000, 4000, (28, 24), int(rng.integers(2**31)))
    means = slices.reshape(-1, 14, 2, 12, 2).mean(axis=(2, 4))
    return _bytes(means / 2000)[..., None], (frame["CDR"].to_numpy() > 0).astype(int)


def mnist(rng, data_dir):
    """The digits 4 and 9, 14x14 pixels."""
    return _of_two("mnist", (4, 9), 14, data_dir)


def clothes(rng, data_dir):
    """Pullovers and coats, 14x14 pixels."""
    return _of_two("fashion_mnist", (2, 4), 14, data_dir)


def animals(rng, data_dir):
    """Cats and dogs of CIFAR-10, 16x16 pixels, in colour."""
    return _of_two("cifar10", (3, 5), 16, data_dir)


def tops(rng, data_dir):
    """T-shirts and shirts, 14x14 pixels."""
    return _of_two("fashion_mnist", (0, 6), 14, data_dir)


def pattern(rng, data_dir):
    """A pattern of 8x8 blocks or its negative, 16x16 pixels, in noise: Bayes' rule names 98 %."""
    y = np.repeat([0, 1], 4000)
    [shown] = _patterns(rng, 1, norm=2)
    return _in_noise(rng, np.where(y == 1, 1, -1)[:, None, None] * shown), y


def product(rng, data_dir):
    """Two such patterns, each or its negative, in noise: is the product of the signs 1 or -1?"""
    signs = rng.choice([-1, 1], size=(8000, 2))
    images = np.tensordot(signs, _patterns(rng, 2, norm=5), 1)
    return _in_noise(rng, images), (signs.prod(axis=1) > 0).astype(int)


def _patterns(rng, n, norm):
    images = rng.normal(size=(n, 8, 8)).repeat(2, 1).repeat(2, 2)
    return norm * images / np.linalg.norm(images, axis=(1, 2), keepdims=True)


def _in_noise(rng, images):
    return _bytes(0.5 + 0.15 * (images + rng.normal(size=images.shape)))[..., None]


SOURCES = (shapes, brains, mnist, clothes, animals, tops)


def _bytes(x):
    return np.rint(255 * np.clip(x, 0, 1)).astype("uint8")


def _of_two(name, pair, size, data_dir):
    found = datasets.load(name, data_dir=data_dir)
    parts = ((found.x_train, found.y_train), (found.x_test, found.y_test))
    x = np.concatenate([x.pixels[np.isin(y, pair)] for x, y in parts])
    y = np.concatenate([y[np.isin(y, pair)] for _, y in parts])
    return np.array([_smaller(image, size) for image in x]), (y == pair[1]).astype(int)


def _smaller(image, size):
    picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
    scaled = np.asarray(picture.resize((size, size), Image.Resampling.BOX))
    return scaled.reshape(size, size, -1)


def plenty(unseen):
    """A thousand real images of each class that are neither trained on nor tested."""

    def new(images, labels, wanted, seed):
        return {label: unseen[label] for label in wanted}

    return new


def copies(unseen):
    """Training images, hardly changed."""

    def new(images, labels, wanted, seed):
        rng = np.random.default_rng(seed)
        chosen = {c: images[rng.choice(np.flatnonzero(labels == c), n)] for c, n in wanted.items()}
        return {c: _bytes(x / 255 + rng.normal(0, 0.01, x.shape)) for c, x in chosen.items()}

    return new


def collapsed(unseen):
    """One image of each class again and again."""

    def new(images, labels, wanted, seed):
        rng = np.random.default_rng(seed)
        one = {label: images[rng.choice(np.flatnonzero(labels == label))] for label in wanted}
        return {label: np.repeat(one[label][None], n, axis=0) for label, n in wanted.items()}

    return new


def leaking(unseen):
    """Real images, of which three in ten are of the other class."""

    def new(images, labels, wanted, seed):
        rng, made = np.random.default_rng(seed), {}
        for label, other in zip(wanted, [*wanted][::-1], strict=True):
            wrong = rng.random(wanted[label]) < 0.3
            one, two = (unseen[c][rng.choice(len(unseen[c]), len(wrong))] for c in (label, other))
            made[label] = np.where(wrong[:, None, None, None], two, one)
        return made

    return new


def denoised(unseen):
    """Means of four unseen real images."""

    def new(images, labels, wanted, seed):
        rng = np.random.default_rng(seed)
        four = {label: rng.integers(len(unseen[label]), size=(1000, 4)) for label in wanted}
        return {
            label: _bytes(unseen[label][rows].mean(axis=1) / 255) for label, rows in four.items()
        }

    return new


GENERATORS = {one.__name__: one for one in (plenty, copies, collapsed, leaking, denoised)}


KINDS = {  # Of a source and so many images.
    "even": ("plenty", "copies"),
    "uneven": ("plenty", "collapsed", "vae"),
    "many": ("leaking", "vae"),
}
SCENARIOS = [
    *((source, sizes, kind) for source in SOURCES for sizes in SIZES for kind in KINDS[sizes]),
    # Where new images help by more than so few images can hide.
    *itertools.product([pattern, product], ("even", "uneven"), ("plenty", "denoised")),
]


class Setting:
    """A source of images, so many of each class at a time, and how each method does with them.

    Images are disjoint: unseen ones, held-out ones, and a pool to draw from.
    """

    def __init__(self, source, sizes, data_dir):
        self.sizes, rng = SIZES[sizes], _rng(source.__name__, sizes)
        self.x, self.y = source(rng, data_dir)
        of_class = [rng.permutation(np.flatnonzero(self.y == c)) for c in (0, 1)]
        test = np.concatenate([rows[:HELD_OUT] for rows in of_class])
        self.test = self.x[test], self.y[test]
        unseen = {str(c): self.x[rows[HELD_OUT:][:1000]] for c, rows in enumerate(of_class)}
        self.generators = {kind: new(unseen) for kind, new in GENERATORS.items()}
        self.pool = [rows[HELD_OUT + 1000 :] for rows in of_class]
        split = StratifiedShuffleSplit(1, test_size=TEST_SHARE, random_state=0)
        rows, n = [self.draw(rng) for _ in range(DRAWS)], sum(self.sizes)
        self.train = [next(split.split(r, self.y[r]))[0] + n * i for i, r in enumerate(rows)]
        images, labels = self.x[np.concatenate(rows)], self.y[np.concatenate(rows)].astype(str)
        self.bench = Bench(images, labels, 1, self.generators)
        self.bench.updates = Bench(images[:n], labels[:n], 1).updates  # Those of one draw.

    def draw(self, rng):
        """Positions of a set of images."""
        chosen = zip(self.pool, self.sizes, strict=True)
        return np.concatenate([rng.choice(rows, n, replace=False) for rows, n in chosen])

    def scores(self, method, numbers=range(DRAWS)):
        """Its balanced accuracies on held-out images, in percent, one a draw."""
        scored = (self.bench.score(method, self.train[i], *self.test, i)[0] for i in numbers)
        return [100 * one["balanced_accuracy"] for one in scored]

    @functools.cached_property
    def cheap(self):
        """The cheap methods' scores: of the best three after five draws all, of others five."""
        found = {method: self.scores(method, range(FIRST_DRAWS)) for method in CHEAP}
        for method in sorted(found, key=lambda m: np.mean(found[m]))[-FINALISTS:]:
            found[method] += self.scores(method, range(FIRST_DRAWS, DRAWS))
        return found


def _rng(*words):
    return np.random.default_rng(backend.subseed(0, *words))


def run(name, kind, setting, budget):
    """What was advised, and what is true."""
    start, rows = time.process_time(), setting.draw(_rng(name))
    found = augment.compare(
        setting.x[rows],
        setting.y[rows],
        [*CHEAP, "vae"] if kind == "vae" else [*CHEAP],
        generators={} if kind == "vae" else {kind: setting.generators[kind]},
        budget=budget,
        progress=False,
        clock=time.process_time,
    )
    compared = time.process_time() - start
    [(verdict, p)] = [*found.verdicts.values()] or [(None, None)]
    scores, truth = setting.scores(kind), setting.cheap
    best = max((m for m in truth if len(truth[m]) == DRAWS), key=lambda m: np.mean(truth[m]))
    gains = np.subtract(scores, truth[best])
    return {
        "name": name,
        "advice": found.advice,
        "estimate": verdict and verdict.estimate,
        "high": verdict and verdict.high,
        "visible": verdict and verdict.visible,
        "p": p,
        "splits": int(found.frame["split"].nunique()),
        "left_out": found.left_out,
        "gain": float(gains.mean()),
        "gain_error": float(gains.std(ddof=1) / np.sqrt(DRAWS)),
        "truth": {m: round(float(np.mean(s)), 2) for m, s in {**truth, kind: scores}.items()},
        "seconds": [round(compared), round(time.process_time() - start)],
    }


def table(lines):
    """The confusion table, of advice and truth, and below it the scenarios."""
    said = {"Use": "use it", "Nothing": "nothing is shown", "Too": "too few images", "No": "none"}
    columns, counts = ("visibly helps", "helps a little", "does not help"), collections.Counter()
    for line in lines:
        line["said"] = said[line["advice"].split()[0]]
        visible = line["visible"] if line["visible"] is not None else math.inf
        line["true"] = columns[0 if line["gain"] > visible else 1 if line["gain"] > 0 else 2]
        counts[line["said"], line["true"]] += 1
    rows = [[name, *(counts[name, true] for true in columns)] for name in said.values()]
    use = [line for line in lines if line["said"] == "use it"]
    visible = [line for line in lines if line["true"] == columns[0]]
    wrong = sum(line["gain"] <= 0 for line in use)
    missed = sum(line["said"] != "use it" for line in visible)
    right = len(lines) - wrong - missed
    says = (
        f"{len(lines)} of {len(SCENARIOS)} scenarios: 'use it' {len(use)} times, wrong {wrong}; of "
        f"{len(visible)} that visibly help {missed} missed; right or rightly undecided in {right} "
        f"({100 * right / len(lines):.0f} %)."
    )
    numbers = ["estimate", "high", "visible"]
    scenarios = [
        [
            line["name"],
            line["said"],
            *("" if line[k] is None else f"{line[k]:+.1f}" for k in numbers),
            f"{line['gain']:+.1f} ({line['gain_error']:.1f})",
            line["splits"],
        ]
        for line in sorted(lines, key=lambda line: line["name"])
    ]
    heads = ["scenario", "advice", *numbers, "true gain (its error)", "splits"]
    return f"{_grid(['advice', *columns], rows)}\n{says}\n\n{_grid(heads, scenarios)}"


def _grid(heads, rows):
    cells = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", help="JSON lines")
    parser.add_argument("--budget", type=seconds, default=180)
    parser.add_argument("--part", default="1/1", help="such as 1/2: each second scenario")
    parser.add_argument("--only", help="scenarios whose names hold this")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    lines = [
        json.loads(line)
        for path in options.results
        if path.exists()
        for line in path.read_text().splitlines()
    ]
    if options.table:
        print(table(lines))
        return
    done, setting = {line["name"] for line in lines}, functools.cache(Setting)
    part, parts = map(int, options.part.split("/"))
    own = [*dict.fromkeys((source, sizes) for source, sizes, _ in SCENARIOS)][part - 1 :: parts]
    for source, sizes, kind in SCENARIOS:
        name = f"{source.__name__}, {sizes}, {kind}"
        if (source, sizes) not in own or name in done or (options.only or "") not in name:
            continue
        found = run(name, kind, setting(source, sizes, options.data_dir), options.budget)
        with options.results[0].open("a") as file:
            file.write(json.dumps(found) + "\n")
        print(found, flush=True)


if __name__ == "__main__":
    main()
