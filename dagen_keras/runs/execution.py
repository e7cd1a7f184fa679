"""Computing cells: here one after the other, or by worker processes of a dask cluster."""

import collections
import contextlib
import logging
import os
import time
import traceback

from dagen_keras import tensorflow_log
from dagen_keras.checks import RunError
from dagen_keras.study.bench import Bench

# A worker process computes with one thread: two such processes do more than one of two threads.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def execute(study, cell, bench, code):
    """Computes one cell where it is called.

    Args:
        study: a `Study`.
        cell: one of its cells.
        bench: this process's `Bench`.
        code: what `code.identity` found when the run began.

    Returns:
        A record without its key. An exception is recorded (`status` "failed"), not raised.
    """
    from dagen_keras import backend

    record = _record(study, cell, code)
    start, start_cpu = time.perf_counter(), time.process_time()
    try:
        data = bench.data(cell.dataset)
        record["fingerprint"], record["data"] = data.fingerprint, data.description
        values = study.run(cell, bench)
        cell.row({**record, "values": values})  # Refuses values that are called like factors.
        record["values"] = values
    except Exception as error:
        _fail(record, error)
    bench.cell_done()
    record["seconds"] = round(time.perf_counter() - start, 3)
    record["cpu_seconds"] = round(time.process_time() - start_cpu, 3)
    record["device"] = backend.device()
    record["backend"] = backend.keras.backend.backend()
    record["versions"] = backend.versions()
    record["finished"] = time.strftime("%Y-%m-%dT%H:%M:%S")
    return record


def _record(study, cell, code):
    return {
        "status": "done",
        "study": study.key,
        "protocol_version": study.protocol_version,
        "kind": cell.kind,
        "factors": cell.factors,
        "settings": {name: group.flat() for name, group in cell.settings.items()},
        "seed": cell.seed,
        "dataset": cell.dataset,
        "cell": str(cell),
        "values": {},
        "seconds": 0.0,
        "cpu_seconds": 0.0,
        "device": None,
        "backend": None,
        "code": code,
    }


def _fail(record, error):
    record["status"] = "failed"
    record["error"] = f"{type(error).__name__}: {error}"
    record["traceback"] = "".join(traceback.format_exception(error))


def tasks(cells):
    """Cells in lists of those that share what is trained, in the order of their first ones."""
    found = collections.defaultdict(list)
    for number, cell in enumerate(cells):
        found[(cell.shares, cell.dataset) if cell.shares else number].append(cell)
    return list(found.values())


def execute_all(study, cells, bench, code, may_start, cluster=None, workers=2):
    """Yields (cell, record) as cells finish.

    Args:
        study: a `Study`.
        cells: the cells to compute, those first that decide most.
        bench: this process's `Bench`; workers have their own.
        code: what `code.identity` found when the run began.
        may_start: `may_start(cell)`, whether there is time for it; else it is left out.
        cluster: address of a dask scheduler, or "local" for worker processes here; None
            computes in this process, in order.
        workers: processes of a local cluster.

    Raises:
        RunError: if the cluster cannot be reached or goes away, if its workers have several
            threads, or if the data of one are others than those here.
    """
    if cluster is None:
        for task in tasks(cells):
            for cell in filter(may_start, task):
                yield cell, execute(study, cell, bench, code)
        return
    with _client(cluster, workers) as client:
        data = bench.data_dir, bench.download, cluster != "local"
        names = client.scheduler_info(n_workers=-1)["workers"]
        if cluster != "local":
            _check_data(client, names, {cell.dataset: None for cell in cells}, bench, data)
        yield from _on_workers(client, names, study, cells, data, code, may_start)


def _check_data(client, workers, datasets, bench, where):
    """Refuses workers whose data are not those that the cells' keys are made of."""
    asked = {
        client.submit(_fingerprint, name, *where, workers=[worker], pure=False): (worker, name)
        for worker in workers
        for name in datasets
    }
    for future, (worker, name) in asked.items():
        try:
            found = future.result()
        except Exception as error:
            raise RunError(f"the worker {worker} has no data '{name}': {error}") from error
        if found != bench.data(name).fingerprint:
            raise RunError(
                f"the data '{name}' of the worker {worker} are not those here: give it the same "
                "files, by --data-dir, or by DAGEN_DATA_DIR in the worker's environment."
            )


def _on_workers(client, workers, study, cells, data, code, may_start):
    """Each worker takes one task after the other, and of a task one cell after the other."""
    from distributed import as_completed

    waiting = collections.deque(tasks(cells))
    lanes = {name: collections.deque() for name in workers}
    running, finished = {}, as_completed()

    def submit(worker):
        while lanes[worker] or waiting:
            if not lanes[worker]:
                lanes[worker].extend(waiting.popleft())
            cell = lanes[worker].popleft()
            if may_start(cell):
                future = client.submit(
                    *(_on_worker, study, cell, data, code),
                    workers=[worker],
                    allow_other_workers=True,  # If the worker dies.
                    pure=False,
                )
                running[future] = worker, cell
                finished.add(future)
                return

    for worker in lanes:
        submit(worker)
    while running:
        future = next(finished)
        worker, cell = running.pop(future)
        try:
            record = future.result()
        except Exception as error:  # The worker is gone, say for want of memory.
            if client.status != "running":
                raise RunError(
                    "the dask scheduler does not answer any more. What is computed is in the "
                    "ledger, and the same command goes on once there is one."
                ) from error
            record = _record(study, cell, code)
            _fail(record, error)
        submit(worker)
        yield cell, record


def _on_worker(study, cell, data, code):
    return execute(study, cell, _bench(*data), code)


def _fingerprint(name, *data):
    return _bench(*data).data(name).fingerprint


def _bench(data_dir, download, elsewhere):
    """The worker's own; its machine may have the data in a place of its own."""
    from distributed import get_worker

    worker = get_worker()
    if not hasattr(worker, "bench"):
        tensorflow_log.errors_alone()  # It shares the terminal.
        data_dir = elsewhere and os.environ.get("DAGEN_DATA_DIR") or data_dir
        worker.bench = Bench(data_dir, download)
    return worker.bench


@contextlib.contextmanager
def _client(address, workers):
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise RunError("--cluster needs dask: pip install 'dagen-keras[cluster]'.") from error
    # Where something logs already, as TFDS does, dask's every step would be shown too.
    logging.getLogger("distributed").setLevel(logging.WARNING)
    with contextlib.ExitStack() as stack:
        cluster = None
        if address == "local":
            environment = {**ONE_THREAD, "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "")}
            environment = {name: value for name, value in environment.items() if value}
            stack.enter_context(
                dask.config.set({"distributed.nanny.pre-spawn-environ": environment})
            )
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                )
            )
            address = cluster.scheduler_address
        try:
            client = stack.enter_context(Client(address, timeout=10))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"no dask scheduler answers at {address!r}: {error}.") from error
        if cluster:
            _stop_web_servers(cluster, client)
        found = client.scheduler_info(n_workers=-1)["workers"].values()
        if any(worker["nthreads"] > 1 for worker in found):
            raise RunError(
                "the workers of the cluster must have one thread each, because Keras's seeds "
                "are a process's: start them with `dask worker ADDRESS --nthreads 1`."
            )
        if not found:
            raise RunError(f"the dask scheduler at {address!r} has no workers: start some.")
        yield client


def _stop_web_servers(cluster, client):
    """Stops the servers of pages on its state that dask starts even without its dashboard."""
    from distributed import WorkerPlugin

    class WithoutWebServer(WorkerPlugin):  # A worker that takes a dead one's place gets it too.
        def setup(self, worker):
            worker.http_server.stop()

    async def stop():
        cluster.scheduler.http_server.stop()

    cluster.sync(stop)
    client.register_plugin(WithoutWebServer())
