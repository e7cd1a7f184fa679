"""The README's table of papers, of their `paper.toml` and of `results/overnight`.

`python tests/papers_table.py` writes it into the README.
"""

import json
import tomllib
from pathlib import Path

from dagen_keras.runs.formatting import counted

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- papers: python tests/papers_table.py -->\n", "<!-- end of papers -->\n"
HEAD = "| Key | Paper and notebook | It asks | Its claims here |\n| --- | --- | --- | --- |\n"


def table(root=ROOT):
    """The rows as Markdown, one a paper, in the order of the notebooks."""
    found = {}
    for path in (root / "dagen_keras" / "papers").glob("*/paper.toml"):
        paper, key = tomllib.loads(path.read_text(encoding="utf-8")), path.parent.name
        title = f"[{paper['title']}](notebooks/{paper['notebook']}), {paper['reference']}"
        verdicts = verdicts_of(root / "results" / "overnight" / key)
        found[paper["notebook"]] = f"| `{key}` | {title} | {paper['question']} | {verdicts} |\n"
    return HEAD + "".join(found[name] for name in sorted(found))


def verdicts_of(directory):
    """How often each verdict was given, and how many of the cells are computed."""
    if not (directory / "claims.json").exists():
        return "not computed yet"
    claims, summary = (
        json.loads((directory / name).read_text(encoding="utf-8"))
        for name in ("claims.json", "summary.json")
    )
    done = f"{summary['cells'] - summary['missing']} of {summary['cells']} cells computed"
    return f"{counted(claims)}; {done}"


def written(readme, rows):
    """The README's text with these rows between its markers."""
    before, rest = readme.split(BEGIN)
    return before + BEGIN + rows + END + rest.split(END)[1]


if __name__ == "__main__":
    page = ROOT / "README.md"
    page.write_text(written(page.read_text(encoding="utf-8"), table()), encoding="utf-8")
