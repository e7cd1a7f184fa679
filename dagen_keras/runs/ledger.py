"""The ledger: one JSON line a finished cell, appended and flushed."""

import contextlib
import itertools
import json
import math
import os
import warnings
from pathlib import Path

from dagen_keras import files
from dagen_keras.checks import RunError


class Ledger:
    """The file `runs.jsonl` of one paper and profile.

    Reading never changes the file. A torn last line, the beginning of a record that a killed run
    left, is dropped; a line that is no record is skipped with a warning and stays in the file.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path):
        self.path = Path(path)

    def read(self) -> dict[str, dict]:
        """A record of each key: the first that is done, so that none replaces a result; else the
        last that failed."""
        records = {}
        for record in self.records():
            if records.get(record["key"], {}).get("status") != "done":
                records[record["key"]] = record
        return records

    def records(self) -> list[dict]:
        """Every record, in the order of the file."""
        found = []
        for number, line in enumerate(self.lines(), start=1):
            record = _parse(line)
            if record is not None:
                found.append(record)
            elif line.strip():
                warnings.warn(
                    f"'{self.path}', line {number} is not a record and is skipped: {line[:60]!r}",
                    stacklevel=2,
                )
        return found

    def append(self, record: dict) -> None:
        """Writes one record and hands it to the disk before returning.

        Raises:
            TypeError, ValueError: if a value is not JSON (NaN included).
            RunError: if the file cannot be written.
        """
        self._append(json.dumps(record, allow_nan=False) + "\n")

    def merge(self, other: "Ledger") -> tuple[int, list[str]]:
        """Appends the other's records of keys that are not done here; again, it changes nothing.

        Returns:
            How many they were; and the keys that are done in both with different values, of which
            the results here stay. Lines that are here already are in neither.
        """
        here = self.read()
        done = {key for key, record in here.items() if record["status"] == "done"}
        lines, seen, differ = [], set(self.lines()), {}
        for line in dict.fromkeys(other.lines()):
            record = _parse(line)
            if record is None or line in seen:
                continue
            if record["key"] not in done:
                lines.append(line)
            elif record["status"] == "done" and record["values"] != here[record["key"]]["values"]:
                differ[record["key"]] = None
        self._append("".join(line + "\n" for line in lines))
        return len(lines), list(differ)

    def set_aside(self) -> Path | None:
        """Renames the file to `runs.jsonl.1.old` or the next free number; its new path."""
        if not self.path.exists():
            return None
        return self.path.rename(self._free_name())

    def _free_name(self):
        names = (self.path.with_name(f"{self.path.name}.{n}.old") for n in itertools.count(1))
        return next(name for name in names if not name.exists())

    def set_aside_before(self, version: int) -> Path | None:
        """Sets the file aside if it has records of an earlier protocol; later ones stay.

        Returns:
            Where the file with the earlier records now is; None where there are none.
        """
        records = self.records()
        current = [r for r in records if r.get("protocol_version", 0) >= version]
        if len(current) == len(records):
            return None
        # At no moment is a record in neither file.
        aside = self._free_name()
        files.write(aside, self.path.read_bytes())
        try:
            files.write(self.path, "".join(json.dumps(record) + "\n" for record in current))
        except RunError:
            aside.unlink()
            raise
        return aside

    def lines(self) -> list[str]:
        """The file's lines, but a torn last one."""
        if not self.path.exists():
            return []
        content = self.path.read_text(encoding="utf-8", errors="replace")
        lines = content.split("\n")
        last = lines.pop()
        return lines if _is_torn(last) else lines + [last]

    def _append(self, text):
        if not text:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._drop_torn_line()
            before = self.path.stat().st_size if self.path.exists() else 0
            try:
                with self.path.open("ab") as file:
                    file.write(text.encode())
                    file.flush()
                    os.fsync(file.fileno())
            except OSError:  # The disk is full, say: no part of a line stays.
                with contextlib.suppress(OSError):
                    os.truncate(self.path, before)
                raise
        except OSError as error:
            raise RunError(
                f"the ledger '{self.path}' cannot be written: {error.strerror or error}."
            ) from error

    def _drop_torn_line(self):
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        last = content.rsplit(b"\n", 1)[-1]
        if not last:
            return
        with self.path.open("r+b") as file:
            if _is_torn(last.decode(errors="replace")):
                file.truncate(len(content) - len(last))
            else:
                file.seek(0, os.SEEK_END)
                file.write(b"\n")


def _is_torn(line):
    """Whether it is nothing, or the beginning of a record and nothing else."""
    if not line.strip():
        return True
    try:
        json.JSONDecoder().raw_decode(line)  # What follows does not matter: a whole value does.
    except (ValueError, RecursionError):
        return line.startswith('{"key":'[: len(line)])
    return False


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number that a result may be.")
    return number


def _parse(line):
    try:
        record = json.loads(line, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not {"key", "status", "values"} <= record.keys():
        return None
    if not all(isinstance(record[name], str) for name in ("key", "status")):
        return None
    return record if isinstance(record["values"], dict) else None
