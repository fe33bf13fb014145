"""Epochs on Ray: one `Island` actor per island, one `ShardEvaluator` per worker, repairs by the driver.

Bars are put into the object store once, by the driver, and only up to the end of the validation stretch: those of the
lockbox never leave the driver. No actor restarts or retries by itself: whatever died is made anew, and its epoch comes
back as an `EpochFailure`, to be submitted again.
"""

import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from cluster.actors import EVALUATOR_LOST, Island, ShardEvaluator
from cluster.compile_ahead import CompileAhead
from cluster.evaluation import assign, prepare
from cluster.executor import EpochFailure, EpochResult, EpochTask, Reply, from_wire, to_wire
from cluster.job_config import JobConfig
from cluster.market import Market
from cluster.ray_faults import cause_of, is_loss, reason_of
from cluster.ray_session import ray_session, require_cpus
from cluster.worker import breeding_to_json, on_screen_of
from strategies.errors import ClusterError, StudbookError

READY_TIMEOUT_S = 180.0


@dataclass
class _Call:
    """An epoch under way: its task, and the generation of the evaluators that it was given."""

    task: EpochTask
    evaluator_ages: tuple[int, ...]
    deadline: float


class RayExecutor:
    """The executor on Ray.

    Args:
        config: the job; `cluster` says where and how wide.
        market: its bars.

    Raises:
        ClusterError: no session, too few CPUs, or actors that do not start.
    """

    def __init__(self, config: JobConfig, market: Market) -> None:
        self._settings = config.cluster
        self._breeding = breeding_to_json(config, market.bars_per_year, market.n_folds)
        self._assignment = assign(len(market.shards), config.cluster.workers)
        self._on_screen = on_screen_of(config, market.n_folds)
        self._market = market
        self._islands: dict[int, Any] = {}
        self._calls: dict[Any, _Call] = {}
        self._open = ExitStack()
        n_cpus = config.cluster.workers
        kernels = self._open.enter_context(CompileAhead())  # while Ray starts
        self._ray = self._open.enter_context(ray_session(address=config.cluster.address, n_cpus=n_cpus))
        try:
            kernels.wait()
            require_cpus(self._ray, len(self._assignment))
            self._shard_refs = [
                self._ray.put((shard.head(split.validation.stop), prepare(shard, split, market.costs)))
                for shard, split in zip(market.shards, market.splits, strict=True)
            ]
            self._evaluators = [self._new_evaluator(number) for number in range(len(self._assignment))]
            self._ages = [0] * len(self._evaluators)
            self._islands = {number: self._new_island() for number in range(config.evolution.islands)}
            self._await_evaluators()
        except BaseException:
            self.close()
            raise

    def submit(self, task: EpochTask) -> None:
        """Send a task to its island, which is made if it is not there."""
        island = self._islands.get(task.island)
        if island is None:
            island = self._islands[task.island] = self._new_island()
        call = island.run_epoch.remote(to_wire(task), self._evaluators)
        deadline = time.monotonic() + self._settings.timeout_s * (task.generations + 2)
        self._calls[call] = _Call(task, tuple(self._ages), deadline)

    def wait(self, timeout_s: float) -> tuple[Reply, ...]:
        """Return what has been answered, waiting up to `timeout_s` for the first.

        Raises:
            StudbookError: what the epoch itself raised.
        """
        if not self._calls:
            return ()
        ready, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=timeout_s)
        if ready and len(self._calls) > 1:
            ready, _ = self._ray.wait(list(self._calls), num_returns=len(self._calls), timeout=0)
        replies = [self._reply(reference) for reference in ready]
        return (*replies, *self._overdue())

    def close(self) -> None:
        """Kill the actors and leave the session. Closing twice is nothing."""
        calls, self._calls = self._calls, {}
        del calls
        for actor in (*self._islands.values(), *getattr(self, "_evaluators", ())):
            self._kill(actor)
        self._islands, self._evaluators = {}, []
        self._open.close()

    def _reply(self, reference: Any) -> Reply:
        call = self._calls.pop(reference)
        task = call.task
        try:
            status, content, number, reason = self._ray.get(reference, timeout=self._settings.timeout_s)
        except Exception as error:
            if is_loss(error):
                self._drop_island(task.island)
                return EpochFailure(task.island, task.epoch, f"island {task.island}", reason_of(error))
            raise _epoch_error(task, cause_of(error)) from error
        if status == EVALUATOR_LOST:
            self._replace_evaluator(number, call.evaluator_ages[number])
            return EpochFailure(task.island, task.epoch, f"evaluator {number}", reason)
        return from_wire(EpochResult, content)

    def _overdue(self) -> list[Reply]:
        now = time.monotonic()
        late = [reference for reference, call in self._calls.items() if call.deadline < now]
        failures: list[Reply] = []
        for reference in late:
            task = self._calls.pop(reference).task
            self._drop_island(task.island)
            failures.append(EpochFailure(task.island, task.epoch, f"island {task.island}", "took too long"))
        return failures

    def _new_island(self) -> Any:
        actor = self._ray.remote(Island).options(num_cpus=0, max_restarts=0, max_task_retries=0)
        return actor.remote(self._breeding, self._assignment, self._settings.timeout_s)

    def _new_evaluator(self, number: int) -> Any:
        actor = self._ray.remote(ShardEvaluator).options(num_cpus=1, max_restarts=0, max_task_retries=0)
        market, bank_bytes = self._market, self._settings.bank_mib * 2**20
        return actor.remote(
            self._assignment[number], self._shard_refs, market.splits, market.costs, bank_bytes, self._on_screen
        )

    def _drop_island(self, number: int) -> None:
        actor = self._islands.pop(number, None)
        if actor is not None:
            self._kill(actor)

    def _replace_evaluator(self, number: int, age: int) -> None:
        if age != self._ages[number]:
            return  # another island missed it too, and was first to say so
        self._kill(self._evaluators[number])
        self._evaluators[number] = self._new_evaluator(number)
        self._ages[number] += 1

    def _await_evaluators(self) -> None:
        waiting = [evaluator.ready.remote() for evaluator in self._evaluators]
        try:
            self._ray.get(waiting, timeout=READY_TIMEOUT_S)
        except Exception as error:
            if is_loss(error):
                raise ClusterError(
                    f"Every evaluator must start within {READY_TIMEOUT_S:.0f} s, but did not: {reason_of(error)} "
                    f"({len(waiting)} evaluators). See that the cluster has free CPUs and memory."
                ) from error
            raise cause_of(error) from error

    def _kill(self, actor: Any) -> None:
        with suppress(Exception):  # it is dead already, or the session is: both are what we want
            self._ray.kill(actor, no_restart=True)


def _epoch_error(task: EpochTask, cause: BaseException) -> StudbookError:
    if isinstance(cause, StudbookError):
        return cause
    place = f"island {task.island}, epoch {task.epoch}"
    return StudbookError(f"An epoch must end without an error, but raised {type(cause).__name__}: {cause} ({place}).")
