"""Writing a report: files for each paper, and one page for all."""

import contextlib
import dataclasses
import json
import math
import os
import tempfile
from pathlib import Path

import jinja2
import pandas as pd


def write(directory, report, summary):
    """Writes a paper's `tables/*.csv`, `figures/*.png`, `claims.json` and `summary.json`."""
    import matplotlib.pyplot as plt

    for part in ("tables", "figures"):
        (directory / part).mkdir(parents=True, exist_ok=True)
        for old in (directory / part).iterdir():
            old.unlink()
    tables = [table for table in report.tables if len(table.frame)]
    for table in tables:
        table.frame.to_csv(directory / "tables" / f"{table.name}.csv", index=False)
    figures = [figure for figure in report.figures if figure.draw]
    for figure in figures:
        drawn = figure.draw()
        drawn.savefig(directory / "figures" / f"{figure.name}.png", dpi=120, bbox_inches="tight")
        plt.close(drawn)
    _write_json(directory / "claims.json", [dataclasses.asdict(c) for c in report.claims])
    _write_json(
        directory / "summary.json",
        {
            **summary,
            "tables": [
                {"name": t.name, "title": t.title, "unit": t.unit, "note": t.note} for t in tables
            ],
            "figures": [{"name": f.name, "caption": f.caption} for f in figures],
            "errata": [dataclasses.asdict(erratum) for erratum in report.errata],
        },
    )


def write_index(profile_directory):
    """Writes `index.html` from what the papers' directories hold.

    The page needs no network: its style is inside, its figures lie beside it.
    """
    papers = []
    for summary_file in profile_directory.glob("*/summary.json"):
        directory = summary_file.parent
        summary = json.loads(summary_file.read_text(encoding="utf-8"))
        for table in summary["tables"]:
            frame = pd.read_csv(directory / "tables" / f"{table['name']}.csv", dtype=str)
            table["columns"] = list(frame.columns)
            table["rows"] = frame.fillna("–").to_numpy().tolist()
        claims = json.loads((directory / "claims.json").read_text(encoding="utf-8"))
        papers.append({**summary, "claims": claims})
    papers.sort(key=lambda paper: paper.get("notebook", paper["key"]))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["duration"] = duration
    environment.filters["is_number"] = _is_number
    text = environment.get_template("page.html").render(
        papers=papers, profile=profile_directory.name
    )
    _write_text(profile_directory / "index.html", text)


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
    _write_text(path, text + "\n")


def _write_text(path, text):
    """Writes the file whole or not at all: another process may read or write it meanwhile."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _without_nan(value):
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
