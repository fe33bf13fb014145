"""What was tried on some bars, by this job and by all before it: the N of every statistic.

A *trial* is a way of trading that was looked at. It is counted by genome (distinct phenotype keys) and by behaviour:
two strategies with the same measures to the bit did the same trades, and are one trial. What has no measures (screened
out, failed) is a behaviour of its own for every genome, which errs on the side of more trials.

The journal is the truth. `ROOT/trials/NAME.trials` is its projection, written at the end of each session, so that
deleting a run folder does not make its trials unhappen. Behaviours are the first 64 bits of BLAKE2b digests: that any
two of n collide, which would hide one trial, has a chance of n^2 / 2^65, 3e-8 for a million. A measure is a mean over
all cells of a job, so what trades alike on other cells has other measures and is, if anything, counted twice.
Counting holds 24 bytes for every trial of every search on the bars, and 42 more at its peak.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cluster.trial_books import Ledger, Problem, ledger, record_job, root_of, write_trials
from cluster.trial_counting import behaviours_of, trials_of
from cluster.trial_file import SUFFIX, SUMS, Trials, distinct
from cluster.view import JobView
from evolution.pedigree import Births
from strategies.errors import JournalError, StudbookError

__all__ = [
    "Ledger", "Problem", "TrialCount", "Trials", "behaviours_of", "count_of", "count_trials", "earlier_than", "ledger",
    "record_job", "tried_line", "tried_on_bars", "write_trials",
]  # fmt: skip


@dataclass(frozen=True)
class TrialCount:
    """What was tried on the bars of a job: by itself and by every earlier search that shares a shard with it.

    Attributes:
        n_births: strategies bred.
        n_evaluated: of these, those that were evaluated, if only by the screen.
        n_screened: of these, those that only the screen saw.
        n_refined: of the evaluated, those that refining made.
        n_genomes: distinct strategies among the evaluated.
        n_behaviours: distinct ways of trading among them: the N of every statistic.
        n_jobs: searches counted, this one included.
        earlier: names of the earlier ones, oldest first.
        own_behaviours: ways of trading that this job tried, known before or not.
        own_genomes: strategies that this job tried, known before or not.
        uncounted: run folders whose journal can't be read, so that nobody knows what they tried, and on which bars.
    """

    n_births: int
    n_evaluated: int
    n_screened: int
    n_refined: int
    n_genomes: int
    n_behaviours: int
    n_jobs: int
    earlier: tuple[str, ...]
    own_behaviours: int
    own_genomes: int
    uncounted: tuple[str, ...] = ()


def count_trials(view: JobView, births: Births | None = None) -> TrialCount:
    """Return what was tried on the bars of a job, by its own births and by every search that began before it.

    A search counts if it shares a shard with the job (by content hash) and began earlier; of two that began at the same
    time, the one with the smaller name is the earlier. One that is still under way counts with what it has journalled.

    Args:
        view: the job.
        births: of all its journalled epochs; None takes them from the ledger or the run folder.

    Raises:
        JournalError: what an earlier search on these bars tried can't be read any more, or `births` is None and the
            job's own can't be.
    """
    own = record_job(view) if births is None else trials_of(view, [births])
    books = ledger(root_of(view), without=view.id, touching=own.shard_hashes)
    return count_of(own, earlier_than(own, books.entries), uncounted=unreadable(own, books.problems))


def earlier_than(own: Trials, entries: Iterable[Trials]) -> list[Trials]:
    """Return those of `entries` that count for `own`, oldest first: they share a shard with it and began before it."""
    return sorted((one for one in entries if _counts(one, own)), key=lambda one: one.order)


def unreadable(own: Trials, problems: Iterable[Problem]) -> list[str]:
    """Return the names of run folders of which nothing is known, not even on which bars they were.

    Raises:
        JournalError: among `problems` is an earlier search on the bars of `own`, or a file of trials of no run folder.
    """
    unknown = []
    for problem in problems:
        if problem.known is None and problem.place.suffix != SUFFIX:
            unknown.append(problem.place.name)
        elif problem.known is None or _counts(problem.known, own):
            raise JournalError(
                f"What was tried on these bars before {own.name} must be counted, but can't be. {problem.reason}"
            )
    return unknown


def count_of(own: Trials, earlier: Sequence[Trials], *, uncounted: Iterable[str] = ()) -> TrialCount:
    """Return what `own` and `earlier` tried together."""
    every = [*earlier, own]
    return TrialCount(
        **{name: sum(getattr(one, name) for one in every) for name in SUMS},
        n_genomes=len(distinct([one.keys for one in every])),
        n_behaviours=len(distinct([one.behaviours for one in every])),
        n_jobs=len(every),
        earlier=tuple(one.name for one in earlier),
        own_behaviours=len(own.behaviours),
        own_genomes=len(own.keys),
        uncounted=tuple(uncounted),
    )


def tried_line(count: TrialCount) -> str:
    """Return the sentence that stands beside every result."""
    jobs = (
        "this job alone"
        if count.n_jobs == 1
        else f"{count.n_jobs:,} jobs (this one and {count.n_jobs - 1:,} before it)"
    )
    text = (
        f"{count.n_evaluated:,} tried on these bars: {count.n_genomes:,} by genome, {count.n_behaviours:,} by "
        f"behaviour, in {jobs}."
    )
    missing = f" Not counted, because their journals can't be read: {', '.join(count.uncounted)}."
    return text + (missing if count.uncounted else "")


def tried_on_bars(view: JobView) -> str:
    """Return `tried_line` of a job as it was counted when the candidates were chosen, or before that as of now.

    If its trials can't be counted, why.
    """
    held = (view.chosen or {}).get("trials")
    if held is not None:
        lists = {name: tuple(held[name]) for name in ("earlier", "uncounted")}
        return tried_line(TrialCount(**{**held, **lists}))
    try:
        return tried_line(count_trials(view))
    except StudbookError as error:
        return f"What was tried on these bars can't be counted: {error}"


def _counts(one: Trials, own: Trials) -> bool:
    return one.order < own.order and not set(one.shard_hashes).isdisjoint(own.shard_hashes)
