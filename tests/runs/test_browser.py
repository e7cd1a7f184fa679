"""The page of the committed results in headless Chromium, on a desk and on a phone."""

import functools
import http.server
import json
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from queue import Queue

import pytest

from dagen_keras.runs.page import write_index

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = Path(os.environ.get("DAGEN_AXE") or ROOT / "node_modules/axe-core/axe.min.js")
WIDTHS = (1280, 390)
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]  # One browser a theme.

PROBE = """<!doctype html><title>probe</title><link rel="icon" href="data:,">
<body style="margin:0">
<script>
async function look(width) {
  const frame = document.createElement("iframe");
  frame.style = `width:${width}px;height:3000px;border:0`;
  frame.src = "overnight/index.html";
  const loaded = new Promise((done) => frame.addEventListener("load", done));
  document.body.append(frame);
  await loaded;
  const page = frame.contentDocument, root = page.documentElement;
  const lazy = [...page.images].every((image) => image.loading === "lazy");
  for (const details of page.querySelectorAll("details")) details.open = true;
  const broken = [];
  for (const image of page.images) {
    image.loading = "eager";
    await image.decode().catch(() => broken.push(image.src));
  }
  const cell = (table, row, column) => table.rows[row].cells[column].textContent;
  const tables = [...page.querySelectorAll(".scroll")].map((region) => {
    const table = region.querySelector("table"), heads = [...table.rows[0].cells];
    const name = page.getElementById(region.getAttribute("aria-labelledby"));
    region.scrollLeft = 10000;
    const stays = table.rows[1].cells[0].getBoundingClientRect().left
      - region.getBoundingClientRect().left;
    region.scrollLeft = 0;
    const end = region.getBoundingClientRect().right;
    return {
      name: name && name.textContent,
      wide: region.scrollWidth > region.clientWidth,
      reachable: region.tabIndex === 0 && region.getAttribute("role") === "region",
      first_stays: Math.abs(stays) < 5,
      paper_out_of_sight: heads.some((head) =>
        head.textContent === "paper" && head.getBoundingClientRect().right > end + 1),
      columns: heads.map((head, i) => ({
        numeric: head.className === "number",
        align: frame.contentWindow.getComputedStyle(table.rows[1].cells[i]).textAlign,
        values: [...table.rows].slice(1).map((row) => row.cells[i].textContent),
      })),
    };
  });
  const too_wide = [...page.body.querySelectorAll("*")].filter((element) =>
    element.getBoundingClientRect().right > root.clientWidth + 1 && !element.closest(".scroll"));
  const found = {
    title: page.title, lazy, broken, tables,
    images: page.images.length,
    sized: [...page.images].every((i) => Number(i.getAttribute("width")) === i.naturalWidth
      && Number(i.getAttribute("height")) === i.naturalHeight),
    without_alt: [...page.images].filter((image) => !image.alt).length,
    too_wide: too_wide.map((element) => element.outerHTML.slice(0, 100)),
    scrolls: root.scrollWidth > root.clientWidth,
    dark: frame.contentWindow.matchMedia("(prefers-color-scheme: dark)").matches,
  };
  if (WITH_AXE) {
    const script = page.createElement("script");
    const ready = new Promise((done) => script.addEventListener("load", done));
    script.src = "/axe.js";
    page.head.append(script);
    await ready;
    const result = await frame.contentWindow.axe.run(page);
    found.passes = result.passes.map((rule) => rule.id);
    found.violations = result.violations.map((rule) =>
      `${rule.impact}: ${rule.id}: ${rule.help}: ${rule.nodes[0].html.slice(0, 200)} `
      + `(${rule.nodes.length} places) ${rule.nodes[0].failureSummary}`);
  }
  frame.remove();
  return found;
}
(async () => {
  const found = {};
  for (const width of WIDTHS) found[width] = await look(width);
  return found;
})().catch(String).then((found) =>
  fetch("/found", { method: "POST", body: JSON.stringify(found) }));
</script>
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a directory; notes what is asked for and not there, and takes what is found."""

    def __init__(self, *arguments, refused, found, **options):
        self.refused, self.found = refused, found
        super().__init__(*arguments, **options)

    def do_POST(self):
        self.found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_request(self, code="-", size="-"):
        if int(code) >= 400:
            self.refused.append(self.path)

    def log_message(self, *arguments):
        pass


def look(directory, dark):
    """What the probe finds at each width, with "console" and "refused" of the visit."""
    refused, queue, log = [], Queue(), directory / "browser.log"
    constants = f"const WIDTHS = {list(WIDTHS)}, WITH_AXE = {int(AXE.is_file())};"
    (directory / "probe.html").write_text(PROBE.replace("<script>", f"<script>{constants}"))
    given = {"directory": str(directory), "refused": refused, "found": queue}
    handler = functools.partial(Handler, **given)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [
        CHROMIUM,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--enable-logging=stderr", f"--user-data-dir={directory / 'browser'}"),
        *("--remote-debugging-port=0", "--window-size=1400,3100"),
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        f"http://127.0.0.1:{server.server_port}/probe.html",
    ]
    with log.open("w") as file:
        browser = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        try:
            found = queue.get(timeout=300)
        finally:
            os.killpg(browser.pid, signal.SIGTERM)
            browser.wait(timeout=60)
            server.shutdown()
    assert isinstance(found, dict), found
    lines = log.read_text(errors="replace").splitlines()
    return found, [line for line in lines if "CONSOLE" in line], refused


@pytest.fixture(scope="module", params=["light", "dark"])
def visit(request, tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    directory = tmp_path_factory.mktemp("results")
    shutil.copytree(ROOT / "results" / "overnight", directory / "overnight")
    write_index(directory / "overnight")
    if AXE.is_file():
        shutil.copy(AXE, directory / "axe.js")
    return request.param, *look(directory, request.param == "dark")


@pytest.fixture(params=WIDTHS)
def found(request, visit):
    theme, widths, *_ = visit
    found = widths[str(request.param)]
    assert found["dark"] == (theme == "dark")
    return {"width": request.param, **found}


def test_no_message_and_nothing_that_is_not_there(visit):
    _, _, console, refused = visit
    assert console == [] and refused == []


def test_nothing_is_wider_than_the_window_but_marked_tables(found):
    assert found["too_wide"] == [] and not found["scrolls"]
    wide = [table for table in found["tables"] if table["wide"]]
    assert wide or found["width"] > 390, "a phone is narrower than some table"
    assert all(table["name"] and table["reachable"] and table["first_stays"] for table in wide)


def test_on_a_desk_the_number_of_the_paper_is_in_sight(found):
    out_of_sight = [table["name"] for table in found["tables"] if table["paper_out_of_sight"]]
    assert out_of_sight == [] or found["width"] == 390


def test_columns_hold_something_and_numbers_stand_below_each_other(found):
    columns = [column for table in found["tables"] for column in table["columns"]]
    assert any(column["numeric"] for column in columns)
    for column in columns:
        values = [value for value in column["values"] if value != "–"]
        assert values
        if column["numeric"]:
            assert column["align"] == "right"
            assert len({len(value.partition(".")[2]) for value in values}) == 1, values


def test_images_are_there_lazily_with_their_sizes_and_texts(found):
    assert found["images"] > 5 and found["broken"] == [] and found["without_alt"] == 0
    assert found["lazy"] and found["sized"]


@pytest.mark.skipif(
    not AXE.is_file(),
    reason="needs axe-core: 'npm install --no-save axe-core', or its axe.min.js in DAGEN_AXE",
)
def test_axe_finds_nothing(found):
    assert "color-contrast" in found["passes"]
    assert found["violations"] == []
