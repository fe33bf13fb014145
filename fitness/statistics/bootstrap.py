"""The stationary bootstrap: resampled histories that keep how a series depends on its own recent past.

A resample walks along the series, which is closed to a ring, and at each bar jumps to a random bar with probability
1 / block; so its blocks are `block` bars long on average. A statistic of sums needs only how often each bar was drawn:
`draw_counts @ returns.T` is the sum of every strategy in every resample, the same resamples for all of them.

Source: Politis and Romano, "The stationary bootstrap", Journal of the American Statistical Association 89, 1994.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from strategies.errors import UsageError

Float64 = NDArray[np.float64]
Integers = NDArray[np.int64]

Kind = Literal["percentile", "basic"]

_LEAST_BARS: Final = 12  # as many lags as the rule looks at


def stationary_indices(n_bars: int, *, block: float, n_resamples: int, seed: int) -> Integers:
    """Bars `(n_resamples, n_bars)` that each resample draws, in order.

    Args:
        n_bars: length of the series and of each resample.
        block: average length of a block in bars, at least 1; 1 draws bars independently.
        n_resamples: rows; fewer of the same seed are the first of more.
        seed: of the draws.

    Raises:
        UsageError: a block below 1 or not finite, or fewer than one bar or resample.
    """
    return np.stack(list(_resamples(n_bars, block, n_resamples, seed)))


def draw_counts(n_bars: int, *, block: float, n_resamples: int, seed: int) -> Float64:
    """How often each bar is drawn `(n_resamples, n_bars)` by `stationary_indices` of these arguments.

    Raises:
        UsageError: a block below 1 or not finite, or fewer than one bar or resample.
    """
    rows = _resamples(n_bars, block, n_resamples, seed)
    counts = np.empty((max(n_resamples, 0), max(n_bars, 0)))
    for row, bars in enumerate(rows):
        counts[row] = np.bincount(bars, minlength=n_bars)
    return counts


def block_signs(n_bars: int, *, block: float, n_resamples: int, seed: int) -> Float64:
    """Random signs `(n_resamples, n_bars)`, -1 or 1, one for each block of `block` bars (rounded up to whole bars).

    Times returns they are a history without edge in which every trade is as large as it was, but may have been a loss.

    Source: the wild bootstrap, by blocks for dependence: Shao 2010, "The dependent wild bootstrap", Journal of the
    American Statistical Association 105.

    Raises:
        UsageError: a block below 1 or not finite, or fewer than one bar or resample.
    """
    _check_draws(n_bars, block, n_resamples)
    length = min(math.ceil(block), n_bars)
    rng = np.random.Generator(np.random.Philox(seed))
    signs = rng.integers(2, size=(n_resamples, -(-n_bars // length)), dtype=np.int8) * np.int8(2) - np.int8(1)
    return np.repeat(signs, length, axis=1)[:, :n_bars].astype(np.float64)


def _check_draws(n_bars: int, block: float, n_resamples: int) -> None:
    if not (math.isfinite(block) and block >= 1.0):
        raise UsageError(f"`block` must be 1 bar or more, but was {block}. Use `common_block`.")
    if n_bars < 1 or n_resamples < 1:
        raise UsageError(
            f"`n_bars` and `n_resamples` must be at least 1, but were {n_bars} and {n_resamples}. Use 2,000 resamples."
        )


def _resamples(n_bars: int, block: float, n_resamples: int, seed: int) -> Iterator[Integers]:
    _check_draws(n_bars, block, n_resamples)
    rng = np.random.Generator(np.random.Philox(seed))
    at = np.arange(n_bars)
    for _ in range(n_resamples):
        jumps = rng.integers(n_bars, size=n_bars)
        starts = rng.random(n_bars) < 1.0 / block
        last = np.maximum.accumulate(np.where(starts, at, 0))  # bar 0 always starts a block
        yield (jumps[last] + at - last) % n_bars


def optimal_block(returns: Float64) -> float:
    """Average block in bars, at least 0, that estimates the variance of the mean of returns `(n_bars,)` best.

    It may be below 1 (no dependence): use max(1, it). NaN where there is no figure: fewer than 12 bars, a bar that is
    not finite, no spread. Equal to the `stationary` column of `arch.bootstrap.optimal_block_length`.

    Source: Politis and White 2004, "Automatic block-length selection for the dependent bootstrap", Econometric Reviews
    23(1), with the correction by Patton, Politis and White 2009, Econometric Reviews 28(4).
    """
    n = int(returns.size)
    if n < _LEAST_BARS or not bool(np.isfinite(returns).all()) or float(np.ptp(returns)) == 0.0:
        return math.nan
    centred = np.ascontiguousarray(returns, dtype=np.float64) - returns.mean()
    run = max(5, int(math.log10(n)))
    most = math.ceil(math.sqrt(n)) + run
    covariances, correlations = _autocorrelations(centred, most)
    band = 2.0 * math.sqrt(math.log10(n) / n)
    quiet = (start for start in range(most - run + 1) if bool((correlations[start : start + run] < band).all()))
    first = next(quiet, None)
    lags = most if first is None else min(2 * max(first, 1), most)
    k = np.arange(1, lags + 1)
    flat_top = np.where(k / lags <= 0.5, 1.0, 2.0 * (1.0 - k / lags))
    slope = float(np.sum(2.0 * flat_top * k * covariances[1 : lags + 1]))
    long_run = float(covariances[0] + np.sum(2.0 * flat_top * covariances[1 : lags + 1]))
    if long_run == 0.0:
        return math.nan
    block = (slope**2 / long_run**2 * n) ** (1.0 / 3.0)
    return min(block, float(math.ceil(min(3.0 * math.sqrt(n), n / 3.0))))


def common_block(returns: Float64) -> float:
    """One average block in bars, at least 1, for strategies `(n, n_bars)` that are resampled by the same bars.

    The median of their optimal blocks; a strategy that has none (see `optimal_block`) has no say, and 1 if none has.
    Simulated families keep their size with it; with a fixed block of sqrt(n_bars) they reject too often.
    """
    blocks = np.array([optimal_block(row) for row in returns], dtype=np.float64)
    blocks = blocks[np.isfinite(blocks)]
    return max(1.0, float(np.median(blocks))) if blocks.size else 1.0


def _autocorrelations(centred: Float64, most: int) -> tuple[Float64, Float64]:
    """Autocovariances and absolute autocorrelations `(most + 1,)`; the latter are scaled as arch scales them."""
    n = centred.size
    squares = np.concatenate(([0.0], np.cumsum(centred * centred)))
    products = np.array([np.dot(centred[lag:], centred[: n - lag]) for lag in range(most + 1)])
    lags = np.arange(most + 1)
    scales = (squares[n] - squares[lags + 1]) * squares[n - 1 - lags]
    correlations = np.full(most + 1, math.inf)  # where the rest of the series does not move
    np.divide(np.abs(products), np.sqrt(scales.clip(0.0)), out=correlations, where=scales > 0.0)
    return products / n, correlations


@dataclass(frozen=True)
class Interval:
    """A confidence interval, all three NaN where the statistic is not defined.

    Attributes:
        estimate: the statistic of the series itself.
        low: lower end.
        high: upper end.
    """

    estimate: float
    low: float
    high: float


def _means(counts: Float64, returns: Float64, bars_per_year: float) -> Float64:
    return counts @ returns / returns.size * bars_per_year


def _sharpes(counts: Float64, returns: Float64, bars_per_year: float) -> Float64:
    n = returns.size
    middle = float(returns.mean())  # sums of squares about it: no digits are lost
    away = counts @ (returns - middle) / n
    spread = counts @ (returns - middle) ** 2 / n - away**2
    spread = np.where(spread > 1e-12 * middle**2, spread, math.nan)
    return (middle + away) / np.sqrt(spread * n / (n - 1)) * math.sqrt(bars_per_year)


def _growths(counts: Float64, returns: Float64, bars_per_year: float) -> Float64:
    if float(returns.min()) <= -1.0:
        return np.full(len(counts), math.nan)
    return np.expm1(counts @ np.log1p(returns) / returns.size * bars_per_year)


RESAMPLED: Final[dict[str, Callable[[Float64, Float64, float], Float64]]] = {
    "mean": _means,
    "sharpe": _sharpes,
    "cagr": _growths,
}
"""Statistics that have intervals: (draw counts (B, n), returns (n,), bars a year) -> (B,)."""


def interval(
    returns: Float64,
    statistic: str,
    *,
    block: float,
    n_resamples: int,
    seed: int,
    level: float = 0.95,
    kind: Kind = "percentile",
    bars_per_year: float = 1.0,
) -> Interval:
    """Two-sided bootstrap confidence interval of a statistic of per-bar returns `(n_bars,)`.

    NaN if the series has fewer than two returns or one that is not finite, if the statistic is not defined for it (no
    spread, a return of -1 or less for `cagr`), or not for every resample.

    Args:
        returns: per bar.
        statistic: `mean` (a year), `sharpe` (ddof 1, a year) or `cagr`.
        block: average block in bars, at least 1.
        n_resamples: how many.
        seed: of the draws.
        level: of confidence, between 0 and 1.
        kind: `percentile` takes the quantiles of the resampled statistic; `basic` reflects them at the estimate.
        bars_per_year: scales the figures; 1 leaves them per bar.

    Source: Davison and Hinkley 1997, "Bootstrap methods and their application", eq. 5.6 (basic) and 5.18 (percentile).

    Raises:
        UsageError: an unknown statistic or kind, a level out of range, or what `draw_counts` refuses.
    """
    if statistic not in RESAMPLED:
        raise UsageError(f"`statistic` must be one of {', '.join(RESAMPLED)}, but was {statistic!r}.")
    if kind not in ("percentile", "basic"):
        raise UsageError(f"`kind` must be percentile or basic, but was {kind!r}.")
    if not 0.0 < level < 1.0:
        raise UsageError(f"`level` must lie strictly between 0 and 1, but was {level}. Use 0.95.")
    undefined = Interval(math.nan, math.nan, math.nan)
    if returns.size < 2 or not bool(np.isfinite(returns).all()):
        return undefined
    measure = RESAMPLED[statistic]
    estimate = float(measure(np.ones((1, returns.size)), returns, bars_per_year)[0])
    counts = draw_counts(returns.size, block=block, n_resamples=n_resamples, seed=seed)
    drawn = measure(counts, returns, bars_per_year)
    if not (math.isfinite(estimate) and bool(np.isfinite(drawn).all())):
        return undefined
    low, high = (float(q) for q in np.quantile(drawn, [(1.0 - level) / 2.0, (1.0 + level) / 2.0]))
    if kind == "basic":
        low, high = 2.0 * estimate - high, 2.0 * estimate - low
    return Interval(estimate, low, high)
