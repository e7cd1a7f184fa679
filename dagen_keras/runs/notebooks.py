"""Executing a paper's notebook into its results directory."""

from pathlib import Path

from dagen_keras.runs.paper import RunError


def execute(run, notebook):
    """Executes `notebook` with a run's parameters; it draws from the run's ledger.

    The executed copy is `notebook.ipynb` in the run's directory, also if a cell fails.

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
        raise RunError(f"the notebook '{notebook}' is not there: run from a clone of the project.")
    run.directory.mkdir(parents=True, exist_ok=True)
    executed = run.directory / "notebook.ipynb"
    try:
        papermill.execute_notebook(
            str(notebook),
            str(executed),
            parameters={
                "profile": run.profile,
                "results": str(run.results.resolve()),
                "data_dir": str(Path(run.data_dir).resolve()) if run.data_dir else None,
                "parameters": run.parameters,
                "compute": False,
            },
            cwd=str(notebook.parent),
            kernel_name="python3",
            progress_bar={"desc": f"{run.paper.key} notebook"},
        )
    except PapermillExecutionError as error:
        return [
            f"{run.paper.key}: cell {error.exec_count} of {notebook.name} failed: {error.ename}: "
            f"{error.evalue} (see {executed})"
        ]
    return []
