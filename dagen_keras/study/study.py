"""A study: a paper as the runner sees it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from dagen_keras.checks import RunError
from dagen_keras.study.claims import FIRST_LOOK, SECOND_LOOK, Listed, decide_all
from dagen_keras.study.report import Erratum, Report, filled, worded

PROFILES = ("smoke", "quick", "overnight", "paper")


@dataclass(frozen=True)
class Study:
    """A paper: its settings, cells, what they compute, and what is claimed.

    Attributes:
        key: its name on the command line and in paths.
        title, reference, question: what it is called, where it appeared, what it asks.
        notebook: file name in `notebooks/`.
        protocol_version: raised when a fix changes results, so that they are computed anew.
        profiles: the settings of each profile; each has a setting `seeds`.
        cells: `cells(settings, frame)` lists the grid, those that decide most first. The frame
            holds what is done of it so far: some cells depend on what others found.
        compute: for each kind of cell a function `f(cell, bench)` that returns JSON values.
        claims: the forms that decide the listed claims.
        listed: the rows of the list of claims, by id.
        data: `data(settings)` says in a line which images are used.
        tables, figures: `tables(frame)` and `figures(frame)` list every one.
        errata: `errata(frame)` gives for errata by name what was measured, for the blanks of
            their evidence; None: not yet.
        words: by "tables", "figures" and "errata", then by name, the words for each: of a table
            "title", "unit" and "note", of a figure "caption", of an erratum "text" and "evidence",
            with blanks in braces; "{data}" is what `data` says.
        superseded: a sentence for the top of the report, while its results are of a protocol that
            is not held to any more.
    """

    key: str
    title: str
    reference: str
    question: str
    notebook: str
    protocol_version: int
    profiles: Mapping
    cells: Callable
    compute: Mapping[str, Callable]
    claims: Iterable
    listed: Mapping[str, Listed]
    data: Callable
    tables: Callable
    figures: Callable
    errata: Callable
    words: Mapping[str, Mapping[str, Mapping[str, str]]]
    superseded: str = ""

    def settings(self, profile: str, changes: Mapping | None = None):
        """The settings of a profile, with changes by full name.

        Raises:
            RunError: for an unknown profile or setting, or a value that is not allowed.
        """
        if profile not in PROFILES:
            raise RunError(f"unknown profile {profile!r}; known are {', '.join(PROFILES)}.")
        if profile not in self.profiles:
            has = ", ".join(self.profiles)
            raise RunError(f"{self.key} has no profile '{profile}' yet; it has {has}.")
        return self.profiles[profile].replace(changes or {})

    def names(self) -> list[str]:
        """The full names of all settings, and of their groups."""
        flat = list(next(iter(self.profiles.values())).flat())
        return flat + sorted({name.split(".")[0] for name in flat if "." in name})

    def grid(self, settings, frame_of: Callable) -> list:
        """All cells, as far as they are known; `frame_of(cells)` is what is done of them."""
        cells, frame = [], frame_of([])
        while True:
            more = self.cells(settings, frame)
            if len(more) == len(cells):
                break
            cells, frame = more, frame_of(more)
        return cells + self._second_look(settings, frame)

    def _second_look(self, settings, frame):
        """Eight more seeds for the claims that they have an even chance to decide."""
        if settings.seeds != FIRST_LOOK or frame.empty:
            return []
        wanted = {c.id for c in self.claims if c.wants_second_look(frame, self.listed[c.id])}
        more = self.cells(settings.replace({"seeds": SECOND_LOOK}), frame) if wanted else []
        return [c for c in more if FIRST_LOOK <= c.seed < SECOND_LOOK and wanted & set(c.serves)]

    def run(self, cell, bench) -> dict:
        """The values of one cell."""
        return self.compute[cell.kind](cell, bench)

    def report(self, frame: pd.DataFrame, settings) -> Report:
        """A `Report` of whatever cells are done."""
        data, measured = self.data(settings), self.errata(frame)

        def all_worded(kind, parts):
            words = self.words.get(kind, {})
            return [worded(part, words.get(part.name, {}), data) for part in parts]

        return Report(
            data=data,
            tables=all_worded("tables", self.tables(frame)),
            figures=all_worded("figures", self.figures(frame)),
            claims=decide_all(self.claims, frame, self.listed),
            errata=[
                Erratum(words["text"], filled(words["evidence"], measured.get(name, {})))
                for name, words in self.words.get("errata", {}).items()
            ],
        )
