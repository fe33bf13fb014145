"""Packed condition masks against the obvious loop over bars."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.bits import n_words, pack, unpack
from fitness.masks import combine_nb, condition_nb

COMPARATORS = (">", "<", "crosses above", "crosses below")


def at(column, bar):
    return float(column[bar]) if bar >= 0 else math.nan


def plain_truth(x, lag_x, y, lag_y, factor, comparator, negate):
    """The rule as it is written down, a bar at a time."""
    truth = []
    for t in range(len(x)):
        now = at(x, t - lag_x), factor * at(y, t - lag_y)
        before = at(x, t - 1 - lag_x), factor * at(y, t - 1 - lag_y)
        needed = now if comparator in (">", "<") else now + before
        says = {
            ">": now[0] > now[1],
            "<": now[0] < now[1],
            "crosses above": now[0] > now[1] and before[0] <= before[1],
            "crosses below": now[0] < now[1] and before[0] >= before[1],
        }[comparator]
        known = not any(math.isnan(value) for value in needed)
        truth.append(known and (not says if negate else says))
    return np.array(truth, dtype=bool)


def packed_truth(x, lag_x, y, lag_y, factor, comparator, negate):
    out = np.full(n_words(len(x)), 0xDEADBEEF, dtype=np.uint64)
    frozen = [np.array(column, dtype=np.float64) for column in (x, y)]
    for column in frozen:
        column.flags.writeable = False
    condition_nb(frozen[0], lag_x, frozen[1], lag_y, factor, COMPARATORS.index(comparator), negate, out)
    return out


@st.composite
def cases(draw):
    n_bars = draw(st.sampled_from([1, 2, 5, 63, 64, 65, 128, 200, 331]))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    x, y = rng.integers(-2, 3, (2, n_bars)).astype(np.float64)  # many ties and crossings
    for column in (x, y):
        column[: draw(st.integers(0, 70))] = np.nan
        column[rng.random(n_bars) < draw(st.sampled_from([0.0, 0.05, 0.5]))] = np.nan
    lags = draw(st.tuples(st.integers(0, 21), st.integers(0, 21)))
    factor = draw(st.sampled_from([1.0, -1.0, 0.5, 0.0]))
    return x, lags[0], y, lags[1], factor, draw(st.sampled_from(COMPARATORS)), draw(st.booleans())


@settings(max_examples=300, deadline=None)
@given(cases())
def test_a_packed_condition_equals_the_plain_rule(case):
    words = packed_truth(*case)
    assert np.array_equal(words, pack(plain_truth(*case)))  # pack leaves what lies beyond the last bar at 0


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(0, 10**6))
def test_a_bit_depends_on_nothing_after_its_bar(case, seed):
    rng = np.random.default_rng(seed)
    x, lag_x, y, lag_y, *rest = case
    now = int(rng.integers(0, len(x)))
    later_x, later_y = x.copy(), y.copy()
    later_x[now + 1 :] = rng.normal(size=len(x) - now - 1)
    later_y[now + 1 :] = np.nan
    before = unpack(packed_truth(x, lag_x, y, lag_y, *rest), len(x))
    after = unpack(packed_truth(later_x, lag_x, later_y, lag_y, *rest), len(x))
    assert np.array_equal(before[: now + 1], after[: now + 1])


def test_negation_is_false_where_a_value_is_missing():
    x, y = np.array([np.nan, 1.0, 2.0, np.nan]), np.array([1.0, 1.0, 1.0, 1.0])
    assert unpack(packed_truth(x, 0, y, 0, 1.0, ">", False), 4).tolist() == [False, False, True, False]
    assert unpack(packed_truth(x, 0, y, 0, 1.0, ">", True), 4).tolist() == [False, True, False, False]
    assert unpack(packed_truth(x, 0, y, 0, 1.0, "crosses above", True), 4).tolist() == [False] * 4


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7), st.sampled_from([1, 64, 65, 150]))
def test_at_least_k_of_n_equals_counting(seed, n_slots, n_bars):
    rng = np.random.default_rng(seed)
    truth = rng.random((9, n_bars)) < 0.5
    chosen = rng.integers(-1, 9, (6, n_slots))
    needed = rng.integers(0, 8, 6)
    out = np.empty((6, n_words(n_bars)), dtype=np.uint64)
    combine_nb(pack(truth), chosen, needed, out)
    for row in range(6):
        count = sum(truth[slot].astype(int) for slot in chosen[row] if slot >= 0) + np.zeros(n_bars, dtype=int)
        expected = (count >= needed[row]) & (needed[row] > 0)
        assert np.array_equal(out[row], pack(expected))
