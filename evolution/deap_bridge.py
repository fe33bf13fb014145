"""The one place that knows DEAP: a toolbox with `mate`, `mutate` and `select` for genomes of the gene table.

DEAP draws from the module `random`, which every thread of a process shares. Here its modules are lent a generator of
our own, seeded from our keys, under a lock, and given the real module back on the way out. So breeding neither
touches nor notices the global random state, whatever else the process draws meanwhile.

DEAP's operators work in place: they are only ever handed an `Individual`, which is a fresh list.
"""

import math
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from deap import base, tools
from deap.tools import crossover, emo, mutation, selection

from strategies.genes import BLOCK_COLUMNS, BLOCKS, COLUMN, GENES, MODULES, GeneKind

MODULE_SWAPS: Final = 0.25  # share of crossovers that exchange whole modules; the others exchange blocks
SWAP: Final = 0.5  # chance that a module or block is taken from the other parent
MIX: Final = 0.3  # chance that a block that stays is mixed gene by gene instead
SECOND_BLOCK: Final = 0.3  # chance of mutating another block as well, and then another
ANY_BLOCK: Final = 0.2  # chance to mutate any block; else only one that has a say
REDRAW: Final = 0.35  # chance that a mutated block comes whole from a random genome
GENE: Final = 0.2  # chance of each gene of a block that is mutated gene by gene
STEP: Final = 3  # longest step of an integer gene
ETA: Final = 5.0  # crowding degree of the polynomial mutation: smaller is wider

_DRAWING: Final = (crossover, mutation, selection, emo)
_LOCK: Final = threading.RLock()

Genes = Sequence[float]


class Individual(list[float]):
    """One genome as DEAP wants it: a plain list, made by copying."""

    __slots__ = ()


class Candidate:
    """A possible parent: its row, and its place in the order of merit as a fitness that DEAP's tournament compares."""

    __slots__ = ("merit", "row")

    def __init__(self, row: int, merit: int) -> None:
        self.row = row
        self.merit = merit


@contextmanager
def lent(rng: random.Random) -> Iterator[None]:
    """Let DEAP draw from `rng` inside the block, and from what it had before after it, also after an error."""
    with _LOCK:
        before = [module.random for module in _DRAWING]
        try:
            for module in _DRAWING:
                module.random = rng
            yield
        finally:
            for module, own in zip(_DRAWING, before, strict=True):
                module.random = own


@dataclass(frozen=True)
class Block:
    """Where the genes of one block are, by what may be done to them. Columns are ascending.

    Attributes:
        columns: every gene of the block.
        switch: the gene that switches the block on, or None where it always has a say.
        weight: how often it is mutated beside the others; grows with its size, but less.
        booleans, categories, integers, fractions: columns by gene kind, with the bounds of the two whole kinds.
    """

    columns: tuple[int, ...]
    switch: int | None
    weight: float
    booleans: tuple[int, ...]
    categories: tuple[int, ...]
    category_bounds: tuple[list[int], list[int]]
    integers: tuple[int, ...]
    integer_bounds: tuple[list[int], list[int]]
    fractions: tuple[int, ...]


def _block(name: str) -> Block:
    columns = BLOCK_COLUMNS[name]
    of = {kind: tuple(column for column in columns if GENES[column].kind is kind) for kind in GeneKind}

    def bounds(kind: GeneKind) -> tuple[list[int], list[int]]:
        return [int(GENES[column].low) for column in of[kind]], [int(GENES[column].high) for column in of[kind]]

    return Block(
        columns=columns,
        switch=COLUMN.get(f"{name}.on"),
        weight=math.sqrt(len(columns)),
        booleans=of[GeneKind.BOOLEAN],
        categories=of[GeneKind.CATEGORY],
        category_bounds=bounds(GeneKind.CATEGORY),
        integers=of[GeneKind.INTEGER],
        integer_bounds=bounds(GeneKind.INTEGER),
        fractions=of[GeneKind.UNIT],
    )


@cache
def blocks() -> tuple[Block, ...]:
    """Return the blocks of the gene table."""
    return tuple(_block(name) for name in BLOCKS)


@cache
def _modules() -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(column for column, gene in enumerate(GENES) if gene.module == name) for name in MODULES)


def mate(first: Individual, second: Individual, rng: random.Random) -> tuple[Individual, Individual]:
    """Exchange homologous genes of two individuals, in place: whole modules, or blocks and genes within blocks."""
    if rng.random() < MODULE_SWAPS:
        for columns in _modules():
            if rng.random() < SWAP:
                _swap(first, second, columns)
        return first, second
    for block in blocks():
        if rng.random() < SWAP:
            _swap(first, second, block.columns)
        elif rng.random() < MIX:
            _mix(first, second, block.columns, rng)
    return first, second


def _swap(first: Individual, second: Individual, columns: Sequence[int]) -> None:
    for column in columns:
        first[column], second[column] = second[column], first[column]


def _mix(first: Individual, second: Individual, columns: Sequence[int], rng: random.Random) -> None:
    """Exchange some genes of one block: single ones, or a stretch of them where there are three or more."""
    left, right = [first[column] for column in columns], [second[column] for column in columns]
    if len(columns) > 2 and rng.random() < 0.5:
        tools.cxTwoPoint(left, right)
    else:
        tools.cxUniform(left, right, indpb=0.5)
    _put(first, columns, left)
    _put(second, columns, right)


def _put(individual: Individual, columns: Sequence[int], values: Genes) -> None:
    for column, value in zip(columns, values, strict=True):
        individual[column] = value


def mutate(individual: Individual, rng: random.Random, material: Sequence[Genes]) -> tuple[Individual]:
    """Change one block or a few, in place: gene by gene, or replaced by that block of a random genome of `material`."""
    while True:
        block = _choose(individual, rng)
        if rng.random() < REDRAW:
            donor = rng.choice(material)
            _put(individual, block.columns, [donor[column] for column in block.columns])
        else:
            _mutate_genes(individual, block, rng)
        if rng.random() >= SECOND_BLOCK:
            return (individual,)


def _choose(individual: Individual, rng: random.Random) -> Block:
    """Return the block to mutate: mostly one that has a say in what the strategy does."""
    among = blocks()
    if rng.random() >= ANY_BLOCK:
        among = tuple(block for block in among if block.switch is None or individual[block.switch] > 0)
    return rng.choices(among, weights=[block.weight for block in among])[0]


def _mutate_genes(individual: Individual, block: Block, rng: random.Random) -> None:
    """Change each gene with chance `GENE` by the operator of its kind."""
    chance = max(GENE, 1.0 / len(block.columns))
    _operate(individual, block.booleans, tools.mutFlipBit, indpb=chance)
    low, high = block.category_bounds
    _operate(individual, block.categories, tools.mutUniformInt, low=low, up=high, indpb=chance)
    low, high = block.integer_bounds
    _operate(individual, block.integers, step, low=low, up=high, indpb=chance, rng=rng)
    _operate(individual, block.fractions, tools.mutPolynomialBounded, eta=ETA, low=0.0, up=1.0, indpb=chance)


def _operate(individual: Individual, columns: Sequence[int], operator: Any, **settings: Any) -> None:
    if columns:
        (values,) = operator([individual[column] for column in columns], **settings)
        _put(individual, columns, values)


def step(
    values: list[float], *, low: Sequence[int], up: Sequence[int], indpb: float, rng: random.Random
) -> tuple[list[float]]:
    """Move each ordered whole number, with chance `indpb`, by 1 to `STEP` up or down inside its bounds, in place."""
    for at, (lowest, highest) in enumerate(zip(low, up, strict=True)):
        if rng.random() < indpb:
            now = int(values[at])
            near = range(max(lowest, now - STEP), min(highest, now + STEP) + 1)
            values[at] = float(rng.choice([value for value in near if value != now]))
    return (values,)


@cache
def toolbox() -> Any:
    """Return the DEAP toolbox: `mate(a, b, rng)`, `mutate(a, rng, material)`, `select(candidates, k, tournsize)`.

    Call them inside `lent(rng)`, with the same `rng`.
    """
    box = base.Toolbox()
    box.register("mate", mate)
    box.register("mutate", mutate)
    box.register("select", tools.selTournament, fit_attr="merit")
    return box
