import functools
import http.server
import json
import re
import shutil
import subprocess
import threading
from dataclasses import replace

import pytest
from runs.toy import STUDY

from dagen_keras.runs import Run
from dagen_keras.runs.page import duration
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


def test_files_of_an_earlier_report_do_not_stay(results):
    stray = results / "quick" / "toy" / "tables" / "old.csv"
    stray.write_text("a\n1\n")
    Run(STUDY, "quick", results=results).write_report()
    assert not stray.exists()


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
