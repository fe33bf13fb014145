"""Where a job stands: what the records of its journal add up to, and how fast it goes.

Nothing here draws; `progress`, `health` and `studbook top` do with it what they are for.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cluster.report.numbers import as_number

if TYPE_CHECKING:
    from cluster.journal import Record


@dataclass
class IslandStanding:
    """Where one island stands after its last finished epoch."""

    generation: int = -1
    best: float | None = None
    validation: float | None = None
    diversity: float | None = None
    n_families: int = 0
    species: dict[str, int] = field(default_factory=dict)
    screen: str = ""
    agreement: float | None = None


@dataclass
class Standing:
    """What the records so far add up to."""

    phase: str = "starting"
    objective: str = "objective"
    n_islands: int = 0
    generations: int = 0
    n_births: int = 0
    n_evaluated: int = 0
    n_screened_out: int = 0
    n_repairs: int = 0
    n_quarantined: int = 0
    n_stalls: int = 0
    workers_present: int | None = None
    workers_wanted: int | None = None
    islands: dict[int, IslandStanding] = field(default_factory=dict)
    _n_generations: int = 0

    def take(self, record: "Record") -> None:
        """Add one record; kinds that say nothing about progress are passed over."""
        data = record.data
        if record.kind == "job_created":
            self._begin(data)
        elif record.kind == "resumed":
            self.phase = "breeding"
        elif record.kind == "epoch_finished":
            self._epoch(data)
        elif record.kind == "repair":
            self.n_repairs += 1
        elif record.kind == "quarantined":
            self.n_quarantined += 1
        elif record.kind == "stall":
            self.n_stalls += 1
        elif record.kind == "workers":
            self.workers_present, self.workers_wanted = data["present"], data["wanted"]
        elif record.kind == "candidates_chosen":
            self.phase = "judging the candidates"
        elif record.kind == "lockbox_read":
            self.phase = "reading the lockbox"
        elif record.kind == "interrupted":
            self.phase = "interrupted"
        elif record.kind == "job_finished":
            self.phase = "finished"

    def _begin(self, data: Mapping[str, Any]) -> None:
        breeding = data["config"]["evolution"]
        self.phase = "founding"
        self.n_islands = breeding["islands"]
        self.generations = breeding["generations"]
        self.objective = breeding["objectives"][0]
        self.islands = {island: IslandStanding() for island in range(self.n_islands)}

    def _epoch(self, data: Mapping[str, Any]) -> None:
        island = self.islands.setdefault(data["island"], IslandStanding())
        self._bred(island, (data.get("stats") or [{}])[-1])
        island.validation = as_number((data.get("validation_best") or {}).get("sharpe"))
        self.n_births += data["n_births"]
        self.n_evaluated += data["n_evaluated"]
        self.n_screened_out += data["n_screened_out"]
        for one in data.get("screen") or ():
            agreement = as_number(one.get("mean_agreement"))
            island.screen = "off" if one.get("turned_off") else str(one.get("mode") or "")
            island.agreement = island.agreement if agreement is None else agreement
        done = self.share_done() >= 1.0
        self.phase = "judging the candidates" if done else "breeding"

    def _bred(self, island: IslandStanding, last: Mapping[str, Any]) -> None:
        """Take the figures of an island's last generation."""
        generation = last.get("generation", island.generation)
        self._n_generations += max(generation, 0) - max(island.generation, 0)
        island.generation = generation
        island.best = as_number((last.get("best") or {}).get(self.objective))
        island.diversity = as_number(last.get("gene_spread"))
        island.n_families = last.get("n_families") or 0
        species = last.get("species") or {}
        island.species = {name: round(as_number(one.get("n")) or 0) for name, one in species.items()}

    def generations_done(self) -> int:
        """Return generations bred after the founders, over all islands."""
        return self._n_generations

    def share_done(self) -> float:
        """Return the share of the breeding that is done, 0 to 1."""
        total = self.generations * self.n_islands
        return self.generations_done() / total if total else 0.0

    def best(self) -> IslandStanding | None:
        """Return the island with the best strategy in sample."""
        found = [island for island in self.islands.values() if island.best is not None]
        return max(found, key=lambda island: island.best or 0.0, default=None)


class Stopwatch:
    """Rates and time left, counted from the first look on: what an earlier process did is no speed of ours.

    Starting processes and compiling kernels is none either: `warm` begins the count of rates anew once every island has
    answered, and before that no time left is told.
    """

    def __init__(self, standing: Standing, clock: Callable[[], float] = time.monotonic) -> None:
        self._standing = standing
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Count from now on."""
        self._start = self._clock()
        self.is_warm = False
        self._count()

    def warm(self) -> None:
        """Count rates from now on, the time that went by from the start."""
        self.is_warm = True
        self._count()

    def _count(self) -> None:
        self._since = self._clock()
        self._evaluated = self._standing.n_evaluated
        self._done = self._standing.generations_done()

    def elapsed_s(self) -> float:
        """Return seconds since the start of the count."""
        return self._clock() - self._start

    def evaluations_per_s(self) -> float | None:
        """Return strategies evaluated a second, None before the first."""
        fresh = self._standing.n_evaluated - self._evaluated
        seconds = self._clock() - self._since
        return fresh / seconds if fresh and seconds > 0 else None

    def left_s(self) -> float | None:
        """Return the seconds of breeding that are left at the speed so far, None before it is known."""
        done = self._standing.generations_done() - self._done
        if not done:
            return None
        total = self._standing.generations * self._standing.n_islands
        return (self._clock() - self._since) * (total - self._standing.generations_done()) / done
