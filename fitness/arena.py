"""Rows found again by their key, kept within a budget of bytes: the least recently used one makes room.

All rows lie in one array. A key of a few words leads to its row by open addressing: a table of entries, each the tag (a
hash of the key) and the number of a row, searched from the place that the tag says until the key or a gap is met. What
finds rows is compiled, so that a whole population is looked up in one call; `Arena` owns the arrays.

Work goes in batches. Every row that a batch asks for carries the batch's stamp and stays until the next one begins.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import DTypeLike, NDArray

from fitness.bits import prefetch_nb

Words = NDArray[np.uint64]
Integers = NDArray[np.int64]

NONE: Final = -1
"""In place of a row: there is none."""
_ROW_BITS: Final = 32
_ROW: Final = (1 << _ROW_BITS) - 1
_CACHE_LINE: Final = 64
_BYTES_PER_ROW: Final = 64
"""Tag, stamp, place in the queue and in the table; the key comes on top."""

_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)  # no array is made: no references are counted


class Count(IntEnum):
    """Places in `Index.counts`."""

    NOW = 0
    """Stamp of the batch."""
    USED = 1
    """Rows used so far; those beyond have never been."""
    QUEUE_AT = 2
    """Place of the next row in the queue."""
    QUEUE_END = 3
    QUEUE_STAMP = 4
    """Rows that have a stamp as high as this were used after the queue was made."""
    FOUND = 5
    MADE = 6
    DROPPED = 7


class Index(NamedTuple):
    """The arrays by which compiled code finds rows.

    Attributes:
        keys: `(n_rows, n_key + 1)` the key and, in the same cache line, the stamp of the batch that used it last.
        tags: `(n_rows,)` of the keys.
        failed: `(n_rows,)`: what the row should hold can't be computed.
        table: `(n_slots,)` a power of two: `tag << 32 | row + 1`, 0 for a gap; at most half full.
        queue: `(n_rows,)` rows in the order in which they make room.
        counts: see `Count`.
    """

    keys: Words
    tags: Integers
    failed: NDArray[np.bool_]
    table: Integers
    queue: Integers
    counts: Integers


def _odd_numbers(n: int) -> Words:
    """The first `n` outputs of splitmix64 (Steele, Lea, Flood 2014), made odd."""
    mask, state, out = (1 << 64) - 1, 0, []
    for _ in range(n):
        state = (state + 0x9E3779B97F4A7C15) & mask
        word = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & mask
        out.append(word ^ (word >> 31) | 1)
    return np.array(out, dtype=np.uint64)


_ODD: Final = _odd_numbers(8)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_HALF = np.uint64(32)
_TAG_SHIFT = np.uint64(33)


@_jit
def tag_nb(key: Words) -> int:
    """A hash of the key `(n_key,)`, of at most 8 words, in `[0, 2**31)`.

    Doubles that are small whole numbers differ in their high bits only, so these are folded into the low ones.
    """
    total = np.uint64(0)
    for at in range(key.size):
        total += (key[at] ^ (key[at] >> _HALF)) * _ODD[at]
    return int(((total ^ (total >> _HALF)) * _MIX) >> _TAG_SHIFT)


@_jit
def fetch_slot_nb(index: Index, tag: int) -> None:
    """Ask for the place in the table where a search begins, while other keys are read."""
    prefetch_nb(index.table, tag & (index.table.size - 1))


@_jit
def fetch_key_nb(index: Index, tag: int) -> None:
    """Ask for the key that a search will compare with, if the place in the table is not empty."""
    entry = index.table[tag & (index.table.size - 1)]
    if entry != 0:
        prefetch_nb(index.keys[(entry & _ROW) - 1], 0)


@_jit
def find_nb(index: Index, key: Words, tag: int) -> int:
    """The row of `key (n_key,)`, whose tag this is, or `NONE`. It is stamped, so it stays where it is in this batch."""
    last = index.table.size - 1
    slot = tag & last
    while index.table[slot] != 0:
        entry = index.table[slot]
        if entry >> _ROW_BITS == tag:
            row = (entry & _ROW) - 1
            differ = np.uint64(0)
            for at in range(key.size):
                differ |= index.keys[row, at] ^ key[at]
            if differ == 0:
                index.keys[row, key.size] = np.uint64(index.counts[Count.NOW])
                index.counts[Count.FOUND] += 1
                return row
        slot = (slot + 1) & last
    return NONE


@_jit
def claim_nb(index: Index, key: Words, tag: int) -> int:
    """A row for a `key (n_key,)` that has none, to be filled by the caller; `NONE` if this batch uses all of them.

    It is stamped, and marked as not failed.
    """
    row = _room_nb(index)
    if row != NONE:
        for at in range(key.size):
            index.keys[row, at] = key[at]
        index.keys[row, key.size] = np.uint64(index.counts[Count.NOW])
        index.tags[row] = tag
        index.failed[row] = False
        index.counts[Count.MADE] += 1
        _insert_nb(index.table, row, tag)
    return row


@_jit
def _insert_nb(table: Integers, row: int, tag: int) -> None:
    slot = tag & (table.size - 1)
    while table[slot] != 0:
        slot = (slot + 1) & (table.size - 1)
    table[slot] = (tag << _ROW_BITS) | (row + 1)


@_jit
def _room_nb(index: Index) -> int:
    """A row that nothing needs: one never used, or the next in the queue that no batch has used since it was made."""
    counts = index.counts
    if counts[Count.USED] < index.tags.size:
        counts[Count.USED] += 1
        return counts[Count.USED] - 1
    while counts[Count.QUEUE_AT] < counts[Count.QUEUE_END]:
        row = index.queue[counts[Count.QUEUE_AT]]
        counts[Count.QUEUE_AT] += 1
        if index.keys[row, index.keys.shape[1] - 1] < np.uint64(counts[Count.QUEUE_STAMP]):
            _remove_nb(index.table, row, index.tags[row])
            counts[Count.DROPPED] += 1
            return row
    return NONE


@_jit
def _remove_nb(table: Integers, row: int, tag: int) -> None:
    """Take an entry out; those after it that would no longer be found move up (Knuth, vol. 3, 6.4, algorithm R)."""
    last = table.size - 1
    gap = tag & last
    while table[gap] & _ROW != row + 1:
        gap = (gap + 1) & last
    slot = gap
    while True:
        slot = (slot + 1) & last
        entry = table[slot]
        if entry == 0:
            break
        home = (entry >> _ROW_BITS) & last
        if (slot - home) & last >= (slot - gap) & last:
            table[gap] = entry
            gap = slot
    table[gap] = 0


@dataclass(frozen=True)
class ArenaStatistics:
    """What an arena did: keys found and not found, rows dropped to make room, rows and bytes held now."""

    found: int
    made: int
    dropped: int
    n_rows: int
    n_bytes: int


class Arena:
    """Rows `(n_rows, row_size)` within a budget, and the index that finds them.

    The arrays are as large as the budget from the start, but what no row has touched takes no memory.

    Args:
        n_key: words of a key, at most 8.
        row_size: numbers in a row.
        dtype: of the rows.
        byte_budget: most bytes to keep, index included.
        at_least: rows that one batch must be able to hold, whatever the budget.

    Attributes:
        rows: `(n_rows, row_size)`.
        index: what compiled code takes.
        row_bytes: what one row takes of the budget.
    """

    def __init__(self, *, n_key: int, row_size: int, dtype: DTypeLike, byte_budget: int, at_least: int) -> None:
        assert n_key <= _ODD.size
        self.row_bytes = row_bytes_of(n_key, row_size, dtype)
        n_rows = max(at_least, byte_budget // self.row_bytes)
        self.rows = _aligned((n_rows, row_size), np.dtype(dtype))
        self.index = Index(
            keys=_aligned((n_rows, n_key + 1), np.dtype(np.uint64)),
            tags=np.empty(n_rows, dtype=np.int64),
            failed=np.empty(n_rows, dtype=np.bool_),
            table=np.zeros(table_size(n_rows), dtype=np.int64),
            queue=np.empty(n_rows, dtype=np.int64),
            counts=np.zeros(len(Count), dtype=np.int64),
        )

    def begin(self) -> None:
        """Begin a batch: rows that it does not ask for may go."""
        self.index.counts[Count.NOW] += 1

    def queue_up(self) -> bool:
        """Queue the rows that this batch does not use, the least recently used first; whether there are any."""
        return queue_before(self.index, int(self.index.counts[Count.NOW]))

    def forget(self) -> None:
        """Drop all rows."""
        counts = self.index.counts
        counts[Count.DROPPED] += counts[Count.USED]
        counts[[Count.USED, Count.QUEUE_AT, Count.QUEUE_END]] = 0
        self.index.table[:] = 0

    def statistics(self) -> ArenaStatistics:
        """What the arena did so far."""
        return statistics_of(self.index, self.row_bytes)


def queue_before(index: Index, stamp: int) -> bool:
    """Queue the rows last used before the batch of this stamp, the least recently used first; whether there are any."""
    counts, n_used = index.counts, int(index.counts[Count.USED])
    stamps = index.keys[:n_used, -1].astype(np.int64)
    order = np.argsort(stamps, kind="stable")
    n_free = int(np.count_nonzero(stamps < stamp))
    index.queue[:n_free] = order[:n_free]
    counts[[Count.QUEUE_AT, Count.QUEUE_END, Count.QUEUE_STAMP]] = 0, n_free, stamp
    return n_free > 0


def statistics_of(index: Index, row_bytes: int) -> ArenaStatistics:
    """What the arena of this index, whose rows take so many bytes, did so far."""
    found, made, dropped, n_rows = (
        int(index.counts[at]) for at in (Count.FOUND, Count.MADE, Count.DROPPED, Count.USED)
    )
    return ArenaStatistics(found, made, dropped, n_rows, n_rows * row_bytes)


def row_bytes_of(n_key: int, row_size: int, dtype: DTypeLike) -> int:
    """Bytes of a budget that one row takes, index included."""
    return row_size * np.dtype(dtype).itemsize + n_key * 8 + _BYTES_PER_ROW


def table_size(n_rows: int) -> int:
    """Entries in the table of an index of so many rows."""
    return 1 << (2 * n_rows - 1).bit_length()


def _aligned(shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array that begins at a cache line: a vector that lies across two of them is read at half the speed."""
    n_bytes = shape[0] * shape[1] * dtype.itemsize
    store = np.empty(n_bytes + _CACHE_LINE, dtype=np.uint8)
    start = -store.ctypes.data % _CACHE_LINE
    return store[start : start + n_bytes].view(dtype).reshape(shape)
