"""Timeframes: their names, their lengths, and coarser bars from finer ones.

A bar is stamped with its *open* time and covers `[t, t + timeframe)`. Bars lie on a UTC grid: minutes and hours count
from midnight UTC, a day is a UTC day, a week begins on Monday. A rule at bar `t` may therefore use it only from
`t + timeframe` on, which is how every part of Studbook reads it.
"""

import difflib

import polars as pl

from fitness.extra_columns import how_coarser, with_missing
from strategies.errors import DataError

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
WEEK_US = 7 * DAY_US
MONDAY_US = 4 * DAY_US  # 1970-01-05, the first Monday after the epoch

_MINUTES = (1, 2, 3, 5, 10, 15, 20, 30)
_HOURS = (1, 2, 3, 4, 6, 8, 12)
TIMEFRAMES: dict[str, int] = {
    **{f"{n}m": n * MINUTE_US for n in _MINUTES},
    **{f"{n}h": n * HOUR_US for n in _HOURS},
    "1d": DAY_US,
    "1w": WEEK_US,
}
"""Name of each timeframe and its length in microseconds, finest first. Each but the week divides a UTC day."""


def timeframe_us(timeframe: str) -> int:
    """Length of a timeframe in microseconds.

    Raises:
        DataError: the name is unknown.

    >>> timeframe_us("5m") // MINUTE_US
    5
    """
    if timeframe not in TIMEFRAMES:
        near = difflib.get_close_matches(timeframe.lower(), TIMEFRAMES, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise DataError(
            f"timeframe must be one of {', '.join(TIMEFRAMES)}, but was {timeframe!r}; {hint}use one of these."
        )
    return TIMEFRAMES[timeframe]


def derive(frame: pl.DataFrame, source: str, target: str) -> pl.DataFrame:
    """Bars of the coarser timeframe `target`: first open, highest high, lowest low, last close, sum of volume.

    A bar exists for every window that holds at least one source bar; a window without any is a gap and stays one. The
    last bar is dropped when the last source bar ends before it does, because it could still change: weekly bars from
    an exchange's daily ones are thus complete only up to the week before the last, unless the data reach Sunday. A
    first window that the data enter half-way is kept: it is whole as far as the data know.

    Of extra columns, counts and volumes add up and others have their last value; where a part of that is missing, it is
    missing (NaN).

    Args:
        frame: checked bars, sorted, columns `timestamp` (bar-open time, UTC), `open` to `volume`, and extra ones.
        source: timeframe of `frame`.
        target: timeframe wanted; `source` itself gives `frame` back.

    Raises:
        DataError: an unknown timeframe; `target` is finer than `source` or not a multiple of it; a source bar reaches
            over the end of its window (an hour from 15:30 in a window that ends at 16:00).
    """
    fine, coarse = timeframe_us(source), timeframe_us(target)
    if coarse < fine or coarse % fine:
        usable = ", ".join(name for name, length in TIMEFRAMES.items() if length >= fine and length % fine == 0)
        raise DataError(
            f"a derived timeframe must be a whole multiple of its source, but {target} was asked from {source}; "
            f"from {source} one can derive {usable}."
        )
    if coarse == fine or frame.is_empty():
        return frame
    _refuse_straddling(frame, source, target)
    bars = (
        with_missing(frame)
        .group_by_dynamic("timestamp", every=target, closed="left", label="left")
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            *how_coarser(frame.columns),
        )
    )
    reached = frame["timestamp"].cast(pl.Int64)[-1] + fine
    return bars.filter(pl.col("timestamp").cast(pl.Int64) + coarse <= reached)


def _refuse_straddling(frame: pl.DataFrame, source: str, target: str) -> None:
    """A source bar that reaches over the end of its window would bring the future into the coarser bar."""
    fine, coarse = timeframe_us(source), timeframe_us(target)
    origin = MONDAY_US if target == "1w" else 0
    phase = (frame["timestamp"].cast(pl.Int64) - origin) % coarse
    straddling = frame.filter(phase + fine > coarse)
    if not straddling.is_empty():
        raise DataError(
            f"a bar must lie inside one {target} window (windows count from midnight UTC, weeks from Monday), but the "
            f"{source} bar at {straddling['timestamp'][0]} reaches over the end of its own, as do "
            f"{straddling.height - 1} more; derive {target} from bars that fit, such as {_longest_fit(phase, target)}."
        )


def _longest_fit(phase: pl.Series, target: str) -> str:
    """The longest timeframe whose grid both the windows and these bars' own open times lie on."""
    fitting = [n for n, us in TIMEFRAMES.items() if us < TIMEFRAMES[target] and not (phase % us != 0).any()]
    return fitting[-1] if fitting else "1m"
