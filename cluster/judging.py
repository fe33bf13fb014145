"""A candidate before the lockbox: what it did, the bias battery, its neighbours, rough weather, and the gates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cluster.choosing import Candidate
from cluster.examination import Examined, Examiner
from cluster.job_config import GateSettings
from fitness.battery import Finding, run_battery
from fitness.gates import Evidence, GateReport, Thresholds, pre_lockbox_gates
from fitness.pooled import Pool, pool
from fitness.regime_means import regime_means
from fitness.stability import Stability, stability
from fitness.stress import Stress, stress
from fitness.tried import Tried
from strategies.errors import StrategyError
from strategies.features.regimes import Regimes

N_WORLDS: Final = 50
"""Draws of costs, delays and missed entries."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A candidate's figures before the lockbox, and how it stood at the gates there.

    Attributes:
        candidate: who it is.
        in_sample, validation: what it did.
        in_sample_pool, in_sample_beyond: pooled returns of the folds, as they were and beyond the benchmark.
        validation_pool, validation_beyond: likewise of the validation stretch.
        battery: findings of the bias battery.
        stability: how its neighbours do; None where it has none.
        stress: what it does in rough weather.
        gates: all but the last.
    """

    candidate: Candidate
    in_sample: Examined
    validation: Examined
    in_sample_pool: Pool
    in_sample_beyond: Pool
    validation_pool: Pool
    validation_beyond: Pool
    battery: tuple[Finding, ...]
    stability: Stability | None
    stress: Stress
    gates: tuple[GateReport, ...]

    @property
    def id(self) -> str:
        """Return the strategy's."""
        return self.candidate.strategy.id

    @property
    def deflated_sharpe(self) -> float:
        """Return what the gate of that name measured, -1 where it could not."""
        value = next(gate.value for gate in self.gates if gate.name == "dsr")
        return value if np.isfinite(value) else -1.0


def judge(
    candidate: Candidate,
    examiner: Examiner,
    *,
    tried: Tried,
    regimes: Sequence[Regimes],
    settings: GateSettings,
    seed: int,
) -> Judged:
    """Return what is known of a candidate before its lockbox is read.

    Args:
        candidate: who is judged.
        examiner: of the job's market.
        tried: what was tried to find it.
        regimes: of each shard.
        settings: of the gates.
        seed: of the rough weather.
    """
    in_sample = examiner.examine(candidate.phenotype, "in_sample")
    validation = examiner.examine(candidate.phenotype, "validation")
    beyond, subject = examiner.beyond(in_sample), examiner.subject(candidate.phenotype)
    labels = [known for known, traces in zip(regimes, in_sample.by_shard, strict=True) for _ in traces]
    battery = run_battery(subject)
    neighbours = _stability(examiner, candidate)
    evidence = Evidence(
        in_sample=pool(in_sample.traces),
        in_sample_beyond=pool(beyond),
        validation=pool(validation.traces),
        validation_beyond=examiner.pooled_beyond(validation),
        n_trades=sum(len(one.trades) for one in in_sample.traces),
        tried=tried,
        regimes=regime_means(in_sample.traces, beyond, labels),
        stability=neighbours.share_kept if neighbours else np.nan,
        battery=battery,
        is_timing=settings.benchmark == "passive",
    )
    return Judged(
        candidate=candidate,
        in_sample=in_sample,
        validation=validation,
        in_sample_pool=evidence.in_sample,
        in_sample_beyond=evidence.in_sample_beyond,
        validation_pool=evidence.validation,
        validation_beyond=evidence.validation_beyond,
        battery=battery,
        stability=neighbours,
        stress=stress(subject, n_draws=N_WORLDS, seed=seed),
        gates=pre_lockbox_gates(evidence, thresholds_of(settings)),
    )


def _stability(examiner: Examiner, candidate: Candidate) -> Stability | None:
    try:
        return stability(examiner.subject(candidate.phenotype))
    except StrategyError:  # a number that lies on no grid has no neighbours: the gate does not pass
        return None


def thresholds_of(gates: GateSettings) -> Thresholds:
    """Return the gates section as the gates know it."""
    return Thresholds(
        min_trades=gates.min_trades,
        max_drawdown=gates.max_drawdown,
        dsr=gates.dsr,
        validation_sharpe=gates.validation_sharpe,
        spa=gates.spa,
        pbo=gates.pbo,
        regimes=gates.regimes,
        stability=gates.stability,
        battery=gates.battery,
        lockbox_alpha=gates.lockbox_alpha,
    )
