"""`studbook jobs`, `show`, `elites` and `report`: reading what a job left behind."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli.app import command
from cluster.cli.options import RUNS, JobName, JsonFlag, RunsRoot, reply_of
from cluster.cli.reply import say

if TYPE_CHECKING:
    from cluster.view import JobView


@command()
def jobs(context: typer.Context, root: RunsRoot = RUNS, as_json: JsonFlag = False) -> None:
    """List the jobs in the runs folder, newest first.

    Example:
      studbook jobs --json
    """
    from cluster.tables import job_table
    from cluster.view import damaged_jobs, list_jobs

    found = list_jobs(root)[::-1]
    damaged = damaged_jobs(root)
    document = {
        "root": str(root),
        "jobs": [job_summary(job) for job in found],
        "damaged": [{"run_dir": str(folder), "problem": problem} for folder, problem in damaged],
    }
    for _, problem in damaged:
        say(f"warning: {problem}")
    text = f"No jobs in {root}. `studbook run configs/quickstart.yaml` makes one."
    reply_of(context, as_json=as_json).give(
        document, lambda console: console.print(job_table(found) if found else text)
    )


@command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="JOB_OR_STRATEGY", help="Job (or `latest`), or a strategy's id.")],
    root: RunsRoot = RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Show a job, or one strategy with its figures and gates.

    Names may be shortened as long as they stay unique.

    Examples:
      studbook show latest
      studbook show 3f9ac2
    """
    from cluster.cli.outcome import outcome_document, show_outcome
    from cluster.tables import record_block
    from cluster.view import find_job, find_strategy
    from strategies.errors import StudbookError

    reply = reply_of(context, as_json=as_json)
    try:
        job = find_job(root, name)
    except StudbookError as no_job:
        try:
            job, record = find_strategy(root, name)
        except StudbookError:
            raise no_job from None
        document = {"job": job.id, "strategy": record}
        reply.give(document, lambda console: console.print(record_block(record)))
        return
    reply.give(outcome_document(job), lambda console: show_outcome(console, job))


@command()
def elites(context: typer.Context, job: JobName = "latest", root: RunsRoot = RUNS, as_json: JsonFlag = False) -> None:
    """List the strategies of a job that passed every gate.

    Example:
      studbook elites latest --json
    """
    from cluster.tables import candidate_block
    from cluster.view import find_job

    view = find_job(root, job)
    document = {"job": view.id, "verdict": view.verdict, "elites": list(view.elites)}
    if view.elites:
        blocks = [candidate_block(record) for record in view.elites]
        reply_of(context, as_json=as_json).give(document, lambda console: console.print(*blocks, sep="\n"))
        return
    text = f"No elites in {view.id}. {view.verdict or 'The job is not finished.'}"
    reply_of(context, as_json=as_json).give(document, lambda console: console.print(text))


@command()
def report(context: typer.Context, job: JobName = "latest", root: RunsRoot = RUNS, as_json: JsonFlag = False) -> None:
    """Make the pages of a job again: its report and its genealogy.

    Example:
      studbook report latest
    """
    from cluster.report import write_report
    from cluster.view import find_job

    view = find_job(root, job)
    genealogy = _genealogy_page(view)  # first: the report has a link to it
    pages = {"report": str(write_report(view)), "genealogy": genealogy}
    reply_of(context, as_json=as_json).give(
        {"job": view.id, **pages}, lambda console: console.print("\n".join(filter(None, pages.values())))
    )


def _genealogy_page(view: "JobView") -> str | None:
    """Write the page and return where; say why there is none where the births are not in the run folder any more."""
    from cluster.genealogy.page import write_genealogy
    from strategies.errors import JournalError

    try:
        return str(write_genealogy(view))
    except JournalError as error:
        say(f"no genealogy: {error}")
        return None


def job_summary(job: "JobView") -> dict[str, Any]:
    """Return the line of a job in `studbook jobs --json`."""
    return {
        "id": job.id,
        "status": job.status,
        "run_dir": str(Path(job.run_dir)),
        "n_epochs": len(job.epochs),
        "n_births": job.n_births,
        "n_evaluated": job.n_evaluated,
        "n_screened_out": job.n_screened_out,
        "n_elites": len(job.elites),
        "n_repairs": len(job.repairs),
        "n_quarantined": len(job.quarantined),
        "verdict": job.verdict,
        "seconds": job.seconds,
    }
