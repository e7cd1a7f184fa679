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


@pytest.mark.slow
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


LOGGED = """import os
os.write(2, b'WARNING: All log messages before absl::InitializeLog() is called are ...\\n')
os.write(2, b'I0000 00:00:17 9 port.cc:153] oneDNN custom operations are on.\\nno device\\n')
os.write(2, b'E0000 00:00:17 9 said.cc:1] an error\\n')
raise ImportError('damaged')
"""


def test_of_what_is_written_while_tensorflow_is_imported_its_notes_alone_are_dropped(tmp_path):
    (tmp_path / "tensorflow.py").write_text(LOGGED)
    code = (
        "import dagen_keras, sys\ntry: import tensorflow\nexcept ImportError as e: sys.exit(str(e))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    said = ["no device", "E0000 00:00:17 9 said.cc:1] an error", "damaged"]
    assert done.stderr.splitlines() == said


@pytest.mark.parametrize(
    "first",
    [
        "from dagen_keras import models",
        pytest.param("import dagen_keras.sampling", marks=pytest.mark.slow),
    ],
)
def test_an_import_and_a_mistyped_command_are_quiet(first):
    code = f"{first}\nfrom dagen_keras import cli; cli.main(['run', 'nonsense'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error"]
