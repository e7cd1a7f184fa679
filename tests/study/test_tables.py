import numpy as np
import pandas as pd
import pytest

from dagen_keras.study.tables import table_of

EMPTY = pd.DataFrame(columns=["kind", "seed", "dataset"])
FRAME = pd.DataFrame(
    [
        ("fill", 0, "none", None, 50, 0.81234, 10, 0.5),
        ("fill", 1, "none", None, 50, 0.83333, 12, 0.7),
        ("fill", 0, "vae", 3, 50, 0.90004, 20, None),
        ("fill", 0, "vae", 3, 100, np.nan, 21, None),
        ("pilot", 0, "vae", 3, 100, 0.1, 21, None),
    ],
    columns=["kind", "seed", "method", "dim", "size", "f1", "updates", "loss"],
)


def make(cells=FRAME, **changes):
    given = {
        "title": "Scores",
        "unit": "%",
        "where": {"kind": "fill"},
        "rows": {"method": "method", "LS": "dim", "images": "size", "level": "level"},
        "values": {"F1": "f1", "updates": "updates", "loss": "loss"},
        "percent": ("f1",),
    }
    return table_of("table1", cells, **{**given, **changes})


@pytest.fixture
def table():
    return make(FRAME.assign(reported=[84.3, 84.3, None, None, 84.3]))


def test_a_row_a_group_with_mean_spread_and_number(table):
    assert list(table.frame["method"]) == ["none", "vae", "vae"]
    row = table.frame.iloc[0]
    assert (row["F1"], row["n"], row["images"]) == (82.28, 2, 50)
    assert row["sd"] == round(100 * np.std([0.81234, 0.83333], ddof=1), 2)
    assert (table.name, table.title, table.unit) == ("table1", "Scores", "%")
    assert table.note == "Mean, standard deviation (sd) and number (n) of runs."
    assert make(note="Of two.").note == f"{table.note} Of two."


def test_the_number_of_the_paper_stands_beside_ours_whichever_row_has_it():
    found = make(FRAME.assign(reported=[None, None, 84.3, None, None])).frame
    ours = ["F1", "paper", "ours - paper", "sd", "n", "updates", "loss"]
    assert list(found) == ["method", "LS", "images", *ours]
    values = {"F1": "f1", "updates": "updates", "paper": "stated"}
    found = make(FRAME.assign(stated=84.3), values=values).frame
    assert list(found)[3:] == ["F1", "paper", "sd", "n", "updates"]


def test_one_value_has_no_spread_and_none_no_mean(table):
    one, none = table.frame.iloc[1], table.frame.iloc[2]
    assert (one["F1"], one["n"]) == (90.0, 1) and np.isnan(one["sd"])
    assert none["n"] == 0 and np.isnan(none["F1"]) and none["updates"] == 21


def test_the_difference_to_the_paper_is_that_of_the_numbers_shown(table):
    assert table.frame.loc[0, "paper"] == 84.3
    assert table.frame.loc[0, "ours - paper"] == round(82.28 - 84.3, 2) == -2.02
    assert table.frame.loc[1:, ["paper", "ours - paper"]].isna().all(axis=None)


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
def test_it_is_so_to_the_last_digit_shown_whatever_the_values(digits, rng):
    values = rng.random(300)
    frame = pd.DataFrame({"seed": 0, "method": range(300), "f1": values})
    theirs = np.round(100 * rng.random(300), digits)
    given = {"rows": {"method": "method"}, "values": {"F1": "f1"}, "where": {}}
    found = make(frame.assign(reported=theirs), **given, digits=digits).frame
    shown = found["F1"].map(f"{{:.{digits}f}}".format).astype(float)
    expected = (shown - found["paper"]).round(digits)
    assert (found["ours - paper"] == expected).all()
    assert (found["F1"] == shown).all()


def test_only_named_columns_are_in_percent(table):
    assert list(table.frame["updates"]) == [11, 20, 21]
    assert table.frame.loc[0, "loss"] == 0.6
    both = make(percent=("f1", "loss")).frame
    assert both.loc[0, "loss"] == 60.0
    assert make(percent=()).frame.loc[0, "F1"] == 0.82


def test_integers_stay_whole_beside_gaps(table):
    assert list(table.frame["LS"].dropna()) == [3, 3] and pd.isna(table.frame.loc[0, "LS"])
    html = table._repr_html_()
    assert "<td>3</td>" in html and "<td>3.0</td>" not in html
    assert "<td>50</td>" in html and "<td>2</td>" in html


def test_a_factor_that_is_no_whole_number_stays_as_it_is():
    found = make(FRAME.assign(share=0.5), rows={"share": "share"}).frame
    assert list(found["share"]) == [0.5]


def test_columns_without_a_number_are_dropped(table):
    assert "level" not in table.frame
    assert "paper" not in make().frame
    assert "loss" not in make(values={"F1": "f1", "x": "absent"}).frame
    assert "x" not in make(values={"F1": "f1", "x": "absent"}).frame


def test_nothing_done_gives_a_table_without_rows():
    for frame in (EMPTY, FRAME.query("kind == 'pilot'")):
        assert len(make(frame).frame) == 0


def test_without_a_form_a_table_is_its_cells():
    found = table_of("a", FRAME, title="Cells", unit="text", note="A note.", where={"size": 50})
    pd.testing.assert_frame_equal(found.frame, FRAME[:3])
    assert found.note == "A note."
