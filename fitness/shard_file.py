"""The file of a shard: its place in a store, and the bytes in it.

Parquet with zstd, columns `timestamp`, `open` to `volume`, and extra ones where there are any. What is known of the
bars lies in the file's own metadata as canonical JSON (key `studbook`), so that bars and knowledge can't come apart. A
second key holds a seal, the sha256 of the whole file with the seal's own digits as zeros: one flipped bit anywhere is
seen before any decoder runs.
"""

import hashlib
import io
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import polars as pl

from fitness.checks import COLUMNS, SCHEMA
from fitness.extra_columns import extra_names
from fitness.object_store import Place, Root, place_of
from fitness.shard import FORMAT, VALUES, bars_hash
from fitness.timeframes import timeframe_us
from strategies.errors import DataError

FILE_NAME = "bars.parquet"
PATTERN = f"symbol=*/timeframe=*/{FILE_NAME}"
"""The shards of a store, as a glob below its root."""
_SEAL = b"studbook.seal:sha256:"
_ZEROS = "0" * 64
_SYMBOL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, OverflowError, MemoryError)
"""What polars raises on damaged Parquet; its PanicException is not an Exception."""


@dataclass(frozen=True)
class ShardInfo:
    """What a store knows of a shard without reading its bars.

    Attributes:
        symbol, timeframe: from the partition.
        path: the file, or the object in an object store.
        n_bars: number of bars.
        first, last: open times of the first and the last bar, ISO 8601 in UTC.
        bars_per_year: for annual figures.
        calendar: the trading calendar its gaps were judged by.
        quality: 0 to 1.
        source: where the bars came from.
        content_hash: of the bars.
        problem: why the file can't be used; empty if it can as far as its metadata tell.
        note: what the last operation did with it, such as `written` or `kept`.
        extra: names of its extra columns, sorted.
    """

    symbol: str
    timeframe: str
    path: Place
    n_bars: int = 0
    first: str = ""
    last: str = ""
    bars_per_year: float = math.nan
    calendar: str = ""
    quality: float = 0.0
    source: str = ""
    content_hash: str = ""
    problem: str = ""
    note: str = ""
    extra: tuple[str, ...] = ()


def shard_path(root: Root, symbol: str, timeframe: str) -> Place:
    """Where the store keeps a shard.

    Raises:
        DataError: symbol or timeframe is not a name that a store accepts.
        ConfigError: a URL that `place_of` refuses.

    >>> shard_path("data", "SPX", "1d").as_posix()
    'data/symbol=SPX/timeframe=1d/bars.parquet'
    """
    check_symbol(symbol)
    timeframe_us(timeframe)
    return place_of(root) / f"symbol={symbol}" / f"timeframe={timeframe}" / FILE_NAME


def check_symbol(symbol: str) -> None:
    """Nothing, if the name is safe as part of a path.

    Raises:
        DataError: it is not.
    """
    if not _SYMBOL.fullmatch(symbol):
        raise DataError(
            "a symbol must be 1 to 64 letters, digits and . _ - and must not begin with a dot, "
            f"but was {symbol!r}; rename it."
        )


def content_hash(frame: pl.DataFrame, symbol: str, timeframe: str) -> str:
    """Sha256 over the names and the values of all columns, see `bars_hash`: equal for equal bars, however encoded."""
    values = {name: frame[name].to_numpy() for name in (*VALUES, *extra_names(frame.columns))}
    return bars_hash(symbol, timeframe, frame["timestamp"].cast(pl.Int64).to_numpy(), values)


def encode(bars: pl.DataFrame, known: Mapping[str, object]) -> bytes:
    """The sealed file of these bars and of what is known of them (JSON values)."""
    text = json.dumps(known, sort_keys=True, separators=(",", ":"))
    metadata = {"studbook": text, "studbook.seal": _SEAL.decode() + _ZEROS}
    stream = io.BytesIO()
    bars.write_parquet(stream, compression="zstd", statistics=True, metadata=metadata)
    digits, blank = _seal(stream.getvalue())
    return blank[: digits.start] + hashlib.sha256(blank).hexdigest().encode() + blank[digits.stop :]


def _seal(data: bytes) -> tuple[slice, bytes]:
    """Where the seal's digits lie, and the file with zeros there; an empty slice where there is no seal."""
    found = data.rfind(_SEAL)
    start = found + len(_SEAL)
    if found < 0 or start + len(_ZEROS) > len(data):
        return slice(0, 0), data
    stop = start + len(_ZEROS)
    return slice(start, stop), data[:start] + _ZEROS.encode() + data[stop:]


def read_whole(path: Place, root: Place) -> bytes:
    """The bytes of a shard's file.

    Raises:
        DataError: no such file (the shards that exist are named), a second file in its partition, or not readable.
        ClusterError: the object store does not answer or does not let us in.
    """
    if not path.is_file():
        files = root.glob(PATTERN)
        present = ", ".join(sorted(f"{file.parts[-3][7:]} {file.parts[-2][10:]}" for file in files))
        raise DataError(
            f"a shard must exist before it is read, but {path} does not; the store has {present or 'no shard'}. "
            "Import it, or run `studbook data sample`."
        )
    others = sorted(p.name for p in path.parent.glob("*.parquet") if p != path)
    if others:
        raise DataError(
            f"a partition must hold one file, {FILE_NAME}, but {path.parent} also holds {', '.join(others)}; "
            "import those files with `studbook data import` instead of copying them in."
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"a shard must be readable, but {path} is not ({error}); mend the permissions.") from error


def metadata_of(data: bytes, path: Place, symbol: str, timeframe: str) -> ShardInfo:
    """What the sealed file at `path` says of itself.

    Raises:
        DataError: damaged, foreign, of another format, or the file of another shard.
    """
    digits, blank = _seal(data)
    if not data[digits]:
        raise _damaged(path, "it has no seal of Studbook")
    if hashlib.sha256(blank).hexdigest().encode() != data[digits]:
        raise _damaged(path, "its bytes do not have the hash they were stored with")
    try:
        text = pl.read_parquet_metadata(io.BytesIO(data))["studbook"]
    except (*_UNREADABLE, KeyError) as error:
        raise _damaged(path, f"not readable as Parquet ({_first_line(error)})") from error
    known = _facts(text, path)
    if (known["symbol"], known["timeframe"]) != (symbol, timeframe):
        raise _damaged(path, f"it holds {known['symbol']} {known['timeframe']}")
    wanted = {field.name for field in fields(ShardInfo)} - {"symbol", "timeframe", "path", "problem", "note", "extra"}
    values = {name: known[name] for name in wanted}
    return replace(ShardInfo(symbol, timeframe, path), **values, extra=tuple(known.get("extra", ())))


def _facts(text: str, path: Place) -> dict[str, Any]:
    """The JSON of the metadata, each value of its type: a seal that fits does not make them right."""
    try:
        known = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its metadata are no JSON ({_first_line(error)})") from error
    if not isinstance(known, dict) or known.get("format") != FORMAT:
        found = known.get("format") if isinstance(known, dict) else known
        raise _damaged(path, f"its format is {found!s:.80}, this Studbook reads {FORMAT}")
    for name, fits in _FITS.items():
        if name not in known or not fits(known[name]):
            raise _damaged(path, f"its `{name}` is {known.get(name)!r:.80}")
    if not _are_texts(known.get("extra", [])):
        raise _damaged(path, f"its `extra` is {known['extra']!r:.80}")
    return known


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_rate(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 < value < math.inf


_FITS: Final[Mapping[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("symbol", "timeframe", "first", "last", "calendar", "source", "content_hash"), _is_text),
    "n_bars": lambda value: type(value) is int and 0 <= value < 2**63,
    "bars_per_year": _is_rate,
    "quality": lambda value: type(value) in (int, float) and 0.0 <= value <= 1.0,
}


def decode(data: bytes, path: Place) -> pl.DataFrame:
    """The bars in the bytes of the file at `path`, columns and types as in `SCHEMA`, without nulls, and extra columns.

    Raises:
        DataError: not Parquet, or other columns or types.
    """
    try:
        lazy = pl.scan_parquet(io.BytesIO(data))
        extra = extra_names(lazy.collect_schema().names())
        frame = lazy.select(*COLUMNS, *extra).collect()
    except _UNREADABLE as error:
        raise _damaged(path, f"not readable as Parquet ({_first_line(error)})") from error
    if dict(frame.schema) != {**SCHEMA, **dict.fromkeys(extra, pl.Float64())}:
        raise _damaged(path, f"its columns are {dict(frame.schema)}")
    if any(frame[name].null_count() for name in frame.columns):
        raise _damaged(path, "values are missing")
    return frame


def _damaged(path: Place, why: str) -> DataError:
    return DataError(
        f"a shard must be a file that Studbook wrote, undamaged, but {path} is not: {why}; import it again."
    )


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0][:200]
