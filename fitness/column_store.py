"""Masks from columns: where a bank keeps its columns, computed when they are asked for. This one is the bank's own.

A store is asked to fill masks and computes the columns that it lacks, a few masks at a time if it has no room for more:
two columns, the sides of one condition, are the least it keeps. shared_columns.py has a store that banks share.
"""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from fitness.arena import Arena, ArenaStatistics
from fitness.conditions import OPERAND_KEY, operands
from fitness.masks import split_nb, split_size
from fitness.placing import Units, fill_masks_nb, place_operands_nb
from strategies.errors import DataError

Float64 = NDArray[np.float64]
Integers = NDArray[np.int64]
ColumnKey = tuple[int, ...]
"""The `OPERAND_KEY` words that a column is found by."""
Compute = Callable[[ColumnKey], dict[ColumnKey, Float64]]
"""A key to its column `(n_bars,)` and those that come with it, by key."""
Computed = dict[ColumnKey, Float64 | None]
"""Columns by key; None of one that can't be computed."""

LEAST_COLUMNS: Final = 2


class ColumnStore(Protocol):
    """Where columns are kept."""

    def fill_masks(self, masks: Arena, wanted: Integers, words: tuple[int, int], compute: Compute) -> None:
        """Fill the rows `wanted (n,)` of `masks` within these words; those that can't be computed are marked failed.

        Raises:
            DataError: the bars can't be computed with.
            MemoryError: there is none left.
        """

    def forget(self) -> None:
        """Trust nothing that is half made."""

    def statistics(self) -> ArenaStatistics:
        """What the store did so far."""

    def close(self) -> None:
        """Let go of what is not the bank's own."""


class OwnColumns:
    """Columns that belong to one bank.

    Args:
        n_bars: of the shard.
        units: its units, which are scratch too.
        byte_budget: most bytes to keep, but for the least.
    """

    def __init__(self, n_bars: int, units: Units, byte_budget: int) -> None:
        self._n_bars, self._units = n_bars, units
        self._arena = Arena(
            n_key=OPERAND_KEY,
            row_size=split_size(n_bars),
            dtype=np.uint64,
            byte_budget=byte_budget,
            at_least=LEAST_COLUMNS,
        )

    def fill_masks(self, masks: Arena, wanted: Integers, words: tuple[int, int], compute: Compute) -> None:
        """See `ColumnStore.fill_masks`."""
        places = np.empty((wanted.size, 2), dtype=np.int64)
        new = np.empty(min(places.size, len(self._arena.rows)), dtype=np.int64)
        key = np.empty(OPERAND_KEY, dtype=np.uint64)
        index, start = self._arena.index, 0
        while start < wanted.size:
            self._arena.begin()
            stop, n_new = start, 0
            while stop < wanted.size:
                stop, n_new = place_operands_nb(index, masks.index, wanted, stop, places, new, n_new, key)
                if stop < wanted.size and not self._arena.queue_up():
                    break
            self._fill(new[:n_new], compute)
            fill_masks_nb(
                masks.index, index, operands(), wanted, places, start, stop,
                self._arena.rows, self._units, self._n_bars, *words, masks.rows,
            )  # fmt: skip
            start = stop

    def _fill(self, wanted: Integers, compute: Compute) -> None:
        """Compute the columns of these rows; a column's outputs in other rows come with it."""
        index = self._arena.index
        missing: dict[ColumnKey, list[int]] = {}
        for row, key in zip(wanted.tolist(), index.keys[wanted, :OPERAND_KEY].tolist(), strict=True):
            missing.setdefault(tuple(key), []).append(row)
        for key, values in computed_columns(missing, compute):
            for row in missing[key]:
                put_column(values, self._units, self._arena.rows[row])
                index.failed[row] = values is None

    def forget(self) -> None:
        """See `ColumnStore.forget`."""
        self._arena.forget()

    def statistics(self) -> ArenaStatistics:
        """See `ColumnStore.statistics`."""
        return self._arena.statistics()

    def close(self) -> None:
        """Nothing here is anybody else's."""


def computed_columns(keys: Iterable[ColumnKey], compute: Compute) -> Iterable[tuple[ColumnKey, Float64 | None]]:
    """Each of the keys with its column, None if that can't be computed: what its library raises is its own fate."""
    missing = dict.fromkeys(keys)
    while missing:
        key = next(iter(missing))
        found: Computed
        try:
            found = {**compute(key)}
        except (DataError, MemoryError):
            raise
        except Exception:  # noqa: BLE001
            found = {key: None}
        for other, values in found.items():
            if other in missing:
                del missing[other]
                yield other, values


def put_column(values: Float64 | None, units: Units, row: NDArray[np.uint64]) -> None:
    """Fill a split row with a column `(n_bars,)`; with nothing where there is none."""
    if values is None:
        row[:] = np.uint64(0)  # no bar has a value
    else:
        split_nb(values, 1.0, units.tail, row)
