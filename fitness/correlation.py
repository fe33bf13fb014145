"""Strategies that say the same: how returns move together, and which of a ranking adds nothing to a better one.

Sums are added bar by bar in order, in compiled code, so a correlation has the same bits on any machine.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.errors import UsageError
from strategies.numba_start import load_numba

load_numba()

Float64 = NDArray[np.float64]
Integers = NDArray[np.int64]

_ROUNDING: Final = 1e-12
LEAST_BARS: Final = 20
"""Bars that two strategies must have in common: fewer say nothing about how they move together."""
KEPT: Final = -1
"""What `redundant` says of a strategy that is not."""

_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def correlation(returns: Float64) -> Float64:
    """Pearson's correlation `(n, n)` of the per-bar returns `(n, n_bars)` of strategies, in [-1, 1] and symmetric.

    NaN returns are bars that a strategy does not have: a pair is compared on the bars that both have. NaN where these
    are fewer than 20, or where one of the two did not move on them; so also on the diagonal, which is 1 elsewhere.

    Args:
        returns: finite or NaN, bar by bar in the same order for all.

    Raises:
        UsageError: another number of dimensions, or an infinite return.

    Source: Pearson 1895, "Note on regression and inheritance in the case of two parents"; means first, then products.
    """
    if returns.ndim != 2:
        raise UsageError(f"`returns` must be (n_strategies, n_bars), but was {returns.shape}: stack a row a strategy.")
    rows = np.ascontiguousarray(returns, dtype=np.float64).view()
    rows.flags.writeable = False
    wrong = np.argwhere(np.isinf(rows))
    if wrong.size:
        strategy, bar = wrong[0]
        raise UsageError(
            f"a return must be finite or NaN, but was {rows[strategy, bar]} (strategy {strategy}, bar {bar}): use "
            "`trace.per_bar_returns`."
        )
    found = np.empty((len(rows), len(rows)))
    correlation_nb(rows, found)
    return found


@_jit
def correlation_nb(returns: Float64, out: Float64) -> None:
    """Fill `out (n, n)`."""
    for i in range(returns.shape[0]):
        for j in range(i + 1):
            out[i, j] = out[j, i] = pair_nb(returns[i], returns[j])


@_jit
def pair_nb(left: Float64, right: Float64) -> float:
    """The correlation of two rows of returns `(n_bars,)`."""
    n = 0
    sum_x = sum_y = 0.0
    for t in range(left.shape[0]):
        x, y = left[t], right[t]
        if x == x and y == y:  # neither is NaN
            n += 1
            sum_x += x
            sum_y += y
    if n < LEAST_BARS:
        return np.nan
    mean_x, mean_y = sum_x / n, sum_y / n
    xx = yy = xy = 0.0
    for t in range(left.shape[0]):
        x, y = left[t] - mean_x, right[t] - mean_y
        if x == x and y == y:
            xx += x * x
            yy += y * y
            xy += x * y
    if not (moves_nb(xx, n, mean_x) and moves_nb(yy, n, mean_y)):
        return np.nan
    return max(-1.0, min(1.0, xy / (np.sqrt(xx) * np.sqrt(yy))))


@_jit
def moves_nb(squares: float, n: int, mean: float) -> bool:
    """Whether a sum of squared distances from the mean is more than what rounding leaves of a constant."""
    least = _ROUNDING * mean
    return squares > n * (least * least)


def redundant(matrix: Float64, scores: Float64, limit: float) -> Integers:
    """Which strategies a better one makes redundant `(n,)`: its place, or `KEPT` (-1) for those that stay.

    Greedy: the best stays; each next one stays unless its correlation with one that stayed is above `limit`, else it is
    redundant beside that of these which it correlates with most. So no two that stay correlate above the limit, and
    whatever is redundant is so beside a better one that stayed. A correlation of NaN makes nothing redundant.

    Args:
        matrix: `(n, n)`, as `correlation` gives it.
        scores: `(n,)`, higher is better; at equal scores the earlier is better, and NaN is worse than any.
        limit: in [-1, 1].

    Raises:
        UsageError: arrays that do not belong together, or a limit out of range.
    """
    n = scores.size
    if scores.ndim != 1 or matrix.shape != (n, n):
        raise UsageError(
            f"`matrix` must be (n, n) and `scores` (n,), but was {matrix.shape} and {scores.shape}: pass those of the "
            "same strategies."
        )
    if not -1.0 <= limit <= 1.0:
        raise UsageError(f"`limit` must be a correlation in [-1, 1], but was {limit}: 1 makes nothing redundant.")
    places = np.full(n, KEPT, dtype=np.int64)
    kept: list[int] = []
    for one in np.lexsort((np.arange(n), -scores)).tolist():
        near = [(float(matrix[one, other]), -rank) for rank, other in enumerate(kept) if matrix[one, other] > limit]
        if near:
            places[one] = kept[-max(near)[1]]
        else:
            kept.append(one)
    return places
