"""The account of one strategy while it is played: one row of numbers, and what is booked in it and in the tally.

The row begins with what the walk over a position updates (walk.py): sums of returns, peak and low. Behind it lies the
state of account and position between two calls of the kernel, so that a long window can be played in tiles of bars that
stay in the cache, with the bits of one go.
"""

from enum import IntEnum
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.costs import Cost, Risk, SizeKind
from fitness.tally import Tally, Trade
from fitness.walk import N_WALK, Walk

Float64 = NDArray[np.float64]


class Account(IntEnum):
    """Columns of an account row behind those of `Walk`. Bars are indices into the shard."""

    CASH = N_WALK
    MARKED = N_WALK + 1
    """Equity at the close before."""
    SIGN = N_WALK + 2
    """Side held, 0 when flat."""
    PENDING = N_WALK + 3
    """Side of the entry that fills at the next open, 0 for none."""
    UNITS = N_WALK + 4
    ENTRY_UNITS = N_WALK + 5
    ENTRY_PRICE = N_WALK + 6
    ENTRY_EQUITY = N_WALK + 7
    PROCEEDS = N_WALK + 8
    """Price times units of what has left."""
    CARRY_PAID = N_WALK + 9
    """Carry of one unit up to the entry."""
    STOP = N_WALK + 10
    """Signed price."""
    TARGET = N_WALK + 11
    TRAIL = N_WALK + 12
    """Distance."""
    ENTRY_BAR = N_WALK + 13
    EXIT_DUE = N_WALK + 14
    """Bar at whose open the exit rule leaves, as far as is known."""
    EXIT_REASON = N_WALK + 15
    LEAVING = N_WALK + 16
    """1 when a part has left, and the rest leaves at the next opens."""
    BAR = N_WALK + 17
    """The next bar to play."""
    DECISION = N_WALK + 18
    """The first bar at whose close an entry may be decided."""
    IS_OVER = N_WALK + 19
    """1 after ruin: nothing is traded any more."""
    REFERENCE = N_WALK + 20
    """Highest cash while flat since the start or the last re-arm; kept where there is a breaker."""
    KELLY_N = N_WALK + 21
    """Trades that have ended; kept, as the next two, where sizes are Kelly's."""
    KELLY_MEAN = N_WALK + 22
    """Mean of their profits over their entry notionals."""
    KELLY_SQUARES = N_WALK + 23
    """Sum of squares of the distances from that mean."""


N_ACCOUNT: Final = N_WALK + 24
_PEAK, _LOWEST, _TROUGH, _DRAWDOWN = (int(place) for place in (Walk.PEAK, Walk.LOW, Walk.TROUGH, Walk.DRAWDOWN))
_BY_KELLY = int(SizeKind.KELLY)
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


@_jit
def begin_nb(start: int, start_equity: float, account: Float64, tally_out: Float64) -> None:
    """Sets account and tally to those before bar `start`."""
    account[:] = 0.0
    account[_PEAK] = account[_TROUGH] = start_equity
    account[_LOWEST] = np.inf
    account[Account.CASH] = account[Account.MARKED] = account[Account.REFERENCE] = start_equity
    account[Account.BAR] = account[Account.DECISION] = start
    tally_out[:] = 0.0


@_jit
def exchange_nb(
    cash: float, sign: float, units: float, price: float, carry: float, known: float, costs: Float64, tally_out: Float64
) -> float:
    """Cash after a position, or a part of it, is left at `price`: notional, fees and the carry of each unit."""
    notional = units * price
    tally_out[Tally.TURNOVER] += notional / known
    fees = costs[Cost.FEE] * notional + costs[Cost.FEE_PER_UNIT] * units
    return cash + sign * notional - fees - units * carry


@_jit
def book_trade_nb(
    cash: float, sign: float, units: float, entry_bar: int, entry_price: float, entry_equity: float,
    bar: int, price: float, reason: int, at_open: bool, tally_out: Float64, trades_out: Float64,
) -> float:  # fmt: skip
    """Books the trade of a position that has been left whole; returns the cash after it, at least 0."""
    if not cash > 0.0:
        cash = 0.0
        tally_out[Tally.RUINED] = 1.0
    profit = cash - entry_equity
    share = profit / entry_equity
    row = int(tally_out[Tally.N_TRADES])
    tally_out[Tally.N_TRADES] += 1.0
    tally_out[Tally.BARS_HELD] += bar - entry_bar if at_open else bar - entry_bar + 1
    if profit > 0.0:
        tally_out[Tally.N_WINS] += 1.0
        tally_out[Tally.GROSS_PROFIT] += share
    else:
        tally_out[Tally.GROSS_LOSS] -= share
        tally_out[Tally.WORST_TRADE] = min(tally_out[Tally.WORST_TRADE], share)
    if row < trades_out.shape[0]:
        trades_out[row, Trade.SIDE] = sign
        trades_out[row, Trade.ENTRY_BAR] = entry_bar
        trades_out[row, Trade.EXIT_BAR] = bar
        trades_out[row, Trade.ENTRY_PRICE] = entry_price
        trades_out[row, Trade.EXIT_PRICE] = price
        trades_out[row, Trade.UNITS] = units
        trades_out[row, Trade.PROFIT] = profit
        trades_out[row, Trade.EXIT_REASON] = reason
        trades_out[row, Trade.ENTRY_EQUITY] = entry_equity
    return cash


@_jit
def remember_nb(
    cash: float, notional: float, entry_equity: float, cooldown: int, stop: int, risk: Float64, account: Float64
) -> int:
    """Books what later entries depend on of a trade that leaves `cash`; returns the bars without entry after it.

    Source of the sums: Welford 1962, "Note on a method for calculating corrected sums of squares and products",
    Technometrics 4(3).
    """
    if risk[Risk.SIZE_KIND] == _BY_KELLY:
        outcome = (cash - entry_equity) / notional if notional > 0.0 else 0.0
        n = account[Account.KELLY_N] + 1.0
        away = outcome - account[Account.KELLY_MEAN]
        mean = account[Account.KELLY_MEAN] + away / n
        account[Account.KELLY_N] = n
        account[Account.KELLY_MEAN] = mean
        account[Account.KELLY_SQUARES] += away * (outcome - mean)
    breaker, reference = risk[Risk.BREAKER], account[Account.REFERENCE]
    if breaker > 0.0 and cash <= reference * (1.0 - breaker):
        account[Account.REFERENCE] = cash
        return max(cooldown, int(min(max(risk[Risk.REARM], 0.0), stop)))
    account[Account.REFERENCE] = max(reference, cash)
    return cooldown


@_jit
def book_bar_nb(equity: float, marked: float, lane: int, account: Float64) -> None:
    """Books one bar's return and drawdown, as the walk does for eight."""
    r = equity / marked - 1.0
    r2 = r * r
    account[Walk.SUM_R + lane] += r
    account[Walk.SUM_R2 + lane] += r2
    account[Walk.SUM_R3 + lane] += r2 * r
    account[Walk.SUM_R4 + lane] += r2 * r2
    if r < 0.0:
        account[Walk.SUM_DOWN2 + lane] += r2
    peak, lowest = account[_PEAK], account[_LOWEST]
    if equity > peak:
        account[_DRAWDOWN] = max(account[_DRAWDOWN], (peak - lowest) / peak)
        account[_TROUGH] = min(account[_TROUGH], lowest)
        account[_PEAK], account[_LOWEST] = equity, np.inf
    else:
        account[_LOWEST] = min(lowest, equity)


@_jit
def sum_nb(account: Float64, place: int) -> float:
    """The eight sums of one power of the returns as one, in the order of a tree."""
    low = (account[place] + account[place + 1]) + (account[place + 2] + account[place + 3])
    return low + ((account[place + 4] + account[place + 5]) + (account[place + 6] + account[place + 7]))


@_jit
def finish_nb(n_bars: int, start_equity: float, account: Float64, tally_out: Float64) -> None:
    """Writes what the account holds into the tally."""
    peak, lowest = account[_PEAK], account[_LOWEST]
    tally_out[Tally.N_BARS] = n_bars
    tally_out[Tally.SUM_R] = sum_nb(account, Walk.SUM_R)
    tally_out[Tally.SUM_R2] = sum_nb(account, Walk.SUM_R2)
    tally_out[Tally.SUM_R3] = sum_nb(account, Walk.SUM_R3)
    tally_out[Tally.SUM_R4] = sum_nb(account, Walk.SUM_R4)
    tally_out[Tally.SUM_DOWN2] = sum_nb(account, Walk.SUM_DOWN2)
    tally_out[Tally.GROWTH] = account[Account.CASH] / start_equity
    tally_out[Tally.PEAK_GROWTH] = peak / start_equity
    tally_out[Tally.TROUGH_GROWTH] = min(account[_TROUGH], lowest) / start_equity
    tally_out[Tally.MAX_DRAWDOWN] = max(account[_DRAWDOWN], (peak - lowest) / peak)
