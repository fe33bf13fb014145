"""`studbook export`: carry a strategy away."""

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli.app import StudbookCommand, app
from cluster.cli.options import RUNS, JsonFlag, RunsRoot, reply_of
from cluster.cli.reply import say

if TYPE_CHECKING:
    from cluster.backtest import Found

REGISTRY = Path(__file__).parent.parent / "export" / "__init__.py"


def target_titles() -> dict[str, str]:
    """Return the title of each export target by name, read from the registry's source.

    Help must come at once, and importing the registry loads NumPy, TA-Lib and numba.
    """
    tree = ast.parse(REGISTRY.read_text(encoding="utf-8"))
    texts = {
        key.value: [one.value for one in value.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        for table in ast.walk(tree)
        if isinstance(table, ast.Dict)
        for key, value in zip(table.keys, table.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(value, ast.Call)
    }
    return {str(name): found[-1] for name, found in texts.items()}


class ExportCommand(StudbookCommand):
    """A command whose help ends with the targets there are."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write every target and its title."""
        del ctx
        with formatter.section("Targets"):
            formatter.write_dl(list(target_titles().items()))


@app.command(cls=ExportCommand)
def export(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="STRATEGY_OR_JOB", help="Strategy id, JSON file or template; a job with --all."),
    ],
    to: Annotated[str, typer.Option("--to", metavar="TARGET", help="What to export to, see below.")] = "json",
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="PATH", help="File or folder/ to write; what is no text needs one. Default: stdout."
        ),
    ] = None,
    every: Annotated[
        Path | None, typer.Option("--all", metavar="DIR", help="Every elite of the job, into the folder DIR.")
    ] = None,
    all_elites: Annotated[
        bool, typer.Option("--all-elites", hidden=True, help="As --all, into the folder --out.")
    ] = False,
    job: Annotated[str | None, typer.Option("--job", help="The job that judged the strategy; default: any.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over what is there.")] = False,
    root: RunsRoot = RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Carry a strategy away, as text or as code for a platform.

    What a target can't express it refuses, and says which part (exit code 3).

    Examples:
      studbook export 3f9ac2 --to python --out dip_buyer.py
      studbook export 3f9ac2 --to pine | less
      studbook export latest --all elites/ --to markdown
      studbook export rsi_reversion --to onnx --out rsi.onnx
    """
    from cluster.exported import export_elites, export_one
    from strategies.errors import UsageError

    reply = reply_of(context, as_json=as_json)
    if every is not None and (out is not None or job is not None):
        other = "--out" if out is not None else "--job"
        raise UsageError(f"`--all DIR` must be given without {other}: the job is the argument, and DIR where they go.")
    if every is not None or all_elites:
        documents = export_elites(name, to, every or Path(out or "exports"), root=root, force=force)
        lines = [document["file"] for document in documents] or ["no elites, nothing exported"]
        reply.give({"exported": documents}, lambda console: console.print("\n".join(lines)))
        return
    found = _found(name, job, root)
    document = export_one(found, to, None if out is None else _place(out), force=force)
    if document["file"] is None:
        reply.give(document, lambda _: reply.text(document["text"]))
        return
    reply.give(document, lambda _: say(f"wrote {document['file']} ({_size(document)})"))


def _place(out: str) -> Path:
    """Where to write; a name that ends with a slash is that of a folder, which is made."""
    place = Path(out)
    if out.endswith("/"):
        from fitness.files import make_folder

        make_folder(place)
    return place


def _found(name: str, job: str | None, root: Path) -> "Found":
    from cluster.backtest import find_strategy
    from cluster.exported import find_in_job

    return find_strategy(name, root) if job is None else find_in_job(name, job, root)


def _size(document: dict[str, Any]) -> str:
    """How much was written, for people."""
    n_files, n_bytes = len(document["files"]), sum(document["files"].values())
    files = f"{n_files} files, " if n_files > 1 else ""
    return f"{document['to']} of {document['id']}, {files}{n_bytes:,} bytes"
