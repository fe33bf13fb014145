"""The one contract of everything that is a strategy: evolved, template, or written by hand in Python.

A strategy decides at the close of each bar, from bars up to and including that one, and its decisions fill at the next
open. Only genomes evolve; all others say so when they are asked to. What keeps the contract is held to it by one kit
(tests/strategies/test_contract.py) and, when it is loaded, by contract_checks.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from strategies.indicators import Bars
from strategies.strategy import Breaker, Distance, Rule, Size, Strategy

Booleans = NDArray[np.bool_]

ROLES: Final = ("long_entry", "long_exit", "short_entry", "short_exit")
"""What a strategy decides at each bar, in the order in which the kernel takes it."""
METRICS: Final = ("sharpe", "cagr", "max_drawdown", "n_trades")
"""Measures that a strategy is shown with where it does not name others."""
CONFIDENCE: Final = "confidence"
"""The kind of size that reads the strength of a decision."""
DEFAULT_STOP: Final = Distance("percent", 10.0)
ALL_EQUITY: Final = Size("fixed", 1.0)


class MarketBars(Bars, Protocol):
    """Bars with their times, as a shard has them; every array is read-only."""

    @property
    def timestamps(self) -> NDArray[np.int64]:
        """When each bar opened `(n_bars,)`, microseconds UTC, ascending."""

    @property
    def symbol(self) -> str:
        """What is traded."""

    @property
    def timeframe(self) -> str:
        """Such as `1d`."""

    def head(self, n_bars: int, /) -> "MarketBars":
        """The bars as they were when time had come as far as the first `n_bars`."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """What a strategy wants at the close of each bar; it fills at the next open.

    Attributes:
        long_entry, long_exit, short_entry, short_exit: `(n_bars,)` bool.
        strength: `(n_bars,)` float64 in [0, 1], how sure an entry is: what the size `confidence` is multiplied by. None
            with any other size.
    """

    long_entry: Booleans
    long_exit: Booleans
    short_entry: Booleans
    short_exit: Booleans
    strength: NDArray[np.float64] | None = None

    @classmethod
    def none(cls, n_bars: int) -> "Decisions":
        """Decisions of a strategy that never trades: begin with these and set what is wanted."""
        nothing = np.zeros((len(ROLES), n_bars), dtype=np.bool_)
        return cls(nothing[0], nothing[1], nothing[2], nothing[3])

    def stacked(self) -> Booleans:
        """The four decisions as `(4, n_bars)`, in the order of `ROLES`."""
        return np.stack([getattr(self, role) for role in ROLES])

    def head(self, n_bars: int) -> "Decisions":
        """The decisions of the first `n_bars` bars."""
        strength = None if self.strength is None else self.strength[:n_bars]
        return Decisions(**{role: getattr(self, role)[:n_bars] for role in ROLES}, strength=strength)


@dataclass(frozen=True)
class Parameter:
    """A number, name or switch that a strategy depends on, with bounds (both included) where it has them."""

    value: float | str | bool
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Requires:
    """The data that a strategy can't do without.

    Attributes:
        columns: of the bars, beyond open, high, low, close and volume.
        warm_up: bars from the first on at which it can't decide yet.
        timeframes: of bars that it may be traded on; empty: any.
        rungs: steps up the ladder of timeframes whose bars it reads; 0 is the bars' own.
    """

    columns: tuple[str, ...] = ()
    warm_up: int = 0
    timeframes: tuple[str, ...] = ()
    rungs: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class RiskPlan:
    """How a position is protected and sized: the same fields, with the same meaning, as those of a `Strategy`.

    A strategy that is written by hand must have a stop; left out, it is 10 % of the fill.
    """

    stop: Distance | None = DEFAULT_STOP
    target: Distance | None = None
    trail: Distance | None = None
    time_stop: int = 0
    cooldown: int = 0
    size: Size = ALL_EQUITY
    breaker: Breaker | None = None

    @classmethod
    def of(cls, strategy: Strategy) -> "RiskPlan":
        """The risk plan of an evolved strategy or a template."""
        values: dict[str, Any] = {field.name: getattr(strategy, field.name) for field in fields(cls)}
        return cls(**values)

    def carrier(self) -> Strategy:
        """A strategy that never enters, with this plan: its phenotype has the plan as the kernel reads it."""
        plan = {field.name: getattr(self, field.name) for field in fields(self)}
        return Strategy(direction="both", entry=Rule(), exit=Rule(), **plan)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON values, as in a strategy's JSON."""
        values = self.carrier().to_dict()
        return {field.name: values[field.name] for field in fields(self)}

    def text(self) -> str:
        """Return the plan as one line: "stop 10 %; size 100 % of equity"."""
        return self.carrier().text().partition("; ")[2]


@runtime_checkable
class AnyStrategy(Protocol):
    """Anything that is a strategy."""

    @property
    def name(self) -> str:
        """What it is called where it stands beside others."""

    @property
    def requires(self) -> Requires:
        """The data that it can't do without."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """What it depends on, by name."""

    @property
    def dna(self) -> NDArray[np.float64] | None:
        """Its genome `(N_GENES,)`; None where it has none."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the measures by which it wants to be judged, the first one first."""

    @property
    def risk(self) -> RiskPlan:
        """How its positions are protected and sized."""

    def text(self) -> str:
        """Its rule as one line for people."""

    def decide(self, bars: MarketBars, /) -> Decisions:
        """What it wants at each bar; the decision at bar t depends on bars up to t and on nothing else."""

    def to_json(self) -> str:
        """Canonical JSON: equal strategies give equal text."""

    def from_json(self, text: str) -> Self:
        """The strategy of this kind that `text` describes.

        Raises:
            StrategyError: it describes none, or one of another kind.
        """

    def mutate(self, rng: np.random.Generator) -> "AnyStrategy":
        """A mutant.

        Raises:
            StrategyError: it has no genome.
        """

    def cross(self, other: "AnyStrategy", rng: np.random.Generator) -> "AnyStrategy":
        """A child of two.

        Raises:
            StrategyError: one of the two has no genome.
        """
