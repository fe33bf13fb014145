"""Vectors do what the scalar functions do, to the bit."""

import numpy as np
from numba import njit

from strategies.learners.elementary import cos_sin_nb, tanh_nb
from strategies.learners.elementary_lanes import cos_sin_eight_nb, tanh_sixteen_nb
from strategies.learners.sixteen import SIZE, add_rows_nb, subtract_nb

SCALES = (0.0, 1e-300, 1e-9, 1e-3, 1.0, 30.0, 400.0, 1e6)


@njit
def all_at_once(values, tanh, cosine_and_sine, matrix, sums):
    tanh_sixteen_nb(values, tanh)
    cos_sin_eight_nb(values, cosine_and_sine)
    add_rows_nb(matrix, matrix.shape[0] - 1, values, sums)
    subtract_nb(matrix, values, 0.3, 1.7)


def test_lanes_do_what_one_number_after_the_other_does():
    rng = np.random.default_rng(1)
    for scale in SCALES * 25:
        values, matrix = rng.standard_normal(SIZE) * scale, rng.standard_normal((SIZE, SIZE))
        values[rng.integers(SIZE)] = rng.choice([-0.0, 0.0, 0.125, -0.375, 0.5])  # corners of the circle
        tanh, turned, sums = np.empty(SIZE), np.empty(SIZE), np.zeros(SIZE)
        expected_sums, before = np.zeros(SIZE), matrix.copy()
        for j in range(SIZE - 1):
            for i in range(SIZE):
                expected_sums[i] += values[j] * before[j, i]
        all_at_once(values, tanh, turned, matrix, sums)
        pairs = np.array([cos_sin_nb(value) for value in values[:8]])
        assert tanh.tobytes() == np.array([tanh_nb(value) for value in values]).tobytes()
        assert turned.tobytes() == pairs.T.tobytes()
        assert sums.tobytes() == expected_sums.tobytes()
        assert matrix.tobytes() == ((before - np.outer(values, values) * 0.3) * 1.7).tobytes()
