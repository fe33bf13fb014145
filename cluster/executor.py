"""The one seam for parallelism: what an epoch needs, what it gives back, and what may carry it there.

Tasks and replies are frozen values of plain JSON and bytes. They cross the seam as bytes, on Ray and in one process
alike (`to_wire`, `from_wire`), so nothing can be shared by accident and no pickle is involved.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cluster.wire import from_wire, to_wire
from strategies.errors import ClusterError

__all__ = [
    "EpochFailure",
    "EpochResult",
    "EpochTask",
    "Examination",
    "ExamineTask",
    "Executor",
    "Notice",
    "Reply",
    "SessionLost",
    "from_wire",
    "to_wire",
]


@dataclass(frozen=True)
class EpochTask:
    """One epoch of one island: pure data in.

    Attributes:
        island: number of the island.
        epoch: 0 founds the population and breeds `generations` on; later epochs breed on from `state`.
        generations: generations to breed.
        state: packed state at the end of the epoch before; empty for epoch 0.
        immigrants: packed emigrants of the neighbours, in the order they are taken.
        quarantine: what must not be evaluated, see `cluster.quarantine`.
        watched: evaluate in an evaluator of its own, so that a loss tells its suspects.
    """

    island: int
    epoch: int
    generations: int
    state: bytes
    immigrants: tuple[bytes, ...]
    quarantine: tuple[bytes, ...] = ()
    watched: bool = False


@dataclass(frozen=True)
class EpochResult:
    """What an epoch gave.

    Attributes:
        island: number of the island.
        epoch: number of the epoch.
        state: packed state at its end.
        births: packed births, in order.
        emigrants: packed best few of its end, for the neighbours.
        facts: plain JSON for the journal: counts, statistics of each generation, the best individual's validation.
        run: where and how it was run, as plain JSON; nothing of it decides anything.
    """

    island: int
    epoch: int
    state: bytes
    births: bytes
    emigrants: bytes
    facts: Mapping[str, Any]
    run: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EpochFailure:
    """An epoch that will never answer and may be run again.

    Attributes:
        island: number of the island.
        epoch: number of the epoch.
        what: what died, as "breeder 1".
        reason: why.
        suspects: phenotypes (n, N_GENES) that were being evaluated, as bytes; empty where that is not known.
        segment: what they were evaluated on.
        watched: whether the task was.
    """

    island: int
    epoch: int
    what: str
    reason: str
    suspects: bytes = b""
    segment: str = "folds"
    watched: bool = False


@dataclass(frozen=True)
class ExamineTask:
    """Evaluate the suspects of an epoch one by one, each alone; fields as in `EpochFailure`."""

    island: int
    epoch: int
    suspects: bytes
    segment: str


@dataclass(frozen=True)
class Examination:
    """What came of an `ExamineTask`, with its suspects: place among them and reason of each one that is poisonous."""

    island: int
    epoch: int
    poison: tuple[tuple[int, str], ...]
    suspects: bytes = b""
    segment: str = "folds"


@dataclass(frozen=True)
class Notice:
    """Something that happened to the cluster, to be journalled as it is: a kind of record and its data."""

    kind: str
    data: Mapping[str, Any]


Reply = EpochResult | EpochFailure | Examination | Notice


class SessionLost(ClusterError):  # noqa: N818 - what happened, rather than what is wrong
    """Nothing is left of what an executor ran on; a new executor may find or make another."""


class Executor(Protocol):
    """Runs epochs somewhere.

    An implementation must answer every submitted task at least once through `wait`, in any order: with its result, or
    with an `EpochFailure` if what ran it died, in which case the same task may be submitted again at once and must find
    a working place. It may answer a task twice. An `ExamineTask` is answered by an `Examination`, or by an
    `EpochFailure` of its epoch. Bad data and refused settings (a `StudbookError` of the task itself) are raised by
    `wait`, and so is `SessionLost`. Notices come as they come. After `close` nothing it started is running; closing
    twice is nothing.

    A task brings its population along. So epochs that an executor does not want yet are kept as mere numbers by whoever
    submits; an executor must take a task all the same.
    """

    def submit(self, task: EpochTask | ExamineTask) -> None:
        """Take a task and return at once."""
        ...

    def wants(self) -> bool:
        """Return whether another epoch would be of use now; one is, at least, where none is under way or waits."""
        ...

    def wait(self, timeout_s: float) -> tuple[Reply, ...]:
        """Return what has been answered since the last call, waiting up to `timeout_s` for the first."""
        ...

    def close(self) -> None:
        """Stop everything this executor started."""
        ...
