"""Keys of conditions: equal when the conditions are, and turned upside down as `mirrors.mirror` does it."""

import numpy as np
import pytest

from fitness.conditions import CONDITION_KEY, STRATEGY, gate_keys, mirror_nb, operands, read_nb, vote_nb
from fitness.gate_conditions import GATES, defaults
from strategies.codec import express
from strategies.encoding import phenotype_of
from strategies.genes import (
    BLOCK_COLUMNS,
    COLUMN,
    CONDITION_BLOCKS,
    FIELD,
    GATE_TRENDS,
    GATE_VOLATILITIES,
    N_GENES,
)
from strategies.mirrors import mirror
from strategies.sampler import random_genomes
from strategies.strategy import Condition, Distance, Learner, Operand, Rule, Strategy

READER = Strategy(
    "long",
    Rule((Condition(Operand("LEARNER.score", None, (0.0,)), ">", level=0.3),), 1),
    Rule(),
    Distance("atr", 2.0),
    learners=(Learner("logistic", "direction", 5, (0.01, 0.01), (Operand("RSI", "close", (14.0,)),)),),
)


DIGESTS = np.array([[[11, 12], [21, 22]]], dtype=np.uint64)  # of the learners of the only row


def blocks_of(rows):
    blocks = np.concatenate([rows[:, BLOCK_COLUMNS[block]] for block in CONDITION_BLOCKS])
    return np.ascontiguousarray(blocks[blocks[:, FIELD["on"]] > 0])


def key_of(block):
    """The key of a condition block, or None where it is none."""
    key = np.full(CONDITION_KEY, 0xDEAD, dtype=np.uint64)
    row = np.ascontiguousarray(block)[None]
    found = read_nb(row, row.view(np.uint64), 0, 0, operands(), DIGESTS, key)
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
    values[FIELD["on"]] = values[FIELD["weight"]] = 1.0
    if values[FIELD["against"]]:
        values[FIELD["right.kind"] : FIELD["right.timeframe"] + 1] = 0.0
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
        ("left.timeframe", (-1.0, 3.0, np.nan)),
        ("right.kind", (-1.0, 10**6, np.nan)),
        ("right.lag", (-1.0, 33.0)),
        ("right.timeframe", (-1.0, 3.0)),
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


def test_a_learner_is_known_by_its_digest_whatever_its_slot():
    block = phenotype_of(READER)[list(BLOCK_COLUMNS["entry.0"])]
    in_slot_0, in_slot_1 = block.copy(), block.copy()
    in_slot_1[FIELD["left.p0"]] = 1.0
    first, second = key_of(in_slot_0), key_of(in_slot_1)
    assert first[1:4].tolist() == [11, 12, 0]
    assert second[1:4].tolist() == [21, 22, 0]
    assert np.array_equal(np.delete(first, [1, 2, 3]), np.delete(second, [1, 2, 3]))
    in_slot_1[FIELD["left.p0"]] = 2.0
    assert key_of(in_slot_1) is None  # there is no third
    vote = np.empty(CONDITION_KEY, dtype=np.uint64)
    vote_nb(operands().score, 0.3, DIGESTS[0, 0], vote)
    assert np.array_equal(vote, first)
    mirror_nb(vote, operands())
    assert vote[-3:-2].view(np.float64) == -0.3  # for the other side


def test_gates_are_the_conditions_of_their_names():
    keys = gate_keys()
    for gate, choices in enumerate((GATE_TRENDS, GATE_VOLATILITIES)):
        for place, name in enumerate(choices[1:], start=1):
            kind, comparator, level = GATES[name]
            condition = Condition(Operand(kind, None, defaults(kind)), comparator, level=level)
            strategy = Strategy("long", Rule((condition,), 1), Rule(), Distance("atr", 2.0))
            block = phenotype_of(strategy)[list(BLOCK_COLUMNS["entry.0"])]
            assert np.array_equal(keys[gate, place], key_of(block))
    assert not keys[:, 0].any()


def test_a_gate_turns_upside_down_as_its_name_does():
    names = dict(zip(GATE_TRENDS, gate_keys()[0], strict=True))
    turned = {"bull": "bear", "bear": "bull", "not bull": "not bear", "not bear": "not bull"}
    for name in GATE_TRENDS[1:]:
        key = names[name].copy()
        mirror_nb(key, operands())
        assert np.array_equal(key, names[turned.get(name, name)])
    rows = np.zeros((len(GATE_TRENDS), N_GENES))
    rows[:, COLUMN["gate.trend"]] = range(len(GATE_TRENDS))
    assert [GATE_TRENDS[int(code)] for code in mirror(rows)[:, COLUMN["gate.trend"]]] == [
        turned.get(name, name) for name in GATE_TRENDS
    ]


def test_a_strategy_has_its_blocks_where_the_gene_table_has_them():
    assert [tuple(range(first, first + len(FIELD))) for first in STRATEGY.blocks] == [
        BLOCK_COLUMNS[block] for block in CONDITION_BLOCKS
    ]
