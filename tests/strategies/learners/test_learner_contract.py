"""The contract of every learner of the table: causal, deterministic, bounded, and it learns."""

import itertools
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest

from strategies.errors import StrategyError
from strategies.learners.kernels import KERNELS, kernel
from strategies.learners.running import MATURED, learn, warm_up
from strategies.learners.table import ALGORITHMS, N_HYPER, TARGETS
from strategies.probes import walk
from strategies.views import frozen

NAMES = sorted(ALGORITHMS)
EVERY = pytest.mark.parametrize("algorithm", NAMES)
HORIZON = 4
GARBAGE = 4.5


@dataclass(frozen=True, eq=False)
class Bars:
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray


def walked(n_bars: int = 400, number: int = 3) -> Bars:
    made = walk(number=number, volatility=0.02, n_bars=n_bars)
    return Bars(*(np.array(getattr(made, name)) for name in ("open", "high", "low", "close", "volume")))


def bars_from(returns) -> Bars:
    """Bars whose closes have these log returns."""
    close = 100.0 * np.exp(np.cumsum(returns))
    return Bars(close, close * 1.002, close * 0.998, close, np.ones(close.size))


def features_of(n_bars: int, k: int = 3, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(4, (n_bars, k))


def defaults(algorithm: str) -> tuple[float, ...]:
    return tuple(each.default for each in ALGORITHMS[algorithm].hyper)


def corners(algorithm: str) -> list[tuple[float, ...]]:
    """The ends of every grid and the defaults."""
    ends = [(each.grid[0], each.grid[-1]) for each in ALGORITHMS[algorithm].hyper]
    return [*itertools.product(*ends), defaults(algorithm)]


def run(algorithm: str, x, y, horizon: int = HORIZON, hyper: tuple[float, ...] | None = None) -> np.ndarray:
    """The kernel's own predictions."""
    out = np.full(len(y), 77.0)
    first, second = (*(hyper or defaults(algorithm)), 0.0)[:2]
    kernel(algorithm)(frozen(x, np.float64), frozen(y, np.float64), horizon, first, second, out)
    return out


def samples(algorithm: str, n_bars: int = 300, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Samples in which there is something to learn, for a kernel."""
    rng = np.random.default_rng(seed)
    x = np.clip(rng.normal(size=(n_bars, 3 if ALGORITHMS[algorithm].uses_features else 1)), -5.0, 5.0)
    return x, np.clip(x[:, 0] + 0.5 * rng.normal(size=n_bars), -5.0, 5.0)


def planted(algorithm: str, n_bars: int, seed: int) -> tuple[np.ndarray, Bars]:
    """Bars whose next return hangs on a feature; for those without features, on a trend that lasts."""
    rng = np.random.default_rng(seed)
    features, noise = rng.normal(size=(n_bars, 3)), rng.normal(size=n_bars)
    if ALGORITHMS[algorithm].uses_features:
        returns = np.append(0.0, 0.8 * features[:-1, 0] + 0.6 * noise[1:])
    else:
        returns = np.repeat(np.where(rng.random(n_bars // 100 + 1) < 0.5, 0.5, -0.5), 100)[:n_bars] + noise
    return features, bars_from(0.01 * returns)


def test_every_algorithm_has_a_kernel():
    assert set(KERNELS) == set(ALGORITHMS)
    assert len(ALGORITHMS) >= 10


@EVERY
def test_grids_ascend_and_there_are_no_more_than_a_kernel_takes(algorithm):
    hyper = ALGORITHMS[algorithm].hyper
    assert len(hyper) <= N_HYPER
    for each in hyper:
        assert all(low < high for low, high in itertools.pairwise(each.grid))
        assert each.default in each.grid


def test_the_table_loads_without_numba():
    asked = "import sys, strategies.learners.table; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@EVERY
def test_a_label_is_not_read_before_it_is_known(algorithm):
    """The label-delay oracle: labels that are not known at a bar may be anything."""
    x, y = samples(algorithm)
    for horizon, hyper in itertools.product((1, HORIZON, 20), corners(algorithm)):
        out = run(algorithm, x, y, horizon, hyper)
        for bar in (0, 1, horizon, 60, 151, 222, 298):
            unknown = y.copy()
            unknown[max(0, bar - horizon + 1) :] = GARBAGE * (-1.0) ** np.arange(y.size - max(0, bar - horizon + 1))
            assert run(algorithm, x, unknown, horizon, hyper)[: bar + 1].tobytes() == out[: bar + 1].tobytes()


@EVERY
def test_a_label_is_learnt_on_the_bar_after_it_is_known(algorithm):
    """Predict first, then learn: it moves the next prediction, not that of the bar on which it becomes known."""
    x, y = samples(algorithm)
    out, first = run(algorithm, x, y), []
    for sample in range(100, 240):
        turned = y.copy()
        turned[sample] = -np.sign(y[sample]) * GARBAGE
        moved = np.flatnonzero(run(algorithm, x, turned) != out)
        first += [moved[0] - sample] if moved.size else []
    assert min(first) == HORIZON + 1


@EVERY
@pytest.mark.parametrize("target", TARGETS)
def test_the_future_moves_nothing(algorithm, target):
    bars, features = walked(), features_of(400)
    now = learn(algorithm, target, HORIZON, defaults(algorithm), features, bars)
    for bar in (80, 200, 399):
        later = Bars(*(np.append(each[:bar], each[bar:][::-1] * 1.7) for each in vars(bars).values()))
        other = np.append(features[:bar], -3.0 * features[bar:], axis=0)
        then = learn(algorithm, target, HORIZON, defaults(algorithm), other, later)
        assert then.score[:bar].tobytes() == now.score[:bar].tobytes()
        assert then.confidence[:bar].tobytes() == now.confidence[:bar].tobytes()


@EVERY
def test_the_same_comes_out_again_and_nothing_that_went_in_is_changed(algorithm):
    bars, features = walked(), np.asfortranarray(features_of(400))
    kept = [each.copy() for each in (features, *vars(bars).values())]
    first = learn(algorithm, "return", HORIZON, defaults(algorithm), features, bars)
    for before, after in zip(kept, (features, *vars(bars).values()), strict=True):
        np.testing.assert_array_equal(before, after)
    read_only = Bars(*(frozen(each, np.float64) for each in vars(bars).values()))
    second = learn(algorithm, "return", HORIZON, defaults(algorithm), frozen(features, np.float64), read_only)
    assert first.score.tobytes() == second.score.tobytes()
    assert first.confidence.tobytes() == second.confidence.tobytes()


@EVERY
def test_neither_the_scale_of_prices_nor_that_of_features_matters(algorithm):
    bars, features = walked(), features_of(400)
    grown = Bars(*(each * 4096.0 for each in vars(bars).values()))
    first = learn(algorithm, "excursion", HORIZON, defaults(algorithm), features, bars)
    second = learn(algorithm, "excursion", HORIZON, defaults(algorithm), features / 1024.0, grown)
    assert first.score.tobytes() == second.score.tobytes()


@EVERY
@pytest.mark.parametrize("kind", ["wild", "constant", "collinear", "at the limit", "steps"])
def test_whatever_the_features_scores_are_there_and_bounded(algorithm, kind):
    bars, features = walked(600), features_of(600, 4)
    features[:, 1:] = {
        "wild": np.random.default_rng(2).standard_cauchy((600, 3)) * 1e6,
        "constant": 1.0,
        "collinear": features[:, :1],
        "at the limit": np.arange(600.0)[:, None] ** 3,
        "steps": np.repeat([0.0, 1.0, 0.0, 50.0], 150)[:, None],
    }[kind]
    for hyper in corners(algorithm):
        made = learn(algorithm, "return", 1, hyper, features, bars)
        after = slice(warm_up(algorithm, 1), None)
        assert np.isfinite(made.score[after]).all()
        assert (np.abs(made.score[after]) <= 1.0).all()
        assert ((made.confidence[after] >= 0.0) & (made.confidence[after] <= 1.0)).all()


@EVERY
@pytest.mark.parametrize("horizon", [1, 20])
@pytest.mark.parametrize("begins", [0, 1, 30])
def test_the_warm_up_is_what_is_said(algorithm, horizon, begins):
    features = features_of(400)
    features[:begins] = np.nan
    made = learn(algorithm, "return", horizon, defaults(algorithm), features, walked())
    first = begins if ALGORITHMS[algorithm].uses_features else 0
    expected = max(first, 1) - 1 + warm_up(algorithm, horizon)
    for column in (made.score, made.confidence):
        np.testing.assert_array_equal(np.isnan(column), np.arange(400) < expected)


@pytest.mark.parametrize("algorithm", [name for name in NAMES if ALGORITHMS[name].uses_features])
def test_a_row_with_a_gap_is_neither_predicted_from_nor_learnt(algorithm):
    x, y = samples(algorithm)
    gaps = np.arange(300) % 7 == 3
    x[gaps, 1] = np.nan
    out = run(algorithm, x, y)
    assert np.isnan(out[gaps]).all()
    assert np.isfinite(out[~gaps][60:]).all()
    other = y.copy()
    x[gaps, 0], other[gaps] = -GARBAGE, -GARBAGE
    assert run(algorithm, x, other).tobytes() == out.tobytes()
    scores = learn(algorithm, "return", HORIZON, defaults(algorithm), x, walked(300)).score
    np.testing.assert_array_equal(np.isnan(scores[120:]), gaps[120:])


@EVERY
def test_missing_labels_and_those_without_a_sign_teach_no_class(algorithm):
    x, y = samples(algorithm)
    blank, zero = y.copy(), y.copy()
    blank[::3], zero[::3] = np.nan, 0.0
    same = run(algorithm, x, blank).tobytes() == run(algorithm, x, zero).tobytes()
    assert same == ALGORITHMS[algorithm].classifies
    assert np.isfinite(run(algorithm, x, blank)[100:]).all()


@EVERY
@pytest.mark.parametrize("n_bars", [0, 1, HORIZON, HORIZON + 1, MATURED])
def test_short_bars_have_no_score(algorithm, n_bars):
    bars = Bars(*(each[:n_bars] for each in vars(walked()).values()))
    made = learn(algorithm, "excursion", HORIZON, defaults(algorithm), features_of(n_bars), bars)
    for column in (made.score, made.confidence):
        assert column.shape == (n_bars,)
        assert np.isnan(column).all()


@EVERY
def test_flat_and_gapped_bars_are_borne(algorithm):
    bars = walked(600)
    for name in ("open", "high", "low", "close"):
        column = getattr(bars, name)
        column[:150], column[300:450] = 50.0, 50.0
        column[500:] *= 7.0
    made = learn(algorithm, "return", HORIZON, defaults(algorithm), features_of(600), bars)
    assert np.isnan(made.score[:150]).all()
    assert np.isfinite(made.score[260:]).all()


@EVERY
def test_it_learns_what_is_there_to_be_learnt(algorithm):
    right, trust = [], []
    for seed in range(3):
        features, bars = planted(algorithm, 2500, seed)
        made = learn(algorithm, "return", 1, defaults(algorithm), features, bars)
        ups = np.diff(bars.close) > 0.0
        right.append(np.mean((made.score[1000:-1] > 0.0) == ups[1000:]))
        trust.append(made.confidence[-1])
    assert np.mean(right) > 0.6
    assert np.mean(trust) > 0.15


@EVERY
def test_noise_is_not_trusted(algorithm):
    """Over ten walks without memory: half of all bars 0, nineteen of twenty below 0.08."""
    trust = []
    for seed in range(10):
        rng = np.random.default_rng(100 + seed)
        features = rng.normal(size=(1200, 2))
        bars = bars_from(0.01 * rng.normal(size=1200))
        trust.append(learn(algorithm, "direction", 1, defaults(algorithm), features, bars).confidence[300:])
    assert np.quantile(trust, 0.5) == 0.0
    assert np.quantile(trust, 0.95) < 0.08


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"algorithm": "logistik"}, "must be one of .* but was 'logistik'; did you mean 'logistic'"),
        ({"target": "returns"}, "A target of a learner must be one of .* did you mean 'return'"),
        ({"horizon": 0}, "`horizon` must be at least 1 bar, but was 0"),
        ({"hyper": (0.1,)}, r"`hyper` of logistic must have 2 values \(rate, l2\), but was \(0.1,\)"),
        ({"features": np.zeros((400, 5))}, r"`features` must be .* k of 1 to 4, but was \(400, 5\)"),
        ({"features": np.zeros((399, 2))}, r"`features` must be .* 400 bars .* but was \(399, 2\)"),
    ],
)
def test_what_makes_no_sense_is_refused(changed, match):
    asked = {
        "algorithm": "logistic",
        "target": "return",
        "horizon": 1,
        "hyper": (0.1, 0.1),
        "features": np.zeros((400, 2)),
    }
    with pytest.raises(StrategyError, match=match):
        learn(**{**asked, **changed}, bars=walked())


def test_hyper_parameters_beyond_those_of_the_algorithm_are_ignored():
    bars, features = walked(), features_of(400)
    one = learn("naive_bayes", "return", 1, (100.0,), features, bars)
    two = learn("naive_bayes", "return", 1, (100.0, 9.0, 9.0), features, replace(bars))
    assert one.score.tobytes() == two.score.tobytes()
