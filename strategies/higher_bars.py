"""Bars of a coarser timeframe, made of a shard's own, and which of them has closed at each of the shard's bars.

What is read of them at a bar is what was known when that bar ended: a higher bar is visible from the first bar on
whose end (its open time and its timeframe) is at or after the end of the higher bar's period. A period without bars is
a gap; one that the bars enter half-way is whole as far as the bars know; one that has not ended by the end of the last
bar is never seen, and not made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strategies.errors import StrategyError
from strategies.extra_columns import SUMMED
from strategies.indicators import Bars, Column
from strategies.time_grid import length_us, period_ends, period_starts, rungs

NONE_YET: Final = -1
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HigherBars:
    """The closed bars of a coarser timeframe; all arrays are read-only.

    Attributes:
        open, high, low, close, volume: `(n_higher,)` float64: first, highest, lowest, last, sum.
        timestamps: `(n_higher,)` int64, beginning of each period, microseconds UTC.
        timeframe: Name, such as "1w", or "1M" for calendar months.
        extra: `(n_higher,)` float64 by name: the sum of counts and volumes, the last value of others; NaN where a value
            that it takes is missing.
        last_closed: `(n_bars,)` int64: the latest higher bar that is visible at each of the shard's bars, `NONE_YET`
            where there is none.
    """

    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column
    timestamps: Integers
    timeframe: str
    extra: Mapping[str, Column]
    last_closed: Integers

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(getattr(self, field.name), np.ndarray):
                object.__setattr__(self, field.name, _frozen(getattr(self, field.name)))
        extra = {name: _frozen(values) for name, values in self.extra.items()}
        object.__setattr__(self, "extra", MappingProxyType(extra))

    def seen(self, column: Column) -> Column:
        """What is seen at each of the shard's bars, `(n_bars,)`, of a column of the higher bars `(n_higher,)`.

        NaN where no higher bar has closed yet.
        """
        out = np.full(self.last_closed.size, np.nan)
        known = self.last_closed >= 0
        out[known] = column[self.last_closed[known]]
        return out

    def bars_before(self, n_higher: int) -> int:
        """How many of the shard's bars lie before the first that sees a higher bar with `n_higher` before it.

        So a warm-up in higher bars (`operands.warm_up`) becomes one in the shard's own: all where it never ends.
        """
        return int(np.searchsorted(self.last_closed, n_higher))


def higher_bars(bars: Bars, rung: int) -> HigherBars:
    """The bars of the timeframe that lies `rung` steps up the ladder.

    Args:
        bars: At least one, with `timestamps` `(n_bars,)` int64, bar-open times in microseconds UTC, ascending, and the
            name of their `timeframe`; `extra` columns, if they have any, are taken along.
        rung: 1 or 2, see `time_grid.rungs`.

    Raises:
        StrategyError: The bars have no times, or their timeframe no such rung.
    """
    instants, timeframe = _times(bars)
    names = rungs(timeframe)
    if not 1 <= rung <= len(names):
        raise StrategyError(
            f"A higher timeframe of {timeframe} bars must be from 1 to {len(names)} "
            f"({', '.join(names) or 'there is none'}), but was {rung}."
        )
    starts, first, last, last_closed = _closed(instants, length_us(timeframe), names[rung - 1])
    n_inside = int(last[-1]) + 1 if last.size else 0
    number = np.repeat(np.arange(last.size), last - first + 1)

    def sums(values: Column) -> Column:  # one after the other
        return np.bincount(number, weights=values[:n_inside], minlength=last.size).astype(np.float64, copy=False)

    extra = getattr(bars, "extra", None) or {}
    return HigherBars(
        open=bars.open[first],
        high=np.maximum.reduceat(bars.high[:n_inside], first) if last.size else np.empty(0),
        low=np.minimum.reduceat(bars.low[:n_inside], first) if last.size else np.empty(0),
        close=bars.close[last],
        volume=sums(bars.volume),
        timestamps=starts,
        timeframe=names[rung - 1],
        extra={name: sums(values) if name in SUMMED else values[last] for name, values in extra.items()},
        last_closed=last_closed,
    )


def _closed(instants: Integers, length: int, timeframe: str) -> tuple[Integers, Integers, Integers, Integers]:
    """The periods with bars that are over: when each begins, its first and last bar, and the last over at each bar."""
    starts = period_starts(instants, timeframe)
    first = np.flatnonzero(np.concatenate([[True], starts[1:] != starts[:-1]]))
    last = np.append(first[1:], instants.size) - 1
    over_at = np.searchsorted(instants + length, period_ends(starts[first], timeframe))
    over_at = np.maximum(over_at, last)  # where bars overlap, the end of one may come before the beginning of the last
    n_over = int(np.searchsorted(over_at, instants.size))
    last_closed = np.searchsorted(over_at[:n_over], np.arange(instants.size), side="right") - 1
    return starts[first[:n_over]], first[:n_over], last[:n_over], last_closed


def _times(bars: Bars) -> tuple[Integers, str]:
    instants, timeframe = getattr(bars, "timestamps", None), getattr(bars, "timeframe", None)
    if instants is None or timeframe is None:
        raise StrategyError(
            "A higher timeframe must have bars with `timestamps` and a `timeframe`, but these have none; "
            "take a fitness.shard.Shard."
        )
    return instants, timeframe


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    view = np.ascontiguousarray(values).view()
    view.flags.writeable = False
    return view
