"""`studbook run` and `studbook resume`: a job begun, gone on with, and ended with its exit code."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cluster.cli.app import command
from cluster.cli.options import RUNS, JobName, JsonFlag, RunsRoot, reply_of
from cluster.cli.reply import Reply, say
from cluster.cli.watching import LogJson, watched

if TYPE_CHECKING:
    from cluster.job_config import JobConfig
    from cluster.journal import Record
    from cluster.tracking import Tracker
    from cluster.view import JobView

NO_ELITE = 5
PATIENCE_S, SHORT_PATIENCE_S = 60.0, 15.0  # for MLflow, at a good end and at a bad one
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, as evolution.generations=5.")
]
ExecutorName = Annotated[Literal["serial", "ray"] | None, typer.Option("--executor", help="Where epochs run.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Worker processes on Ray.")]
NoMlflow = Annotated[bool, typer.Option("--no-mlflow", help="Do not write to MLflow (`studbook track` does it later).")]
JobId = Annotated[
    str | None,
    typer.Option("--id", metavar="ID", help="Name of the run folder. A job that it holds is gone on with."),
]
RequireElite = Annotated[
    bool, typer.Option("--require-elite", help="End with exit code 5 if nothing passed the gates.")
]


@command()
def run(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Job file (YAML).")],
    overrides: Overrides = None,
    executor: ExecutorName = None,
    workers: Workers = None,
    root: Annotated[Path | None, typer.Option("--root", envvar="STUDBOOK_RUNS", help="Folder of run folders.")] = None,
    job_id: JobId = None,
    no_mlflow: NoMlflow = False,
    require_elite: RequireElite = False,
    log_json: LogJson = False,
    as_json: JsonFlag = False,
) -> None:
    """Breed strategies by a job file, and judge the best.

    Progress goes to stderr, the outcome to stdout. Ctrl-C keeps what is finished; `studbook resume` goes on.
    With `--id` the same command begins the job or goes on with it, as often as it takes.

    Examples:
      studbook run configs/quickstart.yaml
      studbook run configs/quickstart.yaml --set evolution.generations=5 --set seed=11 --executor serial
      studbook run job.yaml --json --require-elite > outcome.json
      studbook run job.yaml --id btc-2026
    """
    from cluster.cli.overriding import overridden
    from cluster.settings import load_config

    reply = reply_of(context, as_json=as_json)
    settings = overridden(load_config(config), overrides or [], executor=executor, workers=workers, root=root)
    place = Path(settings.output.root)
    begun = _begun(place, job_id, settings) if job_id is not None else None
    if begun is not None:
        _go_on(reply, begun, settings, no_mlflow=no_mlflow, require_elite=require_elite, log_json=log_json)
        return

    def drive(observers: list[Any], stop: Any) -> "JobView":
        from cluster.driver import run_job

        return run_job(settings, job_id=job_id, observers=observers, stop=stop)

    tracker = None if no_mlflow else _tracker(settings, place, None)
    view = _driven(drive, settings, tracker, root=place, log_json=log_json)
    _end(reply, view, tracker, require_elite=require_elite)


@command()
def resume(
    context: typer.Context,
    job: JobName = "latest",
    config: Annotated[
        Path | None, typer.Option("--config", help="Job file to compare with; its cluster section is taken over.")
    ] = None,
    executor: ExecutorName = None,
    workers: Workers = None,
    root: RunsRoot = RUNS,
    no_mlflow: NoMlflow = False,
    require_elite: RequireElite = False,
    log_json: LogJson = False,
    as_json: JsonFlag = False,
) -> None:
    """Go on with a job that was interrupted or killed.

    Its births are those of a job never disturbed, byte for byte.

    Examples:
      studbook resume latest
      studbook resume quickstart-20261121T101500-3fa2 --executor serial
    """
    from cluster.cli.overriding import overridden
    from cluster.settings import load_config
    from cluster.view import find_job

    reply = reply_of(context, as_json=as_json)
    found = find_job(root, job)
    offered = overridden(load_config(config) if config else found.config, [], executor=executor, workers=workers)
    _go_on(reply, found, offered, no_mlflow=no_mlflow, require_elite=require_elite, log_json=log_json)


def _begun(place: Path, job_id: str, settings: "JobConfig") -> "JobView | None":
    """The job of this id, if there is one to go on with."""
    from cluster.driver import begun_job, require_same_job

    found = begun_job(place, job_id)
    if found is not None:
        require_same_job(found, settings)
    return found


def _go_on(
    reply: Reply, found: "JobView", offered: "JobConfig", *, no_mlflow: bool, require_elite: bool, log_json: bool
) -> None:
    """Resume a job and answer with its outcome; of a finished one, only that."""
    from cluster.journal import read_journal
    from cluster.run_folder import journal_path

    if found.status == "finished":
        say(f"{found.id} is finished; there is nothing to resume.")
        _end(reply, found, None, require_elite=require_elite)
        return

    def drive(observers: list[Any], stop: Any) -> "JobView":
        from cluster.driver import resume_job

        return resume_job(found.run_dir, config=offered, observers=observers, stop=stop)

    say(f"{found.id} goes on after {len(found.epochs)} epochs.")
    tracker = None if no_mlflow else _tracker(offered, found.run_dir.parent, found.run_dir)
    records = read_journal(journal_path(found.run_dir)).records
    root, run_dir = found.run_dir.parent, found.run_dir
    view = _driven(drive, offered, tracker, root=root, run_dir=run_dir, records=records, log_json=log_json)
    _end(reply, view, tracker, require_elite=require_elite)


def _tracker(settings: "JobConfig", root: Path, run_dir: Path | None) -> "Tracker | None":
    """The MLflow observer that the job file asks for."""
    if not settings.tracking.enabled:
        return None
    from cluster.tracking import Tracker

    tracking = settings.tracking
    return Tracker(uri=tracking.uri, root=root, experiment=tracking.experiment, run_dir=run_dir)


def _driven(
    drive: "Callable[[list[Any], Any], JobView]",
    settings: "JobConfig",
    tracker: "Tracker | None",
    *,
    root: Path,
    run_dir: Path | None = None,
    records: "Sequence[Record]" = (),
    log_json: bool = False,
) -> "JobView":
    """Run the driver under progress, log, metrics, signal handlers and tracking, and write the report."""
    from cluster.genealogy.page import write_genealogy
    from cluster.report import write_report

    watching = watched(root=root, run_dir=run_dir, records=records, log_json=log_json)
    with _told_to(tracker), watching as (progress, observers):
        where = "Ray" if settings.cluster.executor == "ray" else "one process"
        progress.say(f"starting: reading bars, loading libraries, opening {where}")
        with _stoppable() as stop:
            view = drive([*observers, *([tracker] if tracker else [])], stop)
        progress.say("writing the report and the genealogy")
        write_genealogy(view)  # first: the report has a link to it
        write_report(view)
        if tracker is not None:
            progress.say("waiting for MLflow")
            tracker.close(patience_s=PATIENCE_S)
    return view


@contextlib.contextmanager
def _told_to(tracker: "Tracker | None") -> Iterator[None]:
    """Let MLflow know how it ended, also when it ended badly, and say once if MLflow had trouble."""
    patience_s = SHORT_PATIENCE_S
    try:
        yield
        patience_s = PATIENCE_S
    finally:
        trouble = tracker.close(patience_s=patience_s) if tracker is not None else ""
        if trouble and tracker is not None:
            say(f"warning: MLflow at {tracker.uri} had trouble: {trouble}")
            say("         The job is not affected. `studbook track JOB` tells MLflow everything later.")


@contextlib.contextmanager
def _stoppable() -> Iterator[Any]:
    """Yield the event that Ctrl-C and SIGTERM set; the error then carries the exit code of the signal."""
    from cluster.signals import Interrupted, install_stop_handlers

    with install_stop_handlers() as request:
        try:
            yield request.event
        except Interrupted as error:
            raise Interrupted(str(error), request.exit_code) from error
        except SystemExit as error:  # of the handler that Ray has in place while it starts
            if not request.event.is_set():
                raise
            raise Interrupted("stopped while Ray started", request.exit_code) from error


def _end(reply: Reply, view: "JobView", tracker: "Tracker | None", *, require_elite: bool) -> None:
    """Answer with the outcome, say where MLflow is, and end with 5 if an elite was required and there is none."""
    from cluster.cli.outcome import outcome_document, show_outcome

    document = outcome_document(view)
    if tracker is not None:
        document["mlflow"] = {"uri": tracker.uri, "run_id": tracker.run_id, "trouble": tracker.trouble or None}
    reply.give(document, lambda console: show_outcome(console, view))
    if tracker is not None and not tracker.trouble:
        say(f"MLflow: run {tracker.run_id}; `studbook ui --root {view.run_dir.parent}` shows it.")
    if require_elite and not view.elites:
        say("No elite, and --require-elite was given: exit code 5.")
        raise typer.Exit(NO_ELITE)
