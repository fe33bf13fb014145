"""Operands: the column of numbers that a kind of the catalogue gives on real bars, and how long it needs to warm up."""

import functools
from collections.abc import Sequence

import numpy as np

from strategies import indicators, talib_twins
from strategies.catalogue import catalogue
from strategies.errors import StrategyError
from strategies.indicators import Bars, Column
from strategies.operand_columns import all_values, call_columns
from strategies.operand_kind import FADING, SOURCES, OperandKind

__all__ = ["Bars", "column", "columns_of", "warm_up"]

_LENGTHS = (512, 1024, 2048, 4096, 8192)
_VOLATILITIES = (0.012, 0.005, 0.025)


def column(kind: int, source: int, parameters: Sequence[float], bars: Bars) -> Column:
    """The values of an operand, one a bar, each from that bar and earlier ones alone.

    Args:
        kind: Index in the catalogue.
        source: Index in `SOURCES`; ignored by kinds that take none.
        parameters: A value for each parameter of the kind, in its order; further ones are ignored.
        bars: The bars, never written to.

    Returns:
        A new C-contiguous `(n_bars,)` float64 array without infinities. NaN before TA-Lib's lookback, where the
        function has no finite value (a ratio to no volume), and everywhere where TA-Lib refuses the parameters:
        a failed operand is data.

    Raises:
        StrategyError: A kind or source that doesn't exist, or too few parameters.
    """
    return call_columns((_checked(kind, source, parameters),), source, parameters, bars, talib_twins.compute)[0]


def columns_of(kind: int, source: int, parameters: Sequence[float], bars: Bars) -> dict[int, Column]:
    """The values of an operand and of all that TA-Lib computes with it in the same call, by kind.

    MACD's line comes with its signal and histogram, but only if they are asked for with the same parameters: a kind
    whose evolved parameters are others of the function (the line of MACD has no use for the signal's period) is not
    among them. Arguments and errors are those of `column`, and so is each column, to the bit.
    """
    _checked(kind, source, parameters)
    together, entries = _together(kind)
    columns = call_columns(entries, source, parameters, bars, talib_twins.compute)
    return dict(zip(together, columns, strict=True))


@functools.cache
def _together(kind: int) -> tuple[tuple[int, ...], tuple[OperandKind, ...]]:
    """The kinds that one call gives, as indices and as entries, ascending."""
    entry = catalogue()[kind]
    pairs = [
        (index, other)
        for index, other in enumerate(catalogue())
        if (other.function, other.places) == (entry.function, entry.places)
    ]
    return tuple(index for index, _ in pairs), tuple(other for _, other in pairs)


def _checked(kind: int, source: int, parameters: Sequence[float]) -> OperandKind:
    kinds = catalogue()
    if not 0 <= kind < len(kinds):
        raise StrategyError(
            f"An operand's kind must be from 0 to {len(kinds) - 1}, but was {kind}; it is an index in catalogue()."
        )
    if not 0 <= source < len(SOURCES):
        last = len(SOURCES) - 1
        raise StrategyError(
            f"An operand's source must be from 0 to {last}, but was {source}; it is an index in SOURCES."
        )
    entry = kinds[kind]
    if len(parameters) < len(entry.parameters):
        names = ", ".join(parameter.name for parameter in entry.parameters)
        raise StrategyError(f"{entry.name} must have a value for each of {names}, but was given {tuple(parameters)}.")
    return entry


def warm_up(kind: int, parameters: Sequence[float]) -> int:
    """Bars from the first on whose values may still depend on where the bars begin.

    A kind whose memory is a window needs TA-Lib's lookback and no more. One whose memory fades (EMA, RSI, ATR) is
    computed on walks twice, with and without other bars before: its warm-up is the bar from which on the two are
    within 1e-6 of its largest value on each walk, and a quarter more. One whose memory is endless (OBV, VWAP) depends
    on the first bar for ever, and a stop-and-reverse line (SAR, SUPERTREND) forgets it only at its first reversals,
    wherever they come: for the former it is the lookback, for the latter the same measure, good for most bars.

    Args:
        kind: Index in the catalogue.
        parameters: A value for each parameter of the kind; further ones are ignored.

    Returns:
        Bars, at least TA-Lib's lookback, at most 8192. 0 where TA-Lib refuses the parameters.

    Raises:
        StrategyError: A kind that doesn't exist, or too few parameters.
    """
    entry = _checked(kind, 0, parameters)
    return _warm_up(kind, tuple(float(value) for value in parameters[: len(entry.parameters)]))


@functools.lru_cache(maxsize=65536)
def _warm_up(kind: int, parameters: tuple[float, ...]) -> int:
    entry, values = catalogue()[kind], all_values(catalogue()[kind], parameters)
    if entry.function == "PRICE" or not indicators.accepts(entry.function, values):
        return 0
    n_blank = indicators.lookback(entry.function, values)
    return _faded(entry, values, n_blank) if entry.memory == FADING else n_blank


def _faded(entry: OperandKind, values: tuple[float, ...], n_blank: int) -> int:
    """The first bar, and a quarter, from which on the start no longer matters, on walks as long as that takes."""
    for n_bars in _LENGTHS:
        last = max(_last_different(entry, values, number, n_bars) for number in range(len(_VOLATILITIES)))
        if last < n_bars * 3 // 4:
            return max(n_blank, last + last // 4)
    return _LENGTHS[-1]


def _last_different(entry: OperandKind, values: tuple[float, ...], number: int, n_bars: int) -> int:
    from strategies.examination import FADED, runner, starts_differ  # of no use to a worker, which measures nothing

    run = runner(indicators.indicator(entry.function), entry.output, is_index=entry.is_index)
    difference = starts_differ(run, values, number=21 + 2 * number, volatility=_VOLATILITIES[number], n_bars=n_bars)
    late = np.flatnonzero(~(difference <= FADED))
    return int(late[-1]) + 1 if late.size else 0
