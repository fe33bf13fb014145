"""Where prices stand and how bars follow one another: gaps, position in a range, runs, narrow bars."""

from typing import Final

import numpy as np

from strategies import indicators
from strategies.features.feature import Feature, Output
from strategies.features.periods import period
from strategies.features.windows import before, means, ratios
from strategies.indicators import Bars, Column
from strategies.scales import Scale
from strategies.views import frozen

_NUMBER: Final = Scale(0.0, 0.0, located=False)
_LONGEST_STREAK: Final = 10
_LONGEST_NARROW: Final = 20


def _by_talib(name: str, source: str, values: tuple[float, ...], bars: Bars) -> Column:
    """The first output of a TA-Lib function; all NaN where it refuses."""
    found = indicators.compute(name, source, values, bars)
    return np.full(bars.close.size, np.nan) if found is None else found[0]


def _gap(bars: Bars, _values: tuple[float, ...]) -> tuple[Column, ...]:
    """How far a bar opens above the close before it, in per cent."""
    return (100.0 * (bars.open / before(bars.close) - 1.0),)


def _gap_in_ranges(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """The same in mean true ranges of the bars before; NaN where these rested."""
    usual = before(means(_by_talib("TRANGE", "close", (), bars), round(values[0])))
    return (ratios(bars.open - before(bars.close), usual),)


def _range_position(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """Where the close lies between the lowest low and the highest high of the last bars, 0.5 where these are one."""
    top, bottom = _by_talib("MAX", "high", values, bars), _by_talib("MIN", "low", values, bars)
    return (ratios(bars.close - bottom, top - bottom, otherwise=0.5),)


def _streak(bars: Bars, _values: tuple[float, ...]) -> tuple[Column, ...]:
    """Closes in a row that rose, or fell (negative): the streak of Connors and Alvarez 2009, counted to ten."""
    from strategies.features.structure_kernels import streaks_nb

    out = np.full(bars.close.size, np.nan)
    streaks_nb(frozen(bars.close, np.float64), _LONGEST_STREAK, out)
    return (out,)


def _narrow_range(bars: Bars, _values: tuple[float, ...]) -> tuple[Column, ...]:
    """Bars in a row before this one that were all wider: from 6 on it is the NR7 of Crabel 1990."""
    from strategies.features.structure_kernels import narrowness_nb

    out = np.full(bars.close.size, np.nan)
    narrowness_nb(frozen(bars.high - bars.low, np.float64), _LONGEST_NARROW, out)
    return (out,)


GAP: Final = Feature(
    "GAP",
    "structure",
    (Output("gap", _NUMBER, (-5.0, 5.0), peers="only GAP", flips=True),),
    (),
    _gap,
    lambda _values: 1,
)
GAP_IN_RANGES: Final = Feature(
    "GAP_IN_RANGES",
    "structure",
    (Output("gap", _NUMBER, (-3.0, 3.0), peers="only GAP_IN_RANGES", flips=True),),
    (period(14),),
    _gap_in_ranges,
    lambda values: round(values[0]) + 1,
)
RANGE_POSITION: Final = Feature(
    "RANGE_POSITION",
    "structure",
    (Output("position", _NUMBER, (0.0, 1.0), flips=True),),
    (period(20),),
    _range_position,
    lambda values: round(values[0]) - 1,
)
STREAK: Final = Feature(
    "STREAK",
    "structure",
    (Output("bars", _NUMBER, (-9.5, 9.5), level_steps=19, flips=True),),
    (),
    _streak,
    lambda _values: _LONGEST_STREAK,
)
NARROW_RANGE: Final = Feature(
    "NARROW_RANGE",
    "structure",
    (Output("bars", _NUMBER, (0.5, 19.5), level_steps=19),),
    (),
    _narrow_range,
    lambda _values: _LONGEST_NARROW,
)
STRUCTURE_FEATURES: Final = (GAP, GAP_IN_RANGES, RANGE_POSITION, STREAK, NARROW_RANGE)
