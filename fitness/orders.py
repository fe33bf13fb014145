"""Orders: when a flat account decides to enter, how far its orders lie from a fill, how many units, at what price.

Compiled, and without numba's reference counts (`_nrt=False`): they cost a tenth of the time where trading is dense, and
nothing here makes an array.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.account import Account
from fitness.bits import ctz_nb
from fitness.costs import (
    KELLY_FIRST,
    KELLY_LEAST,
    KELLY_TRADES,
    MOST_FRACTION,
    MOST_LOTS,
    WORST_FILL,
    Cost,
    OrderKind,
    Risk,
    SizeKind,
)

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]

_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_ATR, _PERCENT = int(OrderKind.ATR), int(OrderKind.PERCENT)
_BY_RISK, _BY_KELLY = int(SizeKind.RISK), int(SizeKind.KELLY)
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


@_jit
def next_entry_nb(
    long_entry: Words, long_exit: Words, short_entry: Words, short_exit: Words, bar: int, stop: int
) -> int:
    """The first bar in `[bar, stop)` at whose close a flat account decides to enter, `stop` when there is none."""
    if bar >= stop:
        return stop
    index = bar >> 6
    end = (stop + 63) >> 6
    allowed = _ALL << np.uint64(bar & 63)
    while index < end:
        long, short = long_entry[index], short_entry[index]
        word = ((long & ~long_exit[index] & ~short) | (short & ~short_exit[index] & ~long)) & allowed
        if word != 0:
            return min((index << 6) + ctz_nb(word), stop)
        allowed = _ALL
        index += 1
    return stop


@_jit
def distance_nb(kind: float, value: float, fill: float, atr: float) -> float:
    """Price distance of a protective order from the fill; infinite when it is off."""
    if kind == _ATR:
        return value * atr
    if kind == _PERCENT:
        return fill * value / 100.0
    return np.inf


@_jit
def in_lots_nb(units: float, lot_size: float) -> float:
    """Units rounded down to whole lots, never up by rounding."""
    if not lot_size > 0.0:
        return units
    lots = np.floor(units / lot_size)
    while lots * lot_size > units and lots < MOST_LOTS:
        lots -= 1.0
    return lots * lot_size


@_jit
def kelly_nb(multiple: float, leverage_cap: float, account: Float64) -> float:
    """Fraction of equity: a multiple of Kelly's fraction, mean over variance of the account's trades, within bounds."""
    n = account[Account.KELLY_N]
    if n < KELLY_TRADES:
        return min(KELLY_FIRST, leverage_cap)
    mean, variance = account[Account.KELLY_MEAN], account[Account.KELLY_SQUARES] / (n - 1.0)
    fraction = KELLY_LEAST
    if multiple > 0.0 and mean > 0.0:
        fraction = max(multiple * (mean / variance), KELLY_LEAST) if variance > 0.0 else MOST_FRACTION
    return min(fraction, MOST_FRACTION, leverage_cap)


@_jit
def scaled_nb(size: float, scale: Float64, bar: int) -> float:
    """Fraction of equity: the size times the scale `(n_bars,)` of a bar; 0 where there is none, so no entry."""
    if bar >= scale.shape[0]:
        return 0.0
    fraction = size * scale[bar]
    return min(fraction, MOST_FRACTION) if scale[bar] > 0.0 and fraction > 0.0 else 0.0


@_jit
def size_nb(risk: Float64, scale: Float64, bar: int, costs: Float64, account: Float64) -> float:
    """The size that a decision at the close of `bar` means: a fraction of equity, or at risk where the kind is RISK."""
    kind = risk[Risk.SIZE_KIND]
    if kind <= _BY_RISK:
        return risk[Risk.SIZE]
    if kind == _BY_KELLY:
        return kelly_nb(risk[Risk.SIZE], costs[Cost.LEVERAGE_CAP], account)
    return scaled_nb(risk[Risk.SIZE], scale, bar)


@_jit
def units_nb(
    equity: float, fill: float, stop_distance: float, capacity: float, size: float, risk: Float64, costs: Float64
) -> float:
    """Units to enter with, 0 when the size is undefined or less than a lot."""
    unit_cost = fill * (1.0 + costs[Cost.FEE]) + costs[Cost.FEE_PER_UNIT]
    if risk[Risk.SIZE_KIND] == _BY_RISK:
        if not 0.0 < stop_distance < np.inf:
            return 0.0
        units = min(size * equity / stop_distance, costs[Cost.LEVERAGE_CAP] * equity / unit_cost)
    else:  # rounding is monotone: the smaller of two quotients is that of the smaller dividend
        units = min(size, costs[Cost.LEVERAGE_CAP]) * equity / unit_cost
    return in_lots_nb(min(units, capacity), costs[Cost.LOT_SIZE])


@_jit
def adverse_nb(slippage: float, impact: float, units: float) -> float:
    """Fraction by which a market or stop order for these units fills worse."""
    if impact > 0.0 and units > 0.0:
        return min(slippage + impact * np.sqrt(units), WORST_FILL)
    return slippage


@_jit
def fillable_nb(units: float, capacity: float, lot_size: float) -> float:
    """How many of the units that are to be sold one bar takes: all, or whole lots of its capacity."""
    return units if units <= capacity else in_lots_nb(capacity, lot_size)
