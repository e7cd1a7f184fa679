"""The code of README.md and docs/ runs as it stands, at a few epochs, and links lead somewhere.

But what is fenced as "py" does not run: it takes long, or needs a machine that is not here.
"""

import importlib
import json
import re
from pathlib import Path

import numpy as np
import papers_table
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKING = [*PAGES, *(ROOT / name for name in ("CONTRIBUTING.md", "data/README.md"))]
LINKING += [ROOT / "benchmarks/README.md", *sorted((ROOT / "notebooks").rglob("*.ipynb"))]
PAGES = [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")]


def code_of(page):
    """A page's Python, in one, with lines where they are on the page; at most 2 epochs."""
    text, found = page.read_text(encoding="utf-8"), []
    inside = False
    for line in text.splitlines():
        fence = line.startswith("```")
        found.append(line if inside and not fence else "")
        if fence:
            inside = line == "```python"
    return re.sub(r"(epochs|n_steps|every|chain_length)=\d+", r"\1=2", "\n".join(found))


@pytest.fixture
def namespace(digits):
    """What the README's code takes as given: images and labels of one's own, and a classifier."""
    from dagen_keras import models, sampling

    rows = np.concatenate([np.flatnonzero(digits.y_train == c)[: 10 + c] for c in (2, 3)])
    x, y = digits.x_train[rows, ::2, ::2], digits.y_train[rows]
    return {
        "np": np,
        "sampling": sampling,
        "x": x,
        "y": y,
        "classifier": models.conv_classifier(2, x.shape[1:]),
        "real_images": x,
        "generated_images": x[::-1] * 0.9,
    }


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.filterwarnings("ignore:.*no more images than features")
@pytest.mark.filterwarnings("ignore:.*ended above its start")
def test_the_code_of_a_page_runs(page, namespace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = code_of(page)
    given = {} if page.parent.name == "docs" else namespace
    exec(compile(code, page.name, "exec"), given)


def prose_of(page):
    """A page's Markdown, that of a notebook's cells too, without code."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)


def anchors_of(page):
    """What a link to a part of a page may name: its headings, as GitHub writes them, and ids."""
    prose = prose_of(page)
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.M)
    slugs = [re.sub(r"[^\w\- ]", "", heading).strip().lower() for heading in headings]
    return {slug.replace(" ", "-") for slug in slugs} | set(re.findall(r'id="([^"]+)"', prose))


def broken_links(page):
    """The relative links of a page that lead to no file, or to no part of it."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, part = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (part and part not in anchors_of(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page):
    assert broken_links(page) == []


def test_a_broken_link_is_found(tmp_path):
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# A part, of it\n")
    links = ["other.md", "other.md#a-part-of-it", "#here", "https://x.org/a", "../gone.md", "#gone"]
    links += ["other.md#gone"]
    text = "# Here\n" + " ".join(f"[a]({link})" for link in links) + "\n```\n[a](code.md)\n```\n"
    page.write_text(text)
    broken = ["../gone.md", "#gone", "other.md#gone"]
    assert broken_links(page) == broken
    notebook = tmp_path / "notebook.ipynb"
    cells = [{"cell_type": "markdown", "source": [text]}, {"cell_type": "code", "source": [text]}]
    notebook.write_text(json.dumps({"cells": cells}))
    assert broken_links(notebook) == broken


def test_the_readme_is_short_and_has_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    for command in ("python run_all.py", "pytest"):
        assert f"\npip install -r requirements.txt && {command}\n" in text


def test_the_readme_has_the_table_of_papers():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == papers_table.written(text, papers_table.table()), (
        "python tests/papers_table.py writes it anew."
    )


def test_the_table_counts_verdicts_and_computed_cells(tmp_path):
    for key, paper in (("one", "02_one"), ("two", "01_two")):
        place = tmp_path / "dagen_keras" / "papers" / key
        place.mkdir(parents=True)
        words = {"title": key.title(), "reference": "R.", "question": "Q?", "notebook": paper}
        toml = "".join(f'{name} = "{value}"\n' for name, value in words.items())
        (place / "paper.toml").write_text(toml)
    results = tmp_path / "results" / "overnight" / "one"
    results.mkdir(parents=True)
    verdicts = ["reproduced", "not decided", "not decided"]
    (results / "claims.json").write_text(json.dumps([{"verdict": v} for v in verdicts]))
    (results / "summary.json").write_text(json.dumps({"cells": 9, "missing": 2}))
    rows = papers_table.table(tmp_path)
    assert rows == papers_table.HEAD + (
        "| `two` | [Two](notebooks/01_two), R. | Q? | not computed yet |\n"
        "| `one` | [One](notebooks/02_one), R. | Q? | 2 not decided, 1 reproduced; "
        "7 of 9 cells computed |\n"
    )
    old = papers_table.BEGIN + "old\n" + papers_table.END
    new = papers_table.BEGIN + rows + papers_table.END
    assert papers_table.written(f"a\n{old}b\n", rows) == f"a\n{new}b\n"


@pytest.mark.parametrize("name", ["advice", "released_training"])
def test_a_table_of_measurements_is_made_of_their_lines(name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    lines = (ROOT / f"benchmarks/{name}.jsonl").read_text(encoding="utf-8").splitlines()
    table = importlib.import_module(name).table([json.loads(line) for line in lines])
    assert table in (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
