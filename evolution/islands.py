"""How islands exchange migrants: who sends to whom, in which epoch, and what travels.

Migration is fenced, not timed: epoch `e` of an island takes what its neighbours offered after their epoch `e - lag`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from evolution.archive import offered
from evolution.keys import Place, Purpose
from evolution.packing import Column, Schema
from evolution.philox import uniforms
from evolution.population import Merits, State, find
from evolution.records import Record
from evolution.selection import feasible, standing
from strategies.errors import UsageError


@dataclass(frozen=True)
class Meeting:
    """Where migrants arrive: an island among how many, and the epoch that sent them, in the job of a seed."""

    island: int
    n_islands: int
    epoch: int
    seed: int


def _ring(at: Meeting) -> tuple[int, ...]:
    return ((at.island - 1) % at.n_islands,)


def _torus(at: Meeting) -> tuple[int, ...]:
    """The four neighbours in a grid as square as the number of islands allows, whose edges meet."""
    height = max(n for n in range(1, math.isqrt(at.n_islands) + 1) if at.n_islands % n == 0)
    width = at.n_islands // height
    row, column = divmod(at.island, width)
    around = ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column))
    return tuple((y % height) * width + x % width for y, x in around)


def _full(at: Meeting) -> tuple[int, ...]:
    return tuple(range(at.n_islands))


def _random(at: Meeting) -> tuple[int, ...]:
    """The one before it in a ring that is drawn anew for every epoch: each sends once, each takes once."""
    ring = _drawn_ring(at.seed, at.n_islands, at.epoch)
    return (ring[ring.index(at.island) - 1],)


@lru_cache(maxsize=64)
def _drawn_ring(seed: int, n_islands: int, epoch: int) -> tuple[int, ...]:
    generator = Place(seed, 0, epoch).generator(Purpose.TOPOLOGY)
    return tuple(generator.permutation(n_islands).tolist())


def _none(at: Meeting) -> tuple[int, ...]:
    del at
    return ()


ARCHIVE: Final = "archive"
TOPOLOGIES: Final[dict[str, Callable[[Meeting], tuple[int, ...]]]] = {
    "ring": _ring,
    "torus": _torus,
    "full": _full,
    "random": _random,
    ARCHIVE: _full,
    "none": _none,
}
"""By name: a meeting to the islands that send to it. The island itself and repetitions are left out, order is kept.

`archive` joins all islands as `full` does, but what travels comes from the archives.
"""


def sources(
    epoch: int, island: int, n_islands: int, topology: str, lag: int, seed: int = 0
) -> tuple[tuple[int, int], ...]:
    """Return the (island, epoch) pairs whose emigrants epoch `epoch` of `island` takes; the first epoch is 0.

    Raises:
        UsageError: an unknown topology, an island that does not exist, or a lag below 1.
    """
    if topology not in TOPOLOGIES:
        names = ", ".join(TOPOLOGIES)
        raise UsageError(f"`topology` must be one of {names}, but was {topology!r} (sources). Choose one of these.")
    if not 0 <= island < n_islands:
        last = n_islands - 1
        raise UsageError(f"`island` must be between 0 and {last}, but was {island} (sources). Name one of these.")
    if lag < 1:
        raise UsageError(
            f"`lag` must be at least 1, but was {lag} (sources). An epoch can't take what is not finished."
        )
    if epoch < lag:
        return ()
    senders = dict.fromkeys(TOPOLOGIES[topology](Meeting(island, n_islands, epoch - lag, seed)))
    return tuple((sender, epoch - lag) for sender in senders if sender != island)


@dataclass(frozen=True, eq=False)
class Emigrants(Record):
    """What an island offers after an epoch, best first, with fitness so that nobody evaluates them again.

    Attributes:
        island: where they come from.
        generation: the generation they were taken at.
        genomes: (k, N_GENES), copies.
        birth_ids: (k,) their births on the island they come from.
        families: (k,) birth id of the founder or newcomer each descends from.
        species: (k,) codes of `strategies.species.SPECIES`.
        keys: (k, 2); objectives (k, m); reasons (k,); measures (k, measures): their merits.
    """

    island: int
    generation: int
    genomes: NDArray[np.float64]
    birth_ids: NDArray[np.int64]
    families: NDArray[np.int64]
    species: NDArray[np.int8]
    keys: NDArray[np.uint64]
    objectives: NDArray[np.float64]
    reasons: NDArray[np.int16]
    measures: NDArray[np.float64]

    SCHEMA: ClassVar[Schema] = Schema(
        "emigrants",
        ("island", "generation"),
        {
            "genomes": Column("<f8", 2),
            "birth_ids": Column("<i8"),
            "families": Column("<i8"),
            "species": Column("|i1"),
            "keys": Column("<u8", 2),
            "objectives": Column("<f8", 2),
            "reasons": Column("<i2"),
            "measures": Column("<f8", 2),
        },
    )

    def __len__(self) -> int:
        return len(self.birth_ids)

    @property
    def merits(self) -> Merits:
        """Their keys and fitness."""
        return Merits(self.keys, self.objectives, self.reasons, self.measures)


def emigrants(state: State, k: int, topology: str = "ring") -> Emigrants:
    """Return copies of the best `k` of an island, fewer if fewer are feasible.

    Where migration goes by the archive, copies of `k` members of its archive, from cells drawn without regard to merit.
    """
    if topology == ARCHIVE:
        return _of_archive(state, k)
    order = standing(state.objectives, state.reasons, state.keys, state.birth_ids).order
    best = order[feasible(state.objectives, state.reasons)[order]][:k]
    return Emigrants(
        island=state.island,
        generation=state.generation,
        genomes=state.genomes[best],
        birth_ids=state.birth_ids[best],
        families=state.families[best],
        species=state.species[best],
        keys=state.keys[best],
        objectives=state.objectives[best],
        reasons=state.reasons[best],
        measures=state.known_measures[find(state.known_keys, state.keys[best])],
    )


def _of_archive(state: State, k: int) -> Emigrants:
    key = Place(state.seed, state.island, state.generation).key(Purpose.EMIGRANTS)
    numbers = uniforms(key, k, indices=np.zeros(1, dtype=np.int64)).reshape(-1)
    held = state.archive
    rows = offered(held, k, numbers)
    return Emigrants(
        island=state.island,
        generation=state.generation,
        genomes=held.genomes[rows],
        birth_ids=held.birth_ids[rows],
        families=held.families[rows],
        species=held.species[rows],
        keys=held.keys[rows],
        objectives=held.objectives[rows],
        reasons=np.zeros(len(rows), dtype=np.int16),
        measures=held.measures[rows],
    )


def emigrants_to_bytes(group: Emigrants) -> bytes:
    """Return the one form of emigrants as bytes."""
    return group.to_bytes()


def emigrants_from_bytes(data: bytes) -> Emigrants:
    """Return the emigrants that `emigrants_to_bytes` wrote.

    Raises:
        JournalError: the bytes are damaged, cut, of another kind or format, or fit another gene table.
    """
    return Emigrants.from_bytes(data)
