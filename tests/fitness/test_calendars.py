"""Calendars: bars a year, gaps, bars off session; and quality, which never rises with a defect."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.calendars import bars_per_year, check_calendar, choose_calendar, coverage, sessions
from fitness.checks import SCHEMA
from fitness.quality import STALE_BARS, WEIGHTS, judge, quality_of
from fitness.timeframes import DAY_US, HOUR_US, MINUTE_US, WEEK_US, timeframe_us
from strategies.errors import DataError

MONDAY = 1_578_268_800_000_000  # 2020-01-06


def instants(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]").astype(np.int64)


def xnys_days(start: str, stop: str) -> np.ndarray:
    """Dates of New York's sessions in [start, stop)."""
    first, last = instants(start, stop)
    days = sessions("XNYS", int(first), int(last)).days
    return days[(days >= first) & (days < last)]


@pytest.mark.parametrize(
    ("timeframe", "calendar", "wanted"),
    [
        ("1d", "XNYS", 252.0),
        ("1w", "XNYS", 52.0),
        ("1h", "XNYS", 252 * 6.5),
        ("1m", "XNYS", 252 * 390.0),
        ("1d", "24/7", 365.0),
        ("1h", "24/7", 8760.0),
        ("1m", "24/7", 525_600.0),
        ("1w", "24/7", 52.0),
        ("1d", "24/5", 260.0),
        ("1h", "24/5", 6240.0),
        ("1d", "XLON", 253.0),
        ("1h", "XHKG", 246 * 5.5),  # two and a half hours, lunch, three hours
    ],
)
def test_bars_per_year(timeframe: str, calendar: str, wanted: float) -> None:
    assert bars_per_year(timeframe, calendar) == pytest.approx(wanted, rel=0.01)


def test_common_calendars_need_no_pandas() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from fitness import shards; from fitness.calendars import bars_per_year as b, coverage as c;"
        "import numpy; b('1d','XNYS'); c(numpy.arange(9)*3600000000, '1h', '24/7');"
        "print([m for m in ('pandas', 'exchange_calendars', 'arch', 'numba') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["NOPE", "", "xnys", "24-7"])
def test_unknown_calendars_are_refused(name: str) -> None:
    with pytest.raises(DataError, match="calendar must be 24/7, 24/5 or a name of exchange_calendars, but was"):
        check_calendar(name)
    with pytest.raises(DataError, match="close names: XNYS"):
        check_calendar("xnys")


def test_a_calendar_that_does_not_reach_so_far_is_refused() -> None:
    with pytest.raises(DataError, match="XKRX does not reach from 19"):
        coverage(instants("1950-01-02", "1950-01-03"), "1d", "XKRX")


def test_a_full_year_of_new_york_has_no_gap() -> None:
    days = xnys_days("2001-01-01", "2002-01-01")
    assert days.size == 248  # four days without trade after 11 September
    found = coverage(days, "1d", "XNYS")
    assert (found.n_expected, found.gap_rows.size, found.off_session.size) == (248, 0, 0)


def test_missing_days_are_counted_where_they_are() -> None:
    days = xnys_days("2019-01-01", "2020-01-01")
    kept = np.delete(days, [10, 11, 12, 40, days.size - 2])
    found = coverage(kept, "1d", "XNYS")
    assert found.n_expected == days.size
    assert found.gap_rows.tolist() == [9, 36, days.size - 7]
    assert found.gap_bars.tolist() == [3, 1, 1]


def test_days_without_a_session_are_found() -> None:
    days = instants("2020-01-03", "2020-01-04", "2020-01-06")  # a Saturday between
    found = coverage(days, "1d", "XNYS")
    assert found.off_session.tolist() == [1]
    assert found.gap_rows.size == 0
    assert coverage(days, "1d", "24/7").gap_bars.tolist() == [1]


def test_weeks_are_compared_as_weeks() -> None:
    weeks = MONDAY + np.array([0, 1, 2, 4, 5], dtype=np.int64) * WEEK_US
    found = coverage(weeks, "1w", "XNYS")
    assert (found.n_expected, found.gap_rows.tolist(), found.gap_bars.tolist()) == (6, [2], [1])


@pytest.mark.parametrize("phase_us", [0, 30 * MINUTE_US])
def test_hours_fit_from_midnight_and_from_the_bell(phase_us: int) -> None:
    """New York, winter: 14:30 to 21:00 UTC. Hours from 14:00 or from 14:30 both cover it."""
    first = 14 * HOUR_US + phase_us
    day = first + np.arange(7, dtype=np.int64) * HOUR_US
    bars = np.concatenate([MONDAY + k * DAY_US + day for k in range(5)])
    found = coverage(bars, "1h", "XNYS")
    assert (found.n_expected, found.gap_rows.size, found.off_session.size) == (35, 0, 0)
    holed = coverage(np.delete(bars, [9, 10]), "1h", "XNYS")
    assert (holed.gap_rows.tolist(), holed.gap_bars.tolist()) == ([8], [2])
    night = np.sort(np.append(bars, MONDAY + 3 * HOUR_US))
    assert coverage(night, "1h", "XNYS").off_session.tolist() == [0]


def test_a_lunch_break_is_no_gap() -> None:
    """Hong Kong trades 01:30 to 04:00 and 05:00 to 08:00 UTC."""
    minutes = np.concatenate([np.arange(90, 240), np.arange(300, 480)]).astype(np.int64) * MINUTE_US
    found = coverage(MONDAY + minutes, "1m", "XHKG")
    assert (found.n_expected, found.gap_rows.size, found.off_session.size) == (330, 0, 0)
    lunch = coverage(MONDAY + np.arange(90, 480, dtype=np.int64) * MINUTE_US, "1m", "XHKG")
    assert lunch.off_session.size == 60


@given(st.sets(st.integers(0, 500), min_size=2, max_size=80), st.sampled_from(["1m", "1h", "1d"]))
@settings(max_examples=60, deadline=None)
def test_round_the_clock_equals_counting(steps: set[int], timeframe: str) -> None:
    length = timeframe_us(timeframe)
    index = np.array(sorted(steps), dtype=np.int64)
    found = coverage(MONDAY + index * length, timeframe, "24/7")
    assert found.n_expected == index[-1] - index[0] + 1
    assert int(found.gap_bars.sum()) == found.n_expected - index.size
    assert found.gap_bars.tolist() == [d - 1 for d in np.diff(index) if d > 1]
    assert found.off_session.size == 0


@given(st.sets(st.integers(0, 24 * 21), min_size=2, max_size=80))
@settings(max_examples=60, deadline=None)
def test_weekday_hours_equal_counting(steps: set[int]) -> None:
    index = np.array(sorted(steps), dtype=np.int64)
    found = coverage(MONDAY + index * HOUR_US, "1h", "24/5")
    trading = {k for k in range(index[0], index[-1] + 1) if k // 24 % 7 < 5}
    assert found.n_expected == len(trading)
    assert int(found.gap_bars.sum()) == len(trading - steps)
    assert {int(index[row]) for row in found.off_session} == steps - trading


def test_the_calendar_is_chosen_by_the_look_of_the_bars() -> None:
    days = MONDAY + np.arange(28, dtype=np.int64) * DAY_US
    hours = MONDAY + np.arange(24 * 28, dtype=np.int64) * HOUR_US
    weekday_hours = hours[hours // DAY_US % 7 != 2]  # the epoch began on a Thursday: 2 is Saturday
    weekday_hours = weekday_hours[weekday_hours // DAY_US % 7 != 3]
    bell = np.concatenate([MONDAY + k * DAY_US + (15 + np.arange(6)) * HOUR_US for k in range(4)])
    assert choose_calendar(days, "1d")[0] == "24/7"
    assert choose_calendar(xnys_days("2020-01-01", "2020-03-01"), "1d")[0] == "XNYS"
    assert choose_calendar(hours, "1h")[0] == "24/7"
    assert choose_calendar(weekday_hours, "1h")[0] == "24/5"
    assert choose_calendar(weekday_hours[:48], "1h")[0] == "24/7"  # two days tell nothing
    assert choose_calendar(bell, "1h")[0] == "XNYS"
    assert choose_calendar(days, "1w")[0] == "XNYS"
    assert "29% of the days are weekend days" in choose_calendar(days, "1d")[1]


def hourly(n_bars: int = 48) -> pl.DataFrame:
    rng = np.random.default_rng(5)
    close = 100 + rng.random(n_bars)
    stamps = MONDAY + np.arange(n_bars, dtype=np.int64) * HOUR_US
    return pl.DataFrame(
        {
            "timestamp": pl.Series(stamps).cast(SCHEMA["timestamp"]),
            "open": close - 0.1, "high": close + 1, "low": close - 1, "close": close, "volume": np.full(n_bars, 7.0),
        }
    )  # fmt: skip


def edited(frame: pl.DataFrame, rows: list[int], **cells: float) -> pl.DataFrame:
    at = pl.int_range(pl.len()).is_in(rows)
    return frame.with_columns(pl.when(at).then(pl.lit(v)).otherwise(pl.col(k)).alias(k) for k, v in cells.items())


def test_sound_bars_have_quality_one() -> None:
    found = judge(hourly(), "1h", "24/7")
    assert (found.quality, found.defects, found.bars_per_year) == (1.0, {}, 8760.0)
    assert [f.severity for f in found.findings] == ["note"]


def test_each_defect_is_counted_and_lowers_the_quality() -> None:
    frame = hourly()
    flat = {"open": 100.0, "high": 100.0, "low": 100.0, "close": 100.0}
    repeated = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.5}
    cases = {
        "missing bars": (frame[[*range(10), *range(13, 48)]], 3),
        "no volume": (edited(frame, [3, 4], volume=0.0), 2),
        "flat bars": (edited(frame, [7], **flat), 1),
        "stale bars": (edited(frame, list(range(20, 21 + STALE_BARS)), **repeated), STALE_BARS),
        "extreme returns": (edited(frame, [5], close=200.0, high=201.0), 1),
    }
    for kind, (case, count) in cases.items():
        found = judge(case, "1h", "24/7")
        assert found.defects == {kind: count}
        assert 0 <= found.quality < 1
        assert {f.rule for f in found.findings if f.severity == "warning"} == {kind}
    mended = judge(frame, "1h", "24/7", n_mended=4)
    assert mended.quality == pytest.approx(1 - 4 / 48)


def test_four_equal_bars_are_not_stale_yet() -> None:
    repeated = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.5}
    assert judge(edited(hourly(), list(range(20, 20 + STALE_BARS)), **repeated), "1h", "24/7").defects == {}


def test_findings_say_where() -> None:
    found = judge(hourly()[[*range(10), *range(13, 48)]], "1h", "24/7")
    text = next(f.text() for f in found.findings if f.severity == "warning")
    assert text.startswith("row 10, column 'timestamp': 3 1h bars that 24/7 expects are missing after 2020-01-06 09:00")


def test_many_gaps_are_counted() -> None:
    found = judge(hourly(200)[::2], "1h", "24/7")
    warnings = [f for f in found.findings if f.severity == "warning"]
    assert len(warnings) == 21
    assert sum(f.count for f in warnings) == 99
    assert found.quality == pytest.approx(100 / 199)


SHARES = st.dictionaries(st.sampled_from(sorted(WEIGHTS)), st.floats(0, 1))


@given(SHARES, st.sampled_from(sorted(WEIGHTS)), st.floats(0, 1))
def test_quality_lies_in_zero_to_one_and_never_rises(shares: dict[str, float], kind: str, more: float) -> None:
    before = quality_of(shares)
    worse = quality_of({**shares, kind: min(1.0, shares.get(kind, 0.0) + more)})
    assert 0.0 <= worse <= before <= 1.0


@given(st.lists(st.integers(1, 46), min_size=1, max_size=10, unique=True))
@settings(max_examples=30, deadline=None)
def test_every_further_missing_bar_lowers_the_quality(rows: list[int]) -> None:
    scores = [
        judge(hourly()[[k for k in range(48) if k not in rows[:n]]], "1h", "24/7").quality for n in range(len(rows))
    ]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)
