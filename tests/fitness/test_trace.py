"""A trace is the evaluation of one strategy, opened up."""

import dataclasses

import numpy as np
import pytest

from fitness import bank as bank_module
from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.evaluate import evaluate
from fitness.folds import Window
from fitness.measures import sharpe
from fitness.samples import random_walk
from fitness.shards import shard_of
from fitness.tally import ExitReason, Tally
from fitness.trace import trace, trace_buy_and_hold
from strategies.codec import express
from strategies.errors import DataError, StrategyError
from strategies.sampler import random_genomes

COSTS = Costs.from_bps(fee_bps=5, slippage_bps=2)
WINDOW = Window("fold 0", 120, 590)


@pytest.fixture(scope="module")
def shard():
    return shard_of(random_walk(8, 600), "RWALK", "1d", bars_per_year=252.0)


@pytest.fixture(scope="module")
def traders(shard):
    """Phenotypes that trade a few times in the window."""
    rows = express(random_genomes(150, np.random.default_rng(4)))
    tallies = evaluate(rows, shard, [WINDOW], COSTS, FeatureBank(shard))
    return rows[tallies[:, 0, Tally.N_TRADES] >= 5]


def test_a_trace_adds_up_to_the_tally_of_evaluate(shard, traders):
    bank = FeatureBank(shard)
    tallies = evaluate(traders, shard, [WINDOW], COSTS, bank)[:, 0]
    assert len(traders) > 20
    for row, tally in zip(traders, tallies, strict=True):
        found = trace(row, shard, WINDOW, COSTS, bank)
        assert np.array_equal(found.tally, tally)
        assert found.equity[-1] == pytest.approx(tally[Tally.GROWTH])
        assert found.trades.size == tally[Tally.N_TRADES]
        assert (found.trades["profit"] > 0).sum() == tally[Tally.N_WINS]
        assert found.trades["profit"].sum() == pytest.approx(found.equity[-1] - 1.0)
        assert np.cumprod(1.0 + found.returns) == pytest.approx(found.equity)
        annual = found.returns.mean() / found.returns.std(ddof=1) * np.sqrt(252.0)
        assert annual == pytest.approx(float(sharpe(tally, 252.0)))


def test_times_positions_and_trades_tell_one_story(shard, traders):
    bank = FeatureBank(shard)
    for row in traders:
        found = trace(row, shard, WINDOW, COSTS, bank)
        assert np.array_equal(found.timestamps, shard.timestamps[120:590])
        assert np.array_equal(found.trades["entry_time"], shard.timestamps[found.trades["entry_bar"]])
        assert np.array_equal(found.trades["exit_time"], shard.timestamps[found.trades["exit_bar"]])
        assert found.positions[0] == 0
        assert found.positions[-1] == 0
        for record in found.trades:
            inside = found.positions[record["entry_bar"] - 120 : record["exit_bar"] - 120]
            assert (inside == record["side"]).all()
        held = sum(int(record["exit_bar"] - record["entry_bar"]) for record in found.trades)
        assert np.count_nonzero(found.positions) == held
        touched = np.zeros(WINDOW.n_bars, dtype=bool)
        for record in found.trades:
            touched[record["entry_bar"] - 120 : record["exit_bar"] + 1 - 120] = True
        assert not found.returns[~touched].any()


def test_later_bars_change_no_closed_trade_and_no_earlier_equity(shard, traders):
    now = 400
    rng = np.random.default_rng(1)
    factor = np.ones(shard.n_bars)
    factor[now + 1 :] = np.exp(rng.normal(0.0, 0.3, shard.n_bars - now - 1))
    changed = {name: getattr(shard, name) * factor for name in ("open", "high", "low", "close", "volume")}
    future = dataclasses.replace(shard, **changed, content_hash="other")
    bank, other_bank = FeatureBank(shard), FeatureBank(future)
    for row in traders:
        known, other = trace(row, shard, WINDOW, COSTS, bank), trace(row, future, WINDOW, COSTS, other_bank)
        closed, other_closed = (each.trades[each.trades["exit_bar"] <= now] for each in (known, other))
        assert closed.tobytes() == other_closed.tobytes()
        assert np.array_equal(known.equity[: now + 1 - 120], other.equity[: now + 1 - 120])
        assert np.array_equal(known.positions[: now + 1 - 120], other.positions[: now + 1 - 120])


def test_equity_is_relative_to_the_start_whatever_the_account(shard, traders):
    small, big = COSTS, dataclasses.replace(COSTS, start_equity=64.0)
    one, other = (trace(traders[0], shard, WINDOW, costs, FeatureBank(shard)) for costs in (small, big))
    assert one.equity == pytest.approx(other.equity)
    assert one.trades["profit"] == pytest.approx(other.trades["profit"])


def test_buy_and_hold_in_closed_form(shard):
    found = trace_buy_and_hold(shard, WINDOW, COSTS)
    buy, sell = shard.open[121] * 1.0002, shard.close[589] * 0.9998
    units = 1.0 / (buy * 1.0005)
    assert found.trades.size == 1
    assert found.trades["exit_reason"][0] == ExitReason.END
    assert found.equity[-1] == pytest.approx(units * sell * (1 - 0.0005))
    assert found.equity[200] == pytest.approx(units * shard.close[320])
    assert (found.positions[1:-1] == 1).all()


def test_buy_and_hold_of_one_bar_buys_nothing(shard):
    found = trace_buy_and_hold(shard, Window("short", 64, 65), COSTS)
    assert found.trades.size == 0
    assert found.equity.tolist() == [1.0]
    assert found.returns.tolist() == [0.0]


def test_misuse_is_named(shard, traders, monkeypatch):
    with pytest.raises(DataError, match="within the 600 bars of RWALK 1d, but late was 500 to 700"):
        trace_buy_and_hold(shard, Window("late", 500, 700), COSTS)
    with pytest.raises(DataError, match="but late was 500 to 700"):
        trace(traders[0], shard, Window("late", 500, 700), COSTS, FeatureBank(shard))

    def trouble(*_):
        raise RuntimeError("the library failed")

    monkeypatch.setattr(bank_module, "columns_of", trouble)
    with pytest.raises(
        StrategyError, match="every operand of a strategy must be computable, but one was not on RWALK 1d"
    ):
        trace(traders[0], shard, WINDOW, COSTS, FeatureBank(shard))
