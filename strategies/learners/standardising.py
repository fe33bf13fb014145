"""Features and returns in units of their own usual size, causally: what a learner sees.

The moments at a bar include the bar itself. It is known at its close, so nothing is looked ahead at; the first value is
0 rather than undefined, and one wild bar can't be further out than its own weight allows.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.learners.elementary import log_nb
from strategies.numba_start import load_numba
from strategies.views import frozen

load_numba()

Float64 = NDArray[np.float64]

LIMIT: Final = 5.0
"""Standardised values end here."""
MOMENT_HALF_LIFE: Final = 250.0
"""Half-life, in bars, of the mean and the variance of a feature."""
VOLATILITY_HALF_LIFE: Final = 50.0
"""Half-life, in bars, of the mean square of the returns."""
_LARGEST: Final = 1e150  # its square is still a number
_ROUNDING: Final = 1e-10  # a spread below this part of the mean is what arithmetic leaves of a constant

_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def standardised(features: Float64) -> Float64:
    """Each column less its exponentially weighted mean, over its exponentially weighted standard deviation.

    Args:
        features: `(n_bars, k)`. NaN, infinity and anything beyond 1e150 are missing: they stay NaN and move nothing.

    Returns:
        `(n_bars, k)`, read-only, C-contiguous, within +-5; 0 where a column has not varied so far.

    Source: Finch 2009, "Incremental calculation of weighted mean and variance", with weights that start at 0, so that
    the first bars are weighted alike.
    """
    out = np.empty(features.shape)
    standardise_nb(frozen(features, np.float64), 0.5 ** (1.0 / MOMENT_HALF_LIFE), out)
    return frozen(out, np.float64)


def volatility(close: Float64) -> Float64:
    """Exponentially weighted root mean square of the log returns up to each bar, `(n_bars,)`, NaN at the first."""
    out = np.empty(close.size)
    volatility_nb(frozen(close, np.float64), 0.5 ** (1.0 / VOLATILITY_HALF_LIFE), out)
    return out


def standardised_returns(close: Float64) -> Float64:
    """The log return of each bar over the volatility up to it, `(n_bars,)`, within +-5.

    NaN at the first bar and as long as the price has never moved.
    """
    out = np.empty(close.size)
    standardise_returns_nb(frozen(close, np.float64), volatility(close), out)
    return out


@_jit
def standardise_nb(features: Float64, decay: float, out: Float64) -> None:
    """Writes `out`, `(n_bars, k)`; see `standardised`."""
    n_bars, n_features = features.shape
    for feature in range(n_features):
        weight = mean = squares = 0.0
        for bar in range(n_bars):
            value = features[bar, feature]
            if not abs(value) < _LARGEST:
                out[bar, feature] = np.nan
                continue
            weight = decay * weight + 1.0
            before = value - mean
            mean += before / weight
            after = value - mean
            squares = decay * squares + before * after
            spread = np.sqrt(squares / weight)
            known = spread > _ROUNDING * abs(mean)
            out[bar, feature] = min(LIMIT, max(-LIMIT, after / spread)) if known else 0.0


@_jit
def volatility_nb(close: Float64, decay: float, out: Float64) -> None:
    """Writes `out`, `(n_bars,)`; see `volatility`."""
    weight = squares = 0.0
    for bar in range(close.size):
        if bar == 0:
            out[bar] = np.nan
            continue
        change = log_nb(close[bar] / close[bar - 1])
        weight = decay * weight + 1.0
        squares = decay * squares + change * change
        out[bar] = np.sqrt(squares / weight)


@_jit
def standardise_returns_nb(close: Float64, usual: Float64, out: Float64) -> None:
    """Writes `out`, `(n_bars,)`; see `standardised_returns`."""
    for bar in range(close.size):
        out[bar] = np.nan
        if usual[bar] > 0.0:
            out[bar] = min(LIMIT, max(-LIMIT, log_nb(close[bar] / close[bar - 1]) / usual[bar]))
