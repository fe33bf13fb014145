"""Trade by trade against backtesting.py 0.6.6 on random strategies and bars, and then what differs, by small examples.

Own exits, reversals, stop and target in percent or in average true ranges. It sets stop and target before the fill is
known, we set them from the fill: it is told the next open, and decisions whose levels it would refuse are taken out on
both sides. docs/fill-model.md has the list of what differs.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.backtesting_peer import GOOG, PRICES, Backtest, Strategy, TrailingStrategy, quiet, require_same
from benchmarks.rough_bars import rough_bars
from fitness.bits import pack
from fitness.costs import Costs, OrderKind, risk_row
from fitness.simulation import simulate_one
from fitness.tally import ExitReason, Simulation, Trade

MORE = 1e15  # that a whole unit is nothing even in a lean year
STYLES = {"plain": 0.02, "gaps": 0.02, "limit moves": 0.02, "flat": 0.02, "wild": 0.08, "GOOG": 0.02}


def some_bars(rng, style, n_bars=160):
    """Bars that hurt, or a stretch of GOOG."""
    if style == "GOOG":
        first = int(rng.integers(len(GOOG) - n_bars))
        part = GOOG.iloc[first : first + n_bars]
        return SimpleNamespace(**{name.lower(): part[name].to_numpy(np.float64).copy() for name in PRICES})
    return rough_bars(rng, style, STYLES[style], n_bars)


def random_plan(seed, style, stop, target, unit):
    """Bars, masks `(4, n_bars)`, ATR and the distances of stop and target at each decision, infinite when off."""
    rng = np.random.default_rng(seed)
    bars = some_bars(rng, style)
    n_bars = len(bars.close)
    masks = rng.random((4, n_bars)) < rng.choice([0.03, 0.2, 0.6], (4, 1))
    masks[:, 0] = False  # its first decision is at bar 1
    atr = bars.close * STYLES[style] * rng.uniform(0.5, 2.0, n_bars)
    fill = np.append(bars.open[1:], np.nan)

    def distance(value):  # in the order of the kernel's own arithmetic, so that a touch is a touch for both
        if value is None:
            return np.full(n_bars, np.inf)
        return value * atr if unit == OrderKind.ATR else fill * value / 100.0

    distances = [distance(stop), distance(target)]
    for side, entry in ((1, masks[0]), (-1, masks[2])):
        close = side * bars.close
        entry &= (side * fill - distances[0] < close) & (close < side * fill + distances[1])
    return bars, masks, atr, distances


def told(bars, masks, distances, *, commission):
    """What backtesting.py makes of it."""
    long_entry, long_exit, short_entry, short_exit = masks
    entries = {1: long_entry, -1: short_entry}, {1: long_exit, -1: short_exit}

    class Told(Strategy):
        def init(self):
            pass

        def enter(self, side, t):
            fill = bars.open[t + 1]
            levels = [fill - side * distances[0][t], fill + side * distances[1][t]]
            sl, tp = (level if np.isfinite(level) else None for level in levels)
            (self.buy if side > 0 else self.sell)(sl=sl, tp=tp)

        def next(self):
            t = len(self.data) - 1
            enter, leave = ({side: mask[t] for side, mask in pair.items()} for pair in entries)
            side = int(np.sign(self.position.size))
            if side and leave[side]:
                self.position.close()
                if enter[-side] and not leave[-side]:
                    self.enter(-side, t)
            elif not side and enter[1] != enter[-1]:
                wanted = 1 if enter[1] else -1
                if not leave[wanted]:
                    self.enter(wanted, t)

    frame = pd.DataFrame({name: getattr(bars, name.lower()) for name in PRICES})
    with quiet():
        result = Backtest(frame, Told, cash=MORE, commission=commission).run()
    return result["_trades"], result["_equity_curve"]["Equity"].to_numpy().copy()


def compare_random(*, seed, style, stop, target, unit, commission):
    """Play a random strategy on both sides and compare; our trades."""
    bars, masks, atr, distances = random_plan(seed, style, stop, target, unit)
    masks[:, -1] = False
    kinds = {f"{name}_kind": unit for name, value in (("stop", stop), ("target", target)) if value is not None}
    found = simulate_one(
        bars=bars, atr=atr, masks=pack(masks), window=(0, len(atr)),
        risk=risk_row(stop=stop or 0.0, target=target or 0.0, **kinds),
        costs=Costs.from_bps(fee_bps=commission * 1e4, slippage_bps=0.0, start_equity=MORE),
    )  # fmt: skip
    if found.equity.min() <= 0.0:
        return found.trades
    trades, equity = told(bars, masks, distances, commission=commission)
    rows = found.trades
    if len(rows) and rows[-1, Trade.EXIT_REASON] == ExitReason.END:  # it leaves the last position open
        last = rows[-1]
        rows = rows[:-1]
        equity[-1] -= commission * last[Trade.UNITS] * last[Trade.EXIT_PRICE]
    trades = trades.sort_values(["EntryBar", "ExitBar"])
    require_same(Simulation(found.tally, rows, found.equity), trades, equity, rtol=1e-9)
    return rows


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    style=st.sampled_from(sorted(STYLES)),
    stop=st.none() | st.floats(0.5, 4.0),
    target=st.none() | st.floats(0.5, 5.0),
    unit=st.sampled_from([OrderKind.PERCENT, OrderKind.ATR]),
    commission=st.sampled_from([0.0, 0.001]),
)
def test_random_strategies_make_the_same_trades_and_equity(seed, style, stop, target, unit, commission):
    """Stop and target are multiples of a typical bar's range."""
    size = 100.0 * STYLES[style] if unit == OrderKind.PERCENT else 1.0
    stop, target = (None if value is None else value * size for value in (stop, target))
    compare_random(seed=seed, style=style, stop=stop, target=target, unit=unit, commission=commission)


@pytest.mark.parametrize("style", STYLES)
def test_what_is_compared_holds_every_kind_of_ending(style):
    size = 100.0 * STYLES[style]
    rows = [compare_random(seed=seed, style=style, stop=1.5 * size, target=2.0 * size, unit=OrderKind.PERCENT,
                           commission=0.001) for seed in range(6)]  # fmt: skip
    rows = np.concatenate(rows)
    for reason in (ExitReason.EXIT, ExitReason.STOP, ExitReason.TARGET):
        assert (rows[:, Trade.EXIT_REASON] == reason).sum() > 5
    assert set(rows[:, Trade.SIDE]) == {-1.0, 1.0}
    assert (rows[:, Trade.EXIT_BAR] == rows[:, Trade.ENTRY_BAR]).any()


# Where the rules differ, each on bars made for it.

FLAT = (100.0, 101.0, 99.0, 100.0)


def told_orders(rows, orders, **options):
    """The trades (size, entry bar, exit bar, entry price, exit price) of a strategy given as orders by bar."""

    class Ordered(Strategy):
        def init(self):
            pass

        def next(self):
            if len(self.data) - 1 in orders:
                orders[len(self.data) - 1](self)

    frame = pd.DataFrame(rows, columns=PRICES)
    with quiet():
        result = Backtest(frame, Ordered, cash=1e6, **options).run()
    columns = ["Size", "EntryBar", "ExitBar", "EntryPrice", "ExitPrice"]
    return [tuple(row) for row in result["_trades"][columns].to_numpy().tolist()], result


def test_its_spread_is_paid_on_entries_only():
    trades, _ = told_orders([FLAT] * 6, {1: lambda it: it.buy(size=1), 3: lambda it: it.position.close()}, spread=0.01)
    assert trades == [(1, 2, 4, pytest.approx(101.0), 100.0)]


def test_it_decides_first_at_the_second_bar():
    trades, _ = told_orders([FLAT] * 4, {0: lambda it: it.buy(size=1), 2: lambda it: it.position.close()})
    assert trades == []


def test_it_refuses_levels_that_are_not_around_the_last_close():
    with pytest.raises(ValueError, match="Long orders require"):
        told_orders([FLAT] * 4, {1: lambda it: it.buy(size=1, sl=100.5)})


def test_it_closes_the_last_position_at_the_last_open_and_runs_the_last_bar_twice():
    rows = [FLAT, FLAT, FLAT, (97.0, 108.0, 90.0, 105.0)]
    trades, _ = told_orders(rows, {1: lambda it: it.buy(size=1)}, finalize_trades=True)
    assert trades == [(1, 2, 3, 100.0, 97.0)]


def test_an_open_beyond_the_target_and_a_low_beyond_the_stop_is_a_stop():
    rows = [FLAT, FLAT, FLAT, (120.0, 121.0, 90.0, 92.0), FLAT]
    trades, _ = told_orders(rows, {1: lambda it: it.buy(size=1, sl=95.0, tp=110.0)})
    assert trades == [(1, 2, 3, 100.0, 95.0)]


def test_ruin_is_at_the_close_with_an_equity_of_0():
    rows = [FLAT, FLAT, FLAT, (250.0, 260.0, 240.0, 250.0), FLAT, FLAT]
    trades, result = told_orders(rows, {1: lambda it: it.sell()})
    assert [trade[1:] for trade in trades] == [(2, 3, 100.0, 250.0)]
    assert result["_equity_curve"]["Equity"].tolist()[3:] == [0.0, 0.0, 0.0]


def test_its_trailing_stop_is_as_wide_as_today_ours_as_wide_as_at_the_decision():
    rows = [FLAT] * 4 + [(100.0, 111.0, 99.0, 110.0), (110.0, 112.0, 108.0, 110.0), (110.0, 110.0, 103.0, 105.0), FLAT]

    class Trailing(TrailingStrategy):
        def init(self):
            super().init()
            self.set_atr_periods(1)
            self.set_trailing_sl(3)

        def next(self):
            super().next()
            if len(self.data) == 2:
                self.buy(size=1)

    with quiet():
        result = Backtest(pd.DataFrame(rows, columns=PRICES), Trailing, cash=1e6).run()
    assert len(result["_trades"]) == 0  # its stop stands at 110 - 3 * 4 = 98: still open, and not listed
    prices = np.array(rows).T.copy()
    bars = SimpleNamespace(**dict(zip(("open", "high", "low", "close"), prices, strict=True)))
    masks = np.zeros((4, len(rows)), dtype=bool)
    masks[0, 1] = True
    found = simulate_one(
        bars=bars, atr=np.full(len(rows), 2.0), masks=pack(masks), window=(0, len(rows)),
        risk=risk_row(trail_kind=OrderKind.ATR, trail=3.0), costs=Costs.from_bps(fee_bps=0.0, slippage_bps=0.0),
    )  # fmt: skip
    (trade,) = found.trades
    assert trade[Trade.EXIT_REASON] == ExitReason.TRAIL
    assert (trade[Trade.EXIT_BAR], trade[Trade.EXIT_PRICE]) == (6, 104.0)  # 110 - 3 * 2
