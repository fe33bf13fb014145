"""Trading calendars: which bars to expect, which are missing, and how many bars make a year.

`24/7` and `24/5` are counted here; any other name is one of exchange_calendars, which is imported late because it
brings pandas along and takes two seconds.
"""

import difflib
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fitness.timeframes import DAY_US, MINUTE_US, MONDAY_US, WEEK_US, timeframe_us
from strategies.errors import DataError

ROUND_THE_CLOCK = "24/7"
WEEKDAYS = "24/5"
NEW_YORK = "XNYS"

_YEAR: dict[str, tuple[float, float]] = {
    ROUND_THE_CLOCK: (365.0, 1440.0),
    WEEKDAYS: (260.0, 1440.0),
    NEW_YORK: (252.0, 390.0),
}
"""Sessions a year and trading minutes a session, by custom."""
WEEKS_PER_YEAR = 52.0


@dataclass(frozen=True, eq=False)
class Sessions:
    """Trading sessions in order.

    Attributes:
        days: (n_days,) midnight UTC of each session's date, in microseconds.
        opens: (n_stretches,) start of each stretch of trading, microseconds UTC; a lunch break makes two of a day.
        closes: (n_stretches,) its end.
    """

    days: NDArray[np.int64]
    opens: NDArray[np.int64]
    closes: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Coverage:
    """How bars fit a calendar.

    Attributes:
        n_expected: bars that the calendar wants between the first bar and the last, both included.
        gap_rows: (n_gaps,) index of the bar before each gap.
        gap_bars: (n_gaps,) bars missing in it.
        off_session: (n_off,) index of the bars outside every session.
    """

    n_expected: int
    gap_rows: NDArray[np.int64]
    gap_bars: NDArray[np.int64]
    off_session: NDArray[np.int64]


def bars_per_year(timeframe: str, calendar: str) -> float:
    """Bars that a year of this calendar holds: what turns a per-bar Sharpe ratio into an annual one.

    A bar counts by the trading time it covers, so an hour of New York counts 252 * 6.5 times a year although the last
    one of each day is cut in half; this keeps ratios on the cautious side.

    Raises:
        DataError: unknown timeframe or calendar.

    >>> bars_per_year("1d", "XNYS"), bars_per_year("1h", "XNYS"), bars_per_year("1h", "24/7")
    (252.0, 1638.0, 8760.0)
    """
    length = timeframe_us(timeframe)
    if length == WEEK_US:
        check_calendar(calendar)
        return WEEKS_PER_YEAR
    sessions_a_year, minutes = _YEAR.get(calendar) or _measured_year(calendar)
    if length == DAY_US:
        return sessions_a_year
    return sessions_a_year * minutes * MINUTE_US / length


def choose_calendar(timestamps: NDArray[np.int64], timeframe: str) -> tuple[str, str]:
    """The calendar that fits the bars best among XNYS, 24/5 and 24/7, and the reason in words.

    Days: XNYS, unless a fifth of them or more fall on weekends. Intraday: XNYS if 95 % of the bars lie in its regular
    hours, 24/5 if two weeks or more pass with hardly a weekend bar, else 24/7. Weeks: XNYS.

    Args:
        timestamps: (n_bars,) bar-open times, microseconds UTC, ascending.
        timeframe: their timeframe.
    """
    length = timeframe_us(timeframe)
    if length == WEEK_US or timestamps.size == 0:
        return NEW_YORK, "XNYS, the default"
    weekend = float(np.mean(_weekday(timestamps) >= 5))
    if length == DAY_US:
        if weekend >= 0.2:
            return ROUND_THE_CLOCK, f"24/7, because {weekend:.0%} of the days are weekend days"
        return NEW_YORK, "XNYS, the default of daily bars that hardly touch weekends"
    if weekend < 0.2 and _share_in_new_york_hours(timestamps) >= 0.95:
        return NEW_YORK, "XNYS, because the bars keep to New York's trading hours"
    if weekend < 0.1 and timestamps[-1] - timestamps[0] >= 14 * DAY_US:
        return WEEKDAYS, "24/5, because the bars come day and night but hardly at weekends"
    return ROUND_THE_CLOCK, "24/7, the default of intraday bars"


def coverage(timestamps: NDArray[np.int64], timeframe: str, calendar: str) -> Coverage:
    """Which bars the calendar misses, and which it did not expect.

    Days and weeks are compared by date. Intraday bars are compared by time covered, so that it does not matter
    whether hours are counted from midnight UTC or from the opening bell: a gap is trading time between two bars, and
    as many bars are missing as fit in it whole.

    Args:
        timestamps: (n_bars,) bar-open times, microseconds UTC, strictly ascending, n_bars >= 1.
        timeframe: their timeframe.
        calendar: `24/7`, `24/5` or a name of exchange_calendars.

    Raises:
        DataError: unknown timeframe or calendar, or a calendar that does not reach so far.
    """
    length = timeframe_us(timeframe)
    expected = sessions(calendar, int(timestamps[0]), int(timestamps[-1]) + length)
    if length >= DAY_US:
        origin = MONDAY_US if length == WEEK_US else 0
        return _coverage_by_date((timestamps - origin) // length, np.unique((expected.days - origin) // length))
    return _coverage_by_time(timestamps, length, expected)


def _coverage_by_date(bars: NDArray[np.int64], dates: NDArray[np.int64]) -> Coverage:
    inside = dates[(dates >= bars[0]) & (dates <= bars[-1])]
    rank = np.searchsorted(inside, bars)  # dates expected before each bar
    known = np.isin(bars, inside)
    skipped = rank[1:] - rank[:-1] - known[:-1]
    gaps = np.flatnonzero(skipped > 0)
    return Coverage(int(inside.size), gaps, skipped[gaps], np.flatnonzero(~known))


def _coverage_by_time(timestamps: NDArray[np.int64], length: int, expected: Sessions) -> Coverage:
    until_end = _trading_time(timestamps + length, expected)
    until_start = _trading_time(timestamps, expected)
    missing = np.maximum(until_start[1:] - until_end[:-1], 0) // length
    gaps = np.flatnonzero(missing > 0)
    off_session = np.flatnonzero(until_end == until_start)
    n_expected = int(missing.sum()) + timestamps.size - off_session.size
    return Coverage(n_expected, gaps, missing[gaps], off_session)


def _trading_time(instants: NDArray[np.int64], expected: Sessions) -> NDArray[np.int64]:
    """Microseconds of session from the first session's open until each instant."""
    lengths = expected.closes - expected.opens
    before = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    index = np.searchsorted(expected.opens, instants, side="right")
    if lengths.size == 0:
        return np.zeros(instants.size, dtype=np.int64)
    current = np.maximum(index - 1, 0)
    past_close = np.maximum(instants - expected.closes[current], 0)
    elapsed = np.where(index > 0, np.maximum(instants - expected.opens[current], 0) - past_close, 0)
    return np.where(index > 0, before[current] + elapsed, 0).astype(np.int64)


def sessions(calendar: str, start_us: int, stop_us: int) -> Sessions:
    """Sessions that touch `[start_us, stop_us)`, a few more around it allowed.

    Raises:
        DataError: unknown calendar, or one that does not reach so far.
    """
    if calendar not in (ROUND_THE_CLOCK, WEEKDAYS):
        return _exchange_sessions(calendar, start_us, stop_us)
    days = np.arange(start_us // DAY_US, -(-stop_us // DAY_US), dtype=np.int64) * DAY_US
    if calendar == WEEKDAYS:
        days = days[_weekday(days) < 5]
    return Sessions(days, days, days + DAY_US)


def check_calendar(calendar: str) -> None:
    """Nothing, if the calendar is known.

    Raises:
        DataError: it is not; close matches are named.
    """
    if calendar in _YEAR:
        return
    known = [*_YEAR, *_quietly(lambda: _library().get_calendar_names())]
    if calendar not in known:
        near = ", ".join(difflib.get_close_matches(calendar.upper(), known, n=3, cutoff=0.4)) or "XNYS, 24/5, 24/7"
        raise DataError(
            f"calendar must be 24/7, 24/5 or a name of exchange_calendars, but was {calendar!r}; close names: {near}."
        )


def _exchange_sessions(calendar: str, start_us: int, stop_us: int) -> Sessions:
    table = _fabricate(calendar, start_us - WEEK_US, stop_us + WEEK_US)
    days = np.asarray(table.sessions.values).astype("datetime64[us]").astype(np.int64)
    opens, closes = _stretches(table)
    return Sessions(days, opens, closes)


def _stretches(table: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and end of each stretch of trading, in microseconds, lunch breaks cut out."""
    lunch = table.break_starts_nanos > 0  # a day without a break has the least integer there
    opens = np.concatenate([table.opens_nanos, table.break_ends_nanos[lunch]])
    closes = np.concatenate([table.closes_nanos[~lunch], table.break_starts_nanos[lunch], table.closes_nanos[lunch]])
    return np.sort(opens).astype(np.int64) // 1000, np.sort(closes).astype(np.int64) // 1000


def _measured_year(calendar: str) -> tuple[float, float]:
    """Sessions a year and minutes a session, counted over the ten years from 2015."""
    table = _fabricate(calendar, 1_420_070_400_000_000, 1_735_603_200_000_000)
    opens, closes = _stretches(table)
    n_sessions = len(table.sessions)
    return float(round(n_sessions / 10)), float(round((closes - opens).sum() / n_sessions / MINUTE_US))


def _fabricate(calendar: str, start_us: int, stop_us: int) -> Any:
    check_calendar(calendar)
    start, stop = (str(np.datetime64(instant, "us").astype("datetime64[D]")) for instant in (start_us, stop_us))
    try:
        return _quietly(lambda: _library().get_calendar(calendar, start=start, end=stop))
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"the calendar must cover the bars, but {calendar} does not reach from {start} to {stop}: {error}; "
            "use 24/5 or 24/7, or cut the bars."
        ) from error


def _library() -> Any:
    import exchange_calendars

    return exchange_calendars


def _quietly(call: Any) -> Any:
    """The call's result, without the deprecation warnings that exchange_calendars draws from pandas 3."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        return call()


def _weekday(timestamps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Monday 0 to Sunday 6."""
    return (timestamps - MONDAY_US) // DAY_US % 7


def _share_in_new_york_hours(timestamps: NDArray[np.int64]) -> float:
    local = pl.Series(timestamps).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone("America/New_York")
    hour = local.dt.hour().to_numpy()  # an hour counted from midnight UTC opens at 9:00, half an hour before the bell
    return float(np.mean((hour >= 9) & (hour < 16)))
