"""A whole search in one process and in memory: no run folder, no journal, no cluster, no look at the lockbox.

The epochs, their order and their bytes are those of a job (`cluster.job`, `cluster.serial_executor`), so the births are
too. For whoever runs many searches: null evolution, walk-forward, the tuning of settings, experiments.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cluster import job as machine
from cluster.choosing import REACH, Candidate, choose, different
from cluster.driver import with_columns
from cluster.examination import Examiner
from cluster.executor import EpochResult, EpochTask, Reply
from cluster.job_config import JobConfig, settled
from cluster.market import Market
from cluster.serial_executor import SerialExecutor
from cluster.session import plan_of
from cluster.signals import Interrupted
from cluster.trial_ledger import behaviours_of, write_trials
from cluster.worker import Breeding, breeding_of, language_of
from evolution.pedigree import Births, births_from_bytes, concat
from evolution.population import State, state_from_bytes

Progress = Callable[[EpochResult], None]
"""Told each epoch once it is finished; what it raises ends the search."""
Until = Callable[[int], bool]
"""Whether so many evaluations are enough: no epoch begins once this is true, but every island is founded."""


@dataclass(frozen=True, eq=False)
class Search:
    """What a search came to.

    Attributes:
        config: the job, with what it left open found in the bars.
        states: the last state of every island, by island.
        births: of all islands, by birth id.
        breeding: what every epoch had in common.
        market: what was traded.
    """

    config: JobConfig
    states: tuple[State, ...]
    births: Births
    breeding: Breeding
    market: Market

    @property
    def n_evaluated(self) -> int:
        """Return how many births were evaluated, if only by a screen."""
        return int(self.births.evaluated.sum())


def search(
    config: JobConfig,
    market: Market,
    *,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
    until: Until | None = None,
) -> Search:
    """Return the search that `config` describes on `market`, its births those of `run_job` to the byte.

    Args:
        config: the job; its `data`, `cluster` (but the bank's size), `tracking` and `output` are not looked at.
        market: what is traded; the validation stretch is only watched, the lockbox is not read.
        stop: set it to end the search with `Interrupted`.
        progress: told each epoch.
        until: asked with the evaluations so far before epochs are begun; true ends the search early.

    Raises:
        ConfigError: settings that evolution refuses, or columns that the bars do not have.
        Interrupted: `stop` was set.
    """
    config = settled(with_columns(config, market.shards))
    executor = SerialExecutor(config, market, stop=stop)
    done: dict[machine.EpochKey, EpochResult] = {}
    state, commands = machine.apply(machine.new_job(plan_of(config)), machine.Started())
    queue, n_evaluated = deque(commands), 0
    while isinstance(command := queue.popleft(), machine.RunEpoch):
        if until is not None and min(state.done) > 0 and until(n_evaluated):
            break
        executor.submit(_task(config, command, done))
        replies = executor.wait(0.0)
        if not replies:
            raise Interrupted("stopped in the middle of a search")
        result = done[command.island, command.epoch] = _result(replies[0])
        n_evaluated += result.facts["n_evaluated"]
        if progress is not None:
            progress(result)
        state, commands = machine.apply(state, machine.EpochFinished(command.island, command.epoch))
        queue += commands
    return _found(config, market, done)


def best_candidates(found: Search, n: int) -> list[Candidate]:
    """Return at most `n` strategies of the last populations, those that a job of so many candidates judges."""
    config = found.config
    best = choose(found.states, config.evolution.objectives, REACH * n, language_of(config))
    if not best:
        return []
    returns = examiner_of(found).trial_returns(np.stack([one.phenotype for one in best]))
    return [best[place] for place in different(returns, n)]


def examiner_of(found: Search) -> Examiner:
    """Return an examiner of what was traded, as a job makes it."""
    config = found.config
    return Examiner(found.market, bank_bytes=config.cluster.bank_mib * 2**20, benchmark=config.gates.benchmark)


def count_search(found: Search, market: Market, folder: Path, *, what: str, created_at: str) -> None:
    """Write what a search tried to the trial ledger, so that it counts for later jobs on the same bars.

    Args:
        found: the search; its own market may hold only a part of the bars.
        market: whose bars it was on.
        folder: of the search, in the folder of runs; its name is the search's.
        what: kind of search, as "walk-forward".
        created_at: when it began, ISO 8601.

    Raises:
        UsageError, JournalError, OSError: see `cluster.trial_ledger.write_trials`.
    """
    tried = found.births.take(found.births.evaluated)
    write_trials(
        folder.parent,
        name=folder.name,
        what=what,
        shard_hashes=[shard.content_hash for shard in market.shards],
        created_at=created_at,
        keys=tried.key,
        behaviours=behaviours_of(tried),
    )


def _task(config: JobConfig, command: machine.RunEpoch, done: Mapping[machine.EpochKey, EpochResult]) -> EpochTask:
    island, epoch, section = command.island, command.epoch, config.evolution
    generations = min(section.epoch_generations, section.generations - epoch * section.epoch_generations)
    state = done[island, epoch - 1].state if epoch else b""
    return EpochTask(island, epoch, generations, state, tuple(done[key].emigrants for key in command.sources))


def _result(reply: Reply) -> EpochResult:
    assert isinstance(reply, EpochResult), reply  # nothing is lost in one process
    return reply


def _found(config: JobConfig, market: Market, done: Mapping[machine.EpochKey, EpochResult]) -> Search:
    last = dict(sorted(done))  # the last epoch of each island
    everyone = concat([births_from_bytes(result.births) for result in done.values()])
    return Search(
        config=config,
        states=tuple(state_from_bytes(done[key].state) for key in last.items()),
        births=everyone.take(np.argsort(everyone.birth_id, kind="stable")),
        breeding=breeding_of(config, market.bars_per_year, market.n_folds),
        market=market,
    )
