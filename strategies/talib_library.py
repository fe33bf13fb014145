"""The installed TA-Lib: the one place that imports it, at the first call, and without data frames.

TA-Lib imports pandas and polars if it finds them, half a second for a door that nothing here goes through: functions
get NumPy arrays. So both are hidden while it is imported, unless they are loaded already. After that, TA-Lib takes
arrays only in this process; a program that also feeds it data frames imports talib, or pandas, before Studbook.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from strategies.hidden_imports import hidden


@functools.cache
def _talib() -> Any:
    with hidden("pandas", "polars"):
        import talib
        import talib.abstract
    return talib


@functools.cache
def versions() -> tuple[str, str]:
    """The version of the Python wrapper and that of the C library that it loaded, without the time it was built."""
    talib = _talib()
    return str(talib.__version__), str(talib.__ta_version__.decode()).partition(" ")[0]


@functools.cache
def groups() -> Mapping[str, str]:
    """The group of every function by the function's name."""
    pairs = ((name, group) for group, names in _talib().get_function_groups().items() for name in names)
    return MappingProxyType(dict(pairs))


def description(name: str) -> Mapping[str, Any]:
    """What TA-Lib's metadata say of a function: inputs, parameters with their defaults, outputs, flags."""
    info: Mapping[str, Any] = _talib().abstract.Function(name).info
    return info


def lookback(name: str, parameters: Mapping[str, float]) -> int:
    """Bars before the first output of a function, for parameter values that it accepts."""
    abstract = _abstract(name)
    abstract.parameters = dict(parameters)
    return int(abstract.lookback)


@functools.cache
def _abstract(name: str) -> Any:
    """A function to ask for lookbacks, kept because to make one takes longer than to ask it.

    It holds the parameter values it was set to last, one set for each thread.
    """
    return _talib().abstract.Function(name)


@functools.cache
def function(name: str) -> Callable[..., Any]:
    """The compiled function, without the door through which TA-Lib lets data frames in where it knows them."""
    return inspect.unwrap(getattr(_talib(), name))
