"""Writing a report: files for each paper, and one page for all."""

import contextlib
import dataclasses
import io
import json
import math
from pathlib import Path

import jinja2
import pandas as pd

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
    with _naming(path):
        found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, kind):
        raise ValueError(
            f"{path.name} must hold a {kind.__name__}; it holds a {type(found).__name__}"
        )
    return found


@contextlib.contextmanager
def _naming(path):
    """A file that cannot be read or parsed is a ValueError which names it, without its folder."""
    try:
        yield
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path.name} cannot be read: {reason}") from error


def write_index(profile_directory):
    """Writes `index.html` from what the papers' directories hold.

    The page needs no network: its style is inside, its figures lie beside it. Where a report is
    damaged, the page says so and how to make it again, and has the others.
    """
    papers, damaged = [], []
    for summary_file in sorted(profile_directory.glob("*/summary.json")):
        directory = summary_file.parent
        try:
            papers.append(_section(directory))
        except Exception as error:  # Files that nobody here wrote may hold anything.
            again = how_to_make_again(directory.name, profile_directory.name)
            damaged.append({"key": directory.name, "why": _why(error), "again": again})
    papers.sort(key=lambda paper: paper["place"])
    text = _template("page.html").render(
        papers=papers, damaged=damaged, profile=profile_directory.name
    )
    files.write(profile_directory / "index.html", text)


def how_to_make_again(key, profile):
    """The command that makes a paper's report anew from its ledger."""
    return f"python run_all.py {key} --profile {profile} --no-compute"


def _section(directory):
    """A paper's part of the page: its key, its title, where it stands, its HTML.

    Raises:
        Exception: of any kind, where the files of its report are not what a report writes.
    """
    paper = read_json(directory / "summary.json", dict)
    paper["claims"] = read_json(directory / "claims.json", list)
    for table in paper["tables"]:
        path = directory / "tables" / f"{table['name']}.csv"
        with _naming(path):
            frame = pd.read_csv(path, dtype=str, encoding="utf-8")
        table["columns"] = list(frame.columns)
        table["rows"] = frame.fillna("–").to_numpy().tolist()
    return {
        "key": paper["key"],
        "title": paper["title"],
        "place": str(paper.get("notebook", paper["key"])),
        "html": _template("paper.html").render(paper=paper),
    }


def _why(error):
    """The error in a line of at most 200 characters."""
    said = " ".join(str(error).split())
    if not isinstance(error, ValueError):
        said = f"{type(error).__name__}: {said}"
    return said if len(said) <= 200 else said[:200] + "..."


def _template(name):
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["duration"] = duration
    environment.filters["is_number"] = _is_number
    return environment.get_template(name)


def duration(seconds):
    """Seconds as a reader says them: "40 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _number(value, digits=3):
    return "–" if value is None else f"{value:.{digits}g}"


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return text == "–"
    return True


def _write_json(path, value):
    text = json.dumps(_without_nan(value), indent=1, ensure_ascii=False, allow_nan=False)
    files.write(path, text + "\n")


def _without_nan(value):
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
