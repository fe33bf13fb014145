"""Timing returns: what a strategy earned beyond holding its own mean exposure all the time.

Who is long in a rising market earns without skill, and bars that are permuted or bootstrapped from a rising market rise
too. So skill is judged on `r[t] - b[t] * m[t]`: the strategy's return, after its costs, less that of a passive holder
of the same shard, whose exposure `b[t]` is the mean of the strategy's own at all closes of the stretch before bar `t`,
and `m[t]` is the market's return from close to close.

The mean runs: at each bar it is that of the closes known by then. The mean of the whole stretch would know the future:
who buys after a fall is less invested the more the market rose, so its mean of a stretch and the market's drift move
against one another, and on a random walk it seems to have skill (measured over 500 bars, buying when the last 100 fell:
9 % of walks pass at 5 %; buying when they rose: 2 %; with the running mean 5 % and 5 %).

Source: Aronson 2006, "Evidence-based technical analysis", chapters 1 and 6 (position bias times drift); taking the
benchmark from what is known before is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.bank import frozen
from fitness.shard import Shard
from fitness.tally import N_TRADE, Trade
from fitness.trace import Trace
from strategies.errors import UsageError
from strategies.numba_start import load_numba

load_numba()

Float64 = NDArray[np.float64]

Benchmark = Literal["passive", "cash"]
"""What returns are judged against: holding the strategy's own mean exposure, or nothing."""
N_HELD: Final = 2
"""Numbers that the running mean of exposures is: their sum, and how many."""

_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


@dataclass(frozen=True, eq=False)
class TimingReturns:
    """Returns `(n,)` of one shard and window beyond the benchmark, as `pooled.pool` takes them."""

    timestamps: NDArray[np.int64]
    returns: Float64
    bars_per_year: float


def exposures(trace: Trace, shard: Shard, *, start_equity: float = 1.0) -> Float64:
    """Signed market value over equity at each close `(n,)`; 0 while flat, and once nothing is left.

    Where a volume share lets a position leave in parts, it counts whole until the last part has left.

    Args:
        trace: of one window of `shard`.
        shard: the bars that were traded.
        start_equity: of the costs it was traded with: units are bought with it.

    Raises:
        UsageError: the shard ends before the window, or `start_equity` is not above 0.
    """
    _check(trace, shard, start_equity)
    out = np.zeros(trace.equity.size)
    exposures_nb(*_arrays(trace, shard, start_equity), trace.window.start, out)
    return out


def timing_returns(
    traces: Sequence[Trace], shard: Shard, *, benchmark: Benchmark = "passive", start_equity: float = 1.0
) -> tuple[TimingReturns, ...]:
    """Returns beyond the benchmark, of one strategy on one shard, one series a window; "cash" leaves them as they are.

    Args:
        traces: of the windows of one stretch, in the order of time: the mean exposure runs on from one to the next.
        shard: the bars that were traded.
        benchmark: what the returns are judged against.
        start_equity: of the costs it was traded with.

    Raises:
        UsageError: as `exposures`.
    """
    held, found = np.zeros(N_HELD), []
    for trace in traces:
        returns = trace.returns.copy()
        if benchmark == "passive":
            mine = exposures(trace, shard, start_equity=start_equity)
            beyond_nb(mine, frozen(shard.close, np.float64), trace.window.start, held, returns)
        found.append(TimingReturns(trace.timestamps, returns, trace.bars_per_year))
    return tuple(found)


def _check(trace: Trace, shard: Shard, start_equity: float) -> None:
    if shard.close.size < trace.window.stop:
        raise UsageError(
            f"`shard` must be the one that was traded, but had {shard.close.size} bars where the window of "
            f"{trace.symbol} ends at bar {trace.window.stop}. Pass the shard of the trace."
        )
    if not 0.0 < start_equity < np.inf:
        raise UsageError(f"`start_equity` must be positive and finite, but was {start_equity}. Take that of the costs.")


def _arrays(trace: Trace, shard: Shard, start_equity: float) -> tuple[Float64, Float64, Float64]:
    """Trades as the kernel writes them, closes, and equity in money."""
    rows = np.zeros((len(trace.trades), N_TRADE))
    for column in (Trade.SIDE, Trade.ENTRY_BAR, Trade.EXIT_BAR, Trade.UNITS):
        rows[:, column] = trace.trades[column.name.lower()]
    return rows, frozen(shard.close, np.float64), frozen(trace.equity * start_equity, np.float64)


@_jit
def exposures_nb(trades: Float64, close: Float64, equity: Float64, start: int, out: Float64) -> None:
    """Fill `out (n,)`, which holds 0, with signed market value over equity at the closes of a window.

    `trades (n_trades, N_TRADE)`, `close (n_bars,)` of the shard, `equity (n,)` in money, `start` the first bar traded.
    """
    for row in range(trades.shape[0]):
        signed = trades[row, Trade.SIDE] * trades[row, Trade.UNITS]
        for bar in range(int(trades[row, Trade.ENTRY_BAR]), int(trades[row, Trade.EXIT_BAR])):
            if equity[bar - start] > 0.0:
                out[bar - start] = signed * close[bar] / equity[bar - start]


@_jit
def beyond_nb(exposures: Float64, close: Float64, start: int, held: Float64, returns: Float64) -> None:
    """Take from `returns (n,)` what the running mean of `exposures (n,)` earned; `held (N_HELD,)` carries that mean.

    The first bar of a window is flat for both: nobody can hold before its first close. Nor does its last close count,
    at which the window ends every position.
    """
    for t in range(1, returns.shape[0]):
        held[0] += exposures[t - 1]
        held[1] += 1.0
        returns[t] -= held[0] / held[1] * (close[start + t] / close[start + t - 1] - 1.0)
