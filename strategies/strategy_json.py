"""Strategy JSON in: read as data, checked to the last field, refused by name. Never a pickle, never code."""

import json

from strategies.catalogue import catalogue, compatible, level_range_of
from strategies.errors import StrategyError
from strategies.genes import (
    COMPARATORS,
    CONFLICTS,
    DIRECTIONS,
    DISTANCE_KINDS,
    GATE_TRENDS,
    GATE_VOLATILITIES,
    MAX_WEIGHT,
    N_ENTRY,
    N_EXIT,
    SIZE_KINDS,
)
from strategies.learner_json import check_slots, learners_of
from strategies.lookup import LEVEL_STEPS
from strategies.operand_json import operand_of, pair_of
from strategies.strategy import SCHEMA, Breaker, Condition, Distance, Gate, Operand, Rule, Size, Strategy
from strategies.strategy_json_fields import mapping, name_of, real, refuse, whole

MAX_TEXT = 1_000_000


def strategy_from_json(text: str, where: str = "strategy") -> Strategy:
    """Return the strategy that `text` describes; `where` names its origin in errors.

    Raises:
        StrategyError: not JSON, another schema, an unknown key or name, a value out of its range.
    """
    if len(text) > MAX_TEXT:
        refuse(where, f"must be at most {MAX_TEXT} characters, but was {len(text)}", "is this a strategy file?")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StrategyError(f"{where} is not JSON: {error}. Export the strategy again.") from None
    return strategy_from_dict(data, where)


def strategy_from_dict(data: object, where: str = "strategy") -> Strategy:
    """Return the strategy of plain JSON values, as `Strategy.to_dict` gives them.

    Raises:
        StrategyError: another schema, an unknown key or name, a value out of its range.
    """
    known = data.get("schema", SCHEMA) if isinstance(data, dict) else SCHEMA
    if known != SCHEMA:  # said first: another schema has other keys
        refuse(f"{where}: schema", f"must be {SCHEMA!r}, but was {known!r:.80}", "use the version that wrote it")
    fields = mapping(data, where, _KEYS)
    learners = learners_of(fields["learners"], f"{where}: learners")
    votes = sum(learner.weight for learner in learners)
    entry = _rule(fields["entry"], f"{where}: entry", N_ENTRY, votes)
    leave = _rule(fields["exit"], f"{where}: exit", N_EXIT)
    if not entry.conditions and not votes:
        refuse(f"{where}: entry.conditions", "must hold at least one condition, but was empty", "add one")
    check_slots(learners, (*entry.conditions, *leave.conditions), where)
    size = mapping(fields["size"], f"{where}: size", ("kind", "value"))
    stop = _distance(fields["stop"], f"{where}: stop")
    size_kind = name_of(size["kind"], SIZE_KINDS, f"{where}: size.kind")
    if size_kind == "risk" and stop is None:
        refuse(f"{where}: size.kind", "must be 'fixed' without a stop, but was 'risk'", "add a stop")
    if size_kind == "confidence" and not learners:
        refuse(f"{where}: size.kind", "must not be 'confidence' without learners, but was", "choose another kind")
    conflict = name_of(fields["conflict"], CONFLICTS, f"{where}: conflict")
    if conflict != CONFLICTS[0] and not votes:
        refuse(f"{where}: conflict", f"must be {CONFLICTS[0]!r} where no learner votes, but was {conflict!r}", "set it")
    return Strategy(
        direction=name_of(fields["direction"], DIRECTIONS, f"{where}: direction"),
        entry=entry,
        exit=leave,
        stop=stop,
        target=_distance(fields["target"], f"{where}: target"),
        trail=_distance(fields["trail"], f"{where}: trail"),
        time_stop=whole(fields["time_stop"], 0, 1_000_000, f"{where}: time_stop"),
        cooldown=whole(fields["cooldown"], 0, 1_000_000, f"{where}: cooldown"),
        size=Size(size_kind, real(size["value"], 1e-9, 100.0, f"{where}: size.value")),
        learners=learners,
        conflict=conflict,
        gate=_gate(fields["gate"], f"{where}: gate"),
        breaker=_breaker(fields["breaker"], f"{where}: breaker"),
    )


_KEYS = (
    *("schema", "direction", "entry", "exit", "stop", "target", "trail", "time_stop", "cooldown", "size"),
    *("learners", "conflict", "gate", "breaker"),
)


def _distance(data: object, where: str) -> Distance | None:
    if data is None:
        return None
    fields = mapping(data, where, ("kind", "value"))
    return Distance(
        name_of(fields["kind"], DISTANCE_KINDS[1:], f"{where}.kind"), real(fields["value"], 1e-6, 1e6, f"{where}.value")
    )


def _gate(data: object, where: str) -> Gate:
    fields = mapping(data, where, ("trend", "volatility"))
    return Gate(
        name_of(fields["trend"], GATE_TRENDS, f"{where}.trend"),
        name_of(fields["volatility"], GATE_VOLATILITIES, f"{where}.volatility"),
    )


def _breaker(data: object, where: str) -> Breaker | None:
    if data is None:
        return None
    fields = mapping(data, where, ("drawdown", "rearm"))
    return Breaker(
        real(fields["drawdown"], 1e-6, 1.0, f"{where}.drawdown"),
        whole(fields["rearm"], 1, 1_000_000, f"{where}.rearm"),
    )


def _rule(data: object, where: str, most: int, votes: int = 0) -> Rule:
    """The rule; `votes` are those that learners have besides its conditions."""
    fields = mapping(data, where, ("needed", "conditions"))
    rows = fields["conditions"]
    if not isinstance(rows, list) or len(rows) > most:
        refuse(f"{where}.conditions", f"must be a list of at most {most}, but was {rows!r:.80}", "shorten it")
    conditions = tuple(_condition(row, f"{where}.conditions[{number}]") for number, row in enumerate(rows))
    votes += sum(condition.weight for condition in conditions)
    return Rule(conditions, whole(fields["needed"], min(votes, 1), votes, f"{where}.needed"))


def _condition(data: object, where: str) -> Condition:
    fields = mapping(data, where, ("left", "comparator", "right", "level", "negate", "weight"))
    if not isinstance(fields["negate"], bool):
        refuse(f"{where}.negate", f"must be true or false, but was {fields['negate']!r:.80}", "correct it")
    if (fields["right"] is None) == (fields["level"] is None):
        refuse(where, "must have exactly one of right and level", "set one and make the other null")
    left = operand_of(fields["left"], f"{where}.left")
    right = None if fields["right"] is None else operand_of(fields["right"], f"{where}.right")
    level = None if fields["level"] is None else real(fields["level"], -1e12, 1e12, f"{where}.level")
    _check_comparable(left, right, where)
    comparator = name_of(fields["comparator"], COMPARATORS, f"{where}.comparator")
    weight = whole(fields["weight"], 1, MAX_WEIGHT, f"{where}.weight")
    return Condition(left, comparator, right, level, fields["negate"], weight)


def _check_comparable(left: Operand, right: Operand | None, where: str) -> None:
    kind, source = pair_of(left)
    if right is None:
        if level_range_of(kind, source) is None:
            refuse(
                where,
                f"must compare {left.kind} with an operand, but compares it with a level",
                "a level has no meaning on its scale",
            )
    elif catalogue()[kind].level_steps < LEVEL_STEPS:
        refuse(where, f"must compare {left.kind} with a level, but compares it with {right.kind}", "give a level")
    elif left == right:
        refuse(where, f"must compare two values, but compares {left.kind} with itself", "change one of them")
    elif pair_of(right) not in {(int(k), int(s)) for k, s in compatible(kind, source)}:
        refuse(
            where,
            f"must compare values of one scale, but compares {left.kind} with {right.kind}",
            "choose an operand of the same scale",
        )
