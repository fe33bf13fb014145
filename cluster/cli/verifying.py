"""`studbook verify`: no number without proof."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli.app import command
from cluster.cli.options import RUNS, BarsOfJob, JsonFlag, RunsRoot, reply_of

if TYPE_CHECKING:
    from rich.console import Console

    from cluster.proof import Proof
    from cluster.verifying import Verification
    from cluster.view import JobView

MOST_SHOWN = 20
"""Stale figures of one proof that the terminal lists; --json has all."""


@command()
def verify(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="STRATEGY_OR_JOB", help="Candidate's or elite's id, or a job.")],
    job: Annotated[str | None, typer.Option("--job", help="The job that judged the strategy; default: any.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that its job judged, and the job itself.")] = False,
    data: BarsOfJob = None,
    root: RunsRoot = RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Make every figure on record again: reproduced or stale?

    The promotion of the job is run again, in memory, from the strategy's JSON, the bars, the costs and the seed, by the
    code that made the figures. On the versions that made them they must be equal to the last bit, on others to 1e-9;
    files of the run folder are held to it too. The lockbox is read again: that is no new look, and is not journalled.

    Exit code 0 if all is reproduced, 1 if anything is stale, 2 and 3 for wrong usage and unreadable journals.

    Examples:
      studbook verify 3f9ac2
      studbook verify latest --json
    """
    from cluster.verifying import verify as verified

    view, ids = _asked(name, job, root)
    found = verified(view, None if every else ids, data_root=data)
    reply_of(context, as_json=as_json).give(found.to_dict(), lambda console: _show(console, found))
    if found.status == "stale":
        raise typer.Exit(1)


def _asked(name: str, job: str | None, root: Path) -> "tuple[JobView, list[str] | None]":
    """The job, and the candidates that are asked for; None for the whole job."""
    from cluster.view import find_job, find_strategy
    from strategies.errors import UsageError

    if job is not None:
        from cluster.exported import find_in_job

        found = find_in_job(name, job, root)
        return find_job(root, job), [found.strategy.id]
    try:
        return find_job(root, name), None
    except UsageError as no_job:
        try:
            view, record = find_strategy(root, name)
        except UsageError:
            raise UsageError(
                f"STRATEGY_OR_JOB must be the id of a candidate, of an elite or of a job, or the beginning of one, but "
                f"was {name!r} (jobs in {root}). `studbook jobs` and `studbook elites` list them."
            ) from no_job
        return view, [record["id"]]


def _show(console: "Console", found: "Verification") -> None:
    for bars in found.bars:
        word = "the same" if bars.status == "reproduced" else "stale"
        why = f": {bars.reason}" if bars.reason else ""
        console.print(f"  bars       {bars.name.removeprefix('bars.')}: {word}{why}", soft_wrap=True)
    for name, (then, now) in found.versions.items():
        console.print(f"  engine     {name} is {now}, was {then}", soft_wrap=True)
    for proof in found.proofs:
        _show_proof(console, proof)
    exact = "to the last bit" if found.tolerance == 0 else f"within {found.tolerance:g}, for other versions made them"
    n_figures = sum(len(one.figures) for one in found.proofs)
    n_stale = sum(len(one.stale) for one in found.proofs)
    end = (
        f"reproduced: {n_figures:,} figures, {exact}."
        if not n_stale
        else f"stale: {n_stale:,} of {n_figures:,} figures."
    )
    console.print(f"{found.job}: {end}", style="bold", soft_wrap=True)
    console.print(str(found.to_dict()["note"]), style="dim", soft_wrap=True)


def _show_proof(console: "Console", proof: "Proof") -> None:
    counts: dict[str, Any] = proof.sections()
    console.print(f"{proof.what} {proof.subject}: {proof.status}", style="bold")
    good = [f"{name} {sum(each.values())}" for name, each in counts.items() if set(each) == {"reproduced"}]
    if good:
        console.print(f"  reproduced {', '.join(good)}", soft_wrap=True)
    reasons = dict.fromkeys(one.sentence() if not one.reason else one.reason for one in proof.stale)
    for sentence in list(reasons)[:MOST_SHOWN]:
        console.print(f"  stale      {sentence}", soft_wrap=True)
    if len(reasons) > MOST_SHOWN:
        console.print(f"  stale      and {len(reasons) - MOST_SHOWN:,} more; --json lists them")
    for one in proof.figures:
        if one.status == "taken":
            console.print(f"  taken      {one.sentence()}", soft_wrap=True)
    for note in proof.notes:
        console.print(f"  note       {note}", soft_wrap=True)
