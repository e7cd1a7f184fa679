"""A badge in front of each notebook that opens it in Colab, and a cell that installs the project.

`python notebooks/colab.py OWNER/NAME` writes both, for a project that is on GitHub under this name;
without a name it takes them out again.
"""

import json
import re
import sys
from pathlib import Path

NOTEBOOKS = Path(__file__).parent
BADGE = """\
[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]\
(https://colab.research.google.com/github/{name}/blob/main/notebooks/{path})"""
INSTALL = """\
# In Colab this fetches the project and installs it; elsewhere it does nothing.
import sys

if "google.colab" in sys.modules:
    !git clone -q --depth 1 https://github.com/{name}.git /content/project
    %cd -q /content/project/notebooks/{folder}
    %pip install -q -e "/content/project[tensorflow,tfds,papers]"
    sys.path.insert(0, "/content/project")"""


def opened_in_colab(notebook, name, path):
    """The notebook, JSON that lies at `path` among them, with these cells; without, if no name."""
    cells = [cell for cell in notebook["cells"] if not cell["id"].startswith("colab-")]
    if name:
        texts = {"name": name, "path": path.as_posix(), "folder": path.parent.as_posix()}
        install = _cell("code", INSTALL, texts, execution_count=None, outputs=[])
        cells = [_cell("markdown", BADGE, texts), install, *cells]
    return {**notebook, "cells": cells}


def _cell(kind, text, texts, **more):
    source = text.format(**texts).splitlines(keepends=True)
    return {"cell_type": kind, "id": f"colab-{kind}", "metadata": {}, "source": source, **more}


def main(name="", root=NOTEBOOKS):
    if name and not re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII):
        sys.exit(f"A project on GitHub is OWNER/NAME; got '{name}'.")
    for path in sorted(root.glob("**/[0-9]*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook = opened_in_colab(notebook, name, path.relative_to(root))
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
