"""TA-Lib's functions, some of them by a compiled twin that gives the same bits sooner.

A twin is used only after it has given TA-Lib's very bits in this process, on probes that rest, jump and repeat
themselves: so another TA-Lib, another compiler or another processor costs time and changes nothing. The catalogue is
discovered from TA-Lib itself; twins compute the columns of real bars, where their speed counts.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from strategies import indicators
from strategies.indicators import INTEGER, Bars, Column, Indicator
from strategies.operand_kind import SOURCES

if TYPE_CHECKING:
    from strategies.cycle_twins import CycleTwin

NAMES = frozenset(
    {
        "AVGDEV",
        "CCI",
        "FRACTAL",
        "HT_DCPHASE",
        "HT_SINE",
        "HT_TRENDMODE",
        "IMI",
        "MAMA",
        "PERCENTILE",
        "VHF",
    }
)
"""Functions that have a twin: named apart from them, so that numba is imported only where one is called."""

Twin = Callable[[Sequence[Column], Sequence[float]], tuple[Column, ...] | None]

_N_PROBE_BARS = 400
_LENGTHS = (17.0, 34.0, 101.0)
_SHARES = (1.0, 0.6)


def compute(name: str, source: str, values: Sequence[float], bars: Bars) -> tuple[Column, ...] | None:
    """Every output of one TA-Lib function over the bars, equal to `indicators.compute` in every bit that is no NaN."""
    twin = proved_twin(name) if name in NAMES else None
    found = None if twin is None else _by_twin(twin, indicators.indicator(name), source, values, bars)
    return found or indicators.compute(name, source, values, bars)


@functools.cache
def proved_twin(name: str) -> Twin | None:
    """The twin of a function that gives TA-Lib's bits here, or None."""
    entry = indicators.indicator(name)
    for twin in candidates(name):
        if all(_agrees(twin, entry, values, bars) for bars in _probes() for values in _probe_values(entry)):
            return twin
    return None


def prove_all() -> None:
    """Compile all twins, or load them, and put them to the proof: so that workers find them in numba's cache."""
    for name in sorted(NAMES):
        proved_twin(name)


def candidates(name: str) -> Iterator[Twin]:
    """The ways in which TA-Lib may have been compiled: where it matters, with fused multiply-add, and without."""
    from strategies.cycle_twins import CYCLE_TWINS
    from strategies.window_twins import WINDOW_TWINS

    if name in WINDOW_TWINS:
        yield WINDOW_TWINS[name]
    else:
        yield from (partial(_cycle_twin, CYCLE_TWINS[name], fused) for fused in (True, False))


def _cycle_twin(
    twin: "CycleTwin", fused: bool, columns: Sequence[Column], arguments: Sequence[float]
) -> tuple[Column, ...] | None:
    return twin(columns, arguments, fused)


def _by_twin(
    twin: Twin, entry: Indicator, source: str, values: Sequence[float], bars: Bars
) -> tuple[Column, ...] | None:
    arguments = indicators.arguments_of(entry, values)
    return None if arguments is None else twin(indicators.columns_of(entry, source, bars), arguments)


def _agrees(twin: Twin, entry: Indicator, values: Sequence[float], bars: Bars) -> bool:
    found = _by_twin(twin, entry, "close", values, bars)
    expected = indicators.compute(entry.name, "close", values, bars)
    return found is not None and expected is not None and all(map(_same_bits, found, expected))


def _same_bits(one: Column, other: Column) -> bool:
    known = ~np.isnan(other)
    return np.array_equal(~np.isnan(one), known) and one[known].tobytes() == other[known].tobytes()


@functools.cache
def _probes() -> tuple[Bars, ...]:
    """A walk as it is, and one in coarse steps with a rest in it, so that values repeat themselves."""
    from strategies.probes import SyntheticBars, walk

    plain = walk(number=51, volatility=0.02, n_bars=_N_PROBE_BARS)
    columns = [np.round(getattr(walk(number=52, volatility=0.03, n_bars=_N_PROBE_BARS), name)) for name in SOURCES]
    for column in columns:
        column[200:330] = column[200]
    return plain, SyntheticBars(*columns)


def _probe_values(entry: Indicator) -> tuple[tuple[float, ...], ...]:
    """Distinct parameter values: whole numbers are a length, real ones a share of their default."""
    pairs = [(length, share) for length in _LENGTHS for share in _SHARES]
    values = [
        tuple(length if setting.kind == INTEGER else share * setting.default for setting in entry.settings)
        for length, share in pairs
    ]
    return tuple(dict.fromkeys(values))
