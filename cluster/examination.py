"""What a strategy did on every shard in one stretch, beside buy and hold: figures and curves of a candidate."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cluster.job_config import POOL
from cluster.learnable import permuted_market
from cluster.market import Market
from fitness.attribution import Attribution, attribute
from fitness.bank import FeatureBank
from fitness.battery import Subject
from fitness.excess import Benchmark, TimingReturns, timing_returns
from fitness.folds import Split, Window
from fitness.pooled import Pool, Segment, pool, pool_measures, pooled_timestamps
from fitness.tally import EXIT_REASONS
from fitness.trace import Trace, trace, trace_buy_and_hold
from fitness.trial_returns import trial_batches, trial_returns, trial_sharpes
from strategies.encoding import phenotype_of
from strategies.strategy import Strategy

Stretch = Literal["in_sample", "validation", "lockbox"]


@dataclass(frozen=True, eq=False)
class Examined:
    """The traces of one strategy in one stretch: for every shard, one per window."""

    stretch: Stretch
    by_shard: tuple[tuple[Trace, ...], ...]

    @property
    def traces(self) -> list[Trace]:
        """Return all traces, by shard, then window."""
        return [one for traces in self.by_shard for one in traces]

    def figures(self) -> dict[str, float]:
        """Return every measure of all shards as one account."""
        return pool_measures(self.traces)

    def shard_figures(self) -> list[dict[str, float]]:
        """Return every measure of each shard."""
        return [pool_measures(traces) for traces in self.by_shard]


class Examiner:
    """A market with its feature banks, in one process; returns are judged against `benchmark`."""

    def __init__(self, market: Market, *, bank_bytes: int, benchmark: Benchmark = "passive") -> None:
        self._market, self._benchmark, self._bank_bytes = market, benchmark, bank_bytes
        self._banks = [FeatureBank(shard, bank_bytes // len(market.shards)) for shard in market.shards]
        self._held: dict[Stretch, Examined] = {}

    def examine(self, phenotype: NDArray[np.float64], stretch: Stretch) -> Examined:
        """Return what the strategy of a phenotype row (N_GENES,) did in a stretch.

        Raises:
            StrategyError: an operand of the strategy can't be computed.
        """
        market = self._market
        return self._traced(
            stretch,
            lambda number, window: trace(phenotype, market.shards[number], window, market.costs, self._banks[number]),
        )

    def benchmark(self, stretch: Stretch) -> Examined:
        """Return what buying and holding did in a stretch, with the same costs."""
        if stretch not in self._held:
            market = self._market
            self._held[stretch] = self._traced(
                stretch, lambda number, window: trace_buy_and_hold(market.shards[number], window, market.costs)
            )
        return self._held[stretch]

    def attribution(self, strategy: Strategy) -> Attribution:
        """Return what each member of a strategy contributed, on all shards as one account, lockbox apart.

        Raises:
            StrategyError: an operand of the strategy can't be computed.
        """

        def measured(variant: Strategy) -> dict[str, float]:
            phenotype = phenotype_of(variant)
            seen = [self.examine(phenotype, "in_sample"), self.examine(phenotype, "validation")]
            return pool_measures([one for examined in seen for one in examined.traces])

        return attribute(strategy, measured)

    @property
    def bars_per_year(self) -> float:
        """Return those of the pool of all shards, by the benchmark's in-sample traces."""
        return pool(self.benchmark("in_sample").traces).bars_per_year

    def n_bars(self, stretch: Stretch) -> int:
        """Return the bars of the pool of all shards in a stretch."""
        return int(pooled_timestamps(self._segments(stretch)).size)

    def beyond(self, examined: Examined) -> list[TimingReturns]:
        """Return the returns beyond the benchmark of each of `examined.traces`."""
        start_equity = self._market.costs.start_equity
        return [
            series
            for shard, traces in zip(self._market.shards, examined.by_shard, strict=True)
            for series in timing_returns(traces, shard, benchmark=self._benchmark, start_equity=start_equity)
        ]

    def pooled_beyond(self, examined: Examined) -> Pool:
        """Return the returns beyond the benchmark of all shards as one account."""
        return pool(self.beyond(examined))

    def trial_batches(self, phenotypes: NDArray[np.float64]) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Yield pooled returns in sample of many phenotypes (n, N_GENES), beyond the benchmark: first row, (k, n_bars).

        Raises:
            UsageError: rows of another width.
        """
        segments, costs = self._segments("in_sample"), self._market.costs
        return trial_batches(phenotypes, segments, costs, benchmark=self._benchmark)

    def trial_returns(self, phenotypes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return those of all batches (n, n_bars).

        Raises:
            UsageError: rows of another width.
        """
        segments, costs = self._segments("in_sample"), self._market.costs
        return trial_returns(phenotypes, segments, costs, benchmark=self._benchmark)

    def null_sharpes(self, phenotypes: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        """Return per-bar Sharpe ratios (n,) beyond the benchmark, in sample, on permuted bars: what luck is like here.

        On the bars as they are, strategies would differ by skill too, wherever there is something to be found.
        """
        luck = Examiner(permuted_market(self._market, seed), bank_bytes=self._bank_bytes, benchmark=self._benchmark)
        segments = luck._segments("in_sample")
        return trial_sharpes(phenotypes, segments, self._market.costs, benchmark=self._benchmark)

    def subject(self, phenotype: NDArray[np.float64]) -> Subject:
        """Return a strategy as the bias battery takes it, on the folds; its lockbox and validation stay unseen."""
        market = self._market
        windows = tuple(stretch_windows(cut, "in_sample") for cut in market.splits)
        return Subject(phenotype, market.shards, windows, market.costs, tuple(self._banks))

    def _segments(self, stretch: Stretch) -> list[Segment]:
        market = self._market
        return [
            Segment(shard, stretch_windows(cut, stretch), bank)
            for shard, cut, bank in zip(market.shards, market.splits, self._banks, strict=True)
        ]

    def _traced(self, stretch: Stretch, run: Callable[[int, Window], Trace]) -> Examined:
        by_shard = tuple(
            tuple(run(number, window) for window in stretch_windows(cut, stretch))
            for number, cut in enumerate(self._market.splits)
        )
        return Examined(stretch, by_shard)


def stretch_windows(cut: Split, stretch: Stretch) -> tuple[Window, ...]:
    """Return the windows of one shard that a stretch consists of."""
    return {"in_sample": cut.folds, "validation": (cut.validation,), "lockbox": (cut.lockbox,)}[stretch]


def equity_frame(pairs: Sequence[tuple[Examined, Examined]]) -> pl.DataFrame:
    """Return the curves of (strategy, benchmark) pairs: `symbol`, `timestamp`, `segment`, `equity`, `benchmark`.

    Each stretch begins at 1; windows of one stretch follow one another. `POOL` is all shards as one account.
    """
    frames = []
    for strategy, benchmark in pairs:
        for mine, held in zip(strategy.by_shard, benchmark.by_shard, strict=True):
            frames.append(_curves(mine[0].symbol, strategy.stretch, mine, held))
        frames.append(_curves(POOL, strategy.stretch, strategy.traces, benchmark.traces))
    return pl.concat(frames)


def trades_frame(stretches: Sequence[Examined]) -> pl.DataFrame:
    """Return every trade: symbol, segment, side, times, prices, units, profit as share of equity, reason of exit."""
    frames = [
        pl.DataFrame(
            {
                "symbol": [one.symbol] * len(one.trades),
                "timeframe": [one.timeframe] * len(one.trades),
                "segment": [examined.stretch] * len(one.trades),
                "window": [one.window.name] * len(one.trades),
                "side": np.where(one.trades["side"] > 0, "long", "short"),
                "entry_time": _times(one.trades["entry_time"]),
                "exit_time": _times(one.trades["exit_time"]),
                **{name: one.trades[name] for name in ("entry_bar", "exit_bar", "entry_price", "exit_price", "units")},
                **{name: one.trades[name] for name in ("profit", "profit_share")},
                "exit_reason": np.array(EXIT_REASONS)[one.trades["exit_reason"]],
            },
            schema_overrides={"symbol": pl.String, "timeframe": pl.String, "segment": pl.String, "window": pl.String},
        )
        for examined in stretches
        for one in examined.traces
    ]
    return pl.concat(frames)


def _curves(symbol: str, stretch: Stretch, mine: Sequence[Trace], held: Sequence[Trace]) -> pl.DataFrame:
    strategy, benchmark = pool(mine), pool(held)
    return pl.DataFrame(
        {
            "symbol": [symbol] * len(strategy.timestamps),
            "timestamp": _times(strategy.timestamps),
            "segment": [stretch] * len(strategy.timestamps),
            "equity": np.cumprod(1.0 + strategy.returns),
            "benchmark": np.cumprod(1.0 + benchmark.returns),
        }
    )


def _times(microseconds: NDArray[np.int64]) -> pl.Series:
    return pl.Series(np.ascontiguousarray(microseconds), dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
