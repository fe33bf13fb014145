"""The spread that highs and lows betray, compiled."""

import math
from typing import Final

from numba import njit

from strategies.indicators import Column
from strategies.numba_start import load_numba

load_numba()

_WIDTH: Final = 3.0 - 2.0 * math.sqrt(2.0)


@njit(cache=True, nogil=True, error_model="numpy")
def spreads_nb(high: Column, low: Column, close: Column, out: Column) -> None:
    """Fill `out` from bar 1 on with the spread of each bar and the one before it, as a share of price, at least 0.

    Corwin and Schultz 2012, equations 14 and 18. A bar that lies wholly above or below the close before it is moved to
    it first, as they do with what happened over night.
    """
    for bar in range(1, out.size):
        over_night = 0.0
        if low[bar] > close[bar - 1]:
            over_night = low[bar] - close[bar - 1]
        elif high[bar] < close[bar - 1]:
            over_night = high[bar] - close[bar - 1]
        top, bottom = high[bar] - over_night, low[bar] - over_night
        first, second = math.log(high[bar - 1] / low[bar - 1]), math.log(top / bottom)
        both = math.log(max(high[bar - 1], top) / min(low[bar - 1], bottom))
        beta, gamma = first * first + second * second, both * both
        alpha = (math.sqrt(2.0 * beta) - math.sqrt(beta)) / _WIDTH - math.sqrt(gamma / _WIDTH)
        out[bar] = 2.0 * (math.exp(alpha) - 1.0) / (1.0 + math.exp(alpha)) if alpha > 0.0 else 0.0
