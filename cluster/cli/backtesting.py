"""`studbook backtest`: strategies of any kind on one shard."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.app import command
from cluster.cli.options import DATA, RUNS, DataRoot, JsonFlag, reply_of
from cluster.cli.reply import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from cluster.backtest import Asked, Comparison, Contender

DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


@command()
def backtest(
    context: typer.Context,
    symbol: Annotated[str, typer.Option("--symbol", "-s", help="Symbol of the shard.")],
    strategies: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STRATEGY]...", help="JSON files, ids of strategies in a job, or names of templates."),
    ] = None,
    modules: Annotated[
        list[str] | None,
        typer.Option("--module", "-m", help="Strategy written in Python: module, file or folder. Its code is run."),
    ] = None,
    module_folder: Annotated[
        list[Path] | None,
        typer.Option(envvar="STUDBOOK_MODULE_FOLDER", help="Folder where --module looks names up; may be repeated."),
    ] = None,
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="Timeframe of the shard.")] = "1d",
    root: DataRoot = DATA,
    runs: Annotated[str, typer.Option("--runs", envvar="STUDBOOK_RUNS", help="Where ids are looked up.")] = str(RUNS),
    since: Annotated[datetime | None, typer.Option("--from", formats=DATES, help="First day traded.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=DATES, help="Last day traded.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Job file whose costs are taken.")] = None,
    fee_bps: Annotated[float | None, typer.Option("--fee-bps", min=0, help="Fee of each fill (5).")] = None,
    slippage_bps: Annotated[float | None, typer.Option("--slippage-bps", min=0, help="Slippage (2).")] = None,
    trades: Annotated[bool, typer.Option("--trades", help="List every trade.")] = False,
    signal: Annotated[bool, typer.Option("--signal", help="What each wants at the next open, with its risk.")] = False,
    attribution: Annotated[
        bool, typer.Option("--attribution", help="What each member contributed, and what learners go by.")
    ] = False,
    regimes: Annotated[bool, typer.Option("--regimes", help="Measures in each market regime.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Trade strategies on one shard, beside buy and hold.

    Costs are on: those of a job file, or its defaults. Decisions at a close fill at the next open. Indicators warm up
    on the bars before `--from`.

    A strategy written in Python stands beside evolved ones, though only genomes evolve. Its module is run with all your
    rights: load only code that you trust. One that is found to look ahead is refused. `module-folder` may also stand in
    `studbook.toml`.

    Examples:
      studbook backtest sma_cross --symbol SPX
      studbook backtest strategy.json -s AAPL --from 2005-01-01 --to 2009-12-31 --trades
      studbook backtest 3f9ac2 -s SPX --fee-bps 1 --json
      studbook backtest 3f9ac2 -s SPX --config configs/quickstart.yaml --signal --attribution
      studbook backtest rsi_reversion --module strategies.examples.sma_cross -s SPX
      studbook backtest --module my_rules/breakout.py -s SPX --signal
    """
    from cluster.backtest import Asked, compare, find_strategy, load_modules, window_of
    from cluster.job_config import CostSettings
    from cluster.market import costs_of
    from cluster.settings import load_config
    from fitness.shards import load_shard
    from strategies.errors import UsageError

    if not strategies and not modules:
        raise UsageError("`studbook backtest` must be given a STRATEGY or a --module, but was given neither.")
    found = [find_strategy(name, Path(runs)).contender() for name in strategies or []]
    shard = load_shard(root, symbol, timeframe)
    window = window_of(shard, since=since, until=until)
    section = load_config(config).costs if config is not None else CostSettings()
    given = {"fee_bps": fee_bps, "slippage_bps": slippage_bps}
    section = section.model_copy(update={name: value for name, value in given.items() if value is not None})
    found += load_modules(modules or [], module_folder or [], shard)
    asked = Asked(signal=signal, attribution=attribution, regimes=regimes)
    result = compare(found, shard, window=window, costs=costs_of(section), asked=asked)
    _remark(found, asked)
    reply_of(context, as_json=as_json).give(
        result.to_dict(trades=trades), lambda console: _show(console, result, trades=trades)
    )


def _remark(found: "Sequence[Contender]", asked: "Asked") -> None:
    """Say on stderr what the figures don't."""
    for one in found:
        if one.record is not None and one.record.get("lockbox") is None:
            say(f"note: {one.origin} has not read this strategy's lockbox; a window that reaches into it spoils it.")
        if asked.attribution and one.origin.startswith("module "):
            say(f"note: {one.strategy.name} is code: it has no members that could be left out, so no attribution.")


def _costs_text(costs: "Mapping[str, float | None]") -> str:
    """Fee and slippage, and every other cost that is on."""
    bps = {name: f"{(costs[name] or 0.0) * 1e4:g} bps" for name in ("fee", "slippage", "borrow", "funding")}
    parts = [f"fee {bps['fee']}", f"slippage {bps['slippage']} a fill"]
    parts += [f"{name} {bps[name]} a year" for name in ("borrow", "funding") if costs[name]]
    others = ("fee_per_unit", "spread_volatility", "impact", "volume_share", "lot_size")
    return ", ".join(parts + [f"{name} {costs[name]:g}" for name in others if costs[name]])


def _show(console: "Console", result: "Comparison", *, trades: bool) -> None:
    """Print rules, place, measures and what else was asked for."""
    from cluster.backtest_tables import (
        attribution_table,
        comparison_table,
        lessons_table,
        regime_table,
        signal_table,
    )
    from cluster.tables import trade_table
    from fitness.attribution import INTERACTION

    document = result.to_dict(trades=False)
    window, shard = document["window"], document["shard"]
    for one in document["strategies"]:
        console.print(f"{one['text']}", style="bold")
        console.print(f"{one['id']}, {one['origin']}", style="dim")
    span = f"{window['start']} to {window['end']}, {window['n_bars']:,} bars"
    console.print(f"{shard['symbol']} {shard['timeframe']}, {span}; {_costs_text(document['costs'])}")
    console.print(comparison_table(result))
    if any(one.signal is not None for one in result.backtests):
        console.print(signal_table(result))
    for one in result.backtests:
        name = one.contender.strategy.name
        if one.attribution is not None:
            console.print(attribution_table(one.attribution, title=f"What each member of {name} is worth"))
            console.print(INTERACTION, style="dim")
        if one.lessons:
            console.print(lessons_table(one.lessons, title=f"What the learners of {name} go by"))
        if one.regimes is not None:
            console.print(regime_table(one.regimes, title=f"{name} by regime"))
        if trades:
            console.print(trade_table(one.trades()))
