"""Two strategies compared rule by rule: what went, what came, what was changed and from which value to which.

Conditions and learners are lists. What is equal on both sides is one; what is left is matched by likeness (the same
operand on the left, or on the right; the same algorithm), best pairs first, and the rest went or came. A condition
that only stands elsewhere is moved: it says the same, but the strategy has another id.

`applied(a, compare(a, b))` is `b`: a comparison tells everything.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from strategies.strategy import Strategy
from strategies.strategy_json import strategy_from_dict

CAME, WENT, CHANGED, MOVED = "came", "went", "changed", "moved"
LISTS: Final = ("entry", "exit", "learners")
SETTINGS: Final = (
    *("direction", "entry.needed", "exit.needed", "conflict", "gate.trend", "gate.volatility", "stop", "target"),
    *("trail", "time_stop", "cooldown", "size", "breaker"),
)
_RULES: Final = (
    *("direction", "entry", "entry.needed", "conflict", "gate.trend", "gate.volatility", "exit", "exit.needed"),
)
_ORDER: Final = (*_RULES, *(name for name in SETTINGS if name not in _RULES), "learners")
Item = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One part that differs.

    Attributes:
        part: a name of `SETTINGS` or `LISTS`.
        kind: `CAME`, `WENT`, `CHANGED` or `MOVED`; settings are only changed.
        before, after: the part as in the strategy's JSON; None where there is none.
        place_before, place_after: in its list, from 0; None for settings and where it is not.
        fields: of what was changed, the parts that differ: name, value before, value after.
        elsewhere: the other list in which an equal condition went or came; empty if none.
    """

    part: str
    kind: str
    before: Any
    after: Any
    place_before: int | None = None
    place_after: int | None = None
    fields: tuple[tuple[str, Any, Any], ...] = ()
    elsewhere: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        names = ("part", "kind", "before", "after", "place_before", "place_after", "elsewhere")
        fields = [{"name": name, "before": old, "after": new} for name, old, new in self.fields]
        return {**{name: getattr(self, name) for name in names}, "fields": fields}


def compare(before: Strategy, after: Strategy) -> tuple[Change, ...]:
    """Return what differs: rules first, in the order in which a strategy is told; nothing if both are the same."""
    old, new = before.to_dict(), after.to_dict()
    pairs = {name: (_setting(old, name), _setting(new, name)) for name in SETTINGS}
    found = [_changed(name, *pair) for name, pair in pairs.items() if pair[0] != pair[1]]
    for name in LISTS:
        found += _lists(name, _items(old, name), _items(new, name))
    return tuple(sorted(_with_elsewhere(found), key=lambda change: _ORDER.index(change.part)))


def applied(strategy: Strategy, changes: Sequence[Change]) -> Strategy:
    """Return the strategy that `changes` make of this one.

    Raises:
        StrategyError: they are of another strategy, and what they make is none.
    """
    data = strategy.to_dict()
    for change in changes:
        if change.part not in LISTS:
            holder, _, key = change.part.rpartition(".")
            (data[holder] if holder else data)[key] = change.after
    for name in LISTS:
        items = _applied_list(_items(data, name), [change for change in changes if change.part == name])
        if name == "learners":
            data[name] = items
        else:
            data[name]["conditions"] = items
    return strategy_from_dict(data, "changed strategy")


def _applied_list(items: list[Item], changes: Sequence[Change]) -> list[Item]:
    """What stays keeps its order and fills the places that nothing else takes."""
    gone = {change.place_before for change in changes}
    stay = iter([item for place, item in enumerate(items) if place not in gone])
    put = {change.place_after: change.after for change in changes if change.place_after is not None}
    n = len(items) - len(gone - {None}) + len(put)
    return [put[place] if place in put else next(stay) for place in range(n)]


def _setting(data: Mapping[str, Any], name: str) -> Any:
    for key in name.split("."):
        data = data[key]
    return data


def _items(data: Mapping[str, Any], name: str) -> list[Item]:
    return list(data["learners"] if name == "learners" else data[name]["conditions"])


def _changed(part: str, before: Any, after: Any, places: tuple[int | None, int | None] = (None, None)) -> Change:
    return Change(part, CHANGED, before, after, *places, fields=tuple(_fields(before, after)))


def _fields(before: Any, after: Any, name: str = "") -> list[tuple[str, Any, Any]]:
    """The leaves of two JSON values that differ, by their path; an operand of another kind is one leaf."""
    whole = not (isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys())
    if before == after:
        return []
    if whole or before.get("operand") != after.get("operand") or before.get("kind") != after.get("kind"):
        return [(name, before, after)]
    inner = [_fields(before[key], after[key], f"{name}.{key}".lstrip(".")) for key in before]
    return list(itertools.chain.from_iterable(inner))


def _lists(part: str, old: list[Item], new: list[Item]) -> list[Change]:
    pairs = _equal(old, new)
    staying = set(_longest_in_order(sorted(pairs)))
    found = [Change(part, MOVED, old[i], new[j], i, j) for i, j in pairs if (i, j) not in staying]
    lost = [i for i in range(len(old)) if i not in {i for i, _ in pairs}]
    come = [j for j in range(len(new)) if j not in {j for _, j in pairs}]
    for i, j in _alike(old, new, lost, come, _learners_alike if part == "learners" else _conditions_alike):
        lost.remove(i)
        come.remove(j)
        found.append(_changed(part, old[i], new[j], (i, j)))
    found += [Change(part, WENT, old[i], None, i, None) for i in lost]
    found += [Change(part, CAME, None, new[j], None, j) for j in come]
    return sorted(found, key=lambda change: (_place(change), change.kind != WENT))


def _place(change: Change) -> int:
    place = change.place_after if change.place_before is None else change.place_before
    return place or 0


def _equal(old: list[Item], new: list[Item]) -> list[tuple[int, int]]:
    """Pairs of places of what is equal; of several that are, those at the nearest places."""
    free, pairs = list(range(len(new))), []
    for i, item in enumerate(old):
        same = [j for j in free if new[j] == item]
        if same:
            j = min(same, key=lambda place: abs(place - i))
            free.remove(j)
            pairs.append((i, j))
    return pairs


def _longest_in_order(pairs: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The most pairs that stand in the same order on both sides; lists have at most four places."""
    for n in range(len(pairs), 0, -1):
        for some in itertools.combinations(pairs, n):
            if all(first[1] < second[1] for first, second in itertools.pairwise(some)):
                return some
    return ()


def _alike(
    old: list[Item], new: list[Item], lost: list[int], come: list[int], likeness: Callable[[Item, Item], int]
) -> list[tuple[int, int]]:
    """Pairs of what is like each other, the most alike first, then in order."""
    scored = [(-likeness(old[i], new[j]), abs(i - j), i, j) for i in lost for j in come]
    pairs: list[tuple[int, int]] = []
    for score, _, i, j in sorted(scored):
        if score < 0 and not any(i == one or j == other for one, other in pairs):
            pairs.append((i, j))
    return pairs


def _conditions_alike(one: Item, other: Item) -> int:
    """0 unless they read the same kind of operand on one side; more, the more is the same."""
    left, right = one["left"], one["right"]
    same_left = left["operand"] == other["left"]["operand"]
    same_right = right is not None and other["right"] is not None and right["operand"] == other["right"]["operand"]
    if not same_left and not same_right:
        return 0
    same = sum(one[key] == other[key] for key in ("left", "comparator", "right", "level", "negate", "weight"))
    return 20 * same_left + 10 * same_right + same


def _learners_alike(one: Item, other: Item) -> int:
    """0 unless they are of one algorithm; more, the more is the same."""
    return sum(one[key] == other[key] for key in one) if one["algorithm"] == other["algorithm"] else 0


def _with_elsewhere(changes: list[Change]) -> list[Change]:
    """Name the other rule of a condition that went from one and came to the other."""
    out = []
    for change in changes:
        opposite = {CAME: WENT, WENT: CAME}.get(change.kind)
        value = change.after if change.kind == CAME else change.before
        others = [
            other.part
            for other in changes
            if other.kind == opposite and other.part != change.part and value in (other.before, other.after)
        ]
        out.append(Change(**{**vars(change), "elsewhere": others[0]}) if others else change)
    return out
