"""Exported files are run by NautilusTrader's own engine: the kernel's trades, whatever the strategy and the bars."""

from collections import Counter

import pytest

from cluster.export.nautilus_target import nautilus_text
from evolution.genome_strategy import GenomeStrategy
from fitness.folds import Window
from fitness.played import trace_any
from tests.export.corpus import COSTS, bank_of, bars, our_trades, strategies
from tests.export.engine_cases import STYLES, assert_every_kind, counted, rough_case, rows_of
from tests.export.engine_jobs import assert_engine_agrees, case_file, file_of, market_of, run

N_BARS = 250
N_CASES = 10
N_LIVE_BARS, HISTORY = 260, 180


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Markets and cases of all tests below, and what NautilusTrader makes of them in one process."""
    folder = tmp_path_factory.mktemp("nautilus")
    market, live = market_of(bars(n_bars=N_BARS), COSTS), market_of(bars(n_bars=N_LIVE_BARS), COSTS)
    for number, strategy in enumerate(strategies(200)):
        market.files.append(file_of(nautilus_text(strategy, None), strategy, f"s{number}", folder))
    for number, strategy in enumerate(quick_strategies()):
        live.files.append(file_of(nautilus_text(strategy, None), strategy, f"live{number}", folder, history=HISTORY))
    cases = {
        f"{style.replace(' ', '-')}-{seed}": rough_case(seed, style) for style in STYLES for seed in range(N_CASES)
    }
    rough = {name: case_file(case, nautilus_text, name, folder) for name, case in cases.items()}
    answer = run("nautilus", [market, live, *(market for market, _ in rough.values())], folder)
    return market, live, rough, answer


def quick_strategies():
    """Some without learners, which a live strategy computes anew at each bar."""
    return [one for one in strategies(200) if not one.learners][:10]


def test_nautilus_makes_the_trades_of_200_random_strategies(everything):
    market, _, _, answer = everything
    seen: Counter[str] = Counter()
    for number, strategy in enumerate(strategies(200)):
        rows = rows_of(our_trades(strategy, bars(n_bars=N_BARS)), COSTS.start_equity)
        seen += counted(assert_engine_agrees(answer[f"s{number}"], rows, market, strategy.text()))
    assert_every_kind(seen, 10)


def test_every_rule_of_a_position_holds_on_bars_that_hurt(everything):
    seen: Counter[str] = Counter()
    _, _, rough, answer = everything
    for name, (market, case) in rough.items():
        context = f"{name} {case.strategy}"
        seen += counted(assert_engine_agrees(answer[name], case.found.trades, market, context))
    assert_every_kind(seen, 10)


def test_a_live_strategy_knows_its_history_and_no_bar_to_come(everything):
    _, market, _, answer = everything
    n_trades, shard = 0, bars(n_bars=N_LIVE_BARS)
    for number, strategy in enumerate(quick_strategies()):
        window = Window("live", HISTORY, N_LIVE_BARS)
        found = trace_any(GenomeStrategy.of_rules(strategy), shard, window, COSTS, bank_of(shard)).trades
        rows = rows_of(found, COSTS.start_equity)
        n_trades += len(assert_engine_agrees(answer[f"live{number}"], rows, market, strategy.text()))
    assert n_trades >= 20


def test_bars_of_another_width_are_refused(everything):
    assert everything[-1]["refusal"].startswith("`bar_type` must be of 1d bars, which it was bred on, but was ")
    assert "1-HOUR" in everything[-1]["refusal"]


def test_text_is_the_same_each_time_and_compiles():
    texts = [nautilus_text(one, None) for one in strategies(40)]
    assert texts == [nautilus_text(one, None) for one in strategies(40)]
    for number, text in enumerate(texts):
        compile(text, f"{number}.py", "exec", dont_inherit=True)
