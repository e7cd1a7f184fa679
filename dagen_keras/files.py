"""Writing a file whole or not at all."""

import contextlib
import errno
import os
import tempfile

from dagen_keras.checks import RunError

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # No space left, or no quota.


def write(path, content):
    """Writes the file whole or not at all: another process may read or write it meanwhile.

    Args:
        path: the file, which is replaced; its directory is there.
        content: bytes, or text, which becomes UTF-8.

    Raises:
        RunError: if it cannot be written, say as the disk is full; names the file.
    """
    if isinstance(content, str):
        content = content.encode("utf-8", errors="backslashreplace")  # No UTF-8: lone surrogates.
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise RunError(f"'{path}' cannot be written: {error.strerror or error}.") from error
