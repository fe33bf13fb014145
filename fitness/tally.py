"""The rows that come out of the kernel: one tally per strategy and window, one row per trade.

A tally is a row of plain sums from which every measure follows (measures.py). The fields form a monoid: the tallies of
two consecutive windows merge to the tally of the whole, exactly up to rounding, where the account is flat at the
boundary and nothing else is carried over it: no cooldown, no halt of a breaker, no trades that a later size is
estimated from. So folds, shards and batches can be computed anywhere and put together later.

Per-bar return: `r[t] = equity[t] / equity[t-1] - 1` for every bar of the window `[start, stop)`, with equity marked at
the closes and `equity[start-1]` the equity at the start. The first bar of a window is always flat (its close is the
first decision), so its return is 0: it counts in `n_bars`, and that is what makes windows merge without a seam.

Sums over bars are kept as eight, bar `t` of the shard in sum `t % 8`, and added up as a tree at the end:
`((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7))`. So a sum has one value to the last bit, and eight bars go in at a time.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


class Tally(IntEnum):
    """Columns of a tally row."""

    N_BARS = 0
    """Bars in the window."""
    SUM_R = 1
    """Sum of the per-bar returns."""
    SUM_R2 = 2
    SUM_R3 = 3
    SUM_R4 = 4
    SUM_DOWN2 = 5
    """Sum of `min(r, 0) ** 2`."""
    GROWTH = 6
    """Equity at the end over equity at the start; 0 when ruined."""
    PEAK_GROWTH = 7
    """Highest equity at a close over equity at the start, at least 1."""
    TROUGH_GROWTH = 8
    """Lowest equity at a close over equity at the start, at most 1."""
    MAX_DRAWDOWN = 9
    """Largest `1 - equity / highest equity before`, a positive fraction."""
    BARS_HELD = 10
    """Bars in which a position was held beyond the open."""
    TURNOVER = 11
    """Sum over fills of traded notional over the equity last known before that fill."""
    N_TRADES = 12
    N_WINS = 13
    """Trades with a profit above 0 after costs."""
    GROSS_PROFIT = 14
    """Sum of the profits of winning trades, each as a fraction of its entry equity."""
    GROSS_LOSS = 15
    """Sum of the losses of the other trades, positive, each as a fraction of its entry equity."""
    WORST_TRADE = 16
    """Lowest profit of a trade as a fraction of its entry equity; 0 when none lost."""
    RUINED = 17
    """1 when equity fell to 0, after which nothing is traded."""


class Trade(IntEnum):
    """Columns of a trade row. Bars are indices into the shard, money is in units of the start equity."""

    SIDE = 0
    """1 long, -1 short."""
    ENTRY_BAR = 1
    EXIT_BAR = 2
    ENTRY_PRICE = 3
    EXIT_PRICE = 4
    UNITS = 5
    """Positive for both sides."""
    PROFIT = 6
    """After fees and slippage of both fills."""
    EXIT_REASON = 7
    ENTRY_EQUITY = 8


class ExitReason(IntEnum):
    """Why a position was left."""

    EXIT = 0
    """The exit rule was true at the close before."""
    STOP = 1
    TARGET = 2
    TRAIL = 3
    TIME = 4
    """The time stop."""
    END = 5
    """The window ended."""
    RUIN = 6
    """Equity was not above 0 at the close."""


TALLY = tuple(field.name.lower() for field in Tally)
TRADE = tuple(field.name.lower() for field in Trade)
EXIT_REASONS = tuple(reason.name.lower() for reason in ExitReason)
N_TALLY = len(TALLY)
N_TRADE = len(TRADE)


@dataclass(frozen=True, eq=False)
class Simulation:
    """What one strategy did in one window: tally `(N_TALLY,)`, trades `(n_trades, N_TRADE)`, equity `(n_bars,)`."""

    tally: Float64
    trades: Float64
    equity: Float64


def empty_tally() -> Float64:
    """The tally of a window without bars: `merge` with it changes nothing."""
    row = np.zeros(N_TALLY)
    row[[Tally.GROWTH, Tally.PEAK_GROWTH, Tally.TROUGH_GROWTH]] = 1.0
    return row


def merge(first: Float64, second: Float64) -> Float64:
    """The tally of two consecutive windows as one, for `(..., N_TALLY)` rows that broadcast.

    Sums add and growths multiply. The drawdown of the whole is the largest of the two and of the fall from the peak
    of the first window to the trough of the second. Equal to the tally of the whole window up to rounding if no
    position is carried over the boundary and the first window does not end in ruin.

    Source: the (max, min, drawdown) monoid, as in Blelloch 1990, "Prefix sums and their applications", section 1.4.
    """
    whole = np.asarray(first + second, dtype=np.float64)
    growth = first[..., Tally.GROWTH]
    peak = first[..., Tally.PEAK_GROWTH]
    trough = growth * second[..., Tally.TROUGH_GROWTH]
    whole[..., Tally.GROWTH] = growth * second[..., Tally.GROWTH]
    whole[..., Tally.PEAK_GROWTH] = np.maximum(peak, growth * second[..., Tally.PEAK_GROWTH])
    whole[..., Tally.TROUGH_GROWTH] = np.minimum(first[..., Tally.TROUGH_GROWTH], trough)
    across = np.maximum((peak - trough) / peak, second[..., Tally.MAX_DRAWDOWN])
    whole[..., Tally.MAX_DRAWDOWN] = np.maximum(first[..., Tally.MAX_DRAWDOWN], across)
    whole[..., Tally.WORST_TRADE] = np.minimum(first[..., Tally.WORST_TRADE], second[..., Tally.WORST_TRADE])
    whole[..., Tally.RUINED] = np.maximum(first[..., Tally.RUINED], second[..., Tally.RUINED])
    return whole
