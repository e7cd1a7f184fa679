"""What `python -m dagen_keras doctor` says of machines that lack something."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dagen_keras import doctor
from dagen_keras.__main__ import main

ROOT = Path(__file__).parents[1]


@pytest.fixture
def installed(monkeypatch):
    """In the clone, without the check that starts Keras: `installed(keras=False)` hides a module.

    With True a module is there whether it is or not.
    """
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(doctor, "CHECKS", doctor.CHECKS[:-1])
    find = importlib.util.find_spec

    def change(**changes):
        changed = lambda name: changes[name] if name in changes else find(name)  # noqa: E731
        monkeypatch.setattr(importlib.util, "find_spec", changed)

    return change


def _said(capsys, *arguments):
    """The exit status, and by name the status and the text of each check."""
    status = main(["doctor", *arguments])
    lines = [line.split(None, 1) for line in capsys.readouterr().out.splitlines()]
    checks = [(first, *rest.split(": ", 1)) for first, rest in lines if ": " in rest]
    return status, {name: (first, text) for first, name, text in checks}


def _names(said, status):
    return [name for name, (first, _) in said.items() if first == status]


def test_where_all_is_there_it_ends_well_and_leaves_nothing(capsys, installed, tmp_path):
    status, said = _said(capsys, "--results", str(tmp_path / "results"))
    assert status == 0
    assert not _names(said, doctor.FAILS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("module", "name", "cost"),
    [
        ("keras", "keras", "nothing runs"),
        ("sklearn", "scikit-learn", "nothing runs"),
        ("pydantic", "pydantic", "no paper runs"),
        ("papermill", "papermill", "no notebook is executed"),
        ("xdist", "pytest-xdist", "pytest does not run"),
    ],
)
def test_what_the_readme_needs_fails(capsys, installed, module, name, cost):
    installed(**{module: False})
    status, said = _said(capsys)
    assert status == 1
    assert _names(said, doctor.FAILS) == [name]
    assert cost in said[name][1]


@pytest.mark.parametrize("name", ["jupyterlab", "distributed", "tensorflow-datasets"])
def test_what_is_only_useful_is_told(capsys, installed, name):
    installed(**{name.replace("-", "_"): False})
    status, said = _said(capsys)
    assert status == 0
    assert _names(said, doctor.MISSING) == [name]
    if name == "tensorflow-datasets":
        assert "emnist is read from --data-dir" in said[name][1]


@pytest.mark.parametrize(
    ("wanted", "there", "status"),
    [
        (None, ["tensorflow"], 0),
        ("jax", ["tensorflow", "jax"], 0),
        ("jax", ["jax"], 0),
        ("jax", ["tensorflow"], 1),
        ("tensorflow", ["jax"], 1),
        (None, [], 1),
    ],
)
def test_the_backend_that_keras_takes_must_be_there(
    capsys, installed, monkeypatch, wanted, there, status
):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if wanted:
        monkeypatch.setenv("KERAS_BACKEND", wanted)
    installed(**{name: name in there for name in ("tensorflow", "jax")})
    found, said = _said(capsys)
    assert found == status
    assert _names(said, doctor.FAILS) == ["backend"] * status
    assert [name for name in ("tensorflow", "jax") if name in said] == there
    if status:
        said_so = f"KERAS_BACKEND is {wanted}" if there else "no TensorFlow, no JAX"
        assert said["backend"][1].startswith(said_so)
    taken = [name for name in there if "which Keras takes" in said[name][1]]
    assert taken == [wanted or "tensorflow"] * (1 - status)


@pytest.mark.parametrize(
    ("version", "status"),
    [("3.10.9", 1), ("3.11.0", 0), ("3.13.9", 0), ("3.14.0b1", 1), ("2.7.18", 1)],
)
def test_the_version_of_python(capsys, installed, monkeypatch, version, status):
    monkeypatch.setattr(doctor.platform, "python_version", lambda: version)
    found, said = _said(capsys)
    assert found == status
    assert said["Python"][1].startswith(version)
    assert ("must be 3.11 to 3.13" in said["Python"][1]) == (status == 1)


def test_results_that_cannot_be_written(capsys, installed, tmp_path):
    (tmp_path / "results").write_text("no directory")
    for place in (tmp_path / "results", tmp_path / "results" / "deeper"):
        status, said = _said(capsys, "--results", str(place))
        assert status == 1
        assert _names(said, doctor.FAILS) == ["results"]
        assert f"nothing can be written to '{place}'" in said["results"][1]


def test_a_full_disk_and_little_memory(capsys, installed, monkeypatch):
    monkeypatch.setattr(doctor, "QUICK_DISK", float("inf"))
    monkeypatch.setattr(doctor, "QUICK_MEMORY", float("inf"))
    monkeypatch.setattr(os, "sysconf", lambda name: 1000, raising=False)
    status, said = _said(capsys)
    assert status == 1
    assert _names(said, doctor.FAILS) == ["memory", "results"]


def test_outside_the_clone_the_commands_are_not_there(capsys, installed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, said = _said(capsys)
    assert status == 1
    assert _names(said, doctor.FAILS) == ["clone"]


@pytest.mark.slow
def test_keras_starts_and_reads_the_bundled_data(monkeypatch):
    from dagen_keras.datasets.registry import BUNDLED

    [(_, status, text)] = doctor.start(None)
    assert status == doctor.OK
    assert text.endswith("bundled data: " + ", ".join(BUNDLED))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    [(_, status, text)] = doctor.start(None)
    assert status == doctor.FAILS
    assert "must be 'tensorflow' or 'jax'" in text


def test_without_any_package_it_says_so():
    """In a process in which nothing can be imported but Python's library and this package."""
    names = [name for group in doctor.NEEDED.values() for name in group]
    modules = [doctor.MODULES.get(name, name) for name in names] + ["tensorflow", "jax"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({modules})); "
        "from dagen_keras import __main__, doctor; doctor.CHECKS.remove(doctor.start); "
        "sys.exit(__main__.main(['doctor']))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 1, run.stderr
    failed = [line.split()[1][:-1] for line in run.stdout.splitlines() if line.startswith("FAILS")]
    assert failed == [*names, "backend"]
