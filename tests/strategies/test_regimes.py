"""The regime filter: its laws, and its slow twin in plain NumPy."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from strategies.features import regime_filter as compiled
from strategies.features.regimes import DEFAULT_PERIOD, PERIOD, REGIME, TRENDS, UNKNOWN, VOLATILITIES, regimes_of

DEFAULTS = (float(DEFAULT_PERIOD),)


@dataclass(frozen=True, eq=False)
class PlainBars:
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray

    def map(self, change):
        return replace(self, **{name: change(getattr(self, name)) for name in ("open", "high", "low", "close")})

    def head(self, n_bars):
        return PlainBars(*(getattr(self, name)[:n_bars].copy() for name in vars(self)))


def walk(seed=1, n_bars=3000, *, tick=2.0**-10):
    """Bars about 100 whose trend and volatility turn now and then, on a grid of prices that floats hold exactly."""
    rng = np.random.default_rng(seed)
    trend = np.repeat(rng.choice([-0.2, 0.0, 0.2], n_bars // 50 + 1), 50)[:n_bars]
    sigma = np.repeat(rng.choice([0.05, 0.1], n_bars // 80 + 1), 80)[:n_bars]
    close = 100.0 + np.cumsum(sigma * (trend + rng.normal(size=n_bars)))
    opening = np.concatenate([[100.0], close[:-1]]) + 0.02 * rng.normal(size=n_bars)
    high = np.maximum(opening, close) + sigma * rng.exponential(size=n_bars)
    low = np.minimum(opening, close) - sigma * rng.exponential(size=n_bars)
    return PlainBars(opening, high, low, close, np.ones(n_bars)).map(lambda price: np.round(price / tick) * tick)


def chances_of(bars, period):
    trends, volatilities = np.empty((bars.close.size, 3)), np.empty((bars.close.size, 2))
    compiled.trend_chances_nb(bars.close, period, trends)
    compiled.volatility_chances_nb(bars.high, bars.low, bars.close, period, volatilities)
    return trends, volatilities


def hamilton(scores, means, deviation, keep):
    """Hamilton 1989, eq. 4 to 6, with the whole transition matrix; a NaN score is not weighed."""
    n_states = len(means)
    matrix = np.full((n_states, n_states), (1.0 - keep) / (n_states - 1))
    np.fill_diagonal(matrix, keep)
    chances, found = np.full(n_states, 1.0 / n_states), []
    for t, score in enumerate(scores):
        if t > 0:
            chances = matrix.T @ chances
        if not math.isnan(score):
            chances = chances * np.exp(-0.5 * ((score - np.array(means)) / deviation) ** 2)
            chances = chances / chances.sum()
        found.append(chances)
    return np.array(found)


def trend_scores(close, period):
    """Each move over the root mean square of those before; NaN where it isn't weighed."""
    span, square, scores = max(0.5 * period, compiled.SHORTEST_SPAN), 0.0, [math.nan]
    for t in range(1, close.size):
        move = close[t] - close[t - 1]
        known = t > compiled.RUN_IN and square > 0.0
        scores.append(float(np.clip(move / math.sqrt(square), -3.0, 3.0)) if known else math.nan)
        weight = max(2.0 / (span + 1.0), 1.0 / t)
        square = (1.0 - weight) * square + weight * move**2
    return scores


def volatility_scores(bars, period):
    """The logarithm of each true range less the mean of those before; NaN where it isn't weighed."""
    span, usual, seen, scores = compiled.LEVEL_SPAN * period, 0.0, 0, []
    for t in range(bars.close.size):
        before = bars.close[max(t - 1, 0)]
        top, bottom = max(bars.high[t], before), min(bars.low[t], before)
        size = math.log((top - bottom) / (top + bottom)) if top > bottom else -math.inf
        above = float(np.clip(size - usual, -1.5, 1.5)) if seen else math.nan
        scores.append(above if seen >= compiled.RUN_IN else math.nan)
        if not seen:
            usual, seen = (size, 1) if top > bottom else (0.0, 0)
            continue
        seen += 1
        usual += max(2.0 / (span + 1.0), 1.0 / seen) * above
    return scores


def held(chances, first, enter=compiled.ENTER, leave=compiled.LEAVE):
    """Hysteresis, told again."""
    label, found = UNKNOWN, []
    for t, row in enumerate(chances):
        best = int(np.argmax(row))
        alone = np.count_nonzero(row == row[best]) == 1
        if t >= first and (
            (label == UNKNOWN and alone) or (label != UNKNOWN and row[best] > enter and row[label] < leave)
        ):
            label = best
        found.append(label)
    return np.array(found)


def columns(bars, values=DEFAULTS):
    return np.stack(REGIME.compute(bars, values))


@pytest.mark.parametrize("period", [20.0, 100.0, 250.0])
def test_chances_equal_those_of_the_slow_filter(period):
    bars = walk(2, 1200)
    trends, volatilities = chances_of(bars, period)
    mean, keep = compiled.DRIFT / math.sqrt(period), 1.0 - 1.0 / period
    slow = hamilton(trend_scores(bars.close, period), (-mean, 0.0, mean), 1.0, keep)
    np.testing.assert_allclose(trends, slow, atol=1e-10)
    slow = hamilton(volatility_scores(bars, period), (-compiled.STEP, compiled.STEP), compiled.SPREAD, keep)
    np.testing.assert_allclose(volatilities, slow, atol=1e-10)
    for chances in (trends, volatilities):
        np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("period", [20.0, 100.0, 250.0])
def test_labels_equal_those_of_the_slow_hysteresis(period):
    bars = walk(3)
    found, first = regimes_of(bars, period), int(period)
    pairs = ((found.trend, found.trend_confidence), (found.volatility, found.volatility_confidence))
    for (labels, confidence), chances in zip(pairs, chances_of(bars, period), strict=True):
        np.testing.assert_array_equal(labels, held(chances, first))
        known = labels != UNKNOWN
        assert known[first:].all()
        assert not known[:first].any()
        np.testing.assert_array_equal(confidence[known], chances[known, labels[known]])
        assert len(np.unique(labels[known])) == chances.shape[1]


def test_a_label_changes_only_across_both_thresholds():
    bars = walk(4)
    trends, volatilities = chances_of(bars, 100.0)
    found = regimes_of(bars)
    for labels, chances in ((found.trend, trends), (found.volatility, volatilities)):
        turns = np.flatnonzero(np.diff(labels[100:])) + 101
        assert turns.size >= 8
        assert (chances[turns, labels[turns]] > compiled.ENTER).all()
        assert (chances[turns, labels[turns - 1]] < compiled.LEAVE).all()
        assert (np.diff(np.argmax(chances[100:], axis=1)) != 0).sum() > turns.size


def test_no_bar_learns_from_a_later_one():
    bars = walk(5, 900)
    whole = columns(bars)
    for n_bars in (1, 101, 250, 600):
        np.testing.assert_array_equal(columns(bars.head(n_bars)), whole[:, :n_bars])
    later = np.arange(900) >= 500
    other = bars.map(lambda price: np.where(later, 3.0 * price, price))
    np.testing.assert_array_equal(columns(other)[:, :500], whole[:, :500])
    assert not np.array_equal(columns(other)[:, 500:], whole[:, 500:])


def test_prices_upside_down_exchange_bear_and_bull_to_the_bit():
    bars = walk(6)
    turned = bars.map(lambda price: 200.0 - price)
    turned = replace(turned, high=turned.low, low=turned.high)
    trend, sideways, _, confidence, _ = columns(bars)
    mirrored = columns(turned)
    np.testing.assert_array_equal(mirrored[0], -trend)
    np.testing.assert_array_equal(mirrored[[1, 3]], [sideways, confidence])
    assert {output.name for output in REGIME.outputs if output.flips} == {"trend"}


def test_volatility_is_that_of_the_reciprocal_price():
    bars = walk(6)
    turned = bars.map(lambda price: 1.0 / price)
    turned = replace(turned, high=turned.low, low=turned.high)
    np.testing.assert_allclose(columns(turned)[[2, 4]], columns(bars)[[2, 4]], atol=1e-9)


@pytest.mark.parametrize(("factor", "tolerance"), [(8.0, 0.0), (7.0, 1e-9)])
def test_prices_and_volumes_have_no_scale(factor, tolerance):
    bars = walk(7)
    scaled = replace(bars.map(lambda price: factor * price), volume=factor * bars.volume)
    np.testing.assert_allclose(columns(scaled), columns(bars), atol=tolerance, rtol=0.0)


@pytest.mark.parametrize("period", PERIOD.grid)
def test_warm_up_is_as_stated_and_every_value_after_it_is_one_that_was_promised(period):
    found = columns(walk(8, 1000), (period,))
    n_blank = REGIME.warm_up((period,))
    assert np.isnan(found[:, :n_blank]).all()
    assert np.isfinite(found[:, n_blank:]).all()
    trend, sideways, volatility, *confidences = found[:, n_blank:]
    assert set(trend) <= {-1.0, 0.0, 1.0}
    np.testing.assert_array_equal(sideways, np.where(trend == 0.0, 1.0, -1.0))
    assert set(volatility) <= {-1.0, 1.0}
    assert all(((one > 0.0) & (one <= 1.0)).all() for one in confidences)


def test_of_bull_bear_and_sideways_a_gate_lets_exactly_one_through():
    trend, sideways, volatility, *_ = columns(walk(9))[:, DEFAULT_PERIOD:]
    np.testing.assert_array_equal((trend > 0.5) + 0 + (trend < -0.5) + (sideways > 0.5), 1)
    np.testing.assert_array_equal(trend < 0.5, ~(trend > 0.5))
    np.testing.assert_array_equal(trend > -0.5, ~(trend < -0.5))
    np.testing.assert_array_equal(sideways < -0.5, ~(sideways > 0.5))
    np.testing.assert_array_equal((volatility > 0.5) ^ (volatility < -0.5), True)


def test_bars_that_never_move_are_sideways_and_of_unknown_volatility():
    trend, sideways, volatility, confidence, sure = columns(walk(1, 400).map(lambda price: np.full_like(price, 5.0)))
    used = slice(DEFAULT_PERIOD, None)
    assert (trend[used] == 0.0).all()
    assert (sideways[used] == 1.0).all()
    assert (volatility[used] == 0.0).all()
    np.testing.assert_allclose(confidence[used], 1.0 / 3.0, atol=1e-12)
    assert (sure[used] == 0.0).all()


def test_a_stretch_without_trade_is_sideways_and_quiet_and_ends_with_it():
    bars = walk(10, 1500)
    still = (np.arange(1500) >= 600) & (np.arange(1500) < 1200)
    stopped = bars.map(lambda price: np.where(still, bars.close[599], price))
    trend, _, volatility, confidence, _ = columns(stopped)
    assert np.isfinite(columns(stopped)[:, 100:]).all()
    assert (trend[800:1200] == 0.0).all()
    assert (volatility[620:1200] == -1.0).all()
    assert (confidence[800:1200] > 0.55).all()  # a trend might begin and be drowned in noise: never sure
    assert volatility[1215] == 1.0


def test_one_gap_alone_makes_no_trend():
    bars = walk(11, 800).map(lambda price: np.round(price * 64.0) / 64.0)
    rng = np.random.default_rng(0)
    flat = bars.map(lambda price: 100.0 + 0.0 * price)
    noise = np.where(rng.random(800) < 0.5, -0.1, 0.1)
    noise[1::2] = -noise[::2]  # every pair of moves comes back
    close = 100.0 + np.cumsum(noise)
    calm = replace(flat, close=close, open=close, high=close + 0.1, low=close - 0.1)
    before = columns(calm)[0, 500]
    gapped = calm.map(lambda price: np.where(np.arange(800) >= 501, price - 30.0, price))
    after = columns(gapped)[0, 501:]
    assert before == 0.0
    assert (after == 0.0).all()


@pytest.mark.parametrize("n_bars", [0, 1, 2, 9, 99, 100, 101])
def test_few_bars_are_data_too(n_bars):
    found = columns(walk(12, 300).head(n_bars))
    assert found.shape == (5, n_bars)
    assert np.isfinite(found).sum() == 5 * max(n_bars - 100, 0)


def test_inputs_stay_as_they_are_and_may_be_read_only():
    bars = walk(13, 500)
    before = {name: values.copy() for name, values in vars(bars).items()}
    first = columns(bars)
    for name, values in vars(bars).items():
        np.testing.assert_array_equal(values, before[name])
        values.flags.writeable = False
    np.testing.assert_array_equal(columns(bars), first)
    assert all(column.flags.c_contiguous and column.flags.writeable for column in REGIME.compute(bars, DEFAULTS))


def test_where_the_bars_begin_is_forgotten():
    bars = walk(14, 6000)
    late = PlainBars(*(getattr(bars, name)[1000:] for name in vars(bars)))
    whole, part = columns(bars)[:, 1000:], columns(late)
    settled = slice(10 * DEFAULT_PERIOD, None)
    assert (whole[:3, settled] == part[:3, settled]).mean(axis=1).min() > 0.99
    assert np.abs(whole[3, settled] - part[3, settled]).max() < 1e-6
    assert np.abs(whole[4, -500:] - part[4, -500:]).max() < 0.01


def test_defaults_are_on_the_grid_and_outputs_are_named_as_the_gate_reads_them():
    assert PERIOD.default in PERIOD.grid
    assert [output.name for output in REGIME.outputs[:3]] == ["trend", "sideways", "volatility"]
    assert all(output.level_range == (-0.5, 0.5) and output.level_steps == 1 for output in REGIME.outputs[:3])
    assert (TRENDS, VOLATILITIES) == (("bear", "sideways", "bull"), ("low", "high"))
