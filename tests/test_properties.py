"""What holds whatever comes: splits, settings, verdicts, ledgers and measures, on small sizes."""

import itertools
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dagen_keras import datasets, evaluate, papers
from dagen_keras.evaluate.signed_rank import signed_rank_p
from dagen_keras.runs import Ledger
from dagen_keras.runs.state import EMPTY
from dagen_keras.study.packing import pack, unpack

settings.register_profile("properties", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("properties")

SEEDS = st.integers(0, 2**31 - 1)
# Numbers that a tenth of a unit parts, so that rounding makes no ties and unmakes none.
TENTHS = st.integers(-50, 50).map(lambda n: n / 10)
DIFFERENCES = st.lists(TENTHS, min_size=1, max_size=9).map(np.array)
SWAPPED = {"reproduced": "contradicted", "contradicted": "reproduced"}


def shuffled(x, seed):
    return np.random.default_rng(seed).permutation(x)


@st.composite
def labels(draw, fewest=2):
    """Of two to four classes, each of `fewest` images or more, mixed."""
    counts = draw(st.lists(st.integers(fewest, 9), min_size=2, max_size=4))
    return shuffled(np.repeat(np.arange(len(counts)), counts), draw(SEEDS))


# Splits.


@given(labels(), SEEDS, st.data())
def test_a_balanced_subset_has_each_image_once_and_as_many_of_each_class(y, seed, data):
    n = data.draw(st.integers(1, np.bincount(y).min()))
    chosen = datasets.balanced_subset(y, n * (y.max() + 1), seed)
    assert len(set(chosen)) == len(chosen)
    assert set(np.bincount(y[chosen])) == {n}
    np.testing.assert_array_equal(chosen, datasets.balanced_subset(y, len(chosen), seed))


@given(labels(), SEEDS, st.floats(0.01, 0.99))
def test_validation_and_training_part_all_images_with_each_class_in_both(y, seed, share):
    parts = datasets.stratified_validation(y, share, seed)
    assert sorted(np.concatenate(parts)) == list(range(len(y)))
    assert all(set(y[part]) == set(y) for part in parts)


@given(labels(), SEEDS, st.floats(0.01, 0.99))
def test_no_patient_is_on_both_sides_in_whatever_order_they_come(patients, seed, share):
    sides = [set(patients[rows]) for rows in datasets.split_by_patient(patients, share, seed)]
    assert all(sides) and not sides[0] & sides[1] and sides[0] | sides[1] == set(patients)
    again = datasets.split_by_patient(shuffled(patients, 1), share, seed)
    assert set(shuffled(patients, 1)[again[1]]) == sides[1]


@given(labels(), SEEDS, st.floats(0.01, 1))
def test_a_kept_share_thins_one_class_alone(y, seed, share):
    counts = np.bincount(y[datasets.keep_share(y, [0], share, seed)])
    assert counts[1:].tolist() == np.bincount(y)[1:].tolist()
    assert abs(counts[0] - share * (y == 0).sum()) <= 1 and counts[0] > 0


# Settings and keys.

STUDY = papers.get("guruswamy")
NUMBERS = ["gan.filters", "gan.updates", "patches_gan.updates", "classifier.updates"]


@given(st.sampled_from(NUMBERS), st.integers(1, 50), st.sampled_from([int, str]))
def test_a_setting_is_what_was_said_and_the_others_stay(name, value, kind):
    value = 2 * value  # Some must be even.
    changed = STUDY.settings("smoke", {name: kind(value)}).flat()
    assert changed == {**STUDY.settings("smoke").flat(), name: value}


@given(st.sampled_from(NUMBERS), st.integers(1, 9))
def test_a_cell_has_another_key_where_its_own_settings_are_others(name, value):
    grids = [
        STUDY.cells(STUDY.settings("smoke", {"seeds": 1, **changed}), EMPTY)
        for changed in ({}, {name: 2 * value})
    ]
    for one, other in zip(*grids, strict=True):
        same = one.key("guruswamy", 2, "data") == other.key("guruswamy", 2, "data")
        assert same == (one.settings == other.settings)


# Verdicts.


@given(DIFFERENCES)
def test_the_signed_rank_test_counts_all_signs(differences):
    """By going through them: the share of the 2^n whose sum of positive ranks is as large."""
    values = differences[differences != 0]
    if not len(values):
        assert np.isnan(signed_rank_p(differences))
        return
    sizes = np.abs(values)
    ranks = np.array([(sizes < s).sum() + ((sizes == s).sum() + 1) / 2 for s in sizes])
    sums = [
        ranks[list(signs)].sum() for signs in itertools.product([True, False], repeat=len(ranks))
    ]
    expected = np.mean(np.array(sums) >= ranks[values > 0].sum() - 1e-9)
    assert signed_rank_p(differences) == pytest.approx(expected, abs=1e-12)


@given(DIFFERENCES, st.integers(-30, 30), st.sampled_from([0.25, 2.0, 8.0]), SEEDS)
def test_the_estimate_moves_with_the_differences_whatever_their_order(d, shift, scale, seed):
    found = np.array(evaluate.hodges_lehmann(d))
    moved = evaluate.hodges_lehmann(shuffled(d, seed) * scale + shift)
    np.testing.assert_allclose(moved, found * scale + shift, atol=1e-9)
    assert len(d) < 6 or found[1] <= found[0] <= found[2]


@given(
    st.lists(TENTHS, min_size=6, max_size=12).map(np.array),
    st.sampled_from([None, 1.0, 4.0]),
    st.sampled_from([0.5, 2.0, 64.0]),
    SEEDS,
)
def test_a_verdict_depends_neither_on_order_nor_on_unit(d, size, scale, seed):
    found = evaluate.paired_verdict(d, size, 1.0)
    other = evaluate.paired_verdict(shuffled(d, seed) * scale, size and size * scale, scale)
    assert (other.verdict, other.reason, other.n) == (found.verdict, found.reason, found.n)
    assert other.estimate == pytest.approx(found.estimate * scale, abs=1e-9)


@given(st.lists(TENTHS, min_size=6, max_size=12).map(np.array), st.floats(2, 6))
def test_the_opposite_claim_has_the_opposite_verdict(d, shift):
    d = d + shift  # Near what decides: all of one sign, or one or two of the other.
    found, opposite = (evaluate.paired_verdict(x).verdict for x in (d, -d))
    assert opposite == SWAPPED.get(found, found)
    inside, turned = (evaluate.equivalence(x, 2.0) for x in (d, -d))
    assert (inside.verdict, inside.p_value) == (
        turned.verdict,
        pytest.approx(turned.p_value, nan_ok=True),
    )


@given(st.lists(st.none() | st.floats(0, 1), max_size=8), SEEDS)
def test_holm_only_raises_p_values_and_keeps_their_order(p_values, seed):
    found = evaluate.holm(p_values)
    known = [(p, q) for p, q in zip(p_values, found, strict=True) if p is not None]
    assert all(p <= q <= 1 for p, q in known)
    assert [q for _, q in sorted(known)] == sorted(q for _, q in known)
    assert [q is None for q in found] == [p is None for p in p_values]


# Ledger lines.

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.text(max_size=6),
            "status": st.sampled_from(["done", "failed"]),
            "values": st.dictionaries(st.text(max_size=5), JSON, max_size=3),
        }
    ),
    max_size=6,
)


@pytest.mark.filterwarnings("ignore:.* is not a record")
@given(RECORDS, st.binary(max_size=40).filter(lambda tail: b"\n" not in tail))
def test_no_record_is_lost_whatever_a_killed_run_left_behind(records, tail):
    assume(not tail.strip().startswith(b"{"))
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger(Path(directory) / "runs.jsonl")
        ledger.path.touch()
        for record in records:
            with ledger.path.open("ab") as file:
                file.write(tail)
            ledger.append(record)
        assert ledger.records() == records


TWO_RESULTS = [{"key": "a", "status": "done", "values": {"n": n}} for n in (1, 2)]


@given(RECORDS, RECORDS)
@example([], TWO_RESULTS)
@example(TWO_RESULTS, TWO_RESULTS[1:])
@example(TWO_RESULTS[:1], TWO_RESULTS)
def test_a_merged_ledger_has_each_record_of_both_once(here, there):
    with tempfile.TemporaryDirectory() as directory:
        ledgers = [Ledger(Path(directory) / name) for name in "ab"]
        for ledger, records in zip(ledgers, (here, there), strict=True):
            for record in records:
                ledger.append(record)
        first, other = ledgers
        before = first.lines()
        done = {r["key"]: r["values"] for r in here[::-1] if r["status"] == "done"}
        new = [r for r in there if json.dumps(r) not in before]
        both = [r for r in new if r["key"] in done and r["status"] == "done"]
        n, differ = first.merge(other)
        assert first.lines()[: len(before)] == before and len(first.lines()) == len(before) + n
        kept = {json.dumps(r) for r in new if r["key"] not in done}
        assert set(first.lines()) == {*before, *kept}
        assert set(differ) == {r["key"] for r in both if r["values"] != done[r["key"]]}
        assert first.merge(other) == (0, differ)


@given(arrays(np.uint8, st.integers(1, 40)), SEEDS)
def test_packed_classes_come_back(classes, seed):
    names = shuffled(classes, seed)
    found = unpack(pack(predicted=classes, labels=names))
    np.testing.assert_array_equal(found["predicted"], classes)
    np.testing.assert_array_equal(found["labels"], names)


# Measures.


@st.composite
def two_sides(draw):
    """Features of 12 to 20 real and as many generated images or fewer, and a seed."""
    rng = np.random.default_rng(draw(SEEDS))
    width, n, m = draw(st.tuples(st.integers(1, 4), st.integers(12, 20), st.integers(8, 12)))
    real, new = rng.normal(size=(n, width)), rng.normal(draw(st.floats(-2, 2)), 1, (m, width))
    return real, new, draw(SEEDS)


SCALE_FREE = {
    "precision_recall": evaluate.precision_recall,
    "density_coverage": evaluate.density_coverage,
}
SCALED = {
    "frechet_distance": (evaluate.frechet_distance, 2),
    "nearest": (lambda r, g: np.sort(evaluate.nearest_training_distance(g, r)), 1),
}


@given(two_sides(), st.sampled_from([0.25, 3.0, 100.0]))
def test_measures_of_features_do_not_depend_on_order_and_scale_as_they_should(sides, scale):
    real, new, seed = sides
    mixed = shuffled(real, seed), shuffled(new, seed + 1)
    for measure, power in [*SCALED.values(), *((m, 0) for m in SCALE_FREE.values())]:
        found = np.array(measure(real, new))
        np.testing.assert_allclose(measure(*mixed), found, rtol=1e-6, atol=1e-6)
        scaled = measure(scale * real, scale * new)
        np.testing.assert_allclose(
            scaled, scale**power * found, rtol=1e-5, atol=1e-5 * scale**power
        )


@given(two_sides())
def test_a_set_is_at_no_distance_from_itself_and_copies_of_training_images_change_none(sides):
    real, new, _ = sides
    assert evaluate.frechet_distance(real, real) == pytest.approx(0, abs=1e-6)
    there, back = evaluate.frechet_distance(real, new), evaluate.frechet_distance(new, real)
    assert there >= 0 and there == pytest.approx(back, rel=1e-6, abs=1e-6)
    assert not evaluate.nearest_training_distance(real, real).any()
    once, twice = (
        evaluate.nearest_training_distance(new, r) for r in (real, np.repeat(real, 2, 0))
    )
    np.testing.assert_array_equal(once, twice)


@given(labels(), SEEDS)
def test_scores_of_classes_count_shares_and_not_images(y, seed):
    named = np.random.default_rng(seed).integers(0, y.max() + 1, len(y))
    order = shuffled(np.arange(len(y)), seed)
    for score in (
        evaluate.macro_f1,
        evaluate.balanced_accuracy,
        lambda y, p: evaluate.per_class_recall(y, p, 4),
    ):
        found = score(y, named)
        np.testing.assert_allclose(score(y[order], named[order]), found)
        np.testing.assert_allclose(score(np.tile(y, 2), np.tile(named, 2)), found)
        assert np.nanmin(score(y, y)) == pytest.approx(1)


@given(SEEDS, st.integers(2, 5))
def test_the_inception_score_is_from_one_to_the_number_of_classes(seed, n_classes):
    p = np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.3), size=40)
    mean, spread = evaluate.inception_score(p, n_splits=2)
    assert 1 - 1e-9 <= mean <= n_classes + 1e-9 and spread >= 0
