import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evolution.checksum import LANES, checksum

WORDS = hnp.arrays(np.uint64, st.integers(0, 60))


def slow(words):
    lanes = list(range(LANES))
    for at, word in enumerate(words.tolist()):
        mixed = lanes[at % LANES] ^ word
        lanes[at % LANES] = (mixed << 29 | mixed >> 35) * 0x9E3779B97F4A7C15 % 2**64
    return b"".join(lane.to_bytes(8, "little") for lane in lanes)


@given(WORDS)
@settings(deadline=None)
def test_it_equals_the_definition(words):
    assert checksum([words]) == slow(words)


@given(WORDS, st.lists(st.integers(0, 60), max_size=4).map(sorted))
@settings(deadline=None)
def test_parts_are_as_the_whole(words, cuts):
    assert checksum(np.split(words, cuts)) == checksum([words])


@given(st.binary(min_size=8, max_size=400), st.integers(0, 7))
@settings(deadline=None)
def test_it_does_not_matter_where_the_words_lie(data, shift):
    whole = np.frombuffer(data[: len(data) - len(data) % 8], dtype="<u8")
    elsewhere = np.frombuffer(bytes(shift) + data, dtype="<u8", count=len(whole), offset=shift)
    assert checksum([elsewhere]) == checksum([whole])


@given(WORDS.filter(len), st.data())
@settings(max_examples=200, deadline=None)
def test_any_change_of_one_word_and_any_swap_of_two_is_found(words, data):
    at, other = (data.draw(st.integers(0, len(words) - 1)) for _ in range(2))
    changed = words.copy()
    changed[at] ^= np.uint64(data.draw(st.integers(1, 2**64 - 1)))
    assert checksum([changed]) != checksum([words])
    swapped = words.copy()
    swapped[[at, other]] = words[[other, at]]
    assert (checksum([swapped]) == checksum([words])) == (words[at] == words[other])
