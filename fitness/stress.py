"""Monte Carlo on what nobody knows before trading: the costs, how late orders are, and which entries are missed.

Each draw plays the strategy once more, on the same bars, in another such world. It says how much of a result hangs on
the costs and fills that were assumed. It says nothing of other price paths, nor of skill: a strategy that earns for a
wrong reason is as stable here as one that earns for a right one.

Source: Pardo 2008, "The evaluation and optimization of trading strategies", 2nd ed., ch. 6 (what limits on fills and
slippage do to a test); Metropolis and Ulam 1949, "The Monte Carlo method".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.battery.acts import Act, delayed, without_entries
from fitness.battery.frictions import dearer
from fitness.battery.subject import Subject, sharpe_of
from fitness.bits import pack
from strategies.errors import UsageError

Float64 = NDArray[np.float64]

COST_FACTORS: Final = (0.5, 3.0)
"""Lowest and highest factor of each kind of cost."""
MOST_DELAY: Final = 2
"""Bars."""
MOST_MISSED: Final = 0.2
"""Highest share of the bars at which an entry is missed."""
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Draw:
    """One world.

    Attributes:
        fees, slippage, holding: factors of these costs, log-uniform over `COST_FACTORS`.
        delay: bars by which decisions are late, 0 to `MOST_DELAY`.
        missed: chance that an entry which is decided at a bar is missed, uniform up to `MOST_MISSED`; if the rule still
            wants it at the next bar, it enters then, with the same chance.
    """

    fees: float
    slippage: float
    holding: float
    delay: int
    missed: float


@dataclass(frozen=True, eq=False)
class Stress:
    """What a strategy does in many such worlds.

    Attributes:
        draws: the worlds.
        sharpes: `(n_draws,)` Sharpe ratio a year of the pooled account in each; NaN where it never trades.
        quantiles: of `sharpes`, by `QUANTILES`; a NaN counts as 0, for who does not trade earns nothing. NaN where all
            are NaN.
        share_above_0: of the draws, those with a Sharpe ratio above 0; NaN where all are NaN.
    """

    draws: tuple[Draw, ...]
    sharpes: Float64
    quantiles: Mapping[float, float]
    share_above_0: float


def stress(subject: Subject, *, n_draws: int, seed: int) -> Stress:
    """What the strategy does in `n_draws` worlds; equal seeds give equal worlds, and fewer draws the first of them.

    Raises:
        UsageError: fewer than one draw, or a negative seed.
        StrategyError: an operand of the strategy can't be computed on a shard.
    """
    if n_draws < 1 or seed < 0:
        raise UsageError(
            f"`n_draws` must be 1 or more and `seed` 0 or more, but were {n_draws} and {seed}. Try 100 and 0."
        )
    draws = tuple(draw_of(seed, number) for number in range(n_draws))
    sharpes = np.array([_sharpe_in(subject, draw, seed, number) for number, draw in enumerate(draws)])
    sharpes.flags.writeable = False
    return Stress(draws, sharpes, quantiles(sharpes), share_above_0(sharpes))


def quantiles(sharpes: Float64) -> Mapping[float, float]:
    """The `QUANTILES` of Sharpe ratios `(n,)`; a NaN counts as 0, all NaN gives NaN."""
    counted = np.full(sharpes.size, np.nan) if np.isnan(sharpes).all() else np.nan_to_num(sharpes, nan=0.0)
    return dict(zip(QUANTILES, np.quantile(counted, QUANTILES).tolist(), strict=True))


def share_above_0(sharpes: Float64) -> float:
    """The share of Sharpe ratios `(n,)` above 0; a NaN is not, all NaN gives NaN."""
    return math.nan if np.isnan(sharpes).all() else float(np.mean(sharpes > 0.0))


def draw_of(seed: int, number: int) -> Draw:
    """World `number` of a seed: the same whatever other worlds are drawn."""
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, number])))
    fees, slippage, holding = np.exp(rng.uniform(math.log(COST_FACTORS[0]), math.log(COST_FACTORS[1]), size=3)).tolist()
    return Draw(fees, slippage, holding, int(rng.integers(0, MOST_DELAY, endpoint=True)), rng.uniform(0.0, MOST_MISSED))


def missed_bars(act: Act, draw: Draw, seed: int, number: int) -> NDArray[np.bool_]:
    """The bars `(n_bars,)` at which an entry is missed; keyed by the bars' content, not by the place of the shard."""
    content = act.shard.content_hash
    words = [int(content[start:stop], 16) for start, stop in pairwise(range(0, 33, 8))]
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, number, *words])))
    return rng.random(act.shard.n_bars) < draw.missed


def _sharpe_in(subject: Subject, draw: Draw, seed: int, number: int) -> float:
    """The Sharpe ratio in one world."""
    acts = [
        delayed(without_entries(act, pack(missed_bars(act, draw, seed, number))), draw.delay) for act in subject.acts
    ]
    costs = dearer(subject.costs, fees=draw.fees, slippage=draw.slippage, holding=draw.holding)
    return sharpe_of(subject.played(acts, costs=costs, with_trades=False))
