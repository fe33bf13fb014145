"""Probability of overfitting: the published answers, a plain twin, and laws."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitness.statistics import block_sums, overfitting
from strategies.errors import UsageError


def sharpe(returns):
    spread = returns.std(ddof=1)
    return 0.0 if np.ptp(returns) == 0.0 else returns.mean() / spread


def plain(returns, n_blocks):
    """Logits, and Sharpe ratios inside and outside of the chosen one, from the returns themselves."""
    blocks = np.array_split(np.arange(returns.shape[1]), n_blocks)
    found = []
    for half in itertools.combinations(range(n_blocks), n_blocks // 2):
        bars = np.concatenate([blocks[b] for b in half])
        others = np.setdiff1d(np.arange(returns.shape[1]), bars)
        inside, outside = ([sharpe(row[part]) for row in returns] for part in (bars, others))
        score, _, best = max((i, -o, -row) for row, (i, o) in enumerate(zip(inside, outside, strict=True)))
        mine = outside[-best]
        rank = sum(o < mine for o in outside) + (sum(o == mine for o in outside) + 1) / 2
        w = rank / (len(returns) + 1)
        found.append((math.log(w / (1 - w)), score, mine))
    return np.array(found).T


def test_known_answers_of_seeded_matrices():
    returns = np.random.default_rng(0).standard_normal((1000, 20)).T
    found = overfitting(block_sums(returns, 10))
    assert (found.n_splits, found.n_strategies) == (252, 20)
    assert found.pbo == 123 / 252  # .488095
    skilled = returns.copy()
    skilled[0] += 0.15
    assert overfitting(block_sums(skilled, 10)).pbo == 3 / 252  # .011905


def test_known_answers_by_hand():
    noise = np.random.default_rng(1).standard_normal(400)
    always_better = overfitting(block_sums(np.stack([noise + 5.0, noise]), 4))
    assert always_better.pbo == 0.0
    assert always_better.logits == pytest.approx(np.full(6, math.log(2.0)))
    half = noise[:200]
    antisymmetric = np.stack([np.concatenate([half, -half]), np.concatenate([-half, half])])
    found = overfitting(block_sums(antisymmetric, 2))
    assert found.pbo == 1.0
    assert found.probability_of_loss == 1.0
    assert found.out_of_sample == pytest.approx(-found.in_sample)


@pytest.mark.parametrize(("seed", "n", "n_bars", "n_blocks"), [(1, 7, 60, 4), (2, 3, 61, 6), (3, 12, 83, 2)])
def test_equals_a_plain_twin(seed, n, n_bars, n_blocks):
    returns = np.random.default_rng(seed).standard_normal((n, n_bars))
    returns[1, : n_bars // 2] = 0.0  # did not trade in some halves
    found = overfitting(block_sums(returns, n_blocks))
    logits, inside, outside = plain(returns, n_blocks)
    assert found.logits == pytest.approx(logits, abs=1e-12)
    assert found.in_sample == pytest.approx(inside, abs=1e-12)
    assert found.out_of_sample == pytest.approx(outside, abs=1e-12)
    assert found.pbo == np.mean(logits <= 0.0)
    assert found.probability_of_loss == np.mean(outside < 0.0)
    if n_blocks > 2:
        assert (found.slope, found.intercept) == pytest.approx(tuple(np.polyfit(inside, outside, 1)))


@given(st.integers(0, 2**32 - 1), st.permutations(range(6)))
def test_neither_order_nor_leverage_nor_a_twin_in_a_tie_matters(seed, order):
    rng = np.random.default_rng(seed)
    returns = rng.integers(-2, 3, (6, 24)).astype(np.float64)  # small whole numbers: ties abound, sums are exact
    whole = overfitting(block_sums(returns, 4))
    shuffled = overfitting(block_sums(returns[list(order)], 4))
    assert shuffled.logits.tolist() == whole.logits.tolist()
    assert shuffled.out_of_sample.tolist() == whole.out_of_sample.tolist()
    assert overfitting(block_sums(returns * 2.0, 4)).logits.tolist() == whole.logits.tolist()


def test_copies_of_one_strategy_are_no_better_than_the_middle():
    one = np.random.default_rng(4).standard_normal(100)
    found = overfitting(block_sums(np.tile(one, (5, 1)), 4))
    assert found.logits.tolist() == [0.0] * 6  # the average rank of a tie
    assert found.pbo == 1.0


def test_noise_gives_about_a_half():
    rng = np.random.default_rng(5)
    found = [overfitting(block_sums(rng.standard_normal((20, 200)), 8)).pbo for _ in range(150)]
    assert np.mean(found) == pytest.approx(0.5, abs=4 * 0.15 / math.sqrt(150))


def test_sums_of_blocks_of_time_and_of_batches_of_strategies():
    returns = np.random.default_rng(6).standard_normal((5, 23))
    returns[2, 3:9] = math.nan
    sums = block_sums(returns, 4)
    assert sums[0, :, 0].tolist() == [6.0, 6.0, 6.0, 5.0]
    assert sums[2, :, 0].tolist() == [3.0, 3.0, 6.0, 5.0]
    assert sums[..., 1].sum(axis=1) == pytest.approx(np.nansum(returns, axis=1))
    assert sums[1, 1, 2] == pytest.approx((returns[1, 6:12] ** 2).sum())
    assert np.concatenate([block_sums(returns[:2], 4), block_sums(returns[2:], 4)]).tolist() == sums.tolist()


def test_no_spread_is_a_sharpe_of_zero_and_no_bars_are_none():
    rng = np.random.default_rng(7)
    losing = rng.standard_normal((2, 40)) - 3.0
    flat = np.full((1, 40), 0.25)
    found = overfitting(block_sums(np.concatenate([losing, flat]), 4))
    assert set(found.chosen.tolist()) == {2}
    assert found.in_sample.tolist() == [0.0] * 6
    assert math.isnan(found.slope)
    missing = np.full((1, 40), math.nan)
    without = overfitting(block_sums(np.concatenate([losing, missing]), 4))
    assert set(without.chosen.tolist()) <= {0, 1}
    nothing = overfitting(block_sums(missing, 4))
    assert math.isnan(nothing.pbo)
    assert math.isnan(nothing.probability_of_loss)
    assert nothing.chosen.tolist() == [-1] * 6


def test_of_equally_good_ones_the_worse_out_of_sample_is_chosen():
    noise = np.random.default_rng(9).standard_normal(20)
    flat, up, down, losing = (
        np.zeros(20),
        noise - noise.mean() + 1.0,
        noise - noise.mean() - 1.0,
        np.tile(noise - 9.0, 2),
    )
    for order in ([0, 1, 2], [2, 1, 0]):
        rows = np.stack([np.concatenate([flat, up]), np.concatenate([flat, down]), losing])[order]
        found = overfitting(block_sums(rows, 2))
        assert order[found.chosen[0]] == 1  # both are flat in the first half
        assert found.logits[0] == pytest.approx(0.0, abs=1e-15)  # better than the losing one only
        assert found.out_of_sample[0] == pytest.approx(-1.0 / noise.std(ddof=1))


def test_one_strategy_has_no_probability_of_overfitting():
    found = overfitting(block_sums(np.random.default_rng(8).standard_normal((1, 40)), 4))
    assert math.isnan(found.pbo)
    assert np.isfinite(found.out_of_sample).all()


def test_bad_inputs_are_named():
    with pytest.raises(UsageError, match=r"`returns` must be \(n_strategies, n_bars\), but was \(9,\)"):
        block_sums(np.zeros(9), 2)
    with pytest.raises(UsageError, match="`n_blocks` must leave two bars a block, but was 6 for 11 bars"):
        block_sums(np.zeros((2, 11)), 6)
    with pytest.raises(UsageError, match=r"but was inf \(strategy 1, bar 4\)"):
        block_sums(np.where(np.arange(20).reshape(2, 10) == 14, np.inf, 0.0), 2)
    for n_blocks in (3, 22):
        with pytest.raises(UsageError, match=f"`n_blocks` must be even and from 2 to 20, but was {n_blocks}"):
            overfitting(np.zeros((2, n_blocks, 3)))
    with pytest.raises(UsageError, match=r"of at least one strategy, but was \(0, 4, 3\)"):
        overfitting(np.zeros((0, 4, 3)))
