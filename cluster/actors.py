"""The kinds of Ray actors, thin: a breeder breeds one island's epoch at a time, an evaluator helps it or is watched.

They are plain classes; `ray_cells` makes actors of them. Nothing here restarts or retries: the driver reissues the pure
epoch. A breeder that misses an evaluator *reports* it, with the genomes that were being evaluated, because only the
driver may replace anything.
"""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cluster.evaluation import OnScreen, Rows, Segment, ShardBench, Share, gather
from cluster.executor import EpochTask, from_wire, to_wire
from fitness.costs import Costs
from fitness.folds import Split
from fitness.shared_columns import SharedColumns
from strategies.errors import StudbookError

FINISHED: Final = "finished"
LOST: Final = "lost"
OWN: Final = -1
WATCHER: Final = -2
"""In place of the number of a helper: the breeder itself, and the evaluator of its own that a watched epoch has."""
READY_TIMEOUT_S: Final = 180.0
"""How long an evaluator may take to start."""
LEAST_WAIT_S: Final = 1.0


@dataclass(frozen=True)
class Bars:
    """What an evaluator is made of.

    Attributes:
        shard_refs: object references of all shards with their prepared bars, put once by the driver; only the wanted
            ones are fetched, and read where they lie.
        splits: of all shards.
        costs: of every fill.
        bank_bytes: budget of the feature banks.
        on_screen: folds of all shards that a screen looks at first.
        shared: where the banks of a node share columns.
        worker_bytes: most memory of its own that a worker may take from here on; None for any.
    """

    shard_refs: Sequence[Any]
    splits: Sequence[Split]
    costs: Costs
    bank_bytes: int
    on_screen: OnScreen
    shared: SharedColumns | None = None
    worker_bytes: int | None = None

    def bench(self, shares: Sequence[Share]) -> ShardBench:
        """Return a bench of some shares, with the bars that it needs."""
        import ray

        if self.worker_bytes is not None:
            from cluster.memory_limit import limit_memory

            limit_memory(self.worker_bytes)
        wanted = {share.shard for share in shares}
        nothing = (None, None)
        held: Any = [ray.get(ref) if number in wanted else nothing for number, ref in enumerate(self.shard_refs)]
        shards, prepared = zip(*held, strict=True)
        return ShardBench(
            shares,
            shards,
            self.splits,
            self.costs,
            bank_bytes=self.bank_bytes,
            on_screen=self.on_screen,
            prepared=prepared,
            shared=self.shared,
        )


@dataclass(frozen=True)
class Report:
    """What a breeder answers.

    Attributes:
        status: FINISHED or LOST.
        content: a packed `EpochResult`, or the suspects: phenotypes as bytes.
        host: name of the machine it ran on.
        number: of the helper that was lost, or OWN or WATCHER.
        dead: whether that must be replaced, rather than having raised an error.
        reason: why.
        segment: what the suspects were evaluated on.
    """

    status: str
    content: bytes
    host: str
    number: int = OWN
    dead: bool = False
    reason: str = ""
    segment: str = "folds"


class ShardEvaluator:
    """Holds its shards, which stay; phenotypes come and tallies go."""

    def __init__(self, bars: Bars, shares: Sequence[Share]) -> None:
        self._bench = bars.bench(shares)

    def ready(self) -> bool:
        """Return once the bars are here."""
        return True

    def evaluate(self, phenotypes: Rows, segment: Segment) -> list[Rows]:
        """Return the tallies of each share, see `ShardBench.evaluate`."""
        return self._bench.evaluate(phenotypes, segment)

    def warm(self) -> bool:
        """Return once every kernel is loaded, compiled if need be: from here on a genome's time is its own."""
        from cluster.compile_ahead import PARTS

        for part in ("evaluation", "learning"):
            PARTS[part]()
        return True


class Breeder:
    """Breeds the epochs it is given, one after the other, and evaluates its own share of the genomes.

    Args:
        breeding: text of `worker.breeding_to_json`.
        bars: of the job.
        assignment: shares of itself, then those of each helper.
        timeout_s: how long one evaluation may take before its evaluator counts as lost.
    """

    def __init__(self, breeding: str, bars: Bars, assignment: Sequence[Sequence[Share]], timeout_s: float) -> None:
        from cluster.worker import breeding_from_json  # DEAP and pydantic, which an evaluator does not need

        self._breeding = breeding_from_json(breeding)
        self._bench = bars.bench(assignment[0])
        self._assignment = assignment
        self._timeout_s = timeout_s
        self._n_evaluations = 0

    def ready(self) -> bool:
        """Return once the bars are here."""
        return True

    def progress(self) -> int:
        """Return how many evaluations were begun so far: asked beside an epoch, it says whether that gets on."""
        return self._n_evaluations

    def run_epoch(self, task: bytes, helpers: Sequence[Any], watcher: Any) -> Report:
        """Return what became of an epoch. `watcher` evaluates everything in a watched one; else it is None."""
        from cluster.worker import run_epoch

        host = socket.gethostname()

        def evaluate(phenotypes: Rows, segment: Segment) -> Rows:
            self._n_evaluations += 1
            if watcher is not None:
                return _watched(watcher, phenotypes, segment, self._timeout_s)
            return self._evaluate(phenotypes, segment, helpers)

        try:
            result = run_epoch(from_wire(EpochTask, task), self._breeding, evaluate)
        except _Lost as lost:
            suspects = lost.suspects.tobytes()
            return Report(LOST, suspects, host, lost.number, lost.dead, lost.reason, lost.segment)
        return Report(FINISHED, to_wire(result), host)

    def _evaluate(self, phenotypes: Rows, segment: Segment, helpers: Sequence[Any]) -> Rows:
        calls, begun_at = [], time.monotonic()
        if helpers:
            import ray

            genomes = ray.put(phenotypes)
            calls = [helper.evaluate.remote(genomes, segment) for helper in helpers]
        try:
            pieces = self._bench.evaluate(phenotypes, segment)
        except StudbookError:
            raise
        except Exception as error:
            raise _Lost(OWN, False, _raised(error), phenotypes, segment) from error
        for number, call in enumerate(calls):  # all of them began at once
            left_s = max(self._timeout_s - (time.monotonic() - begun_at), LEAST_WAIT_S)
            pieces += _tallies_of(call, left_s, number, phenotypes, segment)
        return gather([share for shares in self._assignment for share in shares], pieces)


class Examiner:
    """Evaluates genomes one by one, each alone, in evaluators that it makes and throws away."""

    def __init__(self, bars: Bars, shares: Sequence[Share], timeout_s: float) -> None:
        import ray

        self._ray = ray
        self._kind = ray.remote(num_cpus=0, max_restarts=0, max_task_retries=0)(ShardEvaluator)
        self._arguments = (bars, shares)
        self._timeout_s = timeout_s
        self._evaluator: Any = None

    def fault_of(self, row: Rows, segment: Segment) -> str:
        """Return why a genome, phenotypes (1, N_GENES), can't be evaluated, after two tries; empty if it can."""
        return self._fails(row, segment) and self._fails(row, segment)

    def _fails(self, row: Rows, segment: Segment) -> str:
        if self._evaluator is None:
            self._evaluator = self._kind.remote(*self._arguments)
            self._ray.get(self._evaluator.warm.remote(), timeout=READY_TIMEOUT_S)
        try:
            _tallies_of(self._evaluator.evaluate.remote(row, segment), self._timeout_s, OWN, row, segment)
        except _Lost as lost:
            self._ray.kill(self._evaluator, no_restart=True)
            self._evaluator = None
            late = lost.reason.startswith("GetTimeoutError")
            return f"took longer than {self._timeout_s:g} s" if late else lost.words
        return ""


def _watched(watcher: Any, phenotypes: Rows, segment: Segment, timeout_s: float) -> Rows:
    """The tallies of all shards, from one evaluator that has all of them."""
    import numpy as np

    call = watcher.evaluate.remote(phenotypes, segment)
    return np.concatenate(_tallies_of(call, timeout_s, WATCHER, phenotypes, segment), axis=1)


def _tallies_of(call: Any, timeout_s: float, number: int, phenotypes: Rows, segment: Segment) -> list[Rows]:
    """The answer of an evaluator."""
    import ray

    from cluster.ray_faults import cause_of, is_loss, reason_of

    try:
        pieces: list[Rows] = ray.get(call, timeout=timeout_s)
    except Exception as error:
        if is_loss(error):
            raise _Lost(number, True, reason_of(error), phenotypes, segment) from error
        cause = cause_of(error)
        if isinstance(cause, StudbookError):
            raise cause from error
        raise _Lost(number, False, _raised(cause), phenotypes, segment) from error
    return pieces


def _raised(error: BaseException) -> str:
    return f"raised {type(error).__name__}: {error}"[:300]


class _Lost(Exception):  # noqa: N818 - carried no further than this file
    def __init__(self, number: int, dead: bool, reason: str, suspects: Rows, segment: Segment) -> None:
        super().__init__(number, dead, reason)
        self.number, self.dead, self.reason = number, dead, reason
        self.suspects, self.segment = suspects, segment

    @property
    def words(self) -> str:
        """What to say of a genome that did this alone."""
        return "killed its worker" if self.dead else self.reason
