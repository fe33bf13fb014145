"""How well a job runs, in numbers: speed, diversity, stalls, repairs and workers, a job and an island.

Frozen values; `health_ledger` makes them from the records of a journal. What an island did is measured in its own
seconds (breeding and waiting in the driver's queue), so that pauses between sessions do not matter; what the job does
is measured by the clock over the last epochs of this session.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

FOUNDING, BREEDING, DONE = "founding", "breeding", "done"
STALLED, REPAIRING = "stalled", "repairing"
TROUBLED: Final = (STALLED, REPAIRING)


@dataclass(frozen=True)
class Happening:
    """Something out of the ordinary: when, what kind of record, where, and a sentence."""

    at: str
    kind: str
    place: str
    text: str


@dataclass(frozen=True)
class IslandHealth:
    """How one island is.

    Attributes:
        island: its number.
        state: "founding", "breeding", "stalled", "repairing" (an epoch was lost and is not back yet) or "done".
        generation: last one bred; -1 before the founders.
        epoch: last one finished; -1 before the first.
        births_per_s: over its last epochs, in seconds of breeding and waiting; None before the first.
        evaluated_per_s: likewise.
        best: best first objective of its last generation.
        validation: Sharpe on validation bars of its best.
        since_best: generations since its best improved; None before the founders.
        diversity: spread of its genes now.
        diversity_change: of these, against ten generations ago or the first; None before the second generation.
        n_families: founders with living descendants.
        waiting_share: share of its time in the driver's queue; None where the journal does not say.
        host: node that bred its last epoch; empty where the journal does not say.
        n_repairs: losses that hit it.
        n_stalls: epochs that took much longer than usual.
        n_quarantined: strategies of it that were put aside.
        last_at: when its last epoch was journalled; empty before the first.
    """

    island: int
    state: str
    generation: int
    epoch: int
    births_per_s: float | None
    evaluated_per_s: float | None
    best: float | None
    validation: float | None
    since_best: int | None
    diversity: float | None
    diversity_change: float | None
    n_families: int
    waiting_share: float | None
    host: str
    n_repairs: int
    n_stalls: int
    n_quarantined: int
    last_at: str


@dataclass(frozen=True)
class JobHealth:
    """How a job is.

    Attributes:
        phase: what it does now, in words.
        objective: the first one, which "best" is about.
        generations: to be bred by each island.
        share_done: of the breeding, 0 to 1.
        n_epochs: finished.
        n_births: of these.
        n_evaluated: of these.
        births_per_s: over the last epochs of this session, by the clock; None before the second.
        evaluated_per_s: likewise.
        left_s: seconds of breeding left at that speed; None when unknown or when nothing is being bred.
        workers_present: evaluators at work; None where the journal does not say.
        workers_wanted: evaluators asked for, likewise.
        workers_reason: why that last changed.
        repairs: how many, by what was lost ("breeder", "evaluator", "cell", "session", "node").
        n_repairs: in all.
        n_quarantined: strategies put aside.
        n_stalls: epochs that took much longer than usual.
        waiting_share: share of the islands' time in the driver's queue; None where the journal does not say.
        hosts: epochs bred, by node.
        last_at: when its last record was written.
        islands: each of them, by number.
        happenings: the last ones, oldest first.
    """

    phase: str
    objective: str
    generations: int
    share_done: float
    n_epochs: int
    n_births: int
    n_evaluated: int
    births_per_s: float | None
    evaluated_per_s: float | None
    left_s: float | None
    workers_present: int | None
    workers_wanted: int | None
    workers_reason: str
    repairs: Mapping[str, int]
    n_repairs: int
    n_quarantined: int
    n_stalls: int
    waiting_share: float | None
    hosts: Mapping[str, int]
    last_at: str
    islands: tuple[IslandHealth, ...]
    happenings: tuple[Happening, ...]

    @property
    def is_quiet(self) -> bool:
        """Whether nothing broke, stalled or was put aside."""
        return not (self.n_repairs or self.n_quarantined or self.n_stalls)


def health_document(health: JobHealth) -> dict[str, Any]:
    """Return a job's health as plain JSON values."""
    return asdict(health)
