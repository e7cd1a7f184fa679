"""The files of a paper's report: written from what its ledger gives, and read again."""

import contextlib
import dataclasses
import io
import json
import math

from dagen_keras import files

PARTS = {"tables": ".csv", "figures": ".png"}  # Folders of a report, and what their files end in.


def write(directory, report, summary):
    """Writes a paper's `tables/*.csv`, `figures/*.png`, `claims.json` and `summary.json`.

    Files that an earlier report wrote, by its `summary.json`, and this one does not are removed;
    what else lies there stays.

    Raises:
        RunError: if a file cannot be written; names it.
    """
    tables = [table for table in report.tables if len(table.frame)]
    figures = [figure for figure in report.figures if figure.draw]
    contents = {f"tables/{t.name}.csv": _csv(t.frame) for t in tables}
    contents |= {f"figures/{f.name}.png": _png(f.draw()) for f in figures}
    for part in PARTS:
        (directory / part).mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        files.write(directory / name, content)
    _write_json(directory / "claims.json", [dataclasses.asdict(c) for c in report.claims])
    _remove(directory, _written(directory) - contents.keys())
    _write_json(
        directory / "summary.json",
        {
            **summary,
            "answer": report.answer,
            "tables": [
                {"name": t.name, "title": t.title, "unit": t.unit, "note": t.note} for t in tables
            ],
            "figures": [{"name": f.name, "caption": f.caption} for f in figures],
            "errata": [dataclasses.asdict(erratum) for erratum in report.errata],
        },
    )


def _csv(frame):
    return frame.to_csv(index=False, lineterminator="\n")


def _png(drawn):
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=120, bbox_inches="tight")
    plt.close(drawn)
    return buffer.getvalue()


def _written(directory):
    """The files of tables and figures that the last report says it wrote; none if it is damaged."""
    try:
        summary = read_json(directory / "summary.json", dict)
        return {
            f"{part}/{file['name']}{suffix}"
            for part, suffix in PARTS.items()
            for file in summary[part]
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        return set()


def _remove(directory, names):
    """Removes what lies in a report's folders under these names, which may be no such files."""
    for part in PARTS:
        for path in (directory / part).iterdir():
            if f"{part}/{path.name}" in names and not path.is_dir():
                path.unlink()


def read_json(path, kind):
    """What a JSON file of a report holds.

    Args:
        path: the file.
        kind: `dict` or `list`, what it must be.

    Raises:
        ValueError: if it cannot be read or is something else; says which file and why.
    """
    with naming(path):
        found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, kind):
        raise ValueError(
            f"{path.name} must hold a {kind.__name__}; it holds a {type(found).__name__}"
        )
    return found


@contextlib.contextmanager
def naming(path):
    """A file that cannot be read or parsed is a ValueError which names it, without its folder."""
    try:
        yield
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path.name} cannot be read: {reason}") from error


def _write_json(path, value):
    text = json.dumps(_without_nan(value), indent=1, ensure_ascii=False, allow_nan=False)
    files.write(path, text + "\n")


def _without_nan(value):
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
