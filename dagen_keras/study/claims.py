"""Claims: what a paper says, in a form that a frame decides.

A claim's text, size, margin and unit are in the list of claims, by its id; a form here says which
cells are compared. The rules are those of `evaluate.paired_verdict` and `evaluate.equivalence`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from dagen_keras.evaluate import verdicts
from dagen_keras.evaluate.sensitivity import power
from dagen_keras.evaluate.signed_rank import ALPHA
from dagen_keras.evaluate.verdicts import Verdict
from dagen_keras.study.frame import by_seed, column, select
from dagen_keras.study.packing import unpack

FIRST_LOOK, SECOND_LOOK = 8, 16  # Seeds, numbered from 0.
FEW_POINTS = 1.0  # Below, in points of accuracy, the choice of test images is looked at too.


@dataclass(frozen=True)
class Listed:
    """A row of the list of claims: what is fixed before any cell is computed."""

    paper: str
    id: str
    form: str
    text: str
    unit: str
    size: float | None = None
    margin: float | None = None
    on: str = ""


@dataclass(frozen=True)
class Decided:
    """A claim and what came out, as `claims.json` has it."""

    paper: str
    id: str
    text: str
    form: str
    verdict: str = "not decided"
    reason: str = ""
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_holm: float | None = None
    n: int = 0
    ties: int = 0
    probability_better: float | None = None
    detectable: float | None = None
    size: float | None = None
    margin: float | None = None
    unit: str = ""
    looks: int = 0
    gate: str = ""

    @classmethod
    def of(cls, listed: Listed, **found) -> "Decided":
        return cls(**{name: value for name, value in vars(listed).items() if name != "on"}, **found)


@dataclass(frozen=True)
class Gate:
    """Whether the models of a claim trained: a value's median over seeds reaches a threshold.

    Attributes:
        value: the column; rows without it have no model to ask about.
        at_least: the threshold, or one for each dataset that has one.
        text: what the value is.
    """

    value: str
    at_least: float | dict[str, float]
    text: str

    def look(self, rows: pd.DataFrame) -> tuple[bool, str]:
        """Whether rows of one method pass, and a sentence; ("" where they have no model)."""
        if self.value not in rows:
            return True, ""
        passed, parts = True, []
        for dataset, own in rows.groupby("dataset"):
            asked = (
                self.at_least if isinstance(self.at_least, float) else self.at_least.get(dataset)
            )
            median = pd.to_numeric(own[self.value]).median()
            if asked is not None and np.isfinite(median):
                passed &= bool(median >= asked)
                parts.append(f"{self.text} {median:.3f}, asked {asked:g}")
        return passed, "; ".join(parts)


@dataclass(frozen=True)
class Comparison:
    """Two groups of cells, compared seed by seed: `better` minus `worse`.

    Attributes:
        id: the claim's in the list.
        value: the column that is compared.
        better, worse: factors of the two groups; over a list the mean is taken. Without `worse`
            the value itself is tested.
        where: factors that both have.
        scale: the unit of the list in units of the value: 100 makes points of shares.
        difference: of the two arrays; default: better minus worse, times `scale`.
        gates: what the models of both groups must pass.
        images: where the value is an accuracy and all seeds share their test images, a column
            with the packed arrays `predicted` and `labels` of these images.
        smallest: the smallest effect that matters, for a claim without a size; ours.
        alpha: level over both looks.
    """

    id: str
    value: str
    better: dict[str, Any]
    worse: dict[str, Any] | None = None
    where: dict[str, Any] = field(default_factory=dict)
    scale: float = 100.0
    difference: Callable | None = None
    gates: tuple[Gate, ...] = ()
    images: str | None = None
    smallest: float = 1.0
    alpha: float = ALPHA

    def rule(self, differences: np.ndarray, listed: Listed, look: int) -> Verdict:
        raise NotImplementedError

    def intervals(self, listed: Listed, verdict: str) -> list[tuple[float, float]]:
        """Where the effect must lie for a verdict: in one of these."""
        raise NotImplementedError

    def distance(self, verdict: Verdict, listed: Listed) -> float:
        """How far the estimate is from the bound that would decide what is open."""
        raise NotImplementedError

    def sides(self):
        return [{**self.where, **side} for side in (self.better, self.worse) if side is not None]

    def differences(self, frame: pd.DataFrame) -> pd.Series:
        """One difference a seed, in the unit of the list."""
        values = [by_seed(frame, self.value, side) for side in self.sides()]
        seeds = sorted(set.intersection(*(set(value.index) for value in values)))
        both = [value.loc[seeds].to_numpy(float) for value in values]
        if len(both) == 1:
            found = self.scale * both[0]
        elif self.difference:
            found = self.difference(*both)
        else:
            found = self.scale * (both[0] - both[1])
        return pd.Series(found, seeds)

    def decide(self, frame: pd.DataFrame, listed: Listed) -> Decided:
        differences = self.differences(frame)
        verdict, looks = self._looks(differences, listed)
        passed, gate = self._gate(frame)
        found = {**vars(verdict), "looks": looks, "gate": gate}
        if not passed:
            found |= {"verdict": "not decided", "reason": "gate missed"}
        elif verdict.verdict != "not decided":
            seeds = differences.index[differences.index < (FIRST_LOOK, SECOND_LOOK)[looks - 1]]
            if not self._stands(frame[frame["seed"].isin(seeds)], listed, verdict):
                found |= {"verdict": "not decided", "reason": "test images"}
        return Decided.of(listed, **found)

    def wants_second_look(self, frame: pd.DataFrame, listed: Listed) -> bool:
        """Whether eight more seeds have an even chance to decide what the first look left open."""
        first = self.differences(frame)
        first = first[first.index < FIRST_LOOK].to_numpy()
        decided = self.decide(frame, listed)
        left_open = decided.verdict == "not decided" and decided.reason != "gate missed"
        if not left_open or decided.looks > 1 or len(first) < FIRST_LOOK:
            return False
        effect, spread = self.distance(self.rule(first, listed, 1), listed), first.std(ddof=1)
        return bool(spread == 0 or power(SECOND_LOOK, effect / spread) >= 0.5)

    def _looks(self, differences, listed):
        first = differences[differences.index < FIRST_LOOK]
        verdict = self.rule(first.to_numpy(), listed, 1)
        both = differences[differences.index < SECOND_LOOK]
        if verdict.verdict == "not decided" and len(both) == SECOND_LOOK:
            return self.rule(both.to_numpy(), listed, 2), 2
        return verdict, 1

    def _gate(self, frame):
        """Whether each method of each group passes each gate, and what they say."""
        sides = [select(frame, side) for side in self.sides()]
        groups = [rows.groupby(column(rows, "method"), dropna=False) for rows in sides]
        methods = [rows for group in groups for _, rows in group]
        looks = [gate.look(rows) for gate in self.gates for rows in methods]
        texts = dict.fromkeys(text for _, text in looks if text)
        return all(passed for passed, _ in looks), "; ".join(texts)

    def _stands(self, frame, listed, verdict):
        """Whether the verdict survives other test images, where the effect is that small."""
        if self.images is None or abs(verdict.estimate) >= FEW_POINTS:
            return True
        by_image = self._by_image(frame)
        if by_image is None:
            return True
        low, high = verdicts.crossed_bootstrap(by_image)
        intervals = self.intervals(listed, verdict.verdict)
        return any(low > least and high < most for least, most in intervals)

    def _by_image(self, frame):
        """Differences in points (seeds, test images); None without predicted classes."""
        totals = []
        frame = frame.dropna(subset=self.images) if self.images in frame else frame[:0]
        for side in self.sides():
            hits = {}
            for seed, rows in select(frame, side).groupby("seed"):
                packed = [unpack(text) for text in rows[self.images]]
                hits[seed] = np.mean([100.0 * (p["predicted"] == p["labels"]) for p in packed], 0)
            totals.append(hits)
        seeds = sorted(set.intersection(*map(set, totals)))
        if len({len(hits[seed]) for hits in totals for seed in seeds}) != 1:
            return None
        rows = [np.array([hits[seed] for seed in seeds]) for hits in totals]
        return rows[0] - rows[1] if len(rows) > 1 else rows[0]


class Larger(Comparison):
    """The first group is larger; by at least half the claimed size, where the list has one."""

    def at(self, listed):
        return 0.0

    def rule(self, differences, listed, look):
        smallest = None if listed.size else self.smallest
        at = self.at(listed)
        return verdicts.paired_verdict(differences, listed.size, smallest, at, self.alpha, look)

    def intervals(self, listed, verdict):
        zero, least = self.at(listed), self._least(listed)
        return {
            "reproduced": [(least if listed.size else zero, math.inf)],
            "contradicted": [(-math.inf, zero)],
            "smaller than claimed": [(zero, least)],
            "not found": [(-math.inf, least)],
        }[verdict]

    def distance(self, verdict, listed):
        below = self._least(listed) - verdict.estimate
        if verdict.reason == "direction shown, size open":
            return max(below, 0.0)
        return max(below, abs(verdict.estimate - self.at(listed)))

    def _least(self, listed):
        return self.at(listed) + (listed.size / 2 if listed.size else self.smallest)


class Exceeds(Larger):
    """The value, or the difference of the groups, is larger than the list's margin."""

    def at(self, listed):
        return listed.margin


@dataclass(frozen=True)
class SmallerGain(Larger):
    """The groups differ by more at the first of two values of a factor than at the second.

    Attributes:
        over: the factor; `where` lists its two values.
    """

    over: str = ""

    def gains(self):
        parts = {name: value for name, value in vars(self).items() if name != "over"}
        for value in self.where[self.over]:
            yield Larger(**{**parts, "where": {**self.where, self.over: value}})

    def differences(self, frame):
        first, second = (gain.differences(frame) for gain in self.gains())
        return (first - second).dropna()

    def _by_image(self, frame):
        frame = frame[frame["seed"].isin(self.differences(frame).index)]
        first, second = (gain._by_image(frame) for gain in self.gains())
        return None if first is None or second is None else first - second


class Within(Comparison):
    """The two groups differ by less than the margin, either way."""

    side = "both"

    def rule(self, differences, listed, look):
        return verdicts.equivalence(differences, listed.margin, self.side, self.alpha, look)

    def intervals(self, listed, verdict):
        below, above = self._ends(listed)
        if verdict == "reproduced":
            return [(below, above)]
        return [(-math.inf, below), (above, math.inf)]

    def distance(self, verdict, listed):
        return min(abs(verdict.estimate - end) for end in self._ends(listed))

    def _ends(self, listed):
        low, high = -listed.margin, listed.margin
        return {"both": (low, high), "upper": (-math.inf, high), "lower": (low, math.inf)}[
            self.side
        ]


class NotLarger(Within):
    """The first group is larger by less than the margin, or not at all."""

    side = "upper"


class NotWorse(Within):
    """The first group is worse by less than the margin, or not at all."""

    side = "lower"


@dataclass(frozen=True)
class Decision:
    """A claim that no form fits: `function(frame, listed)` returns its `Decided`."""

    id: str
    function: Callable[[pd.DataFrame, Listed], Decided]

    def decide(self, frame: pd.DataFrame, listed: Listed) -> Decided:
        return self.function(frame, listed)

    def wants_second_look(self, frame: pd.DataFrame, listed: Listed) -> bool:
        return False


class Shown(Larger):
    """A comparison whose numbers are shown and whose verdict is not sought."""

    def decide(self, frame, listed):
        found = super().decide(frame, listed)
        return replace(found, verdict="not decided", reason="shown only")

    def wants_second_look(self, frame, listed):
        return False


def served(claims, place: dict[str, Any]) -> list[str]:
    """The ids of the claims that compare a cell of these factors, and want a verdict."""

    def compares(side):
        values = {name: v if isinstance(v, list) else [v] for name, v in side.items()}
        return all(place[name] in allowed for name, allowed in values.items() if name in place)

    wanted = [c for c in claims if getattr(c, "form", type(c)) not in (Shown, Decision)]
    return [claim.id for claim in wanted if any(map(compares, claim.sides()))]


def decide_all(claims, frame: pd.DataFrame, listed: dict[str, Listed]) -> list[Decided]:
    """Every claim of the list, with p-values after Holm over those that have one."""
    found = [claim.decide(frame, listed[claim.id]) for claim in claims]
    adjusted = verdicts.holm([decided.p_value for decided in found])
    return [replace(d, p_holm=p) for d, p in zip(found, adjusted, strict=True)]
