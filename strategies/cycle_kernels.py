"""TA-Lib's Hilbert transforms as compiled loops: what `cycle_twins` is made of.

Source: Ehlers 2001, "Rocket Science for Traders", in TA-Lib's order of operations. Columns are `(n_bars,)`; those to
write are 0 to begin with, as the transform's memory is before its run-in, of which TA-Lib has two lengths.
"""

import math
from typing import Any, Final

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from strategies.numba_start import load_numba

load_numba()

Column = NDArray[np.float64]

SHORT, LONG = 12, 37
SHORT_LOOKBACK, LONG_LOOKBACK = 32, 63
LONGEST_CYCLE: Final = 50
_OUTER, _INNER = 0.0962, 0.5769  # weights of the Hilbert transform
_DEGREES: Final = 45.0 / math.atan(1.0)
_RADIANS: Final = 1.0 / _DEGREES
_jit = njit(cache=True, nogil=True, error_model="numpy")


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _fused_nb(_typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """`a * b + c`, rounded once."""
    del a, b, c

    def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), codegen


@_jit
def multiply_add_nb(fused: bool, a: float, b: float, c: float) -> float:
    """`a * b + c`, rounded once where `fused`, else twice."""
    return _fused_nb(a, b, c) if fused else a * b + c


@_jit
def transform_nb(column: Column, bar: int, factor: float) -> float:
    """The Hilbert transform of a column that is 0 before its run-in, at one bar, in TA-Lib's order."""
    outer = 0.0 - _OUTER * column[bar - 6] + _OUTER * column[bar]
    return (outer - _INNER * column[bar - 4] + _INNER * column[bar - 2]) * factor


@_jit
def smooth_nb(price: Column, first: int, smooth: Column) -> None:
    """The price weighted 4, 3, 2, 1 over four bars, by a running sum; `smooth` is written from `first` on."""
    plain = price[0] + price[1] + price[2]
    weighted = price[0] + price[1] * 2.0 + price[2] * 3.0
    oldest = 0.0
    for bar in range(3, price.size):
        plain = plain + price[bar] - oldest
        weighted += price[bar] * 4.0
        oldest = price[bar - 3]
        if bar >= first:
            smooth[bar] = weighted * 0.1
        weighted -= plain


@_jit
def cycles_nb(
    price: Column, first: int, fused: bool, smooth: Column, detrended: Column, quadrature: Column, periods: Column
) -> None:
    """The transform of a price and its dominant cycle, from `first` on."""
    smooth_nb(price, first, smooth)
    period = smooth_period = before_q = before_i = real = imaginary = 0.0
    for bar in range(first, price.size):
        factor = multiply_add_nb(fused, 0.075, period, 0.54)
        detrended[bar] = transform_nb(smooth, bar, factor)
        quadrature[bar] = transform_nb(detrended, bar, factor)
        in_phase = detrended[bar - 3]
        q = multiply_add_nb(fused, 0.2, quadrature[bar] + transform_nb(detrended, bar - 3, factor), 0.8 * before_q)
        i = multiply_add_nb(fused, 0.2, in_phase - transform_nb(quadrature, bar, factor), 0.8 * before_i)
        real = multiply_add_nb(fused, 0.8, real, 0.2 * multiply_add_nb(fused, i, before_i, q * before_q))
        imaginary = multiply_add_nb(fused, 0.8, imaginary, 0.2 * (i * before_q - q * before_i))
        before_q, before_i, before = q, i, period
        if imaginary != 0.0 and real != 0.0:
            period = 360.0 / (math.atan(imaginary / real) * _DEGREES)
        if period > 1.5 * before:
            period = 1.5 * before
        if period < 0.67 * before:
            period = 0.67 * before
        if period < 6.0:
            period = 6.0
        elif period > 50.0:
            period = 50.0
        period = multiply_add_nb(fused, 0.2, period, 0.8 * before)
        smooth_period = multiply_add_nb(fused, 0.67, smooth_period, 0.33 * period)
        periods[bar] = smooth_period


@_jit
def phase_steps_nb(detrended: Column, quadrature: Column, steps: Column) -> None:
    """How many degrees the phase goes back from bar to bar, at least 1, over the short run-in."""
    before = 0.0
    for bar in range(SHORT, steps.size):
        in_phase = detrended[bar - 3]
        phase = math.atan(quadrature[bar] / in_phase) * _DEGREES if in_phase != 0.0 else 0.0
        steps[bar] = max(before - phase, 1.0)
        before = phase


@_jit
def adaptive_averages_nb(
    price: Column, steps: Column, fast: float, slow: float, fused: bool, mama: Column, fama: Column
) -> None:
    """MAMA: averages whose weight falls from `fast` to `slow` as the phase goes faster."""
    average = following = 0.0
    for bar in range(SHORT, price.size):
        weight = fast
        if steps[bar] > 1.0:
            weight = max(fast / steps[bar], slow)
        average = multiply_add_nb(fused, 1.0 - weight, average, weight * price[bar])
        weight *= 0.5
        following = multiply_add_nb(fused, 1.0 - weight, following, weight * average)
        if bar >= SHORT_LOOKBACK:
            mama[bar], fama[bar] = average, following


@_jit
def cycle_length_nb(period: float) -> int:
    """The cycle in whole bars."""
    return int(period + 0.5) if period <= LONGEST_CYCLE else 0


@_jit
def cycle_phases_nb(smooth: Column, periods: Column, sines: Column, cosines: Column, phases: Column) -> None:
    """The phase of the dominant cycle in degrees, over the long run-in. Tables are `(length + 1, length)`."""
    phase = 0.0
    for bar in range(LONG, smooth.size):
        length = cycle_length_nb(periods[bar])
        real = imaginary = 0.0
        for back in range(length):
            value = smooth[bar - back] if bar - back >= LONG else 0.0
            real += sines[length, back] * value
            imaginary += cosines[length, back] * value
        if abs(imaginary) > 0.0:
            phase = math.atan(real / imaginary) * _DEGREES
        elif real < 0.0:
            phase -= 90.0
        elif real > 0.0:
            phase += 90.0
        phase += 90.0
        phase += 360.0 / periods[bar]
        if imaginary < 0.0:
            phase += 180.0
        if phase > 315.0:
            phase -= 360.0
        phases[bar] = phase


@_jit
def sine_waves_nb(phases: Column, sine: Column, lead: Column) -> None:
    """The sine of the phase, and of the phase 45 degrees later, over the long run-in."""
    for bar in range(LONG, phases.size):
        sine[bar] = math.sin(phases[bar] * _RADIANS)
        lead[bar] = math.sin((phases[bar] + 45.0) * _RADIANS)


@_jit
def trendline_nb(price: Column, periods: Column, trendline: Column) -> None:
    """The average over one cycle, weighted over four bars, over the long run-in."""
    last = second = third = 0.0
    for bar in range(LONG, price.size):
        length = cycle_length_nb(periods[bar])
        average = 0.0
        for back in range(length):
            average += price[bar - back]
        if length > 0:
            average /= length
        trendline[bar] = (4.0 * average + 3.0 * last + 2.0 * second + third) / 10.0
        last, second, third = average, last, second


@_jit
def trend_modes_nb(
    smooth: Column, periods: Column, phases: Column, sine: Column, lead: Column, trendline: Column, modes: Column
) -> None:
    """1 where prices trend, 0 where they cycle."""
    n_days = 0
    for bar in range(LONG, modes.size):
        mode, period = 1.0, periods[bar]
        up = sine[bar] > lead[bar] and sine[bar - 1] <= lead[bar - 1]
        down = sine[bar] < lead[bar] and sine[bar - 1] >= lead[bar - 1]
        if up or down:
            n_days = 0
            mode = 0.0
        n_days += 1
        if n_days < 0.5 * period:
            mode = 0.0
        step = phases[bar] - phases[bar - 1]
        if period != 0.0 and step > 0.67 * 360.0 / period and step < 1.5 * 360.0 / period:
            mode = 0.0
        if trendline[bar] != 0.0 and abs((smooth[bar] - trendline[bar]) / trendline[bar]) >= 0.015:
            mode = 1.0
        modes[bar] = mode
