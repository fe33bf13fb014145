"""The state of one island: its population, and the register of everything whose fitness it knows."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evolution.packing import Column, Schema
from evolution.records import Record


class Merits(NamedTuple):
    """Keys and fitness of n strategies.

    Attributes:
        keys: (n, 2) 128-bit phenotype keys.
        objectives: (n, m), all maximised, NaN where the reason is not 0.
        reasons: (n,) codes of `fitness.objectives.REASONS`, 0 is fine.
        measures: (n, k) in the order of `fitness.objectives.MEASURE_COLUMNS`, NaN where undefined.
    """

    keys: NDArray[np.uint64]
    objectives: NDArray[np.float64]
    reasons: NDArray[np.int16]
    measures: NDArray[np.float64]

    def take(self, rows: NDArray[Any]) -> "Merits":
        """Return the merits of `rows`, an index or a mask."""
        every: list[Any] = list(self)
        return Merits(*(array[rows] for array in every))

    def followed_by(self, other: "Merits") -> "Merits":
        """Return these merits and then the other ones."""
        pairs: list[Any] = list(zip(self, other, strict=True))
        return Merits(*(np.concatenate(pair) for pair in pairs))


@dataclass(frozen=True, eq=False)
class State(Record):
    """One island after a generation. The population is listed best first.

    Attributes:
        seed: the job's seed.
        island: this island's number.
        generation: the last generation bred, 0 for the founders.
        genomes: (n, N_GENES).
        birth_ids: (n,) the births that the population consists of.
        families: (n,) birth id of the founder each descends from.
        keys: (n, 2) phenotype keys.
        objectives: (n, m), all maximised, NaN where the reason is not 0.
        reasons: (n,) codes, 0 is fine.
        known_keys: (k, 2) every key ever evaluated here or brought by a migrant, sorted.
        known_objectives: (k, m) and known_reasons (k,) and known_measures (k, measures): their fitness.
    """

    seed: int
    island: int
    generation: int
    genomes: NDArray[np.float64]
    birth_ids: NDArray[np.int64]
    families: NDArray[np.int64]
    keys: NDArray[np.uint64]
    objectives: NDArray[np.float64]
    reasons: NDArray[np.int16]
    known_keys: NDArray[np.uint64]
    known_objectives: NDArray[np.float64]
    known_reasons: NDArray[np.int16]
    known_measures: NDArray[np.float64]

    SCHEMA: ClassVar[Schema] = Schema(
        "state",
        ("seed", "island", "generation"),
        {
            "genomes": Column("<f8", 2),
            "birth_ids": Column("<i8"),
            "families": Column("<i8"),
            "keys": Column("<u8", 2),
            "objectives": Column("<f8", 2),
            "reasons": Column("<i2"),
            "known_keys": Column("<u8", 2, "known"),
            "known_objectives": Column("<f8", 2, "known"),
            "known_reasons": Column("<i2", 1, "known"),
            "known_measures": Column("<f8", 2, "known"),
        },
    )

    @property
    def known(self) -> Merits:
        """The register of known strategies, sorted by key."""
        return Merits(self.known_keys, self.known_objectives, self.known_reasons, self.known_measures)


ABSENT: Final = -1


def find(sorted_keys: NDArray[np.uint64], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return for each of `keys` (n, 2) its row in `sorted_keys` (k, 2), or `ABSENT`."""
    at = _places(sorted_keys, keys)
    inside = np.flatnonzero(at < len(sorted_keys))
    same = inside[(sorted_keys[at[inside]] == keys[inside]).all(axis=1)]
    found = np.full(len(keys), ABSENT, dtype=np.int64)
    found[same] = at[same]
    return found


def _places(sorted_keys: NDArray[np.uint64], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return (n,) how many of `sorted_keys` are smaller than each of `keys`."""
    first = np.ascontiguousarray(sorted_keys[:, 0])
    places = np.searchsorted(first, keys[:, 0], side="left")
    stop = np.searchsorted(first, keys[:, 0], side="right")
    for _ in range(int((stop - places).max(initial=0))):  # more than one step only if 64 bits collide
        rows = np.flatnonzero(places < stop)
        places[rows[sorted_keys[places[rows], 1] < keys[rows, 1]]] += 1
    return places


def enter(known: Merits, new: Merits) -> Merits:
    """Return the register `known` with `new` entered, sorted by key; what is known already stays as it is."""
    order = np.lexsort((new.keys[:, 1], new.keys[:, 0]))  # stable: of equal keys the first stays first
    keys = new.keys[order]
    unknown = find(known.keys, keys) == ABSENT
    unknown[1:] &= (keys[1:] != keys[:-1]).any(axis=1)
    if not unknown.any():
        return known
    rows = order[unknown]
    places = _places(known.keys, new.keys[rows])
    pairs: list[Any] = list(zip(known, new.take(rows), strict=True))
    return Merits(*(np.insert(old, places, added, axis=0) for old, added in pairs))


def state_to_bytes(state: State) -> bytes:
    """Return the one form of a state as bytes: equal states, equal bytes."""
    return state.to_bytes()


def state_from_bytes(data: bytes) -> State:
    """Return the state that `state_to_bytes` wrote.

    Raises:
        JournalError: the bytes are damaged, cut, of another kind or format, or fit another gene table.
    """
    return State.from_bytes(data)
