"""The contract of every operand: laws that all kinds of the catalogue keep, then answers worked out by hand."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.catalogue import CLOSE, SOURCES, VOLUME, catalogue, kind_index, scale_of
from strategies.errors import StrategyError
from strategies.features import FEATURES
from strategies.indicators import lookback
from strategies.operands import column, columns_of, warm_up
from tests.strategies.made_up_bars import (
    HOUR_US,
    START_US,
    MadeUpBars,
    choices_of,
    extra_columns,
    joined,
    random_bars,
    scaled,
    sources_of,
)

N_BARS = 420
COMPUTED = [kind for kind, entry in enumerate(catalogue()) if entry.family != "learner"]
KINDS = pytest.mark.parametrize("kind", COMPUTED, ids=[catalogue()[kind].name for kind in COMPUTED])
PATH_DEPENDENT = {"SAR", "SAREXT", "SUPERTREND", "REGIME"}  # they forget their start at a reversal, whenever it comes
FROM_A_BEGINNING = {
    "BARS_INTO_SESSION",
    "OPENING_RANGE",
    "SESSION_POSITION",
    "SESSION_RETURN",
    "TURN_OF_MONTH.tradingday",
}
"""Known from the first day, or month, on that is sure to be whole."""
SOMETIMES_UNKNOWN = {"OPENING_RANGE"}
"""Not known at every bar even of an ordinary market: in the first hours of a day."""


def values_refused(kind, values) -> bool:
    """A lag that is no shorter than its window."""
    return catalogue()[kind].name == "VARIANCE_RATIO" and values[0] >= values[1]


def cases_of(kind: int):
    return [(source, values) for source in sources_of(kind) for values in choices_of(kind)]


@KINDS
def test_future_bars_change_nothing_before_them(kind):
    bars, other = random_bars(1), random_bars(2)
    for source, values in cases_of(kind):
        plain = column(kind, source, values, bars)
        for stop in (1, 60, 201, 400):
            parts = bars.of(lambda each, stop=stop: each[:stop]), other.of(lambda each, stop=stop: each[stop:])
            changed = joined(*parts, anchor=0)
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
    before, locked = bars.of(np.copy), bars.locked()
    for source, values in cases_of(kind):
        result = column(kind, source, values, bars)
        assert result.shape == (N_BARS,)
        assert result.dtype == np.float64
        assert result.flags.c_contiguous
        assert result.flags.writeable
        assert not np.isinf(result).any()
        assert not any(np.shares_memory(result, array) for array in bars.arrays())
        again = column(kind, source, values, locked)
        assert again.tobytes() == result.tobytes()
        assert columns_of(kind, source, values, locked)[kind].tobytes() == result.tobytes()
    for array, kept in zip(bars.arrays(), before.arrays(), strict=True):
        np.testing.assert_array_equal(array, kept)


@KINDS
def test_values_begin_where_it_is_stated(kind):
    bars, entry = random_bars(5), catalogue()[kind]
    for source in sources_of(kind):
        for values in choices_of(kind):
            known = np.flatnonzero(np.isfinite(column(kind, source, values, bars)))
            if entry.function in FEATURES:
                stated = FEATURES[entry.function].warm_up(values)
                assert warm_up(kind, values) >= stated
                assert known.size == 0 or known[0] >= stated
                assert entry.name in FROM_A_BEGINNING or values_refused(kind, values) or known[0] == stated
            elif entry.function != "PRICE" and accepted(kind, values):
                assert known[0] == lookback(entry.function, merged(entry, values))
                assert entry.memory == "fading" or known[0] == warm_up(kind, values)


@KINDS
def test_values_are_known_once_the_bars_have_begun(kind):
    bars, entry = random_bars(5, 1200), catalogue()[kind]
    for source in sources_of(kind):
        result = column(kind, source, [p.default for p in entry.parameters], bars)
        assert np.isfinite(result[-500:]).all() or entry.name in SOMETIMES_UNKNOWN


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
    before = scaled(random_bars(8, 200), price=1.4, volume=0.6)
    for values in choices_of(kind, longest=40.0):
        start = warm_up(kind, values)
        fresh = column(kind, CLOSE, values, bars)
        later = column(kind, CLOSE, values, joined(before, bars))[200:]
        largest = np.max(np.abs(later), initial=1e-300, where=np.isfinite(later))
        apart = np.abs(fresh - later)[start:] / largest
        if entry.function in PATH_DEPENDENT:
            assert np.sum(apart > 1e-5) <= 0.05 * apart.size
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
    traded, rng = np.array(volumes, dtype=np.float64), np.random.default_rng(len(volumes))
    stamps = START_US + HOUR_US * np.cumsum(rng.choice([1, 1, 7, 900], close.size))
    return MadeUpBars(opening, high, low, close, traded, stamps, extra=extra_columns(rng, close, traded))


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
    kind = data.draw(st.sampled_from(COMPUTED))
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
    flat, entry = random_bars(10, 200), catalogue()[kind]
    dead = replace(scaled(flat, volume=0.0), **{name: np.full(200, 80.0) for name in SOURCES[:4]})
    bars = joined(random_bars(10, 300), dead, random_bars(11, 700))
    for source in sources_of(kind):
        known = np.isfinite(column(kind, source, [p.default for p in entry.parameters], bars)[-200:])
        assert known.all() or (entry.name in SOMETIMES_UNKNOWN and known.any())


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


@pytest.mark.parametrize("kind", [len(catalogue()) - 2, len(catalogue()) - 1])
def test_what_a_learner_says_is_not_computed_from_bars(kind):
    for ask in (column, columns_of):
        with pytest.raises(StrategyError, match="computed from bars alone, but LEARNER reads a learner"):
            ask(kind, CLOSE, (0.0,), random_bars(23))
    with pytest.raises(StrategyError, match=r"must be that of an operand on bars, but was asked of LEARNER\."):
        warm_up(kind, (0.0,))
