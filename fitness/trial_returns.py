"""Pooled returns of many strategies that were tried: what luck, overfitting and the effective number are judged by.

One row a strategy, one column a bar of the pool, in the same compiled code that scored them; beyond the passive
benchmark of excess.py unless told otherwise, with the figures that `excess.timing_returns` gives for one trace.
`even_sample` thins trials without a look at their merit.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.account import N_ACCOUNT
from fitness.bank import frozen
from fitness.costs import N_RISK, Cost, Costs
from fitness.excess import N_HELD, Benchmark, beyond_nb, exposures_nb
from fitness.kernel import simulate_nb
from fitness.pooled import Segment, pooled_batches, pooled_timestamps, segment_returns
from fitness.population import FIRST_RISK, Stage, failed_nb, stage
from fitness.rules import combine_nb
from fitness.statistics import moments
from fitness.tally import N_TRADE, empty_tally
from strategies.errors import UsageError
from strategies.numba_start import load_numba

load_numba()

Float64 = NDArray[np.float64]
Integers = NDArray[np.int64]
Words = NDArray[np.uint64]

_START_EQUITY: Final = int(Cost.START_EQUITY)
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def trial_batches(
    phenotypes: Float64, segments: Sequence[Segment], costs: Costs, *, benchmark: Benchmark = "passive"
) -> Iterator[tuple[int, Float64]]:
    """Pooled returns of phenotypes `(n, N_GENES)`, batch by batch: the first row's place, and `(k, n_bars)` returns.

    NaN where an operand of the strategy failed.

    Raises:
        UsageError: no segment, rows of another width, or the bank of another shard.
        DataError: a window lies outside its shard.
    """
    returns_of = segment_timing_returns if benchmark == "passive" else segment_returns
    return pooled_batches(phenotypes, segments, costs, returns_of)


def trial_returns(
    phenotypes: Float64, segments: Sequence[Segment], costs: Costs, *, benchmark: Benchmark = "passive"
) -> Float64:
    """Pooled returns `(n, n_bars)` of phenotypes `(n, N_GENES)`; NaN in the rows of those whose operands failed.

    Raises:
        UsageError, DataError: as `trial_batches`.
    """
    found = np.empty((len(phenotypes), pooled_timestamps(segments).size))
    for start, rows in trial_batches(phenotypes, segments, costs, benchmark=benchmark):
        found[start : start + len(rows)] = rows
    return found


def trial_sharpes(
    phenotypes: Float64, segments: Sequence[Segment], costs: Costs, *, benchmark: Benchmark = "passive"
) -> Float64:
    """Per-bar Sharpe ratio `(n,)` of each one's pooled returns; NaN where it never trades, or an operand failed.

    Raises:
        UsageError, DataError: as `trial_batches`.
    """
    sharpes = np.empty(len(phenotypes))
    for start, rows in trial_batches(phenotypes, segments, costs, benchmark=benchmark):
        sharpes[start : start + len(rows)] = [moments(row).sharpe for row in rows]
    return sharpes


def even_sample(n: int, most: int | None, kept: Integers) -> Integers:
    """At most `most` of the places 0 to n - 1, rising: `kept`, and the others at even distances, whatever their merit.

    Args:
        n: how many there are.
        most: how many may stay; None keeps all. More are kept only if `kept` is longer.
        kept: places that must stay.

    Raises:
        UsageError: `most` is below 1.
    """
    if most is not None and most < 1:
        raise UsageError(f"`most` must be at least 1, but was {most}. None keeps all.")
    if most is None or n <= most:
        return np.arange(n)
    certain = np.unique(kept)
    others = np.setdiff1d(np.arange(n), certain, assume_unique=True)
    n_more = max(most - certain.size, 0)
    return np.sort(np.concatenate([certain, others[np.arange(n_more) * others.size // max(n_more, 1)]]))


def segment_timing_returns(phenotypes: Float64, segment: Segment, costs: Costs) -> Float64:
    """Returns `(n, bars of all windows)` beyond the passive benchmark on one shard, NaN where an operand failed."""
    rows = frozen(phenotypes, np.float64)
    scales, scale_rows = segment.bank.scales(rows)
    longest = max(window.n_bars for window in segment.windows)
    plays = stage(segment.bank, costs, segment.windows, scales)._replace(trades=np.empty((longest, N_TRADE)))
    returns = np.empty((len(rows), sum(window.n_bars for window in segment.windows)))
    close, scratch = frozen(segment.shard.close, np.float64), (np.empty(N_ACCOUNT), empty_tally(), np.empty(longest))
    for part in segment.bank.placed(rows, (plays.first, plays.stop)):
        timing_returns_nb(plays, rows, frozen(scale_rows), *part, close, *scratch, np.empty(N_HELD), returns)
    return returns


@_jit
def timing_returns_nb(
    stage: Stage, phenotypes: Float64, scale_rows: Integers, places: Integers, start: int, stop: int, masks: Words,
    failed: NDArray[np.bool_], close: Float64, account: Float64, tally: Float64, exposures: Float64, held: Float64,
    returns_out: Float64,
) -> None:  # fmt: skip
    """Fill `returns_out (n, bars of all windows)` for the strategies `start` to `stop`, NaN where an operand failed.

    As `population.returns_nb`, beyond the benchmark. The stage keeps trades; `account`, `tally`, `exposures (longest
    window,)` and `held (N_HELD,)` are scratch.
    """
    for i in range(start, stop):
        if failed_nb(places[i], failed):
            returns_out[i] = np.nan
            continue
        combine_nb(phenotypes[i], places[i], masks, stage.first, stage.stop, stage.roles)
        row, place = scale_rows[i], 0
        width = stage.scales.shape[1] if row >= 0 else 0
        held[:] = 0.0
        for w in range(stage.windows.shape[0]):
            first, last = stage.windows[w, 0], stage.windows[w, 1]
            equity, mine = returns_out[i, place : place + last - first], exposures[: last - first]
            n_trades = simulate_nb(
                stage.blocks, stage.fills,
                stage.frozen_roles[0], stage.frozen_roles[1], stage.frozen_roles[2], stage.frozen_roles[3],
                first, last, phenotypes[i, FIRST_RISK : FIRST_RISK + N_RISK], stage.costs,
                stage.scales[max(row, 0), :width], tally, stage.trades, equity, account,
            )  # fmt: skip
            mine[:] = 0.0
            exposures_nb(stage.trades[:n_trades], close, equity, first, mine)
            before = stage.costs[_START_EQUITY]
            for bar in range(equity.size):
                now = equity[bar]
                equity[bar] = now / before - 1.0 if before > 0.0 else 0.0
                before = now
            beyond_nb(mine, close, first, held, equity)
            place += last - first
