"""What `studbook top` looks at and draws: a job that any process or machine may be running, from its journal's tail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cluster.happenings import TROUBLES
from cluster.health import TROUBLED, Happening, IslandHealth, JobHealth, health_document
from cluster.health_ledger import HealthLedger
from cluster.journal import Record, is_being_written
from cluster.journal_tail import JournalTail
from cluster.record_forms import check_records
from cluster.report.numbers import count, duration, island_cells
from cluster.run_folder import journal_path
from cluster.tables import STATUS_STYLES, plain_table
from cluster.view import FINISHED, INTERRUPTED, RUNNING, view_of, written_out

BAR_WIDTH: Final = 28
SHOWN_HAPPENINGS: Final = 6
FRAME_LINES: Final = 9  # around the rows of islands
STATE_STYLES: Final = {"stalled": "bold yellow", "repairing": "bold red", "done": "green", "breeding": ""}
COLUMNS: Final = (
    *("Island", "State", "Gen", "Best", "Valid.", "Since", "Diversity", "Trend", "Births/s", "Eval/s"),
    *("Waiting", "Lost", "Aside", "Host"),
)
LATE_S: Final = 60.0


@dataclass(frozen=True)
class Sight:
    """A job at one instant.

    Attributes:
        job: its id.
        status: "running" (a driver holds the journal), "interrupted" or "finished".
        at: the instant.
        age_s: seconds since its last record was written, by the clocks of writer and watcher.
        health: how it is.
    """

    job: str
    status: str
    at: datetime
    age_s: float
    health: JobHealth


class JobWatch:
    """Follows one job: each look reads what its journal has gained, and no more.

    Args:
        run_dir: its folder.
    """

    def __init__(self, run_dir: Path) -> None:
        self.job = run_dir.resolve().name
        self._path = journal_path(run_dir)
        self._tail = JournalTail(self._path)
        self._ledger = HealthLedger()

    def look(self, now: datetime | None = None) -> Sight:
        """Return the job at the instant `now`; None asks the clock.

        Raises:
            JournalError: its journal is missing or damaged.
        """
        writing = is_being_written(self._path)
        for record in self._sound(self._tail.read()):
            self._ledger.take(record)
        at = now or datetime.now(UTC)
        status = FINISHED if self._ledger.standing.phase == "finished" else RUNNING if writing else INTERRUPTED
        health = self._ledger.health(at if status == RUNNING else None)
        age_s = max((at - datetime.fromisoformat(health.last_at)).total_seconds(), 0.0)
        return Sight(self.job, status, at, age_s, health)

    def _sound(self, fresh: Sequence[Record]) -> Sequence[Record]:
        """The fresh records, checked as those of a job that is read as a whole are."""
        if fresh and fresh[0].n == 0:
            view = view_of(self._path.parent, fresh)
            return (written_out(fresh[0], view.config), *fresh[1:])
        check_records(fresh, self._path)
        return fresh


def sight_document(sight: Sight) -> dict[str, Any]:
    """Return a sight as plain JSON values."""
    facts = {"job": sight.job, "status": sight.status, "at": sight.at.isoformat(timespec="milliseconds")}
    return {**facts, "age_s": round(sight.age_s, 3), **health_document(sight.health)}


def drawn(sight: Sight, *, height: int | None = None) -> RenderableType:
    """Return the picture of a sight, at most `height` lines high (None: as high as it is)."""
    health = sight.health
    last = health.happenings[-SHOWN_HAPPENINGS:]
    room = None if height is None else max(height - FRAME_LINES - len(last), 3)
    parts: list[RenderableType] = [_title(sight), _bar(sight), Text(troubles(health))]
    if health.islands:
        rows, hidden = in_view(health.islands, room)
        parts.append(_island_table(rows))
        parts += [Text(f"{count(hidden, 'more island')}; the window is too low for all", style="dim")] if hidden else []
    parts += [_line(one, whole=height is None) for one in last]
    return Group(*parts)


def in_view(islands: Sequence[IslandHealth], room: int | None) -> tuple[list[IslandHealth], int]:
    """Return the islands that `room` rows can show and how many they leave out: troubled ones stay, then the first."""
    if room is None or len(islands) <= room:
        return list(islands), 0
    chosen = sorted(islands, key=lambda island: (island.state not in TROUBLED, island.island))[: room - 1]
    return sorted(chosen, key=lambda island: island.island), len(islands) - len(chosen)


def troubles(health: JobHealth) -> str:
    """Return workers, repairs by kind, stalls, strategies put aside and waiting in one line."""
    parts = []
    if health.workers_present is not None:
        reason = f" ({health.workers_reason})" if health.workers_reason else ""
        parts.append(f"workers {health.workers_present} of {health.workers_wanted}{reason}")
    kinds = ", ".join(count(n, kind) for kind, n in health.repairs.items())
    parts.append(count(health.n_repairs, "repair") + (f" ({kinds})" if kinds else ""))
    parts.append(count(health.n_stalls, "stall"))
    parts.append(f"{health.n_quarantined} put aside")
    if health.waiting_share is not None:
        parts.append(f"waiting {health.waiting_share:.0%}")
    if len(health.hosts) > 1:
        parts.append(count(len(health.hosts), "host"))
    return " · ".join(parts)


def pace(health: JobHealth, *, going: bool) -> str:
    """Return generation and evaluations in one line; of a job that is going its speed and time left too."""
    behind = min((max(island.generation, 0) for island in health.islands), default=0)
    parts = [f"generation {behind}/{health.generations}", f"{health.n_evaluated:,} evaluated"]
    if going and health.evaluated_per_s is not None:
        parts.append(f"{health.evaluated_per_s:,.0f}/s")
    if going and health.left_s is not None:
        parts.append(f"{duration(health.left_s)} left")
    return " · ".join(parts)


def _title(sight: Sight) -> Text:
    title = Text(sight.job, style="bold")
    title.append(f"  {sight.health.phase}")
    if sight.status not in sight.health.phase:
        title.append(f"  {sight.status}", style=STATUS_STYLES.get(sight.status, ""))
    late = sight.status == RUNNING and sight.age_s > LATE_S
    return title.append(f"  last record {duration(sight.age_s)} ago", style="yellow" if late else "dim")


def _bar(sight: Sight) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    health, share = sight.health, sight.health.share_done
    grid.add_row(
        ProgressBar(total=1.0, completed=share, width=BAR_WIDTH),
        f"{share:4.0%}",
        Text(pace(health, going=sight.status == RUNNING)),
    )
    return grid


def _island_table(islands: Sequence[IslandHealth]) -> Table:
    table = plain_table(*COLUMNS, numeric_from=2)
    table.columns[-1].justify = "left"
    for island in islands:
        state = Text(island.state, style=STATE_STYLES.get(island.state, "dim"))
        number, *cells = island_cells(island)
        table.add_row(number, state, *cells)
    return table


def _line(one: Happening, *, whole: bool) -> Text:
    style = "yellow" if one.kind in TROUBLES else "dim"
    return Text(
        f"{one.at[11:19]}  {one.text}", style=style, overflow="fold" if whole else "ellipsis", no_wrap=not whole
    )
