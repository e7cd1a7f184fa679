import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from dagen_keras.study.figures import by_factor, curves, sheet
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
LABELS = ("size", "F1, %")


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].get_lines()}


def test_a_sheet_has_a_picture_a_cell(rng):
    packed = [png(rng.random((4, 8, 8, 1)), columns=2), None, png(rng.random((4, 8, 8, 1)), 2)]
    figure = sheet("a", pd.DataFrame({"png": packed}), ["one", "two", "three"])
    assert figure.name == "a"
    drawn = figure.draw()
    assert [axis.get_title() for axis in drawn.axes if axis.images] == ["one", "three"]
    np.testing.assert_allclose(drawn.axes[0].images[0].get_array().max(), 1, atol=0.1)


def test_curves_have_a_thin_line_a_run_and_a_thick_mean():
    given = ("updates", "curve", "method", LABELS)
    drawn = curves("a", RUNS, *given, scale=100, log_x=True).draw()
    assert len(drawn.axes[0].get_lines()) == 6
    mean = lines(drawn)["none"]
    np.testing.assert_allclose(mean.get_ydata(), [20, 30, 30.2])
    np.testing.assert_allclose(mean.get_xdata(), [1, 2, 4])
    assert drawn.axes[0].get_xscale() == "log"
    assert [text.get_text() for text in drawn.axes[0].get_legend().get_texts()] == ["none", "vae"]
    assert (drawn.axes[0].get_xlabel(), drawn.axes[0].get_ylabel()) == LABELS


def test_a_value_by_a_factor_has_a_dot_a_run_and_the_papers_line_beside():
    theirs = pd.DataFrame({"vae": [33.0, 44.0]}, index=[50, 100])
    given = ("size", "f1", "method", LABELS)
    drawn = by_factor("a", RUNS, *given, scale=100, log_x=True, reported=theirs).draw()
    np.testing.assert_allclose(lines(drawn)["none"].get_ydata(), [15])
    np.testing.assert_allclose(lines(drawn)["vae"].get_ydata(), [30, 50])
    dots = [line for line in drawn.axes[0].get_lines() if line.get_linestyle() == "None"]
    assert sum(len(line.get_xdata()) for line in dots) == len(RUNS)
    (dotted,) = [line for line in drawn.axes[0].get_lines() if line.get_linestyle() == ":"]
    np.testing.assert_allclose(dotted.get_ydata(), [33, 44])


def test_a_factor_may_be_a_name():
    drawn = by_factor("a", RUNS, "method", "f1", "size", LABELS).draw()
    assert set(lines(drawn)) >= {"50", "100"}


@pytest.mark.parametrize("rows", [EMPTY, RUNS[:0], RUNS.drop(columns=["f1", "curve"])])
def test_without_cells_or_values_there_is_nothing_to_draw(rows):
    assert sheet("a", rows, ["one"]).draw is None
    assert curves("a", rows, "updates", "curve", "method", LABELS).draw is None
    assert by_factor("a", rows, "size", "f1", "method", LABELS).draw is None


def test_the_pilot_says_what_twice_as_many_updates_add():
    table = pilot_table(RUNS, "curve", "F1").frame
    assert list(table["updates"]) == [1, 2, 4]
    assert list(table["none"]) == [20.0, 30.0, 30.2]
    np.testing.assert_allclose(table["twice as many add at most"][:2], [10.0, 0.4])
    assert list(table["enough"][:2]) == [False, True] and table["enough"][2] is None
    assert pilot_table(RUNS, "curve", "F1").note.endswith("every method: 2.")
    flat = RUNS.assign(curve=[[0.2, 0.2, 0.2]] * len(RUNS))
    assert pilot_table(flat, "curve", "F1").note.endswith("every method: 1.")
    rising = RUNS.assign(curve=[[0.1, 0.2, 0.3]] * len(RUNS))
    note = pilot_table(rising, "curve", "F1").note
    assert note.endswith("every method: none here, so the largest, 4: not converged.")
    assert "{data}" in pilot_figure(RUNS, "curve", "F1").caption
    assert pilot_figure(RUNS, "curve", "F1").draw() is not None
    assert len(pilot_table(EMPTY, "curve", "F1").frame) == 0
    assert pilot_figure(EMPTY, "curve", "F1").draw is None
