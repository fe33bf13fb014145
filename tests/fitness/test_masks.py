"""Packed condition masks against the obvious loop over bars."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.bits import n_words, pack, unpack
from fitness.masks import at_least_nb, condition_nb, split_nb, split_size

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


UNTOUCHED = 0xDEADBEEF


def split(column, factor=1.0):
    out = np.full(split_size(len(column)), UNTOUCHED, dtype=np.uint64)
    column = np.array(column, dtype=np.float64)
    column.flags.writeable = False
    split_nb(column, factor, np.empty(64), out)
    return out


def packed_truth(x, lag_x, y, lag_y, factor, comparator, negate, words=None, in_units=False):
    """`y` is a column, or a level times `factor`, or with `in_units` what the level `factor` is counted in."""
    first, stop = words or (0, n_words(len(x)))
    out = np.full(n_words(len(x)), UNTOUCHED, dtype=np.uint64)
    unit = np.concatenate([y, np.full(-len(y) % 64, np.nan)]) if in_units else np.empty(0)
    is_level = in_units or np.ndim(y) == 0
    right = split(np.full(64, 9.0 if in_units else y), factor) if is_level else split(y, factor)
    how = (is_level, unit, factor, COMPARATORS.index(comparator), negate)
    condition_nb(split(x), lag_x, right, lag_y, *how, len(x), first, stop, out)
    assert (np.delete(out, slice(first, stop)) == UNTOUCHED).all()
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
@given(cases(), st.floats(-2.5, 2.5))
def test_a_constant_is_a_column_that_never_moves(case, level):
    x, lag_x, _, _, factor, *rest = case
    everywhere = np.full(len(x), level)
    assert np.array_equal(
        packed_truth(x, lag_x, level, 0, factor, *rest), pack(plain_truth(x, lag_x, everywhere, 0, factor, *rest))
    )


@settings(max_examples=100, deadline=None)
@given(cases())
def test_a_level_may_be_counted_in_what_moves(case):
    x, lag_x, y, _, *rest = case
    expected = pack(plain_truth(x, lag_x, y, 0, *rest))
    assert np.array_equal(packed_truth(x, lag_x, y, 0, *rest, in_units=True), expected)


@settings(max_examples=200, deadline=None)
@given(cases(), st.data())
def test_some_words_are_those_of_the_whole(case, data):
    whole = packed_truth(*case)
    first = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(first, len(whole)))
    assert np.array_equal(packed_truth(*case, words=(first, stop))[first:stop], whole[first:stop])


any_float = st.one_of(
    st.floats(), st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.0, np.nextafter(1.0, 2.0)])
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(any_float, any_float), min_size=1, max_size=80), any_float, st.booleans())
def test_all_doubles_are_ordered_as_they_are(pairs, factor, negate):
    x, y = (np.array(side) for side in zip(*pairs, strict=True))
    with np.errstate(all="ignore"):
        for comparator in COMPARATORS:
            case = (x, 0, y, 0, factor, comparator, negate)
            assert np.array_equal(packed_truth(*case), pack(plain_truth(*case)))


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-300, 1e300), st.sampled_from([1.0, -1.0]), st.integers(0, 31), st.integers(0, 10**6))
def test_neighbours_are_told_apart(size, sign, n_bits, seed):
    rng = np.random.default_rng(seed)
    value = np.array([sign * size]).view(np.int64)
    near, other = (value + rng.integers(-(2**n_bits), 2**n_bits + 1, (2, 141))).view(np.float64)
    for y in (np.full(near.size, sign * size), other):
        for comparator in COMPARATORS:
            case = (near, 0, y, 0, 1.0, comparator, bool(seed % 2))
            assert np.array_equal(packed_truth(*case), pack(plain_truth(*case)))


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


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(-1, 6), st.sampled_from([1, 64, 65, 150]))
def test_at_least_k_of_n_equals_counting(seed, n_masks, needed, n_bars):
    rng = np.random.default_rng(seed)
    truth = rng.random((9, n_bars)) < 0.5
    chosen = rng.integers(0, 9, n_masks)
    slots = [*chosen, *[chosen[0]] * (4 - n_masks)]
    first, stop = sorted(rng.integers(0, n_words(n_bars) + 1, 2))
    out = np.full(n_words(n_bars), UNTOUCHED, dtype=np.uint64)
    at_least_nb(pack(truth), *slots, n_masks, float(needed), first, stop, out)
    count = truth[chosen].sum(axis=0)
    expected = pack((count >= needed) & (1 <= needed <= n_masks))
    assert np.array_equal(out[first:stop], expected[first:stop])
    assert (np.delete(out, slice(first, stop)) == UNTOUCHED).all()
