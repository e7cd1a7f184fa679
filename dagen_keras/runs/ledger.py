"""The ledger: one JSON line a finished cell, appended and flushed."""

import itertools
import json
import os
import warnings
from pathlib import Path

from dagen_keras.runs.paper import RunError


class Ledger:
    """The file `runs.jsonl` of one paper and profile.

    Reading never changes the file. A torn last line, left by a killed run, is dropped; a line
    that is no record is skipped with a warning and stays in the file.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path):
        self.path = Path(path)

    def read(self):
        """The last record of each key: a dictionary from key to record."""
        records = {}
        for number, line in enumerate(self._lines(), start=1):
            record = _parse(line)
            if record is not None:
                records[record["key"]] = record
            elif line.strip():
                warnings.warn(
                    f"'{self.path}', line {number} is not a record and is skipped: {line[:60]!r}",
                    stacklevel=2,
                )
        return records

    def append(self, record):
        """Writes one record and hands it to the disk before returning.

        Raises:
            TypeError, ValueError: if a value is not JSON (NaN included).
            RunError: if the file cannot be written.
        """
        line = json.dumps(record, allow_nan=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._drop_torn_line()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise RunError(f"the ledger '{self.path}' cannot be written: {error}.") from error

    def set_aside(self):
        """Renames the file to `runs.jsonl.1.old` or the next free number, so as to start over."""
        if self.path.exists():
            names = (self.path.with_name(f"{self.path.name}.{n}.old") for n in itertools.count(1))
            self.path.rename(next(name for name in names if not name.exists()))

    def _lines(self):
        if not self.path.exists():
            return []
        content = self.path.read_text(encoding="utf-8", errors="replace")
        lines = content.split("\n")
        last = lines.pop()
        return lines + [last] if _parse(last) is not None else lines

    def _drop_torn_line(self):
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        last = content.rsplit(b"\n", 1)[-1]
        if not last:
            return
        with self.path.open("r+b") as file:
            if _parse(last) is not None:
                file.seek(0, os.SEEK_END)
                file.write(b"\n")
            else:
                file.truncate(len(content) - len(last))


def _parse(line):
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not {"key", "status", "values"} <= record.keys():
        return None
    return record
