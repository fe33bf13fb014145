"""`studbook ui` and `studbook track`: MLflow's own pages on our store, and the journal told to MLflow again."""

from typing import Annotated

import typer

from cluster.cli.app import command
from cluster.cli.options import RUNS, JobName, JsonFlag, RunsRoot, reply_of
from cluster.cli.reply import say


@command()
def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option("--port", "-p", min=1, max=65535, help="Port on 127.0.0.1.")] = 5000,
    root: RunsRoot = RUNS,
    uri: Annotated[
        str | None,
        typer.Option("--uri", envvar="MLFLOW_TRACKING_URI", help="MLflow store. Default: SQLite in the root."),
    ] = None,
) -> None:
    """Open MLflow's own UI on the runs, on this machine only.

    Ctrl-C ends it.

    Examples:
      studbook ui
      studbook ui --port 5050 --root /big/disk/runs
    """
    from cluster.ui import serve

    serve(root, uri=uri, port=port, ready=reply_of(context).text, say=say)


@command()
def track(context: typer.Context, job: JobName = "latest", root: RunsRoot = RUNS, as_json: JsonFlag = False) -> None:
    """Tell MLflow a job's whole journal, as after it was down.

    What is there already is not doubled.

    Example:
      studbook track latest
    """
    from cluster.tracking import replay
    from cluster.view import find_job

    view = find_job(root, job)
    say(f"replaying {view.id} …")
    tracking = view.config.tracking
    tracker = replay(view.run_dir, uri=tracking.uri, root=root, experiment=tracking.experiment)
    document = {"job": view.id, "uri": tracker.uri, "run_id": tracker.run_id}
    text = f"{view.id} is in MLflow as run {tracker.run_id} ({tracker.uri})"
    reply_of(context, as_json=as_json).give(document, lambda console: console.print(text, soft_wrap=True))
