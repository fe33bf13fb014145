"""Options that several commands share, declared once."""

from pathlib import Path
from typing import Annotated

import typer

from cluster.cli.reply import Reply

JsonFlag = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on stdout.")]
RunsRoot = Annotated[
    Path,
    typer.Option("--root", envvar="STUDBOOK_RUNS", help="Folder that holds the run folders.", show_default=True),
]
DataRoot = Annotated[
    Path,
    typer.Option(
        "--root",
        envvar="STUDBOOK_DATA",
        help="Folder or URL (s3://bucket/prefix) of the Parquet shards.",
        show_default=True,
    ),
]
BarsOfJob = Annotated[
    str | None, typer.Option("--data", metavar="ROOT", help="Folder or URL of the bars; default: the job's.")
]
JobName = Annotated[
    str,
    typer.Argument(help="Job id, a unique beginning of one, or `latest`.", metavar="JOB", show_default=True),
]
ClusterAddress = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        envvar=["RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"],
        help="Dashboard of the cluster's head, as http://HEAD:8265.",
    ),
]
RUNS = Path("runs")
DATA = Path("data")


def reply_of(context: typer.Context, *, as_json: bool = False) -> Reply:
    """Return the reply of the command that `context` belongs to; `as_json` makes it one JSON document."""
    found = context.find_object(Reply)
    if found is None:
        raise RuntimeError("a command needs the Reply that `studbook` makes at its start, but there was none.")
    found.as_json |= as_json
    return found
