import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evolution.key_sets import ABSENT, find, inserted, newcomers, repeated

# Few different words, so that the first words of different keys collide, and so do their places in a table.
KEY = st.tuples(st.sampled_from([0, 1, 8, 2**63, 2**64 - 1]), st.sampled_from([0, 1, 2**64 - 1]))
KEYS = st.lists(KEY, max_size=20)


def table(keys):
    return np.array(keys, dtype=np.uint64).reshape(-1, 2)


@given(KEYS)
@settings(deadline=None)
def test_a_key_repeats_if_it_stood_before(keys):
    assert repeated(table(keys)).tolist() == [key in keys[:at] for at, key in enumerate(keys)]


@given(st.sets(KEY), KEYS)
@settings(deadline=None)
def test_find_is_a_search_from_the_start(known, keys):
    ascending = sorted(known)
    wanted = [ascending.index(key) if key in known else ABSENT for key in keys]
    assert find(table(ascending), table(keys)).tolist() == wanted


@given(st.sets(KEY), KEYS)
@settings(deadline=None)
def test_newcomers_are_the_first_of_each_unknown_key_and_belong_where_they_keep_the_order(known, keys):
    rows, places = newcomers(table(sorted(known)), table(keys))
    fresh = sorted(set(keys) - known)
    assert [keys[row] for row in rows] == fresh
    assert rows.tolist() == [keys.index(key) for key in fresh]
    assert list(map(tuple, inserted(table(sorted(known)), places, table(fresh)).tolist())) == sorted({*known, *keys})


@given(
    st.sampled_from([np.int16, np.float64, np.uint64]),
    st.sampled_from([(), (0,), (1,), (3,)]),
    st.lists(st.integers(0, 7), max_size=5).map(sorted),
    st.data(),
)
@settings(deadline=None)
def test_inserted_is_numpys_insert(dtype, shape, places, data):
    def rows(n):
        return data.draw(hnp.arrays(dtype, (n, *shape)))

    old, added, at = rows(7), rows(len(places)), np.array(places, dtype=np.int64)
    given_bytes = old.tobytes()
    result = inserted(old, at, added)
    assert (result.dtype, result.shape) == (old.dtype, (7 + len(places), *shape))
    assert result.tobytes() == np.insert(old, at, added, axis=0).tobytes()
    assert inserted(old[::-1], at, added).tobytes() == np.insert(old[::-1], at, added, axis=0).tobytes()
    assert old.tobytes() == given_bytes
