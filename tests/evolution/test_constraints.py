import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolution.constraints import Constraint, violations
from fitness.objectives import MEASURE_COLUMNS
from strategies.errors import ConfigError, UsageError

NUMBERS = st.floats(-1e6, 1e6)


def rows(**columns):
    measures = np.zeros((len(next(iter(columns.values()))), len(MEASURE_COLUMNS) + 2))
    for name, values in columns.items():
        measures[:, MEASURE_COLUMNS.index(name)] = values
    return measures


@given(st.sampled_from(MEASURE_COLUMNS), NUMBERS, NUMBERS, st.lists(NUMBERS, min_size=1, max_size=9))
def test_it_is_0_inside_alone_and_grows_with_the_distance(name, a, b, values):
    low, high = min(a, b), max(a, b)
    found = violations(rows(**{name: values}), [Constraint(name, low, high)])
    inside = [low <= value <= high for value in values]
    assert (found == 0.0).tolist() == inside
    for value, violation in zip(values, found.tolist(), strict=True):
        short = max(low - value, 0.0) / (abs(low) or 1.0)
        far = max(value - high, 0.0) / (abs(high) or 1.0)
        assert violation == max(short + far, 0.0 if low <= value <= high else 5e-324)


def test_bounds_add_up_in_shares_of_their_size():
    measures = rows(max_drawdown=[0.5, 0.75, 1.0, 0.1], n_trades=[30.0, 15.0, 0.0, 90.0], sharpe=[-1.0, 0.0, -0.5, 2.0])
    constraints = (Constraint("max_drawdown", maximum=0.5), Constraint("n_trades", minimum=30), Constraint("sharpe", 0))
    assert violations(measures, constraints).tolist() == [1.0, 1.0, 2.5, 0.0]
    assert violations(measures, constraints[:2]).tolist() == [0.0, 1.0, 2.0, 0.0]
    assert violations(measures, ()).tolist() == [0.0] * 4
    assert violations(measures[:0], constraints).shape == (0,)


def test_an_unknown_measure_keeps_to_nothing():
    measures = rows(win_rate=[np.nan, 0.5, np.inf, -np.inf])
    assert violations(measures, [Constraint("win_rate", minimum=0.4)]).tolist() == [np.inf, 0.0, 0.0, np.inf]
    assert violations(measures, [Constraint("win_rate", maximum=0.6)]).tolist() == [np.inf, 0.0, np.inf, 0.0]
    assert violations(measures, [Constraint("exposure", maximum=0.6)]).tolist() == [0.0] * 4  # nobody asked for it


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match=r"but was on 'drawdown' .* did you mean max_drawdown"):
        Constraint("drawdown", maximum=0.5)
    with pytest.raises(ConfigError, match=r"`min`, `max` or both, but had neither \(evolution: constraints: sharpe\)"):
        Constraint("sharpe")
    with pytest.raises(ConfigError, match=r"`min` must not be above `max`, but was 2 to 1 .*sharpe"):
        Constraint("sharpe", 2, 1)
    for bad in (np.nan, np.inf, True, "0.5"):
        with pytest.raises(ConfigError, match="a bound must be a finite number, but was"):
            Constraint("sharpe", minimum=bad)
    with pytest.raises(UsageError, match=r"`measures` must be \(n, 8 or more\), but was \(3, 2\)"):
        violations(np.zeros((3, 2)), ())
