"""Probability of back-test overfitting: how often the best in-sample is no better than the middle out of sample.

Combinatorially symmetric cross-validation cuts time into an even number of blocks, takes every half of them as the
in-sample part, and looks where the winner of that half stands in the other. It reads sums of blocks only, so returns
need not be kept: make the sums of each batch of strategies and stack them.

Sharpe ratios are per bar with ddof 1. A strategy without spread (it did not trade there) has Sharpe 0 there, as cash
has; one with fewer than two bars has none (NaN) and is neither chosen nor ranked.

Source: Bailey, Borwein, Lopez de Prado and Zhu, "The probability of backtest overfitting", Journal of Computational
Finance 20(4), 2017, section 3.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.errors import UsageError
from strategies.numba_start import load_numba
from strategies.views import frozen

load_numba()

Float64 = NDArray[np.float64]
Integers = NDArray[np.int64]

SUMS: Final = 3
"""Figures of a block: number of returns, their sum, the sum of their squares."""
MOST_BLOCKS: Final = 20
_ROUNDING: Final = 1e-12

_jit = njit(cache=True, nogil=True, error_model="numpy")


@dataclass(frozen=True)
class Overfitting:
    """What the splits say of choosing the best of `n_strategies` in-sample.

    Attributes:
        pbo: share of splits whose logit is 0 or less, 0 to 1; NaN for fewer than two strategies. A search without
            skill gives about a half, and one matrix is noisy (standard deviation 0.14 with 20 strategies, 10 blocks).
        logits: `(n_splits,)` ln(w / (1 - w)), w the out-of-sample rank of the chosen one / (n + 1), rank 1 the worst.
        chosen: `(n_splits,)` row of the strategy that was best in-sample; -1 if none had a Sharpe ratio (logit NaN).
        in_sample: `(n_splits,)` its Sharpe ratio there, per bar.
        out_of_sample: `(n_splits,)` its Sharpe ratio in the other half, per bar.
        n_strategies: rows that were compared.
        n_splits: number of splits, C(n_blocks, n_blocks / 2).
        slope: of the regression of out-of-sample on in-sample Sharpe ratios; NaN if the latter are all the same.
        intercept: of that regression, per bar.
        probability_of_loss: share of splits in which the chosen one has a negative Sharpe ratio out of sample.
    """

    pbo: float
    logits: Float64
    chosen: Integers
    in_sample: Float64
    out_of_sample: Float64
    n_strategies: int
    n_splits: int
    slope: float
    intercept: float
    probability_of_loss: float


def block_sums(returns: Float64, n_blocks: int) -> Float64:
    """Count, sum and sum of squares `(n, n_blocks, 3)` of per-bar returns `(n, n_bars)` in blocks of time.

    Blocks are consecutive; where `n_bars` does not divide, the first ones are a bar longer. A NaN return is a bar that
    the strategy does not have.

    Raises:
        UsageError: not two dimensions, an infinite return, or fewer than two bars a block.
    """
    if returns.ndim != 2:
        raise UsageError(f"`returns` must be (n_strategies, n_bars), but was {returns.shape}: stack a row a strategy.")
    if n_blocks < 1 or returns.shape[1] < 2 * n_blocks:
        raise UsageError(
            f"`n_blocks` must leave two bars a block, but was {n_blocks} for {returns.shape[1]} bars: use fewer blocks."
        )
    wrong = np.argwhere(np.isinf(returns))
    if wrong.size:
        raise UsageError(
            f"a return must be finite or NaN, but was {returns[tuple(wrong[0])]} (strategy {wrong[0][0]}, bar "
            f"{wrong[0][1]}): use `trace.per_bar_returns`."
        )
    found = np.zeros((len(returns), n_blocks, SUMS))
    edges = np.array([len(part) for part in np.array_split(np.empty(returns.shape[1]), n_blocks)]).cumsum()
    _block_sums_nb(frozen(returns, np.float64), frozen(edges, np.int64), found)
    return found


def overfitting(sums: Float64) -> Overfitting:
    """Probability of overfitting and its companions from block sums `(n, n_blocks, 3)`, over all symmetric splits.

    Ties: out of sample, equal Sharpe ratios share the average of their ranks; in-sample, of equally good strategies
    the one that does worst out of sample is chosen. So neither the order of strategies nor their number of copies in
    a tie matters, and a logit of exactly 0 (no better than the middle) counts as overfit.

    Raises:
        UsageError: another shape, no strategy, or a number of blocks that is not even and from 2 to 20.
    """
    if sums.ndim != 3 or sums.shape[2] != SUMS or not len(sums):
        raise UsageError(
            f"`sums` must be (n_strategies, n_blocks, {SUMS}) of at least one strategy, but was {sums.shape}: use "
            "`block_sums`."
        )
    n, n_blocks = sums.shape[:2]
    if n_blocks % 2 or not 2 <= n_blocks <= MOST_BLOCKS:
        raise UsageError(f"`n_blocks` must be even and from 2 to {MOST_BLOCKS}, but was {n_blocks}. Use 10.")
    halves = np.zeros((math.comb(n_blocks, n_blocks // 2), n_blocks), dtype=np.bool_)
    for row, half in enumerate(itertools.combinations(range(n_blocks), n_blocks // 2)):
        halves[row, list(half)] = True
    n_splits = len(halves)
    chosen, inside, outside, ranks = np.empty(n_splits, dtype=np.int64), *np.full((3, n_splits), np.nan)
    _splits_nb(frozen(sums, np.float64), frozen(halves, np.bool_), chosen, inside, outside, ranks)
    logits = np.log(ranks / (1.0 - ranks)) if n > 1 else np.full(n_splits, np.nan)
    known = np.isfinite(outside) & np.isfinite(inside)
    slope, intercept = _line(inside[known], outside[known])
    return Overfitting(
        pbo=_share(logits <= 0.0, np.isfinite(logits)),
        logits=logits,
        chosen=chosen,
        in_sample=inside,
        out_of_sample=outside,
        n_strategies=n,
        n_splits=n_splits,
        slope=slope,
        intercept=intercept,
        probability_of_loss=_share(outside < 0.0, known),
    )


def _share(hits: NDArray[np.bool_], known: NDArray[np.bool_]) -> float:
    return float(hits[known].mean()) if known.any() else math.nan


def _line(x: Float64, y: Float64) -> tuple[float, float]:
    """Slope and intercept of least squares; NaN if there is no spread in `x`."""
    if x.size < 2 or float(np.ptp(x)) == 0.0:
        return math.nan, math.nan
    from_mean = x - x.mean()
    slope = float((from_mean * y).sum() / (from_mean**2).sum())
    return slope, float(y.mean() - slope * x.mean())


@_jit
def sharpe_of_sums_nb(n: float, total: float, squares: float) -> float:
    """Sharpe ratio with ddof 1; 0 without spread, NaN for fewer than two returns."""
    if n < 2.0:
        return np.nan
    spread = squares - total * total / n
    if spread <= _ROUNDING * squares:
        return 0.0
    return (total / n) / np.sqrt(spread / (n - 1.0))


@_jit
def _block_sums_nb(returns: Float64, edges: Integers, out: Float64) -> None:
    for row in range(returns.shape[0]):
        start = 0
        for block in range(edges.shape[0]):
            for t in range(start, edges[block]):
                x = returns[row, t]
                if x == x:  # not NaN
                    out[row, block, 0] += 1.0
                    out[row, block, 1] += x
                    out[row, block, 2] += x * x
            start = edges[block]


@_jit
def _splits_nb(
    sums: Float64,
    halves: NDArray[np.bool_],
    chosen: Integers,
    inside: Float64,
    outside: Float64,
    ranks: Float64,
) -> None:
    """Fill, for each split, the chosen row, its two Sharpe ratios and its relative rank out of sample in (0, 1)."""
    n, n_blocks = sums.shape[0], sums.shape[1]
    within, beyond, parts = np.empty(n), np.empty(n), np.empty((2, SUMS))
    for split in range(halves.shape[0]):
        best = -1
        for row in range(n):
            parts[:] = 0.0
            for block in range(n_blocks):
                side = 0 if halves[split, block] else 1
                for figure in range(SUMS):
                    parts[side, figure] += sums[row, block, figure]
            within[row] = sharpe_of_sums_nb(parts[0, 0], parts[0, 1], parts[0, 2])
            beyond[row] = sharpe_of_sums_nb(parts[1, 0], parts[1, 1], parts[1, 2])
            if within[row] != within[row] or beyond[row] != beyond[row]:
                continue
            better = best < 0 or within[row] > within[best]
            if better or (within[row] == within[best] and beyond[row] < beyond[best]):
                best = row
        chosen[split] = best
        if best < 0:
            continue
        inside[split], outside[split] = within[best], beyond[best]
        below, same, ranked = 0, 0, 0
        for row in range(n):
            if within[row] == within[row] and beyond[row] == beyond[row]:
                ranked += 1
                below += beyond[row] < beyond[best]
                same += beyond[row] == beyond[best]
        ranks[split] = (below + 0.5 * (same + 1)) / (ranked + 1.0)
