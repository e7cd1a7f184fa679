"""What of a run is done and what is missing."""

import collections
import contextlib
import functools
import json
import warnings

import pandas as pd

from dagen_keras.datasets import DataError

EMPTY = pd.DataFrame(columns=["kind", "seed", "dataset"])


class State:
    """A run's grid beside what its ledger holds."""

    def __init__(self, run, records):
        self.run, self.records, self._unknown = run, records, set()
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
            known = by_fingerprint(self.records, name)
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

    def of_other_cells(self, records):
        """A line if some of these records are of cells that this profile's grid does not have."""
        grid, here = {self.key(cell) for cell in self.cells}, {}
        for name in dict.fromkeys(cell.dataset for cell in self.cells):
            with contextlib.suppress(DataError):
                here[name], _ = self.run.identity(name, self.records)
        n = 0
        for record in records:
            made_of = record.get("fingerprint")
            of_these_images = here.get(record.get("dataset"), made_of) == made_of
            n += record["status"] == "done" and of_these_images and record["key"] not in grid
        if not n:
            return []
        return [
            f"{self.run.study.key}: {n} of the results are of cells that '{self.run.profile}' does "
            "not have, as of another profile or of other settings, and stand in no report of it."
        ]

    def _is_done(self, key, cell):
        record = self.records.get(key, {})
        if record.get("status") != "done":
            return False
        place = self._place(cell)
        says = {name: _without_none(record.get(name, value)) for name, value in place.items()}
        wrong = [name for name, value in place.items() if says[name] != value]
        if wrong:
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


def by_fingerprint(records, name):
    """The records that are done of a dataset, in lists by its fingerprint."""
    found = collections.defaultdict(list)
    for record in records.values():
        if record.get("dataset") == name and record["status"] == "done":
            found[record.get("fingerprint")].append(record)
    found.pop(None, None)
    return found
