"""A run: one paper at one profile in one results directory."""

import collections
import contextlib
import functools
import json
import math
import os
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from dagen_keras import backend
from dagen_keras.checks import RunError
from dagen_keras.datasets import DataError
from dagen_keras.runs import code, page
from dagen_keras.runs.execution import execute_all
from dagen_keras.runs.ledger import Ledger
from dagen_keras.runs.lock import writer
from dagen_keras.study.bench import Bench

EMPTY = pd.DataFrame(columns=["kind", "seed", "dataset"])


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
                known = _of_data(records, name)
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
            self.write_report()
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
                    bar.set_postfix_str(f"about {page.duration(left)} left, last: {cell}", False)
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

    def write_report_again(self, say=print):
        """Writes the report of what is computed already.

        Raises:
            DataError: if nothing is, or only of other data; the report that there is stays.
        """
        if not self.directory.is_dir():
            raise DataError(f"nothing is computed yet: there is no '{self.ledger.path}'.")
        with writer(self.directory):
            state = self.state()
            others = state.of_other_data()
            if not state.done:
                found = " ".join(others) or f"'{self.ledger.path}' holds no result of these cells."
                raise DataError(f"there is nothing to report, and nothing is changed: {found}")
            for line in others:
                say(line)
            self.write_report()

    def write_report(self):
        """Writes `tables/`, `figures/`, `claims.json` and `summary.json`, and the index page.

        Raises:
            DataError: if the ledger holds what no report can be made of.
        """
        try:
            report, summary = self._report_and_summary()
        except (RunError, DataError):
            raise
        except Exception as error:  # Whatever somebody wrote into the ledger.
            at = traceback.extract_tb(error.__traceback__)[-1]
            raise DataError(
                f"no report can be made of '{self.ledger.path}': {type(error).__name__} at "
                f"{Path(at.filename).name}:{at.lineno}: {error}. A line of it does not say what "
                "its cell gave."
            ) from error
        page.write(self.directory, report, summary)
        page.write_index(self.results / self.profile)

    def _report_and_summary(self):
        state = self.state()
        done = [state.records[key] for key in state.done]
        summary = {
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
        return self.study.report(state.frame, self.settings), summary


class State:
    """A run's grid beside what its ledger holds."""

    def __init__(self, run, records):
        self.run, self.records, self._unknown, self._told = run, records, set(), set()
        self.cells = run.study.grid(run.settings, self.frame_of)

    @property
    def done(self):
        """The cells that are done, by key."""
        return {self.key(c): c for c in self.cells if self._is_done(self.key(c), c)}

    def key(self, cell):
        """A cell's key; its name where its data cannot be had, and the ledger has none of it."""
        if cell.dataset not in self._unknown:
            try:
                self.run.identity(cell.dataset, self.records)
            except DataError:
                self._unknown.add(cell.dataset)
        return str(cell) if cell.dataset in self._unknown else self.run.key(cell)

    def of_other_data(self):
        """A line for each dataset of which the ledger holds results of other images."""
        lines = []
        for name in dict.fromkeys(cell.dataset for cell in self.cells):
            known = _of_data(self.records, name)
            try:
                here, _ = self.run.identity(name, self.records)
            except DataError:
                continue
            n = sum(len(records) for other, records in known.items() if other != here)
            if n:
                lines.append(
                    f"{self.run.study.key}: {n} results are of other images called '{name}' "
                    f"(fingerprint {', '.join(sorted(known.keys() - {here}))}) than those in use "
                    f"({here}, {len(known.get(here, ()))} results), and stand in no report."
                )
        return lines

    def _is_done(self, key, cell):
        record = self.records.get(key, {})
        if record.get("status") != "done":
            return False
        place = self._place(cell)
        says = {name: _without_none(record.get(name, value)) for name, value in place.items()}
        wrong = [name for name, value in place.items() if says[name] != value]
        if wrong and key not in self._told:
            self._told.add(key)
            warnings.warn(
                f"'{self.run.ledger.path}': the record of key {key} is left out, as its {wrong[0]} "
                f"is {says[wrong[0]]!r} and not that of the cell, {cell}.",
                stacklevel=2,
            )
        return not wrong

    def _place(self, cell):
        """What the record of a cell must say, as JSON has it, without factors that are None."""
        fingerprint, _ = self.run.identity(cell.dataset, self.records)
        place = {"kind": cell.kind, "seed": cell.seed, "dataset": cell.dataset}
        place |= {"study": self.run.study.key, "fingerprint": fingerprint}
        return json.loads(json.dumps({**place, "factors": _without_none(cell.factors)}))

    def missing(self):
        missing = {}
        for cell in self.cells:
            key = self.key(cell)
            if not self._is_done(key, cell):
                missing.setdefault(key, cell)
        return missing

    def failed(self):
        found = {key: self.records.get(key, {}) for key in map(self.key, self.cells)}
        return [record for record in found.values() if record.get("status") == "failed"]

    @functools.cached_property
    def frame(self):
        return self.frame_of(self.cells)

    def frame_of(self, cells):
        """One row for each of the cells that is done."""
        if not self.records:
            return EMPTY
        rows = []
        for cell in cells:
            key = self.key(cell)
            if self._is_done(key, cell):
                rows.append(cell.row(self.records[key]))
        return pd.DataFrame(rows) if rows else EMPTY


def _without_none(value):
    if not isinstance(value, dict):
        return value
    return {name: part for name, part in value.items() if part is not None}


def _of_data(records, name):
    """The records that are done of a dataset, in lists by its fingerprint."""
    found = collections.defaultdict(list)
    for record in records.values():
        if record.get("dataset") == name and record["status"] == "done":
            found[record.get("fingerprint")].append(record)
    found.pop(None, None)
    return found


class Times:
    """How long cells take, by those that are done: of the same factors, else of the same kind.

    What a device like this one did tells; where there is none of the kind, what any did.
    """

    def __init__(self, records=()):
        self._device = backend.device()
        self._alike, self._of_kind = (collections.defaultdict(list) for _ in range(2))
        for record in records:
            self.add(record)

    def add(self, record):
        if record["status"] == "done" and "kind" in record:
            # Processor time where it is less: what else the machine did is no property of the cell.
            seconds = min(record["seconds"], record.get("cpu_seconds", math.inf))
            here = record.get("device") == self._device
            self._alike[here, _place(record["kind"], record["factors"])].append(seconds)
            self._of_kind[here, record["kind"]].append(seconds)

    def of(self, kind, factors):
        """Seconds that such a cell is expected to take; None before any of its kind is done."""
        for here in (True, False):
            found = self._alike.get((here, _place(kind, factors))) or self._of_kind.get(
                (here, kind)
            )
            if found:
                return float(np.mean(found))
        return None

    def total(self, cells):
        """Seconds for all these cells, one after the other; those of no known kind as the mean."""
        known = [self.of(cell.kind, cell.factors) for cell in cells]
        measured = [seconds for seconds in known if seconds is not None]
        mean = float(np.mean(measured)) if measured else 0.0
        return sum(mean if seconds is None else seconds for seconds in known)


def _place(kind, factors):
    return kind, repr(sorted(factors.items()))
