"""The kernel equals its plain-Python twin to the last bit, on any bars, masks, risks, costs and windows."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from fitness import account, bits, kernel, orders
from fitness.account import N_ACCOUNT
from fitness.bits import pack, unpack
from fitness.costs import Costs, OrderKind, Risk, SizeKind, risk_row
from fitness.kernel_bars import kernel_bars
from fitness.simulation import simulate_many, simulate_one
from fitness.tally import N_TALLY, N_TRADE, ExitReason, Tally, Trade
from strategies.errors import UsageError
from tests.fitness.kernel_cases import BAR_STYLES, PRICES, assert_same, both, cases, random_bars, random_case


@settings(max_examples=400, deadline=None)
@given(cases)
def test_kernel_equals_its_twin_to_the_last_bit(case):
    assert_same(*both(case))


@settings(max_examples=200, deadline=None)
@given(cases, st.lists(st.integers(0, 260), max_size=4))
def test_a_window_played_in_parts_is_the_window_played_at_once(case, cuts):
    prepared = kernel_bars(case["bars"], case["atr"], case["costs"])
    (start, stop), words = case["window"], pack(case["masks"])
    tally, trades, equity = np.empty(N_TALLY), np.empty((stop - start, N_TRADE)), np.empty(stop - start)
    row, outputs = np.empty(N_ACCOUNT), (tally, trades, equity)
    account.begin_nb(start, case["costs"].start_equity, row, tally)
    for until in [*sorted(cut for cut in cuts if start < cut < stop), stop]:
        known = words.copy()
        known[:, (until + 63) >> 6 :] = 0  # what lies beyond is not looked at
        scale = np.append(case["scale"][:until], np.full(len(case["scale"]) - until, 7.0))
        bars, rest = (prepared.blocks, prepared.fills), (case["risk"], prepared.costs, scale)
        kernel.play_nb(*bars, *known, start, stop, until, *rest, *outputs, row)
    account.finish_nb(stop - start, case["costs"].start_equity, row, tally)
    whole, _ = both(case)
    np.testing.assert_array_equal(tally, whole.tally)
    np.testing.assert_array_equal(equity, whole.equity)
    np.testing.assert_array_equal(trades[: len(whole.trades)], whole.trades)


@settings(max_examples=150, deadline=None)
@given(cases)
def test_the_books_balance(case):
    found, _ = both(case)
    trades, equity = found.trades, found.equity
    initial = case["costs"].start_equity
    assert np.isfinite(found.tally).all()
    assert (equity >= 0.0).all()
    assert np.isclose(trades[:, Trade.PROFIT].sum(), equity[-1] - initial, rtol=1e-9, atol=1e-9 * equity.max())
    assert found.tally[Tally.GROWTH] == equity[-1] / initial
    assert found.tally[Tally.MAX_DRAWDOWN] <= 1.0
    assert found.tally[Tally.BARS_HELD] <= found.tally[Tally.N_BARS]
    entries, exits = trades[:, Trade.ENTRY_BAR], trades[:, Trade.EXIT_BAR]
    assert (entries > case["window"][0]).all()
    assert (exits >= entries).all()
    assert (exits < case["window"][1]).all()
    assert (entries[1:] >= exits[:-1]).all()


@settings(max_examples=100, deadline=None)
@given(cases)
def test_inputs_are_left_unchanged(case):
    packed = pack(case["masks"])
    inputs = [*vars(case["bars"]).values(), case["atr"], packed, case["risk"], case["scale"]]
    before = [array.copy() for array in inputs]
    simulate_one(**{**case, "masks": packed})
    for array, copy in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@settings(max_examples=150, deadline=None)
@given(cases, st.integers(0, 10**6), st.integers(0, 2**32 - 1))
def test_future_bars_change_nothing_that_is_past(case, cut, seed):
    start, stop = case["window"]
    t = start + cut % (stop - start)
    other = random_bars(np.random.default_rng(seed), len(case["atr"]), "wild")
    changed = SimpleNamespace(**{name: prices.copy() for name, prices in vars(case["bars"]).items()})
    for name, prices in vars(changed).items():
        prices[t + 1 :] = getattr(other, name)[t + 1 :]
    masks, atr, scale = case["masks"].copy(), case["atr"].copy(), case["scale"].copy()
    masks[:, t + 1 :] = ~masks[:, t + 1 :]
    atr[t + 1 :] = scale[t + 1 :] = 1.0
    now, _ = both(case)
    later, _ = both({**case, "bars": changed, "masks": masks, "atr": atr, "scale": scale})
    if t < stop - 1:
        np.testing.assert_array_equal(now.equity[: t + 1 - start], later.equity[: t + 1 - start])
        past = now.trades[now.trades[:, Trade.EXIT_BAR] <= t]
        np.testing.assert_array_equal(past, later.trades[: len(past)])


@settings(max_examples=100, deadline=None)
@given(cases)
def test_prices_scaled_by_a_power_of_two_change_no_return(case):
    columns = vars(case["bars"]).items()
    scaled = SimpleNamespace(**{name: values * (4.0 if name in PRICES else 1) for name, values in columns})
    costs = case["costs"]
    fractional = Costs(
        costs.fee, costs.slippage, costs.leverage_cap, 0.0, costs.start_equity, borrow=costs.borrow,
        funding=costs.funding, spread_volatility=costs.spread_volatility,
    )  # fmt: skip
    now, _ = both({**case, "costs": fractional})
    then, _ = both({**case, "costs": fractional, "bars": scaled, "atr": case["atr"] * 4.0})
    np.testing.assert_array_equal(now.tally, then.tally)


def test_random_cases_meet_every_exit_reason_and_ruin():
    rng = np.random.default_rng(11)
    reasons, ruined = set(), 0
    for seed in range(300):
        case = random_case(
            seed=seed,
            n_bars=int(rng.integers(1, 150)),
            style=rng.choice(BAR_STYLES),
            densities=rng.choice([0.0, 0.02, 0.2, 0.7], 4),
            kinds=[*rng.integers(0, 3, 3), rng.integers(0, len(SizeKind))],
        )
        found, twin = both(case)
        assert_same(found, twin)
        reasons |= set(found.trades[:, Trade.EXIT_REASON].astype(int))
        ruined += int(found.tally[Tally.RUINED])
    assert reasons == {int(reason) for reason in ExitReason}
    assert ruined > 5


def a_case(seed=5, n_bars=300, size_kind=SizeKind.FRACTION):
    densities, kinds = [0.1, 0.1, 0.1, 0.1], [1, 2, 1, size_kind]
    return random_case(seed=seed, n_bars=n_bars, style="gaps", densities=densities, kinds=kinds)


def test_many_equals_one_by_one_for_every_strategy_and_window():
    cases = [{**a_case(kind, size_kind=kind), "costs": Costs(0.001, 0.0005)} for kind in SizeKind]
    n, scales, scale_rows = len(cases), np.array([cases[0]["scale"], cases[1]["scale"]]), np.array([-1, -1, 1, 0, -1])
    bars, atr, costs = cases[0]["bars"], cases[0]["atr"], cases[0]["costs"]
    windows = np.array([[0, 300], [10, 200], [299, 300], [100, 102]])
    masks = pack(np.concatenate([case["masks"] for case in cases]))
    rows = np.arange(4 * n).reshape(n, 4)
    risks = np.array([case["risk"] for case in cases])
    tallies = simulate_many(
        bars=bars, atr=atr, masks=masks, mask_rows=rows, windows=windows, risks=risks, costs=costs, scales=scales,
        scale_rows=scale_rows,
    )  # fmt: skip
    assert tallies.shape == (n, 4, N_TALLY)
    for i in range(n):
        scale = scales[scale_rows[i]] if scale_rows[i] >= 0 else None
        one = {"bars": bars, "atr": atr, "masks": masks[rows[i]], "risk": risks[i], "costs": costs, "scale": scale}
        assert tallies[i, 0, Tally.N_TRADES] > 3
        for w, window in enumerate(windows):
            np.testing.assert_array_equal(tallies[i, w], simulate_one(**one, window=tuple(window)).tally)


def test_trades_and_equity_are_recorded_only_where_there_is_room():
    case = a_case()
    bars, words = case["bars"], pack(case["masks"])
    prepared = kernel_bars(bars, case["atr"], case["costs"])
    full = simulate_one(**{**case, "masks": words, "window": (0, 300)})
    assert len(full.trades) > 3
    tally, some = np.empty(N_TALLY), np.full((2, N_TRADE), -1.0)
    outputs = tally, some, np.empty(0), np.empty(N_ACCOUNT)
    n_trades = kernel.simulate_nb(
        prepared.blocks, prepared.fills, *words, 0, 300, case["risk"], prepared.costs, case["scale"], *outputs
    )
    assert n_trades == len(full.trades)
    np.testing.assert_array_equal(some, full.trades[:2])
    np.testing.assert_array_equal(tally, full.tally)


def test_read_only_and_writable_inputs_give_the_same_bits():
    case = a_case(size_kind=SizeKind.VOLATILITY)
    writable, _ = both(case)
    prepared = kernel_bars(case["bars"], case["atr"], case["costs"])
    inputs = [prepared.blocks.copy(), prepared.fills.copy(), *pack(case["masks"]), case["risk"], prepared.costs.copy()]
    inputs.append(case["scale"])
    results = []
    for is_writable in (True, False):
        for array in inputs:
            array.flags.writeable = is_writable
        tally, trades, equity = np.empty(N_TALLY), np.empty((300, N_TRADE)), np.empty(300)
        start, stop = case["window"]
        outputs = tally, trades, equity[: stop - start], np.empty(N_ACCOUNT)
        n = kernel.simulate_nb(*inputs[:6], start, stop, *inputs[6:], *outputs)
        results.append((tally, trades[:n], equity[: stop - start]))
    for read, written in zip(*results, strict=True):
        np.testing.assert_array_equal(read, written)
    np.testing.assert_array_equal(results[0][0], writable.tally)


@pytest.mark.chaos
def test_a_bounds_checked_build_gives_the_same_bits(amount):
    """Promise: bad genomes never crash or hang a worker."""
    checked = njit(boundscheck=True, error_model="numpy", _nrt=False)(kernel.play_nb.py_func)
    for seed in range(amount(20, 20_000)):
        case = a_case(seed, n_bars=64 + seed % 3, size_kind=seed % len(SizeKind))
        found, _ = both(case)
        start, stop = case["window"]
        prepared = kernel_bars(case["bars"], case["atr"], case["costs"])
        tally, trades, equity = np.empty(N_TALLY), np.empty((stop - start, N_TRADE)), np.empty(stop - start)
        row, initial = np.empty(N_ACCOUNT), case["costs"].start_equity
        account.begin_nb(start, initial, row, tally)
        bars, masks, rest = (prepared.blocks, prepared.fills), pack(case["masks"]), (case["risk"], prepared.costs)
        rest = *rest, case["scale"]
        for until in ((start + stop) // 2, stop):
            checked(*bars, *masks, start, stop, until, *rest, tally, trades, equity, row)
        account.finish_nb(stop - start, initial, row, tally)
        np.testing.assert_array_equal(tally, found.tally)
        np.testing.assert_array_equal(trades[: len(found.trades)], found.trades)
        np.testing.assert_array_equal(equity, found.equity)


@pytest.mark.chaos
def test_the_kernel_takes_what_fuzzed_risks_throw_at_it(amount):
    rng = np.random.default_rng(3)
    extremes = np.array([0.0, -0.0, 1.0, -1.0, 2.0, 1e-300, 1e300, -1e300, 0.5, 3.0])
    for seed in range(amount(300, 20_000)):
        case = a_case(seed, n_bars=70)
        case["risk"] = rng.choice(extremes, len(Risk))
        case["risk"][[Risk.STOP_KIND, Risk.TARGET_KIND, Risk.TRAIL_KIND]] = rng.integers(0, len(OrderKind), 3)
        case["risk"][Risk.SIZE_KIND] = rng.integers(0, len(SizeKind))
        case["costs"] = Costs(0.001, 0.0005, leverage_cap=2.0)
        found, twin = both(case)
        assert_same(found, twin)
        assert np.isfinite(found.tally).all()


@pytest.mark.parametrize("n_bars", [0, 1, 63, 64, 65, 128, 1000])
def test_unpack_is_the_inverse_of_pack(n_bars):
    mask = np.random.default_rng(n_bars).random((3, n_bars)) < 0.3
    words = pack(mask)
    assert words.shape == (3, bits.n_words(n_bars))
    np.testing.assert_array_equal(unpack(words, n_bars), mask)
    assert all(int(w) >> (n_bars % 64 or 64) == 0 for w in words[:, -1:].ravel())


@given(st.integers(0, 2**64 - 1))
def test_count_of_trailing_zeros_equals_plain_python(word):
    plain = (word & -word).bit_length() - 1 if word else 64
    assert count_trailing_zeros(np.uint64(word)) == plain


@njit
def count_trailing_zeros(word):
    return bits.ctz_nb(word)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.sampled_from([0.0, 0.01, 0.3, 1.0]))
def test_next_bars_equal_a_plain_search(seed, n_bars, density):
    rng = np.random.default_rng(seed)
    masks = rng.random((4, n_bars)) < density
    words = pack(masks)
    start, stop = sorted(rng.integers(0, n_bars + 1, 2))
    long_entry, long_exit, short_entry, short_exit = masks
    enters = (long_entry & ~long_exit & ~short_entry) | (short_entry & ~short_exit & ~long_entry)
    for mask, found in (
        (long_entry, bits.next_bar_nb(words[0], start, stop)),
        (enters, orders.next_entry_nb(*words, start, stop)),
    ):
        ahead = np.flatnonzero(mask[start:stop])
        assert found == (start + ahead[0] if len(ahead) else stop)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": (0, 301)}, r"start < stop <= 300, but was \[\[0, 301\]\]"),
        ({"window": (7, 7)}, r"start < stop <= 300, but was \[\[7, 7\]\]"),
        ({"window": (-1, 7)}, r"but was \[\[-1, 7\]\]"),
        ({"masks": np.zeros((4, 4), dtype=np.uint64)}, r"`masks` must be \(4, 5\), but was \(4, 4\)"),
        ({"risk": np.zeros(3)}, r"A risk row must have 12 columns, but was \(1, 3\)"),
        ({"risk": risk_row(stop=np.nan)}, "A risk row must be finite, but was .*nan"),
        ({"risk": risk_row(size_kind=5)}, r"`size_kind` of a risk row must be a whole number in \[0, 4\], but was 5.0"),
        (
            {"risk": risk_row(trail_kind=0.5)},
            r"`trail_kind` of a risk row must be a whole number in \[0, 2\], but was 0",
        ),
        ({"risk": risk_row(stop_kind=-1)}, "`stop_kind` of a risk row must be .* but was -1.0"),
        ({"scale": np.ones(299)}, r"`scale` must be \(300,\), but was \(299,\)"),
        ({"scale": np.ones((2, 150))}, r"`scale` must be \(300,\), but was \(2, 150\)"),
        (
            {"scale": None, "risk": risk_row(size_kind=SizeKind.VOLATILITY)},
            r"by volatility or confidence must have a scale, but was none for strategy 0",
        ),
        ({"atr": np.ones(7)}, r"Bars and `atr` must all be \(n_bars,\), but was \[\(7,\), \(300,\)\]"),
    ],
)
def test_the_edge_refuses_what_the_kernel_would_trust(change, message):
    case = {**a_case(), "masks": pack(a_case()["masks"]), **change}
    with pytest.raises(UsageError, match=message):
        simulate_one(**case)


def test_many_refuses_rows_that_are_not_there():
    case = a_case()
    arguments = {
        "bars": case["bars"],
        "atr": case["atr"],
        "masks": pack(case["masks"]),
        "windows": np.array([[0, 300]]),
        "risks": case["risk"].reshape(1, -1),
        "costs": case["costs"],
    }
    with pytest.raises(UsageError, match=r"A mask row must be in \[0, 4\), but was \[4\]"):
        simulate_many(mask_rows=np.array([[0, 1, 2, 4]]), **arguments)
    with pytest.raises(UsageError, match=r"`mask_rows` must be \(1, 4\), but was \(2, 4\)"):
        simulate_many(mask_rows=np.zeros((2, 4), dtype=np.int64), **arguments)


@pytest.mark.parametrize(
    ("scales", "rows", "message"),
    [
        (np.ones((1, 300)), [1], r"A scale row must be in \[-1, 1\), but was 1:"),
        (np.ones((1, 300)), [-2], r"A scale row must be in \[-1, 1\), but was -2:"),
        (np.ones((1, 300)), [0, 0], r"`scale_rows` must be \(1,\), but was \(2,\)"),
        (np.ones((1, 299)), [0], r"`scales` must be \(n_rows, 300\), but was \(1, 299\)"),
        (np.ones(300), [0], r"`scales` must be \(n_rows, 300\), but was \(300,\)"),
        (None, [0], r"A scale row must be in \[-1, 0\), but was 0:"),
        (np.ones((1, 300)), [-1], r"must have a scale, but was none for strategy 0"),
        (np.ones((1, 300)), None, r"must have a scale, but was none for strategy 0"),
    ],
)
def test_many_refuses_scales_that_do_not_fit(scales, rows, message):
    case = a_case(size_kind=SizeKind.CONFIDENCE)
    with pytest.raises(UsageError, match=message):
        simulate_many(
            bars=case["bars"],
            atr=case["atr"],
            masks=pack(case["masks"]),
            mask_rows=np.arange(4).reshape(1, 4),
            windows=np.array([[0, 300]]),
            risks=case["risk"].reshape(1, -1),
            costs=case["costs"],
            scales=scales,
            scale_rows=rows,
        )


def test_no_strategies_give_no_tallies():
    case = a_case()
    none = simulate_many(
        bars=case["bars"],
        atr=case["atr"],
        masks=np.zeros((0, 5), dtype=np.uint64),
        mask_rows=np.zeros((0, 4), dtype=np.int64),
        windows=np.array([[0, 300]]),
        risks=np.zeros((0, len(Risk))),
        costs=case["costs"],
    )
    assert none.shape == (0, 1, N_TALLY)


def test_order_kinds_of_the_risk_row_are_named():
    row = risk_row(stop_kind=OrderKind.PERCENT, stop=5.0, size=0.5)
    assert (row[Risk.STOP_KIND], row[Risk.STOP], row[Risk.SIZE]) == (2.0, 5.0, 0.5)
    with pytest.raises(UsageError, match="was given `stopp`"):
        risk_row(stopp=1.0)


def test_the_kernel_needs_neither_ray_nor_mlflow_nor_pandas():
    code = (
        "import sys, fitness.simulation, fitness.reference, fitness.measures;"
        "print(sorted({'ray', 'mlflow', 'pandas', 'polars', 'backtesting'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
