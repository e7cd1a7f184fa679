"""One writer at a time on the results of a paper and profile."""

import contextlib
import json
import os
import platform
import sys
import time
from pathlib import Path

import filelock

from dagen_keras import files
from dagen_keras.checks import RunError

try:
    import fcntl
except ModuleNotFoundError:  # Windows, where a file that is open cannot be removed.
    fcntl = None


@contextlib.contextmanager
def writer(directory):
    """Holds a paper's results at a profile for this process; the same process may enter again.

    The locks are the operating system's, which drops them when a process ends, however it ends.
    One is on a file, the other on the directory, which holds if the file is removed meanwhile.

    Raises:
        RunError: if another process holds it (says which), or it cannot be written.
    """
    directory = Path(directory)
    holder = directory / ".writer.json"
    with contextlib.ExitStack() as stack:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(directory / ".writer.lock", timeout=0, is_singleton=True)
            stack.enter_context(lock)
            if lock.lock_counter == 1:  # This process did not hold it before.
                stack.enter_context(_locked(directory))
        except (filelock.Timeout, BlockingIOError):
            raise RunError(
                f"'{directory}' is being written by {_describe(holder)}. "
                "Wait until it ends, stop it, or use another directory (--results)."
            ) from None
        except OSError as error:
            raise RunError(f"'{directory}' cannot be written: {error}.") from error
        said = {
            "pid": os.getpid(),
            "host": platform.node(),
            "command": " ".join(sys.argv),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        files.write(holder, json.dumps(said))
        yield


@contextlib.contextmanager
def _locked(directory):
    """Locks a directory itself, where the system can: not Windows, nor some network file systems.

    Raises:
        BlockingIOError: if another process has locked it.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            pass  # The lock on the file is left.
        yield
    finally:
        os.close(handle)


def _describe(holder):
    try:
        found = json.loads(holder.read_text(encoding="utf-8"))
        return (
            f"process {found['pid']} on {found['host']} ('{found['command']}', "
            f"since {found['since']})"
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
