"""Trade by trade and bar by bar against vectorbt 1.2 on random strategies, wherever its rules and ours coincide.

How a strategy is told to vectorbt, and which trades can't be, is in benchmarks/vectorbt_peer.py; docs/fill-model.md
has the list. Entries that lead to such a trade are taken out on both sides. vectorbt's Rust engine is used, which
starts at once; benchmarks/kernel_vs_vectorbt.py checks the other.
"""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vectorbt.portfolio.enums import RejectedOrderError

from benchmarks.rough_bars import rough_bars
from benchmarks.vectorbt_peer import CASH, Levels, arguments, portfolio, quiet, require_same, without_odd_trades
from fitness.bits import pack
from fitness.costs import Costs, OrderKind, SizeKind, risk_row
from fitness.measures import measure
from fitness.samples import sample
from fitness.simulation import simulate_one
from fitness.tally import ExitReason, Simulation, Tally, Trade

N_STRATEGIES = 6
STYLES = {"plain": 0.02, "gaps": 0.02, "limit moves": 0.02, "flat": 0.02, "wild": 0.1, "SPX": 0.012}
SPX = sample("SPX")

cases = settings(max_examples=25, deadline=None)
styles, seeds = st.sampled_from(sorted(STYLES)), st.integers(0, 2**32 - 1)
fees, slippages = st.sampled_from([0.0, 0.0005, 0.01]), st.sampled_from([0.0, 0.0003, 0.02])
distances, units = st.floats(0.3, 5.0), st.sampled_from([OrderKind.PERCENT, OrderKind.ATR])


def some_bars(rng, style, n_bars=250):
    """Bars that hurt, or a stretch of the S&P 500."""
    if style == "SPX":
        first = int(rng.integers(len(SPX) - n_bars))
        columns = {
            name: SPX[name].to_numpy()[first : first + n_bars].copy() for name in ("open", "high", "low", "close")
        }
        return SimpleNamespace(**columns)
    return rough_bars(rng, style, STYLES[style], n_bars)


def random_masks(rng, n_bars):
    """Masks `(4, n_bars, N_STRATEGIES)`; where both entries are true, both exits are, or neither (see below)."""
    chances = rng.choice([0.02, 0.1, 0.5], (4, 1, N_STRATEGIES))
    masks = rng.random((4, n_bars, N_STRATEGIES)) < chances
    either = masks[0] & masks[2] & (masks[1] | masks[3])
    masks[1] |= either
    masks[3] |= either
    return masks


@dataclass(frozen=True, eq=False)
class Play:
    """Random strategies on random bars, played by both sides.

    Attributes:
        found: our simulations.
        theirs: the portfolio of vectorbt.
        fee: fraction of the notional.
        rows_per_bar: of the portfolio.
    """

    found: list[Simulation]
    theirs: object
    fee: float
    rows_per_bar: int

    def compare(self):
        for column, one in enumerate(self.found):
            if one.equity.min() > 0.01 * CASH:  # ruin, and the smallest sizes, differ: see below
                require_same(one, self.theirs, column, fee=self.fee, rows_per_bar=self.rows_per_bar)

    def trades(self):
        return np.concatenate([one.trades for one in self.found])


def play(
    *, style, seed, stop=None, target=None, unit=OrderKind.PERCENT, fee=0.0, slippage=0.0, lot_size=0.0, rows_per_bar=2,
    reverses=True, leaves=False, options=None, **risk,
):  # fmt: skip
    """Random strategies played by both sides; `stop` and `target` are multiples of a typical bar's range."""
    rng = np.random.default_rng(seed)
    bars = some_bars(rng, style)
    n_bars = len(bars.close)
    masks = random_masks(rng, n_bars)
    if not reverses:
        masks[2] &= ~masks[1]
        masks[0] &= ~masks[3]
    if leaves:  # at the last open
        masks[:, -2:] = False
        masks[[1, 3], -2] = True
    size = STYLES[style] * (100.0 if unit == OrderKind.PERCENT else 1.0)
    atr = np.asarray(bars.close) * rng.uniform(0.5, 2.0, n_bars)  # known at the decision, whatever it is
    wanted = {name: size * value for name, value in (("stop", stop), ("target", target)) if value is not None}
    fill = np.append(bars.open[1:], np.nan)
    shares = {
        name: value / 100.0 if unit == OrderKind.PERCENT else value * atr / fill for name, value in wanted.items()
    }
    costs = Costs.from_bps(fee_bps=fee * 1e4, slippage_bps=slippage * 1e4, lot_size=lot_size, start_equity=CASH)
    kinds = dict.fromkeys([f"{name}_kind" for name in wanted], unit)

    def simulate(strategy):
        row = risk_row(**wanted, **kinds, **risk)
        return simulate_one(bars=bars, atr=atr, masks=pack(strategy), window=(0, n_bars), risk=row, costs=costs)

    places = {"stop": np.inf, "target": np.inf, **shares}
    found = without_odd_trades(simulate, masks, bars=bars, rows_per_bar=rows_per_bar, **places)
    columns = {name: np.reshape(share, (-1, 1)) for name, share in shares.items()}
    levels = Levels(**columns, is_market=target is None)
    told = arguments(bars=bars, masks=masks, levels=levels, fee=fee, slippage=slippage, rows_per_bar=rows_per_bar)
    return Play(found, portfolio(told, engine="rust", **(options or {})), fee, rows_per_bar)


@cases
@given(style=styles, seed=seeds, fee=fees, slippage=slippages)
def test_signals_in_both_directions_make_the_same_trades_and_equity(style, seed, fee, slippage):
    play(style=style, seed=seed, fee=fee, slippage=slippage, rows_per_bar=1).compare()


@cases
@given(style=styles, seed=seeds, fee=fees, slippage=slippages, stop=distances, unit=units)
def test_a_stop_makes_the_same_trades_and_equity(style, seed, fee, slippage, stop, unit):
    slippage = slippage if unit == OrderKind.PERCENT else 0.0  # a distance in prices is told before the fill is known
    play(style=style, seed=seed, fee=fee, slippage=slippage, stop=stop, unit=unit).compare()


@cases
@given(style=styles, seed=seeds, fee=fees, slippage=slippages, target=distances)
def test_a_target_makes_the_same_trades_and_equity(style, seed, fee, slippage, target):
    play(style=style, seed=seed, fee=fee, slippage=slippage, target=target).compare()


@cases
@given(style=styles, seed=seeds, fee=fees, stop=distances, target=distances, unit=units)
def test_stop_and_target_make_the_same_trades_and_equity(style, seed, fee, stop, target, unit):
    play(style=style, seed=seed, fee=fee, stop=stop, target=target, unit=unit).compare()


@cases
@given(style=styles, seed=seeds, fee=fees, stop=distances, target=distances)
def test_a_row_a_bar_is_enough_where_no_level_is_touched_at_entry_or_exit(style, seed, fee, stop, target):
    play(style=style, seed=seed, fee=fee, stop=stop, target=target, rows_per_bar=1).compare()


@cases
@given(style=styles, seed=seeds, fee=fees, slippage=slippages, size=st.floats(0.01, 1.0))
def test_a_fraction_of_equity_is_their_percent_of_cash(style, seed, fee, slippage, size):
    options = {"size": size, "size_type": "percent"}
    play(style=style, seed=seed, fee=fee, slippage=slippage, reverses=False, options=options, size=size).compare()


@cases
@given(style=styles, seed=seeds, fee=fees, stop=distances, risk=st.floats(0.001, 0.003))
def test_a_size_by_risk_is_a_percent_where_the_stop_is_one(style, seed, fee, stop, risk):
    options = {"size": risk * (1.0 + fee) / (stop * STYLES[style]), "size_type": "percent"}
    assert options["size"] < 1.0
    play(
        style=style, seed=seed, fee=fee, stop=stop, reverses=False, options=options, size=risk, size_kind=SizeKind.RISK
    ).compare()


@cases
@given(style=styles, seed=seeds, fee=fees, slippage=slippages, lot_size=st.sampled_from([1.0, 7.0, 0.25]))
def test_lots_are_their_granularity(style, seed, fee, slippage, lot_size):
    options = {"size_granularity": lot_size}
    play(style=style, seed=seed, fee=fee, slippage=slippage, lot_size=lot_size, options=options).compare()


@cases
@given(style=styles, seed=seeds, fee=fees, stop=distances, target=distances)
def test_the_figures_are_the_same_where_nothing_is_held_at_the_end(style, seed, fee, stop, target):
    played = play(style=style, seed=seed, fee=fee, stop=stop, target=target, rows_per_bar=1, leaves=True)
    with quiet():
        trades = played.theirs.trades
        theirs = {
            "total_return": played.theirs.total_return(),
            "sharpe": played.theirs.sharpe_ratio(),
            "sortino": played.theirs.sortino_ratio(),
            "max_drawdown": -played.theirs.max_drawdown(),
            "n_trades": trades.count(),
            "win_rate": trades.win_rate(),
        }
        money = trades.profit_factor()
    for column, one in enumerate(played.found):
        if one.equity.min() > 0.01 * CASH and one.tally[Tally.SUM_DOWN2] > 0.0:  # else theirs are infinite, ours NaN
            assert one.trades[-1, Trade.EXIT_REASON] != ExitReason.END
            found = {name: float(measure(name, one.tally, 365.0)) for name in theirs}  # their year has 365 days
            wanted = {name: float(values.iloc[column]) for name, values in theirs.items()}
            profits = one.trades[:, Trade.PROFIT]
            if np.abs(profits).min() < 1e-9 * CASH:  # left at the price of entry: rounding says who won
                found["win_rate"] = wanted["win_rate"]
            assert found == pytest.approx(wanted, rel=1e-7, abs=1e-12)
            won, lost = profits[profits > 0].sum(), -profits[profits < 0].sum()
            if lost > 0.0:
                assert money.iloc[column] == pytest.approx(won / lost, rel=1e-6)  # ours is of shares of equity instead


@pytest.mark.parametrize("style", STYLES)
def test_what_is_compared_holds_every_kind_of_ending(style):
    played = play(style=style, seed=5, stop=2.0, target=3.0, fee=0.0005)
    played.compare()
    rows = played.trades()
    for reason in (ExitReason.EXIT, ExitReason.STOP, ExitReason.TARGET):
        assert (rows[:, Trade.EXIT_REASON] == reason).sum() > 10
    assert (rows[:, Trade.EXIT_BAR] == rows[:, Trade.ENTRY_BAR]).sum() > 1
    assert set(rows[:, Trade.SIDE]) == {-1.0, 1.0}
    next_side, next_entry = rows[1:, Trade.SIDE], rows[1:, Trade.ENTRY_BAR]
    assert ((next_entry == rows[:-1, Trade.EXIT_BAR]) & (next_side != rows[:-1, Trade.SIDE])).sum() > 1


# Where the rules differ, each on bars made for it. A trade is (side, entry bar, exit bar, entry price, exit price).


def told_to_both(rows, *, long=(), leave=(), short=(), cover=(), stop=None, target=None, slippage=0.0, **options):
    """Our trades and theirs, a row a bar; `stop` and `target` in percent, `trail` is told to ours by `ours`."""
    ours = options.pop("ours", {})
    prices = np.array(rows, dtype=float).T.copy()
    bars = SimpleNamespace(**dict(zip(("open", "high", "low", "close"), prices, strict=True)))
    masks = np.zeros((4, len(rows), 1), dtype=bool)
    for mask, true_at in zip(masks, (long, leave, short, cover), strict=True):
        mask[list(true_at)] = True
    percent = {name: value for name, value in (("stop", stop), ("target", target)) if value is not None}
    kinds = {f"{name}_kind": OrderKind.PERCENT for name in percent}
    found = simulate_one(
        bars=bars, atr=np.ones(len(rows)), masks=pack(masks[:, :, 0]), window=(0, len(rows)),
        risk=risk_row(**percent, **kinds, **ours),
        costs=Costs.from_bps(fee_bps=0.0, slippage_bps=slippage * 1e4, start_equity=CASH),
    )  # fmt: skip
    levels = Levels(**{name: np.array([[value / 100.0]]) for name, value in percent.items()})
    with quiet():
        told = arguments(bars=bars, masks=masks, levels=levels, fee=0.0, slippage=slippage)
        theirs = portfolio(told, engine="rust", **options).trades.values
    names = ("entry_idx", "exit_idx", "entry_price", "exit_price")
    columns = [Trade.SIDE, Trade.ENTRY_BAR, Trade.EXIT_BAR, Trade.ENTRY_PRICE, Trade.EXIT_PRICE]
    sides = np.where(theirs["direction"] == 0, 1, -1)
    return (
        [tuple(row) for row in found.trades[:, columns].round(6).tolist()],
        [(side, *(round(float(row[name]), 6) for name in names)) for side, row in zip(sides, theirs, strict=True)],
    )


FLAT = (100, 101, 99, 100)


def test_by_default_they_fill_at_the_close_that_decided():
    ours, theirs = told_to_both([FLAT, (102, 106, 101, 105), FLAT, FLAT], long=[0], leave=[1], price=np.inf)
    assert ours == [(1, 1, 2, 102, 100)]
    assert theirs == [(1, 1, 2, 105, 100)]  # its row 1 is told the signal of bar 0: unshifted it would be the close 0


def test_by_default_their_levels_hang_on_the_close_of_the_entry_bar():
    rows = [FLAT, (100, 104.5, 99, 104), (104, 105, 94, 96), FLAT]
    ours, theirs = told_to_both(rows, long=[0], stop=5.0, stop_entry_price="close")
    assert ours == [(1, 1, 2, 100, 95)]
    assert theirs == [(1, 1, 2, 100, 98.8)]


def test_their_levels_live_from_the_row_after_entry():
    rows = [FLAT, (100, 101, 90, 99), (99, 100, 98, 99), FLAT]
    ours, theirs = told_to_both(rows, long=[0], leave=[2], stop=5.0)
    assert ours == [(1, 1, 1, 100, 95)]
    assert theirs == [(1, 1, 3, 100, 100)]


def test_their_stop_comes_before_an_exit_at_the_open():
    rows = [FLAT, FLAT, (99, 100, 90, 92), FLAT]
    ours, theirs = told_to_both(rows, long=[0], leave=[1], stop=5.0)
    assert ours == [(1, 1, 2, 100, 99)]
    assert theirs == [(1, 1, 2, 100, 95)]


def test_a_stop_leaves_them_no_order_to_reverse_with():
    rows = [FLAT, FLAT, (94, 96, 93, 95), (95, 96, 94, 95)]
    ours, theirs = told_to_both(rows, long=[0], leave=[1], short=[1], stop=5.0)
    assert ours == [(1, 1, 2, 100, 94), (-1, 2, 3, 94, 95)]
    assert theirs == [(1, 1, 2, 100, 94)]


def test_an_open_beyond_the_target_and_a_low_beyond_the_stop_is_a_stop_for_both():
    rows = [FLAT, FLAT, (120, 121, 90, 92), FLAT]
    ours, theirs = told_to_both(rows, long=[0], stop=5.0, target=10.0)
    assert ours == theirs == [(1, 1, 2, 100, 95)]


@pytest.mark.parametrize(("prices", "at"), [("stoplimit", 95), ("stopmarket", 95 * 0.99)])
def test_they_slip_on_stops_and_targets_alike_or_on_neither(prices, at):
    down, up = [FLAT, FLAT, (99, 100, 90, 92), FLAT], [FLAT, FLAT, (101, 112, 100, 111), FLAT]
    entry = {"long": [0], "slippage": 0.01, "stop_exit_price": prices}
    ours, theirs = told_to_both(down, stop=100 * (1 - 95 / 101), **entry)
    assert ours == [(1, 1, 2, 101, pytest.approx(95 * 0.99))]
    assert theirs == [(1, 1, 2, 101, pytest.approx(at))]
    ours, theirs = told_to_both(up, target=100 * (110 / 101 - 1), **entry)
    assert ours == [(1, 1, 2, 101, pytest.approx(110))]
    assert theirs == [(1, 1, 2, 101, pytest.approx(110 if prices == "stoplimit" else 110 * 0.99))]


def test_their_trailing_stop_follows_the_high_in_percent_ours_the_close_at_a_fixed_distance():
    rows = [FLAT, FLAT, (100, 120, 100, 110), (110, 111, 90, 95), FLAT]
    trail = {"trail_kind": OrderKind.PERCENT, "trail": 10.0}
    ours, theirs = told_to_both(rows, long=[0], ours=trail, sl_stop=0.1, sl_trail=True)
    assert ours == [(1, 1, 3, 100, 100)]  # 110 less 10 % of the fill
    assert theirs == [(1, 1, 3, 100, 108)]  # 120 less 10 % of 120


def test_by_default_an_opposite_entry_reverses_them_without_an_exit():
    ours, theirs = told_to_both([FLAT] * 4, long=[0], short=[1], upon_opposite_entry="reversereduce")
    assert ours == [(1, 1, 3, 100, 100)]
    assert theirs == [(1, 1, 2, 100, 100), (-1, 2, 3, 100, 100)]


def test_by_default_an_entry_and_an_exit_at_once_are_no_signal_for_them():
    ours, theirs = told_to_both([FLAT] * 5, long=[0, 1], leave=[1], upon_long_conflict="ignore")
    assert ours == [(1, 1, 2, 100, 100)]
    assert theirs == [(1, 1, 4, 100, 100)]


def test_both_entries_at_once_are_nothing_for_us_and_what_no_exit_contradicts_for_them():
    ours, theirs = told_to_both([FLAT] * 4, long=[0], leave=[0], short=[0])
    assert ours == []
    assert theirs == [(-1, 1, 3, 100, 100)]


def test_they_go_on_with_an_account_that_is_ruined():
    rows = [FLAT, FLAT, (250, 260, 240, 250), (10, 11, 9, 10), (10, 11, 9, 10)]
    ours, theirs = told_to_both(rows, short=[0])
    assert ours == [(-1, 1, 2, 100, 250)]
    assert theirs == [(-1, 1, 4, 100, 10)]


def test_they_may_leave_a_lot_behind_because_a_floor_of_floats_does():
    played = play(style="SPX", seed=0, lot_size=0.3, options={"size_granularity": 0.3})
    with pytest.raises(AssertionError):
        played.compare()


def test_they_refuse_to_reverse_a_fraction():
    with pytest.raises(RejectedOrderError, match="does not support position reversal"):
        play(style="plain", seed=0, options={"size": 0.5, "size_type": "percent"}, size=0.5)
