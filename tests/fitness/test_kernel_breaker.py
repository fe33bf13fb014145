"""The drawdown breaker: examples by hand on the kernel and on its twin, and laws against a count of our own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.bits import pack
from fitness.costs import OrderKind, Risk, SizeKind
from fitness.simulation import simulate_one
from fitness.tally import Tally, Trade
from tests.fitness.kernel_cases import BAR_STYLES, assert_same, random_case

N_BARS = 400


def bars_at(*prices):
    """Bars that stand still at each price."""
    return [(price, price, price, price) for price in prices]


def trading(seed, **risk):
    """A case that trades often, with these columns of the risk row, and every kind of order and size."""
    rng = np.random.default_rng(seed)
    kinds = [*rng.integers(0, 3, 3), rng.integers(0, len(SizeKind))]
    style = BAR_STYLES[seed % len(BAR_STYLES)]
    case = random_case(seed=seed, n_bars=N_BARS, style=style, densities=[0.3, 0.2, 0.3, 0.2], kinds=kinds)
    for name, value in risk.items():
        case["risk"][Risk[name.upper()]] = value
    return {**case, "window": (0, N_BARS)}


def play(case):
    return simulate_one(**{**case, "masks": pack(case["masks"])})


def halts(case, trades):
    """Each trade that trips the breaker, and the bars that it halts for, counted from the list of trades alone."""
    breaker, rearm, cooldown = (case["risk"][column] for column in (Risk.BREAKER, Risk.REARM, Risk.COOLDOWN))
    highest, found = case["costs"].start_equity, []
    for number, trade in enumerate(trades):
        cash = trade[Trade.ENTRY_EQUITY] + trade[Trade.PROFIT]
        if cash <= highest * (1.0 - breaker):
            found.append((number, max(cooldown, rearm)))
            highest = cash
        highest = max(highest, cash)
    return found


# --- examples ---

PLUNGE = bars_at(100, 100, 90, 90, 90, 90, 90, 90, 90, 90, 99, 99, 99)


@pytest.mark.parametrize("rearm", [0, 1, 2, 5])
def test_a_loss_beyond_the_drawdown_halts_entries_for_the_bars_of_rearm(run, rearm):
    found = run(PLUNGE, long=range(12), leave=[1], breaker=0.1, rearm=rearm)
    assert found.trade(0) == (1, 1, 2, 100.0, 90.0, "EXIT")
    assert found.trades[1, Trade.ENTRY_BAR] == 3 + rearm


def test_a_loss_short_of_the_drawdown_halts_nothing(run):
    found = run(PLUNGE, long=range(12), leave=[1], breaker=0.11, rearm=5)
    assert found.trades[1, Trade.ENTRY_BAR] == 3


def test_the_longer_of_cooldown_and_halt_counts(run):
    assert run(PLUNGE, long=range(12), leave=[1], breaker=0.1, rearm=2, cooldown=4).trades[1, Trade.ENTRY_BAR] == 7
    assert run(PLUNGE, long=range(12), leave=[1], breaker=0.1, rearm=4, cooldown=2).trades[1, Trade.ENTRY_BAR] == 7


def test_a_stop_within_a_bar_trips_the_breaker_too(run):
    rows = [*bars_at(100, 100), (100, 100, 80, 90), *bars_at(*[90] * 8)]
    found = run(rows, long=range(10), stop_kind=OrderKind.PERCENT, stop=10.0, breaker=0.1, rearm=3)
    assert found.trade(0) == (1, 1, 2, 100.0, 90.0, "STOP")
    assert found.trades[1, Trade.ENTRY_BAR] == 6


def test_the_halt_forbids_the_reversal_at_the_same_open(run):
    assert len(run(PLUNGE, long=[0], leave=[1], short=[1]).trades) == 2
    assert len(run(PLUNGE, long=[0], leave=[1], short=[1], breaker=0.1, rearm=1).trades) == 1
    assert len(run(PLUNGE, long=[0], leave=[1], short=[1], breaker=0.1, rearm=0).trades) == 2


def test_losses_are_counted_from_the_highest_cash_while_flat(run):
    # 1 to 1.2, to 1.08: ten per cent below the highest, though above the start.
    rows = bars_at(100, 100, 120, 120, 108, 108, 108, 108)
    found = run(rows, long=range(7), leave=[1, 3], breaker=0.1, rearm=2)
    assert [int(bar) for bar in found.trades[:, Trade.ENTRY_BAR]] == [1, 3, 7]


def test_a_gain_that_is_not_realised_moves_no_reference(run):
    # Held from 100 over 200 to 95: five per cent of the cash before.
    found = run(bars_at(100, 100, 200, 200, 95, 95, 95), long=range(6), leave=[3], breaker=0.1, rearm=3)
    assert [int(bar) for bar in found.trades[:, Trade.ENTRY_BAR]] == [1, 5]


def test_a_loss_that_is_not_realised_closes_nothing(run):
    found = run(bars_at(100, 100, 50, 50, 50, 100), long=[0], breaker=0.05, rearm=250)
    assert [found.trade()] == [(1, 1, 5, 100.0, 100.0, "END")]


def test_it_is_armed_again_with_the_cash_of_that_time(run):
    # 1 to 0.9 trips; 0.9 to 0.855 is five per cent of what was left, so it does not; 0.855 to 0.8 does.
    rows = bars_at(100, 100, 90, 90, 90, 85.5, 85.5, 80, 80, 80, 80)
    found = run(rows, long=range(10), leave=[1, 4, 6], breaker=0.1, rearm=1)
    assert [int(bar) for bar in found.trades[:, Trade.ENTRY_BAR]] == [1, 4, 6, 9]


# --- laws ---

seeds = st.integers(0, 2**32 - 1)
breakers = st.sampled_from([0.001, 0.01, 0.05, 0.2, 0.5])


@settings(max_examples=150, deadline=None)
@given(seeds, breakers, st.sampled_from([0, 1, 4, 20]))
def test_no_entry_falls_in_the_bars_that_are_halted(seed, breaker, rearm):
    case = trading(seed, breaker=breaker, rearm=rearm)
    trades = play(case).trades
    for number, bars in halts(case, trades):
        left = trades[number, Trade.EXIT_BAR]
        later = trades[number + 1 :, Trade.ENTRY_BAR]
        assert (later > left + bars).all() if bars else (later >= left).all()


def test_the_law_above_has_halts_to_look_at():
    found = [halts(case, play(case).trades) for case in (trading(seed, breaker=0.05, rearm=20) for seed in range(40))]
    assert sum(map(len, found)) > 100


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(0, 300))
def test_no_breaker_is_no_breaker_whatever_the_bars_of_rearm(seed, rearm):
    case = trading(seed, breaker=0.0, rearm=0)
    assert_same(play(case), play(trading(seed, breaker=0.0, rearm=rearm)))


@settings(max_examples=60, deadline=None)
@given(seeds, breakers)
def test_a_breaker_that_halts_no_longer_than_the_cooldown_changes_nothing(seed, breaker):
    case = trading(seed, breaker=0.0, cooldown=3)
    assert_same(play(case), play(trading(seed, breaker=breaker, rearm=3, cooldown=3)))


@settings(max_examples=60, deadline=None)
@given(seeds, breakers)
def test_until_the_first_halt_nothing_is_different(seed, breaker):
    free, bound = play(trading(seed, breaker=0.0)), trading(seed, breaker=breaker, rearm=20)
    tripped = halts(bound, free.trades)
    if not tripped:
        assert_same(free, play(bound))
    else:
        end = tripped[0][0] + 1
        np.testing.assert_array_equal(free.trades[:end], play(bound).trades[:end])


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_a_halt_until_the_end_leaves_the_account_where_it_was(seed):
    case = trading(seed, breaker=0.05, rearm=N_BARS)
    found = play(case)
    tripped = halts(case, found.trades)
    assert len(tripped) <= 1
    if tripped:
        assert tripped[0][0] == len(found.trades) - 1
        last = found.trades[-1]
        assert (found.equity[int(last[Trade.EXIT_BAR]) :] == found.equity[-1]).all()
        assert found.tally[Tally.N_TRADES] == len(found.trades)
