"""The feature bank of a shard: operand columns and condition masks, computed once and kept within a budget of bytes.

Both lie in arenas (arena.py) and are found by compiled code for a whole population at once; Python is called for the
columns that are missing, and for nothing else. What comes back never depends on the budget, only how often it is
computed again: the least a bank keeps is what one strategy needs at the same time. A bank belongs to one thread, and
may share its columns with banks of other processes (shared_columns.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fitness.arena import Arena, ArenaStatistics
from fitness.bits import n_words
from fitness.column_store import ColumnKey
from fitness.conditions import (
    AT_TIMEFRAME,
    CONDITION,
    CONDITION_KEY,
    PAIR_BITS,
    STRATEGY,
    UNREADABLE,
    Layout,
    n_places,
    operands,
)
from fitness.costs import Costs
from fitness.kernel_bars import KernelBars, kernel_bars
from fitness.learning import Digest, Learning, learner_digests
from fitness.placing import place_conditions_nb, units_of, waiting_room
from fitness.shard import Shard
from fitness.shared_columns import SharedColumns, column_store
from fitness.sizing import inverse_volatility
from strategies.catalogue import CLOSE, SOURCES, kind_index
from strategies.errors import DataError, UsageError
from strategies.genes import COLUMN, CONDITION_FIELDS, SIZE_KINDS, STOP_ATR_PERIOD
from strategies.higher_bars import HigherBars, higher_bars
from strategies.lookup import N_SOURCES
from strategies.operands import column, columns_of

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]
Integers = NDArray[np.int64]

DEFAULT_BYTE_BUDGET: Final = 256 * 2**20
MASK_SHARE: Final = 0.125
"""Of the budget. A mask takes a 64th of a column's bytes, and saves looking at two of them."""
LEARNED_SHARE: Final = 0.25
"""Of the budget, for what learners said, which takes ten times as long as a column, and what they learn from. Columns
get the rest."""
_NO_LEARNERS: Final = np.zeros((0, 0, 2), dtype=np.uint64)
_SIZE_KIND = COLUMN["risk.size_kind"]
_BY_VOLATILITY, _BY_CONFIDENCE = SIZE_KINDS.index("volatility"), SIZE_KINDS.index("confidence")


@dataclass(frozen=True)
class BankStatistics:
    """What a bank did."""

    columns: ArenaStatistics
    masks: ArenaStatistics
    learned_bytes: int

    @property
    def n_bytes(self) -> int:
        """Bytes held now."""
        return self.columns.n_bytes + self.masks.n_bytes + self.learned_bytes


class Placed(NamedTuple):
    """The masks of the strategies `start` to `stop` of a population, valid until the next ones are asked for.

    Attributes:
        places: `(n, 2, n_places)` of the whole population: row of the mask of each condition, gate and vote, `NONE`
            where there is none, `UNREADABLE` where it is no condition; as written, and mirrored for strategies that
            trade both ways. Of the score of a learner that votes there are always both.
        start: first row of the population.
        stop: first row after it.
        masks: packed `(n_masks, n_words)`, read-only; undefined outside of the words that were asked for.
        failed: `(n_masks,)` where an operand could not be computed.
    """

    places: Integers
    start: int
    stop: int
    masks: Words
    failed: NDArray[np.bool_]


class FeatureBank:
    """Columns and masks of one shard, by operand and by condition.

    Args:
        shard: the bars; may be read-only.
        byte_budget: most bytes to keep, 0 or more; whatever it is, a bank keeps what one strategy needs. Address space
            is taken for all of it at once, memory as it is used.
        prepared: the shard's bars under some costs, made elsewhere, so that workers can share one copy.
        shared: where columns are shared with other banks of this shard on this node, under a budget of their own; where
            that can't be, and by default, the bank has its own.

    Raises:
        DataError: bars that must not become fitness: unequal lengths, not finite, a price that is not positive.
        UsageError: the budget is negative.
    """

    def __init__(
        self,
        shard: Shard,
        byte_budget: int = DEFAULT_BYTE_BUDGET,
        prepared: tuple[Costs, KernelBars] | None = None,
        shared: SharedColumns | None = None,
    ) -> None:
        if byte_budget < 0:
            raise UsageError(f"`byte_budget` must be 0 or more, but was {byte_budget}. 0 keeps next to nothing.")
        _check_bars(shard)
        self.shard = shard
        self.byte_budget = byte_budget
        self.n_bars = int(shard.close.size)
        self.n_words = n_words(self.n_bars)
        for_masks, for_learners = int(MASK_SHARE * byte_budget), int(LEARNED_SHARE * byte_budget)
        self._masks = Arena(
            n_key=CONDITION_KEY,
            row_size=self.n_words,
            dtype=np.uint64,
            byte_budget=for_masks,
            at_least=2 * n_places(STRATEGY),
        )
        self._units = units_of(shard.close)
        self.column_store = column_store(shard, self._units, byte_budget - for_masks - for_learners, shared)
        self._learning = Learning(shard, self._feature, for_learners)
        self._higher: dict[int, HigherBars] = {}
        self._words = (0, 0)
        self._atr: Float64 | None = None
        self._inverse_volatility: Float64 | None = None
        self._prepared = prepared

    def statistics(self) -> BankStatistics:
        """What the bank did so far. What it always keeps, ATR and bars as the kernel reads them, is not counted."""
        return BankStatistics(self.column_store.statistics(), self._masks.statistics(), self._learning.n_bytes)

    def close(self) -> None:
        """Let go of shared memory; a bank without any, or one that is forgotten, need not be closed."""
        self.column_store.close()

    def atr(self) -> Float64:
        """The average true range `(n_bars,)` that stops are measured in, read-only."""
        if self._atr is None:
            self._atr = column(kind_index("ATR"), CLOSE, (float(STOP_ATR_PERIOD),), self.shard)
            self._atr.flags.writeable = False
        return self._atr

    def kernel_bars(self, costs: Costs) -> KernelBars:
        """The bars as the kernel reads them, under `costs`; those of the last costs are kept."""
        if self._prepared is None or self._prepared[0] != costs:
            self._prepared = costs, kernel_bars(self.shard, self.atr(), costs)
        return self._prepared[1]

    def scales(self, phenotypes: Float64) -> tuple[Float64, Integers]:
        """What sizes by volatility and by confidence are multiplied with at each bar.

        Args:
            phenotypes: `(n, N_GENES)`.

        Returns:
            `(n_rows, n_bars)`, and of each strategy the row that it uses `(n,)`, -1 where it uses none. A row is NaN
            where there is no value, and everywhere where a learner can't be computed.
        """
        kinds = phenotypes[:, _SIZE_KIND]
        used = np.full(len(phenotypes), -1, dtype=np.int64)
        rows: list[Float64] = []
        if (kinds == _BY_VOLATILITY).any():
            if self._inverse_volatility is None:
                self._inverse_volatility = inverse_volatility(self.shard.close, self.shard.bars_per_year)
            used[kinds == _BY_VOLATILITY] = len(rows)
            rows.append(self._inverse_volatility)
        for i in np.flatnonzero(kinds == _BY_CONFIDENCE):
            used[i] = len(rows)
            rows.append(self._confidence(phenotypes[i]))
        if len(rows) == 1:
            return rows[0][np.newaxis], used  # no copy
        return (np.stack(rows) if rows else np.empty((0, self.n_bars))), used

    def _confidence(self, phenotype: Float64) -> Float64:
        """How sure the learners of a strategy are, `(n_bars,)`."""
        try:
            return self._learning.confidence(phenotype)
        except (DataError, MemoryError):
            raise
        except Exception:  # noqa: BLE001 - its votes fail as well, and with them the strategy
            return np.full(self.n_bars, np.nan)

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
        sound: NDArray[np.bool_] = np.ones(len(conditions), dtype=np.bool_)
        for part in self.placed(conditions, layout=CONDITION):
            places = part.places[part.start : part.stop, 0, 0]
            words[part.start : part.stop] = np.where((places >= 0)[:, None], part.masks[places], np.uint64(0))
            sound[part.start : part.stop] = (places != UNREADABLE) & ((places < 0) | ~part.failed[places])
        return words, sound

    def placed(
        self, rows: Float64, words: tuple[int, int] | None = None, layout: Layout = STRATEGY
    ) -> Iterator[Placed]:
        """The masks of a population, as many strategies at a time as the budget has room for.

        Args:
            rows: canonical phenotypes `(n, N_GENES)`, or what `layout` describes.
            words: the first word of the masks that matters, and the first after it that does not; all by default.
            layout: where the conditions of a row are.

        Raises:
            DataError: the bars can't be computed with. What else an operand raises makes its conditions `failed`.
        """
        rows = frozen(rows, np.float64)
        values = rows.view(np.uint64)
        self._widen(words or (0, self.n_words))
        digests, learners = learner_digests(rows) if layout.learners.size else (_NO_LEARNERS, {})
        places = np.empty((len(rows), 2, n_places(layout)), dtype=np.int64)
        new, waiting = np.empty(min(places.size, len(self._masks.rows)), dtype=np.int64), waiting_room()
        start = 0
        while start < len(rows):
            self._masks.begin()
            stop, n_new = start, 0
            try:
                while stop < len(rows):
                    index = self._masks.index
                    stop, n_new = place_conditions_nb(
                        index, operands(), layout, rows, values, digests, stop, places, new, n_new, waiting
                    )
                    if stop < len(rows) and not self._masks.queue_up():
                        break
                self.column_store.fill_masks(self._masks, new[:n_new], self._words, partial(self._columns_of, learners))
            except BaseException:  # there are rows that have been given out and not filled
                self._masks.forget()
                self.column_store.forget()
                raise
            yield Placed(places, start, stop, frozen(self._masks.rows), self._masks.index.failed)
            start = stop

    def _widen(self, words: tuple[int, int]) -> None:
        """Keep these words of every mask from now on: masks that have too few of them are forgotten."""
        first, stop = self._words
        if first <= words[0] and words[1] <= stop:
            return
        self._words = (min(first, words[0]), max(stop, words[1])) if stop > first else words
        self._masks.forget()

    def _columns_of(self, learners: Mapping[Digest, Float64], key: ColumnKey) -> dict[ColumnKey, Float64]:
        """The column of a key, and those that come with it, by key."""
        series, *words = key
        kind, source = divmod(series & PAIR_BITS, N_SOURCES)
        above = series ^ (series & PAIR_BITS)
        if operands().learns[series & PAIR_BITS]:
            said = self._learning.said((words[0], words[1]), learners[words[0], words[1]])
            return {(operands().score, *words): said.score, (operands().confidence, *words): said.confidence}
        parameters = np.array(words, dtype=np.uint64).view(np.float64).tolist()
        columns = columns_of(kind, source, parameters, self._bars(series >> AT_TIMEFRAME))
        return {(above | (other * N_SOURCES + source), *words): values for other, values in columns.items()}

    def _feature(self, kind: int, source: int, parameters: tuple[float, ...], timeframe: int) -> Float64:
        return column(kind, source, parameters, self._bars(timeframe))

    def _bars(self, timeframe: int) -> Shard | HigherBars:
        """The shard, or its bars on a higher timeframe."""
        if timeframe == 0:
            return self.shard
        if timeframe not in self._higher:
            self._higher[timeframe] = higher_bars(self.shard, timeframe)
        return self._higher[timeframe]


def frozen(array: NDArray[Any], dtype: DTypeLike | None = None) -> NDArray[Any]:
    """A C-contiguous read-only view, a copy only if it must be: so one compiled version serves arrays from anywhere."""
    view = np.ascontiguousarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


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
