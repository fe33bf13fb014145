"""Strategy JSON in: read as data, checked to the last field, refused by name. Never a pickle, never code."""

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from strategies.catalogue import SOURCES, OperandKind, catalogue, compatible, kind_index, level_range_of
from strategies.errors import StrategyError
from strategies.genes import COMPARATORS, DIRECTIONS, DISTANCE_KINDS, MAX_LAG, N_ENTRY, N_EXIT, SIZE_KINDS
from strategies.strategy import SCHEMA, Condition, Distance, Operand, Rule, Size, Strategy

MAX_TEXT = 1_000_000


def strategy_from_json(text: str, where: str = "strategy") -> Strategy:
    """Return the strategy that `text` describes; `where` names its origin in errors.

    Raises:
        StrategyError: not JSON, another schema, an unknown key or name, a value out of its range.
    """
    if len(text) > MAX_TEXT:
        _refuse(where, f"must be at most {MAX_TEXT} characters, but was {len(text)}", "is this a strategy file?")
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
    fields = _mapping(data, where, _KEYS)
    if fields["schema"] != SCHEMA:
        _refuse(
            f"{where}: schema", f"must be {SCHEMA!r}, but was {fields['schema']!r}", "use the version that wrote it"
        )
    entry = _rule(fields["entry"], f"{where}: entry", N_ENTRY)
    if not entry.conditions:
        _refuse(f"{where}: entry.conditions", "must hold at least one condition, but was empty", "add one")
    size = _mapping(fields["size"], f"{where}: size", ("kind", "value"))
    stop = _distance(fields["stop"], f"{where}: stop")
    size_kind = _name(size["kind"], SIZE_KINDS, f"{where}: size.kind")
    if size_kind == "risk" and stop is None:
        _refuse(f"{where}: size.kind", "must be 'fixed' without a stop, but was 'risk'", "add a stop")
    return Strategy(
        direction=_name(fields["direction"], DIRECTIONS, f"{where}: direction"),
        entry=entry,
        exit=_rule(fields["exit"], f"{where}: exit", N_EXIT),
        stop=stop,
        target=_distance(fields["target"], f"{where}: target"),
        trail=_distance(fields["trail"], f"{where}: trail"),
        time_stop=_whole(fields["time_stop"], 0, 1_000_000, f"{where}: time_stop"),
        cooldown=_whole(fields["cooldown"], 0, 1_000_000, f"{where}: cooldown"),
        size=Size(size_kind, _real(size["value"], 1e-9, 100.0, f"{where}: size.value")),
    )


_KEYS = ("schema", "direction", "entry", "exit", "stop", "target", "trail", "time_stop", "cooldown", "size")


def _refuse(where: str, rule: str, mend: str) -> NoReturn:
    raise StrategyError(f"{where} {rule}: {mend}.")


def _mapping(data: object, where: str, keys: Iterable[str]) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        _refuse(where, f"must be an object, but was {data!r:.80}", "export the strategy again")
    known = tuple(keys)
    for key in data:
        if key not in known:
            _refuse(where, f"has no key {key!r:.80}", f"known keys are {', '.join(known)}{_near(str(key), known)}")
    for key in known:
        if key not in data:
            _refuse(where, f"must have the key {key!r}, but has none", "export the strategy again")
    return data


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _name(value: object, known: tuple[str, ...], where: str) -> str:
    if not isinstance(value, str) or value not in known:
        _refuse(
            where, f"must be one of {', '.join(known)}, but was {value!r:.80}", f"correct it{_near(str(value), known)}"
        )
    return value


def _real(value: object, low: float, high: float, where: str) -> float:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not fits or not math.isfinite(float(value)):  # type: ignore[arg-type]
        _refuse(where, f"must be a number from {low:g} to {high:g}, but was {value!r:.80}", "correct it")
    return float(value)  # type: ignore[arg-type]


def _whole(value: object, low: int, high: int, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        _refuse(where, f"must be a whole number from {low} to {high}, but was {value!r:.80}", "correct it")
    return value


def _distance(data: object, where: str) -> Distance | None:
    if data is None:
        return None
    fields = _mapping(data, where, ("kind", "value"))
    return Distance(
        _name(fields["kind"], DISTANCE_KINDS[1:], f"{where}.kind"), _real(fields["value"], 1e-6, 1e6, f"{where}.value")
    )


def _rule(data: object, where: str, most: int) -> Rule:
    fields = _mapping(data, where, ("needed", "conditions"))
    rows = fields["conditions"]
    if not isinstance(rows, list) or len(rows) > most:
        _refuse(f"{where}.conditions", f"must be a list of at most {most}, but was {rows!r:.80}", "shorten it")
    conditions = tuple(_condition(row, f"{where}.conditions[{number}]") for number, row in enumerate(rows))
    low = 1 if conditions else 0
    return Rule(conditions, _whole(fields["needed"], low, len(conditions), f"{where}.needed"))


def _operand(data: object, where: str) -> Operand:
    fields = _mapping(data, where, ("operand", "source", "parameters", "lag"))
    name = fields["operand"]
    names = tuple(kind.name for kind in catalogue())
    if not isinstance(name, str) or name not in names:
        _refuse(
            f"{where}.operand",
            f"must be in the catalogue, but was {name!r:.80}",
            f"correct it{_near(str(name), names)}",
        )
    kind = catalogue()[kind_index(name)]
    if kind.takes_source:
        source: str | None = _name(fields["source"], SOURCES, f"{where}.source")
    else:
        source = None
        if fields["source"] is not None:
            _refuse(f"{where}.source", f"must be null for {name}, but was {fields['source']!r:.80}", "remove it")
    lag = _whole(fields["lag"], 0, MAX_LAG, f"{where}.lag")
    return Operand(name, source, _parameters(fields["parameters"], kind, f"{where}.parameters"), lag)


def _parameters(data: object, kind: OperandKind, where: str) -> tuple[float, ...]:
    fields = _mapping(data, where, [parameter.name for parameter in kind.parameters])
    values = []
    for parameter in kind.parameters:
        low, high = parameter.grid[0], parameter.grid[-1]
        place = f"{where}.{parameter.name}"
        whole = parameter.integer
        values.append(
            float(_whole(fields[parameter.name], int(low), int(high), place))
            if whole
            else _real(fields[parameter.name], low, high, place)
        )
    return tuple(values)


def _condition(data: object, where: str) -> Condition:
    fields = _mapping(data, where, ("left", "comparator", "right", "level", "negate"))
    if not isinstance(fields["negate"], bool):
        _refuse(f"{where}.negate", f"must be true or false, but was {fields['negate']!r:.80}", "correct it")
    if (fields["right"] is None) == (fields["level"] is None):
        _refuse(where, "must have exactly one of right and level", "set one and make the other null")
    left = _operand(fields["left"], f"{where}.left")
    right = None if fields["right"] is None else _operand(fields["right"], f"{where}.right")
    level = None if fields["level"] is None else _real(fields["level"], -1e12, 1e12, f"{where}.level")
    _check_comparable(left, right, where)
    return Condition(
        left, _name(fields["comparator"], COMPARATORS, f"{where}.comparator"), right, level, fields["negate"]
    )


def _check_comparable(left: Operand, right: Operand | None, where: str) -> None:
    kind, source = pair_of(left)
    if right is None:
        if level_range_of(kind, source) is None:
            _refuse(
                where,
                f"must compare {left.kind} with an operand, but compares it with a level",
                "a level has no meaning on its scale",
            )
    elif left == right:
        _refuse(where, f"must compare two values, but compares {left.kind} with itself", "change one of them")
    elif pair_of(right) not in {(int(k), int(s)) for k, s in compatible(kind, source)}:
        _refuse(
            where,
            f"must compare values of one scale, but compares {left.kind} with {right.kind}",
            "choose an operand of the same scale",
        )


def pair_of(operand: Operand) -> tuple[int, int]:
    """Return (kind, source) as indexes; kinds without a source count as reading `close`."""
    return kind_index(operand.kind), SOURCES.index(operand.source or "close")
