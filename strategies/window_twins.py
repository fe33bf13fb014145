"""Twins of TA-Lib functions that go through a whole window at every bar: the same bits, several times sooner.

TA-Lib adds up these windows anew at each bar, one term after the other, and so do the twins, 32 windows at a time
(`window_lanes`). PERCENTILE keeps the value of the rank asked for and how many of the window are below it, and looks
through the window only when that no longer tells. A twin returns None for what it leaves to TA-Lib: parameters that
TA-Lib refuses, windows longer than the bars, and short windows, where TA-Lib is as fast.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.window_lanes import (
    LANES,
    WIDTH,
    add_distances_nb,
    add_ring_distances_nb,
    add_ring_terms_nb,
    add_terms_nb,
    highest_nb,
    lowest_nb,
    next_above_nb,
    next_below_nb,
)

Column = NDArray[np.float64]
WindowTwin = Callable[[Sequence[Column], Sequence[float]], tuple[Column, ...] | None]

_LONGEST: Final = 10_000
_SHORTEST: Final = 8
_ROUNDING: Final = 1e-14
_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def average_deviation_nb(column: Column, period: int, out: Column) -> None:
    """AVGDEV of a padded column: mean absolute distance from the window's mean, newest bar first."""
    mean, distance = np.empty(LANES), np.empty(LANES)
    for bar in range(period - 1, out.size, LANES):
        mean[:] = 0.0
        distance[:] = 0.0
        add_terms_nb(column, bar, -1, period, mean, mean)
        for lane in range(LANES):
            mean[lane] /= period
        add_distances_nb(column, bar, -1, period, distance, mean)
        for lane in range(min(LANES, out.size - bar)):
            out[bar + lane] = distance[lane] / period


@_jit
def channel_index_nb(typical: Column, period: int, out: Column) -> None:
    """CCI of typical prices padded by a period in front too: TA-Lib adds up its ring from its first place, not its age.

    A value that differs from its average by no more than rounding is 0.
    """
    mean, distance = np.empty(LANES), np.empty(LANES)
    for first in range(0, out.size, period):
        for lane in range(0 if first > 0 else period - 1, period, LANES):
            mean[:] = 0.0
            distance[:] = 0.0
            add_ring_terms_nb(typical, period + first, lane, period, mean, mean)
            for place in range(LANES):
                mean[place] /= period
            add_ring_distances_nb(typical, period + first, lane, period, distance, mean)
            for place in range(min(LANES, period - lane, out.size - first - lane)):
                bar = first + lane + place
                above, apart = typical[period + bar] - mean[place], distance[place] / period
                least = abs(mean[place]) * _ROUNDING
                zero = abs(above) <= least or apart <= least or 0.015 * apart == 0.0
                out[bar] = 0.0 if zero else above / (0.015 * apart)


@_jit
def horizontal_filter_nb(column: Column, changes: Column, period: int, out: Column) -> None:
    """VHF of a padded column: width of the window over the sum of absolute changes into its bars, oldest bar first."""
    for bar in range(1, out.size):
        changes[bar] = abs(column[bar] - column[bar - 1])
    high, low, path = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for bar in range(period, out.size, LANES):
        high[:] = -np.inf
        low[:] = np.inf
        path[:] = 0.0
        first = bar - period + 1
        add_terms_nb(changes, first, 1, period, path, path)
        highest_nb(column, first, 1, period, high, high)
        lowest_nb(column, first, 1, period, low, low)
        for lane in range(min(LANES, out.size - bar)):
            out[bar + lane] = (high[lane] - low[lane]) / path[lane] if path[lane] > 0.0 else 0.0


@_jit
def intraday_momentum_nb(
    opening: Column, close: Column, rises: Column, falls: Column, period: int, out: Column
) -> None:
    """IMI: percentage of the window's bodies that rise, oldest bar first. `rises` and `falls` are padded, zero."""
    for bar in range(out.size):
        if close[bar] > opening[bar]:
            rises[bar] = close[bar] - opening[bar]
        else:
            falls[bar] = opening[bar] - close[bar]
    up, down = np.empty(LANES), np.empty(LANES)
    for bar in range(period - 1, out.size, LANES):
        up[:] = 0.0
        down[:] = 0.0
        add_terms_nb(rises, bar - period + 1, 1, period, up, up)
        add_terms_nb(falls, bar - period + 1, 1, period, down, down)
        for lane in range(min(LANES, out.size - bar)):
            total = up[lane] + down[lane]
            out[bar + lane] = 100.0 * (up[lane] / total) if total != 0.0 else 50.0


@_jit
def swings_nb(high: Column, low: Column, n_left: int, n_right: int, highs_out: Column, lows_out: Column) -> None:
    """FRACTAL of padded columns: 100 where the bar `n_right` ago is beyond all within its window, else 0."""
    top, bottom = np.empty(LANES), np.empty(LANES)
    for bar in range(n_left + n_right, highs_out.size, LANES):
        top[:] = -np.inf
        bottom[:] = np.inf
        pivot = bar - n_right
        highest_nb(high, pivot - n_left, 1, n_left, top, top)
        highest_nb(high, pivot + 1, 1, n_right, top, top)
        lowest_nb(low, pivot - n_left, 1, n_left, bottom, bottom)
        lowest_nb(low, pivot + 1, 1, n_right, bottom, bottom)
        for lane in range(min(LANES, highs_out.size - bar)):
            highs_out[bar + lane] = 100.0 if high[pivot + lane] > top[lane] else 0.0
            lows_out[bar + lane] = 100.0 if low[pivot + lane] < bottom[lane] else 0.0


@_jit
def count_nb(values: Column, value: float) -> int:
    """How many of `values` are equal to a value."""
    n = 0
    for each in values:
        n += 1 if each == value else 0
    return n


@_jit
def ranked_value_nb(column: Column, period: int, rank: int, window: Column, out: Column) -> None:
    """PERCENTILE: the `rank`-th lowest of the window. `window` is `(m * WIDTH,)` with room for it, NaN to begin with.

    `less` and `equal` are how many of the window are below the value and how many are equal to it.
    """
    value = column[0]
    less = equal = place = 0
    for bar in range(out.size):
        new, old = column[bar], window[place]  # the old one is NaN, and counts for nothing, until the window is full
        window[place] = new
        place = 0 if place + 1 == period else place + 1
        less += (1 if new < value else 0) - (1 if old < value else 0)
        equal += (1 if new == value else 0) - (1 if old == value else 0)
        if bar < period - 1:
            continue
        while True:
            if less >= rank:
                value = next_below_nb(window, value)
                equal = count_nb(window, value)
                less -= equal
            elif less + equal < rank:
                less += equal
                value = next_above_nb(window, value)
                equal = count_nb(window, value)
            else:
                break
        out[bar] = value


def _padded(column: Column) -> Column:
    """A copy with room for the lanes beyond the last bar."""
    padded = np.empty(column.size + LANES)
    padded[: column.size] = column
    padded[column.size :] = 0.0
    return padded


def _fits(column: Column, period: float, n_before: int = 0) -> bool:
    return _SHORTEST <= period <= _LONGEST and period + n_before <= column.size


def _average_deviation(columns: Sequence[Column], arguments: Sequence[float]) -> tuple[Column, ...] | None:
    (column,), (period,) = columns, arguments
    if not _fits(column, period):
        return None
    out = np.full(column.size, np.nan)
    average_deviation_nb(_padded(column), int(period), out)
    return (out,)


def _channel_index(columns: Sequence[Column], arguments: Sequence[float]) -> tuple[Column, ...] | None:
    (high, low, close), (period,) = columns, arguments
    if period < LANES // 2 or not _fits(close, period):
        return None
    typical, out = np.zeros(int(period) + close.size + max(LANES, int(period))), np.full(close.size, np.nan)
    typical[int(period) : int(period) + close.size] = (high + low + close) / 3.0
    channel_index_nb(typical, int(period), out)
    return (out,)


def _horizontal_filter(columns: Sequence[Column], arguments: Sequence[float]) -> tuple[Column, ...] | None:
    (column,), (period,) = columns, arguments
    if not _fits(column, period, n_before=1):
        return None
    out = np.full(column.size, np.nan)
    horizontal_filter_nb(_padded(column), np.zeros(column.size + LANES), int(period), out)
    return (out,)


def _intraday_momentum(columns: Sequence[Column], arguments: Sequence[float]) -> tuple[Column, ...] | None:
    (opening, close), (period,) = columns, arguments
    if not _fits(close, period):
        return None
    rises, falls, out = np.zeros(close.size + LANES), np.zeros(close.size + LANES), np.full(close.size, np.nan)
    intraday_momentum_nb(_frozen(opening), _frozen(close), rises, falls, int(period), out)
    return (out,)


def _swings(columns: Sequence[Column], arguments: Sequence[float]) -> tuple[Column, ...] | None:
    (high, low), (n_left, n_right) = columns, arguments
    if min(n_left, n_right) < 1 or not _fits(high, n_left + n_right, n_before=1):
        return None
    highs, lows = np.full(high.size, np.nan), np.full(low.size, np.nan)
    swings_nb(_padded(high), _padded(low), int(n_left), int(n_right), highs, lows)
    return highs, lows


def _ranked_value(columns: Sequence[Column], arguments: Sequence[float]) -> tuple[Column, ...] | None:
    (column,), (period, percentile) = columns, arguments
    if not _fits(column, period) or not 0.0 <= percentile <= 100.0:
        return None
    rank = min(max(math.ceil(percentile * period / 100.0), 1), int(period))
    window, out = np.full(-(-int(period) // WIDTH) * WIDTH, np.nan), np.full(column.size, np.nan)
    ranked_value_nb(_frozen(column), int(period), rank, window, out)
    return (out,)


def _frozen(column: Column) -> Column:
    """A read-only view, so that one compiled version serves all."""
    view = column.view()
    view.flags.writeable = False
    return view


WINDOW_TWINS: Final[Mapping[str, WindowTwin]] = MappingProxyType(
    {
        "AVGDEV": _average_deviation,
        "CCI": _channel_index,
        "FRACTAL": _swings,
        "IMI": _intraday_momentum,
        "PERCENTILE": _ranked_value,
        "VHF": _horizontal_filter,
    }
)
