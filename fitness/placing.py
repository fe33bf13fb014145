"""Phenotype rows to rows of the bank: which mask each condition is, which columns it reads, and its bits. Compiled."""

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.arena import NONE, Index, claim_nb, fetch_key_nb, fetch_slot_nb, find_nb, tag_nb
from fitness.bits import WORD_BITS, n_words
from fitness.conditions import (
    AT_AGAINST,
    AT_LEFT,
    AT_LEFT_LAG,
    AT_NEGATE,
    AT_RIGHT,
    AT_RIGHT_LAG,
    BOTH,
    COMPARATOR_BITS,
    CONDITION_KEY,
    EDGE,
    LAG_BITS,
    LEFT_WORD,
    ON,
    PAIR_BITS,
    RIGHT_WORD,
    SERIES_BITS,
    TRUST,
    UNREADABLE,
    VOTES,
    Layout,
    Operands,
    mirror_nb,
    read_nb,
    vote_nb,
)
from fitness.masks import condition_nb, split_nb, split_size
from strategies.lookup import MAX_PARAMETERS

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]
Integers = NDArray[np.int64]

_AT_A_TIME: Final = 192  # conditions: their keys take a quarter of the first cache
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


class Waiting(NamedTuple):
    """Conditions that have been read and are about to be looked up, a few strategies at a time.

    What a search reads is asked for before it begins, or each of them would wait for memory.

    Attributes:
        keys: `(n, CONDITION_KEY)`.
        tags: `(n,)`.
        places: `(n,)` where the answer belongs, in the flat array of places.
    """

    keys: Words
    tags: Integers
    places: Integers


class Units(NamedTuple):
    """What levels are counted in, and scratch.

    Attributes:
        ones: `(64,)`.
        nothing: `(0,)`.
        percent: the close over 100, with NaN up to a whole word.
        level: split row of 64 bars.
        tail: `(64,)` scratch of `split_nb`.
    """

    ones: Float64
    nothing: Float64
    percent: Float64
    level: Words
    tail: Float64


def units_of(close: Float64) -> Units:
    """The units of a shard with these closes `(n_bars,)`."""
    percent = np.full(n_words(close.size) * WORD_BITS, np.nan)
    percent[: close.size] = close / 100.0
    level = np.zeros(split_size(WORD_BITS), dtype=np.uint64)
    return Units(np.ones(WORD_BITS), np.empty(0), percent, level, np.empty(WORD_BITS))


def waiting_room() -> Waiting:
    """Scratch for `place_conditions_nb`."""
    integers = np.empty((2, _AT_A_TIME), dtype=np.int64)
    return Waiting(np.empty((_AT_A_TIME, CONDITION_KEY), dtype=np.uint64), integers[0], integers[1])


@_jit
def place_conditions_nb(
    index: Index, tables: Operands, layout: Layout, rows: Float64, words: Words, learners: Words, start: int,
    places: Integers, new: Integers, n_new: int, waiting: Waiting,
) -> tuple[int, int]:  # fmt: skip
    """Find the masks of the conditions of `rows (n, width)` from row `start` on, and of their gates and votes.

    Args:
        index: of the masks; conditions that it does not have are added to it.
        tables: the catalogue.
        layout: where the conditions are.
        rows: phenotypes, or blocks.
        words: the same numbers as words.
        learners: `(n, n_learners, 2)` digests of their learners.
        start: the first row that is looked up.
        places: `(n, 2, n_places)` is filled with rows of masks, `NONE` where there is no condition, or `UNREADABLE`:
            as written, and mirrored.
        new: takes the rows of masks that have to be filled, from place `n_new` on.
        n_new: rows in it so far.
        waiting: scratch.

    Returns:
        The first row whose masks do not all find room, or `n`; and how many rows there are in `new`.
    """
    n_each = 2 * places.shape[2]
    at_a_time = max(1, waiting.tags.size // n_each)
    for first in range(start, rows.shape[0], at_a_time):
        n = _read_all_nb(
            index, tables, layout, rows, words, learners, first, min(first + at_a_time, rows.shape[0]), places, waiting
        )
        for at in range(n):
            fetch_key_nb(index, waiting.tags[at])
        for at in range(n):
            place = find_nb(index, waiting.keys[at], waiting.tags[at])
            if place == NONE:
                place = claim_nb(index, waiting.keys[at], waiting.tags[at])
                if place == NONE:
                    return waiting.places[at] // n_each, n_new
                new[n_new] = place
                n_new += 1
            places.reshape(-1)[waiting.places[at]] = place
    return rows.shape[0], n_new


@_jit
def _read_all_nb(
    index: Index, tables: Operands, layout: Layout, rows: Float64, words: Words, learners: Words, start: int, stop: int,
    places: Integers, waiting: Waiting,
) -> int:  # fmt: skip
    """Read the conditions of the rows `start` to `stop` and ask for where they are to be found; returns how many."""
    n = 0
    n_blocks, n_gates = layout.blocks.size, layout.gates.size
    for i in range(start, stop):
        both = layout.direction >= 0 and rows[i, layout.direction] == BOTH
        places[i] = NONE
        for slot in range(n_blocks):
            first = layout.blocks[slot]
            if rows[i, first + ON] > 0.0:
                if read_nb(rows, words, i, first, tables, learners, waiting.keys[n]):
                    n = _ask_nb(index, tables, i, slot, both, places, waiting, n)
                else:
                    places[i, 0, slot] = UNREADABLE
        for gate in range(n_gates):
            choice = rows[i, layout.gates[gate]]
            if not choice > 0.0:
                continue
            if choice < tables.gates.shape[1]:
                for at in range(CONDITION_KEY):
                    waiting.keys[n, at] = tables.gates[gate, int(choice), at]
                n = _ask_nb(index, tables, i, n_blocks + gate, both, places, waiting, n)
            else:
                places[i, 0, n_blocks + gate] = UNREADABLE
        for learner in range(layout.learners.size):
            column, slot = layout.learners[learner], n_blocks + n_gates + 2 * learner
            if rows[i, column] > 0.0 and rows[i, column + VOTES] > 0.0:
                vote_nb(tables.score, rows[i, column + EDGE], learners[i, learner], waiting.keys[n])
                n = _ask_nb(index, tables, i, slot, True, places, waiting, n)
                if rows[i, column + TRUST] > 0.0:
                    vote_nb(tables.confidence, rows[i, column + TRUST], learners[i, learner], waiting.keys[n])
                    n = _ask_nb(index, tables, i, slot + 1, False, places, waiting, n)
    return n


@njit(inline="always")
def _ask_nb(
    index: Index, tables: Operands, i: int, slot: int, both: bool, places: Integers, waiting: Waiting, n: int
) -> int:
    """Ask for the condition of the key `n`, and for its mirror if `both`; returns how many keys there are then."""
    waiting.places[n] = (2 * i) * places.shape[2] + slot
    waiting.tags[n] = tag_nb(waiting.keys[n])
    fetch_slot_nb(index, waiting.tags[n])
    n += 1
    if both:
        for at in range(CONDITION_KEY):
            waiting.keys[n, at] = waiting.keys[n - 1, at]
        mirror_nb(waiting.keys[n], tables)
        waiting.places[n] = waiting.places[n - 1] + places.shape[2]
        waiting.tags[n] = tag_nb(waiting.keys[n])
        fetch_slot_nb(index, waiting.tags[n])
        n += 1
    return n


@_jit
def place_operands_nb(
    index: Index, conditions: Index, wanted: Integers, start: int,
    places: Integers, new: Integers, n_new: int, key: Words,
) -> tuple[int, int]:  # fmt: skip
    """Find the columns that the masks `wanted (n,)` are made of, from mask `start` on.

    Args:
        index: of the columns; operands that it does not have are added to it.
        conditions: index of the masks.
        wanted: rows of masks.
        start: the first of them that is looked up.
        places: `(n, 2)` is filled with rows of columns: left and right, `NONE` where none is read.
        new: takes the rows of columns that have to be filled, from place `n_new` on.
        n_new: rows in it so far.
        key: scratch `(OPERAND_KEY,)`.

    Returns:
        The first mask whose columns do not both find room, or `n`; and how many rows there are in `new`.
    """
    for at in range(start, wanted.size):
        condition = conditions.keys[wanted[at]]
        packed = np.int64(condition[0])
        places[at, 1] = NONE
        for side in range(2 - ((packed >> AT_AGAINST) & 1)):
            shift, first = (AT_LEFT, LEFT_WORD) if side == 0 else (AT_RIGHT, RIGHT_WORD)
            key[0] = np.uint64((packed >> shift) & SERIES_BITS)
            for slot in range(MAX_PARAMETERS):
                key[1 + slot] = condition[first + slot]
            tag = tag_nb(key)
            place = find_nb(index, key, tag)
            if place == NONE:
                place = claim_nb(index, key, tag)
                if place == NONE:
                    return at, n_new
                new[n_new] = place
                n_new += 1
            places[at, side] = place
    return wanted.size, n_new


@_jit
def fill_masks_nb(
    conditions: Index, columns_index: Index, tables: Operands, wanted: Integers, places: Integers,
    start: int, stop: int, columns: Words, units: Units, n_bars: int, first: int, last: int, masks: Words,
) -> None:  # fmt: skip
    """Fill the masks `wanted[start:stop]` from the columns at `places`; those that can't be computed are never true.

    Args:
        conditions: index of the masks.
        columns_index: index of the columns.
        tables: the catalogue.
        wanted: rows of masks `(n,)`.
        places: `(n, 2)`, see `place_operands_nb`.
        start: the first of them that is filled.
        stop: the first after it that is not.
        columns: split rows.
        units: what levels are counted in.
        n_bars: of the shard.
        first: the first word of a mask that is filled.
        last: the first after it that is not.
        masks: a packed mask a row; the wanted ones are filled.
    """
    keys = conditions.keys.view(np.float64)
    for at in range(start, stop):
        row, left, right = wanted[at], places[at, 0], places[at, 1]
        if columns_index.failed[left] or (right != NONE and columns_index.failed[right]):
            conditions.failed[row] = True
            masks[row] = np.uint64(0)
            continue
        packed = np.int64(conditions.keys[row, 0])
        y, lag_y, unit, level = units.level, 0, units.nothing, keys[row, RIGHT_WORD]
        if right != NONE:
            y, lag_y = columns[right], int((packed >> AT_RIGHT_LAG) & LAG_BITS)
        elif tables.percent[(packed >> AT_LEFT) & PAIR_BITS]:
            unit = units.percent
        else:
            split_nb(units.ones, level, units.tail, y)
        lag_x, comparator = int((packed >> AT_LEFT_LAG) & LAG_BITS), int(packed & COMPARATOR_BITS)
        negate = (packed >> AT_NEGATE) & 1 == 1
        condition_nb(
            columns[left], lag_x, y, lag_y, right == NONE, unit, level, comparator, negate,
            n_bars, first, last, masks[row],
        )  # fmt: skip
