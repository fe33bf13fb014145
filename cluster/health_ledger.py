"""Health from a journal: a ledger that takes records and says where things are at a given instant.

Pure: nothing here reads a clock or a file. It grows with islands and nodes, not with epochs, so that a watcher can
follow a long job for days.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from cluster.happenings import TROUBLES, kind_of, place_of, sentence_of
from cluster.health import BREEDING, DONE, FOUNDING, REPAIRING, STALLED, Happening, IslandHealth, JobHealth
from cluster.report.numbers import as_number
from cluster.standing import IslandStanding, Standing

if TYPE_CHECKING:
    from cluster.journal import Record

RECENT_EPOCHS: Final = 5
TREND_GENERATIONS: Final = 10
RECENT_OF_JOB: Final = 20
HAPPENINGS_KEPT: Final = 50


@dataclass
class _Island:
    """What is kept of one island between records."""

    epoch: int = -1
    last_at: str = ""
    host: str = ""
    record_best: float | None = None
    record_generation: int = 0
    spreads: deque[float] = field(default_factory=lambda: deque(maxlen=TREND_GENERATIONS + 1))
    recent: deque[tuple[int, int, float]] = field(default_factory=lambda: deque(maxlen=RECENT_EPOCHS))
    waited_s: float = 0.0
    told_s: float = 0.0
    stalled_epoch: int = -1
    lost_epoch: int = -1
    n_of: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Mark:
    """The counts of the job at an instant."""

    at: datetime
    n_births: int
    n_evaluated: int
    n_generations: int


class HealthLedger:
    """What the records so far say of a job's health; it grows with islands and nodes, not with epochs."""

    def __init__(self) -> None:
        self.standing = Standing()
        self.n_epochs = 0
        self.repairs: Counter[str] = Counter()
        self.hosts: Counter[str] = Counter()
        self._islands: dict[int, _Island] = {}
        self._workers_reason = ""
        self._waited_s, self._told_s = 0.0, 0.0
        self._marks: deque[_Mark] = deque(maxlen=RECENT_OF_JOB)
        self._happenings: deque[Happening] = deque(maxlen=HAPPENINGS_KEPT)
        self._last_at = ""

    def take(self, record: "Record") -> None:
        """Add one record; kinds that it does not know are passed over."""
        self.standing.take(record)
        self._last_at = record.at
        if record.kind == "job_created":
            self._begin()
        elif record.kind == "epoch_finished":
            self._epoch(record.data, record.at)
        else:
            self._happening(record)

    def health(self, now: datetime | None = None, *, only: Iterable[int] | None = None) -> JobHealth:
        """Return how the job is at the instant `now`; None is when its last record was written.

        `only` names the islands that are wanted (None: all), for who asks after every record.
        """
        standing = self.standing
        births, evaluated, generations = self._speeds(now)
        return JobHealth(
            phase=standing.phase,
            objective=standing.objective,
            generations=standing.generations,
            share_done=standing.share_done(),
            n_epochs=self.n_epochs,
            n_births=standing.n_births,
            n_evaluated=standing.n_evaluated,
            births_per_s=births,
            evaluated_per_s=evaluated,
            left_s=self._left_s(generations),
            workers_present=standing.workers_present,
            workers_wanted=standing.workers_wanted,
            workers_reason=self._workers_reason,
            repairs=dict(sorted(self.repairs.items())),
            n_repairs=standing.n_repairs,
            n_quarantined=standing.n_quarantined,
            n_stalls=standing.n_stalls,
            waiting_share=_share(self._waited_s, self._told_s),
            hosts=dict(sorted(self.hosts.items())),
            last_at=self._last_at,
            islands=tuple(self._island(number) for number in (sorted(self._islands) if only is None else only)),
            happenings=tuple(self._happenings),
        )

    def _island(self, number: int) -> IslandHealth:
        island, standing = self._islands[number], self.standing.islands.get(number, IslandStanding())
        done = self.standing.phase == "finished" or standing.generation >= self.standing.generations
        return _island_health(number, island, standing, DONE if done else _state(island, standing.generation))

    def _begin(self) -> None:
        self._islands = {number: _Island() for number in range(self.standing.n_islands)}
        self._marks = deque(maxlen=max(RECENT_OF_JOB, 2 * self.standing.n_islands))

    def _epoch(self, data: Mapping[str, Any], at: str) -> None:
        island = self._islands.setdefault(data["island"], _Island())
        self.n_epochs += 1
        island.epoch, island.last_at = data["epoch"], at
        _improve(island, data.get("stats") or (), self.standing.objective)
        self._spend(island, data)
        if data.get("host"):
            island.host = str(data["host"])
            self.hosts[island.host] += 1
        self._mark(at)

    def _spend(self, island: _Island, data: Mapping[str, Any]) -> None:
        """Add the time of an epoch; one of an older journal does not say how long it waited."""
        busy, waited = as_number(data.get("seconds")) or 0.0, as_number(data.get("waited_s"))
        island.recent.append((data["n_births"], data["n_evaluated"], busy + (waited or 0.0)))
        if waited is not None:
            island.waited_s, island.told_s = island.waited_s + waited, island.told_s + waited + busy
            self._waited_s, self._told_s = self._waited_s + waited, self._told_s + waited + busy

    def _mark(self, at: str) -> None:
        standing = self.standing
        counts = (standing.n_births, standing.n_evaluated, standing.generations_done())
        self._marks.append(_Mark(datetime.fromisoformat(at), *counts))

    def _happening(self, record: "Record") -> None:
        data, text = record.data, sentence_of(record)
        if text:
            self._happenings.append(Happening(record.at, record.kind, place_of(data), text))
        if record.kind == "repair":
            self.repairs[kind_of(data)] += 1
        elif record.kind == "workers":
            self._workers_reason = str(data.get("reason") or "")
        elif record.kind == "resumed":
            self._marks.clear()
        self._hit(record.kind, data)

    def _hit(self, kind: str, data: Mapping[str, Any]) -> None:
        """Note what trouble one island had; of other kinds nobody has checked what they say of islands."""
        if kind not in TROUBLES:
            return
        island = self._islands.get(data["island"]) if data.get("island") is not None else None
        if island is None:
            return
        island.n_of[kind] += 1
        if kind == "stall":
            island.stalled_epoch = data["epoch"]
        elif kind == "repair" and data.get("epoch") is not None:
            island.lost_epoch = data["epoch"]

    def _speeds(self, now: datetime | None) -> tuple[float | None, float | None, float | None]:
        """Births, evaluations and generations a second, by the clock."""
        if len(self._marks) < 2:
            return None, None, None
        first, last = self._marks[0], self._marks[-1]
        running = now is not None and self.standing.phase == BREEDING
        seconds = ((max(now, last.at) if running and now else last.at) - first.at).total_seconds()
        if seconds <= 0.0:
            return None, None, None
        births, evaluated = last.n_births - first.n_births, last.n_evaluated - first.n_evaluated
        return births / seconds, evaluated / seconds, (last.n_generations - first.n_generations) / seconds

    def _left_s(self, speed: float | None) -> float | None:
        standing = self.standing
        if not speed or standing.phase != BREEDING:
            return None
        return (standing.generations * standing.n_islands - standing.generations_done()) / speed


def health_of(records: Iterable["Record"], now: datetime | None = None) -> JobHealth:
    """Return how the job of these records is, at the instant `now` or when the last of them was written."""
    ledger = HealthLedger()
    for record in records:
        ledger.take(record)
    return ledger.health(now)


def _improve(island: _Island, generations: Iterable[Mapping[str, Any]], objective: str) -> None:
    """Add the generations of an epoch to what is kept of its island."""
    for stats in generations:
        spread, best = as_number(stats.get("gene_spread")), as_number((stats.get("best") or {}).get(objective))
        if spread is not None:
            island.spreads.append(spread)
        if best is not None and (island.record_best is None or best > island.record_best):
            island.record_best, island.record_generation = best, stats.get("generation", 0)


def _island_health(number: int, island: _Island, standing: IslandStanding, state: str) -> IslandHealth:
    births, evaluated, seconds = (sum(column) for column in zip((0, 0, 0.0), *island.recent, strict=True))
    spreads = island.spreads
    return IslandHealth(
        island=number,
        state=state,
        generation=standing.generation,
        epoch=island.epoch,
        births_per_s=births / seconds if seconds else None,
        evaluated_per_s=evaluated / seconds if seconds else None,
        best=standing.best,
        validation=standing.validation,
        since_best=max(standing.generation - island.record_generation, 0) if standing.generation >= 0 else None,
        diversity=standing.diversity,
        diversity_change=spreads[-1] - spreads[0] if len(spreads) > 1 else None,
        n_families=standing.n_families,
        waiting_share=_share(island.waited_s, island.told_s),
        host=island.host,
        n_repairs=island.n_of["repair"],
        n_stalls=island.n_of["stall"],
        n_quarantined=island.n_of["quarantined"],
        last_at=island.last_at,
    )


def _state(island: _Island, generation: int) -> str:
    if island.lost_epoch > island.epoch:
        return REPAIRING
    if island.stalled_epoch > island.epoch:
        return STALLED
    return BREEDING if generation >= 0 else FOUNDING


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
