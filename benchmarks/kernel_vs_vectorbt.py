"""How many times faster is the kernel than vectorbt 1.2, when both make the same trades?

Method. In one process on one core, 500 strategies a call on the 5,031 daily bars of the S&P 500 that come with
Studbook, with a fee, stop and target. First all 500 are compared trade by trade and equity by bar; the benchmark stops
at the first difference. Entries after which the rules differ (docs/fill-model.md) are taken out on both sides, and
there is no slippage, because vectorbt lets stops and targets slip alike and we don't.

Sparse is about 15 trades in 5,000 bars, dense a trade every ten bars, held as many trades as sparse but in the market
half of the time; their masks are ready on both sides. `signals` are 500 rules of RSI and moving average: vectorbt gets
the indicators by its own TA-Lib wrapper, once for each distinct parameter, and compares them in NumPy; ours are
evaluated by an empty feature bank, which makes every column and mask.

Counted for vectorbt: `Portfolio.from_signals` on a 2-D array in its faster engine, warm, column-major signals, room for
as many orders as there are; then total return, Sharpe ratio, maximum drawdown and number of trades. Counted for ours:
the whole tally, from which 17 measures follow, bars prepared anew in each call. The time is the CPU time of this
process, the best of several runs; the wall time is told beside it.

Run: python benchmarks/kernel_vs_vectorbt.py
"""

from benchmarks import one_core  # isort: skip  # noqa: F401 - before NumPy and numba

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.vectorbt_peer import (
    CASH,
    Levels,
    Masks,
    arguments,
    odd_trades,
    portfolio,
    quiet,
    require_same,
    vectorbt,
    without_odd_trades,
)
from cluster.bench.populations import DENSE, HELD, SPARSE, Habit, Population, population, random_masks
from cluster.bench.stopwatch import Seconds, best_of
from fitness.bank import FeatureBank
from fitness.bits import unpack
from fitness.costs import Costs
from fitness.evaluate import evaluate, role_masks
from fitness.folds import Window
from fitness.samples import sample
from fitness.shards import shard_of
from fitness.simulation import simulate_many, simulate_one
from fitness.tally import Simulation, Tally
from strategies.encoding import phenotype_of
from strategies.strategy import Condition, Distance, Operand, Rule, Strategy

N_STRATEGIES, FEE = 500, 0.0005
SHARD = shard_of(sample("SPX"), "SPX", "1d", bars_per_year=252.0)
COSTS = Costs.from_bps(fee_bps=FEE * 1e4, slippage_bps=0.0, start_equity=CASH)
ATR, WINDOWS = np.ones(SHARD.n_bars), np.array([[0, SHARD.n_bars]])  # no level here is measured in ATR
ENGINES = ("numba", "rust")
RSI_PERIODS, SMA_PERIODS, LEVELS = range(5, 25, 2), range(40, 240, 20), (26.0, 28.0, 30.0, 32.0, 34.0, 36.0)
WIDE_STOP, WIDE_TARGET, EXIT_LEVEL = 20.0, 40.0, 60.0


@dataclass(frozen=True, eq=False)
class Case:
    """Work for both sides.

    Attributes:
        name: for people.
        told: what vectorbt is told.
        ours: our strategies.
        found: what they do, one by one and in full.
    """

    name: str
    told: dict[str, Any]
    ours: Population
    found: list[Simulation]


def case_of(name: str, masks: Masks, stop: float, target: float, found: list[Simulation]) -> Case:
    """The work of `masks (4, n_bars, N_STRATEGIES)` with stop and target in percent."""
    levels = Levels(np.array([[stop / 100.0]]), np.array([[target / 100.0]]))
    told = arguments(bars=SHARD, masks=masks, levels=levels, fee=FEE, slippage=0.0)
    told["max_orders"] = 2 * sum(len(one.trades) for one in found) + 1
    return Case(name, told, population(masks.transpose(2, 0, 1), stop=stop, target=target), found)


def alone(masks: Masks, stop: float, target: float) -> Simulation:
    """One strategy `(4, n_bars)`, in full."""
    one = population(masks[None], stop=stop, target=target)
    return simulate_one(bars=SHARD, atr=ATR, masks=one.words, window=(0, SHARD.n_bars), risk=one.risks[0], costs=COSTS)


def random_case(habit: Habit) -> Case:
    """Random strategies, without the entries after which the rules differ."""
    masks = np.stack(list(random_masks(habit, n_strategies=N_STRATEGIES, n_bars=SHARD.n_bars)), axis=2)
    masks[0] &= ~masks[3]  # no reversals, so that vectorbt needs no array of modes
    masks[2] &= ~(masks[0] | masks[1])
    stop, target = habit.levels(SHARD)
    where = {"bars": SHARD, "stop": stop / 100.0, "target": target / 100.0, "rows_per_bar": 1}
    found = without_odd_trades(lambda one: alone(one, stop, target), masks, **where)
    return case_of(habit.name, masks, stop, target, found)


def prove(case: Case, engine: str) -> int:
    """Compare all strategies, the columns of a portfolio with ours and ours with a whole call; the number of trades."""
    vectorbt.settings["engine"] = engine
    theirs = portfolio(case.told, engine=engine)
    tallies = play(case)[:, 0]
    for column, one in enumerate(case.found):
        np.testing.assert_array_equal(tallies[column], one.tally)
    return sum(require_same(one, theirs, column, fee=FEE) for column, one in enumerate(case.found))


def play(case: Case) -> NDArray[np.float64]:
    """One call of ours."""
    return simulate_many(
        bars=SHARD, atr=ATR, masks=case.ours.words, mask_rows=case.ours.rows, windows=WINDOWS, risks=case.ours.risks,
        costs=COSTS,
    )  # fmt: skip


def measure_theirs(told: dict[str, Any], engine: str) -> None:
    """One call of theirs, and the metrics."""
    with quiet():
        found = vectorbt.Portfolio.from_signals(**told, engine=engine)
        found.total_return()
        found.sharpe_ratio()
        found.max_drawdown()
        found.trades.count()


def their_seconds(run: Callable[[str], object]) -> tuple[str, Seconds]:
    """Their faster engine, and the seconds of one strategy in it."""
    taken = {}
    for engine in ENGINES:
        vectorbt.settings["engine"] = engine
        taken[engine] = best_of(functools.partial(run, engine), enough_s=3.0, at_least=5).divided(N_STRATEGIES)
    fastest = min(taken, key=lambda name: taken[name].cpu)
    return fastest, taken[fastest]


def told_rules() -> list[tuple[int, int, float]]:
    """RSI period, moving-average period and RSI level of the candidates, in a fixed order."""
    return list(itertools.product(RSI_PERIODS, SMA_PERIODS, LEVELS))


def strategy(rsi_period: int, sma_period: int, level: float) -> Strategy:
    """Buy an oversold dip above the moving average, sell the recovery."""
    rsi, close = Operand("RSI", "close", (float(rsi_period),)), Operand("PRICE", "close", ())
    dip, uptrend = (
        Condition(rsi, "<", level=level),
        Condition(close, ">", Operand("SMA", "close", (float(sma_period),))),
    )
    return Strategy(
        direction="long",
        entry=Rule((dip, uptrend), 2),
        exit=Rule((Condition(rsi, ">", level=EXIT_LEVEL),), 1),
        stop=Distance("percent", WIDE_STOP),
        target=Distance("percent", WIDE_TARGET),
    )


def their_signals(rules: list[tuple[int, int, float]]) -> tuple[Masks, Masks]:
    """Entries and exits `(n_bars, n_strategies)`, column-major: indicators once for each distinct parameter."""
    columns = {}
    for name, place in (("RSI", 0), ("SMA", 1)):
        periods = sorted({rule[place] for rule in rules})
        with quiet():
            made = vectorbt.talib(name).run(SHARD.close, timeperiod=periods).real.to_numpy()
        columns[place] = np.asfortranarray(made)[:, [periods.index(rule[place]) for rule in rules]]
    levels = np.array([rule[2] for rule in rules])
    entries = (columns[0] < levels) & (SHARD.close[:, None] > columns[1])
    return np.asfortranarray(entries), np.asfortranarray(columns[0] > EXIT_LEVEL)


def signal_case() -> tuple[Case, list[tuple[int, int, float]], NDArray[np.float64]]:
    """The rules of which no trade is odd: as a case, as parameters, as phenotypes."""
    rules = told_rules()
    phenotypes = np.stack([phenotype_of(strategy(*rule)) for rule in rules])
    roles = role_masks(phenotypes, FeatureBank(SHARD))
    masks = unpack(roles.masks[roles.rows], SHARD.n_bars)
    found = [alone(one, WIDE_STOP, WIDE_TARGET) for one in masks]
    where = {"bars": SHARD, "stop": WIDE_STOP / 100.0, "target": WIDE_TARGET / 100.0, "rows_per_bar": 1}
    kept = [row for row, one in enumerate(found) if not odd_trades(one, **where).any()][:N_STRATEGIES]
    assert len(kept) == N_STRATEGIES
    rules, found = [rules[row] for row in kept], [found[row] for row in kept]
    entries, exits = their_signals(rules)
    np.testing.assert_array_equal(masks[kept][:, 0], entries.T)  # both sides mean the same rules
    np.testing.assert_array_equal(masks[kept][:, 1], exits.T)
    ready = masks[kept].transpose(1, 2, 0)
    return case_of("signals", ready, WIDE_STOP, WIDE_TARGET, found), rules, phenotypes[kept]


def shifted(mask: Masks) -> Masks:
    """The mask a bar later."""
    later = np.zeros_like(mask, order="F")
    later[1:] = mask[:-1]
    return later


def report(case: Case, counted: str, theirs: tuple[str, Seconds], ours: Seconds) -> None:
    """Print a row."""
    tallies = play(case)[:, 0]
    exposure = tallies[:, Tally.BARS_HELD].sum() / tallies[:, Tally.N_BARS].sum()
    engine, took = theirs
    n_trades = tallies[:, Tally.N_TRADES].mean()
    print(f"\n{case.name}: {n_trades:.1f} trades a strategy, {exposure:.0%} in the market; {counted}")
    for name, one in ((f"vectorbt {vectorbt.__version__} ({engine})", took), ("Studbook", ours)):
        print(
            f"  {name:22}{one.cpu * 1e6:12.2f} us CPU{one.wall * 1e6:12.2f} us wall{1 / one.cpu:12,.0f} strategies/s"
            f"{SHARD.n_bars / one.cpu / 1e6:10,.1f} M bars/s"
        )
    print(f"  {took.cpu / ours.cpu:,.0f} times faster by CPU time, {took.wall / ours.wall:,.0f} by the clock")


def main() -> None:
    """Prints the proof and the table."""
    print(f"{N_STRATEGIES} strategies a call, {SHARD.n_bars:,} bars, fee {FEE * 1e4:g} bps, stop and target, one core.")
    for habit in (SPARSE, HELD, DENSE):
        case = random_case(habit)
        for engine in ENGINES:
            print(f"{case.name}: the same {prove(case, engine):,} trades and equity as vectorbt ({engine}).")
        theirs = their_seconds(functools.partial(measure_theirs, case.told))
        report(case, "masks ready", theirs, best_of(lambda: play(case), enough_s=1.0).divided(N_STRATEGIES))  # noqa: B023
    case, rules, phenotypes = signal_case()
    for engine in ENGINES:
        print(f"{case.name}: the same {prove(case, engine):,} trades and equity as vectorbt ({engine}).")

    def signals_and_simulation(engine: str) -> None:
        entries, exits = (shifted(mask) for mask in their_signals(rules))
        measure_theirs({**case.told, "entries": entries, "exits": exits}, engine)

    def ours() -> None:
        evaluate(phenotypes, SHARD, [Window("all", 0, SHARD.n_bars)], COSTS, FeatureBank(SHARD))

    theirs = their_seconds(signals_and_simulation)
    report(case, "indicators and signals counted", theirs, best_of(ours, enough_s=1.0).divided(N_STRATEGIES))


if __name__ == "__main__":
    main()
