"""One folder a paper, each with a `STUDY`. A folder here is a paper; nothing else lists them."""

import importlib
import importlib.resources
import io
import pkgutil
import tomllib

import pandas as pd

from dagen_keras.checks import RunError

KEYS = tuple(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


def get(key):
    """The `Study` of a key.

    Raises:
        RunError: if there is none.
    """
    if key not in KEYS:
        raise RunError(f"unknown paper {key!r}; known are {', '.join(KEYS)}.")
    module = importlib.import_module(f"{__name__}.{key}")
    if hasattr(module, "STUDY"):
        return module.STUDY
    return importlib.import_module(f"{__name__}.legacy").as_study(module.PAPER)


def get_all(keys=()):
    """The studies of `keys`, each once, or all, in the order of their notebooks."""
    return sorted((get(key) for key in dict.fromkeys(keys or KEYS)), key=lambda s: s.notebook)


def reported(name: str) -> pd.DataFrame:
    """A table of a paper's own numbers, `papers/reported/<name>.csv`."""
    file = importlib.resources.files(__name__) / "reported" / f"{name}.csv"
    return pd.read_csv(io.StringIO(file.read_text(encoding="utf-8")))


def words(key: str) -> dict:
    """A paper's words for its tables, figures and errata, `papers/<key>/words.toml`."""
    file = importlib.resources.files(__name__) / key / "words.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def listed(key: str) -> dict:
    """The rows of the list of claims that are of one paper: `Listed` by id."""
    from dagen_keras.study.claims import Listed

    rows = reported("claims").query("paper == @key").astype(object)
    rows = rows.where(rows.notna(), None).to_dict("records")
    for row in rows:
        row["on"] = row["on"] or ""
    return {row["id"]: Listed(**row) for row in rows}
