"""What the tests of learners share: streams with and without a signal, and the laws that every kernel keeps."""

import numpy as np
import pytest


def locked(values):
    values = np.array(values, dtype=np.float64, order="C")
    values.flags.writeable = False
    return values


def predicted(kernel, x, y, horizon, p0, p1):
    out = np.full(y.size, -99.0)
    kernel(locked(x), locked(y), horizon, p0, p1, out)
    return out


@pytest.fixture(scope="session")
def run():
    """A function `(kernel, x, y, horizon, p0, p1)` to what the kernel writes, from read-only copies of the inputs."""
    return predicted


@pytest.fixture(scope="session")
def stream():
    """A function to features `(n, k)` and targets `(n,)`: `signal(x)` plus noise of the given size."""

    def make(n=1_500, k=2, signal=None, noise=1.0, seed=1):
        rng = np.random.default_rng(seed)
        x = np.clip(rng.standard_normal((n, k)), -5.0, 5.0)
        return x, (0.0 if signal is None else signal(x)) + noise * rng.standard_normal(n)

    return make


@pytest.fixture(scope="session")
def assert_laws(stream):
    """A function that checks what holds for each kernel: labels in time, missing rows, no memory between calls."""

    def check(kernel, p0, p1, k=2, learns=True):
        for horizon in (1, 5):
            x, y = stream(n=400, k=k, signal=lambda x: x[:, 0])
            x[40:43, -1], x[200, 0], y[60:64] = np.nan, np.nan, np.nan
            out = predicted(kernel, x, y, horizon, p0, p1)
            assert np.array_equal(out, predicted(kernel, x, y, horizon, p0, p1), equal_nan=True)
            assert np.array_equal(np.isnan(out), np.isnan(x).any(axis=1))

            at = 250  # a label is known at the close of bar 250 + horizon, after that bar's prediction
            other = y.copy()
            other[at] = -y[at] + 0.1
            seen = predicted(kernel, x, other, horizon, p0, p1)
            assert np.array_equal(out[: at + horizon + 1], seen[: at + horizon + 1], equal_nan=True)
            assert not learns or not np.array_equal(out[at + horizon + 1 :], seen[at + horizon + 1 :], equal_nan=True)

            later = x.copy()
            later[at + 1 :], other[at + 1 - horizon :] = later[at + 1 :] * -0.5, 0.7
            seen = predicted(kernel, later, other, horizon, p0, p1)
            assert np.array_equal(out[: at + 1], seen[: at + 1], equal_nan=True)

            gone = y.copy()
            gone[40:43], gone[200] = 3.0, -3.0  # labels of rows that are missing
            assert np.array_equal(out, predicted(kernel, x, gone, horizon, p0, p1), equal_nan=True)

            nothing = predicted(kernel, x, np.full_like(y, np.nan), horizon, p0, p1)
            short = predicted(kernel, x[:horizon], y[:horizon], horizon, p0, p1)  # too short for a label
            assert np.array_equal(nothing[:horizon], short, equal_nan=True)
            assert predicted(kernel, x[:0], y[:0], horizon, p0, p1).size == 0

    return check
