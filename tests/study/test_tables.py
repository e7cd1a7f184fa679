import numpy as np
import pandas as pd
import pytest

from dagen_keras.study import Summary

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


def make(**changes):
    given = {
        "name": "table1",
        "rows": {"method": "method", "LS": "dim", "images": "size", "level": "level"},
        "values": {"F1": "f1", "updates": "updates", "loss": "loss"},
        "where": {"kind": "fill"},
        "percent": ("f1",),
        "reported": lambda row: {"none": 84.3}.get(row["method"]),
    }
    return Summary(**{**given, **changes})


@pytest.fixture
def table():
    return make().table(FRAME)


def test_a_row_a_group_with_mean_spread_and_number(table):
    assert list(table.frame["method"]) == ["none", "vae", "vae"]
    row = table.frame.iloc[0]
    assert (row["F1"], row["n"], row["images"]) == (82.28, 2, 50)
    assert row["sd"] == round(100 * np.std([0.81234, 0.83333], ddof=1), 2)
    assert table.name == "table1"
    assert table.note == "Mean, standard deviation (sd) and number (n) of runs."


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
    reported = lambda row: float(theirs[row["method"]])  # noqa: E731
    given = {"rows": {"method": "method"}, "values": {"F1": "f1"}, "where": {}}
    found = make(**given, reported=reported, digits=digits).table(frame).frame
    shown = found["F1"].map(f"{{:.{digits}f}}".format).astype(float)
    expected = (shown - found["paper"]).round(digits)
    assert (found["ours - paper"] == expected).all()
    assert (found["F1"] == shown).all()


def test_only_named_columns_are_in_percent(table):
    assert list(table.frame["updates"]) == [11, 20, 21]
    assert table.frame.loc[0, "loss"] == 0.6
    both = make(percent=("f1", "loss")).table(FRAME).frame
    assert both.loc[0, "loss"] == 60.0
    assert make(percent=()).table(FRAME).frame.loc[0, "F1"] == 0.82


def test_integers_stay_whole_beside_gaps(table):
    assert list(table.frame["LS"].dropna()) == [3, 3] and pd.isna(table.frame.loc[0, "LS"])
    html = table._repr_html_()
    assert "<td>3</td>" in html and "<td>3.0</td>" not in html
    assert "<td>50</td>" in html and "<td>2</td>" in html


def test_a_factor_that_is_no_whole_number_stays_as_it_is():
    made = make(rows={"share": "share"}, reported=None)
    found = made.table(FRAME.assign(share=0.5)).frame
    assert list(found["share"]) == [0.5]


def test_columns_without_a_number_are_dropped(table):
    assert "level" not in table.frame
    assert "paper" not in make(reported=None).table(FRAME).frame
    assert "loss" not in make(values={"F1": "f1", "x": "absent"}).table(FRAME).frame
    assert "x" not in make(values={"F1": "f1", "x": "absent"}).table(FRAME).frame


def test_nothing_done_gives_a_table_without_rows():
    for frame in (EMPTY, FRAME.query("kind == 'pilot'")):
        assert len(make().table(frame).frame) == 0
