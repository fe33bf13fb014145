"""The catalogue of operand kinds: everything a condition may read, built from TA-Lib's own metadata.

One kind for each output of each function, and `PRICE`, the bare bar column, as kind 0. Nothing is typed function by
function: names, inputs, parameters and defaults are TA-Lib's, and what an output is measured in, how far back it
remembers and what it ranges over is found by `examination`. The catalogue is built at the first call and kept.
"""

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from strategies.errors import StrategyError
from strategies.examination import ENDLESS, LEVEL, OTHERWISE, WINDOW, Finding, examine
from strategies.grids import Parameter
from strategies.indicators import PATTERN_GROUP, Indicator, indicators
from strategies.scales import Scale

SOURCES = ("open", "high", "low", "close", "volume")
CLOSE, VOLUME = SOURCES.index("close"), SOURCES.index("volume")
PERCENT_OF_CLOSE = "% of close"

_PATTERNS_LATER = "pattern recognition comes with a later issue"


@dataclass(frozen=True)
class OperandKind:
    """One kind of operand.

    Attributes:
        name: "RSI", or "MACD.macdsignal" where the function has several outputs.
        function: TA-Lib's name of the function, or "PRICE".
        output: Which of its outputs.
        takes_source: Whether a source gene chooses the bar column it reads.
        parameters: Those that evolve, at most three, in the order of the call.
        scale: Its scale where it reads prices; `scale_of` has it for any source.
        level_range: Range of a constant level it may be compared with, None where none makes sense.
        level_unit: "" or "% of close": what `level_range` is counted in.
        volume_range: `level_range` where its source is the volume.
        peers: Name of the group whose members may be compared, besides having the same scale.
        memory: "window", "fading" or "endless"; see `operands.warm_up`.
        is_index: TA-Lib gives the index of a bar, which is turned into bars since.
        defaults: TA-Lib's default of every parameter, evolved or not, in the order of the call.
        places: Place of each of `parameters` in `defaults`.
    """

    name: str
    function: str
    output: int
    takes_source: bool
    parameters: tuple[Parameter, ...]
    scale: Scale
    level_range: tuple[float, float] | None
    level_unit: str
    volume_range: tuple[float, float] | None
    peers: str
    memory: str
    is_index: bool
    defaults: tuple[float, ...]
    places: tuple[int, ...]


PRICE = OperandKind(
    name="PRICE",
    function="PRICE",
    output=0,
    takes_source=True,
    parameters=(),
    scale=Scale(1.0, 0.0, True),
    level_range=None,
    level_unit="",
    volume_range=None,
    peers=LEVEL,
    memory=WINDOW,
    is_index=False,
    defaults=(),
    places=(),
)


def catalogue() -> tuple[OperandKind, ...]:
    """Every kind of operand in a stable order: PRICE, then TA-Lib's by function name and output."""
    return _built()[0]


def put_aside() -> Mapping[str, str]:
    """Why a TA-Lib function is no operand, by the function's name, or "FUNCTION.output" where others of it are."""
    return _built()[1]


@functools.cache
def _built() -> tuple[tuple[OperandKind, ...], Mapping[str, str]]:
    kinds, aside = [PRICE], {}
    for indicator in indicators().values():
        if indicator.group == PATTERN_GROUP:
            aside[indicator.name] = _PATTERNS_LATER
            continue
        findings = _alike([examine(indicator, output) for output in range(len(indicator.outputs))])
        kinds += [_kind(indicator, output, found) for output, found in enumerate(findings) if not found.put_aside]
        aside.update(_reasons(indicator, findings))
    return tuple(kinds), MappingProxyType(aside)


def _alike(findings: list[Finding]) -> list[Finding]:
    """The findings on one function's outputs, their measured ranges made one, for they are there to be compared."""
    measured = [found for found in findings if found.scale.dimensionless and not found.declared]
    ranges = [found.price_range for found in measured if found.price_range]
    if len(ranges) < 2:
        return findings
    common = min(low for low, _ in ranges), max(high for _, high in ranges)
    return [replace(found, price_range=common) if found in measured else found for found in findings]


def _reasons(indicator: Indicator, findings: list[Finding]) -> dict[str, str]:
    reasons = {_name(indicator, output): found.put_aside for output, found in enumerate(findings) if found.put_aside}
    return {indicator.name: next(iter(reasons.values()))} if len(reasons) == len(findings) else reasons


def _name(indicator: Indicator, output: int) -> str:
    return indicator.name if len(indicator.outputs) == 1 else f"{indicator.name}.{indicator.outputs[output]}"


def _kind(indicator: Indicator, output: int, found: Finding) -> OperandKind:
    may_level = found.memory != ENDLESS and not found.scale.located
    return OperandKind(
        name=_name(indicator, output),
        function=indicator.name,
        output=output,
        takes_source=indicator.takes_source,
        parameters=tuple(parameter for _, parameter in found.evolved),
        scale=found.scale,
        level_range=found.price_range if may_level else None,
        level_unit=PERCENT_OF_CLOSE if may_level and found.price_range and not found.scale.dimensionless else "",
        volume_range=found.volume_range if may_level and found.scale.dimensionless else None,
        peers=_peers(_name(indicator, output), found),
        memory=found.memory,
        is_index=found.is_index,
        defaults=indicator.defaults,
        places=tuple(place for place, _ in found.evolved),
    )


def _peers(name: str, found: Finding) -> str:
    """The group of a kind among those of its scale.

    A value that forgets its start is comparable with every other that answers a shift of prices as it does: levels
    with levels, differences with differences, plain numbers by their range (`_group`). One that counts from the first
    bar (OBV, AD) has an arbitrary origin, and one that moves with prices, but not by the same amount (SUM, MULT), is
    on a scale of its own: each is comparable with itself alone, at another lag, source or parameter. A VWAP counts
    from the first bar and is a price all the same.
    """
    if found.scale.price_degree == 1.0 and found.moves_as == LEVEL:
        return LEVEL
    if found.memory == ENDLESS or (found.scale.located and found.moves_as == OTHERWISE):
        return f"only {name}"
    return "number" if found.scale.dimensionless else "difference"


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
    scale = catalogue()[kind].scale
    if catalogue()[kind].takes_source and source == VOLUME:
        return Scale(scale.volume_degree, scale.price_degree, scale.located)
    return scale


def level_range_of(kind: int, source: int) -> tuple[float, float] | None:
    """Lowest and highest constant level a kind may be compared with, in `level_unit_of`; None where none may be."""
    entry = catalogue()[kind]
    return entry.volume_range if entry.takes_source and source == VOLUME else entry.level_range


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
        the close.
    """
    return _groups()[_group(kind, source if catalogue()[kind].takes_source else CLOSE)]


def _group(kind: int, source: int) -> tuple[Scale, str, tuple[float, float] | None]:
    scale, peers = scale_of(kind, source), catalogue()[kind].peers
    return scale, peers, level_range_of(kind, source) if peers == "number" else None


@functools.cache
def _groups() -> Mapping[tuple[Scale, str, tuple[float, float] | None], NDArray[np.int64]]:
    members: dict[tuple[Scale, str, tuple[float, float] | None], list[tuple[int, int]]] = {}
    for kind, entry in enumerate(catalogue()):
        for source in range(len(SOURCES)) if entry.takes_source else (CLOSE,):
            members.setdefault(_group(kind, source), []).append((kind, source))
    groups = {group: np.array(rows, dtype=np.int64) for group, rows in members.items()}
    for rows in groups.values():
        rows.flags.writeable = False
    return groups
