import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolution.advance import found
from evolution.population import ABSENT, Merits, enter, find, state_from_bytes, state_to_bytes
from strategies.errors import JournalError


def merits(keys, values):
    n = len(keys)
    table = np.array(keys, dtype=np.uint64).reshape(n, 2)
    return Merits(table, np.array(values, dtype=float).reshape(n, 1), np.zeros(n, dtype=np.int16), np.zeros((n, 0)))


# Few different words, so that the first words of different keys collide.
KEYS = st.lists(st.tuples(st.sampled_from([0, 1, 2**63, 2**64 - 1]), st.sampled_from([0, 1, 2**64 - 1])), max_size=12)


@given(KEYS, KEYS, KEYS)
def test_the_register_is_a_dict_that_keeps_what_it_knew(first, second, asked):
    reference = {}
    for value, key in enumerate(first + second):
        reference.setdefault(key, value)
    empty = merits([], [])
    known = enter(
        enter(empty, merits(first, range(len(first)))), merits(second, range(len(first), len(first + second)))
    )
    assert [tuple(key) for key in known.keys.tolist()] == sorted(reference)
    rows = find(known.keys, merits(asked, range(len(asked))).keys)
    for key, row in zip(asked, rows.tolist(), strict=True):
        assert (row == ABSENT) == (key not in reference)
        if row != ABSENT:
            assert known.objectives[row, 0] == reference[key]


def test_states_come_back_equal_from_bytes_and_from_pickle(toy, small):
    state = found(1, 0, small, toy()).state
    data = state_to_bytes(state)
    assert state_from_bytes(data) == state
    assert state_to_bytes(state_from_bytes(data)) == data
    assert pickle.loads(pickle.dumps(state)) == state  # as Ray carries it; never as data at rest
    assert hash(state) == hash(state_from_bytes(data))
    assert state != dataclasses.replace(state, generation=1)
    assert state != dataclasses.replace(state, objectives=state.objectives + 1.0)


def test_register_and_population_agree(toy, small):
    state = found(1, 0, small, toy()).state
    rows = find(state.known_keys, state.keys)
    np.testing.assert_array_equal(state.known.objectives[rows], state.objectives)
    np.testing.assert_array_equal(state.known.reasons[rows], state.reasons)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_states_are_refused(toy, small, data):
    whole = state_to_bytes(found(1, 0, small, toy()).state)
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    for damaged in (bytes(flipped), whole[: data.draw(st.integers(0, len(whole) - 1))], whole + b"x"):
        with pytest.raises(JournalError, match="The state bytes must"):
            state_from_bytes(damaged)
