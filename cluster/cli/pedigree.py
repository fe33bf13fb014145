"""`studbook pedigree`, `diff`, `ancestors`, `descendants`, `dynasty`, `genealogy`: where strategies come from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli.app import command
from cluster.cli.options import RUNS, JobName, JsonFlag, RunsRoot, reply_of
from cluster.cli.reply import say

if TYPE_CHECKING:
    from rich.console import Console

    from cluster.genealogy.finding import Named
    from strategies.strategy import Strategy

BirthName = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="Strategy id or its beginning, birth id, ISLAND.GENERATION.INDEX, `elite` or `best`.",
    ),
]
InJob = Annotated[str, typer.Option("--job", help="Job id, a unique beginning of one, or `latest`.")]
Limit = Annotated[int, typer.Option("--limit", min=0, help="Births to list, the youngest first; 0 for all.")]


@command()
def pedigree(
    context: typer.Context,
    name: BirthName = "elite",
    depth: Annotated[int, typer.Option("--depth", min=1, max=100, help="Generations of parents to show.")] = 4,
    job: InJob = "latest",
    root: RunsRoot = RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Show a strategy's parents, theirs, and so on, as a tree.

    Each line: strategy, island.generation.index, operator, fitness (gain over the better parent), what was changed of
    the first parent (`+` came, `-` went, `~` changed, `@b` as the second parent has it).

    Examples:
      studbook pedigree elite
      studbook pedigree 3f9ac2 --depth 8
      studbook pedigree 2.15.7 --job quickstart-2026 --json
    """
    from cluster.genealogy.finding import find_birth
    from cluster.genealogy.lines import ancestors
    from cluster.genealogy.trees import parents_tree, tree_text

    reply, found = reply_of(context, as_json=as_json), find_birth(name, job=job, root=root)
    tree = parents_tree(found.pedigree, found.row, depth)
    n = len(ancestors(found.pedigree.lines, _one(found.row)))
    document = {"job": found.view.id, "objective": found.pedigree.objective, "ancestors": n, "tree": tree}

    def show(console: "Console") -> None:
        console.print(tree_text(tree))
        console.print(f"{n:,} ancestors in {found.view.id}; fitness is {found.pedigree.objective}.")

    reply.give(document, show)


@command()
def diff(
    context: typer.Context,
    before: Annotated[str, typer.Argument(metavar="A", help="Template, JSON file, or as ID of `studbook pedigree`.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    job: InJob = "latest",
    root: RunsRoot = RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Compare two strategies, rule by rule.

    Examples:
      studbook diff 3f9ac2 81b07e
      studbook diff rsi_reversion my_strategy.json
      studbook diff 0.0.12 elite --job latest
    """
    from cluster.genealogy.comparison import compare
    from cluster.genealogy.comparison_text import comparison_table

    sides = [_strategy(name, job=job, root=root) for name in (before, after)]
    (old, old_origin), (new, new_origin) = sides
    changes = compare(old, new)
    document = {
        "a": {"id": old.id, "text": old.text(), "origin": old_origin},
        "b": {"id": new.id, "text": new.text(), "origin": new_origin},
        "changes": [change.to_dict() for change in changes],
    }

    def show(console: "Console") -> None:
        console.print(f"{old.id}: {old_origin}\n{new.id}: {new_origin}")
        console.print(comparison_table(old, new, changes))

    reply_of(context, as_json=as_json).give(document, show)


@command()
def ancestors(
    context: typer.Context,
    name: BirthName = "elite",
    limit: Limit = 30,
    job: InJob = "latest",
    root: RunsRoot = RUNS,
    as_json: JsonFlag = False,
) -> None:
    """List everyone a strategy descends from.

    Examples:
      studbook ancestors elite
      studbook ancestors 3f9ac2 --limit 0 --json
    """
    from cluster.genealogy.relatives import ancestors_of, relatives_view

    found = _birth(name, job, root)
    document = ancestors_of(found.pedigree, found.row, limit)
    _give(context, as_json, found, document, relatives_view(document))


@command()
def descendants(
    context: typer.Context,
    name: BirthName = "elite",
    limit: Limit = 30,
    job: InJob = "latest",
    root: RunsRoot = RUNS,
    as_json: JsonFlag = False,
) -> None:
    """List everyone who descends from a strategy.

    Example:
      studbook descendants 0.0.12 --json
    """
    from cluster.genealogy.relatives import descendants_of, relatives_view

    found = _birth(name, job, root)
    document = descendants_of(found.pedigree, found.row, limit)
    _give(context, as_json, found, document, relatives_view(document))


@command()
def dynasty(
    context: typer.Context,
    name: BirthName = "elite",
    job: InJob = "latest",
    root: RunsRoot = RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Tell the story of the family of a strategy.

    Example:
      studbook dynasty elite
    """
    from cluster.genealogy.dynasty import dynasty_of
    from cluster.genealogy.relatives import dynasty_view

    found = _birth(name, job, root)
    document = dynasty_of(found.pedigree, found.row)
    _give(context, as_json, found, document, dynasty_view(document))


@command()
def genealogy(
    context: typer.Context,
    job: JobName = "latest",
    ask: Annotated[
        str, typer.Option("--ask", metavar="WHAT", help="all, operators, founders, diversity, conditions or families.")
    ] = "all",
    to: Annotated[str | None, typer.Option("--to", help="newick, graphml or parquet: write it to --out.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write. Default: JOB and a suffix.")] = None,
    root: RunsRoot = RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Ask the pedigree of a job; or carry it away.

    Examples:
      studbook genealogy latest
      studbook genealogy latest --ask operators --json
      studbook genealogy latest --to newick --out tree.nwk
    """
    from cluster.genealogy.opening import open_pedigree
    from cluster.genealogy.questions import answers, answers_view
    from cluster.view import find_job

    view = find_job(root, job)
    opened = open_pedigree(view)
    reply = reply_of(context, as_json=as_json)
    if out is not None and to is None:
        from strategies.errors import UsageError

        raise UsageError("`--out` must come with `--to` newick, graphml or parquet, but was alone: say which.")
    if to is not None:
        from cluster.genealogy.carrying import SUFFIXES, carry, check_form

        check_form(to)
        path = out or Path(f"{view.id}{SUFFIXES[to]}")
        carry(opened, to, path)
        reply.give(
            {"job": view.id, "to": to, "file": str(path), "n_births": len(opened)}, lambda _: say(f"wrote {path}")
        )
        return
    told = answers(opened, ask)
    document = {
        "job": view.id,
        "status": view.status,
        "objective": opened.objective,
        "n_births": len(opened),
        "answers": {name: answer.to_dict() for name, answer in told.items()},
    }
    reply.give(document, lambda console: console.print(*answers_view(told), sep="\n"))


def _birth(name: str, job: str, root: Path) -> "Named":
    from cluster.genealogy.finding import find_birth

    return find_birth(name, job=job, root=root)


def _give(context: typer.Context, as_json: bool, found: "Named", document: dict[str, Any], view: list[Any]) -> None:
    whole = {"job": found.view.id, "objective": found.pedigree.objective, **document}
    reply_of(context, as_json=as_json).give(whole, lambda console: console.print(*view, sep="\n"))


def _one(row: int) -> Any:
    import numpy as np

    return np.array([row], dtype=np.int32)


def _strategy(name: str, *, job: str, root: Path) -> "tuple[Strategy, str]":
    """A strategy of any name, and where it was found."""
    import difflib

    from cluster.backtest import find_strategy
    from cluster.genealogy.finding import find_birth, is_name
    from cluster.genealogy.opening import strategy_of_birth
    from strategies.templates import TEMPLATES

    is_template = bool(difflib.get_close_matches(name, TEMPLATES, n=1)) and not is_name(name)
    if is_template or name.endswith(".json") or Path(name).is_file():
        found = find_strategy(name, root)
        return found.strategy, found.origin
    birth = find_birth(name, job=job, root=root)
    return strategy_of_birth(birth.view, birth.birth_id), f"birth {birth.birth_id} of {birth.view.id}"
