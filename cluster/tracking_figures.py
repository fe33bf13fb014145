"""How a job runs, as metrics and tags: its rate, its queue, its workers, and what had to be mended, all by replay."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cluster.report.numbers import as_number
from cluster.tracking_store import Point

LONGEST_TAG: Final = 400
TAGS_A_KIND: Final = 100
WINDOW_ROUNDS: Final = 2
Told = tuple[list[Point], dict[str, str]]


@dataclass(frozen=True)
class _Done:
    """An epoch that was finished: when, how many it evaluated and bore, how long it waited and ran."""

    at_ms: int
    n_evaluated: int
    n_births: int
    waited_s: float
    seconds: float


@dataclass
class Figures:
    """Counts and rates so far. Steps are the numbers of the journal's records, so that they grow over all sessions."""

    counts: dict[str, int] = field(default_factory=dict)
    recent: deque[_Done] = field(default_factory=deque)

    def epoch(self, data: Mapping[str, Any], *, n: int, at_ms: int, n_islands: int) -> list[Point]:
        """Return what a finished epoch says of the island's pace and, over the last two rounds, of the job's."""
        waited_s, seconds = as_number(data.get("waited_s")), as_number(data.get("seconds")) or 0.0
        done = _Done(at_ms, int(data["n_evaluated"]), int(data["n_births"]), waited_s or 0.0, seconds)
        self.recent.append(done)
        while len(self.recent) > WINDOW_ROUNDS * n_islands + 1:
            self.recent.popleft()
        where = f"island_{data['island']}"
        values = {f"{where}/seconds": seconds, f"{where}/waited_s": waited_s, **self._rates()}
        return [Point(name, value, at_ms, n) for name, value in values.items() if value is not None]

    def _rates(self) -> dict[str, float]:
        """Evaluations and births a second, and the share of time that epochs wait for a worker."""
        first, *later = self.recent
        span_s = (self.recent[-1].at_ms - first.at_ms) / 1000
        busy = sum(done.waited_s + done.seconds for done in self.recent)
        rates = {"job/waiting_share": sum(done.waited_s for done in self.recent) / busy} if busy > 0 else {}
        if span_s > 0:
            rates["job/evaluated_per_s"] = sum(done.n_evaluated for done in later) / span_s
            rates["job/births_per_s"] = sum(done.n_births for done in later) / span_s
        return rates

    def pause(self) -> None:
        """Begin the rates anew: the time until the next session is nobody's work."""
        self.recent.clear()

    def repair(self, data: Mapping[str, Any], *, n: int, at_ms: int) -> Told:
        """Return what a repair says."""
        what, action = data.get("what", ""), data.get("action", "")
        text = f"{what}: {data.get('reason', '')}{f' -> {action}' if action else ''}"
        return self._counted("repair", "repairs", text, name=str(n), n=n, at_ms=at_ms)

    def quarantined(self, data: Mapping[str, Any], *, n: int, at_ms: int) -> Told:
        """Return what the putting aside of a strategy says."""
        text = f"{data.get('reason', '')}: {data.get('text', '')}"
        name = str(data.get("id") or data.get("key") or n)
        return self._counted("quarantined", "quarantined", text, name=name, n=n, at_ms=at_ms)

    def stall(self, data: Mapping[str, Any], *, n: int, at_ms: int) -> Told:
        """Return what a slow epoch says."""
        where, waited_s = data.get("island"), as_number(data.get("waited_s"))
        text = f"island {where}, epoch {data.get('epoch')}: {waited_s} s, usually {data.get('typical_s')} s"
        points, tags = self._counted("stall", "stalls", text, name=str(n), n=n, at_ms=at_ms)
        if waited_s is not None:
            points.append(Point(f"island_{where}/stalled_s", waited_s, at_ms, n))
        return points, tags

    def workers(self, data: Mapping[str, Any], *, n: int, at_ms: int) -> Told:
        """Return how many work, and how many should."""
        numbers = {"job/workers": data.get("present"), "job/workers_wanted": data.get("wanted")}
        found = ((name, as_number(value)) for name, value in numbers.items())
        return [Point(name, value, at_ms, n) for name, value in found if value is not None], {}

    def _counted(self, kind: str, plural: str, text: str, *, name: str, n: int, at_ms: int) -> Told:
        """One more of a kind: its count, and its story as a tag, for the first hundred."""
        count = self.counts[plural] = self.counts.get(plural, 0) + 1
        tags = {f"studbook.n_{plural}": str(count)}
        if count <= TAGS_A_KIND:
            tags[f"studbook.{kind}.{name}"] = text[:LONGEST_TAG]
        return [Point(f"job/{plural}", float(count), at_ms, n)], tags
