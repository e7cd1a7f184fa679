"""Where cells are computed, in which order, and until when."""

import collections
import dataclasses
import shutil
import socket
from pathlib import Path

import pytest
from runs.toy import SHARED, STUDY, fitted

from dagen_keras import backend
from dagen_keras.runs import Run, RunError, code, execution
from dagen_keras.runs.execution import tasks
from dagen_keras.runs.times import Times

TESTS = Path(__file__).parents[1]


def test_cells_that_share_follow_each_other():
    settings = SHARED.settings("paper")
    cells = SHARED.cells(settings, None)
    assert [c.seed for c in cells] == [0, 1] * 3
    assert [[(c.n, c.seed) for c in task] for task in tasks(cells)] == [
        [(1, 0), (2, 0), (3, 0)],
        [(1, 1), (2, 1), (3, 1)],
    ]
    elsewhere = [dataclasses.replace(c, dataset="photos") for c in cells]
    assert len(tasks(cells + elsewhere)) == 4
    alone = STUDY.cells(settings, None)
    assert tasks(alone) == [[cell] for cell in alone]


def test_what_is_shared_is_neither_in_the_key_nor_in_the_values(tmp_path):
    """What `test_what_is_shared_is_fitted_once` counts is all that differs."""
    found = []
    for name in ("alone", "sharing"):
        study = (
            SHARED if name == "sharing" else dataclasses.replace(STUDY, compute={"square": fitted})
        )
        run = Run(study, "paper", results=tmp_path / name)
        run.compute(progress=False)
        frame = run.frame().drop_duplicates(["n", "seed"]).sort_values(["n", "seed"])
        found.append((frame["square"].tolist(), set(run.ledger.read())))
    assert found[0] == found[1]


@pytest.mark.slow
def test_a_cluster_fills_the_same_ledger_and_fits_nothing_twice(tmp_path, monkeypatch, caplog):
    pytest.importorskip("distributed")
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    runs = []
    for name, cluster in (("cluster", "local"), ("here", None)):
        run = Run(SHARED, "paper", {"seeds": 4}, results=tmp_path / name)
        assert run.compute(progress=False, cluster=cluster) == []
        assert run.frame().groupby("seed")["fit"].nunique().tolist() == [1, 1, 1, 1]
        runs.append(run)
    there, here = runs
    assert there.ledger.read().keys() == here.ledger.read().keys()
    assert there.frame()["square"].tolist() == here.frame()["square"].tolist()
    processes = {fit.split()[0] for fit in there.frame()["fit"]}
    assert len(processes) == 2
    assert processes.isdisjoint({fit.split()[0] for fit in here.frame()["fit"]})
    assert len({record["code"]["source"] for record in there.ledger.records()}) == 1
    assert [said.message for said in caplog.records if said.levelname == "INFO"] == []


def _listening():
    """The addresses at which this process and those that it started listen."""
    psutil = pytest.importorskip("psutil")
    this = psutil.Process()
    connections = [c for p in (this, *this.children(recursive=True)) for c in p.net_connections()]
    return {tuple(c.laddr) for c in connections if c.status == psutil.CONN_LISTEN}


def _speaks_http(address):
    with socket.create_connection(address, timeout=5) as connection:
        connection.settimeout(2)
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            return b"HTTP/" in connection.recv(100)
        except OSError:
            return False


@pytest.mark.slow
def test_a_local_cluster_listens_on_this_machine_alone_and_serves_no_pages():
    pytest.importorskip("distributed")
    before = _listening()
    with execution._client("local", 2) as client:
        opened = _listening() - before
        assert len(opened) == 5, "of a scheduler, and of two workers, each with its nanny"
        assert {host for host, _ in opened} == {"127.0.0.1"}
        assert [address for address in opened if _speaks_http(address)] == []
        worker = min(client.scheduler_info(n_workers=-1)["workers"])
        client.restart_workers([worker])
        assert [a for a in _listening() - before if _speaks_http(a)] == []
        assert client.submit(abs, -3).result(timeout=60) == 3


@pytest.mark.slow
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://127.0.0.1:99999", "http://x", ""])
def test_a_cluster_that_does_not_answer_is_named(tmp_path, address):
    pytest.importorskip("distributed")
    run = Run(STUDY, "paper", results=tmp_path)
    with pytest.raises(RunError, match=f"no dask scheduler answers at '{address}'"):
        run.compute(progress=False, cluster=address)


class Clock:
    """Time that passes only when a cell of a stub computes: ten seconds for each."""

    now = 1000.0

    def __getattr__(self, name):
        import time

        return getattr(time, name)

    def monotonic(self):
        return self.now

    perf_counter = process_time = monotonic


@pytest.fixture
def timed(tmp_path, monkeypatch):
    """A run of six cells that take ten seconds each."""
    clock = Clock()
    monkeypatch.setattr("dagen_keras.runs.run.time", clock)
    monkeypatch.setattr("dagen_keras.runs.execution.time", clock)

    def slow(cell, bench):
        clock.now += 10
        return {"square": 1}

    return Run(dataclasses.replace(STUDY, compute={"square": slow}), "paper", results=tmp_path)


@pytest.mark.parametrize(("limit", "computed"), [(0, 0), (1, 1), (35, 3), (1000, 6)])
def test_no_cell_starts_that_would_not_end_in_time(timed, limit, computed):
    """Of the first no time is known, so it starts while there is any."""
    said = []
    assert timed.compute(progress=False, time_limit=limit, say=said.append) == []
    took = [(record["seconds"], record["cpu_seconds"]) for record in timed.ledger.records()]
    assert took == [(10, 10)] * computed
    left = 6 - computed
    sentence = f"toy: {left} cells were not started, for want of time; the same command goes on."
    assert said == ([sentence] if left else [])
    page = timed.results / "paper" / "index.html"
    assert page.exists() == (computed > 0)  # Of nothing there is no report.
    assert not computed or f"{computed} of 6 computed" in page.read_text()
    timed.compute(progress=False, say=said.append)
    assert timed.missing() == {}


def test_times_are_those_of_like_cells_else_of_their_kind():
    cells = {c.n: c for c in STUDY.cells(STUDY.settings("quick"), None)}
    times = Times()
    assert times.of("square", {"n": 1}) is None
    assert times.total(cells.values()) == 0
    record = {"status": "done", "kind": "square", "seconds": 4.0, "device": backend.device()}
    times.add({**record, "factors": {"n": 1}})
    times.add({**record, "factors": {"n": 2}, "seconds": 80.0, "cpu_seconds": 8.0})
    times.add({**record, "factors": {"n": 1}, "seconds": 99.0, "status": "failed"})
    assert [times.of("square", {"n": n}) for n in (1, 2, 3)] == [4.0, 8.0, 6.0]
    assert times.of("other", {"n": 1}) is None
    assert times.total(cells.values()) == 18
    other = dataclasses.replace(cells[1], kind="other")
    assert times.total([cells[1], cells[2], other]) == 18, "as the mean of the others"
    times.add({**record, "factors": {"n": 3}, "seconds": 0.1, "device": "a faster one"})
    times.add({**record, "factors": {"n": 1}, "kind": "other", "device": "a faster one"})
    assert [times.of("square", {"n": n}) for n in (1, 2, 3)] == [4.0, 8.0, 6.0]
    assert times.of("other", {"n": 1}) == 4.0, "where no device like this one tells"


def test_the_source_is_known_by_its_content(tmp_path, monkeypatch):
    package = tmp_path / "dagen_keras"
    package.mkdir()
    (package / "one.py").write_text("a = 1\n")
    (package / "table.csv").write_text("a\n")
    monkeypatch.setattr(code, "PACKAGE", package)
    found = [code.identity()]
    (package / "table.csv").write_text("b\n")
    assert code.identity() == found[0]
    for name, text in (("one.py", "a = 2\n"), ("two.py", ""), ("one.py", "a = 1\n")):
        (package / name).write_text(text)
        found.append(code.identity())
    assert len({identity["source"] for identity in found}) == 4
    assert (found[0]["commit"], found[0]["clean"]) == (None, None)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_is_clean_unless_a_file_that_is_no_result_changed(tmp_path, monkeypatch):
    import subprocess

    def git(*arguments):
        name = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", str(tmp_path), *name, *arguments], check=True)

    package, results = tmp_path / "dagen_keras", tmp_path / "results"
    package.mkdir(), results.mkdir()
    (package / "one.py").write_text("a = 1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    monkeypatch.setattr(code, "PACKAGE", package)
    first = code.identity()
    assert len(first["commit"]) == 40
    assert first["clean"] is True
    (results / "runs.jsonl").write_text("{}\n")
    assert code.identity()["clean"] is True
    (tmp_path / "new.txt").write_text("")
    assert code.identity()["clean"] is False


def test_the_fits_of_a_process_are_counted_by_cell(tmp_path):
    """One task after the other, also in this process: what is shared is fitted once."""
    run = Run(SHARED, "paper", {"seeds": 6}, results=tmp_path)
    run.compute(progress=False)
    fits = collections.Counter(run.frame()["fit"])
    assert sorted(fits.values()) == [3] * 6, "more seeds than fits are kept"
