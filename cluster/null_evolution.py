"""Null evolution: the whole search again on bars without order, to see what searching finds where nothing is.

The bars of the folds are permuted (or bootstrapped) on all shards alike and the search is run on them from its
founders on, with the job's own seed. If it does as well there as on the real bars, it found what any search finds. Of B
such runs p = (1 + how many do at least as well) / (1 + B), which is exact: under the null the real order is one among
B + 1. (Bootstrapped bars keep what order a block has, and p is then approximate.)

No bar after the last fold is even there: the lockbox can't be read. Every run is a line of a file, so one that was
stopped goes on where it was.

Source: Masters 2018, "Testing and Tuning Market Trading Systems", permutation tests; Phipson and Smyth 2010,
"Permutation p-values should never be zero" (the 1 +).
"""

import hashlib
import json
import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np

from cluster.job_config import JobConfig
from cluster.journal import open_to_add
from cluster.learnable import bootstrapped_market, learnable_market, permuted_market
from cluster.market import Market, open_market
from cluster.search import Search, best_candidates, count_search, examiner_of, search
from cluster.settings import config_hash
from cluster.signals import Interrupted
from cluster.spawned import in_processes
from evolution.selection import feasible
from fitness.files import atomic_write_text, make_folder
from fitness.gates import annual_sharpe
from fitness.pooled import pool
from strategies.errors import JournalError, UsageError

Kind = Literal["permuted", "bootstrapped"]
Say = Callable[[str], None]
REAL: Final = 0
STATISTICS: Final = {
    "pooled_sharpe": "the best Sharpe ratio a year of the chosen, all shards as one account, in sample",
    "timing_sharpe": "the same of what they earn beyond the job's benchmark",
    "first_objective": "the highest first objective of the last populations",
}
"""What a search is judged by; the first decides."""
_FILE: Final = "runs.jsonl"


@dataclass(frozen=True)
class NullPlan:
    """What is asked of a null evolution.

    Attributes:
        config: the job.
        kind: how the order is taken out of the bars.
        n_runs: searches on bars without order, beside the real one.
        seed: of the bars.
        block: mean length in bars of the blocks of `bootstrapped`.
    """

    config: JobConfig
    kind: Kind = "permuted"
    n_runs: int = 19
    seed: int = 0
    block: float = 20.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise UsageError(f"`kind` must be one of {', '.join(get_args(Kind))}, but was {self.kind!r} (null).")
        if self.n_runs < 1 or self.seed < 0:
            raise UsageError(
                f"`runs` must be at least 1 and `seed` at least 0, but were {self.n_runs} and {self.seed} (null). "
                "19 runs allow p = 0.05, 99 allow 0.01."
            )


@dataclass(frozen=True)
class NullRun:
    """One search: number 0 on the real bars, the others without order.

    Attributes:
        number: which.
        values: by name of `STATISTICS`; None where nothing was feasible.
        n_evaluated: strategies evaluated.
    """

    number: int
    values: Mapping[str, float | None]
    n_evaluated: int

    def to_line(self) -> str:
        """Return the run as a line of JSON."""
        return json.dumps({"number": self.number, "values": dict(self.values), "n_evaluated": self.n_evaluated})


@dataclass(frozen=True)
class NullEvolution:
    """The real search beside those on bars without order.

    Attributes:
        plan: what was asked.
        folder: where the runs are kept.
        real: the search on the real bars.
        nulls: the others, by number.
    """

    plan: NullPlan
    folder: Path
    real: NullRun
    nulls: tuple[NullRun, ...]

    def p_value(self, statistic: str = "pooled_sharpe") -> float:
        """Return the chance of the real value where nothing is to be found: never 0."""
        real = merit(self.real, statistic)
        as_good = sum(merit(run, statistic) >= real for run in self.nulls)
        return (1 + as_good) / (1 + len(self.nulls))

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON values."""
        return {
            "job": self.plan.config.name,
            "kind": self.plan.kind,
            "runs": len(self.nulls),
            "seed": self.plan.seed,
            "block": self.plan.block if self.plan.kind == "bootstrapped" else None,
            "folder": str(self.folder),
            "n_evaluated": self.real.n_evaluated,
            "statistics": {name: self._statistic(name) for name in STATISTICS},
            "verdict": self.sentence(),
        }

    def _statistic(self, name: str) -> dict[str, Any]:
        values = [run.values[name] for run in self.nulls]
        found = [value for value in values if value is not None]
        shares = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
        return {
            "what": STATISTICS[name],
            "real": self.real.values[name],
            "null": values,
            "null_quantiles": {f"{share:g}": float(np.quantile(found, share)) for share in shares} if found else {},
            "p": self.p_value(name),
        }

    def sentence(self) -> str:
        """Return what came of it in plain English."""
        n, real, p = len(self.nulls), self.real.values["pooled_sharpe"], self.p_value()
        if real is None:
            return "The search on the real bars found nothing that keeps the rules of the job, so p = 1."
        as_good = round(p * (n + 1)) - 1
        so = (
            "Order in the bars is what this search lives on; that is necessary for an edge, not yet one."
            if p <= 0.05
            else "A search finds as much where there is nothing to find: what it found here is no evidence of an edge."
        )
        few = "" if n >= 19 else f" With {n} runs p can't be below {1 / (n + 1):.2f}; 19 allow 0.05."
        return (
            f"The best of the real search has a Sharpe ratio of {real:.2f} a year in sample. Of {n} searches on "
            f"{self.plan.kind} bars {as_good} did as well or better: p = {p:.3f}. {so}{few}"
        )


def merit(run: NullRun, statistic: str) -> float:
    """Return the value of a run, -inf where nothing was feasible."""
    value = run.values[statistic]
    return -math.inf if value is None else value


def null_evolution(
    plan: NullPlan,
    *,
    root: Path | None = None,
    workers: int = 1,
    say: Say = lambda _: None,
    stop: threading.Event | None = None,
) -> NullEvolution:
    """Return the null evolution of a job; what an earlier, stopped one did is taken from its file.

    Args:
        plan: what is asked.
        root: folder of the run folders; None takes the job's.
        workers: processes; the result is the same for any number.
        say: told of progress.
        stop: set it to stop; finished runs are kept.

    Raises:
        ConfigError, DataError: the search can't begin.
        JournalError: the file of runs is damaged, of other bars, or a link.
        Interrupted: `stop` was set.
    """
    market, stop = open_market(plan.config), stop or threading.Event()
    folder = (root or Path(plan.config.output.root)) / f"{plan.config.name}-null-{_digest(plan, market)[:12]}"
    runs, created_at = _open_runs(folder)
    with os.fdopen(open_to_add(folder / _FILE, os.O_APPEND), "a", encoding="utf-8") as stream:

        def keep(run: NullRun) -> None:
            stream.write(run.to_line() + "\n")
            stream.flush()
            runs[run.number] = run
            value = run.values["pooled_sharpe"]
            shown = "nothing feasible" if value is None else f"Sharpe {value:.2f}"
            name = "real bars" if run.number == REAL else f"null run {run.number} of {plan.n_runs}"
            say(f"{name}: {shown}, {run.n_evaluated:,} evaluated")

        if REAL not in runs:
            found = _searched(plan, market, REAL, stop)
            count_search(found, market, folder, what="null", created_at=created_at)  # those on other bars do not count
            keep(_run_of(found, REAL))
        missing = [number for number in range(1, plan.n_runs + 1) if number not in runs]
        if workers == 1:
            for number in missing:
                keep(_run_of(_searched(plan, market, number, stop), number))
        else:
            tasks = [task_of(plan, number) for number in missing]
            for line in in_processes(run_task, tasks, workers=workers, stop=stop):
                keep(run_of_line(line))
    return NullEvolution(plan, folder, runs[REAL], tuple(runs[number] for number in range(1, plan.n_runs + 1)))


def null_market(market: Market, plan: NullPlan, number: int) -> Market:
    """Return the learnable market with the order taken out of all bars from the first fold on; 0 leaves it."""
    if number == REAL:
        return learnable_market(market)
    digest = hashlib.sha256(f"null {plan.seed} {number}".encode()).digest()
    seed = int.from_bytes(digest[:8], "little")
    if plan.kind == "permuted":
        return permuted_market(market, seed)
    return bootstrapped_market(market, seed, plan.block)


def run_task(task: str) -> str:
    """Return the line of the run that a task describes, in whatever process."""
    values = json.loads(task)
    config = JobConfig.model_validate(values.pop("config"))
    number = values.pop("number")
    plan = NullPlan(config, **values)
    return _run_of(_searched(plan, open_market(config), number, threading.Event()), number).to_line()


def run_of_line(line: str) -> NullRun:
    """Return the run of a line of JSON."""
    return NullRun(**json.loads(line))


def task_of(plan: NullPlan, number: int) -> str:
    """Return the text that tells another process which run to do."""
    rest = {"kind": plan.kind, "n_runs": plan.n_runs, "seed": plan.seed, "block": plan.block}
    return json.dumps({"config": plan.config.model_dump(mode="json"), "number": number, **rest})


def _searched(plan: NullPlan, market: Market, number: int, stop: threading.Event) -> Search:
    if stop.is_set():
        raise Interrupted("stopped between two searches")
    return search(plan.config, null_market(market, plan, number), stop=stop)


def _run_of(found: Search, number: int) -> NullRun:
    """Return what a search came to."""
    examiner, chosen = examiner_of(found), best_candidates(found, found.config.gates.candidates)
    examined = [examiner.examine(one.phenotype, "in_sample") for one in chosen]
    fit = [state.objectives[feasible(state.objectives, state.reasons), 0] for state in found.states]
    values = {
        "pooled_sharpe": _highest([annual_sharpe(pool(one.traces)) for one in examined]),
        "timing_sharpe": _highest([annual_sharpe(examiner.pooled_beyond(one)) for one in examined]),
        "first_objective": _highest(np.concatenate(fit).tolist()),
    }
    return NullRun(number, values, found.n_evaluated)


def _highest(values: Sequence[float]) -> float | None:
    return max((value for value in values if math.isfinite(value)), default=None)


def _digest(plan: NullPlan, market: Market) -> str:
    """What decides every run, but not how many there are."""
    block = plan.block if plan.kind == "bootstrapped" else None
    facts = [config_hash(plan.config), [shard.content_hash for shard in market.shards], plan.kind, plan.seed, block]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _open_runs(folder: Path) -> tuple[dict[int, NullRun], str]:
    """The runs that are done, and when the first was begun; a torn last line is cut off."""
    make_folder(folder)
    path = folder / _FILE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    lines = whole.splitlines()
    if not lines:
        created_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        atomic_write_text(path, json.dumps({"format": "studbook.null/1", "created_at": created_at}) + "\n")
        return {}, created_at
    if whole != text:
        atomic_write_text(path, whole)
    try:
        runs = [run_of_line(line) for line in lines[1:]]
        return {run.number: run for run in runs}, str(json.loads(lines[0])["created_at"])
    except (ValueError, TypeError, KeyError) as error:
        raise JournalError(
            f"A file of null runs must hold a line of JSON for each, but held another ({path}): {error}. Remove it; "
            "its runs are then done again."
        ) from error
