import math

import numpy as np
import pandas as pd
import pytest

from dagen_keras.study import (
    Decided,
    Decision,
    Exceeds,
    Gate,
    Larger,
    Listed,
    NotLarger,
    NotWorse,
    Shown,
    Within,
)
from dagen_keras.study.claims import decide_all
from dagen_keras.study.packing import pack

UP = np.array([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7])  # Points; the estimate is 1.35.
OPEN = np.array([3.0, -1.0, 4.0, 2.0, 5.0, 3.5, -0.5, 2.5])
GATES = (Gate("trained", 0.9, "share trained"), Gate("judge", {"mnist": 0.97}, "judge"))


def listed(form="Larger", size=None, margin=None, id="1"):
    return Listed("toy", id, form, "text", "points", size, margin)


def frame(differences, dataset="mnist", **columns):
    """Rows of "none", all 0.5, and of "gan", that much better in points."""
    rows = []
    for seed, difference in enumerate(differences):
        rows.append({"seed": seed, "method": "none", "accuracy": 0.5})
        given = {name: value[seed] for name, value in columns.items()}
        rows.append({"seed": seed, "method": "gan", "accuracy": 0.5 + difference / 100, **given})
    return pd.DataFrame(rows).assign(dataset=dataset, kind="fill")


SIDES = {"better": {"method": "gan"}, "worse": {"method": "none"}}


def make(form=Larger, id="1", **given):
    return form(id, "accuracy", **{**SIDES, **given})


@pytest.mark.parametrize(
    ("form", "size", "margin", "differences", "verdict"),
    [
        (Larger, 2.0, None, UP, "reproduced"),
        (Larger, 2.8, None, UP, "not decided"),  # Direction shown, size open.
        (Larger, 20.0, None, UP, "smaller than claimed"),
        (Larger, 20.0, None, np.linspace(-1, 1.1, 8), "not found"),
        (Larger, 2.0, None, -UP, "contradicted"),
        (Larger, None, None, UP, "reproduced"),
        (Larger, None, None, -UP, "contradicted"),
        (Larger, None, None, np.linspace(-0.5, 0.6, 8), "not found"),
        (Larger, None, None, OPEN, "not decided"),
        (Exceeds, None, 0.5, UP, "reproduced"),
        (Exceeds, None, 0.9, UP, "not found"),  # By less than a point more.
        (Exceeds, None, 1.0, UP, "not decided"),  # One difference is on the margin.
        (Exceeds, None, 2.0, UP, "contradicted"),
        (Within, None, 2.0, UP, "reproduced"),
        (Within, None, 2.0, -UP, "reproduced"),
        (Within, None, 0.5, UP, "contradicted"),
        (Within, None, 0.5, -UP, "contradicted"),
        (Within, None, 1.3, UP, "not decided"),
        (NotLarger, None, 2.0, UP, "reproduced"),
        (NotLarger, None, 0.5, UP, "contradicted"),
        (NotLarger, None, 0.5, -UP, "reproduced"),
        (NotWorse, None, 0.5, UP, "reproduced"),
        (NotWorse, None, 0.5, -UP, "contradicted"),
        (NotWorse, None, 2.0, -UP, "reproduced"),
    ],
)
def test_each_form_decides(form, size, margin, differences, verdict):
    row = listed(form.__name__, size, margin)
    decided = make(form).decide(frame(differences), row)
    assert decided.verdict == verdict
    assert bool(decided.reason) == (verdict == "not decided")
    assert (decided.looks, decided.size, decided.margin) == (1, size, margin)
    assert decided.n + decided.ties == 8
    assert decided.estimate == pytest.approx(np.median(differences), abs=0.3)


def test_an_open_size_is_said():
    assert make().decide(frame(UP), listed(size=2.8)).reason == "direction shown, size open"
    assert make().decide(frame(OPEN), listed()).reason == "too few seeds"


def test_the_smallest_effect_that_matters_is_the_claims_own():
    few = frame(np.linspace(-0.5, 0.6, 8))
    assert make(smallest=1.0).decide(few, listed()).verdict == "not found"
    assert make(smallest=0.1).decide(few, listed()).verdict == "not decided"
    assert make(smallest=0.1).decide(few, listed(size=2.4)).verdict == "not found"


@pytest.mark.parametrize("n", [0, 1, 7])
def test_few_seeds_decide_nothing(n):
    for form in (Larger, Exceeds, Within, NotLarger, NotWorse):
        decided = make(form).decide(frame(UP[:n]) if n else frame(UP)[:0], listed(margin=5.0))
        assert (decided.verdict, decided.n) == ("not decided", n)
    assert make().decide(pd.DataFrame(columns=["seed"]), listed()).n == 0


def test_differences_are_seed_by_seed_in_the_lists_unit():
    rows = frame(UP).sample(frac=1, random_state=0).reset_index(drop=True)
    rows = rows[~((rows["seed"] == 3) & (rows["method"] == "none"))]
    found = make().differences(rows)
    assert list(found.index) == [0, 1, 2, 4, 5, 6, 7]
    np.testing.assert_allclose(found, np.delete(UP, 3))
    np.testing.assert_allclose(make(scale=1.0).differences(rows), np.delete(UP, 3) / 100)
    ratio = make(difference=lambda better, worse: 1 - better / worse)
    np.testing.assert_allclose(ratio.differences(rows), -np.delete(UP, 3) / 50)
    alone = Larger("1", "accuracy", {"method": "gan"})
    np.testing.assert_allclose(alone.differences(rows), 50 + UP)


def test_a_list_of_factors_stands_for_the_mean():
    rows = pd.concat([frame(UP).assign(n=50), frame(UP + 2).assign(n=100)])
    found = make(where={"n": [50, 100]}).differences(rows)
    np.testing.assert_allclose(found, UP + 1)


def columns(trained=0.95, judge=0.99):
    return {"trained": np.broadcast_to(trained, 8), "judge": np.broadcast_to(judge, 8)}


@pytest.mark.parametrize(
    ("given", "dataset", "passed"),
    [
        (columns(), "mnist", True),
        (columns(trained=0.89), "mnist", False),
        (columns(trained=[0.1, 0.1, 0.1, 0.95, 0.95, 0.95, 0.95, 0.95]), "mnist", True),
        (columns(trained=[0.1] * 5 + [1.0] * 3), "mnist", False),
        (columns(judge=0.96), "mnist", False),
        (columns(judge=0.96), "digits", True),  # No threshold for this dataset.
        (columns(trained=np.nan, judge=np.nan), "mnist", True),
        ({}, "mnist", True),
    ],
)
def test_a_gate_asks_for_the_median_over_seeds(given, dataset, passed):
    decided = make(gates=GATES).decide(frame(UP, dataset, **given), listed())
    expected = ("reproduced", "") if passed else ("not decided", "gate missed")
    assert (decided.verdict, decided.reason) == expected
    assert decided.estimate == pytest.approx(1.35)
    if given and not np.isnan(given["trained"]).all():
        assert f"share trained {np.median(given['trained']):.3f}, asked 0.9" in decided.gate
    else:
        assert decided.gate == ""


def test_each_method_must_pass_its_gate():
    rows = frame(UP, trained=np.full(8, 0.99))
    rows.loc[rows["method"] == "none", "trained"] = 0.5
    assert make(gates=GATES[:1]).decide(rows, listed()).reason == "gate missed"
    two = pd.concat([rows[rows["method"] == "gan"], frame(UP, "digits")])
    passed, text = GATES[0].look(two)
    assert passed and text == "share trained 0.990, asked 0.9"
    # Of a side of two methods each is asked, not both together.
    other = rows[rows["method"] == "gan"].assign(method="vae", trained=0.89)
    both = make(gates=GATES[:1], better={"method": ["gan", "vae"]})
    rows.loc[rows["method"] == "none", "trained"] = np.nan
    decided = both.decide(pd.concat([rows, other], ignore_index=True), listed())
    assert decided.reason == "gate missed" and "0.990, asked 0.9; " in decided.gate


def test_later_seeds_do_not_change_what_eight_decided():
    first = make().decide(frame(UP), listed(size=2.0))
    later = make().decide(frame(np.concatenate([UP, -UP * 9])), listed(size=2.0))
    assert later == first
    twelve = make().decide(frame([*OPEN, *OPEN[:4] + 9]), listed())
    assert twelve == make().decide(frame(OPEN), listed())


def test_the_second_look_uses_all_sixteen_seeds_and_no_more():
    both = np.concatenate([OPEN, OPEN + 0.01])
    decided = make().decide(frame(both), listed())
    assert (decided.verdict, decided.looks, decided.n) == ("reproduced", 2, 16)
    more = make().decide(frame(np.concatenate([both, -UP * 50])), listed())
    assert more == decided
    still = make().decide(frame(np.concatenate([OPEN, -OPEN])), listed())
    assert (still.verdict, still.looks, still.n) == ("not decided", 2, 16)


@pytest.mark.parametrize(
    ("differences", "size", "wanted"),
    [
        (OPEN, None, True),
        (OPEN, 2.0, True),
        (UP, 2.0, False),  # Decided.
        (OPEN[:7], None, False),
        (np.concatenate([OPEN, -OPEN]), None, False),  # Taken already.
        (np.array([3.0, -3.1, 3.2, -3.3, 3.4, -3.5, 3.6, -2.0]) + 1, 2.0, False),  # Hopeless.
        (np.full(8, 1.0), 2.0, False),  # Estimate exactly at half.
        (UP, 2.8, False),  # Just below half: the size would stay open.
        (UP, 3.1, True),  # Further below half.
    ],
)
def test_a_second_look_is_wanted_where_it_has_an_even_chance(differences, size, wanted):
    assert make().wants_second_look(frame(differences), listed(size=size)) is wanted


def test_no_second_look_where_a_gate_is_missed_or_none_is_sought():
    missed = frame(OPEN, trained=np.full(8, 0.5))
    assert not make(gates=GATES).wants_second_look(missed, listed())
    assert not make(Shown).wants_second_look(frame(OPEN), listed())
    decision = Decision("1", lambda frame, row: Decided.of(row))
    assert not decision.wants_second_look(frame(OPEN), listed())


def with_images(better, worse, n=100):
    """So many of n test images are right, the same ones in every seed; plus accuracies."""
    labels = np.zeros(n, "uint8")
    rows = []
    for seed in range(8):
        for method, hits in (("gan", better), ("none", worse)):
            right = np.arange(n) < hits + (seed if method == "gan" else 0)
            packed = pack(predicted=np.where(right, 0, 1).astype("uint8"), labels=labels)
            row = {"seed": seed, "method": method, "accuracy": right.mean(), "packed": packed}
            rows.append({**row, "dataset": "mnist"})
    return pd.DataFrame(rows)


def test_a_small_difference_must_survive_other_test_images():
    rows = with_images(501, 500, n=1000)  # 0.1 to 0.8 points.
    assert make().decide(rows, listed(size=0.5)).verdict == "reproduced"
    decided = make(images="packed").decide(rows, listed(size=0.5))
    assert (decided.verdict, decided.reason) == ("not decided", "test images")
    assert 0 < decided.estimate < 1
    within = make(Within, images="packed")
    assert within.decide(rows, listed(margin=5.0)).verdict == "reproduced"
    narrow = within.decide(rows, listed(margin=0.9))
    assert (narrow.verdict, narrow.reason) == ("not decided", "test images")


def test_a_large_difference_does_not_ask_the_test_images():
    rows = with_images(520, 500, n=1000)
    rows["packed"] = "never read"
    assert make(images="packed").decide(rows, listed()).verdict == "reproduced"


def test_without_predictions_the_test_images_are_not_asked():
    rows = with_images(501, 500, n=1000)
    for without in (rows.assign(packed=None), rows.drop(columns="packed")):
        decided = make(images="packed").decide(without, listed(size=0.5))
        assert decided.verdict == "reproduced"


def test_what_is_shown_is_never_decided():
    decided = make(Shown).decide(frame(UP), listed("shown"))
    assert (decided.verdict, decided.reason) == ("not decided", "shown only")
    assert decided.estimate == pytest.approx(1.35) and decided.n == 8


def test_p_values_are_adjusted_over_those_that_there_are():
    rows = pd.concat([frame(UP), frame(OPEN).query("method == 'gan'").assign(method="vae")])
    claims = (
        make(id="1"),
        Larger("2", "accuracy", {"method": "vae"}, {"method": "none"}),
        Larger("3", "accuracy", {"method": "absent"}, {"method": "none"}),
        Decision("4", lambda frame, row: Decided.of(row, verdict="contradicted")),
    )
    found = decide_all(claims, rows, {c.id: listed(id=c.id) for c in claims})
    assert [d.id for d in found] == ["1", "2", "3", "4"]
    assert found[0].p_value == 1 / 256 and found[0].p_holm == 2 / 256
    assert found[1].p_holm == found[1].p_value > 1 / 256
    assert all(d.p_holm is None or math.isnan(d.p_holm) for d in found[2:])
    assert found[3].verdict == "contradicted"
