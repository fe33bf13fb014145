"""What the catalogue is built from: every TA-Lib function examined, and the mirror of every operand kind.

Nothing is typed function by function: names, inputs, parameters and defaults are TA-Lib's, and what an output is
measured in, how far back it remembers and what it ranges over is found by `examination`; candlestick patterns are all
of one kind (`patterns`). It takes a good third of a second, so what it finds is kept in a file (`catalogue_snapshot`);
this is the judge of that file.
"""

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from strategies.examination import Finding, examine
from strategies.indicators import PATTERN_GROUP, Indicator, indicators
from strategies.mirror_search import find_mirrors
from strategies.operand_kind import (
    DIFFERENCE,
    ENDLESS,
    LEVEL,
    NUMBER,
    OTHERWISE,
    PERCENT_OF_CLOSE,
    PRICE,
    Discovery,
    Mirror,
    OperandKind,
)
from strategies.patterns import patterns


def discover() -> Discovery:
    """The installed TA-Lib, examined; the same on every machine."""
    kinds, aside = [PRICE], {}
    for indicator in indicators().values():
        if indicator.group != PATTERN_GROUP:
            findings = _alike([examine(indicator, output) for output in range(len(indicator.outputs))])
            kinds += [_kind(indicator, output, found) for output, found in enumerate(findings) if not found.put_aside]
            aside.update(_reasons(indicator, findings))
    flags, mirrors = patterns([each for each in indicators().values() if each.group == PATTERN_GROUP])
    return _in_order([*kinds, *flags], [*find_mirrors(kinds), *_moved(mirrors, len(kinds))], aside)


def _moved(mirrors: Iterable[Mirror], first: int) -> list[Mirror]:
    return [replace(mirror, kind=first + mirror.kind) for mirror in mirrors]


def _in_order(kinds: list[OperandKind], mirrors: list[Mirror], aside: dict[str, str]) -> Discovery:
    """PRICE, then all others by function and output, their mirrors with them."""
    order = sorted(range(len(kinds)), key=lambda at: (kinds[at] is not PRICE, kinds[at].function, kinds[at].output))
    place = {old: new for new, old in enumerate(order)}
    moved = (replace(mirrors[old], kind=place[mirrors[old].kind]) for old in order)
    return Discovery(tuple(kinds[old] for old in order), MappingProxyType(aside), tuple(moved))


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
        family="indicator",
    )


def _peers(name: str, found: Finding) -> str:
    """The group of a kind among those of its scale.

    A value that forgets its start is comparable with every other that answers a shift of prices as it does: levels
    with levels, differences with differences, plain numbers by their range (`group_on`). One that counts from the
    first bar (OBV, AD) has an arbitrary origin, and one that moves with prices, but not by the same amount (SUM,
    MULT), is on a scale of its own: each is comparable with itself alone, at another lag, source or parameter. A VWAP
    counts from the first bar and is a price all the same.
    """
    if found.scale.price_degree == 1.0 and found.moves_as == LEVEL:
        return LEVEL
    if found.memory == ENDLESS or (found.scale.located and found.moves_as == OTHERWISE):
        return f"only {name}"
    return NUMBER if found.scale.dimensionless else DIFFERENCE
