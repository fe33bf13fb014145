"""Higher timeframes: bars as an independent oracle has them, seen once they are over, never changed by the future."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.timeframes import TIMEFRAMES, derive, timeframe_us
from strategies.catalogue import CLOSE, SOURCES, catalogue, kind_index
from strategies.errors import StrategyError
from strategies.features.clock import ends_of
from strategies.higher_bars import NONE_YET, HigherBars, higher_bars
from strategies.operands import column, columns_of, warm_up
from strategies.time_grid import LADDER, MONTH, length_us, period_ends, period_starts, rungs
from tests.strategies.made_up_bars import HOUR_US, MadeUpBars, joined, random_bars

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def instant(stamp: int) -> datetime:
    return EPOCH + timedelta(microseconds=int(stamp))


def span_of(timeframe: str) -> timedelta:
    return int(timeframe[:-1]) * UNITS[timeframe[-1]]


def period_of(moment: datetime, timeframe: str) -> tuple[datetime, datetime]:
    """First instant of the period, and the first after it, by Python's own calendar."""
    if timeframe == MONTH:
        begin = datetime(moment.year, moment.month, 1, tzinfo=UTC)
        return begin, datetime(moment.year + moment.month // 12, moment.month % 12 + 1, 1, tzinfo=UTC)
    origin, span = (MONDAY if timeframe.endswith("w") else EPOCH), span_of(timeframe)
    begin = origin + (moment - origin) // span * span
    return begin, begin + span


def seen_by_oracle(bars: MadeUpBars, timeframe: str) -> list[tuple | None]:
    """At each bar the last higher bar that is over, added up anew from all bars up to this one."""
    seen = []
    for now in range(bars.close.size):
        end = instant(bars.timestamps[now]) + span_of(bars.timeframe)
        periods: dict = {}
        for bar in range(now + 1):
            periods.setdefault(period_of(instant(bars.timestamps[bar]), timeframe), []).append(bar)
        over = [(begin, members) for (begin, after), members in periods.items() if after <= end]
        seen.append(None if not over else added_up(bars, *max(over)))
    return seen


def added_up(bars: MadeUpBars, begin: datetime, members: list[int]) -> tuple:
    volume = 0.0
    for bar in members:
        volume += bars.volume[bar]
    return (
        begin,
        bars.open[members[0]],
        max(bars.high[bar] for bar in members),
        min(bars.low[bar] for bar in members),
        bars.close[members[-1]],
        volume,
    )


def seen_by_us(bars: MadeUpBars, rung: int) -> list[tuple | None]:
    made = higher_bars(bars, rung)
    columns = [made.seen(getattr(made, name)) for name in SOURCES]
    return [
        None if at == NONE_YET else (instant(made.timestamps[at]), *(values[bar] for values in columns))
        for bar, at in enumerate(made.last_closed)
    ]


def bars_at(stamps, timeframe: str, seed: int = 1) -> MadeUpBars:
    made = random_bars(seed, len(stamps))
    return replace(made, timestamps=np.array(stamps, dtype=np.int64), timeframe=timeframe)


@st.composite
def bars_with_gaps(draw) -> MadeUpBars:
    """A few bars on the grid of their timeframe, from any time on, with gaps of any length; at times off the grid."""
    timeframe = draw(st.sampled_from(["1m", "3m", "15m", "30m", "1h", "2h", "3h", "4h", "8h", "1d", "1w"]))
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 2, 5, 40]), min_size=1, max_size=40))
    begin = draw(st.integers(0, 40_000)) * length_us(timeframe) + draw(st.sampled_from([0, 0, 0, 60_000_000, -7]))
    return bars_at(begin + np.cumsum(steps) * length_us(timeframe), timeframe, draw(st.integers(0, 9)))


@settings(max_examples=120, deadline=None)
@given(bars=bars_with_gaps(), rung=st.sampled_from([1, 2]))
def test_what_is_seen_is_what_was_over(bars, rung):
    assert seen_by_us(bars, rung) == seen_by_oracle(bars, rungs(bars.timeframe)[rung - 1])


@settings(max_examples=60, deadline=None)
@given(bars=bars_with_gaps(), rung=st.sampled_from([1, 2]), data=st.data())
def test_a_cut_series_has_seen_the_same(bars, rung, data):
    stop = data.draw(st.integers(1, bars.close.size))
    assert seen_by_us(bars.of(lambda each: each[:stop]), rung) == seen_by_us(bars, rung)[:stop]


def test_a_bar_that_overlaps_the_next_waits_for_the_last_of_its_period():
    stamps = [
        0,
        HOUR_US,
        3 * HOUR_US + 1,
        3 * HOUR_US + 2,
        5 * HOUR_US,
    ]  # the third ends after 4:00
    assert higher_bars(bars_at(stamps, "1h"), 1).last_closed.tolist() == [-1, -1, -1, 0, 0]


@pytest.mark.parametrize(("fine", "rung"), [("1m", 1), ("5m", 2), ("15m", 1), ("1h", 1), ("1h", 2), ("1d", 1)])
def test_whole_periods_are_those_of_the_store(fine, rung):
    length, coarse = timeframe_us(fine), rungs(fine)[rung - 1]
    first = timeframe_us("1w") * 2800 + 4 * timeframe_us("1d")
    bars = bars_at(first + length * np.arange(700) + length * 40 * (np.arange(700) > 333), fine, seed=3)
    frame = pl.DataFrame({name: getattr(bars, name) for name in SOURCES}).with_columns(
        timestamp=pl.Series(bars.timestamps).cast(pl.Datetime("us", "UTC"))
    )
    expected, made = derive(frame, fine, coarse), higher_bars(bars, rung)
    assert made.timestamps.tolist() == expected["timestamp"].cast(pl.Int64).to_list()
    for name in SOURCES:
        np.testing.assert_allclose(getattr(made, name), expected[name].to_numpy(), rtol=1e-15)


def test_extra_columns_go_along():
    bars = random_bars(4)
    lacking = {**bars.extra, "buy_volume": np.where(np.arange(420) == 50, np.nan, bars.extra["buy_volume"])}
    made = higher_bars(replace(bars, extra=lacking), 1)
    period = [period_of(instant(stamp), "4h")[0] for stamp in bars.timestamps]
    for number, begin in enumerate(made.timestamps):
        members = [bar for bar in range(420) if period[bar] == instant(begin)]
        assert made.extra["bid"][number] == bars.extra["bid"][members[-1]]
        assert made.extra["n_trades"][number] == bars.extra["n_trades"][members].sum()
        assert np.isnan(made.extra["buy_volume"][number]) == (50 in members)
    assert set(made.extra) == set(bars.extra)
    assert higher_bars(bars_at([0, HOUR_US], "1h"), 1).extra.keys() == bars.extra.keys()


def test_one_bar_has_seen_nothing_unless_it_ends_the_period():
    for stamp, expected in ((0, NONE_YET), (3 * HOUR_US, 0)):
        made = higher_bars(bars_at([stamp], "1h"), 1)
        assert made.last_closed.tolist() == [expected]
        assert made.close.size == expected + 1
    assert np.isnan(column(kind_index("SMA"), CLOSE, (5.0,), bars_at([0], "1h"), 1)).all()


def test_a_month_is_over_when_a_bar_ends_after_it():
    """The last trading day of August 2024 is a Friday; the month is over with the bar of Monday 2 September."""
    days = [datetime(2024, 8, 29, tzinfo=UTC), datetime(2024, 8, 30, tzinfo=UTC), datetime(2024, 9, 2, tzinfo=UTC)]
    bars = bars_at([(day - EPOCH) // timedelta(microseconds=1) for day in days], "1d")
    made = higher_bars(bars, 2)
    assert made.timeframe == MONTH
    assert made.last_closed.tolist() == [-1, -1, 0]
    assert made.close.tolist() == [bars.close[1]]
    saturday = bars_at([*bars.timestamps[:2], bars.timestamps[1] + 24 * HOUR_US], "1d")
    assert higher_bars(saturday, 2).last_closed.tolist() == [-1, -1, 0]  # 31 August, the last day of the calendar


COMPUTED = [kind for kind, entry in enumerate(catalogue()) if entry.family != "learner"]


@pytest.mark.parametrize("kind", COMPUTED, ids=[catalogue()[kind].name for kind in COMPUTED])
def test_an_operand_of_a_higher_timeframe_is_that_of_its_bars_and_owes_nothing_to_the_future(kind):
    bars, other = random_bars(6, 300), random_bars(7, 300)
    values = [parameter.default for parameter in catalogue()[kind].parameters]
    made = higher_bars(bars, 1)
    plain = column(kind, CLOSE, values, bars, 1)
    on_higher = column(kind, CLOSE, values, as_plain(made))
    expected = [np.nan if at == NONE_YET else on_higher[at] for at in made.last_closed]
    np.testing.assert_array_equal(plain, expected)
    assert columns_of(kind, CLOSE, values, made)[kind].tobytes() == plain.tobytes()
    for stop in (1, 77, 200):
        parts = bars.of(lambda each, stop=stop: each[:stop]), other.of(lambda each, stop=stop: each[stop:])
        np.testing.assert_array_equal(column(kind, CLOSE, values, joined(*parts, anchor=0), 1)[:stop], plain[:stop])


def as_plain(made: HigherBars) -> MadeUpBars:
    columns = {name: np.array(getattr(made, name)) for name in (*SOURCES, "timestamps")}
    return MadeUpBars(**columns, timeframe=made.timeframe, extra=dict(made.extra))


def test_a_warm_up_in_higher_bars_becomes_one_in_bars():
    bars = random_bars(8)
    made, needed = higher_bars(bars, 1), warm_up(kind_index("SMA"), (20.0,))
    known = np.isfinite(column(kind_index("SMA"), CLOSE, (20.0,), made))
    first = made.bars_before(needed)
    assert not known[:first].any()
    assert known[first:].all()
    assert made.bars_before(10_000) == 420


def test_higher_bars_and_what_is_seen_of_them_cannot_be_changed():
    bars = random_bars(9)
    before, made = bars.of(np.copy), higher_bars(bars, 2)
    for array in (*(getattr(made, name) for name in (*SOURCES, "timestamps", "last_closed")), *made.extra.values()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        assert not any(np.shares_memory(array, own) for own in bars.arrays())
    assert all(np.array_equal(*pair) for pair in zip(bars.arrays(), before.arrays(), strict=True))


@pytest.mark.parametrize(
    ("change", "timeframe", "message"),
    [
        ({}, 3, r"of 1h bars must be from 1 to 2 \(4h, 1d\), but was 3"),
        ({}, -1, "must be from 1 to 2 .*, but was -1"),
        ({"timeframe": "1M"}, 1, "number of minutes, hours, days or weeks, but was '1M'"),
        ({"timeframe": "soon"}, 1, "but was 'soon'"),
        ({"timestamps": None}, 1, "must have bars with `timestamps`"),
    ],
)
def test_what_has_no_higher_timeframe_is_refused(change, timeframe, message):
    with pytest.raises(StrategyError, match=message):
        column(0, CLOSE, (), replace(random_bars(1), **change), timeframe)


def test_higher_bars_of_higher_bars_are_refused():
    with pytest.raises(StrategyError, match="must be 0 where higher bars are given, but was 1"):
        column(0, CLOSE, (), higher_bars(random_bars(1), 1), 1)


def test_the_grid_is_that_of_the_store():
    assert {name: length_us(name) for name in TIMEFRAMES} == TIMEFRAMES
    for name in TIMEFRAMES:
        above = rungs(name)
        assert len(above) == 2
        assert set(above) <= {*LADDER, "4w", "12w"}
        lengths = [31 * timeframe_us("1d") if each == MONTH else length_us(each) for each in above]
        assert timeframe_us(name) < lengths[0] < lengths[1]
        assert all(each == MONTH or length_us(each) % timeframe_us(name) == 0 for each in above)
    assert rungs("3h") == ("1d", "1w")
    assert rungs("12h") == ("1d", "1w")
    assert rungs("30m") == ("1h", "4h")


@given(stamp=st.integers(-(10**15), 4 * 10**15), timeframe=st.sampled_from([*LADDER, "4w", "12w", "3h", "20m"]))
def test_periods_are_those_of_the_calendar(stamp, timeframe):
    stamps = np.array([stamp])
    begin = period_starts(stamps, timeframe)
    expected = period_of(instant(stamp), timeframe)
    assert (instant(begin[0]), instant(period_ends(begin, timeframe)[0])) == expected


def test_the_end_of_a_monthly_bar_is_that_of_its_month():
    made = higher_bars(bars_at(np.arange(200) * 24 * HOUR_US, "1d"), 2)
    assert [instant(end).day for end in ends_of(made)] == [1] * made.close.size
