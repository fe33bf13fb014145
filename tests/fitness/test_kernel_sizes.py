"""Sizes by volatility, by confidence and by Kelly: closed forms on kernel and twin, and laws on random cases."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness import reference
from fitness.bits import pack
from fitness.costs import KELLY_FIRST, KELLY_LEAST, KELLY_TRADES, Costs, Risk, SizeKind, risk_row
from fitness.kernel import TILE
from fitness.simulation import simulate_many, simulate_one
from fitness.tally import Tally, Trade, merge
from tests.fitness.kernel_cases import BAR_STYLES, assert_same, random_bars, random_case, random_scale

SCALED = (SizeKind.VOLATILITY, SizeKind.CONFIDENCE)
seeds = st.integers(0, 2**32 - 1)
scaled = st.sampled_from(SCALED)


def trading(seed, n_bars=300, *, has_models=True, **risk):
    """A case that trades often, with these columns of the risk row."""
    rng = np.random.default_rng(seed)
    style, kinds = BAR_STYLES[seed % len(BAR_STYLES)], [*rng.integers(0, 3, 3), SizeKind.FRACTION]
    densities = [0.3, 0.2, 0.3, 0.2]
    case = random_case(seed=seed, n_bars=n_bars, style=style, densities=densities, kinds=kinds, has_models=has_models)
    for name, value in risk.items():
        case["risk"][Risk[name.upper()]] = value
    return {**case, "window": (0, n_bars)}


def play(case):
    return simulate_one(**{**case, "masks": pack(case["masks"])})


def with_size(case, kind, size, scale):
    risk = case["risk"].copy()
    risk[[Risk.SIZE_KIND, Risk.SIZE]] = kind, size
    return {**case, "risk": risk, "scale": scale}


# --- a scale ---


@settings(max_examples=80, deadline=None)
@given(seeds, scaled, st.sampled_from([0.25, 1.0, 8.0]))
def test_a_constant_scale_is_a_fraction(seed, kind, scale):
    case = trading(seed)
    size = case["risk"][Risk.SIZE]
    found = play(with_size(case, kind, size / scale, np.full(300, scale)))  # a power of two: nothing is rounded
    assert_same(found, play(with_size(case, SizeKind.FRACTION, size, None)))


@settings(max_examples=80, deadline=None)
@given(seeds, scaled)
def test_a_bar_without_a_scale_decides_no_entry(seed, kind):
    case = trading(seed)
    holes = ~(case["scale"] > 0.0)
    masks = case["masks"].copy()
    masks[np.ix_([0, 2], holes)] = False
    filled = np.where(holes, 1.0, case["scale"])
    size = case["risk"][Risk.SIZE]
    found = play(with_size(case, kind, size, case["scale"]))
    assert_same(found, play(with_size({**case, "masks": masks}, kind, size, filled)))
    entries = found.trades[:, Trade.ENTRY_BAR].astype(int)
    assert not holes[entries - 1].any()


@settings(max_examples=80, deadline=None)
@given(seeds, scaled, st.floats(0.01, 1.0))
def test_a_smaller_scale_buys_no_more_units(seed, kind, share):
    case = trading(seed, has_models=False)
    scale = np.abs(case["scale"])
    large, small = (play(with_size(case, kind, 0.5, part)).trades for part in (scale, share * scale))
    if len(large) and len(small) and large[0, Trade.ENTRY_BAR] == small[0, Trade.ENTRY_BAR]:
        assert small[0, Trade.UNITS] <= large[0, Trade.UNITS]


@settings(max_examples=60, deadline=None)
@given(seeds, scaled)
def test_only_the_scale_of_decision_bars_is_read(seed, kind):
    case = with_size(trading(seed), kind, 0.5, None)
    case["scale"] = np.abs(random_scale(np.random.default_rng(seed), 300))
    other = case["scale"].copy()
    other[~(case["masks"][0] | case["masks"][2])] = np.nan
    assert_same(play(case), play({**case, "scale": other}))


def test_a_scale_is_that_of_the_decision_bar(size_run):
    scale = np.array([0.5, np.nan, 2.0, np.nan, np.nan])
    found = size_run([10.0] * 5, long=[0, 2], leave=[1], size_kind=SizeKind.VOLATILITY, size=0.2, scale=scale)
    np.testing.assert_allclose(found.trades[:, Trade.UNITS], [0.1 / 10.0, 0.4 / 10.0], rtol=1e-15)


def test_the_leverage_cap_bounds_a_scaled_size(size_run):
    for scale in (1e9, 1e300, np.inf):
        found = size_run([10.0] * 4, long=[0], size_kind=SizeKind.CONFIDENCE, size=0.5, scale=np.full(4, scale))
        assert found.trades[0, Trade.UNITS] == 0.1


def test_without_a_cap_a_scaled_size_is_a_hundred_times_equity(size_run):
    costs = Costs(0.0, 0.0, leverage_cap=np.inf)
    risk = {"size_kind": SizeKind.VOLATILITY, "size": 0.5}
    found = size_run([10.0] * 4, costs=costs, long=[0], scale=np.full(4, 1e9), **risk)
    assert found.trades[0, Trade.UNITS] == 10.0


# --- Kelly ---


@pytest.fixture(params=["kernel", "twin"])
def size_run(request):
    """Runs bars that stand still at each price; masks are the bars at which they are true; the rest is risk."""

    def run(prices, *, costs=Costs(0.0, 0.0), long=(), leave=(), scale=None, **risk):  # noqa: B008 - frozen
        prices = np.array(prices, dtype=np.float64)
        masks = np.zeros((4, prices.size), dtype=bool)
        masks[0, list(long)] = masks[1, list(leave)] = True
        case = {"bars": SimpleNamespace(open=prices, high=prices, low=prices, close=prices), "costs": costs}
        case |= {"atr": np.ones(prices.size), "masks": masks, "window": (0, prices.size), "scale": scale}
        case["risk"] = risk_row(**risk)
        return play(case) if request.param == "kernel" else reference.simulate(**case)

    return run


def outcomes(run, moves, *, multiple=0.25, costs=None):
    """Trades of one bar each, of which trade `i` makes `moves[i]` of its notional; one more follows."""
    prices = [100.0]
    for move in moves:
        prices += [100.0, 100.0 * (1.0 + move)]
    prices += [100.0, 100.0]
    opens = range(0, len(prices) - 1, 2)
    return run(
        prices, costs=costs or Costs(0.0, 0.0), long=opens, leave=range(1, len(prices) - 1, 2),
        size_kind=SizeKind.KELLY, size=multiple,
    ).trades  # fmt: skip


def fractions(trades):
    return trades[:, Trade.UNITS] * trades[:, Trade.ENTRY_PRICE] / trades[:, Trade.ENTRY_EQUITY]


def test_until_ten_trades_have_ended_a_tenth_is_bought(size_run):
    trades = outcomes(size_run, [0.1, -0.05] * 10)
    np.testing.assert_allclose(fractions(trades)[:KELLY_TRADES], KELLY_FIRST)


@pytest.mark.parametrize(("gain", "loss", "multiple"), [(0.1, 0.05, 0.02), (0.3, 0.2, 0.25), (0.5, 0.4, 0.5)])
def test_kelly_of_two_outcomes_in_closed_form(size_run, gain, loss, multiple):
    trades = outcomes(size_run, [gain, -loss] * 6, multiple=multiple)
    for n in (10, 12):  # half of them gains: mean (g - l) / 2, variance of the sample n / (n - 1) * (g + l)**2 / 4
        wanted = multiple * ((gain - loss) / 2.0) / (n / (n - 1) * ((gain + loss) / 2.0) ** 2)
        assert KELLY_LEAST < wanted < 1.0
        assert fractions(trades)[n] == pytest.approx(wanted, rel=1e-9)


def test_a_sure_gain_is_bought_with_all_that_the_cap_allows(size_run):
    for cap in (0.5, 1.0, 3.0):
        trades = outcomes(size_run, [0.25] * 12, costs=Costs(0.0, 0.0, leverage_cap=cap))
        np.testing.assert_allclose(fractions(trades)[KELLY_TRADES:], cap)


def test_a_sure_loss_is_bought_with_the_least(size_run):
    trades = outcomes(size_run, [-0.25] * 12)
    np.testing.assert_allclose(fractions(trades)[KELLY_TRADES:], KELLY_LEAST)


def test_the_cap_is_above_the_least_and_the_first(size_run):
    trades = outcomes(size_run, [-0.25] * 12, costs=Costs(0.0, 0.0, leverage_cap=0.005))
    np.testing.assert_allclose(fractions(trades), 0.005)


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from([0.02, 0.1, 0.5]))
def test_each_size_follows_from_the_trades_before_it(seed, multiple):
    case = trading(seed, has_models=False)
    case["costs"] = Costs(0.001, 0.0005, leverage_cap=2.0)
    trades = play(with_size(case, SizeKind.KELLY, multiple, None)).trades
    made = trades[:, Trade.PROFIT] / (trades[:, Trade.UNITS] * trades[:, Trade.ENTRY_PRICE])
    for number in range(len(trades)):
        past, wanted = made[:number], KELLY_FIRST
        if number >= KELLY_TRADES and past.std() > 1e-6:
            wanted = min(max(multiple * past.mean() / past.var(ddof=1), KELLY_LEAST), 2.0)
        elif number >= KELLY_TRADES:
            continue  # what is left of a variance by rounding
        trade = trades[number]
        units = wanted * trade[Trade.ENTRY_EQUITY] / (trade[Trade.ENTRY_PRICE] * 1.001)
        assert trade[Trade.UNITS] == pytest.approx(units, rel=1e-6)


# --- windows and tiles ---


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from(list(SizeKind)), st.integers(20, 279))
def test_every_window_begins_anew(seed, kind, cut):
    case = with_size(trading(seed, breaker=0.02, rearm=30), kind, 0.3, None)
    case["scale"] = np.abs(random_scale(np.random.default_rng(seed), 300))
    windows = np.array([[0, 300], [0, cut], [cut, 300], [cut, cut + 20]])
    found = simulate_many(
        bars=case["bars"], atr=case["atr"], masks=pack(case["masks"]), mask_rows=np.arange(4).reshape(1, 4),
        windows=windows, risks=case["risk"].reshape(1, -1), costs=case["costs"],
        scales=case["scale"].reshape(1, -1), scale_rows=np.zeros(1, dtype=np.int64),
    )[0]  # fmt: skip
    for tally, window in zip(found, windows.tolist(), strict=True):
        np.testing.assert_array_equal(tally, play({**case, "window": tuple(window)}).tally)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(20, 279))
def test_windows_of_a_scaled_size_merge_where_the_account_is_flat(seed, cut):
    case = trading(seed, time_stop=5, cooldown=0, breaker=0.0)
    case["costs"] = Costs(0.001, 0.0005)
    case["masks"][np.ix_([0, 2], np.arange(cut - 12, cut))] = False
    case = with_size(case, SizeKind.VOLATILITY, 0.3, np.clip(np.abs(case["scale"]), 0.0, 2.0))
    first, second, whole = (play({**case, "window": window}).tally for window in ((0, cut), (cut, 300), (0, 300)))
    if not first[Tally.RUINED]:
        np.testing.assert_allclose(merge(first, second), whole, rtol=1e-9, atol=1e-12)


def test_several_tiles_are_played_as_one_with_every_kind_of_size():
    n_bars, n = 2 * TILE + 700, len(SizeKind)
    rng = np.random.default_rng(4)
    bars = random_bars(rng, n_bars, "plain")
    masks = rng.random((4 * n, n_bars)) < 0.05
    masks[:, TILE - 70 : TILE] |= rng.random((4 * n, 70)) < 0.5
    risks = np.array(
        [risk_row(stop_kind=2, stop=5.0, size_kind=kind, size=0.1, breaker=0.03, rearm=90) for kind in SizeKind]
    )
    arguments = {"bars": bars, "atr": np.ones(n_bars), "costs": Costs(0.0005, 0.0002)}
    scales, rows = np.abs(random_scale(rng, n_bars)).reshape(1, -1), np.array([-1, -1, 0, 0, -1])
    tallies = simulate_many(
        **arguments, masks=pack(masks), mask_rows=np.arange(4 * n).reshape(n, 4), windows=np.array([[3, n_bars]]),
        risks=risks, scales=scales, scale_rows=rows,
    )  # fmt: skip
    for i, tally in enumerate(tallies[:, 0]):
        scale = scales[0] if rows[i] == 0 else None
        one = {"masks": pack(masks[4 * i : 4 * i + 4]), "risk": risks[i], "scale": scale}
        assert tally[Tally.N_TRADES] > 30
        np.testing.assert_array_equal(tally, simulate_one(**arguments, **one, window=(3, n_bars)).tally)
