"""Timestamps of every usual form become the right instant, and everything else null."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.instants import read_instants
from strategies.errors import DataError

UTC = dt.UTC
EARLIEST, LATEST = dt.datetime.fromisoformat("1901-01-01"), dt.datetime.fromisoformat("2199-01-01")
DAY = dt.datetime(2020, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("2020-01-02", DAY),
        ("2020-01-02 10:30", DAY.replace(hour=10, minute=30)),
        ("2020-01-02T10:30:05", DAY.replace(hour=10, minute=30, second=5)),
        ("2020-01-02 10:30:05.250000", DAY.replace(hour=10, minute=30, second=5, microsecond=250_000)),
        ("2020-01-02T10:30:00Z", DAY.replace(hour=10, minute=30)),
        ("2020-01-02T10:30:00+02:00", DAY.replace(hour=8, minute=30)),
        ("2020-01-02 00:30:00-0500", DAY.replace(hour=5, minute=30)),
        ("2020-01-02 00:30+05:30", DAY.replace(day=1, hour=19)),
        ("1/2/2020", DAY),
        ("01/02/2020 10:30", DAY.replace(hour=10, minute=30)),
        ("20200102", DAY),
        ("1577923200", DAY),
        ("1577923200.5", DAY.replace(microsecond=500_000)),
        ("1577923200000", DAY),
        ("1577923200000000", DAY),
        ("1577923200000000000", DAY),
        ("13/31/2020", None),
        ("31.12.2020", None),
        ("2020-02-30", None),
        ("1/2/20", None),
        ("0001-01-01", None),
        ("9999-01-01", None),
        ("2020-01-02T00:00:00+99:99", None),
        ("soon", None),
        ("", None),
    ],
)
def test_timestamps_are_read_into_utc(cell: str, wanted: dt.datetime | None) -> None:
    found = read_instants(pl.Series([cell]))
    assert found.dtype == pl.Datetime("us", "UTC")
    assert found.to_list() == [wanted]


@given(st.datetimes(EARLIEST, LATEST), st.integers(-840, 840))
@settings(max_examples=60, deadline=None)
def test_iso_agrees_with_the_standard_library(when: dt.datetime, minutes: int) -> None:
    aware = when.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes)))
    assert read_instants(pl.Series([aware.isoformat()])).to_list() == [aware.astimezone(UTC)]
    assert read_instants(pl.Series([when.isoformat(" ")])).to_list() == [when.replace(tzinfo=UTC)]
    whole = aware.replace(microsecond=0)
    epoch = round(whole.timestamp())
    if abs(epoch) > 10**9:
        assert read_instants(pl.Series([epoch, epoch * 1000])).to_list()[0] == whole.astimezone(UTC)


def test_zones_are_honoured() -> None:
    cells = pl.Series(["2020-01-02 09:30", "2020-07-02 09:30", "2020-03-08 02:30", "2020-11-01 01:30"])
    found = read_instants(cells, timezone="America/New_York").to_list()
    assert found[:2] == [DAY.replace(hour=14, minute=30), dt.datetime(2020, 7, 2, 13, 30, tzinfo=UTC)]
    assert found[2:] == [None, None]  # skipped and repeated by daylight saving
    mixed = read_instants(pl.Series(["2020-01-02T10:00:00Z", "2020-01-02T10:00:00"])).to_list()
    assert mixed == [DAY.replace(hour=10), None]
    with pytest.raises(DataError, match=r"`timezone` must be an IANA name .* but was 'Mars/Base'"):
        read_instants(cells, timezone="Mars/Base")


def test_daily_bars_carry_their_own_date() -> None:
    tokyo = pl.Series([dt.datetime(2020, 1, 1, 15, tzinfo=UTC)]).dt.convert_time_zone("Asia/Tokyo")
    assert read_instants(tokyo, dates=True).to_list() == [DAY]
    assert read_instants(pl.Series(["2020-01-02 00:00:00+09:00"]), dates=True).to_list() == [DAY]
    assert read_instants(pl.Series(["2020-01-01T15:00:00Z"]), dates=True, timezone="Asia/Tokyo").to_list() == [DAY]
    assert read_instants(pl.Series(["2020-01-02 16:00"]), dates=True, timezone="America/New_York").to_list() == [DAY]


@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
@pytest.mark.parametrize("dates", [False, True])
def test_no_date_is_too_far(zone: str | None, dates: bool) -> None:
    """Polars panics on some of these when it calculates with them."""
    far = [2**62, -(2**62), 2**63 - 1, -(2**63) + 1, 10**17]
    columns = [
        pl.Series(far).cast(pl.Datetime(unit, z)) for unit in ("ms", "us") for z in (None, "UTC", "America/New_York")
    ]
    columns += [
        pl.Series([2**31 - 1, -(2**31)], dtype=pl.Int32).cast(pl.Date),
        pl.Series([-(2**63) + 1, 2**63 - 1]).cast(pl.Datetime("ns")),
        pl.Series([2**63 - 1, -(2**63)]),
        pl.Series([1e308, float("nan"), float("-inf"), -1e20]),
        pl.Series([2**64 - 1], dtype=pl.UInt64),
        pl.Series(["9" * 400, "-999", "0000-01-01", "262000-01-01", "9999-12-31T23:59:59Z", "\u0662\u0660"]),
        pl.Series([None, None]),
    ]
    for column in columns:
        assert read_instants(column, timezone=zone, dates=dates).null_count() == len(column)


def test_other_types_are_refused() -> None:
    for column in (pl.Series([True]), pl.Series([[1]]), pl.Series([b"x"])):
        with pytest.raises(DataError, match="timestamps must be text, dates, datetimes or numbers, but"):
            read_instants(column)
