"""The feature bank of a shard: operand columns and condition masks, computed once and kept within a budget of bytes.

What it returns never depends on the budget, only how often it is computed again: a budget of 0 keeps nothing. The
least recently used entry is dropped first. A bank belongs to one thread.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from fitness.bits import n_words
from fitness.masks import condition_nb
from fitness.shards import Shard
from strategies.catalogue import CLOSE, PERCENT_OF_CLOSE, SOURCES, catalogue, kind_index, level_unit_of
from strategies.errors import DataError, UsageError
from strategies.genes import CONDITION_FIELDS, FIELD, STOP_ATR_PERIOD
from strategies.operands import column

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]
_Array = TypeVar("_Array", Float64, Words)

DEFAULT_BYTE_BUDGET: Final = 256 * 2**20
ENTRY_OVERHEAD: Final = 300
"""Bytes that an entry takes besides its numbers: array object, key, place in the order of use."""

_LEFT: Final = FIELD["left.kind"]
_RIGHT: Final = FIELD["right.kind"]
_NO_LEVEL_UNIT: Final = "ones"
_PERCENT_UNIT: Final = "close / 100"


@dataclass(frozen=True)
class BankStatistics:
    """What a bank did: entries found and not found, entries dropped, entries and bytes held now."""

    hits: int
    misses: int
    dropped: int
    n_entries: int
    n_bytes: int


class FeatureBank:
    """Columns and masks of one shard, by operand and by condition.

    Args:
        shard: the bars; may be read-only.
        byte_budget: most bytes to keep, 0 or more.

    Raises:
        DataError: bars that must not become fitness: unequal lengths, not finite, a price that is not positive.
        UsageError: the budget is negative.
    """

    def __init__(self, shard: Shard, byte_budget: int = DEFAULT_BYTE_BUDGET) -> None:
        if byte_budget < 0:
            raise UsageError(f"`byte_budget` must be 0 or more, but was {byte_budget}. 0 keeps nothing.")
        _check_bars(shard)
        self.shard = shard
        self.byte_budget = byte_budget
        self.n_bars = int(shard.close.size)
        self.n_words = n_words(self.n_bars)
        self._entries: OrderedDict[Hashable, Float64 | Words] = OrderedDict()
        self._n_bytes = self._hits = self._misses = self._dropped = 0

    def statistics(self) -> BankStatistics:
        """What the bank did so far."""
        return BankStatistics(self._hits, self._misses, self._dropped, len(self._entries), self._n_bytes)

    def column(self, kind: int, source: int, parameters: Sequence[float]) -> Float64:
        """The column `(n_bars,)` of an operand without lag, read-only, NaN in its warm-up.

        Args:
            kind: index in the catalogue.
            source: index in `SOURCES`; ignored by kinds that take none.
            parameters: values for the kind's parameters; further ones are ignored.

        Raises:
            StrategyError: no such kind or source, or too few parameters.
        """
        values = tuple(parameters)
        if 0 <= kind < len(catalogue()):
            entry = catalogue()[kind]
            source = source if entry.takes_source else CLOSE
            values = values[: len(entry.parameters)]
        return self._kept((kind, source, values), lambda: column(kind, source, values, self.shard))

    def atr(self) -> Float64:
        """The average true range `(n_bars,)` that stops are measured in."""
        return self.column(kind_index("ATR"), CLOSE, (float(STOP_ATR_PERIOD),))

    def mask(self, condition: Float64) -> Words:
        """Packed truth `(n_words,)` of one phenotype condition block `(n_fields,)`, read-only.

        Raises:
            StrategyError: as `column`.
        """
        return self._kept(condition.tobytes(), lambda: self._condition(condition))

    def masks(self, conditions: Float64) -> tuple[Words, NDArray[np.bool_]]:
        """Packed truth `(n, n_words)` of condition blocks `(n, n_fields)`, and which of them could be computed `(n,)`.

        A condition whose operand fails is all false and is said to be unsound: it spoils its strategy, not the others.
        """
        if conditions.ndim != 2 or conditions.shape[1] != len(CONDITION_FIELDS):
            raise UsageError(
                f"`conditions` must be (n, {len(CONDITION_FIELDS)}), but was {conditions.shape}. "
                "Take the columns of a block from `genes.BLOCK_COLUMNS`."
            )
        words = np.zeros((len(conditions), self.n_words), dtype=np.uint64)
        sound = np.ones(len(conditions), dtype=np.bool_)
        for row, condition in enumerate(conditions):
            try:
                words[row] = self.mask(condition)
            except (DataError, MemoryError):
                raise
            except Exception:  # noqa: BLE001 - whatever an operand's library raises, it is this strategy's fate alone
                sound[row] = False
        return words, sound

    def _condition(self, condition: Float64) -> Words:
        values = condition.tolist()
        x = self.column(*_operand(values, _LEFT))
        if values[FIELD["against"]]:
            unit = level_unit_of(int(values[_LEFT]), int(values[_LEFT + 1]))
            y, lag_y, factor = self._unit(unit), 0, values[FIELD["level"]]
        else:
            y, lag_y, factor = self.column(*_operand(values, _RIGHT)), int(values[_RIGHT + 5]), 1.0
        out = np.empty(self.n_words, dtype=np.uint64)
        lag_x, comparator = int(values[_LEFT + 5]), int(values[FIELD["comparator"]])
        condition_nb(x, lag_x, y, lag_y, factor, comparator, bool(values[FIELD["negate"]]), out)
        return out

    def _unit(self, unit: str) -> Float64:
        """The column `(n_bars,)` that a level is multiplied by."""
        if unit == PERCENT_OF_CLOSE:
            return self._kept(_PERCENT_UNIT, lambda: self.shard.close / 100.0)
        return self._kept(_NO_LEVEL_UNIT, lambda: np.ones(self.n_bars))

    def _kept(self, key: Hashable, compute: Callable[[], _Array]) -> _Array:
        """The entry of `key`, computed if it is not there; then the least recently used leave until it fits."""
        found = self._entries.get(key)
        if found is not None:
            self._hits += 1
            self._entries.move_to_end(key)
            return found  # type: ignore[return-value]
        self._misses += 1
        array = compute()
        array.flags.writeable = False
        self._entries[key] = array
        self._n_bytes += array.nbytes + ENTRY_OVERHEAD
        while self._n_bytes > self.byte_budget:
            _, dropped = self._entries.popitem(last=False)
            self._n_bytes -= dropped.nbytes + ENTRY_OVERHEAD
            self._dropped += 1
        return array


def _operand(values: list[float], first: int) -> tuple[int, int, list[float]]:
    """Kind, source and parameters of the operand that begins at field `first`."""
    return int(values[first]), int(values[first + 1]), values[first + 2 : first + 5]


def _check_bars(shard: Shard) -> None:
    where = f"{shard.symbol} {shard.timeframe}"
    n_bars = shard.timestamps.size
    for name in SOURCES:
        values = getattr(shard, name)
        if values.shape != (n_bars,):
            raise DataError(f"`{name}` of {where} must be ({n_bars},), but was {values.shape}. Import the bars again.")
        floor = 0.0 if name == "volume" else np.nextafter(0.0, 1.0)
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= floor)))
        if wrong.size:
            rule = "finite and not negative" if name == "volume" else "finite and positive"
            raise DataError(
                f"`{name}` of {where} must be {rule}, but was {values[wrong[0]]} at bar {wrong[0]} "
                f"({wrong.size} such bars). Run `studbook data check` and import the bars again."
            )
