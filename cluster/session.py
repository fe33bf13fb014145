"""One session of a job: the machine's commands carried out, and what came of them journalled before it counts.

Order of a finished epoch: its files are written and synchronised, then its record is; then the machine is told. A crash
between any two of these steps loses nothing but work: the epoch is pure and is run again, to the same bytes.
A poisonous genome is journalled before any epoch is run that knows of it.
"""

import contextlib
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cluster import job as machine
from cluster.births_file import read_births, write_births
from cluster.executor import (
    EpochFailure,
    EpochResult,
    EpochTask,
    Examination,
    ExamineTask,
    Executor,
    Notice,
    SessionLost,
)
from cluster.genealogy.opening import write_pedigree_of
from cluster.journal import Journal, Record, read_journal
from cluster.market import Market
from cluster.portfolio_making import end_with_portfolio
from cluster.promotion import Promotion
from cluster.quarantine import Quarantine, entry_of, poison_records
from cluster.run_folder import forget_state, read_entry, write_epoch
from cluster.settings import JobConfig
from cluster.signals import Interrupted
from cluster.trial_books import record_job
from cluster.view import JobView, view_of
from cluster.worker import breeding_of, evolution_settings, language_of
from evolution.population import state_from_bytes
from strategies.errors import ClusterError, StudbookError

Observer = Callable[[Record], None]
MakeExecutor = Callable[[JobConfig, Market, threading.Event], Executor]
POLL_S = 0.5
GRACE_S = 3.0


class Session:
    """Journal, machine and executor of one job, from now until it ends or is stopped."""

    def __init__(
        self,
        run_dir: Path,
        market: Market,
        journal: Journal,
        records: Sequence[Record],
        observers: Sequence[Observer],
        stop: threading.Event | None,
        offered: JobConfig | None = None,
    ) -> None:
        self._run_dir, self._market, self._journal = run_dir, market, journal
        self._observers, self._silenced = list(observers), set[int]()
        self._stop = stop or threading.Event()
        self._offered = offered
        self._epochs = {(r.data["island"], r.data["epoch"]): _files(r) for r in records if r.kind == "epoch_finished"}
        self._quarantine = {_entry(r.data) for r in records if r.kind == "quarantined"}
        self._suspects: dict[machine.EpochKey, EpochFailure] = {}
        self._waited_s: dict[machine.EpochKey, float] = {}

    @contextlib.contextmanager
    def closing(self) -> Iterator[None]:
        """Journal what ended the session, if it was not the end of the job, and let go of the journal."""
        try:
            yield
        except Interrupted as error:
            self.append("interrupted", {"reason": str(error)})
            raise Interrupted(
                f"The job was {error}; `studbook resume {self._run_dir.name}` goes on.", error.exit_code
            ) from error
        except KeyboardInterrupt:
            self.append("interrupted", {"reason": "interrupted from the keyboard"})
            raise
        except StudbookError as error:
            with contextlib.suppress(StudbookError):  # the journal itself may be what failed
                self.append("interrupted", {"reason": f"{type(error).__name__}: {error}"})
            raise
        except OSError as error:
            refusal = disk_refusal(error, self._run_dir)
            with contextlib.suppress(StudbookError):
                self.append("interrupted", {"reason": str(refusal)})
            raise refusal from error
        finally:
            try:
                self._record_trials()
            finally:
                self._journal.close()

    def append(self, kind: str, data: dict[str, Any]) -> Record:
        """Journal a record, then show it to the observers."""
        record = self._journal.append(kind, data)
        for number, observer in enumerate(self._observers):
            try:
                observer(record)
            except Exception as error:  # noqa: BLE001 - whoever looks on must not stop what is going on
                if number not in self._silenced:
                    self._silenced.add(number)
                    print(f"An observer failed at {kind}: {type(error).__name__}: {error}", file=sys.stderr)
        return record

    def run(self, make_executor: MakeExecutor) -> None:
        """Do what the machine commands until it is finished."""
        recorded = self._view().config
        config = recorded.model_copy(update={"cluster": (self._offered or recorded).cluster})
        done = tuple(self._n_done(island, config) for island in range(config.evolution.islands))
        state, commands = machine.apply(machine.new_job(plan_of(config)), machine.Started(done))
        if state.phase == "breeding":
            self._check_stop("stopped before the next epoch")
            state, commands = self._breed(config, make_executor, state, commands)
        for command in commands:
            assert isinstance(command, machine.Promote), command
            self._promote(config)

    def _n_done(self, island: int, config: JobConfig) -> int:
        epochs = range(config.evolution.n_epochs)
        return next((epoch for epoch in epochs if (island, epoch) not in self._epochs), config.evolution.n_epochs)

    def _breed(
        self,
        config: JobConfig,
        make_executor: MakeExecutor,
        state: machine.JobState,
        commands: Sequence[machine.Command],
    ) -> tuple[machine.JobState, tuple[machine.Command, ...]]:
        """Run epochs until there are none left, in a new session whenever nothing is left of the last one.

        Sessions that are lost one after the other without a finished epoch count as one epoch's losses do.
        """
        n_lost, n_finished = 0, -1
        while True:
            executor = make_executor(config, self._market, self._stop)
            try:
                return self._breed_in(config, executor, state, commands)
            except SessionLost as error:
                n_lost = n_lost + 1 if len(self._epochs) == n_finished else 1
                n_finished = len(self._epochs)
                if n_lost > config.cluster.repairs:
                    raise
                reason = str(error)
            finally:
                executor.close()
            facts = {"island": None, "epoch": None, "reason": reason, "action": "new session"}
            self.append("repair", {"what": "session", **facts})
            self._check_stop("stopped before a new session")
            done = tuple(self._n_done(island, config) for island in range(config.evolution.islands))
            state, commands = machine.apply(state, machine.Started(done))

    def _breed_in(
        self, config: JobConfig, executor: Executor, state: machine.JobState, commands: Sequence[machine.Command]
    ) -> tuple[machine.JobState, tuple[machine.Command, ...]]:
        queue, backlog = list(commands), deque[tuple[machine.RunEpoch, float]]()
        while True:
            for command in queue:
                if isinstance(command, machine.GiveUp):
                    raise ClusterError(
                        f"An epoch may be lost {config.cluster.repairs} times, but was lost again: {command.reason} "
                        f"(island {command.island}, epoch {command.epoch}). See to the cluster, then "
                        f"`studbook resume {self._run_dir.name}`."
                    )
                if isinstance(command, machine.Promote | machine.Finish):
                    return state, (command,)
                if isinstance(command, machine.RunEpoch):
                    backlog.append((command, time.monotonic()))
                elif (command.island, command.epoch) in state.running:
                    executor.submit(self._examine_task(command))
            self._hand_out(config, executor, state, backlog)
            queue = []
            for reply in executor.wait(POLL_S):
                if isinstance(reply, Notice):
                    self.append(reply.kind, dict(reply.data))
                    continue
                state, more = machine.apply(state, self._digest(reply, state))
                queue += more
            if self._stop.is_set() and not any(isinstance(command, machine.Promote) for command in queue):
                self._last_replies(executor, state)
                raise Interrupted("stopped between two epochs")

    def _hand_out(
        self,
        config: JobConfig,
        executor: Executor,
        state: machine.JobState,
        backlog: deque[tuple[machine.RunEpoch, float]],
    ) -> None:
        """Submit as many epochs as the executor wants: each is read from disk only now, and none is kept here."""
        while backlog and executor.wants():
            command, since = backlog.popleft()
            key = (command.island, command.epoch)
            if key in state.running:  # else its answer came with the same replies as its loss
                self._waited_s[key] = time.monotonic() - since
                executor.submit(self._task(config, command))

    def _last_replies(self, executor: Executor, state: machine.JobState) -> None:
        """Keep what is finished within the grace, and abandon the rest."""
        for reply in executor.wait(GRACE_S):
            if isinstance(reply, EpochResult):
                self._digest(reply, state)

    def _task(self, config: JobConfig, command: machine.RunEpoch) -> EpochTask:
        island, epoch, section = command.island, command.epoch, config.evolution
        generations = min(section.epoch_generations, section.generations - epoch * section.epoch_generations)
        state = read_entry(self._run_dir, self._epochs[island, epoch - 1]["state"]) if epoch else b""
        immigrants = tuple(read_entry(self._run_dir, self._epochs[key]["emigrants"]) for key in command.sources)
        quarantine = tuple(sorted(self._quarantine))
        return EpochTask(island, epoch, generations, state, immigrants, quarantine, command.watched)

    def _examine_task(self, command: machine.Examine) -> ExamineTask:
        lost = self._suspects[command.island, command.epoch]
        return ExamineTask(command.island, command.epoch, lost.suspects, lost.segment)

    def _digest(self, reply: EpochResult | EpochFailure | Examination, state: machine.JobState) -> machine.Event:
        key = (reply.island, reply.epoch)
        if isinstance(reply, EpochFailure):
            if key in state.running:
                facts = {"island": reply.island, "epoch": reply.epoch, "what": reply.what, "reason": reply.reason}
                self.append("repair", {**facts, "action": "epoch run again"})
                if reply.suspects:
                    self._suspects[key] = reply
            return machine.EpochLost(*key, f"{reply.what}: {reply.reason}", bool(reply.suspects), reply.watched)
        if isinstance(reply, Examination):
            return machine.Examined(*key, self._put_aside(reply))
        if key not in self._epochs:
            files = write_epoch(self._run_dir, reply)
            run = dict(reply.run)
            if "waited_s" in run:
                run["waited_s"] = round(run["waited_s"] + self._waited_s.pop(key, 0.0), 3)
            data = {"island": reply.island, "epoch": reply.epoch, **reply.facts, **run, **files}
            self._epochs[key] = _files(self.append("epoch_finished", data))
            if reply.epoch:
                forget_state(self._run_dir, reply.island, reply.epoch - 1)
        return machine.EpochFinished(*key)

    def _put_aside(self, found: Examination) -> bool:
        """Journal what an examination found poisonous; whether there was any."""
        for data in poison_records(found):
            if _entry(data) not in self._quarantine:
                self._quarantine.add(_entry(self.append("quarantined", data).data))
        return bool(found.poison)

    def _end_with_portfolio(self) -> None:
        """Write the portfolio; a failure keeps no job from its end, for `studbook portfolio` makes it at any time."""
        try:
            end_with_portfolio(self._view(), self._market)
        except (StudbookError, ArithmeticError, LookupError, TypeError, ValueError, ImportError) as error:
            warnings.warn(f"no portfolio was made: {type(error).__name__}: {error}", stacklevel=2)

    def _promote(self, config: JobConfig) -> None:
        view = self._view()
        births = read_births(self._run_dir, [self._epochs[key] for key in sorted(self._epochs)])
        record_job(view, births)
        last = config.evolution.n_epochs - 1
        entries = [self._epochs[island, last]["state"] for island in range(config.evolution.islands)]
        aside, language = Quarantine(self._quarantine), language_of(config)
        states = [aside.without(state_from_bytes(read_entry(self._run_dir, entry)), language) for entry in entries]
        outcome = Promotion(
            self._run_dir, view, self._market, births=births, states=states, append=self.append, stop=self._stop
        ).run()
        self._end_with_portfolio()
        names = breeding_of(config, self._market.bars_per_year, self._market.n_folds).measure_names
        digest = write_births(self._run_dir, births, config.evolution.objectives, language, names)
        write_pedigree_of(view, births)
        self.append(
            "job_finished",
            {
                "verdict": outcome.verdict,
                "n_trials": outcome.n_trials,
                "n_elites": outcome.n_elites,
                "seconds": self._view().seconds,
                "births_sha256": digest,
            },
        )

    def _view(self) -> JobView:
        """What the journal says of the job now: read, because in memory its records would take 20 kB an epoch."""
        return view_of(self._run_dir, read_journal(self._journal.path).records)

    def _record_trials(self) -> None:
        """Bring the trial ledger up to the journal; if it can't be, it is made from the run folder when next needed."""
        try:
            if self._epochs:
                record_job(self._view())
        except (StudbookError, OSError) as error:
            print(f"The trial ledger could not be written: {error}", file=sys.stderr)

    def _check_stop(self, reason: str) -> None:
        if self._stop.is_set():
            raise Interrupted(reason)


def _files(record: Record) -> dict[str, Any]:
    """What is kept in memory of a finished epoch: where its files are."""
    return {kind: record.data[kind] for kind in ("births", "state", "emigrants")}


def _entry(data: Mapping[str, Any]) -> bytes:
    """What a task carries of a journalled quarantine."""
    return entry_of(bytes.fromhex(data["key"]), data["segment"])


def disk_refusal(error: OSError, place: Path) -> StudbookError:
    """Return what to say of a disk that refused."""
    return StudbookError(
        f"A job must be able to read and write its files, but was not: {error.strerror or error} "
        f"({error.filename or place}). Nothing journalled is lost; mend the disk, then `studbook resume {place.name}`."
    )


def plan_of(config: JobConfig) -> machine.Plan:
    """Return a job's plan."""
    settings = evolution_settings(config)
    return machine.Plan(
        n_islands=settings.n_islands,
        n_epochs=config.evolution.n_epochs,
        topology=settings.topology,
        lag=settings.migration_lag,
        max_repairs=config.cluster.repairs,
        seed=config.seed,
    )
