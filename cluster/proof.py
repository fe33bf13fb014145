"""Recorded figures beside the same ones made again: which are reproduced, and which are stale."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

REPRODUCED: Final = "reproduced"
STALE: Final = "stale"
TAKEN: Final = "taken"
"""As it stands in the journal, with the reason: what can't be made again from this job alone. No failure."""
OTHER_VERSIONS: Final = 1e-9
"""Relative difference that figures may have on other versions than those that made them; on the same ones none."""
_MISSING: Final = object()


@dataclass(frozen=True)
class Figure:
    """One recorded value, and what became of it.

    Attributes:
        name: where it is, as `in_sample.sharpe` or `gates[dsr].value`.
        status: REPRODUCED, STALE or TAKEN.
        recorded: what is on record.
        found: what it is here and now; None where it was not made again.
        difference: absolute, of two numbers that differ; None for everything else.
        reason: of a figure that is not reproduced, where it is not that the two differ.
    """

    name: str
    status: str
    recorded: Any = None
    found: Any = None
    difference: float | None = None
    reason: str = ""

    @property
    def section(self) -> str:
        """The field that it is part of."""
        return self.name.partition(".")[0].partition("[")[0]

    def sentence(self) -> str:
        """Say what is wrong with it, or why it was taken."""
        if self.reason:
            return f"{self.name}: {self.reason}"
        apart = "" if self.difference is None else f" (apart by {self.difference:.3g})"
        return f"{self.name} is {_short(self.found)}, was {_short(self.recorded)}{apart}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values; a reproduced figure as its name and status alone."""
        values = {"name": self.name, "status": self.status}
        if self.status == REPRODUCED:
            return values
        more = {"recorded": self.recorded, "found": self.found, "difference": self.difference, "reason": self.reason}
        return values | more


@dataclass(frozen=True)
class Proof:
    """What became of everything that is recorded of one strategy, of a job, or of its portfolio.

    Attributes:
        subject: id of the strategy, or of the job.
        what: "candidate", "elite", "job" or "portfolio".
        figures: every recorded value.
        notes: what is to be known beside them.
    """

    subject: str
    what: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """REPRODUCED if no figure is stale."""
        return STALE if self.stale else REPRODUCED

    @property
    def stale(self) -> tuple[Figure, ...]:
        """The figures that are."""
        return tuple(one for one in self.figures if one.status == STALE)

    def sections(self) -> dict[str, dict[str, int]]:
        """Return how many figures of each field have each status, in the order of the record."""
        found: dict[str, Counter[str]] = {}
        for one in self.figures:
            found.setdefault(one.section, Counter())[one.status] += 1
        return {name: dict(counts) for name, counts in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "subject": self.subject,
            "what": self.what,
            "status": self.status,
            "n_figures": len(self.figures),
            "n_stale": len(self.stale),
            "sections": self.sections(),
            "figures": [one.to_dict() for one in self.figures],
            "notes": list(self.notes),
        }


def compared(
    recorded: Mapping[str, Any], found: Mapping[str, Any], *, fields: Mapping[str, str], tolerance: float
) -> list[Figure]:
    """Return every leaf of either mapping, compared.

    Args:
        recorded: as it is on record.
        found: the same made again.
        fields: how each key is made again; one that is not among them is stale, for nobody verifies it.
        tolerance: relative difference that two numbers may have; 0 wants the same bits.
    """
    old, new = dict(leaves(recorded)), dict(leaves(found))
    figures = [_figure(name, old.get(name, _MISSING), new.get(name, _MISSING), tolerance) for name in old | new]
    return [
        one if one.section in fields else Figure(one.name, STALE, one.recorded, reason="nobody verifies this field")
        for one in figures
    ]


def leaves(value: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    """Yield every value that is no mapping or list, with its place; an empty one is a value of its own.

    >>> dict(leaves({"a": {"b": 1}, "gates": [{"name": "dsr", "value": 2}], "c": []}))
    {'a.b': 1, 'gates[dsr].name': 'dsr', 'gates[dsr].value': 2, 'c': []}
    """
    if isinstance(value, Mapping) and value:
        for key, one in value.items():
            yield from leaves(one, f"{name}.{key}" if name else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        labels = _labels(value)
        for label, one in zip(labels, value, strict=True):
            yield from leaves(one, f"{name}[{label}]")
    else:
        yield name, value


def _labels(values: Sequence[Any]) -> list[str]:
    """What the entries of a list are called: by name or symbol where they have different ones, else by number."""
    by: tuple[Callable[[Any], str], ...] = (lambda one: one["name"], lambda one: f"{one['symbol']} {one['timeframe']}")
    for label in by:
        try:
            found = [str(label(one)) for one in values]
        except (KeyError, TypeError, IndexError):
            continue
        if len(set(found)) == len(found):
            return found
    return [str(number) for number in range(len(values))]


def _figure(name: str, old: Any, new: Any, tolerance: float) -> Figure:
    if new is _MISSING:
        return Figure(name, STALE, old, reason=f"is on record as {_short(old)}, but is not made here any more")
    if old is _MISSING:
        return Figure(name, STALE, None, new, reason=f"is {_short(new)} here, but is not on record")
    if same(old, new, tolerance):
        return Figure(name, REPRODUCED, old, new)
    numbers = _is_number(old) and _is_number(new)
    return Figure(name, STALE, old, new, abs(new - old) if numbers else None)


def same(old: Any, new: Any, tolerance: float) -> bool:
    """Return whether two plain values are the same, numbers within a relative tolerance."""
    if _is_number(old) and _is_number(new):
        return bool(old == new or abs(old - new) <= tolerance * max(abs(old), abs(new)))
    return type(old) is type(new) and bool(old == new)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.17g}" if value != round(value, 6) else f"{value:g}"
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
