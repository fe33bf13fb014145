"""`studbook submit`, `status`, `logs`, `attach`, `stop` and `list`: jobs on a Ray cluster, from any machine."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cluster.cli.app import command
from cluster.cli.options import ClusterAddress, JobName, JsonFlag, reply_of
from cluster.cli.reply import Reply, say
from cluster.cli.running import ExecutorName, JobId, NoMlflow, Overrides, RequireElite, Workers

if TYPE_CHECKING:
    from rich.console import Console

    from cluster.ray_jobs import JobsClient, SubmittedJob

Code = Annotated[
    Literal["send", "image"], typer.Option("--code", help="Send our packages along, or use those of the nodes' image.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Follow the job, and end with its exit code.")]


@command()
def submit(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Job file (YAML).")],
    address: ClusterAddress = None,
    job_id: JobId = None,
    overrides: Overrides = None,
    executor: ExecutorName = None,
    workers: Workers = None,
    root: Annotated[Path | None, typer.Option("--root", help="Folder of run folders, on the cluster.")] = None,
    code: Code = "send",
    wait: Wait = False,
    no_mlflow: NoMlflow = False,
    require_elite: RequireElite = False,
    as_json: JsonFlag = False,
) -> None:
    """Run a job on a Ray cluster; the same command finds it again.

    The job file is checked here first. `output.root` (or `--root`) must be an absolute path that the cluster's head
    sees for good; bars must be at a shared path or a URL, or be the bundled ones.

    Examples:
      studbook submit job.yaml --address http://head:8265
      studbook submit job.yaml --address http://head:8265 --wait --require-elite
      studbook submit job.yaml --root /shared/runs --code image --id btc-2026
    """
    from cluster.cli.overriding import overridden
    from cluster.settings import load_config
    from cluster.shipping import parcel_of

    reply = reply_of(context, as_json=as_json)
    settings = overridden(load_config(config), overrides or [], executor=executor, workers=workers, root=root)
    flags = {"--no-mlflow": no_mlflow, "--require-elite": require_elite}
    words = [flag for flag, given in flags.items() if given]
    parcel = parcel_of(settings, job_id=job_id, with_code=code == "send", words=words)
    client = _connected(address)
    job, is_new = client.submit(parcel)
    say(_received(job, is_new=is_new, address=client.address))
    if job.root != parcel.config.output.root:
        say(f"warning: it writes to {job.root}, where it was begun, and not to {parcel.config.output.root}.")
    if not wait:
        _answer(reply, client, job, new=is_new)
        return
    _follow_to_its_end(reply, client, job, new=is_new)


@command()
def status(
    context: typer.Context, job: JobName = "latest", address: ClusterAddress = None, as_json: JsonFlag = False
) -> None:
    """Show how a submitted job is doing.

    Example:
      studbook status latest --address http://head:8265 --json
    """
    reply = reply_of(context, as_json=as_json)
    client = _connected(address)
    _answer(reply, client, client.find(job))


@command()
def logs(
    context: typer.Context,
    job: JobName = "latest",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    address: ClusterAddress = None,
    as_json: JsonFlag = False,
) -> None:
    """Print what a submitted job has said.

    Example:
      studbook logs latest -f --address http://head:8265
    """
    reply = reply_of(context, as_json=as_json)
    client = _connected(address)
    found = client.find(job)
    if follow:
        found = client.follow(found, lambda text: None if as_json else reply.text(text))
    if as_json or not follow:
        text = client.logs(found)
        reply.give({**_document(client, found), "logs": text}, lambda _: reply.text(text))


@command()
def attach(
    context: typer.Context, job: JobName = "latest", address: ClusterAddress = None, as_json: JsonFlag = False
) -> None:
    """Follow a submitted job, and end with its exit code. Ctrl-C leaves the job alone.

    Example:
      studbook attach latest --address http://head:8265
    """
    reply = reply_of(context, as_json=as_json)
    client = _connected(address)
    _follow_to_its_end(reply, client, client.find(job))


@command()
def stop(context: typer.Context, job: JobName, address: ClusterAddress = None, as_json: JsonFlag = False) -> None:
    """Stop a submitted job; submitting it again goes on with it.

    Example:
      studbook stop btc-2026 --address http://head:8265
    """
    reply = reply_of(context, as_json=as_json)
    client = _connected(address)
    found = client.find(job)
    if found.ended:
        say(f"{found.job_id} has {found.status} already.")
    else:
        say(f"stopping {found.submission_id}: epochs in flight are given up, those that are journalled are kept.")
        found = client.stop(found)
    _answer(reply, client, found)


@command("list")
def list_submitted(context: typer.Context, address: ClusterAddress = None, as_json: JsonFlag = False) -> None:
    """List the jobs submitted to a cluster, newest first.

    Example:
      studbook list --address http://head:8265
    """
    client = _connected(address)
    found = client.jobs()[::-1]
    document = {"address": client.address, "jobs": [_document(client, job) for job in found]}
    reply_of(context, as_json=as_json).give(document, lambda console: _show_all(console, found, client.address))


def _connected(address: str | None) -> "JobsClient":
    """A client of the cluster that the flag or the environment names."""
    from cluster.ray_jobs import JobsClient
    from strategies.errors import UsageError

    if not address:
        raise UsageError(
            "`--address` must name the dashboard of a Ray head, but was not given; as in --address http://head:8265, "
            "or by RAY_API_SERVER_ADDRESS or RAY_ADDRESS."
        )
    client = JobsClient.connect(address)
    if not client.asks_for_a_token:
        say(
            f"warning: {client.address} asks for no token: whoever reaches it can run code there. "
            "docs/cluster.md says how to close it."
        )
    return client


def _follow_to_its_end(reply: Reply, client: "JobsClient", job: "SubmittedJob", **more: Any) -> None:
    """Pass the job's words on to stderr, answer with how it ended, and end as it did."""
    try:
        ended = client.follow(job, _to_stderr)
    except KeyboardInterrupt:
        say(f"\n{job.job_id} goes on without you: `studbook attach {job.job_id}`, or `studbook stop {job.job_id}`.")
        raise
    _answer(reply, client, ended, **more)
    if ended.exit_code:
        raise typer.Exit(ended.exit_code)


def _to_stderr(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _received(job: "SubmittedJob", *, is_new: bool, address: str) -> str:
    """What became of a submission, for people."""
    if is_new:
        again = "" if job.submission_id == job.job_id else "; what is journalled there is kept"
        return f"submitted {job.submission_id} to {address}{again}."
    return f"{job.job_id} was submitted before and is {job.status}; it is one job, so nothing was sent."


def _answer(reply: Reply, client: "JobsClient", job: "SubmittedJob", **more: Any) -> None:
    """Answer with one submission."""
    reply.give({**_document(client, job), **more}, lambda console: _show(console, job))


def _document(client: "JobsClient", job: "SubmittedJob") -> dict[str, Any]:
    """A submission as plain JSON values."""
    return {
        "job": job.job_id,
        "submission": job.submission_id,
        "status": job.status,
        "exit_code": job.exit_code,
        "message": job.message,
        "run_dir": job.run_dir,
        "address": client.address,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
    }


def _show(console: "Console", job: "SubmittedJob") -> None:
    """Print one submission for people."""
    code = "" if job.exit_code is None else f", exit code {job.exit_code}"
    console.print(f"{job.job_id} is {job.status}{code}: {job.message}", soft_wrap=True)
    console.print(f"  run folder {job.run_dir}", soft_wrap=True)
    if job.ended and job.exit_code:
        console.print("  The same `studbook submit` goes on with it.", soft_wrap=True)


def _show_all(console: "Console", jobs: "tuple[SubmittedJob, ...]", address: str) -> None:
    """Print all submissions for people."""
    from rich.table import Table

    if not jobs:
        console.print(f"No jobs at {address}. `studbook submit JOB.yaml` makes one.")
        return
    table = Table("submission", "status", "exit", "begun", "run folder", box=None, pad_edge=False)
    for job in jobs:
        code = "" if job.exit_code is None else str(job.exit_code)
        table.add_row(job.submission_id, job.status, code, job.started_at or "", job.run_dir)
    console.print(table)
