"""What a rule becomes when the market is turned upside down: the short side of a strategy that trades both.

The mirror of bars with prices p is bars with prices C - p (high and low change places, volume stays). For each operand
F we look for the operand G and the sign s with F(mirror of bars) = s * G(bars) + constant, by probing: an SMA flips, an
RSI flips about 50, an ATR stays, MAX(high) becomes MIN(low), PLUS_DI becomes MINUS_DI. Where s is -1 a comparator turns
round and a level is reflected in its range. An operand that fits no other (a Hilbert transform, say) keeps its kind,
and flips if it leans that way.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import SOURCES, catalogue
from strategies.codec import LEFT, RIGHT, Rows
from strategies.genes import BLOCK_COLUMNS, CONDITION_BLOCKS, FIELD
from strategies.lookup import CLOSE, N_SOURCES, lookup
from strategies.operands import column

_MIRROR_SOURCE: Final = tuple(SOURCES.index({"high": "low", "low": "high"}.get(name, name)) for name in SOURCES)
_VOLUME: Final = SOURCES.index("volume")
_CENTRE: Final = 100.0
_SAME: Final = 0.9999
_FLIPPED_COMPARATOR: Final = np.array([1.0, 0.0, 3.0, 2.0])


@dataclass(frozen=True, eq=False)
class ProbeBars:
    """A few hundred invented bars, (n_bars,) each."""

    open: Rows
    high: Rows
    low: Rows
    close: Rows
    volume: Rows

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


@dataclass(frozen=True, eq=False)
class Mirrors:
    """By pair (kind * N_SOURCES + source): the mirrored pair, and whether its value turns round. (n_pairs,) each."""

    pair: NDArray[np.int64]
    flips: NDArray[np.bool_]


def _correlation(left: Rows, right: Rows) -> float:
    both = np.isfinite(left) & np.isfinite(right)
    x, y = left[both], right[both]
    if len(x) < 50 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


@cache
def mirrors() -> Mirrors:
    """Return the mirror of every operand kind and source."""
    kinds = catalogue()
    bars, turned = _probe_bars(), _probe_bars().mirrored()
    high, low = SOURCES.index("high"), SOURCES.index("low")
    values, turned_values = [], []
    for index, kind in enumerate(kinds):
        defaults = tuple(parameter.default for parameter in kind.parameters)
        values.append(column(index, low if kind.takes_source else CLOSE, defaults, bars))
        turned_values.append(column(index, high if kind.takes_source else CLOSE, defaults, turned))
    pair = np.arange(len(kinds) * N_SOURCES, dtype=np.int64)
    flips = np.zeros(len(pair), dtype=np.bool_)
    for index in range(len(kinds)):
        other, flip = _match(index, values, turned_values[index])
        for source in range(N_SOURCES):
            if source == _VOLUME and kinds[index].takes_source:
                continue  # volume is the same upside down
            pair[index * N_SOURCES + source] = other * N_SOURCES + _MIRROR_SOURCE[source]
            flips[index * N_SOURCES + source] = flip
    pair.flags.writeable = flips.flags.writeable = False
    return Mirrors(pair, flips)


def _match(index: int, values: list[Rows], turned: Rows) -> tuple[int, bool]:
    """Return the kind whose values best explain `turned`, and whether they turn round.

    Itself is preferred, then an output of the same function, then any kind that fits; where none explains it fully, the
    best output of its own function is taken.
    """
    kinds = catalogue()
    own = _correlation(turned, values[index])
    if abs(own) > _SAME:
        return index, own < 0
    grids = [parameter.grid for parameter in kinds[index].parameters]
    pair = index * N_SOURCES + CLOSE
    scores = {index: own}
    for other in sorted(range(len(kinds)), key=lambda at: kinds[at].function != kinds[index].function):
        fits = lookup().fits[pair, other * N_SOURCES + CLOSE]
        if other == index or not fits or [parameter.grid for parameter in kinds[other].parameters] != grids:
            continue
        score = _correlation(turned, values[other])
        if abs(score) > _SAME:
            return other, score < 0
        if kinds[other].function == kinds[index].function:
            scores[other] = score
    best = max(scores, key=lambda at: abs(scores[at]))
    return best, scores[best] < 0


def mirror(phenotypes: Rows) -> Rows:
    """Return the phenotypes (n, N_GENES) with every condition turned upside down; risk genes stay as they are."""
    out = np.array(phenotypes, dtype=np.float64, copy=True)
    for block in CONDITION_BLOCKS:
        columns = list(BLOCK_COLUMNS[block])
        out[:, columns] = _mirror_block(out[:, columns])
    return out


def _mirror_block(block: Rows) -> Rows:
    table, turned = lookup(), mirrors()
    out = block.copy()
    on = block[:, FIELD["on"]] > 0
    pair = (block[:, LEFT[0]] * N_SOURCES + block[:, LEFT[1]]).astype(np.int64)
    flips = turned.flips[pair] & on
    comparator = FIELD["comparator"]
    out[:, comparator] = np.where(
        flips, _FLIPPED_COMPARATOR[block[:, comparator].astype(np.int64)], block[:, comparator]
    )
    level = on & (block[:, FIELD["against"]] > 0)
    reflected = np.round(table.level_low[pair] + table.level_high[pair] - block[:, FIELD["level"]], 8) + 0.0
    out[:, FIELD["level"]] = np.where(flips & level, reflected, block[:, FIELD["level"]])
    for side, where in ((LEFT, on), (RIGHT, on & ~level)):
        pair = (block[:, side[0]] * N_SOURCES + block[:, side[1]]).astype(np.int64)
        kind, source = np.divmod(turned.pair[pair], N_SOURCES)
        source = np.where(table.takes_source[kind], source, CLOSE)
        out[:, side[0]] = np.where(where, kind, block[:, side[0]])
        out[:, side[1]] = np.where(where, source, block[:, side[1]])
    return out
