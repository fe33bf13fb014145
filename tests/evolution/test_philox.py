import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from evolution.philox import four_nb, uniforms, words

WORD = st.integers(0, 2**40)


def numpys(key, n, *, index, attempt=0, part=0):
    counter = part << 192 | attempt << 128 | index << 64
    return np.random.Generator(np.random.Philox(key=key, counter=counter)).random(n).tolist()


@given(key=st.integers(0, 2**128 - 1), index=WORD, attempt=WORD, part=WORD, block=st.integers(0, 50))
@settings(max_examples=200, deadline=None)
def test_every_number_is_numpys(key, index, attempt, part, block):
    wanted = numpys(key, 4 * block + 4, index=index, attempt=attempt, part=part)[-4:]
    assert list(four_nb(words(key), block, index, attempt, part)) == wanted


@given(key=st.integers(0, 2**128 - 1), streams=st.lists(st.tuples(WORD, WORD), max_size=5), n=st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_rows_are_streams_of_numpy_each_as_if_it_were_alone(key, streams, n):
    indices, parts = (np.array([pair[at] for pair in streams], dtype=np.int64) for at in (0, 1))
    rows = uniforms(key, n, indices=indices, parts=parts)
    assert rows.shape == (len(streams), n)
    assert rows.tolist() == [numpys(key, n, index=index, part=part) for index, part in streams]
    assert uniforms(key, n, indices=indices).tolist() == [numpys(key, n, index=index) for index, _ in streams]
