"""Dimensional analysis and tidy ranges on columns whose answers are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.scales import DECLARED_RANGES, Scale, agree, declared_range, degree, measured_range, tidy_above

COLUMN = np.random.default_rng(3).standard_normal(400)


@pytest.mark.parametrize("power", [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("factor", [8.0, 3.0, 1.0 / 64.0])
def test_the_degree_is_the_power(power, factor):
    assert degree(COLUMN, COLUMN * factor**power, factor=factor) == power


@pytest.mark.parametrize("function", [np.exp, np.floor, np.arctan, np.tanh, lambda x: x + 1.0, lambda x: x + x**2])
def test_what_is_not_homogeneous_has_no_degree(function):
    assert degree(function(COLUMN), function(COLUMN * 3.0), factor=3.0) is None


def test_a_column_that_is_zero_has_degree_zero_while_it_stays_zero():
    zeros = np.zeros(9)
    assert degree(zeros, zeros, factor=8.0) == 0.0
    assert degree(zeros, np.ones(9), factor=8.0) is None
    assert degree(np.empty(0), np.empty(0), factor=8.0) == 0.0


def test_agreement_is_relative():
    assert agree(COLUMN * 1e9, COLUMN * 1e9 * (1.0 + 1e-12))
    assert not agree(COLUMN * 1e-9, COLUMN * 1.001e-9)
    assert agree(np.empty(0), np.empty(0))


@pytest.mark.parametrize("bounds", DECLARED_RANGES)
def test_natural_bounds_are_found_where_they_are_kept_and_reached(bounds):
    low, high = bounds
    inside = np.linspace(low, high, 50)
    assert declared_range([inside]) == bounds
    assert declared_range([inside, np.array([high + 0.01 * (high - low)])]) != bounds
    assert declared_range([inside * 0.5 + (low + high) / 4.0]) is None


@given(value=st.floats(1e-9, 1e12))
def test_a_tidy_number_is_just_above(value):
    tidy = tidy_above(value)
    assert value <= tidy * (1.0 + 1e-9)
    assert tidy <= value * 1.5 * (1.0 + 1e-9)
    assert float(f"{tidy:.2g}") == tidy
    assert tidy_above(tidy) == tidy


@pytest.mark.parametrize(
    ("low", "high", "centred", "expected"),
    [
        (-7.3, 7.9, False, (-8.0, 8.0)),
        (-30.0, 130.0, False, (-32.0, 136.0)),
        (-30.0, 130.0, True, (-150.0, 150.0)),
        (0.02, 4.7, False, (0.0, 5.0)),
        (-4.7, -0.02, False, (-5.0, 0.0)),
        (0.83, 1.21, False, (0.82, 1.22)),
        (3.0, 3.0, False, (2.5, 3.5)),
    ],
)
def test_measured_ranges_are_tidy(low, high, centred, expected):
    assert (
        measured_range([np.linspace(low, high, 11)[[0] * 90 + list(range(11)) + [10] * 90]], centred=centred)
        == expected
    )


@given(
    values=st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=2, max_size=40, unique=True),
    centred=st.booleans(),
)
def test_a_measured_range_holds_nearly_all_values(values, centred):
    column = np.array(values * 3)
    low, high = measured_range([column], centred=centred)
    assert low < high
    edges = np.quantile(column, [0.005, 0.995])
    slack = 1e-6 * (high - low)
    assert low <= edges[0] + slack
    assert edges[1] <= high + slack
    if centred and edges[0] < 0.0 < edges[1]:
        assert low == -high


def test_a_number_without_dimension_says_so():
    assert Scale(0.0, 0.0, False).dimensionless
    assert not Scale(1.0, -1.0, False).dimensionless
