"""Laws that every operand of the catalogue keeps, then answers worked out by hand."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.catalogue import CLOSE, SOURCES, VOLUME, catalogue, kind_index, scale_of
from strategies.errors import StrategyError
from strategies.indicators import lookback
from strategies.operands import column, warm_up

N_BARS = 420
KINDS = pytest.mark.parametrize("kind", range(len(catalogue())), ids=[kind.name for kind in catalogue()])
PATH_DEPENDENT = {"SAR", "SAREXT", "SUPERTREND"}  # they forget their start at a reversal, whenever it comes


@dataclass(frozen=True, eq=False)
class MadeUpBars:
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray

    def of(self, change) -> "MadeUpBars":
        return MadeUpBars(*(np.ascontiguousarray(change(getattr(self, name))) for name in SOURCES))


def random_bars(seed: int, n_bars: int = N_BARS) -> MadeUpBars:
    rng = np.random.default_rng(seed)
    close = 80.0 * np.exp(np.cumsum(0.015 * rng.standard_t(4, n_bars)))
    opening = np.concatenate([[80.0], close[:-1]]) * np.exp(0.004 * rng.standard_normal(n_bars))
    high = np.maximum(opening, close) * (1.0 + 0.01 * rng.random(n_bars))
    low = np.minimum(opening, close) * (1.0 - 0.01 * rng.random(n_bars))
    return MadeUpBars(opening, high, low, close, np.round(1e4 * np.exp(rng.standard_normal(n_bars))))


def joined(*parts: MadeUpBars) -> MadeUpBars:
    return MadeUpBars(*(np.concatenate([getattr(part, name) for part in parts]) for name in SOURCES))


def scaled(bars: MadeUpBars, *, price: float = 1.0, volume: float = 1.0) -> MadeUpBars:
    return replace(bars.of(lambda values: values * price), volume=bars.volume * volume)


def sources_of(kind: int) -> tuple[int, ...]:
    return tuple(range(len(SOURCES))) if catalogue()[kind].takes_source else (CLOSE,)


def choices_of(kind: int, n_choices: int = 3, longest: float = 60.0) -> list[tuple[float, ...]]:
    """The defaults and a few other parameter values from the grids; always the same ones."""
    rng = np.random.default_rng(kind)
    grids = [[value for value in p.grid if value <= longest] for p in catalogue()[kind].parameters]
    defaults = tuple(p.default for p in catalogue()[kind].parameters)
    return [defaults, *(tuple(float(rng.choice(grid)) for grid in grids) for _ in range(n_choices if grids else 0))]


def cases_of(kind: int):
    return [(source, values) for source in sources_of(kind) for values in choices_of(kind)]


@KINDS
def test_future_bars_change_nothing_before_them(kind):
    bars, other = random_bars(1), random_bars(2)
    for source, values in cases_of(kind):
        plain = column(kind, source, values, bars)
        for stop in (1, 60, 201, 400):
            changed = joined(
                bars.of(lambda each, stop=stop: each[:stop]), other.of(lambda each, stop=stop: each[stop:])
            )
            np.testing.assert_array_equal(column(kind, source, values, changed)[:stop], plain[:stop])


@KINDS
def test_a_cut_series_gives_the_same_bits(kind):
    bars = random_bars(3)
    for source, values in cases_of(kind):
        plain = column(kind, source, values, bars)
        for stop in (1, 2, 45, 200, 419):
            cut = bars.of(lambda each, stop=stop: each[:stop])
            np.testing.assert_array_equal(column(kind, source, values, cut), plain[:stop])


@KINDS
def test_a_column_is_well_formed_and_its_bars_untouched(kind):
    bars = random_bars(4)
    before = bars.of(np.copy)
    locked = bars.of(np.copy)
    for name in SOURCES:
        getattr(locked, name).flags.writeable = False
    for source, values in cases_of(kind):
        result = column(kind, source, values, bars)
        assert result.shape == (N_BARS,)
        assert result.dtype == np.float64
        assert result.flags.c_contiguous
        assert result.flags.writeable
        assert not np.isinf(result).any()
        assert not any(np.shares_memory(result, getattr(bars, name)) for name in SOURCES)
        np.testing.assert_array_equal(column(kind, source, values, locked), result)
    for name in SOURCES:
        np.testing.assert_array_equal(getattr(bars, name), getattr(before, name))


@KINDS
def test_values_begin_where_ta_lib_says(kind):
    bars, entry = random_bars(5), catalogue()[kind]
    if entry.function == "PRICE":
        return
    for source in sources_of(kind):
        result = column(kind, source, [p.default for p in entry.parameters], bars)
        assert np.flatnonzero(np.isfinite(result))[0] == lookback(entry.function, entry.defaults)


@KINDS
def test_values_follow_prices_and_volumes_by_their_scale(kind):
    bars = random_bars(6)
    for source, values in cases_of(kind):
        scale = scale_of(kind, source)
        plain = column(kind, source, values, bars)
        largest = np.max(np.abs(plain), initial=1e-300, where=np.isfinite(plain))
        for power in (-5, 4):
            factor = 2.0**power
            by_price = column(kind, source, values, scaled(bars, price=factor)) / factor**scale.price_degree
            by_volume = column(kind, source, values, scaled(bars, volume=factor)) / factor**scale.volume_degree
            np.testing.assert_allclose(by_price, plain, rtol=0, atol=1e-9 * largest)
            np.testing.assert_allclose(by_volume, plain, rtol=0, atol=1e-9 * largest)


@KINDS
def test_after_the_warm_up_the_start_of_the_bars_no_longer_matters(kind):
    entry = catalogue()[kind]
    if entry.memory == "endless":
        return
    bars = random_bars(7, 3000)
    before = scaled(random_bars(8, 150), price=1.4, volume=0.6)
    for values in choices_of(kind, longest=40.0):
        start = warm_up(kind, values)
        assert start >= (
            0 if entry.function == "PRICE" else lookback(entry.function, merged(entry, values)) * accepted(kind, values)
        )
        fresh = column(kind, CLOSE, values, bars)
        later = column(kind, CLOSE, values, joined(before, bars))[150:]
        largest = np.max(np.abs(later), initial=1e-300, where=np.isfinite(later))
        apart = np.abs(fresh - later)[start:] / largest
        if entry.function in PATH_DEPENDENT:
            assert np.mean(apart > 1e-5) < 0.05
        else:
            assert not np.any(apart > 1e-5), (entry.name, values, start, int(np.flatnonzero(apart > 1e-5)[-1]))


def merged(entry, values):
    full = list(entry.defaults)
    for place, value in zip(entry.places, values, strict=True):
        full[place] = value
    return tuple(full)


def accepted(kind, values) -> bool:
    return bool(np.isfinite(column(kind, CLOSE, values, random_bars(7, 3000))).any())


def nasty(draw_prices, volumes) -> MadeUpBars:
    prices = np.sort(np.array(draw_prices, dtype=np.float64).reshape(-1, 4), axis=1)
    low, opening, close, high = (np.ascontiguousarray(prices[:, place]) for place in range(4))
    return MadeUpBars(opening, high, low, close, np.array(volumes, dtype=np.float64))


@st.composite
def nasty_bars(draw) -> MadeUpBars:
    """Stretches of flat bars, of huge gaps and of nothing traded, from one bar on."""
    price = st.sampled_from([1e-6, 0.01, 1.0, 1.0, 50.0, 50.0, 50.01, 51.0, 1e6])
    volume = st.sampled_from([0.0, 0.0, 1.0, 1e3, 1e12])
    stretches = draw(
        st.lists(st.tuples(st.lists(price, min_size=4, max_size=4), volume, st.integers(1, 90)), min_size=1, max_size=6)
    )
    prices = [bar for bar, _, length in stretches for _ in range(length)]
    return nasty(prices, [traded for _, traded, length in stretches for _ in range(length)])


@settings(max_examples=150, deadline=None)
@given(data=st.data(), bars=nasty_bars())
def test_no_parameters_on_no_bars_raise(data, bars):
    kind = data.draw(st.integers(0, len(catalogue()) - 1))
    source = data.draw(st.sampled_from(sources_of(kind)))
    values = [data.draw(st.sampled_from(p.grid)) for p in catalogue()[kind].parameters]
    result = column(kind, source, values, bars)
    assert result.shape == bars.close.shape
    assert not np.isinf(result).any()
    stop = data.draw(st.integers(1, bars.close.size))
    np.testing.assert_array_equal(column(kind, source, values, bars.of(lambda each: each[:stop])), result[:stop])


@KINDS
@pytest.mark.parametrize("n_bars", [1, 3])
def test_few_bars_are_no_trouble(kind, n_bars):
    for source, values in cases_of(kind):
        assert column(kind, source, values, random_bars(9, n_bars)).shape == (n_bars,)


@KINDS
def test_flat_bars_without_volume_are_forgotten(kind):
    """No NaN of a 0/0 stays behind in a running sum."""
    dead = MadeUpBars(*(np.full(200, 80.0) for _ in range(4)), np.zeros(200))
    entry, bars = catalogue()[kind], joined(random_bars(10, 300), dead, random_bars(11, 700))
    for source in sources_of(kind):
        assert np.isfinite(column(kind, source, [p.default for p in entry.parameters], bars)[-200:]).all()


def test_parameters_that_ta_lib_refuses_give_a_column_of_nan():
    bars = random_bars(12)
    assert np.isnan(column(kind_index("MAVP"), CLOSE, (25.0, 6.0), bars)).all()
    for refused in (0.0, -3.0, 1e9, 1e300, np.inf, np.nan):
        assert np.isnan(column(kind_index("RSI"), CLOSE, (refused,), bars)).all()
        assert warm_up(kind_index("RSI"), (refused,)) == 0


def test_a_bare_price_is_a_copy():
    bars = random_bars(13)
    for source, name in enumerate(SOURCES):
        result = column(0, source, (), bars)
        np.testing.assert_array_equal(result, getattr(bars, name))
        result[:] = 0.0
        assert getattr(bars, name).all()


@pytest.mark.parametrize("source", range(len(SOURCES)))
def test_an_sma_is_the_mean_of_its_window(source):
    bars = random_bars(14)
    windows = np.lib.stride_tricks.sliding_window_view(getattr(bars, SOURCES[source]), 20)
    result = column(kind_index("SMA"), source, (20.0,), bars)
    assert np.isnan(result[:19]).all()
    np.testing.assert_allclose(result[19:], windows.mean(axis=1), rtol=1e-12)


def test_the_rsi_is_wilders():
    """Wilder 1978: averages of gains and losses, the first plain, then smoothed by 1/n."""
    bars = random_bars(15)
    changes = np.diff(bars.close)
    gain, loss = np.maximum(changes[:14], 0.0).mean(), np.maximum(-changes[:14], 0.0).mean()
    expected = [100.0 * gain / (gain + loss)]
    for change in changes[14:]:
        gain, loss = (13.0 * gain + max(change, 0.0)) / 14.0, (13.0 * loss + max(-change, 0.0)) / 14.0
        expected.append(100.0 * gain / (gain + loss))
    np.testing.assert_allclose(column(kind_index("RSI"), CLOSE, (14.0,), bars)[14:], expected, rtol=1e-10)


@pytest.mark.parametrize(("name", "pick"), [("MAXINDEX", np.argmax), ("MININDEX", np.argmin)])
@pytest.mark.parametrize("source", [CLOSE, VOLUME])
def test_an_index_becomes_bars_since(name, pick, source):
    bars = random_bars(16)
    windows = np.lib.stride_tricks.sliding_window_view(getattr(bars, SOURCES[source]), 10)
    result = column(kind_index(name), source, (10.0,), bars)
    assert np.isnan(result[:9]).all()
    np.testing.assert_array_equal(result[9:], [9 - pick(window) for window in windows])


def test_mavp_averages_over_the_dominant_cycle_of_the_same_price():
    bars = random_bars(17)
    for source in (CLOSE, SOURCES.index("high")):
        price = getattr(bars, SOURCES[source])
        periods = column(kind_index("HT_DCPERIOD"), source, (), bars)
        result = column(kind_index("MAVP"), source, (5.0, 30.0), bars)
        for t in range(100, N_BARS, 7):
            length = int(np.clip(int(periods[t]), 5, 30))
            assert result[t] == pytest.approx(price[t - length + 1 : t + 1].mean(), rel=1e-12)


def test_a_fractal_is_told_when_it_is_confirmed():
    bars = random_bars(18)
    result = column(kind_index("FRACTAL.swinghigh"), CLOSE, (2.0, 3.0), bars)
    for t in range(6, N_BARS):
        swing = bars.high[t - 3] > np.delete(bars.high[t - 5 : t + 1], 2).max()
        assert result[t] == (100.0 if swing else 0.0)


def test_a_supertrend_that_has_not_begun_is_unknown():
    """TA-Lib fills the lookback of whole-number outputs with 0; a trend of 0 would be a value."""
    result = column(kind_index("SUPERTREND.trend"), CLOSE, (10.0, 3.0), random_bars(19))
    assert np.isnan(result[:10]).all()
    assert set(result[10:]) <= {-1.0, 1.0}


def test_without_volume_a_relative_volume_is_unknown():
    bars = replace(random_bars(20), volume=np.zeros(N_BARS))
    assert np.isnan(column(kind_index("RVOL"), CLOSE, (20.0,), bars)).all()


def test_longer_periods_need_longer_to_warm_up():
    for name in ("SMA", "EMA", "RSI", "ATR", "TEMA"):
        lengths = [warm_up(kind_index(name), (period,)) for period in (5.0, 20.0, 50.0, 100.0)]
        assert all(shorter < longer for shorter, longer in pairwise(lengths))


def test_a_window_needs_its_lookback_and_no_more():
    assert warm_up(kind_index("SMA"), (20.0,)) == 19
    assert warm_up(kind_index("OBV"), ()) == 0
    assert warm_up(0, ()) == 0


@pytest.mark.parametrize(
    ("kind", "source", "values", "message"),
    [
        (-1, CLOSE, (), r"kind must be from 0 to \d+, but was -1"),
        (10_000, CLOSE, (), r"kind must be from 0 to \d+, but was 10000"),
        (0, 5, (), "source must be from 0 to 4, but was 5"),
        (kind_index("SMA"), CLOSE, (), r"SMA must have a value for each of timeperiod, but was given \(\)"),
    ],
)
def test_what_does_not_exist_is_refused(kind, source, values, message):
    with pytest.raises(StrategyError, match=message):
        column(kind, source, values, random_bars(21))


def test_unused_parameters_are_ignored():
    bars = random_bars(22)
    np.testing.assert_array_equal(
        column(kind_index("SMA"), CLOSE, (9.0, 0.0, 0.0), bars), column(kind_index("SMA"), CLOSE, (9.0,), bars)
    )
