import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolution.advance import advance, found
from evolution.islands import emigrants
from evolution.pedigree import (
    CROSSOVER,
    FOUNDER,
    MIGRANT,
    MUTATION,
    NEWCOMER,
    OPERATORS,
    birth_ids,
    births_columns,
    births_from_bytes,
    births_to_bytes,
    check_closed,
    concat,
    generation_of,
    index_of,
    island_of,
)
from evolution.population import state_from_bytes
from fitness.objectives import REASONS
from strategies.errors import JournalError
from strategies.species import SPECIES, TA, species_of


@pytest.fixture
def births(toy, small):
    """Two islands and migrants, and newcomers: nobody that learns is feasible."""

    def evaluate(phenotypes):
        given = toy()(phenotypes)
        given.reasons[species_of(phenotypes) != TA] = 3
        return given

    here, there = (found(9, island, small, evaluate) for island in (0, 1))
    later = advance(here.state, evaluate, small, 2, [emigrants(there.state, 2)])
    return concat([here.births, there.births, later.births])


@given(st.integers(0, 2**23 - 1), st.integers(0, 2**20 - 1), st.integers(0, 2**20 - 1))
def test_a_birth_id_names_island_generation_and_index(island, generation, index):
    ids = birth_ids(island, generation, np.array([index]))
    assert ids[0] == island << 40 | generation << 20 | index
    assert (island_of(ids)[0], generation_of(ids)[0], index_of(ids)[0]) == (island, generation, index)


def test_bytes_come_back_equal_and_any_damage_is_found(births):
    data = births_to_bytes(births)
    assert births_from_bytes(data) == births
    assert births_to_bytes(births_from_bytes(data)) == data
    assert births != dataclasses.replace(births, family=births.family + 1)
    assert births != "births"
    with pytest.raises(JournalError, match="must be of kind 'state', but were of kind 'births'"):
        state_from_bytes(data)


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_births_are_refused(births, data):
    whole = births_to_bytes(births)
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    for damaged in (bytes(flipped), whole[: data.draw(st.integers(0, len(whole) - 1))]):
        with pytest.raises(JournalError, match="The births bytes must"):
            births_from_bytes(damaged)


def test_a_true_pedigree_is_closed_whatever_the_order_of_rows(births):
    check_closed(births)
    check_closed(births.take(np.random.default_rng(0).permutation(len(births))))
    check_closed(births.take(np.zeros(0, dtype=np.int64)))


def a_row(births, operator):
    return int(np.flatnonzero(births.operator == operator)[-1])


@pytest.mark.parametrize(
    ("operator", "column", "change", "text"),
    [
        (FOUNDER, "birth_id", lambda b, row: b.birth_id[row - 1], "must have an id of its own"),
        (FOUNDER, "island", lambda b, row: b.island[row] + 1, "must name its island in its id"),
        (FOUNDER, "generation", lambda b, row: 5, "must name its generation in its id"),
        (FOUNDER, "operator", lambda b, row: 9, "must have one of 9 operators"),
        (FOUNDER, "operator", lambda b, row: NEWCOMER, "must be a founder in generation 0 and only there"),
        (NEWCOMER, "operator", lambda b, row: FOUNDER, "must be a founder in generation 0 and only there"),
        (NEWCOMER, "family", lambda b, row: 0, "must found its own family"),
        (FOUNDER, "species", lambda b, row: 3, "must be of one of 3 species, but `species` was 3"),
        (FOUNDER, "operator", lambda b, row: MUTATION, "must have the parents of its operator"),
        (FOUNDER, "family", lambda b, row: 0, "must found its own family"),
        (CROSSOVER, "parent_b", lambda b, row: -1, "must have the parents of its operator, but `parent_b` was -1"),
        (CROSSOVER, "parent_b", lambda b, row: 2**50, "must have parents that were born"),
        (CROSSOVER, "parent_a", lambda b, row: b.birth_id[row], "must be born after its parents"),
        (CROSSOVER, "parent_a", lambda b, row: b.birth_id.max(), "must come from another island if a migrant"),
        (CROSSOVER, "family", lambda b, row: b.family[row] + 1, "must belong to its first parent's family"),
        (MIGRANT, "parent_a", lambda b, row: b.birth_id[row] - 1, "must come from another island if a migrant"),
        (MIGRANT, "evaluated", lambda b, row: True, "must bring its fitness along"),
        (MIGRANT, "key", lambda b, row: b.key[row] + np.uint64(1), "must be the strategy that left"),
        (MIGRANT, "species", lambda b, row: (b.species[row] + 1) % 3, "must be of the species that left"),
    ],
)
def test_each_break_in_the_pedigree_is_named(births, operator, column, change, text):
    row = a_row(births, operator)
    values = getattr(births, column).copy()
    values[row] = change(births, row)
    with pytest.raises(JournalError, match=text):
        check_closed(dataclasses.replace(births, **{column: values}))


def test_a_lost_birth_and_a_cycle_are_found(births):
    parent = births.parent_a[a_row(births, CROSSOVER)]
    with pytest.raises(JournalError, match=f"must have parents that were born, but `parent_[ab]` was {parent}"):
        check_closed(births.take(births.birth_id != parent))
    a, b = np.flatnonzero(births.operator == CROSSOVER)[:2]
    parents = births.parent_a.copy()
    parents[a], parents[b] = births.birth_id[b], births.birth_id[a]
    with pytest.raises(JournalError, match="must be born after its parents"):
        check_closed(dataclasses.replace(births, parent_a=parents))


def test_columns_are_a_table_with_names_in_words(births):
    table = births_columns(births, objectives=["sharpe", "drawdown"], measures=["x", "y", "z"])
    assert {len(column) for column in table.values()} == {len(births)}
    assert table["operator"].tolist() == [OPERATORS[code] for code in births.operator]
    assert table["species"].tolist() == [SPECIES[code] for code in births.species]
    assert table["reason"].tolist() == [REASONS[code] for code in births.reason]
    assert table["key"][0] == f"{births.key[0, 0]:016x}{births.key[0, 1]:016x}"
    np.testing.assert_array_equal(table["objective.drawdown"], births.objectives[:, 1])
    np.testing.assert_array_equal(table["measure.z"], births.measures[:, 2])
    assert {"objective.0", "measure.2"} <= set(births_columns(births))
