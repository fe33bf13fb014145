import re

import numpy as np
import pytest

from evolution.keys import MAX_GENERATION, MAX_ISLANDS, MAX_SEED, Place, Purpose
from strategies.errors import ConfigError


def test_scheme_is_frozen():
    # A change here would make every journal ever written unrepeatable.
    assert Place(1, 2, 3).key(Purpose.MUTATION) == 0xCBC3C4E2FDC3D95FAF7E2EA3DAF11433
    assert Place(1, 2, 3).generator(Purpose.FOUNDERS).integers(0, 1000, 4).tolist() == [446, 931, 693, 667]


def test_every_part_of_the_key_matters():
    keys = [Place(s, i, g).key(p) for s in (0, 1) for i in (0, 1) for g in (0, 1) for p in Purpose]
    assert len(set(keys)) == 2**3 * len(Purpose)


def test_same_place_and_purpose_draw_the_same_numbers():
    draws = [Place(7, 1, 9).generator(Purpose.FOUNDERS).random(5) for _ in range(2)]
    np.testing.assert_array_equal(*draws)
    assert isinstance(Place(7, 1, 9).generator(Purpose.FOUNDERS).bit_generator, np.random.Philox)


def test_keys_fill_128_bits():
    keys = [Place(0, 0, n).key(Purpose.MUTATION) for n in range(200)]
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
