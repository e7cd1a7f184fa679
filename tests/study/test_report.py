import matplotlib.pyplot as plt
import pandas as pd
import pytest

from dagen_keras.study import Decided, Erratum, Figure, Report, Table


@pytest.fixture
def report():
    return Report(
        data="toy data",
        tables=[
            Table("table1", "Squares of <n>", "%", pd.DataFrame({"n": [1, 2], "x": [0.5, None]})),
            Table("table2", "Cubes", "%", pd.DataFrame()),
        ],
        figures=[
            Figure("figure1", "A line.", lambda: plt.figure(figsize=(1, 1))),
            Figure("figure2", "Nothing yet.", None),
        ],
        claims=[
            Decided("toy", "1", "Squares grow", "Larger", "reproduced", estimate=1.23456, n=8),
            Decided("toy", "2", "Cubes shrink", "Larger", reason="too few seeds"),
        ],
        errata=[Erratum("Eq. 1 is wrong.", "Counted.")],
    )


def test_a_table_or_figure_is_found_by_its_name(report):
    assert report["table1"] is report.tables[0]
    assert report["figure2"] is report.figures[1]


def test_an_unknown_name_is_told_with_those_there_are(report):
    with pytest.raises(KeyError) as error:
        report["tabel1"]
    known = "table1, table2, figure1, figure2"
    assert error.value.args == (f"no table or figure 'tabel1'; there are {known}.",)


def shown(part, monkeypatch):
    import IPython.display

    seen = []
    monkeypatch.setattr(IPython.display, "display", lambda *parts: seen.extend(parts))
    part._ipython_display_()
    return seen


def test_an_empty_table_or_figure_says_that_no_finished_cell_gives_it_yet(report, monkeypatch):
    said = "'table2' has no finished cell to be made from yet."
    assert report["table2"]._repr_html_() == said
    (markdown,) = shown(report["figure2"], monkeypatch)
    assert markdown.data == said.replace("table2", "figure2")


def test_a_table_and_a_figure_show_themselves(report, monkeypatch):
    html = report["table1"]._repr_html_()
    assert "Squares of &lt;n&gt;" in html and "[%]" in html and "–" in html
    caption, drawn = shown(report["figure1"], monkeypatch)
    assert caption.data == "A line."
    assert drawn.number not in plt.get_fignums()


def test_the_table_of_claims_says_verdicts_and_reasons(report):
    table = report.claims_table()
    assert list(table.frame["claim"]) == ["1. Squares grow", "2. Cubes shrink"]
    assert list(table.frame["verdict"]) == ["reproduced", "not decided: too few seeds"]
    assert table.frame.loc[0, "ours"] == 1.2346
    assert "p" not in table.frame
    assert table.title == "Claims on toy data"
    assert "1.9 standard deviations" in table.note and "one sign" in table.note


def test_the_table_of_errata_has_their_evidence(report):
    table = report.errata_table()
    assert table.frame.to_dict("records") == [
        {"erratum": "Eq. 1 is wrong.", "evidence": "Counted."}
    ]
    assert "toy data" in table.title


def test_a_report_of_nothing_can_be_shown():
    assert "no finished cell" in Report().claims_table()._repr_html_()
    assert "no finished cell" in Report().errata_table()._repr_html_()


def test_a_table_in_a_notebook_has_its_texts_on_the_left_and_no_markup_of_theirs():
    frame = pd.DataFrame({"a < b": ["x < y", None], "n < 3": [1.5, 2.25]})
    html = Table("t", frame=frame)._repr_html_()
    for cell, text in (("th", "a &lt; b"), ("td", "x &lt; y")):
        assert f'<{cell}><div style="text-align: left">{text}</div></{cell}>' in html
    assert "<th>n &lt; 3</th>" in html
    assert "<td>–</td>" in html and "<td>1.50</td>" in html and "<td>2.25</td>" in html
