"""Committed ledgers, and the cells that their lines came from."""

from pathlib import Path

from dagen_keras.runs.ledger import Ledger
from dagen_keras.runs.run import Run
from dagen_keras.study import cell

RESULTS = Path(__file__).parents[2] / "results"
LEDGERS = sorted(RESULTS.glob("overnight/*/runs.jsonl"))


def first_done(path, protocol_version):
    """The first done line of each kind."""
    found = {}
    for record in Ledger(path).records():
        now = record.get("protocol_version") == protocol_version
        if now and record["status"] == "done":
            found.setdefault(record["kind"], record)
    return found


def cell_of(study, record):
    """The cell of a line, from its kind, factors and settings alone."""
    defaults = study.settings("overnight")
    groups = {
        name: type(getattr(defaults, name))().replace(flat)
        for name, flat in record["settings"].items()
    }
    parts = {**record["factors"], **groups}
    return cell(record["kind"], seed=record["seed"], dataset=record["dataset"], **parts)


def grid_keys(study, path):
    """The keys of the grid, with the data's fingerprints from the ledger."""
    run = Run(study, "overnight", results=path.parents[2], download=False)
    state = run.state()
    return {state.key(one) for one in state.cells}
