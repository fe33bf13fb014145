"""exp, log, sine, cosine and tanh from additions, multiplications and divisions alone: the same bits on every CPU.

A C library picks its own variant for the machine it runs on, and they differ in the last bit, which learning amplifies.
Errors are below 2 units in the last place (`exp_nb`, `log_nb`) or 4e-16 (the others); no value is infinite or NaN for a
finite argument.

Source: Cody, Waite 1980, "Software Manual for the Elementary Functions" (reduction); Taylor series.
"""

import math
from typing import Final

import numpy as np
from numba import njit

from strategies.numba_start import load_numba

load_numba()

_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)

EXP_BOUND: Final = 700.0
"""`exp_nb` takes arguments beyond this for it: exp(700) is 1e304."""

PER_LN2: Final = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_HALF_SQRT: Final = 0.7071067811865476
_N_POWERS: Final = 1022
_POWERS = np.ldexp(1.0, np.arange(-_N_POWERS, _N_POWERS + 1))
TWO_PI: Final = 6.283185307179586
TAYLOR: Final = tuple(1.0 / math.factorial(n) for n in range(17))
_E = TAYLOR


@_jit
def exp_nb(value: float) -> float:
    """E to the power of a finite value, which is clipped to +-EXP_BOUND."""
    bounded = min(max(value, -EXP_BOUND), EXP_BOUND)
    power = math.floor(bounded * PER_LN2 + 0.5)
    r = (bounded - power * LN2_HIGH) - power * LN2_LOW
    high = _E[8] + r * (_E[9] + r * (_E[10] + r * (_E[11] + r * (_E[12] + r * _E[13]))))
    low = _E[2] + r * (_E[3] + r * (_E[4] + r * (_E[5] + r * (_E[6] + r * (_E[7] + r * high)))))
    return (1.0 + (r + r * r * low)) * _POWERS[int(power) + _N_POWERS]


@_jit
def log_nb(value: float) -> float:
    """The natural logarithm of a finite value above 0."""
    mantissa, power = math.frexp(value)
    if mantissa < _HALF_SQRT:
        mantissa, power = mantissa * 2.0, power - 1
    s = (mantissa - 1.0) / (mantissa + 1.0)  # log m = 2 artanh s, |s| <= 0.172
    q = s * s
    tail = 1 / 13 + q * (1 / 15 + q * (1 / 17 + q * (1 / 19)))
    series = q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * tail)))))
    return power * LN2_HIGH + (power * LN2_LOW + (2.0 * s + 2.0 * s * series))


@_jit
def cos_sin_nb(turns: float) -> tuple[float, float]:
    """Cosine and sine of an angle in turns of 360 degrees: the reduction to an eighth of a turn is exact."""
    quarter = math.floor(turns * 4.0 + 0.5)
    r = (turns - quarter * 0.25) * TWO_PI
    q = r * r
    odd = _E[9] - q * (_E[11] - q * (_E[13] - q * _E[15]))
    even = _E[8] - q * (_E[10] - q * (_E[12] - q * (_E[14] - q * _E[16])))
    sine = r - r * q * (_E[3] - q * (_E[5] - q * (_E[7] - q * odd)))
    cosine = 1.0 - q * (_E[2] - q * (_E[4] - q * (_E[6] - q * even)))
    side = int(quarter) & 3
    if side == 0:
        return cosine, sine
    if side == 1:
        return -sine, cosine
    if side == 2:
        return -cosine, -sine
    return sine, -cosine


@_jit
def logistic_nb(value: float) -> float:
    """1 / (1 + exp(-value)), in [0, 1]."""
    return 1.0 / (1.0 + exp_nb(-value))


@_jit
def tanh_nb(value: float) -> float:
    """The hyperbolic tangent, in [-1, 1]."""
    return 1.0 - 2.0 / (exp_nb(2.0 * value) + 1.0)
