"""`studbook backtest`: one strategy on one shard."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.app import command
from cluster.cli.options import DATA, RUNS, DataRoot, JsonFlag, reply_of
from cluster.cli.reply import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from cluster.backtest import Backtest

DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


@command()
def backtest(
    context: typer.Context,
    strategy: Annotated[
        str, typer.Argument(metavar="STRATEGY", help="JSON file, id of a strategy in a job, or name of a template.")
    ],
    symbol: Annotated[str, typer.Option("--symbol", "-s", help="Symbol of the shard.")],
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="Timeframe of the shard.")] = "1d",
    root: DataRoot = DATA,
    runs: Annotated[str, typer.Option("--runs", envvar="STUDBOOK_RUNS", help="Where ids are looked up.")] = str(RUNS),
    since: Annotated[datetime | None, typer.Option("--from", formats=DATES, help="First day traded.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=DATES, help="Last day traded.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Job file whose costs are taken.")] = None,
    fee_bps: Annotated[float | None, typer.Option("--fee-bps", min=0, help="Fee of each fill (5).")] = None,
    slippage_bps: Annotated[float | None, typer.Option("--slippage-bps", min=0, help="Slippage (2).")] = None,
    trades: Annotated[bool, typer.Option("--trades", help="List every trade.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Trade a strategy on one shard, beside buy and hold.

    Costs are on: those of a job file, or its defaults. Decisions at a close fill at the next open. Indicators warm up
    on the bars before `--from`.

    Examples:
      studbook backtest sma_cross --symbol SPX
      studbook backtest strategy.json -s AAPL --from 2005-01-01 --to 2009-12-31 --trades
      studbook backtest 3f9ac2 -s SPX --fee-bps 1 --json
      studbook backtest 3f9ac2 -s SPX --config configs/quickstart.yaml
    """
    from cluster.backtest import find_strategy, run_backtest, window_of
    from cluster.job_config import CostSettings
    from cluster.market import costs_of
    from cluster.settings import load_config
    from fitness.shards import load_shard

    found = find_strategy(strategy, Path(runs))
    shard = load_shard(root, symbol, timeframe)
    window = window_of(shard, since=since, until=until)
    section = load_config(config).costs if config is not None else CostSettings()
    given = {"fee_bps": fee_bps, "slippage_bps": slippage_bps}
    section = section.model_copy(update={name: value for name, value in given.items() if value is not None})
    result = run_backtest(found, shard, window=window, costs=costs_of(section))
    if found.record is not None and found.record.get("lockbox") is None:
        say(f"note: {found.origin} has not read this strategy's lockbox; a window that reaches into it spoils it.")
    reply_of(context, as_json=as_json).give(
        result.to_dict(trades=trades), lambda console: _show(console, result, trades=trades)
    )


def _costs_text(costs: "Mapping[str, float | None]") -> str:
    """Fee and slippage, and every other cost that is on."""
    bps = {name: f"{(costs[name] or 0.0) * 1e4:g} bps" for name in ("fee", "slippage", "borrow", "funding")}
    parts = [f"fee {bps['fee']}", f"slippage {bps['slippage']} a fill"]
    parts += [f"{name} {bps[name]} a year" for name in ("borrow", "funding") if costs[name]]
    others = ("fee_per_unit", "spread_volatility", "impact", "volume_share", "lot_size")
    return ", ".join(parts + [f"{name} {costs[name]:g}" for name in others if costs[name]])


def _show(console: "Console", result: "Backtest", *, trades: bool) -> None:
    """Print rules, place, measures and, if asked for, trades."""
    from cluster.tables import measure_table, trade_table

    document = result.to_dict(trades=False)
    window, shard = document["window"], document["shard"]
    console.print(f"{document['strategy']['text']}", style="bold")
    console.print(f"{document['strategy']['id']}, {document['strategy']['origin']}", style="dim")
    span = f"{window['start']} to {window['end']}, {window['n_bars']:,} bars"
    console.print(f"{shard['symbol']} {shard['timeframe']}, {span}; {_costs_text(document['costs'])}")
    console.print(measure_table(result))
    if trades:
        console.print(trade_table(result.trades()))
