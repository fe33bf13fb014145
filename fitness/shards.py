"""The store of shards: one symbol and timeframe of bars each, kept as Parquet and loaded as read-only arrays.

A store is a folder, or a prefix of an object store (object_store.py), of hive partitions,
`symbol=S/timeframe=T/bars.parquet`, with the columns `timestamp` (bar-open time, UTC), `open`, `high`, `low`, `close`,
`volume` and those of `EXTRA_COLUMNS` that the source had (shard_file.py). A load reads the file once, compares its
hashes and judges the bars again: a damaged file is refused by name.
"""

import datetime as dt

import polars as pl

from fitness.checks import COLUMNS, SCHEMA, VALUES, check_bars, refuse_errors
from fitness.extra_columns import extra_names, with_missing
from fitness.object_store import ObjectPath, Place, Root, place_of, scan_options, write_whole
from fitness.quality import Judgement, judge
from fitness.shard import FORMAT, Shard
from fitness.shard_file import (
    FILE_NAME,
    PATTERN,
    ShardInfo,
    check_symbol,
    content_hash,
    decode,
    encode,
    metadata_of,
    read_whole,
    shard_path,
)
from fitness.timeframes import timeframe_us
from strategies.errors import DataError
from strategies.extra_columns import EXTRA_COLUMNS

__all__ = [
    "Shard",
    "ShardInfo",
    "load_shard",
    "write_shard",
    "write_judged",
    "put_shard",
    "list_shards",
    "scan_bars",
    "describe_shard",
    "shard_of",
    "shard_path",
    "check_symbol",
    "content_hash",
]


def shard_of(frame: pl.DataFrame, symbol: str, timeframe: str, *, bars_per_year: float, quality: float = 1.0) -> Shard:
    """A shard in memory from a frame, judged by the rules of checks.py.

    Raises:
        DataError: bad name, or bars that break a rule.
    """
    check_symbol(symbol)
    timeframe_us(timeframe)
    where = f"{symbol} {timeframe}"
    refuse_errors(check_bars(frame, where), where)
    frame = with_missing(frame)
    columns = {name: frame[name].to_numpy() + 0.0 for name in VALUES}
    return Shard(
        symbol=symbol,
        timeframe=timeframe,
        timestamps=frame["timestamp"].cast(pl.Int64).to_numpy(),
        **columns,
        bars_per_year=bars_per_year,
        content_hash=content_hash(frame, symbol, timeframe),
        quality=quality,
        extra={name: frame[name].to_numpy() + 0.0 for name in extra_names(frame.columns)},
    )


def write_shard(
    frame: pl.DataFrame,
    root: Root,
    symbol: str,
    timeframe: str,
    *,
    calendar: str | None = None,
    source: str = "",
    n_mended: int = 0,
) -> Place:
    """Judge the bars and put them into the store, whole or not at all; an older file of that name is replaced.

    Args:
        frame: columns as in the store, extra ones among them; others are left out.
        root: folder or URL of the store, made if missing.
        symbol: its name.
        timeframe: that of the bars.
        calendar: trading calendar; None chooses one by the look of the timestamps.
        source: where the bars came from, for `list`.
        n_mended: bars that were changed on the way in; lowers the quality.

    Raises:
        DataError: bad name, bars that break a rule, unknown calendar, or a disk that refuses.
        ClusterError: an object store that does not answer or does not let us in.
    """
    where = source or f"{symbol} {timeframe}"
    refuse_errors(check_bars(frame, where, timeframe), where)
    judgement = judge(frame, timeframe, calendar, n_mended=n_mended)
    return write_judged(frame, root, symbol, timeframe, judgement=judgement, source=source)


def write_judged(
    frame: pl.DataFrame, root: Root, symbol: str, timeframe: str, *, judgement: Judgement, source: str
) -> Place:
    """Put bars that `check_bars` accepted and `judge` has judged into the store; otherwise as `write_shard`.

    Raises:
        DataError: bad name, or a disk that refuses.
        ClusterError: an object store that does not answer or does not let us in.
    """
    path = shard_path(root, symbol, timeframe)
    extra = extra_names(frame.columns)
    bars = with_missing(frame.select(*COLUMNS, *extra))
    known = {
        "format": FORMAT,
        "symbol": symbol,
        "timeframe": timeframe,
        "n_bars": bars.height,
        "first": bars["timestamp"][0].isoformat(),
        "last": bars["timestamp"][-1].isoformat(),
        "bars_per_year": judgement.bars_per_year,
        "calendar": judgement.calendar,
        "quality": judgement.quality,
        "source": source,
        "content_hash": content_hash(bars, symbol, timeframe),
        **({"extra": extra} if extra else {}),
    }
    put_shard(path, encode(bars, known))
    return path


def put_shard(path: Place, data: bytes) -> None:
    """Put the sealed bytes of a shard at `path`, whole or not at all.

    Raises:
        DataError: a disk that refuses, or a bucket that does not exist.
        ClusterError: an object store that does not answer or does not let us in.
    """
    try:
        write_whole(path, data)
    except OSError as error:
        raise DataError(
            f"a shard must be written whole, but writing {path} failed ({error}); what was there before is untouched. "
            "Free space, mend the permissions or make the bucket, and try again."
        ) from error


def load_shard(root: Root, symbol: str, timeframe: str, start: str | None = None, end: str | None = None) -> Shard:
    """The shard of a store, verified: both hashes, the format, and every rule of checks.py.

    Args:
        root: folder or URL of the store.
        symbol: its name.
        timeframe: that of the bars.
        start: first instant wanted, ISO 8601, UTC if it names no zone; None from the beginning.
        end: first instant not wanted any more; None to the end.

    Raises:
        DataError: no such shard, a damaged or foreign file, or fewer than two bars between start and end.
        ClusterError: an object store that does not answer or does not let us in.
    """
    path = shard_path(root, symbol, timeframe)
    data = read_whole(path, path.parents[2])
    info = metadata_of(data, path, symbol, timeframe)
    frame = decode(data, path)
    found = content_hash(frame, symbol, timeframe)
    if found != info.content_hash:
        raise DataError(
            f"the bars of a shard must have the hash they were stored with, but {path} has {found[:16]} instead of "
            f"{info.content_hash[:16]}; the file is damaged: import it again."
        )
    wanted = _between(frame, start, end)
    return shard_of(wanted, symbol, timeframe, bars_per_year=info.bars_per_year, quality=info.quality)


def scan_bars(root: Root) -> pl.LazyFrame:
    """All bars of a store as one lazy frame with `symbol` and `timeframe`; filters and selections prune what is read.

    Extra columns are null where a shard has none. For looking around: nothing is verified. What feeds a fitness goes
    through `load_shard`.

    Raises:
        DataError: the store has no shard.
    """
    place = place_of(root)
    if not any(place.glob(PATTERN)):
        raise _no_store(place)
    pattern = f"{place.as_posix()}/symbol=*/timeframe=*/{FILE_NAME}"
    return pl.scan_parquet(
        pattern,
        schema={**SCHEMA, **dict.fromkeys(EXTRA_COLUMNS, pl.Float64())},
        missing_columns="insert",
        hive_partitioning=True,
        hive_schema={"symbol": pl.String(), "timeframe": pl.String()},
        storage_options=scan_options(place),
    )


def list_shards(root: Root) -> list[ShardInfo]:
    """Every shard of a store by symbol and length of timeframe; damaged ones are listed with their `problem`.

    Raises:
        DataError: the folder does not exist, or the object store has no shard there.
        ClusterError: an object store that does not answer or does not let us in.
    """
    place = place_of(root)
    found = [describe_shard(path) for path in place.glob(PATTERN)]
    if not found and (isinstance(place, ObjectPath) or not place.is_dir()):
        raise _no_store(place)
    return sorted(found, key=lambda info: (info.symbol, _length_or_zero(info.timeframe), info.timeframe))


def describe_shard(path: Place) -> ShardInfo:
    """What the metadata of one file say; what is wrong with it is its `problem`.

    Raises:
        ClusterError: an object store that does not answer or does not let us in; this says nothing of the file.
    """
    symbol = path.parent.parent.name.removeprefix("symbol=")
    timeframe = path.parent.name.removeprefix("timeframe=")
    try:
        check_symbol(symbol)
        timeframe_us(timeframe)
        return metadata_of(read_whole(path, path.parents[2]), path, symbol, timeframe)
    except DataError as error:
        return ShardInfo(symbol, timeframe, path, problem=str(error))


def _length_or_zero(timeframe: str) -> int:
    try:
        return timeframe_us(timeframe)
    except DataError:
        return 0


def _no_store(root: Place) -> DataError:
    return DataError(
        f"a data store must hold shards (symbol=S/timeframe=T/{FILE_NAME}), but {root} holds none; "
        "run `studbook data sample`, `import` or `copy` first."
    )


def _between(frame: pl.DataFrame, start: str | None, end: str | None) -> pl.DataFrame:
    if start is not None:
        frame = frame.filter(pl.col("timestamp") >= _instant(start))
    if end is not None:
        frame = frame.filter(pl.col("timestamp") < _instant(end))
    return frame


def _instant(text: str) -> pl.Expr:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"a start or end must be ISO 8601, such as 2010-01-31, but was {text!r}; mend it.") from error
    aware = instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)
    return pl.lit(aware.astimezone(dt.UTC), dtype=SCHEMA["timestamp"])
