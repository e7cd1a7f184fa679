"""Computing cells: here one after the other, or on a dask cluster."""

import contextlib
import functools
import time
import traceback

from dagen_keras import datasets
from dagen_keras.runs.paper import RunError


@functools.lru_cache(maxsize=4)
def load_data(name, data_dir, download=True):
    """The dataset, read once a process."""
    return datasets.load(name, data_dir=data_dir, download=download)


def execute(paper, cell, data_dir):
    """Computes one cell where it is called.

    Returns:
        A record without its key. An exception is recorded (`status` "failed"), not raised.
    """
    from dagen_keras import backend

    start = time.perf_counter()
    record = _record(paper, cell)
    try:
        data = load_data(cell.dataset, data_dir)
        record["fingerprint"] = data.fingerprint
        record["data"] = data.description
        record["values"] = paper.compute(cell.parameters, cell.seed, data)
    except Exception as error:
        _fail(record, error)
    record["seconds"] = round(time.perf_counter() - start, 3)
    record["device"] = backend.device()
    record["backend"] = backend.keras.backend.backend()
    record["versions"] = backend.versions()
    record["finished"] = time.strftime("%Y-%m-%dT%H:%M:%S")
    return record


def _record(paper, cell):
    return {
        "status": "done",
        "paper": paper.key,
        "protocol_version": paper.protocol_version,
        "table": cell.table,
        "row": cell.row,
        "column": cell.column,
        "seed": cell.seed,
        "dataset": cell.dataset,
        "parameters": cell.parameters,
        "values": {},
    }


def _fail(record, error):
    record["status"] = "failed"
    record["error"] = f"{type(error).__name__}: {error}"
    record["traceback"] = "".join(traceback.format_exception(error))


def execute_all(paper, cells, data_dir, cluster=None):
    """Yields (cell, record) as cells finish.

    Args:
        paper: a `Paper`.
        cells: the cells to compute.
        data_dir: where datasets are, on every machine that computes.
        cluster: address of a dask scheduler, or "local" for worker processes here; None
            computes in this process, in order.

    Raises:
        RunError: if the cluster cannot be reached, or its workers have several threads.
    """
    if cluster is None:
        for cell in cells:
            yield cell, execute(paper, cell, data_dir)
        return
    with _client(cluster) as client:
        from distributed import as_completed

        futures = {client.submit(execute, paper, c, data_dir, pure=False): c for c in cells}
        for future in as_completed(list(futures)):
            cell = futures[future]
            try:
                record = future.result()
            except Exception as error:  # The worker is gone, say for want of memory.
                record = {**_record(paper, cell), "seconds": 0.0}
                _fail(record, error)
            yield cell, record


@contextlib.contextmanager
def _client(address):
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise RunError("--cluster needs dask: pip install 'dagen-keras[cluster]'.") from error
    with contextlib.ExitStack() as stack:
        if address == "local":
            address = stack.enter_context(
                LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
            )
        try:
            client = stack.enter_context(Client(address, timeout=10))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"no dask scheduler answers at {address!r}: {error}.") from error
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        if any(worker["nthreads"] > 1 for worker in workers):
            raise RunError(
                "the workers of the cluster must have one thread each, because Keras's seeds "
                "are a process's: start them with `dask worker ADDRESS --nthreads 1`."
            )
        yield client
