"""Where each birth stands on the genealogy page: a lane an island, families side by side, lines crossing little.

Time runs to the right. Within one generation of an island births stand below each other: by family first, and within
a family below the middle of their parents, so that a family is a band and a line of descent rarely leaves it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cluster.genealogy.lines import NOBODY, Lines
from evolution.pedigree import Births

Integers = NDArray[np.int64]
SWEEPS: Final = 6
"""Of families towards those that they cross with."""


def places(births: Births, lines: Lines) -> NDArray[np.int32]:
    """Return the place (n,) of each birth among those of its generation and island, from 0, top down."""
    rank = family_ranks(births, lines)
    found = np.zeros(len(births), dtype=np.int32)
    height = np.zeros(len(births))
    for rows in _by_generation(births.generation):
        wish = _parents_height(lines, height, rows, births.generation)
        order = rows[np.lexsort((rows, wish, rank[rows], births.island[rows]))]
        within, of = _within(births.island[order])
        found[order] = within
        height[order] = births.island[order] + (within + 0.5) / of
    return found


def family_ranks(births: Births, lines: Lines) -> Integers:
    """Return the rank (n,) of each birth's family, equal within a family: by home island, then near its partners."""
    founders, number = np.unique(births.family, return_inverse=True)
    home = births.island[np.searchsorted(births.birth_id, founders)].astype(np.int64)
    crossed = np.flatnonzero(lines.second != NOBODY)
    pairs = np.stack([number[crossed], number[lines.second[crossed]]])
    pairs = pairs[:, pairs[0] != pairs[1]]
    order = np.arange(len(founders))
    for _ in range(SWEEPS):
        order = _nearer(order, home, pairs)
    return order[number]


def crossings(lines: Lines, generation: Integers, height: NDArray[np.float64]) -> int:
    """Return how many pairs of lines between a first parent and a child of the next generation cross each other."""
    total = 0
    children = np.flatnonzero(lines.first != NOBODY)
    children = children[generation[children] == generation[lines.first[children]] + 1]
    for now in np.unique(generation[children]):
        rows = children[generation[children] == now]
        ends = height[rows][np.lexsort((height[rows], height[lines.first[rows]]))]
        total += int((np.triu(ends[:, None] > ends[None, :], 1)).sum())
    return total


def _by_generation(generation: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    order = np.argsort(generation, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(generation[order])) + 1) if len(order) else []


def _parents_height(
    lines: Lines, height: NDArray[np.float64], rows: NDArray[np.intp], generation: NDArray[np.int32]
) -> NDArray[np.float64]:
    """The mean height of the parents that stand already; 0 for who has none."""
    total, count = np.zeros(len(rows)), np.zeros(len(rows))
    for of in (lines.first[rows], lines.second[rows]):
        stands = (of != NOBODY) & (generation[of] < generation[rows])
        total += np.where(stands, height[of], 0.0)
        count += stands
    return np.asarray(total / np.maximum(count, 1.0))


def _within(groups: NDArray[np.int32]) -> tuple[Integers, Integers]:
    """Return the number of each row in its group, and the size of the group; equal groups stand together."""
    _, first, counts = np.unique(groups, return_index=True, return_counts=True)
    return np.arange(len(groups)) - np.repeat(first, counts), np.repeat(counts, counts)


def _nearer(rank: Integers, home: Integers, pairs: NDArray[np.intp]) -> Integers:
    """Return ranks of families in which each has moved half the way to the mean of its partners, on its island."""
    n = len(rank)
    total = np.bincount(pairs[0], rank[pairs[1]], n) + np.bincount(pairs[1], rank[pairs[0]], n)
    count = np.bincount(pairs[0], minlength=n) + np.bincount(pairs[1], minlength=n)
    wish = np.where(count > 0, 0.5 * (rank + total / np.maximum(count, 1)), rank)
    found = np.empty(n, dtype=np.int64)
    found[np.lexsort((rank, wish, home))] = np.arange(n)
    return found
