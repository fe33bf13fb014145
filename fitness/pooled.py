"""Several shards as one account: equal-weight returns per timestamp, and every measure of them.

At each timestamp the pool earns the mean of the returns of the shards that have a bar there. The folds of a shard
follow one another, so the traces of all folds and shards of a segment pool in one call. Sharpe statistics and gates
judge this one series, because Sharpe ratios of single shards do not add up to that of the whole.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from fitness.account import N_ACCOUNT
from fitness.bank import FeatureBank, frozen
from fitness.costs import Costs
from fitness.evaluate import check_inputs
from fitness.folds import Window
from fitness.measures import MEASURES
from fitness.population import returns_nb, stage
from fitness.shard import Shard
from fitness.statistics import moments
from fitness.tally import Tally, empty_tally
from fitness.trace import Trace
from strategies.errors import UsageError

Float64 = NDArray[np.float64]

TRADE_MEASURES: Final = frozenset(
    ("exposure", "turnover", "n_trades", "win_rate", "profit_factor", "expectancy", "worst_trade", "average_holding")
)
"""Measures of trades and holdings, which add up over shards; all others are of the pooled returns."""
_BATCH_VALUES: Final = 8_000_000


class Series(Protocol):
    """Per-bar returns of one shard and window, as a `Trace` has them."""

    @property
    def timestamps(self) -> NDArray[np.int64]:
        """Microseconds UTC `(n,)`."""

    @property
    def returns(self) -> Float64:
        """Per-bar returns `(n,)`."""

    @property
    def bars_per_year(self) -> float:
        """Of the shard."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Equal-weight returns of several series.

    Attributes:
        timestamps: `(n,)` int64, microseconds UTC, rising.
        returns: `(n,)` mean return of the shards that have a bar then.
        bars_per_year: of the pool; that of the shards if they all have the same.
    """

    timestamps: NDArray[np.int64]
    returns: Float64
    bars_per_year: float


def pool(series: Sequence[Series]) -> Pool:
    """The equal-weight pool of return series; their order does not matter, to the last bit.

    Where shards with different bars per year meet, a bar counts as the shortest time that any of them gives it there.

    Raises:
        UsageError: no series at all.
    """
    timestamps, rates = _stacked(series)
    returns = np.concatenate([one.returns for one in series])
    order = np.lexsort((returns, timestamps))
    grouped = _Groups.of(timestamps[order])
    return Pool(grouped.timestamps, grouped.mean(returns[order]), _bars_per_year(grouped, rates[order]))


def equity(returns: Float64) -> Float64:
    """Equity `(n,)` after each of the returns `(n,)`, 1 before the first."""
    return np.asarray(np.cumprod(1.0 + returns), dtype=np.float64)


def pool_tally(returns: Float64) -> Float64:
    """The tally `(N_TALLY,)` of a return series `(n,)`, as the kernel would sum it; fields about trades are 0."""
    curve = equity(returns)
    peaks = np.maximum.accumulate(np.maximum(curve, 1.0))
    tally = empty_tally()
    tally[Tally.N_BARS] = returns.size
    for power, field in enumerate((Tally.SUM_R, Tally.SUM_R2, Tally.SUM_R3, Tally.SUM_R4), start=1):
        tally[field] = np.sum(returns**power)
    tally[Tally.SUM_DOWN2] = np.sum(np.minimum(returns, 0.0) ** 2)
    if returns.size:
        tally[Tally.GROWTH] = curve[-1]
        tally[Tally.PEAK_GROWTH] = peaks[-1]
        tally[Tally.TROUGH_GROWTH] = min(1.0, float(curve.min()))
        tally[Tally.MAX_DRAWDOWN] = np.max((peaks - curve) / peaks)
    tally[Tally.RUINED] = float(tally[Tally.GROWTH] <= 0.0)
    return tally


def pool_measures(traces: Sequence[Trace]) -> dict[str, float]:
    """Every measure of `MEASURES` for the traces of one segment as one account; NaN where undefined.

    What is about trades and holdings is summed over the traces, what is about returns is of their pool.

    Raises:
        UsageError: no trace at all.
    """
    whole = pool(traces)
    returns = pool_tally(whole.returns)
    tallies = np.stack([one.tally for one in traces])
    trades = tallies.sum(axis=0)
    trades[Tally.WORST_TRADE] = tallies[:, Tally.WORST_TRADE].min()
    years = sum(one.returns.size / one.bars_per_year for one in traces)
    rate = trades[Tally.N_BARS] / years
    return {
        name: float(
            measure.function(trades, rate) if name in TRADE_MEASURES else measure.function(returns, whole.bars_per_year)
        )
        for name, measure in MEASURES.items()
    }


@dataclass(frozen=True, eq=False)
class Segment:
    """The windows of one shard that belong to a segment (in sample, say), and the shard's bank."""

    shard: Shard
    windows: tuple[Window, ...]
    bank: FeatureBank


SegmentReturns = Callable[[Float64, Segment, Costs], Float64]


def pooled_sharpes(phenotypes: Float64, segments: Sequence[Segment], costs: Costs) -> Float64:
    """Per-bar Sharpe ratio `(n,)` of the pooled returns of each phenotype `(n, N_GENES)`; NaN where it never trades.

    The variance of these over generation 0 is what the deflated Sharpe ratio takes: the same quantity, on the same
    bars, as the Sharpe ratio it deflates.

    Raises:
        UsageError: no segment, rows of another width, or the bank of another shard.
        DataError: a window lies outside its shard.
    """
    sharpes = np.empty(len(phenotypes))
    for start, rows in pooled_batches(phenotypes, segments, costs, segment_returns):
        sharpes[start : start + len(rows)] = [moments(row).sharpe for row in rows]
    return sharpes


def pooled_timestamps(segments: Sequence[Segment]) -> NDArray[np.int64]:
    """Timestamps `(n_bars,)` of the pool of the segments, rising.

    Raises:
        UsageError: no segment.
    """
    return np.unique(_concatenated(_timestamps(segments)))


def pooled_batches(
    phenotypes: Float64, segments: Sequence[Segment], costs: Costs, returns_of: SegmentReturns
) -> Iterator[tuple[int, Float64]]:
    """Pooled returns of many phenotypes `(n, N_GENES)`, batch by batch: the first row's place, `(k, n_bars)` returns.

    NaN where an operand failed. `returns_of` gives the returns `(k, bars of all windows)` of a batch on one segment.

    Raises:
        UsageError: no segment, rows of another width, or the bank of another shard.
        DataError: a window lies outside its shard.
    """
    for segment in segments:
        check_inputs(phenotypes, segment.shard, segment.windows, segment.bank)
    timestamps = _concatenated(_timestamps(segments))
    order = np.argsort(timestamps, kind="stable")
    grouped = _Groups.of(timestamps[order])
    batch = max(1, _BATCH_VALUES // max(1, timestamps.size))
    for start in range(0, len(phenotypes), batch):
        rows = phenotypes[start : start + batch]
        returns = np.concatenate([returns_of(rows, segment, costs) for segment in segments], axis=1)
        yield start, grouped.mean(returns[:, order])


def trial_variance(sharpes: Float64) -> float:
    """Variance (ddof 1) of the per-bar Sharpe ratios of trials `(n,)`, those without one left out; NaN below two."""
    defined = sharpes[np.isfinite(sharpes)]
    return float(np.var(defined, ddof=1)) if defined.size > 1 else math.nan


def segment_returns(phenotypes: Float64, segment: Segment, costs: Costs) -> Float64:
    """Returns `(n, bars of all windows)` of each strategy, NaN where an operand failed."""
    rows = frozen(phenotypes, np.float64)
    scales, scale_rows = segment.bank.scales(rows)
    plays = stage(segment.bank, costs, segment.windows, scales)
    returns = np.empty((len(rows), sum(window.n_bars for window in segment.windows)))
    scratch = np.empty(N_ACCOUNT), empty_tally()
    for part in segment.bank.placed(rows, (plays.first, plays.stop)):
        returns_nb(plays, rows, frozen(scale_rows), *part, *scratch, returns)
    return returns


def _timestamps(segments: Sequence[Segment]) -> list[NDArray[np.int64]]:
    return [segment.shard.timestamps[window.start : window.stop] for segment in segments for window in segment.windows]


@dataclass(frozen=True, eq=False)
class _Groups:
    """Equal neighbours of a sorted array of timestamps."""

    timestamps: NDArray[np.int64]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, timestamps: NDArray[np.int64]) -> "_Groups":
        distinct, starts, counts = np.unique(timestamps, return_index=True, return_counts=True)
        return cls(distinct, starts.astype(np.int64), counts.astype(np.int64))

    def mean(self, values: Float64) -> Float64:
        """Mean of `(..., total)` within each group: `(..., n_groups)`."""
        if self.starts.size == values.shape[-1]:  # one shard, or none that meet
            return values
        return np.asarray(np.add.reduceat(values, self.starts, axis=-1) / self.counts)


def _stacked(series: Sequence[Series]) -> tuple[NDArray[np.int64], Float64]:
    """All timestamps in a row, and the bars per year that belong to each."""
    timestamps = _concatenated([one.timestamps for one in series])
    rates = np.repeat([one.bars_per_year for one in series], [one.timestamps.size for one in series])
    return timestamps, rates


def _concatenated(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    if not parts:
        raise UsageError("a pool must have at least one return series, but was given none. Trace at least one window.")
    return np.concatenate(parts)


def _bars_per_year(grouped: _Groups, rates: Float64) -> float:
    """Bars of the pool over the years they span."""
    if rates.size == 0 or float(np.ptp(rates)) == 0.0:
        return float(rates[0]) if rates.size else math.nan
    fastest = np.maximum.reduceat(rates, grouped.starts)
    return float(fastest.size / np.sum(1.0 / fastest))
