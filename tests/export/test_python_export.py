"""The stand-alone Python is executed on real bars: the kernel's signals and the kernel's trades, bit for bit."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cluster.export import export_strategy
from cluster.export.core import core_source
from evolution.genome_strategy import GenomeStrategy, operands_of
from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.played import play_of
from fitness.shards import Shard
from fitness.tally import EXIT_REASONS
from strategies.catalogue import catalogue
from strategies.contract import ROLES
from strategies.errors import StrategyError
from strategies.extra_columns import EXTRA_COLUMNS
from strategies.learners.table import ALGORITHMS, TARGETS
from strategies.strategy import Breaker, Condition, Distance, Gate, Learner, Operand, Rule, Size, Strategy
from strategies.templates import TEMPLATES
from tests.export.carried import columns, imported
from tests.export.corpus import COSTS, bank_of, bars, our_trades, strategies

BASE = TEMPLATES["sma_cross"]
FIELDS = ("entry_bar", "exit_bar", "entry_price", "exit_price", "units")
RSI, CLOSE = Operand("RSI", "close", (14.0,)), Operand("PRICE", "close", ())


def assert_same_signals(strategy: Strategy, shard: Shard, bank: FeatureBank, *, numba: bool = False) -> int:
    """Compare the exported signals with the kernel's; how many there are."""
    found = imported(core_source(strategy, extra=True), numba=numba).signals(**columns(shard))
    play = play_of(GenomeStrategy.of_rules(strategy), shard, bank)
    for role, mask in zip(ROLES, play.masks, strict=True):
        assert found[role].dtype == bool
        np.testing.assert_array_equal(found[role], mask, err_msg=f"{role} of {strategy.text()}")
    np.testing.assert_array_equal(found["atr"], bank.atr())
    if play.scale is None:
        assert found["scale"] is None
    else:
        np.testing.assert_array_equal(found["scale"], play.scale)
    return int(play.masks.sum())


def traded(strategy: Strategy, shard: Shard, costs: Costs) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = imported(export_strategy(strategy, "python")).backtest(
        **columns(shard), **asdict(costs)
    )
    return found


def assert_same_trades(theirs: list[dict[str, Any]], ours: NDArray[np.void]) -> None:
    assert [tuple(one[name] for name in FIELDS) for one in theirs] == [
        tuple(row[name].item() for name in FIELDS) for row in ours
    ]
    assert [one["exit_reason"] for one in theirs] == [EXIT_REASONS[row["exit_reason"]] for row in ours]
    assert [one["side"] for one in theirs] == ["long" if row["side"] > 0 else "short" for row in ours]


def test_random_strategies_of_every_kind_make_the_kernels_trades() -> None:
    seen: dict[str, int] = {}
    kinds: set[str] = set()
    for strategy in strategies(200):
        theirs = traded(strategy, bars(), COSTS)
        assert_same_trades(theirs, our_trades(strategy, bars()))
        kinds |= {
            strategy.size.kind,
            strategy.direction,
            strategy.conflict,
            *(one.algorithm for one in strategy.learners),
        }
        for trade in theirs:
            seen[trade["exit_reason"]] = seen.get(trade["exit_reason"], 0) + 1
    assert all(seen[reason] > 50 for reason in ("exit", "stop", "target", "trail", "time"))
    assert kinds >= {"fixed", "risk", "volatility", "confidence", "kelly", "long", "short", "both", *ALGORITHMS}


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_gives_our_signals(name: str) -> None:
    assert_same_signals(TEMPLATES[name], bars(), bank_of(bars()))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_learner_says_the_same(algorithm: str) -> None:
    """Each algorithm with each target, on longer bars, by its votes and as what conditions read."""
    shard = bars(n_bars=1500, first=1000)
    hyper = tuple(one.default for one in ALGORITHMS[algorithm].hyper)
    features = (
        (RSI, Operand("REGIME.trend", None, (50.0,)), Operand("GAP", None, (), 2))
        if ALGORITHMS[algorithm].uses_features
        else ()
    )
    n_signals = 0
    for target in TARGETS:
        learner = Learner(algorithm, target, 5, hyper, features, weight=2, edge=0.02)
        reads = Condition(Operand("LEARNER.confidence", None, (0.0,)), ">", level=0.05)
        strategy = replace(
            BASE, direction="both", learners=(learner,), entry=Rule((reads,), 2), size=Size("confidence", 0.5)
        )
        n_signals += assert_same_signals(strategy, shard, bank_of(shard))
    assert n_signals > 0


@pytest.mark.parametrize("algorithm", ["echo_state"])
def test_compiled_by_numba_it_says_the_same(algorithm: str) -> None:
    hyper = tuple(one.default for one in ALGORITHMS[algorithm].hyper)
    learner = Learner(algorithm, "return", 3, hyper, (RSI,), weight=1, trust=0.01)
    strategy = replace(BASE, learners=(learner,), gate=Gate("not bear", "any"))
    assert_same_signals(strategy, bars(), bank_of(bars()), numba=True)


@pytest.mark.parametrize("family", ["price", "indicator", "pattern", "structure", "calendar", "regime"])
def test_every_operand_says_the_same(family: str) -> None:
    """Each kind at its defaults against itself some bars ago, on the bars' own timeframe and two rungs up."""
    kinds = [kind for kind in catalogue() if kind.family == family]
    assert kinds
    shard = bars(n_bars=1500, first=1000)
    for kind in kinds:
        source = "close" if kind.takes_source else None
        parameters = tuple(parameter.default for parameter in kind.parameters)
        now, before, higher = (
            Operand(kind.name, source, parameters, lag, rung) for lag, rung in ((0, 0), (3, 0), (1, 1))
        )
        entry = (Condition(now, "crosses above", before), Condition(higher, "<", before, negate=True))
        exits = (
            Condition(now, ">", level=0.5),
            Condition(Operand(kind.name, source, parameters, 0, 2), "<", level=-0.5),
        )
        strategy = Strategy("long", Rule(entry, 1), Rule(exits, 1), Distance("percent", 5.0))
        assert_same_signals(strategy, shard, bank_of(shard))


def test_extra_columns_travel_as_data_and_engines_refuse_them() -> None:
    plain = bars()
    rng = np.random.default_rng(4)
    extra = {name: rng.uniform(1.0, 2.0, plain.n_bars) for name in EXTRA_COLUMNS}
    shard = replace(plain, extra=extra)
    bank = FeatureBank(shard)
    for kind in (one for one in catalogue() if one.family == "extra"):
        operand = Operand(kind.name, None, tuple(parameter.default for parameter in kind.parameters))
        before = replace(operand, lag=1)
        strategy = replace(BASE, entry=Rule((Condition(operand, ">", before),), 1))
        assert assert_same_signals(strategy, shard, bank) > 0
        with pytest.raises(
            StrategyError, match=f"must read open, high, low, close and volume alone.*{kind.requires[0]}"
        ):
            core_source(strategy)


@pytest.mark.parametrize("number", range(6))
def test_every_cost_model_travels_along(number: int) -> None:
    rng = np.random.default_rng(number)
    costs = Costs(
        fee=float(rng.uniform(0.0, 0.002)), slippage=0.0005, leverage_cap=2.0, lot_size=1.0, start_equity=1e5,
        fee_per_unit=0.01, spread_volatility=0.1, impact=0.5, volume_share=1e-4, borrow=0.02, funding=0.05,
    )  # fmt: skip
    strategy = replace(strategies(6)[number], breaker=Breaker(0.05, 20))
    assert_same_trades(traded(strategy, bars(), costs), our_trades(strategy, bars(), costs))


def test_the_record_brings_the_costs_along_that_it_was_judged_with() -> None:
    record = {"passed": True, "costs": {"fee": 0.001, "slippage": 0.0002, "volume_share": None}}
    module = imported(export_strategy(BASE, "python", record))
    assert module.COSTS == {"fee": 0.001, "slippage": 0.0002}
    ours = our_trades(BASE, bars(), Costs(0.001, 0.0002))
    assert_same_trades(module.backtest(**columns(bars())), ours)
    assert len(ours) > 2


def test_what_comes_later_changes_nothing_before() -> None:
    """No look-ahead: the signals of fewer bars are the beginning of those of all."""
    for strategy in strategies(200)[::10]:
        module = imported(core_source(strategy))
        whole = module.signals(**columns(bars()))
        for n_bars in (1, 2, 57, 400):
            part = module.signals(**columns(bars().head(n_bars)))
            for role in ROLES:
                np.testing.assert_array_equal(part[role], whole[role][:n_bars], err_msg=strategy.text())


def test_it_runs_alone_on_a_csv_file_without_studbook(tmp_path: Path) -> None:
    strategy = next(one for one in strategies(40) if one.learners and any(each.timeframe for each in operands_of(one)))
    (tmp_path / "alone.py").write_text(export_strategy(strategy, "python"))
    shard = bars()
    frame = shard.frame().select("timestamp", "open", "high", "low", "close", "volume")
    frame.with_columns(frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S")).write_csv(tmp_path / "bars.csv")
    refuse = (
        "import sys, runpy\n"
        "for name in ('strategies', 'fitness', 'evolution', 'cluster', 'numba'): sys.modules[name] = None\n"
        "sys.argv = ['alone.py', 'bars.csv']\n"
        "runpy.run_path('alone.py', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", refuse], cwd=tmp_path, capture_output=True, text=True, check=True)
    *trades, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert_same_trades(trades, our_trades(strategy, shard, Costs(0.0, 0.0)))
    assert set(last["wanted at the next open"]) == set(ROLES)


def test_it_says_when_the_gates_were_not_passed() -> None:
    assert "did NOT pass" in export_strategy(BASE, "python", {"passed": False})
    assert "did NOT pass" not in export_strategy(BASE, "python", {"passed": True})


def test_it_refuses_what_talib_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise Exception("Bad Parameter")  # noqa: TRY002 - what TA-Lib raises

    monkeypatch.setattr("cluster.export.core_rules.indicators.lookback", refuse)
    with pytest.raises(StrategyError, match=r"must be one that TA-Lib computes .* was SMA with \(20,\): Bad Parameter"):
        export_strategy(BASE, "python")


def test_exported_text_is_what_a_linter_would_pass(tmp_path: Path) -> None:
    names = []
    for number, strategy in enumerate(strategies(200)[::20]):
        names.append(tmp_path / f"exported_{number}.py")
        names[-1].write_text(export_strategy(strategy, "python"))
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F", "--ignore", "F402", *map(str, names)]
    done = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_file_knows_the_timeframe_and_the_year_of_its_bars() -> None:
    """Bars of one hour around the clock: higher bars and sizes by volatility depend on it."""
    daily = bars(n_bars=600)
    hour = 3_600_000_000
    shard = replace(daily, timestamps=np.arange(daily.n_bars) * hour, timeframe="1h", bars_per_year=8760.0)
    higher = Condition(Operand("SMA", "close", (5.0,), 0, 1), ">", CLOSE)
    strategy = replace(BASE, direction="long", entry=Rule((higher,), 1), size=Size("volatility", 0.2), time_stop=9)
    record = {"passed": True, "bars_per_year": 8760.0, "per_shard": [{"timeframe": "1h"}], "costs": {"fee": 0.001}}
    module = imported(export_strategy(strategy, "python", record))
    assert (module.TIMEFRAME, module.BARS_PER_YEAR) == ("1h", 8760.0)
    named = {name: getattr(shard, name) for name in ("open", "high", "low", "close", "volume", "timestamps")}
    ours = our_trades(strategy, shard, Costs(0.001, 0.0))
    assert len(ours) > 5
    assert_same_trades(module.backtest(**named), ours)
