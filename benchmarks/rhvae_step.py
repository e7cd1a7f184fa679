"""A training step of the RHVAE: ours on each backend, pythae's, and what the arithmetic needs.

Batch 200, 784 pixels, two latent dimensions, three leapfrog steps. Ours is a batch of plain `fit`
(through `fit_passes`), everything that Keras does between two batches included; pythae's is
forward, backward and Adam, without its trainer. Every turn is a new process.

The floor is the time of the large matrix products alone, each of 200 x 400 x 784, as NumPy's BLAS
does them. Encoder and metric network need 2 each (forward, gradient of the weights). The decoder
is evaluated at 4 points, with 6 each: forward, gradient in z, and in backpropagation through both
two for the activations and two for the weights. The reference for ratios is the better of
pythae's two.

With `--filters` the networks are convolutional, those of `conv_rhvae`: 32x32x3 pixels, 16 latent
dimensions. In place of the floor stands a step of the VAE with the same encoder and decoder, on
TensorFlow.

    python benchmarks/rhvae_step.py [--peer PYTHON] [--repeats 3] [--steps 100]
    python benchmarks/rhvae_step.py --filters 32 --steps 25
"""

import argparse
import json
import os
import statistics
import time

import numpy as np
import peers

BATCH, HIDDEN, PIXELS = 200, 400, 784
PRODUCTS = 2 + 2 + 4 * 6


def ours(steps, filters=0, model="rhvae"):
    """Milliseconds between the ends of two batches of `fit`, the median."""
    import keras

    from dagen_keras import models

    class Clock(keras.callbacks.Callback):
        times = []

        def on_train_batch_end(self, batch, logs=None):
            self.times.append(time.perf_counter())

    if filters:
        shape, compile_options = (32, 32, 3), {}
        trained = getattr(models, f"conv_{model}")(filters=filters)
    else:
        shape, compile_options = (28, 28, 1), {"jit_compile": True}
        trained = models.chadebec_rhvae(2)
    images = np.random.default_rng(0).random((BATCH, *shape), dtype="float32")
    trained.compile(keras.optimizers.Adam(1e-6), **compile_options)  # The peer's rate.
    models.fit_passes(trained, images, 5, BATCH)  # Compiles.
    clock = Clock()
    models.fit_passes(trained, images, steps + 1, BATCH, callbacks=[clock])
    return {"ms": 1000 * statistics.median(np.diff(clock.times).tolist())}


def floor(products=100):
    rng = np.random.default_rng(0)
    batch = rng.random((BATCH, HIDDEN), dtype="float32")
    weights = rng.random((HIDDEN, PIXELS), dtype="float32")
    pixels = rng.random((BATCH, PIXELS), dtype="float32")
    # Forward, for the activations, for the weights.
    pairs = ((batch, weights), (pixels, weights.T), (batch.T, pixels))
    milliseconds = []
    for left, right in products * pairs:
        start = time.perf_counter()
        left @ right
        milliseconds.append(1000 * (time.perf_counter() - start))
    return {"ms": PRODUCTS * statistics.median(milliseconds)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    peers.add_argument(parser)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100, help="steps in a turn; pythae: a fifth")
    parser.add_argument("--filters", type=int, default=0, help="of convolutional networks")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--model", default="rhvae", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(ours(options.steps, options.filters, options.model)))
        return
    peers.advise(options)
    arguments = "--steps", options.steps, "--filters", options.filters
    peer_arguments = "--repeats", max(1, options.steps // 5), "--filters", options.filters
    if options.filters:
        peer_arguments += "--latent-dim", 16
        vae = peers.our_contenders(__file__, *arguments, "--model", "vae")
        last = {"the VAE (reference)": vae["ours, tensorflow"]}
    else:
        last = {f"{PRODUCTS} products (floor)": floor}
    contenders = {
        **peers.our_contenders(__file__, *arguments),
        **peers.pythae_contenders(options, "step", *peer_arguments),
        **last,
    }
    found = {name: one["ms"] for name, one in peers.in_turns(contenders, options.repeats).items()}
    *_, least = found.values()
    best = min((ms for name, ms in found.items() if "pythae" in name), default=float("nan"))
    print(f"Step at batch {BATCH}, {os.cpu_count()} cores, median of {options.repeats} turns")
    print(f"{'':26}{'ms':>8}{'ms / last':>12}{'pythae / ms':>13}")
    for name, ms in found.items():
        print(f"{name:26}{ms:8.1f}{ms / least:12.1f}{best / ms:13.1f}")


if __name__ == "__main__":
    main()
