"""What is carried away says what we say: the Python target is executed on real bars and compared bit for bit."""

import importlib.util
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.export import EXPORTS, export_strategy
from evolution.genome_strategy import operands_of
from fitness.bank import FeatureBank
from fitness.evaluate import role_masks
from fitness.samples import sample
from fitness.shards import Shard, shard_of
from strategies.catalogue import catalogue, kind_index
from strategies.codec import express
from strategies.encoding import phenotype_of, strategy_of
from strategies.errors import StrategyError, UsageError
from strategies.language import Language
from strategies.sampler import random_genomes
from strategies.strategy import Breaker, Condition, Distance, Gate, Learner, Operand, Rule, Size, Strategy
from strategies.templates import TEMPLATES

ROLES = ("long_entry", "long_exit", "short_entry", "short_exit")
N_RANDOM = 60
PLAIN = {"size": Size("fixed", 1.0), "breaker": None, "gate": Gate()}
ALWAYS_TRADES = ("sma_cross", "rsi_reversion", "donchian_breakout", "macd", "bollinger")


@cache
def bars() -> Shard:
    return shard_of(sample("IBM")[:1500], "IBM", "1d", bars_per_year=252.0)


@cache
def bank() -> FeatureBank:
    return FeatureBank(bars())


def our_signals(strategy: Strategy) -> dict[str, np.ndarray[Any, Any]]:
    roles = role_masks(phenotype_of(strategy)[None, :], bank())
    assert roles.sound.all()
    words = roles.masks[roles.rows[0]]
    bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, : bars().n_bars].astype(bool)
    return dict(zip(ROLES, bits, strict=True))


def exported_signals(source: str) -> dict[str, np.ndarray[Any, Any]]:
    with tempfile.TemporaryDirectory() as folder:  # as a user would: a file, imported
        path = Path(folder) / "exported.py"
        path.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location("exported", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    shard = bars()
    found: dict[str, np.ndarray[Any, Any]] = module.signals(
        shard.open, shard.high, shard.low, shard.close, shard.volume
    )
    return found


def assert_same_signals(strategy: Strategy) -> int:
    theirs, ours = exported_signals(export_strategy(strategy, "python")), our_signals(strategy)
    assert tuple(theirs) == ROLES
    for role in ROLES:
        assert theirs[role].dtype == bool
        np.testing.assert_array_equal(theirs[role], ours[role], err_msg=f"{role} of {strategy.text()}")
    return int(sum(ours[role].sum() for role in ROLES))


def refused(strategy: Strategy) -> str:
    """Why a strategy can't be exported as Python; empty if it can."""
    try:
        export_strategy(strategy, "python")
    except StrategyError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", TEMPLATES)
def test_python_of_every_template_gives_our_signals_or_says_why_not(name: str) -> None:
    strategy = TEMPLATES[name]
    families = {catalogue()[kind_index(one.kind)].family for one in operands_of(strategy)}
    simple = not strategy.learners and strategy.gate == Gate() and strategy.breaker is None
    if simple and families <= {"price", "indicator", "pattern"} and strategy.size.kind in ("fixed", "risk"):
        simple = not any(one.timeframe for one in operands_of(strategy))
    else:
        simple = False
    assert bool(refused(strategy)) == (not simple)
    if simple:
        assert assert_same_signals(strategy) > 0 or name not in ALWAYS_TRADES


def test_python_of_random_strategies_gives_our_signals() -> None:
    language = Language(learners=False, timeframes=0)
    phenotypes = express(random_genomes(2 * N_RANDOM, np.random.default_rng(20261121), language), language)
    strategies = [replace(strategy_of(phenotype), **PLAIN) for phenotype in phenotypes]
    able = [strategy for strategy in strategies if not refused(strategy)]
    assert len(able) > N_RANDOM // 2
    speaking = [assert_same_signals(strategy) for strategy in able[:N_RANDOM]]
    assert sum(count > 0 for count in speaking) > len(speaking) // 3
    assert any(one.weight > 1 for strategy in able for one in strategy.entry.conditions)


LEARNT = Learner("naive_bayes", "direction", 5, (100.0,), (Operand("RSI", "close", (14.0,)),), weight=2)
BASE = TEMPLATES["sma_cross"]
HIGHER = Condition(Operand("SMA", "close", (10.0,), 0, 1), ">", Operand("PRICE", "close", (), 0, 1))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"learners": (LEARNT,)}, "has the learner naive_bayes"),
        ({"gate": Gate("bull", "any")}, r"has a gate on trend \(bull\)"),
        ({"gate": Gate("any", "low")}, r"has a gate on volatility \(low\)"),
        ({"exit": Rule((HIGHER,), 1)}, r"SMA\(10\) \[\+1\] on a higher timeframe, close \[\+1\] on a higher timeframe"),
        ({"size": Size("kelly", 0.5)}, "has a size by kelly"),
        ({"size": Size("volatility", 0.2)}, "has a size by volatility"),
        ({"breaker": Breaker(0.2, 20)}, "has a drawdown breaker"),
        ({"breaker": Breaker(0.2, 20), "gate": Gate("bull", "any")}, r"a gate on trend \(bull\), a drawdown breaker"),
    ],
)
def test_python_refuses_by_name_what_it_can_not_express(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(StrategyError, match=f"must need NumPy and TA-Lib alone .*{part} .*Export as JSON or Markdown"):
        export_strategy(replace(BASE, **changes), "python")


def test_python_refuses_features_of_our_own() -> None:
    ours = [kind for kind in catalogue() if kind.family not in ("price", "indicator", "pattern", "learner")]
    assert ours
    for kind in ours:
        operand = Operand(kind.name, None, tuple(parameter.default for parameter in kind.parameters))
        rule = Rule((Condition(operand, ">", level=0.0),), 1)
        assert f"{kind.name.partition('.')[0]}" in refused(replace(BASE, exit=rule))


def test_weights_count_in_python_as_they_do_here() -> None:
    up, low = (Condition(Operand("SMA", "close", (5.0,)), ">", Operand("SMA", "close", (30.0,)), weight=2),
               Condition(Operand("RSI", "close", (14.0,)), "<", level=50.0))  # fmt: skip
    counts = {needed: assert_same_signals(replace(BASE, entry=Rule((up, low), needed))) for needed in (1, 2, 3)}
    assert counts[1] > counts[2] > counts[3] > 0


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


def test_python_of_every_operand_gives_our_signals() -> None:
    """Each kind at its defaults against itself some bars ago: every function, output, lookback and integer output."""
    for kind in catalogue():
        if kind.family not in ("price", "indicator"):
            continue
        source = "close" if kind.takes_source else None
        parameters = tuple(parameter.default for parameter in kind.parameters)
        now, before = (Operand(kind.name, source, parameters, lag) for lag in (0, 3))
        conditions = (Condition(now, "crosses above", before), Condition(now, "<", before, negate=True))
        assert_same_signals(Strategy("both", Rule(conditions, 1), Rule(conditions, 2), Distance("percent", 5.0)))


def test_python_of_every_pattern_gives_our_signals() -> None:
    n_seen = 0
    for kind in (one for one in catalogue() if one.family == "pattern"):
        operand = Operand(kind.name, None, tuple(parameter.default for parameter in kind.parameters))
        rules = [Rule((Condition(operand, *words),), 1) for words in ((">", None, 0.5), ("<", None, -0.5))]
        n_seen += assert_same_signals(Strategy("both", *rules, Distance("percent", 5.0))) > 0
    assert n_seen > 30


def test_python_runs_alone_without_studbook(tmp_path: Path) -> None:
    file = tmp_path / "alone.py"
    file.write_text(export_strategy(TEMPLATES["macd"], "python"))
    probe = (
        "import sys; sys.path.insert(0, '.'); import numpy as np, alone\n"
        "close = 100 + np.cumsum(np.random.default_rng(0).normal(size=400))\n"
        "found = alone.signals(close, close + 1, close - 1, close, close * 0 + 5)\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('strategies', 'fitness', 'cluster')]\n"
        "print(alone.STRATEGY_ID, sum(int(column.sum()) for column in found.values()))\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=True)
    strategy_id, count = done.stdout.split()
    assert strategy_id == TEMPLATES["macd"].id
    assert int(count) > 0


def test_python_says_when_the_gates_were_not_passed() -> None:
    strategy = TEMPLATES["macd"]
    assert "did NOT pass" in export_strategy(strategy, "python", {"passed": False})
    assert "did NOT pass" not in export_strategy(strategy, "python", {"passed": True})


def test_python_refuses_what_talib_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise Exception("Bad Parameter")  # noqa: TRY002 - what TA-Lib raises

    monkeypatch.setattr("cluster.export.python_target.indicators.lookback", refuse)
    with pytest.raises(StrategyError, match=r"must be one that TA-Lib computes .* was SMA with \(20,\): Bad Parameter"):
        export_strategy(TEMPLATES["sma_cross"], "python")


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
        UsageError, match=r"must be one of json, markdown, python, but was 'pyton'; did you mean python"
    ):
        export_strategy(TEMPLATES["macd"], "pyton")


def test_every_target_is_deterministic_and_leaves_the_strategy_alone() -> None:
    for name, target in EXPORTS.items():
        strategy = TEMPLATES["bollinger"]
        before = strategy.to_json()
        assert export_strategy(strategy, name) == export_strategy(strategy, name)
        assert strategy.to_json() == before
        assert target.suffix.startswith(".")
