"""Where the time of a generation goes: a real job, looked at every millisecond.

A timer interrupts the job; the time since the last look is booked on the part of Studbook whose code is running. That
asks nothing of the code that is measured, and compiled code and system calls are booked in full, because a look that
comes late counts for more.
"""

import contextlib
import functools
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from cluster.job_config import JobConfig
from cluster.journal import Record

PERIOD_S: Final = 0.001
PARTS: Final = ("breeding", "columns", "masks", "kernel", "scores, ranking, duplicates", "journal and files")
BREEDING, COLUMNS, MASKS, KERNEL, RANKING, JOURNAL = PARTS
_ROOT: Final = Path(__file__).parents[2]
_LAYERS: Final = {"strategies": BREEDING, "fitness": MASKS, "evolution": RANKING, "cluster": JOURNAL}
_MODULES: Final = {
    **{("fitness", module): KERNEL for module in ("evaluate", "population", "simulation", "kernel", "kernel_bars")},
    **{("fitness", module): RANKING for module in ("objectives", "measures", "pooled")},
    **{("evolution", module): BREEDING for module in ("variation", "deap_bridge", "keys", "founding")},
}
"""Modules that are another part than most of their layer."""


@dataclass
class Ledger:
    """CPU and wall seconds by part, and what is outside of Studbook under an empty name."""

    cpu: dict[str, float] = field(default_factory=dict)
    wall: dict[str, float] = field(default_factory=dict)
    last: tuple[float, float] = (0.0, 0.0)

    def begin(self) -> None:
        """Forget what was booked, and count from now."""
        self.cpu, self.wall = {}, {}
        self.last = time.process_time(), time.perf_counter()

    def book(self, part: str) -> None:
        """Book the time since the last look."""
        cpu, wall = time.process_time(), time.perf_counter()
        self.cpu[part] = self.cpu.get(part, 0.0) + cpu - self.last[0]
        self.wall[part] = self.wall.get(part, 0.0) + wall - self.last[1]
        self.last = cpu, wall


@dataclass(frozen=True)
class GenerationCost:
    """What generations of a job cost, journal included.

    Attributes:
        cpu: CPU seconds by part, one for each of `PARTS`.
        wall: seconds on the clock, likewise.
        n_generations: of all islands together.
        n_evaluated: strategies, each on all shards.
    """

    cpu: dict[str, float]
    wall: dict[str, float]
    n_generations: int
    n_evaluated: int

    @property
    def total_cpu(self) -> float:
        """All parts together."""
        return sum(self.cpu.values())


def part_of(frame: FrameType | None) -> str:
    """The part of Studbook that a stack is in: that of its innermost frame of ours, "" without one.

    Operands are computed for a bank and expressed for breeding by the same layer, so there who asked decides.
    """
    while frame is not None:
        layer, module = _place(frame.f_code.co_filename)
        if layer == "strategies" and _asked_by(frame) == "fitness":
            return COLUMNS
        if layer:
            return _MODULES.get((layer, module), _LAYERS[layer])
        frame = frame.f_back
    return ""


@functools.cache
def _place(filename: str) -> tuple[str, str]:
    """Layer and module of a source file of ours, empty for any other."""
    path = Path(filename)
    if not path.is_relative_to(_ROOT):
        return "", ""
    layer = path.relative_to(_ROOT).parts[0]
    return (layer, path.stem) if layer in _LAYERS else ("", "")


def _asked_by(frame: FrameType) -> str:
    """The first other layer up the stack of a frame in `strategies`."""
    outer = frame.f_back
    while outer is not None:
        layer, _ = _place(outer.f_code.co_filename)
        if layer not in ("", "strategies"):
            return layer
        outer = outer.f_back
    return ""


@contextlib.contextmanager
def looking(ledger: Ledger) -> Iterator[None]:
    """Book the time of this thread, look by look; it must be the main one, on a system with timers."""

    def look(_signal: int, frame: FrameType | None) -> None:
        ledger.book(part_of(frame))

    before = signal.signal(signal.SIGALRM, look)
    ledger.begin()  # before the first look, which would else fall into it on a busy machine
    signal.setitimer(signal.ITIMER_REAL, PERIOD_S, PERIOD_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def can_look() -> bool:
    """Whether this thread and system can."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def generation_cost(config: JobConfig, *, n_generations: int) -> GenerationCost:
    """Run a job in this process and book its generations, from the end of its first epoch to the end of its last."""
    from cluster.driver import run_job

    ledger = Ledger()
    ends: list[tuple[dict[str, float], dict[str, float]]] = []
    epochs: list[Record] = []

    def observe(record: Record) -> None:
        if record.kind != "epoch_finished":
            return
        ledger.book(JOURNAL)
        if not epochs:
            ledger.begin()
        epochs.append(record)
        ends[:] = [(dict(ledger.cpu), dict(ledger.wall))]

    with tempfile.TemporaryDirectory(prefix="studbook-bench-") as folder:
        job = _short(config, n_generations, folder)
        with looking(ledger):
            run_job(job, observers=[observe])
    cpu, wall = ends[0]
    counted = [record.data for record in epochs[1:]]
    return GenerationCost(
        cpu={part: cpu.get(part, 0.0) + (cpu.get("", 0.0) if part == JOURNAL else 0.0) for part in PARTS},
        wall={part: wall.get(part, 0.0) + (wall.get("", 0.0) if part == JOURNAL else 0.0) for part in PARTS},
        n_generations=sum(last - first + 1 for first, last in (data["generations"] for data in counted)),
        n_evaluated=sum(data["n_evaluated"] for data in counted),
    )


def _short(config: JobConfig, n_generations: int, folder: str) -> JobConfig:
    """The job in one process, with a few generations, one candidate and nobody told."""
    return config.model_copy(
        update={
            "evolution": config.evolution.model_copy(update={"generations": n_generations}),
            "gates": config.gates.model_copy(update={"candidates": 1}),
            "cluster": config.cluster.model_copy(update={"executor": "serial"}),
            "tracking": config.tracking.model_copy(update={"enabled": False}),
            "output": config.output.model_copy(update={"root": folder}),
        }
    )
