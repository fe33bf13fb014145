"""Operands of extra columns: equal to their definitions bar by bar, causal, free of units, missing where a part is."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from strategies.extra_columns import EXTRA_COLUMNS, SUMMED
from strategies.features.extra import EXTRA, window_sum

BY_NAME = {feature.name: feature for feature in EXTRA}
N_BARS = 160


@dataclass(frozen=True)
class MadeBars:
    close: np.ndarray
    volume: np.ndarray
    extra: dict = field(default_factory=dict)

    def change(self, **columns):
        return replace(self, extra={**self.extra, **columns})


def made_bars(seed=0, n_bars=N_BARS):
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, n_bars)))
    volume = rng.integers(0, 50, n_bars) * 10.0  # some bars without any
    spread = rng.integers(0, 5, n_bars) * 0.01
    extra = {
        "bid": close - spread,
        "ask": close + spread,
        "bid_size": rng.integers(0, 9, n_bars) * 100.0,
        "ask_size": rng.integers(0, 9, n_bars) * 100.0,
        "n_trades": np.where(volume > 0.0, rng.integers(1, 40, n_bars), 0.0),
        "buy_volume": np.floor(volume * rng.random(n_bars)),
        "funding_rate": rng.normal(0.0, 1e-4, n_bars),
        "open_interest": rng.integers(100, 900, n_bars) * 1.0,
        "long_liquidations": rng.integers(0, 3, n_bars) * 5.0,
        "short_liquidations": rng.integers(0, 3, n_bars) * 5.0,
    }
    for name in ("bid", "n_trades", "funding_rate", "open_interest", "long_liquidations"):
        extra[name][rng.integers(0, n_bars, 6)] = np.nan
    return MadeBars(close, volume, extra)


def run(feature, bars, parameters=None):
    values = tuple(p.default for p in feature.parameters) if parameters is None else parameters
    (column,) = feature.compute(bars, values)
    return column


def ratio(above, below):
    return above / below if below > 0.0 else np.nan


def total(values, bar, n_bars):
    """Newest first, as it is defined."""
    if bar + 1 < n_bars:
        return np.nan
    found = values[bar]
    for back in range(1, n_bars):
        found = found + values[bar - back]
    return found


def by_definition(name, bars, bar, n=0):
    at, volume = bars.extra, bars.volume
    if name == "BOOK_IMBALANCE":
        return ratio(at["bid_size"][bar] - at["ask_size"][bar], at["bid_size"][bar] + at["ask_size"][bar])
    if name == "QUOTED_SPREAD":
        return 100.0 * ratio(at["ask"][bar] - at["bid"][bar], (at["ask"][bar] + at["bid"][bar]) / 2.0)
    if name == "BUY_SHARE":
        return ratio(total(at["buy_volume"], bar, n), total(volume, bar, n))
    if name == "TRADE_SIZE":
        sizes = np.array([ratio(volume[i], at["n_trades"][i]) for i in range(bar + 1)])
        return ratio(sizes[bar], total(sizes, bar, n) / n)
    if name == "TRADE_RATE":
        return ratio(at["n_trades"][bar], total(at["n_trades"], bar, n) / n)
    if name == "FUNDING_RATE":
        return 100.0 * (total(at["funding_rate"], bar, n) / n)
    if name == "OPEN_INTEREST_CHANGE":
        return np.nan if bar < n else 100.0 * ratio(
            at["open_interest"][bar] - at["open_interest"][bar - n], at["open_interest"][bar - n]
        )  # fmt: skip
    longs, shorts = at["long_liquidations"], at["short_liquidations"]
    if name == "LIQUIDATION_IMBALANCE":
        return ratio(total(longs, bar, n) - total(shorts, bar, n), total(longs, bar, n) + total(shorts, bar, n))
    if name == "LIQUIDATION_SHARE":
        return 100.0 * ratio(total(longs + shorts, bar, n), total(volume, bar, n))
    raise AssertionError(f"no definition of {name}")


def spans(feature):
    grid = [p.grid for p in feature.parameters]
    return [(value,) for value in grid[0][::3]] if grid else [()]


@pytest.mark.parametrize("name", BY_NAME)
def test_equals_its_definition_bar_by_bar(name):
    bars = made_bars()
    for parameters in spans(BY_NAME[name]):
        wanted = [by_definition(name, bars, bar, *map(round, parameters)) for bar in range(N_BARS)]
        np.testing.assert_array_equal(run(BY_NAME[name], bars, parameters), wanted)


@pytest.mark.parametrize("name", BY_NAME)
def test_later_bars_change_nothing_and_no_input_is_written_to(name):
    bars = made_bars()
    for column in (bars.volume, *bars.extra.values()):
        column.flags.writeable = False
    for parameters in spans(BY_NAME[name]):
        whole = run(BY_NAME[name], bars, parameters)
        for stop in (1, 2, 40, N_BARS - 1):
            early = MadeBars(bars.close[:stop], bars.volume[:stop], {k: v[:stop] for k, v in bars.extra.items()})
            np.testing.assert_array_equal(run(BY_NAME[name], early, parameters), whole[:stop])


@pytest.mark.parametrize("name", BY_NAME)
def test_the_warm_up_is_stated_and_true(name):
    bars = made_bars()
    whole = {k: np.nan_to_num(v, nan=50.0) + 1.0 for k, v in bars.extra.items()}
    bars = MadeBars(bars.close, bars.volume + 60.0, {**whole, "ask": whole["bid"] + 1.0})
    for parameters in spans(BY_NAME[name]):
        warm_up = BY_NAME[name].warm_up(parameters)
        column = run(BY_NAME[name], bars, parameters)
        assert np.isnan(column[:warm_up]).all()
        assert np.isfinite(column[warm_up:]).all()


@pytest.mark.parametrize("name", BY_NAME)
def test_units_of_price_and_volume_do_not_matter(name):
    bars = made_bars()
    power = {"bid": 4.0, "ask": 4.0, "n_trades": 1.0, "funding_rate": 1.0, "open_interest": 0.5}
    scaled = MadeBars(bars.close * 4.0, bars.volume * 8.0, {k: v * power.get(k, 8.0) for k, v in bars.extra.items()})
    np.testing.assert_array_equal(run(BY_NAME[name], scaled), run(BY_NAME[name], bars))


SIDES = (("bid_size", "ask_size"), ("long_liquidations", "short_liquidations"))


@pytest.mark.parametrize("name", BY_NAME)
def test_upside_down_it_turns_round_in_its_range_or_stays(name):
    """Upside down, who bought has sold: sizes and liquidations change sides, and longs are paid."""
    bars = made_bars()
    down = bars.change(buy_volume=bars.volume - bars.extra["buy_volume"], funding_rate=-bars.extra["funding_rate"])
    for one, other in SIDES:
        down = down.change(**{one: bars.extra[other], other: bars.extra[one]})
    (output,) = BY_NAME[name].outputs
    there, here = run(BY_NAME[name], down), run(BY_NAME[name], bars)
    low, high = output.level_range
    wanted = low + high - here if output.flips else here
    np.testing.assert_allclose(there, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", BY_NAME)
def test_without_its_columns_there_is_no_value(name):
    feature, bars = BY_NAME[name], made_bars()
    assert set(feature.requires) <= set(EXTRA_COLUMNS)
    for missing in feature.requires:
        less = replace(bars, extra={k: v for k, v in bars.extra.items() if k != missing})
        assert np.isnan(run(feature, less)).all()
    only = replace(bars, extra={k: bars.extra[k] for k in feature.requires})
    np.testing.assert_array_equal(run(feature, only), run(feature, bars))


@pytest.mark.parametrize("name", BY_NAME)
def test_a_missing_value_is_missing_wherever_it_is_read_and_nowhere_else(name):
    feature, bars, hole = BY_NAME[name], made_bars(seed=3), 90
    spoilt = bars.change(**{c: np.where(np.arange(N_BARS) == hole, np.nan, bars.extra[c]) for c in feature.requires})
    before, after = run(feature, bars), run(feature, spoilt)
    reach = round(feature.parameters[0].default) if feature.parameters else 1
    reads = np.zeros(N_BARS, dtype=bool)
    reads[[hole, hole + reach] if name == "OPEN_INTEREST_CHANGE" else slice(hole, hole + reach)] = True
    assert np.isnan(after[reads]).all()
    np.testing.assert_array_equal(after[~reads], before[~reads])


@pytest.mark.parametrize("name", BY_NAME)
def test_most_values_lie_in_the_range_of_levels_and_are_never_infinite(name):
    (output,) = BY_NAME[name].outputs
    column = run(BY_NAME[name], made_bars(seed=5))
    finite = column[~np.isnan(column)]
    assert np.isfinite(finite).all()
    low, high = output.level_range
    inside = (finite >= low) & (finite <= high)
    if low != 0.0 or high != 10.0:  # invented liquidations are large beside the volume
        assert inside.mean() > (0.2 if name == "OPEN_INTEREST_CHANGE" else 0.9)


def test_a_window_longer_than_the_bars_has_no_sum():
    assert np.isnan(window_sum(np.ones(3), 4)).all()
    np.testing.assert_array_equal(window_sum(np.array([1.0, 2.0, np.nan, 4.0, 5.0]), 2), [np.nan, 3, np.nan, np.nan, 9])


def test_names_are_sorted_and_what_adds_up_is_among_them():
    assert list(EXTRA_COLUMNS) == sorted(EXTRA_COLUMNS)
    assert set(SUMMED) < set(EXTRA_COLUMNS)
    assert {name for feature in EXTRA for name in feature.requires} == set(EXTRA_COLUMNS)
