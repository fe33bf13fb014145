"""The elementary functions are near the true ones, and equal to the same arithmetic in Python to the bit."""

import math

import numpy as np
import pytest

from strategies.learners import elementary

VALUES = np.concatenate(
    [np.random.default_rng(3).uniform(-scale, scale, 2_000) for scale in (1e-9, 0.5, 20.0, 650.0)] + [[0.0, 1.0, -1.0]]
)


def in_python(name):
    """The function without its compilation, and without that of those it calls."""
    names = {n: getattr(f, "py_func", f) for n, f in vars(elementary).items()}
    plain = {}
    for n, f in names.items():
        plain[n] = type(f)(f.__code__, plain) if n.endswith("_nb") else f
    return plain[name]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("exp_nb", VALUES),
        ("log_nb", np.exp(VALUES)),
        ("cos_sin_nb", VALUES),
        ("logistic_nb", VALUES),
        ("tanh_nb", VALUES),
    ],
)
def test_compiled_code_has_the_bits_of_python(name, values):
    compiled, plain = getattr(elementary, name), in_python(name)
    assert all(compiled(float(v)) == plain(float(v)) for v in values)


def test_exp_and_log_are_within_two_units_in_the_last_place():
    for value in VALUES.tolist():
        assert abs(elementary.exp_nb(value) - math.exp(value)) <= 2.0 * math.ulp(math.exp(value))
    for value in [*np.exp(VALUES).tolist(), *np.linspace(0.5, 2.0, 3_001).tolist(), 1e-300, 1e300]:
        assert abs(elementary.log_nb(value) - math.log(value)) <= 2.0 * math.ulp(math.log(value)), value


def test_the_others_are_within_4e16():
    for value in VALUES.tolist():
        assert abs(elementary.tanh_nb(value) - math.tanh(value)) < 4e-16
        assert abs(elementary.logistic_nb(value) - 1.0 / (1.0 + math.exp(-value))) < 4e-16
        cosine, sine = elementary.cos_sin_nb(value)
        angle = math.remainder(value, 1.0) * math.tau  # rounded once or twice, by up to 4e-16
        assert abs(cosine - math.cos(angle)) < 8e-16
        assert abs(sine - math.sin(angle)) < 8e-16
    assert [elementary.cos_sin_nb(t / 4) for t in range(-2, 3)] == [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, 0)]


def test_far_out_nothing_overflows():
    assert elementary.exp_nb(1e9) == elementary.exp_nb(700.0) < math.inf
    assert 0.0 < elementary.exp_nb(-1e9) < 1e-300
    assert elementary.tanh_nb(1e9) == 1.0 == -elementary.tanh_nb(-1e9)
    assert elementary.logistic_nb(1e9) == 1.0
    assert elementary.logistic_nb(-1e9) < 1e-300
