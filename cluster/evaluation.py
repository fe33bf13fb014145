"""Genomes travel to the bars: who evaluates which shard, and how the pieces become one array again.

Every worker holds some shards with their feature banks. Where there are more workers than shards, a shard has several
holders and each evaluates its part of the genomes. Pieces are put together by shard and part, never by the order in
which they came; a row's tallies do not depend on its batch, so the result does not depend on the number of workers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.evaluate import evaluate
from fitness.folds import Split, Window
from fitness.shards import Shard

Rows = NDArray[np.float64]
Segment = Literal["folds", "validation"]
EvaluateTallies = Callable[[Rows, Segment], Rows]
"""Phenotypes (n, N_GENES) and a segment to tallies (n, n_cells, N_TALLY), cells by shard, then window."""


@dataclass(frozen=True)
class Share:
    """Part `part` of `parts` of the genomes, on shard number `shard`."""

    shard: int
    part: int = 0
    parts: int = 1

    def rows(self, n_rows: int) -> slice:
        """Return which of `n_rows` genomes this share is."""
        return slice(n_rows * self.part // self.parts, n_rows * (self.part + 1) // self.parts)


def assign(n_shards: int, n_workers: int) -> tuple[tuple[Share, ...], ...]:
    """Return the shares of each worker: shards round robin, or a shard split between the workers that share it.

    >>> assign(3, 2)
    ((Share(shard=0, part=0, parts=1), Share(shard=2, part=0, parts=1)), (Share(shard=1, part=0, parts=1),))
    >>> assign(1, 2)
    ((Share(shard=0, part=0, parts=2),), (Share(shard=0, part=1, parts=2),))
    """
    if n_workers <= n_shards:
        return tuple(tuple(Share(shard) for shard in range(worker, n_shards, n_workers)) for worker in range(n_workers))
    holders = [[worker for worker in range(n_workers) if worker % n_shards == shard] for shard in range(n_shards)]
    return tuple(
        (Share(worker % n_shards, holders[worker % n_shards].index(worker), len(holders[worker % n_shards])),)
        for worker in range(n_workers)
    )


def gather(shares: Sequence[Share], pieces: Sequence[Rows]) -> Rows:
    """Return tallies (n, n_cells, N_TALLY) of all shards from the pieces of all shares, given in any order."""
    by_place = {(share.shard, share.part): piece for share, piece in zip(shares, pieces, strict=True)}
    shards = sorted({shard for shard, _ in by_place})
    whole = [
        np.concatenate([by_place[place] for place in sorted(by_place) if place[0] == shard], axis=0) for shard in shards
    ]
    return np.concatenate(whole, axis=1)


def windows_of(split: Split, segment: Segment) -> tuple[Window, ...]:
    """Return the windows of a shard that evolution may see; the lockbox is not among them, whatever is asked."""
    return split.folds if segment == "folds" else (split.validation,)


class ShardBench:
    """One worker's shards with their feature banks."""

    def __init__(
        self,
        shares: Sequence[Share],
        shards: Sequence[Shard],
        splits: Sequence[Split],
        costs: Costs,
        *,
        bank_bytes: int,
    ) -> None:
        self.shares = tuple(shares)
        self._places = [(shards[share.shard], splits[share.shard]) for share in self.shares]
        self._costs = costs
        self._banks = [FeatureBank(shard, bank_bytes // len(self._places)) for shard, _ in self._places]

    def evaluate(self, phenotypes: Rows, segment: Segment) -> list[Rows]:
        """Return for each share the tallies of its part of `phenotypes` (n, N_GENES) in the windows of a segment."""
        return [
            evaluate(phenotypes[share.rows(len(phenotypes))], shard, windows_of(split, segment), self._costs, bank)
            for share, (shard, split), bank in zip(self.shares, self._places, self._banks, strict=True)
        ]
