"""TensorFlow, imported without the lines that it logs before any setting can stop them."""

import contextlib
import importlib.machinery
import logging
import os
import re
import sys
import tempfile

# Information and warnings of C++, such as that oneDNN is on or that there is no GPU.
LINES = re.compile(rb"^(?:[IW]0000 |WARNING: All log messages before absl).*\n?", re.MULTILINE)


def drop_at_import() -> None:
    """From now on; whatever else is written meanwhile is shown when the import has ended."""
    sys.meta_path.insert(0, _Finder)


def errors_alone() -> None:
    """From now on TensorFlow and absl log no warnings: of graphs made anew, of foreign folders."""
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)


class _Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = _lines_dropped()(spec.loader.exec_module)
        return spec


@contextlib.contextmanager
def _lines_dropped():
    try:
        kept = os.dup(2)
    except OSError:  # There is nowhere to write to.
        yield
        return
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            written.seek(0)
            os.write(2, LINES.sub(b"", written.read()))
