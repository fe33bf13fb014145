"""From one store of shards to another: between folders and object stores, each shard verified before and after.

A shard travels as the sealed bytes it is, so its content hash, and with it every journal that names it, stays true.
Each arrives whole or not at all; a copy that is cut off leaves a store in which every shard is the old one or the new
one, and may be run again.
"""

from collections.abc import Sequence
from dataclasses import replace

from fitness.object_store import Place, Root, place_of
from fitness.shard_file import ShardInfo, metadata_of, read_whole, shard_path
from fitness.shards import describe_shard, list_shards, put_shard
from strategies.errors import DataError

__all__ = ["copy_store"]


def copy_store(source: Root, target: Root, *, symbols: Sequence[str] = (), overwrite: bool = False) -> list[ShardInfo]:
    """Bring shards from one store to another.

    Each info is that of the shard at `target`; its `note` says what was done: `written`, `kept` (it was there, the
    same) or `replaced`.

    Args:
        source: folder or URL to read.
        target: folder or URL to write, made if missing (a bucket is not).
        symbols: those wanted; all if there is none.
        overwrite: replace shards of the same name that hold something else.

    Raises:
        DataError: no store at `source`, a symbol that it lacks, a damaged shard, or other bars under the same name at
            `target` without `overwrite`: then nothing was written. Or what arrived is not what was sent.
        ClusterError: an object store that does not answer or does not let us in.
    """
    start, end = place_of(source), place_of(target)
    wanted = _chosen(list_shards(start), start, symbols)
    notes = [_compared(info, describe_at(end, info)) for info in wanted]
    taken = [f"{info.symbol} {info.timeframe}" for info, note in zip(wanted, notes, strict=True) if note == "replaced"]
    if taken and not overwrite:
        raise DataError(
            f"a copy must not change shards that are there, but {end} holds other bars for {', '.join(taken)}; nothing "
            "was written. Say `--replace` if jobs that began with them are done, or copy to another place."
        )
    return [
        replace(describe_at(end, info) if note == "kept" else _copied(info, start, end), note=note)
        for info, note in zip(wanted, notes, strict=True)
    ]


def describe_at(root: Place, info: ShardInfo) -> ShardInfo:
    """What the store at `root` has under the name of `info`; a `problem` if there is nothing.

    Raises:
        ClusterError: an object store that does not answer or does not let us in.
    """
    return describe_shard(shard_path(root, info.symbol, info.timeframe))


def _chosen(infos: list[ShardInfo], root: Place, symbols: Sequence[str]) -> list[ShardInfo]:
    present = sorted({info.symbol for info in infos})
    missing = [symbol for symbol in symbols if symbol not in present]
    if missing or not infos:
        raise DataError(
            f"what is copied must be in the store, but {root} has no {', '.join(missing) or 'shard'}; "
            f"it has {', '.join(present) or 'nothing'}. Choose among these, or import it first."
        )
    wanted = [info for info in infos if not symbols or info.symbol in symbols]
    damaged = [info.problem for info in wanted if info.problem]
    if damaged:
        raise DataError(f"{len(damaged)} of {len(wanted)} shards can't be copied; nothing was written. {damaged[0]}")
    return wanted


def _compared(mine: ShardInfo, theirs: ShardInfo) -> str:
    if replace(theirs, path=mine.path) == mine:
        return "kept"
    return "replaced" if theirs.path.exists() else "written"


def _copied(info: ShardInfo, start: Place, end: Place) -> ShardInfo:
    """The shard at its new place, read back and found to be what was sent."""
    data = read_whole(info.path, start)
    metadata_of(data, info.path, info.symbol, info.timeframe)
    path = shard_path(end, info.symbol, info.timeframe)
    put_shard(path, data)
    found = read_whole(path, end)
    if found != data:
        raise DataError(
            f"a shard must arrive as it was sent, but {path} has {len(found):,} bytes that are not the {len(data):,} "
            f"bytes of {info.path}; someone else writes there, or the store is faulty. Copy again."
        )
    return metadata_of(found, path, info.symbol, info.timeframe)
