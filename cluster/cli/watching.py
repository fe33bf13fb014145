"""Watching a job: `studbook top`, and the observers of every job that the command line runs itself."""

import contextlib
import os
import select
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli.app import command
from cluster.cli.options import RUNS, JobName, JsonFlag, RunsRoot, reply_of
from cluster.cli.reply import console_on

if TYPE_CHECKING:
    from rich.console import Console

    from cluster.journal import Record
    from cluster.progress import Progress
    from cluster.top import JobWatch

QUIT = frozenset(b"qQ\x03\x04")
Once = Annotated[bool, typer.Option("--once", help="Show it once, and end.")]
Every = Annotated[float, typer.Option("--every", min=0.1, max=3600.0, help="Seconds between two looks.")]
LogJson = Annotated[
    bool,
    typer.Option("--log-json", envvar="STUDBOOK_LOG_JSON", help="Tell progress as JSON lines on stderr."),
]


@command()
def top(
    context: typer.Context,
    job: JobName = "latest",
    once: Once = False,
    every: Every = 1.0,
    root: RunsRoot = RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Watch a job: its islands, speed, workers, and what broke.

    Reads the journal alone, so the job may run anywhere. `q` or Ctrl-C leaves; the job goes on. Off a terminal, and
    with --json, it shows the job once.

    Examples:
      studbook top
      studbook top latest --once --json
    """
    from cluster.top import JobWatch, drawn, sight_document
    from cluster.view import find_folder

    reply = reply_of(context, as_json=as_json)
    watch = JobWatch(find_folder(root, job))
    console = reply.console()
    if not (once or reply.as_json) and console.is_terminal:
        with contextlib.suppress(KeyboardInterrupt):
            _follow(watch, console, every)
    sight = watch.look()
    reply.give(sight_document(sight), lambda page: page.print(drawn(sight)))


def _follow(watch: "JobWatch", console: "Console", every_s: float) -> None:
    """Draw the job on the whole screen until it is finished or somebody leaves."""
    from rich.live import Live

    from cluster.top import drawn

    sight = watch.look()
    with _keys(), Live(console=console, screen=True, auto_refresh=False) as live:
        while sight.status != "finished":
            live.update(drawn(sight, height=console.height), refresh=True)
            if _left_within(every_s):
                return
            sight = watch.look()


def _left_within(seconds: float) -> bool:
    """Whether a key that leaves is struck within so many seconds."""
    if not sys.stdin.isatty():
        time.sleep(seconds)  # without a keyboard only a signal ends it, and a signal ends a sleep too
        return False
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready) and not QUIT.isdisjoint(os.read(sys.stdin.fileno(), 64) or QUIT)


@contextlib.contextmanager
def _keys() -> Iterator[None]:
    """Let keys come at once and unseen, where there is a keyboard."""
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextlib.contextmanager
def watched(
    *, root: Path, run_dir: Path | None, records: "Sequence[Record]", log_json: bool
) -> "Iterator[tuple[Progress, list[Any]]]":
    """Yield the progress display and all observers of a job: the display, its log, its metrics in Ray.

    Args:
        root: folder of the run folders.
        run_dir: of the job, where it is known.
        records: what an earlier process journalled of it.
        log_json: whether standard error gets the lines of the log rather than the display.
    """
    from cluster.progress import Progress
    from cluster.ray_metrics import RayMetrics
    from cluster.structured_log import JobLog

    log = JobLog(root=root, run_dir=run_dir, echo=sys.stderr if log_json else None)
    metrics = RayMetrics(root=root, run_dir=run_dir)
    with log, Progress(console_on(sys.stderr), quiet=log_json) as progress:
        if records:
            progress.prime(tuple(records))
            metrics.prime(tuple(records))
        yield progress, [progress, log, metrics]
