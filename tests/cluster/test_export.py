"""What is carried away says what we say: the Python target is executed on real bars and compared bit for bit."""

import importlib.util
import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.export import EXPORTS, export_strategy
from fitness.bank import FeatureBank
from fitness.evaluate import role_masks
from fitness.samples import sample
from fitness.shards import Shard, shard_of
from strategies.catalogue import catalogue
from strategies.codec import express
from strategies.encoding import phenotype_of, strategy_of
from strategies.errors import StrategyError, UsageError
from strategies.sampler import random_genomes
from strategies.strategy import Condition, Distance, Operand, Rule, Strategy
from strategies.templates import TEMPLATES

ROLES = ("long_entry", "long_exit", "short_entry", "short_exit")
N_RANDOM = 60


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


@pytest.mark.parametrize("name", TEMPLATES)
def test_python_of_every_template_gives_our_signals(name: str) -> None:
    assert assert_same_signals(TEMPLATES[name]) > 0


def test_python_of_random_strategies_gives_our_signals() -> None:
    genomes = random_genomes(N_RANDOM, np.random.default_rng(20261121))
    speaking = [assert_same_signals(strategy_of(phenotype)) for phenotype in express(genomes)]
    assert sum(count > 0 for count in speaking) > N_RANDOM // 2


def test_python_of_every_operand_gives_our_signals() -> None:
    """Each kind at its defaults against itself some bars ago: every function, output, lookback and integer output."""
    for kind in catalogue():
        source = "close" if kind.takes_source else None
        parameters = tuple(parameter.default for parameter in kind.parameters)
        now, before = (Operand(kind.name, source, parameters, lag) for lag in (0, 3))
        conditions = (Condition(now, "crosses above", before), Condition(now, "<", before, negate=True))
        assert_same_signals(Strategy("both", Rule(conditions, 1), Rule(conditions, 2), Distance("percent", 5.0)))


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
        "2 of 2 must hold",
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
