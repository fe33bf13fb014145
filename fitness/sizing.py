"""What sizes by volatility are multiplied with, bar by bar: the inverse of the market's volatility.

The kernel takes a *scale* `(n_bars,)` for a strategy whose size is of a kind in `costs.SCALED`, and reads it at the
decision bar alone; so a scale must be causal, as an operand is. NaN, or not above 0: no entry at that decision. The
bank keeps those of its shard (`FeatureBank.scales`), and makes those of learners.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.errors import UsageError
from strategies.numba_start import load_numba

load_numba()

Float64 = NDArray[np.float64]

SPAN: Final = 33
"""Of the exponential weights: each is 16/17, that is 0.941, of the next."""
WARM_UP: Final = 20
"""Bars without a scale, until 20 returns are known."""
LEAST_VOLATILITY: Final = 0.01
"""A year. A quieter market counts as this quiet, or a size would grow without bound while nothing is traded."""

_DECAY: Final = (SPAN - 1.0) / (SPAN + 1.0)
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def inverse_volatility(close: Float64, bars_per_year: float) -> Float64:
    """One over the volatility a year as known at each close `(n_bars,)`; NaN in the first 20 bars, and without a move.

    Volatility is the root of the exponentially weighted mean of the squared simple returns, the weights of a span of 33
    bars adding up to 1 from the first return on, and at least 1 % a year.

    Args:
        close: `(n_bars,)`, positive.
        bars_per_year: of the shard.

    Raises:
        UsageError: closes of more than one dimension, or a number of bars a year that is not positive and finite.

    Source: J.P. Morgan and Reuters 1996, "RiskMetrics Technical Document", 4th edition, section 5.2: a mean of zero and
        a decay of 0.94 a day. For targets: Moskowitz, Ooi, Pedersen 2012, "Time series momentum", J. of Financial
        Economics 104(2), eq. 1 and 5.
    """
    if close.ndim != 1:
        raise UsageError(f"`close` must be (n_bars,), but was {close.shape}: pass the closes of one shard.")
    if not 0.0 < bars_per_year < np.inf:
        raise UsageError(f"`bars_per_year` must be positive and finite, but was {bars_per_year}: take the shard's.")
    column = np.ascontiguousarray(close, dtype=np.float64).view()
    column.flags.writeable = False
    scale = np.full(column.size, np.nan)
    inverse_volatility_nb(column, float(bars_per_year), scale)
    scale.flags.writeable = False
    return scale


@_jit
def inverse_volatility_nb(close: Float64, bars_per_year: float, out: Float64) -> None:
    """Fill `out (n_bars,)`, which holds NaN, from the end of the warm-up on."""
    squares = weights = 0.0
    for t in range(1, close.size):
        r = close[t] / close[t - 1] - 1.0
        squares = _DECAY * squares + r * r
        weights = _DECAY * weights + 1.0
        if t >= WARM_UP and squares > 0.0:
            out[t] = 1.0 / max(np.sqrt(squares / weights * bars_per_year), LEAST_VOLATILITY)
