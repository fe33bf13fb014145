"""The state of one island: its population, and the register of everything whose fitness it knows."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evolution.archive import Archive
from evolution.key_sets import ABSENT, find, inserted, newcomers
from evolution.packing import Column, Schema
from evolution.records import Record

__all__ = ["ABSENT", "Merits", "State", "enter", "find", "state_from_bytes", "state_to_bytes"]


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
        families: (n,) birth id of the founder or newcomer each descends from.
        species: (n,) codes of `strategies.species.SPECIES`.
        keys: (n, 2) phenotype keys.
        objectives: (n, m), all maximised, NaN where the reason is not 0.
        reasons: (n,) codes, 0 is fine.
        known_keys: (k, 2) every key ever evaluated here or brought by a migrant, sorted.
        known_objectives: (k, m) and known_reasons (k,) and known_measures (k, measures): their fitness.
        screen: (1 + window,) what the screen remembers, see `screen.Memory`; (0,) without a screen.
        credit: what operators have earned, see `credit`; (0,) where their rates are fixed.
        archive_*: the columns of the archive, see `archive.Archive`; no rows without one.
        n_evaluated: evaluations of this island in all its life.
        n_collapsed: generations on end in which the population was one family, see `restarts`.
    """

    seed: int
    island: int
    generation: int
    n_evaluated: int
    n_collapsed: int
    genomes: NDArray[np.float64]
    birth_ids: NDArray[np.int64]
    families: NDArray[np.int64]
    species: NDArray[np.int8]
    keys: NDArray[np.uint64]
    objectives: NDArray[np.float64]
    reasons: NDArray[np.int16]
    known_keys: NDArray[np.uint64]
    known_objectives: NDArray[np.float64]
    known_reasons: NDArray[np.int16]
    known_measures: NDArray[np.float64]
    archive_genomes: NDArray[np.float64]
    archive_birth_ids: NDArray[np.int64]
    archive_families: NDArray[np.int64]
    archive_species: NDArray[np.int8]
    archive_keys: NDArray[np.uint64]
    archive_objectives: NDArray[np.float64]
    archive_measures: NDArray[np.float64]
    archive_behaviours: NDArray[np.float64]
    archive_cells: NDArray[np.int64]
    screen: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    credit: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    SCHEMA: ClassVar[Schema] = Schema(
        "state",
        ("seed", "island", "generation", "n_evaluated", "n_collapsed"),
        {
            "genomes": Column("<f8", 2),
            "birth_ids": Column("<i8"),
            "families": Column("<i8"),
            "species": Column("|i1"),
            "keys": Column("<u8", 2),
            "objectives": Column("<f8", 2),
            "reasons": Column("<i2"),
            "known_keys": Column("<u8", 2, "known"),
            "known_objectives": Column("<f8", 2, "known"),
            "known_reasons": Column("<i2", 1, "known"),
            "known_measures": Column("<f8", 2, "known"),
            "archive_genomes": Column("<f8", 2, "archive"),
            "archive_birth_ids": Column("<i8", 1, "archive"),
            "archive_families": Column("<i8", 1, "archive"),
            "archive_species": Column("|i1", 1, "archive"),
            "archive_keys": Column("<u8", 2, "archive"),
            "archive_objectives": Column("<f8", 2, "archive"),
            "archive_measures": Column("<f8", 2, "archive"),
            "archive_behaviours": Column("<f8", 2, "archive"),
            "archive_cells": Column("<i8", 1, "archive"),
            "screen": Column("<f8", 1, "screen"),
            "credit": Column("<f8", 1, "credit"),
        },
    )

    @property
    def known(self) -> Merits:
        """The register of known strategies, sorted by key."""
        return Merits(self.known_keys, self.known_objectives, self.known_reasons, self.known_measures)

    @property
    def archive(self) -> Archive:
        """The archive, by cell."""
        return Archive(*(getattr(self, f"archive_{name}") for name in Archive._fields))


def enter(known: Merits, new: Merits) -> Merits:
    """Return the register `known` with `new` entered, sorted by key; what is known already stays as it is."""
    rows, places = newcomers(known.keys, new.keys)
    if len(rows) == 0:
        return known
    pairs: list[Any] = list(zip(known, new.take(rows), strict=True))
    return Merits(*(inserted(old, places, added) for old, added in pairs))


def state_to_bytes(state: State) -> bytes:
    """Return the one form of a state as bytes: equal states, equal bytes."""
    return state.to_bytes()


def state_from_bytes(data: bytes) -> State:
    """Return the state that `state_to_bytes` wrote.

    Raises:
        JournalError: the bytes are damaged, cut, of another kind or format, or fit another gene table.
    """
    return State.from_bytes(data)
