"""The times of bars, as features read them: instants, ends, days, and the bar that each day began with."""

import numpy as np
from numpy.typing import NDArray

from strategies.errors import StrategyError
from strategies.indicators import Bars
from strategies.time_grid import DAY_US, period_ends

Integers = NDArray[np.int64]


def opens_of(bars: Bars) -> Integers:
    """When each bar began, `(n_bars,)` microseconds UTC.

    Raises:
        StrategyError: The bars have no `timestamps`.
    """
    found: Integers | None = getattr(bars, "timestamps", None)
    if found is None:
        raise StrategyError(
            "An operand of the clock or the calendar must have bars with `timestamps`, but these have none; "
            "take a fitness.shard.Shard."
        )
    return found


def ends_of(bars: Bars) -> Integers:
    """When each bar was over, `(n_bars,)` microseconds UTC.

    Raises:
        StrategyError: The bars have no `timestamps` or no `timeframe`.
    """
    opens, timeframe = opens_of(bars), getattr(bars, "timeframe", None)
    if timeframe is None:
        raise StrategyError(
            "An operand of the clock must have bars with a `timeframe`, but these have none; "
            "take a fitness.shard.Shard."
        )
    return period_ends(opens, timeframe)


def day_starts(bars: Bars) -> Integers:
    """The first bar of the UTC day that each bar began on, `(n_bars,)`; -1 on the first day, which may lack its start.

    Raises:
        StrategyError: The bars have no `timestamps`.
    """
    return first_bars(opens_of(bars) // DAY_US)


def first_bars(periods: Integers) -> Integers:
    """The first bar of the period of each bar, by its number `(n_bars,)`; -1 in the first, which may lack its start."""
    begins = np.zeros(periods.size, dtype=np.int64)
    begins[1:] = np.where(periods[1:] != periods[:-1], np.arange(1, periods.size), 0)
    starts = np.maximum.accumulate(begins)
    starts[starts == 0] = -1
    return starts
