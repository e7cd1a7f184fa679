"""One training step of the class-wise VAE: XLA or not, one or twenty steps a call, by batch size.

    python benchmarks/compile_options.py [--repeats 5]

TensorFlow on the CPU. The peer is XLA with one step a call. Variants take turns.
"""

import argparse
import statistics
import time

import keras
import numpy as np

from dagen_keras import models

VARIANTS = {
    "XLA, 1 step": {"jit_compile": True},
    "no XLA, 1 step": {"jit_compile": False},
    "no XLA, 20 steps": {"jit_compile": False, "steps_per_execution": 20},
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if keras.backend.backend() != "tensorflow":
        raise SystemExit("this compares TensorFlow's ways to run a step: KERAS_BACKEND=tensorflow")
    for n_images, passes in ((4, 100), (8, 60), (21, 20), (85, 20)):
        images = np.random.default_rng(0).random((n_images, 28, 28, 1), dtype="float32")
        trained, milliseconds = {}, {name: [] for name in VARIANTS}
        for name, arguments in VARIANTS.items():
            trained[name] = models.garay_maestre_vae(3)
            trained[name].compile("rmsprop", **arguments)
            models.fit_passes(trained[name], images, 20, 100)
        for _ in range(options.repeats):
            for name, vae in trained.items():
                start = time.perf_counter()
                models.fit_passes(vae, images, passes, 100)
                milliseconds[name].append(1000 * (time.perf_counter() - start) / passes)
        peer = statistics.median(milliseconds["XLA, 1 step"])
        for name, found in milliseconds.items():
            median = statistics.median(found)
            print(f"{n_images:3} images, {name:16}: {median:6.1f} ms, ratio {peer / median:.2f}")


if __name__ == "__main__":
    main()
