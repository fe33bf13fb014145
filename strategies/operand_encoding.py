"""An operand to its genes and back, and where a number lies on its grid."""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import SOURCES, catalogue, kind_index
from strategies.errors import StrategyError
from strategies.lookup import MAX_PARAMETERS
from strategies.operand_json import pair_of
from strategies.strategy import Operand

Row = NDArray[np.float64]


def operand_of(values: Row) -> Operand:
    """Return the operand of its values in a phenotype, in the order of `genes.OPERAND_FIELDS`."""
    kind = catalogue()[int(values[0])]
    parameters = tuple(float(value) for value in values[2 : 2 + len(kind.parameters)])
    source = SOURCES[int(values[1])] if kind.takes_source else None
    return Operand(kind.name, source, parameters, int(values[-2]), int(values[-1]))


def operand_values(operand: Operand) -> Row:
    """Return the values of an operand in a phenotype, in the order of `genes.OPERAND_FIELDS`."""
    padding = [0.0] * (MAX_PARAMETERS - len(operand.parameters))
    return np.array([*pair_of(operand), *operand.parameters, *padding, operand.lag, operand.timeframe], dtype=float)


def operand_genes(operand: Operand) -> Row:
    """Return the genes of an operand, in the same order.

    Raises:
        StrategyError: a parameter that lies on no grid of the gene table.
    """
    genes = operand_values(operand)
    for slot, parameter in enumerate(catalogue()[kind_index(operand.kind)].parameters):
        genes[2 + slot] = fraction(operand.parameters[slot], parameter.grid, f"{operand.kind}.{parameter.name}")
    return genes


def fraction(value: float, grid: Sequence[float], place: str) -> float:
    """Return a fraction of [0, 1] that is read as `value` on a grid.

    Raises:
        StrategyError: it isn't on the grid; the nearest values are named.
    """
    if value not in grid:
        refuse(value, grid, place)
    return (list(grid).index(value) + 0.5) / len(grid)


def refuse(value: float, grid: Sequence[float], place: str) -> NoReturn:
    """Raise the error that names the values of a grid that are nearest to one that isn't on it."""
    near = ", ".join(f"{number:g}" for number in sorted(sorted(set(grid), key=lambda at: abs(at - value))[:2]))
    raise StrategyError(
        f"{place} must lie on the gene table's grid to be bred, but was {value:g}. Nearest: {near or 'none'}."
    )
