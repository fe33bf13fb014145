"""Columns that the banks of one node share: one copy in shared memory instead of one in every process.

A bank finds what is there, computes what is missing by itself, and then puts it in. It waits for another bank while
that one looks or copies, never while it computes. Masks are made from the shared rows where they lie. What comes back
is the same to the bit as from columns of its own, and these are what a bank goes on with where nothing can be shared.
"""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.arena import NONE, Arena, ArenaStatistics, Index, claim_nb, find_nb, tag_nb
from fitness.column_store import (
    LEAST_COLUMNS,
    ColumnKey,
    ColumnStore,
    Compute,
    Float64,
    OwnColumns,
    computed_columns,
    put_column,
)
from fitness.conditions import (
    AT_AGAINST,
    AT_LEFT,
    AT_RIGHT,
    LEFT_WORD,
    OPERAND_KEY,
    RIGHT_WORD,
    SERIES_BITS,
    operands,
)
from fitness.masks import split_size
from fitness.placing import Units, fill_masks_nb
from fitness.shard import Shard
from fitness.shared_arena import N_SLOTS, Shape, SharedArena
from fitness.shared_locks import SHARED_MEMORY, shared_memory_works, sweep
from strategies.lookup import MAX_PARAMETERS

Integers = NDArray[np.int64]
Words = NDArray[np.uint64]

_AT_A_TIME_BYTES: Final = 16 * 2**20
"""Of columns that are computed before they are put in: others may want them."""
_AT_A_TIME: Final = 64
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


@dataclass(frozen=True)
class SharedColumns:
    """Where banks share columns, and with whom.

    Attributes:
        scope: only banks with the same scope share: the version of what computes columns, at least.
        byte_budget: most bytes of the columns of one shard on one node.
        keep_free: bytes of shared memory that are left to others.
        folder: in memory.
    """

    scope: str
    byte_budget: int
    keep_free: int = 256 * 2**20
    folder: Path = SHARED_MEMORY


class SharedColumnStore:
    """The columns of a bank among those of all banks of the same shard; as `ColumnStore`.

    Args:
        shared: where, and how many bytes.
        shard: the bars.
        units: of the bank.
        byte_budget: of columns of the bank's own, should sharing come to an end.

    Raises:
        OSError: nothing can be shared here.
    """

    def __init__(self, shared: SharedColumns, shard: Shard, units: Units, byte_budget: int) -> None:
        size = split_size(shard.n_bars)
        n_rows = max(LEAST_COLUMNS, shared.byte_budget // Shape(1, size, OPERAND_KEY).row_bytes)
        shape = Shape(n_rows, size, OPERAND_KEY)
        if not shared_memory_works():
            raise OSError("columns must be shared on Linux, in /dev/shm, but there is none.")
        self._arena: SharedArena | None = SharedArena(
            _name(shared.scope, shard), shape, shared.folder, shared.keep_free
        )
        self._lone = OwnColumns(shard.n_bars, units, 0)
        self._n_bars, self._units, self._byte_budget = shard.n_bars, units, byte_budget
        n_ahead = min(n_rows, _AT_A_TIME, max(LEAST_COLUMNS, _AT_A_TIME_BYTES // (8 * size)))
        self._missing = np.empty((n_ahead, OPERAND_KEY), dtype=np.uint64)
        self._key = np.empty(OPERAND_KEY, dtype=np.uint64)

    @property
    def waited_s(self) -> float:
        """Seconds spent waiting for other banks so far."""
        return 0.0 if self._arena is None else self._arena.waited_s

    def fill_masks(self, masks: Arena, wanted: Integers, words: tuple[int, int], compute: Compute) -> None:
        """See `ColumnStore.fill_masks`."""
        try:
            if self._arena is not None:
                return self._fill_masks(self._arena, masks, wanted, words, compute)
        except OSError:  # one that died spoilt the arena, or one that was stopped has it, and there is no other
            self.close()
            self._arena, self._lone = None, OwnColumns(self._n_bars, self._units, self._byte_budget)
        return self._lone.fill_masks(masks, wanted, words, compute)

    def _fill_masks(
        self, arena: SharedArena, masks: Arena, wanted: Integers, words: tuple[int, int], compute: Compute
    ) -> None:
        places, start = np.empty((wanted.size, 2), dtype=np.int64), 0
        try:
            while start < wanted.size:
                stop, index, computed = self._place(arena, masks.index, wanted, start, places, compute)
                if stop > start:
                    fill_masks_nb(
                        masks.index, index, operands(), wanted, places, start, stop,
                        arena.rows, self._units, self._n_bars, *words, masks.rows,
                    )  # fmt: skip
                else:  # others are using all the room there is
                    stop = start + 1
                    self._lone.fill_masks(masks, wanted[start:stop], words, _known_first(computed, compute))
                arena.end()
                start = stop
        finally:
            arena.end()

    def _place(
        self, arena: SharedArena, conditions: Index, wanted: Integers, start: int, places: Integers, compute: Compute
    ) -> tuple[int, Index, dict[ColumnKey, Float64 | None]]:
        """See that columns of the masks from `start` on are there; returns the first mask whose columns are not."""
        with arena.locked() as index:
            n = missing_operands_nb(index, conditions, wanted, start, self._missing, self._key)
            if n == 0:
                return find_operands_nb(index, conditions, wanted, start, places, self._key), index, {}
        arena.end()  # computing takes long, and all that is used meanwhile would have to stay
        keys = [tuple(key) for key in self._missing[:n].tolist()]
        computed = dict(computed_columns(keys, compute))
        with arena.locked() as index:
            for key, values in computed.items():
                self._put(arena, key, values)
            return find_operands_nb(index, conditions, wanted, start, places, self._key), index, computed

    def _put(self, arena: SharedArena, key: ColumnKey, values: Float64 | None) -> None:
        """Put a column in, if nobody else has and there is room."""
        words, index = np.array(key, dtype=np.uint64), arena.index
        tag = tag_nb(words)
        if find_nb(index, words, tag) != NONE:
            return
        row = claim_nb(index, words, tag)
        if row == NONE and arena.make_room():
            index = arena.index
            row = claim_nb(index, words, tag)
        if row != NONE:
            put_column(values, self._units, arena.rows[row])
            index.failed[row] = values is None

    def forget(self) -> None:
        """Trust nothing that is half made: that is never here."""
        self._lone.forget()

    def statistics(self) -> ArenaStatistics:
        """What all banks that share did so far."""
        return (self._lone if self._arena is None else self._arena).statistics()

    def close(self) -> None:
        """Let go of the shared memory."""
        if self._arena is not None:
            self._arena.close()


def column_store(shard: Shard, units: Units, byte_budget: int, shared: SharedColumns | None) -> ColumnStore:
    """The columns of a bank: shared if that is wanted and possible, else its own, of at most so many bytes."""
    if shared is not None:
        try:
            return SharedColumnStore(shared, shard, units, byte_budget)
        except OSError:
            pass
    return OwnColumns(shard.n_bars, units, byte_budget)


def sweep_shared_columns(folder: Path = SHARED_MEMORY) -> None:
    """Remove what banks that were killed have left in shared memory; arenas that a living bank holds stay."""
    if shared_memory_works():
        sweep(folder, N_SLOTS)


def _known_first(known: dict[ColumnKey, Float64 | None], compute: Compute) -> Compute:
    """As `compute`, for columns of which some are known already."""

    def look(key: ColumnKey) -> dict[ColumnKey, Float64]:
        values = known.get(key)
        return compute(key) if values is None else {key: values}

    return look


def _name(scope: str, shard: Shard) -> str:
    """What columns depend on: the bars, how many of them make a year, and what `scope` says."""
    digest = blake2b(digest_size=16)
    for part in (scope, shard.content_hash, shard.timeframe, shard.bars_per_year.hex(), str(shard.n_bars)):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


@_jit
def _read_operand_nb(condition: Words, side: int, key: Words) -> None:
    """The key of the left (0) or right (1) operand of a condition `(CONDITION_KEY,)`."""
    shift, first = (AT_LEFT, LEFT_WORD) if side == 0 else (AT_RIGHT, RIGHT_WORD)
    key[0] = np.uint64((np.int64(condition[0]) >> shift) & SERIES_BITS)
    for slot in range(MAX_PARAMETERS):
        key[1 + slot] = condition[first + slot]


@_jit
def _n_sides_nb(condition: Words) -> int:
    return int(2 - ((np.int64(condition[0]) >> AT_AGAINST) & 1))


@_jit
def missing_operands_nb(
    index: Index, conditions: Index, wanted: Integers, start: int, missing: Words, key: Words
) -> int:
    """The operands of the masks `wanted[start:]` that are not in the index, each once; returns how many.

    Those that are there carry the stamp of now. `missing (n, OPERAND_KEY)` is filled, as far as it goes; `key` is
    scratch.
    """
    n = 0
    for at in range(start, wanted.size):
        condition = conditions.keys[wanted[at]]
        for side in range(_n_sides_nb(condition)):
            _read_operand_nb(condition, side, key)
            if find_nb(index, key, tag_nb(key)) == NONE and not _is_among_nb(key, missing, n):
                if n == missing.shape[0]:
                    return n
                for word in range(key.size):
                    missing[n, word] = key[word]
                n += 1
    return n


@_jit
def _is_among_nb(key: Words, keys: Words, n: int) -> bool:
    for row in range(n):
        differ = np.uint64(0)
        for at in range(key.size):
            differ |= keys[row, at] ^ key[at]
        if differ == 0:
            return True
    return False


@_jit
def find_operands_nb(
    index: Index, conditions: Index, wanted: Integers, start: int, places: Integers, key: Words
) -> int:
    """Fill `places (n, 2)` from mask `start` on as `place_operands_nb`; returns the first mask that lacks a column."""
    for at in range(start, wanted.size):
        condition = conditions.keys[wanted[at]]
        places[at, 1] = NONE
        for side in range(_n_sides_nb(condition)):
            _read_operand_nb(condition, side, key)
            place = find_nb(index, key, tag_nb(key))
            if place == NONE:
                return at
            places[at, side] = place
    return wanted.size
