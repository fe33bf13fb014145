"""prices.parquet: what the report draws trades on. Each shard in some hundred steps of open, high, low and close.

A step never crosses from one stretch into the next, and its extremes are those of all its bars, so a thinned history
still reaches every price that was traded at. The lockbox is in it only where it was read.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from strategies.errors import StudbookError

if TYPE_CHECKING:
    from cluster.market import Market
    from cluster.view import JobView
    from fitness.folds import Split
    from fitness.shard import Shard

PRICES_FILE: Final = "prices.parquet"
MOST_STEPS: Final = 1200
"""Steps of a shard, at most, and one more for each stretch."""
COLUMNS: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "symbol": pl.String,
    "timeframe": pl.String,
    "content_hash": pl.String,
    "stretch": pl.String,
    "timestamp": pl.Datetime("us", "UTC"),
    "n_bars": pl.Int64,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
}


def write_prices(run_dir: Path, market: "Market", *, with_lockbox: bool) -> None:
    """Write prices.parquet of a job; the same bytes for the same market."""
    from cluster.births_file import parquet_bytes
    from fitness.files import atomic_write_bytes

    atomic_write_bytes(run_dir / PRICES_FILE, parquet_bytes(price_frame(market, with_lockbox=with_lockbox)))


def price_frame(market: "Market", *, with_lockbox: bool) -> pl.DataFrame:
    """Return the steps of every shard, one after the other; columns as in `COLUMNS`.

    `stretch` is in_sample, validation or lockbox; an embargo counts to the stretch before it. `timestamp` is when the
    first bar of a step opened, `n_bars` how many bars are in it.
    """
    frames = [
        _steps(shard, cut, with_lockbox=with_lockbox) for shard, cut in zip(market.shards, market.splits, strict=True)
    ]
    return pl.concat(frames)


def _steps(shard: "Shard", cut: "Split", *, with_lockbox: bool) -> pl.DataFrame:
    borders = [
        ("in_sample", cut.folds[0].start, cut.validation.start),
        ("validation", cut.validation.start, cut.lockbox.start if with_lockbox else cut.validation.stop),
        ("lockbox", cut.lockbox.start, cut.lockbox.stop if with_lockbox else cut.lockbox.start),
    ]
    width = max(1, -(-(borders[-1][2] - borders[0][1]) // MOST_STEPS))
    starts = np.concatenate([np.arange(start, stop, width) for _, start, stop in borders])
    stops = np.concatenate([np.minimum(np.arange(start, stop, width) + width, stop) for _, start, stop in borders])
    names = [name for name, start, stop in borders for _ in range(start, stop, width)]
    last = int(stops.max())
    return pl.DataFrame(
        {
            "symbol": [shard.symbol] * len(starts),
            "timeframe": [shard.timeframe] * len(starts),
            "content_hash": [shard.content_hash] * len(starts),
            "stretch": names,
            "timestamp": pl.Series(np.ascontiguousarray(shard.timestamps[starts])).cast(COLUMNS["timestamp"]),
            "n_bars": stops - starts,
            "open": shard.open[starts],
            "high": np.maximum.reduceat(shard.high[:last], starts),
            "low": np.minimum.reduceat(shard.low[:last], starts),
            "close": shard.close[stops - 1],
        },
        schema=COLUMNS,
    )


def prices_of(view: "JobView") -> tuple[pl.DataFrame | None, str]:
    """Return the prices of a job and where they come from, or None and why there are none, in a sentence.

    They are those of prices.parquet, else the same made from the job's store: both only where the bars have the hash
    that the journal has.
    """
    from cluster.market import stored_market

    written, why = _written(view)
    if written is not None or not view.shards:
        return written, why
    try:
        found = price_frame(stored_market(view.config), with_lockbox=bool(view.lockbox_reads))
    except (StudbookError, OSError) as error:
        return None, f"{why}, and the bars are not to be had from the store: {error}"
    if not _fit(found, view):
        return None, f"{why}, and the bars in the store have changed since the job began."
    return found, "The prices were read from the store of the job, whose bars have the hash that the journal has."


def _written(view: "JobView") -> tuple[pl.DataFrame | None, str]:
    try:
        frame = pl.read_parquet(view.run_dir / PRICES_FILE)
    except (OSError, pl.exceptions.PolarsError):
        return None, f"There is no {PRICES_FILE} in the run folder that can be read"
    if dict(frame.schema) != COLUMNS or not _fit(frame, view):
        return None, f"{PRICES_FILE} in the run folder is not of the bars of this job"
    return frame, ""


def _fit(frame: pl.DataFrame, view: "JobView") -> bool:
    """Whether these are the bars of the journal, shard by shard."""
    names = ("symbol", "timeframe", "content_hash")
    found = set(frame.select(names).unique().iter_rows())
    return found == {tuple(shard[name] for name in names) for shard in view.shards}
