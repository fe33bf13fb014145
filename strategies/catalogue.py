"""The catalogue of operand kinds: everything a condition may read.

`PRICE`, the bare bar column, is kind 0; then come TA-Lib's, one for each output of each function, discovered from
TA-Lib itself; then our own features, which declare what they are; last what a strategy's learners say. What is known of
TA-Lib's comes from the snapshot that ships with the package, or is discovered anew where that is of another TA-Lib.
Built at the first call and kept.
"""

import difflib
import functools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from strategies import catalogue_snapshot
from strategies.errors import StrategyError
from strategies.features import FEATURES
from strategies.features.kinds import LEARNER_KINDS, kinds_of, learner_mirrors, mirrors_of
from strategies.operand_kind import (
    CLOSE,
    LEVEL_ONLY,
    PERCENT_OF_CLOSE,
    PRICE,
    SOURCES,
    VOLUME,
    Discovery,
    Group,
    Mirror,
    OperandKind,
    group_on,
    level_range_on,
    scale_on,
)
from strategies.scales import Scale

__all__ = [
    "CLOSE",
    "LEVEL_ONLY",
    "PERCENT_OF_CLOSE",
    "PRICE",
    "SOURCES",
    "VOLUME",
    "OperandKind",
    "catalogue",
    "compatible",
    "discovery",
    "groups",
    "kind_index",
    "kind_mirrors",
    "level_range_of",
    "level_unit_of",
    "put_aside",
    "scale_of",
]


@functools.cache
def discovery() -> Discovery:
    """What is known of the installed TA-Lib: from the snapshot, or else found out now."""
    known = catalogue_snapshot.load()
    if known is None:
        from strategies.discovery import discover

        known = discover()
    return known


@functools.cache
def catalogue() -> tuple[OperandKind, ...]:
    """Every kind of operand in a stable order: PRICE, TA-Lib's by function and output, `FEATURES`, learners."""
    return *discovery().kinds, *kinds_of(FEATURES.values()), *LEARNER_KINDS


@functools.cache
def kind_mirrors() -> tuple[Mirror, ...]:
    """What each kind of the catalogue becomes upside down, in its order."""
    known = discovery()
    ours = mirrors_of(FEATURES.values(), len(known.kinds))
    return *known.mirrors, *ours, *learner_mirrors(len(known.kinds) + len(ours))


def put_aside() -> Mapping[str, str]:
    """Why a TA-Lib function is no operand, by the function's name, or "FUNCTION.output" where others of it are."""
    return discovery().put_aside


@functools.cache
def _indices() -> Mapping[str, int]:
    return {kind.name: index for index, kind in enumerate(catalogue())}


def kind_index(name: str) -> int:
    """The index of a kind in the catalogue.

    Raises:
        StrategyError: There is no such kind; close names and the reason it was put aside, if it was, are told.
    """
    if name in _indices():
        return _indices()[name]
    reason = put_aside().get(name) or put_aside().get(name.partition(".")[0])
    near = difflib.get_close_matches(name, list(_indices()), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "`strategies.catalogue.catalogue()` lists them."
    if reason:
        hint = f"TA-Lib's {name} is put aside: {reason}."
    raise StrategyError(f"An operand must be one of the {len(catalogue())} in the catalogue, but was {name!r}; {hint}")


def scale_of(kind: int, source: int) -> Scale:
    """The scale of a kind that reads a source: on the volume, a price's degree becomes a volume's."""
    return scale_on(catalogue()[kind], source)


def level_range_of(kind: int, source: int) -> tuple[float, float] | None:
    """Lowest and highest constant level a kind may be compared with, in `level_unit_of`; None where none may be."""
    return level_range_on(catalogue()[kind], source)


def level_unit_of(kind: int, source: int) -> str:
    """What a level is counted in: "" for a plain number, "% of close"; "" also where no level is allowed."""
    return "" if level_range_of(kind, source) is None else catalogue()[kind].level_unit


def compatible(kind: int, source: int) -> NDArray[np.int64]:
    """What may stand on the other side of a comparison.

    Args:
        kind: Index of the kind on this side.
        source: Its source; ignored where it takes none.

    Returns:
        Read-only `(m, 2)` rows of kind and source, sorted, itself among them; the source of a kind that takes none is
        the close. No row for a kind that may be compared with a constant level alone.
    """
    entry = catalogue()[kind]
    return groups()[group_on(entry, source if entry.takes_source else CLOSE)]


@functools.cache
def groups() -> Mapping[Group, NDArray[np.int64]]:
    """Who may be compared with whom: `(m, 2)` rows of kind and source by what they have in common, see `compatible`."""
    members: dict[Group, list[tuple[int, int]]] = {}
    for kind, entry in enumerate(catalogue()):
        for source in range(len(SOURCES)) if entry.takes_source else (CLOSE,):
            rows = members.setdefault(group_on(entry, source), [])
            rows += [] if entry.peers == LEVEL_ONLY else [(kind, source)]
    rows_of = {group: np.array(rows, dtype=np.int64).reshape(-1, 2) for group, rows in members.items()}
    for table in rows_of.values():
        table.flags.writeable = False
    return rows_of
