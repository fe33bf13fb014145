"""Cells on Ray: a breeder and its helpers, which hold all shards between them and can run an epoch of any island.

A cell without helpers is one process that breeds and evaluates, and nothing travels but the epoch. Where there are more
workers than islands, those left over become helpers: each holds some of the shards, or a part of the genomes of one.
Actors that Ray has no room for yet wait, which an autoscaler sees; their cell takes part once all of them are there.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cluster.actors import Bars, Breeder, Examiner, ShardEvaluator
from cluster.evaluation import Share, assign

WATCH_GROUP = "watch"


@dataclass(frozen=True)
class Actors:
    """Makes the actors of a job. None restarts or retries by itself: whatever died is made anew.

    Attributes:
        ray: the module, with a session open.
        breeding: text of `worker.breeding_to_json`.
        bars: what evaluators are made of.
        n_shards: of the job.
        timeout_s: how long one evaluation of a brood may take.
        genome_timeout_s: and one genome alone.
    """

    ray: Any
    breeding: str
    bars: Bars
    n_shards: int
    timeout_s: float
    genome_timeout_s: float

    def breeder(self, assignment: Sequence[Sequence[Share]]) -> Any:
        """Return a new breeder; beside an epoch it can be asked for its progress."""
        kind = self.ray.remote(concurrency_groups={WATCH_GROUP: 1}, num_cpus=1, max_restarts=0, max_task_retries=0)
        return kind(Breeder).remote(self.breeding, self.bars, assignment, self.timeout_s)

    def helper(self, shares: Sequence[Share]) -> Any:
        """Return a new evaluator of some shares."""
        return self._evaluator(1, shares)

    def watcher(self) -> Any:
        """Return a new evaluator of all shards for one epoch; it works while its breeder waits, on the same CPU."""
        return self._evaluator(0, self._everything())

    def examiner(self) -> Any:
        """Return a new examiner."""
        kind = self.ray.remote(num_cpus=0, max_restarts=0, max_task_retries=0)(Examiner)
        return kind.remote(self.bars, self._everything(), self.genome_timeout_s)

    def kill(self, actor: Any) -> None:
        """Kill an actor, dead or alive."""
        with suppress(Exception):  # it is dead already, or the session is: both are what we want
            self.ray.kill(actor, no_restart=True)

    def _evaluator(self, n_cpus: int, shares: Sequence[Share]) -> Any:
        kind = self.ray.remote(num_cpus=n_cpus, max_restarts=0, max_task_retries=0)(ShardEvaluator)
        return kind.remote(self.bars, shares)

    def _everything(self) -> tuple[Share, ...]:
        return tuple(Share(shard) for shard in range(self.n_shards))


class Cell:
    """A breeder with its helpers, and what they are doing.

    Attributes:
        number: of the cell.
        size: its workers.
        breeder: the actor.
        helpers: the other actors.
        ages: how often each helper was replaced.
        starting: references that answer once an actor is ready, and what that is: a cell is ready without any.
        calls: references of its epochs, the one under way first.
        alive_at: when it last was seen to get on, by the monotonic clock.
        wanted: workers that it is to have: it takes no epoch while it has fewer, and is made anew once it is idle.
    """

    def __init__(self, number: int, size: int, actors: Actors) -> None:
        self.number, self.size, self.wanted, self._actors = number, size, size, actors
        self._assignment = assign(actors.n_shards, size)
        self.starting: dict[Any, str] = {}
        self.calls: list[Any] = []
        self.ages = [0] * (size - 1)
        self.breeder = self._new_breeder()
        self.helpers = [self._new_helper(number) for number in range(size - 1)]
        self.progress, self.alive_at = 0, time.monotonic()

    @property
    def is_ready(self) -> bool:
        """Whether all its actors are there."""
        return not self.starting

    @property
    def takes_more(self) -> bool:
        """Whether it may be given an epoch."""
        return self.is_ready and self.wanted == self.size

    @property
    def n_started(self) -> int:
        """How many of its actors are there."""
        return self.size - len(self.starting)

    def seen(self) -> None:
        """Note that it gets on."""
        self.alive_at = time.monotonic()

    def replace_breeder(self) -> None:
        """Kill the breeder, if it lives, and make another."""
        self._actors.kill(self.breeder)
        self._forget(f"breeder {self.number}")
        self.breeder, self.progress = self._new_breeder(), 0

    def replace_helper(self, number: int) -> None:
        """Kill a helper, if it lives, and make another."""
        self._actors.kill(self.helpers[number])
        self._forget(f"evaluator {self.number}.{number}")
        self.helpers[number] = self._new_helper(number)
        self.ages[number] += 1

    def replace(self, what: str) -> None:
        """Replace what `starting` called so."""
        if what.startswith("breeder"):
            self.replace_breeder()
        else:
            self.replace_helper(int(what.rpartition(".")[2]))

    def kill(self) -> None:
        """Kill all its actors."""
        for actor in (self.breeder, *self.helpers):
            self._actors.kill(actor)

    def _forget(self, what: str) -> None:
        self.starting = {ref: name for ref, name in self.starting.items() if name != what}

    def _new_breeder(self) -> Any:
        actor = self._actors.breeder(self._assignment)
        self.starting[actor.ready.remote()] = f"breeder {self.number}"
        return actor

    def _new_helper(self, number: int) -> Any:
        actor = self._actors.helper(self._assignment[number + 1])
        self.starting[actor.ready.remote()] = f"evaluator {self.number}.{number}"
        return actor


def cell_sizes(n_workers: int, n_islands: int, group: int | None = None) -> list[int]:
    """Return the workers of each cell: as many cells as can be busy at once, with the workers shared out evenly.

    >>> cell_sizes(2, 4), cell_sizes(6, 4), cell_sizes(8, 8, group=4), cell_sizes(3, 1)
    ([1, 1], [2, 2, 1, 1], [4, 4], [3])
    """
    most = n_workers if group is None else -(-n_workers // group)
    n_cells = min(most, n_islands)
    each, more = divmod(n_workers, n_cells)
    return [each + (number < more) for number in range(n_cells)]


def sizes_in(n_cpus: int, *, wanted: int, n_islands: int, group: int | None) -> list[int]:
    """Return the workers of each cell where there are `n_cpus` now.

    All that are wanted where each cell is one worker: those that there is no room for wait. Wider cells are made only
    as far as there is room, or none might ever have all of its actors; but every island may have a cell that waits.

    >>> sizes_in(2, wanted=8, n_islands=4, group=None), sizes_in(6, wanted=8, n_islands=4, group=None)
    ([1, 1, 1, 1], [2, 2, 1, 1])
    """
    sizes = cell_sizes(wanted, n_islands, group)
    if max(sizes) == 1:
        return sizes
    room = min(wanted, max(n_cpus, 1))
    sizes = cell_sizes(room, n_islands, min(group, room) if group else None)
    waiting = min(wanted - room, n_islands - len(sizes)) if max(sizes) == 1 else 0
    return sizes + [1] * waiting


def grown(sizes: Sequence[int], n_free: int, *, wanted: int, n_islands: int, group: int | None) -> list[int]:
    """Return the workers that cells of these sizes are to have once `n_free` CPUs have joined: none has fewer.

    >>> grown([1, 1], 6, wanted=8, n_islands=3, group=None), grown([1], 1, wanted=8, n_islands=3, group=None)
    ([3, 3, 2], [1, 1])
    """
    total = min(sum(sizes) + n_free, wanted)
    fair = cell_sizes(total, n_islands, group)
    fair += [0] * (len(sizes) - len(fair))
    after = [max(size, share) for size, share in zip([*sizes, *[0] * (len(fair) - len(sizes))], fair, strict=True)]
    return after if sum(after) <= total else list(sizes)
