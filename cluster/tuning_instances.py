"""What a setting of evolution is scored on: searches on the folds before one, judged by what they found does there.

Not by how high a search climbs in sample: more of any effort climbs higher on bars that are known, so that would tune
evolution to overfit. The held-out fold comes after all that the search saw, with the embargo between. It ends before
the validation stretch: the bars of an instance are cut there, so neither that nor the lockbox is even in memory. A job
sees the held-out fold later as one of its own folds, in sample; what judges it then stays untouched.
"""

import threading
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from cluster.examination import Examiner
from cluster.job_config import JobConfig
from cluster.market import Market
from cluster.search import Search, best_candidates, search
from cluster.tuning_space import tuned_config
from evolution.tuning import Setting
from fitness.folds import Split, Window
from fitness.gates import annual_sharpe
from strategies.errors import ConfigError

N_BEST: Final = 5  # strategies of a search that are judged together: one alone is mostly luck
_ROOM: Final = 3  # generations in which a budget could be spent, times this: duplicates are not evaluated


@dataclass(frozen=True)
class Instance:
    """A fold that is held out, counted from the last (-1), and the seed of the searches before it."""

    number: int
    fold: int
    seed: int


def instances_of(config: JobConfig, n: int, *, first: int, seed: int) -> list[Instance]:
    """Return `n` instances from number `first` on: the later half of the folds in turn, each time with a new seed.

    Raises:
        ConfigError: the job has one fold only.
    """
    folds = config.split.folds
    if folds < 2:
        raise ConfigError(
            f"`split.folds` must be 2 or more to tune, as one is held out, but was {folds} ({config.name}). Raise it."
        )
    n_held = folds // 2
    return [Instance(number, -1 - number % n_held, (seed + number) % 2**63) for number in range(first, first + n)]


def before(market: Market, fold: int) -> Market:
    """Return the market as it was known before `fold` (-1 the last): earlier folds, and that one in validation's place.

    Shards without an earlier fold are left out. The bars end with the held-out fold, and the lockbox is empty.

    Raises:
        ConfigError: no shard is left.
    """
    kept = [(shard, cut) for shard, cut in zip(market.shards, market.splits, strict=True) if len(cut.folds) > -fold]
    if not kept:
        raise ConfigError(
            f"A shard must have {1 - fold} folds or more to hold one out, but none has. Lower `split.folds`, or give "
            "longer bars."
        )
    held = [cut.folds[fold] for _, cut in kept]
    splits = [
        Split(cut.folds[:fold], replace(window, name="validation"), Window("lockbox", window.stop, window.stop))
        for (_, cut), window in zip(kept, held, strict=True)
    ]
    shards = [shard.head(window.stop) for (shard, _), window in zip(kept, held, strict=True)]
    return replace(market, shards=tuple(shards), splits=tuple(splits))


def searched(
    config: JobConfig, market: Market, setting: Setting, instance: Instance, *, evaluations: int, stop: threading.Event
) -> Search:
    """Return the search of a setting on an instance (a market of `before`), which spends `evaluations` and no more.

    Raises:
        ConfigError: evolution refuses the setting.
        Interrupted: `stop` was set.
    """
    job = tuned_config(config, setting)
    section = job.evolution
    each = section.islands * section.population_size
    changes: dict[str, Any] = {
        "generations": max(section.epoch_generations, _ROOM * -(-evaluations // each)),
        "budget": section.budget.model_copy(update={"evaluations": evaluations}),
    }
    if sum(market.n_folds) < 2:  # a screen needs two cells to choose from
        changes["screen"] = section.screen.model_copy(update={"enabled": False})
    job = job.model_copy(update={"seed": instance.seed, "evolution": section.model_copy(update=changes)})
    return search(job, market, stop=stop, until=lambda n_evaluated: n_evaluated >= evaluations)


def value_of(found: Search) -> float:
    """Return the mean annual Sharpe ratio, beyond what holding would have earned, of the best in the held-out fold.

    Each of the `N_BEST` strategies that a job would judge first counts alike. One that does not trade there counts 0,
    and so does a search that found nothing.
    """
    candidates = best_candidates(found, N_BEST)
    if not candidates:
        return 0.0
    examiner = Examiner(found.market, bank_bytes=found.config.cluster.bank_mib * 2**20)
    values = [
        annual_sharpe(examiner.pooled_beyond(examiner.examine(candidate.phenotype, "validation")))
        for candidate in candidates
    ]
    return float(np.mean(np.nan_to_num(np.array(values), nan=0.0, posinf=0.0, neginf=0.0)))
