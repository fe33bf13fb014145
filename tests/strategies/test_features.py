"""Our own features: slow references equal to the bit, what is declared, closed forms, clocks by Python's calendar."""

import math
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from strategies.catalogue import CLOSE, SOURCES, catalogue, kind_index, kind_mirrors
from strategies.errors import StrategyError
from strategies.features import FEATURES
from strategies.operand_kind import LEVEL_STEPS
from strategies.operands import column
from strategies.probes import walk
from tests.strategies.made_up_bars import HOUR_US, START_US, MadeUpBars, choices_of, random_bars
from tests.strategies.plain_features import EPOCH, REFERENCES

KINDS = [kind for kind, entry in enumerate(catalogue()) if entry.function in FEATURES]
OF_EACH = pytest.mark.parametrize("kind", KINDS, ids=[catalogue()[kind].name for kind in KINDS])


def values_of(name: str, bars, *values: float) -> np.ndarray:
    return column(kind_index(name), CLOSE, values, bars)


def rough() -> MadeUpBars:
    """Ordinary bars with a rest, equal closes, bars without volume and one without a range."""
    bars = random_bars(31, 260).of(np.copy)
    for name in SOURCES[:4]:
        getattr(bars, name)[120:160] = bars.close[120]
        getattr(bars, name)[200] = bars.close[199]
    bars.volume[100:110] = 0.0
    bars.volume[125:155] = 0.0
    return bars


@pytest.mark.parametrize("name", REFERENCES)
def test_a_feature_is_its_slow_reference(name):
    bars, kind = rough(), kind_index(name)
    some = sorted({*range(0, 260, 7), *range(118, 164), *range(30), 199, 200, 201, 259})
    for values in choices_of(kind, n_choices=1, longest=45.0):
        found = column(kind, CLOSE, values, bars)
        expected = [REFERENCES[name](bars, t, *values) for t in some]
        np.testing.assert_array_equal(found[some], expected)


def test_every_feature_of_prices_and_times_has_a_reference():
    names = {catalogue()[kind].name for kind in KINDS if catalogue()[kind].family in ("structure", "calendar")}
    assert names == set(REFERENCES)


# What is declared.


@OF_EACH
def test_a_declaration_makes_sense(kind):
    entry = catalogue()[kind]
    feature = FEATURES[entry.function]
    names = [output.name for output in feature.outputs]
    assert len(set(names)) == len(names)
    assert entry.name == (feature.name if len(names) == 1 else f"{feature.name}.{names[entry.output]}")
    assert len(entry.parameters) <= 3
    for parameter in entry.parameters:
        assert parameter.default in parameter.grid
        assert list(parameter.grid) == sorted(set(parameter.grid))
    mirror = feature.outputs[entry.output].mirror or names[entry.output]
    assert catalogue()[kind_mirrors()[kind].kind].output == names.index(mirror)
    assert 1 <= entry.level_steps <= LEVEL_STEPS


@pytest.mark.parametrize("name", [catalogue()[kind].name for kind in KINDS if not catalogue()[kind].requires])
def test_most_values_lie_where_levels_do(name):
    kind, bars = kind_index(name), random_bars(32, 3000)
    entry = catalogue()[kind]
    bars = replace(bars, **{column: 80.0 * (getattr(bars, column) / 80.0) ** 0.3 for column in SOURCES[:4]})  # calmer
    low, high = entry.level_range
    found = column(kind, CLOSE, [each.default for each in entry.parameters], bars)
    found = found[np.isfinite(found)]
    slack = (high - low) if entry.level_steps < LEVEL_STEPS else 0.0  # a flag is beyond its levels
    assert np.mean((found >= low - slack) & (found <= high + slack)) > 0.85


CENTRE = 100.0


def calm_bars(n_bars: int = 1500) -> MadeUpBars:
    """Prices that hardly leave their centre, so that a change in per cent upside down is the same change."""
    made = walk(number=61, volatility=2e-6, n_bars=n_bars)
    columns = {name: getattr(made, name) * (CENTRE / made.close[0]) for name in SOURCES[:4]}
    bars = random_bars(33, n_bars)
    extra = dict(bars.extra)
    extra["bid"], extra["ask"] = columns["close"] - 0.01, columns["close"] + 0.01 * (1.0 + np.arange(n_bars) % 3)
    return MadeUpBars(**columns, volume=bars.volume, timestamps=bars.timestamps, extra=extra)


def upside_down(bars: MadeUpBars) -> MadeUpBars:
    """Prices about the centre; who bids asks, who bought sold, who pays gets."""
    turned = {
        name: 2.0 * CENTRE - getattr(bars, other)
        for name, other in zip(SOURCES, ("open", "low", "high", "close"), strict=False)
    }
    extra = {
        **bars.extra,
        "bid": 2.0 * CENTRE - bars.extra["ask"],
        "ask": 2.0 * CENTRE - bars.extra["bid"],
        "bid_size": bars.extra["ask_size"],
        "ask_size": bars.extra["bid_size"],
        "buy_volume": bars.volume - bars.extra["buy_volume"],
        "funding_rate": -bars.extra["funding_rate"],
        "long_liquidations": bars.extra["short_liquidations"],
        "short_liquidations": bars.extra["long_liquidations"],
    }
    return MadeUpBars(**turned, volume=bars.volume, timestamps=bars.timestamps, extra=extra)


@OF_EACH
def test_upside_down_a_feature_is_its_mirror(kind):
    """A value that turns round is reflected in the middle of its levels, as the level beside it is."""
    entry, mirror, bars = catalogue()[kind], kind_mirrors()[kind], calm_bars()
    values = [each.default for each in entry.parameters]
    found = column(kind, CLOSE, values, upside_down(bars))
    plain = column(mirror.kind, CLOSE, values, bars)
    low, high = entry.level_range
    expected = (low + high) - plain if mirror.flips else plain
    known = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(found), known)
    largest = np.max(np.abs(plain[known]))
    assert np.mean(np.abs(found - expected)[known] <= 2e-3 * largest) > 0.98


# Closed forms.


def test_a_feature_of_times_needs_bars_that_have_them():
    plain = walk(number=62, volatility=0.01)
    for name in ("HOUR_OF_DAY", "TURN_OF_MONTH.daysleft", "SESSION_RETURN", "SESSION_CLOCK"):
        with pytest.raises(StrategyError, match="must have bars with `timestamps`, but these have none"):
            values_of(name, plain)


def test_a_feature_of_extra_columns_needs_them():
    plain = walk(number=62, volatility=0.01)
    with pytest.raises(
        StrategyError, match=r"BUY_SHARE must have bars with the extra column 'buy_volume', .* have none"
    ):
        values_of("BUY_SHARE", plain, 5.0)


def test_a_learner_is_not_computed_from_bars():
    with pytest.raises(StrategyError, match="LEARNER reads a learner of its strategy"):
        values_of("LEARNER.score", random_bars(1), 0.0)


def times_at(*moments: datetime, timeframe: str = "1d") -> MadeUpBars:
    bars = random_bars(34, len(moments))
    stamps = np.array([(each - EPOCH) // timedelta(microseconds=1) for each in moments])
    columns = {name: getattr(bars, name) for name in SOURCES}
    return MadeUpBars(**columns, timestamps=stamps, timeframe=timeframe, extra=bars.extra)


def test_the_hour_of_daily_bars_is_constant_and_their_session_is_one_bar():
    days = times_at(*(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(90)))
    assert set(values_of("HOUR_OF_DAY", days)) == {0.0}
    assert set(values_of("SESSION_CLOCK", days)) == {1.0}
    assert set(values_of("BARS_INTO_SESSION", days)[1:]) == {0.0}
    assert np.isnan(values_of("OPENING_RANGE", days, 1.0)).all()
    np.testing.assert_allclose(values_of("SESSION_RETURN", days)[1:], 100.0 * (days.close / days.open - 1.0)[1:])


def test_before_1970_a_monday_is_a_monday():
    old = times_at(datetime(1929, 10, 28, tzinfo=UTC), datetime(1929, 10, 29, 15, tzinfo=UTC), timeframe="1h")
    assert values_of("DAY_OF_WEEK", old).tolist() == [0.0, 1.0]
    assert values_of("HOUR_OF_DAY", old).tolist() == [0.0, 15.0]
    assert values_of("MONTH", old).tolist() == [10.0, 10.0]


def brownian(*, n_days: int, daily: float, spread: float, n_ticks: int = 390) -> MadeUpBars:
    """Days of a random walk without a night, traded at half a spread above or below it."""
    rng = np.random.default_rng(7)
    truth = np.cumsum(rng.normal(0.0, daily / math.sqrt(n_ticks), n_days * n_ticks))
    traded = 50.0 * np.exp(truth) * (1.0 + rng.choice([-0.5, 0.5], truth.size) * spread)
    ticks = traded.reshape(n_days, n_ticks)
    columns = ticks[:, 0], ticks.max(axis=1), ticks.min(axis=1), ticks[:, -1]
    stamps = START_US + 24 * HOUR_US * np.arange(n_days)
    return MadeUpBars(*(np.ascontiguousarray(each) for each in columns), np.ones(n_days), stamps, timeframe="1d")


def test_each_volatility_is_that_of_the_walk():
    bars = brownian(n_days=1500, daily=0.02, spread=0.0)
    for name in ("REALISED_VOLATILITY", "PARKINSON", "GARMAN_KLASS", "ROGERS_SATCHELL", "YANG_ZHANG"):
        found = values_of(name, bars, 252.0)
        assert np.nanmean(found) == pytest.approx(2.0, rel=0.1), name  # extremes between ticks are missed


@pytest.mark.parametrize("spread", [0.01, 0.02, 0.05])
def test_the_spread_is_found_in_highs_and_lows(spread):
    found = values_of("CORWIN_SCHULTZ", brownian(n_days=3000, daily=0.01, spread=spread), 252.0)
    assert np.nanmean(found) == pytest.approx(100.0 * spread, rel=0.15)


def test_a_walk_has_a_variance_ratio_of_one_and_a_trend_a_higher_one():
    rng = np.random.default_rng(8)
    noise = rng.standard_normal(4000) * 0.01
    for share, low, high in ((0.0, 0.95, 1.05), (0.4, 1.4, 2.2), (-0.4, 0.3, 0.7)):
        returns = noise.copy()
        for t in range(1, returns.size):
            returns[t] += share * returns[t - 1]
        close = 100.0 * np.exp(np.cumsum(returns))
        bars = MadeUpBars(close, close, close, close, close, np.arange(close.size))
        assert low < np.nanmean(values_of("VARIANCE_RATIO", bars, 5.0, 252.0)) < high


def test_the_volume_that_rises_less_that_falls():
    close = np.array([10.0, 11.0, 10.0, 10.0])
    bars = MadeUpBars(np.full(4, 10.0), close + 1.0, close - 1.0, close, np.array([5.0, 6.0, 0.0, 4.0]), np.arange(4))
    assert values_of("VOLUME_IMBALANCE", bars, 2.0)[1:].tolist() == [6.0 / 11.0, 1.0, 0.0]
    bars.volume[:] = 0.0
    assert values_of("VOLUME_IMBALANCE", bars, 2.0)[1:].tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(values_of("VWAP_DISTANCE", bars, 2.0)).all()
    assert np.isnan(values_of("AMIHUD", bars, 2.0, 3.0)).all()


def test_the_catalogue_with_its_features_loads_without_compiled_code():
    code = "import sys, strategies.catalogue as c; assert len(c.catalogue()) > 200; print('numba' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
