import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from scipy import special, stats

from dagen_keras.sampling import metropolis
from dagen_keras.sampling.metropolis import (
    metropolis_hastings,
    rejection,
    select_by_metropolis_hastings,
    select_by_rejection,
)

INF = np.inf
ATOMS, ATOM_TARGET = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.7, 0.0])
MIXTURE = [(0.5, -1.0, 0.5), (0.5, 1.2, 0.4)]  # weight, mean, standard deviation


def _mixture(of_normal, x):
    return sum(w * of_normal((x - mean) / sd) / sd for w, mean, sd in MIXTURE)


def _mixture_cdf(x):
    return sum(w * special.ndtr((x - mean) / sd) for w, mean, sd in MIXTURE)


class Case(NamedTuple):
    """A generator, the log of the target's density over its own, and a test of the target."""

    draw: Callable
    log_ratio: Callable
    p_value: Callable

    def propose(self, m, seed):
        return self.draw(np.random.default_rng(seed), m)


def _normal(rng, m):
    return rng.standard_normal(m)


def _of_cdf(cdf):
    return lambda x: stats.kstest(x, cdf).pvalue


def _of_atoms(x):
    counts = np.bincount(x, minlength=4)
    if counts[3]:
        return 0.0
    return stats.chisquare(counts[:3], len(x) * ATOM_TARGET[:3]).pvalue


def _log_atoms(x):
    with np.errstate(divide="ignore"):
        return np.log(ATOM_TARGET / ATOMS)[x]


CASES = {
    "normal": Case(
        _normal,
        lambda x: stats.norm.logpdf(x, 0.5, 0.8) - stats.norm.logpdf(x),
        _of_cdf(stats.norm(0.5, 0.8).cdf),
    ),
    "mixture": Case(
        _normal,
        lambda x: np.log(_mixture(stats.norm.pdf, x)) - stats.norm.logpdf(x),
        _of_cdf(_mixture_cdf),
    ),
    "exponential of uniform": Case(
        lambda rng, m: rng.random(m),
        lambda x: 3 * x,
        _of_cdf(lambda x: np.expm1(3 * x) / math.expm1(3)),
    ),
    "atoms, one without mass": Case(
        lambda rng, m: rng.choice(4, size=m, p=ATOMS), _log_atoms, _of_atoms
    ),
    "the proposals": Case(_normal, lambda x: np.full(len(x), -3.5), _of_cdf(stats.norm.cdf)),
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def _assert_follows(case, x):
    """Not refused at the level of 1%, with a fixed seed."""
    assert case.p_value(x) > 0.01


# The law of what is chosen


@cases
def test_the_tests_of_laws_tell_the_target_from_the_proposals(case, rng):
    if case is not CASES["the proposals"]:
        assert case.p_value(case.draw(rng, 4000)) < 1e-6


@cases
def test_chains_end_in_the_target(case, rng):
    proposals = case.draw(rng, 4000 * 60).reshape(4000, 60)
    log_odds = case.log_ratio(proposals.ravel()).reshape(proposals.shape)
    index, moved = metropolis_hastings(log_odds, np.full(4000, -INF), seed=1)
    assert moved.all()
    _assert_follows(case, proposals[np.arange(4000), index])


@cases
def test_rejection_draws_from_the_target(case, rng):
    proposals = case.draw(rng, 20_000)
    _assert_follows(case, proposals[rejection(case.log_ratio(proposals), seed=1)])


@cases
@pytest.mark.parametrize("chains_at_once", [None, 7])
def test_selected_samples_follow_the_target(case, chains_at_once):
    selection = select_by_metropolis_hastings(
        case.propose, case.log_ratio, np.zeros(9), 2000, 40, 2, chains_at_once
    )
    _assert_follows(case, selection.images)
    np.testing.assert_array_equal(selection.log_odds, case.log_ratio(selection.images))


@cases
def test_restarted_chains_follow_the_target(case):
    selection = select_by_metropolis_hastings(
        case.propose, case.log_ratio, [INF], 4000, chain_length=40, seed=0
    )
    assert selection.restarted == 1
    _assert_follows(case, selection.images)


@cases
def test_samples_selected_by_rejection_follow_the_target(case):
    selection = select_by_rejection(case.propose, case.log_ratio, 4000, seed=0)
    _assert_follows(case, selection.images)
    np.testing.assert_array_equal(selection.log_odds, case.log_ratio(selection.images))


@pytest.mark.parametrize("maximum", [0.0, 1.0])
def test_rejection_accepts_with_the_ratio(maximum):
    n, log_odds = 40_000, np.array([-INF, -2.0, -0.5, 0.0, 0.7, INF])
    accepted = [rejection(np.full(n, value), 3, maximum).mean() for value in log_odds]
    expected = np.minimum(1, np.exp(log_odds - maximum))
    np.testing.assert_allclose(accepted, expected, atol=5 * np.sqrt(0.25 / n))
    sure = np.isin(expected, (0, 1))
    np.testing.assert_array_equal(np.array(accepted)[sure], expected[sure])


@pytest.mark.parametrize("state", [-INF, -1.0, 0.0, 2.5, INF])
@pytest.mark.parametrize("proposed", [-INF, -2.0, 0.0, 1.9, INF])
def test_one_proposal_is_accepted_with_the_closed_form(state, proposed):
    n = 40_000
    index, moved = metropolis_hastings(np.full((n, 1), proposed), np.full(n, state), seed=4)
    np.testing.assert_array_equal(index, np.where(moved, 0, -1))
    if proposed >= state:
        assert moved.all()
    elif math.isinf(proposed - state):
        assert not moved.any()
    else:
        assert abs(moved.mean() - math.exp(proposed - state)) < 5 * np.sqrt(0.25 / n)


# The choices themselves


def _by_loop(log_odds, initial, seed):
    chains, proposals = log_odds.shape
    uniform = np.exp(-np.random.default_rng(seed).standard_exponential((proposals, chains)))
    index, accepted = np.full(chains, -1), np.zeros(chains, int)
    for chain in range(chains):
        state = float(initial[chain])
        for k in range(proposals):
            proposed = float(log_odds[chain, k])
            probability = 1 if proposed >= state else math.exp(proposed - state)
            if uniform[k, chain] <= probability:
                state, index[chain] = proposed, k
                accepted[chain] += 1
    return index, accepted


def _hard_log_odds(rng, shape):
    """Normal numbers, ties among them, and infinities of both signs."""
    log_odds = np.where(
        rng.random(shape) < 0.5, rng.normal(0, 3, shape), rng.integers(-2, 3, shape)
    )
    # Few are +inf, so that not all chains end there.
    log_odds[rng.random(shape) < 0.005] = INF
    log_odds[rng.random(shape) < 0.1] = -INF
    return log_odds


@pytest.mark.parametrize("proposals", [1, 31, 32, 33, 150])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_choices_are_those_of_a_plain_loop(rng, proposals, dtype):
    log_odds = _hard_log_odds(rng, (80, proposals)).astype(dtype)
    initial = _hard_log_odds(rng, 80).astype(dtype)
    initial[:4] = [INF, -INF, INF, 0]
    log_odds[1:4] = INF
    log_odds[0] = 5.0  # Never moves.
    expected, accepted = _by_loop(log_odds, initial, seed=5)
    for laid_out in (log_odds, np.asfortranarray(log_odds), log_odds[:, ::-1].copy()[:, ::-1]):
        index, moved = metropolis_hastings(laid_out, initial, seed=5)
        np.testing.assert_array_equal(index, expected)
        np.testing.assert_array_equal(moved, accepted > 0)
    np.testing.assert_array_equal(metropolis._run_chains(log_odds, initial, 5)[1], accepted)
    assert moved.any() and not moved.all()


def test_scores_of_exactly_0_and_1():
    with np.errstate(divide="ignore"):
        log_odds = special.logit(np.array([[0.0, 0.5, 0.0], [1.0, 0.9, 0.0], [0.0, 1.0, 1.0]]))
        initial = special.logit(np.array([0.0, 0.0, 1.0]))
    index, moved = metropolis_hastings(log_odds, initial, seed=0)
    np.testing.assert_array_equal(index, [1, 0, 2])
    assert moved.all()
    np.testing.assert_array_equal(rejection(log_odds[1], 0), [True, False, False])
    np.testing.assert_array_equal(rejection(log_odds[0], 0), [False, True, False])
    assert rejection(np.full(5, -INF), 0).all()
    assert rejection([-1.0, -INF], 0, maximum=-INF).all()


@pytest.mark.parametrize("value", [-INF, -700.0, 0.0, 3.25, INF])
def test_ties_are_accepted(value):
    index, moved = metropolis_hastings(np.full((50, 70), value), np.full(50, value), seed=0)
    assert (index == 69).all() and moved.all()
    assert rejection(np.full(50, value), 0).all()


@pytest.mark.parametrize("first", [1, 31, 32, 33, 90])
def test_what_follows_does_not_change_what_the_first_proposals_lead_to(rng, first):
    log_odds, initial = rng.normal(size=(60, 100)), rng.normal(size=60)
    never = log_odds.copy()
    never[:, first:] = -INF
    for short, long in zip(
        metropolis_hastings(log_odds[:, :first], initial, 6),
        metropolis_hastings(never, initial, 6),
        strict=True,
    ):
        np.testing.assert_array_equal(short, long)


@pytest.mark.parametrize("constant", [-7.0, 1.5, 300.0])
def test_a_constant_added_to_all_log_odds_changes_nothing(rng, constant):
    log_odds, initial = rng.normal(size=(60, 100)), rng.normal(size=60)
    index, _ = metropolis_hastings(log_odds, initial, 7)
    shifted, _ = metropolis_hastings(log_odds + constant, initial + constant, 7)
    np.testing.assert_array_equal(shifted, index)
    kept = rejection(initial, 7)
    np.testing.assert_array_equal(rejection(initial + constant, 7), kept)
    assert 0 < kept.sum() < 60


def test_seeds_fix_the_choices(rng):
    log_odds, initial = rng.normal(size=(60, 30)), rng.normal(size=60)
    for choose in (
        lambda s: metropolis_hastings(log_odds, initial, s)[0],
        lambda s: rejection(initial, s),
    ):
        np.testing.assert_array_equal(choose(1), choose(1))
        assert (choose(1) != choose(2)).any()


# Selections


class Recorder:
    """Uniform images of one pixel, scored by it; notes what it is asked for."""

    def __init__(self, scale=1.0):
        self.scale, self.asked, self.seeds = scale, [], []

    def propose(self, m, seed):
        self.asked.append(m)
        self.seeds.append(seed)
        return np.random.default_rng(seed).random((m, 1, 1, 1), dtype="float32")

    def score(self, images):
        return self.scale * images[:, 0, 0, 0]


def _by_chains(recorder, **changes):
    settings = {"start_log_odds": np.zeros(3), "n": 25, "chain_length": 12, "chains_at_once": 10}
    return select_by_metropolis_hastings(recorder.propose, recorder.score, **settings | changes)


def test_chains_are_run_in_blocks_of_their_own():
    recorder = Recorder()
    selection = _by_chains(recorder)
    assert recorder.asked == [120, 120, 60]
    assert len(set(recorder.seeds)) == 3
    assert selection.images.shape == (25, 1, 1, 1) and selection.images.dtype == np.float32
    assert selection.log_odds.shape == (25,)
    assert len(np.unique(selection.images)) == 25
    assert selection.proposals == 300 and selection.restarted == 0


def test_default_blocks_have_6400_proposals():
    recorder = Recorder()
    _by_chains(recorder, chain_length=640, chains_at_once=None)
    assert recorder.asked == [6400, 6400, 3200]
    recorder = Recorder()
    _by_chains(recorder, n=2, chain_length=7000, chains_at_once=None)
    assert recorder.asked == [7000, 7000]


def test_the_last_of_proposals_that_are_all_alike_is_selected():
    recorder = Recorder(scale=0)
    selection = _by_chains(recorder)
    drawn = [
        Recorder().propose(m, seed).reshape(-1, 12, 1, 1, 1)[:, -1]
        for m, seed in zip(recorder.asked, recorder.seeds, strict=True)
    ]
    np.testing.assert_array_equal(selection.images, np.concatenate(drawn))
    assert selection.acceptance_rate == 1


def test_chains_that_never_moved_restart_from_a_generated_sample():
    recorder = Recorder(scale=0)
    selection = _by_chains(recorder, start_log_odds=[INF])
    assert recorder.asked == [120, 130, 120, 130, 60, 65]
    assert len(set(recorder.seeds)) == 6
    assert selection.restarted == 1 and selection.acceptance_rate == 0.5
    assert selection.proposals == sum(recorder.asked)
    drawn = [
        Recorder().propose(m, seed).reshape(-1, 13, 1, 1, 1)[:, -1]
        for m, seed in zip(recorder.asked[1::2], recorder.seeds[1::2], strict=True)
    ]
    np.testing.assert_array_equal(selection.images, np.concatenate(drawn))


def test_a_restarted_chain_that_does_not_move_stays_where_it_restarted():
    scores = iter([np.zeros(4 * 12), np.tile([INF] + [0.0] * 12, 4)])
    recorder = Recorder()
    selection = select_by_metropolis_hastings(
        recorder.propose, lambda _: next(scores), [INF], 4, chain_length=12
    )
    drawn = Recorder().propose(recorder.asked[1], recorder.seeds[1])
    np.testing.assert_array_equal(selection.images, drawn[::13])
    np.testing.assert_array_equal(selection.log_odds, [INF] * 4)
    assert selection.acceptance_rate == 0 and selection.restarted == 1


def test_starts_are_drawn_without_replacement():
    starts = np.array([INF] * 4 + [0.0] * 6)
    recorder = Recorder(scale=0)
    assert _by_chains(recorder, start_log_odds=starts, n=10).restarted == 0.4
    assert _by_chains(recorder, start_log_odds=starts, n=30).restarted == 0.4
    restarted = {
        _by_chains(recorder, start_log_odds=starts, n=2, seed=s).restarted for s in range(20)
    }
    assert restarted == {0, 0.5, 1}


def test_acceptance_rate_of_chains_is_the_closed_form():
    """Of two atoms with the odds e to 1: half the proposals tie, a quarter is always accepted."""
    selection = select_by_metropolis_hastings(
        lambda m, seed: np.random.default_rng(seed).integers(2, size=m),
        lambda samples: samples.astype(float),
        [0.0, 1.0, 1.0],
        300,
        chain_length=200,
    )
    upper = math.e / (1 + math.e)
    expected = (1 - upper) + upper * (0.5 + 0.5 / math.e)
    assert selection.acceptance_rate == pytest.approx(expected, abs=0.005)
    assert selection.proposals == 300 * 200


@pytest.mark.parametrize("select", ["chains", "rejection"])
def test_seeds_fix_selections(select):
    def images(seed):
        if select == "chains":
            return _by_chains(Recorder(), seed=seed).images
        recorder = Recorder()
        return select_by_rejection(recorder.propose, recorder.score, 30, seed, block=20).images

    np.testing.assert_array_equal(images(1), images(1))
    assert (images(1) != images(2)).all()


def test_rejection_goes_on_until_there_are_enough():
    recorder = Recorder(scale=2)
    selection = select_by_rejection(recorder.propose, recorder.score, 100, maximum=2.0, block=50)
    assert set(recorder.asked) == {50} and len(set(recorder.seeds)) == len(recorder.asked) > 2
    assert selection.images.shape == (100, 1, 1, 1) and selection.log_odds.shape == (100,)
    assert selection.proposals == sum(recorder.asked) and selection.restarted == 0
    # The mean of exp(2 x - 2), and 5 standard deviations.
    rate = (1 - math.exp(-2)) / 2
    assert abs(selection.acceptance_rate - rate) < 5 * np.sqrt(0.25 / selection.proposals)
    assert selection.acceptance_rate >= 100 / selection.proposals


def test_a_larger_log_odds_raises_the_estimated_maximum():
    values = iter([np.full(10, 0.0), np.full(10, 800.0), np.full(10, 0.0), np.full(10, 800.0)])
    selection = select_by_rejection(Recorder().propose, lambda _: next(values), 30, block=10)
    np.testing.assert_array_equal(selection.log_odds, [0.0] * 10 + [800.0] * 20)
    assert selection.proposals == 40 and selection.acceptance_rate == 0.75


def test_a_given_maximum_stays():
    values = iter([np.full(10, 900.0), np.full(10, 800.0), np.full(10, 0.0)])
    selection = select_by_rejection(
        Recorder().propose, lambda _: next(values), 25, maximum=0.0, block=10
    )
    assert selection.proposals == 30 and selection.acceptance_rate == 1


def test_rejection_gives_up(monkeypatch):
    monkeypatch.setattr(metropolis, "PROPOSALS_PER_SAMPLE", 20)
    recorder = Recorder()
    with pytest.raises(
        RuntimeError, match="only 0 of 60 proposals were accepted, and 3 are needed"
    ):
        select_by_rejection(recorder.propose, recorder.score, 3, maximum=800.0, block=10)
    assert len(recorder.asked) == 6


# What is refused


@pytest.mark.parametrize(
    "log_odds, initial, message",
    [
        (np.zeros(3), np.zeros(3), r"log_odds must have shape \(chains, proposals\), .*\(3,\)"),
        (np.zeros((3, 0)), np.zeros(3), r"not empty; got shape \(3, 0\)"),
        (np.zeros((0, 3)), np.zeros(0), r"not empty; got shape \(0, 3\)"),
        (np.zeros((3, 2)), 0.0, r"initial_log_odds must have shape \(chains,\)"),
        (np.zeros((3, 2)), np.zeros((3, 1)), r"initial_log_odds must have shape \(chains,\)"),
        (np.zeros((3, 2)), np.zeros(2), "one a chain; got 2 for 3 chains"),
        ([[0.0, np.nan]], [0.0], "^log_odds must be .* not NaN; 1 of 2 are NaN"),
        ([[0.0, 0.0]], [np.nan], "initial_log_odds must be .* not NaN; 1 of 1 are NaN"),
    ],
)
def test_bad_log_odds_of_chains_are_refused(log_odds, initial, message):
    with pytest.raises(ValueError, match=message):
        metropolis_hastings(log_odds, initial, 0)


@pytest.mark.parametrize(
    "log_odds, maximum, message",
    [
        ([], None, r"log_odds must have shape \(n,\), not empty"),
        ([[0.0]], None, r"log_odds must have shape \(n,\)"),
        ([np.nan], None, "not NaN"),
        ([0.0], np.nan, "maximum must be a number, which may be infinite; got nan"),
        ([0.0], [1.0], "maximum must be a number"),
    ],
)
def test_bad_log_odds_of_rejection_are_refused(log_odds, maximum, message):
    with pytest.raises(ValueError, match=message):
        rejection(log_odds, 0, maximum)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"n": 0}, "n must be an integer of 1 or more; got 0"),
        ({"n": 2.0}, "n must be an integer of 1 or more; got 2.0"),
        ({"chain_length": 0}, "chain_length must be"),
        ({"chain_length": 0, "chains_at_once": None}, "chain_length must be"),
        ({"chains_at_once": -1}, "chains_at_once must be"),
        ({"start_log_odds": []}, r"start_log_odds must have shape \(r,\), not empty"),
        ({"start_log_odds": [np.nan]}, "start_log_odds must be .* not NaN"),
    ],
)
def test_bad_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        _by_chains(Recorder(), **changes)


@pytest.mark.parametrize(
    "propose, score, message",
    [
        (lambda m, s: np.zeros((m - 1, 2)), len, r"propose\(120, seed\) must return 120 samples"),
        (lambda m, s: 0.0, len, r"propose\(120, seed\) must return 120 samples"),
        (lambda m, s: np.zeros(m), lambda x: x[:, None], "what score returns must have shape"),
        (lambda m, s: np.zeros(m), lambda x: x[1:], "one value a sample; got 119 for 120"),
        (lambda m, s: np.zeros(m), lambda x: x + np.nan, "what score returns must be .* not NaN"),
    ],
)
def test_what_propose_and_score_return_is_checked(propose, score, message):
    with pytest.raises(ValueError, match=message):
        select_by_metropolis_hastings(propose, score, [0.0], 10, 12)
    with pytest.raises(ValueError, match=message):
        select_by_rejection(propose, score, 10, block=120)


def test_bad_settings_of_rejection_are_refused():
    recorder = Recorder()
    for changes in ({"n": 0}, {"block": 0}, {"maximum": np.nan}):
        with pytest.raises(ValueError, match=f"{next(iter(changes))} must be"):
            select_by_rejection(recorder.propose, recorder.score, **{"n": 5} | changes)
