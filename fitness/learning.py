"""The learners of a population: each is known by a digest of all that its predictions depend on, and runs once.

What a learner says at each bar depends on its algorithm, target, horizon, hyper-parameters and features, and on nothing
else of its strategy: not on its votes, nor on the slot that it stands in. So strategies that share a learner share its
columns, and a population without learners never comes here. Those that differ share what they learn from: features in
units of their own usual size, and targets.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fitness.shard import Shard
from strategies.blake2b import sparse_digests_nb
from strategies.codec import Rows
from strategies.genes import COLUMN, N_LEARNERS, OPERAND_FIELDS
from strategies.learner_encoding import learner_slots
from strategies.learners.running import Learned, Samples, learn_samples
from strategies.learners.standardising import standardised, standardised_returns
from strategies.learners.table import ALGORITHMS, MAX_FEATURES, N_HYPER, TARGETS
from strategies.learners.targets import target_of
from strategies.views import frozen

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]
Digest = tuple[int, int]
Compute = Callable[[int, int, tuple[float, ...], int], Float64]
"""Kind, source, parameters and timeframe of an operand to its column `(n_bars,)`."""
_Series = tuple[float, ...]
"""Kind, source, parameters and timeframe; nothing for the returns of the bars."""
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_NATURE: Final = COLUMN["learner.0.algorithm"] - COLUMN["learner.0.on"]
"""From this column of a learner on stands what its predictions depend on; before it, how it votes."""
_WEIGHT: Final = COLUMN["learner.0.weight"] - COLUMN["learner.0.on"]
_ALGORITHM, _TARGET, _HORIZON, _HYPER = (
    COLUMN[f"learner.0.{name}"] - COLUMN["learner.0.on"] for name in ("algorithm", "target", "horizon", "h0")
)
_FEATURES: Final = [COLUMN[f"learner.0.f{number}.kind"] - COLUMN["learner.0.on"] for number in range(MAX_FEATURES)]
"""First column of each feature's operand; before it stands whether there is one."""
_ALGORITHMS: Final = tuple(ALGORITHMS)
_LAG, _TIMEFRAME = OPERAND_FIELDS.index("lag"), OPERAND_FIELDS.index("timeframe")


def learner_digests(rows: Rows) -> tuple[Words, dict[Digest, Rows]]:
    """What the learners of phenotypes `(n, N_GENES)` are known by.

    Returns:
        `(n, N_LEARNERS, 2)` digests, 0 where there is no learner; and of each digest the columns of one such learner.
    """
    digests = np.zeros((len(rows), N_LEARNERS, 2), dtype=np.uint64)
    found: dict[Digest, Rows] = {}
    for number, slot in enumerate(learner_slots()):
        alive = np.flatnonzero(rows[:, slot.start] > 0.0)
        if not alive.size:
            continue
        columns = rows[alive, slot]
        # the algorithm may be 0, and so may all the rest: a one in front keeps the digest that of something
        nature = np.concatenate([np.ones((alive.size, 1)), columns[:, _NATURE:]], axis=1)
        words: Words = np.empty((alive.size, 2), dtype=np.uint64)
        sparse_digests_nb(frozen(frozen(nature, np.float64).view(np.uint64), np.uint64), words)
        digests[alive, number] = words
        for digest, learner in zip(map(tuple, words.tolist()), columns, strict=True):
            found.setdefault(digest, learner)
    return digests, found


class _Kept(Generic[_Key, _Value]):
    """Values by key, at most so many: the longest unused goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[_Key, _Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: _Key, make: Callable[[], _Value]) -> _Value:
        """The value of a key, made now if it is not there."""
        value = self._values.get(key)
        if value is None:
            value = make()
            if len(self._values) >= self._most > 0:
                self._values.popitem(last=False)
            if self._most > 0:
                self._values[key] = value
        else:
            self._values.move_to_end(key)
        return value


class Learning:
    """What learners said on the bars of one shard, kept within a budget of bytes: the longest unused goes first.

    Args:
        shard: the bars.
        column: computes an operand on them.
        byte_budget: most bytes to keep, half of them for what learners said, half for features and targets; the
            learner asked for last is always kept.
    """

    def __init__(self, shard: Shard, column: Compute, byte_budget: int) -> None:
        self._shard = shard
        self._column = column
        column_bytes = 8 * max(1, shard.n_bars)
        self._said: _Kept[Digest, Learned] = _Kept(max(1, byte_budget // 2 // (2 * column_bytes)))
        self._columns: _Kept[_Series | tuple[str, int], Float64] = _Kept(byte_budget // 2 // column_bytes)

    @property
    def n_bytes(self) -> int:
        """Bytes held now."""
        return (2 * len(self._said) + len(self._columns)) * 8 * self._shard.n_bars

    def said(self, digest: Digest, columns: Rows) -> Learned:
        """Score and confidence, `(n_bars,)` each, of the learner of these columns of a phenotype.

        Raises:
            StrategyError: a feature can't be computed on these bars.
        """
        return self._said.get(digest, lambda: self._learn(columns.tolist()))

    def _learn(self, columns: list[float]) -> Learned:
        name = _ALGORITHMS[int(columns[_ALGORITHM])]
        target, horizon = TARGETS[int(columns[_TARGET])], int(columns[_HORIZON])
        aim = self._columns.get((target, horizon), lambda: target_of(target, horizon, self._shard))
        samples = Samples(self._rows(name, columns), aim)
        return learn_samples(name, horizon, columns[_HYPER : _HYPER + N_HYPER], samples)

    def _rows(self, algorithm: str, columns: list[float]) -> Float64:
        """The rows `(n_bars, k)` that an algorithm learns from, read-only."""
        if not ALGORITHMS[algorithm].uses_features:
            return frozen(self._columns.get((), partial(self._feature, ()))[:, np.newaxis], np.float64)
        starts = [start for start in _FEATURES if columns[start - 1] > 0.0]
        rows = np.empty((self._shard.n_bars, len(starts)))
        for number, start in enumerate(starts):
            series = (*columns[start : start + _LAG], columns[start + _TIMEFRAME])
            lag, values = int(columns[start + _LAG]), self._columns.get(series, partial(self._feature, series))
            rows[:lag, number] = np.nan
            rows[lag:, number] = values[: max(0, values.size - lag)]  # a value that is missing moves no mean
        return frozen(rows, np.float64)

    def _feature(self, series: _Series) -> Float64:
        """A feature without its lag, standardised, `(n_bars,)`."""
        if not series:
            return standardised_returns(self._shard.close)
        kind, source, *parameters, timeframe = series
        values = self._column(int(kind), int(source), tuple(parameters), int(timeframe))
        return standardised(values[:, np.newaxis])[:, 0]

    def confidence(self, phenotype: Rows) -> Float64:
        """How sure the learners of a phenotype `(N_GENES,)` are at each bar, `(n_bars,)`: the mean, by their votes.

        Where none of them votes, all count alike. NaN where one of those that count says nothing.

        Raises:
            StrategyError: a feature can't be computed on these bars.
        """
        digests = learner_digests(phenotype[np.newaxis])[0][0].tolist()
        slots = [(slot, tuple(digest)) for slot, digest in zip(learner_slots(), digests, strict=True) if any(digest)]
        weights = np.array([phenotype[slot.start + _WEIGHT] for slot, _ in slots])
        if not weights.any():
            weights[:] = 1.0
        sure = np.zeros(self._shard.n_bars)
        for weight, (slot, digest) in zip(weights / weights.sum(), slots, strict=True):
            if weight > 0.0:
                sure += weight * self.said(digest, phenotype[slot]).confidence
        return sure
