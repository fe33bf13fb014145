"""A cluster that exists only in a seed: epochs that are made up, on a network that delays, kills, doubles and loses.

Time is a number that jumps from event to event, so a whole job takes about a millisecond and a million schedules can be
tried. Whatever the seed, the job must come to the same: that is the law that tests hold the job machine and the session
to. Nothing of the product runs on it; `benchmarks/driver_overhead.py` has its epochs answered by it at once.
"""

import hashlib
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from cluster.executor import (
    EpochFailure,
    EpochResult,
    EpochTask,
    Examination,
    ExamineTask,
    Reply,
    from_wire,
    to_wire,
)
from cluster.quarantine import entry_of
from strategies.codec import phenotype_keys
from strategies.genes import N_GENES

Task = TypeVar("Task")


@dataclass(frozen=True)
class Faults:
    """What goes wrong on a simulated network. Chances are those of one epoch; times are in mean epochs.

    Attributes:
        death: chance that the cell it runs in dies, with all that runs there.
        posthumous: of those that died, the share whose answer was under way already and comes all the same.
        silence: chance that there is no answer within `patience`, which is told as a loss.
        late: of the silent ones, the share that answers after all.
        double: chance that an answer comes twice.
        patience: how long an answer is waited for.
        rebuilding: how long a dead cell is away.
        delay: mean time that an answer is under way.
        n_cells: cells, which die as a whole.
        n_places: epochs that a cell runs at the same time; the rest waits.
        together: chance that the next message arrives together with the one before it.
    """

    death: float = 0.1
    posthumous: float = 0.3
    silence: float = 0.05
    late: float = 0.5
    double: float = 0.1
    patience: float = 6.0
    rebuilding: float = 1.0
    delay: float = 0.2
    n_cells: int = 2
    n_places: int = 2
    together: float = 0.3


NO_FAULTS = Faults(death=0.0, silence=0.0, double=0.0, delay=0.0, n_cells=1, n_places=1_000_000, together=0.0)
"""Every epoch is answered once, in the order of how long it took."""


@dataclass(frozen=True)
class Answered(Generic[Task]):
    """The task was done; this may be told more than once, and after its loss was."""

    task: Task


@dataclass(frozen=True)
class Lost(Generic[Task]):
    """The task will not be answered, as far as anyone knows."""

    task: Task
    reason: str


Message = Answered[Task] | Lost[Task]


class SimulatedNetwork(Generic[Task]):
    """Carries tasks to cells and messages back, in an order that is a function of the seed and of what was sent."""

    def __init__(self, seed: int, faults: Faults, is_deadly: Callable[[Task], bool] | None = None) -> None:
        self._rng, self._faults = random.Random(seed), faults  # noqa: S311 - a schedule, not a secret
        self._is_deadly = is_deadly or (lambda _: False)
        self._now, self._waiting = 0.0, deque[Task]()
        self._cells: list[dict[int, Task] | None] = [{} for _ in range(faults.n_cells)]  # None while it is rebuilt
        self._count = itertools.count()
        self._events: list[tuple[float, int, Callable[[], Sequence[Message[Task]]]]] = []

    def send(self, task: Task) -> None:
        """Send a task to whichever cell has room, now or later."""
        self._waiting.append(task)

    def receive(self) -> list[Message[Task]]:
        """Return the next messages, several if they arrive at once; none if nothing is under way."""
        self._begin()
        found: list[Message[Task]] = []
        while self._events and (not found or self._rng.random() < self._faults.together):
            self._now, _, happen = heapq.heappop(self._events)
            found += happen()
            self._begin()
        return found

    def _begin(self) -> None:
        """Start what waits in the cells that have room."""
        room = self._faults.n_places
        while self._waiting:
            free = [number for number, cell in enumerate(self._cells) if cell is not None and len(cell) < room]
            if not free:
                return
            self._run(self._waiting.popleft(), free[int(self._rng.random() * len(free))])

    def _run(self, task: Task, cell: int) -> None:
        number, faults, chance = next(self._count), self._faults, self._rng.random()
        running = self._cells[cell]
        assert running is not None
        running[number] = task
        length = self._time(1.0)
        if chance < faults.death or self._is_deadly(task):
            self._after(length, lambda: self._die(cell, number))
        elif chance < faults.death + faults.silence:
            self._after(faults.patience, lambda: self._fall_silent(cell, number))
        else:
            self._after(length, lambda: self._end(cell, number))

    def _end(self, cell: int, number: int) -> Sequence[Message[Task]]:
        running = self._cells[cell]
        if running is None or number not in running:  # the cell died meanwhile
            return ()
        task = running.pop(number)
        if self._rng.random() < self._faults.double:
            self._deliver(Answered(task), self._time(1.0))
        return self._deliver(Answered(task), self._time(self._faults.delay))

    def _fall_silent(self, cell: int, number: int) -> Sequence[Message[Task]]:
        running = self._cells[cell]
        if running is None or number not in running:
            return ()
        task = running.pop(number)
        if self._rng.random() < self._faults.late:
            self._deliver(Answered(task), self._time(2.0))
        return (Lost(task, "no answer in time"),)

    def _die(self, cell: int, number: int) -> Sequence[Message[Task]]:
        running = self._cells[cell]
        if running is None or number not in running:
            return ()
        self._cells[cell] = None
        self._after(self._faults.rebuilding, lambda: self._rebuild(cell))
        for task in running.values():
            if self._rng.random() < self._faults.posthumous and not self._is_deadly(task):
                self._deliver(Answered(task), self._time(1.0))
        return [Lost(task, f"cell {cell} died") for task in running.values()]

    def _rebuild(self, cell: int) -> Sequence[Message[Task]]:
        self._cells[cell] = {}
        return ()

    def _deliver(self, message: Message[Task], after: float) -> Sequence[Message[Task]]:
        if not after:
            return (message,)
        self._after(after, lambda: (message,))
        return ()

    def _after(self, time: float, happen: Callable[[], Sequence[Message[Task]]]) -> None:
        heapq.heappush(self._events, (self._now + time, next(self._count), happen))

    def _time(self, mean: float) -> float:
        return self._rng.expovariate(1.0) * mean


@dataclass(frozen=True, eq=False)
class Brood:
    """What an epoch evaluates, as far as a poisonous genome is among it.

    Attributes:
        phenotypes: (n, N_GENES) of its genomes.
        poisonous: places of those that kill the cell that evaluates them.
    """

    phenotypes: NDArray[np.float64]
    poisonous: tuple[int, ...]

    @property
    def keys(self) -> frozenset[bytes]:
        """Keys of the poisonous."""
        return frozenset(key.tobytes() for key in phenotype_keys(self.phenotypes[list(self.poisonous)]))


class SimulatedExecutor:
    """An executor on a simulated network; see `cluster.executor.Executor`.

    Args:
        answer: what an epoch gives; called again for each answer, so it must be pure.
        seed: of the schedule.
        faults: how often what goes wrong.
        broods: of the (island, epoch) that evaluate a poisonous genome.
    """

    def __init__(
        self,
        answer: Callable[[EpochTask], EpochResult],
        *,
        seed: int,
        faults: Faults = Faults(),
        broods: Mapping[tuple[int, int], Brood] | None = None,
    ) -> None:
        self._answer, self._seed, self._faults = answer, seed, faults
        self._broods = dict(broods or {})
        self._poison = frozenset[bytes]().union(*(brood.keys for brood in self._broods.values()))
        self.close()

    def submit(self, task: EpochTask | ExamineTask) -> None:
        """Send the task, as bytes."""
        self._network.send((isinstance(task, EpochTask), to_wire(task)))

    def wants(self) -> bool:
        """Return True: a simulated network has room for everything."""
        return True

    def wait(self, timeout_s: float) -> tuple[Reply, ...]:
        """Return what arrives next, at once."""
        del timeout_s
        return tuple(self._reply(message) for message in self._network.receive())

    def close(self) -> None:
        """Forget all that is under way."""
        self._network = SimulatedNetwork[tuple[bool, bytes]](self._seed, self._faults, self._is_deadly)

    def _reply(self, message: Message[tuple[bool, bytes]]) -> Reply:
        task = _task_of(*message.task)
        if isinstance(message, Lost):
            return from_wire(EpochFailure, to_wire(self._failure(task, message.reason)))
        if isinstance(task, EpochTask):
            return from_wire(EpochResult, to_wire(self._answer(task)))
        rows = np.frombuffer(task.suspects, dtype=np.float64).reshape(-1, N_GENES)
        found = (place for place, key in enumerate(phenotype_keys(rows)) if key.tobytes() in self._poison)
        poison = tuple((place, "killed its worker") for place in found)
        return Examination(task.island, task.epoch, poison, task.suspects, task.segment)

    def _failure(self, task: EpochTask | ExamineTask, reason: str) -> EpochFailure:
        brood = self._broods.get((task.island, task.epoch))
        watched = isinstance(task, EpochTask) and task.watched
        suspects = brood.phenotypes.tobytes() if brood is not None and watched else b""
        return EpochFailure(task.island, task.epoch, "cell", reason, suspects, watched=watched)

    def _is_deadly(self, sent: tuple[bool, bytes]) -> bool:
        task = _task_of(*sent)
        brood = self._broods.get((task.island, task.epoch))
        if brood is None or not isinstance(task, EpochTask):
            return False
        return any(entry_of(key, "folds") not in task.quarantine for key in brood.keys)


def _task_of(is_epoch: bool, wire: bytes) -> EpochTask | ExamineTask:
    return from_wire(EpochTask, wire) if is_epoch else from_wire(ExamineTask, wire)


def made_up_epoch(task: EpochTask) -> EpochResult:
    """Return an epoch that is a hash of its inputs: other inputs, other births. Nothing is bred."""
    inputs = hashlib.sha256(f"{task.island} {task.epoch} {task.generations}".encode())
    for part in (task.state, *task.immigrants):
        inputs.update(hashlib.sha256(part).digest())
    state, births, emigrants = (hashlib.sha256(inputs.digest() + kind).digest() for kind in (b"s", b"b", b"e"))
    first = task.epoch * task.generations
    facts: dict[str, Any] = {
        "generations": [first, first + task.generations],
        "n_births": task.generations,
        "n_evaluated": task.generations,
        **dict.fromkeys(("n_screened_out", "n_refined", "n_emigrants"), 0),
        **{name: [] for name in ("templates", "stats", "screen")},
        "validation_best": None,
        "seconds": 0.0,
    }
    return EpochResult(task.island, task.epoch, state, births, emigrants, facts)
