"""What the catalogue says of the installed TA-Lib, and the laws of what may be compared with what."""

import subprocess
import sys

import numpy as np
import pytest
import talib

from strategies import indicators
from strategies.catalogue import (
    CLOSE,
    PERCENT_OF_CLOSE,
    SOURCES,
    VOLUME,
    catalogue,
    compatible,
    discovery,
    kind_index,
    kind_mirrors,
    level_range_of,
    level_unit_of,
    put_aside,
    scale_of,
)
from strategies.discovery import discover
from strategies.errors import StrategyError
from strategies.features import FEATURES
from strategies.grids import DEVIATIONS, PERIODS
from strategies.indicators import PATTERN_GROUP
from strategies.operand_kind import LEVEL_ONLY, LEVEL_STEPS, Mirror
from strategies.operands import column
from strategies.patterns import pattern_bars
from strategies.scales import Scale
from tests.strategies.made_up_bars import random_bars

PRICE_LEVEL = Scale(1.0, 0.0, True)
PRICE_DIFFERENCE = Scale(1.0, 0.0, False)
NUMBER = Scale(0.0, 0.0, False)
TOO_RARE = {"CDLABANDONEDBABY", "CDLMATHOLD"}  # see test_patterns
TRANSCENDENTAL = {"ATAN", "COS", "COSH", "EXP", "LN", "LOG10", "SIN", "SINH", "TAN", "TANH"}
SIDES = [
    (kind, source)
    for kind, entry in enumerate(catalogue())
    for source in (range(len(SOURCES)) if entry.takes_source else (CLOSE,))
]


def entry_of(name: str):
    return catalogue()[kind_index(name)]


def peers_of(name: str, source: str = "close") -> set[str]:
    return {
        catalogue()[kind].name + (f"({SOURCES[of]})" if catalogue()[kind].takes_source else "")
        for kind, of in compatible(kind_index(name), SOURCES.index(source))
    }


def test_every_function_is_an_operand_or_put_aside_with_a_reason():
    functions = set(talib.get_functions())
    used = {entry.function for entry in discovery().kinds} - {"PRICE"}
    aside = {name for name in put_aside() if "." not in name}
    assert used | aside == functions
    assert not used & aside
    assert all(put_aside().values())


def test_every_output_of_a_used_function_is_an_operand_or_put_aside():
    for entry in discovery().kinds[1:]:
        indicator = indicators.indicators()[entry.function]
        for output in indicator.outputs:
            name = entry.function if len(indicator.outputs) == 1 else f"{entry.function}.{output}"
            assert name in put_aside() or kind_index(name) >= 0


def test_only_what_no_split_survives_is_put_aside():
    never = {name for name, reason in put_aside().items() if reason.startswith("never finite")}
    changes = {name for name, reason in put_aside().items() if reason.startswith("changes meaning with a split")}
    assert never == {"ACOS", "ASIN"}
    assert changes == TRANSCENDENTAL | {"CEIL", "FLOOR", "LINEARREG_ANGLE"}
    assert never | changes == set(put_aside())


def test_kinds_have_unique_names_in_a_stable_order():
    names = [entry.name for entry in catalogue()]
    assert names[0] == "PRICE"
    assert len(set(names)) == len(names)
    assert [kind_index(name) for name in names] == list(range(len(names)))
    order = [(entry.function, entry.output) for entry in discovery().kinds[1:]]
    assert order == sorted(order)
    ours = [entry.function for entry in catalogue()[len(discovery().kinds) :]]
    assert list(dict.fromkeys(ours)) == [*FEATURES, "LEARNER"]


def test_families_are_those_of_where_a_kind_comes_from():
    for entry in catalogue():
        if entry.function in FEATURES:
            assert entry.family == FEATURES[entry.function].family
            assert entry.family in {"structure", "calendar", "regime", "extra"}
            assert bool(entry.requires) == (entry.family == "extra")
        else:
            of_talib = {PATTERN_GROUP: "pattern"}.get(talib_group(entry.function), "indicator")
            assert entry.family == {"PRICE": "price", "LEARNER": "learner"}.get(entry.function, of_talib)


def talib_group(function: str) -> str:
    return indicators.indicators()[function].group if function in indicators.indicators() else ""


def test_a_flag_or_a_count_stands_beside_a_level_alone():
    for kind, entry in enumerate(catalogue()):
        assert (entry.peers == LEVEL_ONLY) == (entry.level_steps < LEVEL_STEPS)
        if entry.peers == LEVEL_ONLY:
            assert entry.level_range is not None
            assert compatible(kind, CLOSE).shape == (0, 2)
            low, high = entry.level_range
            step = (high - low) / entry.level_steps
            whole = entry.name == "SESSION_CLOCK" or (step == 1.0 and low % 1.0 == 0.5)
            assert whole, entry.name  # a level lies between two whole numbers, never on one


def test_learners_are_read_by_their_slot():
    score, confidence = catalogue()[-2:]
    assert (score.name, confidence.name) == ("LEARNER.score", "LEARNER.confidence")
    assert score.level_range[0] == -score.level_range[1]
    assert confidence.level_range[0] == 0.0
    assert [each.flips for each in kind_mirrors()[-2:]] == [True, False]
    for entry in (score, confidence):
        assert [(each.name, each.grid) for each in entry.parameters] == [("slot", (0.0, 1.0))]


def test_every_kind_has_a_mirror_whose_mirror_it_is():
    mirrors = kind_mirrors()
    assert len(mirrors) == len(catalogue())
    for kind, mirror in enumerate(mirrors):
        assert mirrors[mirror.kind] == Mirror(kind, mirror.flips)
        assert catalogue()[mirror.kind].family == catalogue()[kind].family
        assert catalogue()[mirror.kind].level_steps == catalogue()[kind].level_steps
        grids = [[each.grid for each in catalogue()[at].parameters] for at in (kind, mirror.kind)]
        assert grids[0] == grids[1]


def test_parameter_types_are_those_that_ta_lib_declares():
    declared = {0: indicators.REAL, 2: indicators.INTEGER, 3: indicators.MA_TYPE}
    for name, indicator in indicators.indicators().items():
        for place, setting in enumerate(indicator.settings):
            told = talib._ta_lib._ta_getOptInputParameterInfo(name.encode(), place)
            assert (setting.name, setting.default) == (told["name"], told["default_value"])
            assert setting.kind == declared[told["type"]], (name, setting)


def test_grids_ascend_contain_the_default_and_are_accepted():
    for entry in catalogue():
        assert len(entry.parameters) == len(entry.places) <= 3
        for place, parameter in zip(entry.places, entry.parameters, strict=True):
            assert parameter.default == entry.defaults[place]
            assert parameter.default in parameter.grid
            assert list(parameter.grid) == sorted(set(parameter.grid))
            assert len(parameter.grid) > (10 if entry.family == "indicator" else 1)
            for value in parameter.grid:
                assert not parameter.integer or value == int(value)
                if entry.function not in indicators.indicators():
                    continue
                values = (*entry.defaults[:place], value, *entry.defaults[place + 1 :])
                if entry.function != "MAVP":  # refuses a least period above the greatest: then the column is NaN
                    assert indicators.accepts(entry.function, values), (entry.name, parameter.name, value)


def test_every_parameter_changes_its_operand():
    walked, patterned = random_bars(77, 700), pattern_bars(number=5, n_bars=60_000)
    for kind, entry in enumerate(catalogue()):
        if entry.family == "learner" or entry.name in TOO_RARE:
            continue
        bars = patterned if entry.family == "pattern" else walked
        defaults = [parameter.default for parameter in entry.parameters]
        plain = column(kind, CLOSE, defaults, bars)
        for place, parameter in enumerate(entry.parameters):
            choices = ([*defaults[:place], value, *defaults[place + 1 :]] for value in parameter.grid[::5])
            apart = (np.abs(column(kind, CLOSE, choice, bars) - plain) for choice in choices)
            assert any(np.any(each > 1e-9) for each in apart), (entry.name, parameter.name)


def test_parameters_are_ta_libs():
    (period,) = entry_of("RSI").parameters
    assert (period.name, period.default, period.integer) == ("timeperiod", 14.0, True)
    assert period.grid == tuple(float(value) for value in PERIODS)
    assert [parameter.name for parameter in entry_of("MACD.macd").parameters] == ["fastperiod", "slowperiod"]
    assert [p.name for p in entry_of("MACD.macdsignal").parameters] == ["fastperiod", "slowperiod", "signalperiod"]
    assert [parameter.name for parameter in entry_of("BBANDS.upperband").parameters] == ["timeperiod", "nbdevup"]
    assert [parameter.name for parameter in entry_of("BBANDS.lowerband").parameters] == ["timeperiod", "nbdevdn"]
    assert entry_of("BBANDS.upperband").parameters[1].grid == DEVIATIONS
    assert not any("matype" in parameter.name for entry in catalogue() for parameter in entry.parameters)
    assert entry_of("PERCENTILE").parameters[1].grid == tuple(float(value) for value in range(0, 101, 5))


@pytest.mark.parametrize(
    ("name", "scale", "level_range", "unit"),
    [
        ("PRICE", PRICE_LEVEL, None, ""),
        ("SMA", PRICE_LEVEL, None, ""),
        ("ACCBANDS.upperband", PRICE_LEVEL, None, ""),
        ("SAR", PRICE_LEVEL, None, ""),
        ("VWAP", PRICE_LEVEL, None, ""),
        ("RSI", NUMBER, (0.0, 100.0), ""),
        ("WILLR", NUMBER, (-100.0, 0.0), ""),
        ("AROONOSC", NUMBER, (-100.0, 100.0), ""),
        ("CORREL", NUMBER, (-1.0, 1.0), ""),
        ("ER", NUMBER, (0.0, 1.0), ""),
        ("HT_TRENDMODE", NUMBER, (0.0, 1.0), ""),
        ("SUPERTREND.trend", NUMBER, (-1.0, 1.0), ""),
        ("CCI", NUMBER, (-250.0, 250.0), ""),
        ("MAXINDEX", NUMBER, (0.0, 30.0), ""),
        ("NATR", NUMBER, (0.0, 6.0), ""),
        ("MACD.macd", PRICE_DIFFERENCE, (-8.0, 8.0), PERCENT_OF_CLOSE),
        ("ATR", PRICE_DIFFERENCE, (0.0, 6.0), PERCENT_OF_CLOSE),
        ("SUM", PRICE_LEVEL, None, ""),
        ("VAR", Scale(2.0, 0.0, False), None, ""),
        ("SQRT", Scale(0.5, 0.0, True), None, ""),
        ("OBV", Scale(0.0, 1.0, False), None, ""),
        ("EFI", Scale(1.0, 1.0, False), None, ""),
        ("MARKETFI", Scale(1.0, -1.0, False), None, ""),
        ("NVI", NUMBER, None, ""),
    ],
)
def test_scales_and_levels_are_what_a_trader_expects(name, scale, level_range, unit):
    kind = kind_index(name)
    assert scale_of(kind, CLOSE) == scale
    assert level_range_of(kind, CLOSE) == level_range
    assert level_unit_of(kind, CLOSE) == unit


def test_on_the_volume_a_price_is_a_volume():
    assert scale_of(kind_index("SMA"), VOLUME) == Scale(0.0, 1.0, True)
    assert scale_of(kind_index("MOM"), VOLUME) == Scale(0.0, 1.0, False)
    assert level_range_of(kind_index("MOM"), VOLUME) is None
    assert level_unit_of(kind_index("MOM"), VOLUME) == ""
    assert level_range_of(kind_index("RSI"), VOLUME) == (0.0, 100.0)
    assert level_range_of(kind_index("ROC"), VOLUME) != level_range_of(kind_index("ROC"), CLOSE)
    assert scale_of(kind_index("ATR"), VOLUME) == PRICE_DIFFERENCE


@pytest.mark.parametrize("name", ["AD", "CUMSUM", "NVI", "OBV", "PVI", "PVT", "WAD", "VWAP"])
def test_what_counts_from_the_first_bar_says_so(name):
    entry = entry_of(name)
    assert entry.memory == "endless"
    assert entry.level_range is None
    assert entry.volume_range is None


def test_memories_are_what_the_formulas_say():
    assert {entry_of(name).memory for name in ("SMA", "MAX", "STOCH.slowd", "CCI", "LINEARREG", "MFI")} == {"window"}
    assert {entry_of(name).memory for name in ("EMA", "RSI", "ADX", "SAR", "HT_TRENDMODE", "ADOSC")} == {"fading"}


def test_levels_are_ranges():
    for kind, source in SIDES:
        span = level_range_of(kind, source)
        if span is None:
            assert level_unit_of(kind, source) == ""
            continue
        assert span[0] < span[1]
        if level_unit_of(kind, source) == PERCENT_OF_CLOSE:
            assert scale_of(kind, source) == PRICE_DIFFERENCE
            assert span[0] in (0.0, -span[1])
        else:
            assert scale_of(kind, source) == NUMBER


def test_comparable_is_an_equivalence():
    groups = {side: {tuple(row) for row in compatible(*side).tolist()} for side in SIDES}
    for side, group in groups.items():
        assert (side in group) == (catalogue()[side[0]].peers != LEVEL_ONLY)
        assert all(groups[other] == group for other in group)


def test_only_equal_scales_and_ranges_are_comparable():
    for side in SIDES:
        for other in compatible(*side).tolist():
            assert scale_of(*side) == scale_of(*other)
            if scale_of(*side) == NUMBER:
                assert level_range_of(*side) == level_range_of(*other)
                assert catalogue()[side[0]].level_steps == catalogue()[other[0]].level_steps


def test_comparable_rows_are_sorted_cached_and_locked():
    for side in SIDES:
        rows = compatible(*side)
        assert rows.dtype == np.int64
        assert rows.shape[1] == 2
        assert rows.tolist() == sorted(rows.tolist())
        assert compatible(*side) is rows
    with pytest.raises(ValueError, match="read-only"):
        compatible(0, CLOSE)[0, 0] = 1


def test_a_kind_without_a_source_stands_under_the_close():
    kind = kind_index("ATR")
    assert all(compatible(kind, source) is compatible(kind, CLOSE) for source in range(len(SOURCES)))
    assert [kind, CLOSE] in compatible(kind, CLOSE).tolist()
    assert scale_of(kind, VOLUME) == scale_of(kind, CLOSE)


def test_prices_are_compared_with_prices():
    prices = peers_of("PRICE")
    assert {
        "SMA(open)",
        "PRICE(high)",
        "BBANDS.upperband(close)",
        "SAR",
        "DONCHIAN.upperband",
        "VWAP",
        "KC.lowerband",
    } <= prices
    assert (
        not {"RSI(close)", "ATR", "SMA(volume)", "PRICE(volume)", "SUM(close)", "MACD.macd(close)", "OBV", "ADD"}
        & prices
    )
    assert prices == peers_of("SMA") == peers_of("SUPERTREND.supertrend")


def test_an_oscillator_is_compared_with_those_of_its_range():
    oscillators = peers_of("RSI")
    assert {"RSI(open)", "RSI(volume)", "STOCH.slowk", "MFI", "ADX", "ULTOSC"} <= oscillators
    assert not {"CORREL", "WILLR", "CCI", "AROONOSC", "PRICE(close)", "ROC(close)"} & oscillators


def test_crossing_lines_of_one_function_are_comparable():
    for entry in catalogue():
        twins = [kind for kind, other in enumerate(catalogue()) if other.function == entry.function]
        if entry.function not in indicators.indicators():
            continue
        lines = [kind for kind in twins if scale_of(kind, CLOSE) == entry.scale]
        groups = {id(compatible(kind, CLOSE)) for kind in lines}
        assert len(groups) == 1 or entry.function == "KDJ", entry.name  # j = 3k - 2d leaves the 0..100 of k and d


def test_what_has_an_origin_of_its_own_is_compared_with_itself():
    assert peers_of("OBV") == {"OBV"}
    assert peers_of("AD") == {"AD"}
    assert peers_of("SUM") == {"SUM(open)", "SUM(high)", "SUM(low)", "SUM(close)"}
    assert peers_of("SUM", "volume") == {"SUM(volume)"}
    assert peers_of("CUMSUM", "volume") == {"CUMSUM(volume)"}
    assert {"SMA(volume)", "MAX(volume)"} <= peers_of("PRICE", "volume")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("RSY", "must be one of the .* in the catalogue, but was 'RSY'; did you mean .*RSI"),
        ("LN", "but was 'LN'; TA-Lib's LN is put aside: changes meaning with a split"),
        ("CDLDOJY", "did you mean .*CDLDOJI"),
        ("???", r"catalogue\(\)` lists them"),
    ],
)
def test_an_unknown_name_is_refused_with_a_hint(name, message):
    with pytest.raises(StrategyError, match=message):
        kind_index(name)


def test_the_last_bits_of_a_cpu_change_nothing(monkeypatch):
    """Another C compiler may round TA-Lib's sums otherwise, though never an index: the catalogue must be the same."""
    plain = indicators.compute

    def rounded_otherwise(name, source, values, bars):
        columns = plain(name, source, values, bars)
        noise = 1.0 + 4e-16 * np.sin(np.arange(bars.close.size) * 1.7)
        return columns if columns is None or name.endswith("INDEX") else tuple(each * noise for each in columns)

    monkeypatch.setattr(indicators, "compute", rounded_otherwise)
    assert discover() == discovery()


def test_talib_is_imported_only_when_the_catalogue_is_read():
    code = """
import sys
import strategies.catalogue, strategies.operands
assert "talib" not in sys.modules
print(repr(strategies.catalogue.catalogue()))
"""
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert told.stdout.strip() == repr(catalogue())
