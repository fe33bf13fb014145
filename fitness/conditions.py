"""Conditions as keys: a condition block in seven words that say all of it, and what it is upside down. Compiled.

The first word packs what is small and whole: comparator, negation, lags, and pairs of kind and source with their
timeframe. Then come the parameters of the left operand, then those of the right one or the level, as the doubles they
are. In place of a learner's parameters stands the digest of all that it depends on (learning.py), so that equal
learners of different strategies are one. `mirror_nb` is the compiled twin of strategies/mirrors.py on keys.
"""

from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.arena import NONE
from fitness.gate_conditions import gate_blocks
from fitness.masks import CROSSES_BELOW, LEAD
from strategies.catalogue import PERCENT_OF_CLOSE, kind_index, level_unit_of
from strategies.genes import BLOCK_COLUMNS, COLUMN, CONDITION_BLOCKS, FIELD, N_LEARNERS
from strategies.language import MAX_TIMEFRAME, everything
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
_SOURCE, _FIRST, _LAG, _TIMEFRAME = (FIELD[f"left.{name}"] - _LEFT for name in ("source", "p0", "lag", "timeframe"))
LEFT_WORD, RIGHT_WORD = 1, 1 + MAX_PARAMETERS
AT_NEGATE, AT_AGAINST, AT_LEFT_LAG, AT_RIGHT_LAG, AT_LEFT, AT_RIGHT = 2, 3, 4, 10, 16, 40
LAG_BITS, SERIES_BITS, PAIR_BITS, COMPARATOR_BITS = 0x3F, 0xFF_FFFF, 0xF_FFFF, 0x3
AT_TIMEFRAME: Final = 20
"""In the 24 bits of a series, which are a pair and, from here on, its timeframe."""
VOTES, EDGE, TRUST = (COLUMN[f"learner.0.{name}"] - COLUMN["learner.0.on"] for name in ("weight", "edge", "trust"))
_SCALE = 1e8  # of the eight decimals that a reflected level is rounded to
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


class Layout(NamedTuple):
    """Where the conditions of a row are.

    Attributes:
        blocks: `(n_blocks,)` first column of each.
        direction: column of the direction; negative if a row has one side only.
        gates: `(n_gates,)` columns of the gates, each a place in a table of conditions.
        learners: `(n_learners,)` first column of each learner.
    """

    blocks: Integers
    direction: int
    gates: Integers
    learners: Integers


class Operands(NamedTuple):
    """What compiled code knows of the catalogue; a pair is `kind * N_SOURCES + source`.

    Attributes:
        percent: `(n_pairs,)` whether levels are per cent of the close.
        turn: `(n_pairs,)` what a level and its reflection add up to.
        mirror: `(n_pairs,)` the pair that it is upside down.
        flips: `(n_pairs,)` whether its value turns round.
        learns: `(n_pairs,)` whether it is the output of a learner.
        gates: `(n_gates, n_choices, CONDITION_KEY)` the conditions that gates stand for; choice 0 is none.
        score, confidence: the pairs of a learner's outputs.
    """

    percent: NDArray[np.bool_]
    turn: Float64
    mirror: Integers
    flips: NDArray[np.bool_]
    learns: NDArray[np.bool_]
    gates: Words
    score: int
    confidence: int


def _layout(blocks: list[int], direction: int, gates: list[int], learners: list[int]) -> Layout:
    arrays = [np.array(columns, dtype=np.int64) for columns in (blocks, gates, learners)]
    for array in arrays:
        array.flags.writeable = False
    return Layout(arrays[0], direction, arrays[1], arrays[2])


STRATEGY: Final = _layout(
    [BLOCK_COLUMNS[block][0] for block in CONDITION_BLOCKS],
    COLUMN["risk.direction"],
    [COLUMN["gate.trend"], COLUMN["gate.volatility"]],
    [COLUMN[f"learner.{number}.on"] for number in range(N_LEARNERS)],
)
"""Phenotype rows: conditions of the entry, then of the exit, then gates, then score and confidence of each learner."""
CONDITION: Final = _layout([0], NONE, [], [])
"""Condition blocks by themselves."""


def n_places(layout: Layout) -> int:
    """How many masks a row may need on each side."""
    return int(layout.blocks.size + layout.gates.size + 2 * layout.learners.size)


@cache
def operands() -> Operands:
    """The catalogue as `Operands`, read-only."""
    table, turned = lookup(everything()), mirrors()
    kind, source = np.divmod(turned.pair, N_SOURCES)
    pairs = [divmod(pair, N_SOURCES) for pair in range(turned.pair.size)]
    assert turned.pair.size <= PAIR_BITS
    tables = Operands(
        percent=np.array([level_unit_of(*pair) == PERCENT_OF_CLOSE for pair in pairs]),
        turn=table.level_low + table.level_high,
        mirror=kind * N_SOURCES + np.where(table.takes_source[kind], source, CLOSE),
        flips=turned.flips,
        learns=np.repeat(table.is_learner, N_SOURCES),
        gates=gate_keys(),
        score=kind_index("LEARNER.score") * N_SOURCES + CLOSE,
        confidence=kind_index("LEARNER.confidence") * N_SOURCES + CLOSE,
    )
    for array in (tables.percent, tables.turn, tables.mirror, tables.flips, tables.learns, tables.gates):
        array.flags.writeable = False
    return tables


@_jit
def _series_nb(rows: Float64, i: int, first: int, n_pairs: int) -> int:
    """The pair and timeframe of the operand at column `first`, `UNREADABLE` if they or its lag are out of range."""
    kind, source, lag, timeframe = (
        rows[i, first],
        rows[i, first + _SOURCE],
        rows[i, first + _LAG],
        rows[i, first + _TIMEFRAME],
    )
    if not (0.0 <= source < N_SOURCES and 0.0 <= lag <= LEAD and kind >= 0.0 and kind * N_SOURCES < n_pairs):
        return UNREADABLE
    if not 0.0 <= timeframe <= MAX_TIMEFRAME:
        return UNREADABLE
    return int(kind) * N_SOURCES + int(source) | int(timeframe) << AT_TIMEFRAME


@_jit
def _digest_nb(rows: Float64, i: int, first: int, learners: Words, key: Words, at: int) -> bool:
    """Write the digest of the learner that the operand at column `first` reads to the words from `at`; if there is one.

    `learners (n, n_learners, 2)` are the digests of each row, 0 where there is no learner.
    """
    slot = rows[i, first + _FIRST]
    if not 0.0 <= slot < learners.shape[1]:
        return False
    key[at], key[at + 1], key[at + 2] = learners[i, int(slot), 0], learners[i, int(slot), 1], np.uint64(0)
    return key[at] != np.uint64(0) or key[at + 1] != np.uint64(0)


@_jit
def read_nb(rows: Float64, words: Words, i: int, first: int, tables: Operands, learners: Words, key: Words) -> bool:
    """Fill `key (CONDITION_KEY,)` with the condition block from column `first` of row `i`; whether it is one.

    `rows (n, width)` and `words` are the same numbers; `learners (n, n_learners, 2)` are digests.
    """
    n_pairs = tables.flips.size
    comparator, against = rows[i, first + _COMPARATOR], rows[i, first + _AGAINST] > 0.0
    left = _series_nb(rows, i, first + _LEFT, n_pairs)
    right = 0 if against else _series_nb(rows, i, first + _RIGHT, n_pairs)
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
    readable = True
    if tables.learns[left & PAIR_BITS]:  # a learner sees the bars themselves
        readable = left >> AT_TIMEFRAME == 0 and _digest_nb(rows, i, first + _LEFT, learners, key, LEFT_WORD)
    if not against and tables.learns[right & PAIR_BITS]:
        readable &= right >> AT_TIMEFRAME == 0 and _digest_nb(rows, i, first + _RIGHT, learners, key, RIGHT_WORD)
    return readable


@_jit
def vote_nb(pair: int, level: float, digest: Words, key: Words) -> None:
    """Fill `key (CONDITION_KEY,)`: the output `pair` of the learner with this digest `(2,)` is above a level."""
    key[:] = np.uint64(0)
    key[0] = np.uint64(1 << AT_AGAINST | pair << AT_LEFT)
    key[LEFT_WORD], key[LEFT_WORD + 1] = digest[0], digest[1]
    key.view(np.float64)[RIGHT_WORD] = level


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


def gate_keys() -> Words:
    """The keys `(n_gates, n_choices, CONDITION_KEY)` of `gate_conditions.gate_blocks`."""
    blocks = gate_blocks()
    keys = np.zeros((*blocks.shape[:2], CONDITION_KEY), dtype=np.uint64)
    for gate, choice in np.argwhere(blocks[..., ON] > 0.0):
        block, key = blocks[gate, choice], keys[gate, choice]
        left = int(block[_LEFT]) * N_SOURCES + int(block[_LEFT + _SOURCE])
        key[0] = int(block[_COMPARATOR]) | 1 << AT_AGAINST | left << AT_LEFT
        values = key.view(np.float64)
        values[LEFT_WORD : LEFT_WORD + MAX_PARAMETERS] = block[_LEFT + _FIRST : _LEFT + _FIRST + MAX_PARAMETERS]
        values[RIGHT_WORD] = block[_LEVEL]
    return keys
