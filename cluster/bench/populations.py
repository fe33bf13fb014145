"""Work for the kernel alone: random strategies whose masks are ready, and bars as long as one likes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.bits import pack
from fitness.costs import OrderKind, risk_row
from fitness.kernel_bars import PriceBars

Float64 = NDArray[np.float64]
Masks = NDArray[np.bool_]

MINUTE_VOLATILITY: Final = 0.0005
STEPS_A_MINUTE: Final = 4


@dataclass(frozen=True)
class Habit:
    """How random strategies trade.

    Attributes:
        name: for people.
        entry: chance of a bar to decide an entry, half of it long.
        exit: chance of a bar to decide an exit, of either side.
        stop, target: distance from the fill, in median ranges of a bar.
    """

    name: str
    entry: float
    exit: float
    stop: float
    target: float

    def levels(self, bars: PriceBars) -> tuple[float, float]:
        """Stop and target on these bars, in percent of the fill."""
        high, low, close = (np.asarray(column) for column in (bars.high, bars.low, bars.close))
        percent = 100.0 * float(np.median((high - low) / close))
        return self.stop * percent, self.target * percent


SPARSE: Final = Habit("sparse", 15 / 5000, 0.05, 3.0, 6.0)
"""About 15 trades in 5,000 bars, in the market for a few weeks each."""
HELD: Final = Habit("sparse, held long", 0.006, 0.006, 20.0, 60.0)
"""As many trades, in the market half of the time."""
DENSE: Final = Habit("dense", 0.25, 0.2, 3.0, 6.0)
"""A trade every ten bars."""


@dataclass(frozen=True, eq=False)
class Population:
    """Random strategies as `simulate_many` takes them.

    Attributes:
        words: packed `(4 * n, n_words)`.
        rows: `(n, 4)`.
        risks: `(n, N_RISK)`.
    """

    words: NDArray[np.uint64]
    rows: NDArray[np.int64]
    risks: Float64

    def __len__(self) -> int:
        """How many strategies."""
        return len(self.rows)


def random_masks(habit: Habit, *, n_strategies: int, n_bars: int, seed: int = 0) -> Iterator[Masks]:
    """Masks `(4, n_bars)` of each strategy, in the order of `MASK_ROLES`; equal seeds give equal masks."""
    rng = np.random.default_rng(seed)
    chances = np.array([habit.entry / 2, habit.exit, habit.entry / 2, habit.exit], dtype=np.float32)[:, None]
    for _ in range(n_strategies):
        yield rng.random((4, n_bars), dtype=np.float32) < chances


def population(masks: Iterable[Masks], *, stop: float, target: float) -> Population:
    """The strategies of `masks`, `(4, n_bars)` each, all with stop and target in percent of the fill."""
    words = [pack(one) for one in masks]  # one by one: unpacked, those of a long shard would fill the memory
    row = risk_row(stop_kind=OrderKind.PERCENT, stop=stop, target_kind=OrderKind.PERCENT, target=target)
    n = len(words)
    return Population(np.concatenate(words), np.arange(4 * n).reshape(n, 4), np.tile(row, (n, 1)))


def minute_bars(n_bars: int, seed: int = 0) -> SimpleNamespace:
    """One-minute bars of a random walk, `(n_bars,)` each: steps between open and close, extremes of the steps."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((n_bars, STEPS_A_MINUTE), dtype=np.float32).astype(np.float64)
    path = np.cumsum(steps * (MINUTE_VOLATILITY / np.sqrt(STEPS_A_MINUTE)), axis=1)
    close = 100.0 * np.cumprod(1.0 + path[:, -1])
    open_ = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(np.maximum(open_, close), open_ * (1.0 + path.max(axis=1)))
    low = np.minimum(np.minimum(open_, close), open_ * (1.0 + path.min(axis=1)))
    minutes = np.arange(n_bars, dtype=np.int64) * 60_000_000
    return SimpleNamespace(open=open_, high=high, low=low, close=close, volume=np.full(n_bars, 1e4), timestamps=minutes)
