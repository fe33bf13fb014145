"""Each rule of market data finds exactly its own offence, by row, column and value."""

import pickle
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.checks import (
    COLUMNS,
    OHLC_TOLERANCE,
    PRICES,
    SCHEMA,
    SHOWN_CHARACTERS,
    SHOWN_ROWS,
    BarsRefusedError,
    check_bars,
    refuse_errors,
)
from fitness.timeframes import DAY_US, MINUTE_US
from strategies.errors import DataError


def sound(n_bars: int = 6, step_us: int = DAY_US) -> pl.DataFrame:
    stamps = 1_577_923_200_000_000 + np.arange(n_bars, dtype=np.int64) * step_us
    return pl.DataFrame(
        {"timestamp": pl.Series(stamps).cast(SCHEMA["timestamp"])}
        | dict(zip(PRICES, ([10.0] * n_bars, [12.0] * n_bars, [9.0] * n_bars, [11.0] * n_bars), strict=True))
        | {"volume": [100.0] * n_bars}
    )


def with_cell(row: int, column: str, value: Any, n_bars: int = 6) -> pl.DataFrame:
    frame = sound(n_bars)
    cells = frame[column].to_list()
    cells[row - 1] = value
    return frame.with_columns(pl.Series(column, cells, dtype=frame.schema[column]))


def test_sound_bars_give_nothing() -> None:
    assert check_bars(sound(), "x", "1d") == []


@pytest.mark.parametrize("column", PRICES)
@pytest.mark.parametrize(
    ("value", "rule", "shown"),
    [
        (None, "missing number", "empty"),
        (float("nan"), "not finite", "nan"),
        (float("inf"), "not finite", "inf"),
        (float("-inf"), "not finite", "-inf"),
        (0.0, "zero price", "0.0"),
        (-0.0, "zero price", "-0.0"),
        (-3.5, "negative price", "-3.5"),
    ],
)
def test_a_bad_price_is_found_alone(column: str, value: float | None, rule: str, shown: str) -> None:
    found = check_bars(with_cell(3, column, value), "x", "1d")
    assert [(f.severity, f.rule, f.row, f.column, f.value) for f in found] == [("error", rule, 3, column, shown)]


@pytest.mark.parametrize("value", [1e13, 1e-13])
def test_an_absurd_price_is_found(value: float) -> None:
    rules = {f.rule for f in check_bars(with_cell(2, "close", value), "x")}
    assert "absurd price" in rules


@pytest.mark.parametrize(
    ("value", "rule"),
    [(None, "missing number"), (float("nan"), "not finite"), (float("-inf"), "not finite"), (-1.0, "negative volume")],
)
def test_a_bad_volume_is_found_alone(value: float | None, rule: str) -> None:
    assert [(f.rule, f.row, f.column) for f in check_bars(with_cell(4, "volume", value), "x")] == [(rule, 4, "volume")]


@pytest.mark.parametrize(
    ("column", "value", "rule", "shown"),
    [
        ("high", 8.0, "high below low", "8.0 with low 9.0"),
        ("open", 12.5, "open above high", "12.5 with high 12.0"),
        ("open", 8.5, "open below low", "8.5 with low 9.0"),
        ("close", 12.5, "close above high", "12.5 with high 12.0"),
        ("close", 8.5, "close below low", "8.5 with low 9.0"),
    ],
)
def test_an_inconsistent_bar_is_found_alone(column: str, value: float, rule: str, shown: str) -> None:
    found = check_bars(with_cell(5, column, value), "x")
    assert [(f.rule, f.row, f.column, f.value) for f in found] == [(rule, 5, column, shown)]


def test_rounding_passes_and_a_hair_more_does_not() -> None:
    assert check_bars(with_cell(2, "close", 12.0 * (1 + 0.9 * OHLC_TOLERANCE)), "x") == []
    found = check_bars(with_cell(2, "close", 12.0 * (1 + 1.1 * OHLC_TOLERANCE)), "x")
    assert [f.rule for f in found] == ["close above high"]
    assert check_bars(with_cell(2, "open", 9.0 * (1 - 0.9 * OHLC_TOLERANCE)), "x") == []
    assert [f.rule for f in check_bars(with_cell(2, "open", 9.0 * (1 - 1.1 * OHLC_TOLERANCE)), "x")] == [
        "open below low"
    ]


def test_time_must_be_there_ascend_and_not_repeat() -> None:
    frame = sound()
    stamps = frame["timestamp"].to_list()
    missing = frame.with_columns(pl.Series("timestamp", [*stamps[:2], None, *stamps[3:]], dtype=SCHEMA["timestamp"]))
    twice = frame.with_columns(pl.Series("timestamp", [*stamps[:3], stamps[2], *stamps[4:]], dtype=SCHEMA["timestamp"]))
    swapped = frame[[0, 1, 3, 2, 4, 5]]
    assert [(f.rule, f.row) for f in check_bars(missing, "x", "1d")] == [("missing timestamp", 3)]
    assert [(f.rule, f.row) for f in check_bars(twice, "x", "1d")] == [("duplicate timestamp", 4)]
    assert [(f.rule, f.row) for f in check_bars(swapped, "x", "1d")] == [("unsorted timestamp", 4)]


def test_a_repeat_far_away_is_a_duplicate_too() -> None:
    frame = pl.concat([sound(), sound().head(1)])
    assert {(f.rule, f.row) for f in check_bars(frame, "x")} == {("duplicate timestamp", 7), ("unsorted timestamp", 7)}


def test_order_is_seen_past_a_missing_timestamp() -> None:
    frame = sound()[[3, 1, 0]]
    frame = frame.with_columns(pl.when(pl.int_range(3) != 1).then(pl.col("timestamp")).alias("timestamp"))
    assert [(f.rule, f.row) for f in check_bars(frame, "x")] == [("missing timestamp", 2), ("unsorted timestamp", 3)]


def test_the_wrong_timeframe_is_found() -> None:
    minutes, days = sound(30, MINUTE_US), sound(30)
    assert {f.rule for f in check_bars(minutes, "x", "5m")} == {"overlapping bars"}
    assert [f.rule for f in check_bars(days, "x", "1h")] == ["sparse bars"]
    assert "24 hours apart" in check_bars(days, "x", "1h")[0].value
    assert check_bars(minutes, "x", "1m") == []
    assert check_bars(days, "x", "12h") == []  # an exchange open for one half of the day


def test_weeks_may_be_stamped_by_their_first_session() -> None:
    stamps = [1_578_268_800_000_000, 1_578_960_000_000_000, 1_579_478_400_000_000]  # Monday, Tuesday, Monday
    frame = sound(3).with_columns(pl.Series(stamps).cast(SCHEMA["timestamp"]).alias("timestamp"))
    assert check_bars(frame, "x", "1w") == []
    assert [f.rule for f in check_bars(sound(3), "x", "1w")] == ["overlapping bars", "overlapping bars"]


@pytest.mark.parametrize("n_bars", [0, 1])
def test_one_bar_is_too_few(n_bars: int) -> None:
    assert [(f.rule, f.value) for f in check_bars(sound().head(n_bars), "x")] == [("too few bars", str(n_bars))]


def test_cells_that_could_not_be_read_say_what_they_held() -> None:
    frame = with_cell(2, "close", None)
    found = check_bars(frame, "x", cells={"close": pl.Series(["11", "1,234.5", "11", "11", "11", "11"])})
    assert [(f.rule, f.row, f.value) for f in found] == [("unreadable number", 2, "1,234.5")]


@pytest.mark.parametrize("far", [2**62, 2**63 - 1, -(2**63) + 1, 10**18])
@pytest.mark.parametrize("unit", ["ms", "us"])
def test_a_date_too_far_for_polars_is_shown_as_a_number(far: int, unit: Any) -> None:
    stamps = sound()["timestamp"].to_list()
    frame = sound().with_columns(pl.Series("timestamp", [None, *stamps[1:]], dtype=SCHEMA["timestamp"]))
    found = check_bars(frame, "x", cells={"timestamp": pl.Series([far] + [0] * 5).cast(pl.Datetime(unit))})
    assert [(f.rule, f.value) for f in found] == [("unreadable timestamp", str(far))]


def test_long_lists_are_counted() -> None:
    frame = sound(1000).with_columns(close=pl.lit(-1.0))
    found = check_bars(frame, "x")
    assert len(found) == SHOWN_ROWS + 1
    assert sum(f.count for f in found) == 1000
    with pytest.raises(BarsRefusedError, match=r"(?s)1000 x negative price.*and 980 more"):
        refuse_errors(found, "x")


def test_a_long_cell_is_shown_from_its_beginning() -> None:
    frame = sound().with_columns(close=pl.Series([None, *sound()["close"][1:]], dtype=pl.Float64))
    found = check_bars(frame, "x", cells={"close": pl.Series(["9" * 5000, *["1"] * 5])})
    with pytest.raises(BarsRefusedError) as refused:
        refuse_errors(found, "x")
    assert f"but was {'9' * SHOWN_CHARACTERS}... (5,000 characters); " in str(refused.value)
    assert len(str(refused.value)) < SHOWN_CHARACTERS + 300


def test_wrong_frames_are_refused() -> None:
    with pytest.raises(DataError, match=r"'volume' is missing in x, which has timestamp, open"):
        check_bars(sound().drop("volume"), "x")
    with pytest.raises(DataError, match=r"column 'open' of bars must be Float64, but was Int64"):
        check_bars(sound().with_columns(pl.col("open").cast(pl.Int64)), "x")
    with pytest.raises(DataError, match="column 'timestamp' of bars must be Datetime"):
        check_bars(sound().with_columns(pl.col("timestamp").dt.replace_time_zone(None)), "x")


def test_the_error_says_everything_and_survives_pickling() -> None:
    found = check_bars(with_cell(3, "low", -1.0), "file.csv")
    with pytest.raises(BarsRefusedError, match=r"file\.csv breaks them \(1 x negative price\)") as caught:
        refuse_errors(found, "file.csv")
    assert "row 3, column 'low': prices must be positive, but was -1.0; mend" in str(caught.value)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    assert copy.findings == tuple(found)


def test_warnings_alone_refuse_nothing() -> None:
    refuse_errors([], "x")


CELL = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0, 8.0, 9.0, 10.0, 12.0, 13.0, 1e300, 5e-324]))
EDIT = st.tuples(st.integers(0, 4), st.integers(1, 5), CELL)
TIMES = st.one_of(st.just([0, 1, 2, 3, 4]), st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=5))


def slow_verdict(rows: list[list[Any]]) -> bool:
    """Whether bars are fit for use, said plainly."""
    previous = None
    for time, *prices, volume in rows:
        if time is None or (previous is not None and time <= previous):
            return False
        previous = time
        if any(p is None or not 1e-12 <= p <= 1e12 for p in prices):
            return False
        if volume is None or not 0 <= volume < float("inf"):
            return False
        open_, high, low, close = prices
        up, down = high * (1 + OHLC_TOLERANCE), low * (1 - OHLC_TOLERANCE)
        if high < low or not (down <= open_ <= up and down <= close <= up):
            return False
    return len(rows) >= 2


@given(TIMES, st.lists(EDIT, max_size=2))
@settings(max_examples=150, deadline=None)
def test_no_bad_bar_passes_and_no_good_one_is_refused(times: list[Any], edits: list[tuple[int, int, Any]]) -> None:
    rows = [[time, 10.0, 12.0, 9.0, 11.0, 100.0] for time in times]
    for row, column, value in edits:
        if row < len(rows):
            rows[row][column] = value
    types = {name: pl.Int64 if name == "timestamp" else pl.Float64 for name in COLUMNS}
    frame = pl.DataFrame(rows, schema=types, orient="row").cast({"timestamp": SCHEMA["timestamp"]})
    assert (check_bars(frame, "x") == []) == slow_verdict(rows)
