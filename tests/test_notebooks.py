"""Every notebook: committed without outputs, and each of its lines runs at `smoke`."""

import json
import time
from pathlib import Path

import pytest

from dagen_keras import papers, runs
from dagen_keras.runs import notebooks

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 300  # For one cell of a notebook, before it counts as hanging.


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_without_outputs_and_with_parameters(path):
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    tagged = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
    assert len(tagged) == 1
    assert 'profile = "quick"' in "".join(tagged[0]["source"])


def test_every_paper_has_its_notebook():
    assert {study.notebook for study in papers.get_all()} <= {path.name for path in NOTEBOOKS}


@pytest.mark.slow
@pytest.mark.parametrize("key", papers.KEYS)
def test_smoke_run_computes_in_the_notebook_and_then_draws_from_the_ledger(key, tmp_path):
    import papermill

    study = papers.get(key)
    executed = tmp_path / "alone.ipynb"
    papermill.execute_notebook(
        str(ROOT / "notebooks" / study.notebook),
        str(executed),
        parameters={"profile": "smoke", "results": str(tmp_path)},
        cwd=str(ROOT / "notebooks"),
        kernel_name="python3",
        progress_bar=False,
        execution_timeout=SECONDS,
    )
    run = runs.Run(study, "smoke", results=tmp_path)
    assert run.missing() == {}
    assert run.failed() == []
    cells = [c for c in json.loads(executed.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in cells)
    assert sum("image/png" in o.get("data", {}) for c in cells for o in c["outputs"]) >= 5

    before = run.ledger.path.read_bytes()
    assert notebooks.execute(run, ROOT / "notebooks" / study.notebook) == []
    assert str(ROOT) not in (run.directory / "notebook.ipynb").read_text()
    assert run.ledger.path.read_bytes() == before, "drawing computes nothing"


@pytest.mark.slow
def test_an_interrupted_notebook_loses_nothing_and_goes_on(tmp_path):
    from jupyter_client.manager import start_new_kernel

    key = "garay_maestre"  # Its first cells are the quickest.
    run = runs.Run(papers.get(key), "smoke", results=tmp_path)
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        client.execute(
            "from dagen_keras import papers, runs\n"
            f"run = runs.Run(papers.get({key!r}), 'smoke', results={str(tmp_path)!r})\n"
            "run.compute()"
        )
        deadline = time.monotonic() + SECONDS
        while not run.ledger.read() and time.monotonic() < deadline:
            time.sleep(0.1)
        manager.interrupt_kernel()
        content = client.get_shell_msg(timeout=SECONDS)["content"]
        assert content["ename"] == "KeyboardInterrupt"
        before = run.ledger.path.read_bytes()
        assert 0 < len(run.missing()) < len({run.key(cell) for cell in run.cells})
        client.execute("run.compute()")
        assert client.get_shell_msg(timeout=SECONDS)["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert run.missing() == {}
    assert run.ledger.path.read_bytes().startswith(before)


def test_a_cell_that_fails_is_named(tmp_path):
    import nbformat

    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("profile = 'x'", metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell("1 / 0"),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
    )
    path = tmp_path / "bad.ipynb"
    nbformat.write(notebook, path)
    run = runs.Run(papers.get("garay_maestre"), "smoke", results=tmp_path)
    (line,) = notebooks.execute(run, path)
    assert "of bad.ipynb failed: ZeroDivisionError" in line
    assert "notebook.ipynb" in line


def test_a_notebook_that_is_not_there_is_named(tmp_path):
    run = runs.Run(papers.get("garay_maestre"), "smoke", results=tmp_path)
    (line,) = notebooks.execute(run, tmp_path / "none.ipynb")
    assert "run from a clone of the project" in line
