"""Each experiment of the examination, on made-up functions whose answers are known."""

import numpy as np
import pytest

from strategies import indicators
from strategies.examination import ENDLESS, FADING, LOOKS_AHEAD, NEVER_FINITE, NOT_HOMOGENEOUS, WINDOW, examine
from strategies.indicators import INTEGER, Indicator, Setting
from strategies.scales import Scale


def fading_mean(price, period):
    mean, rate = np.array(price), 2.0 / (period + 1.0)
    for t in range(1, price.size):
        mean[t] = rate * price[t] + (1.0 - rate) * mean[t - 1]
    return mean


def window_mean(price, period):
    windows = np.lib.stride_tricks.sliding_window_view(price, period)
    return np.concatenate([np.full(period - 1, np.nan), windows.mean(axis=1)])


def index_of_highest(price, period):
    windows = np.lib.stride_tricks.sliding_window_view(price, period)
    return np.concatenate([np.full(period - 1, np.nan), np.argmax(windows, axis=1) + np.arange(windows.shape[0])])


def oscillator(price, period):
    changes = np.diff(price, prepend=price[0])
    rises = window_mean(np.maximum(changes, 0.0), period)
    return 100.0 * rises / np.maximum(window_mean(np.abs(changes), period), 1e-300)


@pytest.fixture
def examined(monkeypatch):
    """What the examination finds of a function of price and period that TA-Lib would compute."""

    def finding(function):
        def compute(name, source, values, bars):
            return (np.asarray(function(getattr(bars, source), int(values[0]))),)

        monkeypatch.setattr(indicators, "compute", compute)
        monkeypatch.setattr(indicators, "lookback", lambda name, values: int(values[0]) - 1)
        setting = Setting("timeperiod", 10.0, INTEGER)
        return examine(Indicator("SMA", "Overlap Studies", ("close",), True, (setting,), ("real",), False), 0)

    return finding


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda price, period: np.append(price[1:], price[-1]), LOOKS_AHEAD),
        (lambda price, period: price / price.max(), LOOKS_AHEAD),
        (lambda price, period: price - price.mean(), LOOKS_AHEAD),
        (lambda price, period: np.full(price.size, np.inf), NEVER_FINITE),
        (lambda price, period: np.log(price), NOT_HOMOGENEOUS),
        (lambda price, period: np.tanh(price), NOT_HOMOGENEOUS),
        (lambda price, period: window_mean(price, period) + 1.0, NOT_HOMOGENEOUS),
    ],
)
def test_what_can_be_no_operand_is_put_aside(examined, function, reason):
    assert examined(function).put_aside == reason


@pytest.mark.parametrize(
    ("function", "scale", "moves_as"),
    [
        (window_mean, Scale(1.0, 0.0, True), "level"),
        (lambda price, period: price - window_mean(price, period), Scale(1.0, 0.0, False), "difference"),
        (lambda price, period: window_mean(price, period) * period, Scale(1.0, 0.0, True), "otherwise"),
        (lambda price, period: window_mean(price, period) ** 2, Scale(2.0, 0.0, True), "otherwise"),
        (lambda price, period: (price - window_mean(price, period)) ** 2, Scale(2.0, 0.0, False), "difference"),
        (lambda price, period: np.sqrt(price), Scale(0.5, 0.0, True), "otherwise"),
        (oscillator, Scale(0.0, 0.0, False), "difference"),
    ],
)
def test_scales_are_found(examined, function, scale, moves_as):
    finding = examined(function)
    assert finding.put_aside == ""
    assert finding.scale == scale
    assert finding.moves_as == moves_as


@pytest.mark.parametrize(
    ("function", "memory"),
    [
        (window_mean, WINDOW),
        (fading_mean, FADING),
        (lambda price, period: np.cumsum(price) / np.arange(1, price.size + 1), ENDLESS),
        (lambda price, period: np.maximum.accumulate(price), ENDLESS),
    ],
)
def test_memories_are_found(examined, function, memory):
    assert examined(function).memory == memory


def test_an_index_is_found_and_ranged_as_bars_since(examined):
    finding = examined(index_of_highest)
    assert finding.is_index
    assert finding.memory == WINDOW
    assert finding.price_range == (0.0, 10.0)
    assert not examined(window_mean).is_index


def test_ranges_are_natural_where_they_are_kept_and_measured_where_not(examined):
    natural = examined(oscillator)
    assert (natural.declared, natural.price_range, natural.volume_range) == (True, (0.0, 100.0), (0.0, 100.0))
    measured = examined(lambda price, period: 100.0 * (price / window_mean(price, period) - 1.0))
    assert not measured.declared
    assert measured.price_range is not None
    assert measured.price_range[0] == -measured.price_range[1]
    assert examined(window_mean).price_range is None


def test_a_parameter_that_changes_nothing_does_not_evolve(examined):
    assert [parameter.name for _, parameter in examined(window_mean).evolved] == ["timeperiod"]
    assert examined(lambda price, period: np.abs(price)).evolved == ()
