"""TA-Lib behind one door: what its functions say of themselves, and how one of them is computed.

This is the only module that imports talib, and it does so at the first call: the import pulls in whatever data-frame
library is installed, which takes about a second.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

REAL, INTEGER, MA_TYPE = "real", "integer", "type of moving average"
PATTERN_GROUP = "Pattern Recognition"

Columns = list[NDArray[np.float64]]

_UNSTABLE = {"Function has an unstable period", "Output is path-dependent"}

# The one override of an input. MAVP's second input is a series of periods, not a price: no bar column is one. The
# dominant cycle period of the same price is the series of periods that TA-Lib itself offers.
PERIODS_INPUT = "periods"
PERIODS_FUNCTION = "HT_DCPERIOD"


class Bars(Protocol):
    """Bars of one shard: five float64 columns, C-contiguous, `(n_bars,)`, without NaN; volume may be 0."""

    @property
    def open(self) -> NDArray[np.float64]:
        """First price of each bar."""

    @property
    def high(self) -> NDArray[np.float64]:
        """Highest price of each bar."""

    @property
    def low(self) -> NDArray[np.float64]:
        """Lowest price of each bar."""

    @property
    def close(self) -> NDArray[np.float64]:
        """Last price of each bar."""

    @property
    def volume(self) -> NDArray[np.float64]:
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


@functools.cache
def indicators() -> Mapping[str, Indicator]:
    """Every function of the installed TA-Lib by name, sorted by name, read from its own metadata."""
    import talib

    names = (name for functions in talib.get_function_groups().values() for name in functions)
    return MappingProxyType({name: _indicator(name) for name in sorted(names)})


def _indicator(name: str) -> Indicator:
    info: dict[str, Any] = _abstract(name).info
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


def _abstract(name: str) -> Any:
    """TA-Lib's description of a function, a new one at each call: it holds the parameter values it is set to."""
    from talib import abstract

    return abstract.Function(name)  # type: ignore[attr-defined]  # made by TA-Lib as it is imported


def compute(name: str, source: str, values: Sequence[float], bars: Bars) -> tuple[NDArray[np.float64], ...] | None:
    """Every output of one TA-Lib function over the bars, as TA-Lib has it.

    Args:
        name: A function of `indicators()`.
        source: The bar column that a function of one price reads; the others ignore it.
        values: A value for each of the function's parameters, in its order.
        bars: The bars; never written to.

    Returns:
        One `(n_bars,)` float64 array an output, NaN before TA-Lib's lookback, or None where TA-Lib refuses the
        parameters. Non-finite values later on are left as they are.
    """
    indicator = indicators()[name]
    arguments = _arguments(indicator, values)
    columns = _columns(indicator, source, bars)
    results = None if arguments is None else _call(name, columns, arguments)
    if results is None:
        return None
    return _without_lookback(results, lookback(name, tuple(values)))


def accepts(name: str, values: Sequence[float]) -> bool:
    """Whether TA-Lib takes these parameter values; it refuses those that are out of its bounds, whatever the bars."""
    indicator = indicators()[name]
    arguments = _arguments(indicator, values)
    one_bar = [np.full(1, 50.0)] * len(indicator.inputs)
    return arguments is not None and _call(name, one_bar, arguments) is not None


def bars_since(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many bars ago the bar lies whose index the column gives, `(n_bars,)`; NaN stays NaN."""
    return np.arange(column.size, dtype=np.float64) - column


def _arguments(indicator: Indicator, values: Sequence[float]) -> list[float] | None:
    """The values as TA-Lib wants them typed, or None where one of them is no number that C has."""
    if not all(abs(value) < 2**31 for value in values):
        return None
    pairs = zip(indicator.settings, values, strict=True)
    return [float(value) if setting.kind == REAL else round(value) for setting, value in pairs]


def _columns(indicator: Indicator, source: str, bars: Bars) -> Columns:
    if not indicator.takes_source:
        return [getattr(bars, column) for column in indicator.inputs]
    price: NDArray[np.float64] = getattr(bars, source)
    return [_periods(price) if column == PERIODS_INPUT else price for column in indicator.inputs]


def _periods(price: NDArray[np.float64]) -> NDArray[np.float64]:
    periods = _call(PERIODS_FUNCTION, [price], [])
    return np.full_like(price, np.nan) if periods is None else periods[0]


@functools.cache
def _function(name: str) -> Callable[..., Any]:
    """The function itself, without the door through which TA-Lib lets data frames in."""
    import talib

    return inspect.unwrap(getattr(talib, name))


def _call(name: str, columns: Columns, arguments: list[float]) -> tuple[NDArray[np.float64], ...] | None:
    try:
        result = _function(name)(*columns, *arguments)
    except Exception as refusal:  # TA-Lib raises a bare Exception; anything more special is not its refusal
        if type(refusal) is not Exception:
            raise
        return None
    return result if isinstance(result, tuple) else (result,)


def _without_lookback(results: tuple[NDArray[np.float64], ...], n_blank: int) -> tuple[NDArray[np.float64], ...]:
    """Float columns whose lookback is NaN: TA-Lib fills that of its integer outputs with 0, which is a value."""
    columns = tuple(np.ascontiguousarray(result, dtype=np.float64) for result in results)
    for column in columns:
        column[:n_blank] = np.nan
    return columns


@functools.lru_cache(maxsize=65536)
def lookback(name: str, values: tuple[float, ...]) -> int:
    """Bars before the first output of a TA-Lib function, as TA-Lib states it for parameter values that it accepts."""
    indicator, function = indicators()[name], _abstract(name)
    arguments = _arguments(indicator, values) or []
    function.parameters = {setting.name: value for setting, value in zip(indicator.settings, arguments, strict=False)}
    of_periods = int(_abstract(PERIODS_FUNCTION).lookback) if PERIODS_INPUT in indicator.inputs else 0
    return int(function.lookback) + of_periods
