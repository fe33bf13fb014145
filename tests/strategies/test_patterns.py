"""Candlestick patterns: TA-Lib's, as flags, over a window and no more, and what each becomes upside down."""

import numpy as np
import pytest
import talib

from strategies.catalogue import CLOSE, SOURCES, catalogue, compatible, discovery, kind_index, kind_mirrors
from strategies.indicators import PATTERN_GROUP
from strategies.operands import column, columns_of, warm_up
from strategies.patterns import pattern_bars
from strategies.probes import SyntheticBars

PATTERNS = [kind for kind, entry in enumerate(catalogue()) if entry.family == "pattern"]
NAMES = [catalogue()[kind].name for kind in PATTERNS]
OF_EACH = pytest.mark.parametrize("kind", PATTERNS, ids=NAMES)
BARS, TURNED = pattern_bars(number=2, n_bars=8000), pattern_bars(number=2, n_bars=8000, upside_down=True)

EXACT = {
    "CDL3INSIDE": ("CDL3INSIDE", True),
    "CDLBELTHOLD": ("CDLBELTHOLD", True),
    "CDLDOJI": ("CDLDOJI", False),
    "CDLDRAGONFLYDOJI": ("CDLGRAVESTONEDOJI", False),
    "CDLENGULFING": ("CDLENGULFING", True),
    "CDLEVENINGDOJISTAR": ("CDLMORNINGDOJISTAR", True),
    "CDLEVENINGSTAR": ("CDLMORNINGSTAR", True),
    "CDLHARAMI": ("CDLHARAMI", True),
    "CDLHIKKAKE": ("CDLHIKKAKE", True),
    "CDLLONGLEGGEDDOJI": ("CDLLONGLEGGEDDOJI", False),
    "CDLMARUBOZU": ("CDLMARUBOZU", True),
    "CDLRICKSHAWMAN": ("CDLRICKSHAWMAN", False),
    "CDLTASUKIGAP": ("CDLTASUKIGAP", True),
}
NEARLY = {
    "CDL3WHITESOLDIERS": ("CDL3BLACKCROWS", True),  # the crows need a white candle before them
    "CDLHAMMER": ("CDLSHOOTINGSTAR", True),  # the star a gap
    "CDLINVERTEDHAMMER": ("CDLHANGINGMAN", True),
    "CDLPIERCING": ("CDLDARKCLOUDCOVER", True),  # the one measures from the low, the other from the high
}


def flags(name: str, bars: SyntheticBars, *values: float) -> np.ndarray:
    kind = kind_index(name)
    return column(kind, CLOSE, values or [each.default for each in catalogue()[kind].parameters], bars)


def mirror_of(name: str) -> tuple[str, bool]:
    mirror = kind_mirrors()[kind_index(name)]
    return catalogue()[mirror.kind].name, mirror.flips


def test_all_of_talibs_patterns_are_operands():
    assert sorted(talib.get_function_groups()[PATTERN_GROUP]) == NAMES
    assert len(NAMES) == 61


@OF_EACH
def test_a_pattern_is_a_flag_that_only_a_level_stands_beside(kind):
    entry = catalogue()[kind]
    values = [each.default for each in entry.parameters]
    found = column(kind, CLOSE, values, BARS)
    assert set(found[np.isfinite(found)]) <= {-1.0, 0.0, 1.0}
    assert (entry.level_range, entry.level_steps) == ((-0.5, 0.5), 1)
    assert compatible(kind, CLOSE).size == 0
    assert set(columns_of(kind, CLOSE, values, BARS)) == {kind}


@OF_EACH
def test_a_pattern_remembers_its_lookback_and_no_more(kind):
    """On bars whose sizes differ, and on ticks, where many are equal."""
    values = [each.default for each in catalogue()[kind].parameters]
    ticks = SyntheticBars(*(np.round(getattr(BARS, name) / 0.05) * 0.05 for name in SOURCES))
    for bars in (BARS, ticks):
        whole, blank = column(kind, CLOSE, values, bars), warm_up(kind, values)
        for start in (1, 37, 2001, 5555, 7900):
            late = SyntheticBars(*(np.ascontiguousarray(getattr(bars, name)[start:]) for name in SOURCES))
            found = column(kind, CLOSE, values, late)
            assert np.isnan(found[:blank]).all()
            np.testing.assert_array_equal(found[blank:], whole[start + blank :])


def test_penetrations_evolve_but_where_the_mirror_has_none():
    evolved = {catalogue()[kind].name for kind in PATTERNS if catalogue()[kind].parameters}
    assert evolved == {
        "CDLABANDONEDBABY",
        "CDLEVENINGDOJISTAR",
        "CDLEVENINGSTAR",
        "CDLMATHOLD",
        "CDLMORNINGDOJISTAR",
        "CDLMORNINGSTAR",
    }
    for name in evolved:
        (parameter,) = catalogue()[kind_index(name)].parameters
        assert parameter.name == "penetration"
        assert parameter.grid == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@pytest.mark.parametrize(("name", "expected"), [*EXACT.items(), *((b, (a, c)) for a, (b, c) in EXACT.items())])
def test_an_exact_mirror_is_seen_on_the_same_bars(name, expected):
    assert mirror_of(name) == expected
    other, turns = expected
    found, plain = flags(name, TURNED), flags(other, BARS)
    np.testing.assert_array_equal(found, -plain if turns else plain)
    assert np.abs(plain[np.isfinite(plain)]).sum() >= 3


@pytest.mark.parametrize(("name", "expected"), NEARLY.items())
def test_the_nearest_is_the_mirror_where_none_is_exact(name, expected):
    assert mirror_of(name) == expected
    assert mirror_of(expected[0]) == (name, True)


@pytest.mark.parametrize("name", ["CDLTAKURI", "CDLMATHOLD", "CDL3STARSINSOUTH", "CDLADVANCEBLOCK", "CDLTHRUSTING"])
def test_a_pattern_without_a_mirror_is_never_seen_on_the_short_side(name):
    """It keeps its kind and turns round: `above 0.5` becomes `below -0.5`, which a pattern of one side never is."""
    assert mirror_of(name) == (name, True)
    known = flags(name, pattern_bars(number=3, n_bars=20_000))
    assert not {1.0, -1.0} <= set(known)


def test_every_other_mirror_is_the_pattern_turned_round():
    listed = {*EXACT, *NEARLY, *(other for other, _ in (*EXACT.values(), *NEARLY.values()))}
    for name in set(NAMES) - listed:
        assert mirror_of(name) == (name, True)


def test_bars_upside_down_are_the_bars_about_their_middle():
    np.testing.assert_allclose(TURNED.close, 2e5 - BARS.close, rtol=0, atol=1e-9)
    np.testing.assert_allclose(TURNED.high, 2e5 - BARS.low, rtol=0, atol=1e-9)
    assert np.all(BARS.high >= np.maximum(BARS.open, BARS.close))
    assert np.all(BARS.low <= np.minimum(BARS.open, BARS.close))


def drawn(candles) -> SyntheticBars:
    """Twenty small candles, then those given as (open, high, low, close)."""
    quiet = [(100.0, 100.6, 99.9, 100.5) if bar % 2 else (100.5, 100.6, 99.9, 100.0) for bar in range(20)]
    columns = np.array([*quiet, *candles]).T
    return SyntheticBars(*(np.ascontiguousarray(each) for each in columns), np.ones(len(quiet) + len(candles)))


MAT_HOLD = [  # a long white candle, a gap up, three small ones that fall to 35 % of its body, a new high
    (100.0, 110.0, 100.0, 110.0),
    (112.0, 112.1, 111.4, 111.5),
    (109.0, 109.1, 107.9, 108.0),
    (107.5, 107.6, 106.4, 106.5),
    (107.0, 113.0, 107.0, 113.0),
]
ABANDONED_BABY = [  # a long black candle, a doji below a gap, a white one above a gap that takes back 45 %
    (100.0, 100.0, 90.0, 90.0),
    (88.0, 88.1, 87.9, 88.0),
    (89.0, 94.6, 88.9, 94.5),
]


@pytest.mark.parametrize(
    ("name", "candles", "seen"),
    [("CDLMATHOLD", MAT_HOLD, (0.4, 0.5, 0.9)), ("CDLABANDONEDBABY", ABANDONED_BABY, (0.1, 0.3, 0.4))],
)
def test_a_pattern_drawn_by_hand_is_seen_up_to_its_penetration(name, candles, seen):
    for penetration in (0.1, 0.3, 0.4, 0.5, 0.9):
        assert flags(name, drawn(candles), penetration)[-1] == (1.0 if penetration in seen else 0.0), penetration


def test_the_catalogue_has_patterns_where_their_names_belong():
    names = [kind.name for kind in discovery().kinds[1:]]
    assert names.index("CDL2CROWS") > names.index("CCI")
    assert names.index("CDLXSIDEGAP3METHODS") < names.index("CMF")
