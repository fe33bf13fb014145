"""Epochs on Ray: cells run them, the driver repairs what dies.

A cell has at most `DEPTH` epochs, the one under way and the next; all others wait here. Whatever died is made anew, and
its epoch comes back as an `EpochFailure`, to be submitted again; an epoch that only waited behind it is sent again
without a word.
"""

import statistics
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from cluster.actors import FINISHED, OWN, WATCHER, Bars, Report
from cluster.compile_ahead import CompileAhead
from cluster.executor import (
    EpochFailure,
    EpochResult,
    EpochTask,
    ExamineTask,
    Notice,
    Reply,
    SessionLost,
    from_wire,
    to_wire,
)
from cluster.job_config import JobConfig
from cluster.market import Market
from cluster.memory import memory_plan
from cluster.ray_bars import actors_on
from cluster.ray_cells import WATCH_GROUP, Cell, grown, sizes_in
from cluster.ray_cluster import memory_on
from cluster.ray_exams import Exams
from cluster.ray_faults import cause_of, epoch_error, is_loss, is_of_ray, raised_at_start, reason_of
from cluster.ray_session import ray_session
from cluster.ray_watch import Watch
from fitness.shared_columns import sweep_shared_columns
from strategies.errors import ClusterError

DEPTH: Final = 2
"""Epochs a cell has at a time, so that it need not wait for the driver between two of them."""
START_TIMEOUT_S: Final = 180.0
SHRINK_AFTER_S: Final = 20.0
GROW_EVERY_S: Final = 10.0
STALL_FACTOR, STALL_LEAST_S = 5.0, 30.0
MOST_FAILED_STARTS: Final = 20
GRACE_S: Final = 15.0
"""Longer than a breeder waits for its evaluators, so that it can say whom it missed."""
AT_ONCE_S: Final = 0.5


@dataclass
class _Call:
    """An epoch that a cell has: when it was submitted and when it came to the head, and what it was given."""

    task: EpochTask
    cell: Cell
    ages: tuple[int, ...]
    watcher: Any
    submitted_at: float
    begun_at: float
    told: bool = False


class RayExecutor:
    """The executor on Ray.

    Args:
        config: the job; `cluster` says where and how wide.
        market: its bars.
        bars_kind: what evaluators are made of; tests put genomes that kill in here.

    Raises:
        ClusterError: no session.
    """

    def __init__(self, config: JobConfig, market: Market, *, bars_kind: type[Bars] = Bars) -> None:
        self._settings = config.cluster
        self._n_islands = config.evolution.islands
        self._waiting: deque[tuple[EpochTask, float]] = deque()
        self._calls: dict[Any, _Call] = {}
        self._asked: dict[Any, tuple[Cell, Any]] = {}
        self._cells: list[Cell] = []
        self._seconds: deque[float] = deque(maxlen=50)
        self._told_present, self._reason = -1, "the job begins"
        self._n_failed_starts = 0
        self._open = ExitStack()
        try:
            kernels = self._open.enter_context(CompileAhead())  # while Ray starts
            plan = memory_plan(config, market)
            address, n_cpus = config.cluster.address, config.cluster.workers
            self._ray = self._open.enter_context(
                ray_session(address=address, n_cpus=n_cpus, object_store_bytes=plan.object_store)
            )
            self._watch = self._open.enter_context(Watch(self._ray))
            if address is not None:
                plan = memory_on(self._ray, config, market)
            kernels.wait()
            self._actors = actors_on(self._ray, config, market, plan=plan, bars_kind=bars_kind)
            self._exams = Exams(self._ray, self._actors)
            self._open.callback(self._exams.close)
            self._cells = self._new_cells(self._n_cpus())
            self._asked_at = self._worked_at = self._grown_at = time.monotonic()
        except BaseException:
            self.close()
            raise

    def submit(self, task: EpochTask | ExamineTask) -> None:
        """Queue a task; it is sent when a cell has room."""
        with self._session():
            if isinstance(task, ExamineTask):
                self._exams.submit(task)
            else:
                self._waiting.append((task, time.monotonic()))
                self._dispatch()

    def wants(self) -> bool:
        """Return whether fewer epochs wait here than there are cells to take them."""
        return len(self._waiting) < max(sum(cell.is_ready for cell in self._cells), 1)

    def wait(self, timeout_s: float) -> tuple[Reply, ...]:
        """Return what has been answered, waiting up to `timeout_s` for the first.

        Raises:
            SessionLost: Ray itself is gone.
            ClusterError: no cell was there for a long time.
            StudbookError: what an epoch itself raised.
        """
        if not (self._calls or self._waiting or self._exams.references):
            return ()
        with self._session():
            self._require_session()
            return self._next_replies(timeout_s)

    @contextmanager
    def _session(self) -> Iterator[None]:
        """Tell what Ray raises because its session is gone from what is wrong with our own work."""
        try:
            yield
        except Exception as error:
            if is_of_ray(error):
                trouble = self._watch.trouble() or f"Ray failed: {reason_of(error)}"
                raise SessionLost(trouble) from error
            raise

    def _require_session(self) -> None:
        if trouble := self._watch.trouble():
            raise SessionLost(trouble)

    def _next_replies(self, timeout_s: float) -> tuple[Reply, ...]:
        starting = {ref: cell for cell in self._cells for ref in cell.starting}
        references = [*self._calls, *self._exams.references, *self._asked, *starting]
        ready, _ = self._ray.wait(references, num_returns=1, timeout=timeout_s)
        if ready and len(references) > 1:
            ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        replies: list[Reply] = []
        for reference in ready:
            if reference in self._calls:
                replies += self._answer(reference)
            elif reference in self._exams.references:
                replies += self._exams.answer(reference)
            elif reference in self._asked:
                self._progressed(reference)
            elif reference in starting:
                self._started(starting[reference], reference)
        replies += self._overdue() + self._exams.overdue()
        self._ask_progress()
        self._grow()
        self._require_cells()
        self._dispatch()
        return (*replies, *self._notices())

    def close(self) -> None:
        """Kill the actors and leave the session. Closing twice is nothing."""
        for cell in self._cells:
            cell.kill()
        for call in self._calls.values():
            if call.watcher is not None:
                self._actors.kill(call.watcher)
        self._cells, self._calls, self._asked = [], {}, {}
        self._waiting.clear()
        try:
            self._open.close()
        finally:
            sweep_shared_columns()  # a killed worker leaves them

    @property
    def _wish(self) -> dict[str, Any]:
        return {"wanted": self._settings.workers, "n_islands": self._n_islands, "group": self._settings.group}

    def _n_cpus(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0))

    def _new_cells(self, n_cpus: int) -> list[Cell]:
        return [Cell(number, size, self._actors) for number, size in enumerate(sizes_in(n_cpus, **self._wish))]

    def _grow(self) -> None:
        """Make use of nodes that joined: new cells, or wider ones as soon as those that are to be wider are idle."""
        for number, cell in enumerate(self._cells):
            if cell.wanted > cell.size and not cell.calls:
                cell.kill()
                self._reason = f"cell {cell.number} is made wider"
                self._cells[number] = Cell(cell.number, cell.wanted, self._actors)
        now = time.monotonic()
        if now - self._grown_at < GROW_EVERY_S:
            return
        self._grown_at = now
        sizes = [cell.wanted for cell in self._cells]
        n_awaited = sum(cell.wanted - cell.n_started for cell in self._cells)
        if sum(sizes) >= self._settings.workers or (n_free := self._watch.n_free() - n_awaited) <= 0:
            return
        after = grown(sizes, n_free, **self._wish)
        for cell, size in zip(self._cells, after, strict=False):
            cell.wanted = size
        self._cells += [Cell(number, after[number], self._actors) for number in range(len(sizes), len(after))]

    def _dispatch(self) -> None:
        while self._waiting:
            ready = (cell for cell in self._cells if cell.takes_more)
            cell = min(ready, key=lambda cell: len(cell.calls), default=None)
            if cell is None or len(cell.calls) >= DEPTH:
                return
            task, submitted_at = self._waiting.popleft()
            watcher = self._actors.watcher() if task.watched else None
            if not cell.calls:
                cell.seen()
            reference = cell.breeder.run_epoch.remote(to_wire(task), cell.helpers, watcher)
            cell.calls.append(reference)
            ages = tuple(cell.ages)
            self._calls[reference] = _Call(task, cell, ages, watcher, submitted_at, time.monotonic())

    def _answer(self, reference: Any) -> list[Reply]:
        """What came of a call; with it go those that died with the same breeder."""
        cell = self._calls[reference].cell
        try:
            report: Report = self._ray.get(reference, timeout=GRACE_S)
        except Exception as error:
            if is_loss(error):
                self._require_session()
                return self._breeder_lost(cell, reason_of(error))
            raise epoch_error(self._taken(reference).task, cause_of(error)) from error
        return self._reported(self._taken(reference), report)

    def _taken(self, reference: Any) -> _Call:
        """The call, which its cell has no more."""
        call = self._calls.pop(reference)
        call.cell.calls.remove(reference)
        call.cell.seen()
        for following in call.cell.calls[:1]:
            self._calls[following].begun_at = time.monotonic()
        if call.watcher is not None:
            self._actors.kill(call.watcher)
        return call

    def _reported(self, call: _Call, report: Report) -> list[Reply]:
        task, cell, number = call.task, call.cell, report.number
        if report.status == FINISHED:
            result = from_wire(EpochResult, report.content)
            self._seconds.append(float(result.facts["seconds"]))
            waited_s = round(call.begun_at - call.submitted_at, 3)
            run = {"host": report.host, "waited_s": waited_s}
            blobs = (result.state, result.births, result.emigrants)
            return [EpochResult(task.island, task.epoch, *blobs, result.facts, run)]
        what = {OWN: f"breeder {cell.number}", WATCHER: "watched evaluator"}.get(
            number, f"evaluator {cell.number}.{number}"
        )
        if number >= 0 and report.dead:
            if call.ages[number] != cell.ages[number]:  # it was replaced while this epoch waited
                self._waiting.appendleft((task, call.submitted_at))
                return []
            cell.replace_helper(number)
            self._reason = f"{what} was lost"
        place = (task.island, task.epoch)
        return [EpochFailure(*place, what, report.reason, report.content, report.segment, task.watched)]

    def _breeder_lost(self, cell: Cell, reason: str) -> list[Reply]:
        """Make a new breeder; of its calls one was under way, and is lost, and what waited behind is sent again."""
        references = list(cell.calls)
        cell.replace_breeder()
        self._ray.wait(references, num_returns=len(references), timeout=GRACE_S)
        self._reason = f"breeder {cell.number} was lost"
        replies: list[Reply] = []
        blamed = False
        for reference in references:
            try:
                report = self._ray.get(reference, timeout=AT_ONCE_S)
            except Exception as error:
                call = self._taken(reference)
                if not is_loss(error):
                    raise epoch_error(call.task, cause_of(error)) from error
                if blamed:
                    self._waiting.appendleft((call.task, call.submitted_at))
                else:
                    place = (call.task.island, call.task.epoch)
                    what = f"breeder {cell.number}"
                    replies.append(EpochFailure(*place, what, reason, watched=call.task.watched))
                    blamed = True
            else:
                replies += self._reported(self._taken(reference), report)
        return replies

    def _started(self, cell: Cell, reference: Any) -> None:
        what = cell.starting.pop(reference, None)
        if what is None:
            return
        try:
            self._ray.get(reference, timeout=GRACE_S)
        except Exception as error:
            self._n_failed_starts += 1
            if not is_loss(error) or raised_at_start(error) or self._n_failed_starts > MOST_FAILED_STARTS:
                raise ClusterError(
                    f"Every worker must start, but {what} did not: {reason_of(cause_of(error))}. See that the nodes "
                    "have the same Studbook, free memory and the bars, then `studbook resume`."
                ) from error
            cell.replace(what)
        else:
            self._n_failed_starts = 0
            cell.seen()

    def _ask_progress(self) -> None:
        """Ask every busy breeder how far it is, from time to time."""
        now = time.monotonic()
        if now - self._asked_at < min(self._settings.timeout_s / 4, 10.0):
            return
        self._asked_at = now
        asked = [breeder for _, breeder in self._asked.values()]
        for cell in self._cells:
            if cell.calls and not any(cell.breeder is breeder for breeder in asked):
                reference = cell.breeder.progress.options(concurrency_group=WATCH_GROUP).remote()
                self._asked[reference] = (cell, cell.breeder)

    def _progressed(self, reference: Any) -> None:
        cell, breeder = self._asked.pop(reference)
        try:
            progress = self._ray.get(reference, timeout=GRACE_S)
        except Exception as error:
            if not is_loss(error):
                raise
            return  # its calls will say so too
        if cell.breeder is breeder and progress != cell.progress:
            cell.progress = progress
            cell.seen()

    def _overdue(self) -> list[Reply]:
        """Give up breeders that no longer get on."""
        now, patience_s = time.monotonic(), self._settings.timeout_s
        replies: list[Reply] = []
        for cell in self._cells:
            first = self._calls.get(cell.calls[0]) if cell.calls else None
            if first is None:
                continue
            slack_s = GRACE_S if cell.helpers or first.watcher is not None else 0.0
            if now - cell.alive_at > patience_s + slack_s:
                self._asked = {ref: asked for ref, asked in self._asked.items() if asked[0] is not cell}
                replies += self._breeder_lost(cell, f"no progress for {patience_s:g} s")
        return replies

    def _require_cells(self) -> None:
        """Make do with the room that is left, and give up where there has been none for a long time."""
        now = time.monotonic()
        if self._calls or any(cell.is_ready for cell in self._cells):
            self._worked_at = now
            return
        idle_s = now - self._worked_at
        if idle_s > START_TIMEOUT_S:
            raise ClusterError(
                f"A worker must start within {START_TIMEOUT_S:.0f} s, but none of {self._settings.workers} did. "
                "See that the cluster has free CPUs and memory (`ray status`), then `studbook resume`."
            )
        widest = max(cell.size for cell in self._cells)
        if widest == 1 or idle_s < SHRINK_AFTER_S:
            return
        there = self._n_cpus()
        if idle_s > START_TIMEOUT_S / 2:  # others may have the rest
            there = min(there, sum(cell.n_started for cell in self._cells))
        if 0 < there < widest:
            for cell in self._cells:
                cell.kill()
            self._cells = self._new_cells(there)
            self._reason = f"the cluster has room for {there} workers left"

    def _notices(self) -> list[Reply]:
        notices: list[Reply] = []
        present = sum(cell.size for cell in self._cells if cell.is_ready)
        if present != self._told_present:
            facts = {"present": present, "wanted": self._settings.workers, "reason": self._reason}
            notices.append(Notice("workers", facts))
            self._told_present, self._reason = present, "workers joined"
        typical_s = statistics.median(self._seconds) if self._seconds else 0.0
        for cell in self._cells if self._seconds else ():
            first = self._calls.get(cell.calls[0]) if cell.calls else None
            waited_s = time.monotonic() - first.begun_at if first is not None else 0.0
            if first is not None and not first.told and waited_s > max(STALL_FACTOR * typical_s, STALL_LEAST_S):
                first.told = True
                facts = {"island": first.task.island, "epoch": first.task.epoch}
                times = {"waited_s": round(waited_s, 1), "typical_s": round(typical_s, 3)}
                notices.append(Notice("stall", facts | times))
        return notices
