"""Choosing among generated samples by a discriminator's score.

A sample's log-odds are log D / (1 - D), of the score D in [0, 1] that it is real: infinite for
scores of exactly 0 and 1. Where D is calibrated, they are the log of the ratio of the data's
density to the generator's, up to a constant that does not matter here, and what is chosen follows
the data. Both methods accept on l' + e >= l, where e = -log u is drawn from Exp(1): that is
u <= exp(l' - l), without a difference of infinities.
"""

from dataclasses import dataclass

import numpy as np

from dagen_keras import backend

PROPOSALS_AT_ONCE = 6_400
# Rejection gives up after so many proposals for each sample asked for.
PROPOSALS_PER_SAMPLE = 10_000
# Columns of log-odds that are laid out row by row, and their random numbers drawn, at once.
BLOCK = 32


@dataclass(frozen=True, eq=False)
class Selection:
    """Generated samples chosen by their score.

    Attributes:
        images: the chosen samples, (n, ...).
        log_odds: theirs, (n,).
        acceptance_rate: accepted proposals / proposals judged, of all rounds.
        restarted: share of the chains that restarted; 0.0 for rejection.
        proposals: how many samples were generated in all.
    """

    images: np.ndarray
    log_odds: np.ndarray
    acceptance_rate: float
    restarted: float
    proposals: int


def metropolis_hastings(log_odds, initial_log_odds, seed):
    """Independent Metropolis-Hastings chains: each proposal is accepted with min(1, exp(l' - l)).

    A tie is accepted, at infinity too; +inf never yields to less, and -inf yields to everything.
    What the first proposals lead to does not depend on how many follow.

    Args:
        log_odds: of the proposals, in their order, (chains, proposals).
        initial_log_odds: of the states in which the chains start, (chains,).
        seed: fixes the random numbers.

    Returns:
        The proposal each chain ends in, int (chains,), -1 where it never moved, and whether it
        moved, bool (chains,).

    Raises:
        ValueError: if a shape is not as described, if there is no chain or no proposal, or if a
            value is NaN.

    Reference: Turner et al. (2019), Metropolis-Hastings GANs, algorithm 1.
    """
    index, accepted = _run_chains(log_odds, initial_log_odds, seed)
    return index, accepted > 0


def rejection(log_odds, seed, maximum=None):
    """Which proposals to keep: each on its own with probability min(1, exp(l - maximum)).

    Args:
        log_odds: of the proposals, (n,).
        seed: fixes the random numbers.
        maximum: the log of the largest ratio of densities; None for the largest of `log_odds`.
            At +inf only those at +inf are accepted, at -inf all are. Log-odds above it are always
            accepted, which is too seldom: what is chosen is then biased.

    Returns:
        bool (n,).

    Raises:
        ValueError: if `log_odds` is empty or not of shape (n,), if `maximum` is not a number, or
            if a value is NaN.

    Reference: Azadi et al. (2019), Discriminator rejection sampling, with gamma and epsilon 0.
    """
    log_odds = _checked(log_odds, "log_odds", "(n,)")
    maximum = log_odds.max() if maximum is None else maximum
    if np.ndim(maximum) or np.isnan(maximum):
        raise ValueError(f"maximum must be a number, which may be infinite; got {maximum!r}.")
    return log_odds + np.random.default_rng(seed).standard_exponential(len(log_odds)) >= maximum


def select_by_metropolis_hastings(
    propose, score, start_log_odds, n, chain_length=640, seed=0, chains_at_once=None
):
    """`n` generated samples, each the last state of a Markov chain that starts at a real sample.

    A chain that never moved restarts from a generated sample, with `chain_length` proposals more;
    where it then ends is a generated sample whether it moved or not.

    Args:
        propose: `propose(m, seed)` returns m generated samples, (m, ...).
        score: `score(samples)` returns their log-odds, (m,).
        start_log_odds: of real samples that the discriminator was not trained on, (r,). The
            chains' starts are drawn from them, without replacement as long as there are enough.
        n: number of samples, and of chains.
        chain_length: proposals of each chain; 640 in the paper.
        seed: fixes the selection, if `propose` and `score` are deterministic.
        chains_at_once: chains whose proposals are in memory together; None for as many as have
            6,400 proposals.

    Returns:
        `Selection`.

    Raises:
        ValueError: if an argument, or what `propose` or `score` returns, is not as described.

    Reference: Turner et al. (2019), Metropolis-Hastings GANs, algorithm 1.
    """
    if chains_at_once is None:
        _check_counts(chain_length=chain_length)
        chains_at_once = max(1, PROPOSALS_AT_ONCE // chain_length)
    _check_counts(n=n, chain_length=chain_length, chains_at_once=chains_at_once)
    start_log_odds = _checked(start_log_odds, "start_log_odds", "(r,)")
    order = np.random.default_rng(backend.subseed(seed, "starts")).permutation(len(start_log_odds))
    starts = start_log_odds[np.resize(order, n)]
    chosen, accepted, restarted = [], 0, 0
    for number, first in enumerate(range(0, n, chains_at_once)):
        start = starts[first : first + chains_at_once]
        images, log_odds, moves = _last_states(
            propose, score, len(start), chain_length, backend.subseed(seed, "chains", number), start
        )
        accepted += moves.sum()
        unmoved = moves == 0
        if unmoved.any():
            images[unmoved], log_odds[unmoved], moves = _last_states(
                propose,
                score,
                unmoved.sum(),
                chain_length,
                backend.subseed(seed, "restart", number),
            )
            accepted += moves.sum()
            restarted += unmoved.sum()
        chosen.append((images, log_odds))
    images, log_odds = map(np.concatenate, zip(*chosen, strict=True))
    judged = (n + restarted) * chain_length
    # Where a chain restarts, one more is generated: its start.
    proposals = int(judged + restarted)
    return Selection(images, log_odds, float(accepted / judged), float(restarted / n), proposals)


def select_by_rejection(propose, score, n, seed=0, maximum=None, block=PROPOSALS_AT_ONCE):
    """The first `n` generated samples that `rejection` keeps.

    Args:
        propose: `propose(m, seed)` returns m generated samples, (m, ...).
        score: `score(samples)` returns their log-odds, (m,).
        n: number of samples.
        seed: fixes the selection, if `propose` and `score` are deterministic.
        maximum: as in `rejection`. None estimates it: each block of proposals is judged by the
            largest log-odds of this block and those before it. What was chosen before a larger
            one is met stays chosen, so that large blocks are less biased.
        block: proposals in memory at once.

    Returns:
        `Selection`.

    Raises:
        ValueError: if an argument, or what `propose` or `score` returns, is not as described.
        RuntimeError: if fewer than `n` of 10,000 n proposals are accepted.

    Reference: Azadi et al. (2019), Discriminator rejection sampling, algorithm 1.
    """
    _check_counts(n=n, block=block)
    bound = -np.inf if maximum is None else maximum
    chosen, accepted, proposals = [], 0, 0
    while accepted < n:
        if proposals >= PROPOSALS_PER_SAMPLE * n:
            raise RuntimeError(
                f"only {accepted} of {proposals} proposals were accepted, and {n} are needed: the "
                f"largest log-odds, {bound:.3g}, are far above most. Give a smaller maximum, or "
                "use select_by_metropolis_hastings."
            )
        block_seed = backend.subseed(seed, "block", len(chosen))
        samples, log_odds = _generated(propose, score, block, block_seed)
        if maximum is None:
            bound = max(bound, log_odds.max())
        kept = rejection(log_odds, backend.subseed(block_seed, "acceptance"), bound)
        chosen.append((samples[kept], log_odds[kept]))
        accepted += int(kept.sum())
        proposals += block
    images, log_odds = (np.concatenate(parts)[:n] for parts in zip(*chosen, strict=True))
    return Selection(images, log_odds, accepted / proposals, 0.0, proposals)


def _run_chains(log_odds, initial_log_odds, seed):
    """The proposal each chain ends in, or -1, and how many it accepted: both int (chains,)."""
    log_odds = _checked(log_odds, "log_odds", "(chains, proposals)")
    state = _checked(initial_log_odds, "initial_log_odds", "(chains,)")
    chains, proposals = log_odds.shape
    if len(state) != chains:
        raise ValueError(
            f"initial_log_odds must be one a chain; got {len(state)} for {chains} chains."
        )
    rng = np.random.default_rng(seed)
    index, accepted = np.full(chains, -1), np.zeros(chains, int)
    for first in range(0, proposals, BLOCK):
        proposed = np.ascontiguousarray(log_odds[:, first : first + BLOCK].T)
        # The same numbers as of one draw of (proposals, chains).
        raised = rng.standard_exponential(proposed.shape)
        raised += proposed
        for k in range(len(proposed)):
            moves = raised[k] >= state
            state = np.where(moves, proposed[k], state)
            index = np.where(moves, first + k, index)
            accepted += moves
    return index, accepted


def _last_states(propose, score, chains, chain_length, seed, start=None):
    """The chains' last states, their log-odds, and how many proposals each chain accepted.

    They start at log-odds `start`, and what is returned of a chain that never moved has no
    meaning; or, without, at one more generated sample each.
    """
    more = 1 if start is None else 0
    length = chain_length + more
    samples, log_odds = _generated(propose, score, chains * length, seed)
    by_chain = log_odds.reshape(chains, length)
    start = by_chain[:, 0] if start is None else start
    index, accepted = _run_chains(by_chain[:, more:], start, backend.subseed(seed, "acceptance"))
    last = np.arange(chains) * length + more + index
    return samples[last], log_odds[last], accepted


def _generated(propose, score, m, seed):
    m = int(m)
    samples = np.asarray(propose(m, backend.subseed(seed, "proposals")))
    if samples.shape[:1] != (m,):
        raise ValueError(f"propose({m}, seed) must return {m} samples; got shape {samples.shape}.")
    log_odds = _checked(score(samples), "what score returns", "(n,)")
    if len(log_odds) != m:
        raise ValueError(f"score must return one value a sample; got {len(log_odds)} for {m}.")
    return samples, log_odds.astype(float)


def _checked(log_odds, name, shape):
    log_odds = np.asarray(log_odds)
    if log_odds.ndim != len(shape.strip("(,)").split(",")) or log_odds.size == 0:
        raise ValueError(f"{name} must have shape {shape}, not empty; got shape {log_odds.shape}.")
    n_bad = np.isnan(log_odds).sum()
    if n_bad:
        raise ValueError(
            f"{name} must be log-odds, which may be infinite but not NaN; {n_bad} of "
            f"{log_odds.size} are NaN."
        )
    return log_odds


def _check_counts(**counts):
    for name, value in counts.items():
        if not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} must be an integer of 1 or more; got {value!r}.")
