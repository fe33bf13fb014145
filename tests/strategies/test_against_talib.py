"""Every operand is what TA-Lib's own public function returns, to the bit, whichever way it is computed here."""

import platform
from dataclasses import dataclass

import numpy as np
import pytest
import talib
import talib.abstract
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import indicators, talib_twins
from strategies.catalogue import CLOSE, SOURCES, catalogue, discovery, kind_index
from strategies.cycle_twins import CYCLE_TWINS
from strategies.errors import StrategyError
from strategies.indicators import INTEGER, Indicator
from strategies.operands import column, columns_of
from strategies.probes import walk
from strategies.window_twins import WINDOW_TWINS

N_BARS = 700
KINDS = pytest.mark.parametrize("kind", range(len(discovery().kinds)), ids=[kind.name for kind in discovery().kinds])


@dataclass(frozen=True, eq=False)
class Bars:
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray


def writable(number: int, n_bars: int = N_BARS) -> Bars:
    made = walk(number=number, volatility=0.02, n_bars=n_bars)
    return Bars(*(np.array(getattr(made, name)) for name in SOURCES))


def assert_same_bits(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal in every bit, but for what kind of NaN there is."""
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), ~known)
    np.testing.assert_array_equal(found[known].view(np.int64), expected[known].view(np.int64))


def by_talib(entry, source: int, parameters, bars: Bars) -> np.ndarray:
    """The operand by TA-Lib's public function and by what its documentation says of it, all NaN where it refuses."""
    price, nothing = getattr(bars, SOURCES[source]), np.full(bars.close.size, np.nan)
    if entry.function == "PRICE":
        return price
    function = talib.abstract.Function(entry.function)
    names = [name for each in function.info["input_names"].values() for name in ([each] if type(each) is str else each)]
    inputs = [
        talib.HT_DCPERIOD(price) if name == "periods" else price if entry.takes_source else getattr(bars, name)
        for name in names
    ]
    values = dict(function.info["parameters"])
    values |= {
        each.name: type(values[each.name])(value) for each, value in zip(entry.parameters, parameters, strict=True)
    }
    try:
        result = getattr(talib, entry.function)(*inputs, **values)
    except Exception as refusal:
        if "Bad Parameter" not in str(refusal):
            raise
        return nothing
    one = result[entry.output] if isinstance(result, tuple) else result
    out = one.astype(np.float64)
    if one.dtype != np.float64:
        function.parameters = values
        out[: function.lookback] = np.nan
    out = np.arange(out.size) - out if entry.is_index else out
    out = np.sign(out) if entry.family == "pattern" else out
    return np.where(np.isinf(out), np.nan, out)


def choices_of(kind: int, n_choices: int = 6):
    """The defaults, and values from all over the grids; always the same ones."""
    rng = np.random.default_rng(kind)
    parameters = catalogue()[kind].parameters
    yield tuple(parameter.default for parameter in parameters)
    for _ in range(n_choices if parameters else 0):
        yield tuple(float(rng.choice(parameter.grid)) for parameter in parameters)


def sources_of(kind: int) -> tuple[int, ...]:
    return tuple(range(len(SOURCES))) if catalogue()[kind].takes_source else (CLOSE,)


@KINDS
def test_a_column_is_what_talib_returns(kind):
    locked, plain = walk(number=31, volatility=0.02, n_bars=N_BARS), writable(31)
    assert not locked.close.flags.writeable
    for source in sources_of(kind):
        for parameters in choices_of(kind):
            expected = by_talib(catalogue()[kind], source, parameters, plain)
            assert_same_bits(column(kind, source, parameters, plain), expected)
            assert_same_bits(column(kind, source, parameters, locked), expected)


@KINDS
def test_columns_that_come_together_are_each_what_it_is_alone(kind):
    bars, entry = writable(32), catalogue()[kind]
    for source in sources_of(kind)[-1:]:
        for parameters in choices_of(kind, n_choices=2):
            together = columns_of(kind, source, [*parameters, 7.0], bars)
            assert kind in together
            assert list(together) == sorted(together)
            for other, values in together.items():
                assert catalogue()[other].function == entry.function
                assert [each.name for each in catalogue()[other].parameters] == [each.name for each in entry.parameters]
                assert_same_bits(values, column(other, source, parameters, bars))
                assert values.flags.writeable
            arrays = list(together.values())
            assert not any(np.shares_memory(one, two) for one in arrays for two in arrays if one is not two)


@pytest.mark.parametrize(
    ("name", "parameters", "together"),
    [
        ("MACD.macd", (12.0, 26.0), {"MACD.macd"}),
        ("MACD.macdsignal", (12.0, 26.0, 9.0), {"MACD.macdsignal", "MACD.macdhist"}),
        ("BBANDS.upperband", (20.0, 2.0), {"BBANDS.upperband"}),
        ("HT_SINE.sine", (), {"HT_SINE.sine", "HT_SINE.leadsine"}),
        ("PRICE", (), {"PRICE"}),
        ("SMA", (9.0,), {"SMA"}),
    ],
)
def test_what_comes_together_has_the_same_parameters(name, parameters, together):
    found = columns_of(kind_index(name), CLOSE, parameters, writable(33))
    assert {catalogue()[kind].name for kind in found} == together


def test_what_talib_refuses_is_nan_in_all_columns_that_come_together():
    together = columns_of(kind_index("KDJ.k"), CLOSE, (0.0, 3.0, 3.0), writable(34))
    assert all(np.isnan(values).all() for values in together.values())
    with pytest.raises(StrategyError, match=r"kind must be from 0 to \d+, but was -1"):
        columns_of(-1, CLOSE, (), writable(34))


def test_periods_are_kept_only_for_bars_that_cannot_change():
    kind = kind_index("MAVP")
    locked, open_to_change = walk(number=35, volatility=0.02), writable(35, 640)
    before = column(kind, CLOSE, (5.0, 30.0), locked)
    assert_same_bits(column(kind, CLOSE, (5.0, 30.0), open_to_change), before)
    open_to_change.close[:] = open_to_change.close[::-1].copy()
    changed = column(kind, CLOSE, (5.0, 30.0), open_to_change)
    assert_same_bits(changed, by_talib(catalogue()[kind], CLOSE, (5.0, 30.0), open_to_change))
    assert not np.array_equal(changed, before, equal_nan=True)
    assert_same_bits(column(kind, SOURCES.index("high"), (5.0, 30.0), locked),
                     by_talib(catalogue()[kind], SOURCES.index("high"), (5.0, 30.0), locked))  # fmt: skip


TWINS = sorted(talib_twins.NAMES)
PROVED = [name for name in TWINS if talib_twins.proved_twin(name)]


def test_every_function_that_has_a_twin_is_named():
    assert set(WINDOW_TWINS) | set(CYCLE_TWINS) == talib_twins.NAMES
    assert not set(WINDOW_TWINS) & set(CYCLE_TWINS)
    assert {entry.function for entry in catalogue()} >= talib_twins.NAMES


def test_what_only_adds_up_is_proved_on_any_machine():
    assert set(WINDOW_TWINS) <= set(PROVED)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="other compilers fuse other operations")
def test_what_multiplies_and_adds_is_proved_where_it_was_written():
    assert len(PROVED) == len(TWINS)


def test_a_twin_that_differs_in_one_bit_is_not_used(monkeypatch):
    def almost(columns, arguments):
        out = talib.AVGDEV(columns[0], int(arguments[0]))
        out[-1] = np.nextafter(out[-1], np.inf)
        return (out,)

    monkeypatch.setattr(talib_twins, "candidates", lambda name: iter([almost]))
    assert talib_twins.proved_twin.__wrapped__("AVGDEV") is None
    monkeypatch.setattr(talib_twins, "candidates", lambda name: iter([almost, WINDOW_TWINS[name]]))
    assert talib_twins.proved_twin.__wrapped__("AVGDEV") is WINDOW_TWINS["AVGDEV"]
    monkeypatch.setattr(talib_twins, "proved_twin", lambda name: None)
    bars = writable(38)
    assert_same_bits(talib_twins.compute("AVGDEV", "close", (20.0,), bars)[0], talib.AVGDEV(bars.close, 20))


def assert_twins_agree(name: str, source: str, values, bars) -> None:
    for each in SOURCES:
        getattr(bars, each).flags.writeable = False  # so that what is kept of a price is put to the test too
    twin, plain = (each.compute(name, source, values, bars) for each in (talib_twins, indicators))
    assert (twin is None) == (plain is None)
    for found, expected in zip(twin or (), plain or (), strict=True):
        assert found.dtype == np.float64
        assert_same_bits(found, expected)


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_agrees_at_every_length_and_at_every_number_of_bars(name):
    """Windows longer than the bars, as long, and shorter; and every remainder of the lanes that are taken together."""
    entry = indicators.indicator(name)
    for n_bars in (1, 2, 7, 8, 9, 31, 32, 33, 40, 63, 64, 65, 130):
        bars = writable(36, n_bars)
        for length in (2.0, 7.0, 8.0, 9.0, 16.0, 31.0, 32.0, 33.0, 39.0, 40.0, 62.0, 63.0, 64.0, 129.0, 130.0):
            assert_twins_agree(name, "close", lengths(entry, length, 35.0), bars)


def lengths(entry: Indicator, length: float, other: float) -> tuple[float, ...]:
    """Parameter values: whole numbers are the length, the first real one is `other`."""
    return tuple(length if setting.kind == INTEGER else other for setting in entry.settings)


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("refused", [-1.0, 0.0, 1.0, 10_001.0, 100_001.0, 1e9, np.inf, np.nan])
def test_a_twin_refuses_what_talib_refuses(name, refused):
    bars, entry = writable(37), indicators.indicator(name)
    for values in (lengths(entry, refused, 50.0), lengths(entry, 20.0, refused)):
        assert_twins_agree(name, "close", values, bars)


@st.composite
def rough_bars(draw) -> Bars:
    """Few distinct prices, so that windows are flat, tied and empty; from one bar to some hundred."""
    n_bars, seed = draw(st.integers(1, 160)), draw(st.integers(0, 2**32 - 1))
    prices = draw(
        st.lists(st.sampled_from([1e-12, 1e-6, 0.01, 1.0, 1.5, 50.0, 50.01, 1e6, 1e12]), min_size=1, max_size=5)
    )
    volumes = draw(st.lists(st.sampled_from([0.0, 1.0, 1e3, 1e12]), min_size=1, max_size=3))
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(prices, (n_bars, 4)), axis=1)
    low, opening, close, high = (np.ascontiguousarray(drawn[:, place]) for place in range(4))
    if draw(st.booleans()):
        opening, close = close, opening
    return Bars(opening, high, low, close, rng.choice(volumes, n_bars))


REALS = st.sampled_from([0.0, 0.01, 0.05, 0.3, 0.5, 0.99, 1.0, 7.0, 25.0, 50.0, 99.0, 100.0])  # shares and per cent


@settings(max_examples=200, deadline=None)
@given(data=st.data(), bars=rough_bars())
def test_a_twin_agrees_on_rough_bars(data, bars):
    name = data.draw(st.sampled_from(TWINS))
    entry = indicators.indicator(name)
    values = tuple(
        float(data.draw(st.integers(1, 80) if setting.kind == INTEGER else REALS)) for setting in entry.settings
    )
    assert_twins_agree(name, data.draw(st.sampled_from(SOURCES)), values, bars)
