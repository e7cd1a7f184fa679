"""A run: one paper at one profile in one results directory."""

import contextlib
import os
import time
import traceback
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dagen_keras.checks import RunError
from dagen_keras.datasets import DataError
from dagen_keras.runs import code, page, report_files
from dagen_keras.runs.execution import execute_all
from dagen_keras.runs.formatting import duration
from dagen_keras.runs.ledger import Ledger
from dagen_keras.runs.lock import writer
from dagen_keras.runs.state import EMPTY, State, by_fingerprint
from dagen_keras.runs.times import Times
from dagen_keras.study.bench import Bench


def default_results():
    """`results/` beside the `run_all.py` at or above the current directory, else here."""
    here = Path.cwd()
    for directory in (here, *here.parents):
        if (directory / "run_all.py").exists():
            return directory / "results"
    return here / "results"


def _directory(path, what):
    """The path with its "~" expanded; it need not exist.

    Raises:
        RunError: if it begins with the "~" of a user who is not known, is a file or a broken link.
    """
    try:
        found = Path(path).expanduser()
    except RuntimeError as error:
        raise RunError(f"{what} directory '{path}': no home directory is known for it.") from error
    if os.path.lexists(found) and not found.is_dir():
        raise RunError(f"{what} directory '{path}' is no directory, but a file or a broken link.")
    return found


class Run:
    """One paper at one profile: its cells, which of them are done, and its report.

    Args:
        study: a `Study`.
        profile: "smoke", "quick", "overnight" or "paper".
        changes: settings that differ from the profile's, by full name.
        results: the results directory; default: `default_results()`.
        data_dir: where datasets that are not bundled are; default: `DAGEN_DATA_DIR`.
        download: whether data that is not there may be downloaded.

    Raises:
        RunError: for an unknown profile or setting, a value that is not allowed, or a path that
            cannot be a directory.

    Example:
        >>> run = Run(papers.get("garay_maestre"), profile="quick")
        >>> run.compute()
        >>> run.report()["table2"].frame
    """

    def __init__(
        self, study, profile="quick", changes=None, results=None, data_dir=None, download=True
    ):
        self.study = study
        self.profile = profile
        self.settings = study.settings(profile, changes)
        self.changes = dict(changes or {})
        self.results = _directory(results, "results") if results else default_results()
        data_dir = data_dir or os.environ.get("DAGEN_DATA_DIR")
        self.data_dir = os.path.realpath(_directory(data_dir, "data")) if data_dir else None
        self.directory = self.results / profile / study.key
        self.ledger = Ledger(self.directory / "runs.jsonl")
        self.bench = Bench(self.data_dir, download)
        self._identities = {}
        self._first = study.cells(self.settings, EMPTY)  # Refuses what does not go together.

    def state(self):
        """What is done and what is missing, from one reading of the ledger."""
        return State(self, self.ledger.read())

    @property
    def cells(self):
        """The grid, as far as it is known: some cells may follow from what others find."""
        return self.state().cells

    def data(self, name=None):
        """A dataset of the run; by default that of its first cell."""
        return self.bench.data(name or self._first[0].dataset)

    def key(self, cell):
        fingerprint, _ = self.identity(cell.dataset)
        return cell.key(self.study.key, self.study.protocol_version, fingerprint)

    def identity(self, name, records=None):
        """Fingerprint and description of a dataset; from the ledger where it cannot be had."""
        if name not in self._identities:
            try:
                data = self.bench.data(name)
                self._identities[name] = data.fingerprint, data.description
            except DataError:
                records = self.ledger.read() if records is None else records
                known = by_fingerprint(records, name)
                if not known:
                    raise
                # Of several, which are other data, those of most results.
                most = max(known, key=lambda fingerprint: len(known[fingerprint]))
                self._identities[name] = most, known[most][-1].get("data", name)
        return self._identities[name]

    def missing(self):
        """The cells that the ledger does not hold as done, each computation once, in order."""
        return self.state().missing()

    def frame(self):
        """One row a finished cell of the grid: its factors and its values."""
        return self.state().frame

    def failed(self):
        """The records of the grid's cells that failed last."""
        return self.state().failed()

    def report(self):
        """The paper's tables, figures, claims and errata, from the ledger alone."""
        return self.study.report(self.frame(), self.settings)

    def compute(
        self, fresh=False, cluster=None, workers=2, time_limit=None, progress=True, say=print
    ):
        """Computes the missing cells into the ledger, then writes the report.

        What the ledger holds is not computed again; a failed cell is tried again. A cell that
        fails is recorded with its error, and the others go on.

        Args:
            fresh: start over; the old ledger is kept under another name.
            cluster: address of a dask scheduler, or "local"; see `execute_all`.
            workers: processes of a local cluster.
            time_limit: seconds, after which no cell is started, nor one before that would end
                after it as far as cells of its kind tell; None: no limit.
            progress: whether to show a progress bar with the time left.
            say: called with a line for the reader.

        Returns:
            The records of cells that failed.

        Raises:
            RunError: if another process writes to the results directory, or it cannot be written;
                or if a dataset has fewer images than the settings ask for.
            DataError: if the data cannot be had.
        """
        deadline = np.inf if time_limit is None else time.monotonic() + time_limit
        with writer(self.directory):
            aside = self.ledger.set_aside_before(self.study.protocol_version)
            if aside:
                say(f"{self.study.key}: results of an earlier protocol are kept in '{aside}'.")
            cells = self.cells if fresh else self.missing().values()
            for name in dict.fromkeys(cell.dataset for cell in cells):
                # Its fingerprint may be known and it may be gone.
                self._take_sizes(name, self.bench.data(name))
            if fresh:
                self.ledger.set_aside()
            missing = self.missing()  # By their keys: all data can be had.
            failed, left_out = {}, {}
            while missing:
                more_failed, more_left = self._compute(
                    missing, cluster, workers, deadline, progress
                )
                failed |= more_failed
                left_out |= more_left
                # What follows from these cells; a cell that failed is not tried twice.
                tried = failed.keys() | left_out.keys()
                missing = {k: cell for k, cell in self.missing().items() if k not in tried}
            if self.state().done or not left_out:
                self.write_report(say)
        if left_out:
            say(
                f"{self.study.key}: {len(left_out)} cells were not started, for want of time; "
                "the same command goes on."
            )
        return list(failed.values())

    def _take_sizes(self, name, data):
        try:
            self.study.sizes(self.settings, name, data)
        except ValueError as error:
            raise RunError(f"{self.study.key}: {error}") from error

    def _compute(self, missing, cluster, workers, deadline, progress):
        """Computes cells; the records that failed, and the cells there was no time for, by key."""
        keys = {id(cell): key for key, cell in missing.items()}
        times, failed, left_out = Times(self.ledger.read().values()), {}, dict(missing)
        n_workers = workers if cluster else 1

        def may_start(cell):
            expected = times.of(cell.kind, cell.factors) or 0.0
            return time.monotonic() + expected < deadline

        with tqdm(
            total=len(missing),
            desc=self.study.key,
            disable=not progress,
            bar_format="{desc} {n}/{total} cells|{bar:20}| {elapsed} {postfix}",
        ) as bar:
            identity = code.identity()
            computed = execute_all(
                *(self.study, list(missing.values()), self.bench, identity, may_start),
                cluster=cluster,
                workers=workers,
            )
            with contextlib.closing(computed):
                for cell, record in computed:
                    key = keys[id(cell)]
                    del left_out[key]
                    record = self._append({"key": key, **record})
                    times.add(record)
                    if record["status"] == "failed":
                        failed[key] = record
                        bar.write(f"failed: {cell}: {record['error']}")
                    left = times.total(left_out.values()) / n_workers
                    bar.set_postfix_str(f"about {duration(left)} left, last: {cell}", False)
                    bar.update()
        return failed, left_out

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

    def rewrite_report(self, say=print):
        """Writes the report of what is computed already.

        Raises:
            DataError: if nothing is, or only of other data; the report that there is stays.
        """
        if not self.directory.is_dir():
            raise DataError(f"nothing is computed yet: there is no '{self.ledger.path}'.")
        with writer(self.directory):
            state = self.state()
            if not state.done:
                why = " ".join(state.of_other_data())
                why = why or f"'{self.ledger.path}' holds no result of these cells."
                raise DataError(f"there is nothing to report, and nothing is changed: {why}")
            self.write_report(say)

    def write_report(self, say=print):
        """Writes `tables/`, `figures/`, `claims.json` and `summary.json`, and the index page.

        Raises:
            DataError: if the ledger holds what no report can be made of.
        """
        try:
            state = self.state()
            report, summary = self.study.report(state.frame, self.settings), self._summary(state)
        except Exception as error:  # Whatever somebody wrote into the ledger.
            at = traceback.extract_tb(error.__traceback__)[-1]
            raise DataError(
                f"no report can be made of '{self.ledger.path}': {type(error).__name__} at "
                f"{Path(at.filename).name}:{at.lineno}: {error}. A line of it does not say what "
                "its cell gave."
            ) from error
        for line in state.of_other_data():
            say(line)
        report_files.write(self.directory, report, summary)
        page.write_index(self.results / self.profile)

    def _summary(self, state):
        done = [state.records[key] for key in state.done]
        return {
            "key": self.study.key,
            "title": self.study.title,
            "reference": self.study.reference,
            "question": self.study.question,
            "notebook": self.study.notebook,
            "protocol_version": self.study.protocol_version,
            "settings": self.settings.flat(),
            "data": self.study.data(self.settings),
            "devices": sorted({r["device"] for r in done}),
            "backends": sorted({r["backend"] for r in done}),
            "cells": len({state.key(cell) for cell in state.cells}),
            "missing": len(state.missing()),
            "failed": [{"cell": r["cell"], "error": r["error"]} for r in state.failed()],
            "seconds": round(sum(r["seconds"] for r in done)),
            "cpu_seconds": round(sum(r.get("cpu_seconds") or r["seconds"] for r in done)),
            "written": time.strftime("%Y-%m-%d"),
        }
