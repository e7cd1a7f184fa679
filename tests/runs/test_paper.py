import dataclasses

import pytest
from runs.toy import PAPER

from dagen_keras.runs import RunError, resolve_parameters


def test_a_profile_and_overrides_change_the_defaults():
    assert resolve_parameters(PAPER, "paper")["seeds"] == 2
    assert resolve_parameters(PAPER, "quick")["seeds"] == 1
    resolved = resolve_parameters(PAPER, "quick", {"seeds": "5", "numbers": "4,5", "share": "1"})
    assert (resolved["seeds"], resolved["numbers"], resolved["share"]) == (5, [4, 5], 1.0)
    assert resolve_parameters(PAPER, "quick", {"numbers": "[7]", "name": "12"})["numbers"] == [7]
    assert resolve_parameters(PAPER, "quick", {"numbers": "7", "name": "12"})["name"] == "12"
    assert resolve_parameters(PAPER, "quick", resolved) == resolved


@pytest.mark.parametrize(
    ("profile", "overrides", "message"),
    [
        ("qiuck", {}, "unknown profile 'qiuck'; known are smoke, quick, paper"),
        ("quick", {"sedes": 1}, "toy has no parameter 'sedes'; it has dataset, seeds"),
        ("quick", {"seeds": "many"}, "'seeds' must be of type int, such as 2; got 'many'"),
        ("quick", {"seeds": 1.5}, "must be of type int"),
        ("quick", {"seeds": True}, "must be of type int"),
        ("quick", {"seeds": None}, "must be of type int"),
        ("quick", {"seeds": [1]}, "must be of type int"),
        ("quick", {"seeds": 0}, "must be 1 or more; got 0"),
        ("quick", {"numbers": "1,x"}, r"must be a list of int, such as \[1, 2, 3\]"),
        ("quick", {"numbers": 3}, "must be a list of int"),
        ("quick", {"numbers": []}, "must be a list of int"),
        ("quick", {"numbers": [1, -1]}, "must be 0 or more; got -1"),
        ("quick", {"numbers": [1, 2, 1]}, "must not repeat a value"),
        ("quick", {"share": "NaN"}, "must be finite; got nan"),
        ("quick", {"share": float("inf")}, "must be finite"),
        ("quick", {"share": "half"}, "must be of type float"),
        ("quick", {"name": 3}, "must be of type str"),
        ("quick", {"dataset": "mnits"}, "must be of digits; got 'mnits'"),
    ],
)
def test_wrong_values_are_refused_with_what_would_be_right(profile, overrides, message):
    with pytest.raises(RunError, match=message):
        resolve_parameters(PAPER, profile, overrides)


def test_a_cells_key_depends_on_what_its_result_depends_on():
    cell = PAPER.cells(resolve_parameters(PAPER, "paper"))[0]
    keys = {cell.key(PAPER, "f" * 16)}
    keys.add(dataclasses.replace(cell, seed=1).key(PAPER, "f" * 16))
    keys.add(dataclasses.replace(cell, parameters={"n": 9}).key(PAPER, "f" * 16))
    keys.add(cell.key(PAPER, "e" * 16))
    keys.add(cell.key(dataclasses.replace(PAPER, protocol_version=2), "f" * 16))
    assert len(keys) == 5
    moved = dataclasses.replace(cell, table="Elsewhere", cost=9.0, dataset="copy")
    assert moved.key(PAPER, "f" * 16) in keys
