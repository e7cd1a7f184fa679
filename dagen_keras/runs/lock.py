"""One writer at a time on the results of a paper and profile."""

import contextlib
import json
import os
import platform
import sys
import time
from pathlib import Path

import filelock

from dagen_keras.checks import RunError


@contextlib.contextmanager
def writer(directory):
    """Holds a paper's results at a profile for this process; the same process may enter again.

    The lock is the operating system's, which drops it when a process ends, however it ends.

    Raises:
        RunError: if another process holds it (says which), or it cannot be written.
    """
    directory = Path(directory)
    holder = directory / ".writer.json"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(directory / ".writer.lock", timeout=0, is_singleton=True)
        lock.acquire()
    except filelock.Timeout:
        raise RunError(
            f"'{directory}' is being written by {_describe(holder)}. "
            "Wait until it ends, stop it, or use another directory (--results)."
        ) from None
    except OSError as error:
        raise RunError(f"'{directory}' cannot be written: {error}.") from error
    try:
        holder.write_text(
            json.dumps(
                {
                    "pid": os.getpid(),
                    "host": platform.node(),
                    "command": " ".join(sys.argv),
                    "since": time.strftime("%Y-%m-%d %H:%M:%S"),
                }
            )
        )
        yield
    finally:
        lock.release()


def _describe(holder):
    try:
        found = json.loads(holder.read_text())
        return (
            f"process {found['pid']} on {found['host']} ('{found['command']}', "
            f"since {found['since']})"
        )
    except (OSError, ValueError, KeyError):
        return "another process"
