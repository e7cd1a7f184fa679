"""A model's outputs for a few images and for many: `models.predict`, and Keras's own `predict`.

The decoder of a small fully connected VAE, whose own time is short. Both take batches of 50, in
one process and in turns, after one call that traces; that their outputs agree is checked.

    python benchmarks/predict.py [--repeats 7] [--images 20 500 10000]
"""

import argparse
import os
import time

import keras
import numpy as np
import peers

from dagen_keras import models

BATCH = 50


def compare(decoder, n, repeats):
    """Milliseconds of both for n images."""
    z = np.random.default_rng(0).standard_normal((n, 16), dtype="float32")
    functions = {
        "ours": lambda: models.predict(decoder, z, BATCH),
        "Keras": lambda: decoder.predict(z, batch_size=BATCH, verbose=0),
    }
    expected, found = (function() for function in functions.values())
    if not np.allclose(found, expected, rtol=1e-5, atol=1e-6):
        raise SystemExit("the outputs differ.")

    def contender(function):
        start = time.perf_counter()
        function()
        return {"ms": 1e3 * (time.perf_counter() - start)}

    contenders = {name: lambda f=f: contender(f) for name, f in functions.items()}
    return [one["ms"] for one in peers.in_turns(contenders, repeats).values()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--images", type=int, nargs="+", default=[20, 500, 10_000])
    options = parser.parse_args()
    decoder = models.dense_vae(16, (28, 28, 1)).decoder
    print(
        f"{keras.backend.backend()}, {os.cpu_count()} cores, median of {options.repeats} turns\n"
        f"{'images':>8}{'ours, ms':>12}{'Keras, ms':>12}{'ratio':>8}"
    )
    for n in options.images:
        ours, theirs = compare(decoder, n, options.repeats)
        print(f"{n:8d}{ours:12.1f}{theirs:12.1f}{theirs / ours:8.1f}")


if __name__ == "__main__":
    main()
