"""What a rule becomes when the market is turned upside down: the short side of a strategy that trades both.

The mirror of bars with prices p is bars with prices C - p. Every operand has a mirror, which `mirror_search` finds: an
SMA flips, MAX(high) becomes MIN(low). Where the value turns round, a comparator turns round too and a level is
reflected in its range.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.catalogue import SOURCES, VOLUME, catalogue, kind_mirrors
from strategies.codec import LEFT, RIGHT, Rows
from strategies.genes import BLOCK_COLUMNS, COLUMN, CONDITION_BLOCKS, FIELD, GATE_TRENDS
from strategies.language import everything
from strategies.lookup import CLOSE, N_SOURCES, lookup

_MIRROR_SOURCE: Final = tuple(SOURCES.index({"high": "low", "low": "high"}.get(name, name)) for name in SOURCES)
_FLIPPED_COMPARATOR: Final = np.array([1.0, 0.0, 3.0, 2.0])
_TURNED: Final = {"bull": "bear", "bear": "bull", "not bull": "not bear", "not bear": "not bull"}
_MIRRORED_GATE: Final = np.array([float(GATE_TRENDS.index(_TURNED.get(name, name))) for name in GATE_TRENDS])


@dataclass(frozen=True, eq=False)
class Mirrors:
    """By pair (kind * N_SOURCES + source): the mirrored pair, and whether its value turns round. (n_pairs,) each."""

    pair: NDArray[np.int64]
    flips: NDArray[np.bool_]


@cache
def mirrors() -> Mirrors:
    """Return the mirror of every operand kind and source."""
    kinds = catalogue()
    pair = np.arange(len(kinds) * N_SOURCES, dtype=np.int64)
    flips = np.zeros(len(pair), dtype=np.bool_)
    for index, found in enumerate(kind_mirrors()):
        for source in range(N_SOURCES):
            if source == VOLUME and kinds[index].takes_source:
                continue  # volume is the same upside down
            pair[index * N_SOURCES + source] = found.kind * N_SOURCES + _MIRROR_SOURCE[source]
            flips[index * N_SOURCES + source] = found.flips
    pair.flags.writeable = flips.flags.writeable = False
    return Mirrors(pair, flips)


def mirror(phenotypes: Rows) -> Rows:
    """Return the phenotypes (n, N_GENES) with every condition and gate turned upside down.

    Risk genes and learners stay as they are; a learner votes for the other side below minus its edge.
    """
    out = np.array(phenotypes, dtype=np.float64, copy=True)
    gate = COLUMN["gate.trend"]
    out[:, gate] = _MIRRORED_GATE[out[:, gate].astype(np.int64)]
    for block in CONDITION_BLOCKS:
        columns = list(BLOCK_COLUMNS[block])
        out[:, columns] = _mirror_block(out[:, columns])
    return out


def _mirror_block(block: Rows) -> Rows:
    table, turned = lookup(everything()), mirrors()
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
