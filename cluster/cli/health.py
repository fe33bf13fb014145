"""`studbook version` and `studbook doctor`."""

from pathlib import Path
from typing import Annotated

import typer

from cluster.cli.app import command
from cluster.cli.options import DATA, RUNS, JsonFlag, RunsRoot, reply_of

SHOWN = ("ray", "deap", "numpy", "numba", "polars", "mlflow", "ta-lib", "moocore", "plotly")


@command()
def version(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Say which version this is, and on what it stands.

    Example:
      studbook version --json
    """
    import platform
    from importlib.metadata import version as version_of

    found = {"studbook": version_of("studbook"), "python": platform.python_version()}
    found |= {name: version_of(name) for name in SHOWN}
    lines = [f"studbook {found['studbook']} on Python {found['python']}"]
    lines += [f"  {name} {found[name]}" for name in SHOWN]
    reply_of(context, as_json=as_json).give(found, lambda console: console.print("\n".join(lines)))


@command()
def doctor(
    context: typer.Context,
    deep: Annotated[bool, typer.Option("--deep", help="Also start a Ray session and open the MLflow store.")] = False,
    root: RunsRoot = RUNS,
    data: Annotated[Path, typer.Option("--data", envvar="STUDBOOK_DATA", help="Folder of the shards.")] = DATA,
    as_json: JsonFlag = False,
) -> None:
    """Check what can be checked before a job.

    Packages, cores, memory, caches, TA-Lib, Ray, MLflow, data. Each line says ok, warn or fail, and what mends it. The
    exit code is 1 if anything fails.

    Examples:
      studbook doctor
      studbook doctor --deep --json
    """
    from cluster.doctor import run_checks
    from cluster.tables import check_table

    reply = reply_of(context, as_json=as_json)
    checks = list(run_checks(runs=root, data=data, deep=deep))
    healthy = all(check.verdict != "fail" for check in checks)
    document = {"healthy": healthy, "checks": [check.to_dict() for check in checks]}
    reply.give(document, lambda console: console.print(check_table(checks)))
    if not healthy:
        raise typer.Exit(1)
