"""A strategy: frozen rules and risk settings, decoded from a genome or written by hand.

Its canonical JSON is its identity: `Strategy.id` is the hash of it. Reading and checking JSON is in `strategy_json.py`,
sentences for people are in `wording.py`.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

SCHEMA: Final = "studbook/strategy/2"


@dataclass(frozen=True)
class Operand:
    """A number per bar.

    Attributes:
        kind: name in the catalogue, as `RSI`, `MACD.macdsignal` or `PRICE`.
        source: the column a single-input function reads; None for functions with inputs of their own.
        parameters: values in the order of the kind's parameters.
        lag: bars back.
        timeframe: rungs above the bars' own timeframe; a higher bar is seen only after it closed.
    """

    kind: str
    source: str | None
    parameters: tuple[float, ...]
    lag: int = 0
    timeframe: int = 0


@dataclass(frozen=True)
class Condition:
    """`left comparator right` or `left comparator level`; exactly one of `right` and `level` is set.

    Where a value that it needs is missing (warm-up), a condition is false, negated or not. Where it is true, it gives
    its rule `weight` votes.
    """

    left: Operand
    comparator: str
    right: Operand | None = None
    level: float | None = None
    negate: bool = False
    weight: int = 1


@dataclass(frozen=True)
class Rule:
    """True where there are at least `needed` votes; a rule for which nobody votes is never true.

    For the entry, learners vote beside the conditions.
    """

    conditions: tuple[Condition, ...] = ()
    needed: int = 0


@dataclass(frozen=True)
class Learner:
    """An online learner: at each bar it predicts first, then learns from the label whose horizon has just passed.

    Attributes:
        algorithm, target: names in `learners.table`.
        horizon: bars that the target looks ahead.
        hyper: a value for each hyper-parameter of the algorithm.
        features: what it learns from; empty for an algorithm that looks at closes alone.
        weight: its votes for an entry; 0 if conditions alone read it.
        edge: it votes for a side where its score is beyond this on that side,
        trust: and its confidence above this.
    """

    algorithm: str
    target: str
    horizon: int
    hyper: tuple[float, ...]
    features: tuple[Operand, ...]
    weight: int = 0
    edge: float = 0.0
    trust: float = 0.0


@dataclass(frozen=True)
class Gate:
    """Regimes in which entries are allowed; the short side of a strategy that trades both has the mirrored one."""

    trend: str = "any"
    volatility: str = "any"


@dataclass(frozen=True)
class Breaker:
    """Entries halt when realised equity has fallen by the fraction `drawdown`, and are allowed `rearm` bars later."""

    drawdown: float
    rearm: int


@dataclass(frozen=True)
class Distance:
    """How far a protective order lies: `atr` multiples of ATR(14) at the decision, or `percent` of the fill price."""

    kind: str
    value: float


@dataclass(frozen=True)
class Size:
    """How much is bought, by the kind of size.

    `fixed`: the fraction of equity; `risk`: the fraction of equity lost if the stop is hit; `volatility`: the target
    volatility a year; `confidence`: the fraction of equity at full confidence of the learners; `kelly`: the multiple of
    Kelly's fraction, from the strategy's own closed trades.
    """

    kind: str
    value: float


@dataclass(frozen=True)
class Strategy:
    """Rules, learners and risk settings.

    `direction` both: the short side trades the mirror of the rules (see mirrors.py). `conflict` says what the votes of
    learners for the other side do: `votes` nothing, `net` are subtracted, `veto` forbid the entry.
    """

    direction: str
    entry: Rule
    exit: Rule
    stop: Distance | None
    target: Distance | None = None
    trail: Distance | None = None
    time_stop: int = 0
    cooldown: int = 0
    size: Size = Size("fixed", 1.0)
    learners: tuple[Learner, ...] = ()
    conflict: str = "votes"
    gate: Gate = Gate()
    breaker: Breaker | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the strategy as plain JSON values, with the schema's name."""
        return {
            "schema": SCHEMA,
            "direction": self.direction,
            "entry": _rule_dict(self.entry),
            "exit": _rule_dict(self.exit),
            "stop": _distance_dict(self.stop),
            "target": _distance_dict(self.target),
            "trail": _distance_dict(self.trail),
            "time_stop": self.time_stop,
            "cooldown": self.cooldown,
            "size": {"kind": self.size.kind, "value": _number(self.size.value)},
            "learners": [_learner_dict(learner) for learner in self.learners],
            "conflict": self.conflict,
            "gate": {"trend": self.gate.trend, "volatility": self.gate.volatility},
            "breaker": _breaker_dict(self.breaker),
        }

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, no spaces, shortest float form. Equal strategies give equal text."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str, where: str = "strategy") -> "Strategy":
        """Return the strategy that `text` describes.

        Raises:
            StrategyError: not JSON, another schema, an unknown key or name, a value out of its range.
        """
        from strategies.strategy_json import strategy_from_json

        return strategy_from_json(text, where)

    @cached_property
    def id(self) -> str:
        """The first 16 hex digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def text(self) -> str:
        """Return the rules as one readable line."""
        from strategies.wording import strategy_text

        return strategy_text(self)


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else float(value)


def _operand_dict(operand: Operand) -> dict[str, Any]:
    from strategies.catalogue import catalogue, kind_index

    names = [parameter.name for parameter in catalogue()[kind_index(operand.kind)].parameters]
    values = [_number(value) for value in operand.parameters]
    return {
        "operand": operand.kind,
        "source": operand.source,
        "parameters": dict(zip(names, values, strict=True)),
        "lag": operand.lag,
        "timeframe": operand.timeframe,
    }


def _condition_dict(condition: Condition) -> dict[str, Any]:
    return {
        "left": _operand_dict(condition.left),
        "comparator": condition.comparator,
        "right": None if condition.right is None else _operand_dict(condition.right),
        "level": None if condition.level is None else _number(condition.level),
        "negate": condition.negate,
        "weight": condition.weight,
    }


def _learner_dict(learner: Learner) -> dict[str, Any]:
    from strategies.learners.table import ALGORITHMS

    names = [hyper.name for hyper in ALGORITHMS[learner.algorithm].hyper]
    return {
        "algorithm": learner.algorithm,
        "target": learner.target,
        "horizon": learner.horizon,
        "hyper": dict(zip(names, [_number(value) for value in learner.hyper], strict=True)),
        "features": [_operand_dict(feature) for feature in learner.features],
        "weight": learner.weight,
        "edge": _number(learner.edge),
        "trust": _number(learner.trust),
    }


def _breaker_dict(breaker: Breaker | None) -> dict[str, Any] | None:
    return None if breaker is None else {"drawdown": _number(breaker.drawdown), "rearm": breaker.rearm}


def _rule_dict(rule: Rule) -> dict[str, Any]:
    return {"needed": rule.needed, "conditions": [_condition_dict(condition) for condition in rule.conditions]}


def _distance_dict(distance: Distance | None) -> dict[str, Any] | None:
    return None if distance is None else {"kind": distance.kind, "value": _number(distance.value)}
