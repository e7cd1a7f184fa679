"""Chains on a learned latent space: our walk and HMC on each backend, and pythae's sampler.

100 chains of 200 steps in two dimensions, on 200 centroids. Ours is timed after one call that
compiles; pythae's `RHVAESampler` is an HMC with the same 15 leapfrog steps, and draws from the
decoder at the end, which takes next to nothing. Every turn is a new process. `--growth` shows
instead how ours grows with centroids and with chains.

The floor: a step of the walk needs the kernel of each chain with each centroid at 2 x 10 points
of its geodesic and at the proposal, a step of the HMC at 15 points. A kernel costs one
exponential, timed as NumPy's on a float32 array that stays in the cache, on all cores, and, with
what is summed over it, some 24 multiplications and additions, at the rate of NumPy's product of
matrices.

    python benchmarks/manifold_walk.py [--peer PYTHON] [--repeats 3] [--growth]
"""

import argparse
import json
import os
import statistics
import time

import numpy as np
import peers

EVALUATIONS = {"walk": 2 * 10 + 1, "hmc": 15}
OPERATIONS = 24
SIZES = ((100, 200), (100, 1000), (100, 5000), (1000, 200), (10000, 200))


def seconds_of(function, repeats):
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def ours(options):
    from dagen_keras.sampling import manifold

    rng = np.random.default_rng(0)
    centroids = rng.normal(size=(options.centroids, 2)).astype("float32")
    factors = np.tril(0.5 * rng.normal(size=(options.centroids, 2, 2))).astype("float32")
    factors[:, [0, 1], [0, 1]] = np.exp(factors[:, [0, 1], [0, 1]])
    metric = manifold.RiemannianMetric(centroids, factors, temperature=0.8, regularization=1e-3)
    initial = manifold.random_centroids(metric, options.chains, seed=0)
    seconds = {}
    for name, sampler in (("walk", manifold.riemannian_random_walk), ("hmc", manifold.hmc)):
        sampler(metric, initial, options.steps)  # Compiles.
        seconds[name] = seconds_of(lambda s=sampler: s(metric, initial, options.steps), 3)
    return seconds


def kernel_seconds():
    """The least time of one kernel and of what is summed over it."""
    rng = np.random.default_rng(0)
    values = -rng.random(4096, dtype="float32")
    out = np.empty_like(values)
    exponential = seconds_of(lambda: np.exp(values, out=out), 1000) / values.size
    n = 1000
    square = rng.random((n, n), dtype="float32")
    operation = seconds_of(lambda: square @ square, 20) / (2 * n**3)
    return {"seconds": exponential / os.cpu_count() + OPERATIONS * operation}


def floors(kernel, chains, centroids, steps):
    return {name: chains * steps * n * centroids * kernel for name, n in EVALUATIONS.items()}


def compare(options):
    peers.advise(options)
    sizes = ("--chains", options.chains, "--centroids", options.centroids, "--steps", options.steps)
    contenders = {
        **peers.our_contenders(__file__, *sizes),
        **peers.pythae_contenders(options, "sample", *sizes),
        "floor": kernel_seconds,
    }
    found = peers.in_turns(contenders, options.repeats)
    kernel = found.pop("floor")["seconds"]
    least = floors(kernel, options.chains, options.centroids, options.steps)
    best = min((one["seconds"] for one in found.values() if "seconds" in one), default=float("nan"))
    print(
        f"{options.chains} chains x {options.steps} steps, {options.centroids} centroids, "
        f"{os.cpu_count()} cores, median of {options.repeats} turns"
    )
    print(f"{'':26}{'':6}{'s':>9}{'s / floor':>12}{'pythae / s':>12}")
    for name, one in found.items():
        for sampler, seconds in one.items():
            sampler = "hmc" if sampler == "seconds" else sampler
            ratios = f"{seconds / least[sampler]:12.1f}{best / seconds:12.1f}"
            print(f"{name:26}{sampler:6}{seconds:9.3f}{ratios}")
    for sampler, seconds in least.items():
        print(f"{'floor':26}{sampler:6}{seconds:9.3f}")


def growth(options):
    print(f"{'chains':>8}{'centroids':>11}  {'':18}{'':6}{'s':>9}{'s / floor':>12}")
    for chains, centroids in SIZES:
        sizes = ("--chains", chains, "--centroids", centroids, "--steps", options.steps)
        contenders = {**peers.our_contenders(__file__, *sizes), "floor": kernel_seconds}
        found = peers.in_turns(contenders, options.repeats)
        least = floors(found.pop("floor")["seconds"], chains, centroids, options.steps)
        for name, one in found.items():
            for sampler, seconds in one.items():
                ratio = seconds / least[sampler]
                size = f"{chains:8}{centroids:11}"
                print(f"{size}  {name:18}{sampler:6}{seconds:9.3f}{ratio:12.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    peers.add_argument(parser)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chains", type=int, default=100)
    parser.add_argument("--centroids", type=int, default=200)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--growth", action="store_true", help="ours, with more of both")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(ours(options)))
    else:
        (growth if options.growth else compare)(options)


if __name__ == "__main__":
    main()
