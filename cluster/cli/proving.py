"""`studbook null` and `studbook walk-forward`: is what the search finds more than what any search finds?"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cluster.cli.app import command
from cluster.cli.options import JsonFlag, reply_of
from cluster.cli.reply import say

if TYPE_CHECKING:
    from rich.console import Console

    from cluster.job_config import JobConfig

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="Job file (YAML).")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, as evolution.generations=5.")
]
Root = Annotated[Path | None, typer.Option("--root", envvar="STUDBOOK_RUNS", help="Folder of run folders.")]
N_BINS, BAR_WIDTH = 10, 40


@command()
def null(
    context: typer.Context,
    config: Config,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Searches on bars without order; 19 allow p = 0.05.")] = 19,
    kind: Annotated[
        Literal["permuted", "bootstrapped"], typer.Option("--kind", help="How the order is taken out of the bars.")
    ] = "permuted",
    block: Annotated[float, typer.Option("--block", min=1, help="Mean block in bars, of `bootstrapped`.")] = 20.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bars without order.")] = 0,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes, each with a search of its own.")] = 1,
    overrides: Overrides = None,
    root: Root = None,
    as_json: JsonFlag = False,
) -> None:
    """Search again on bars without order: is it as good there?

    The whole search is run each time, on the bars of the folds alone; validation and lockbox are not even given to it.
    The same command goes on where a stopped one was, and more --runs are added to those that are there.

    Examples:
      studbook null configs/quickstart.yaml
      studbook null job.yaml --runs 99 --workers 4 --json
    """
    from cluster.null_evolution import NullPlan, null_evolution

    reply = reply_of(context, as_json=as_json)
    plan = NullPlan(_config(config, overrides), kind=kind, n_runs=runs, seed=seed, block=block)
    with _stoppable("Finished runs are kept; the same command goes on from there.") as stop:
        found = null_evolution(plan, root=root, workers=workers, say=say, stop=stop)
    document = found.to_dict()
    reply.give(document, lambda console: _show_null(console, document))


@command()
def walk_forward(
    context: typer.Context,
    config: Config,
    windows: Annotated[int, typer.Option("--windows", min=1, help="Out-of-sample windows, one after the other.")] = 5,
    anchored: Annotated[
        bool, typer.Option("--anchored/--rolling", help="Learn on all bars before a window, or on so many of the last.")
    ] = True,
    first_share: Annotated[float, typer.Option("--first", help="Share of the bars that is before window 1.")] = 0.5,
    best: Annotated[int, typer.Option("--best", min=1, help="So many of the chosen trade, with equal weight.")] = 1,
    overrides: Overrides = None,
    root: Root = None,
    as_json: JsonFlag = False,
) -> None:
    """Search before every window, and trade the choice on it.

    The windows are stitched to one curve. The lockbox is not used. All that is tried counts for later jobs on the same
    bars.

    Examples:
      studbook walk-forward configs/quickstart.yaml
      studbook walk-forward job.yaml --windows 8 --rolling --json
    """
    from cluster.walk_forward import WalkPlan, walk_forward
    from cluster.walk_forward_page import write_walk_forward

    reply = reply_of(context, as_json=as_json)
    plan = WalkPlan(
        _config(config, overrides), n_windows=windows, anchored=anchored, first_share=first_share, n_best=best
    )
    with _stoppable("What was tried is counted; the same command begins again.") as stop:
        found = walk_forward(plan, root=root, say=say, stop=stop)
    document = write_walk_forward(found)
    reply.give(document, lambda console: _show_walk_forward(console, document))


def _config(path: Path, overrides: list[str] | None) -> "JobConfig":
    from cluster.cli.overriding import overridden
    from cluster.settings import load_config

    return overridden(load_config(path), overrides or [])


@contextlib.contextmanager
def _stoppable(rest: str) -> Iterator[Any]:
    """Yield the event that Ctrl-C and SIGTERM set; say how to go on, with the exit code of the signal."""
    from cluster.signals import Interrupted, install_stop_handlers

    with install_stop_handlers() as request:
        try:
            yield request.event
        except Interrupted as error:
            raise Interrupted(f"{error}. {rest}", request.exit_code) from error


def _show_null(console: "Console", document: dict[str, Any]) -> None:
    for name, found in document["statistics"].items():
        console.print(f"{name}: {found['what']}", style="bold")
        quantiles = ", ".join(f"{float(share):.0%} {value:.2f}" for share, value in found["null_quantiles"].items())
        console.print(f"  real {_figure(found['real'])}; null {quantiles or 'nothing feasible'}; p = {found['p']:.3f}")
    primary = document["statistics"]["pooled_sharpe"]
    for line in histogram([value for value in primary["null"] if value is not None], primary["real"]):
        console.print(f"  {line}")
    console.print(document["verdict"], style="bold", soft_wrap=True)
    console.print(f"  runs       {document['folder']}", soft_wrap=True)


def histogram(values: list[float], real: float | None) -> list[str]:
    """Return lines of text: how many values are in each bin, and which bin the real one is in."""
    known = [*values, *([real] if real is not None else [])]
    if not values:
        return []
    low, high = min(known), max(known)
    width = (high - low) / N_BINS or 1.0

    def bin_of(value: float) -> int:
        return min(int((value - low) / width), N_BINS - 1)

    counts = [sum(bin_of(value) == number for value in values) for number in range(N_BINS)]
    unit = max(1.0, max(counts) / BAR_WIDTH)
    here = None if real is None else bin_of(real)
    marks = [" <- real" if number == here else "" for number in range(N_BINS)]
    return [
        f"{low + number * width:8.2f}  {'#' * round(n / unit)}{mark}"
        for number, (n, mark) in enumerate(zip(counts, marks, strict=True))
    ]


def _show_walk_forward(console: "Console", document: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("window", "from", "to", "evaluated", "in sample", "out of sample", "buy and hold", "efficiency")
    for row in document["windows"]:
        figures = [_figure(row[name]) for name in ("in_sample", "out_of_sample", "held", "efficiency")]
        table.add_row(str(row["number"]), row["start"][:10], row["end"][:10], f"{row['n_evaluated']:,}", *figures)
    console.print(table)
    console.print("Sharpe ratios a year; efficiency is that out of sample over that in sample.", style="dim")
    console.print(document["verdict"], style="bold", soft_wrap=True)
    for name, path in document["files"].items():
        console.print(f"  {name:<11}{path}", soft_wrap=True)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
