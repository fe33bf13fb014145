"""Walk-forward: the whole search before every window, its choice traded on the window, the windows stitched together.

    | warm-up | bars to learn from, cut into folds | embargo | window 1 | window 2 | ... | (lockbox, not here)

What is chosen for a window comes from bars before it alone: the market that is searched ends there. The windows
touch, and each is traded from flat to flat, so their returns stand one after the other as one out-of-sample curve.
All that was tried on the way is written to the trial ledger.

Source: Pardo 2008, "The Evaluation and Optimization of Trading Strategies", chapters 11 and 12 (walk-forward
efficiency, here as a ratio of Sharpe ratios).
"""

import hashlib
import json
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.choosing import Candidate
from cluster.examination import Examiner
from cluster.job_config import JobConfig
from cluster.learnable import learnable_split
from cluster.market import Market, iso_time, open_market
from cluster.search import Search, best_candidates, count_search, examiner_of, search
from cluster.settings import config_hash
from cluster.signals import Interrupted
from fitness.folds import MINIMUM_BARS, Split, Window
from fitness.gates import annual_sharpe
from fitness.pooled import Pool, pool
from fitness.shard import Shard
from fitness.statistics.bootstrap import Interval, interval, optimal_block
from strategies.errors import DataError, UsageError

Say = Callable[[str], None]
N_RESAMPLES: Final = 2000
LEVEL: Final = 0.95


@dataclass(frozen=True)
class WalkPlan:
    """What is asked of a walk-forward.

    Attributes:
        config: the job; its folds are cut anew before every window.
        n_windows: out-of-sample windows, of equal length on the common time axis.
        anchored: whether learning begins at the first bar every time; else it takes as many bars as for window 1.
        first_share: share of the bars after the warm-up that comes before window 1.
        n_best: so many strategies of the job's choice trade a window, with equal weight.
    """

    config: JobConfig
    n_windows: int = 5
    anchored: bool = True
    first_share: float = 0.5
    n_best: int = 1

    def __post_init__(self) -> None:
        if self.n_windows < 1 or self.n_best < 1 or not 0.0 < self.first_share < 1.0:
            raise UsageError(
                "`windows` and `best` must be at least 1 and `first_share` between 0 and 1, but were "
                f"{self.n_windows}, {self.n_best} and {self.first_share} (walk-forward). Try 5, 1 and 0.5."
            )


@dataclass(frozen=True)
class Leg:
    """One window: the instants of the common axis to learn on and to trade on, as places in it.

    Attributes:
        number: 1 is the earliest.
        learn: first and last + 1 of the bars that folds may have.
        trade: likewise of the window.
    """

    number: int
    learn: tuple[int, int]
    trade: tuple[int, int]


@dataclass(frozen=True, eq=False)
class WindowResult:
    """What came of one window.

    Attributes:
        number: 1 is the earliest.
        start, end: first and last bar traded, ISO 8601.
        shards: symbols that had bars enough to learn on and to trade.
        chosen: ids of the strategies that traded; none where nothing was feasible, and the window is cash.
        texts: their rules.
        n_evaluated: strategies that the search before this window evaluated.
        in_sample: Sharpe ratio a year on the folds it was chosen on.
        out_of_sample: on the window.
        held: of buying and holding on the window, with the same costs.
        returns: all shards as one account, on the window.
        benchmark: likewise, of buying and holding.
    """

    number: int
    start: str
    end: str
    shards: tuple[str, ...]
    chosen: tuple[str, ...]
    texts: tuple[str, ...]
    n_evaluated: int
    in_sample: float
    out_of_sample: float
    held: float
    returns: Pool
    benchmark: Pool

    @property
    def efficiency(self) -> float:
        """Return the Sharpe ratio out of sample over that in sample, NaN unless the latter is positive."""
        return self.out_of_sample / self.in_sample if self.in_sample > 0.0 else math.nan


@dataclass(frozen=True, eq=False)
class WalkForward:
    """All windows, and their returns as one.

    Attributes:
        plan: what was asked.
        folder: where results are kept.
        windows: in the order of time.
        stitched: out-of-sample returns of all windows; `held`: of buying and holding.
        sharpe: of the stitched returns a year, with its stationary-bootstrap interval of `LEVEL`.
    """

    plan: WalkPlan
    folder: Path
    windows: tuple[WindowResult, ...]
    stitched: Pool
    held: Pool
    sharpe: Interval

    @property
    def efficiency(self) -> float:
        """Return the stitched Sharpe ratio over the mean one in sample, NaN unless the latter is positive."""
        known = [one.in_sample for one in self.windows if math.isfinite(one.in_sample)]
        mean = float(np.mean(known)) if known else math.nan
        return self.sharpe.estimate / mean if mean > 0.0 else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return figures and table as plain values (curves are left out)."""
        hidden = ("returns", "benchmark")
        rows = [
            {**{name: value for name, value in vars(one).items() if name not in hidden}, "efficiency": one.efficiency}
            for one in self.windows
        ]
        return {
            "job": self.plan.config.name,
            "windows": rows,
            "anchored": self.plan.anchored,
            "n_best": self.plan.n_best,
            "sharpe": asdict(self.sharpe),
            "level": LEVEL,
            "held_sharpe": annual_sharpe(self.held),
            "efficiency": self.efficiency,
            "total_return": float(np.prod(1.0 + self.stitched.returns) - 1.0),
            "n_bars": int(self.stitched.returns.size),
            "n_evaluated": sum(one.n_evaluated for one in self.windows),
            "folder": str(self.folder),
            "verdict": self.sentence(),
        }

    def sentence(self) -> str:
        """Return what came of it in plain English."""
        sharpe, n = self.sharpe, len(self.windows)
        if not math.isfinite(sharpe.low):
            return f"Over {n} windows there is no Sharpe ratio: nothing was traded, or nothing moved."
        clear = "above 0" if sharpe.low > 0.0 else "not clearly above 0"
        kept = f", {self.efficiency:.0%} of that in sample" if math.isfinite(self.efficiency) else ""
        return (
            f"Chosen before each of {n} windows and traded on it, the search earned a Sharpe ratio of "
            f"{sharpe.estimate:.2f} a year out of sample ({LEVEL:.0%} interval {sharpe.low:.2f} to {sharpe.high:.2f}: "
            f"{clear}){kept}; buying and holding {annual_sharpe(self.held):.2f}."
        )


def walk_forward(
    plan: WalkPlan,
    *,
    root: Path | None = None,
    say: Say = lambda _: None,
    stop: threading.Event | None = None,
) -> WalkForward:
    """Return the walk-forward of a job over its bars before the lockbox.

    Args:
        plan: what is asked.
        root: folder of the run folders; None takes the job's.
        say: told of progress.
        stop: set it to stop; what was tried by then is counted.

    Raises:
        ConfigError, DataError: the search can't begin, or a window or its folds would have too few bars.
        Interrupted: `stop` was set.
    """
    market = open_market(plan.config)
    facts = [config_hash(plan.config), {**asdict(plan), "config": None}, [one.content_hash for one in market.shards]]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
    folder = (root or Path(plan.config.output.root)) / f"{plan.config.name}-walk-forward-{digest}"
    created_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    results: list[WindowResult] = []
    for leg in legs_of(market, plan):
        if stop is not None and stop.is_set():
            raise Interrupted("stopped between two windows")
        found = search(plan.config, learning_market(market, plan.config, leg), stop=stop)
        count_search(found, market, folder, what="walk-forward", created_at=created_at)
        results.append(_traded(market, leg, found, best_candidates(found, plan.n_best)))
        say(_line(results[-1], plan))
    stitched, held = _stitched([one.returns for one in results]), _stitched([one.benchmark for one in results])
    return WalkForward(plan, folder, tuple(results), stitched, held, _interval(stitched, plan.config.seed))


def _line(one: WindowResult, plan: WalkPlan) -> str:
    after = f"{one.out_of_sample:.2f} out of sample" if math.isfinite(one.out_of_sample) else "nothing traded after"
    span = f"{one.start[:10]} to {one.end[:10]}"
    return f"window {one.number} of {plan.n_windows}, {span}: Sharpe {one.in_sample:.2f} in sample, {after}"


def axis_of(market: Market) -> NDArray[np.int64]:
    """Return the instants (n,) before the lockbox at which any shard has a bar."""
    seen = [shard.timestamps[: cut.validation.stop] for shard, cut in zip(market.shards, market.splits, strict=True)]
    return np.unique(np.concatenate(seen))


def legs_of(market: Market, plan: WalkPlan) -> tuple[Leg, ...]:
    """Return the windows in the order of time.

    Raises:
        DataError: a window, or a fold before it, would have too few bars.
    """
    cut, n = plan.config.split, len(axis_of(market))
    usable = n - cut.warm_up
    length = int(usable * (1.0 - plan.first_share)) // plan.n_windows
    first = n - plan.n_windows * length
    fold = _fold_bars(first - cut.embargo - cut.warm_up, plan.config)
    if min(length, fold) < MINIMUM_BARS:
        raise DataError(
            f"every window and every fold before it must have at least {MINIMUM_BARS} bars, but had {length} and "
            f"{max(fold, 0)} ({plan.n_windows} windows after {n:,} bars, walk-forward). Ask for fewer windows or folds."
        )
    starts = [first + number * length for number in range(plan.n_windows)]
    return tuple(
        Leg(
            number=number + 1,
            learn=(cut.warm_up if plan.anchored else cut.warm_up + start - first, start - cut.embargo),
            trade=(start, start + length),
        )
        for number, start in enumerate(starts)
    )


def learning_market(market: Market, config: JobConfig, leg: Leg) -> Market:
    """Return what a window's choice may be made from: the shards cut off an embargo before it, with folds of their own.

    A shard without a fold of its own by then is left out.
    """
    axis, cut = axis_of(market), config.split
    start, stop = leg.learn
    length = _fold_bars(stop - start, config)
    first = stop - cut.folds * length - (cut.folds - 1) * cut.embargo
    strides = [first + number * (length + cut.embargo) for number in range(cut.folds)]
    kept: list[tuple[Shard, Split]] = []
    for shard in market.shards:
        folds, earliest = [], cut.warm_up
        for number, begin in enumerate(strides):
            window = _window(shard, axis, begin, begin + length, name=f"fold {number}", earliest=earliest)
            if window.n_bars >= MINIMUM_BARS:
                folds.append(window)
                earliest = window.stop + cut.embargo
        if folds:
            kept.append((shard.head(folds[-1].stop), learnable_split(folds)))
    if not kept:
        raise DataError(
            f"a shard must have a fold of {MINIMUM_BARS} bars or more before window {leg.number}, but none had. Raise "
            "`first_share`, or ask for fewer folds."
        )
    return Market(tuple(shard for shard, _ in kept), tuple(split for _, split in kept), market.costs)


def _fold_bars(n_bars: int, config: JobConfig) -> int:
    folds, embargo = config.split.folds, config.split.embargo
    return (n_bars - (folds - 1) * embargo) // folds


def _window(shard: Shard, axis: NDArray[np.int64], begin: int, end: int, *, name: str, earliest: int) -> Window:
    """The bars of a shard in the places `begin` to `end` (exclusive) of the axis, but none before `earliest`."""
    start = int(np.searchsorted(shard.timestamps, axis[begin], side="left"))
    stop = int(np.searchsorted(shard.timestamps, axis[end - 1], side="right"))
    return Window(name, max(start, earliest), max(stop, start, earliest))


def _trading_market(market: Market, learnt: Market, leg: Leg) -> Market:
    """The shards that were learnt on and have bars in the window, cut off at its end; it stands for the validation."""
    axis = axis_of(market)
    known = {(shard.symbol, shard.timeframe): cut for shard, cut in zip(learnt.shards, learnt.splits, strict=True)}
    shards, splits = [], []
    for shard in market.shards:
        cut = known.get((shard.symbol, shard.timeframe))
        if cut is None:
            continue
        window = _window(shard, axis, *leg.trade, name="validation", earliest=cut.folds[-1].stop)
        if window.n_bars > 1:
            shards.append(shard.head(window.stop))
            splits.append(replace(cut, validation=window, lockbox=Window("lockbox", window.stop, window.stop)))
    if not shards:
        raise DataError(f"a shard must have bars in window {leg.number}, but none of those learnt on had.")
    return Market(tuple(shards), tuple(splits), market.costs)


def _traded(market: Market, leg: Leg, found: Search, chosen: Sequence[Candidate]) -> WindowResult:
    """What the chosen did on a window, as one account of equal weight; cash where nobody was chosen."""
    ground, bank_bytes = _trading_market(market, found.market, leg), found.config.cluster.bank_mib * 2**20
    learnt, traded = examiner_of(found), Examiner(ground, bank_bytes=bank_bytes)
    held = pool(traded.benchmark("validation").traces)
    if chosen:
        before = pool([one for each in chosen for one in learnt.examine(each.phenotype, "in_sample").traces])
        after = pool([one for each in chosen for one in traded.examine(each.phenotype, "validation").traces])
    else:
        before = after = replace(held, returns=np.zeros_like(held.returns))
    return WindowResult(
        number=leg.number,
        start=iso_time(held.timestamps[0]),
        end=iso_time(held.timestamps[-1]),
        shards=tuple(shard.symbol for shard in ground.shards),
        chosen=tuple(one.strategy.id for one in chosen),
        texts=tuple(one.strategy.text() for one in chosen),
        n_evaluated=found.n_evaluated,
        in_sample=annual_sharpe(before),
        out_of_sample=annual_sharpe(after),
        held=annual_sharpe(held),
        returns=after,
        benchmark=held,
    )


def _stitched(parts: Sequence[Pool]) -> Pool:
    """Returns of windows that follow one another, as one series."""
    stamps, returns = (np.concatenate([getattr(part, name) for part in parts]) for name in ("timestamps", "returns"))
    years = sum(part.returns.size / part.bars_per_year for part in parts)
    return Pool(stamps, returns, returns.size / years)


def _interval(series: Pool, seed: int) -> Interval:
    block = optimal_block(series.returns)
    if not math.isfinite(block):
        return Interval(math.nan, math.nan, math.nan)
    return interval(
        series.returns,
        "sharpe",
        block=max(1.0, block),
        n_resamples=N_RESAMPLES,
        seed=seed,
        level=LEVEL,
        bars_per_year=series.bars_per_year,
    )
