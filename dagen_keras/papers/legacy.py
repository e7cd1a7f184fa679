"""The form of version 1, and what makes a `Study` of it, until each paper has the new one."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from dagen_keras.checks import RunError
from dagen_keras.papers import reported
from dagen_keras.study.claims import Decided
from dagen_keras.study.report import Erratum, Figure, Report, Table
from dagen_keras.study.study import Study

__all__ = ["Cell", "Claim", "Erratum", "Figure", "Paper", "Parameter", "Report", "Table"]
__all__ += ["PROFILES", "RunError", "as_study", "by_kind", "reported", "resolve_parameters"]

SUPERSEDED = (
    "These results are of protocol version 1 and superseded: few seeds, short training and a rule "
    "that read a large p as a refutation decided them as much as the methods did. No number here "
    "is a finding; version 2 of this paper is not computed yet."
)

PROFILES = ("smoke", "quick", "paper")


@dataclass(frozen=True)
class Parameter:
    """One named parameter of a paper's protocol.

    Attributes:
        default: its value at the `paper` profile; its type is the parameter's type.
        help: what it means, with its unit.
        choices: allowed values (of each element, for a list); None for any.
        minimum: smallest allowed number (of each element, for a list); None for any.
    """

    default: object
    help: str
    choices: tuple | None = None
    minimum: float | None = None

    def parse(self, name, value):
        """`value`, as given in Python or as text on the command line, checked and typed.

        Raises:
            RunError: if it is of the wrong type or not allowed.
        """
        is_list = isinstance(self.default, list)
        example = self.default[0] if is_list else self.default
        if isinstance(value, str) and not (isinstance(example, str) and not is_list):
            value = _from_text(value, is_list)
        elements = value if isinstance(value, list | tuple) else [value]
        if is_list != isinstance(value, list | tuple) or (is_list and not elements):
            self._refuse(name, value, example, is_list)
        parsed = []
        for element in elements:
            if isinstance(example, float) and type(element) is int:
                element = float(element)
            if type(element) is not type(example):
                self._refuse(name, value, example, is_list)
            if self.choices is not None and element not in self.choices:
                allowed = ", ".join(map(str, self.choices))
                raise RunError(f"parameter '{name}' must be of {allowed}; got {element!r}.")
            if self.minimum is not None and element < self.minimum:
                raise RunError(
                    f"parameter '{name}' must be {self.minimum} or more; got {element!r}."
                )
            if isinstance(element, float) and not math.isfinite(element):
                raise RunError(f"parameter '{name}' must be finite; got {element!r}.")
            if element in parsed:
                raise RunError(f"parameter '{name}' must not repeat a value; got {value!r}.")
            parsed.append(element)
        return parsed if is_list else parsed[0]

    def _refuse(self, name, value, example, is_list):
        kind = type(example).__name__
        kind = f"a list of {kind}" if is_list else f"of type {kind}"
        raise RunError(
            f"parameter '{name}' must be {kind}, such as {json.dumps(self.default)}; got {value!r}."
        )


def _from_text(text, is_list):
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if not is_list or isinstance(value, list):
        return value
    if isinstance(value, str):
        return [_from_text(part.strip(), False) for part in value.split(",")]
    return [value]


@dataclass(frozen=True)
class Cell:
    """One computation of a grid, and where its result stands.

    Attributes:
        table, row, column: where a reader finds it.
        seed: fixes the subset drawn, weights and noise.
        dataset: name of the dataset.
        parameters: all else that the result depends on; JSON values.
        cost: rough seconds on two cores, for the time left.
    """

    table: str
    row: str
    column: str
    seed: int
    dataset: str
    parameters: dict
    cost: float = 1.0

    def __str__(self):
        return f"{self.table}, {self.row}, {self.column}, seed {self.seed}"

    def key(self, paper, fingerprint):
        """16 hexadecimal digits of what the result depends on."""
        depends_on = [
            paper.key,
            paper.protocol_version,
            self.parameters,
            self.seed,
            fingerprint,
        ]
        text = json.dumps(depends_on, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper, the test that decides it, and what came out."""

    number: int
    text: str
    test: str
    verdict: str
    n_pairs: int = 0
    p_value: float | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    paper: str = ""

    @classmethod
    def of(cls, number, text, test, comparison, unit, verdict=None, paper=""):
        """The claim that a `Comparison` decides, or whose `verdict` is given."""
        return cls(
            number,
            text,
            test,
            verdict or comparison.verdict,
            n_pairs=comparison.n_pairs,
            p_value=comparison.p_value,
            effect=comparison.median,
            low=comparison.low,
            high=comparison.high,
            unit=unit,
            paper=paper,
        )


@dataclass(frozen=True)
class Paper:
    """A paper as the runner sees it.

    Attributes:
        key: its name on the command line and in paths.
        title, reference, question: what it is called, where it appeared, what it asks.
        notebook: file name in `notebooks/`.
        protocol_version: raised when a fix changes results, so that they are computed anew.
        parameters: `Parameter` by name; the defaults are the `paper` profile.
        profiles: for `smoke` and `quick`, the values that differ.
        cells: `cells(parameters)` lists the grid.
        compute: `compute(cell_parameters, seed, dataset)` returns a dictionary of results.
        report: `report(frame, parameters)` makes a `Report` from a run's frame.
        follow_up: `follow_up(parameters, frame)` lists the cells that depend on what others
            found, such as runs at the best of a search; none while that is not known.
    """

    key: str
    title: str
    reference: str
    question: str
    notebook: str
    protocol_version: int
    parameters: dict
    profiles: dict
    cells: Callable
    compute: Callable
    report: Callable
    follow_up: Callable | None = None


def by_kind(**functions):
    """A paper's `compute`: calls the function that a cell's parameter `kind` names.

    Each is called as `function(dataset, seed, **others)` with the cell's other parameters.
    """

    def compute(parameters, seed, data):
        own = {name: value for name, value in parameters.items() if name != "kind"}
        return functions[parameters["kind"]](data, seed, **own)

    return compute


def resolve_parameters(paper, profile, overrides=None):
    """Every parameter of `paper` at `profile`, with checked `overrides`.

    Raises:
        RunError: for an unknown profile or parameter, or a value of the wrong type.
    """
    if profile not in PROFILES:
        raise RunError(f"unknown profile {profile!r}; known are {', '.join(PROFILES)}.")
    chosen = {**paper.profiles.get(profile, {}), **(overrides or {})}
    unknown = [name for name in chosen if name not in paper.parameters]
    if unknown:
        raise RunError(
            f"{paper.key} has no parameter {unknown[0]!r}; it has {', '.join(paper.parameters)}."
        )
    return {
        name: parameter.parse(name, chosen.get(name, parameter.default))
        for name, parameter in paper.parameters.items()
    }


def as_study(paper):
    """The `Study` of a `Paper`; its results are marked as superseded."""
    profiles = {name: _Settings(resolve_parameters(paper, name), paper, name) for name in PROFILES}

    def cells(settings, frame):
        first = paper.cells(dict(settings))
        found = first
        if paper.follow_up is not None and "table" in frame:
            found = first + paper.follow_up(dict(settings), frame)
        return [_Cell(cell) for cell in found]

    def made(frame):
        """The report of a frame; a frame of nothing has the columns that it asks for."""
        columns = ("table", "row", "column", "seed", "data", "seconds", "device", "backend")
        return frame if "table" in frame else pd.DataFrame(columns=columns, dtype=object)

    class Old(Study):
        def grid(self, settings, frame_of):
            first = cells(settings, frame_of([]))
            if paper.follow_up is None:
                return first
            return cells(settings, made(frame_of(first)))

        def report(self, frame, settings):
            old = paper.report(made(frame), dict(settings))
            claims = [_decided(paper.key, claim) for claim in old.claims]
            return _Report(old.data, old.tables, old.figures, claims, old.errata)

    return Old(
        key=paper.key,
        title=paper.title,
        reference=paper.reference,
        question=paper.question,
        notebook=paper.notebook,
        protocol_version=paper.protocol_version,
        profiles=profiles,
        cells=cells,
        compute={"old": lambda c, bench: _compute(paper, c, bench)},
        claims=(),
        listed={},
        data=lambda settings: paper.report(made(pd.DataFrame()), dict(settings)).data,
        parts=None,
        facts=None,
        tables={},
        figures={},
        errata={},
        superseded=SUPERSEDED,
    )


def _compute(paper, cell, bench):
    return paper.compute(cell.old.parameters, cell.seed, bench.data(cell.dataset))


class _Settings(dict):
    """Parameters of a `Paper` at a profile, as a study's settings."""

    def __init__(self, values, paper, profile):
        super().__init__(values)
        self.paper, self.profile = paper, profile

    def flat(self):
        return dict(self)

    def replace(self, changes):
        resolved = resolve_parameters(self.paper, self.profile, changes)
        return _Settings(resolved, self.paper, self.profile)


@dataclass(frozen=True)
class _Cell:
    """A `Cell` of version 1, with the key that its results have in the ledgers."""

    old: Cell

    kind, serves, shares = "old", (), ()

    @property
    def seed(self):
        return self.old.seed

    @property
    def dataset(self):
        return self.old.dataset

    @property
    def factors(self):
        return {"table": self.old.table, "row": self.old.row, "column": self.old.column}

    @property
    def settings(self):
        return {"parameters": _Settings(self.old.parameters, None, None)}

    def __str__(self):
        return str(self.old)

    def key(self, study, protocol_version, fingerprint):
        means = [study, protocol_version, self.old.parameters, self.seed, fingerprint]
        text = json.dumps(means, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def row(self, record):
        ran_on = {name: record.get(name) for name in ("data", "seconds", "device", "backend")}
        place = {**self.factors, "seed": self.seed}
        return {**self.old.parameters, **place, **ran_on, **record["values"]}


class _Report(Report):
    def __getitem__(self, name):
        for part in (*self.tables, *self.figures):
            if part.name == name:
                return part
        return f"'{name}' has no finished cell to be made from yet."


def _decided(key, claim):
    return Decided(
        paper=key,
        id=str(claim.number),
        text=claim.text,
        form=claim.test,
        verdict=claim.verdict,
        estimate=claim.effect,
        low=claim.low,
        high=claim.high,
        p_value=claim.p_value,
        n=claim.n_pairs,
        unit=claim.unit,
    )
