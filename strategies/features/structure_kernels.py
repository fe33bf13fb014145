"""Bars counted back, and the extremes of a day so far, compiled. `out` columns are all NaN to begin with."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.indicators import Column
from strategies.numba_start import load_numba

load_numba()

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def streaks_nb(close: Column, most: int, out: Column) -> None:
    """Fill `out` from bar `most` on: how many closes in a row rose, or fell (negative), counted to `most`."""
    for bar in range(most, out.size):
        sign = np.sign(close[bar] - close[bar - 1])
        count = 0
        while count < most and sign != 0.0 and (close[bar - count] - close[bar - count - 1]) * sign > 0.0:
            count += 1
        out[bar] = sign * count


@_jit
def narrowness_nb(spans: Column, most: int, out: Column) -> None:
    """Fill `out` from bar `most` on: how many bars in a row before each had a wider span, counted to `most`."""
    for bar in range(most, out.size):
        count = 0
        while count < most and spans[bar - count - 1] > spans[bar]:
            count += 1
        out[bar] = count


@_jit
def extremes_nb(
    starts: NDArray[np.int64], high: Column, low: Column, n_first: int, top_out: Column, bottom_out: Column
) -> None:
    """Fill the outs with the highest high and lowest low since the bar `starts[bar]`, among its first `n_first` bars.

    Bars before the first day begins, whose start is -1, stay NaN.
    """
    top = bottom = np.nan
    for bar in range(starts.size):
        start = starts[bar]
        if start < 0:
            continue
        if bar == start:
            top, bottom = high[bar], low[bar]
        elif bar - start < n_first:
            top, bottom = max(top, high[bar]), min(bottom, low[bar])
        top_out[bar], bottom_out[bar] = top, bottom
