"""The columns of one call of a function, as operands have them: unchecked, for `operands` and searches for mirrors."""

from collections.abc import Callable, Sequence

import numpy as np

from strategies import indicators
from strategies.indicators import Bars, Column
from strategies.operand_kind import PATTERN, SOURCES, OperandKind

Compute = Callable[[str, str, Sequence[float], Bars], tuple[Column, ...] | None]
"""`indicators.compute`, or what gives the same."""


def all_values(kind: OperandKind, parameters: Sequence[float]) -> tuple[float, ...]:
    """Every parameter of the call: the evolved ones as given, the others at TA-Lib's default."""
    if len(kind.places) == len(kind.defaults):
        return tuple([float(value) for value in parameters[: len(kind.places)]])
    values = list(kind.defaults)
    for place, value in zip(kind.places, parameters, strict=False):
        values[place] = float(value)
    return tuple(values)


def call_columns(
    kinds: Sequence[OperandKind],
    source: int,
    parameters: Sequence[float],
    bars: Bars,
    compute: Compute | None = None,
) -> tuple[Column, ...]:
    """The column of each of `kinds`, outputs of one function with the same evolved parameters, by one call.

    Args:
        kinds: At least one.
        source: Index in `SOURCES`.
        parameters: Values of the evolved parameters, in their order.
        bars: The bars; never written to.
        compute: How the function is computed; None asks TA-Lib.

    Returns:
        New C-contiguous `(n_bars,)` float64 arrays, NaN where there is no finite value.
    """
    first = kinds[0]
    if first.function == "PRICE":
        return (np.array(getattr(bars, SOURCES[source]), dtype=np.float64, order="C"),)
    values = all_values(first, parameters)
    outputs = (compute or indicators.compute)(first.function, SOURCES[source], values, bars)
    if outputs is None:
        return tuple([np.full(bars.close.size, np.nan) for _ in kinds])
    if first.family == PATTERN:  # one output: 100 or 200 by how sure it is, 80 where it hardly is
        return (np.sign(outputs[0]),)
    return tuple([_finite_or_nan(outputs[kind.output], is_index=kind.is_index) for kind in kinds])


def _finite_or_nan(column: Column, *, is_index: bool) -> Column:
    """The column, its infinities made NaN in place; there is hardly ever one, so they are looked for first."""
    if is_index:
        column = indicators.bars_since(column)
    infinite = np.isinf(column)
    if infinite[infinite.argmax()]:
        column[infinite] = np.nan
    return column
