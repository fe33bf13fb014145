"""An arena (arena.py) in a file of shared memory that processes of one node map: rows found by any are there for all.

All of an arena is plain numbers, so the file is its arrays one after the other behind a header. Who looks something up
or changes it holds the file's lock, which the kernel takes back from the dead. Work goes in batches here too: each
holder has a slot in the header with the stamp of its batch, and rows that carry the stamp of the oldest batch under
way, or a later one, stay where they are, so they are read without the lock. A slot counts while its owner is alive.

A word says that somebody is changing the arena. Who takes the lock and finds it set (its owner died in there) trusts
nothing of it: the file loses its name, a new one is begun, and those who still read rows of the old one let it go with
their next batch. The last one out removes the file; those of the dead go when the next arena is opened. Memory is
reserved before it is touched: a full /dev/shm makes an arena smaller, never a process die.
"""

import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.arena import ArenaStatistics, Count, Index, queue_before, row_bytes_of, statistics_of, table_size
from fitness.shared_locks import (
    give_back,
    is_taken,
    lock_file,
    open_own_file,
    remove_if_ours,
    sweep,
    take,
    unlock_file,
)

Words = NDArray[np.uint64]
Integers = NDArray[np.int64]

_PAGE: Final = 4096
_MAGIC: Final = 0x53_42_43_4F_4C_01
_GROW_BYTES: Final = 8 * 2**20
N_SLOTS: Final = 440
"""Holders of one arena at most; whoever comes later has columns of its own."""


class Head(IntEnum):
    """Words of the header; the stamps of the slots come behind."""

    MAGIC = 0
    """Set once the file is whole."""
    N_ROWS = 1
    ROW_SIZE = 2
    N_KEY = 3
    BUSY = 4
    """1 while somebody changes the arena."""
    GROWN = 5
    """Rows whose memory is reserved."""
    SLOTS = 8


@dataclass(frozen=True)
class Shape:
    """How large an arena of words may become: rows, words of a row, and words of a key."""

    n_rows: int
    row_size: int
    n_key: int

    @property
    def row_bytes(self) -> int:
        """What one row takes of a budget."""
        return row_bytes_of(self.n_key, self.row_size, np.uint64)

    def starts(self) -> dict[str, int]:
        """Where in the file each part begins, on pages of their own; `end` is its size."""
        sizes = {
            "head": _PAGE,
            "keys": self.n_rows * (self.n_key + 1) * 8,
            "tags": self.n_rows * 8,
            "failed": self.n_rows,
            "table": table_size(self.n_rows) * 8,
            "queue": self.n_rows * 8,
            "counts": len(Count) * 8,
            "rows": self.n_rows * self.row_size * 8,
            "end": 0,
        }
        starts, at = {}, 0
        for name, size in sizes.items():
            starts[name] = at
            at += -(-size // _PAGE) * _PAGE
        return starts


class SharedArena:
    """Rows `(n_rows, row_size)` of words and their index, shared by all that open an arena of this name and shape.

    Args:
        name: hexadecimal, of all that the rows depend on.
        shape: how large it may become.
        folder: where its file is, in memory.
        keep_free: bytes that are left free there for others.

    Raises:
        OSError: no room for the least of it, too many holders, a holder that does not let go of the lock, or a file
            that is not ours.

    Attributes:
        rows: `(n_rows, row_size)`; those of a batch of ours may be read at any time.
        waited_s: spent waiting for the lock so far.
    """

    def __init__(self, name: str, shape: Shape, folder: Path, keep_free: int) -> None:
        self._shape, self._folder, self._keep_free = shape, folder, keep_free
        self._name = f"{name}-{shape.n_rows}-{shape.row_size}-{shape.n_key}"
        self.waited_s = 0.0
        sweep(folder, N_SLOTS)
        self._open()

    @property
    def index(self) -> Index:
        """What compiled code takes, within the lock: no row whose memory is not reserved."""
        return self._index._replace(tags=self._index.tags[: self._head[Head.GROWN]])

    @contextmanager
    def locked(self) -> Iterator[Index]:
        """The index, which nobody else looks at meanwhile; our batch begins if none is under way.

        What ends this block by an exception leaves an arena that nobody will trust.
        """
        self._lock()
        try:
            self._head[Head.BUSY] = 1
            if self._stamps[self._slot] == 0:
                self._index.counts[Count.NOW] += 1
                self._stamps[self._slot] = self._index.counts[Count.NOW]
            yield self.index
            self._head[Head.BUSY] = 0
        finally:
            unlock_file(self._file)

    def end(self) -> None:
        """End our batch: its rows may go."""
        self._stamps[self._slot] = 0

    def make_room(self) -> bool:
        """Within the lock: reserve more rows, or else queue those that no batch uses; whether there are any."""
        return self._grow() or queue_before(self._index, self._oldest_batch())

    def statistics(self) -> ArenaStatistics:
        """What all holders did to the arena so far."""
        return statistics_of(self._index, self._shape.row_bytes)

    def close(self) -> None:
        """Let go of the arena; the last one out removes its file. Closing twice is nothing."""
        if self._file >= 0:
            with suppress(TimeoutError):  # then the next one to open an arena removes it
                lock_file(self._file)
                self._remove_if_last()
            self._let_go()

    def _remove_if_last(self) -> None:
        if not is_taken(self._file, 0, N_SLOTS):  # our own place does not count
            remove_if_ours(self._path, self._file)

    def _oldest_batch(self) -> int:
        """Stamp of the oldest batch under way; those of the dead are ended."""
        stamps = self._stamps.copy()  # others end their batches without the lock
        for slot in np.flatnonzero(stamps).tolist():
            if slot != self._slot and not is_taken(self._file, slot):
                self._stamps[slot] = stamps[slot] = 0
        return int(stamps[stamps > 0].min())

    def _grow(self) -> bool:
        """Reserve memory for more rows; whether there was any."""
        grown, row_bytes = int(self._head[Head.GROWN]), self._shape.row_size * 8
        n_more = min(self._shape.n_rows - grown, max(1, _GROW_BYTES // row_bytes))
        disk = os.statvfs(self._file)
        if n_more == 0 or disk.f_bavail * disk.f_frsize < n_more * row_bytes + self._keep_free:
            return False
        try:
            os.posix_fallocate(self._file, self._shape.starts()["rows"] + grown * row_bytes, n_more * row_bytes)
        except OSError:
            return False
        self._head[Head.GROWN] = grown + n_more
        return True

    def _lock(self) -> None:
        """Take the lock of an arena that can be trusted: ours, or a new one in its place."""
        began = time.perf_counter()
        lock_file(self._file)
        while self._head[Head.BUSY] or os.fstat(self._file).st_nlink == 0:
            remove_if_ours(self._path, self._file)
            self._let_go()
            self._open()
            lock_file(self._file)
        self.waited_s += time.perf_counter() - began

    def _open(self) -> None:
        starts = self._shape.starts()
        self._slot = -1
        self._path, self._file = open_own_file(self._folder, self._name)  # locked
        try:
            if os.fstat(self._file).st_size != starts["end"]:
                self._require_room(starts["end"])
                os.posix_fallocate(self._file, 0, starts["rows"])
                os.ftruncate(self._file, starts["end"])
            self._map(starts)
            self._begin()
            self._slot = self._take_slot()
            self._stamps[self._slot] = 0
        except BaseException:
            self._remove_if_last()
            self._let_go()
            raise
        unlock_file(self._file)

    def _require_room(self, n_bytes: int) -> None:
        """A file that can't become as large as it may is of less use than columns of one's own."""
        disk = os.statvfs(self._file)
        free = disk.f_bavail * disk.f_frsize
        if free < n_bytes + self._keep_free:
            raise OSError(
                f"shared memory must have {n_bytes + self._keep_free} bytes free for {self._path}, but had {free}; "
                "make it larger, or lower `cluster.bank_mib`."
            )

    def _take_slot(self) -> int:
        for slot in range(N_SLOTS):
            if take(self._file, slot):
                return slot
        raise OSError(f"an arena must have at most {N_SLOTS} holders, but {self._path} has more; take fewer workers.")

    def _map(self, starts: dict[str, int]) -> None:
        """The arrays of the file."""
        n_rows, memory = self._shape.n_rows, mmap.mmap(self._file, starts["end"])

        def words(name: str, *size: int) -> Words:
            return np.ndarray(size, np.uint64, buffer=memory, offset=starts[name])

        def integers(name: str, size: int) -> Integers:
            return np.ndarray(size, np.int64, buffer=memory, offset=starts[name])

        self._head = integers("head", _PAGE // 8)
        self._stamps = self._head[Head.SLOTS :][:N_SLOTS]
        self.rows = words("rows", n_rows, self._shape.row_size)
        self._index = Index(
            keys=words("keys", n_rows, self._shape.n_key + 1),
            tags=integers("tags", n_rows),
            failed=np.ndarray(n_rows, np.bool_, buffer=memory, offset=starts["failed"]),
            table=integers("table", table_size(n_rows)),
            queue=integers("queue", n_rows),
            counts=integers("counts", len(Count)),
        )

    def _begin(self) -> None:
        """Write the header of a file that has none; refuse one of another kind."""
        shape = [self._shape.n_rows, self._shape.row_size, self._shape.n_key]
        if self._head[Head.MAGIC] == 0:
            self._head[Head.N_ROWS : Head.N_KEY + 1] = shape
            self._head[Head.MAGIC] = _MAGIC
        elif self._head[: Head.N_KEY + 1].tolist() != [_MAGIC, *shape]:
            remove_if_ours(self._path, self._file)
            raise OSError(f"a shared arena must be of {shape}, but {self._path} is not; it has been removed.")

    def _let_go(self) -> None:
        """Close the file, and with it the lock and the slot; the memory goes with the last array."""
        empty = np.zeros(_PAGE // 8, dtype=np.int64)
        self._head, self._stamps = empty, empty[:N_SLOTS]
        file, self._file = self._file, -1
        give_back(file, self._slot)  # the mapping keeps the file open for as long as there is an array of it
        unlock_file(file)
        os.close(file)
