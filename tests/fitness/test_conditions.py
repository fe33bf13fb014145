"""Keys of conditions: equal when the conditions are, and turned upside down as `mirrors.mirror` does it."""

import numpy as np
import pytest

from fitness.conditions import CONDITION_KEY, STRATEGY, mirror_nb, operands, read_nb
from strategies.codec import express
from strategies.genes import BLOCK_COLUMNS, CONDITION_BLOCKS, FIELD
from strategies.mirrors import mirror
from strategies.sampler import random_genomes


def blocks_of(rows):
    blocks = np.concatenate([rows[:, BLOCK_COLUMNS[block]] for block in CONDITION_BLOCKS])
    return np.ascontiguousarray(blocks[blocks[:, FIELD["on"]] > 0])


def key_of(block):
    """The key of a condition block, or None where it is none."""
    key = np.full(CONDITION_KEY, 0xDEAD, dtype=np.uint64)
    row = np.ascontiguousarray(block)[None]
    found = read_nb(row, row.view(np.uint64), 0, 0, operands().flips.size, key)
    return key if found else None


@pytest.fixture(scope="module")
def rows():
    return express(random_genomes(400, np.random.default_rng(3)))


def test_keys_are_equal_exactly_when_conditions_are(rows):
    blocks = np.unique(blocks_of(rows), axis=0)
    one_field = np.repeat(blocks[:40], blocks.shape[1], axis=0)  # each field changed by itself
    for at, block in enumerate(one_field):
        field = at % blocks.shape[1]
        block[field] = 1.0 - block[field] if block[field] in (0.0, 1.0) else block[field] - 1.0
    blocks = np.unique(np.concatenate([blocks, one_field]), axis=0)
    read = [(block, key_of(block)) for block in blocks]
    meaning = {(*says(block),) for block, key in read if key is not None}
    assert len({key.tobytes() for _, key in read if key is not None}) == len(meaning)
    for block, key in read[::50]:
        again = key_of(block.copy())
        assert (key is None) == (again is None)
        assert key is None or np.array_equal(key, again)


def says(block):
    """What of a block means something: not the level of one that compares operands, nor its right side otherwise."""
    values = block.copy()
    values[FIELD["on"]] = 1.0
    if values[FIELD["against"]]:
        values[FIELD["right.kind"] : FIELD["right.lag"] + 1] = 0.0
    else:
        values[FIELD["level"]] = 0.0
    return values


def test_a_key_turns_upside_down_as_the_rule_does(rows):
    blocks, turned = blocks_of(rows), blocks_of(mirror(rows))
    assert len(blocks) > 1000
    n_changed = 0
    for block, upside_down in zip(blocks, turned, strict=True):
        key = key_of(block)
        n_changed += not np.array_equal(key, key_of(upside_down))
        mirror_nb(key, operands())
        assert np.array_equal(key, key_of(upside_down)), (block, upside_down)
    assert n_changed > 0.5 * len(blocks)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("left.kind", (-1.0, 10**6, np.nan, np.inf)),
        ("left.source", (-1.0, 5.0, np.nan)),
        ("left.lag", (-1.0, 33.0, np.nan)),
        ("right.kind", (-1.0, 10**6, np.nan)),
        ("right.lag", (-1.0, 33.0)),
        ("comparator", (-1.0, 4.0, np.nan)),
    ],
)
def test_what_is_no_condition_has_no_key(rows, field, values):
    blocks = blocks_of(rows)
    block = blocks[blocks[:, FIELD["against"]] == 0][0]
    assert key_of(block) is not None
    for value in values:
        wrong = block.copy()
        wrong[FIELD[field]] = value
        assert key_of(wrong) is None


def test_a_strategy_has_its_blocks_where_the_gene_table_has_them():
    assert [tuple(range(first, first + len(FIELD))) for first in STRATEGY.blocks] == [
        BLOCK_COLUMNS[block] for block in CONDITION_BLOCKS
    ]
