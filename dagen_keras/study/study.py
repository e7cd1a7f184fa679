"""A study: a paper as the runner sees it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from dagen_keras.checks import RunError
from dagen_keras.models import NonFiniteLossError
from dagen_keras.study.claims import FIRST_LOOK, SECOND_LOOK, Listed, decide_all
from dagen_keras.study.evidence import filled
from dagen_keras.study.figures import figure_of
from dagen_keras.study.pilot import pilot_figure, pilot_table
from dagen_keras.study.report import Erratum, Report
from dagen_keras.study.tables import table_of

TEXTS = ("title", "note", "caption")  # Of tables and figures: "{data}" is what `data` says.
PROFILES = ("smoke", "quick", "overnight", "paper")


@dataclass(frozen=True)
class Study:
    """A paper: its settings, cells, what they compute, and what is claimed.

    Attributes:
        key: its name on the command line and in paths.
        title, reference, question: what it is called, where it appeared, what it asks.
        answer: what the cells say to the question, at most four sentences with blanks for facts.
        notebook: file name in `notebooks/`.
        protocol_version: raised when a fix changes results, so that they are computed anew.
        profiles: the settings of each profile; each has a setting `seeds`.
        cells: `cells(settings, frame)` lists the grid, those that decide most first. The frame
            holds what is done of it so far: some cells depend on what others found.
        compute: for each kind of cell a function `f(cell, bench)` that returns JSON values.
        claims: the forms that decide the listed claims.
        listed: the rows of the list of claims, by id.
        data: `data(settings)` says in a line which images are used.
        parts: `parts(frame)` gives tables and figures by name the rows that they are made of, or
            what draws them; those that it leaves out are made of the frame.
        facts: `facts(frame)` gives by name what was measured, for the blanks of the answer and of
            the errata's evidence.
        tables, figures: by name, in their order, the arguments of `table_of` and `figure_of`.
        errata: by name, their "text" and "evidence".
        pilot: of a study with a pilot the "value" that it looks at and "what" that is.
        sizes: `sizes(settings, name, dataset)` takes as many images of a dataset as cells take, so
            that an error says before the first of them what the dataset does not have.
    """

    key: str
    title: str
    reference: str
    question: str
    answer: str
    notebook: str
    protocol_version: int
    profiles: Mapping
    cells: Callable
    compute: Mapping[str, Callable]
    claims: Iterable
    listed: Mapping[str, Listed]
    data: Callable
    parts: Callable
    facts: Callable
    tables: Mapping[str, Mapping]
    figures: Mapping[str, Mapping]
    errata: Mapping[str, Mapping[str, str]]
    pilot: Mapping[str, str] = field(default_factory=dict)
    sizes: Callable = lambda settings, name, dataset: None

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
        """The values of one cell. A training whose loss is not finite is a result: `diverged`."""
        try:
            return self.compute[cell.kind](cell, bench)
        except NonFiniteLossError as error:
            return {"diverged": True, "why": str(error)}

    def report(self, frame: pd.DataFrame, settings) -> Report:
        """A `Report` of whatever cells are done."""
        data, parts, facts = self.data(settings), self.parts(frame), self.facts(frame)

        def made(part_of, named):
            for name, arguments in named.items():
                texts = {n: arguments[n].format(data=data) for n in TEXTS if n in arguments}
                yield part_of(name, parts.get(name, frame), **{**arguments, **texts})

        report = Report(
            data=data,
            answer=filled(self.answer, facts),
            tables=list(made(table_of, self.tables)),
            figures=list(made(figure_of, self.figures)),
            claims=decide_all(self.claims, frame, self.listed),
            errata=[
                Erratum(erratum["text"], filled(erratum["evidence"], facts))
                for erratum in self.errata.values()
            ],
        )
        if self.pilot:
            report.tables.append(pilot_table(frame, **self.pilot, data=data))
            report.figures.append(pilot_figure(frame, **self.pilot, data=data))
        return report
