"""The mirror of every operand kind, found by turning invented bars upside down.

The mirror of bars with prices p is bars with prices C - p (high and low change places, volume stays). For each operand
F we look for the operand G and the sign s with F(mirror of bars) = s * G(bars) + constant, by probing: an SMA flips, an
RSI flips about 50, an ATR stays, MAX(high) becomes MIN(low), PLUS_DI becomes MINUS_DI. An operand that fits no other (a
Hilbert transform, say) keeps its kind, and flips if it leans that way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from strategies.indicators import Column
from strategies.operand_columns import call_columns
from strategies.operand_kind import CLOSE, SOURCES, Mirror, OperandKind, group_on

_CENTRE: Final = 100.0
_SAME: Final = 0.9999


@dataclass(frozen=True, eq=False)
class ProbeBars:
    """A few hundred invented bars, (n_bars,) each."""

    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column

    def mirrored(self) -> "ProbeBars":
        """Return the bars upside down about `_CENTRE`."""
        turn = 2 * _CENTRE
        return ProbeBars(turn - self.open, turn - self.low, turn - self.high, turn - self.close, self.volume)


def _probe_bars(n_bars: int = 700) -> ProbeBars:
    rng = np.random.Generator(np.random.Philox(key=20250101))
    close = _CENTRE + np.cumsum(rng.normal(0, 0.05, n_bars))
    open_ = np.concatenate([[_CENTRE], close[:-1]]) + rng.normal(0, 0.01, n_bars)
    high = np.maximum(open_, close) + rng.exponential(0.03, n_bars)
    low = np.minimum(open_, close) - rng.exponential(0.03, n_bars)
    return ProbeBars(open_, high, low, close, rng.uniform(500, 1500, n_bars))


def find_mirrors(kinds: Sequence[OperandKind]) -> tuple[Mirror, ...]:
    """The mirror of each kind, as an index in `kinds`."""
    bars = _probe_bars()
    turned = bars.mirrored()
    values = [_column(kind, "low", bars) for kind in kinds]
    return tuple(_match(kinds, index, values, _column(kind, "high", turned)) for index, kind in enumerate(kinds))


def _column(kind: OperandKind, source: str, bars: ProbeBars) -> Column:
    place = SOURCES.index(source) if kind.takes_source else CLOSE
    return call_columns([kind], place, [parameter.default for parameter in kind.parameters], bars)[0]


def _match(kinds: Sequence[OperandKind], index: int, values: list[Column], turned: Column) -> Mirror:
    """The kind whose values best explain `turned`, and whether they turn round.

    Itself is preferred, then an output of the same function, then any kind that fits; where none explains it fully, the
    best output of its own function is taken.
    """
    own = _correlation(turned, values[index])
    if abs(own) > _SAME:
        return Mirror(index, own < 0)
    entry, group = kinds[index], group_on(kinds[index], CLOSE)
    grids = [parameter.grid for parameter in entry.parameters]
    scores = {index: own}
    for other in sorted(range(len(kinds)), key=lambda at: kinds[at].function != entry.function):
        fits = group_on(kinds[other], CLOSE) == group
        if other == index or not fits or [parameter.grid for parameter in kinds[other].parameters] != grids:
            continue
        score = _correlation(turned, values[other])
        if abs(score) > _SAME:
            return Mirror(other, score < 0)
        if kinds[other].function == entry.function:
            scores[other] = score
    best = max(scores, key=lambda at: abs(scores[at]))
    return Mirror(best, scores[best] < 0)


def _correlation(left: Column, right: Column) -> float:
    both = np.isfinite(left) & np.isfinite(right)
    x, y = left[both], right[both]
    if len(x) < 50 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
