"""One market of an experiment from search to verdict: the product itself, in a folder that is thrown away."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.driver import run_job
from cluster.examination import Examiner
from cluster.market import open_market
from cluster.settings import JobConfig, config_from
from cluster.view import JobView
from fitness.lockbox import Reading, lockbox_gates
from fitness.pooled import Pool, pool
from fitness.shard import Shard
from fitness.shards import write_shard
from fitness.statistics import moments, probabilistic_sharpe
from strategies.encoding import phenotype_of
from strategies.strategy_json import strategy_from_dict


@dataclass(frozen=True, eq=False)
class Finished:
    """A job on one market that ran to its end.

    Attributes:
        view: of the job.
        final: for each candidate its p-value at the last gate, had all candidates read the lockbox, and whether passed.
        alone: for each candidate the probability that its Sharpe in sample is above 0, as if it were the only one.
        hold_out: likewise on the validation stretch.
        positions: for each candidate what it held at each close of the lockbox.
        first_bar: of the lockbox.
    """

    view: JobView
    final: tuple[tuple[float, bool], ...]
    alone: tuple[float, ...]
    hold_out: tuple[float, ...]
    positions: tuple[NDArray[np.int8], ...]
    first_bar: int


def run_on(shard: Shard, job: Mapping[str, Any], seed: int) -> Finished:
    """Return what the job of an experiment came to on one market."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_shard(shard.frame(), root / "data", shard.symbol, shard.timeframe, source="experiment")
        data = {"root": str(root / "data"), "source": "files", "shards": [{"symbol": shard.symbol}]}
        config = config_from({**job, "seed": seed, "data": data}, where="experiment")
        view = run_job(config, root=root / "runs")
        return _finished(config, view)


def _finished(config: JobConfig, view: JobView) -> Finished:
    market = open_market(config)
    bank_bytes = config.cluster.bank_mib * 2**20
    examiner = Examiner(market, bank_bytes=bank_bytes, benchmark=config.gates.benchmark)
    readings, alone, hold_out, positions = [], [], [], []
    for record in view.candidates:
        phenotype = phenotype_of(strategy_from_dict(record["strategy"], record["id"]))
        lockbox = examiner.examine(phenotype, "lockbox")
        readings.append(Reading(pool(lockbox.traces), examiner.pooled_beyond(lockbox)))
        alone.append(_skill(pool(examiner.examine(phenotype, "in_sample").traces)))
        hold_out.append(_skill(pool(examiner.examine(phenotype, "validation").traces)))
        positions.append(lockbox.traces[0].positions)
    is_timing, alpha = config.gates.benchmark == "passive", config.gates.lockbox_alpha
    gates = lockbox_gates(readings, alpha=alpha, seed=config.seed, is_timing=is_timing) if readings else ()
    return Finished(
        view=view,
        final=tuple((float(gate.value), bool(gate.passed)) for gate in gates),
        alone=tuple(alone),
        hold_out=tuple(hold_out),
        positions=tuple(positions),
        first_bar=market.splits[0].lockbox.start,
    )


def _skill(series: Pool) -> float:
    known = moments(series.returns)
    return probabilistic_sharpe(sharpe=known.sharpe, n=known.n, skew=known.skew, kurtosis=known.kurtosis)
