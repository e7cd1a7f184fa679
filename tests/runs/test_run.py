import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs.toy import PAPER

from dagen_keras.datasets import DataError
from dagen_keras.runs import Cell, Run, RunError, writer

TESTS = Path(__file__).parents[1]


def _lines(run):
    return [json.loads(line) for line in run.ledger.path.read_text().splitlines()]


@pytest.fixture
def run(tmp_path):
    return Run(PAPER, "paper", results=tmp_path)


def test_a_grid_computes_each_cell_once(run):
    assert run.compute(progress=False) == []
    assert len(_lines(run)) == 6, "the cell that stands in two tables is computed once"
    frame = run.frame()
    assert len(frame) == 7
    assert frame["square"].tolist() == [1, 4, 9, 2, 5, 10, 1]
    assert run.missing() == {}
    run.compute(progress=False)
    assert len(_lines(run)) == 6


def test_a_record_says_what_it_depends_on_and_where_it_ran(run):
    run.compute(progress=False)
    record = _lines(run)[0]
    assert set(record) >= {
        *("key", "paper", "table", "row", "column", "seed", "parameters", "values", "seconds"),
        *("device", "backend", "versions", "fingerprint", "protocol_version"),
    }
    assert record["fingerprint"] == run.data().fingerprint
    assert record["seconds"] >= 0


def test_changed_parameters_compute_only_what_is_new(run, tmp_path):
    run.compute(progress=False)
    changed = Run(PAPER, "paper", {"numbers": [1, 2, 5]}, results=tmp_path)
    assert sorted(str(cell) for cell in changed.missing().values()) == [
        "Squares, n 5, square, seed 0",
        "Squares, n 5, square, seed 1",
    ]
    changed.compute(progress=False)
    assert len(_lines(run)) == 8
    assert run.missing() == {}


def test_a_failed_cell_is_recorded_and_tried_again_while_the_others_go_on(run, monkeypatch):
    monkeypatch.setenv("TOY_TROUBLE", "2:fail")
    failed = run.compute(progress=False)
    assert [record["seed"] for record in failed] == [0, 1]
    assert all("ValueError: told to fail" in record["error"] for record in failed)
    assert len(run.frame()) == 5
    assert len(run.failed()) == len(run.missing()) == 2
    monkeypatch.delenv("TOY_TROUBLE")
    assert run.compute(progress=False) == []
    assert len(run.frame()) == 7
    assert run.failed() == []


@pytest.mark.parametrize("trouble", ["nan", "numpy"])
def test_a_result_that_json_does_not_know_fails_its_cell(run, monkeypatch, trouble):
    monkeypatch.setenv("TOY_TROUBLE", f"3:{trouble}")
    failed = run.compute(progress=False)
    assert len(failed) == 2
    assert "not a number of JSON" in failed[0]["error"]
    assert len(run.frame()) == 5


def test_an_interrupt_keeps_what_is_done_and_frees_the_directory(run, monkeypatch):
    monkeypatch.setenv("TOY_TROUBLE", "3:interrupt")
    with pytest.raises(KeyboardInterrupt):
        run.compute(progress=False)
    assert len(run.frame()) == 3
    monkeypatch.delenv("TOY_TROUBLE")
    run.compute(progress=False)
    assert len(_lines(run)) == 6


def test_fresh_starts_over_and_keeps_the_old_ledger(run):
    run.compute(progress=False)
    run.compute(progress=False, fresh=True)
    assert len(_lines(run)) == 6
    old = run.ledger.path.with_name("runs.jsonl.1.old").read_text()
    assert len(old.splitlines()) == 6


def test_fresh_keeps_the_ledger_when_the_data_cannot_be_had(run, tmp_path, monkeypatch):
    run.compute(progress=False)
    before = run.ledger.path.read_text().replace(run.data().fingerprint, "0" * 16)
    run.ledger.path.write_text(before.replace('"dataset": "digits"', '"dataset": "other"'))
    before = run.ledger.path.read_text()

    def absent(*arguments):
        raise DataError("gone")

    monkeypatch.setattr("dagen_keras.runs.run.load_data", absent)
    with pytest.raises(DataError):
        Run(PAPER, "paper", results=tmp_path).compute(progress=False, fresh=True)
    assert run.ledger.path.read_text() == before


def test_a_report_needs_no_data_where_the_ledger_has_its_fingerprint(run, tmp_path, monkeypatch):
    run.compute(progress=False)

    def absent(*arguments):
        raise DataError("gone")

    monkeypatch.setattr("dagen_keras.runs.run.load_data", absent)
    elsewhere = Run(PAPER, "paper", results=tmp_path)
    elsewhere.write_report()
    assert len(elsewhere.frame()) == 7
    page = (tmp_path / "paper" / "index.html").read_text()
    assert "6 of 6 computed" in page
    assert "bundled digits: scikit-learn" in page


def test_a_torn_and_a_foreign_line_lose_nothing(run):
    run.compute(progress=False)
    lines = run.ledger.path.read_text().splitlines()
    run.ledger.path.write_text("\n".join([*lines[:3], "# a remark", *lines[3:5], lines[5][:40]]))
    with pytest.warns(UserWarning, match="line 4 is not a record"):
        assert len(run.missing()) == 1
        run.compute(progress=False)
        assert run.missing() == {}


def test_the_report_is_written_from_the_ledger_alone(run, tmp_path, monkeypatch):
    run.compute(progress=False)
    for name in ("claims.json", "summary.json"):
        (run.directory / name).unlink()
    monkeypatch.setenv("TOY_TROUBLE", "1:fail")
    Run(PAPER, "paper", results=tmp_path).write_report()
    assert json.loads((run.directory / "claims.json").read_text())[0]["verdict"] == "not decided"
    summary = json.loads((run.directory / "summary.json").read_text())
    assert (summary["cells"], summary["missing"]) == (6, 0)
    assert (run.directory / "tables" / "squares.csv").exists()
    assert (run.directory / "figures" / "empty.png").exists()
    assert (tmp_path / "paper" / "index.html").exists()


def test_a_report_can_be_made_of_nothing(run):
    run.write_report()
    assert "0 of 6 computed" in (run.results / "paper" / "index.html").read_text()


def test_a_second_writer_is_refused_and_changes_nothing(run, tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from runs.toy import PAPER\nfrom dagen_keras.runs import Run, RunError\n"
        "try: Run(PAPER, 'paper', results=sys.argv[1]).compute(progress=False)\n"
        "except RunError as error: print(error)"
    )
    with writer(tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), str(TESTS)],
            capture_output=True,
            text=True,
            check=True,
        )
    assert f"is being written by process {os.getpid()}" in done.stdout
    assert not run.ledger.path.exists()


def test_killed_in_the_middle_of_a_grid_it_goes_on_where_it_was(run, tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from runs.toy import PAPER\nfrom dagen_keras.runs import Run\n"
        "Run(PAPER, 'paper', results=sys.argv[1]).compute(progress=False)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), str(TESTS)],
        env={**os.environ, "TOY_TROUBLE": "3:sleep"},
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if run.ledger.path.exists() and run.ledger.path.read_text().count("\n") == 2:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = run.ledger.path.read_text()
    assert before.count("\n") == 2
    run.compute(progress=False)
    after = run.ledger.path.read_text()
    assert after.startswith(before)
    keys = [record["key"] for record in _lines(run)]
    assert len(keys) == len(set(keys)) == 6


def test_a_cluster_fills_the_same_ledger(run, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    run.compute(progress=False, cluster="local")
    assert sorted(run.frame()["square"]) == [1, 1, 2, 4, 5, 9, 10]
    here = Run(PAPER, "paper", results=tmp_path / "here")
    here.compute(progress=False)
    assert {r["key"] for r in _lines(here)} == {r["key"] for r in _lines(run)}


def test_a_cluster_that_does_not_answer_is_named(run):
    pytest.importorskip("distributed")
    with pytest.raises(RunError, match="no dask scheduler answers at 'tcp://127.0.0.1:1'"):
        run.compute(progress=False, cluster="tcp://127.0.0.1:1")


def test_the_estimate_is_scaled_by_what_was_done(run):
    cells = list(run.missing().values())
    assert run.estimate(cells) == sum(cell.cost for cell in cells) == 12
    run.compute(progress=False)
    for record in _lines(run):
        run.ledger.append({**record, "seconds": 1.0})
    assert run.estimate(cells) == 6


def _follow_up(parameters, frame):
    """Ten times the number with the largest square, once all squares are known."""
    squares = frame[frame["table"] == "Squares"]
    if len(squares) < parameters["seeds"] * len(parameters["numbers"]):
        return []
    n = 10 * int(squares.loc[squares["square"].idxmax(), "n"])
    return [Cell("Then", f"n {n}", "square", seed, "digits", {"n": n}) for seed in range(2)]


def _following(results, compute=PAPER.compute, **parameters):
    paper = dataclasses.replace(PAPER, follow_up=_follow_up, compute=compute)
    return Run(paper, "paper", parameters, results=results)


def _numbers(run):
    return [record["parameters"]["n"] for record in _lines(run)]


def test_what_follows_is_computed_in_the_same_call_after_the_first_cells(tmp_path):
    run = _following(tmp_path)
    assert len(run.cells) == 7
    assert len(run.missing()) == 6
    assert run.compute(progress=False) == []
    assert _numbers(run) == [1, 2, 3, 1, 2, 3, 30, 30]
    assert len(run.cells) == len(run.frame()) == 9
    then = run.frame()[run.frame()["table"] == "Then"]
    assert then["row"].tolist() == ["n 30", "n 30"]
    assert then["square"].tolist() == [900, 901]
    assert run.missing() == {}
    summary = json.loads((run.directory / "summary.json").read_text())
    assert (summary["cells"], summary["missing"]) == (8, 0)


def test_what_follows_is_not_computed_again(tmp_path):
    _following(tmp_path).compute(progress=False)
    again = _following(tmp_path)
    assert len(again.cells) == 9
    assert again.missing() == {}
    again.compute(progress=False)
    assert len(_lines(again)) == 8


def test_what_follows_is_known_only_once_the_first_cells_are_done(tmp_path, monkeypatch):
    run = _following(tmp_path)
    monkeypatch.setenv("TOY_TROUBLE", "2:fail")
    assert len(run.compute(progress=False)) == 2
    assert {cell.table for cell in run.cells} == {"Squares", "Again"}
    assert {cell.parameters["n"] for cell in run.missing().values()} == {2}
    assert 30 not in _numbers(run)
    monkeypatch.delenv("TOY_TROUBLE")
    assert run.compute(progress=False) == []
    assert _numbers(run) == [1, 2, 3, 1, 2, 3, 2, 2, 30, 30]
    assert run.missing() == {}


def test_another_finding_is_followed_by_other_cells(tmp_path):
    run = _following(tmp_path)
    run.compute(progress=False)
    record = _lines(run)[0]
    assert record["parameters"] == {"n": 1}
    run.ledger.append({**record, "values": {**record["values"], "square": 5000}})
    assert {c.row for c in run.cells if c.table == "Then"} == {"n 10"}
    assert [cell.parameters["n"] for cell in run.missing().values()] == [10, 10]
    assert "Then" not in set(run.frame()["table"])
    run.compute(progress=False)
    assert _numbers(run)[8:] == [1, 10, 10]
    assert set(run.frame().query("table == 'Then'")["square"]) == {100, 101}


def test_other_parameters_have_their_own_findings(tmp_path):
    _following(tmp_path).compute(progress=False)
    larger = _following(tmp_path, numbers=[1, 2, 3, 4])
    assert {cell.parameters["n"] for cell in larger.missing().values()} == {4}
    larger.compute(progress=False)
    assert _numbers(larger)[8:] == [4, 4, 40, 40]
    assert _following(tmp_path).missing() == {}


def test_a_cell_that_follows_and_fails_is_tried_once_a_call(tmp_path, monkeypatch):
    computed = []

    def compute(parameters, seed, data):
        computed.append(parameters["n"])
        if len(computed) > 20:
            pytest.fail("a failing cell is tried for ever")
        return PAPER.compute(parameters, seed, data)

    run = _following(tmp_path, compute)
    monkeypatch.setenv("TOY_TROUBLE", "30:fail")
    failed = run.compute(progress=False)
    assert [(record["table"], record["seed"]) for record in failed] == [("Then", 0), ("Then", 1)]
    assert computed == [1, 2, 3, 1, 2, 3, 30, 30]
    assert len(run.failed()) == len(run.missing()) == 2
    assert len(run.frame()) == 7
    assert len(run.compute(progress=False)) == 2
    assert computed[8:] == [30, 30]
    monkeypatch.delenv("TOY_TROUBLE")
    assert run.compute(progress=False) == []
    assert computed[10:] == [30, 30]
    assert run.failed() == []


def test_fresh_computes_what_follows_anew_too(tmp_path):
    run = _following(tmp_path)
    run.compute(progress=False)
    run.compute(progress=False, fresh=True)
    assert _numbers(run) == [1, 2, 3, 1, 2, 3, 30, 30]
