"""Measures of sample quality: ours and torch-fidelity's, on the same features.

10,000 real and 10,000 generated images' features: 128 rectified mixtures of 16 normal numbers,
made here. Values are compared in float64; the peer's times are of float32 features, as its own
networks give them. The kernel distance is of one subset, the first 2,000 images of each side. The
first 100 images of each side make covariances singular; the value to hit is computed from the
features themselves, without a covariance. `tr (S1 S2)^(1/2)` is also timed alone beside
`scipy.linalg.sqrtm`.

Every turn is a new process, and what is timed is the second call in it. All run with the default
number of threads and with one, and the better of the two counts.

    python benchmarks/sample_quality.py [--peer PYTHON] [--repeats 3]
"""

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import peers

SCRIPT = Path(__file__).with_name("peers") / "torch_fidelity_measures.py"
ADVICE = f"""Ours alone: there is no Python with torch-fidelity. To have it beside ours:

    python -m venv fidelity-env
    fidelity-env/bin/pip install torch==2.13.0 torchvision
    fidelity-env/bin/pip install torch-fidelity==0.4.0
    python {sys.argv[0]} --peer fidelity-env/bin/python
"""
MEASURES = {
    "FID": "fid",
    "FID, 100 images": "fid_singular",
    "KID": "kid",
    "precision": "precision",
    "recall": "recall",
    "inception score": "inception_score",
}
DIMENSIONS = (128, 2048)
THREADS = {"default threads": {}, "1 thread": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}}


def write_features(path, n=10_000, d=128, latent=16, n_classes=10):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(latent, d))
    real, generated = rng.normal(size=(n, latent)), 0.1 + 0.9 * rng.normal(size=(n, latent))
    np.savez(
        path,
        real=np.maximum(real @ weights, 0).astype("float32"),
        generated=np.maximum(generated @ weights, 0).astype("float32"),
        logits=3 * generated @ rng.normal(size=(latent, n_classes)),
    )


def ours(path):
    from scipy.special import softmax

    from dagen_keras import evaluate

    arrays = np.load(path)
    real, generated = arrays["real"], arrays["generated"]
    few, kid = (real[:100], generated[:100]), (real[:2000], generated[:2000])
    probabilities = softmax(arrays["logits"], axis=1)
    found = {}

    def measure(names, function, *arguments):
        values = np.atleast_1d(function(*arguments)).tolist()
        start = time.perf_counter()
        function(*arguments)
        seconds = time.perf_counter() - start
        for name, value in zip(names, values, strict=False):
            found[name], found[f"{name}_s"] = value, seconds

    measure(["fid"], evaluate.frechet_distance, real, generated)
    measure(["fid_singular"], evaluate.frechet_distance, *few)
    measure(["kid"], evaluate.kernel_distance, *kid, 2000, 1)
    measure(["precision", "recall"], evaluate.precision_recall, real, generated)
    measure(["inception_score"], evaluate.inception_score, probabilities, 1)
    return found | {"fid_singular_exact": exact_frechet_distance(*few)}


def exact_frechet_distance(real, generated):
    """From the centred features, which are factors of the covariances."""
    real, generated = real.astype("float64"), generated.astype("float64")
    shift = real.mean(axis=0) - generated.mean(axis=0)
    r1, r2 = ((x - x.mean(axis=0)) / np.sqrt(len(x) - 1) for x in (real, generated))
    root = np.linalg.svd(r1 @ r2.T, compute_uv=False).sum()
    return float(shift @ shift + np.sum(r1**2) + np.sum(r2**2) - 2 * root)


def roots():
    """Seconds of tr (S1 S2)^(1/2) by ours and by SciPy, and how far apart they are."""
    from scipy.linalg import sqrtm

    from dagen_keras.evaluate.distances import trace_of_square_root

    rng = np.random.default_rng(0)
    found = {}
    trace_of_square_root(np.eye(300), np.eye(300))
    sqrtm(np.eye(300))
    for d in DIMENSIONS:
        s1, s2 = (np.cov(rng.normal(size=(2 * d, d)), rowvar=False) for _ in range(2))
        start = time.perf_counter()
        by_us = trace_of_square_root(s1, s2)
        middle = time.perf_counter()
        by_scipy = np.trace(sqrtm(s1 @ s2)).real
        found[f"ours_{d}_s"] = middle - start
        found[f"scipy_{d}_s"] = time.perf_counter() - middle
        found[f"difference_{d}"] = abs(by_us / by_scipy - 1)
    return found


def contenders(options, path):
    commands = {
        "ours": [sys.executable, __file__, "--one", path],
        "roots": [sys.executable, __file__, "--roots"],
    }
    if options.peer:
        commands["peer"] = [options.peer, str(SCRIPT), path]
    return {
        (name, threads): lambda command=command, variables=variables: peers.result_of(
            command, **variables
        )
        for name, command in commands.items()
        for threads, variables in THREADS.items()
    }


def best(found, name):
    """Each value and each time of a contender with the better number of threads."""
    runs = [one for (contender, _), one in found.items() if contender == name]
    return {key: min(run[key] for run in runs) for key in runs[0]} if runs else None


def compare(options):
    peers.advise(options, ADVICE)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "features.npz")
        write_features(path)
        found = peers.in_turns(contenders(options, path), options.repeats)
    mine, root, peer = (best(found, name) for name in ("ours", "roots", "peer"))
    print(f"10,000 x 128 features, {os.cpu_count()} cores, median of {options.repeats} turns")
    print(f"{'':18}{'ours':>12}{'fidelity':>12}{'difference':>12}", end="")
    print(f"{'ours, s':>10}{'fidelity, s':>13}{'ratio':>8}")
    for title, name in MEASURES.items():
        value, seconds = mine[name], mine[f"{name}_s"]
        print(f"{title:18}{value:12.6g}", end="")
        if peer:
            theirs, their_seconds = peer[name], peer[f"{name}_s"]
            print(f"{theirs:12.6g}{abs(value / theirs - 1):12.1e}", end="")
            print(f"{seconds:10.3f}{their_seconds:13.3f}{their_seconds / seconds:8.1f}")
        else:
            print(f"{'':24}{seconds:10.3f}")
    print("\nFID of 100 images: relative distance from the value without covariances")
    exact = mine["fid_singular_exact"]
    for name, one in {"ours": mine, "torch-fidelity": peer}.items():
        if one:
            print(f"{name:18}{abs(one['fid_singular'] / exact - 1):12.1e}")
    print(f"\n{'tr (S1 S2)^(1/2)':18}{'ours, s':>12}{'sqrtm, s':>12}{'ratio':>8}{'difference':>12}")
    for d in DIMENSIONS:
        us, scipy = root[f"ours_{d}_s"], root[f"scipy_{d}_s"]
        difference = root[f"difference_{d}"]
        print(f"{f'd = {d}':18}{us:12.4f}{scipy:12.4f}{scipy / us:8.1f}{difference:12.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    peers.add_argument(parser, "torch-fidelity", "FIDELITY_PYTHON")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--roots", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.one:
        print(json.dumps(ours(options.one)))
    elif options.roots:
        print(json.dumps(roots()))
    else:
        compare(options)


if __name__ == "__main__":
    main()
