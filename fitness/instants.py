"""Timestamps of foreign tables, read into UTC: ISO 8601, US m/d/Y, yyyymmdd and epochs, with or without a zone."""

import datetime as dt

import polars as pl

from fitness.checks import SCHEMA, days_since_epoch
from fitness.timeframes import HOUR_US, MINUTE_US
from strategies.errors import DataError

_BODIES = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%m/%d/%Y",
    "%m/%d/%Y %H:%M:%S%.f",
    "%m/%d/%Y %H:%M",
    "%Y%m%d",
    "%Y%m%d %H:%M:%S%.f",
)
_NUMBER = r"^\d{9,}(\.\d*)?$"
_ZONED = r"^(.*:\d\d(?:\.\d+)?)\s*(Z|z|UTC|[+-][01]\d:?[0-5]\d)$"
_EPOCH_UNITS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0))
"""Epochs below 1e11 are seconds, below 1e14 milliseconds, below 1e17 microseconds, above nanoseconds."""
_FIRST = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)
_LAST = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
_NAIVE = pl.Datetime("us")


def read_instants(column: pl.Series, *, timezone: str | None = None, dates: bool = False) -> pl.Series:
    """The column as datetime[us, UTC]; null where a cell can't be read.

    Null are: text of no known form, times that a zone skips or repeats, years outside 1900 to 2199, and cells without
    a zone in a column where others carry one.

    Args:
        column: text, date, datetime or number (yyyymmdd, or an epoch whose unit shows from its size).
        timezone: the zone of cells without one, and that in which `dates` are taken; None is UTC.
        dates: True gives midnight UTC of each cell's own calendar date, in `timezone` if given, else as written: the
            stamp of bars of a day or longer.

    Raises:
        DataError: the column is of another type, or the zone is unknown.
    """
    check_timezone(timezone)
    cells = _wall_and_offset(column)
    written = pl.col("offset").is_not_null()
    zone = timezone or "UTC"
    localised = pl.col("wall").dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    exact = (pl.col("wall") - pl.duration(microseconds="offset")).dt.replace_time_zone("UTC")
    instant = exact if bool(cells.select(written.any()).item()) else localised.dt.convert_time_zone("UTC")
    if dates:
        day = instant.dt.convert_time_zone(timezone) if timezone else pl.col("wall")
        instant = pl.when(instant.is_not_null()).then(day.dt.replace_time_zone(None).dt.truncate("1d"))
        instant = instant.dt.replace_time_zone("UTC")
    kept = pl.when(instant.is_between(_FIRST, _LAST, closed="left")).then(instant)
    return cells.select(kept.cast(SCHEMA["timestamp"]).alias("timestamp")).to_series()


def check_timezone(timezone: str | None) -> None:
    """Nothing, if the zone is known.

    Raises:
        DataError: it is not.
    """
    if timezone is None:
        return
    try:
        pl.Series([_FIRST.replace(tzinfo=None)]).dt.replace_time_zone(timezone)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"`timezone` must be an IANA name such as America/New_York or Asia/Tokyo, but was {timezone!r}."
        ) from error


def _wall_and_offset(column: pl.Series) -> pl.DataFrame:
    """The clock time as written, `wall`, and its distance from UTC in microseconds, `offset`, null if unsaid."""
    kind = column.dtype
    if kind.is_temporal():
        column = _within_reach(column)
    cells = pl.DataFrame({"cell": column})
    cell = pl.col("cell")
    if kind in (pl.String, pl.Null):
        return _from_text(cells.cast(pl.String))
    if kind.is_numeric():
        return _from_numbers(cells)
    if kind == pl.Date:
        return cells.select(wall=cell.cast(_NAIVE), offset=pl.lit(None, pl.Int64))
    if isinstance(kind, pl.Datetime):
        wall = cell.dt.replace_time_zone(None).dt.cast_time_unit("us")
        if kind.time_zone is None:
            return cells.select(wall=wall, offset=pl.lit(None, pl.Int64))
        utc = cell.dt.convert_time_zone("UTC").dt.replace_time_zone(None).dt.cast_time_unit("us")
        return cells.select(wall=wall, offset=(wall - utc).dt.total_microseconds())
    raise DataError(
        f"timestamps must be text, dates, datetimes or numbers, but the column {column.name!r} is {kind}; convert it."
    )


def _within_reach(column: pl.Series) -> pl.Series:
    """The column with dates far outside 1900 to 2199 as null, because polars panics when it calculates with some."""
    first, last = (moment.toordinal() - _EPOCH_DAY for moment in (_FIRST, _LAST))
    near = days_since_epoch(column).is_between(first - 2, last + 2)
    return pl.select(pl.when(near).then(column).alias(column.name)).to_series()


def _from_text(cells: pl.DataFrame) -> pl.DataFrame:
    cell = pl.col("cell").str.strip_chars()
    zone = cell.str.extract(_ZONED, 2)
    body = pl.coalesce(cell.str.extract(_ZONED, 1), cell).str.replace(r"^(\d{4})[/.](\d\d?)[/.](\d\d?)", "$1-$2-$3")
    body = body.str.replace(r"^(\d{4}-?\d\d-?\d\d)[Tt]", "$1 ")
    wall = pl.coalesce(body.str.to_datetime(form, strict=False, time_unit="us") for form in _BODIES)
    wall = pl.when(wall.dt.year().is_between(_FIRST.year - 1, _LAST.year)).then(wall)
    sign = pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
    hours = zone.str.slice(1, 2).cast(pl.Int64, strict=False)
    minutes = zone.str.slice(-2, 2).cast(pl.Int64, strict=False)
    numeric = pl.when(zone.str.contains(r"\d")).then(sign * (hours * HOUR_US + minutes * MINUTE_US))
    offset = pl.when(zone.is_not_null()).then(numeric.fill_null(0))
    numbers = cells.select(cell=pl.when(cell.str.contains(_NUMBER)).then(cell).cast(pl.Float64, strict=False))
    epochs = _from_numbers(numbers).rename({"wall": "epoch_wall", "offset": "epoch_offset"})
    read = cells.select(wall=wall, offset=offset).hstack(epochs)
    return read.select(wall=pl.coalesce("wall", "epoch_wall"), offset=pl.coalesce("offset", "epoch_offset"))


def _from_numbers(cells: pl.DataFrame) -> pl.DataFrame:
    cell = pl.col("cell").cast(pl.Float64)
    micros = cell * 1e-3
    for limit, factor in reversed(_EPOCH_UNITS):
        micros = pl.when(cell.abs() < limit).then(cell * factor).otherwise(micros)
    compact = (cell >= 19_000_101) & (cell < 22_000_101) & (cell == cell.floor())
    day = (
        pl.when(compact)
        .then(cell)
        .cast(pl.Int64)
        .cast(pl.String)
        .str.to_datetime("%Y%m%d", strict=False, time_unit="us")
    )
    in_range = pl.when(micros.is_finite() & (micros.abs() < 1e16)).then(micros.round(0))
    epoch = in_range.cast(pl.Int64).cast(_NAIVE)
    return cells.select(
        wall=pl.when(compact).then(day).otherwise(epoch),
        offset=pl.when(~compact & cell.is_not_null()).then(pl.lit(0, pl.Int64)),
    )
