import numpy as np
import pytest

from dagen_keras import models

RATES = (1e-1, 1e-2, 1e-3, 1e-4)


def test_finds_the_rate_with_the_best_mean_and_keeps_every_score():
    # The best single score is at 1e-1, the best mean at 1e-3.
    seen = {}

    def train(rate, seed):
        run = seen.setdefault(seed, len(seen))
        return {1e-1: [1, 0, 0], 1e-2: [0.5] * 3, 1e-3: [0.6, 0.7, 0.8], 1e-4: [0.5] * 3}[rate][run]

    found = models.search_learning_rate(train, RATES, n_runs=3)
    assert found.learning_rate == 1e-3
    assert found.score == pytest.approx(0.7)
    assert list(found.scores.columns) == ["learning_rate", "seed", "score"]
    assert len(found.scores) == 12
    assert sorted(found.scores.learning_rate.unique()) == sorted(RATES)
    seeds = found.scores.groupby("learning_rate").seed.agg(tuple)
    assert seeds.nunique() == 1
    assert len(set(seeds.iloc[0])) == 3


def test_draws_without_replacement_in_an_order_that_follows_the_seed():
    def rates(seed, n_trials=None):
        tried = models.search_learning_rate(
            lambda rate, _: 0.5, n_runs=1, n_trials=n_trials, seed=seed
        )
        return tried.scores.learning_rate.tolist()

    assert sorted(rates(0)) == [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
    assert rates(0) == rates(0)
    assert len({tuple(rates(seed)) for seed in range(5)}) > 1
    assert rates(0, 3) == rates(0)[:3]
    assert len(rates(0, 100)) == 6


def test_a_tie_goes_to_the_smaller_rate():
    assert models.search_learning_rate(lambda *_: 0.5, RATES, n_runs=3).learning_rate == 1e-4


def test_a_run_that_diverges_counts_as_0_and_does_not_stop_the_search():
    def train(rate, seed):
        if rate == 1e-1:
            raise models.NonFiniteLossError("NaN")
        return np.nan if rate == 1e-2 else 0.1

    found = models.search_learning_rate(train, RATES, n_runs=2)
    assert found.learning_rate == 1e-4
    failed = found.scores[found.scores.score.isna()]
    assert set(failed.learning_rate) == {1e-1, 1e-2}


def test_all_runs_diverging_is_an_error():
    def train(rate, seed):
        raise models.NonFiniteLossError("NaN")

    with pytest.raises(models.NonFiniteLossError, match="No run .* 0.1"):
        models.search_learning_rate(train, (1e-1,), n_runs=2)


def test_other_errors_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        models.search_learning_rate(lambda *_: 1 / 0, RATES)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"learning_rates": ()}, "positive numbers"),
        ({"learning_rates": (0.1, 0)}, "positive numbers"),
        ({"n_runs": 0}, "1 or more"),
        ({"n_trials": 0}, "1 or more"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.search_learning_rate(lambda *_: 0.5, **arguments)
