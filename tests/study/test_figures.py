import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from dagen_keras.study.figures import figure_of
from dagen_keras.study.packing import png
from dagen_keras.study.pilot import pilot_figure, pilot_table

EMPTY = pd.DataFrame(columns=["kind", "seed", "dataset"])
RUNS = pd.DataFrame(
    {
        "kind": "pilot",
        "seed": [0, 1, 0, 1],
        "method": ["none", "none", "vae", "vae"],
        "size": [50, 50, 50, 100],
        "f1": [0.1, 0.2, 0.3, 0.5],
        "updates": [[1, 2, 4]] * 4,
        "curve": [[0.1, 0.2, 0.202], [0.3, 0.4, 0.402], [0.5, 0.6, 0.604], [0.7, 0.8, 0.804]],
    }
)
CURVES = {"form": "curves", "x": "updates", "y": "curve", "line": "{method}"}
CURVES |= {"labels": ("updates", "F1, %"), "scale": 100, "log_x": True}
BY_SIZE = {"form": "by_factor", "x": "size", "y": "f1", "line": "{method}"}
BY_SIZE |= {"labels": ("size", "F1, %"), "scale": 100, "log_x": True}


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].get_lines()}


def test_a_sheet_has_a_picture_a_cell(rng):
    packed = [png(rng.random((4, 8, 8, 1)), columns=2), None, png(rng.random((4, 8, 8, 1)), 2)]
    rows = pd.DataFrame({"png": packed, "dim": [1.0, 2.0, 3.0]})
    figure = figure_of("a", rows, "Digits.", form="sheet", each="LS {dim:.0f}")
    assert (figure.name, figure.caption) == ("a", "Digits.")
    drawn = figure.draw()
    assert [axis.get_title() for axis in drawn.axes if axis.images] == ["LS 1", "LS 3"]
    np.testing.assert_allclose(drawn.axes[0].images[0].get_array().max(), 1, atol=0.1)


def test_curves_have_a_thin_line_a_run_and_a_thick_mean():
    drawn = figure_of("a", RUNS, "", **CURVES).draw()
    assert len(drawn.axes[0].get_lines()) == 6
    mean = lines(drawn)["none"]
    np.testing.assert_allclose(mean.get_ydata(), [20, 30, 30.2])
    np.testing.assert_allclose(mean.get_xdata(), [1, 2, 4])
    assert drawn.axes[0].get_xscale() == "log"
    assert [text.get_text() for text in drawn.axes[0].get_legend().get_texts()] == ["none", "vae"]
    assert (drawn.axes[0].get_xlabel(), drawn.axes[0].get_ylabel()) == CURVES["labels"]


def test_curves_without_x_are_numbered_from_1():
    drawn = figure_of("a", RUNS, "", **{**CURVES, "x": None}).draw()
    np.testing.assert_allclose(lines(drawn)["vae"].get_xdata(), [1, 2, 3])


def test_a_value_by_a_factor_has_a_dot_a_run_and_the_papers_line_beside():
    theirs = RUNS.assign(reported=[None, None, 33.0, 44.0])
    drawn = figure_of("a", theirs, "", **BY_SIZE).draw()
    np.testing.assert_allclose(lines(drawn)["none"].get_ydata(), [15])
    np.testing.assert_allclose(lines(drawn)["vae"].get_ydata(), [30, 50])
    dots = [line for line in drawn.axes[0].get_lines() if line.get_linestyle() == "None"]
    assert sum(len(line.get_xdata()) for line in dots) == len(RUNS)
    (dotted,) = [line for line in drawn.axes[0].get_lines() if line.get_linestyle() == ":"]
    np.testing.assert_allclose(dotted.get_ydata(), [33, 44])


def test_the_line_follows_numbers_and_a_factor_that_is_a_name_as_it_comes():
    of_names = {"x": "method", "line": "{size} images", "log_x": False}
    drawn = figure_of("a", RUNS, "", **{**BY_SIZE, **of_names}).draw()
    assert set(lines(drawn)) >= {"50 images", "100 images"}
    reverse = RUNS[::-1].assign(reported=[44.0, 33.0, None, None])
    drawn = figure_of("a", reverse, "", **BY_SIZE).draw()
    np.testing.assert_allclose(lines(drawn)["vae"].get_xdata(), [50, 100])
    named = reverse.assign(size=["b", "a", "a", "a"])
    drawn = figure_of("a", named, "", **{**BY_SIZE, "log_x": False}).draw()
    assert list(lines(drawn)["vae"].get_xdata()) == ["b", "a"]
    assert [text.get_text() for text in drawn.axes[0].get_xticklabels()] == ["b", "a"]


@pytest.mark.parametrize("log_x", [False, True])
def test_a_factor_has_its_values_as_ticks_and_one_value_makes_no_line(log_x):
    form = {**BY_SIZE, "log_x": log_x}
    figure = figure_of("a", RUNS, "F1.", **form)
    assert list(figure.draw().axes[0].get_xticks()) == [50, 100]
    assert figure.caption == "F1."
    of_objects = RUNS[:3].astype({"size": object})  # As where other kinds of cells have none.
    figure = figure_of("a", of_objects, "F1.", **form)
    assert list(figure.draw().axes[0].get_xticks()) == [50]
    assert figure.caption == "F1. One place on the horizontal axis has cells, so there is no line."


def test_no_two_of_ten_lines_look_the_same():
    rows = pd.DataFrame({"size": 1, "f1": 0.5, "curve": [[1, 2]] * 10, "method": range(10)})
    for form in (BY_SIZE, {**CURVES, "x": None, "log_x": False}):
        drawn = lines(figure_of("a", rows, "", **form).draw())
        named = [line for name, line in drawn.items() if name.isdigit()]
        assert len({(line.get_color(), line.get_linestyle()) for line in named}) == 10


def test_cells_are_selected_and_those_without_the_value_left_out():
    rows = pd.concat([RUNS, RUNS.assign(kind="other"), RUNS.assign(f1=None, curve=None)])
    for form in (CURVES, BY_SIZE):
        drawn = figure_of("a", rows, "", where={"kind": "pilot"}, **form).draw()
        alone = figure_of("a", RUNS, "", **form).draw()
        assert len(drawn.axes[0].get_lines()) == len(alone.axes[0].get_lines())


@pytest.mark.parametrize("rows", [EMPTY, RUNS[:0], RUNS.drop(columns=["f1", "curve"])])
def test_without_cells_or_values_there_is_nothing_to_draw(rows):
    assert figure_of("a", rows, "", form="sheet", each="one").draw is None
    assert figure_of("a", rows, "", **CURVES).draw is None
    assert figure_of("a", rows, "", **BY_SIZE).draw is None


def test_without_a_form_a_figure_draws_itself():
    assert figure_of("a", plt.figure, "").draw is plt.figure


def test_the_pilot_says_what_twice_as_many_updates_add():
    table = pilot_table(RUNS, "curve", "F1", "toy data").frame
    assert list(table["updates"]) == [1, 2, 4]
    assert list(table["none"]) == [20.0, 30.0, 30.2]
    np.testing.assert_allclose(table["twice as many add at most"][:2], [10.0, 0.4])
    assert list(table["enough"][:2]) == [False, True] and table["enough"][2] is None
    assert pilot_table(RUNS, "curve", "F1", "toy data").note.endswith("every method: 2.")
    flat = RUNS.assign(curve=[[0.2, 0.2, 0.2]] * len(RUNS))
    assert pilot_table(flat, "curve", "F1", "toy data").note.endswith("every method: 1.")
    rising = RUNS.assign(curve=[[0.1, 0.2, 0.3]] * len(RUNS))
    note = pilot_table(rising, "curve", "F1", "toy data").note
    assert note.endswith("every method: none here, so the largest, 4: not converged.")
    assert "toy data" in pilot_figure(RUNS, "curve", "F1", "toy data").caption
    assert pilot_figure(RUNS, "curve", "F1", "toy data").draw() is not None
    assert len(pilot_table(EMPTY, "curve", "F1", "toy data").frame) == 0
    assert pilot_figure(EMPTY, "curve", "F1", "toy data").draw is None
