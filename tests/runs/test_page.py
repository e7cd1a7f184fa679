import functools
import http.server
import json
import re
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from runs.toy import STUDY

from dagen_keras.runs import Run
from dagen_keras.runs.page import duration, write_index
from dagen_keras.study import Decided, Decision, Listed

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

PROBE = """<!doctype html><title>probe</title><link rel="icon" href="data:,">
<iframe id="page" src="quick/index.html" style="width:390px;height:2000px;border:0"></iframe>
<pre id="found">waiting</pre>
<script>
document.getElementById("page").addEventListener("load", (event) => {
  const page = event.target.contentDocument;
  const images = [...page.images];
  document.getElementById("found").textContent = JSON.stringify({
    title: page.title,
    images: images.length,
    broken: images.filter((i) => !i.complete || i.naturalWidth === 0).map((i) => i.src),
    width: page.documentElement.scrollWidth,
    tables: [...page.querySelectorAll("table")].map((t) =>
      page.getElementById(t.getAttribute("aria-labelledby")).textContent),
    claims: page.querySelectorAll(".verdict").length,
    without_alt: images.filter((i) => !i.alt).length,
  });
});
</script>
"""


@pytest.fixture
def results(tmp_path):
    Run(STUDY, "quick", {"numbers": list(range(1, 30))}, results=tmp_path).compute(progress=False)
    return tmp_path


def test_the_page_tells_question_data_device_claims_and_units(results):
    text = (results / "quick" / "index.html").read_text()
    for expected in (
        "How large is a square?",
        "Squares of &lt;numbers&gt;",
        "[units]",
        "bundled digits",
        "CPU",
        "not decided",
        "29 of 29 computed",
        "A note.",
        "Counted.",
    ):
        assert expected in text
    assert not re.search(r"(src|href)=.https?:", text), "the page needs no network"


def test_sentences_on_a_claim_stand_apart(tmp_path):
    """Numbers, what so many pairs show, the paper's, the margin: a space between any two."""
    listed = Listed("toy", "1", "larger", "Squares grow", "units", size=3.0, margin=1.0)
    found = {"estimate": 2.0, "low": 1.0, "high": 3.0, "p_value": 0.5, "n": 8, "detectable": 4.0}
    claim = Decision("1", lambda frame, listed: Decided.of(listed, **found))
    study = replace(STUDY, claims=[claim], listed={"1": listed})
    Run(study, "quick", results=tmp_path).compute(progress=False)
    text = re.sub(r"<[^>]*>|\s+", " ", (tmp_path / "quick" / "index.html").read_text())
    said = " 8 pairs. So many pairs show 4 with 80 % power. Paper: 3 units. Margin: 1 units. "
    assert said in text


def _renamed(name):
    """The toy with its table under another name."""
    return replace(STUDY, tables={name: STUDY.tables["squares"]})


def test_files_of_an_earlier_report_do_not_stay(results):
    toy = results / "quick" / "toy"
    Run(_renamed("old"), "quick", results=results).write_report()
    assert [path.name for path in (toy / "tables").iterdir()] == ["old.csv"]
    Run(STUDY, "quick", results=results).write_report()
    assert [path.name for path in (toy / "tables").iterdir()] == ["squares.csv"]


def test_a_report_removes_no_file_that_it_did_not_write(results):
    toy = results / "quick" / "toy"
    own = [toy / "tables" / "mine.csv", toy / "tables" / "more" / "squares.csv"]
    own += [toy / "figures" / "mine.png", toy / "figures" / "sketch.txt"]
    (toy / "tables" / "more").mkdir()
    for path in own:
        path.write_text("mine", encoding="utf-8")
    Run(_renamed("other"), "quick", results=results).write_report()
    assert [path.read_text(encoding="utf-8") for path in own] == ["mine"] * 4
    assert not (toy / "tables" / "squares.csv").exists()


@pytest.mark.parametrize("name", ["../../x", "more", "", "x\0", ["x"], None])
def test_names_in_a_foreign_summary_remove_nothing_elsewhere(results, name):
    toy = results / "quick" / "toy"
    summary = json.loads((toy / "summary.json").read_text(encoding="utf-8"))
    names = [name, name if not isinstance(name, str) else str(results / "x")]
    summary["tables"] = [{"name": name} for name in names]
    (toy / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    (toy / "tables" / "more.csv").mkdir()
    for path in (results / "x.csv", results / "quick" / "x.csv", toy / "x.csv"):
        path.write_text("mine", encoding="utf-8")
    before = sorted(results.rglob("*"))
    Run(STUDY, "quick", results=results).write_report()
    assert sorted(results.rglob("*")) == before


DEEP = "[" * 5000 + "]" * 5000
DAMAGE = {
    **{"empty": b"", "truncated": b'{"key": "other", "ti', "not UTF-8": b'{"key": "\xff\xfe"}'},
    **{"UTF-16": "{}".encode("utf-16"), "a list": b"[1, 2]", "a number": b"3", "null": b"null"},
    **{"no keys": b"{}", "no entries": b"[{}]", "deep": DEEP.encode(), "text": b'"text"'},
    **{"deep within": b'{"tables": ' + DEEP.encode() + b"}", "missing": None},
}


OTHER = replace(STUDY, key="other", title="Cubes")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Reports of the toy and of another paper, made once."""
    results = tmp_path_factory.mktemp("reports")
    for study in (STUDY, OTHER):
        Run(study, "quick", results=results).compute(progress=False)
    return results


@pytest.fixture
def two(reports, tmp_path):
    """The directory of a profile with both reports."""
    return Path(shutil.copytree(reports / "quick", tmp_path / "quick"))


def _damage(path, content):
    path.unlink()
    if content is not None:
        path.write_bytes(content)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["summary.json", "claims.json"])
def test_a_damaged_report_is_named_on_the_page_and_stops_no_other(two, name, damage):
    _damage(two / "other" / name, DAMAGE[damage])
    write_index(two)
    text = (two / "index.html").read_text(encoding="utf-8")
    assert "How large is a square?" in text
    assert '<section id="toy">' in text and '<section id="other">' not in text
    if (name, damage) == ("summary.json", "missing"):
        assert "cannot be read" not in text, "no report was ever written"
        return
    (said,) = re.findall(r"<li>(other: .*)</li>", text)
    assert "<code>python run_all.py other --profile quick --no-compute</code>" in said
    assert len(said) < 400
    assert str(two.parent) not in text, "the page is of no machine"


def test_a_damaged_report_is_made_again_beside_the_others(two):
    (two / "other" / "summary.json").write_text("[]", encoding="utf-8")
    Run(STUDY, "quick", results=two.parent).write_report()
    text = (two / "index.html").read_text(encoding="utf-8")
    assert "other: summary.json must hold a dict; it holds a list. " in text
    Run(OTHER, "quick", results=two.parent).write_report()
    text = (two / "index.html").read_text(encoding="utf-8")
    assert '<section id="other">' in text and "Reports that cannot be read" not in text


@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\xfe\x00", b'a,b\n"1,2\n', b"a\n1,2\n1,2,3\n"]
)
def test_a_damaged_table_is_named(two, content):
    table = {"name": "squares", "title": "", "unit": "", "note": ""}
    summary = json.loads((two / "other" / "summary.json").read_text(encoding="utf-8"))
    summary["tables"] = [table]
    (two / "other" / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    path = two / "other" / "tables" / "squares.csv"
    path.write_bytes(content or b"")
    if content is None:
        path.unlink()
    write_index(two)
    text = (two / "index.html").read_text(encoding="utf-8")
    assert "<li>other: squares.csv cannot be read: " in text
    assert '<section id="toy">' in text
    assert str(two.parent) not in text


@pytest.mark.parametrize(
    ("key", "value"),
    [("cells", "many"), ("cpu_seconds", 1e400), ("devices", 3), ("key", {}), ("notebook", 7)],
)
def test_a_value_of_another_type_stops_no_other_report(two, key, value):
    summary = json.loads((two / "other" / "summary.json").read_text(encoding="utf-8"))
    (two / "other" / "summary.json").write_text(
        json.dumps({**summary, key: value}), encoding="utf-8"
    )
    write_index(two)
    assert '<section id="toy">' in (two / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89, "89 s"), (120, "2 min"), (11_100, "3 h 05 min")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_in_a_browser_nothing_is_missing_and_a_phone_can_show_it(results):
    (results / "probe.html").write_text(PROBE)
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code="-", size="-"):
            requests.append((self.path, int(code)))

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(results))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = subprocess.run(
            [
                CHROMIUM,
                *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
                *("--no-first-run", "--disable-background-networking"),
                *("--disable-component-update", "--disable-sync", "--enable-logging=stderr"),
                f"--user-data-dir={results / 'browser'}",
                *("--virtual-time-budget=5000", "--dump-dom"),
                f"http://127.0.0.1:{server.server_port}/probe.html",
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    finally:
        server.shutdown()
    found = json.loads(re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S).group(1))
    assert found["images"] == 1
    assert found["broken"] == []
    assert found["without_alt"] == 0
    assert found["width"] <= 390
    assert all(re.search(r"\[.+\]", caption) for caption in found["tables"])
    assert found["claims"] == 1
    assert "CONSOLE" not in done.stderr
    assert [(path, code) for path, code in requests if code >= 400] == []
