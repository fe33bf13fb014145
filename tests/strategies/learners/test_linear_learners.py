"""The linear learners against river on the same samples in the same order, and FTRL against the paper's algorithm."""

import math

import numpy as np
import pytest
from river import linear_model, optim

from strategies.learners.elementary import logistic_nb as sigmoid_nb
from strategies.learners.kernels import kernel
from strategies.learners.table import ALGORITHMS
from strategies.views import frozen

N_BARS, N_FEATURES, HORIZON = 800, 3, 4
EVERY = {
    name: [(first, second) for first in entry.hyper[0].grid for second in (entry.hyper[1:] or entry.hyper)[0].grid[:3]]
    for name, entry in ALGORITHMS.items()
}


def stream(seed: int = 5):
    """Samples of a noisy linear rule, with missing rows, missing labels and labels that are 0."""
    rng = np.random.default_rng(seed)
    x = np.clip(rng.standard_t(4, (N_BARS, N_FEATURES)), -5.0, 5.0)
    y = np.clip(x @ [0.8, -0.5, 0.0] + 0.3 + rng.normal(0.0, 1.0, N_BARS), -5.0, 5.0)
    x[rng.random(N_BARS) < 0.05, 1] = np.nan
    y[rng.random(N_BARS) < 0.05] = np.nan
    y[rng.random(N_BARS) < 0.05] = 0.0
    return frozen(x, np.float64), frozen(y, np.float64)


def run(name: str, x, y, first: float, second: float, horizon: int = HORIZON):
    out = np.empty(y.size)
    kernel(name)(x, y, horizon, first, second, out)
    return out


def delayed(x, y, predict, learn, *, skips_0: bool):
    """Predict at each bar from what matured before it: the contract, written with dictionaries."""
    rows = [dict(enumerate(map(float, row))) for row in x]
    whole = ~np.isnan(x).any(axis=1)
    out = np.full(y.size, np.nan)
    for bar in range(y.size):
        if whole[bar]:
            out[bar] = predict(rows[bar])
        sample = bar - HORIZON
        if sample >= 0 and whole[sample] and not np.isnan(y[sample]) and not (skips_0 and y[sample] == 0.0):
            learn(rows[sample], y[sample])
    return out


@pytest.mark.parametrize(("rate", "l2"), EVERY["logistic"][::4])
def test_logistic_is_rivers(rate, l2):
    x, y = stream()
    model = linear_model.LogisticRegression(optim.SGD(rate), l2=l2, intercept_lr=rate)
    expected = delayed(
        x,
        y,
        lambda row: model.predict_proba_one(row).get(True, 0.5),
        lambda row, label: model.learn_one(row, bool(label > 0.0)),
        skips_0=True,
    )
    np.testing.assert_allclose(run("logistic", x, y, rate, l2), expected, rtol=1e-12)


class ImplicitRate(optim.base.Scheduler):
    """The step of the implicit update, half of it, as river's squared loss has a gradient of twice the error."""

    def __init__(self, rate: float):
        self.rate, self.squared_norm = rate, 0.0

    def get(self, t: int) -> float:
        return 0.5 * self.rate / (1.0 + self.rate * (self.squared_norm + 1.0))


@pytest.mark.parametrize("rate", ALGORITHMS["linear"].hyper[0].grid)
@pytest.mark.parametrize("l2", [0.0, 0.01, 1.0])
def test_linear_is_rivers_with_the_implicit_step(rate, l2):
    x, y = stream()
    schedule = ImplicitRate(rate)
    model = linear_model.LinearRegression(optim.SGD(schedule), l2=2.0 * l2, intercept_lr=schedule)

    def learn(row, label):
        schedule.squared_norm = sum(value * value for value in row.values())
        model.learn_one(row, label)

    expected = delayed(x, y, model.predict_one, learn, skips_0=False)
    np.testing.assert_allclose(run("linear", x, y, rate, l2), expected, rtol=1e-10, atol=1e-13)


def test_the_implicit_step_minimises_what_it_says():
    """w' = argmin (1/2)(y - w'.x)^2 + |w' - w|^2 / (2 rate), so its gradient is 0: one step from 0, solved exactly."""
    x, y, rate = frozen([[2.0, -1.0], [2.0, -1.0], [2.0, -1.0]], np.float64), frozen([3.0, 3.0, 3.0], np.float64), 0.1
    row = np.array([2.0, -1.0, 1.0])
    weights = np.linalg.solve(np.outer(row, row) + np.eye(3) / rate, row * 3.0)
    assert run("linear", x, y, rate, 0.0, horizon=0)[1] == pytest.approx(row @ weights, rel=1e-14)


@pytest.mark.parametrize("aggressiveness", ALGORITHMS["passive_aggressive"].hyper[0].grid)
def test_passive_aggressive_is_rivers_with_the_bias_as_a_feature(aggressiveness):
    x, y = stream()
    model = linear_model.PAClassifier(C=aggressiveness, mode=1, learn_intercept=False)
    expected = delayed(
        x,
        y,
        lambda row: model.predict_proba_one(row | {"bias": 1.0})[True],
        lambda row, label: model.learn_one(row | {"bias": 1.0}, bool(label > 0.0)),
        skips_0=True,
    )
    np.testing.assert_allclose(run("passive_aggressive", x, y, aggressiveness, 0.0), expected, rtol=1e-12)


@pytest.mark.parametrize(("alpha", "l1"), [(0.01, 0.0), (0.05, 0.1), (0.1, 1.0), (0.2, 3.0)])
def test_ftrl_is_the_papers_algorithm(alpha, l1):
    """River's optimiser, asked for the weights before each prediction, as the paper does; river itself lags a step."""
    x, y = stream()
    optimiser = optim.FTRLProximal(alpha=alpha, beta=1.0, l1=l1, l2=0.0)
    weights: dict = {}

    def probability(row):
        row = row | {"bias": 1.0}
        for name in row:
            if abs(optimiser.z[name]) <= l1:
                weights[name] = 0.0
        optimiser.step(weights, dict.fromkeys(row, 0.0))
        return 1.0 / (1.0 + math.exp(-sum(weights.get(name, 0.0) * value for name, value in row.items())))

    def learn(row, label):
        error = probability(row) - float(label > 0.0)
        optimiser.step(weights, {name: error * value for name, value in (row | {"bias": 1.0}).items()})

    expected = delayed(x, y, probability, learn, skips_0=True)
    np.testing.assert_allclose(run("ftrl", x, y, alpha, l1), expected, rtol=1e-9)


def test_ftrl_leaves_out_what_earns_nothing():
    """With l1, a feature of pure noise keeps a weight of exactly 0: changing it changes no prediction."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(600, 2))
    y = np.sign(x[:, 0] + 0.3 * rng.normal(size=600))
    spoilt = x.copy()
    spoilt[599, 1] = 5.0
    for l1, same in ((30.0, True), (0.0, False)):
        last = [run("ftrl", frozen(each, np.float64), frozen(y, np.float64), 0.1, l1)[-1] for each in (x, spoilt)]
        assert (last[0] == last[1]) == same
        assert last[0] != 0.5


@pytest.mark.parametrize("name", ["logistic", "linear", "passive_aggressive", "ftrl", "recursive_least_squares"])
def test_features_at_their_limit_for_ever_do_not_blow_up(name):
    """The plain least mean squares rule grows ninefold a step here."""
    x = frozen(np.full((3000, 4), 5.0), np.float64)
    y = frozen(np.where(np.arange(3000) % 2, 5.0, -5.0), np.float64)
    hyper = [each.grid[-1] for each in ALGORITHMS[name].hyper] + [0.0]
    for first in ALGORITHMS[name].hyper[0].grid:
        assert np.abs(run(name, x, y, first, hyper[1], horizon=1)).max() <= 6.0


def test_the_sigmoid_never_overflows():
    assert [sigmoid_nb(value) for value in (-1e9, 0.0, 1e9)] == [pytest.approx(0.0, abs=1e-300), 0.5, 1.0]
