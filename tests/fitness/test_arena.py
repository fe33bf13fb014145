"""The arena against a dictionary that forgets the least recently used, with tags made to collide."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.arena import NONE, Arena, claim_nb, find_nb, tag_nb

N_KEY = 2


def arena_of(n_rows):
    one = Arena(n_key=N_KEY, row_size=1, dtype=np.int64, byte_budget=0, at_least=1)
    return Arena(n_key=N_KEY, row_size=1, dtype=np.int64, byte_budget=n_rows * one.row_bytes, at_least=1)


def key_of(number):
    return np.array([number, 7 * number], dtype=np.uint64)


def ask(arena, number, tag):
    """The row of a key, and whether it was there; fills it as a bank would."""
    row = find_nb(arena.index, key_of(number), tag)
    if row != NONE:
        return row, True
    row = claim_nb(arena.index, key_of(number), tag)
    if row == NONE and arena.queue_up():
        row = claim_nb(arena.index, key_of(number), tag)
    if row != NONE:
        arena.rows[row, 0] = number
    return row, False


batches = st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=12), max_size=25)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 9), batches, st.sampled_from([1, 2, 3, 2**31 - 1]))
def test_an_arena_is_a_dictionary_that_forgets_the_least_recently_used(n_rows, asked, n_tags):
    arena, last_use, n_dropped = arena_of(n_rows), {}, 0
    for batch, numbers in enumerate(asked):
        arena.begin()
        for number in numbers:
            row, was_there = ask(arena, number, number * 2654435761 % n_tags)
            assert was_there == (number in last_use)
            if row == NONE:  # only when this batch uses every row
                assert len(last_use) == n_rows
                assert set(last_use.values()) == {batch}
                continue
            assert arena.rows[row, 0] == number
            if not was_there and len(last_use) == n_rows:
                oldest = min(last_use.values())
                assert oldest < batch
                gone = [other for other in last_use if find_nb_silently(arena, other, n_tags) == NONE]
                assert len(gone) == 1
                assert last_use[gone[0]] == oldest
                del last_use[gone[0]]
                n_dropped += 1
            last_use[number] = batch
    found = arena.statistics()
    assert found.n_rows == len(last_use)
    assert found.dropped == n_dropped
    assert found.made == n_dropped + found.n_rows
    assert found.n_bytes == found.n_rows * arena.row_bytes


def find_nb_silently(arena, number, n_tags):
    """As `find_nb`, without any trace in the arena."""
    counts, keys = arena.index.counts.copy(), arena.index.keys.copy()
    row = find_nb(arena.index, key_of(number), number * 2654435761 % n_tags)
    arena.index.counts[:], arena.index.keys[:] = counts, keys
    return row


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), batches)
def test_what_is_forgotten_is_made_again(n_rows, asked):
    arena = arena_of(n_rows)
    for numbers in asked:
        arena.begin()
        for number in numbers[:n_rows]:
            row, _ = ask(arena, number, 5)
            assert arena.rows[row, 0] == number
        arena.forget()
        assert arena.statistics().n_rows == 0
        assert all(find_nb(arena.index, key_of(number), 5) == NONE for number in numbers)


def test_a_row_that_failed_is_sound_when_it_is_given_out_again():
    arena = arena_of(1)
    arena.begin()
    row, _ = ask(arena, 1, 0)
    arena.index.failed[row] = True
    arena.begin()
    assert ask(arena, 1, 0) == (row, True)
    assert arena.index.failed[row]
    assert ask(arena, 2, 0)[0] == NONE  # the batch uses the only row
    arena.begin()
    assert ask(arena, 2, 0) == (row, False)
    assert not arena.index.failed[row]


@given(st.integers(0, 10**6), st.integers(1, 40))
def test_the_budget_holds_the_index_too_but_for_what_one_batch_needs(budget, at_least):
    arena = Arena(n_key=N_KEY, row_size=3, dtype=np.float64, byte_budget=budget, at_least=at_least)
    index_bytes = sum(array.nbytes for array in arena.index) - arena.index.counts.nbytes
    assert len(arena.rows) == max(at_least, budget // arena.row_bytes)
    assert arena.rows.nbytes + index_bytes <= max(budget, at_least * arena.row_bytes)
    assert arena.rows.ctypes.data % 64 == 0


def test_tags_of_small_numbers_are_spread():
    kinds, periods = np.meshgrid(np.arange(200.0), np.arange(2.0, 102.0))
    keys = np.stack([kinds.reshape(-1), periods.reshape(-1)], axis=1).view(np.uint64)
    tags = np.array([tag_nb(key) for key in keys])
    assert ((tags >= 0) & (tags < 2**31)).all()
    assert len(np.unique(tags)) > 0.999 * len(keys)
    slots, filled = 2**16, np.zeros(2**16, dtype=bool)
    filled[tags % slots] = True
    assert filled.sum() > 0.95 * slots * -np.expm1(-len(keys) / slots)  # as many as by chance


def test_a_key_has_at_most_eight_words():
    with pytest.raises(AssertionError):
        Arena(n_key=9, row_size=1, dtype=np.int64, byte_budget=0, at_least=1)
