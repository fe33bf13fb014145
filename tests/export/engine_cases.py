"""What the engines are asked: bars as their frames, and cases that our signals would seldom make.

A case has the risks of a random strategy, but random masks, ATR and scale, on bars that hurt: gaps, locked prices,
violent ranges. So every rule of a position meets every kind of bar.
"""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.rough_bars import rough_bars
from cluster.export.core import RISK
from evolution.genome_strategy import GenomeStrategy
from fitness.bits import pack
from fitness.costs import Costs
from fitness.evaluate import risk_rows
from fitness.played import play_of
from fitness.shards import Shard
from fitness.simulation import simulate_one
from fitness.tally import EXIT_REASONS, Simulation, Trade
from strategies.contract import ROLES
from strategies.encoding import phenotype_of
from strategies.strategy import Breaker, Distance, Size, Strategy
from tests.export.corpus import bank_of, strategies

STYLES = {"plain": 0.02, "gaps": 0.02, "limit moves": 0.02, "flat": 0.02, "wild": 0.08}
N_BARS = 160
COLUMNS = ("Open", "High", "Low", "Close", "Volume")
EVERY_KIND = ("exit", "stop", "target", "trail", "time", "end", "reversal", "same bar", "short")
"""What `counted` must have seen of enough of, before trades that are equal say much."""
ISOLATED = """
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
ours = {"strategies", "fitness", "evolution", "cluster"} & {name.partition(".")[0] for name in sys.modules}
assert not ours, ours
"""


@dataclass(frozen=True)
class Case:
    """A strategy whose risks are traded, on bars, with signals that are given, and what the kernel makes of it."""

    strategy: Strategy
    frame: pd.DataFrame
    signals: dict[str, Any]
    costs: Costs
    found: Simulation


def frame_of(shard: Shard) -> pd.DataFrame:
    """Bars as the engines take them."""
    index = pd.to_datetime(np.asarray(shard.timestamps), unit="us")
    return pd.DataFrame({name: np.asarray(getattr(shard, name.lower())) for name in COLUMNS}, index=index)


def rough_case(seed: int, style: str, **costs: float) -> Case:
    """A case; its costs are fee and slippage at random, and what is given."""
    rng = np.random.default_rng([seed, list(STYLES).index(style)])
    bars = rough_bars(rng, style, STYLES[style], N_BARS)
    masks = rng.random((4, N_BARS)) < rng.choice([0.03, 0.2, 0.6], (4, 1))
    atr = bars.close * STYLES[style] * rng.uniform(0.5, 2.0, N_BARS)
    scale = rng.uniform(0.0, 4.0, N_BARS)
    atr[:14] = scale[:20] = np.nan
    strategy = bold(strategies(200)[int(rng.integers(200))], rng)
    told = Costs(float(rng.choice([0.0, 0.001])), **{"slippage": 0.0, "start_equity": 1e6, **costs})
    return case_of(strategy, bars, masks, atr=atr, scale=scale, costs=told)


def ruinous_case(base: Strategy, *, stop: float | None, n_bars: int = 12) -> Case:
    """A short of the whole account, and another wanted, in a market that trebles overnight; a stop is in per cent."""
    strategy = replace(
        base, direction="short", stop=None if stop is None else Distance("percent", stop), target=None, trail=None,
        time_stop=0, size=Size("fixed", 1.0), breaker=None, cooldown=0,
    )  # fmt: skip
    close = np.where(np.arange(n_bars) < n_bars // 2, 100.0, 300.0)
    bars = SimpleNamespace(open=close.copy(), high=close * 1.01, low=close * 0.99, close=close)
    masks = np.zeros((4, n_bars), dtype=bool)
    masks[2] = True
    nothing = np.full(n_bars, np.nan)
    return case_of(strategy, bars, masks, atr=nothing, scale=nothing, costs=Costs(0.001, 0.002, start_equity=1e6))


def case_of(strategy: Strategy, bars: Any, masks: NDArray[np.bool_], *, atr: Any, scale: Any, costs: Costs) -> Case:
    """The case of these bars and signals."""
    n_bars = len(bars.close)
    risk = risk_rows(phenotype_of(strategy)[None, :])[0]
    found = simulate_one(bars=bars, atr=atr, masks=pack(masks), window=(0, n_bars), risk=risk, costs=costs, scale=scale)
    signals = dict(zip(ROLES, masks, strict=True)) | {"atr": atr, "scale": scale}
    index = pd.date_range("2020-01-01", periods=n_bars, freq="D")
    columns = {name: getattr(bars, name.lower(), np.full(n_bars, 1e6)) for name in COLUMNS}
    return Case(strategy, pd.DataFrame(columns, index=index), signals, costs, found)


def bold(strategy: Strategy, rng: np.random.Generator) -> Strategy:
    """The strategy without what hides other rules: some are all in, without a stop, or with a breaker that trips."""
    if rng.random() < 0.3:
        strategy = replace(strategy, stop=None, trail=None, time_stop=0, size=Size("fixed", 1.0), breaker=None)
    if rng.random() < 0.3:
        strategy = replace(strategy, breaker=Breaker(0.05, int(rng.integers(1, 20))))
    return replace(strategy, cooldown=strategy.cooldown if rng.random() < 0.5 else 0)


def kernels_signals(strategy: Strategy, shard: Shard) -> dict[str, Any]:
    """What the kernel goes by, in the form of an exported file's `signals`."""
    bank = bank_of(shard)
    play = play_of(GenomeStrategy.of_rules(strategy), shard, bank)
    return dict(zip(ROLES, play.masks, strict=True)) | {"atr": bank.atr(), "scale": play.scale}


def give(module: Any, case: Case) -> None:
    """Let an exported file trade the signals of a case by the risks of its strategy."""
    module.RISK = risk_of(case.strategy)
    module.signals = lambda *_, **__: case.signals


def risk_of(strategy: Strategy) -> dict[str, Any]:
    """`RISK` as it stands in an exported file."""
    return {name: strategy.to_dict()[name] for name in RISK}


def rows_of(trades: NDArray[np.void], start_equity: float) -> NDArray[np.float64]:
    """Trade records as the kernel's rows `(n, N_TRADE)`."""
    rows = np.column_stack([trades[column.name.lower()].astype(np.float64) for column in Trade])
    rows[:, [Trade.PROFIT, Trade.ENTRY_EQUITY]] *= start_equity
    return rows


def reasons_of(rows: NDArray[np.float64]) -> list[str]:
    """Why each trade ended."""
    return [EXIT_REASONS[int(reason)] for reason in rows[:, Trade.EXIT_REASON]]


def counted(rows: NDArray[np.float64]) -> Counter[str]:
    """What trades hold: each reason, reversals, trades that end on their entry bar."""
    seen = Counter(reasons_of(rows))
    after, before = rows[1:], rows[:-1]
    turned = (after[:, Trade.ENTRY_BAR] == before[:, Trade.EXIT_BAR]) & (after[:, Trade.SIDE] == -before[:, Trade.SIDE])
    seen["reversal"] = int(turned.sum())
    seen["same bar"] = int((rows[:, Trade.EXIT_BAR] == rows[:, Trade.ENTRY_BAR]).sum())
    seen["short"] = int((rows[:, Trade.SIDE] < 0).sum())
    return seen


def assert_every_kind(seen: Counter[str], least: int) -> None:
    """Say which kinds of trades there were too few of."""
    assert {kind: seen[kind] for kind in EVERY_KIND if seen[kind] < least} == {}


def assert_same_trades(
    rows: NDArray[np.float64], theirs: SimpleNamespace, *, context: str, rtol: float = 1e-9, step: float = 0.0
) -> None:
    """Compare trades: bars, sides and reasons exactly, prices to 1e-12, sizes to `rtol`, profits to it of the notional.

    Args:
        rows: the kernel's.
        theirs: equally long columns by the names of `Trade`, and `reasons`.
        context: for the message.
        rtol: of sizes.
        step: that the engine rounds sizes to.
    """
    assert len(theirs.side) == len(rows), context
    for column in (Trade.SIDE, Trade.ENTRY_BAR, Trade.EXIT_BAR):
        np.testing.assert_array_equal(getattr(theirs, column.name.lower()), rows[:, column], err_msg=context)
    assert list(theirs.reasons) == reasons_of(rows), context
    for column, bound, least in (
        (Trade.ENTRY_PRICE, 1e-12, 0.0),
        (Trade.EXIT_PRICE, 1e-12, 0.0),
        (Trade.UNITS, rtol, step),
    ):
        told = getattr(theirs, column.name.lower())
        np.testing.assert_allclose(told, rows[:, column], rtol=bound, atol=least, err_msg=context)
    notional = rows[:, Trade.UNITS] * rows[:, Trade.ENTRY_PRICE]
    ends = rows[:, Trade.PROFIT] > -rows[:, Trade.ENTRY_EQUITY]  # a loss beyond the account is the engine's as well
    difference = np.abs(np.asarray(theirs.profit) - rows[:, Trade.PROFIT]) / notional
    np.testing.assert_array_less(difference[ends], (rtol + step / rows[:, Trade.UNITS])[ends], err_msg=context)


def run_isolated(text: str, shard: Shard, folder: Path, *arguments: str) -> pd.DataFrame:
    """The trades that an exported file writes when it runs on its own, as its user runs it, without any of ours."""
    (folder / "exported.py").write_text(text, encoding="utf-8")
    frame_of(shard).rename(columns=str.lower).to_csv(folder / "bars.csv", index_label="time")
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-I",
        "-c",
        ISOLATED,
        "exported.py",
        "bars.csv",
        "--trades",
        "trades.csv",
    ]
    quick = {**os.environ, "NUMBA_DISABLE_JIT": "1"}  # what is compiled is compared in the other tests
    done = subprocess.run(
        [*command, *arguments], cwd=folder, env=quick, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return pd.read_csv(folder / "trades.csv")


def assert_clean(texts: list[str], runtime: str, folder: Path) -> None:
    """Compile exported texts and have ruff look at them; lines are long where a strategy's own operands make them."""
    for number, text in enumerate(texts):
        compile(text, f"{number}.py", "exec", dont_inherit=True)
        (folder / f"{number}.py").write_text(text, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "E,F,W",
        "--ignore",
        "E501",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert max(map(len, runtime.splitlines())) <= 120
    assert all(text.endswith(runtime.partition("\n\n\n")[2]) for text in texts)
