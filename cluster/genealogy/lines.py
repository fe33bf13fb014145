"""The pedigree of a job in memory: parents as rows, an order in which to sweep over it, and who descends from whom.

Births are rows in ascending order of birth id, a parent is the number of its row, and `NOBODY` stands for none. Every
walk is by whole generations at once, so a million births take seconds and no recursion is ever too deep.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evolution.pedigree import MIGRANT, NO_PARENT

Integers = NDArray[np.int64]
Rows = NDArray[np.int32]
Mask = NDArray[np.bool_]
NOBODY: Final = -1


@dataclass(frozen=True, eq=False)
class Lines:
    """Who is whose child, of n births.

    Attributes:
        birth_id: (n,) ascending.
        generation: (n,).
        operator: (n,) codes of `evolution.pedigree.OPERATORS`.
        first, second: (n,) row of each parent, or `NOBODY`.
    """

    birth_id: Integers
    generation: NDArray[np.int32]
    operator: NDArray[np.int8]
    first: Rows
    second: Rows

    def __len__(self) -> int:
        return len(self.birth_id)

    @cached_property
    def levels(self) -> tuple[Rows, ...]:
        """Rows in groups of which none holds a parent of another of the same group: oldest first.

        A group is a generation of all islands, or part of one: who came as a migrant may be a parent at once.
        """
        stage = np.zeros(len(self), dtype=np.int32)
        near = [(rows, of[rows]) for of in (self.first, self.second) for rows in [self._children_at_once(of)]]
        while True:
            before = stage.copy()
            for children, parents in near:
                np.maximum.at(stage, children, stage[parents] + 1)
            if np.array_equal(stage, before):
                break
        order = np.lexsort((stage, self.generation)).astype(np.int32)
        place = np.stack([self.generation[order], stage[order]])
        starts = np.flatnonzero((place[:, 1:] != place[:, :-1]).any(axis=0)) + 1
        return tuple(np.split(order, starts)) if len(order) else ()

    def _children_at_once(self, parents: Rows) -> NDArray[np.intp]:
        """Rows of those who were born in the generation of that parent."""
        return np.flatnonzero((parents != NOBODY) & (self.generation[parents] == self.generation))

    @cached_property
    def founder(self) -> Rows:
        """Row of the founder of each birth, along first parents: what its family is named for."""
        return self._carried(np.arange(len(self), dtype=np.int32), np.zeros(len(self), dtype=np.int32))

    @cached_property
    def hops(self) -> Rows:
        """How often the line of each birth, along first parents, has migrated, itself included."""
        return self._carried(np.zeros(len(self), dtype=np.int32), (self.operator == MIGRANT).astype(np.int32))

    @cached_property
    def strategy_hops(self) -> Rows:
        """How many islands each strategy has crossed to be born here unchanged: 0 for who is no migrant."""
        hops = np.zeros(len(self), dtype=np.int32)
        for rows in self.levels:
            came = rows[self.operator[rows] == MIGRANT]
            hops[came] = hops[self.first[came]] + 1
        return hops

    def _carried(self, own: Rows, added: Rows) -> Rows:
        """What each birth has from its first parent, plus what it adds; `own` where it has no parent."""
        values = own + added
        for rows in self.levels:
            children = rows[self.first[rows] != NOBODY]
            values[children] = values[self.first[children]] + added[children]
        return values

    @cached_property
    def _children(self) -> tuple[Integers, Rows]:
        """Children of all parents, those of row r at `found[starts[r] : starts[r + 1]]`, ascending."""
        parents = np.concatenate([self.first, self.second])
        children = np.tile(np.arange(len(self), dtype=np.int32), 2)
        has = parents != NOBODY
        parents, children = parents[has], children[has]
        order = np.lexsort((children, parents))
        starts = np.zeros(len(self) + 1, dtype=np.int64)
        np.cumsum(np.bincount(parents, minlength=len(self)), out=starts[1:])
        return starts, children[order]

    def children(self, rows: Rows) -> Rows:
        """Return the children of any of `rows`, each once, ascending."""
        starts, found = self._children
        counts = starts[rows + 1] - starts[rows]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.unique(found[np.repeat(starts[rows], counts) + within])

    def parents(self, rows: Rows) -> Rows:
        """Return the parents of any of `rows`, each once, ascending."""
        both = np.unique(np.concatenate([self.first[rows], self.second[rows]]))
        return both[both != NOBODY]

    def row(self, birth_id: int) -> int:
        """Return the row of a birth, `NOBODY` if there is none."""
        at = int(np.searchsorted(self.birth_id, birth_id))
        return at if at < len(self) and int(self.birth_id[at]) == birth_id else NOBODY


def lines_of(
    birth_id: Integers,
    generation: NDArray[np.int32],
    operator: NDArray[np.int8],
    *,
    parent_a: Integers,
    parent_b: Integers,
) -> Lines:
    """Return the lines of births (n,) in ascending order of id, whose parents are ids or `NO_PARENT`."""

    def rows(parents: Integers) -> Rows:
        at = np.searchsorted(birth_id, parents).astype(np.int32)
        at[parents == NO_PARENT] = NOBODY
        return at

    return Lines(birth_id, generation, operator, rows(parent_a), rows(parent_b))


def ancestors(lines: Lines, rows: Rows) -> Rows:
    """Return all ancestors of `rows`, without these (unless one descends from another), ascending."""
    return _closure(len(lines), rows, lines.parents)


def descendants(lines: Lines, rows: Rows) -> Rows:
    """Return all descendants of `rows`, without these (unless one descends from another), ascending."""
    return _closure(len(lines), rows, lines.children)


def _closure(n: int, rows: Rows, step: Callable[[Rows], Rows]) -> Rows:
    reached = np.zeros(n, dtype=np.bool_)
    frontier = np.asarray(rows, dtype=np.int32)
    while len(frontier):
        found = step(frontier)
        frontier = found[~reached[found]]
        reached[frontier] = True
    return np.flatnonzero(reached).astype(np.int32)


def first_line(lines: Lines, row: int) -> Rows:
    """Return the line of a birth along first parents, from its founder to itself."""
    line = [row]
    while lines.first[line[-1]] != NOBODY:
        line.append(int(lines.first[line[-1]]))
    return np.array(line[::-1], dtype=np.int32)


def contributions(lines: Lines, rows: Rows) -> NDArray[np.float64]:
    """Return what each birth is expected to have given to `rows` (k,): (n,) shares of their genes, by descent.

    A child has half of its genes from each of two parents, and all from a parent alone; `rows` count equally. The
    shares of those without parents sum to 1, as do those of any generation that every line runs through.
    """
    shares = np.zeros(len(lines))
    np.add.at(shares, rows, 1.0 / max(len(rows), 1))
    for level in reversed(lines.levels):
        giving = level[shares[level] > 0.0]
        portions = shares[giving] / np.where(lines.second[giving] == NOBODY, 1.0, 2.0)
        for parents in (lines.first[giving], lines.second[giving]):
            has = parents != NOBODY
            np.add.at(shares, parents[has], portions[has])
    return shares


def founder_shares(lines: Lines, rows: Rows) -> NDArray[np.float64]:
    """Return what each founder is expected to have given to `rows`: (n,), 0 for who has parents; sums to 1."""
    return np.where(lines.first == NOBODY, contributions(lines, rows), 0.0)
