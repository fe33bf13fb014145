"""Weights of a portfolio's members, by PyPortfolioOpt: long only, of the whole capital, none above a cap.

The library comes with pandas and a solver and takes two seconds to import, so it is imported when weights are asked
for. It is given returns in sample and in validation; it never sees the lockbox.

Source: López de Prado 2016, "Building diversified portfolios that outperform out of sample" (hrp); Markowitz 1952
(min_volatility).
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from strategies.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

Float64 = NDArray[np.float64]
HIGHEST: Final = 0.6
"""No member has more of the capital, unless there are too few to hold all of it."""


def weights_of(returns: Float64, method: str, highest: float = HIGHEST) -> Float64:
    """Return the weights `(k,)`: 0 or more, sum 1, none above `highest`, or 1 / k where that is more.

    Members whose returns are the same to the bit have the same weight: that of one, shared. Another order of members
    gives the same weights in that order, but for rounding where returns are as good as equal.

    Args:
        returns: per-bar returns `(k, n_bars)`, finite, the members in a fixed order.
        method: one of `METHODS`.
        highest: in (0, 1].

    Raises:
        UsageError: no such method, no member, or `highest` out of range.
    """
    if method not in METHODS:
        near = get_close_matches(method, METHODS, n=1)
        hint = f"; did you mean {near[0]}" if near else ""
        raise UsageError(f"`--method` must be one of {', '.join(METHODS)}, but was {method!r}{hint}.")
    if not 0.0 < highest <= 1.0:
        raise UsageError(f"`--max-weight` must be above 0 and at most 1, but was {highest:g}: 1 caps nothing.")
    if returns.ndim != 2 or not len(returns):
        raise UsageError(f"A portfolio must have at least one member, but was given returns {returns.shape}.")
    distinct, group, sizes = np.unique(returns, axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    highest = max(highest, 1.0 / len(returns))
    moving = np.flatnonzero(np.ptp(distinct, axis=1) > 0.0)  # who never trades has no variance to weigh by
    if method == "equal" or moving.size < len(distinct):
        return np.full(len(returns), 1.0 / len(returns))
    found = np.ones(1) if len(distinct) == 1 else METHODS[method](distinct, highest)
    return capped((found / sizes)[group], highest)


def capped(weights: Float64, highest: float) -> Float64:
    """Return weights `(k,)` of sum 1, none above `highest`, which is at least 1 / k: the others share what is above.

    >>> capped(np.array([0.8, 0.1, 0.1]), 0.5).round(3).tolist()
    [0.5, 0.25, 0.25]
    """
    found = np.maximum(weights, 0.0) / np.maximum(weights, 0.0).sum()
    fixed = np.zeros(found.size, dtype=np.bool_)
    while (found > highest * (1.0 + 1e-12)).any():
        fixed |= found >= highest
        loose = found[~fixed]
        total = float(loose.sum())  # of nothing at all, everybody left gets the same
        spread = loose / total if total > 0.0 else np.full(loose.size, 1.0 / max(loose.size, 1))
        found = np.full(found.size, highest)
        found[~fixed] = (1.0 - highest * fixed.sum()) * spread
    return np.asarray(found / found.sum(), dtype=np.float64)


def _hrp(returns: Float64, highest: float) -> Float64:
    from pypfopt.hierarchical_portfolio import HRPOpt

    del highest  # it knows no bounds: capped afterwards
    return _in_order(HRPOpt(_frame(returns)).optimize())


def _min_volatility(returns: Float64, highest: float) -> Float64:
    from pypfopt.efficient_frontier import EfficientFrontier

    frontier = EfficientFrontier(None, _scaled(_frame(returns).cov()), weight_bounds=(0.0, highest))
    return _in_order(frontier.min_volatility())


def _equal(returns: Float64, highest: float) -> Float64:
    del highest
    return np.full(len(returns), 1.0 / len(returns))


def _scaled(covariance: "pd.DataFrame") -> "pd.DataFrame":
    """Variances about 1: the weights are the same, and the solver is not asked for differences of 1e-9."""
    return covariance / float(np.trace(covariance.to_numpy())) * len(covariance)


def _frame(returns: Float64) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(returns.T, columns=[f"{number:04d}" for number in range(len(returns))])


def _in_order(found: Mapping[str, float]) -> Float64:
    return np.array([float(found[name]) for name in sorted(found)])


METHODS: Final[Mapping[str, Callable[[Float64, float], Float64]]] = MappingProxyType(
    {"hrp": _hrp, "min_volatility": _min_volatility, "equal": _equal}
)
"""Ways to weigh: distinct returns `(k, n_bars)` and the cap to weights `(k,)` of sum 1."""
