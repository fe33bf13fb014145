"""Exported files are run by freqtrade's own backtester: the kernel's trades, whatever the strategy and the bars."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cluster.export.freqtrade_target import freqtrade_text
from cluster.export.trading_text import class_name
from fitness.bits import pack
from fitness.costs import Costs
from fitness.evaluate import risk_rows
from fitness.simulation import simulate_one
from fitness.tally import Trade
from strategies.contract import ROLES
from strategies.encoding import phenotype_of
from strategies.strategy import Distance, Size
from strategies.templates import TEMPLATES
from tests.export.corpus import COSTS, bars, our_trades, strategies
from tests.export.engine_cases import COLUMNS, STYLES, Case, assert_every_kind, counted, rough_case, rows_of
from tests.export.engine_jobs import assert_engine_agrees, case_file, file_of, market_of, run, trades_in

N_BARS = 300
N_CAUSAL = 12
N_CASES = 12


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Markets and cases of all tests below, and what freqtrade makes of them: one start of it is slow enough."""
    folder = tmp_path_factory.mktemp("freqtrade")
    shard = bars(n_bars=N_BARS)
    market = market_of(shard, COSTS)
    for number, strategy in enumerate(strategies(200)):
        cuts = {"cuts": [70, 211]} if number < N_CAUSAL else {}
        market.files.append(file_of(freqtrade_text(strategy, None), strategy, f"s{number}", folder, **cuts))
    cases = {
        f"{style.replace(' ', '-')}-{seed}": rough_case(seed, style) for style in STYLES for seed in range(N_CASES)
    }
    cases["touching"] = touching_case()
    rough = {name: case_file(case, freqtrade_text, name, folder) for name, case in cases.items()}
    answer = run("freqtrade", [market, *(market for market, _ in rough.values())], folder)
    return shard, market, rough, answer


def touching_case(n_trades=60):
    """Trades, three bars each, whose targets are just reached: the extreme of the bar after the entry is the target."""
    rng = np.random.default_rng(8)
    price, short = np.repeat(rng.uniform(1.0, 300.0, n_trades), 3), np.repeat(rng.random(n_trades) < 0.5, 3)
    last = np.arange(price.size) % 3 == 2
    atr = np.repeat(rng.uniform(0.01, 0.1, n_trades), 3) * price
    target = price + np.where(short, -1.0, 1.0) * atr
    high, low = (np.where(last, take(price, target), price) for take in (np.maximum, np.minimum))
    columns = (price, high, low, price, np.full(price.size, 1e6))
    days = pd.date_range("2020-01-01", periods=price.size, freq="D")
    frame = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)), index=days)
    nothing, begins = np.zeros(price.size, dtype=bool), np.arange(price.size) % 3 == 0
    masks = np.array([begins & ~short, nothing, begins & short, nothing])
    quiet = {"stop": None, "trail": None, "time_stop": 0, "cooldown": 0, "breaker": None}
    strategy = replace(TEMPLATES["sma_cross"], target=Distance("atr", 1.0), size=Size("fixed", 0.5), **quiet)
    costs = Costs(fee=0.001, slippage=0.0, start_equity=1e6)
    bars_read = SimpleNamespace(open=price, high=high, low=low, close=price, volume=columns[4])
    found = simulate_one(
        bars=bars_read, atr=atr, masks=pack(masks), window=(0, price.size),
        risk=risk_rows(phenotype_of(strategy)[None, :])[0], costs=costs, scale=atr,
    )  # fmt: skip
    return Case(strategy, frame, dict(zip(ROLES, masks, strict=True)) | {"atr": atr, "scale": atr}, costs, found)


def test_freqtrade_makes_the_trades_of_200_random_strategies(everything):
    shard, market, _, answer = everything
    seen: Counter[str] = Counter()
    for number, strategy in enumerate(strategies(200)):
        rows = rows_of(our_trades(strategy, shard), COSTS.start_equity)
        seen += counted(assert_engine_agrees(answer[f"s{number}"], rows, market, strategy.text()))
    assert_every_kind(seen, 10)


def test_every_rule_of_a_position_holds_on_bars_that_hurt(everything):
    seen: Counter[str] = Counter()
    _, _, rough, answer = everything
    for name, (market, case) in rough.items():
        if name == "touching":
            continue
        context = f"{name} {case.strategy}"
        seen += counted(assert_engine_agrees(answer[name], case.found.trades, market, context))
    assert_every_kind(seen, 10)


def test_candles_of_another_width_are_refused(everything):
    assert everything[-1]["refusal"] == "`timeframe` must be 1d, which it was bred on, but was 1h."


def test_a_target_that_is_just_reached_is_reached(everything):
    market, case = everything[2]["touching"]
    rows, found = case.found.trades, everything[-1]["touching"]
    assert counted(rows)["target"] == len(rows) == len(found) == 60
    theirs = trades_in(found, market, rows)
    assert set(theirs.reasons) == {"target"}
    np.testing.assert_array_equal(theirs.exit_bar, rows[:, Trade.EXIT_BAR])
    np.testing.assert_allclose(theirs.exit_price, rows[:, Trade.EXIT_PRICE], rtol=2e-8)  # it rounds profits to 1e-8


def test_candles_that_are_cut_off_change_nothing_before(everything):
    assert everything[-1]["causal"] == [f"s{number}" for number in range(N_CAUSAL)]


def test_a_strategy_that_only_buys_needs_no_futures():
    texts = {one.direction: freqtrade_text(one, None) for one in strategies(200)}
    assert set(texts) == {"long", "short", "both"}
    for direction, text in texts.items():
        assert f"'direction': '{direction}'" in text
        compile(text, f"{direction}.py", "exec", dont_inherit=True)


def test_a_record_says_the_timeframe_and_that_it_did_not_pass():
    base = TEMPLATES["sma_cross"]
    text = freqtrade_text(base, {"per_shard": [{"symbol": "BTC", "timeframe": "4h"}], "passed": False})
    assert "TIMEFRAME = '4h'" in text
    assert "It did NOT pass" in text
    assert f"class {class_name(base)}(IStrategy):" in text
    assert "TIMEFRAME = '1d'" in freqtrade_text(base, None)
