"""What a paper's module says of itself: parameters, cells, and what it reports."""

import functools
import hashlib
import html
import importlib.resources
import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

PROFILES = ("smoke", "quick", "paper")


class RunError(RuntimeError):
    """A run that cannot be done as asked; says why and what would be right."""


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
class Table:
    """A table of a report. `name` is its file's; `unit` says what its numbers are in."""

    name: str
    title: str
    unit: str
    frame: pd.DataFrame
    note: str = ""

    def _repr_html_(self):
        heading = f"<b>{html.escape(self.title)}</b> [{html.escape(self.unit)}]"
        table = self.frame.to_html(index=False, na_rep="–")
        return f"{heading}{table}<p>{html.escape(self.note)}</p>"


@dataclass(frozen=True)
class Figure:
    """A figure of a report. `draw()` returns a matplotlib figure."""

    name: str
    caption: str
    draw: Callable

    def _ipython_display_(self):
        import matplotlib.pyplot as plt
        from IPython.display import Markdown, display

        drawn = self.draw()
        display(Markdown(self.caption), drawn)
        plt.close(drawn)


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
class Erratum:
    """What in the paper or its code does not hold, and the evidence computed here."""

    text: str
    evidence: str


@dataclass(frozen=True)
class Report:
    """All that is made from a ledger. `report[name]` is the table or figure of that name.

    `data` is how titles name the data.
    """

    data: str = ""
    tables: list = field(default_factory=list)
    figures: list = field(default_factory=list)
    claims: list = field(default_factory=list)
    errata: list = field(default_factory=list)

    def __getitem__(self, name):
        for part in (*self.tables, *self.figures):
            if part.name == name:
                return part
        return f"'{name}' has no finished cell to be made from yet."

    def claims_table(self):
        """One row a claim: its verdict, effect, interval, p-value and test."""
        rows = [
            {
                "claim": f"{claim.number}. {claim.text}",
                "verdict": claim.verdict,
                "ours": claim.effect,
                "low": claim.low,
                "high": claim.high,
                "unit": claim.unit,
                "paper": claim.paper,
                "p": claim.p_value,
                "pairs": claim.n_pairs,
                "test": claim.test,
            }
            for claim in self.claims
        ]
        return Table(
            "claims",
            f"Claims on {self.data}",
            "effects with 95 % bootstrap intervals, in the unit of each row",
            pd.DataFrame(rows),
        )

    def errata_table(self):
        """One row an erratum, with its evidence."""
        rows = [{"erratum": e.text, "evidence": e.evidence} for e in self.errata]
        return Table("errata", f"Errata, with evidence on {self.data}", "text", pd.DataFrame(rows))


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


@functools.cache
def reported(name):
    """A table of a paper's own numbers, `papers/reported/<name>.csv`, as a frame."""
    file = importlib.resources.files("dagen_keras.papers") / "reported" / f"{name}.csv"
    return pd.read_csv(io.StringIO(file.read_text()))


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
