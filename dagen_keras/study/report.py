"""What is made from a ledger: tables, figures, claims and errata."""

import html
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

POWER = (
    "At 8 seeds all differences must have one sign, and 80 % power needs an effect of 1.9 standard "
    "deviations of the paired difference, 1.0 at 16."
)


@dataclass(frozen=True)
class Table:
    """A table of a report. `name` is its file's; `unit` says what its numbers are in."""

    name: str
    title: str = ""
    unit: str = ""
    frame: pd.DataFrame = field(default_factory=pd.DataFrame)
    note: str = ""

    def _repr_html_(self):
        if not len(self.frame):
            return _nothing_yet(self.name)
        heading = f"<b>{html.escape(self.title)}</b> [{html.escape(self.unit)}]"
        texts = [n for n in self.frame if pd.api.types.is_string_dtype(self.frame[n].dropna())]
        names = {n: (_on_the_left if n in texts else html.escape)(str(n)) for n in self.frame}
        table = self.frame.rename(columns=names).to_html(
            index=False,
            na_rep="–",
            escape=False,
            formatters={names[name]: _on_the_left for name in texts},
        )
        return f"{heading}{table}<p>{html.escape(self.note)}</p>"


@dataclass(frozen=True)
class Figure:
    """A figure of a report. `draw()` returns a matplotlib figure; None: nothing to draw yet."""

    name: str
    caption: str = ""
    draw: Callable | None = None

    def _ipython_display_(self):
        import matplotlib.pyplot as plt
        from IPython.display import Markdown, display

        if self.draw is None:
            display(Markdown(_nothing_yet(self.name)))
            return
        drawn = self.draw()
        display(Markdown(self.caption), drawn)
        plt.close(drawn)


def _on_the_left(text):
    """Text of a table, which notebooks would put on the right as they do numbers."""
    return f'<div style="text-align: left">{html.escape(str(text))}</div>'


def _nothing_yet(name):
    return f"'{name}' has no finished cell to be made from yet."


@dataclass(frozen=True)
class Erratum:
    """What in the paper or its code does not hold, and the evidence computed here."""

    text: str
    evidence: str


@dataclass(frozen=True)
class Report:
    """All that is made from a ledger. `report[name]` is the table or figure of that name.

    `data` says which images were used, `answer` what they say to the paper's question.
    """

    data: str = ""
    answer: str = ""
    tables: list = field(default_factory=list)
    figures: list = field(default_factory=list)
    claims: list = field(default_factory=list)
    errata: list = field(default_factory=list)

    def __getitem__(self, name: str) -> Table | Figure:
        """The table or figure of a name, empty where no finished cell gives it yet.

        Raises:
            KeyError: if the report has none of that name; says which it has.
        """
        parts = {part.name: part for part in (*self.tables, *self.figures)}
        if name not in parts:
            raise KeyError(f"no table or figure '{name}'; there are {', '.join(parts)}.")
        return parts[name]

    def claims_table(self) -> Table:
        """One row a claim: its verdict and what it rests on."""
        rows = [
            {
                "claim": f"{claim.id}. {claim.text}",
                "verdict": claim.verdict + (f": {claim.reason}" if claim.reason else ""),
                "ours": claim.estimate,
                "low": claim.low,
                "high": claim.high,
                "paper": claim.size,
                "unit": claim.unit,
                "better in": claim.probability_better,
                "p": claim.p_value,
                "p, Holm": claim.p_holm,
                "n": claim.n,
                "n shows": claim.detectable,
                "models": claim.gate,
            }
            for claim in self.claims
        ]
        frame = pd.DataFrame(rows).dropna(axis=1, how="all").round(4)
        return Table(
            "claims",
            f"Claims on {self.data}",
            "Hodges-Lehmann estimate and exact 95 % interval over seeds, in the unit of each row",
            frame,
            "'better in' is the share of seeds with a positive difference; 'n shows' the effect "
            f"that as many seeds show with 80 % power at the spread seen. {POWER}",
        )

    def errata_table(self) -> Table:
        """One row an erratum, with its evidence."""
        rows = [{"erratum": e.text, "evidence": e.evidence} for e in self.errata]
        return Table("errata", f"Errata, with evidence on {self.data}", "text", pd.DataFrame(rows))
