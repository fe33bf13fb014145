"""One time axis for all shards of a job: what is the future on one of them is the future on all.

Markets move together. If every shard were cut by its own bars, evolution could learn from the S&P 500 of 2012 what the
lockbox of a stock asks of 2012. So the axis of all timestamps is cut once (folds.py), and each shard gets the bars of
its own that lie in each stretch of time. A shard that begins late has fewer folds; one that has no bars in the
validation stretch or the lockbox is refused.
"""

import datetime as dt
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fitness.folds import MINIMUM_BARS, Split, Window, split
from fitness.shard import Shard
from strategies.errors import DataError


def split_together(
    shards: Sequence[Shard], *, folds: int, validation: float, lockbox: float, embargo: int, warm_up: int
) -> tuple[Split, ...]:
    """Return how each shard is cut, all at the same instants.

    Args:
        shards: one or more; a single one is cut exactly as `folds.split` cuts it.
        folds: number of walk-forward folds on the common axis; a shard lacks those in which it has too few bars.
        validation: share of the common axis after the warm-up.
        lockbox: likewise.
        embargo: bars between neighbouring windows, on the axis and on each shard.
        warm_up: bars before the first window, on the axis and on each shard.

    Raises:
        ConfigError: a setting that no bars could satisfy.
        DataError: too few bars in all, or a shard without a fold, a validation stretch or a lockbox of 60 bars.
    """
    axis = np.unique(np.concatenate([shard.timestamps for shard in shards]))
    name = _name(shards[0]) if len(shards) == 1 else f"the common axis of {len(shards)} shards"
    common = split(
        len(axis), folds=folds, validation=validation, lockbox=lockbox, embargo=embargo, warm_up=warm_up, shard=name
    )
    return tuple(_split_of(shard, axis, common, embargo=embargo, warm_up=warm_up) for shard in shards)


def _split_of(shard: Shard, axis: NDArray[np.int64], common: Split, *, embargo: int, warm_up: int) -> Split:
    """Return the windows of one shard that fall into the windows of the common axis."""
    found: dict[str, Window] = {}
    earliest = warm_up
    for window in (*common.folds, common.validation, common.lockbox):
        start = max(int(np.searchsorted(shard.timestamps, axis[window.start], side="left")), earliest)
        stop = int(np.searchsorted(shard.timestamps, axis[window.stop - 1], side="right"))
        if stop - start >= MINIMUM_BARS:
            found[window.name] = Window(window.name, start, stop)
            earliest = stop + embargo
    for window in (common.validation, common.lockbox):
        if window.name not in found:
            raise DataError(_too_few(shard, axis, window, f"the {window.name}"))
    kept = tuple(found[window.name] for window in common.folds if window.name in found)
    if not kept:
        everything = Window("folds", common.folds[0].start, common.folds[-1].stop)
        raise DataError(_too_few(shard, axis, everything, "any fold"))
    return Split(kept, found[common.validation.name], found[common.lockbox.name])


def _too_few(shard: Shard, axis: NDArray[np.int64], window: Window, what: str) -> str:
    first, last = _day(axis[window.start]), _day(axis[window.stop - 1])
    own = f"{_day(shard.timestamps[0])} to {_day(shard.timestamps[-1])}"
    return (
        f"every shard needs at least {MINIMUM_BARS} bars in the same stretches of time, but {_name(shard)} has fewer "
        f"in {what} ({first} to {last}): its own bars run from {own}. Set `data.start` and `data.end` so that the "
        "shards overlap, or leave this shard out."
    )


def _name(shard: Shard) -> str:
    return f"{shard.symbol} {shard.timeframe}"


def _day(microseconds: np.int64) -> str:
    return dt.datetime.fromtimestamp(int(microseconds) / 1e6, tz=dt.UTC).date().isoformat()
