"""Operands: the column of numbers that a kind of the catalogue gives on real bars, and how long it needs to warm up."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from strategies import indicators, talib_twins
from strategies.catalogue import catalogue
from strategies.errors import StrategyError
from strategies.features import FEATURES
from strategies.features.kinds import LEARNER
from strategies.higher_bars import HigherBars, higher_bars
from strategies.indicators import Bars, Column
from strategies.operand_columns import all_values, call_columns
from strategies.operand_kind import FADING, SOURCES, OperandKind

if TYPE_CHECKING:
    from strategies.examination import Run

__all__ = ["Bars", "column", "columns_of", "warm_up"]

_LENGTHS = (512, 1024, 2048, 4096, 8192)
_VOLATILITIES = (0.012, 0.005, 0.025)


def column(kind: int, source: int, parameters: Sequence[float], bars: Bars | HigherBars, timeframe: int = 0) -> Column:
    """The values of an operand, one a bar, each from that bar and earlier ones alone.

    Args:
        kind: Index in the catalogue; not one that reads a learner, which the feature bank computes.
        source: Index in `SOURCES`; ignored by kinds that take none.
        parameters: A value for each parameter of the kind, in its order; further ones are ignored.
        bars: The bars, never written to. Ready `HigherBars` stand for the shard's bars on a higher timeframe: what
            comes back has a value for each of the shard's bars, that of the last higher bar that had closed.
        timeframe: 0 for the bars' own, 1 or 2 for rungs up the ladder (`time_grid.rungs`), for which the higher bars
            are made on the spot; 0 with ready ones.

    Returns:
        A new C-contiguous `(n_bars,)` float64 array without infinities. NaN before the operand's first value (TA-Lib's
        lookback, or no higher bar has closed), where the function has no finite value (a ratio to no volume), and
        everywhere where TA-Lib refuses the parameters: a failed operand is data.

    Raises:
        StrategyError: A kind, source or timeframe that doesn't exist, too few parameters, or bars that lack what the
            kind reads: times, or an extra column.
    """
    entry = _checked(kind, source, parameters)
    return _columns((entry,), source, parameters, _on_rung(bars, timeframe))[0]


def columns_of(
    kind: int, source: int, parameters: Sequence[float], bars: Bars | HigherBars, timeframe: int = 0
) -> dict[int, Column]:
    """The values of an operand and of all that is computed with it in the same call, by kind.

    MACD's line comes with its signal and histogram, but only if they are asked for with the same parameters: a kind
    whose evolved parameters are others of the function (the line of MACD has no use for the signal's period) is not
    among them. Arguments and errors are those of `column`, and so is each column, to the bit.
    """
    _checked(kind, source, parameters)
    together, entries = _together(kind)
    columns = _columns(entries, source, parameters, _on_rung(bars, timeframe))
    return dict(zip(together, columns, strict=True))


def _on_rung(bars: Bars | HigherBars, timeframe: int) -> Bars | HigherBars:
    if timeframe == 0:
        return bars
    if isinstance(bars, HigherBars):
        raise StrategyError(
            f"The timeframe must be 0 where higher bars are given, but was {timeframe}; give the shard's own bars."
        )
    return higher_bars(bars, timeframe)


def _columns(
    kinds: Sequence[OperandKind], source: int, parameters: Sequence[float], bars: Bars | HigherBars
) -> tuple[Column, ...]:
    first = kinds[0]
    extra = getattr(bars, "extra", None) or {}
    missing = [name for name in first.requires if name not in extra]
    if missing:
        raise StrategyError(
            f"{first.name} must have bars with the extra column {missing[0]!r}, but these have "
            f"{', '.join(map(repr, extra)) or 'none'}; import them with it, or leave the operand out."
        )
    if not isinstance(bars, HigherBars):
        return call_columns(kinds, source, parameters, bars, _compute)
    if not bars.close.size:
        return tuple([np.full(bars.last_closed.size, np.nan) for _ in kinds])
    return tuple([bars.seen(each) for each in call_columns(kinds, source, parameters, bars, _compute)])


def _compute(name: str, source: str, values: Sequence[float], bars: Bars) -> tuple[Column, ...] | None:
    """Every output of one function, by whoever has it."""
    if name in FEATURES:
        return FEATURES[name].compute(bars, tuple(values))
    if name == LEARNER:
        raise StrategyError(
            f"An operand must be computed from bars alone, but {name} reads a learner of its strategy; "
            "ask the feature bank (fitness.bank) for it."
        )
    return talib_twins.compute(name, source, values, bars)


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
    """Bars from the first on whose values may still depend on where the bars begin, in bars of the operand's timeframe.

    How many of a shard's bars that are on a higher timeframe depends on the gaps among them: ask
    `HigherBars.bars_before`.

    A kind whose memory is a window needs its lookback (a feature: what it states) and no more. One whose memory fades
    (EMA, RSI, ATR) is computed on walks twice, with and without other bars before: its warm-up is the bar from which on
    the two are within 1e-6 of its largest value on each walk, and a quarter more. One whose memory is endless (OBV,
    VWAP) depends on the first bar for ever, and a stop-and-reverse line (SAR, SUPERTREND) or a regime forgets it only
    at its first reversals, wherever they come: for the former it is the lookback, for the latter the same measure, good
    for most bars. What counts from the start of a day or month is unknown until one has begun, which takes as long as
    that.

    Args:
        kind: Index in the catalogue; not one that reads a learner.
        parameters: A value for each parameter of the kind; further ones are ignored.

    Returns:
        Bars, at least the lookback; of what fades at most 8192. 0 where TA-Lib refuses the parameters.

    Raises:
        StrategyError: A kind that doesn't exist or reads a learner, or too few parameters.
    """
    entry = _checked(kind, 0, parameters)
    if entry.function == LEARNER:
        raise StrategyError(
            f"A warm-up must be that of an operand on bars, but was asked of {entry.name}; it is its features' longest."
        )
    return _warm_up(kind, tuple(float(value) for value in parameters[: len(entry.parameters)]))


@functools.lru_cache(maxsize=65536)
def _warm_up(kind: int, parameters: tuple[float, ...]) -> int:
    entry, values = catalogue()[kind], all_values(catalogue()[kind], parameters)
    if entry.function in FEATURES:
        n_blank = FEATURES[entry.function].warm_up(values)
    elif entry.function == "PRICE" or not indicators.accepts(entry.function, values):
        return 0
    else:
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

    if entry.function in FEATURES:
        run = _feature_run(entry)
    else:
        run = runner(indicators.indicator(entry.function), entry.output, is_index=entry.is_index)
    difference = starts_differ(run, values, number=21 + 2 * number, volatility=_VOLATILITIES[number], n_bars=n_bars)
    late = np.flatnonzero(~(difference <= FADED))
    return int(late[-1]) + 1 if late.size else 0


def _feature_run(entry: OperandKind) -> "Run":
    compute = FEATURES[entry.function].compute

    def run(bars: Bars, values: tuple[float, ...]) -> Column:
        return compute(bars, values)[entry.output]

    return run
