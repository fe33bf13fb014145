"""Twins of some of TA-Lib's Hilbert transforms: the same bits, three to fifteen times sooner.

TA-Lib asks the sine of the same 1,275 angles at each bar anew, and goes through all of the transform for every limit of
a MAMA. The twins read sines from a table and keep the part of a MAMA that its limits do not change. The transform
itself takes as long here as there, so HT_DCPERIOD, HT_PHASOR and HT_TRENDLINE have no twin.

Here numbers are multiplied and added, and TA-Lib's C compiler makes one fused operation of some of these pairs where
the machine has it: `fused` says whether to do as it did, pair by pair. `talib_twins` finds out which is TA-Lib's way
on this machine. A twin returns None for what it leaves to TA-Lib.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from strategies.cycle_kernels import (
    LONG,
    LONG_LOOKBACK,
    LONGEST_CYCLE,
    SHORT,
    SHORT_LOOKBACK,
    Column,
    adaptive_averages_nb,
    cycle_phases_nb,
    cycles_nb,
    phase_steps_nb,
    sine_waves_nb,
    trend_modes_nb,
    trendline_nb,
)
from strategies.kept_columns import kept

Columns = tuple[Column, ...]
CycleTwin = Callable[[Sequence[Column], Sequence[float], bool], Columns | None]


@functools.cache
def _tables() -> Columns:
    """Sine and cosine of `back / length` of a circle, `(51, 50)` each."""
    circle, angles = math.atan(1.0) * 8.0, np.zeros((LONGEST_CYCLE + 1, LONGEST_CYCLE))
    for length in range(1, LONGEST_CYCLE + 1):
        angles[length, :length] = [back * circle / length for back in range(length)]
    sines, cosines = (np.array([[f(angle) for angle in row] for row in angles]) for f in (math.sin, math.cos))
    return sines, cosines


def _cycles(price: Column, first: int, fused: bool) -> Columns:
    columns = tuple(np.zeros((4, price.size)))
    cycles_nb(_frozen(price), first, fused, *columns)
    return columns


def _frozen(column: Column) -> Column:
    """A read-only view, so that one compiled version serves all."""
    view = column.view()
    view.flags.writeable = False
    return view


def _blanked(lookback: int, *columns: Column) -> Columns:
    for column in columns:
        column[:lookback] = np.nan
    return tuple(np.ascontiguousarray(column) for column in columns)


def _adaptive_averages(columns: Sequence[Column], arguments: Sequence[float], fused: bool) -> Columns | None:
    """MAMA."""
    (price,), (fast, slow) = columns, arguments
    if price.flags.writeable or price.size <= SHORT_LOOKBACK or not (0.01 <= fast <= 0.99 and 0.01 <= slow <= 0.99):
        return None  # nothing can be kept of a price that may change
    steps = kept(price, _fused_steps if fused else _plain_steps)
    mama, fama = np.full(price.size, np.nan), np.full(price.size, np.nan)
    adaptive_averages_nb(_frozen(price), _frozen(steps), fast, slow, fused, mama, fama)
    return mama, fama


def _steps(price: Column, fused: bool) -> Column:
    steps = np.zeros(price.size)
    _smooth, detrended, quadrature, _periods = _cycles(price, SHORT, fused)
    phase_steps_nb(detrended, quadrature, steps)
    return steps


def _fused_steps(price: Column) -> Column:
    return _steps(price, fused=True)


def _plain_steps(price: Column) -> Column:
    return _steps(price, fused=False)


def _phases(price: Column, fused: bool) -> Columns:
    """Smooth price, periods and phases over the long run-in."""
    smooth, _detrended, _quadrature, periods = _cycles(price, LONG, fused)
    phases = np.zeros(price.size)
    cycle_phases_nb(smooth, periods, *_tables(), phases)
    return smooth, periods, phases


def _cycle_phase(columns: Sequence[Column], _: Sequence[float], fused: bool) -> Columns | None:
    """HT_DCPHASE."""
    if columns[0].size <= LONG_LOOKBACK:
        return None
    return _blanked(LONG_LOOKBACK, _phases(columns[0], fused)[2])


def _sine_waves(columns: Sequence[Column], _: Sequence[float], fused: bool) -> Columns | None:
    """HT_SINE."""
    if columns[0].size <= LONG_LOOKBACK:
        return None
    sine, lead = np.zeros(columns[0].size), np.zeros(columns[0].size)
    sine_waves_nb(_phases(columns[0], fused)[2], sine, lead)
    return _blanked(LONG_LOOKBACK, sine, lead)


def _trend_modes(columns: Sequence[Column], _: Sequence[float], fused: bool) -> Columns | None:
    """HT_TRENDMODE."""
    price = columns[0]
    if price.size <= LONG_LOOKBACK:
        return None
    sine, lead, line, modes = (np.zeros(price.size) for _ in range(4))
    smooth, periods, phases = _phases(price, fused)
    sine_waves_nb(phases, sine, lead)
    trendline_nb(_frozen(price), periods, line)
    trend_modes_nb(smooth, periods, phases, sine, lead, line, modes)
    return _blanked(LONG_LOOKBACK, modes)


CYCLE_TWINS: Final[Mapping[str, CycleTwin]] = MappingProxyType(
    {
        "HT_DCPHASE": _cycle_phase,
        "HT_SINE": _sine_waves,
        "HT_TRENDMODE": _trend_modes,
        "MAMA": _adaptive_averages,
    }
)
