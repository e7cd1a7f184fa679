"""What becomes of an executed notebook, whatever a kernel put into it. No kernel is started."""

import base64
import errno
import os

import nbformat
import papermill
import pytest
from runs.toy import STUDY

from dagen_keras.runs import Run, RunError, notebooks


def _notebook(**data):
    output = nbformat.v4.new_output("display_data", data=data)
    cell = nbformat.v4.new_code_cell(outputs=[output])
    return nbformat.writes(nbformat.v4.new_notebook(cells=[cell])).encode()


WHOLE = _notebook(**{"text/plain": "49 é"})
ODD = {
    "empty": b"",
    "cut": WHOLE[:60],
    "no JSON": b"hello",
    "a list": b"[1]",
    "a number": b"3",
    "no cells": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
    "latin-1": WHOLE.decode().replace("\\u00e9", "é").encode("latin-1"),
    "UTF-16": WHOLE.decode().encode("utf-16"),
    "deep": b"[" * 5000 + b"]" * 5000,
    "no picture": _notebook(**{"image/png": base64.b64encode(b"no picture").decode()}),
    "no base64": _notebook(**{"image/png": "é"}),
    "cut picture": _notebook(
        **{"image/png": base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0").decode()}
    ),
}


@pytest.fixture
def run(tmp_path):
    run = Run(STUDY, "quick", results=tmp_path / "results")
    run.directory.mkdir(parents=True)
    (run.directory / "notebook.ipynb").write_bytes(b"the last one")
    (tmp_path / "toy.ipynb").write_bytes(WHOLE)
    return run


@pytest.fixture
def execute(run, tmp_path, monkeypatch):
    """`execute(content)`: what the runner says if papermill writes `content`."""

    def of(content):
        def written(source, target, **arguments):
            with open(target, "wb") as file:
                file.write(content)

        monkeypatch.setattr(papermill, "execute_notebook", written)
        return notebooks.execute(run, tmp_path / "toy.ipynb")

    return of


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_notebook_is_a_line_and_the_last_copy_stays(run, execute, odd):
    (line,) = execute(ODD[odd])
    assert line.startswith("toy: the executed notebook is odd, and no copy is kept: ")
    assert len(line) < 350
    assert [path.name for path in run.directory.iterdir()] == ["notebook.ipynb"]
    assert (run.directory / "notebook.ipynb").read_bytes() == b"the last one"
    assert execute(WHOLE) == []
    copy = nbformat.read(run.directory / "notebook.ipynb", as_version=4)
    assert copy.cells[0].outputs[0].data == {"text/plain": "49 é"}
    assert [path.name for path in run.directory.iterdir()] == ["notebook.ipynb"]


def test_the_copy_says_its_own_name(run, execute):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["papermill"] = {"output_path": "results/quick/toy/.notebook.ipynb"}
    assert execute(nbformat.writes(notebook).encode()) == []
    copy = nbformat.read(run.directory / "notebook.ipynb", as_version=4)
    assert copy.metadata.papermill.output_path == "results/quick/toy/notebook.ipynb"


def test_what_a_killed_run_left_is_not_taken_for_a_copy(run, tmp_path, monkeypatch):
    (run.directory / ".notebook.ipynb").write_bytes(WHOLE)

    def refused(*arguments, **keywords):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(papermill, "execute_notebook", refused)
    assert notebooks.execute(run, tmp_path / "toy.ipynb") == [
        "toy: toy.ipynb failed: RuntimeError: no kernel"
    ]
    assert (run.directory / "notebook.ipynb").read_bytes() == b"the last one"
    assert [path.name for path in run.directory.iterdir()] == ["notebook.ipynb"]


def _full(*arguments, **keywords):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("who", ["papermill", "runner"])
def test_a_full_disk_names_the_copy_and_leaves_the_last_one(
    run, execute, tmp_path, monkeypatch, who
):
    with pytest.raises(RunError, match=r"notebook\.ipynb' cannot be written: No space left"):
        if who == "runner":
            monkeypatch.setattr(os, "fsync", _full)
            execute(WHOLE)
        else:
            monkeypatch.setattr(papermill, "execute_notebook", _full)
            notebooks.execute(run, tmp_path / "toy.ipynb")
    assert [path.name for path in run.directory.iterdir()] == ["notebook.ipynb"]
    assert (run.directory / "notebook.ipynb").read_bytes() == b"the last one"
