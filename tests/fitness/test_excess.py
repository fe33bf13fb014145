"""Timing returns: none for who only holds, what is counted by hand, and no bias on a random walk."""

from dataclasses import replace

import numpy as np
import pytest

from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.excess import exposures, timing_returns
from fitness.folds import Window
from fitness.pooled import pool
from fitness.samples import random_walk
from fitness.shards import shard_of
from fitness.trace import trace, trace_buy_and_hold
from strategies.codec import express
from strategies.errors import UsageError
from strategies.sampler import random_genomes

FREE = Costs(fee=0.0, slippage=0.0)
COSTS = Costs.from_bps(fee_bps=5, slippage_bps=2, start_equity=1e5)
WINDOWS = (Window("fold 0", 100, 290), Window("fold 1", 295, 480))


@pytest.fixture(scope="module")
def shard():
    return shard_of(random_walk(1, 500), "RW", "1d", bars_per_year=252.0)


@pytest.fixture(scope="module")
def traded(shard):
    """Strategies that trade: for each, its traces in both windows."""
    bank = FeatureBank(shard)
    found = [
        [trace(row, shard, window, COSTS, bank) for window in WINDOWS]
        for row in express(random_genomes(40, np.random.default_rng(3)))
    ]
    return [traces for traces in found if sum(len(one.trades) for one in traces) > 3]


def slow_exposures(one, shard, start_equity):
    """Signed market value over equity, close by close, trade by trade."""
    values = [0.0] * one.window.n_bars
    for trade in one.trades:
        for bar in range(one.window.n_bars):
            if trade["entry_bar"] <= one.window.start + bar < trade["exit_bar"]:
                money = one.equity[bar] * start_equity
                values[bar] = int(trade["side"]) * trade["units"] * shard.close[one.window.start + bar] / money
    return values


def slow_timing(traces, shard, start_equity):
    """Returns beyond the mean of all exposures known before each bar."""
    known, series = [], []
    for one in traces:
        mine = slow_exposures(one, shard, start_equity)
        returns = [float(one.returns[0])]
        for bar in range(1, one.window.n_bars):
            known.append(mine[bar - 1])
            at = one.window.start + bar
            move = shard.close[at] / shard.close[at - 1] - 1.0
            returns.append(float(one.returns[bar]) - sum(known) / len(known) * move)
        series.append(returns)
    return series


def test_exposures_are_those_counted_by_hand(shard, traded):
    assert len(traded) > 5
    for traces in traded:
        for one in traces:
            found = exposures(one, shard, start_equity=COSTS.start_equity)
            assert found == pytest.approx(slow_exposures(one, shard, COSTS.start_equity), rel=1e-12)
            assert (np.sign(found) == one.positions).all()


def test_timing_returns_are_those_counted_by_hand(shard, traded):
    for traces in traded:
        found = timing_returns(traces, shard, start_equity=COSTS.start_equity)
        for mine, slow in zip(found, slow_timing(traces, shard, COSTS.start_equity), strict=True):
            assert mine.returns == pytest.approx(slow, rel=1e-9, abs=1e-14)


def test_a_position_earns_its_exposure_times_the_move_of_the_market(shard):
    """Without costs: where it is held from close to close, returns are exposure times the market's."""
    bank, window = FeatureBank(shard), WINDOWS[0]
    rows = express(random_genomes(40, np.random.default_rng(3)))
    n_held = 0
    for one in (trace(row, shard, window, FREE, bank) for row in rows):
        mine = exposures(one, shard)
        held = np.zeros(window.n_bars, dtype=bool)
        for trade in one.trades:
            held[trade["entry_bar"] - window.start + 1 : trade["exit_bar"] - window.start] = True
        closes = shard.close[window.start : window.stop]
        moves = np.concatenate([[0.0], closes[1:] / closes[:-1] - 1.0])
        expected = np.concatenate([[0.0], mine[:-1]]) * moves
        assert one.returns[held] == pytest.approx(expected[held], abs=1e-12)
        n_held += held.sum()
    assert n_held > 500


def test_who_only_holds_has_next_to_nothing_beyond_the_benchmark(shard):
    steep = replace(shard, close=shard.close * np.exp(0.002 * np.arange(500)))
    steep = replace(
        steep, **{name: getattr(shard, name) * steep.close / shard.close for name in ("open", "high", "low")}
    )
    held = trace_buy_and_hold(steep, Window("all", 100, 500), FREE)
    (found,) = timing_returns([held], steep)
    assert held.returns.mean() > 0.001
    assert abs(found.returns.mean()) < 0.05 * held.returns.mean()
    moves = steep.close[101:500] / steep.close[100:499] - 1.0
    ages = np.arange(1, 399)  # entered at the second open: of k closes it was invested at all but the first
    assert found.returns[2:] == pytest.approx((1.0 / (ages + 1.0)) * moves[1:], abs=1e-12)


def test_a_benchmark_of_cash_leaves_returns_alone(shard, traded):
    for one, mine in zip(traded[0], timing_returns(traded[0], shard, benchmark="cash"), strict=True):
        assert np.array_equal(one.returns, mine.returns)
        assert np.array_equal(one.timestamps, mine.timestamps)


def test_flat_strategies_and_inputs_stay_as_they_are(shard, traded):
    one = traded[0][0]
    before = one.returns.copy()
    timing_returns([one], shard, start_equity=COSTS.start_equity)
    assert np.array_equal(one.returns, before)
    flat = replace(one, trades=one.trades[:0], returns=np.zeros(190), equity=np.ones(190))
    assert not timing_returns([flat], shard)[0].returns.any()


def test_no_bar_looks_ahead(shard, traded):
    """Timing returns of the first bars do not change when later bars do."""
    one = next(traces[0] for traces in traded if len(traces[0].trades) > 2)
    cut = int(one.trades["exit_bar"][1]) - one.window.start
    later = shard.close.copy()
    later[one.window.start + cut + 1 :] *= 3.0
    equity = one.equity.copy()
    equity[cut + 1 :] *= 2.0
    changed = replace(one, equity=equity)
    mine, theirs = (
        timing_returns([each], market, start_equity=COSTS.start_equity)[0].returns
        for each, market in ((one, shard), (changed, replace(shard, close=later)))
    )
    assert np.array_equal(mine[: cut + 1], theirs[: cut + 1])
    assert not np.array_equal(mine, theirs)


def test_on_a_random_walk_neither_who_buys_falls_nor_who_buys_rises_has_skill():
    """The mean exposure of the whole stretch would give the first a t of 0.2 and the second one of -0.2 on average."""
    from fitness.excess import N_HELD, beyond_nb

    rng = np.random.default_rng(5)
    n_walks, n_bars, look = 2000, 300, 40
    moves = rng.normal(0.0005, 0.01, (n_walks, n_bars + look))
    for sign in (-1.0, 1.0):
        scores = []
        for row in moves:
            close = np.cumprod(1.0 + row)
            past = close[look:] / close[:-look] - 1.0
            mine = (sign * past > 0.0).astype(float)
            returns = np.concatenate([[0.0], mine[:-1] * row[look + 1 :]])
            beyond_nb(mine, close[look:], 0, np.zeros(N_HELD), returns)
            scores.append(np.sqrt(returns.size) * returns.mean() / returns.std())
        assert abs(np.mean(scores)) < 0.06  # 2.7 standard errors


def test_pooled_timing_returns(shard, traded):
    series = timing_returns(traded[0], shard, start_equity=COSTS.start_equity)
    whole = pool(series)
    assert np.array_equal(whole.returns, np.concatenate([one.returns for one in series]))


def test_wrong_inputs_are_refused(shard, traded):
    short = replace(shard, close=shard.close[:200])
    with pytest.raises(UsageError, match="`shard` must be the one that was traded, but had 200 bars"):
        exposures(traded[0][0], short)
    with pytest.raises(UsageError, match=r"`start_equity` must be positive and finite, but was 0.0"):
        exposures(traded[0][0], shard, start_equity=0.0)
