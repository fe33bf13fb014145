"""Pine scripts decide as the kernel does: run bar by bar by an interpreter of our own, over random strategies."""

import re
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cluster.export import export_strategy
from cluster.export.pine_functions import functions_for, library
from cluster.export.pine_golden import checksum, golden_bars
from cluster.export.pine_kinds import EXPRESSIONS
from cluster.export.pine_operands import beyond, expression_of
from fitness.played import decisions_of
from fitness.shard import Shard
from fitness.tally import ExitReason
from strategies.catalogue import SOURCES, catalogue, kind_index
from strategies.codec import express
from strategies.encoding import phenotype_of, strategy_of
from strategies.errors import StrategyError
from strategies.operands import column
from strategies.sampler import random_genomes
from strategies.strategy import Breaker, Condition, Distance, Gate, Learner, Operand, Rule, Size, Strategy
from strategies.templates import TEMPLATES
from tests.export.corpus import LEAST_TRADES, RULES_ALONE, bank_of, bars, our_trades
from tests.export.pine_broker import Broker
from tests.export.pine_interpreter import run

N_STRATEGIES = 220
N_BARS = 350
N_TRADED = 60
SIGNALS = ("longEntry", "longExit", "shortEntry", "shortExit")


@cache
def expressible(n: int) -> tuple[Strategy, ...]:
    """The first `n` random strategies that Pine can express and that trade on the bars."""
    found: list[Strategy] = []
    rng = np.random.default_rng(20261122)
    while len(found) < n:
        for row in express(random_genomes(500, rng, RULES_ALONE), RULES_ALONE):
            one = replace(strategy_of(row), gate=Gate())
            one = one if one.size.kind in ("fixed", "risk") else replace(one, size=Size("fixed", 0.5))
            if not beyond(one) and len(our_trades(one, shard())) >= LEAST_TRADES:
                found.append(one)
    return tuple(found[:n])


def shard() -> Shard:
    return bars(n_bars=N_BARS)


def broker_of(some: Shard) -> Broker:
    return Broker(*(getattr(some, name).tolist() for name in SOURCES[:4]))


def played(source: str, some: Shard, **options: Any) -> tuple[dict[str, list[Any]], Broker]:
    broker = broker_of(some)
    return run(source, {name: getattr(some, name) for name in SOURCES}, broker, **options), broker


def signals_of(told: dict[str, list[Any]]) -> NDArray[np.bool_]:
    assert all(isinstance(value, bool) for name in SIGNALS for value in told[name])
    return np.array([told[name] for name in SIGNALS])


def golden(source: str) -> dict[str, str]:
    """The checksum and the counts that a script carries in its comments."""
    found = re.search(r"// true: .* at ([\d, ]+) bars\n// checksum: ([0-9a-f]{16}) ", source)
    assert found is not None
    return {"counts": found[1], "checksum": found[2]}


def test_signals_are_the_kernels_at_every_bar_over_random_strategies() -> None:
    seen: set[str] = set()
    n_true = 0
    for strategy in expressible(N_STRATEGIES):
        told, _ = played(export_strategy(strategy, "pine"), shard())
        ours = decisions_of(phenotype_of(strategy), bank_of(shard())).stacked()
        np.testing.assert_array_equal(signals_of(told), ours, err_msg=strategy.text())
        n_true += int(ours.any(axis=1).sum())
        for one in (*strategy.entry.conditions, *strategy.exit.conditions):
            seen |= {operand.kind for operand in (one.left, one.right) if operand is not None}
            seen |= {one.comparator, f"negated {one.negate}", f"lagged {one.left.lag > 0}", f"heavy {one.weight > 1}"}
    assert n_true > N_STRATEGIES
    assert len(seen & set(EXPRESSIONS)) > 90
    assert {"crosses above", "crosses below", "negated True", "lagged True", "heavy True"} <= seen


def test_golden_vectors_are_what_script_and_kernel_say() -> None:
    for strategy in (*TEMPLATES.values(), *expressible(N_STRATEGIES)[:12]):
        if beyond(strategy):
            continue
        source = export_strategy(strategy, "pine")
        told, _ = played(source, golden_bars())
        signals = signals_of(told)
        assert golden(source)["checksum"] == checksum(signals)
        assert golden(source)["counts"] == ", ".join(str(int(row.sum())) for row in signals)
        rows = re.findall(r"^// (\d{4}-\d\d-\d\d) \| .* \| ([01]{4}) \| ?(.*)$", source, re.MULTILINE)
        assert rows
        dates = np.array(golden_bars().timestamps, dtype="datetime64[us]").astype("datetime64[D]").astype(str)
        for date, said, values in rows:
            t = int(np.flatnonzero(dates == date)[0])
            assert said == "".join(str(int(value)) for value in signals[:, t])
            shown = [float("nan") if value == "na" else float(value) for value in values.split()]
            mine = [told[f"x{number + 1}"][t] for number in range(len(shown))]
            np.testing.assert_allclose(mine, shown, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_every_kind_of_operand_is_computed_as_talib_does(share: float) -> None:
    some = bars(n_bars=300)
    for name in EXPRESSIONS:
        kind = catalogue()[kind_index(name)]
        grids = [[value for value in one.grid if 2 <= value <= 60 or not one.integer] for one in kind.parameters]
        values = tuple(
            grid[int(share * len(grid))] if share else one.default
            for grid, one in zip(grids, kind.parameters, strict=True)
        )
        for source in ("close", "volume") if kind.takes_source else (None,):
            operand = Operand(name, source, values)
            expression = expression_of(operand)
            script = "\n".join(["//@version=6", *functions_for(expression), f"float x1 = {expression}"])
            told, _ = played(script, some)
            ours = column(kind_index(name), SOURCES.index(source or "close"), values, some)
            scale = float(np.nanmax(np.abs(ours), initial=1e-300))
            np.testing.assert_allclose(told["x1"], ours, rtol=1e-9, atol=1e-11 * scale, err_msg=f"{operand}")


def test_orders_are_those_of_the_kernel_where_the_emulator_can_know_the_fill() -> None:
    """Distances in ATRs, no target that a bar could hold beside the stop, no breaker: then every trade is ours."""
    n_trades, reasons = 0, set()
    plain = [replace(one, breaker=None, target=None) for one in expressible(N_STRATEGIES)[:N_TRADED]]
    for one in plain:
        distances = {name: _in_atrs(getattr(one, name)) for name in ("stop", "trail")}
        strategy = replace(one, **distances)
        ours = our_trades(strategy, shard())
        ours = ours[ours["exit_reason"] != ExitReason.END]
        _, broker = played(export_strategy(strategy, "pine"), shard())
        mine = [(trade.side, trade.entry_bar, trade.exit_bar) for trade in broker.trades]
        theirs = [(int(row["side"]), int(row["entry_bar"]), int(row["exit_bar"])) for row in ours]
        assert mine == theirs, strategy.text()
        prices = [(trade.entry_price, trade.exit_price) for trade in broker.trades]
        np.testing.assert_allclose(prices, [(row["entry_price"], row["exit_price"]) for row in ours], rtol=1e-6)
        n_trades += len(mine)
        reasons |= {int(reason) for reason in ours["exit_reason"]}
    assert n_trades > 5 * N_TRADED
    assert {ExitReason.STOP, ExitReason.TRAIL, ExitReason.TIME, ExitReason.EXIT} <= reasons


def _in_atrs(distance: Distance | None) -> Distance | None:
    return None if distance is None else Distance("atr", 2.0)


BASE = TEMPLATES["sma_cross"]
LEARNT = Learner("naive_bayes", "direction", 5, (100.0,), (Operand("RSI", "close", (14.0,)),), weight=2)
HIGHER = Condition(Operand("SMA", "close", (10.0,), 0, 1), ">", Operand("PRICE", "close", (), 0, 1))
HAMMER = Condition(Operand("CDLHAMMER", None, ()), ">", level=0.5)
CYCLE = Condition(Operand("HT_TRENDLINE", "close", ()), ">", Operand("PRICE", "close", ()))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"learners": (LEARNT,)}, "has the learner naive_bayes"),
        ({"gate": Gate("bull", "any")}, r"has a gate on trend \(bull\)"),
        ({"exit": Rule((HIGHER,), 1)}, r"has SMA\(10\) \[\+1\] on a higher timeframe"),
        ({"exit": Rule((HAMMER,), 1)}, "has CDLHAMMER, which has no exact twin in Pine"),
        ({"exit": Rule((CYCLE,), 1)}, "has HT_TRENDLINE, which has no exact twin in Pine"),
        ({"size": Size("kelly", 0.5)}, "has a size by kelly"),
        ({"size": Size("volatility", 0.5), "gate": Gate("any", "low")}, r"\(low\), a size by volatility"),
    ],
)
def test_what_pine_can_not_express_is_refused_by_name(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(StrategyError, match=f"every part Pine can express .*{part}.*Export as Python or JSON"):
        export_strategy(replace(BASE, **changes), "pine")


def test_the_script_says_what_it_is_and_what_it_is_not() -> None:
    source = export_strategy(replace(BASE, breaker=Breaker(0.2, 30), cooldown=3), "pine", {"passed": False})
    assert source.startswith("//@version=6\n// Strategy ")
    for part in ("did NOT pass", "takes the stop", "process_orders_on_close=false", "pause := 30", "int pause = 3"):
        assert part in source
    assert "ta." not in re.sub(r"//.*", "", source)
    assert "did NOT pass" not in export_strategy(BASE, "pine", {"passed": True})
    assert export_strategy(BASE, "pine") == export_strategy(BASE, "pine")


def test_no_function_of_the_library_is_out_of_use() -> None:
    texts = [expression_of(Operand(kind.name, "close" if kind.takes_source else None,
                                   tuple(one.default for one in kind.parameters)))
             for kind in catalogue() if kind.name in EXPRESSIONS]  # fmt: skip
    used = {block for text in texts for block in functions_for(text)}
    assert used == set(library().values())


SCRIPT = "//@version=6\nf_plus(float x) =>\n    var float total = 0.0\n    total += x\n    total\n\n{}\n"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("float y = z", "z is not declared"),
        ("y = na", "y must have a type"),
        ("float close2 = close > 1.0 ? f_plus(close) : 0.0", "must be called at every bar"),
        ("float y = 1.0\nfloat y = 2.0", "declared twice"),
        ("y := 1.0", "set before it is declared"),
        ("float text = 1.0", "must not be a word of the language"),
        ("bool y = close ? true : false", "must be a bool in v6"),
        ("float y = ta.ema(close, 3)", "no function that is known"),
    ],
)
def test_the_interpreter_refuses_what_pine_would(line: str, error: str) -> None:
    with pytest.raises((NameError, TypeError, SyntaxError), match=error):
        played(SCRIPT.format(line), bars(n_bars=5))


def test_the_interpreter_keeps_state_and_history_by_place_of_call() -> None:
    lines = "float a = f_plus(1.0)\nfloat b = f_plus(10.0)\nfloat c = a[2]\nfloat d = close[1]\nint n = 0\n"
    told, _ = played(SCRIPT.format(lines + "for i = 3 to 1\n    n += i"), bars(n_bars=4))
    assert told["a"] == [1.0, 2.0, 3.0, 4.0]
    assert told["b"] == [10.0, 20.0, 30.0, 40.0]
    np.testing.assert_array_equal(told["c"], [np.nan, np.nan, 1.0, 2.0])
    np.testing.assert_array_equal(told["d"][1:], bars(n_bars=4).close[:3])
    assert told["n"] == [6] * 4
