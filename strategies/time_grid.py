"""The UTC grid of bars: lengths of timeframes by name, the rungs above each, and the period that an instant lies in.

The grid is that of `fitness.timeframes`: minutes and hours count from midnight UTC, a week begins on Monday; 4 and 12
weeks count from the first Monday after the epoch, a month is a calendar month.
"""

import functools
import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.errors import StrategyError

Instants = NDArray[np.int64]
"""`(n,)` microseconds UTC since the epoch."""

DAY_US: Final = 86_400_000_000
MONDAY_US: Final = 4 * DAY_US  # 1970-01-05
MONTH: Final = "1M"
LADDER: Final = ("1m", "5m", "15m", "1h", "4h", "1d", "1w", MONTH)
N_RUNGS: Final = 2
"""Rungs above the bars' own timeframe that a strategy may read."""

_UNITS: Final = {"m": DAY_US // 1440, "h": DAY_US // 24, "d": DAY_US, "w": 7 * DAY_US}
_ABOVE: Final = {"1w": ("4w", "12w")}


@functools.cache
def length_us(timeframe: str) -> int:
    """Length of a timeframe in microseconds.

    Raises:
        StrategyError: It is no number of minutes, hours, days or weeks; a month has no one length.

    >>> length_us("4h") == 4 * length_us("1h")
    True
    """
    found = re.fullmatch(r"([1-9]\d{0,3})([mhdw])", timeframe)
    if found is None:
        raise StrategyError(
            "A timeframe must be a number of minutes, hours, days or weeks, but was "
            f"{timeframe!r}; write it as 5m, 4h, 1d or 1w."
        )
    return int(found[1]) * _UNITS[found[2]]


@functools.cache
def rungs(timeframe: str) -> tuple[str, ...]:
    """The next coarser timeframes of the ladder that are a whole multiple of this one, at most `N_RUNGS`.

    Raises:
        StrategyError: The timeframe is unknown.

    >>> rungs("1h"), rungs("1d"), rungs("1w"), rungs("3h")
    (('4h', '1d'), ('1w', '1M'), ('4w', '12w'), ('1d', '1w'))
    """
    fine = length_us(timeframe)
    if timeframe in _ABOVE:
        return _ABOVE[timeframe]
    longer = [name for name in LADDER if name != MONTH and length_us(name) > fine and length_us(name) % fine == 0]
    return (*longer, *([MONTH] if DAY_US % fine == 0 else []))[:N_RUNGS]


def period_starts(instants: Instants, timeframe: str) -> Instants:
    """The beginning of the period of the grid that each instant lies in, `(n,)`.

    Raises:
        StrategyError: The timeframe is unknown.
    """
    if timeframe == MONTH:
        return _of_months(instants.astype("datetime64[us]").astype("datetime64[M]"))
    length = length_us(timeframe)
    origin = MONDAY_US if timeframe.endswith("w") else 0
    return (instants - origin) // length * length + origin


def period_ends(starts: Instants, timeframe: str) -> Instants:
    """The end of each period that begins at `starts`, `(n,)`: the instant from which on it can't change.

    Raises:
        StrategyError: The timeframe is unknown.
    """
    if timeframe == MONTH:
        return _of_months(starts.astype("datetime64[us]").astype("datetime64[M]") + 1)
    return starts + length_us(timeframe)


def _of_months(months: NDArray[np.datetime64]) -> Instants:
    return months.astype("datetime64[us]").astype(np.int64)
