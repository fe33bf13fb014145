"""What a learner is asked: the target of each bar, in units of its usual size, so that no price scale matters.

The target of bar t is known at the close of bar t + horizon, not before.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.indicators import Bars
from strategies.learners.standardising import LIMIT, volatility
from strategies.numba_start import load_numba
from strategies.views import frozen

load_numba()

Float64 = NDArray[np.float64]

_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def direction(horizon: int, bars: Bars) -> Float64:
    """Sign of the return over the horizon: 1, -1, or 0 where the price is the same."""
    return np.sign(_change(horizon, bars.close))


def scaled_return(horizon: int, bars: Bars) -> Float64:
    """The return over the horizon, over the volatility up to the bar times the root of the horizon."""
    return _scaled(_change(horizon, bars.close), horizon, bars)


def excursion(horizon: int, bars: Bars) -> Float64:
    """How much further prices rise above the close than fall below it within the horizon, scaled as returns are."""
    high, low, close = (frozen(each, np.float64) for each in (bars.high, bars.low, bars.close))
    out = np.empty(close.size)
    excursion_nb(high, low, close, horizon, out)
    return _scaled(out, horizon, bars)


TARGET_FUNCTIONS: Final[Mapping[str, Callable[[int, Bars], Float64]]] = MappingProxyType(
    {"direction": direction, "return": scaled_return, "excursion": excursion}
)


def target_of(target: str, horizon: int, bars: Bars) -> Float64:
    """The target of every bar, within +-5.

    Args:
        target: one of `table.TARGETS`.
        horizon: bars ahead, at least 1.
        bars: never written to.

    Returns:
        `(n_bars,)`, read-only, new: NaN at the last `horizon` bars; those in units of volatility also at the first bar
        and as long as the price has never moved, as no usual size is known there.
    """
    return frozen(TARGET_FUNCTIONS[target](horizon, bars), np.float64)


def _change(horizon: int, close: Float64) -> Float64:
    """The return over the horizon, as a fraction."""
    out = np.full(close.size, np.nan)
    out[: max(0, close.size - horizon)] = close[horizon:] / close[:-horizon] - 1.0
    return out


def _scaled(change: Float64, horizon: int, bars: Bars) -> Float64:
    """A change as a fraction in units of volatility over the horizon, within +-5."""
    usual = volatility(bars.close) * np.sqrt(horizon)
    usual[usual == 0.0] = np.nan
    return np.clip(change / usual, -LIMIT, LIMIT)


@_jit
def excursion_nb(high: Float64, low: Float64, close: Float64, horizon: int, out: Float64) -> None:
    """Writes `out`, `(n_bars,)`: highest high and lowest low of the bars ahead, both less the close, over the close."""
    for bar in range(close.size):
        if bar + horizon >= close.size:
            out[bar] = np.nan
            continue
        top, bottom = high[bar + 1], low[bar + 1]
        for ahead in range(bar + 2, bar + horizon + 1):
            top, bottom = max(top, high[ahead]), min(bottom, low[ahead])
        out[bar] = ((top - close[bar]) - (close[bar] - bottom)) / close[bar]
