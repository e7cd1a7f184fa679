"""The command line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dagen_keras import cli, runs
from dagen_keras.papers.garay_maestre import PAPER

ROOT = Path(__file__).parents[1]
SMALL = ["-p", "figure3_levels", "1", "-p", "latent_dims", "2"]


def _run_all(*arguments):
    return cli.run_all([str(a) for a in arguments], root=ROOT)


def test_list_names_the_papers(capsys):
    assert _run_all("--list") == 0
    assert "garay_maestre" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["garay"], "unknown paper 'garay'; known are"),
        (["--profile", "fast"], "unknown profile 'fast'; known are smoke, quick, paper"),
        (["-p", "sedes", "3"], "has a parameter 'sedes'; known are dataset, figure2_size"),
        (["-p", "seeds", "three"], "parameter 'seeds' must be of type int, such as 8; got 'three'"),
        (["-p", "dataset", "mnits"], "parameter 'dataset' must be of digits, photos"),
        (["-p", "train_sizes", "55"], "must be a multiple of the 10 classes"),
        (["--results", os.devnull + "/results"], "cannot be written"),
        (["-p", "dataset", "mnist", "--data-dir", "nowhere"], "nowhere'"),
    ],
)
def test_a_wrong_call_is_explained_in_a_line_without_a_traceback(
    arguments, message, capsys, tmp_path
):
    if "--results" not in arguments:
        arguments = [*arguments, "--results", tmp_path]
    assert _run_all("garay_maestre", *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert list(tmp_path.rglob("runs.jsonl")) == []


def test_an_empty_data_directory_is_explained(capsys, tmp_path):
    empty = tmp_path / "data"
    empty.mkdir()
    code = _run_all("garay_maestre", "--data-dir", empty, "-p", "dataset", "mnist", "--dry-run")
    assert code == 2, "a dry run downloads nothing"
    error = capsys.readouterr().err
    assert "'mnist.npz' or a prepared TFDS dataset 'mnist'" in error
    assert str(empty) in error


def test_dry_run_lists_cells_with_an_estimate_and_writes_nothing(capsys, tmp_path):
    assert _run_all("garay_maestre", "--results", tmp_path, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "Table 2, LS 3, 100 images, AUG+VAE, seed 0" in out
    assert "12 of 12 cells to compute, about" in out
    assert list(tmp_path.iterdir()) == []


def test_killed_in_the_middle_the_same_command_goes_on(tmp_path):
    command = [sys.executable, "-m", "dagen_keras", "run", "garay_maestre", *SMALL]
    command += ["--profile", "smoke", "--results", str(tmp_path)]
    ledger = tmp_path / "smoke" / "garay_maestre" / "runs.jsonl"
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if ledger.exists() and ledger.read_text().count("\n") >= 2:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = ledger.read_text()
    whole = before[: before.rfind("\n") + 1]
    n_done = whole.count("\n")
    assert n_done >= 2
    with ledger.open("a") as file:
        file.write('{"key": "torn')
    subprocess.run(command, check=True, capture_output=True)
    after = ledger.read_text()
    assert after.startswith(whole)
    records = [json.loads(line) for line in after.splitlines()]
    keys = [record["key"] for record in records]
    assert len(keys) == len(set(keys)), "every finished cell once"
    assert all(record["status"] == "done" for record in records)
    parameters = {"figure3_levels": "1", "latent_dims": "2"}
    run = runs.Run(PAPER, "smoke", parameters, results=tmp_path)
    assert n_done < len(keys) == len({run.key(cell) for cell in run.cells})
    assert run.missing() == {}


def test_a_failed_cell_and_notebook_give_status_1_and_say_how_to_go_on(
    capsys, tmp_path, monkeypatch
):
    from dagen_keras.runs import notebooks

    def fail(parameters, seed, data):
        raise ValueError("told to fail")

    monkeypatch.setattr("dagen_keras.papers.garay_maestre.PAPER", _with_compute(fail))
    monkeypatch.setattr(notebooks, "execute", lambda run, path: ["a cell of the notebook failed"])
    assert _run_all("garay_maestre", "--profile", "smoke", "--results", tmp_path) == 1
    error = capsys.readouterr().err
    assert (
        "garay_maestre: cell Table 2, 30 images, CNN, seed 0 failed: ValueError: told to" in error
    )
    assert "a cell of the notebook failed" in error
    assert error.strip().endswith("it tries only what is missing.")
    assert "cells failed" in (tmp_path / "smoke" / "index.html").read_text()


def test_no_compute_draws_what_is_there(capsys, tmp_path, monkeypatch):
    def forbidden(parameters, seed, data):
        raise AssertionError("computed")

    monkeypatch.setattr("dagen_keras.papers.garay_maestre.PAPER", _with_compute(forbidden))
    arguments = ["run", "garay_maestre", "--no-compute", "--results", str(tmp_path)]
    assert cli.main(arguments) == 0
    assert "0 of 12 computed" in (tmp_path / "quick" / "index.html").read_text()


def test_an_interrupt_says_that_nothing_is_lost(capsys, tmp_path, monkeypatch):
    def interrupt(parameters, seed, data):
        raise KeyboardInterrupt

    monkeypatch.setattr("dagen_keras.papers.garay_maestre.PAPER", _with_compute(interrupt))
    assert _run_all("garay_maestre", "--results", tmp_path) == 130
    assert "Every finished cell is in the ledger" in capsys.readouterr().err


def _with_compute(compute):
    import dataclasses

    return dataclasses.replace(PAPER, compute=compute)
