"""Every notebook and solution: committed without outputs, and each of its lines runs at `smoke`."""

import base64
import io
import json
import os
import runpy
import shutil
import sys
import time
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
from PIL import Image
from runs.toy import STUDY

from dagen_keras import papers, runs
from dagen_keras.runs import notebooks

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("**/[0-9]*.ipynb"))
OF_PAPERS = {study.notebook for study in papers.get_all()}
ALONE = [p for p in NOTEBOOKS if p.parent.name == "solutions" or p.name not in OF_PAPERS]
COMMITTED = sorted((ROOT / "results" / "overnight").glob("*/notebook.ipynb"))
SECONDS = 300  # A cell of a notebook that takes longer hangs.


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_committed_without_outputs_and_with_parameters(path):
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    tagged = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
    assert len(tagged) == 1
    assert 'profile = "quick"' in "".join(tagged[0]["source"])


def test_badges_for_colab_come_and_go(tmp_path, monkeypatch):
    import nbformat
    from IPython.core.inputtransformer2 import TransformerManager

    main = runpy.run_path(str(ROOT / "notebooks" / "colab.py"))["main"]
    there = shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    before = {path: path.read_bytes() for path in there.glob("**/*.ipynb")}
    for _ in range(2):  # Nothing comes twice.
        main("some.one/a-name", there)
    for path in before:
        badge, install, *others = nbformat.read(path, as_version=4).cells
        nbformat.validate(nbformat.read(path, as_version=4))
        place = path.relative_to(tmp_path).as_posix()
        assert f"/github/some.one/a-name/blob/main/{place})" in badge.source
        assert [cell.source for cell in others] == [
            "".join(cell["source"]) for cell in json.loads(before[path])["cells"]
        ]
        code, shell = TransformerManager().transform_cell(install.source), MagicMock()
        exec(code, {"get_ipython": lambda shell=shell: shell})
        assert not shell.mock_calls
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "google.colab", None)
            patch.setattr(sys, "path", [])
            exec(code, {"get_ipython": lambda shell=shell: shell})
            assert sys.path == ["/content/project"]
        assert "https://github.com/some.one/a-name.git" in str(shell.system.mock_calls)
        assert (
            Path(shell.run_line_magic.mock_calls[0].args[1].split()[-1])
            == Path("/content/project", place).parent
        )
    main(root=there)
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(SystemExit, match="OWNER/NAME; got 'https://"):
        main("https://github.com/some.one/a-name", there)


def test_every_paper_has_its_notebook():
    assert {path.name for path in NOTEBOOKS} >= OF_PAPERS


@pytest.mark.slow
@pytest.mark.parametrize("path", ALONE, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_quickstart_and_the_solutions_run(path, tmp_path):
    import papermill

    settings = {"parameters": {"profile": "smoke"}, "progress_bar": False}
    executed = papermill.execute_notebook(
        path, tmp_path / "executed.ipynb", cwd=path.parent, **settings
    )
    assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code")


@pytest.mark.slow
@pytest.mark.parametrize("key", papers.KEYS)
def test_a_notebook_draws_from_the_ledger(key, smoke):
    run = smoke(key)
    before = run.ledger.path.read_bytes()
    assert notebooks.execute(run, ROOT / "notebooks" / run.study.notebook) == []
    assert run.ledger.path.read_bytes() == before, "drawing computes nothing"
    executed = (run.directory / "notebook.ipynb").read_text()
    assert str(ROOT) not in executed
    cells = [c for c in json.loads(executed)["cells"] if c["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in cells)
    assert sum("image/png" in o.get("data", {}) for c in cells for o in c["outputs"]) >= 5


# A kernel that starts slowly has been asked for its state several times, and answers all.
def answer(client, question):
    while True:
        message = client.get_shell_msg(timeout=SECONDS)
        if message["parent_header"]["msg_id"] == question:
            return message["content"]


@pytest.mark.slow
def test_an_interrupted_computation_in_a_notebook_loses_nothing_and_goes_on(tmp_path, monkeypatch):
    from jupyter_client.manager import start_new_kernel

    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"), prepend=os.pathsep)
    monkeypatch.setenv("TOY_TROUBLE", "2:sleep")
    run = runs.Run(STUDY, "paper", results=tmp_path)
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        question = client.execute(
            "import os\nfrom dagen_keras import runs\nfrom runs.toy import STUDY\n"
            f"run = runs.Run(STUDY, 'paper', results={str(tmp_path)!r})\n"
            "run.compute()"
        )
        deadline = time.monotonic() + SECONDS
        while not run.ledger.read() and time.monotonic() < deadline:
            time.sleep(0.1)
        manager.interrupt_kernel()
        assert answer(client, question)["ename"] == "KeyboardInterrupt"
        before = run.ledger.path.read_bytes()
        assert 0 < len(run.missing()) < len({run.key(cell) for cell in run.cells})
        question = client.execute("os.environ.pop('TOY_TROUBLE')\nrun.compute()")
        assert answer(client, question)["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert run.missing() == {}
    assert run.ledger.path.read_bytes().startswith(before)


@pytest.mark.slow
def test_a_cell_that_fails_is_named_and_the_kernel_itself_says_nothing(tmp_path, capfd):
    import nbformat

    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("profile = 'x'", metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell("get_ipython().kernel.log.error('KeyboardInterrupt caught')"),
            nbformat.v4.new_code_cell("1 / 0"),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
    )
    path = tmp_path / "bad.ipynb"
    nbformat.write(notebook, path)
    run = runs.Run(papers.get("garay_maestre"), "smoke", results=tmp_path)
    (line,) = notebooks.execute(run, path)
    assert "of bad.ipynb failed: ZeroDivisionError" in line
    assert "IPKernelApp" not in capfd.readouterr().err
    assert "notebook.ipynb" in line


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_a_committed_notebook_is_whole_and_of_today(path):
    executed = json.loads(path.read_text(encoding="utf-8"))["cells"]
    source = ROOT / "notebooks" / papers.get(path.parent.name).notebook
    source = json.loads(source.read_text(encoding="utf-8"))["cells"]
    executed = [c for c in executed if "injected-parameters" not in c["metadata"].get("tags", [])]
    assert [c["source"] for c in executed] == [c["source"] for c in source]
    code = [cell for cell in executed if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code)
    assert not any(o["output_type"] == "error" for cell in code for o in cell["outputs"])
    assert path.stat().st_size <= 600_000


def test_an_executed_notebook_has_its_pictures_in_their_colours(tmp_path):
    import matplotlib.pyplot as plt
    import nbformat

    path, buffer = tmp_path / "notebook.ipynb", io.BytesIO()
    figure, axes = plt.subplots(1, 2)
    for power in range(1, 7):
        axes[0].plot(np.linspace(0, 1, 50) ** power, ".-", label=f"power {power}")
    axes[0].legend()
    axes[1].imshow(np.linspace(0, 1, 400).reshape(20, 20))
    axes[1].plot(9, 9, "o", color="red")  # So few pixels that the most frequent colours are others.
    figure.savefig(buffer, format="png")
    plt.close(figure)
    png = base64.b64encode(buffer.getvalue()).decode()
    output = nbformat.v4.new_output("display_data", data={"image/png": png})
    cell = nbformat.v4.new_code_cell(outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    notebooks.tidy(path)
    kept = nbformat.read(path, as_version=4).cells[0].outputs[0].data["image/png"]
    before, after = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(p))).convert("RGB")).astype(int)
        for p in (png, kept)
    )
    assert np.abs(after - before).max() <= 16  # Of 255 levels.
    assert len(kept) < len(png)


def test_an_executed_notebook_names_no_folder_of_the_machine(tmp_path):
    import nbformat

    said = f"17 files below '{tmp_path}/data/patches' in {ROOT}/notebooks are skipped"
    said += f", as are those of {Path.home()}/data"
    cell = nbformat.v4.new_code_cell(
        outputs=[nbformat.v4.new_output("stream", name="stderr", text=said)]
    )
    path = tmp_path / "notebook.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    notebooks.tidy(path, str(tmp_path / "data"))
    (output,) = nbformat.read(path, as_version=4).cells[0].outputs
    assert output.text == (
        "17 files below 'patches' in notebooks are skipped, as are those of ~/data"
    )


def test_a_notebook_that_is_not_there_is_named(tmp_path):
    run = runs.Run(papers.get("garay_maestre"), "smoke", results=tmp_path)
    (line,) = notebooks.execute(run, tmp_path / "none.ipynb")
    assert "run from a clone of the project" in line
