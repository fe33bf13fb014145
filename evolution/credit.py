"""Credit of the operators: who bears children that live on gets more births.

Three operators compete: crossover alone, mutation alone, and both. The reward of one in a generation is the share of
its children that live on, seen beside the others'; its credit is the exponential average of that, and its share of the
next births is its share of all credit, but for a floor that keeps every operator in the game.

Source: Thierens 2005, "An adaptive pursuit strategy for allocating operator probabilities": probability matching with
a least probability (its equations 1 to 3).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evolution.pedigree import CROSSOVER, CROSSOVER_MUTATION, MUTATION
from strategies.errors import UsageError

Floats = NDArray[np.float64]

COMPETING: Final = (CROSSOVER, MUTATION, CROSSOVER_MUTATION)
"""The operators that have credit, in the order of every array here."""

FLOOR: Final = 0.1  # least share of the births of each operator
PACE: Final = 0.1  # weight of the latest generation in the average


def new_credit(*, crossover_rate: float, mutation_rate: float) -> Floats:
    """Return the memory (3,) before any generation: credit that gives the shares which the rates stand for.

    >>> new_credit(crossover_rate=0.5, mutation_rate=0.5).tolist()
    [0.25, 0.5, 0.25]
    """
    return np.array([crossover_rate * (1.0 - mutation_rate), 1.0 - crossover_rate, crossover_rate * mutation_rate])


def shares(memory: Floats) -> Floats:
    """Return the shares (3,) of the births that the operators of `COMPETING` get; they add up to 1.

    None is below `FLOOR`, so a rate that was set to 0 is not kept. Without any credit all are equal.
    """
    total = memory[0] + memory[1] + memory[2]
    credit = memory / total if total > 0.0 else np.full(len(COMPETING), 1.0 / len(COMPETING))
    return FLOOR + (1.0 - len(COMPETING) * FLOOR) * credit


def credited(
    memory: Floats,
    operators: NDArray[np.int8],
    lived: NDArray[np.bool_],
    retries: NDArray[np.int16] | None = None,
) -> Floats:
    """Return the memory (3,) after a generation; the given one stays as it is.

    A reward is the operator's share of children that live on over the sum of these shares, so that the level of the
    fitness, and how many children live on at all, does not matter. An operator that bore nobody keeps its credit, and
    so do all if no child lives on.

    Args:
        memory: (3,) of `new_credit` or of the generation before.
        operators: (n,) codes of `pedigree.OPERATORS`; births by others than `COMPETING` count for nobody.
        lived: (n,) whether each birth is in the population after the generation's selection.
        retries: (n,) further mutations that each took to be new; such a child is not the work of its operator alone and
            counts for nobody.

    Raises:
        UsageError: shapes that don't fit.
    """
    own = np.zeros(len(operators), dtype=np.int16) if retries is None else retries
    if memory.shape != (len(COMPETING),) or not operators.shape == lived.shape == own.shape:
        raise UsageError(
            f"`memory` must be ({len(COMPETING)},) and `operators`, `lived` and `retries` all (n,), but were "
            f"{memory.shape}, {operators.shape}, {lived.shape} and {own.shape} (credit). Give them of the same births."
        )
    counted = [(operators == code) & (own == 0) for code in COMPETING]
    borne = np.array([np.count_nonzero(mask) for mask in counted])
    living = np.array([np.count_nonzero(mask & lived) for mask in counted])
    rates = living / np.maximum(borne, 1)
    total = rates[0] + rates[1] + rates[2]
    if total == 0.0:
        return memory.copy()
    present = borne > 0
    mine = float(np.count_nonzero(present)) / len(COMPETING)  # those who are absent keep what an equal share would be
    rewards = rates / total * mine
    return np.where(present, memory + PACE * (rewards - memory), memory)
