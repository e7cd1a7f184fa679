"""One folder a paper: protocol.py, cells.py, report.py and paper.toml make its `Study`.

A folder here is a paper; nothing else lists them.
"""

import functools
import importlib
import importlib.resources
import io
import pkgutil
import tomllib
from dataclasses import replace

import pandas as pd

from dagen_keras.checks import RunError
from dagen_keras.study import Listed, Study
from dagen_keras.study.claims import served

KEYS = tuple(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


def get(key):
    """The `Study` of a key.

    Raises:
        RunError: if there is none.
    """
    if key not in KEYS:
        raise RunError(f"unknown paper {key!r}; known are {', '.join(KEYS)}.")
    about = importlib.resources.files(__name__) / key / "paper.toml"
    protocol, cells, report = (
        importlib.import_module(f"{__name__}.{key}.{module}")
        for module in ("protocol", "cells", "report")
    )
    return Study(
        key=key,
        **tomllib.loads(about.read_text(encoding="utf-8")),
        protocol_version=protocol.VERSION,
        profiles=protocol.PROFILES,
        cells=functools.partial(_serving, protocol.CLAIMS, protocol.cells),
        claims=protocol.CLAIMS,
        listed=listed(key),
        compute=cells.COMPUTE,
        sizes=cells.sizes,
        data=report.data,
        parts=report.parts,
        facts=report.facts,
    )


def _serving(claims, cells, settings, frame):
    """The cells of a protocol, each with the ids of the claims that compare it."""
    return [replace(c, serves=tuple(served(claims, c.place))) for c in cells(settings, frame)]


def get_all(keys=()):
    """The studies of `keys`, each once, or all, in the order of their notebooks."""
    return sorted((get(key) for key in dict.fromkeys(keys or KEYS)), key=lambda s: s.notebook)


def reported(name: str) -> pd.DataFrame:
    """A table of a paper's own numbers, `papers/reported/<name>.csv`."""
    file = importlib.resources.files(__name__) / "reported" / f"{name}.csv"
    return pd.read_csv(io.StringIO(file.read_text(encoding="utf-8")))


def listed(key: str) -> dict:
    """The rows of the list of claims that are of one paper: `Listed` by id."""
    rows = reported("claims").query("paper == @key").astype(object)
    rows = rows.where(rows.notna(), None).to_dict("records")
    for row in rows:
        row["on"] = row["on"] or ""
    return {row["id"]: Listed(**row) for row in rows}
