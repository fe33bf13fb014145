"""What each member of a strategy contributed: its figures with the member and without it, on the same bars.

A member is a condition, a learner's vote, a gate, a target, a trailing stop, a time stop or a breaker. The stop is not
one: a strategy never goes without. Contributions need not add up to anything: of two conditions that say the same each
is worth nothing alone, and two that make sense only together are each worth all of it.

Source: Lei et al. 2018, "Distribution-free predictive inference for regression", section 6 (leave one covariate out);
Covert, Lundberg, Lee 2021, "Explaining by removing", for what it can't say of interactions.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.folds import Window
from fitness.measures import MEASURES
from fitness.shard import Shard
from fitness.trace import trace
from strategies.catalogue import catalogue, kind_index
from strategies.encoding import phenotype_of
from strategies.strategy import Condition, Gate, Learner, Operand, Rule, Size, Strategy
from strategies.wording import condition_text, distance_text, learner_text

FIGURES: Final = ("total_return", "sharpe", "max_drawdown", "n_trades")
"""Measures that are compared; members are ranked by the second."""
RANKED_BY: Final = "sharpe"
INTERACTION: Final = (
    "Each figure is that of the whole strategy less that of the strategy without this one member. Contributions need "
    "not add up: members overlap, or work only together."
)

Measured = Callable[[Strategy], Mapping[str, float]]


@dataclass(frozen=True)
class Member:
    """A part of a strategy that can be left out.

    Attributes:
        kind: "entry", "exit", "learner", "gate", "target", "trail", "time stop" or "breaker".
        text: what it says.
        without: the strategy without it; None where nothing is left that could enter.
    """

    kind: str
    text: str
    without: Strategy | None


@dataclass(frozen=True)
class Contribution:
    """What a member is worth.

    Attributes:
        kind, text: of the member.
        without: `FIGURES` of the strategy without it, by name; None where it can't be left out.
        difference: figures of the whole less those without it; NaN where either is undefined.
        note: why it can't be left out; empty where it can.
    """

    kind: str
    text: str
    without: Mapping[str, float] | None
    difference: Mapping[str, float] | None
    note: str = ""


@dataclass(frozen=True)
class Attribution:
    """A strategy's figures, and what each member contributed, the most useful first."""

    whole: Mapping[str, float]
    contributions: tuple[Contribution, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values; NaN where a figure is undefined."""
        return {
            "whole": dict(self.whole),
            "contributions": [
                {
                    "kind": one.kind,
                    "text": one.text,
                    "without": None if one.without is None else dict(one.without),
                    "difference": None if one.difference is None else dict(one.difference),
                    "note": one.note,
                }
                for one in self.contributions
            ],
            "interaction": INTERACTION,
        }


def attribute(strategy: Strategy, measured: Measured) -> Attribution:
    """Return what each member of a strategy contributed.

    Args:
        strategy: the whole.
        measured: gives the figures of a strategy by name, `FIGURES` at least; called once for the whole and once for
            each member that can be left out, always on the same bars.
    """
    whole = _figures(measured(strategy))
    found = [_contribution(member, whole, measured) for member in members(strategy)]
    return Attribution(whole, tuple(sorted(found, key=_merit)))


def attribute_on(strategy: Strategy, shard: Shard, window: Window, costs: Costs, bank: FeatureBank) -> Attribution:
    """Return what each member of a strategy contributed in one window of one shard.

    Raises:
        StrategyError: an operand can't be computed on this shard.
        DataError: the window lies outside the shard.
    """

    def measured(variant: Strategy) -> Mapping[str, float]:
        tally = trace(phenotype_of(variant), shard, window, costs, bank).tally
        return {name: float(MEASURES[name].function(tally, shard.bars_per_year)) for name in FIGURES}

    return attribute(strategy, measured)


def members(strategy: Strategy) -> tuple[Member, ...]:
    """Return every member of a strategy, in the order of its rules, each with the strategy without it.

    What is left of a rule needs as many votes as before, but no more than are left: of "all of three" stays "both", of
    "two of three" stays "both", of "one of three" stays "one of two".
    """
    found = [
        Member("entry", condition_text(condition), _without_entry(strategy, place))
        for place, condition in enumerate(strategy.entry.conditions)
    ]
    found += [
        Member("learner", vote_text(slot, learner), _without_learner(strategy, slot))
        for slot, learner in enumerate(strategy.learners)
        if learner.weight
    ]
    for name in ("trend", "volatility"):
        value = getattr(strategy.gate, name)
        if value != getattr(Gate(), name):
            found.append(
                Member("gate", f"{name} {value}", replace(strategy, gate=replace(strategy.gate, **{name: "any"})))
            )
    found += [
        Member("exit", condition_text(condition), _tidy(replace(strategy, exit=_without(strategy.exit, place, 0))))
        for place, condition in enumerate(strategy.exit.conditions)
    ]
    if strategy.target is not None:
        found.append(Member("target", distance_text("target", strategy.target), replace(strategy, target=None)))
    if strategy.trail is not None:
        found.append(Member("trail", distance_text("trailing stop", strategy.trail), replace(strategy, trail=None)))
    if strategy.time_stop:
        found.append(Member("time stop", f"leave after {strategy.time_stop} bars", replace(strategy, time_stop=0)))
    if strategy.breaker is not None:
        text = f"halt at a drawdown of {strategy.breaker.drawdown:.0%} for {strategy.breaker.rearm} bars"
        found.append(Member("breaker", text, replace(strategy, breaker=None)))
    return tuple(found)


def vote_text(slot: int, learner: Learner) -> str:
    """Return `2 votes of learner 0: logistic (rate 0.01, l2 0.01) learns the direction of the next 5 bars from …`."""
    votes = f"{learner.weight} vote{'s' if learner.weight > 1 else ''}"
    return f"{votes} of learner {slot}: {learner_text(learner)}"


def _without(rule: Rule, place: int, other_votes: int) -> Rule:
    """The rule without the condition at `place`; it needs no more votes than are left."""
    kept = rule.conditions[:place] + rule.conditions[place + 1 :]
    return _capped(Rule(kept, rule.needed), other_votes)


def _capped(rule: Rule, other_votes: int) -> Rule:
    left = sum(condition.weight for condition in rule.conditions) + other_votes
    return replace(rule, needed=min(rule.needed, left))


def _votes(strategy: Strategy) -> int:
    return sum(learner.weight for learner in strategy.learners)


def _without_entry(strategy: Strategy, place: int) -> Strategy | None:
    entry = _without(strategy.entry, place, _votes(strategy))
    return _tidy(replace(strategy, entry=entry)) if entry.needed else None


def _without_learner(strategy: Strategy, slot: int) -> Strategy | None:
    """The strategy in which a learner has no vote; conditions that read it still do."""
    silent = replace(strategy.learners[slot], weight=0, edge=0.0, trust=0.0)
    learners = (*strategy.learners[:slot], silent, *strategy.learners[slot + 1 :])
    quiet = replace(strategy, learners=learners)
    entry = _capped(quiet.entry, _votes(quiet))
    if not entry.needed:
        return None
    if not _votes(quiet):
        quiet = replace(quiet, conflict="votes")
    return _tidy(replace(quiet, entry=entry))


def _tidy(strategy: Strategy) -> Strategy:
    """The strategy without learners that nobody asks any more; conditions read the others at their new places.

    Where none is left to be confident, a size by confidence becomes the fixed size of full confidence.
    """
    read = {
        int(operand.parameters[0])
        for condition in (*strategy.entry.conditions, *strategy.exit.conditions)
        for operand in (condition.left, condition.right)
        if operand is not None and _reads_learner(operand)
    }
    kept = [slot for slot, learner in enumerate(strategy.learners) if learner.weight or slot in read]
    if len(kept) == len(strategy.learners):
        return strategy
    places = {slot: place for place, slot in enumerate(kept)}
    confident = strategy.size.kind == "confidence" and not kept
    return replace(
        strategy,
        size=Size("fixed", strategy.size.value) if confident else strategy.size,
        learners=tuple(strategy.learners[slot] for slot in kept),
        entry=_moved(strategy.entry, places),
        exit=_moved(strategy.exit, places),
    )


def _moved(rule: Rule, places: Mapping[int, int]) -> Rule:
    def operand(one: Operand) -> Operand:
        if not _reads_learner(one):
            return one
        return replace(one, parameters=(float(places[int(one.parameters[0])]), *one.parameters[1:]))

    def condition(one: Condition) -> Condition:
        return replace(one, left=operand(one.left), right=None if one.right is None else operand(one.right))

    return replace(rule, conditions=tuple(condition(one) for one in rule.conditions))


def _reads_learner(operand: Operand) -> bool:
    return catalogue()[kind_index(operand.kind)].family == "learner"


def _contribution(member: Member, whole: Mapping[str, float], measured: Measured) -> Contribution:
    if member.without is None:
        note = "the only member of the entry: without it nothing is left to enter by"
        return Contribution(member.kind, member.text, None, None, note)
    without = _figures(measured(member.without))
    difference = {name: whole[name] - without[name] for name in FIGURES}
    return Contribution(member.kind, member.text, without, difference)


def _figures(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(values[name]) for name in FIGURES}


def _merit(contribution: Contribution) -> tuple[bool, bool, float]:
    """Sorts by what the member adds to the Sharpe, falling; undefined ones next, those that can't be left out last."""
    if contribution.difference is None:
        return True, True, 0.0
    worth = contribution.difference[RANKED_BY]
    return False, math.isnan(worth), 0.0 if math.isnan(worth) else -worth
