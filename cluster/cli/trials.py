"""`studbook trials`: how much was tried on which bars, and what luck alone makes of so many tries."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli.app import command
from cluster.cli.options import RUNS, JsonFlag, RunsRoot, reply_of
from cluster.cli.reply import say

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.trial_ledger import Ledger, TrialCount, Trials
    from cluster.view import JobView

HEX_SHOWN = 8
JobOrNothing = Annotated[
    str,
    typer.Argument(metavar="JOB", help="A search, its beginning, or `latest`; none for all bars.", show_default=False),
]


@command()
def trials(context: typer.Context, job: JobOrNothing = "", root: RunsRoot = RUNS, as_json: JsonFlag = False) -> None:
    """Count what was tried on the same bars by all jobs.

    The best of many tries looks good by luck alone, so every statistic of Studbook counts them all: everything
    evaluated, screened or refined, in every job that shares a shard with this one. Two strategies that trade alike are
    one trial. Deleting a run folder deletes no trials: they are kept in `trials/` beside it.

    Without JOB: a line for each set of bars, with what a new job there begins with. With JOB: what it counts.

    Examples:
      studbook trials
      studbook trials latest --json
    """
    from cluster.trial_ledger import ledger

    reply, books = reply_of(context, as_json=as_json), ledger(root)
    if job:
        _one_search(reply, books, job, root)
        return
    for problem in books.problems:
        say(f"warning: {problem.reason}")
    rows = bar_rows(books.entries, {view.id: view for view in _views(root)})
    document = {"root": str(root), "bars": rows, "problems": problem_facts(books)}
    text = f"Nothing was tried yet in {root}. `studbook run configs/quickstart.yaml` does."
    reply.give(document, lambda console: console.print(*(_bar_table(rows) if rows else [text]), sep="\n"))


def bar_rows(entries: Sequence["Trials"], jobs: Mapping[str, "JobView"]) -> list[dict[str, Any]]:
    """Return for each set of bars what was tried on any of them, the set that was used last first.

    Args:
        entries: all searches, oldest first.
        jobs: views of those whose run folders are there, by id; they know what the shards are called.
    """
    from cluster.trial_ledger import count_of

    named = {shard["content_hash"]: f"{shard['symbol']} {shard['timeframe']}" for view in jobs.values()
             for shard in view.shards}  # fmt: skip
    rows = []
    for hashes in dict.fromkeys(entry.shard_hashes for entry in reversed(entries)):
        alike = [entry for entry in entries if not set(hashes).isdisjoint(entry.shard_hashes)]
        count = count_of(alike[-1], alike[:-1])
        shards = [{"content_hash": one, "name": named.get(one, one[:HEX_SHOWN])} for one in hashes]
        luck = luck_of(count.n_behaviours, [jobs[entry.name] for entry in alike if entry.name in jobs])
        searches = [*count.earlier, alike[-1].name]
        rows.append({"shards": shards, **count_facts(count), "searches": searches, "luck_sharpe": luck})
    return rows


def luck_of(n_trials: int, jobs: Iterable["JobView"]) -> float | None:
    """Return the annual Sharpe that the best of so many strategies without skill is expected to show, in sample.

    How much strategies differ is taken from the last of `jobs` that measured it; None if none did.
    """
    from fitness.statistics import luck_sharpe

    measured = [(job, (job.chosen or {}).get("trial_variance")) for job in jobs]
    known = [(job, variance) for job, variance in measured if variance is not None and variance > 0.0]
    if not known or n_trials < 1:
        return None
    job, variance = known[-1]
    yearly = max(shard["bars_per_year"] for shard in job.shards) ** 0.5
    return float(luck_sharpe(n_trials=n_trials, trial_variance=variance) * yearly)


def count_facts(count: "TrialCount") -> dict[str, Any]:
    """Return the numbers of a count as plain JSON values."""
    from dataclasses import asdict

    return {name: value for name, value in asdict(count).items() if name.startswith("n_")}


def problem_facts(books: "Ledger") -> list[dict[str, str]]:
    """Return what can't be counted as plain JSON values."""
    return [{"place": str(problem.place), "problem": problem.reason} for problem in books.problems]


def _one_search(reply: Any, books: "Ledger", name: str, root: "Path") -> None:
    from cluster.trial_ledger import count_of, earlier_than, tried_line, unreadable

    own = _found(books.entries, name, root)
    earlier = earlier_than(own, books.entries)
    count = count_of(own, earlier, uncounted=unreadable(own, books.problems))
    document = {
        "job": own.name,
        "own": own.facts(),
        **count_facts(count),
        "earlier": [one.facts() for one in earlier],
        "uncounted": list(count.uncounted),
    }
    table = _search_table([*earlier, own])
    reply.give(document, lambda console: console.print(table, tried_line(count), sep="\n", soft_wrap=True))


def _found(entries: Sequence["Trials"], name: str, root: "Path") -> "Trials":
    from strategies.errors import UsageError

    if name == "latest" and entries:
        return entries[-1]
    alike = [entry for entry in entries if entry.name.startswith(name)]
    exact = [entry for entry in alike if entry.name == name]
    if len(exact or alike) != 1:
        rule = "name one search" if alike else "be the name of a search, or its beginning, or `latest`"
        known = ", ".join(entry.name for entry in (alike or entries)[-5:]) or "none"
        raise UsageError(f"JOB must {rule}, but was {name!r} (searches in {root}: {known}). See `studbook trials`.")
    return (exact or alike)[0]


def _views(root: "Path") -> list["JobView"]:
    from cluster.view import list_jobs

    return list_jobs(root)


def _bar_table(rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    from cluster.tables import plain_table

    table = plain_table("Bars", "Jobs", "Evaluated", "By genome", "By behaviour", "Luck's Sharpe", numeric_from=1)
    for row in rows:
        names = ", ".join(shard["name"] for shard in row["shards"])
        counts = [f"{row[name]:,}" for name in ("n_jobs", "n_evaluated", "n_genomes", "n_behaviours")]
        luck = "-" if row["luck_sharpe"] is None else f"{row['luck_sharpe']:.2f}"
        table.add_row(names, *counts, luck)
    return [table, "Luck's Sharpe: a year's, in sample, of the best of so many strategies without skill."]


def _search_table(entries: Sequence["Trials"]) -> Any:
    import numpy as np

    from cluster.tables import plain_table

    table = plain_table("Search", "Kind", "Begun", "Evaluated", "By genome", "By behaviour", "New", numeric_from=3)
    seen = np.zeros(0, dtype=np.uint64)
    for entry in entries:
        known, seen = len(seen), np.union1d(seen, entry.behaviours)
        numbers = (entry.n_evaluated, len(entry.keys), len(entry.behaviours), len(seen) - known)
        begun = entry.created_at[:16].replace("T", " ")
        table.add_row(entry.name, entry.what, begun, *(f"{number:,}" for number in numbers))
    return table
