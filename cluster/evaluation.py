"""Genomes travel to the bars: who evaluates which shard, and how the pieces become one array again.

Every worker holds some shards with their feature banks. Where there are more workers than shards, a shard has several
holders and each evaluates its part of the genomes. Pieces are put together by shard and part, never by the order in
which they came; a row's tallies do not depend on its batch, so the result does not depend on the number of workers.

What evolution sees ends with the last fold: its banks are made of a prefix of each shard, so that no column, mask or
price of the validation stretch or the lockbox is even there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from fitness.bank import FeatureBank
from fitness.co_movement import with_co_movements
from fitness.costs import Costs
from fitness.evaluate import evaluate
from fitness.folds import Split, Window
from fitness.kernel_bars import KernelBars
from fitness.shard import Shard
from fitness.shared_columns import SharedColumns
from fitness.tally import N_TALLY

Rows = NDArray[np.float64]
Segment = Literal["folds", "screen", "rest", "validation", "behaviour"]
"""All folds; those that a screen looks at first, and the other ones; the validation stretch. Never the lockbox.

`behaviour` is all folds too, with the columns that an archive tells strategies apart by after those of the tallies.
"""
EvaluateTallies = Callable[[Rows, Segment], Rows]
"""Phenotypes (n, N_GENES) and a segment to tallies (n, n_cells, N_TALLY), cells by shard, then window."""
OnScreen = Sequence[Sequence[int]]
"""For each shard, in order, the numbers of the folds that are on the screen, ascending; empty without a screen."""

VALIDATION_PART: Final = 8
"""One part in so many of the banks' bytes is for validation, which is asked for one strategy an epoch."""


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


def screen_folds(n_folds: Sequence[int], share: float, *, whole_shards: bool) -> tuple[tuple[int, ...], ...]:
    """Return for each shard the folds on the screen: about `share` of all cells, at least one, never all.

    Spread over shards and time: every so many-th cell of a list of all, by shard, whose folds are rotated by one from
    shard to shard. With `whole_shards` all folds of every so many-th shard instead.

    >>> screen_folds((4, 4, 4), 0.25, whole_shards=False)
    ((2,), (3,), (0,))
    >>> screen_folds((4, 4, 4), 0.25, whole_shards=True)
    ((), (0, 1, 2, 3), ())
    """
    if whole_shards and len(n_folds) > 1:
        chosen = set(_every(len(n_folds), share))
        return tuple(tuple(range(n)) if shard in chosen else () for shard, n in enumerate(n_folds))
    cells = [(shard, (fold + shard) % n) for shard, n in enumerate(n_folds) for fold in range(n)]
    taken = {cells[place] for place in _every(len(cells), share)}
    return tuple(tuple(fold for fold in range(n) if (shard, fold) in taken) for shard, n in enumerate(n_folds))


def _every(n: int, share: float) -> list[int]:
    """A `share` of the places 0 to n - 1, evenly spaced: at least one of them, and at least one left out."""
    taken = min(max(round(share * n), 1), n - 1)
    return [(2 * place + 1) * n // (2 * taken) for place in range(taken)]


def screen_mask(n_folds: Sequence[int], on_screen: OnScreen) -> NDArray[np.bool_]:
    """Return (n_cells,) which cells, by shard, then fold, are on the screen."""
    return np.array([fold in chosen for n, chosen in zip(n_folds, on_screen, strict=True) for fold in range(n)])


def windows_of(split: Split, segment: Segment, on_screen: Sequence[int] = ()) -> tuple[Window, ...]:
    """Return the windows of a shard that evolution may see; the lockbox is not among them, whatever is asked."""
    if segment == "validation":
        return (split.validation,)
    if segment in ("folds", "behaviour"):
        return split.folds
    wanted = segment == "screen"
    return tuple(window for fold, window in enumerate(split.folds) if (fold in on_screen) == wanted)


def learnable(shard: Shard, split: Split) -> Shard:
    """Return the bars of a shard up to the end of its last fold: all that evolution is scored on."""
    return shard.head(split.folds[-1].stop)


def prepare(shard: Shard, split: Split, costs: Costs) -> KernelBars:
    """Return the learnable bars as the kernel reads them, for the object store: workers of a node share one copy."""
    return FeatureBank(learnable(shard, split), 0).kernel_bars(costs)


class ShardBench:
    """One worker's shards with their feature banks.

    Args:
        shares: which part of which shard is evaluated here.
        shards: of the job, in order; only those of the shares are read.
        splits: of all shards.
        costs: of every fill.
        bank_bytes: budget of all banks here.
        on_screen: folds of all shards that are on the screen.
        prepared: of each shard what `prepare` makes; by default it is made here.
        shared: where the banks share columns with other workers of the node; None where they don't.
    """

    def __init__(
        self,
        shares: Sequence[Share],
        shards: Sequence[Shard],
        splits: Sequence[Split],
        costs: Costs,
        *,
        bank_bytes: int,
        on_screen: OnScreen = (),
        prepared: Sequence[KernelBars | None] = (),
        shared: SharedColumns | None = None,
    ) -> None:
        self.shares = tuple(shares)
        self._costs = costs
        ready = [None if bars is None else (costs, bars) for bars in prepared]
        self._places = [
            _Place(
                shards[share.shard],
                splits[share.shard],
                bank_bytes=bank_bytes // len(self.shares),
                on_screen=on_screen[share.shard] if on_screen else (),
                prepared=ready[share.shard] if ready else None,
                shared=shared,
            )
            for share in self.shares
        ]

    def evaluate(self, phenotypes: Rows, segment: Segment) -> list[Rows]:
        """Return for each share the tallies of its part of `phenotypes` (n, N_GENES) in the windows of a segment."""
        return [
            place.evaluate(phenotypes[share.rows(len(phenotypes))], segment, self._costs)
            for share, place in zip(self.shares, self._places, strict=True)
        ]


class _Place:
    """One shard of a bench: a bank that ends with the last fold, and one for validation once that is asked for."""

    def __init__(
        self,
        shard: Shard,
        split: Split,
        *,
        bank_bytes: int,
        on_screen: Sequence[int],
        prepared: tuple[Costs, KernelBars] | None,
        shared: SharedColumns | None,
    ) -> None:
        self._shard, self._split, self._on_screen = shard, split, tuple(on_screen)
        self._validation_bytes = bank_bytes // VALIDATION_PART
        self._bank = FeatureBank(learnable(shard, split), bank_bytes - self._validation_bytes, prepared, shared)
        self._validation_bank: FeatureBank | None = None

    def evaluate(self, phenotypes: Rows, segment: Segment, costs: Costs) -> Rows:
        windows = windows_of(self._split, segment, self._on_screen)
        if not windows:  # no cell of this shard is asked for: not even its masks are made
            return np.empty((len(phenotypes), 0, N_TALLY))
        bank = self._bank_of(segment)
        if segment == "behaviour":
            return with_co_movements(phenotypes, bank.shard, windows, costs, bank)
        return evaluate(phenotypes, bank.shard, windows, costs, bank)

    def _bank_of(self, segment: Segment) -> FeatureBank:
        if segment != "validation":
            return self._bank
        if self._validation_bank is None:
            seen = self._shard.head(self._split.validation.stop)
            self._validation_bank = FeatureBank(seen, self._validation_bytes)
        return self._validation_bank
