"""Derived bars: the laws of aggregation, and nothing of the future in any bar."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fitness.checks import COLUMNS, SCHEMA
from fitness.timeframes import DAY_US, MINUTE_US, TIMEFRAMES, derive, timeframe_us
from strategies.errors import DataError

START_US = 1_577_836_800_000_000  # 2020-01-01, a Wednesday


def bars(stamps: np.ndarray, seed: int = 0) -> pl.DataFrame:
    """Bars with whole volumes, so that sums do not depend on their order."""
    rng = np.random.default_rng(seed)
    prices = np.sort(rng.integers(1, 1000, (stamps.size, 4)).astype(float), axis=1)
    columns = {"low": prices[:, 0], "open": prices[:, 1], "close": prices[:, 2], "high": prices[:, 3]}
    volume = rng.integers(0, 1000, stamps.size).astype(float)
    return pl.DataFrame(
        {"timestamp": pl.Series(stamps, dtype=pl.Int64).cast(SCHEMA["timestamp"]), **columns, "volume": volume}
    ).select(COLUMNS)


def grid(n_bars: int, step_us: int = MINUTE_US, start_us: int = START_US) -> np.ndarray:
    return start_us + np.arange(n_bars, dtype=np.int64) * step_us


def slow_derive(frame: pl.DataFrame, source: str, target: str) -> list[tuple[float, ...]]:
    """The definition, bar by bar."""
    length = timeframe_us(target)
    origin = 4 * DAY_US if target == "1w" else 0
    rows = frame.with_columns(pl.col("timestamp").cast(pl.Int64)).rows()
    windows: dict[int, list[tuple[float, ...]]] = {}
    for row in rows:
        windows.setdefault((row[0] - origin) // length * length + origin, []).append(row)
    end = rows[-1][0] + timeframe_us(source)
    return [
        (t, rs[0][1], max(r[2] for r in rs), min(r[3] for r in rs), rs[-1][4], sum(r[5] for r in rs))
        for t, rs in windows.items()
        if t + length <= end
    ]


def test_open_first_high_max_low_min_close_last_volume_sum() -> None:
    frame = bars(grid(10))
    made = derive(frame, "1m", "5m")
    assert made["open"].to_list() == [frame["open"][0], frame["open"][5]]
    assert made["high"].to_list() == [frame["high"][:5].max(), frame["high"][5:].max()]
    assert made["low"].to_list() == [frame["low"][:5].min(), frame["low"][5:].min()]
    assert made["close"].to_list() == [frame["close"][4], frame["close"][9]]
    assert made["volume"].to_list() == [frame["volume"][:5].sum(), frame["volume"][5:].sum()]
    assert made["timestamp"].cast(pl.Int64).to_list() == [START_US, START_US + 5 * MINUTE_US]
    assert made.schema == SCHEMA


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=60, unique=True), st.sampled_from(["5m", "15m", "1h", "1d"]))
@settings(max_examples=60, deadline=None)
def test_equals_the_slow_definition_with_gaps(minutes: list[int], target: str) -> None:
    frame = bars(START_US + np.sort(np.array(minutes, dtype=np.int64)) * MINUTE_US)
    made = derive(frame, "1m", target).with_columns(pl.col("timestamp").cast(pl.Int64))
    assert made.rows() == slow_derive(frame, "1m", target)


@given(st.integers(1, 400), st.integers(0, 59))
@settings(max_examples=40, deadline=None)
def test_two_steps_equal_one_without_gaps(n_bars: int, late_by: int) -> None:
    frame = bars(grid(n_bars, start_us=START_US + late_by * MINUTE_US))
    assert_frame_equal(derive(derive(frame, "1m", "5m"), "5m", "15m"), derive(frame, "1m", "15m"))
    assert_frame_equal(derive(derive(frame, "1m", "15m"), "15m", "1h"), derive(frame, "1m", "1h"))


@given(st.lists(st.integers(0, 600), min_size=1, max_size=60, unique=True))
@settings(max_examples=60, deadline=None)
def test_two_steps_equal_one_with_gaps_but_for_a_last_bar(minutes: list[int]) -> None:
    """After a gap at the very end the middle step no longer knows that time has passed: it may keep one bar less."""
    frame = bars(START_US + np.sort(np.array(minutes, dtype=np.int64)) * MINUTE_US)
    direct, chained = derive(frame, "1m", "15m"), derive(derive(frame, "1m", "5m"), "5m", "15m")
    assert direct.height - chained.height in (0, 1)
    assert_frame_equal(chained, direct.head(chained.height))


@given(st.integers(2, 200), st.integers(1, 199), st.sampled_from(["5m", "15m", "1h"]))
@settings(max_examples=60, deadline=None)
def test_the_future_never_reaches_a_bar(n_bars: int, cut: int, target: str) -> None:
    """Bars that end by the cut are the same whatever comes after it."""
    frame = bars(grid(n_bars))
    cut = min(cut, n_bars - 1)
    other = pl.concat([frame.head(cut), bars(grid(n_bars), seed=9).tail(n_bars - cut)])
    known = derive(frame.head(cut), "1m", target)
    for future in (frame, other):
        assert_frame_equal(derive(future, "1m", target).head(known.height), known)


def test_the_last_bar_is_dropped_until_its_end_is_reached() -> None:
    assert derive(bars(grid(9)), "1m", "5m").height == 1
    assert derive(bars(grid(10)), "1m", "5m").height == 2
    late = bars(np.append(grid(6), START_US + 9 * MINUTE_US))  # minutes 6 to 8 are missing, the last is there
    assert derive(late, "1m", "5m").height == 2


def test_a_window_without_bars_stays_a_gap() -> None:
    stamps = np.concatenate([grid(5), grid(5, start_us=START_US + 20 * MINUTE_US)])
    made = derive(bars(stamps), "1m", "5m")
    assert made["timestamp"].cast(pl.Int64).to_list() == [START_US, START_US + 20 * MINUTE_US]


def test_weeks_begin_on_monday_and_need_their_sunday() -> None:
    made = derive(bars(grid(12, DAY_US)), "1d", "1w")  # Wednesday 1 to Sunday 12 January 2020
    assert [stamp.date() for stamp in made["timestamp"]] == [dt.date(2019, 12, 30), dt.date(2020, 1, 6)]
    assert derive(bars(grid(11, DAY_US)), "1d", "1w").height == 1
    before_epoch = derive(bars(grid(30, DAY_US, start_us=-400 * DAY_US)), "1d", "1w")
    assert {stamp.weekday() for stamp in before_epoch["timestamp"]} == {0}


def test_the_same_timeframe_gives_the_bars_back() -> None:
    frame = bars(grid(7))
    assert derive(frame, "1m", "1m") is frame
    assert derive(frame.clear(), "1m", "5m").is_empty()


@pytest.mark.parametrize(("source", "target"), [("5m", "1m"), ("2m", "3m"), ("1w", "1d"), ("1d", "1h")])
def test_finer_or_uneven_is_refused(source: str, target: str) -> None:
    with pytest.raises(DataError, match=f"whole multiple of its source, but {target} was asked from {source}"):
        derive(bars(grid(9)), source, target)


def test_bars_that_reach_over_a_window_are_refused() -> None:
    """An hour from 15:30 would bring 16:00 to 16:30 into the window that ends at 16:00."""
    frame = bars(grid(7, 60 * MINUTE_US, start_us=START_US + (13 * 60 + 30) * MINUTE_US))
    with pytest.raises(DataError, match=r"lie inside one 4h window.*2020-01-01 15:30.*such as 30m"):
        derive(frame, "1h", "4h")
    assert derive(frame, "1h", "1d").height == 0


def test_names_and_lengths() -> None:
    assert {name: timeframe_us(name) // MINUTE_US for name in ("1m", "5m", "15m", "1h", "4h", "1d", "1w")} == {
        "1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440, "1w": 10080,
    }  # fmt: skip
    assert all(DAY_US % length == 0 for name, length in TIMEFRAMES.items() if name != "1w")


@pytest.mark.parametrize("name", ["", "7m", "1D", "1M", "d", "../1d", "1d ", "1y"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"timeframe must be one of 1m, .*, but was"):
        timeframe_us(name)


def test_a_near_name_is_named() -> None:
    with pytest.raises(DataError, match="did you mean '1d'"):
        timeframe_us("1D")
