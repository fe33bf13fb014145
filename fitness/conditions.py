"""Conditions as keys: a condition block in seven words that say all of it, and what it is upside down. Compiled.

The first word packs what is small and whole: comparator, negation, lags and pairs of kind and source. Then come the
parameters of the left operand, then those of the right one or the level, as the doubles they are. `mirror_nb` is the
compiled twin of strategies/mirrors.py on keys.
"""

from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.arena import NONE
from fitness.masks import CROSSES_BELOW, LEAD
from strategies.catalogue import PERCENT_OF_CLOSE, level_unit_of
from strategies.genes import BLOCK_COLUMNS, COLUMN, CONDITION_BLOCKS, FIELD
from strategies.lookup import CLOSE, MAX_PARAMETERS, N_SOURCES, lookup
from strategies.mirrors import mirrors

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]
Integers = NDArray[np.int64]

BOTH: Final = 2.0
"""The direction that has a mirrored side."""
UNREADABLE: Final = -2
"""In place of a row: the block is no condition of the gene table."""

CONDITION_KEY: Final = 1 + 2 * MAX_PARAMETERS
"""Words that a condition is found by."""
OPERAND_KEY: Final = 1 + MAX_PARAMETERS
"""Words that a column is found by: the pair and the parameters."""

ON, _NEGATE, _COMPARATOR = FIELD["on"], FIELD["negate"], FIELD["comparator"]
_AGAINST, _LEVEL = FIELD["against"], FIELD["level"]
_LEFT, _RIGHT = FIELD["left.kind"], FIELD["right.kind"]
_SOURCE, _FIRST, _LAG = (FIELD[f"left.{name}"] - _LEFT for name in ("source", "p0", "lag"))
LEFT_WORD, RIGHT_WORD = 1, 1 + MAX_PARAMETERS
AT_NEGATE, AT_AGAINST, AT_LEFT_LAG, AT_RIGHT_LAG, AT_LEFT, AT_RIGHT = 2, 3, 4, 10, 16, 40
LAG_BITS, PAIR_BITS, COMPARATOR_BITS = 0x3F, 0xFF_FFFF, 0x3
_SCALE = 1e8  # of the eight decimals that a reflected level is rounded to
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


class Layout(NamedTuple):
    """Where the conditions of a row are.

    Attributes:
        blocks: `(n_blocks,)` first column of each.
        direction: column of the direction; negative if a row has one side only.
    """

    blocks: Integers
    direction: int


class Operands(NamedTuple):
    """What compiled code knows of the catalogue; a pair is `kind * N_SOURCES + source`.

    Attributes:
        percent: `(n_pairs,)` whether levels are per cent of the close.
        turn: `(n_pairs,)` what a level and its reflection add up to.
        mirror: `(n_pairs,)` the pair that it is upside down.
        flips: `(n_pairs,)` whether its value turns round.
    """

    percent: NDArray[np.bool_]
    turn: Float64
    mirror: Integers
    flips: NDArray[np.bool_]


def _layout(first: Integers, direction: int) -> Layout:
    first.flags.writeable = False
    return Layout(first, direction)


STRATEGY: Final = _layout(np.array([BLOCK_COLUMNS[block][0] for block in CONDITION_BLOCKS]), COLUMN["risk.direction"])
"""Phenotype rows: the conditions of the entry, then those of the exit."""
CONDITION: Final = _layout(np.zeros(1, dtype=np.int64), NONE)
"""Condition blocks by themselves."""


@cache
def operands() -> Operands:
    """The catalogue as `Operands`, read-only."""
    table, turned = lookup(), mirrors()
    kind, source = np.divmod(turned.pair, N_SOURCES)
    pairs = [divmod(pair, N_SOURCES) for pair in range(turned.pair.size)]
    assert turned.pair.size <= PAIR_BITS
    tables = Operands(
        percent=np.array([level_unit_of(*pair) == PERCENT_OF_CLOSE for pair in pairs]),
        turn=table.level_low + table.level_high,
        mirror=kind * N_SOURCES + np.where(table.takes_source[kind], source, CLOSE),
        flips=turned.flips,
    )
    for array in tables:
        array.flags.writeable = False
    return tables


@_jit
def _pair_nb(rows: Float64, i: int, first: int, n_pairs: int) -> int:
    """The pair of the operand at column `first`, `UNREADABLE` if it or its lag is out of range."""
    kind, source, lag = rows[i, first], rows[i, first + _SOURCE], rows[i, first + _LAG]
    if not (0.0 <= source < N_SOURCES and 0.0 <= lag <= LEAD and kind >= 0.0 and kind * N_SOURCES < n_pairs):
        return UNREADABLE
    return int(kind) * N_SOURCES + int(source)


@_jit
def read_nb(rows: Float64, words: Words, i: int, first: int, n_pairs: int, key: Words) -> bool:
    """Fill `key (CONDITION_KEY,)` with the condition block from column `first` of row `i`; whether it is one.

    `rows (n, width)` and `words` are the same numbers; `n_pairs` bounds the operands.
    """
    comparator, against = rows[i, first + _COMPARATOR], rows[i, first + _AGAINST] > 0.0
    left = _pair_nb(rows, i, first + _LEFT, n_pairs)
    right = 0 if against else _pair_nb(rows, i, first + _RIGHT, n_pairs)
    if left < 0 or right < 0 or not 0.0 <= comparator <= CROSSES_BELOW:
        return False
    packed = int(comparator) | (left << AT_LEFT) | (right << AT_RIGHT)
    packed |= int(rows[i, first + _LEFT + _LAG]) << AT_LEFT_LAG
    packed |= int(rows[i, first + _NEGATE] > 0.0) << AT_NEGATE
    for slot in range(MAX_PARAMETERS):
        key[LEFT_WORD + slot] = words[i, first + _LEFT + _FIRST + slot]
        key[RIGHT_WORD + slot] = np.uint64(0) if against else words[i, first + _RIGHT + _FIRST + slot]
    if against:
        packed |= 1 << AT_AGAINST
        key[RIGHT_WORD] = words[i, first + _LEVEL]
    else:
        packed |= int(rows[i, first + _RIGHT + _LAG]) << AT_RIGHT_LAG
    key[0] = np.uint64(packed)
    return True


@_jit
def mirror_nb(key: Words, tables: Operands) -> None:
    """Turn the condition of a key `(CONDITION_KEY,)` upside down, in place."""
    packed = np.int64(key[0])
    left, right = (packed >> AT_LEFT) & PAIR_BITS, (packed >> AT_RIGHT) & PAIR_BITS
    against = (packed >> AT_AGAINST) & 1
    if tables.flips[left]:
        packed ^= 1  # above and below, either way, are neighbours
        if against:
            level = key.view(np.float64)
            level[RIGHT_WORD] = np.rint((tables.turn[left] - level[RIGHT_WORD]) * _SCALE) / _SCALE + 0.0
    packed ^= (left ^ tables.mirror[left]) << AT_LEFT
    if not against:
        packed ^= (right ^ tables.mirror[right]) << AT_RIGHT
    key[0] = np.uint64(packed)
