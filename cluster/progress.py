"""Progress of a job as an observer of its journal: a live panel on a terminal, an occasional line elsewhere.

Everything is written to stderr. `Standing` is what the records so far add up to; the displays only draw it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from cluster.report.numbers import NOTHING, as_number, count, duration

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from cluster.journal import Record

LINE_EVERY_S = 5.0
FRAMES_A_SECOND = 4
BAR_WIDTH = 28


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
    islands: dict[int, IslandStanding] = field(default_factory=dict)

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
        last = data["stats"][-1]
        island.generation = last["generation"]
        island.best = as_number((last["best"] or {}).get(self.objective))
        island.validation = as_number((data.get("validation_best") or {}).get("sharpe"))
        island.diversity = as_number(last["gene_spread"])
        island.n_families = last["n_families"]
        island.species = {name: one["n"] for name, one in last["species"].items()}
        self.n_births += data["n_births"]
        self.n_evaluated += data["n_evaluated"]
        self.n_screened_out += data["n_screened_out"]
        for one in data["screen"]:
            island.screen = "off" if one["turned_off"] else one["mode"]
            island.agreement = island.agreement if one["mean_agreement"] is None else one["mean_agreement"]
        done = self.share_done() >= 1.0
        self.phase = "judging the candidates" if done else "breeding"

    def generations_done(self) -> int:
        """Return generations bred after the founders, over all islands."""
        return sum(max(island.generation, 0) for island in self.islands.values())

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


def headline(standing: Standing, watch: Stopwatch) -> str:
    """Return the standing in one line."""
    parts = (pace(standing, watch), merit(standing), species(standing), screening(standing))
    return "; ".join(part for part in parts if part)


def pace(standing: Standing, watch: Stopwatch) -> str:
    """Return phase, generation, evaluations a second and time left."""
    if not standing.generations:
        return standing.phase
    generation = min((max(island.generation, 0) for island in standing.islands.values()), default=0)
    parts = [f"{standing.phase}: generation {generation}/{standing.generations}"]
    rate = watch.evaluations_per_s()
    parts.append(f"{standing.n_evaluated:,} evaluated" + (f" ({rate:,.0f}/s)" if rate is not None else ""))
    left = watch.left_s()
    if left is not None and watch.is_warm and standing.phase == "breeding":
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


def merit(standing: Standing) -> str:
    """Return the best in sample, how it does on validation bars, and the diversity; empty before the first epoch."""
    best = standing.best()
    if best is None:
        return ""
    figures = f"best {standing.objective} {shown(best.best)}, its validation Sharpe {shown(best.validation)}"
    return f"{figures}, diversity {shown(best.diversity)}"


def species(standing: Standing) -> str:
    """Return the share of each species in all populations, such as "ta 46 % ml 41 % hybrid 13 %".

    Empty before the first epoch, and where there is but one.
    """
    counts: dict[str, int] = {}
    for island in standing.islands.values():
        for name, n in island.species.items():
            counts[name] = counts.get(name, 0) + n
    total = sum(counts.values())
    if max(counts.values(), default=0) == total:
        return ""
    return " ".join(f"{name} {100 * n / total:.0f} %" for name, n in counts.items())


def screening(standing: Standing) -> str:
    """Return on how many islands the screen is on, how well it ranks, what it sorted out; empty where there is none."""
    screened = [island for island in standing.islands.values() if island.screen]
    if not screened:
        return ""
    n_on = sum(island.screen == "on" for island in screened)
    agreements = [island.agreement for island in screened if island.agreement is not None]
    share = standing.n_screened_out / max(standing.n_evaluated, 1)
    lowest = f"lowest rank agreement {shown(min(agreements, default=None))}"
    return f"screen on for {n_on} of {count(len(screened), 'island')}, {lowest}, {share:.0%} screened out"


def shown(value: float | None) -> str:
    """Return a figure with two decimals, a dash for none."""
    return NOTHING if value is None else f"{value:.2f}"


class Progress:
    """An observer that shows progress on `console` (stderr), and a context manager around the run."""

    def __init__(self, console: "Console", *, clock: Callable[[], float] = time.monotonic) -> None:
        self.standing = Standing()
        self.watch = Stopwatch(self.standing, clock)
        self._console = console
        self._clock = clock
        self._said_at = clock()
        self._phase = ""
        self._screens: list[str] = []
        self._answered: set[int] = set()
        self._live: Any = None

    def __enter__(self) -> Self:
        """Begin to show, on a terminal."""
        if self._console.is_terminal:
            from rich.live import Live

            self._live = Live(
                get_renderable=self._panel, console=self._console, refresh_per_second=FRAMES_A_SECOND, transient=True
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        """Show what is being done now, such as what takes long at the start."""
        self.standing.phase = text
        if self._live is None:
            self._console.print(text)
            self._phase = text

    def __call__(self, record: "Record") -> None:
        """Take one journal record."""
        self.standing.take(record)
        if record.kind in ("job_created", "resumed"):
            self.watch.restart()
        elif record.kind == "epoch_finished" and not self.watch.is_warm:
            self._answered.add(record.data["island"])
            if len(self._answered) == self.standing.n_islands:
                self.watch.warm()
        if self._live is None:
            self._line()

    def prime(self, records: "tuple[Record, ...]") -> None:
        """Take the records of an earlier process, before a resume, without showing them."""
        for record in records:
            self.standing.take(record)
        self.watch.restart()

    def _line(self) -> None:
        """Print a line when the phase or a screen changed or some seconds went by."""
        screens = [island.screen for island in self.standing.islands.values() if island.screen]
        changed = self.standing.phase != self._phase or screens != self._screens
        if changed or self._clock() - self._said_at >= LINE_EVERY_S:
            self._said_at, self._phase, self._screens = self._clock(), self.standing.phase, screens
            self._console.print(headline(self.standing, self.watch), soft_wrap=True)

    def _panel(self) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bar = Table.grid(padding=(0, 1))
        share = self.standing.share_done()
        pulse = self.standing.n_islands == 0 or self.standing.phase.startswith(("judging", "reading"))
        bar.add_row(
            ProgressBar(total=1.0, completed=share, width=BAR_WIDTH, pulse=pulse),
            f"{share:4.0%}",
            Text(f"{duration(self.watch.elapsed_s())} so far", style="dim"),
        )
        parts: list[RenderableType] = [bar, Text(pace(self.standing, self.watch), style="bold")]
        lines = (merit(self.standing), species(self.standing), screening(self.standing))
        parts += [Text(line) for line in lines if line]
        if any(island.generation >= 0 for island in self.standing.islands.values()):
            parts.append(self._island_table())
        return Group(*parts)

    def _island_table(self) -> "RenderableType":
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for title in ("Island", "Generation", f"Best {self.standing.objective}", "Validation", "Diversity", "Families"):
            table.add_column(title, justify="right")
        for number, island in sorted(self.standing.islands.items()):
            figures = [shown(value) for value in (island.best, island.validation, island.diversity)]
            table.add_row(str(number), str(max(island.generation, 0)), *figures, str(island.n_families))
        return table
