import numpy as np
import pandas as pd
import pytest

from dagen_keras.study.frame import by_seed, select

FRAME = pd.DataFrame(
    [
        ("fill", 0, "none", None, 1.0),
        ("fill", 0, "vae", 2, 3.0),
        ("fill", 0, "vae", 3, 5.0),
        ("fill", 1, "vae", 3, np.nan),
        ("fill", 1, "none", None, 2.0),
        ("fill", 1, "vae", 2, 7.0),
        ("pilot", 0, "vae", 3, None),
    ],
    columns=["kind", "seed", "method", "dim", "f1"],
)
EMPTY = pd.DataFrame(columns=["kind", "seed", "dataset"])


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6]),
        ({"method": "vae", "kind": "fill"}, [1, 2, 3, 5]),
        ({"dim": None}, [0, 4]),
        ({"dim": [2, 3], "kind": "fill"}, [1, 2, 3, 5]),
        ({"dim": (2, None)}, [0, 1, 4, 5]),
        ({"dim": 3.0, "seed": 1}, [3]),
        ({"level": None, "seed": 1}, [3, 4, 5]),
        ({"level": 0}, []),
        ({"method": "gan"}, []),
    ],
)
def test_rows_are_selected_by_their_factors(where, rows):
    assert list(select(FRAME, where).index) == rows


def test_nothing_is_selected_from_nothing():
    assert len(select(EMPTY, {"kind": "fill", "dim": [2, None]})) == 0
    assert len(by_seed(EMPTY, "f1", {"kind": "fill", "dim": [2, 3]})) == 0
    assert len(by_seed(FRAME, "accuracy", {})) == 0


def test_one_value_a_seed():
    found = by_seed(FRAME.iloc[::-1], "f1", {"kind": "fill", "method": "none"})
    assert found.to_dict() == {0: 1.0, 1: 2.0}
    assert list(found.index) == [0, 1]


def test_the_mean_over_a_list_leaves_out_a_seed_that_lacks_one_or_has_nan():
    where = {"kind": "fill", "method": "vae", "dim": [2, 3]}
    assert by_seed(FRAME, "f1", where).to_dict() == {0: 4.0}
    assert by_seed(FRAME.drop(3), "f1", where).to_dict() == {0: 4.0}
    assert by_seed(FRAME, "f1", {**where, "dim": [2, 3, 4]}).empty
    assert by_seed(FRAME, "f1", {**where, "dim": [2]}).to_dict() == {0: 3.0, 1: 7.0}
    assert by_seed(FRAME, "f1", {**where, "kind": ["fill"]}).to_dict() == {0: 4.0}


def test_a_list_may_have_a_gap():
    where = {"kind": "fill", "method": ["none", "vae"], "dim": [None, 2]}
    rows = FRAME[FRAME["dim"] != 3]
    with pytest.raises(ValueError):
        by_seed(pd.concat([rows, rows]), "f1", where)
    assert by_seed(rows, "f1", {"kind": "fill", "dim": [None, 2]}).to_dict() == {0: 2.0, 1: 4.5}


def test_several_cells_of_a_seed_are_refused():
    with pytest.raises(ValueError, match="selects several cells of one seed; name more factors"):
        by_seed(FRAME, "f1", {"kind": "fill", "method": "vae"})
    with pytest.raises(ValueError, match="several cells"):
        by_seed(pd.concat([FRAME, FRAME]), "f1", {"kind": "fill", "dim": [2, 3]})
