"""The code of README.md and docs/ runs as it stands, at a few epochs.

But what is fenced as "py" does not: it needs a machine that is not here.
"""

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
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
