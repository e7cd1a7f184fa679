import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from runs.toy import STUDY

from dagen_keras import cli
from dagen_keras.runs import Run
from dagen_keras.runs.page import GENERATED, write_index
from dagen_keras.study import Decided, Decision, Listed


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    Run(STUDY, "quick", {"numbers": list(range(1, 30))}, results=results).compute(progress=False)
    return results


@pytest.fixture
def results(computed, tmp_path):
    return shutil.copytree(computed, tmp_path, dirs_exist_ok=True)


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
    said = " 8 pairs. So many pairs show 4.00 with 80 % power. Paper: 3 units. Margin: 1 units. "
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


def test_names_in_a_foreign_summary_remove_nothing_elsewhere(results):
    toy = results / "quick" / "toy"
    summary = json.loads((toy / "summary.json").read_text(encoding="utf-8"))
    names = ["../../x", str(results / "x"), "more", "", "x\0", ["x"], None]
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
    assert '<section id="toy"' in text and '<section id="other"' not in text
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
    assert '<section id="other"' in text and "Reports that cannot be read" not in text


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
    assert '<section id="toy"' in text
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
    assert '<section id="toy"' in (two / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(30)])
def test_a_damaged_figure_is_named(two, content):
    _damage(two / "other" / "figures" / "empty.png", content)
    write_index(two)
    text = (two / "index.html").read_text(encoding="utf-8")
    assert "<li>other: empty.png cannot be read: " in text
    assert '<section id="toy"' in text and str(two.parent) not in text


def _rewrite(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}))


def _first_table(two):
    write_index(two)
    text = (two / "index.html").read_text(encoding="utf-8")
    rows = re.search('<table class="papers".*?<tbody>(.*?)</tbody>', text, re.S).group(1)
    return [
        [re.sub("<[^>]*>", "", cell) for cell in re.findall("<t[hd].*?>(.*?)</t[hd]>", row)]
        for row in re.findall("<tr>(.*?)</tr>", rows, re.S)
    ]


def test_the_first_table_has_a_row_a_paper_in_the_order_of_notebooks(two):
    _rewrite(two / "toy" / "summary.json", notebook="02_toy.ipynb", answer="Nine units.")
    _rewrite(two / "other" / "summary.json", notebook="03_other.ipynb", devices=["a CPU", "a GPU"])
    toy, other = _first_table(two)
    question, claims = "How large is a square?", "1 not decided"
    assert toy[:6] == ["Squares", question, "Nine units.", claims, "bundled digits", "0 of 1"]
    assert other[0] == "Cubes" and other[6] == "a CPU; a GPU"
    _rewrite(two / "other" / "summary.json", notebook="01_other.ipynb")
    assert [row[0] for row in _first_table(two)] == ["Cubes", "Squares"]


def test_a_report_without_an_answer_is_shown(two):
    summary = json.loads((two / "toy" / "summary.json").read_text(encoding="utf-8"))
    del summary["answer"]
    (two / "toy" / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    assert "–" in [row[2] for row in _first_table(two)]


def test_seeds_are_those_of_claims_that_compare_seeds(two):
    (claim,) = json.loads((two / "toy" / "claims.json").read_text(encoding="utf-8"))
    claims = [{**claim, "n": n, "looks": looks} for n, looks in ((3, 1), (8, 2), (85, 0))]
    (two / "toy" / "claims.json").write_text(json.dumps(claims), encoding="utf-8")
    assert "3 to 8 of 1" in [row[5] for row in _first_table(two)]


def _links(text):
    """Where links and images of a page or of Markdown point."""
    return re.findall(r"""(?:href|src)=["']([^"']+)|\]\(([^)]+)\)""", text)


def test_every_link_leads_somewhere_and_every_file_is_linked(two):
    profile = two.rename(two.parent / "overnight")
    (profile / "toy" / "notebook.ipynb").write_text("{}", encoding="utf-8")
    shutil.copytree(profile, two)
    write_index(two)
    write_index(profile)
    for page in (profile / "index.html", two.parent / "README.md"):
        text = page.read_text(encoding="utf-8")
        targets = {a or b for a, b in _links(text)} - {"data:,"}
        for target in targets:
            if target.startswith("#"):
                assert f'id="{target[1:]}"' in text
            else:
                assert (page.parent / target).is_file(), target
        place = "" if page.name == "index.html" else "overnight/"
        files = ("notebook.ipynb", "runs.jsonl", "tables/squares.csv", "figures/empty.png")
        assert targets >= {f"{place}toy/{file}" for file in files}
        assert f"{place}other/notebook.ipynb" not in targets, "it is not there"
    assert 'href="../quick/index.html"' in (profile / "index.html").read_text(encoding="utf-8")
    assert 'href="../README.md"' in (profile / "index.html").read_text(encoding="utf-8")


@pytest.fixture
def overnight(two):
    return two.rename(two.parent / "overnight")


@pytest.mark.parametrize("damaged", [False, True])
def test_beside_an_answer_is_that_of_the_profile_that_decides_where_it_can_be_read(
    results, damaged
):
    there = results / "overnight" / "toy"
    shutil.copytree(results / "quick" / "toy", there)
    _rewrite(there / "summary.json", answer="A hundred units.", data="MNIST", cells=40, missing=3)
    if damaged:
        (there / "claims.json").write_text("[3]")
    write_index(results / "quick")
    page = (results / "quick" / "index.html").read_text()
    decided = "A hundred units. Its claims: 1 not decided."
    assert (decided in page) == ('href="#toy-decides"' in page) == (not damaged)
    run = Run(STUDY, "quick", results=results)
    said = cli._answers([run])
    asked, *answers = said.split("\n  ")
    assert asked == "toy: How large is a square?"
    assert [one.split(",")[0] for one in answers if one[0] != " "] == (
        ["quick"] if damaged else ["quick", "overnight"]
    )
    assert damaged or "\n  overnight, MNIST, 37 of 40 cells computed:\n    A hundred" in said
    (results / "quick" / "toy" / "claims.json").write_text("[3]")
    _, why, *more = cli._answers([run]).splitlines()
    assert why.startswith("  its report cannot be read (TypeError: ")
    assert [one[:11] for one in more[:1]] == ([] if damaged else ["  overnight"])
    (there / "claims.json").write_text("[]")
    write_index(results / "overnight")
    assert "“overnight” says" not in (results / "overnight" / "index.html").read_text()


def test_readme_has_question_answer_and_verdicts_of_each_paper(overnight):
    listed = {"id": "7", "text": "A | *b* <c>", "estimate": -1.23456, "low": -2, "high": 0.5}
    (claim,) = json.loads((overnight / "toy" / "claims.json").read_text(encoding="utf-8"))
    claims = [{**claim, **listed, "size": 14.56, "n": 8, "reason": "gate missed"}]
    (overnight / "toy" / "claims.json").write_text(json.dumps(claims), encoding="utf-8")
    write_index(overnight)
    text = (overnight.parent / "README.md").read_text(encoding="utf-8")
    assert "**How large is a square?** The largest has 9 units." in text
    row = "| units | -1.23 | -2.00 to 0.500 | 14.56 | 8 | not decided: gate missed |"
    assert f"| 7. A \\| \\*b\\* \\<c> {row}" in text
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line[:1] == "|"]
    assert set(widths) == {5, 8}, "columns of the two tables"
    write_index(overnight)
    assert (overnight.parent / "README.md").read_text(encoding="utf-8") == text


def test_readme_names_a_damaged_report(overnight):
    (overnight / "other" / "claims.json").write_text("3", encoding="utf-8")
    write_index(overnight)
    text = (overnight.parent / "README.md").read_text(encoding="utf-8")
    again = "`python run_all.py other --profile overnight --no-compute`"
    assert f"- other: claims.json must hold a list; it holds a int. {again}" in text
    assert "Squares" in text and "Cubes" not in text


def test_readme_is_of_overnight_alone_and_replaces_none_of_another(two, overnight):
    shutil.copytree(overnight, two)
    readme = two.parent / "README.md"
    write_index(two)
    assert not readme.exists()
    readme.write_text("mine", encoding="utf-8")
    write_index(overnight)
    assert readme.read_text(encoding="utf-8") == "mine"
    assert "README.md" not in (overnight / "index.html").read_text(encoding="utf-8")
    readme.write_text(f"{GENERATED}\nold", encoding="utf-8")
    write_index(overnight)
    assert "Squares" in readme.read_text(encoding="utf-8")


def test_the_committed_readme_is_that_of_the_committed_results(tmp_path):
    results = Path(__file__).parents[2] / "results"
    shutil.copytree(results / "overnight", tmp_path / "overnight")
    write_index(tmp_path / "overnight")
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text == (results / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
