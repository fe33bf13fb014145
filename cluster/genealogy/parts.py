"""What of a strategy differs from its parents, by its named parts and for many births at once.

Conditions are compared by what they say, not by where they stand: phenotypes move them up, so one that goes would
otherwise change all that follow. One of a child is the parent's if it is equal; else the two are one that was changed
if both look at the same operand on the left, or on the right; what is left over came or went. So with learners, by
their algorithm. The other parts are single settings.

A word of a change: `+entry.1` came, `-exit.0` went (the parent's place), `~entry.0.level` was changed; `@b` behind it:
as the second parent has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.genes import COLUMN, CONDITION_FIELDS, FIELD, GENES, N_ENTRY, N_EXIT, N_LEARNERS
from strategies.learners.table import MAX_FEATURES

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
FROM_SECOND: Final = "@b"


@dataclass(frozen=True)
class Shelf:
    """Places for parts of one kind.

    Attributes:
        name: "entry", "exit" or "learner".
        columns: (n_places, width) columns of each place in the gene table; the first says whether it is taken.
        fields: what a part consists of, by name: offsets in its columns.
        alike: offsets; two parts that are equal there may be one that was changed, the first that applies.
        unless: by such an offset, another offset: a part that is not 0 there has nothing at the first.
    """

    name: str
    columns: NDArray[np.int64]
    fields: dict[str, NDArray[np.int64]]
    alike: tuple[int, ...]
    unless: dict[int, int]


def _condition_shelf(module: str, n_places: int) -> Shelf:
    starts = np.array([[COLUMN[f"{module}.{number}.on"]] for number in range(n_places)])
    fields = {name: np.array([FIELD[name]]) for name in ("negate", "comparator", "level", "weight")}
    for side in ("left", "right"):
        names = [name for name in CONDITION_FIELDS if name.startswith(f"{side}.")]
        fields[side] = np.array([FIELD[name] for name in names])
    fields["right"] = np.append(fields["right"], FIELD["against"])
    order = ("left", "comparator", "right", "level", "negate", "weight")
    sides = (FIELD["left.kind"], FIELD["right.kind"])
    return Shelf(
        module,
        starts + np.arange(len(FIELD)),
        {name: fields[name] for name in order},
        alike=sides,
        unless={FIELD["right.kind"]: FIELD["against"]},
    )


def _learner_shelf() -> Shelf:
    first = COLUMN["learner.0.on"]
    names = [gene.name.removeprefix("learner.0.") for gene in GENES if gene.name.startswith("learner.0.")]
    at = {name: COLUMN[f"learner.0.{name}"] - first for name in names}
    fields = {name: np.array([at[name]]) for name in ("algorithm", "target", "horizon")}
    fields["hyper"] = np.array([at[name] for name in names if name[0] == "h" and name[1:].isdigit()])
    parts = tuple(f"f{number}." for number in range(MAX_FEATURES))
    fields["features"] = np.array([at[name] for name in names if name.startswith(parts)])
    fields |= {name: np.array([at[name]]) for name in ("weight", "edge", "trust")}
    starts = np.array([[COLUMN[f"learner.{number}.on"]] for number in range(N_LEARNERS)])
    return Shelf("learner", starts + np.arange(len(names)), fields, alike=(at["algorithm"],), unless={})


SHELVES: Final = (_condition_shelf("entry", N_ENTRY), _condition_shelf("exit", N_EXIT), _learner_shelf())
SETTINGS: Final[dict[str, NDArray[np.int64]]] = {
    name: np.array([COLUMN[gene] for gene in genes])
    for name, genes in {
        "entry.needed": ("entry.needed",),
        "exit.needed": ("exit.needed",),
        "fusion.conflict": ("fusion.conflict",),
        "gate.trend": ("gate.trend",),
        "gate.volatility": ("gate.volatility",),
        "risk.direction": ("risk.direction",),
        "risk.stop": ("risk.stop_kind", "risk.stop"),
        "risk.target": ("risk.target_kind", "risk.target"),
        "risk.trail": ("risk.trail_kind", "risk.trail"),
        "risk.time_stop": ("risk.time_stop",),
        "risk.cooldown": ("risk.cooldown",),
        "risk.size": ("risk.size_kind", "risk.size"),
        "risk.breaker": ("risk.breaker", "risk.rearm"),
    }.items()
}


def _words() -> Iterator[str]:
    for shelf in SHELVES:
        for place in range(len(shelf.columns)):
            part = f"{shelf.name}.{place}"
            yield from (f"-{part}", f"+{part}", f"+{part}{FROM_SECOND}")
            for name in shelf.fields:
                yield from (f"~{part}.{name}", f"~{part}.{name}{FROM_SECOND}")
    for name in SETTINGS:
        yield from (f"~{name}", f"~{name}{FROM_SECOND}")


WORDS: Final = tuple(_words())
"""Every word of a change, in the order in which a birth lists them."""
_AT: Final = {word: number for number, word in enumerate(WORDS)}


def changes(child: Floats, first: Floats, second: Floats, has_second: Mask) -> Mask:
    """Return what differs from the first parent, and whether the second has it so: (n, len(WORDS)).

    Args:
        child: (n, N_GENES) phenotypes.
        first: (n, N_GENES) phenotypes of the first parents.
        second: (n, N_GENES) of the second ones, anything where there is none.
        has_second: (n,).
    """
    found = np.zeros((len(child), len(WORDS)), dtype=np.bool_)
    for name, columns in SETTINGS.items():
        differs = (child[:, columns] != first[:, columns]).any(axis=1)
        other = has_second & (child[:, columns] == second[:, columns]).all(axis=1)
        _note(found, f"~{name}", differs, other)
    for shelf in SHELVES:
        _compare(found, shelf, child, first, second, has_second)
    return found


def _note(found: Mask, word: str, where: Mask, other: Mask) -> None:
    found[:, _AT[word]] |= where & ~other
    found[:, _AT[word + FROM_SECOND]] |= where & other


def _compare(found: Mask, shelf: Shelf, child: Floats, first: Floats, second: Floats, has: Mask) -> None:
    mine, theirs = child[:, shelf.columns], first[:, shelf.columns]
    n_places = len(shelf.columns)
    taken, held = mine[:, :, 0] > 0.0, theirs[:, :, 0] > 0.0
    other = _is_among(mine, second[:, shelf.columns]) & has[:, None]
    free, left = taken.copy(), held.copy()
    for i, j in np.ndindex(n_places, n_places):
        same = free[:, i] & left[:, j]
        same[same] = (mine[same, i] == theirs[same, j]).all(axis=1)
        free[same, i] = left[same, j] = False
    for offset in shelf.alike:
        for i, j in np.ndindex(n_places, n_places):
            pair = free[:, i] & left[:, j] & (mine[:, i, offset] == theirs[:, j, offset])
            if offset in shelf.unless:
                pair &= (mine[:, i, shelf.unless[offset]] == 0.0) & (theirs[:, j, shelf.unless[offset]] == 0.0)
            free[pair, i] = left[pair, j] = False
            for name, offsets in shelf.fields.items():
                differs = pair & (mine[:, i][:, offsets] != theirs[:, j][:, offsets]).any(axis=1)
                _note(found, f"~{shelf.name}.{i}.{name}", differs, other[:, i])
    for place in range(n_places):
        found[:, _AT[f"-{shelf.name}.{place}"]] = left[:, place]
        _note(found, f"+{shelf.name}.{place}", free[:, place], other[:, place])


def _is_among(mine: Floats, theirs: Floats) -> Mask:
    """Return which parts (n, n_places, width) are among the other ones, at whatever place: (n, n_places)."""
    found = np.zeros(mine.shape[:2], dtype=np.bool_)
    for i, j in np.ndindex(mine.shape[1], mine.shape[1]):
        found[:, i] |= (mine[:, i] == theirs[:, j]).all(axis=1)
    return found
