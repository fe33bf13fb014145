"""How islands exchange migrants: who sends to whom, in which epoch, and what travels.

Migration is fenced, not timed: epoch `e` of an island takes what its neighbours offered after their epoch `e - lag`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from evolution.packing import Column, Schema
from evolution.population import Merits, State, find
from evolution.records import Record
from evolution.selection import feasible, standing
from strategies.errors import UsageError


def _ring(island: int, n_islands: int) -> tuple[int, ...]:
    return ((island - 1) % n_islands,) if n_islands > 1 else ()


def _none(island: int, n_islands: int) -> tuple[int, ...]:
    del island, n_islands
    return ()


TOPOLOGIES: Final[dict[str, Callable[[int, int], tuple[int, ...]]]] = {"ring": _ring, "none": _none}
"""By name: (island, n_islands) to the islands that send to it, in the order in which their migrants arrive."""


def sources(epoch: int, island: int, n_islands: int, topology: str, lag: int) -> tuple[tuple[int, int], ...]:
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
    return tuple((source, epoch - lag) for source in TOPOLOGIES[topology](island, n_islands))


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


def emigrants(state: State, k: int) -> Emigrants:
    """Return copies of the best `k` of an island, fewer if fewer are feasible."""
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


def emigrants_to_bytes(group: Emigrants) -> bytes:
    """Return the one form of emigrants as bytes."""
    return group.to_bytes()


def emigrants_from_bytes(data: bytes) -> Emigrants:
    """Return the emigrants that `emigrants_to_bytes` wrote.

    Raises:
        JournalError: the bytes are damaged, cut, of another kind or format, or fit another gene table.
    """
    return Emigrants.from_bytes(data)
