"""Epochs one after the other in this process, every task and reply through the same bytes as on a cluster."""

import threading
from collections import deque

from cluster.evaluation import EvaluateTallies, Rows, Segment, ShardBench, assign, gather
from cluster.executor import EpochResult, EpochTask, ExamineTask, Reply, from_wire, to_wire
from cluster.job_config import JobConfig
from cluster.market import Market
from cluster.worker import Breeding, breeding_from_json, breeding_to_json, on_screen_of, run_epoch
from strategies.errors import ClusterError


class SerialExecutor:
    """The executor without a cluster: it runs a task when it is waited for.

    Args:
        config: the job.
        market: its bars.
        stop: when this is set, the running epoch is abandoned at its next evaluation and stays in the queue.
    """

    def __init__(self, config: JobConfig, market: Market, *, stop: threading.Event | None = None) -> None:
        self._breeding: Breeding = breeding_from_json(breeding_to_json(config, market.bars_per_year, market.n_folds))
        self._evaluate = local_evaluator(config, market)
        self._stop = stop or threading.Event()
        self._queue: deque[bytes] = deque()

    def submit(self, task: EpochTask | ExamineTask) -> None:
        """Put a task at the end of the queue. What kills this process can't be examined in it."""
        if isinstance(task, ExamineTask):
            raise ClusterError(
                "Genomes must be examined in processes of their own, but there is only one. "
                "Resume with `--executor ray`."
            )
        self._queue.append(to_wire(task))

    def wants(self) -> bool:
        """Return whether nothing is queued."""
        return not self._queue

    def wait(self, timeout_s: float) -> tuple[Reply, ...]:
        """Run the first task of the queue to its end, however long that takes, and return its result."""
        del timeout_s
        if not self._queue or self._stop.is_set():
            return ()
        message = self._queue.popleft()
        try:
            result = run_epoch(from_wire(EpochTask, message), self._breeding, self._evaluate_unless_stopped)
        except _Abandoned:
            self._queue.appendleft(message)
            return ()
        return (from_wire(EpochResult, to_wire(result)),)

    def close(self) -> None:
        """Forget the queue."""
        self._queue.clear()

    def _evaluate_unless_stopped(self, phenotypes: Rows, segment: Segment) -> Rows:
        if self._stop.is_set():
            raise _Abandoned
        return self._evaluate(phenotypes, segment)


class _Abandoned(Exception):  # noqa: N818 - a way out of an epoch, not an error
    pass


def local_evaluator(config: JobConfig, market: Market) -> EvaluateTallies:
    """Return an evaluator of all shards in this process."""
    (shares,) = assign(len(market.shards), 1)
    bank_bytes = config.cluster.bank_mib * 2**20
    bench = ShardBench(
        shares,
        market.shards,
        market.splits,
        market.costs,
        bank_bytes=bank_bytes,
        on_screen=on_screen_of(config, market.n_folds),
    )
    return lambda phenotypes, segment: gather(shares, bench.evaluate(phenotypes, segment))
