"""Ten class-wise VAEs on 50 images: compiled once and reset, against a new model and `fit` each.

The peer is the loop that one would write first: for each class a new model, `compile("rmsprop")`
and `fit(images, epochs=200)`. Both include building and compiling; each repeat of either runs in
a process of its own, in turns.

    python benchmarks/class_wise_vae.py [--repeats 3] [--passes 200]
"""

import argparse
import functools
import os
import statistics
import subprocess
import sys
import time

LATENT_DIM, IMAGES, CLASSES = 3, 50, 10


def data():
    from dagen_keras import datasets

    digits = datasets.load("digits")
    chosen = datasets.balanced_subset(digits.y_train, IMAGES, seed=0)
    x, y = digits.x_train[chosen], digits.y_train[chosen]
    train, _ = datasets.stratified_validation(y, 0.15, seed=0)
    return x[train], y[train]


def ours(x, y, passes):
    from dagen_keras.augment import Augmenter
    from dagen_keras.models import garay_maestre_vae

    build = functools.partial(garay_maestre_vae, LATENT_DIM)
    Augmenter(build, epochs=passes, batch_size=100).fit(x, y)


def naive(x, y, passes):
    import keras

    from dagen_keras.models import garay_maestre_vae

    for label in range(CLASSES):
        vae = garay_maestre_vae(LATENT_DIM)
        # Keras's own: ours have shortcuts for few images, and look for NaN at every batch.
        keras.Model.compile(vae, "rmsprop")
        keras.Model.fit(vae, x[y == label], batch_size=100, epochs=passes, verbose=0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--passes", type=int, default=200)
    parser.add_argument("--one", choices=("ours", "naive"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        x, y = data()
        start = time.perf_counter()
        {"ours": ours, "naive": naive}[options.one](x, y, options.passes)
        print(time.perf_counter() - start)
        return
    seconds = {"ours": [], "naive": []}
    for _ in range(options.repeats):
        for name, found in seconds.items():
            command = [sys.executable, __file__, "--one", name, "--passes", str(options.passes)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(float(done.stdout.split()[-1]))
            print(f"{name}: {found[-1]:.1f} s", flush=True)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    print(
        f"{CLASSES} VAEs, {IMAGES} images, LS {LATENT_DIM}, {options.passes} passes, {backend}, "
        f"{os.cpu_count()} cores, median of {options.repeats}: ours {medians['ours']:.1f} s, a new "
        f"model and fit each {medians['naive']:.1f} s, ratio "
        f"{medians['naive'] / medians['ours']:.1f}"
    )


if __name__ == "__main__":
    main()
