"""One module a paper, each with a `PAPER`. A module here is a paper; nothing else lists them."""

import importlib
import pkgutil

from dagen_keras.runs.paper import RunError

KEYS = tuple(module.name for module in pkgutil.iter_modules(__path__))


def get(key):
    """The `Paper` of a key.

    Raises:
        RunError: if there is none.
    """
    if key not in KEYS:
        raise RunError(f"unknown paper {key!r}; known are {', '.join(KEYS)}.")
    return importlib.import_module(f"{__name__}.{key}").PAPER


def get_all(keys=()):
    """The papers of `keys`, or all, in the order of their notebooks."""
    return sorted((get(key) for key in keys or KEYS), key=lambda paper: paper.notebook)
