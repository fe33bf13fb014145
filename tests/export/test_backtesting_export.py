"""Exported files are run by backtesting.py itself: the kernel's trades, whatever the strategy and the bars."""

import warnings
from collections import Counter
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.backtesting_peer import quiet
from cluster.export.backtesting_target import ENGINE, backtesting_text
from cluster.export.engine_text import runtime_source
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
    reasons_of,
    rough_case,
    rows_of,
    ruinous_case,
    run_isolated,
)

BASE = TEMPLATES["sma_cross"]


def module_of(strategy: Strategy) -> ModuleType:
    return imported(backtesting_text(strategy, None))


def run(module: ModuleType, frame: pd.DataFrame, **options: Any) -> Any:
    with quiet():
        return module.run(frame, **options)


def trades_in(table: pd.DataFrame) -> SimpleNamespace:
    """The engine's table of trades in our terms."""
    table = table.sort_values(["EntryBar", "ExitBar"])
    return SimpleNamespace(
        side=np.sign(table["Size"]), entry_bar=table["EntryBar"], exit_bar=table["ExitBar"], units=table["Size"].abs(),
        entry_price=table["EntryPrice"], exit_price=table["ExitPrice"], profit=table["PnL"], reasons=list(table["Tag"]),
    )  # fmt: skip


def test_the_engine_makes_the_trades_and_the_equity_of_200_random_strategies():
    seen: Counter[str] = Counter()
    frame, shard = frame_of(bars()), bars()
    for number, strategy in enumerate(strategies(200)):
        module = module_of(strategy)
        if strategy.learners and number >= 40:  # they take their time without numba
            module.signals = lambda *_, strategy=strategy, **__: kernels_signals(strategy, shard)
        result = run(module, frame, cash=COSTS.start_equity, commission=COSTS.fee)
        trace = trace_any(
            GenomeStrategy.of_rules(strategy), shard, Window("all", 0, shard.n_bars), COSTS, bank_of(shard)
        )
        rows = rows_of(trace.trades, COSTS.start_equity)
        assert_same_trades(rows, trades_in(result["_trades"]), context=strategy.text())
        equity = result["_equity_curve"]["Equity"].to_numpy() / COSTS.start_equity
        np.testing.assert_allclose(equity, trace.equity, rtol=1e-9)
        seen += counted(rows)
    assert_every_kind(seen, 20)


@pytest.mark.parametrize("style", STYLES)
def test_every_rule_of_a_position_holds_on_bars_that_hurt(style):
    seen: Counter[str] = Counter()
    module = module_of(BASE)
    for seed in range(40):
        extra = {"slippage": 0.003 * (seed % 3), "lot_size": 5.0 * (seed % 2), "leverage_cap": 1.0 + seed % 4}
        case = rough_case(seed, style, **extra)
        give(module, case)
        result = run(
            module, case.frame, cash=1e6, commission=case.costs.fee, slippage=case.costs.slippage,
            leverage=case.costs.leverage_cap, lot=case.costs.lot_size,
        )  # fmt: skip
        assert_same_trades(case.found.trades, trades_in(result["_trades"]), context=f"{style} {seed} {case.strategy}")
        np.testing.assert_allclose(result["_equity_curve"]["Equity"], case.found.equity, rtol=1e-9, atol=1e-6)
        seen += counted(case.found.trades)
    assert_every_kind(seen, 3)
    assert seen["ruin"] > 0 or style != "wild"


def test_ruin_ends_all_trading():
    module = module_of(BASE)
    for stop, reason in ((None, "ruin"), (50.0, "stop")):
        case = ruinous_case(BASE, stop=stop)
        give(module, case)
        result = run(module, case.frame, cash=1e6, commission=case.costs.fee, slippage=case.costs.slippage)
        theirs = trades_in(result["_trades"])
        np.testing.assert_allclose(result["_equity_curve"]["Equity"], case.found.equity, rtol=1e-9)
        assert_same_trades(case.found.trades, theirs, context=reason)
        assert list(theirs.reasons) == [reason]
        assert case.found.equity[-1] == 0.0


def test_a_file_alone_runs_without_studbook_and_says_the_same(tmp_path):
    strategy = next(one for one in strategies(200) if one.learners and len(our_trades(one, bars())) > 10)
    table = run_isolated(backtesting_text(strategy, None), bars(), tmp_path, "--commission", str(COSTS.fee))
    rows = rows_of(our_trades(strategy, bars()), COSTS.start_equity)
    assert_same_trades(rows, trades_in(table), context=strategy.text())


def test_text_is_the_same_each_time_and_clean(tmp_path):
    texts = [backtesting_text(one, None) for one in strategies(30)]
    assert texts == [backtesting_text(one, None) for one in strategies(30)]
    assert_clean(texts, runtime_source("backtesting"), tmp_path)


@pytest.mark.parametrize("n_bars", [1, 2, 5, 14])
def test_bars_too_few_for_any_signal_make_no_trade(n_bars):
    result = run(module_of(BASE), frame_of(bars()).iloc[:n_bars], cash=1e6)
    assert len(result["_trades"]) == 0
    assert result["Equity Final [$]"] == 1e6


def test_the_first_decision_is_at_the_first_bar():
    module, frame = module_of(BASE), frame_of(bars()).iloc[:5]
    always, never = np.ones(5, dtype=bool), np.zeros(5, dtype=bool)
    wants = {"long_entry": always, "long_exit": never, "short_entry": never, "short_exit": never}
    module.signals = lambda *_, **__: wants | {"atr": np.ones(5), "scale": None}
    assert run(module, frame)["_trades"]["EntryBar"].min() == 1


def test_the_class_alone_may_leave_the_last_position_open():
    strategy = next(one for one in strategies(200) if reasons_of(rows_of(our_trades(one, bars()), 1e6))[-1] == "end")
    module = module_of(strategy)
    with quiet():
        result = module.Backtest(frame_of(bars()), module.Studbook, cash=1e6, commission=COSTS.fee).run()
    rows = rows_of(our_trades(strategy, bars()), COSTS.start_equity)[:-1]
    assert_same_trades(rows, trades_in(result["_trades"]), context=strategy.text())


def test_whole_units_are_whole():
    result = run(module_of(BASE), frame_of(bars()), cash=10_000.0, lot=1.0)
    sizes = result["_trades"]["Size"].to_numpy()
    assert len(sizes) > 0
    np.testing.assert_array_equal(sizes, np.round(sizes))


def test_another_engine_version_and_options_that_change_the_trades_are_refused(monkeypatch):
    module, frame = module_of(BASE), frame_of(bars())
    with quiet(), pytest.raises(ValueError, match="`trade_on_close` must be False"):
        module.Backtest(frame, module.Studbook, cash=1e6, trade_on_close=True).run()
    with pytest.raises(ValueError, match="`commission` must be a rate"):
        run(module, frame, commission=(5.0, 0.001))
    monkeypatch.setattr("backtesting.__version__", "0.3.3")
    with pytest.raises(RuntimeError, match=f"backtesting.py must be {ENGINE}, but was 0.3.3"):
        run(module, frame)


def test_a_price_above_the_account_is_no_reason_to_warn():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        module_of(BASE).run(frame_of(bars()), cash=10.0)
    assert not [one for one in said if "fractional" in str(one.message).lower()]


def test_what_it_was_judged_with_are_the_defaults():
    record = {"passed": True, "per_shard": [{"timeframe": "4h"}], "costs": {"fee": 0.002, "slippage": None}}
    module = imported(backtesting_text(BASE, record))
    assert (module.TIMEFRAME, module.FEE, module.SLIPPAGE) == ("4h", 0.002, 0.0)
    frame = frame_of(bars())
    with_default, told = run(module, frame)["_trades"], run(module, frame, commission=0.002, slippage=0.0)["_trades"]
    pd.testing.assert_frame_equal(with_default, told)
    assert (run(module, frame, commission=0.0)["_trades"]["PnL"] != told["PnL"]).all()


def test_bars_without_a_column_are_refused_by_name(tmp_path):
    frame_of(bars()).drop(columns="Volume").to_csv(tmp_path / "bars.csv")
    with pytest.raises(SystemExit, match="but Volume was not there"):
        module_of(BASE).read_bars(tmp_path / "bars.csv")


def test_a_strategy_that_did_not_pass_says_so():
    assert "did NOT pass" in backtesting_text(BASE, {"passed": False})
    assert "did NOT pass" not in backtesting_text(BASE, {"passed": True})
