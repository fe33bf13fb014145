"""A comparison of two strategies for the terminal, rule by rule, in the words of the strategies."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cluster.genealogy.comparison import CAME, CHANGED, LISTS, MOVED, WENT, Change
from cluster.tables import plain_table
from strategies.strategy import Distance, Size, Strategy
from strategies.wording import condition_text, distance_text, learner_text, operand_text, size_text, vote_text

SIGNS = {CAME: ("+", "green"), WENT: ("-", "red"), CHANGED: ("~", "yellow"), MOVED: (">", "cyan")}
NOTHING = "none"


def comparison_table(before: Strategy, after: Strategy, changes: Sequence[Change]) -> RenderableType:
    """Return what differs, a row each part, then what both have in common."""
    if not changes:
        return Text("No difference: they are the same strategy.")
    table = plain_table("", "Part", before.id, after.id, "What")
    for change in changes:
        sign, style = SIGNS[change.kind]
        told = (part_text(before, change, is_before=True), part_text(after, change, is_before=False))
        table.add_row(Text(sign, style=style), part_name(change), *_coloured(*told, change.kind), what_text(change))
    common = _common(before, changes)
    return Group(table, common) if common.row_count else table


def part_name(change: Change) -> str:
    """Return `entry 1` or `stop`; places count from 0, as in `LEARNER(0)`."""
    if change.part not in LISTS:
        return change.part
    places = [str(place) for place in (change.place_before, change.place_after) if place is not None]
    shown = places[0] if len(set(places)) == 1 else " to ".join(places)
    return f"{'learner' if change.part == 'learners' else change.part} {shown}"


def part_text(strategy: Strategy, change: Change, *, is_before: bool) -> str:
    """Return the part of one side in words; nothing where that side has none."""
    place = change.place_before if is_before else change.place_after
    if change.part in LISTS:
        return "" if place is None else item_text(strategy, change.part, place)
    return setting_text(strategy, change.part)


def item_text(strategy: Strategy, part: str, place: int) -> str:
    """Return a condition or learner in words, with its weight where it counts more than once."""
    if part == "learners":
        learner = strategy.learners[place]
        vote = f"; {vote_text(place, learner)}, weight {learner.weight}" if learner.weight else ""
        return learner_text(learner) + vote
    condition = getattr(strategy, part).conditions[place]
    return condition_text(condition) if condition.weight == 1 else f"{condition.weight} x {condition_text(condition)}"


def setting_text(strategy: Strategy, part: str) -> str:
    """Return a single setting in words."""
    value: object = strategy
    for name in part.split("."):
        value = getattr(value, name)
    if isinstance(value, Distance):
        return distance_text("", value).strip()
    if isinstance(value, Size):
        return size_text(value).removeprefix("size ")
    if part == "breaker" and strategy.breaker is not None:
        return f"{strategy.breaker.drawdown * 100:g} %, {strategy.breaker.rearm} bars"
    if part.endswith("needed"):
        return f"{value} vote{'' if value == 1 else 's'}"
    return NOTHING if value is None or value == 0 else str(value)


def what_text(change: Change) -> str:
    """Return old and new value of every field that was changed, or where a condition went."""
    if change.elsewhere:
        return f"{'moved from' if change.kind == CAME else 'moved to'} {change.elsewhere}"
    if change.kind == MOVED:
        return "says the same at another place"
    if change.part not in LISTS:
        return ""
    return "; ".join(f"{name or change.part} {_value(old)} -> {_value(new)}" for name, old, new in change.fields)


def _value(value: object) -> str:
    if isinstance(value, dict) and "operand" in value:
        from strategies.operand_json import operand_of

        return operand_text(operand_of(value, "operand"))
    if isinstance(value, list):
        return ", ".join(_value(one) for one in value) or NOTHING
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(one)}" for name, one in value.items())
    return NOTHING if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _coloured(before: str, after: str, kind: str) -> tuple[Text, Text]:
    return Text(before, style="red" if kind == WENT else ""), Text(after, style="green" if kind != MOVED else "")


def _common(strategy: Strategy, changes: Sequence[Change]) -> Table:
    """Conditions and learners that both have at once, and how many settings."""
    table = plain_table("", "Unchanged", "")
    for part in LISTS:
        items = strategy.learners if part == "learners" else getattr(strategy, part).conditions
        gone = {change.place_before for change in changes if change.part == part}
        for place in range(len(items)):
            if place not in gone:
                name = "learner" if part == "learners" else part
                table.add_row("", f"{name} {place}", Text(item_text(strategy, part, place), style="dim"))
    return table
