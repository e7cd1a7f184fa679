import numpy as np
import pandas as pd
import pytest

from dagen_keras.runs.formatting import columns, counted, duration, number, stated


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89, "89 s"), (120, "2 min"), (11_100, "3 h 05 min")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.64167, "0.642"), (-13.011, "-13.0"), (123.4, "123"), (12345.6, "12,346")],
)
def test_a_measured_number_has_three_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (14.56, "14.56"), (7.0, "7")])
def test_a_number_of_the_paper_has_its_digits(value, text):
    assert stated(value) == text


def test_verdicts_are_counted():
    claims = [{"verdict": name} for name in ("reproduced", "not decided", "reproduced")]
    assert counted(claims) == "2 reproduced, 1 not decided" and counted([]) == ""


def shown(*texts):
    """The values of a table's only column of these texts."""
    (column,) = columns(pd.DataFrame({"a": [np.nan if t == "" else t for t in texts]}, dtype=str))
    return column["values"], column["numeric"]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (("1.5", "12.25", ""), ["1.50", "12.25", "–"]),
        (("300.0", "20.0"), ["300", "20"]),
        (("1e-06", "0.0625"), ["< 0.0001", "0.0625"]),
        (("-2e-06", "0.5"), ["> -0.0001", "0.5000"]),
        (("0.0", "0.25"), ["0.00", "0.25"]),
        (("0.123456", "1"), ["0.1235", "1.0000"]),
    ],
)
def test_a_column_of_numbers_has_one_number_of_decimals(texts, values):
    assert shown(*texts) == (values, True)


@pytest.mark.parametrize("texts", [("VAE", "", "3"), ("True", "", "False"), ("nan", "", "x")])
def test_a_column_with_text_is_text(texts):
    as_words = {"True": "yes", "False": "no", "": "–"}
    assert shown(*texts) == ([as_words.get(text, text) for text in texts], False)


def test_a_column_that_holds_nothing_is_not_shown():
    frame = pd.DataFrame({"a": ["1", "2"], "b": [np.nan, np.nan], "c": [np.nan, "x"]})
    assert [column["title"] for column in columns(frame)] == ["a", "c"]
    assert columns(pd.DataFrame({"a": []})) == []
