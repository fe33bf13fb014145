"""Markets in which a known rule foresees the sign of the next bar with a known probability, and nothing else does.

At the close of a bar the rule says up, down or nothing. The next bar moves by a half-normal amount, up or down: in the
direction that the rule says with probability p, and by a fair coin where it says nothing. Within a bar price moves as a
Brownian bridge between open and close, whose extremes are drawn exactly, so stops and targets fill as on a real path
and earn nothing by themselves. A bar opens where the last one closed: all that is foreseen can be traded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.shard import Shard, bars_hash

Float64 = NDArray[np.float64]
Rule = Callable[[Sequence[float]], int]
"""The closes up to now, oldest first, to what the rule wants to be: 1 long, -1 short, 0 out."""

SYMBOL: Final = "PLANTED"
VOLATILITY: Final = 0.01
STEPS: Final = 32
LONGEST: Final = 64
"""Closes that a rule may look back on."""


def _mean(closes: Sequence[float], n: int) -> float:
    return sum(closes[-n:]) / n


def trend(closes: Sequence[float]) -> int:
    """Long above the mean of 20 closes, else short."""
    return 1 if closes[-1] > _mean(closes, 20) else -1


def momentum(closes: Sequence[float]) -> int:
    """Long where the close is above that of 15 bars ago, else short."""
    return 1 if closes[-1] > closes[-16] else -1


def reversion(closes: Sequence[float]) -> int:
    """Long below the mean of 30 closes, else short."""
    return -1 if closes[-1] > _mean(closes, 30) else 1


def cross(closes: Sequence[float]) -> int:
    """Long where the mean of 5 closes is above that of 25, else short."""
    return 1 if _mean(closes, 5) > _mean(closes, 25) else -1


def channel(closes: Sequence[float]) -> int:
    """Long in the upper half of the range of 25 closes, else short."""
    last = closes[-25:]
    return 1 if closes[-1] > 0.5 * (max(last) + min(last)) else -1


def parity(closes: Sequence[float]) -> int:
    """Long after an odd number of rises among the last 4 bars, else short: no sum of conditions says that."""
    rises = sum(later > earlier for earlier, later in zip(closes[-5:-1], closes[-4:], strict=True))
    return 1 if rises % 2 else -1


def yesterday(closes: Sequence[float]) -> int:
    """Against the last bar: right often enough to be seen, and too busy to pay its costs."""
    return -1 if closes[-1] > closes[-2] else 1


RULES: Final[dict[str, Rule]] = {
    "trend": trend,
    "momentum": momentum,
    "reversion": reversion,
    "cross": cross,
    "channel": channel,
    "parity": parity,
    "yesterday": yesterday,
}
IN_THE_GRAMMAR: Final = ("trend", "momentum", "reversion", "cross", "channel")


@dataclass(frozen=True, eq=False)
class Planted:
    """A market with a rule in it.

    Attributes:
        shard: its bars.
        positions: (n_bars,) int8, what the rule holds at each close: what it wanted at the close before.
    """

    shard: Shard
    positions: NDArray[np.int8]


def planted_market(rule: str, probability: float, seed: int, *, n_bars: int) -> Planted:
    """Return `n_bars` daily bars in which `rule` is right with `probability`."""
    rng = np.random.Generator(np.random.Philox(seed))
    sizes = VOLATILITY * np.abs(rng.standard_normal(n_bars))
    coins = rng.random(n_bars)
    wants = RULES[rule]
    level, closes, positions = 0.0, [100.0], np.zeros(n_bars, dtype=np.int8)
    levels = np.empty(n_bars + 1)
    levels[0] = level
    for bar in range(n_bars):
        side = wants(closes[-LONGEST:]) if bar >= LONGEST else 0
        right = probability if side else 0.5
        up = (coins[bar] < right) == (side >= 0)
        level += float(sizes[bar]) if up else -float(sizes[bar])
        levels[bar + 1], positions[bar] = level, side
        closes.append(100.0 * float(np.exp(level)))
    return Planted(_shard(levels, rng), positions)


def _shard(levels: Float64, rng: np.random.Generator) -> Shard:
    """The bars between log levels (n_bars + 1,)."""
    n_bars, spread = len(levels) - 1, VOLATILITY / np.sqrt(STEPS)
    walk = np.concatenate(
        [np.zeros((n_bars, 1)), np.cumsum(spread * rng.standard_normal((n_bars, STEPS)), axis=1)], axis=1
    )
    share = np.arange(STEPS + 1) / STEPS
    path = levels[:-1, None] + walk + share * (np.diff(levels)[:, None] - walk[:, -1:])
    before, after = path[:, :-1], path[:, 1:]
    up, down = (
        np.sqrt((after - before) ** 2 + 2.0 * spread**2 * rng.standard_exponential(before.shape)) for _ in range(2)
    )
    opens, closes = 100.0 * np.exp(levels[:-1]), 100.0 * np.exp(levels[1:])
    values = {
        "open": opens,
        "high": np.maximum(100.0 * np.exp((0.5 * (before + after + up)).max(axis=1)), np.maximum(opens, closes)),
        "low": np.minimum(100.0 * np.exp((0.5 * (before + after - down)).min(axis=1)), np.minimum(opens, closes)),
        "close": closes,
        "volume": np.floor(1e6 * (0.5 + rng.random(n_bars))),
    }
    days = np.arange(n_bars) // 5 * 7 + np.arange(n_bars) % 5
    stamps = np.datetime64("1999-01-04", "us").astype(np.int64) + days * 86_400_000_000
    found = bars_hash(SYMBOL, "1d", stamps, values)
    return Shard(SYMBOL, "1d", stamps, **values, bars_per_year=252.0, content_hash=found, quality=1.0)


def agreement(held: NDArray[np.int8], planted: NDArray[np.int8]) -> float:
    """Return Matthews' correlation of two series of positions (n,) of three kinds; 0 if either never changes.

    Source: Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient", eq. 8.
    """
    kinds = (-1, 0, 1)
    x = np.stack([held == kind for kind in kinds], axis=1).astype(np.float64)
    y = np.stack([planted == kind for kind in kinds], axis=1).astype(np.float64)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    both, own, other = (x * y).sum(), (x * x).sum(), (y * y).sum()
    return float(both / np.sqrt(own * other)) if own > 0.0 and other > 0.0 else 0.0
