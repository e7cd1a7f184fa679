"""A training step of the AC-GAN: ours, and the same networks and losses by hand in PyTorch.

Both players are updated once, by 64 real and 64 generated images of 28x28 in 10 classes. Ours is
a batch of plain `fit`, everything that Keras does between two batches included: TensorFlow as
`backend.compile_options` has it, with XLA, and with `--jax` JAX, whose convolutions
are slow on a CPU. The peer is a loop of its own around forward, backward and Adam, in both
memory layouts, with PyTorch's own number of threads and with one. The reference for ratios is the
best of these four. That both have the same parameters is checked; the losses, means of the first
10 steps on noise, show that both compute the same, from different weights.

`--growth` takes batches of 16, 64 and 256, and images of 28x28x1, 32x32x3 and 50x50x3, without XLA.
Every turn is a new process, and its result is the median step after a warm-up.

    python benchmarks/acgan_step.py [--peer PYTHON] [--repeats 3] [--steps 50] [--growth] [--jax]
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

import peers

CLASSES, WARM_UP = 10, 10
SIZES = ((64, (28, 28, 1)),)
GROWTH = (
    (16, (28, 28, 1)),
    (64, (28, 28, 1)),
    (256, (28, 28, 1)),
    (64, (32, 32, 3)),
    (64, (50, 50, 3)),
)
SCRIPT = Path(__file__).with_name("peers") / "torch_acgan.py"
ADVICE = f"""Ours alone: there is no Python with PyTorch. To have it beside ours:

    python -m venv torch-env
    torch-env/bin/pip install torch==2.13.0  # a CPU build is enough
    python {sys.argv[0]} --peer torch-env/bin/python
"""


def ours(batch, shape, steps, xla):
    """Milliseconds between the ends of two batches of `fit`, the median."""
    import keras
    import numpy as np

    from dagen_keras import backend, models

    class Clock(keras.callbacks.Callback):
        times, losses = [], []

        def on_train_batch_end(self, batch, logs=None):
            self.times.append(time.perf_counter())
            self.losses.append(logs)  # Means of all the steps so far.

    rng = np.random.default_rng(0)
    n = batch * (WARM_UP + steps)
    images, labels = rng.random((n, *shape), dtype="float32"), rng.integers(CLASSES, size=n)
    gan = models.ACGAN(shape, CLASSES, seed=0)
    compiling = {"jit_compile": True} if xla else backend.compile_options()
    gan.compile(models.gan_optimizer(), **compiling)
    clock = Clock()
    gan.fit(images, labels, batch, verbose=0, callbacks=[clock])
    players = gan.generator, gan.discriminator
    return {
        "ms": 1000 * statistics.median(np.diff(clock.times)[WARM_UP - 1 :].tolist()),
        "parameters": [int(np.prod(v.shape)) for p in players for v in p.trainable_variables],
        **{name: float(clock.losses[9][name]) for name in ("discriminator_loss", "generator_loss")},
    }


def contenders(options, batch, shape):
    size = ["--batch", batch, "--shape", *shape, "--steps", options.steps]
    us, them = [sys.executable, __file__, "--one"], [options.peer, str(SCRIPT)]
    kinds = {"ours, tensorflow": (us, {"KERAS_BACKEND": "tensorflow"})}
    if not options.growth:
        kinds["ours, tensorflow, XLA"] = [*us, "--xla"], {"KERAS_BACKEND": "tensorflow"}
    if options.jax:
        kinds["ours, jax"] = us, {"KERAS_BACKEND": "jax"}
    if options.peer:
        for layout, last in {"NCHW": [], "NHWC": ["--channels-last"]}.items():
            kinds[f"PyTorch {layout}, default threads"] = [*them, *last], {}
            kinds[f"PyTorch {layout}, 1 thread"] = [*them, *last, "--threads", "1"], {}
    expected = []

    def turn(command, variables):
        found = peers.result_of([*command, *map(str, size)], **variables)
        expected.append(found["parameters"])
        assert expected[-1] == expected[0], f"other networks: {expected[0]}, {expected[-1]}"
        return found

    return {name: lambda kind=kind: turn(*kind) for name, kind in kinds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    peers.add_argument(parser, "PyTorch", "TORCH_PYTHON")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=50, help="steps in a turn")
    parser.add_argument("--growth", action="store_true", help="other batches and images")
    parser.add_argument("--jax", action="store_true", help="ours on JAX too")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--xla", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--shape", type=int, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(ours(options.batch, options.shape, options.steps, options.xla)))
        return
    peers.advise(options, ADVICE)
    for batch, shape in GROWTH if options.growth else SIZES:
        found = peers.in_turns(contenders(options, batch, shape), options.repeats)
        best = min((one["ms"] for name, one in found.items() if "PyTorch" in name), default=None)
        size = "x".join(map(str, shape))
        print(f"Step at batch {batch}, {size}, {os.cpu_count()} cores, ", end="")
        print(f"median of {options.repeats} turns")
        print(f"{'':31}{'ms':>8}{'PyTorch / ms':>14}{'d loss':>9}{'g loss':>9}")
        for name, one in found.items():
            ratio = best / one["ms"] if best else float("nan")
            losses = f"{one['discriminator_loss']:9.3f}{one['generator_loss']:9.3f}"
            print(f"{name:31}{one['ms']:8.1f}{ratio:14.2f}{losses}", flush=True)


if __name__ == "__main__":
    main()
