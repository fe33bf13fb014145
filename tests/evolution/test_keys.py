import re

import numpy as np
import pytest

from evolution.keys import MAX_GENERATION, MAX_ISLANDS, MAX_SEED, Place, Purpose
from strategies.errors import ConfigError


def test_scheme_is_frozen():
    # A change here would make every journal ever written unrepeatable.
    assert Place(1, 2, 3).key(Purpose.VARIATION, index=4, attempt=5) == 0x303693886B7F4EF84426F04747A639DC
    assert Place(1, 2, 3).generator(Purpose.FOUNDERS).integers(0, 1000, 4).tolist() == [333, 188, 401, 104]


def test_every_part_of_the_key_matters():
    keys = [
        Place(s, i, g).key(p, index=n, attempt=a)
        for s in (0, 1)
        for i in (0, 1)
        for g in (0, 1)
        for p in Purpose
        for n in (0, 1)
        for a in (0, 1)
    ]
    assert len(set(keys)) == 2**5 * len(Purpose)


def test_same_place_and_purpose_draw_the_same_numbers():
    draws = [Place(7, 1, 9).generator(Purpose.MATERIAL).random(5) for _ in range(2)]
    np.testing.assert_array_equal(*draws)
    assert isinstance(Place(7, 1, 9).generator(Purpose.MATERIAL).bit_generator, np.random.Philox)


def test_keys_fill_128_bits():
    keys = [Place(0, 0, 0).key(Purpose.VARIATION, index=n) for n in range(200)]
    assert all(0 <= key < 2**128 for key in keys)
    assert max(keys).bit_length() > 120
    assert np.mean([key & 1 for key in keys]) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ((-1, 0, 0), "seed"),
        ((MAX_SEED + 1, 0, 0), "seed"),
        ((0, MAX_ISLANDS, 0), "island"),
        ((0, 0, MAX_GENERATION + 1), "generation"),
    ],
)
def test_places_out_of_range_are_refused(place, name):
    with pytest.raises(ConfigError, match=re.escape(f"`{name}` must be between 0 and")):
        Place(*place)
