"""Runs ours and a peer in processes of their own, in turns."""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("pythae_rhvae.py")
ADVICE = f"""Ours alone: there is no Python with pythae. To have it beside ours:

    python -m venv pythae-env
    pythae-env/bin/pip install pythae==0.1.2
    python {sys.argv[0]} --peer pythae-env/bin/python
"""


def add_argument(parser, package="pythae 0.1.2", variable="PYTHAE_PYTHON"):
    parser.add_argument(
        "--peer",
        metavar="PYTHON",
        default=os.environ.get(variable),
        help=f"a Python that has {package}; default: the environment variable {variable}",
    )


def advise(options, advice=ADVICE):
    """Says how to have the peer, if there is none."""
    if not options.peer:
        print(advice, file=sys.stderr)


def pythae_command(options, command, *arguments):
    return [options.peer, str(SCRIPT), command, *map(str, arguments)]


def pythae_contenders(options, command, *arguments):
    """pythae with PyTorch's own number of threads and with one: of two, the better counts."""
    if not options.peer:
        return {}
    default = pythae_command(options, command, *arguments)
    return {
        "pythae, default threads": lambda: result_of(default),
        "pythae, 1 thread": lambda: result_of([*default, "--threads", "1"]),
    }


def our_contenders(script, *arguments):
    """`script --one` on each of Keras's backends that is installed."""
    command = [sys.executable, script, "--one", *map(str, arguments)]
    found = [name for name in ("tensorflow", "jax") if importlib.util.find_spec(name)]
    return {
        f"ours, {name}": lambda name=name: result_of(command, KERAS_BACKEND=name) for name in found
    }


def result_of(command, **environment):
    """What a command prints as its last line, read as JSON."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return parse(command, done.returncode, done.stdout, done.stderr)


def parse(command, returncode, stdout, stderr):
    if returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{stderr[-2000:]}")
    return json.loads(stdout.splitlines()[-1])


def in_turns(contenders, repeats):
    """For each contender and each key of its results, the median over as many turns."""
    results = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, run in contenders.items():
            results[name].append(run())
    return {
        name: {
            key: statistics.median(one[key] for one in found)
            for key, value in found[0].items()
            if isinstance(value, float)
        }
        for name, found in results.items()
    }
