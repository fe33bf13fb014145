"""TA-Lib as it is used here: what its functions say of themselves, and how one of them is computed."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from strategies import talib_library
from strategies.kept_columns import kept

REAL, INTEGER, MA_TYPE = "real", "integer", "type of moving average"
PATTERN_GROUP = "Pattern Recognition"

Column = NDArray[np.float64]

_UNSTABLE = {"Function has an unstable period", "Output is path-dependent"}
_FLOAT64 = np.dtype(np.float64)
_FAR = 2**31  # C has no whole number from here on

# The one override of an input. MAVP's second input is a series of periods, not a price: no bar column is one. The
# dominant cycle period of the same price is the series of periods that TA-Lib itself offers.
PERIODS_INPUT = "periods"
PERIODS_FUNCTION = "HT_DCPERIOD"


class Bars(Protocol):
    """Bars of one shard: five float64 columns, C-contiguous, `(n_bars,)`, without NaN; volume may be 0."""

    @property
    def open(self) -> Column:
        """First price of each bar."""

    @property
    def high(self) -> Column:
        """Highest price of each bar."""

    @property
    def low(self) -> Column:
        """Lowest price of each bar."""

    @property
    def close(self) -> Column:
        """Last price of each bar."""

    @property
    def volume(self) -> Column:
        """What was traded during each bar."""


@dataclass(frozen=True)
class Setting:
    """One parameter of a TA-Lib function as its metadata has it; `kind` is REAL, INTEGER or MA_TYPE."""

    name: str
    default: float
    kind: str


@dataclass(frozen=True)
class Indicator:
    """What TA-Lib says of one function.

    Attributes:
        name: Its name.
        group: TA-Lib's group.
        inputs: Bar columns, or "periods", in the order of the call.
        takes_source: It reads one price, which may be any bar column.
        settings: All of its parameters, in the order of the call.
        outputs: Names of what it returns.
        unstable: TA-Lib says that bars before the lookback matter.
    """

    name: str
    group: str
    inputs: tuple[str, ...]
    takes_source: bool
    settings: tuple[Setting, ...]
    outputs: tuple[str, ...]
    unstable: bool

    @functools.cached_property
    def defaults(self) -> tuple[float, ...]:
        """TA-Lib's own default of every parameter, `(n_settings,)`."""
        return tuple(setting.default for setting in self.settings)

    @functools.cached_property
    def are_real(self) -> tuple[bool, ...]:
        """Which of the parameters is a real number, `(n_settings,)`."""
        return tuple(setting.kind == REAL for setting in self.settings)


@functools.cache
def indicators() -> Mapping[str, Indicator]:
    """Every function of the installed TA-Lib by name, sorted by name, read from its own metadata."""
    return MappingProxyType({name: indicator(name) for name in sorted(talib_library.groups())})


@functools.cache
def indicator(name: str) -> Indicator:
    """One function of the installed TA-Lib, read from its own metadata; the others are not looked at."""
    info: Mapping[str, Any] = talib_library.description(name)
    entries = [[entry] if isinstance(entry, str) else entry for entry in info["input_names"].values()]
    return Indicator(
        name=name,
        group=str(info["group"]),
        inputs=tuple(column for entry in entries for column in entry),
        takes_source=set(info["input_names"]) - {PERIODS_INPUT} == {"price"},
        settings=tuple(Setting(key, float(value), _kind(key, value)) for key, value in info["parameters"].items()),
        outputs=tuple(info["output_names"]),
        unstable=not _UNSTABLE.isdisjoint(info["function_flags"]),
    )


def _kind(name: str, default: float) -> str:
    """The type of a parameter: TA-Lib shows it by the type of the default, and a moving average's by the name."""
    if "matype" in name:
        return MA_TYPE
    return REAL if isinstance(default, float) else INTEGER


def compute(name: str, source: str, values: Sequence[float], bars: Bars) -> tuple[Column, ...] | None:
    """Every output of one TA-Lib function over the bars, as TA-Lib has it.

    Args:
        name: A function of `indicators()`.
        source: The bar column that a function of one price reads; the others ignore it.
        values: A value for each of the function's parameters, in its order.
        bars: The bars; never written to.

    Returns:
        One new `(n_bars,)` float64 array an output, C-contiguous, NaN before TA-Lib's lookback, or None where TA-Lib
        refuses the parameters. Non-finite values later on are left as they are.
    """
    entry = indicator(name)
    arguments = arguments_of(entry, values)
    results = None if arguments is None else _call(name, columns_of(entry, source, bars), arguments)
    if results is None:
        return None
    return tuple([each if each.dtype is _FLOAT64 else _as_floats(each, name, values) for each in results])


def accepts(name: str, values: Sequence[float]) -> bool:
    """Whether TA-Lib takes these parameter values; it refuses those that are out of its bounds, whatever the bars."""
    entry = indicator(name)
    arguments = arguments_of(entry, values)
    one_bar = [np.full(1, 50.0)] * len(entry.inputs)
    return arguments is not None and _call(name, one_bar, arguments) is not None


def bars_since(column: Column) -> Column:
    """How many bars ago the bar lies whose index the column gives, `(n_bars,)`; NaN stays NaN."""
    return np.arange(column.size, dtype=np.float64) - column


def arguments_of(entry: Indicator, values: Sequence[float]) -> list[float] | None:
    """The values of a call as TA-Lib wants them typed, or None where one of them is no number that C has."""
    arguments = []
    for is_real, value in zip(entry.are_real, values, strict=True):
        if not -_FAR < value < _FAR:
            return None
        arguments.append(float(value) if is_real else round(value))
    return arguments


def columns_of(entry: Indicator, source: str, bars: Bars) -> list[Column]:
    """The columns of a call, in the order of the inputs; the bars' own, not copies."""
    if not entry.takes_source:
        return [getattr(bars, column) for column in entry.inputs]
    price: Column = getattr(bars, source)
    if PERIODS_INPUT not in entry.inputs:
        return [price] * len(entry.inputs)
    return [kept(price, _periods_of) if column == PERIODS_INPUT else price for column in entry.inputs]


def _periods_of(price: Column) -> Column:
    """The dominant cycle period of a price, which takes several times as long as the average over those periods."""
    periods = _call(PERIODS_FUNCTION, [price], [])
    return np.full_like(price, np.nan) if periods is None else periods[0]


def _call(name: str, columns: list[Column], arguments: list[float]) -> tuple[NDArray[Any], ...] | None:
    """What TA-Lib returns, new arrays of its own, or None where it refuses."""
    try:
        result = talib_library.function(name)(*columns, *arguments)
    except Exception as refusal:  # TA-Lib raises a bare Exception; anything more special is not its refusal
        if type(refusal) is not Exception:
            raise
        return None
    return result if isinstance(result, tuple) else (result,)


def _as_floats(result: NDArray[Any], name: str, values: Sequence[float]) -> Column:
    """An integer output as a column: TA-Lib fills its lookback with 0, which is a value, where a real one has NaN."""
    column = result.astype(np.float64)
    column[: lookback(name, tuple(values))] = np.nan
    return column


@functools.lru_cache(maxsize=65536)
def lookback(name: str, values: tuple[float, ...]) -> int:
    """Bars before the first output of a TA-Lib function, as TA-Lib states it for parameter values that it accepts."""
    entry = indicator(name)
    arguments = arguments_of(entry, values) or []
    named = {setting.name: value for setting, value in zip(entry.settings, arguments, strict=False)}
    of_periods = talib_library.lookback(PERIODS_FUNCTION, {}) if PERIODS_INPUT in entry.inputs else 0
    return talib_library.lookback(name, named) + of_periods
