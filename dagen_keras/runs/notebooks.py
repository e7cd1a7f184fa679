"""Executing a paper's notebook into its results directory."""

import base64
import io
import os
import re
from pathlib import Path

from PIL import Image

from dagen_keras import files
from dagen_keras.checks import RunError

PROJECT = Path(__file__).parents[2]
LARGE = 30_000  # Bytes of a picture.
EXECUTED, BEGUN = "notebook.ipynb", ".notebook.ipynb"


def execute(run, notebook):
    """Executes `notebook` with a run's parameters; it draws from the run's ledger.

    The executed copy is `notebook.ipynb` in the run's directory, also if a cell fails. Paths in it
    are relative. It is whole or not written: until then it is `.notebook.ipynb`.

    Args:
        run: a `Run`.
        notebook: path of the notebook.

    Returns:
        A list with a line for the cell that failed, and one if the copy is no notebook that can be
        tidied; empty if all went well.

    Raises:
        RunError: if the executed copy cannot be written, as the disk is full.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    notebook = Path(notebook)
    if not notebook.exists():
        return [f"'{notebook}' is not there: run from a clone of the project"]
    run.directory.mkdir(parents=True, exist_ok=True)
    executed, begun = run.directory / EXECUTED, run.directory / BEGUN
    begun.unlink(missing_ok=True)  # Of a run that was killed.
    failures = []
    if run.data_dir:  # The kernel inherits it; it does not stand in the executed copy.
        os.environ["DAGEN_DATA_DIR"] = run.data_dir
    try:
        papermill.execute_notebook(
            os.path.relpath(notebook),
            os.path.relpath(begun),
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
            # What it logs is not the notebook's: that this machine's other users may listen, or
            # that it was interrupted, which is how it is told to end.
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
        )
    except PapermillExecutionError as error:
        failures.append(
            f"{run.study.key}: cell {error.exec_count} of {notebook.name} failed: {error.ename}: "
            f"{error.evalue} (see {executed})"
        )
    except Exception as error:  # The kernel died or did not start.
        if getattr(error, "errno", None) in files.FULL:
            raise RunError(f"'{executed}' cannot be written: {error.strerror}.") from error
        failures.append(f"{run.study.key}: {notebook.name} failed: {type(error).__name__}: {error}")
    finally:
        failures += _put_in_place(begun, executed, run)
    return failures


def _put_in_place(begun, executed, run):
    """Makes what papermill wrote the executed copy; a line of why not, where it is no notebook."""
    try:
        tidy(begun, run.data_dir)
        if begun.exists():
            os.replace(begun, executed)
    except RunError:
        raise
    except Exception as error:  # A kernel may put anything into a notebook.
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return [f"{run.study.key}: the executed notebook is odd, and no copy is kept: {reason}"]
    finally:
        begun.unlink(missing_ok=True)
    return []


def tidy(path, data_dir=None):
    """Leaves out of an executed notebook what is of the machine, and packs its pictures.

    Args:
        path: the notebook, which is written anew; it may be missing.
        data_dir: a folder whose path is left out, as the project's is.

    Raises:
        RunError: if it cannot be written.
        Exception: of any kind, if it is no notebook, or holds a picture that is none.
    """
    import nbformat

    if not path.exists():
        return
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "text" in output:
                output.text = re.sub(r"(?m)^/.*/site-packages/", "", output.text)
                for place, name in ((data_dir, ""), (PROJECT, ""), (Path.home(), "~/")):
                    if place and str(place) != "/":
                        output.text = output.text.replace(f"{place}/", name)
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = _packed(output.data["image/png"])
    about = notebook.metadata.get("papermill", {})
    if "output_path" in about:  # The name that the copy will have.
        about.output_path = about.output_path.replace(BEGUN, EXECUTED)
    files.write(path, nbformat.writes(notebook) + "\n")


def _packed(png):
    """The picture in 256 colours, so that notebooks can be kept in git.

    They are chosen so that no pixel changes much, also one of a rare colour: a marker on a
    photograph keeps its own. Many photographs take 128 colours.
    """
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    for colours in (256, 128):
        buffer = io.BytesIO()
        few = picture.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(buffer, "png", optimize=True)
        if buffer.tell() < LARGE:
            break
    return base64.b64encode(buffer.getvalue()).decode()
