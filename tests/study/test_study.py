from dataclasses import replace

import pandas as pd
import pytest
from runs.toy import STUDY

from dagen_keras.models import NonFiniteLossError
from dagen_keras.study import Bench, Decision, Larger, Settings, Shown, cell, judge
from dagen_keras.study.claims import served

SETTINGS = STUDY.settings("quick")
FRAME = pd.DataFrame({"seed": [0, 1], "n": [2, 2], "square": [4.0, 5.0]})


class Images(Settings):
    reserve: int = 10


def raising(error):
    def compute(cell, bench):
        raise error

    return replace(STUDY, compute={"square": compute})


def test_a_loss_that_is_not_finite_is_a_result_and_any_other_error_is_none():
    first = STUDY.cells(SETTINGS, None)[0]
    diverged = raising(NonFiniteLossError("the VAE stopped")).run(first, None)
    assert diverged == {"diverged": True, "why": "the VAE stopped"}
    with pytest.raises(ValueError, match="told to fail"):
        raising(ValueError("told to fail")).run(first, None)
    assert first.row({"values": diverged})["diverged"] is True
    assert first.row({"values": {"square": 4}})["diverged"] is False


def test_a_judge_that_diverges_is_an_error_of_the_cell(monkeypatch):
    def diverge(model, *arguments, **keywords):
        raise NonFiniteLossError("the judge stopped")

    monkeypatch.setattr("keras.Model.fit", diverge)
    judged = cell("a", seed=0, dataset="digits", judging=judge.Judging(), images=Images())
    with pytest.raises(RuntimeError, match="^the judge stopped$") as error:
        judge.judge_of(judged, Bench())
    assert not isinstance(error.value, NonFiniteLossError)


def test_a_report_is_made_of_what_the_study_says():
    study = replace(
        STUDY,
        parts=lambda frame: {"doubled": frame.assign(square=2 * frame["square"])},
        facts=lambda frame: {"n": len(frame)},
        tables={
            "squares": {"title": "On {data}", "unit": "1", "note": "{data}.", "where": {"seed": 0}},
            "doubled": {"title": "T", "unit": "1", "rows": {"n": "n"}, "values": {"x": "square"}},
        },
        figures={
            "by_n": {
                **{"caption": "Of {data}.", "form": "by_factor", "x": "n", "y": "square"},
                **{"line": "{n} squared", "labels": ["n", "square"]},
            }
        },
        errata={"one": {"text": "None.", "evidence": "{n} cells."}},
    )
    report = study.report(FRAME, SETTINGS)
    assert report["squares"].title == "On bundled digits"
    assert report["squares"].note == "bundled digits."
    assert list(report["squares"].frame["square"]) == [4.0]
    assert report["doubled"].frame.to_dict("records")[0]["x"] == 9.0
    assert report["by_n"].caption.startswith("Of bundled digits. ")
    assert report["by_n"].draw().axes[0].get_legend().get_texts()[0].get_text() == "2 squared"
    assert report.errata[0].evidence == "2 cells."
    assert [part.name for part in report.tables] == ["squares", "doubled"]


def test_a_study_with_a_pilot_shows_it():
    study = replace(STUDY, pilot={"value": "f1", "what": "F1"}, tables={}, figures={})
    report = study.report(FRAME, SETTINGS)
    assert "bundled digits" in report["pilot"].title
    assert report["pilot_curves"].draw is None


def test_a_pilot_that_diverged_is_left_out():
    study = replace(STUDY, pilot={"value": "f1", "what": "F1"}, tables={}, figures={})
    whole = {"kind": "pilot", "method": "VAE", "updates": [1, 2], "f1": [0.1, 0.5]}
    lost = {"kind": "pilot", "method": "VAE", "diverged": True}
    report = study.report(pd.DataFrame([whole, lost]), SETTINGS)
    assert list(report["pilot"].frame["VAE"]) == [10.0, 50.0]
    assert report["pilot_curves"].draw() is not None
    assert len(study.report(pd.DataFrame([lost]), SETTINGS)["pilot"].frame) == 0


def test_cells_serve_the_claims_that_compare_them():
    where = {"kind": "fill", "size": [50, 100]}
    claims = [
        Larger("1", "f1", {"method": "vae"}, {"method": "none"}, where),
        Larger("2", "f1", {"method": "gan"}, {"method": "vae"}, {"kind": "fill", "size": 50}),
        Shown("3", "f1", {"method": "vae"}, {"method": "none"}),
        Decision("4", None),
    ]
    place = {"kind": "fill", "method": "vae", "size": 50, "dataset": "digits"}
    assert served(claims, place) == ["1", "2"]
    assert served(claims, {**place, "size": 100}) == ["1"]
    assert served(claims, {**place, "size": 250}) == []
    assert served(claims, {**place, "method": "none"}) == ["1"]
    assert served(claims, {**place, "kind": "pilot"}) == []
