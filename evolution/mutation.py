"""Mutation: one block of a genome or a few are redrawn as a whole, or changed gene by gene with DEAP's operators.

A kernel reads the numbers of each birth and decides what is mutated; the genes that are to change go to DEAP, all
those of one kind and a whole brood at once.
"""

import math
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evolution.deap_bridge import changed
from evolution.philox import BLOCK, four_nb, words
from evolution.sayable import sayable_blocks, switches_of
from strategies.genes import BLOCK_COLUMNS, BLOCKS, GENES, N_GENES, GeneKind
from strategies.language import DEFAULT, Language
from strategies.sampler import quantiles
from strategies.views import frozen

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SECOND_BLOCK = 0.3  # chance of mutating another block as well, and then another
ANY_BLOCK = 0.2  # chance to mutate any block; else only one that has a say
REDRAW = 0.35  # chance that a mutated block is drawn anew as a whole, by the law of the founders
GENE: Final = 0.2  # chance of each gene of a block that is mutated gene by gene, but one gene at least on average
GRAIN: Final = 2.0**-32  # a mutated fraction is a multiple: so machines whose `pow` differs in the last bit agree

_OPERATORS: Final = {
    GeneKind.BOOLEAN: "flip",
    GeneKind.CATEGORY: "replace",
    GeneKind.INTEGER: "move",
    GeneKind.UNIT: "bend",
}


class Blocks(NamedTuple):
    """The blocks of the gene table in one language, as a kernel takes them.

    Attributes:
        starts, sizes: (b,) first column and number of columns; they stand side by side.
        switches: (b, 2) the genes that switch a block on, or -1 where it needs none, see `sayable.switches_of`.
        sayable: (b,) whether the language has a use for a block; else it is never mutated.
        weights: (b,) how often it is mutated beside the others; grows with its size, but less.
        chances: (b,) of each of its genes.
        kinds: (N_GENES,) place of a gene's operator in `_OPERATORS`.
        entries: (N_GENES, longest) how a gene is drawn, see `sampler.quantiles`, padded with inf.
        lengths: (N_GENES,) of each row of entries; -1 where a gene is the fraction itself.
    """

    starts: Integers
    sizes: Integers
    switches: Integers
    sayable: NDArray[np.bool_]
    weights: Floats
    chances: Floats
    kinds: Integers
    entries: Floats
    lengths: Integers


@cache
def _blocks(language: Language) -> Blocks:
    sizes = [len(BLOCK_COLUMNS[name]) for name in BLOCKS]
    laws = quantiles(language)
    entries = np.full((N_GENES, max(len(law) for law in laws if law is not None)), np.inf)
    for column, law in enumerate(laws):
        entries[column, : len(law or ())] = law or ()
    return Blocks(
        starts=np.array([BLOCK_COLUMNS[name][0] for name in BLOCKS]),
        sizes=np.array(sizes),
        switches=np.array([switches_of(name) for name in BLOCKS]),
        sayable=sayable_blocks(language).copy(),
        weights=np.array([math.sqrt(size) for size in sizes]),
        chances=np.array([max(GENE, 1.0 / size) for size in sizes]),
        kinds=np.array([list(_OPERATORS).index(gene.kind) for gene in GENES]),
        entries=entries,
        lengths=np.array([-1 if law is None else len(law) for law in laws]),
    )


_LOW: Final = np.array([gene.low for gene in GENES], dtype=np.float64)
_HIGH: Final = np.array([gene.high for gene in GENES], dtype=np.float64)


def mutated(genomes: Floats, key: int, indices: Integers, attempts: Integers, language: Language = DEFAULT) -> Floats:
    """Return mutants of `genomes` (n, N_GENES), each with the streams of its index and attempt (n,) under `key`.

    What `language` has no use for stays as it is.
    """
    mutants = genomes.copy(order="C")
    n_kinds = len(_OPERATORS)
    genes, numbers = np.empty((n_kinds, mutants.size), dtype=np.int64), np.empty((n_kinds, mutants.size, 2))
    counts = np.zeros(n_kinds, dtype=np.int64)
    births = frozen(indices, np.int64), frozen(attempts, np.int64)
    mutate_nb(mutants, words(key), *births, _blocks(language), genes, numbers, counts)
    flat = mutants.reshape(-1)
    for kind, operator in enumerate(_OPERATORS.values()):
        if counts[kind] == 0:
            continue
        chosen, drawn = genes[kind, : counts[kind]], numbers[kind, : counts[kind]]
        columns = chosen % N_GENES
        values = changed(operator, flat[chosen], drawn, _LOW[columns], _HIGH[columns])
        flat[chosen] = np.rint(values / GRAIN) * GRAIN if operator == "bend" else values
    return mutants


@njit(cache=True, nogil=True, error_model="numpy")
def mutate_nb(
    genomes: Floats,
    key: NDArray[np.uint64],
    indices: Integers,
    attempts: Integers,
    blocks: Blocks,
    genes: Integers,
    numbers: Floats,
    counts: Integers,
) -> None:
    """Redraw blocks of `genomes` (n, N_GENES) in place, and list the single genes that are to be changed.

    The list has a row for each kind of gene: `counts[kind]` genes, as places in the flat `genomes`, and for each two
    `numbers`. Part 0 of a birth's stream gives four numbers a block: whether it may be any, which, whether it is
    redrawn, whether there is another. Part `1 + b` gives block b one number for each gene, to redraw it or to say
    whether it is changed, and then one for each, to change it. What has a say is what had it before the mutation.
    """
    n_blocks = blocks.starts.shape[0]
    speaking, left = np.empty(n_blocks, dtype=np.bool_), np.empty(n_blocks, dtype=np.bool_)
    for row in range(genomes.shape[0]):
        index, attempt, turn = indices[row], attempts[row], 0
        for block in range(n_blocks):
            own, whole = blocks.switches[block, 0], blocks.switches[block, 1]
            speaking[block] = (own < 0 or genomes[row, own] > 0.0) and (whole < 0 or genomes[row, whole] > 0.0)
            left[block] = blocks.sayable[block]
        while True:
            liberty, place, fate, another = four_nb(key, turn, index, attempt, 0)
            chosen = _choose_nb(blocks.weights, left, left if liberty < ANY_BLOCK else speaking, place)
            if chosen < 0:
                break
            left[chosen] = False
            for offset in range(blocks.sizes[chosen]):
                column = blocks.starts[chosen] + offset
                number = four_nb(key, offset // BLOCK, index, attempt, 1 + chosen)[offset % BLOCK]
                if fate < REDRAW:
                    genomes[row, column] = _drawn_nb(blocks.entries, blocks.lengths, column, number)
                elif number < blocks.chances[chosen]:
                    after = blocks.sizes[chosen] + offset
                    kind = blocks.kinds[column]
                    at = counts[kind]
                    genes[kind, at] = row * genomes.shape[1] + column
                    numbers[kind, at, 0] = number
                    numbers[kind, at, 1] = four_nb(key, after // BLOCK, index, attempt, 1 + chosen)[after % BLOCK]
                    counts[kind] = at + 1
            turn += 1
            if another >= SECOND_BLOCK:
                break


@njit(inline="always")
def _choose_nb(weights: Floats, left: NDArray[np.bool_], speaking: NDArray[np.bool_], place: float) -> int:
    """Return the block at `place` of [0, 1) among those left that speak, by their weights; -1 if there is none."""
    total = 0.0
    for block in range(weights.shape[0]):
        if left[block] and speaking[block]:
            total += weights[block]
    chosen, reached = -1, 0.0
    for block in range(weights.shape[0]):
        if left[block] and speaking[block] and reached <= place * total:
            chosen = block
            reached += weights[block]
    return chosen


@njit(inline="always")
def _drawn_nb(entries: Floats, lengths: Integers, column: int, number: float) -> float:
    """Return the value of a gene by its law: `bisect.bisect_right`, or the number itself."""
    low, high = 0, lengths[column]
    if high < 0:
        return number
    while low < high:
        middle = (low + high) // 2
        if number < entries[column, middle]:
            high = middle
        else:
            low = middle + 1
    return float(low)
