"""Trade by trade against backtesting.py 0.6.6, in settings where the rules coincide.

A crossover on its own GOOG and EURUSD bars; random strategies are in test_backtesting_py_random.py.

What is made to coincide, and what differs, is in docs/fill-model.md. Two things need arranging here. It sets stop and
target before the fill is known, we set them from the fill: its strategy below is told the next open, and decisions
whose levels it would refuse are taken out on both sides. It closes a last open position at the last open, we at the
last close: both are told to leave at the last open, unless its position has gone by then.
"""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.backtesting_peer import EURUSD, GOOG, Backtest, Strategy, quiet, require_same
from fitness.bits import pack
from fitness.costs import Costs, OrderKind, risk_row
from fitness.measures import measure
from fitness.simulation import simulate_one
from fitness.tally import ExitReason, Tally, Trade

MUCH = 1e12  # cash at which whole shares are fractions
FRAMES = {"GOOG": GOOG, "EURUSD": EURUSD}


@dataclass(frozen=True)
class Plan:
    """Bars, signals and, for each decision bar, how far stop and target are from the fill (None: there are none)."""

    bars: SimpleNamespace
    enter_long: np.ndarray
    enter_short: np.ndarray
    stop: np.ndarray | None = None
    target: np.ndarray | None = None


def sma(prices, n):
    mean = np.full(len(prices), np.nan)
    mean[n - 1 :] = np.convolve(prices, np.ones(n) / n, "valid")
    return mean


def bracketed(plan, stop, target):
    """The plan with stop and target at these distances, without the decisions whose levels are not around the close."""
    fill = np.append(plan.bars.open[1:], np.nan)
    entries = []
    for side, mask in ((1, plan.enter_long), (-1, plan.enter_short)):
        close = side * plan.bars.close
        entries.append(mask & (side * fill - stop < close) & (close < side * fill + target))
    assert sum(map(np.sum, entries)) > 0.9 * (plan.enter_long.sum() + plan.enter_short.sum())
    return Plan(plan.bars, *entries, stop, target)


def crossover_plan(name):
    frame = FRAMES[name]
    bars = SimpleNamespace(
        **{column: frame[column.title()].to_numpy(np.float64).copy() for column in ("open", "high", "low", "close")}
    )
    fast, slow = sma(bars.close, 10), sma(bars.close, 20)
    up, down = np.zeros(len(fast), dtype=bool), np.zeros(len(fast), dtype=bool)
    up[1:] = (fast[:-1] < slow[:-1]) & (fast[1:] > slow[1:])
    down[1:] = (fast[:-1] > slow[:-1]) & (fast[1:] < slow[1:])
    return Plan(bars, up, down)


def theirs(plan, name, *, cash, commission, finalize=True):
    """The result of backtesting.py, its trades as arrays, its equity at each close."""

    class Told(Strategy):
        def init(self):
            pass

        def next(self):
            t = len(self.data) - 1
            for side, mask, order in ((1, plan.enter_long, self.buy), (-1, plan.enter_short, self.sell)):
                if mask[t] and plan.stop is None:
                    order()
                elif mask[t]:
                    fill = plan.bars.open[t + 1]
                    order(sl=fill - side * plan.stop[t], tp=fill + side * plan.target[t])

    with quiet():
        test = Backtest(
            FRAMES[name], Told, cash=cash, commission=commission, exclusive_orders=True, finalize_trades=finalize
        )
        result = test.run()
    return result, result["_trades"], result["_equity_curve"]["Equity"].to_numpy()


def ours(plan, *, costs, leave_at_last_open=True, **risk):
    masks = np.array([plan.enter_long, plan.enter_short, plan.enter_short, plan.enter_long])
    if leave_at_last_open:
        assert not masks[:, -2:].any()
        masks[[1, 3], -2] = True
    n_bars = len(plan.bars.close)
    atr = np.ones(n_bars) if plan.stop is None else plan.stop
    return simulate_one(
        bars=plan.bars, atr=atr, masks=pack(masks), window=(0, n_bars), risk=risk_row(**risk), costs=costs
    )


@pytest.mark.parametrize("commission", [0.0, 0.002])
@pytest.mark.parametrize("name", FRAMES)
def test_a_crossover_makes_the_same_trades_and_equity(name, commission):
    plan = crossover_plan(name)
    _, trades, equity = theirs(plan, name, cash=MUCH, commission=commission)
    found = ours(plan, costs=Costs(commission, 0.0, start_equity=MUCH))
    assert len(trades) > 90
    require_same(found, trades, equity, rtol=1e-9)


@pytest.mark.parametrize("commission", [0.0, 0.002])
@pytest.mark.parametrize(("name", "stop", "target"), [("GOOG", 5.0, 8.0), ("GOOG", 2.5, 4.0), ("EURUSD", 0.3, 0.5)])
def test_stop_and_target_in_percent_make_the_same_trades_and_equity(name, stop, target, commission):
    plan = crossover_plan(name)
    next_open = np.append(plan.bars.open[1:], np.nan)
    told = bracketed(plan, next_open * stop / 100, next_open * target / 100)
    _, trades, equity = theirs(told, name, cash=MUCH, commission=commission)
    percent = {"stop_kind": OrderKind.PERCENT, "target_kind": OrderKind.PERCENT, "stop": stop, "target": target}
    found = ours(told, costs=Costs(commission, 0.0, start_equity=MUCH), **percent)
    reasons = found.trades[:, Trade.EXIT_REASON]
    assert (reasons == ExitReason.STOP).sum() > 20
    assert (reasons == ExitReason.TARGET).sum() > 20
    assert (found.trades[:, Trade.EXIT_BAR] == found.trades[:, Trade.ENTRY_BAR]).any()
    require_same(found, trades, equity, rtol=1e-9)


@pytest.mark.parametrize("name", FRAMES)
def test_stop_and_target_in_average_true_ranges_make_the_same_trades_and_equity(name):
    plan = crossover_plan(name)
    atr = sma(plan.bars.high - plan.bars.low, 14)
    atr[:13] = atr[13]
    told = bracketed(plan, atr, 2.0 * atr)
    _, trades, equity = theirs(told, name, cash=MUCH, commission=0.002)
    multiples = {"stop_kind": OrderKind.ATR, "target_kind": OrderKind.ATR, "stop": 1.0, "target": 2.0}
    at_last_open = trades["ExitPrice"].iloc[-1] == plan.bars.open[-1]
    found = ours(told, costs=Costs(0.002, 0.0, start_equity=MUCH), leave_at_last_open=at_last_open, **multiples)
    require_same(found, trades, equity, rtol=1e-9)


def test_the_known_figures_without_fee_in_whole_shares():
    plan = crossover_plan("GOOG")
    result, trades, equity = theirs(plan, "GOOG", cash=10_000, commission=0.0)
    found = ours(plan, costs=Costs(0.0, 0.0, lot_size=1.0, start_equity=10_000.0))
    require_same(found, trades, equity, rtol=1e-12)
    assert result["Equity Final [$]"] == pytest.approx(80964.98, abs=1e-6)
    assert found.equity[-1] == pytest.approx(80964.98, abs=1e-6)
    assert len(found.trades) == result["# Trades"] == 94
    assert found.tally[Tally.MAX_DRAWDOWN] == pytest.approx(0.32793662, abs=1e-8)
    assert found.tally[Tally.N_WINS] / 94 == pytest.approx(0.55319149, abs=1e-8)
    moved = found.trades[:, Trade.SIDE] * (found.trades[:, Trade.EXIT_PRICE] / found.trades[:, Trade.ENTRY_PRICE] - 1.0)
    assert result["Profit Factor"] == pytest.approx(moved[moved > 0].sum() / -moved[moved < 0].sum())  # of prices


def test_the_figures_with_commission_and_the_last_position_closed():
    plan = crossover_plan("GOOG")
    result, trades, equity = theirs(plan, "GOOG", cash=10_000, commission=0.002)
    found = ours(plan, costs=Costs(0.002, 0.0, lot_size=1.0, start_equity=10_000.0))
    require_same(found, trades, equity, rtol=1e-12)
    assert found.equity[-1] == pytest.approx(55574.51294, abs=1e-5)
    assert len(found.trades) == result["# Trades"] == 94


def test_the_known_figures_with_commission_and_the_last_position_open():
    plan = crossover_plan("GOOG")
    result, trades, equity = theirs(plan, "GOOG", cash=10_000, commission=0.002, finalize=False)
    found = ours(plan, costs=Costs(0.002, 0.0, lot_size=1.0, start_equity=10_000.0), leave_at_last_open=False)
    assert result["Equity Final [$]"] == pytest.approx(56263.51934, abs=1e-5)
    assert result["# Trades"] == len(found.trades) - 1 == 93
    # It leaves the last position open; ours is closed at the last close and has paid the fee for that.
    last = found.trades[-1]
    assert found.equity[-1] + 0.002 * last[Trade.UNITS] * last[Trade.EXIT_PRICE] == pytest.approx(56263.51934, abs=1e-5)
    np.testing.assert_allclose(found.equity[:-1], equity[:-1], rtol=1e-12)
    np.testing.assert_array_equal(found.trades[:-1, Trade.UNITS], np.abs(trades["Size"]))


def test_its_sharpe_ratio_is_that_of_compounded_returns_ours_of_simple_ones():
    plan = crossover_plan("GOOG")
    result, _, equity = theirs(plan, "GOOG", cash=MUCH, commission=0.002)
    found = ours(plan, costs=Costs(0.002, 0.0, start_equity=MUCH))
    returns = equity[1:] / equity[:-1] - 1.0
    mean = np.exp(np.log1p(returns).mean())
    risk = np.sqrt((returns.var(ddof=1) + mean**2) ** 252 - mean ** (2 * 252))
    assert result["Sharpe Ratio"] == pytest.approx((mean**252 - 1.0) / risk)
    simple = np.append(0.0, returns)  # the first bar counts
    assert measure("sharpe", found.tally, 252.0) == pytest.approx(simple.mean() / simple.std(ddof=1) * np.sqrt(252))
