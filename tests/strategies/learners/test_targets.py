"""Targets: what they say by plain loops, when they are known, and that no scale of prices matters."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from strategies.learners.standardising import LIMIT, volatility
from strategies.learners.table import HORIZONS, TARGETS
from strategies.learners.targets import TARGET_FUNCTIONS, target_of
from strategies.probes import walk

EVERY = pytest.mark.parametrize("target", TARGETS)
SPANS = pytest.mark.parametrize("horizon", [int(horizon) for horizon in HORIZONS])


@dataclass(frozen=True, eq=False)
class Bars:
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray


def bars_of(number: int = 2, n_bars: int = 300) -> Bars:
    made = walk(number=number, volatility=0.02, n_bars=n_bars)
    return Bars(made.open, made.high, made.low, made.close, made.volume)


def test_every_target_of_the_table_is_there():
    assert tuple(TARGET_FUNCTIONS) == TARGETS


@SPANS
def test_they_are_what_they_say(horizon):
    bars = bars_of()
    found = {target: target_of(target, horizon, bars) for target in TARGETS}
    for bar in range(1, bars.close.size):
        if bar + horizon >= bars.close.size:
            assert all(np.isnan(found[target][bar]) for target in TARGETS)
            continue
        close, ahead = bars.close[bar], slice(bar + 1, bar + horizon + 1)
        unit = volatility(bars.close)[bar] * horizon**0.5
        change = bars.close[bar + horizon] / close - 1.0
        reach = ((bars.high[ahead].max() - close) - (close - bars.low[ahead].min())) / close
        assert found["direction"][bar] == np.sign(change)
        assert found["return"][bar] == pytest.approx(np.clip(change / unit, -LIMIT, LIMIT), rel=1e-9, abs=1e-12)
        assert found["excursion"][bar] == pytest.approx(np.clip(reach / unit, -LIMIT, LIMIT), rel=1e-9, abs=1e-12)


@EVERY
@SPANS
def test_a_target_reads_up_to_its_horizon_and_no_further(target, horizon):
    bars, known, moved = bars_of(), 150 - horizon, False
    before = target_of(target, horizon, bars)
    for factor in (0.5, 2.0):
        later = replace(bars, **{name: np.array(getattr(bars, name)) for name in ("high", "low", "close")})
        for name in ("high", "low", "close"):
            getattr(later, name)[150:] *= factor
        after = target_of(target, horizon, later)
        assert before[:known].tobytes() == after[:known].tobytes()
        moved |= bool((before[known:150] != after[known:150]).any())
    assert moved


@EVERY
def test_the_scale_of_prices_does_not_matter(target):
    bars = bars_of()
    grown = replace(bars, **{name: getattr(bars, name) * 64.0 for name in ("open", "high", "low", "close")})
    assert target_of(target, 5, grown).tobytes() == target_of(target, 5, bars).tobytes()


@EVERY
def test_they_are_about_1_whatever_the_horizon(target):
    bars = bars_of(n_bars=8000)
    for horizon in (1, 5, 20):
        assert 0.5 < np.nanstd(target_of(target, horizon, bars)) < 2.0


@EVERY
@pytest.mark.parametrize("n_bars", [0, 1, 5, 6])
def test_short_bars(target, n_bars):
    made = bars_of()
    bars = Bars(*(getattr(made, name)[:n_bars] for name in ("open", "high", "low", "close", "volume")))
    found = target_of(target, 5, bars)
    assert found.shape == (n_bars,)
    assert not found.flags.writeable
    assert np.isnan(found[1:]).all()


def test_flat_bars_have_a_direction_of_0_and_no_scale():
    flat = np.full(30, 7.0)
    bars = Bars(flat, flat, flat, flat, flat)
    assert (target_of("direction", 3, bars)[:27] == 0.0).all()
    assert np.isnan(target_of("return", 3, bars)).all()
    assert np.isnan(target_of("excursion", 3, bars)).all()
