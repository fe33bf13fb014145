"""The rows of the kernel alone: random strategies, masks ready, on the user's bars and on a long shard."""

from types import SimpleNamespace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cluster.bench.populations import DENSE, HELD, SPARSE, Habit, minute_bars, population, random_masks
from cluster.bench.rows import MANIFOLD, VECTORBT_DENSE, VECTORBT_PRO, VECTORBT_SPARSE, Row, Work
from cluster.bench.stopwatch import Seconds, best_of
from fitness.costs import Costs
from fitness.kernel_bars import PriceBars, kernel_bars
from fitness.simulation import simulate_prepared
from fitness.tally import Tally

SPARSE_TARGET: Final = 2e9
DENSE_TARGET: Final = 100e6
LONG_TARGET: Final = 1.5
COUNTED: Final = "fills, costs, stop, target, equity of every bar, Sharpe, drawdown, trades; masks ready"


def played(habit: Habit, bars: PriceBars, costs: Costs, *, n_strategies: int, enough_s: float) -> tuple[Seconds, Work]:
    """Seconds of one random strategy, and what it does."""
    n_bars = len(bars.close)
    stop, target = habit.levels(bars)
    strategies = population(random_masks(habit, n_strategies=n_strategies, n_bars=n_bars), stop=stop, target=target)
    prepared = kernel_bars(bars, np.ones(n_bars), costs)
    windows = np.array([[0, n_bars]])

    def play() -> NDArray[np.float64]:
        return simulate_prepared(
            bars=prepared, masks=strategies.words, mask_rows=strategies.rows, windows=windows, risks=strategies.risks
        )

    took = best_of(play, enough_s=enough_s).divided(n_strategies)
    tallies = play()[:, 0]
    held = tallies[:, Tally.BARS_HELD].sum() / tallies[:, Tally.N_BARS].sum()
    return took, Work(n_bars, float(tallies[:, Tally.N_TRADES].mean()), float(held))


def kernel_rows(bars: PriceBars, costs: Costs, *, n_strategies: int, enough_s: float) -> list[Row]:
    """Sparse trading, the same held long, dense trading."""
    sparse, held, dense = (
        played(habit, bars, costs, n_strategies=n_strategies, enough_s=enough_s) for habit in (SPARSE, HELD, DENSE)
    )
    return [
        Row(
            "sparse", "sparse trading", COUNTED, *sparse, target="2,000 M bars/s",
            reached=sparse[1].n_bars / sparse[0].cpu >= SPARSE_TARGET, peers=(VECTORBT_SPARSE, MANIFOLD, VECTORBT_PRO),
        ),
        Row("held", "sparse, held long", COUNTED, *held, peers=(VECTORBT_SPARSE,)),
        Row(
            "dense", "dense trading", COUNTED, *dense, target="100 M bars/s",
            reached=dense[1].n_bars / dense[0].cpu >= DENSE_TARGET, peers=(VECTORBT_DENSE,),
        ),
    ]  # fmt: skip


def long_row(costs: Costs, *, n_bars: int, n_short: int, n_strategies: int, enough_s: float) -> Row:
    """Minute bars by the million: what a bar costs there over what it costs on the first bars of the same shard."""
    bars = minute_bars(n_bars)
    short = SimpleNamespace(**{name: column[:n_short].copy() for name, column in vars(bars).items()})
    took, work = played(SPARSE, bars, costs, n_strategies=n_strategies, enough_s=enough_s)
    brief, brief_work = played(SPARSE, short, costs, n_strategies=n_strategies, enough_s=enough_s)
    ratio = (took.cpu / work.n_bars) / (brief.cpu / brief_work.n_bars)
    return Row(
        "long", "long shard",
        f"{n_bars:,} one-minute bars, {n_strategies} strategies a call, else as sparse trading: a bar costs "
        f"{ratio:.2f} times what it costs on {n_short:,} bars",
        took, work,
        target="at most 1.5 times", reached=ratio <= LONG_TARGET, further={"times_short": ratio},
    )  # fmt: skip
