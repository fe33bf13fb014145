"""Measures per regime: what they are of adds up to the whole, and belongs to the regime known before."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from fitness.bits import pack
from fitness.by_regime import KINDS, known_before, split, tables, tables_of
from fitness.costs import Costs, OrderKind, risk_row
from fitness.folds import Window
from fitness.measures import MEASURES
from fitness.samples import random_walk
from fitness.shards import shard_of
from fitness.simulation import simulate_one
from fitness.tally import ExitReason, Tally
from fitness.trace import TRADE_FIELDS, Trace, trace_buy_and_hold, trace_of
from strategies.errors import UsageError
from strategies.features.regimes import DEFAULT_PERIOD, REGIME, Regimes, regimes_of

COSTS = Costs(fee=5e-4, slippage=2e-4, start_equity=12_345.0)
WINDOW = Window("fold 0", 90, 890)
SUMS = (
    Tally.N_BARS, Tally.SUM_R, Tally.SUM_R2, Tally.SUM_R3, Tally.SUM_R4, Tally.SUM_DOWN2, Tally.BARS_HELD,
    Tally.TURNOVER, Tally.N_TRADES, Tally.N_WINS, Tally.GROSS_PROFIT, Tally.GROSS_LOSS,
)  # fmt: skip
RISKS = {
    "exit rule only": risk_row(),
    "stop and target": risk_row(
        stop_kind=OrderKind.PERCENT, stop=2.0, target_kind=OrderKind.PERCENT, target=3.0, size=0.7
    ),
    "trail and time": risk_row(trail_kind=OrderKind.ATR, trail=2.0, time_stop=9, cooldown=3),
    "left as entered": risk_row(stop_kind=OrderKind.PERCENT, stop=0.02),
}


@pytest.fixture(scope="module")
def shard():
    return shard_of(random_walk(3, 900), "RWALK", "1d", bars_per_year=252.0)


def traded(shard, risk, *, seed=0, costs=COSTS, window=WINDOW, share=0.06, gate=True):
    """A trace of rules that are true at random, where the gate lets them in."""
    masks = np.random.default_rng(seed).random((4, shard.n_bars)) < share
    masks[[0, 2]] &= gate
    found = simulate_one(
        bars=shard, atr=np.full(shard.n_bars, 0.02 * shard.close.mean()), masks=pack(masks),
        window=(window.start, window.stop), risk=risk, costs=costs,
    )  # fmt: skip
    return trace_of(found, shard, window, costs)


def assert_adds_up(parts, tally):
    tallies = np.stack([part.tally for part in parts])
    np.testing.assert_allclose(tallies[:, SUMS].sum(axis=0), tally[list(SUMS)], rtol=1e-9, atol=1e-15)
    assert np.prod(tallies[:, Tally.GROWTH]) == pytest.approx(tally[Tally.GROWTH], rel=1e-9)
    assert tallies[:, Tally.WORST_TRADE].min() == pytest.approx(tally[Tally.WORST_TRADE])
    assert sum(part.bars_of_trades for part in parts) == pytest.approx(tally[Tally.BARS_HELD])


@pytest.mark.parametrize("name", RISKS)
def test_the_regimes_add_up_to_the_whole(shard, name):
    found = traded(shard, RISKS[name], seed=5)
    assert found.trades.size > 15
    labels = regimes_of(shard, 30)
    for kind, names in KINDS.items():
        parts = split(found, known_before(getattr(labels, kind), found), len(names) + 1)
        assert sum(part.tally[Tally.N_BARS] > 0 for part in parts) >= 2
        assert_adds_up(parts, found.tally)
        whole = [part.bars_of_trades for part in parts]
        np.testing.assert_array_equal(whole, np.round(whole))


def test_exits_in_parts_add_up_too(shard):
    costs = replace(COSTS, volume_share=2e-4, start_equity=1e6)
    found = traded(shard, risk_row(), seed=6, costs=costs)
    plain = traded(shard, risk_row(), seed=6, costs=replace(costs, volume_share=math.inf))
    assert found.trades.size > 5
    assert not np.array_equal(found.equity, plain.equity)
    known = known_before(regimes_of(shard, 30).trend, found)
    assert_adds_up(split(found, known, 4), found.tally)


def test_one_regime_alone_is_the_whole(shard):
    found = traded(shard, RISKS["stop and target"], seed=7)
    (part,) = split(found, np.zeros(found.returns.size, dtype=np.int64), 1)
    np.testing.assert_allclose(part.tally, found.tally, rtol=1e-9, atol=1e-15)
    row = tables(found, shard)["all"]["all"]
    assert row["n_bars"] == WINDOW.n_bars
    assert row["share"] == 1.0
    assert set(row["measures"]) == set(MEASURES)
    for name, measure in MEASURES.items():
        expected = float(measure.function(found.tally, 252.0))
        assert row["measures"][name] == pytest.approx(expected, rel=1e-6, nan_ok=True), name


def told_again(found, known, label):
    """Turnover, bars held and bars of trades of one label, trade by trade and bar by bar."""
    turnover, held, of_trades = 0.0, 0, 0
    first = found.window.start
    for trade in found.trades:
        entry, leave = int(trade["entry_bar"]) - first, int(trade["exit_bar"]) - first
        at_open = trade["exit_reason"] in (ExitReason.EXIT, ExitReason.TIME)
        bars = range(entry, leave if at_open else leave + 1)
        held += sum(known[bar] == label for bar in bars)
        of_trades += len(bars) if known[entry] == label else 0
        money = trade["units"] / COSTS.start_equity
        if known[entry] == label:
            turnover += money * trade["entry_price"] / trade["entry_equity"]
        if known[leave] == label:
            marked = trade["entry_equity"] if entry == leave else found.equity[leave - 1]
            turnover += money * trade["exit_price"] / marked
    return turnover, held, of_trades


@pytest.mark.parametrize("name", RISKS)
def test_holding_and_turnover_are_those_of_the_fills_told_again(shard, name):
    found = traded(shard, RISKS[name], seed=8)
    known = known_before(regimes_of(shard, 30).volatility, found)
    for label, part in enumerate(split(found, known, 2)):
        turnover, held, of_trades = told_again(found, known, label)
        assert part.tally[Tally.TURNOVER] == pytest.approx(turnover)
        assert part.tally[Tally.BARS_HELD] == held
        assert part.bars_of_trades == of_trades


def made(returns, trades=(), *, start=10):
    """A trace made by hand: returns bar by bar, trades of (entry bar, exit bar, profit share) of the window."""
    records = np.zeros(len(trades), dtype=TRADE_FIELDS)
    for record, (entry, leave, profit) in zip(records, trades, strict=True):
        record["side"], record["units"], record["entry_price"], record["exit_price"] = 1, 1.0, 100.0, 100.0
        record["entry_bar"], record["exit_bar"] = start + entry, start + leave
        record["profit"] = record["profit_share"] = profit
        record["entry_equity"] = 1.0
    n_bars = len(returns)
    tally = np.zeros(len(Tally))
    tally[Tally.BARS_HELD] = sum(leave - entry for entry, leave, _ in trades)
    return Trace(
        symbol="X", timeframe="1d", window=Window("w", start, start + n_bars), bars_per_year=252.0,
        timestamps=np.arange(n_bars), trades=records, equity=np.cumprod(1.0 + np.array(returns)),
        returns=np.array(returns, dtype=float), positions=np.zeros(n_bars, dtype=np.int8), tally=tally,
    )  # fmt: skip


def labelled(trend, volatility=None):
    trend = np.array(trend, dtype=np.int8)
    volatility = np.zeros_like(trend) if volatility is None else np.array(volatility, dtype=np.int8)
    return Regimes(trend, volatility, np.ones(trend.size), np.ones(trend.size))


@pytest.mark.parametrize(
    ("output", "above", "kind", "regime"),
    [(0, 0.5, "trend", "bull"), (1, 0.5, "trend", "sideways"), (2, 0.5, "volatility", "high")],
)
def test_what_a_gate_lets_in_is_counted_in_its_regime(shard, output, above, kind, regime):
    gate = REGIME.compute(shard, (float(DEFAULT_PERIOD),))[output] > above
    found = traded(shard, risk_row(time_stop=5), gate=gate, share=0.5)
    rows = tables(found, shard)[kind]
    assert found.trades.size > 5
    assert rows[regime]["measures"]["n_trades"] == found.trades.size


@pytest.mark.parametrize(("turns_at", "regime"), [(14, "bull"), (15, "bear")])
def test_a_return_belongs_to_the_regime_known_at_the_close_before(turns_at, regime):
    found = made([0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0])  # at bar 15
    labels = labelled([0] * turns_at + [2] * (20 - turns_at))
    trend = tables_of([found], [labels])["trend"]
    assert trend[regime]["measures"]["total_return"] == pytest.approx(0.5)
    assert trend["sideways"]["n_bars"] == 0
    assert trend["bull"]["n_bars"] == 17 - turns_at
    assert trend["bull"]["n_bars"] + trend["bear"]["n_bars"] == 8


def test_a_trade_belongs_to_the_regime_at_its_entry_decision():
    found = made([0.0] * 8, [(3, 6, 0.2), (6, 7, -0.1)])
    labels = labelled([0] * 13 + [1, 2] + [2] * 5)  # bear at bar 12, the decision to enter at 13; bull from 14 on
    trend = tables_of([found], [labels])["trend"]
    assert [trend[name]["measures"]["n_trades"] for name in ("bear", "sideways", "bull")] == [1.0, 0.0, 1.0]
    assert trend["bear"]["measures"]["win_rate"] == 1.0
    assert trend["bear"]["measures"]["average_holding"] == 3.0
    assert trend["bear"]["measures"]["exposure"] == pytest.approx(1 / 4)  # bar 13 of 10 to 13
    assert trend["bull"]["measures"]["worst_trade"] == pytest.approx(-0.1)
    assert trend["bull"]["measures"]["exposure"] == pytest.approx(2 / 3)


def test_drawdown_is_that_of_the_bars_of_a_regime_strung_together():
    found = made([0.0, -0.1, 0.5, -0.2, 0.0, 0.0])
    labels = labelled([1] * 9 + [0, 0, 2, 0, 0, 0, 0])  # bars 10, 11 and 13 on are bear, 12 is bull
    trend = tables_of([found], [labels])["trend"]
    assert trend["bear"]["measures"]["max_drawdown"] == pytest.approx(1.0 - 0.9 * 0.8)
    assert trend["bull"]["measures"]["max_drawdown"] == 0.0
    assert trend["bull"]["measures"]["total_return"] == pytest.approx(0.5)
    assert trend["bear"]["share"] == pytest.approx(5 / 6)


def test_bars_without_a_label_are_unknown_and_named_only_where_there_are_some(shard):
    early, late = (trace_buy_and_hold(shard, Window("w", start, 600), COSTS) for start in (0, 101))
    for kind in KINDS:
        assert tables(early, shard)[kind]["unknown"]["n_bars"] == 101  # bar 100 is the first whose close has a label
        assert set(tables(late, shard)[kind]) == set(KINDS[kind])


def test_figures_do_not_depend_on_later_bars(shard):
    found = traded(shard, RISKS["trail and time"], window=Window("w", 120, 500))
    assert json.dumps(tables(found, shard)) == json.dumps(tables(found, shard.head(500)))


def test_several_traces_are_strung_together(shard):
    windows = Window("a", 120, 400), Window("b", 410, 880)
    both = [traded(shard, RISKS["stop and target"], window=window) for window in windows]
    labels = regimes_of(shard)
    joined = tables_of(both, [labels, labels])
    alone = [tables_of([one], [labels]) for one in both]
    for kind, names in {"all": ("all",), **KINDS}.items():
        for name in names:
            rows = [one[kind][name] for one in alone]
            whole = joined[kind][name]
            assert whole["n_bars"] == sum(row["n_bars"] for row in rows)
            growth = math.prod(1.0 + row["measures"]["total_return"] for row in rows)
            assert whole["measures"]["total_return"] == pytest.approx(growth - 1.0)
            assert whole["measures"]["n_trades"] == sum(row["measures"]["n_trades"] for row in rows)
    for kind in KINDS:
        assert sum(row["share"] for row in joined[kind].values()) == pytest.approx(1.0)


def test_shards_of_other_bars_per_year_count_their_own_time():
    fast = replace(made([0.0, 0.01] * 8), bars_per_year=504.0)
    joined = tables_of([made([0.0, 0.01] * 8), fast], [labelled([2] * 30)] * 2)
    rate = 32 / (16 / 252 + 16 / 504)
    returns = np.array([0.0, 0.01] * 16)
    expected = returns.mean() / returns.std(ddof=1) * math.sqrt(rate)
    assert joined["trend"]["bull"]["measures"]["sharpe"] == pytest.approx(expected)


def test_a_regime_that_never_was_has_no_figures_but_counts():
    row = tables_of([made([0.0, 0.1])], [labelled([2] * 30)])["trend"]["bear"]
    assert (row["n_bars"], row["share"], row["measures"]["n_trades"]) == (0, 0.0, 0.0)
    assert all(math.isnan(row["measures"][name]) for name in ("sharpe", "cagr", "exposure", "win_rate"))


def test_labels_of_another_shard_and_nothing_at_all_are_refused(shard):
    found = made([0.0] * 8)
    with pytest.raises(UsageError, match=r"there are 16 labels and the window ends at bar 18 of X 1d"):
        tables_of([found], [labelled([1] * 16)])
    with pytest.raises(UsageError, match=r"there were 1 traces and 0 regimes"):
        tables_of([found], [])
    with pytest.raises(UsageError, match=r"there were 0 traces and 0 regimes"):
        tables_of([], [])
