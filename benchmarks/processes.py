"""Updates a second of one process of several threads, and of several processes of one thread.

Each process trains for some seconds after its first epoch, in which the step is compiled. The time
that a process needs to be ready, some half a minute, is not counted: cells take minutes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
WORKLOADS = ("dense VAE", "VAE of 40 images", "DenseNet", "AC-GAN", "RHVAE")


def workload(name):
    """A compiled model, and what it is fitted on."""
    import numpy as np

    from dagen_keras import backend, models

    rng = np.random.default_rng(0)
    shape, n, batch = (28, 28, 1), 2000, 100
    if name == "dense VAE":
        model = models.chadebec_vae(2, shape)
    elif name == "VAE of 40 images":
        model, n, batch = models.garay_maestre_vae(3, shape), 40, 40
    elif name == "DenseNet":
        model, batch = models.densenet(10, shape), 50
    elif name == "AC-GAN":
        shape, batch = (32, 32, 3), 64
        model = models.ACGAN(shape, 10, filters=32)
    else:
        model = models.chadebec_rhvae(2, shape)
    if name == "DenseNet":  # As the papers' cells compile it.
        model.compile("adam", "sparse_categorical_crossentropy", **backend.compile_options())
    else:
        model.compile("adam")
    labels = (np.arange(n) % 10).astype("int32")
    arrays = (rng.random((n, *shape), "float32"), labels)
    labelled = name in ("DenseNet", "AC-GAN")
    return model, models.ShuffledBatches(arrays if labelled else arrays[:1], batch, passes=5)


def measure(model, batches, seconds):
    """Updates a second of this process."""
    import keras

    class Clock(keras.callbacks.Callback):
        """Starts after the first update of the second epoch, for which a graph may be set up."""

        updates, began, warm = 0, None, False

        def on_epoch_end(self, epoch, logs=None):
            self.warm = True

        def on_train_batch_end(self, batch, logs=None):
            if self.began:
                self.updates += 1
                self.model.stop_training = time.perf_counter() - self.began > seconds
            elif self.warm:
                self.began = time.perf_counter()

    clock = Clock()
    model.fit(batches, epochs=10**6, shuffle=False, verbose=0, callbacks=[clock])
    return clock.updates / (time.perf_counter() - clock.began)


def side_by_side(name, seconds, processes, environment, precision="float32"):
    """The sum of the updates a second of so many processes."""
    command = [sys.executable, __file__, "--measure", name, "--seconds", str(seconds)]
    command += ["--precision", precision]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = [
        subprocess.Popen(command, env={**os.environ, **environment}, **pipes)
        for _ in range(processes)
    ]
    updates = 0.0
    for one in started:
        out, errors = one.communicate()
        if one.returncode:
            raise SystemExit(errors.decode())
        updates += json.loads(out.splitlines()[-1])
    return updates


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser.add_argument("--processes", type=int, default=cores)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=WORKLOADS)
    parser.add_argument("--measure", choices=WORKLOADS, help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="float32", help="Keras's policy of all layers")
    options = parser.parse_args()
    if options.measure:
        from dagen_keras import backend

        with backend.precision(options.precision):
            model_and_batches = workload(options.measure)
        print(json.dumps(measure(*model_and_batches, options.seconds)))
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    n = options.processes
    print(f"| updates a second | 1 process, {cores} threads | {n} processes, 1 thread | ratio |")
    print("|---|---|---|---|")
    for name in options.only:
        rounds = [
            (
                side_by_side(name, options.seconds, 1, {}, options.precision),
                side_by_side(name, options.seconds, n, ONE_THREAD, options.precision),
            )
            for _ in range(options.repeats)
        ]
        one, several = map(statistics.median, zip(*rounds, strict=True))
        print(f"| {name} | {one:.1f} | {several:.1f} | {several / one:.2f} |", flush=True)


if __name__ == "__main__":
    main()
