"""`studbook portfolio`: the elites of a job held together."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli.app import command
from cluster.cli.options import RUNS, BarsOfJob, JobName, JsonFlag, RunsRoot, reply_of
from cluster.cli.reply import say

if TYPE_CHECKING:
    from rich.console import Console

    from cluster.view import JobView


@command()
def portfolio(
    context: typer.Context,
    job: JobName = "latest",
    size: Annotated[int | None, typer.Option("--size", min=1, help="Members; default: all that add something.")] = None,
    method: Annotated[
        str, typer.Option("--method", metavar="METHOD", help="Of weighing: hrp, min_volatility or equal.")
    ] = "hrp",
    max_correlation: Annotated[
        float | None,
        typer.Option("--max-correlation", help="Of two elites above it only the better is held; default: the job's."),
    ] = None,
    max_weight: Annotated[float, typer.Option("--max-weight", help="No member gets more of the capital.")] = 0.6,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; default: portfolio.json of the job.")] = None,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="DIR", help="Also as a folder: JSON and stand-alone Python.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over what --export finds there.")] = False,
    data: BarsOfJob = None,
    root: RunsRoot = RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Choose elites to hold together, and weigh them.

    Elites are chosen one by one, each time the one that adds most to the Sharpe ratio beyond holding, and weighed, in
    sample and in validation alone. What the whole did in the lockbox is out of sample for choice and weights; it is
    told, and no gate.

    Examples:
      studbook portfolio latest
      studbook portfolio latest --size 3 --method min_volatility --export held/
    """
    from cluster.exported import write_folder
    from cluster.market import require_same_shards
    from cluster.portfolio_export import portfolio_files
    from cluster.portfolio_making import PortfolioSettings, make_portfolio, write_portfolio, write_to
    from cluster.run_folder import journal_path
    from cluster.verifying import reading_market
    from cluster.view import find_job

    reply, view = reply_of(context, as_json=as_json), find_job(root, job)
    if not view.elites:
        text = _nobody(view)
        reply.give({"job": view.id, "portfolio": None, "reason": text}, lambda console: console.print(text))
        return
    market = reading_market(view, data)
    require_same_shards(market, view.shards, where=journal_path(view.run_dir))
    found = make_portfolio(view, market, PortfolioSettings(method, size, max_correlation, max_weight))
    files = {}
    if export is not None:
        rate = market.shards[0].bars_per_year
        files = portfolio_files(
            found, {one["id"]: one for one in view.elites}, market.costs, view.id, bars_per_year=rate
        )
        write_folder(export, files, force=force)
    path = write_portfolio(view.run_dir, found) if out is None else write_to(out, found)
    say(f"wrote {path}" + (f" and {len(files)} files in {export}" if export is not None else ""))
    reply.give({"job": view.id, "portfolio": found, "file": str(path)}, lambda console: _show(console, found))


def _nobody(view: "JobView") -> str:
    return f"No elites in {view.id}: nothing to hold. {view.verdict or 'The job is not finished.'}"


def _show(console: "Console", found: dict[str, Any]) -> None:
    from rich.table import Table

    from cluster.report.numbers import SEGMENTS, TITLES, figure

    members = Table(
        "member", "weight", "Sharpe beyond it adds", *(f"{one.lower()} return" for one in SEGMENTS.values())
    )
    for one in found["members"]:
        added = [figure("total_return", one["contribution"][name]) for name in SEGMENTS]
        members.add_row(one["id"], f"{one['weight']:.1%}", figure("sharpe", one["marginal"]["sharpe_beyond"]), *added)
    console.print(members)
    ways = {
        "the portfolio": (found["stretches"], found["intervals"]["portfolio"]),
        "equal weights": (found["compared"]["equal_weight"], found["intervals"]["equal_weight"]),
        "the best alone": (found["compared"]["best_single"], found["intervals"]["best_single"]),
        "buy and hold": (found["compared"]["hold"], None),
    }
    table = Table("", "", "Sharpe", "95 %", "CAGR", TITLES["max_drawdown"])
    for stretch, title in SEGMENTS.items():
        for name, (values, intervals) in ways.items():
            ends = ((intervals or {}).get(stretch) or {}).get("sharpe")
            between = "-" if ends is None else f"{ends[0]:+.2f} to {ends[1]:+.2f}"
            known = [figure(one, values[stretch][one]) for one in ("sharpe", "cagr", "max_drawdown")]
            table.add_row(title if name == "the portfolio" else "", name, known[0], between, *known[1:])
    console.print(table)
    if len(found["members"]) == 1:
        console.print(
            "One member: nobody else adds to it, so there is nothing to weigh, and the whole is that elite.",
            soft_wrap=True,
        )
    for one in found["passed_over"]:
        console.print(f"  not held   {one['id']}: {one['reason']}", soft_wrap=True)
    console.print(found["note"], style="dim", soft_wrap=True)
