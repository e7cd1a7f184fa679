"""How often training an RHVAE fails: ours on either backend, and pythae's.

120 trainings of 300 updates each: 10 problems (data and settings that are hard, or worse) x
3 optimizers x 4 learning rates. The images are 8x8 and all of them make one batch, so that an
update is an epoch; the networks are the paper's. Both libraries have the same images and settings;
weights at the start and the optimizers' other numbers are each library's defaults.

Each training has one outcome:

    well            none of the following
    above start     the loss is finite, but its mean over the last 10 updates is above the first
    NaN weights     in silence: the loss is finite and nothing was raised, but a weight is not
    NaN loss        in silence: the loss became NaN or infinite, and nothing was raised
    clear error     `NonFiniteLossError`, which says what was seen and what may help
    other error     any other, from inside of TensorFlow, JAX or PyTorch

and its loss: of the first update, and the mean of the last 10. `warned` counts those that our
warning at the end of `fit` told of. pythae's model is trained by a plain loop, as its own trainer
does it, but for one thing: the trainer raises an error as soon as a loss is NaN.

    KERAS_BACKEND=tensorflow python benchmarks/rhvae_nan.py --out rhvae_nan.jsonl
    KERAS_BACKEND=jax python benchmarks/rhvae_nan.py --out rhvae_nan.jsonl
    python benchmarks/rhvae_nan.py --out rhvae_nan.jsonl --pythae [--peer PYTHON]
    python benchmarks/rhvae_nan.py --out rhvae_nan.jsonl --table

`--out` gets a line for each training as soon as it is done; a later run does those that it lacks.
"""

import argparse
import functools
import itertools
import json
import math
import subprocess
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import peers

from dagen_keras import datasets, models

UPDATES, WINDOW = 300, 10
PAPER = {"latent_dim": 2}
SQUARED = {"latent_dim": 3, "likelihood": "normal"}
WORSE = {"latent_dim": 5, "step_size": 0.1}
PROBLEMS = {  # the images and the settings; what is not set is as in the paper
    "digits": ("digits", PAPER),
    "circles and rings": ("shapes", PAPER),
    "noise": ("noise", PAPER),
    "black": ("black", PAPER),
    "one image": ("one", PAPER),
    "digits, step size 0.1": ("digits", {"latent_dim": 2, "step_size": 0.1}),
    "digits, d 3, squared error": ("digits", SQUARED),
    "30 times one, d 3, squared error": ("identical", SQUARED),
    "digits, d 5, step size 0.1": ("digits", WORSE),
    "noise, d 5, step size 0.1": ("noise", WORSE),
}
OPTIMIZERS = "Adam", "RMSprop", "SGD"
LEARNING_RATES = 1e-4, 1e-3, 1e-2, 1e-1
TRAININGS = list(itertools.product(PROBLEMS, OPTIMIZERS, LEARNING_RATES))
KEY = ["library", "problem", "optimizer", "learning_rate"]
OUTCOMES = "well", "above start", "NaN weights", "NaN loss", "clear error", "other error"


def images_of(name, n=30):
    match name:
        case "noise":
            return np.random.default_rng(0).random((n, 8, 8, 1), dtype="float32")
        case "black":
            return np.zeros((n, 8, 8, 1), "float32")
        case "shapes":
            return datasets.load("shapes").x_train[:n, 1:49:6, 1:49:6]
    digits = datasets.load("digits").x_train[:n, 2:26:3, 2:26:3]
    return {"digits": digits, "one": digits[:1], "identical": digits[[0] * n]}[name]


class Losses(keras.callbacks.Callback):
    """The first update's loss, and the mean over the last window of updates."""

    first = last = None

    def on_train_batch_end(self, batch, logs=None):
        if self.first is None:
            self.first = float(logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        self.last = float(logs["loss"])


@functools.cache
def reusable(optimizer, **settings):
    build = functools.partial(models.chadebec_rhvae, image_shape=(8, 8, 1), **settings)
    # TensorFlow without XLA: that is where an operation can raise an error of its own.
    jit_compile = False if keras.backend.backend() == "tensorflow" else "auto"
    return models.ReusableModel(
        build, optimizer=getattr(keras.optimizers, optimizer), jit_compile=jit_compile
    )


def ours(problem, ways):
    """Yields what became of each training of a problem; `ways` are optimizers with their rates."""
    images, settings = PROBLEMS[problem]
    images = images_of(images)
    for optimizer, rate in ways:
        model, losses, error = reusable(optimizer, **settings).fresh(0), Losses(), None
        model.optimizer.learning_rate = rate
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                models.fit_passes(
                    model, images, UPDATES, 200, windows=UPDATES // WINDOW, callbacks=[losses]
                )
            except Exception as e:  # Whatever it is, training failed.
                error = f"{type(e).__name__}: {e}"
        yield {
            "optimizer": optimizer,
            "learning_rate": rate,
            "first": losses.first,
            "last": losses.last,
            "finite_weights": all(np.isfinite(w).all() for w in model.get_weights()),
            "error": error,
            "warned": any("ended above" in str(warning.message) for warning in caught),
        }


def pythae(problem, ways, options):
    """As `ours`."""
    images, settings = PROBLEMS[problem]
    loss = "mse" if settings.get("likelihood") == "normal" else "bce"
    arguments = {"latent-dim": settings["latent_dim"], "loss": loss, "updates": UPDATES}
    arguments |= {"step-size": settings.get("step_size", 0.01), "window": WINDOW, "threads": 1}
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "images.npz")
        np.savez(file, images=images_of(images))
        arguments |= {"images": file, "ways": json.dumps(ways)}
        command = peers.pythae_command(
            options, "train", *itertools.chain(*((f"--{k}", v) for k, v in arguments.items()))
        )
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as peer:
            yield from map(json.loads, peer.stdout)
        if peer.returncode:
            raise SystemExit(f"{' '.join(command)} failed.")


def outcome(run):
    if run["error"]:
        clear = run["error"].startswith(models.NonFiniteLossError.__name__)
        return "clear error" if clear else "other error"
    if not math.isfinite(run["last"]):
        return "NaN loss"
    if not run["finite_weights"]:
        return "NaN weights"
    return "above start" if run["last"] > run["first"] else "well"


def table(runs, groups):
    """Of each group and library: how many trainings had which outcome, and the losses."""
    rows = {}
    for key, group in runs.groupby([*groups, "library"], sort=False):
        counts = group["outcome"].value_counts()
        ended = group[group["outcome"].isin(("well", "above start"))]
        losses = {
            f"{which}, {name}": f"{of(ended[which]):.4g}"
            for which in ("first", "last")
            for name, of in (("median", pd.Series.median), ("worst", pd.Series.max))
        }
        counts = {name: counts.get(name, 0) for name in OUTCOMES}
        rows[key] = {**counts, "warned": int(group["warned"].sum()), **losses}
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index.names = [*groups, "library"]
    return frame.to_string()


def report(runs):
    runs = pd.DataFrame(runs).assign(outcome=[outcome(run) for run in runs])
    # In the order of the lists above.
    runs["problem"] = pd.Categorical(runs["problem"], PROBLEMS)
    runs = runs.sort_values(["problem", "optimizer", "learning_rate", "library"])
    for groups in ([], ["problem"], ["optimizer", "learning_rate"]):
        print(table(runs, groups), end="\n\n")
    print("Errors and silent failures:")
    failed = runs[~runs["outcome"].isin(("well", "above start"))]
    for _, run in failed.iterrows():
        what = " ".join((run["error"] or run["outcome"]).split())[:150]
        print("  " + ", ".join(str(run[name]) for name in KEY) + f": {what}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    peers.add_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, appended to")
    parser.add_argument("--pythae", action="store_true", help="train pythae's, not ours")
    parser.add_argument("--table", action="store_true", help="train none: tables of --out")
    options = parser.parse_args()
    if options.pythae and not options.peer:
        parser.error(peers.ADVICE)
    return options


def main():
    options = parse()
    lines = options.out.read_text().splitlines() if options.out.exists() else ()
    runs = [json.loads(line) for line in lines]
    done = {tuple(run[name] for name in KEY) for run in runs}
    library = "pythae" if options.pythae else f"ours, {keras.backend.backend()}"
    train = functools.partial(pythae, options=options) if options.pythae else ours
    to_do = [one for one in TRAININGS if not options.table and (library, *one) not in done]
    for problem, those in itertools.groupby(to_do, key=lambda one: one[0]):
        for run in train(problem, [way for _, *way in those]):
            runs.append({"library": library, "problem": problem, **run})
            with options.out.open("a") as file:
                print(json.dumps(runs[-1]), file=file)
    report(runs)


if __name__ == "__main__":
    main()
