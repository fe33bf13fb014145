"""`studbook data sample|import|derive|copy|check|list`: bars into the store, and a look at what is in it.

A store is a folder or the URL of an object store, as `s3://bucket/prefix`; see fitness/object_store.py.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli.app import StudbookCommand, app
from cluster.cli.options import DATA, DataRoot, JsonFlag, reply_of
from cluster.cli.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fitness.importing import ShardReport
    from fitness.object_store import Root
    from fitness.shards import ShardInfo

data_app = typer.Typer(no_args_is_help=True, help="Import, check and list bars (Parquet shards).")
app.add_typer(data_app, name="data")


@data_app.command("sample", cls=StudbookCommand)
def data_sample(
    context: typer.Context,
    root: DataRoot = DATA,
    random_walk: Annotated[
        int | None, typer.Option("--random-walk", metavar="SEED", help="Also make RWALK, a walk without any edge.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Put the bundled samples into the store.

    Daily bars of SPX, IXIC, AAPL, IBM, MSFT, GOOG. Shards that are there and intact are kept.

    Examples:
      studbook data sample
      studbook data sample --random-walk 7
    """
    from fitness.samples import write_samples

    _list(reply_of(context, as_json=as_json), root, write_samples(root, random_walk_seed=random_walk))


@data_app.command("import", cls=StudbookCommand)
def data_import(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Parquet file of bars.")],
    symbol: Annotated[str, typer.Option("--symbol", "-s", help="Name of the shard.")],
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="Timeframe of the bars, as 1d or 5m.")] = "1d",
    root: DataRoot = DATA,
    calendar: Annotated[
        str | None, typer.Option("--calendar", help="Trading calendar, as XNYS or 24/7. Default: by the bars' look.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option("--column", metavar="THEIRS=OURS", help="Rename a column, as Last=close.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", help="Zone of times that name none. Default: UTC.")
    ] = None,
    ignore_extra: Annotated[bool, typer.Option("--ignore-extra", help="Leave out columns that are not known.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Import bars from CSV or Parquet, judged first.

    They are written whole or not at all.

    Errors (order, duplicates, prices, high below low) refuse the file, with row, column and value; gaps against the
    trading calendar only lower the quality score.

    Examples:
      studbook data import spy.csv --symbol SPY
      studbook data import eurusd.csv -s EURUSD -t 1h --timezone Europe/Berlin --column Last=close
    """
    from fitness.importing import import_file

    found = import_file(
        file, root, symbol, timeframe, calendar, _column_map(column or []),
        timezone=timezone, extra="ignore" if ignore_extra else "error",
    )  # fmt: skip
    reply_of(context, as_json=as_json).give(
        found.to_dict(), lambda console: console.print(found.text(), soft_wrap=True)
    )


def _column_map(pairs: list[str]) -> dict[str, str] | None:
    """THEIRS=OURS pairs as a mapping."""
    for pair in pairs:
        if "=" not in pair:
            raise typer.BadParameter(f"must be THEIRS=OURS, but was {pair!r}", param_hint="--column")
    return {pair.rpartition("=")[0]: pair.rpartition("=")[2] for pair in pairs} or None


@data_app.command("derive", cls=StudbookCommand)
def data_derive(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="Symbol of the shard to derive from.")],
    source: Annotated[str, typer.Option("--from", help="Timeframe to derive from.")] = "1d",
    target: Annotated[str, typer.Option("--to", help="Coarser timeframe to make.")] = "1w",
    root: DataRoot = DATA,
    as_json: JsonFlag = False,
) -> None:
    """Make a coarser shard from a finer one.

    First open, highest high, lowest low, last close, sum of volume.

    Example:
      studbook data derive SPX --from 1d --to 1w
    """
    from fitness.shards import describe_shard, load_shard, shard_path, write_shard
    from fitness.timeframes import derive

    fine = load_shard(root, symbol, source)
    known = describe_shard(shard_path(root, symbol, source))
    path = write_shard(
        derive(fine.frame(), source, target), root, symbol, target,
        calendar=known.calendar or None, source=f"derived from {symbol} {source} {fine.content_hash[:16]}",
    )  # fmt: skip
    _list(reply_of(context, as_json=as_json), root, [describe_shard(path)])


@data_app.command("copy", cls=StudbookCommand)
def data_copy(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FROM", help="Store to read: a folder or a URL.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="Store to write: a folder or a URL.")],
    symbol: Annotated[list[str] | None, typer.Option("--symbol", "-s", help="Only this symbol; may repeat.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--replace", help="Replace shards at TO that hold other bars under the same name.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Copy shards between folders and object stores.

    Each is verified before it is sent and after it has arrived, whole or not at all. What is there already is kept.
    Endpoint and credentials are those of the environment: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_PROFILE.

    Examples:
      studbook data copy data s3://bars/daily
      studbook data copy s3://bars/daily data --symbol SPX --symbol IXIC
    """
    from fitness.copying import copy_store

    found = copy_store(source, target, symbols=symbol or [], overwrite=overwrite)
    _list(reply_of(context, as_json=as_json), target, found)


@data_app.command("check", cls=StudbookCommand)
def data_check(context: typer.Context, root: DataRoot = DATA, as_json: JsonFlag = False) -> None:
    """Load and judge every shard again.

    The exit code is 3 if one can't be used.

    Example:
      studbook data check --json
    """
    from fitness.importing import check_store
    from fitness.object_store import place_of

    reports = check_store(root)
    sound = all(report.passed for report in reports)
    document = {"root": str(place_of(root)), "sound": sound, "shards": [report.to_dict() for report in reports]}
    reply_of(context, as_json=as_json).give(
        document, lambda console: console.print(_check_text(reports), soft_wrap=True)
    )
    if not sound:
        raise typer.Exit(3)


def _check_text(reports: "Sequence[ShardReport]") -> str:
    """What the check found, a line a shard and one a finding."""
    lines = []
    for report in reports:
        name = f"{report.shard.symbol} {report.shard.timeframe}"
        state = f"quality {report.quality:.4f}" if report.passed else f"can't be used: {report.shard.problem}"
        lines.append(f"{'ok  ' if report.passed else 'FAIL'} {name}: {report.shard.n_bars:,} bars, {state}")
        lines += [f"       {finding.severity}: {finding.text()}" for finding in report.findings]
    return "\n".join(lines) or "No shards."


@data_app.command("list", cls=StudbookCommand)
def data_list(context: typer.Context, root: DataRoot = DATA, as_json: JsonFlag = False) -> None:
    """List the shards of the store.

    Example:
      studbook data list
    """
    from fitness.shards import list_shards

    _list(reply_of(context, as_json=as_json), root, list_shards(root))


def _list(reply: Reply, store: "Root", infos: "Sequence[ShardInfo]") -> None:
    """Answer with shards, as `list` does."""
    from cluster.tables import shard_table
    from fitness.importing import info_dict
    from fitness.object_store import place_of

    root = place_of(store)
    shards: list[dict[str, Any]] = [info_dict(info) for info in infos]
    empty = f"No shards in {root}. `studbook data sample` makes some."
    document = {"root": str(root), "shards": shards}
    reply.give(document, lambda console: console.print(shard_table(shards) if shards else empty))
