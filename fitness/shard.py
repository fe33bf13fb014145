"""A shard: bars of one symbol and timeframe as read-only arrays. What evaluates strategies needs no more of `fitness`.

How shards are stored and judged is in `shards.py`; this module is apart from it because a worker gets its shards from
another process, and is ready sooner without a data-frame library.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    import polars as pl

VALUES: Final = ("open", "high", "low", "close", "volume")
FORMAT: Final = "studbook.shard/1"


@dataclass(frozen=True, eq=False)
class Shard:
    """Bars of one symbol and timeframe, ready for the kernel.

    Attributes:
        symbol: its name.
        timeframe: such as `1d`.
        timestamps: (n_bars,) int64, bar-open times in microseconds UTC, strictly ascending.
        open, high, low, close, volume: (n_bars,) float64, C-contiguous, read-only, finite; prices positive.
        bars_per_year: for annual figures.
        content_hash: sha256 over symbol, timeframe and the values of all bars, however they are stored.
        quality: 0 to 1, see quality.py.
        extra: further columns (strategies/extra_columns.py) by name, sorted: (n_bars,) float64, C-contiguous,
            read-only, NaN where a value is missing.
    """

    symbol: str
    timeframe: str
    timestamps: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    bars_per_year: float
    content_hash: str
    quality: float
    extra: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("timestamps", *VALUES):
            object.__setattr__(
                self, name, _frozen(getattr(self, name), np.int64 if name == "timestamps" else np.float64)
            )
        extra = {name: _frozen(self.extra[name], np.float64) for name in sorted(self.extra)}
        object.__setattr__(self, "extra", MappingProxyType(extra))

    def __reduce__(self) -> tuple[type["Shard"], tuple[object, ...]]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return Shard, tuple({**values, "extra": dict(self.extra)}.values())

    @property
    def n_bars(self) -> int:
        """Number of bars."""
        return int(self.timestamps.size)

    def head(self, n_bars: int) -> "Shard":
        """The shard of the first `n_bars` bars, as views: the one that would be loaded if time had ended there."""
        if n_bars >= self.n_bars:
            return self
        values = {name: getattr(self, name)[:n_bars] for name in VALUES}
        extra = {name: column[:n_bars] for name, column in self.extra.items()}
        stamps = self.timestamps[:n_bars]
        found = bars_hash(self.symbol, self.timeframe, stamps, {**values, **extra})
        return replace(self, timestamps=stamps, **values, extra=extra, content_hash=found)

    def frame(self) -> "pl.DataFrame":
        """The bars as a frame, columns as in the store."""
        import polars as pl

        columns = {"timestamp": pl.Series(self.timestamps).cast(pl.Datetime("us", "UTC"))}
        return pl.DataFrame({**columns, **{name: getattr(self, name) for name in VALUES}, **self.extra})


def _frozen(values: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """A read-only view, C-contiguous; the array itself stays as it is."""
    frozen = np.ascontiguousarray(values, dtype=dtype).view()
    frozen.flags.writeable = False
    return frozen


def bars_hash(
    symbol: str, timeframe: str, timestamps: NDArray[np.int64], values: Mapping[str, NDArray[np.float64]]
) -> str:
    """Sha256 over the names and the little-endian values of all columns: equal for equal bars, however encoded.

    Args:
        symbol: of the bars.
        timeframe: likewise.
        timestamps: `(n_bars,)` microseconds UTC.
        values: `(n_bars,)` each of `VALUES`; -0.0 counts as 0.0. Further ones count by their names, sorted; there every
            NaN counts as the same.
    """
    digest = hashlib.sha256(f"{FORMAT}\n{symbol}\n{timeframe}\n{len(timestamps)}\n".encode())
    digest.update(timestamps.astype("<i8").tobytes())
    for name in VALUES:
        digest.update((values[name] + 0.0).astype("<f8").tobytes())  # + 0.0 makes -0.0 and 0.0 one
    for name in sorted(set(values) - set(VALUES)):
        column = values[name]
        digest.update(f"\n{name}\n".encode())
        digest.update(np.where(np.isnan(column), np.nan, column + 0.0).astype("<f8").tobytes())
    return digest.hexdigest()
