"""TA-Lib's candlestick patterns as operands: flags that are 1 where one is seen, -1 where its opposite is, else 0.

What they are is known without probing: functions of four prices that say yes or no over a fixed window. (TA-Lib keeps
its average bodies and ranges as running sums: after a bar a thousand times as large as the others, their rounding may
decide whether a body that is as long as the average, to the tick, is longer.) What is probed is their mirrors. Patterns
are rare, so the bars for that are made of what they are made of: long and short bodies, long and hardly any shadows,
gaps, bodies that open inside the one before.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies import grids
from strategies.indicators import Indicator
from strategies.operand_columns import call_columns
from strategies.operand_kind import CLOSE, FLAG_LEVELS, LEVEL_ONLY, PATTERN, WINDOW, Mirror, OperandKind
from strategies.probes import SyntheticBars
from strategies.scales import Scale

N_BARS: Final = 12_000
_KEY: Final = 20_261_122
_MIDDLE: Final = 1e5  # far above the walk, which is one of sums: upside down it is the same walk
_ALIKE: Final = 0.3  # of the largest correlation two patterns can have: a hammer and a shooting star have 0.45
_LEAST_SEEN: Final = 3


def patterns(indicators: Sequence[Indicator]) -> tuple[tuple[OperandKind, ...], tuple[Mirror, ...]]:
    """The operand kinds of some patterns, and the mirror of each as an index among them.

    A penetration evolves, but for that of a pattern whose mirror has none: a dark cloud cover is the mirror of a
    piercing line at TA-Lib's default alone.
    """
    kinds = [_kind(indicator) for indicator in indicators]
    mirrors = _mirrors(kinds)
    partners = [kinds[mirror.kind].parameters for mirror in mirrors]
    settled = [
        kind if [each.grid for each in kind.parameters] == [each.grid for each in partner] else _fixed(kind)
        for kind, partner in zip(kinds, partners, strict=True)
    ]
    return tuple(settled), mirrors


def _kind(indicator: Indicator) -> OperandKind:
    parameters = [grids.parameter(indicator, place) for place in range(len(indicator.settings))]
    evolved = [(place, found) for place, found in enumerate(parameters) if found is not None]
    return OperandKind(
        name=indicator.name,
        function=indicator.name,
        output=0,
        takes_source=False,
        parameters=tuple(found for _, found in evolved),
        scale=Scale(0.0, 0.0, False),
        level_range=FLAG_LEVELS,
        level_unit="",
        volume_range=None,
        peers=LEVEL_ONLY,
        memory=WINDOW,
        is_index=False,
        defaults=indicator.defaults,
        places=tuple(place for place, _ in evolved),
        family=PATTERN,
        level_steps=1,
    )


def _fixed(kind: OperandKind) -> OperandKind:
    return replace(kind, parameters=(), places=())


def _mirrors(kinds: Sequence[OperandKind]) -> tuple[Mirror, ...]:
    """The mirror of each pattern.

    The pairs that are most alike are taken first, so that the mirror of a mirror is the pattern itself. A pattern that
    is like no other upside down keeps its kind and turns round: on the short side it is never seen.
    """
    alike = _alike(kinds)
    found = [Mirror(index, True) for index in range(len(kinds))]
    left = set(range(len(kinds)))
    for place in np.argsort(-np.abs(alike), axis=None, kind="stable").tolist():
        one, other = divmod(place, len(kinds))
        if abs(alike[one, other]) < _ALIKE:
            break
        if {one, other} <= left:
            left -= {one, other}
            found[one], found[other] = (Mirror(to, bool(alike[one, other] < 0.0)) for to in (other, one))
    return tuple(found)


def _alike(kinds: Sequence[OperandKind]) -> NDArray[np.float64]:
    """Correlation of each pattern upside down with each other one, `(n, n)`, symmetric; 0 where too few were seen."""
    plain, turned = (_flags(kinds, upside_down=upside_down) for upside_down in (False, True))
    together, both = turned @ plain.T, np.abs(turned) @ np.abs(plain).T
    together[both < _LEAST_SEEN] = 0.0
    seen = np.sqrt(np.outer(np.abs(turned).sum(axis=1), np.abs(plain).sum(axis=1)))
    found = together / np.maximum(seen, 1.0)
    symmetric: NDArray[np.float64] = np.round((found + found.T) / 2.0, 6)
    return symmetric


def _flags(kinds: Sequence[OperandKind], *, upside_down: bool) -> NDArray[np.float64]:
    bars = pattern_bars(upside_down=upside_down)
    columns = [call_columns([kind], CLOSE, [each.default for each in kind.parameters], bars)[0] for kind in kinds]
    return np.nan_to_num(np.array(columns))


def pattern_bars(*, upside_down: bool = False, n_bars: int = N_BARS, number: int = 0) -> SyntheticBars:
    """Bars that are full of patterns, of which other numbers make others."""
    draws = np.random.Generator(np.random.Philox(key=[_KEY, number])).random((11, n_bars))
    size = -np.log1p(-draws[0]) * np.array([0.02, 0.3, 1.0, 1.0])[_place(draws[1], 4)]
    body = np.where(np.cumsum(draws[2] < 0.35) % 2 == 0, size, -size)
    inside = -np.concatenate([[0.0], body[:-1]]) * (0.15 + 0.75 * draws[3])
    noise = 3.5 * (draws[4:6].sum(axis=0) - 1.0)
    gap = np.where(draws[6] < 0.65, inside, np.where(draws[6] < 0.7, 0.02 * noise, noise))
    shadows = -np.log1p(-draws[7:9]) * np.array([0.01, 0.01, 0.3, 1.5])[_place(draws[9:11], 4)]
    close = _MIDDLE + np.cumsum(body + gap)
    opening = close - body
    high, low = np.maximum(opening, close) + shadows[0], np.minimum(opening, close) - shadows[1]
    if upside_down:
        opening, high, low, close = (2.0 * _MIDDLE - column for column in (opening, low, high, close))
    return SyntheticBars(opening, high, low, close, np.ones(n_bars))


def _place(draws: NDArray[np.float64], n_places: int) -> NDArray[np.int64]:
    return (draws * n_places).astype(np.int64)
