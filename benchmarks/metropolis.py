"""Metropolis-Hastings selection by score: ours, and plain loops over chains and proposals.

10,000 chains of 640 proposals, log-odds of normal numbers in float64. All go from these arrays to
an array of each chain's choice, the random numbers included, in one process and in turns. One loop
takes its numbers from the arrays one by one; the other turns them into lists first, which Python
reads faster. The random numbers are the same, and that all choose the same is checked.

    python benchmarks/metropolis.py [--repeats 5] [--chains 10000] [--proposals 640]
"""

import argparse
import math
import os
import time

import numpy as np
import peers

from dagen_keras.sampling.metropolis import metropolis_hastings

SEED = 1


def ours(log_odds, initial):
    return metropolis_hastings(log_odds, initial, SEED)[0]


def loop_over_arrays(log_odds, initial):
    return np.array(choices(log_odds, initial, uniform(log_odds)))


def loop_over_lists(log_odds, initial):
    return np.array(choices(*(a.tolist() for a in (log_odds, initial, uniform(log_odds)))))


def uniform(log_odds):
    rng = np.random.default_rng(SEED)
    return np.exp(-rng.standard_exponential(log_odds.T.shape)).T


def choices(log_odds, initial, uniform):
    """The index of each chain's last accepted proposal, -1 for none."""
    chosen = []
    for proposed, state, numbers in zip(log_odds, initial, uniform, strict=True):
        index = -1
        for k in range(len(proposed)):
            if proposed[k] >= state or numbers[k] <= math.exp(proposed[k] - state):
                state, index = proposed[k], k
        chosen.append(index)
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--chains", type=int, default=10_000)
    parser.add_argument("--proposals", type=int, default=640)
    options = parser.parse_args()
    chains, proposals = options.chains, options.proposals
    rng = np.random.default_rng(0)
    log_odds, initial = rng.normal(size=(chains, proposals)), rng.normal(size=chains)
    expected = ours(log_odds, initial)

    def contender(function):
        start = time.perf_counter()
        chosen = function(log_odds, initial)
        seconds = time.perf_counter() - start
        if not np.array_equal(chosen, expected):
            raise SystemExit(f"{function.__name__} chooses other proposals than ours.")
        return {"seconds": seconds}

    functions = {
        "ours": ours,
        "loop over lists": loop_over_lists,
        "loop over arrays": loop_over_arrays,
    }
    contenders = {name: lambda f=f: contender(f) for name, f in functions.items()}
    found = peers.in_turns(contenders, options.repeats)
    print(
        f"{chains} chains x {proposals} proposals, {os.cpu_count()} cores, median of "
        f"{options.repeats} turns"
    )
    print(f"{'':18}{'s':>9}{'s / ours':>12}")
    for name, one in found.items():
        seconds = one["seconds"]
        print(f"{name:18}{seconds:9.3f}{seconds / found['ours']['seconds']:12.1f}")


if __name__ == "__main__":
    main()
