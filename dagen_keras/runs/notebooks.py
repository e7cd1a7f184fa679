"""Executing a paper's notebook into its results directory."""

import base64
import io
import os
import re
from pathlib import Path

from PIL import Image

PROJECT = Path(__file__).parents[2]


def execute(run, notebook):
    """Executes `notebook` with a run's parameters; it draws from the run's ledger.

    The executed copy is `notebook.ipynb` in the run's directory, also if a cell fails. Paths in it
    are relative, TensorFlow's start-up messages are left out, and pictures have at most 64 colours.

    Args:
        run: a `Run`.
        notebook: path of the notebook.

    Returns:
        A list with a line for the cell that failed; empty if all went well.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    notebook = Path(notebook)
    if not notebook.exists():
        return [f"'{notebook}' is not there: run from a clone of the project"]
    run.directory.mkdir(parents=True, exist_ok=True)
    executed = run.directory / "notebook.ipynb"
    if run.data_dir:  # The kernel inherits it; it does not stand in the executed copy.
        os.environ["DAGEN_DATA_DIR"] = run.data_dir
    try:
        papermill.execute_notebook(
            os.path.relpath(notebook),
            os.path.relpath(executed),
            parameters={
                "profile": run.profile,
                "results": os.path.relpath(run.results, notebook.parent),
                "data_dir": None,
                "parameters": run.changes,
                "compute": False,
            },
            cwd=str(notebook.parent),
            kernel_name="python3",
            progress_bar={"desc": f"{run.study.key} notebook"},
        )
    except PapermillExecutionError as error:
        return [
            f"{run.study.key}: cell {error.exec_count} of {notebook.name} failed: {error.ename}: "
            f"{error.evalue} (see {executed})"
        ]
    except Exception as error:  # The kernel died or did not start.
        return [f"{run.study.key}: {notebook.name} failed: {type(error).__name__}: {error}"]
    finally:
        tidy(executed, run.data_dir)
    return []


def tidy(path, data_dir=None):
    """Leaves out of an executed notebook what is of the machine, and makes its pictures small.

    Args:
        path: the notebook, which is written anew; it may be missing.
        data_dir: a folder whose path is left out, as the project's is.
    """
    import nbformat

    if not path.exists():
        return
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                output.text = re.sub(r"(?m)^([IWE]0000 |WARNING: All log).*\n?", "", output.text)
            if "text" in output:
                output.text = re.sub(r"(?m)^/.*/site-packages/", "", output.text)
                for place in filter(None, (data_dir, PROJECT)):
                    output.text = output.text.replace(f"{place}/", "")
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = _few_colours(output.data["image/png"])
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if o.get("text") != ""]
    nbformat.write(notebook, path)


def _few_colours(png):
    """A third of the size, so that executed notebooks can be kept in git."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").quantize(64)
    buffer = io.BytesIO()
    picture.save(buffer, "png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
