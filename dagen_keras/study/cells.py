"""A cell: one computation of a study, said by its factors and settings."""

import functools
import hashlib
import importlib.resources
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dagen_keras.checks import RunError
from dagen_keras.study.settings import Settings

MOST_CELLS = 50_000  # A grid is listed whole before it is computed.


@dataclass(frozen=True)
class Cell:
    """One computation, and what its result depends on. `cell.method`, `cell.gan` read a part.

    Attributes:
        kind: which function of the study computes it.
        seed: fixes the subset drawn, weights and noise.
        dataset: name of the dataset.
        factors: what is varied, JSON values by name; the columns of the frame.
        settings: groups of `Settings` by name, whole.
        serves: ids of the claims that need it; none where it is only shown.
        shares: cells of one value follow each other in one process, as they share what is trained.
    """

    kind: str
    seed: int
    dataset: str
    factors: dict[str, Any]
    settings: dict[str, Settings]
    serves: tuple[str, ...] = field(default=(), compare=False)
    shares: tuple = field(default=(), compare=False)

    def __getattr__(self, name):
        if not name.startswith("__") and "settings" in self.__dict__:
            for part in (self.factors, self.settings):
                if name in part:
                    return part[name]
        raise AttributeError(f"this cell has no factor or group of settings '{name}'.")

    def __str__(self):
        parts = [f"{name} {value}" for name, value in self.factors.items() if value is not None]
        return ", ".join([self.kind, *parts, f"on {self.dataset}", f"seed {self.seed}"])

    @property
    def place(self) -> dict[str, Any]:
        """Where its row is in the frame: kind, seed, dataset and factors."""
        return {"kind": self.kind, "seed": self.seed, "dataset": self.dataset, **self.factors}

    def meaning(self, study: str) -> dict:
        """What the key hashes, beside study, protocol version and the data's fingerprint.

        A factor that is None stays out, and so does a setting at its value of version 2: one that
        is added later has a default that means "as before", and old results count on.
        """
        table = _version2().get(study, {})
        frozen, renamed = table.get("settings", {}), table.get("renamed", {})
        changed = {}
        for group, settings in self.settings.items():
            defaults = type(settings)().flat()
            for name, value in settings.flat().items():
                full = renamed.get(f"{group}.{name}", f"{group}.{name}")
                if value != frozen.get(full, defaults[name]):
                    changed[full] = value
        factors = {name: value for name, value in self.factors.items() if value is not None}
        return {"kind": self.kind, "factors": factors, "seed": self.seed, "settings": changed}

    def key(self, study: str, protocol_version: int, fingerprint: str) -> str:
        """16 hexadecimal digits of what the result depends on."""
        means = [study, protocol_version, fingerprint, self.meaning(study)]
        return hashlib.sha256(json.dumps(means, sort_keys=True).encode()).hexdigest()[:16]

    def row(self, record: dict[str, Any]) -> dict[str, Any]:
        """The factors and the values of a record side by side, as a row of the frame.

        It has `diverged`, true where a loss did not stay finite.

        Raises:
            ValueError: if a value is called like a factor.
        """
        values = record["values"]
        both = self.place.keys() & values.keys()
        if both:
            raise ValueError(f"a value is called like the factor '{min(both)}': rename it.")
        return {**self.place, "diverged": False, **values}


def cell(
    kind: str,
    *,
    seed: int,
    dataset: str,
    serves: Iterable[str] = (),
    shares: Iterable = (),
    **parts: Any,
) -> Cell:
    """A `Cell`; of `parts`, those that are `Settings` are its settings, the others its factors."""
    settings = {name: part for name, part in parts.items() if isinstance(part, Settings)}
    factors = {name: part for name, part in parts.items() if name not in settings}
    return Cell(kind, seed, dataset, factors, settings, tuple(serves), tuple(shares))


class Grid(list):
    """The cells that a protocol lists one after the other, at most `MOST_CELLS`."""

    def append(self, cell: Cell) -> None:
        """Adds a cell.

        Raises:
            RunError: if there are as many already.
        """
        if len(self) == MOST_CELLS:
            raise RunError(
                f"these settings ask for more than {MOST_CELLS:,} cells: ask for fewer seeds, or "
                "for shorter lists."
            )
        super().append(cell)


@functools.cache
def _version2():
    """The table of version 2: for each study its settings' values then, and later new names."""
    file = importlib.resources.files(__package__) / "version2.json"
    return json.loads(file.read_text(encoding="utf-8"))
