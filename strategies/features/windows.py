"""What features are made of: sums, means and deviations over windows, logarithms, the bar before.

All take columns `(n_bars,)` float64 and return new ones, NaN where a window reaches before the first bar or holds a
NaN. Compiled code is loaded at the first call.
"""

import numpy as np

from strategies.indicators import Column
from strategies.views import frozen


def sums(terms: Column, period: int) -> Column:
    """The sum of the last `period` terms, oldest first."""
    from strategies.features.window_kernels import window_sums_nb

    out = np.full(terms.size, np.nan)
    window_sums_nb(frozen(terms, np.float64), period, out)
    return out


def means(terms: Column, period: int) -> Column:
    """The mean of the last `period` terms."""
    return sums(terms, period) / period


def squares(terms: Column, centres: Column, period: int) -> Column:
    """The sum of the squares by which the last `period` terms differ from the present value of `centres`."""
    from strategies.features.window_kernels import window_squares_nb

    out = np.full(terms.size, np.nan)
    window_squares_nb(frozen(terms, np.float64), frozen(centres, np.float64), period, out)
    return out


def variances(terms: Column, period: int) -> Column:
    """The sample variance of the last `period` terms, at least 2 of them: squares about their mean by `period - 1`."""
    return squares(terms, means(terms, period), period) / (period - 1)


def log_ratios(above: Column, below: Column) -> Column:
    """The natural logarithm of one by the other."""
    from strategies.features.window_kernels import log_ratios_nb

    out = np.empty(above.size)
    log_ratios_nb(frozen(above, np.float64), frozen(below, np.float64), out)
    return out


def before(column: Column, n_bars: int = 1) -> Column:
    """The column `n_bars` bars ago."""
    out = np.full(column.size, np.nan)
    out[n_bars:] = column[: max(column.size - n_bars, 0)]
    return out


def ratios(above: Column, below: Column, *, otherwise: float = np.nan) -> Column:
    """One by the other, `otherwise` where that is 0, and NaN where either is."""
    out = np.full(above.size, otherwise)
    np.divide(above, below, out=out, where=below != 0.0)
    return out
