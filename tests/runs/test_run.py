import collections
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs.toy import FOLLOWING, STUDY, compute

from dagen_keras import datasets
from dagen_keras.datasets import DataError
from dagen_keras.runs import Ledger, Run, writer

TESTS = Path(__file__).parents[1]
COMMAND = (
    "import sys; sys.path.insert(0, {tests!r})\n"
    "from runs.toy import STUDY\nfrom dagen_keras import cli, papers\n"
    "papers.KEYS, papers.get = ('toy',), lambda key: STUDY\n"
    "where = ['--cluster', 'none', '--results', {results!r}]\n"
    "sys.exit(cli.main(['run', '--profile', 'paper', *where]))"
)


def _lines(run):
    return [json.loads(line) for line in run.ledger.path.read_text().splitlines()]


def _numbers(run):
    return [record["factors"]["n"] for record in _lines(run)]


def _command(results):
    return [sys.executable, "-c", COMMAND.format(tests=str(TESTS), results=str(results))]


def _absent(*arguments, **keywords):
    raise DataError("gone")


@pytest.fixture
def run(tmp_path):
    return Run(STUDY, "paper", results=tmp_path)


@pytest.fixture
def done(run):
    assert run.compute(progress=False) == []
    return run


def test_a_grid_computes_each_cell_once(done):
    assert len(_lines(done)) == 6, "the cell that is asked for twice is computed once"
    frame = done.frame()
    assert frame["square"].tolist() == [1, 4, 9, 2, 5, 10, 1]
    assert frame["n"].tolist() == [1, 2, 3, 1, 2, 3, 1]
    assert done.missing() == {}
    done.compute(progress=False)
    assert len(_lines(done)) == 6


def test_a_record_says_what_it_depends_on_and_where_it_ran(done):
    record = _lines(done)[0]
    assert set(record) >= {"key", "backend", "versions", "finished"}
    assert {name: record[name] for name in ("study", "protocol_version", "kind", "seed")} == {
        **{"study": "toy", "protocol_version": 2, "kind": "square", "seed": 0}
    }
    assert (record["factors"], record["settings"]) == ({"n": 1}, {"power": {"exponent": 2}})
    assert (record["dataset"], record["fingerprint"]) == ("digits", done.data().fingerprint)
    assert "CPU" in record["device"]
    assert 0 <= record["seconds"] < 5 and 0 <= record["cpu_seconds"] < 5
    assert record["code"].keys() == {"commit", "clean", "source"}
    assert len(record["code"]["source"]) == 16


def test_changed_settings_compute_only_what_is_new(done, tmp_path):
    changed = Run(STUDY, "paper", {"numbers": [1, 2, 5]}, results=tmp_path)
    assert [(c.n, c.seed) for c in changed.missing().values()] == [(5, 0), (5, 1)]
    changed.compute(progress=False)
    assert len(_lines(done)) == 8
    assert done.missing() == {}
    cubes = Run(STUDY, "paper", {"power.exponent": 3}, results=tmp_path)
    assert len(cubes.missing()) == 6


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


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ("nan", "not a number of JSON"),
        ("numpy", "not a number of JSON"),
        ("factor", "a value is called like the factor 'n': rename it"),
    ],
)
def test_values_that_a_ledger_cannot_hold_fail_their_cell(run, monkeypatch, trouble, sentence):
    monkeypatch.setenv("TOY_TROUBLE", f"2:{trouble}")
    failed = run.compute(progress=False)
    assert sentence in failed[0]["error"]
    assert failed[0]["values"] == {}
    assert run.frame()["n"].tolist() == [1, 3, 1, 3, 1]


def test_an_interrupt_keeps_what_is_done_and_frees_the_directory(run, monkeypatch):
    monkeypatch.setenv("TOY_TROUBLE", "3:interrupt")
    with pytest.raises(KeyboardInterrupt):
        run.compute(progress=False)
    assert len(run.frame()) == 3
    monkeypatch.delenv("TOY_TROUBLE")
    run.compute(progress=False)
    assert len(_lines(run)) == 6


def test_fresh_starts_over_and_keeps_the_old_ledger(done):
    done.compute(progress=False, fresh=True)
    assert len(_lines(done)) == 6
    old = done.ledger.path.with_name("runs.jsonl.1.old").read_text()
    assert len(old.splitlines()) == 6


def test_data_that_cannot_be_had_leaves_the_ledger(done, tmp_path, monkeypatch):
    before = done.ledger.path.read_bytes()
    monkeypatch.setattr(datasets, "load", _absent)
    with pytest.raises(DataError):
        Run(STUDY, "paper", results=tmp_path).compute(progress=False, fresh=True)
    assert done.ledger.path.read_bytes() == before
    with pytest.raises(DataError):
        Run(STUDY, "paper", results=tmp_path / "none").compute(progress=False)


def test_a_report_needs_no_data_where_the_ledger_has_its_fingerprint(done, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "load", _absent)
    elsewhere = Run(STUDY, "paper", results=tmp_path)
    elsewhere.write_report()
    assert len(elsewhere.frame()) == 7
    page = (tmp_path / "paper" / "index.html").read_text()
    assert "6 of 6 computed" in page
    assert "bundled digits" in page


def test_without_data_a_stray_record_of_other_images_hides_none(done, tmp_path, monkeypatch):
    """Which data they were made of the ledger must say; one merged last does not speak for all."""
    record = {**done.ledger.records()[0], "key": "f" * 16, "fingerprint": "f" * 16}
    done.ledger.append(record)
    monkeypatch.setattr(datasets, "load", _absent)
    said = []
    elsewhere = Run(STUDY, "paper", results=tmp_path)
    elsewhere.write_report(said.append)
    assert len(elsewhere.frame()) == 7
    assert len(said) == 1 and "1 results are of other images called 'digits' (f" in said[0]


def test_a_report_needs_no_data_of_which_the_ledger_has_no_cell(done, tmp_path, monkeypatch):
    """A second dataset cannot be had: it is asked for once a look, not once a cell."""
    load, asked = datasets.load, []

    def without_photos(name, **arguments):
        asked.append(name)
        return _absent() if name == "photos" else load(name, **arguments)

    def cells(s, frame):
        grid = STUDY.cells(s, frame)
        return [*grid, *(dataclasses.replace(one, dataset="photos") for one in grid)]

    monkeypatch.setattr(datasets, "load", without_photos)
    both = Run(dataclasses.replace(STUDY, cells=cells), "paper", results=tmp_path)
    state = both.state()
    assert len(state.done) == 6 and len(state.missing()) == 6 and len(state.frame) == 7
    assert asked.count("photos") == 1
    both.write_report()
    assert "6 of 12 computed" in (tmp_path / "paper" / "index.html").read_text()
    before = both.ledger.path.read_bytes()
    with pytest.raises(DataError):
        both.compute(progress=False)
    assert both.ledger.path.read_bytes() == before
    asked.clear()

    def at_the_second_try(name, **arguments):
        return load(name, **arguments) if "photos" in asked else without_photos(name, **arguments)

    monkeypatch.setattr(datasets, "load", at_the_second_try)
    assert both.compute(progress=False) == []
    assert both.state().missing() == {} and len(both.frame()) == 14
    assert len(both.ledger.read()) == 12, "each cell once, by its key"


def test_a_data_set_is_loaded_once_a_process(run, monkeypatch):
    load, names = datasets.load, []

    def counted(name, **arguments):
        names.append(name)
        return load(name, **arguments)

    monkeypatch.setattr(datasets, "load", counted)
    run.compute(progress=False)
    run.report()
    run.data()
    assert names == ["digits"]


def test_a_report_reads_the_ledger_once(done, tmp_path, monkeypatch):
    lines, calls = Ledger.lines, []

    def counted(ledger):
        calls.append(ledger.path)
        return lines(ledger)

    monkeypatch.setattr(Ledger, "lines", counted)
    for load in (datasets.load, _absent):
        monkeypatch.setattr(datasets, "load", load)
        calls.clear()
        Run(STUDY, "paper", results=tmp_path).write_report()
        assert calls == [done.ledger.path]


def test_a_torn_and_a_foreign_line_lose_nothing(done):
    lines = done.ledger.path.read_text().splitlines()
    done.ledger.path.write_text("\n".join([*lines[:3], "# a remark", *lines[3:5], lines[5][:40]]))
    with pytest.warns(UserWarning, match="line 4 is not a record"):
        assert len(done.missing()) == 1
        done.compute(progress=False)
        assert done.missing() == {}


def test_the_report_is_written_from_the_ledger_alone(done, tmp_path, monkeypatch):
    for name in ("claims.json", "summary.json"):
        (done.directory / name).unlink()
    monkeypatch.setenv("TOY_TROUBLE", "1:fail")
    Run(STUDY, "paper", results=tmp_path).write_report()
    (claim,) = json.loads((done.directory / "claims.json").read_text())
    assert (claim["verdict"], claim["estimate"]) == ("not decided", None)
    summary = json.loads((done.directory / "summary.json").read_text())
    assert (summary["cells"], summary["missing"]) == (6, 0)
    assert summary["settings"]["power.exponent"] == 2
    assert (done.directory / "tables" / "squares.csv").exists()
    assert (done.directory / "figures" / "empty.png").exists()
    assert (tmp_path / "paper" / "index.html").exists()


def test_a_report_can_be_made_of_nothing(run):
    run.write_report()
    assert "0 of 6 computed" in (run.results / "paper" / "index.html").read_text()


def test_results_of_an_earlier_protocol_are_set_aside_with_a_word(done):
    current = done.ledger.path.read_text()
    early = json.dumps({**_lines(done)[0], "protocol_version": 1, "values": {"square": 77}})
    oldest = json.dumps({"key": "0", "status": "done", "values": {}})
    with done.ledger.path.open("w") as file:
        file.write(f"{early}\n{oldest}\n{current}")
    before, said = done.ledger.path.read_bytes(), []
    done.compute(progress=False, say=said.append)
    aside = done.ledger.path.with_name("runs.jsonl.1.old")
    assert said == [f"toy: results of an earlier protocol are kept in '{aside}'."]
    assert aside.read_bytes() == before
    assert done.ledger.path.read_text() == current, "later ones stay, and none is computed again"
    done.compute(progress=False, say=said.append)
    assert len(said) == 1


@pytest.mark.slow
def test_only_the_same_paper_and_profile_is_refused_while_one_writes(run, tmp_path):
    other_paper = Run(dataclasses.replace(STUDY, key="other"), "paper", results=tmp_path)
    other_profile = Run(STUDY, "quick", results=tmp_path)
    with writer(other_paper.directory), writer(other_profile.directory):
        subprocess.run(_command(tmp_path), check=True, capture_output=True)
    before = run.ledger.path.read_bytes()
    assert len(_lines(run)) == 6
    with writer(run.directory):
        done = subprocess.run(_command(tmp_path), capture_output=True, text=True)
    assert done.returncode == 2
    assert f"is being written by process {os.getpid()}" in done.stderr
    assert run.ledger.path.read_bytes() == before


@pytest.mark.slow
def test_killed_in_the_middle_the_same_command_goes_on_where_it_was(run, tmp_path):
    process = subprocess.Popen(_command(tmp_path), env={**os.environ, "TOY_TROUBLE": "3:sleep"})
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if run.ledger.path.exists() and run.ledger.path.read_text().count("\n") == 2:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = run.ledger.path.read_text()
    assert before.count("\n") == 2
    with run.ledger.path.open("a") as file:
        file.write('{"key": "torn')
    subprocess.run(_command(tmp_path), check=True, capture_output=True)
    assert run.ledger.path.read_text().startswith(before)
    keys = [record["key"] for record in _lines(run)]
    assert len(keys) == len(set(keys)) == 6
    assert run.missing() == {}


def _following(results, **changes):
    return Run(FOLLOWING, "paper", changes, results=results)


def test_what_follows_is_computed_once_in_the_same_call_after_the_first_cells(tmp_path):
    run = _following(tmp_path)
    assert len(run.cells) == len(run.missing()) == 6
    assert run.compute(progress=False) == []
    assert _numbers(run) == [1, 2, 3, 1, 2, 3, 30, 30]
    assert len(run.cells) == len(run.frame()) == 8
    assert run.frame().query("n == 30")["square"].tolist() == [900, 901]
    summary = json.loads((run.directory / "summary.json").read_text())
    assert (summary["cells"], summary["missing"]) == (8, 0)
    again = _following(tmp_path)
    assert again.missing() == {}
    again.compute(progress=False)
    assert len(_lines(again)) == 8
    again.compute(progress=False, fresh=True)
    assert _numbers(run) == [1, 2, 3, 1, 2, 3, 30, 30]


def test_what_follows_is_known_only_once_the_first_cells_are_done(tmp_path, monkeypatch):
    run = _following(tmp_path)
    monkeypatch.setenv("TOY_TROUBLE", "2:fail")
    assert len(run.compute(progress=False)) == 2
    assert {cell.n for cell in run.cells} == {1, 2, 3}
    assert {cell.n for cell in run.missing().values()} == {2}
    monkeypatch.delenv("TOY_TROUBLE")
    assert run.compute(progress=False) == []
    assert _numbers(run) == [1, 2, 3, 1, 2, 3, 2, 2, 30, 30]
    assert run.missing() == {}


def test_another_finding_is_followed_by_other_cells(tmp_path):
    run = _following(tmp_path)
    run.compute(progress=False)
    first, *others = _lines(run)
    first["values"]["square"] = 5000
    run.ledger.path.write_text("".join(json.dumps(r) + "\n" for r in (first, *others)))
    assert [cell.n for cell in run.missing().values()] == [10, 10]
    assert 30 not in set(run.frame()["n"])
    run.compute(progress=False)
    assert _numbers(run)[8:] == [10, 10]
    larger = _following(tmp_path, numbers=[2, 3, 4])
    larger.compute(progress=False)
    assert _numbers(larger)[10:] == [4, 4, 40, 40]


def test_a_cell_that_follows_and_fails_is_tried_once_a_call(tmp_path, monkeypatch):
    counts = collections.Counter()

    def counted(cell, bench):
        counts[cell.n] += 1
        if counts[cell.n] > 10:
            pytest.fail("a failing cell is tried for ever")
        return compute(cell, bench)

    study = dataclasses.replace(FOLLOWING, compute={"square": counted})
    run = Run(study, "paper", results=tmp_path)
    monkeypatch.setenv("TOY_TROUBLE", "30:fail")
    failed = run.compute(progress=False)
    assert [(record["factors"]["n"], record["seed"]) for record in failed] == [(30, 0), (30, 1)]
    assert counts == {1: 2, 2: 2, 3: 2, 30: 2}
    assert len(run.failed()) == len(run.missing()) == 2
    assert len(run.compute(progress=False)) == 2
    assert counts[30] == 4
    monkeypatch.delenv("TOY_TROUBLE")
    assert run.compute(progress=False) == []
    assert (counts[30], counts[1], run.failed()) == (6, 2, [])
