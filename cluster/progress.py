"""Progress of a job as an observer of its journal: a live panel on a terminal, an occasional line elsewhere.

Everything is written to stderr. What the records so far add up to is a `Standing`; the displays only draw it. Whatever
broke or was mended is told when it happens.
"""

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from cluster.happenings import sentence_of
from cluster.report.numbers import NOTHING, count, duration
from cluster.standing import Standing, Stopwatch

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from cluster.journal import Record

LINE_EVERY_S = 5.0
FRAMES_A_SECOND = 4
BAR_WIDTH = 28
TOLD = 4
TOLD_AT_ONCE = frozenset({"repair", "quarantined", "stall", "workers"})


def headline(standing: Standing, watch: Stopwatch) -> str:
    """Return the standing in one line."""
    parts = (pace(standing, watch), merit(standing), species(standing), screening(standing), troubles(standing))
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


def troubles(standing: Standing) -> str:
    """Return what broke, stalled or is missing, such as "2 repairs, 3 of 4 workers"; empty where all is well."""
    counted = (
        (standing.n_repairs, "repair"),
        (standing.n_quarantined, "strategy put aside", "strategies put aside"),
        (standing.n_stalls, "stall"),
    )
    parts = [count(*words) for words in counted if words[0]]
    present, wanted = standing.workers_present, standing.workers_wanted
    if present is not None and wanted is not None and present < wanted:
        parts.append(f"{present} of {wanted} workers")
    return ", ".join(parts)


def shown(value: float | None) -> str:
    """Return a figure with two decimals, a dash for none."""
    return NOTHING if value is None else f"{value:.2f}"


class Progress:
    """An observer that shows progress on `console` (stderr), and a context manager around the run.

    A quiet one keeps count and shows nothing, where something else tells the story.
    """

    def __init__(self, console: "Console", *, clock: Callable[[], float] = time.monotonic, quiet: bool = False) -> None:
        self.standing = Standing()
        self.watch = Stopwatch(self.standing, clock)
        self._console = console
        self._quiet = quiet
        self._clock = clock
        self._said_at = clock()
        self._phase = ""
        self._screens: list[str] = []
        self._answered: set[int] = set()
        self._told: deque[str] = deque(maxlen=TOLD)
        self._live: Any = None

    def __enter__(self) -> Self:
        """Begin to show, on a terminal."""
        if self._console.is_terminal and not self._quiet:
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
        if self._live is None and not self._quiet:
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
        if self._quiet:
            return
        self._tell(record)
        if self._live is None:
            self._line()

    def _tell(self, record: "Record") -> None:
        """Say at once what broke and what was done about it."""
        sentence = sentence_of(record) if record.kind in TOLD_AT_ONCE else ""
        if sentence and self._live is None:
            self._console.print(sentence, soft_wrap=True)
        elif sentence:
            self._told.append(f"{record.at[11:19]}  {sentence}")

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
        parts += [Text(line, style="yellow") for line in (troubles(self.standing), *self._told) if line]
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
