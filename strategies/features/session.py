"""The day so far. A session is a UTC day: that of a market round the clock, or of one whose hours don't cross midnight.

What counts from the start of a day is NaN on the bars' first day, which may begin half-way: so no value depends on
where the bars begin. On daily bars a session is one bar, and most of these are constant or never known.
"""

from typing import Final

import numpy as np

from strategies.features.clock import day_starts, ends_of
from strategies.features.feature import Feature, Output
from strategies.features.windows import ratios
from strategies.indicators import Bars, Column
from strategies.operand_kind import Parameter
from strategies.scales import Scale
from strategies.time_grid import DAY_US
from strategies.views import frozen

_NUMBER: Final = Scale(0.0, 0.0, located=False)
_OPENING_BARS: Final = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0, 60.0)
_ALL: Final = 2**62


def _clock(bars: Bars, _values: tuple[float, ...]) -> tuple[Column, ...]:
    """The share of the UTC day that has passed when the bar is over, above 0 and at most 1."""
    return ((((ends_of(bars) - 1) % DAY_US) + 1) / DAY_US,)


def _bars_into(bars: Bars, _values: tuple[float, ...]) -> tuple[Column, ...]:
    """Bars of this day before this one."""
    starts = day_starts(bars)
    return (np.where(starts >= 0, np.arange(starts.size) - starts, np.nan),)


def _return(bars: Bars, _values: tuple[float, ...]) -> tuple[Column, ...]:
    """How far the close is above the first open of the day, in per cent."""
    starts = day_starts(bars)
    return (np.where(starts >= 0, 100.0 * (bars.close / bars.open[starts] - 1.0), np.nan),)


def _position(bars: Bars, _values: tuple[float, ...]) -> tuple[Column, ...]:
    """Where the close lies between the day's lowest low and highest high so far, 0.5 where these are one."""
    top, bottom = _extremes(bars, _ALL)
    return (ratios(bars.close - bottom, top - bottom, otherwise=0.5),)


def _opening_range(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """Where the close lies in the range of the day's first bars: above 1 it broke out upwards, below 0 downwards.

    Crabel 1990. NaN until those bars are over, and where they had one price.
    """
    n_first, starts = round(values[0]), day_starts(bars)
    top, bottom = _extremes(bars, n_first)
    is_over = (starts >= 0) & (np.arange(starts.size) - starts >= n_first)
    return (np.where(is_over, ratios(bars.close - bottom, top - bottom), np.nan),)


def _extremes(bars: Bars, n_first: int) -> tuple[Column, Column]:
    from strategies.features.structure_kernels import extremes_nb

    top, bottom = np.full(bars.close.size, np.nan), np.full(bars.close.size, np.nan)
    starts = frozen(day_starts(bars), np.int64)
    extremes_nb(starts, frozen(bars.high, np.float64), frozen(bars.low, np.float64), n_first, top, bottom)
    return top, bottom


def _one_bar(_values: tuple[float, ...]) -> int:
    """No day is known to have begun at the first bar; how many bars the first day has, no one can say without them."""
    return 1


SESSION_CLOCK: Final = Feature(
    "SESSION_CLOCK",
    "structure",
    (Output("share", _NUMBER, (0.0, 1.0), level_steps=96),),
    (),
    _clock,
    lambda _values: 0,
    intraday=True,
)
BARS_INTO_SESSION: Final = Feature(
    "BARS_INTO_SESSION",
    "structure",
    (Output("bars", _NUMBER, (0.5, 95.5), level_steps=95),),
    (),
    _bars_into,
    _one_bar,
    intraday=True,
)
SESSION_RETURN: Final = Feature(
    "SESSION_RETURN",
    "structure",
    (Output("return", _NUMBER, (-5.0, 5.0), peers="only SESSION_RETURN", flips=True),),
    (),
    _return,
    _one_bar,
)
SESSION_POSITION: Final = Feature(
    "SESSION_POSITION",
    "structure",
    (Output("position", _NUMBER, (0.0, 1.0), flips=True),),
    (),
    _position,
    _one_bar,
)
OPENING_RANGE: Final = Feature(
    "OPENING_RANGE",
    "structure",
    (Output("position", _NUMBER, (-2.0, 3.0), peers="only OPENING_RANGE", flips=True),),
    (Parameter("bars", 4.0, _OPENING_BARS, integer=True),),
    _opening_range,
    lambda values: 1 + round(values[0]),
    intraday=True,
)
SESSION_FEATURES: Final = (SESSION_CLOCK, BARS_INTO_SESSION, SESSION_RETURN, SESSION_POSITION, OPENING_RANGE)
