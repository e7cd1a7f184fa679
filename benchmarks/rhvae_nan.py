"""How often training an RHVAE fails: ours and pythae's, on data and settings that are hard.

A seed fails if the loss, or at the end a weight, is not finite, or if an error is raised. Of the
seeds that end well the table shows the loss: the first (median), the largest on the way (of all
seeds), the last (median and worst), and the last over the first (median and worst). Both
libraries have the same images, sizes, settings and number of epochs, and start from the weights
that are theirs by default; the losses are the same function but for slips of pythae's. An epoch is
one step, as all images make one batch. The 208x176 images have few epochs, as their steps take
long; ten latent dimensions take ours minutes to compile.

    KERAS_BACKEND=jax python benchmarks/rhvae_nan.py [--peer PYTHON] [--out results.jsonl]

Ours and pythae's train side by side, each in its own process, pythae's with one thread. `--out`
gets a line for each case and library as soon as it is done; a later run with the same file, seeds
and epochs takes from there what is done.
"""

import argparse
import collections
import functools
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import peers

from dagen_keras import datasets, models

BATCH = 200


class Case(NamedTuple):
    images: str
    epochs: int = 25
    learning_rate: float = 1e-3
    latent_dim: int = 2
    large: bool = False
    settings: dict = {}


OASIS = {"step_size": 1e-3, "regularization": 1e-2}
CASES = {
    "shapes": Case("shapes"),
    "digits 0-2": Case("digits"),
    "noise 28x28": Case("noise28"),
    "noise 208x176, OASIS": Case("noise208", 3, 1e-4, large=True, settings=OASIS),
    "noise 208x176, toy": Case("noise208", 3, large=True),
    "step size 0.1": Case("digits", settings={"step_size": 0.1}),
    "squared error": Case("digits", settings={"likelihood": "normal"}),
    "two identical": Case("identical", 40),
    "one image": Case("one", 40),
    "all black": Case("black", 40),
    "10 latent dimensions": Case("digits", latent_dim=10),
}


def images_of(name, data_dir):
    rng = np.random.default_rng(0)
    match name:
        case "shapes":
            return datasets.load("shapes").x_train
        case "noise28":
            return rng.random((200, 28, 28, 1), dtype="float32")
        case "noise208":
            return rng.random((20, 208, 176, 1), dtype="float32")
        case "black":
            return np.zeros((10, 28, 28, 1), "float32")
    data = datasets.load("mnist", data_dir=data_dir) if data_dir else datasets.load("digits")
    x, y = data.x_train, data.y_train
    digits = np.concatenate([x[y == label][:40] for label in range(3)])
    return {"digits": digits, "identical": digits[[0, 0]], "one": digits[:1]}[name]


class Losses(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.finite = []

    def on_train_batch_end(self, batch, logs=None):
        if np.isfinite(loss := float(logs["loss"])):
            self.finite.append(loss)


def our_failure(rhvae, images, epochs, losses):
    """(epoch, why) of a failure, or None."""
    try:
        # A window for each pass: Keras averages the loss within an epoch of its own.
        models.fit_passes(rhvae, images, epochs, BATCH, windows=epochs, callbacks=[losses])
    except Exception as error:  # Whatever it is, training failed.
        return len(losses.finite), f"{type(error).__name__}: {str(error)[:60]}..."
    if not all(np.isfinite(keras.ops.convert_to_numpy(w)).all() for w in rhvae.weights):
        return epochs - 1, "weights not finite"
    return None


def ours(case, images, seeds):
    """What the peer's `train` tells of itself."""
    hidden = (1000, 400) if case.large else (400,)
    shape = images.shape[1:]
    build = functools.partial(
        models.chadebec_rhvae, case.latent_dim, shape, hidden, **case.settings
    )
    optimizer = functools.partial(keras.optimizers.Adam, case.learning_rate)
    reusable = models.ReusableModel(build, optimizer=optimizer, jit_compile=True)
    runs, start = [], time.perf_counter()
    for seed in range(seeds):
        losses = Losses()
        failure = our_failure(reusable.fresh(seed), images, case.epochs, losses)
        epoch, why = failure or (None, None)
        finite = losses.finite or [None]
        found = {"first": finite[0], "largest": max(finite), "last": finite[-1]}
        runs.append({"seed": seed, **found, "failed_in_epoch": epoch, "why": why})
    failed = sum(run["why"] is not None for run in runs)
    seconds = time.perf_counter() - start
    return {"seeds": seeds, "failed": failed, "seconds": seconds, "runs": runs}


def pythae_command(options, case, file):
    settings = dict(case.settings)
    if settings.pop("likelihood", None) == "normal":
        settings["loss"] = "mse"
    settings |= {"latent_dim": case.latent_dim, "learning_rate": case.learning_rate}
    settings |= {"seeds": options.seeds, "epochs": case.epochs, "images": file, "threads": 1}
    arguments = [a for name, v in settings.items() for a in ("--" + name.replace("_", "-"), v)]
    return peers.pythae_command(options, "train", *arguments, *["--large"] * case.large)


def side_by_side(options, case, images, who):
    """Yields (library, result) of each library in `who`; both train at the same time."""
    with tempfile.TemporaryDirectory() as directory:
        if "pythae" in who:
            file = Path(directory, "images.npz")
            np.savez(file, images=images)
            command = pythae_command(options, case, file)
            pipe = subprocess.PIPE
            peer = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
        if "ours" in who:
            found = ours(case, images, options.seeds)
            yield "ours", found | {"backend": keras.backend.backend()}
        if "pythae" in who:
            stdout, stderr = peer.communicate()
            yield "pythae", peers.parse(command, peer.returncode, stdout, stderr)


def row(found):
    """Failures; of the seeds that ended well, how the loss began, rose and ended."""
    well = [run for run in found["runs"] if run["why"] is None]
    numbers = ["-"] * 6
    if well:
        first, last = ([run[key] for run in well] for key in ("first", "last"))
        ratio = [run["last"] / run["first"] for run in well]
        largest = max(run["largest"] for run in well)
        median = statistics.median
        numbers = [median(first), largest, median(last), max(last), median(ratio), max(ratio)]
        numbers = [f"{number:.3g}" for number in numbers]
    cells = [f"{found['failed']}/{found['seeds']}", *numbers]
    return "".join(f"{cell:>10}" for cell in cells)


def table(found, cases):
    heads = ("failed", "first", "largest", "last", "worst", "last/1st", "worst/1st")
    print(f"\n{'':22}{'epochs':>7}  {'':6}" + "".join(f"{head:>10}" for head in heads))
    for name, case in cases.items():
        for library in ("ours", "pythae"):
            if (name, library) in found:
                print(f"{name:22}{case.epochs:7}  {library:6}{row(found[name, library])}")
    print("\nWhy seeds failed, how many, and in which epochs:")
    for (name, library), one in found.items():
        epochs = collections.defaultdict(list)
        for run in one["runs"]:
            if run["why"] is not None:
                epochs[run["why"]].append(run["failed_in_epoch"] + 1)
        for why, when in epochs.items():
            print(f"  {name}, {library}: {len(when)} in {min(when)} to {max(when)}: {why}")


def done_before(options, cases):
    """What `--out` holds of these cases with these seeds and epochs."""
    lines = options.out.read_text().splitlines() if options.out and options.out.exists() else ()
    found = {}
    for one in map(json.loads, lines):
        case = cases.get(one["case"])
        if case and (one["seeds"], one["epochs"]) == (options.seeds, case.epochs):
            found[one["case"], one["library"]] = one
    return found


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    peers.add_argument(parser)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--epochs", type=int, help="for all cases; default: each case's own")
    parser.add_argument("--cases", nargs="+", metavar="CASE", choices=CASES, default=[*CASES])
    parser.add_argument("--only", choices=("ours", "pythae"))
    parser.add_argument("--data-dir", help="has MNIST: it then stands for the bundled digits")
    parser.add_argument("--out", type=Path, help="JSON lines, appended to")
    return parser.parse_args()


def main():
    options = parse()
    cases = {name: CASES[name] for name in options.cases}
    if options.epochs:
        cases = {name: case._replace(epochs=options.epochs) for name, case in cases.items()}
    if options.only != "ours":
        peers.advise(options)
    libraries = [options.only] if options.only else ["ours", "pythae"]
    if not options.peer:
        libraries = [name for name in libraries if name != "pythae"]
    found = done_before(options, cases)
    for name, case in cases.items():
        who = [library for library in libraries if (name, library) not in found]
        images = images_of(case.images, options.data_dir)
        for library, result in side_by_side(options, case, images, who):
            result = {"case": name, "library": library, "epochs": case.epochs, **result}
            found[name, library] = result
            print(f"{name}, {library}: {result['seconds']:.0f} s", flush=True)
            if options.out:
                with options.out.open("a") as file:
                    print(json.dumps(result), file=file)
    table(found, cases)


if __name__ == "__main__":
    main()
