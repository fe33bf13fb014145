"""Behaviours: sums that merge, the figures that a trace gives when told again plainly, the same for any batch."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitness import bank as bank_module
from fitness.bank import FeatureBank
from fitness.behaviour import BEHAVIOURS, N_BEHAVIOURS, N_CO, SPANS, CoMovement, behaviours, log2, positions
from fitness.co_movement import co_movements, market_of, with_co_movements
from fitness.costs import Costs
from fitness.evaluate import evaluate
from fitness.folds import Window
from fitness.kernel import TILE
from fitness.samples import random_walk
from fitness.shards import shard_of
from fitness.tally import N_TALLY, ExitReason, Tally, empty_tally
from fitness.trace import trace
from strategies.codec import express
from strategies.errors import DataError, UsageError
from strategies.features.regimes import UNKNOWN, VOLATILITIES, regimes_of
from strategies.genes import COLUMN
from strategies.operands import column
from strategies.sampler import random_genomes

COSTS = Costs.from_bps(fee_bps=5, slippage_bps=2)
WINDOWS = (Window("fold 0", 50, 480), Window("fold 1", 490, 880))
RATES = np.array([252.0, 252.0])


@pytest.fixture(scope="module")
def shard():
    return shard_of(random_walk(3, 900), "RWALK", "1d", bars_per_year=252.0)


@pytest.fixture(scope="module")
def bank(shard):
    return FeatureBank(shard)


@pytest.fixture(scope="module")
def rows():
    return express(random_genomes(60, np.random.default_rng(4)))


@pytest.fixture(scope="module")
def both(rows, shard, bank):
    found = with_co_movements(rows, shard, WINDOWS, COSTS, bank)
    return found[..., :N_TALLY], found[..., N_TALLY:]


def told_again(found, shard):
    """The co-movement row of one trace, bar by bar and trade by trade."""
    first, stop = found.window.start, found.window.stop
    market = np.concatenate([[0.0], np.diff(shard.close) / shard.close[:-1]])[first:stop]
    labels = regimes_of(shard).volatility
    known = volatile = 0
    for trade in found.trades:
        at_open = trade["exit_reason"] in (ExitReason.EXIT, ExitReason.TIME)
        for bar in range(trade["entry_bar"], trade["exit_bar"] + (not at_open)):
            known += labels[bar - 1] != UNKNOWN
            volatile += labels[bar - 1] != UNKNOWN and VOLATILITIES[labels[bar - 1]] == "high"
    payoffs = found.trades["profit_share"]
    moved = (found.returns * market).sum()
    return [market.sum(), (market**2).sum(), moved, known, volatile, (payoffs**2).sum(), (payoffs**3).sum()]


MARKETS = {
    "daily": COSTS,
    "exits in parts": replace(COSTS, volume_share=2e-4, start_equity=1e6),
    "ruinous": Costs(fee=0.3, slippage=0.0, leverage_cap=20.0),
    "carried": replace(COSTS, borrow=0.1, funding=0.2, start_equity=12_345.0),
}


@pytest.mark.parametrize("costs", MARKETS.values(), ids=MARKETS)
def test_the_sums_are_those_of_the_trace(rows, shard, bank, costs):
    found = co_movements(rows[:25], shard, WINDOWS, costs, bank)
    assert found.shape == (25, len(WINDOWS), N_CO)
    n_traded = 0
    for row, cells in zip(rows, found, strict=False):
        for window, sums in zip(WINDOWS, cells, strict=True):
            plain = trace(row, shard, window, costs, bank)
            np.testing.assert_allclose(sums, told_again(plain, shard), rtol=1e-9, atol=1e-13)
            n_traded += plain.trades.size > 3
    assert n_traded > 10


def test_the_tallies_beside_them_are_those_of_evaluate(rows, shard, bank, both):
    np.testing.assert_array_equal(both[0], evaluate(rows, shard, WINDOWS, COSTS, bank))


@pytest.mark.parametrize("name", ["daily", "ruinous"])
def test_long_windows_which_evaluate_plays_in_tiles_are_no_exception(rows, name):
    shard = shard_of(random_walk(5, 2 * TILE + 900), "LONG", "1h", bars_per_year=1638.0)
    window, bank, costs, some = Window("long", 150, shard.n_bars), FeatureBank(shard), MARKETS[name], rows[:20]
    found = with_co_movements(some, shard, [window], costs, bank)
    np.testing.assert_array_equal(found[..., :N_TALLY], evaluate(some, shard, [window], costs, bank))
    n_spanning = 0
    for row, sums in zip(some, found[:, 0, N_TALLY:], strict=True):
        plain = trace(row, shard, window, costs, bank)
        np.testing.assert_allclose(sums, told_again(plain, shard), rtol=1e-9, atol=1e-12)
        n_spanning += ((plain.trades["entry_bar"] < TILE) & (plain.trades["exit_bar"] >= TILE)).sum()
    assert n_spanning >= (2 if name == "daily" else 0)
    assert (found[..., Tally.RUINED] == 1.0).any() == (name == "ruinous")
    np.testing.assert_array_equal(with_co_movements(rows[3:5], shard, [window], costs, bank), found[3:5])


def test_figures_are_those_of_all_cells_told_again(rows, shard, bank, both):
    found = behaviours(*both, RATES)
    assert found.shape == (len(rows), N_BEHAVIOURS)
    market = market_of(shard).returns
    n_defined = 0
    for row, figures in zip(rows, found, strict=True):
        traces = [trace(row, shard, window, COSTS, bank) for window in WINDOWS]
        returns = np.concatenate([one.returns for one in traces])
        same_bars = np.concatenate([market[window.start : window.stop] for window in WINDOWS])
        payoffs = np.concatenate([one.trades["profit_share"] for one in traces])
        held = sum(one.tally[Tally.BARS_HELD] for one in traces)
        sums = np.sum([told_again(one, shard) for one in traces], axis=0)
        plain = dict.fromkeys(BEHAVIOURS, math.nan)
        plain["trades_a_year"] = payoffs.size / (returns.size / 252.0)
        plain["exposure"] = held / returns.size
        if payoffs.size:
            plain["holding"] = held / payoffs.size
            plain["market_correlation"] = np.corrcoef(returns, same_bars)[0, 1]
            plain["volatile_share"] = sums[4] / sums[3] if sums[3] else math.nan
        if payoffs.size > 1:
            plain["payoff_skew"] = ((payoffs - payoffs.mean()) ** 3).mean() / payoffs.std() ** 3
        np.testing.assert_allclose(figures, [plain[name] for name in BEHAVIOURS], rtol=1e-7, atol=1e-9)
        n_defined += bool(np.isfinite(figures).all())
    assert n_defined > 25


def test_bars_held_are_those_of_the_tally_where_the_regime_is_known(rows, shard, bank):
    found = with_co_movements(rows, shard, [Window("late", 150, 880)], COSTS, bank)[:, 0]
    known = found[:, N_TALLY + CoMovement.HELD_KNOWN]
    np.testing.assert_array_equal(known, found[:, Tally.BARS_HELD])
    volatile = found[:, N_TALLY + CoMovement.HELD_VOLATILE]
    assert (volatile <= known).all()
    assert (volatile[known > 50] > 0).any()
    early = co_movements(rows, shard, [Window("early", 0, 101)], COSTS, bank)[:, 0]
    assert not early[:, CoMovement.HELD_KNOWN].any()  # bar 100 is the first whose close has a label


def test_two_windows_add_up_to_the_whole(rows, shard, bank):
    whole = Window("whole", 120, 880)
    n_cut = 0
    for row in rows:
        plain = trace(row, shard, whole, COSTS, bank)
        free = np.ones(shard.n_bars + 1, dtype=bool)  # bars that no trade touches: the account is flat around them
        free[:200], free[800:] = False, False
        for trade in plain.trades:
            free[trade["entry_bar"] : trade["exit_bar"] + 1] = False
        cuts = np.flatnonzero(free)
        if plain.trades.size < 4 or not cuts.size:
            continue
        cut = int(cuts[cuts.size // 2])
        parts = [Window("a", 120, cut), Window("b", cut, 880)]
        traces = [trace(row, shard, part, COSTS, bank) for part in parts]
        entries = np.concatenate([one.trades["entry_bar"] for one in traces])
        sizes = np.concatenate([one.trades["units"] * one.trades["entry_price"] for one in traces])
        shares = sizes / np.concatenate([one.trades["entry_equity"] for one in traces])
        same = entries.tolist() == plain.trades["entry_bar"].tolist()
        own = plain.trades["units"] * plain.trades["entry_price"] / plain.trades["entry_equity"]
        if not same or not np.allclose(shares, own):
            continue  # something was carried over the cut: a cooldown, or what a size is estimated from
        one = with_co_movements(row[None], shard, [whole], COSTS, bank)
        two = with_co_movements(row[None], shard, parts, COSTS, bank)
        np.testing.assert_allclose(two[0, :, N_TALLY:].sum(axis=0), one[0, 0, N_TALLY:], rtol=1e-9, atol=1e-13)
        figures = [
            behaviours(rows_[..., :N_TALLY], rows_[..., N_TALLY:], np.full(rows_.shape[1], 252.0))
            for rows_ in (one, two)
        ]
        np.testing.assert_allclose(*figures, rtol=1e-9)
        n_cut += 1
    assert n_cut > 12


def test_results_depend_neither_on_company_nor_on_budget_and_inputs_stay(rows, shard, bank, both):
    found = co_movements(rows, shard, WINDOWS, COSTS, bank)
    np.testing.assert_array_equal(found, both[1])
    tight, given_rows = FeatureBank(shard, 0), rows.copy()
    given_rows.flags.writeable = False
    for some in (slice(0, 1), slice(7, 30), slice(None, None, -1)):
        np.testing.assert_array_equal(co_movements(given_rows[some], shard, WINDOWS, COSTS, tight), found[some])
    for window, place in ((WINDOWS[1:], 1), (WINDOWS[:1], 0)):
        np.testing.assert_array_equal(co_movements(rows, shard, window, COSTS, bank)[:, 0], found[:, place])
    np.testing.assert_array_equal(given_rows, rows)
    kept = [array.copy() for array in (*both, RATES)]
    figures = behaviours(*both, RATES)
    np.testing.assert_array_equal(behaviours(both[0][5:6], both[1][5:6], RATES), figures[5:6])
    for before, after in zip(kept, (*both, RATES), strict=True):
        np.testing.assert_array_equal(before, after)
    assert co_movements(rows[:0], shard, WINDOWS, COSTS, bank).shape == (0, 2, N_CO)
    assert co_movements(rows, shard, [], COSTS, bank).shape == (len(rows), 0, N_CO)


def test_the_order_of_addition_does_not_depend_on_how_arrays_lie_in_memory():
    rng, n_cells = np.random.default_rng(2), 40
    tallies, moved = rng.random((5, n_cells, N_TALLY)), rng.random((5, n_cells, N_CO))
    rates = rng.uniform(200.0, 2000.0, n_cells)
    found = behaviours(tallies, moved, rates)
    for turned in (np.asfortranarray, lambda array: np.ascontiguousarray(array.transpose(2, 0, 1)).transpose(1, 2, 0)):
        np.testing.assert_array_equal(behaviours(turned(tallies), turned(moved), rates), found)
    years = 0.0
    for cell_bars, rate in zip(tallies[0, :, Tally.N_BARS].tolist(), rates.tolist(), strict=True):
        years += cell_bars / rate
    n_trades = sum(tallies[0, :, Tally.N_TRADES].tolist())
    assert found[0, BEHAVIOURS.index("trades_a_year")] == n_trades / years


def test_later_bars_change_nothing(rows, shard):
    early = shard.head(WINDOWS[0].stop)
    known = with_co_movements(rows, early, WINDOWS[:1], COSTS, FeatureBank(early))
    later = with_co_movements(rows, shard, WINDOWS[:1], COSTS, FeatureBank(shard))
    np.testing.assert_array_equal(known, later)


def test_a_strategy_whose_operand_fails_has_no_behaviour(rows, shard, both, monkeypatch):
    trader = int(np.flatnonzero(both[0][:, 0, Tally.N_TRADES] > 3)[0])
    broken = int(rows[trader, COLUMN["entry.0.left.kind"]])

    def sometimes(kind, source, parameters, bars):
        if kind == broken:
            raise RuntimeError("the library failed")
        return {kind: column(kind, source, parameters, bars)}

    monkeypatch.setattr(bank_module, "columns_of", sometimes)
    found = with_co_movements(rows, shard, WINDOWS, COSTS, FeatureBank(shard))
    figures = behaviours(found[..., :N_TALLY], found[..., N_TALLY:], RATES)
    assert np.isnan(found[trader]).all()
    assert np.isnan(figures[trader]).all()
    sound = ~np.isnan(found).any(axis=(1, 2))
    assert sound.sum() > 20
    np.testing.assert_array_equal(found[sound][..., N_TALLY:], both[1][sound])


def cell(*, returns=(), market=(), payoffs=(), held=0, known=0, volatile=0):
    """A tally and a co-movement row `(1, 1, ...)` of made-up bars and trades."""
    tally, moved = empty_tally(), np.zeros(N_CO)
    r, p = np.asarray(returns, dtype=float), np.asarray(payoffs, dtype=float)
    m = np.asarray(market, dtype=float) if len(market) else np.zeros(r.size)
    tally[Tally.N_BARS], tally[Tally.SUM_R], tally[Tally.SUM_R2] = r.size, r.sum(), (r**2).sum()
    tally[Tally.N_TRADES], tally[Tally.BARS_HELD] = p.size, held
    tally[Tally.GROSS_PROFIT], tally[Tally.GROSS_LOSS] = p[p > 0].sum(), -p[p <= 0].sum()
    moved[:] = m.sum(), (m**2).sum(), (r * m).sum(), known, volatile, (p**2).sum(), (p**3).sum()
    return tally[None, None], moved[None, None]


def figures_of(**made):
    return dict(zip(BEHAVIOURS, behaviours(*cell(**made), np.array([4.0]))[0], strict=True))


def test_closed_forms():
    market = np.array([0.01, -0.02, 0.005, 0.03, -0.01, 0.0, 0.02, -0.015])
    for share in (0.5, 2.0):
        assert figures_of(returns=share * market, market=market)["market_correlation"] == pytest.approx(1.0)
        assert figures_of(returns=-share * market, market=market)["market_correlation"] == pytest.approx(-1.0)
    orthogonal = np.array([1.0, 1.0, -1.0, -1.0]), np.array([1.0, -1.0, 1.0, -1.0])
    assert figures_of(returns=orthogonal[0], market=orthogonal[1])["market_correlation"] == pytest.approx(0.0)
    # one in n is 1 and the others 0: skewness (1 - 2 p) / sqrt(p (1 - p)) of a Bernoulli variable with p = 1 / n
    for n in (3, 5, 10):
        expected = (1.0 - 2.0 / n) / math.sqrt((1.0 / n) * (1.0 - 1.0 / n))
        assert figures_of(payoffs=[1.0] + [0.0] * (n - 1))["payoff_skew"] == pytest.approx(expected)
        assert figures_of(payoffs=[-1.0] + [0.0] * (n - 1))["payoff_skew"] == pytest.approx(-expected)
    made = figures_of(returns=np.zeros(8), payoffs=[0.1, -0.1], held=6, known=4, volatile=1)
    assert made["trades_a_year"] == 1.0  # two trades in 8 bars of which 4 are a year
    assert (made["holding"], made["exposure"], made["volatile_share"]) == (3.0, 0.75, 0.25)
    assert math.isnan(made["market_correlation"])


def test_what_is_undefined_is_nan():
    idle = figures_of(returns=np.zeros(8), market=np.linspace(-0.1, 0.1, 8))
    assert (idle["trades_a_year"], idle["exposure"]) == (0.0, 0.0)
    assert all(math.isnan(idle[name]) for name in ("holding", "market_correlation", "volatile_share", "payoff_skew"))
    assert math.isnan(figures_of(returns=np.zeros(8), payoffs=[0.1] * 3)["payoff_skew"])
    assert math.isnan(figures_of(returns=np.ones(8), market=np.full(8, 0.1))["market_correlation"])
    assert all(math.isnan(value) for value in figures_of().values())


def test_shapes_that_do_not_belong_together_are_refused(both, rows, shard, bank):
    with pytest.raises(UsageError, match=rf"but was \(60, 2, {N_TALLY}\), \(60, 1, {N_CO}\) and \(2,\)"):
        behaviours(both[0], both[1][:, :1], RATES)
    with pytest.raises(UsageError, match=rf"but was \(60, 2, {N_TALLY}\), \(60, 2, {N_CO}\) and \(3,\)"):
        behaviours(*both, np.full(3, 252.0))
    with pytest.raises(DataError, match=r"but beyond was 100 to 901"):
        co_movements(rows, shard, [Window("beyond", 100, 901)], COSTS, bank)


def test_positions_lie_in_the_unit_cube_and_keep_the_order(both):
    placed = positions(behaviours(*both, RATES))
    assert ((placed >= 0.0) & (placed <= 1.0) | np.isnan(placed)).all()
    for place, span in enumerate(SPANS.values()):
        values = np.full((5, N_BEHAVIOURS), np.nan)
        middle = math.sqrt(span.low * span.high) if span.is_log else (span.low + span.high) / 2.0
        values[:, place] = [-np.inf, span.low, middle, span.high, 1e9]
        found = positions(values)
        assert found[:, place] == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0])
        assert np.isnan(np.delete(found, place, axis=1)).all()
        rising = np.linspace(span.low, span.high, 50)
        assert (np.diff(positions(np.repeat(rising[:, None], N_BEHAVIOURS, axis=1))[:, place]) > 0.0).all()


@given(st.floats(1e-300, 1e300))
def test_the_logarithm_is_the_library_s(value):
    assert float(log2(value)) == pytest.approx(math.log2(value), rel=1e-15, abs=1e-15)
