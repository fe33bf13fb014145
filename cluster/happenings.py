"""What broke under way and what was done about it, in words: one way to say it, in terminal, log and report alike.

Epochs and candidates are a job's work; everything else that its journal tells is a happening.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from cluster.report.numbers import duration

if TYPE_CHECKING:
    from cluster.journal import Record

Data = Mapping[str, Any]
TROUBLES: Final = frozenset({"repair", "quarantined", "stall"})
"""Kinds of happenings that a watcher should look at."""


def sentence_of(record: "Record") -> str:
    """Return what a record says has happened; empty for a record of the job's ordinary work."""
    say = SENTENCES.get(record.kind)
    return "" if say is None else say(record.data)


def place_of(data: Data) -> str:
    """Return where a happening was: "island 1, epoch 3"; empty where it concerns the whole job.

    >>> place_of({"island": 1, "epoch": 3}), place_of({"island": None, "epoch": None})
    ('island 1, epoch 3', '')
    """
    places = [f"{name} {data[name]}" for name in ("island", "epoch") if data.get(name) is not None]
    return ", ".join(places)


def kind_of(repair: Data) -> str:
    """Return what was repaired, without its number: "breeder", "evaluator", "cell", "session", "node".

    >>> kind_of({"what": "evaluator 0.1"})
    'evaluator'
    """
    return (str(repair.get("what") or "").split() or ["unknown"])[0]


def _repair(data: Data) -> str:
    action = data.get("action") or "epoch run again"
    return f"{data['what']} lost ({data['reason']}): {action}{_in_brackets(data)}"


def _quarantined(data: Data) -> str:
    return f"strategy {data['id']} put aside: it {data['reason']}{_in_brackets(data)}"


def _stall(data: Data) -> str:
    typical, waited = duration(data["typical_s"]), duration(data["waited_s"])
    return f"stalled: {waited} so far, {typical} is usual{_in_brackets(data)}"


def _workers(data: Data) -> str:
    return f"{data['present']} of {data['wanted']} workers present" + (f": {data['reason']}" if data["reason"] else "")


def _resumed(data: Data) -> str:
    versions = data.get("changed_versions") or {}
    changed = ", ".join(f"{name} {' -> '.join(map(str, pair))}" for name, pair in versions.items())
    return "resumed" + (f" with other packages: {changed}" if changed else "")


def _interrupted(data: Data) -> str:
    return f"interrupted: {data.get('reason') or 'nothing was said'}"


def _in_brackets(data: Data) -> str:
    place = place_of(data)
    return f" ({place})" if place else ""


SENTENCES: Final[Mapping[str, Callable[[Data], str]]] = {
    "repair": _repair,
    "quarantined": _quarantined,
    "stall": _stall,
    "workers": _workers,
    "resumed": _resumed,
    "interrupted": _interrupted,
}
