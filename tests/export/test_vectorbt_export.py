"""Exported files are run by vectorbt itself: the kernel's trades, whatever the strategy and the bars.

The order function is the same text in every file, so it is compiled once for all of them.
"""

from collections import Counter
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.vectorbt_peer import quiet
from cluster.export.engine_text import runtime_source
from cluster.export.vectorbt_target import ENGINE, vectorbt_text
from evolution.genome_strategy import GenomeStrategy
from fitness.folds import Window
from fitness.played import trace_any
from strategies.strategy import Strategy
from strategies.templates import TEMPLATES
from tests.export.carried import imported
from tests.export.corpus import COSTS, bank_of, bars, our_trades, strategies
from tests.export.engine_cases import (
    STYLES,
    assert_clean,
    assert_every_kind,
    assert_same_trades,
    counted,
    frame_of,
    give,
    kernels_signals,
    rough_case,
    rows_of,
    ruinous_case,
    run_isolated,
)

BASE = TEMPLATES["sma_cross"]
RTOL = 1e-8
"""The engine takes what is left of a sum below a billionth of it for 0."""


def loaded(text: str) -> ModuleType:
    """An exported file."""
    with quiet():
        return imported(text, numba=True)


@cache
def compiled_once() -> Any:
    return loaded(vectorbt_text(BASE, None)).studbook_order


def module_of(strategy: Strategy) -> ModuleType:
    """An exported file that shares what numba compiled; signals that it would compile are the bank's."""
    text = vectorbt_text(strategy, None)
    module = loaded(text)
    module.studbook_order = compiled_once()
    if "@compiled" in text:
        found = kernels_signals(strategy, bars())
        module.signals = lambda *_, **__: found
    return module


def simulated(module: ModuleType, frame: pd.DataFrame, **options: Any) -> tuple[SimpleNamespace, Any]:
    """Its trades in our terms, and its equity."""
    with quiet():
        told, reasons = module.simulate(frame, **options)
        records, equity = told.trades.values, told.value().to_numpy()
    return SimpleNamespace(
        side=np.where(records["direction"] == 0, 1, -1), entry_bar=records["entry_idx"], exit_bar=records["exit_idx"],
        entry_price=records["entry_price"], exit_price=records["exit_price"], units=records["size"],
        profit=records["pnl"], reasons=reasons,
    ), equity  # fmt: skip


def test_the_engine_makes_the_trades_and_the_equity_of_200_random_strategies():
    seen: Counter[str] = Counter()
    own, frame, shard = 0, frame_of(bars()), bars()
    for strategy in strategies(200):
        module = module_of(strategy)
        own += module.signals.__module__ == module.__name__
        theirs, equity = simulated(module, frame, init_cash=COSTS.start_equity, fees=COSTS.fee)
        trace = trace_any(
            GenomeStrategy.of_rules(strategy), shard, Window("all", 0, shard.n_bars), COSTS, bank_of(shard)
        )
        rows = rows_of(trace.trades, COSTS.start_equity)
        assert_same_trades(rows, theirs, context=strategy.text(), rtol=RTOL)
        np.testing.assert_allclose(equity / COSTS.start_equity, trace.equity, rtol=RTOL)
        seen += counted(rows)
    assert own >= 40
    assert_every_kind(seen, 20)


@pytest.mark.parametrize("style", STYLES)
def test_every_rule_of_a_position_holds_on_bars_that_hurt(style):
    seen: Counter[str] = Counter()
    module = module_of(BASE)
    for seed in range(40):
        case = rough_case(seed, style, slippage=0.003 * (seed % 3), lot_size=5.0 * (seed % 2))
        give(module, case)
        theirs, equity = simulated(
            module, case.frame, fees=case.costs.fee, slippage=case.costs.slippage, lot=case.costs.lot_size
        )
        rows = case.found.trades
        assert_same_trades(rows, theirs, context=f"{style} {seed} {case.strategy}", rtol=RTOL)
        if "ruin" not in theirs.reasons:
            np.testing.assert_allclose(equity, case.found.equity, rtol=RTOL)
        seen += counted(rows)
    assert_every_kind(seen, 3)
    assert seen["ruin"] > 0 or style != "wild"


def test_ruin_ends_all_trading():
    module = module_of(BASE)
    for stop, reason in ((None, "ruin"), (50.0, "stop")):
        case = ruinous_case(BASE, stop=stop)
        give(module, case)
        theirs, _ = simulated(module, case.frame, fees=case.costs.fee, slippage=case.costs.slippage)
        assert_same_trades(case.found.trades, theirs, context=reason, rtol=RTOL)
        assert list(theirs.reasons) == [reason]
        assert case.found.equity[-1] == 0.0


def test_a_file_alone_runs_without_studbook_and_says_the_same(tmp_path):
    strategy = next(one for one in strategies(200) if one.learners and len(our_trades(one, bars())) > 10)
    table = run_isolated(vectorbt_text(strategy, None), bars(), tmp_path, "--fees", str(COSTS.fee))
    times = frame_of(bars()).index
    theirs = SimpleNamespace(
        side=np.where(table["Direction"] == "Long", 1, -1), units=table["Size"], profit=table["PnL"],
        entry_bar=times.get_indexer(pd.to_datetime(table["Entry Timestamp"])), entry_price=table["Avg Entry Price"],
        exit_bar=times.get_indexer(pd.to_datetime(table["Exit Timestamp"])), exit_price=table["Avg Exit Price"],
        reasons=list(table["Reason"]),
    )  # fmt: skip
    assert_same_trades(rows_of(our_trades(strategy, bars()), COSTS.start_equity), theirs, context="alone", rtol=RTOL)


def test_text_is_the_same_each_time_and_clean(tmp_path):
    texts = [vectorbt_text(one, None) for one in strategies(30)]
    assert texts == [vectorbt_text(one, None) for one in strategies(30)]
    assert_clean(texts, runtime_source("vectorbt"), tmp_path)


@pytest.mark.parametrize("n_bars", [1, 2, 5, 14])
def test_bars_too_few_for_any_signal_make_no_trade(n_bars):
    theirs, equity = simulated(module_of(BASE), frame_of(bars()).iloc[:n_bars])
    assert len(theirs.side) == 0
    np.testing.assert_array_equal(equity, np.full(n_bars, 1e6))


def test_the_portfolio_and_the_table_of_trades_are_one():
    module, frame = module_of(BASE), frame_of(bars())
    with quiet():
        told, table = module.portfolio(frame, freq="1D"), module.trades(frame)
    assert told.trades.count() == len(table) > 0
    assert told.total_profit() == pytest.approx(table["PnL"].sum())


def test_another_engine_version_is_refused(monkeypatch):
    monkeypatch.setattr("vectorbt.__version__", "0.28.0")
    with pytest.raises(RuntimeError, match=f"vectorbt must be {ENGINE}, but was 0.28.0"):
        module_of(BASE).portfolio(frame_of(bars()))


def test_a_strategy_that_did_not_pass_says_so():
    assert "did NOT pass" in vectorbt_text(BASE, {"passed": False})
    assert "did NOT pass" not in vectorbt_text(BASE, {"passed": True})
