"""A real dask scheduler and its workers, and what becomes of a run when one of them is gone."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from runs.toy import SLOW, STUDY

from dagen_keras.runs import Run, RunError, execution

pytest.importorskip("distributed")
TESTS = Path(__file__).parents[1]
HERE = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file"]


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers, as `dask scheduler` and `dask worker` start them."""
    from distributed import Client

    environment = {**os.environ, "PYTHONPATH": str(TESTS), "TF_CPP_MIN_LOG_LEVEL": "3"}
    file, processes = tmp_path / "scheduler.json", []

    def start(what, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *HERE, file, *arguments]
        with open(tmp_path / f"{len(processes)}.log", "w") as log:
            processes.append(
                subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path)
            )
        return processes[-1]

    try:
        scheduler = start("scheduler", "--port", "0")
        workers = [start("worker", "--nthreads", "1", "--no-nanny") for _ in range(2)]
        until(file.exists)
        address = json.loads(file.read_text())["address"]
        with Client(address) as client:
            client.wait_for_workers(2, timeout=120)
        yield SimpleNamespace(address=address, scheduler=scheduler, workers=workers)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def until(is_so, seconds=120):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def killed_after(n, run, process):
    """Kills a process once so many cells of a run are in its ledger."""

    def kill():
        until(lambda: len(run.ledger.read()) >= n)
        process.kill()

    threading.Thread(target=kill, daemon=True).start()


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_time_and_a_scheduler_the_run_but_no_result(
    cluster, tmp_path
):
    there, here, broken = (
        Run(study, "paper", {"seeds": 4}, results=tmp_path / name)
        for study, name in ((SLOW, "there"), (STUDY, "here"), (SLOW, "broken"))
    )
    killed_after(3, there, cluster.workers[0])
    assert there.compute(progress=False, cluster=cluster.address) == []
    here.compute(progress=False)
    assert there.ledger.read().keys() == here.ledger.read().keys()
    assert there.frame()["square"].tolist() == here.frame()["square"].tolist()
    computed = there.frame()["process"].value_counts()
    killed, other = (computed.get(worker.pid, 0) for worker in cluster.workers)
    assert 1 <= killed <= 4 and killed + other == 13, "the first cell stands twice in the frame"

    killed_after(3, broken, cluster.scheduler)
    with pytest.raises(RunError, match="scheduler does not answer any more.* goes on once"):
        broken.compute(progress=False, cluster=cluster.address)
    done = broken.ledger.read()
    assert 3 <= len(done) < 12 and {record["status"] for record in done.values()} == {"done"}
    assert broken.compute(progress=False) == []
    assert broken.ledger.read().items() >= done.items() and len(broken.ledger.read()) == 12


class Client:
    """One that computes at once, as if on a worker of another machine."""

    def __init__(self, fingerprint):
        self.fingerprint = fingerprint

    def submit(self, function, name, *where, workers, pure):
        assert function is execution._fingerprint and where == ("/data", False, True)
        return Future(self.fingerprint, workers, name)


class Future:
    def __init__(self, *call):
        self.call = call

    def result(self):
        function, *arguments = self.call
        return function(*arguments)


def test_workers_whose_data_are_others_are_refused_before_the_first_cell():
    bench = SimpleNamespace(data=lambda name: SimpleNamespace(fingerprint=f"of {name}"))

    def check(fingerprint):
        names, where = ["digits", "mnist"], ("/data", False, True)
        execution._check_data(Client(fingerprint), ["tcp://a", "tcp://b"], names, bench, where)

    check(lambda workers, name: f"of {name}")
    with pytest.raises(RunError, match="'mnist' of the worker tcp://b are not those here: give"):
        check(
            lambda workers, name: (
                "other" if (workers, name) == (["tcp://b"], "mnist") else f"of {name}"
            )
        )

    def absent(workers, name):
        raise OSError("nothing in /data")

    with pytest.raises(RunError, match="worker tcp://a has no data 'digits': nothing in /data"):
        check(absent)


def test_a_worker_logs_tensorflows_errors_alone(monkeypatch, caplog):
    caplog.set_level(logging.WARNING, "tensorflow")  # Its level comes back afterwards.
    monkeypatch.setattr("distributed.get_worker", SimpleNamespace)
    execution._bench(None, False, False)
    logging.getLogger("tensorflow").warning("traced anew")
    assert caplog.records == []


def test_a_worker_elsewhere_reads_its_own_data_directory(monkeypatch):
    worker = SimpleNamespace()
    monkeypatch.setattr("distributed.get_worker", lambda: worker)
    monkeypatch.setenv("DAGEN_DATA_DIR", "/mine")
    assert execution._bench("/given", False, True).data_dir == "/mine"
    assert execution._bench("/other", True, True) is worker.bench, "once a process"
    del worker.bench
    assert execution._bench("/given", False, False).data_dir == "/given", "as it was told here"
    del worker.bench
    monkeypatch.delenv("DAGEN_DATA_DIR")
    assert execution._bench("/given", False, True).data_dir == "/given"
