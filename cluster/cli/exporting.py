"""`studbook export`: carry a strategy away."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli.app import command
from cluster.cli.options import RUNS, JsonFlag, RunsRoot, reply_of
from cluster.cli.reply import say

if TYPE_CHECKING:
    from cluster.backtest import Found


@command()
def export(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="STRATEGY_OR_JOB", help="Strategy id, JSON file or template; a job with --all-elites."),
    ],
    to: Annotated[str, typer.Option("--to", help="json, markdown or python.")] = "json",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (a folder with --all-elites). Default: stdout.")
    ] = None,
    all_elites: Annotated[
        bool, typer.Option("--all-elites", help="Every elite of the job, into the folder --out.")
    ] = False,
    root: RunsRoot = RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Carry a strategy away as JSON, Markdown or Python.

    The Python file stands alone: NumPy and TA-Lib, and a function from bars to signals.

    Examples:
      studbook export 3f9ac2 --to python --out dip_buyer.py
      studbook export latest --all-elites --to markdown --out elites/
      studbook export rsi_reversion --to python
    """
    from cluster.backtest import find_strategy

    reply = reply_of(context, as_json=as_json)
    if all_elites:
        documents = _export_elites(name, to, out or Path("exports"), root)
        lines = [document["file"] for document in documents] or ["no elites, nothing exported"]
        reply.give({"exported": documents}, lambda console: console.print("\n".join(lines)))
        return
    document = _export_one(find_strategy(name, root), to, out)
    if document["file"] is None:
        reply.give(document, lambda _: reply.text(document["text"]))
        return
    reply.give(
        {key: value for key, value in document.items() if key != "text"}, lambda _: say(f"wrote {document['file']}")
    )


def _export_one(found: "Found", to: str, out: Path | None) -> dict[str, Any]:
    """Export one strategy, and write it when there is a file to write to."""
    from cluster.export import export_strategy
    from fitness.files import atomic_write_bytes

    text = export_strategy(found.strategy, to, found.record)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(out, text.encode())
    return {"id": found.strategy.id, "to": to, "file": None if out is None else str(out), "text": text}


def _export_elites(job: str, to: str, folder: Path, root: Path) -> list[dict[str, Any]]:
    """Export every elite of a job into `folder`, named by id; nothing is written if one can't be expressed."""
    from cluster.backtest import Found
    from cluster.export import EXPORTS, export_strategy
    from cluster.view import find_job
    from strategies.strategy_json import strategy_from_dict

    view = find_job(root, job)
    elites = [Found(strategy_from_dict(record["strategy"]), view.id, record) for record in view.elites]
    for elite in elites:
        export_strategy(elite.strategy, to, elite.record)
    names = [folder / f"{elite.strategy.id}{EXPORTS[to].suffix}" for elite in elites]
    written = [_export_one(elite, to, name) for elite, name in zip(elites, names, strict=True)]
    return [{key: value for key, value in document.items() if key != "text"} for document in written]
