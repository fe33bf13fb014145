"""Confidence: Wilson's bound as SciPy has it, on effective samples; nothing on a coin, much on an oracle."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from strategies.learners.confidence import HALF_LIFE, STANDARD_ERRORS, confidence_nb, lower_bound_nb
from strategies.views import frozen

DECAY = 0.5 ** (1.0 / HALF_LIFE)


def confidence(signed, y, horizon: int = 1, decay: float = DECAY):
    out = np.empty(len(y))
    confidence_nb(frozen(signed, np.float64), frozen(y, np.float64), horizon, decay, out)
    return out


@pytest.mark.parametrize(("right", "samples"), [(0, 5), (3, 5), (5, 5), (55, 100), (520, 1000)])
def test_the_bound_is_wilsons(right, samples):
    within = 2.0 * norm.cdf(STANDARD_ERRORS) - 1.0
    expected = binomtest(right, samples).proportion_ci(within, method="wilson").low
    assert lower_bound_nb(right / samples, float(samples)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("horizon", [1, 7])
def test_it_is_the_bound_of_what_had_matured(horizon):
    rng = np.random.default_rng(3)
    y = rng.normal(size=500)
    signed = y + rng.normal(size=500)
    signed[::11], signed[::17], y[::13], y[5::19] = np.nan, 0.0, 0.0, np.nan
    found = confidence(signed, y, horizon)
    for bar in (0, 3, 9, 40, 200, 499):
        known = [i for i in range(bar - horizon + 1) if abs(signed[i] * y[i]) > 0.0]
        weights = DECAY ** np.arange(len(known))[::-1]
        expected = 0.0
        if known:
            share = np.average([signed[i] * y[i] > 0.0 for i in known], weights=weights)
            expected = max(0.0, 2.0 * lower_bound_nb(share, weights.sum() ** 2 / (weights**2).sum() / horizon) - 1.0)
        assert found[bar] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_a_coin_is_not_trusted(horizon):
    """0 at four bars of five, below 0.06 at nineteen of twenty, though labels overlap and so errors come in runs."""
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        path = np.append(0.0, rng.normal(size=2000 + horizon).cumsum())
        y = (path[horizon:] - path[:-horizon])[:2000]
        found.append(confidence(np.convolve(rng.normal(size=2100), np.ones(20), "valid")[:2000], y, horizon)[200:])
    assert np.quantile(found, 0.8) == 0.0
    assert np.quantile(found, 0.95) < 0.06


def test_it_grows_with_how_often_and_how_long_the_learner_was_right():
    rng = np.random.default_rng(5)
    y, luck = np.sign(rng.normal(size=3000)), rng.random(3000)
    last = [confidence(np.where(luck < share, y, -y), y)[-500:].mean() for share in (0.4, 0.55, 0.6, 0.7, 0.9, 1.0)]
    assert last == sorted(last)
    assert last[0] == 0.0
    assert last[3] == pytest.approx(0.4 - 2.0 * np.sqrt(0.21 / 577), abs=0.05)
    assert last[-1] > 0.99
    young = confidence(y, y)
    assert (np.diff(young) >= 0.0).all()
    assert young[0] == 0.0


def test_it_is_lost_when_the_learner_stops_being_right():
    y = np.ones(2000)
    found = confidence(np.where(np.arange(2000) < 1000, 1.0, -1.0), y)
    assert found[1000] > 0.95
    assert found[1300] == 0.0


def test_a_label_counts_from_the_bar_on_which_it_is_known():
    y, signed = np.ones(60), np.ones(60)
    wrong = signed.copy()
    wrong[30] = -1.0
    first = np.flatnonzero(confidence(signed, y, 4) != confidence(wrong, y, 4))[0]
    assert first == 34
