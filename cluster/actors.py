"""The two kinds of Ray actors, thin: an island breeds, a shard evaluator holds bars and feature banks.

They are plain classes; `ray_executor` makes actors of them. Nothing here restarts or retries: the driver reissues the
pure epoch. An evaluator that died is *reported* by the island that missed it, because only the driver may replace it.
"""

from collections.abc import Sequence
from typing import Any

from cluster.evaluation import OnScreen, Rows, Segment, ShardBench, Share, gather
from cluster.executor import EpochTask, from_wire, to_wire
from fitness.costs import Costs
from fitness.folds import Split

FINISHED = "finished"
EVALUATOR_LOST = "evaluator lost"


class ShardEvaluator:
    """Holds its shards, which stay; phenotypes come and tallies go.

    Args:
        shares: which part of which shard is evaluated here.
        shard_refs: object references of all shards with their prepared bars, put once by the driver; only the own
            ones are fetched, and read where they lie.
        splits: of all shards.
        costs: of every fill.
        bank_bytes: budget of the feature banks.
        on_screen: folds of all shards that a screen looks at first.
    """

    def __init__(
        self,
        shares: Sequence[Share],
        shard_refs: Sequence[Any],
        splits: Sequence[Split],
        costs: Costs,
        bank_bytes: int,
        on_screen: OnScreen,
    ) -> None:
        import ray

        wanted = {share.shard for share in shares}
        nothing = (None, None)
        held: Any = [ray.get(ref) if number in wanted else nothing for number, ref in enumerate(shard_refs)]
        shards, prepared = zip(*held, strict=True)
        self._bench = ShardBench(
            shares, shards, splits, costs, bank_bytes=bank_bytes, on_screen=on_screen, prepared=prepared
        )

    def ready(self) -> bool:
        """Return once the bars are here."""
        return True

    def evaluate(self, phenotypes: Rows, segment: Segment) -> list[Rows]:
        """Return the tallies of each share, see `ShardBench.evaluate`."""
        return self._bench.evaluate(phenotypes, segment)


class Island:
    """Breeds the epochs of one island with whatever evaluators it is given.

    Args:
        breeding: text of `worker.breeding_to_json`.
        assignment: shares of each evaluator.
        timeout_s: how long one evaluation may take before its evaluator counts as lost.
    """

    def __init__(self, breeding: str, assignment: Sequence[Sequence[Share]], timeout_s: float) -> None:
        from cluster.worker import breeding_from_json  # DEAP and pydantic, which an evaluator does not need

        self._breeding = breeding_from_json(breeding)
        self._assignment = assignment
        self._timeout_s = timeout_s

    def run_epoch(self, task: bytes, evaluators: Sequence[Any]) -> tuple[str, bytes, int, str]:
        """Return (FINISHED, result, -1, "") or (EVALUATOR_LOST, b"", number of the evaluator, why)."""
        from cluster.worker import run_epoch

        try:
            result = run_epoch(
                from_wire(EpochTask, task),
                self._breeding,
                lambda phenotypes, segment: self._evaluate(phenotypes, segment, evaluators),
            )
        except _Lost as lost:
            return EVALUATOR_LOST, b"", lost.number, lost.reason
        return FINISHED, to_wire(result), -1, ""

    def _evaluate(self, phenotypes: Rows, segment: Segment, evaluators: Sequence[Any]) -> Rows:
        import ray

        from cluster.ray_faults import is_loss, reason_of

        genomes = ray.put(phenotypes)
        calls = [evaluator.evaluate.remote(genomes, segment) for evaluator in evaluators]
        pieces: list[Rows] = []
        for number, call in enumerate(calls):
            try:
                pieces += ray.get(call, timeout=self._timeout_s)
            except Exception as error:
                if is_loss(error):
                    raise _Lost(number, reason_of(error)) from error
                raise
        return gather([share for shares in self._assignment for share in shares], pieces)


class _Lost(Exception):  # noqa: N818 - carried no further than `Island.run_epoch`
    def __init__(self, number: int, reason: str) -> None:
        super().__init__(number, reason)
        self.number = number
        self.reason = reason
