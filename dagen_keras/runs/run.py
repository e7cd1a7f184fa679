"""A run: one paper at one profile in one results directory."""

import os
import time
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from dagen_keras.datasets import DataError
from dagen_keras.runs import page
from dagen_keras.runs.grid import execute_all, load_data
from dagen_keras.runs.ledger import Ledger
from dagen_keras.runs.lock import writer
from dagen_keras.runs.paper import resolve_parameters


def default_results():
    """`results/` beside the `run_all.py` at or above the current directory, else here."""
    here = Path.cwd()
    for directory in (here, *here.parents):
        if (directory / "run_all.py").exists():
            return directory / "results"
    return here / "results"


class Run:
    """One paper at one profile: its cells, which of them are done, and its report.

    Args:
        paper: a `Paper`.
        profile: "smoke", "quick" or "paper".
        parameters: values that differ from the profile's, by name.
        results: the results directory; default: `default_results()`.
        data_dir: where datasets that are not bundled are; default: `DAGEN_DATA_DIR`.
        download: whether data that is not there may be downloaded.

    Raises:
        RunError: for an unknown profile or parameter, or a value of the wrong type.

    Example:
        >>> run = Run(garay_maestre.PAPER, profile="quick")
        >>> run.compute()
        >>> run.report().tables[0].frame
    """

    def __init__(
        self,
        paper,
        profile="quick",
        parameters=None,
        results=None,
        data_dir=None,
        download=True,
    ):
        self.paper = paper
        self.profile = profile
        self.parameters = resolve_parameters(paper, profile, parameters)
        self.results = Path(results).expanduser() if results else default_results()
        data_dir = data_dir or os.environ.get("DAGEN_DATA_DIR")
        self.data_dir = str(Path(data_dir).expanduser().resolve()) if data_dir else None
        self.download = download
        self.directory = self.results / profile / paper.key
        self.ledger = Ledger(self.directory / "runs.jsonl")
        self._first_cells = paper.cells(self.parameters)
        self._identities = {}

    @property
    def cells(self):
        """The grid, as far as it is known: some cells may follow from what others find."""
        if self.paper.follow_up is None:
            return self._first_cells
        found = self._frame(self._first_cells, self.ledger.read())
        return self._first_cells + self.paper.follow_up(self.parameters, found)

    def data(self, name=None):
        """A dataset of the run; by default the one that its parameters name."""
        return load_data(name or self.parameters["dataset"], self.data_dir, self.download)

    def key(self, cell):
        return cell.key(self.paper, self._identity(cell.dataset)[0])

    def _identity(self, name):
        """Fingerprint and description of a dataset; from the ledger where it cannot be had."""
        if name not in self._identities:
            try:
                data = self.data(name)
                self._identities[name] = data.fingerprint, data.description
            except DataError:
                known = [r for r in self.ledger.read().values() if r.get("dataset") == name]
                known = [r for r in known if "fingerprint" in r]
                if not known:
                    raise
                self._identities[name] = known[-1]["fingerprint"], known[-1].get("data", name)
        return self._identities[name]

    def missing(self):
        """The cells that the ledger does not hold as done, each computation once, in order."""
        records = self.ledger.read()
        missing = {}
        for cell in self.cells:
            key = self.key(cell)
            if records.get(key, {}).get("status") != "done":
                missing.setdefault(key, cell)
        return missing

    def estimate(self, cells):
        """Rough seconds for `cells`, scaled by how long the cells done here took."""
        records = self.ledger.read()
        done = [(records[key]["seconds"], cell.cost) for key, cell in self._done(records)]
        seconds = sum(s for s, _ in done)
        scale = seconds / sum(cost for _, cost in done) if done and seconds else 1.0
        return scale * sum(cell.cost for cell in cells)

    def compute(self, fresh=False, cluster=None, progress=True):
        """Computes the missing cells into the ledger, then writes the report.

        What the ledger holds is not computed again; a failed cell is tried again. A cell that
        fails is recorded with its error, and the others go on.

        Args:
            fresh: start over; the old ledger is kept under another name.
            cluster: address of a dask scheduler; see `execute_all`.
            progress: whether to show a progress bar with the time left.

        Returns:
            The records of cells that failed.

        Raises:
            RunError: if another process writes to the results directory, or it cannot be written.
            DataError: if the data cannot be had.
        """
        with writer(self.results):
            missing = self.missing()
            if fresh:
                self.ledger.set_aside()
                missing = self.missing()
            failed = {}
            while missing:
                failed |= self._compute(missing, cluster, progress)
                # What follows from these cells; a cell that failed is not tried twice.
                missing = {k: cell for k, cell in self.missing().items() if k not in failed}
            self.write_report()
        return list(failed.values())

    def _compute(self, missing, cluster, progress):
        keys = {id(cell): key for key, cell in missing.items()}
        failed = {}
        with tqdm(
            total=round(sum(cell.cost for cell in missing.values()), 1),
            desc=self.paper.key,
            disable=not progress,
            bar_format="{desc} {percentage:3.0f}%|{bar:20}| {elapsed}<{remaining} {postfix}",
        ) as bar:
            bar.set_postfix_str(f"0/{len(missing)} cells")
            computed = execute_all(self.paper, list(missing.values()), self.data_dir, cluster)
            for number, (cell, record) in enumerate(computed, start=1):
                record = self._append({"key": keys[id(cell)], **record})
                if record["status"] == "failed":
                    failed[record["key"]] = record
                    bar.write(f"failed: {cell}: {record['error']}")
                bar.update(cell.cost)
                bar.set_postfix_str(f"{number}/{len(missing)} cells, last: {cell}")
        return failed

    def _append(self, record):
        try:
            self.ledger.append(record)
        except (TypeError, ValueError) as error:
            record = {
                **record,
                "status": "failed",
                "values": {},
                "error": f"a result is not a number of JSON: {error}",
            }
            self.ledger.append(record)
        return record

    def _done(self, records, cells=None):
        for cell in self.cells if cells is None else cells:
            key = self.key(cell)
            if records.get(key, {}).get("status") == "done":
                yield key, cell

    def frame(self):
        """One row a finished cell of the grid: its place, seed, parameters and values."""
        return self._frame(self.cells, self.ledger.read())

    def _frame(self, cells, records):
        rows = []
        for key, cell in self._done(records, cells):
            record = records[key]
            place = {
                "table": cell.table,
                "row": cell.row,
                "column": cell.column,
                "seed": cell.seed,
            }
            ran_on = {name: record[name] for name in ("data", "seconds", "device", "backend")}
            rows.append({**cell.parameters, **place, **ran_on, **record["values"]})
        columns = ["table", "row", "column", "seed", "data", "seconds", "device", "backend"]
        return pd.DataFrame(rows, columns=None if rows else columns)

    def failed(self):
        """The records of the grid's cells that failed last."""
        records = self.ledger.read()
        keys = dict.fromkeys(self.key(cell) for cell in self.cells)
        return [records[k] for k in keys if records.get(k, {}).get("status") == "failed"]

    def report(self):
        """The paper's tables, figures, claims and errata, from the ledger alone."""
        return self.paper.report(self.frame(), self.parameters)

    def write_report(self):
        """Writes `tables/`, `figures/`, `claims.json` and `summary.json`, and the index page."""
        frame = self.frame()
        summary = {
            "key": self.paper.key,
            "title": self.paper.title,
            "reference": self.paper.reference,
            "question": self.paper.question,
            "protocol_version": self.paper.protocol_version,
            "parameters": self.parameters,
            "data": "; ".join(
                dict.fromkeys(self._identity(cell.dataset)[1] for cell in self.cells)
            ),
            "devices": sorted(frame["device"].unique()) if len(frame) else [],
            "backends": sorted(frame["backend"].unique()) if len(frame) else [],
            "cells": len({self.key(cell) for cell in self.cells}),
            "missing": len(self.missing()),
            "failed": [
                {
                    "cell": f"{r['table']}, {r['row']}, {r['column']}, seed {r['seed']}",
                    "error": r["error"],
                }
                for r in self.failed()
            ],
            "seconds": round(self._seconds()),
            "written": time.strftime("%Y-%m-%d"),
        }
        page.write(self.directory, self.report(), summary)
        page.write_index(self.results / self.profile)

    def _seconds(self):
        records = self.ledger.read()
        return sum(records[key]["seconds"] for key in {key for key, _ in self._done(records)})
