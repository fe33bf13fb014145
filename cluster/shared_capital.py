"""Several strategies on one capital: each trades its own share of it, and nobody lends to anybody.

Capital is parted once, by the weights, at the start of a stretch. What a member earns stays with it until the stretch
ends, so the whole needs no trade beyond those of its members, and its equity is the weighted sum of theirs.
"""

import numpy as np
from numpy.typing import NDArray

from strategies.errors import UsageError

Float64 = NDArray[np.float64]


def shares(returns: Float64, weights: Float64) -> Float64:
    """Return the share `(k, n_bars)` of all capital that each member has before each bar; 0 once all is lost.

    Args:
        returns: per-bar returns `(k, n_bars)` of the members on the same bars.
        weights: `(k,)` their shares at the start, none negative, sum 1.

    Raises:
        UsageError: arrays that do not belong together, or weights that part no capital.
    """
    if returns.ndim != 2 or weights.shape != returns.shape[:1]:
        raise UsageError(
            f"`returns` must be (k, n_bars) and `weights` (k,), but was {returns.shape} and {weights.shape}: give each "
            "member one weight."
        )
    if not (weights >= 0.0).all() or abs(float(weights.sum()) - 1.0) > 1e-9:
        raise UsageError(f"Weights must be 0 or more and sum to 1, but was {weights.tolist()}: divide by their sum.")
    grown = np.cumprod(1.0 + returns, axis=1)
    before = weights[:, np.newaxis] * np.concatenate([np.ones((len(returns), 1)), grown[:, :-1]], axis=1)
    total = before.sum(axis=0)
    return np.divide(before, total, out=np.zeros_like(before), where=total > 0.0)


def together(returns: Float64, parts: Float64) -> Float64:
    """Return what the whole earns at each bar `(n_bars,)`; `parts (k, n_bars)` are the members' `shares`."""
    return np.asarray((parts * returns).sum(axis=0), dtype=np.float64)


def contributions(returns: Float64, weights: Float64) -> Float64:
    """Return what each member adds to the total return of the whole `(k,)`; they sum to it."""
    return np.asarray(weights * (np.prod(1.0 + returns, axis=1) - 1.0), dtype=np.float64)
