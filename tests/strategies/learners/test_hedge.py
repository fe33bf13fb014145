"""Hedge: its regret bound, and its weights against plain arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.learners.hedge import EXPERTS, expert_probabilities, expert_weights, hedge, mix_nb
from strategies.learners.kernels import kernel
from strategies.learners.table import ALGORITHMS
from strategies.views import frozen


def mix(said, y, horizon: int, eta: float, share: float):
    """The mixture and its weights."""
    out, weights = np.empty(len(y)), np.empty(np.shape(said))
    mix_nb(frozen(said, np.float64), frozen(y, np.float64), horizon, float(eta), float(share), out, weights)
    return out, weights


def plainly(said, y, horizon: int, eta: float, share: float):
    """The weights by multiplication, no logarithm."""
    n_bars, n_experts = said.shape
    now, weights = np.full(n_experts, 1.0 / n_experts), np.empty(said.shape)
    for bar in range(n_bars):
        weights[bar] = now
        sample = bar - horizon
        if sample >= 0 and y[sample] and not np.isnan(y[sample]) and not np.isnan(said[sample]).any():
            now = now * np.exp(-eta * (said[sample] - (y[sample] > 0.0)) ** 2)
            now = (1.0 - share) * now / now.sum() + share / n_experts
    return weights


def streams(seed: int, n_bars: int, n_experts: int):
    """Experts that are biased, noisy, confident or hedging, and what happened."""
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n_bars) < 0.5, 1.0, -1.0)
    knows = rng.uniform(-1.0, 1.0, n_experts)
    said = np.clip(0.5 + 0.5 * y[:, None] * knows + rng.normal(0.0, 0.4, (n_bars, n_experts)), 0.0, 1.0)
    return said, y


@pytest.mark.parametrize(("eta", "share"), [(0.1, 0.0), (0.5, 0.01), (2.0, 0.1)])
def test_the_weights_are_what_multiplication_gives(eta, share):
    said, y = streams(1, 500, 4)
    said[::17] = np.nan
    y[::13], y[5::19] = 0.0, np.nan
    out, weights = mix(said, y, 3, eta, share)
    expected = plainly(said, y, 3, eta, share)
    np.testing.assert_allclose(weights, expected, rtol=1e-10)
    np.testing.assert_allclose(out, (expected * said).sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n_bars=st.integers(2, 400), n_experts=st.integers(2, 6), how=st.integers(0, 2))
def test_the_regret_is_within_the_bound(seed, n_bars, n_experts, how):
    """Cesa-Bianchi, Lugosi 2006, theorem 2.2; a label at the bar itself is known before the next prediction."""
    said, y = streams(seed, n_bars, n_experts)
    if how == 1:  # the best expert changes half-way
        said[n_bars // 2 :] = 1.0 - said[n_bars // 2 :]
    if how == 2:  # two experts take turns at being right: what hurts who follows the leader
        said = np.tile(said[:, :1] * 0.0, n_experts)
        said[::2, 1:], y[:] = 1.0, 1.0
        said[1::2, 0] = 1.0
    eta = math.sqrt(8.0 * math.log(n_experts) / n_bars)
    out, _ = mix(said, y, 0, eta, 0.0)
    happened = y > 0.0
    regret = ((out - happened) ** 2).sum() - ((said - happened[:, None]) ** 2).sum(axis=0).min()
    assert regret <= math.sqrt(n_bars * math.log(n_experts) / 2.0) + 1e-9


def test_with_late_labels_the_regret_is_within_the_bound_for_each_of_the_interleaved_streams():
    """Weinberger, Ordentlich 2002: a label d bars late costs at most the root of d + 1 more."""
    for seed in range(10):
        said, y = streams(seed, 600, 4)
        out, _ = mix(said, y, 5, math.sqrt(8.0 * math.log(4) / 600 / 6), 0.0)
        happened = y > 0.0
        regret = ((out - happened) ** 2).sum() - ((said - happened[:, None]) ** 2).sum(axis=0).min()
        assert regret <= math.sqrt(6 * 600 * math.log(4) / 2.0)


def test_an_expert_that_was_wrong_for_years_comes_back_only_with_a_share():
    y = np.ones(6000)
    said = np.column_stack([np.where(np.arange(6000) < 4000, 1.0, 0.0), np.where(np.arange(6000) < 4000, 0.0, 1.0)])
    late = {share: mix(said, y, 1, 1.0, share)[1][4100, 1] for share in (0.0, 0.001)}
    assert late[0.0] == pytest.approx(0.0, abs=1e-200)
    assert late[0.001] > 0.99


def test_the_mixture_of_sure_experts_is_a_probability():
    out, _ = mix(np.ones((200, 6)), np.ones(200), 1, 0.3, 0.01)
    assert out.max() <= 1.0


def planted(n_bars: int = 1500):
    rng = np.random.default_rng(9)
    x = rng.normal(size=(n_bars, 2))
    x[5:8, 0] = np.nan
    return frozen(x, np.float64), frozen(np.nan_to_num(x[:, 0]) + 0.5 * rng.normal(size=n_bars), np.float64)


def test_the_experts_are_the_learners_of_that_name_at_their_defaults():
    x, y = planted()
    said = expert_probabilities(x, y, 2)
    for i, name in enumerate(EXPERTS):
        alone, hyper = np.empty(y.size), [each.default for each in ALGORITHMS[name].hyper] + [0.0]
        kernel(name)(x, y, 2, hyper[0], hyper[1], alone)
        order = np.argsort(alone[100:], kind="stable")
        assert (np.diff(said[100:, i][order]) >= 0.0).all()  # the same but for what makes it a probability
        if ALGORITHMS[name].classifies:
            np.testing.assert_array_equal(said[100:, i], alone[100:])
    np.testing.assert_array_equal(np.isnan(said), np.isnan(x).any(axis=1)[:, None].repeat(len(EXPERTS), axis=1))
    assert ((said >= 0.0) & (said <= 1.0))[~np.isnan(said)].all()


def test_expert_weights_are_those_of_the_mixture():
    x, y = planted()
    out = np.empty(y.size)
    hedge(x, y, 2, 0.5, 0.01, out)
    weights = expert_weights(x, y, 2, 0.5, 0.01)
    np.testing.assert_allclose(out, (weights * expert_probabilities(x, y, 2)).sum(axis=1), rtol=1e-13)
    losses = (expert_probabilities(x, y, 2)[100:] - (y[100:, None] > 0.0)) ** 2
    assert weights[-1].argmax() == losses.mean(axis=0).argmin()
