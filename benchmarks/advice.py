"""Whether the advice of `compare` is right, in 40 scenarios whose truth is known.

A scenario is a source of images, few or uneven classes, and a generative method: perfect (unseen
real images), harmful (copies, one image again and again, wrong labels), or a VAE. `compare` is
given one draw of images, and a budget of processor time, so that other load changes nothing. The
truth is the mean over 15 other draws of a method's balanced accuracy on 3,000 held-out images, less
that of the best cheap method: of those that are the best three after 5 draws, which alone go on to
15. A line a scenario is written to RESULTS, and what is there is not computed again; --table prints
what they say together. One thread a process: OMP_NUM_THREADS=1, and --part 1/2, --part 2/2.
"""

import argparse
import json
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
SIZES = {"even": (60, 60), "uneven": (100, 20), "many": (200, 200)}


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


def vehicles(rng, data_dir):
    """Cars and ships of CIFAR-10, 16x16 pixels, in colour."""
    return _of_two("cifar10", (1, 8), 16, data_dir)


SOURCES = (shapes, brains, mnist, clothes, animals, vehicles)


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


def perfect(unseen):
    """Real images that are neither trained on nor tested."""

    def new(images, labels, wanted, seed):
        rng = np.random.default_rng(seed)
        return {label: rng.permutation(unseen[label])[:n] for label, n in wanted.items()}

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
        rng, right = np.random.default_rng(seed), perfect(unseen)
        made = right(images, labels, wanted, seed)
        other = dict(zip(wanted, [*wanted][::-1], strict=True))
        for label, n in wanted.items():
            rows = np.flatnonzero(rng.random(n) < 0.3)
            wrong = right(images, labels, {other[label]: len(rows)}, seed + 1)
            made[label][rows] = wrong[other[label]]
        return made

    return new


GENERATORS = {one.__name__: one for one in (perfect, copies, collapsed, leaking)}


def scenarios():
    """(name, source, sizes, generative method) of each: 40."""
    kinds = [
        ("even", "perfect"),
        ("uneven", "perfect"),
        ("even", "copies"),
        ("uneven", "collapsed"),
        ("many", "leaking"),
        ("uneven", "vae"),
    ]
    found = [(source, *kind) for source in SOURCES for kind in kinds]
    found += [(source, "many", "vae") for source in SOURCES[:4]]
    return {f"{s.__name__}, {size}, {kind}": (s, size, kind) for s, size, kind in found}


class Draws:
    """Disjoint images of a source: unseen ones, held-out ones, and a pool to draw from."""

    def __init__(self, source, sizes, data_dir, seed):
        self.rng, self.sizes = np.random.default_rng(seed), SIZES[sizes]
        self.x, self.y = source(self.rng, data_dir)
        of_class = [self.rng.permutation(np.flatnonzero(self.y == c)) for c in (0, 1)]
        self.test = np.concatenate([rows[:HELD_OUT] for rows in of_class])
        self.unseen = {str(c): self.x[rows[HELD_OUT:][:1000]] for c, rows in enumerate(of_class)}
        self.pool = [rows[HELD_OUT + 1000 :] for rows in of_class]

    def draw(self):
        """Positions of a new set of images."""
        chosen = zip(self.pool, self.sizes, strict=True)
        return np.concatenate([self.rng.choice(rows, n, replace=False) for rows, n in chosen])


def run(name, data_dir, budget):
    """What was advised, and what is true."""
    start, (source, sizes, kind) = time.process_time(), scenarios()[name]
    draws = Draws(source, sizes, data_dir, backend.subseed(0, name))
    own = {} if kind == "vae" else {kind: GENERATORS[kind](draws.unseen)}
    rows = draws.draw()
    found = augment.compare(
        draws.x[rows],
        draws.y[rows],
        [*CHEAP] if own else [*CHEAP, "vae"],
        generators=own,
        budget=budget,
        progress=False,
        clock=time.process_time,
    )
    compared = time.process_time() - start
    [(verdict, p)] = [*found.verdicts.values()] or [(None, None)]
    methods = [*dict.fromkeys([*found.frame["method"], kind])]
    truth = true_scores(draws, own, methods, len(rows))
    best = max((m for m in truth if m in CHEAP), key=lambda m: np.mean(truth[m]))
    gains = 100 * (np.array(truth[kind]) - truth[best])
    return {
        "name": name,
        "advice": found.advice,
        "estimate": verdict and verdict.estimate,
        "visible": verdict and verdict.visible,
        "p": p,
        "splits": int(found.frame["split"].nunique()),
        "left_out": found.left_out,
        "gain": float(gains.mean()),
        "gain_error": float(gains.std(ddof=1) / np.sqrt(len(gains))),
        "truth": {method: round(100 * float(np.mean(runs)), 2) for method, runs in truth.items()},
        "seconds": [round(compared), round(time.process_time() - start)],
    }


def true_scores(draws, own, methods, n):
    """Balanced accuracies on held-out images by method, one a draw of n images.

    Of the cheap methods, those that are not among the best three after five draws are left out.
    """
    split = StratifiedShuffleSplit(1, test_size=TEST_SHARE, random_state=0)
    rows = [draws.draw() for _ in range(DRAWS)]
    train = [next(split.split(r, draws.y[r]))[0] + n * i for i, r in enumerate(rows)]
    images, labels = draws.x[np.concatenate(rows)], draws.y[np.concatenate(rows)].astype(str)
    bench = Bench(images, labels, 1, own)
    bench.updates = Bench(images[:n], labels[:n], 1).updates
    x, y = draws.x[draws.test], draws.y[draws.test]
    scores = {method: [] for method in methods}
    for number, part in enumerate(train):
        if number == FIRST_DRAWS:
            cheap = sorted((m for m in scores if m in CHEAP), key=lambda m: np.mean(scores[m]))
            for method in cheap[:-FINALISTS]:
                del scores[method]
        for method, values in scores.items():
            values.append(bench.score(method, part, x, y, number)[0]["balanced_accuracy"])
    return scores


def table(lines):
    """The confusion table, of advice and truth."""
    said = {"Use": "use it", "Nothing": "nothing is shown", "Too": "too few images", "No": "none"}
    counts = {}
    for line in lines:
        line["said"] = said[line["advice"].split()[0]]
        helps = "visibly helps" if line["gain"] > (line["visible"] or np.inf) else "helps a little"
        line["true"] = helps if line["gain"] > 0 else "does not help"
        key = line["said"], line["true"]
        counts[key] = counts.get(key, 0) + 1
    columns = ("visibly helps", "helps a little", "does not help")
    print(f"| advice | {' | '.join(columns)} |\n|---|---|---|---|")
    for name in said.values():
        print(f"| {name} | {' | '.join(str(counts.get((name, c), 0)) for c in columns)} |")
    use = [line for line in lines if line["said"] == "use it"]
    visible = [line for line in lines if line["true"] == "visibly helps"]
    wrong = sum(line["gain"] <= 0 for line in use)
    missed = sum(line["said"] != "use it" for line in visible)
    print(f"\n{len(lines)} scenarios: 'use it' {len(use)} times, wrong {wrong}; of {len(visible)}")
    print(f"that visibly help {missed} missed; right or rightly undecided in", end=" ")
    print(f"{len(lines) - wrong - missed} ({100 * (1 - (wrong + missed) / len(lines)):.0f} %).\n")
    print("| scenario | advice | estimate | visible | true gain (its error) | splits |")
    print("|---|---|---|---|---|---|")
    for line in lines:
        numbers = [
            f"{line[k]:+.1f}" if line[k] is not None else "" for k in ("estimate", "visible")
        ]
        gain = f"{line['gain']:+.1f} ({line['gain_error']:.1f})"
        cells = line["name"], line["said"], *numbers, gain, str(line["splits"])
        print(f"| {' | '.join(cells)} |")


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
        table(lines)
        return
    part, parts = map(int, options.part.split("/"))
    for name in [*scenarios()][part - 1 :: parts]:
        if name in {line["name"] for line in lines} or (options.only or "") not in name:
            continue
        found = run(name, options.data_dir, options.budget)
        with options.results[0].open("a") as file:
            file.write(json.dumps(found) + "\n")
        print(found, flush=True)


if __name__ == "__main__":
    main()
