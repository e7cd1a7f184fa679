"""A user of models, samplers and Augmenter alone needs neither Jupyter nor plots nor TFDS."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
BLOCKED = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


def _names(requirements):
    return {one.split(">=")[0].split("[")[0].replace("-", "_") for one in requirements}


ABSENT = _names(PROJECT["optional-dependencies"]["papers"]) | {"tensorflow_datasets", "distributed"}


def _run(code):
    code = BLOCKED.format(absent=ABSENT) + code
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.slow
def test_the_core_is_imported_and_used_without_the_rest():
    done = _run(
        "from dagen_keras import augment, datasets, evaluate, models, sampling\n"
        "data = datasets.load('digits')\n"
        "augmenter = augment.Augmenter(models.chadebec_vae, epochs=1, sampler='gaussian_mixture')\n"
        "x, y = augmenter.fit_resample(data.x_train[::20], data.y_train[::20] > 3)\n"
        "for name in ('phantoms', 'patches', 'photos', 'shapes'):\n"
        "    datasets.load(name)\n"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not ABSENT & _names(PROJECT["dependencies"])


def test_what_the_papers_need_is_said():
    done = _run("from dagen_keras import cli; cli.main(['run'])")
    assert done.returncode == 1
    assert "the papers need pip install 'dagen-keras[papers]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["torch", "nonsense", ""])
def test_a_backend_that_is_none_of_the_two_is_refused_by_name(name):
    command = [sys.executable, "-c", "import dagen_keras"]
    environment = {**os.environ, "KERAS_BACKEND": name}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"must be 'tensorflow' or 'jax', or not set; got '{name}'" in done.stderr
