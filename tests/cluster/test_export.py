"""What is carried away as text says all there is; the targets that trade are tested in tests/export."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cluster.export import EXPORTS, export_files, export_strategy
from strategies.errors import UsageError
from strategies.strategy import Breaker, Condition, Distance, Gate, Learner, Operand, Rule, Size, Strategy
from strategies.templates import TEMPLATES

ROLES = ("long_entry", "long_exit", "short_entry", "short_exit")
N_RANDOM = 60
PLAIN = {"size": Size("fixed", 1.0), "breaker": None, "gate": Gate()}
ALWAYS_TRADES = ("sma_cross", "rsi_reversion", "donchian_breakout", "macd", "bollinger")


LEARNT = Learner("naive_bayes", "direction", 5, (100.0,), (Operand("RSI", "close", (14.0,)),), weight=2)
BASE = TEMPLATES["sma_cross"]
HIGHER = Condition(Operand("SMA", "close", (10.0,), 0, 1), ">", Operand("PRICE", "close", (), 0, 1))


def test_json_and_markdown_carry_all_there_is() -> None:
    strategy = replace(
        BASE, learners=(LEARNT, replace(LEARNT, algorithm="linear", hyper=(0.01, 0.01), target="return", edge=0.2)),
        conflict="veto", gate=Gate("not bear", "high"), breaker=Breaker(0.25, 40), size=Size("confidence", 0.8),
        trail=Distance("atr", 3.0), target=Distance("percent", 9.0), time_stop=30, cooldown=2,
        entry=Rule((replace(BASE.entry.conditions[0], weight=3), HIGHER), 5),
    )  # fmt: skip
    assert Strategy.from_json(export_strategy(strategy, "json")) == strategy
    text = export_strategy(strategy, "markdown")
    for part in (
        "Entry: 5 of 8 votes", ", counts 3 times", "SMA(10) [+1] > close [+1]", "learner 1, where its score is beyond",
        "one that is confident forbids the entry", "only where trend is not bear", "only where volatility is high",
        "a drawdown of 25 % halts entries for 40 bars", "size 80 % of equity times the learners' confidence",
        "Learner 0: naive_bayes", "learns the return of the next 5 bars from RSI(14)", "trailing stop 3 ATR",
        "target 9 %", "stop 10 %", "Leaves after 30 bars", "Cooldown: 2 bars", '"schema":"studbook/strategy/2"',
    ):  # fmt: skip
        assert part in text


@pytest.mark.parametrize("name", TEMPLATES)
def test_json_is_read_back_as_the_same_strategy(name: str) -> None:
    text = export_strategy(TEMPLATES[name], "json")
    assert Strategy.from_json(text) == TEMPLATES[name]
    assert Strategy.from_json(text).id == TEMPLATES[name].id


def test_markdown_shows_rules_figures_and_gates(make_run: Any) -> None:
    from cluster.view import read_job

    record = read_job(make_run()).candidates[3]
    text = export_strategy(Strategy.from_json(json.dumps(record["strategy"])), "markdown", record)
    for part in (
        "# Strategy",
        "votes must be for it",
        "| Sharpe | +0.71 | +0.40 | not read | +0.33 |",
        "| dsr | 0.31 | 0.95 | no |",
    ):
        assert part in text


def test_unknown_target_names_the_nearest() -> None:
    with pytest.raises(
        UsageError, match=r"must be one of json, markdown, python, .*but was 'pyton'; did you mean python"
    ):
        export_strategy(TEMPLATES["macd"], "pyton")


def test_every_target_is_deterministic_and_leaves_the_strategy_alone() -> None:
    for name, target in EXPORTS.items():
        strategy = TEMPLATES["bollinger"]
        before = strategy.to_json()
        assert export_files(strategy, name) == export_files(strategy, name)
        assert strategy.to_json() == before
        assert target.is_folder or target.suffix.startswith(".")
