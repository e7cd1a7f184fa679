"""Measures of sample quality as torch-fidelity 0.4.0 has them: a peer for the benchmark of ours.

It runs in an environment of its own, without this package: `benchmarks/README.md` says how to make
it. It prints one line of JSON on stdout: each measure's value on the features in float64, and its
seconds on them in float32. The file is an .npz with `real`, `generated` (n, d) and `logits`
(n, classes).
"""

import argparse
import json
import time

import numpy as np
import torch

try:
    import torchvision  # noqa: F401 - torch-fidelity imports it; the measures do not use it.
except RuntimeError:  # Built for CUDA, beside a CPU build of PyTorch: its operators do not load.
    operators = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        operators.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric


def fid(real, generated):
    sides = [fid_features_to_statistics(side) for side in (real, generated)]
    return [fid_statistics_to_metric(*sides, verbose=False)["frechet_inception_distance"]]


def kid(real, generated):
    options = {"kid_subsets": 1, "kid_subset_size": len(real), "verbose": False}
    return [kid_features_to_metric(real, generated, **options)["kernel_inception_distance_mean"]]


def precision_recall(real, generated):
    found = prc_features_to_metric(generated, real, prc_neighborhood=3, verbose=False)
    return [found["precision"], found["recall"]]


def inception_score(logits):
    return [isc_features_to_metric(logits, splits=1, shuffle=False)["inception_score_mean"]]


def measures(arrays):
    """Names of a measure's values, the measure, and its arguments."""
    real, generated, logits = (arrays[name] for name in ("real", "generated", "logits"))
    yield ["fid"], fid, (real, generated)
    yield ["fid_singular"], fid, (real[:100], generated[:100])
    yield ["kid"], kid, (real[:2000], generated[:2000])
    yield ["precision", "recall"], precision_recall, (real, generated)
    yield ["inception_score"], inception_score, (logits,)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("features", help="an .npz file")
    options = parser.parse_args()
    arrays = {name: torch.from_numpy(array) for name, array in np.load(options.features).items()}
    found = {}
    for names, measure, arguments in measures(arrays):
        values = measure(*(argument.double() for argument in arguments))
        arguments = [argument.float() for argument in arguments]
        start = time.perf_counter()
        measure(*arguments)
        seconds = time.perf_counter() - start
        for name, value in zip(names, values, strict=True):
            found[name], found[f"{name}_s"] = float(value), seconds
    print(json.dumps(found))


if __name__ == "__main__":
    main()
