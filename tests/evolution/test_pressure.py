import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evolution.pressure import FARTHEST, NEIGHBOURS, PRESSURES, pressure, standardised
from strategies.errors import ConfigError, UsageError


def novelty(descriptors):
    return pressure("novelty", ages=np.zeros(len(descriptors)), descriptors=descriptors)


def slow_novelty(points):
    """By the definition, on descriptors that are standardised already."""
    out = []
    for row, point in enumerate(points.tolist()):
        others = [other for at, other in enumerate(points.tolist()) if at != row]
        squares = []
        for other in others:
            square = 0.0
            for a, b in zip(point, other, strict=True):
                square += (a - b) * (a - b)
            squares.append(square)
        nearest = sorted(squares)[:NEIGHBOURS]
        total = 0.0
        for square in nearest:
            total += np.sqrt(square)
        out.append(total / len(nearest) if nearest else 0.0)
    return out


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 4), st.integers(2, 30))
@example(seed=1, n=150, d=2, n_values=9999)
@settings(max_examples=100, deadline=None)
def test_novelty_equals_the_slow_reference_to_the_bit_in_any_order_of_rows(seed, n, d, n_values):
    rng = np.random.default_rng(seed)
    descriptors = rng.choice(rng.standard_normal(n_values), (n, d))
    before = descriptors.copy()
    found = novelty(descriptors)
    assert found.tolist() == slow_novelty(standardised(descriptors))
    np.testing.assert_array_equal(descriptors, before)
    rows = rng.permutation(n)
    assert novelty(descriptors[rows]).tobytes() == found[rows].tobytes()


def test_novelty_of_a_grid_has_a_closed_form():
    # 101 points a step apart: median 50, deviation 25. In the middle the nearest 15 are 1, 1, .. 7, 7, 8 steps away.
    found = novelty(np.arange(101.0)[:, None])
    assert found[50] == pytest.approx(64 / 15 / 25, rel=1e-14)
    assert found[0] == found[100] == pytest.approx(120 / 15 / 25, rel=1e-14)


def test_units_do_not_matter_and_constants_add_nothing():
    points = np.random.default_rng(2).standard_normal((60, 3))
    stretched = points * [4.0, 0.5, 1024.0]
    assert novelty(stretched).tobytes() == novelty(points).tobytes()
    flat = np.concatenate([points, np.full((60, 1), 7.0)], axis=1)
    assert novelty(flat).tobytes() == novelty(points).tobytes()


def test_descriptors_are_standardised_by_median_and_median_deviation():
    values = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 1e9, np.nan, np.inf])  # of the six known: median 2.5, deviation 1.5
    wanted = [-2.5 / 1.5, -1.0, -0.5 / 1.5, 0.5 / 1.5, 1.0, FARTHEST, 0.0, 0.0]
    assert standardised(values[:, None])[:, 0].tolist() == wanted
    mostly_still = np.array([5.0, 5.0, 5.0, 5.0, 7.0, 1.0])  # the deviation is 0: of the others it is 3
    assert standardised(mostly_still[:, None])[:, 0].tolist() == [0.0, 0.0, 0.0, 0.0, 2.0 / 3.0, -4.0 / 3.0]


def test_nobody_is_new_for_what_is_unknown_and_nothing_is_not_finite():
    unknown = np.full((5, 2), np.nan)
    assert novelty(unknown).tolist() == [0.0] * 5
    wild = np.array([[1e308, np.nan], [-1e308, np.inf], [0.0, 5e-324], [1.0, 0.0]])
    assert np.isfinite(novelty(wild)).all()
    assert novelty(np.ones((1, 3))).tolist() == [0.0]
    assert novelty(np.ones((0, 3))).shape == (0,)


def test_the_young_are_preferred():
    found = pressure("age", ages=np.array([0.0, 3.0, np.nan, 12.0]), descriptors=np.zeros((4, 0)))
    assert found.tolist() == [0.0, -3.0, -12.0, -12.0]
    assert not np.signbit(found[0])
    assert pressure("age", ages=np.full(2, np.nan), descriptors=np.zeros((2, 0))).tolist() == [0.0, 0.0]


def test_none_is_none():
    assert pressure("none", ages=np.zeros(3), descriptors=np.zeros((3, 2))) is None
    assert list(PRESSURES) == ["none", "age", "novelty"]


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match=r"one of none, age, novelty, but was 'novel' .* did you mean novelty"):
        pressure("novel", ages=np.zeros(2), descriptors=np.zeros((2, 1)))
    with pytest.raises(ConfigError, match=r"`pressure: novelty` must have descriptors .* Enable `archive`"):
        novelty(np.zeros((4, 0)))
    with pytest.raises(UsageError, match=r"but were \(2,\) and \(3, 1\)"):
        pressure("none", ages=np.zeros(2), descriptors=np.zeros((3, 1)))
