"""`python -m dagen_keras doctor`: what is installed here, and what it costs that something is not.

It imports nothing but Python's library: it must be able to say that Keras is missing.
"""

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

OK, MISSING, FAILS = "ok", "missing", "FAILS"  # FAILS: a command of the README would fail.
OLDEST, NEWEST = (3, 11), (3, 13)
QUICK_MEMORY, QUICK_DISK = 1.5e9, 20e6  # Bytes that `python run_all.py` needs.
NOTHING_RUNS = "nothing runs"
CORE = "keras numpy scipy scikit-learn imbalanced-learn pandas pillow tqdm"
NEEDED = {  # What is needed by the README's commands, by what its absence costs.
    NOTHING_RUNS: CORE.split(),
    "no paper runs": ["pydantic", "filelock", "jinja2", "matplotlib", "nibabel"],
    "no notebook is executed; python -m dagen_keras run works": ["papermill", "ipykernel"],
    "pytest does not run": ["pytest", "pytest-xdist", "hypothesis"],
}
USEFUL = {
    "notebooks have to be opened by another program": ["jupyterlab"],
    "overnight and paper are computed by one process": ["distributed"],
    "mnist, fashion_mnist, cifar10 and cifar100 are downloaded by Keras, or read from --data-dir; "
    "emnist is read from --data-dir": ["tensorflow-datasets"],
}
MODULES = {  # Where they are not called like the package.
    "scikit-learn": "sklearn",
    "imbalanced-learn": "imblearn",
    "pillow": "PIL",
    "pytest-xdist": "xdist",
    "tensorflow-datasets": "tensorflow_datasets",
}


def main(argv=None):
    """Prints what each check says; returns 1 if a command of the README would fail, else 0."""
    parser = argparse.ArgumentParser(prog="python -m dagen_keras doctor", description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="default: results/")
    results = parser.parse_args(argv).results
    failed = 0
    for check in CHECKS:
        for name, status, text in check(results):
            print(f"{status:8} {name}: {text}", flush=True)
            failed += status == FAILS
    if failed:
        print(f"{failed} to mend: python run_all.py or pytest would fail.")
        print("Packages come with pip install -r requirements.txt")
        return 1
    print("python run_all.py and pytest have what they need.")
    return 0


def python(_):
    """Whether the version is one that the package is for."""
    version = platform.python_version()
    fits = OLDEST <= tuple(map(int, version.split(".")[:2])) <= NEWEST
    asked = "" if fits else "; it must be {}.{} to {}.{}".format(*OLDEST, *NEWEST)
    yield "Python", OK if fits else FAILS, version + asked


def clone(_):
    """Whether it is called where the README's commands are."""
    absent = [name for name in ("run_all.py", "notebooks", "tests") if not Path(name).exists()]
    said = f"no {', '.join(absent)} in '{Path.cwd()}': go to the clone" if absent else Path.cwd()
    yield "clone", FAILS if absent else OK, said


def packages(_):
    """Which packages are there."""
    for status, costs in ((FAILS, NEEDED), (MISSING, USEFUL)):
        for cost, names in costs.items():
            for name in names:
                there = importlib.util.find_spec(MODULES.get(name, name))
                yield name, OK if there else status, _version(name) if there else cost


def backends(_):
    """Whether the backend that Keras is to take is there."""
    there = [name for name in ("tensorflow", "jax") if importlib.util.find_spec(name)]
    wanted = os.environ.get("KERAS_BACKEND", "tensorflow")
    for name in there:
        yield name, OK, _version(name) + (", which Keras takes" if name == wanted else "")
    if wanted not in there:
        said = f"KERAS_BACKEND is {wanted}, which is absent" if there else "no TensorFlow, no JAX"
        yield "backend", FAILS, f"{said}: {NOTHING_RUNS}"


def memory(_):
    """Whether there is enough for `quick`."""
    if not hasattr(os, "sysconf"):  # Windows.
        yield "memory", OK, "unknown here"
        return
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    said = f"{size / 1e9:.1f} GB; quick takes {QUICK_MEMORY / 1e9} GB"
    yield "memory", OK if size >= QUICK_MEMORY else FAILS, said


def results_directory(results):
    """Whether results can be written."""
    place = results.absolute()
    place = next(p for p in (place, *place.parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free
    except OSError as error:
        yield "results", FAILS, f"nothing can be written to '{results}' ({error})"
        return
    said = f"'{results}', {free / 1e9:.1f} GB free"
    yield "results", OK if free >= QUICK_DISK else FAILS, said


def start(_):
    """Whether Keras starts, in a process of its own, on which device; and reads bundled data."""
    code = (
        "from dagen_keras import backend, datasets; "
        "from dagen_keras.datasets.registry import BUNDLED; "
        "[datasets.load(name) for name in BUNDLED]; "
        "print(backend.device() + '; bundled data: ' + ', '.join(BUNDLED))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    said = (done.stderr if done.returncode else done.stdout).strip().splitlines()
    said = said[-1] if said else f"exit status {done.returncode}, without a word"
    yield "start", FAILS if done.returncode else OK, said


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


CHECKS = [python, clone, packages, backends, memory, results_directory, start]
