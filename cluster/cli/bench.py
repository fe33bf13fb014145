"""`studbook bench`: how fast this machine evaluates strategies, on one's own bars."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.app import command
from cluster.cli.options import JsonFlag, reply_of
from cluster.cli.reply import say

if TYPE_CHECKING:
    from cluster.bench.measuring import Bench
    from cluster.job_config import JobConfig


@command()
def bench(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG", help="Job file whose data, costs and breeding to take. Default: quickstart's."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the job file.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A tenth of the work: figures within some ten per cent.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="Also write bench.html and bench.json there.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure how fast strategies are evaluated here.

    First it shows on your bars that the kernel is exact: equal to its plain-Python twin to the last bit. Then it times,
    on one core: random strategies that trade seldom, hold long, or trade every ten bars; broods of a real evolution
    with the columns and masks they newly need, and with an empty bank; a million one-minute bars; whole generations of
    a job, journal included; and the start of a worker. No strategy's result is shown, so nothing of your lockbox is.

    CPU time is told, which other programs disturb little; for figures to quote, let nothing else run.

    Examples:
      studbook bench
      studbook bench job.yaml --out speed/
      studbook bench --quick --json
      studbook bench --set evolution.population_size=1000
    """
    from cluster.bench.measuring import QUICK, THOROUGH, measure_all
    from cluster.bench.show import show_bench
    from cluster.cli.overriding import overridden

    reply = reply_of(context, as_json=as_json)
    with _job(config) as job:
        found = measure_all(overridden(job, overrides or []), QUICK if quick else THOROUGH, say)
    document = found.to_dict()
    if out is not None:
        document["files"] = _written(found, out)
    reply.give(document, lambda console: show_bench(console, found))


@contextlib.contextmanager
def _job(path: Path | None) -> Iterator["JobConfig"]:
    """The job of a file, or one on the bundled bars, which are written to a folder that goes again."""
    from cluster.settings import config_from, load_config

    if path is not None:
        yield load_config(path)
        return
    with tempfile.TemporaryDirectory(prefix="studbook-bench-") as folder:
        yield config_from(
            {
                "name": "bench",
                "seed": 7,
                "data": {
                    "root": folder,
                    "start": "2000-01-03",
                    "end": "2013-03-01",
                    "shards": [{"symbol": symbol} for symbol in ("SPX", "IXIC", "AAPL", "IBM", "MSFT", "GOOG")],
                },
                "evolution": {"population_size": 200, "mutation_rate": 0.4, "template_share": 0.2},
            },
            where="studbook bench",
        )


def _written(found: "Bench", folder: Path) -> dict[str, str]:
    """Write the page and the document, and return where they are."""
    import json

    from cluster.bench.page import render_bench
    from cluster.journal import plain
    from fitness.files import atomic_write_text

    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "bench.html": render_bench(found),
        "bench.json": json.dumps(plain(found.to_dict()), indent=2, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        atomic_write_text(folder / name, text)
    say(f"wrote {folder / 'bench.html'} and bench.json")
    return {name: str(folder / name) for name in texts}
