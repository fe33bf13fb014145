"""The calendar: weekday, day, month and hour of a bar's open in UTC, and where it lies in its month.

All are whole numbers and stand beside a level alone, which lies half-way between two of them. On bars too coarse to
tell them apart they are constant: the hour on daily bars, the weekday on weekly ones.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.features.clock import first_bars, opens_of
from strategies.features.feature import Compute, Feature, Output
from strategies.indicators import Bars, Column
from strategies.scales import Scale
from strategies.time_grid import DAY_US, MONDAY_US

_HOUR_US: Final = DAY_US // 24


def _days(bars: Bars) -> NDArray[np.datetime64]:
    return opens_of(bars).astype("datetime64[us]").astype("datetime64[D]")


def _day_of_week(bars: Bars, _values: tuple[float, ...]) -> tuple[Column, ...]:
    """0 on Monday to 6 on Sunday."""
    return (((opens_of(bars) - MONDAY_US) // DAY_US % 7).astype(np.float64),)


def _day_of_month(bars: Bars, _values: tuple[float, ...]) -> tuple[Column, ...]:
    """1 to 31."""
    days = _days(bars)
    return (((days - days.astype("datetime64[M]")).astype(np.int64) + 1).astype(np.float64),)


def _month(bars: Bars, _values: tuple[float, ...]) -> tuple[Column, ...]:
    """1 to 12."""
    return ((_days(bars).astype("datetime64[M]").astype(np.int64) % 12 + 1).astype(np.float64),)


def _hour_of_day(bars: Bars, _values: tuple[float, ...]) -> tuple[Column, ...]:
    """0 to 23."""
    return ((opens_of(bars) // _HOUR_US % 24).astype(np.float64),)


def _turn_of_month(bars: Bars, _values: tuple[float, ...]) -> tuple[Column, ...]:
    """Which day with bars of its month it is, from 1; and how many days of the calendar are left of the month.

    The former is NaN in the bars' first month, which may begin half-way. How many days with bars are left is not known
    before they are over; those of the calendar are. Ariel 1987, Lakonishok and Smidt 1988.
    """
    days = _days(bars)
    months = days.astype("datetime64[M]")
    numbers = days.astype(np.int64)
    n_days = np.cumsum(np.concatenate([[0], numbers[1:] != numbers[:-1]]))
    starts = first_bars(months.astype(np.int64))
    traded = np.where(starts >= 0, n_days - n_days[starts] + 1, np.nan)
    left = ((months + 1).astype("datetime64[D]") - days).astype(np.int64) - 1
    return traded, left.astype(np.float64)


def _count(name: str, first: int, last: int) -> Output:
    """Whole numbers from `first` to `last`, with a level between each two and at both ends."""
    span, n_steps = (first - 0.5, last + 0.5), last - first + 1
    return Output(name, Scale(0.0, 0.0, located=False), span, level_steps=n_steps)


def _of_calendar(name: str, compute: Compute, first: int, last: int, *, intraday: bool = False) -> Feature:
    outputs = (_count("number", first, last),)
    return Feature(name, "calendar", outputs, (), compute, lambda _values: 0, intraday=intraday)


DAY_OF_WEEK: Final = _of_calendar("DAY_OF_WEEK", _day_of_week, 0, 6)
DAY_OF_MONTH: Final = _of_calendar("DAY_OF_MONTH", _day_of_month, 1, 31)
MONTH: Final = _of_calendar("MONTH", _month, 1, 12)
HOUR_OF_DAY: Final = _of_calendar("HOUR_OF_DAY", _hour_of_day, 0, 23, intraday=True)
TURN_OF_MONTH: Final = Feature(
    "TURN_OF_MONTH",
    "calendar",
    (_count("tradingday", 1, 31), _count("daysleft", 0, 30)),
    (),
    _turn_of_month,
    lambda _values: 0,
)
CALENDAR_FEATURES: Final = (DAY_OF_WEEK, DAY_OF_MONTH, MONTH, HOUR_OF_DAY, TURN_OF_MONTH)
