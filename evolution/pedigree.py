"""Births: the rows of the pedigree, as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from evolution.keys import GENERATION_BITS, INDEX_BITS
from evolution.packing import Column, Schema
from evolution.population import Merits
from evolution.records import Record
from fitness.objectives import REASONS
from strategies.errors import JournalError
from strategies.species import SPECIES

OPERATORS: Final = (
    "founder",
    "template",
    "crossover",
    "mutation",
    "crossover_mutation",
    "migrant",
    "newcomer",
    "restart",
    "refined",
)
FOUNDER, TEMPLATE, CROSSOVER, MUTATION, CROSSOVER_MUTATION, MIGRANT, NEWCOMER, RESTART, REFINED = range(len(OPERATORS))
NO_PARENT: Final = -1


def birth_ids(island: int, generation: int, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the birth ids (n,) of `indices` (n,) of one generation: island << 40 | generation << 20 | index."""
    return (np.int64(island) << (GENERATION_BITS + INDEX_BITS)) | (np.int64(generation) << INDEX_BITS) | indices


def island_of(birth_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the island (n,) that a birth id names."""
    return birth_id >> (GENERATION_BITS + INDEX_BITS)


def generation_of(birth_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the generation (n,) that a birth id names."""
    return (birth_id >> INDEX_BITS) & ((1 << GENERATION_BITS) - 1)


def index_of(birth_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index (n,) within its generation that a birth id names."""
    return birth_id & ((1 << INDEX_BITS) - 1)


@dataclass(frozen=True, eq=False)
class Births(Record):
    """n births in the order in which they were born; a parent stands before its children of the same island.

    Attributes:
        birth_id: (n,) see `birth_ids`.
        island, generation: (n,) where and when.
        operator: (n,) code of `OPERATORS`.
        parent_a, parent_b: (n,) birth ids or `NO_PARENT`; a migrant's parent_a is its birth on the island it left.
        family: (n,) the family of parent_a, or for a founder or newcomer its own birth id.
        species: (n,) code of `strategies.species.SPECIES`, by what its rules use.
        retries: (n,) further mutations that it took to be new, whatever the operator, see `variation.breed`.
        genome: (n, N_GENES).
        key: (n, 2) phenotype key.
        evaluated: (n,) whether it was evaluated, if only by the screen (its reason says so); if not, its fitness was
            known.
        objectives: (n, m), reason: (n,), measures: (n, k): its merits.
    """

    birth_id: NDArray[np.int64]
    island: NDArray[np.int32]
    generation: NDArray[np.int32]
    operator: NDArray[np.int8]
    parent_a: NDArray[np.int64]
    parent_b: NDArray[np.int64]
    family: NDArray[np.int64]
    species: NDArray[np.int8]
    retries: NDArray[np.int16]
    genome: NDArray[np.float64]
    key: NDArray[np.uint64]
    evaluated: NDArray[np.bool_]
    objectives: NDArray[np.float64]
    reason: NDArray[np.int16]
    measures: NDArray[np.float64]

    SCHEMA: ClassVar[Schema] = Schema(
        "births",
        (),
        {
            "birth_id": Column("<i8"),
            "island": Column("<i4"),
            "generation": Column("<i4"),
            "operator": Column("|i1"),
            "parent_a": Column("<i8"),
            "parent_b": Column("<i8"),
            "family": Column("<i8"),
            "species": Column("|i1"),
            "retries": Column("<i2"),
            "genome": Column("<f8", 2),
            "key": Column("<u8", 2),
            "evaluated": Column("|b1"),
            "objectives": Column("<f8", 2),
            "reason": Column("<i2"),
            "measures": Column("<f8", 2),
        },
    )

    def __len__(self) -> int:
        return len(self.birth_id)

    @property
    def merits(self) -> Merits:
        """Their keys and fitness."""
        return Merits(self.key, self.objectives, self.reason, self.measures)

    def take(self, rows: NDArray[Any]) -> "Births":
        """Return the births of `rows`, an index or a mask."""
        return Births(**{name: array[rows] for name, array in self.arrays().items()})


def concat(parts: Sequence[Births]) -> Births:
    """Return the births of all `parts`, one or more, one after the other."""
    some = [part for part in parts if len(part)] or parts[:1]
    if len(some) == 1:
        return some[0]
    return Births(**{name: np.concatenate([getattr(part, name) for part in some]) for name in Births.SCHEMA.columns})


def births_to_bytes(births: Births) -> bytes:
    """Return the one form of births as bytes: equal births, equal bytes."""
    return births.to_bytes()


def births_from_bytes(data: bytes) -> Births:
    """Return the births that `births_to_bytes` wrote.

    Raises:
        JournalError: the bytes are damaged, cut, of another kind or format, or fit another gene table.
    """
    return Births.from_bytes(data)


def births_columns(
    births: Births, *, objectives: Sequence[str] | None = None, measures: Sequence[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Return the births as a table: one-dimensional columns by name, and `genome` (n, N_GENES).

    Operators, species and reasons are text, keys 32 hex digits. Objectives and measures become columns
    `objective.NAME` and `measure.NAME`, named as given or else by number.
    """
    columns: dict[str, NDArray[Any]] = {
        name: getattr(births, name) for name in ("birth_id", "island", "generation", "parent_a", "parent_b", "family")
    }
    columns["operator"] = np.array(OPERATORS)[births.operator]
    columns["species"] = np.array(SPECIES)[births.species]
    columns["retries"] = births.retries
    columns["key"] = np.array([f"{high:016x}{low:016x}" for high, low in births.key.tolist()], dtype="<U32")
    columns["evaluated"] = births.evaluated
    columns["reason"] = np.array(REASONS)[births.reason]
    for prefix, table, names in (
        ("objective", births.objectives, objectives),
        ("measure", births.measures, measures),
    ):
        for number, name in enumerate(names if names is not None else range(table.shape[1])):
            columns[f"{prefix}.{name}"] = np.ascontiguousarray(table[:, number])
    columns["genome"] = births.genome
    return columns


_N_PARENTS: Final = np.array([0, 0, 2, 1, 2, 1, 0, 0, 1])  # by operator


def check_closed(births: Births) -> None:
    """Check that the births of a whole job are a closed pedigree without cycles.

    Ids are unique and name their island and generation; each operator has its number of parents; every parent is
    there; families run through the first parent. A parent is born before its child: on one island it has the smaller
    id, across islands (migrants alone) the earlier generation. So (generation, index) grows along every line of
    descent, and no line comes back to itself.

    Raises:
        JournalError: the first birth that breaks a rule, with the rule.
    """
    ids = births.birth_id
    order = np.argsort(ids, kind="stable")
    twice = order[1:][ids[order][1:] == ids[order][:-1]]
    _refuse_any(births, np.isin(np.arange(len(ids)), twice), "must have an id of its own", "birth_id")
    _refuse_any(births, island_of(ids) != births.island, "must name its island in its id", "island")
    _refuse_any(births, generation_of(ids) != births.generation, "must name its generation in its id", "generation")
    unknown = (births.operator < 0) | (births.operator >= len(OPERATORS))
    _refuse_any(births, unknown, f"must have one of {len(OPERATORS)} operators", "operator")
    strange = (births.species < 0) | (births.species >= len(SPECIES))
    _refuse_any(births, strange, f"must be of one of {len(SPECIES)} species", "species")
    n_parents = _N_PARENTS[births.operator]
    for number, name in enumerate(("parent_a", "parent_b")):
        parents = getattr(births, name)
        has = parents != NO_PARENT
        _refuse_any(births, has != (n_parents > number), "must have the parents of its operator", name)
        at = np.searchsorted(ids, parents[has], sorter=order) if len(ids) else np.zeros(0, dtype=np.int64)
        at = order[np.minimum(at, len(ids) - 1)] if len(ids) else at
        missing = np.zeros(len(ids), dtype=np.bool_)
        missing[has] = ids[at] != parents[has]
        _refuse_any(births, missing, "must have parents that were born", name)
        _check_descent(births, name, np.flatnonzero(has), at)
    founders = n_parents == 0
    _refuse_any(births, founders & (births.family != ids), "must found its own family", "family")
    begins = np.isin(births.operator, (FOUNDER, TEMPLATE))
    misplaced = begins != (births.generation == 0)
    _refuse_any(births, misplaced, "must be a founder in generation 0 and only there", "operator")


def _check_descent(births: Births, name: str, children: NDArray[Any], parents: NDArray[Any]) -> None:
    """Check births in rows `children` against their parents in rows `parents`."""

    def refuse(bad: NDArray[np.bool_], rule: str, column: str) -> None:
        rows = np.zeros(len(births), dtype=np.bool_)
        rows[children] = bad
        _refuse_any(births, rows, rule, column)

    home = births.island[children] == births.island[parents]
    migrant = births.operator[children] == MIGRANT
    refuse(home == migrant, "must come from another island if a migrant, else from its own", name)
    refuse(home & (births.birth_id[parents] >= births.birth_id[children]), "must be born after its parents", name)
    earlier = births.generation[parents] < births.generation[children]
    refuse(migrant & ~earlier, "must arrive in a later generation than it was born in", name)
    refuse(migrant & births.evaluated[children], "must bring its fitness along", "evaluated")
    same_key = (births.key[children] == births.key[parents]).all(axis=1)
    refuse(migrant & ~same_key, "must be the strategy that left", "key")
    same_species = births.species[children] == births.species[parents]
    refuse(migrant & ~same_species, "must be of the species that left", "species")
    if name == "parent_a":
        refuse(births.family[children] != births.family[parents], "must belong to its first parent's family", "family")


def _refuse_any(births: Births, bad: NDArray[np.bool_], rule: str, column: str) -> None:
    if bad.any():
        _refuse(births, int(np.flatnonzero(bad)[0]), rule, column)


def _refuse(births: Births, row: int, rule: str, column: str) -> NoReturn:
    raise JournalError(
        f"A birth {rule}, but `{column}` was {getattr(births, column)[row]} (birth {births.birth_id[row]}, row {row}). "
        "Rebuild the births from the journal."
    )
