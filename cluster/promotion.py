"""From the last populations to elites: candidates, gates, one journalled look into the lockbox, the verdict.

Everything here is a function of the journalled births and states, so a promotion that was cut short is run again and
comes to the same. The lockbox is the exception that must be counted: its reading is journalled *before* it is read, and
if a crash makes a second reading necessary, that one is journalled too.
"""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.births_file import parquet_bytes
from cluster.examination import Examined, Examiner, equity_frame, trades_frame
from cluster.job_config import GateSettings
from cluster.journal import plain
from cluster.market import Market
from cluster.portfolio import is_redundant, portfolio_of, redundancy_sentence
from cluster.regimes import market_regimes, regime_record, write_strips
from cluster.run_folder import CANDIDATES, ELITES
from cluster.signals import Interrupted
from cluster.view import JobView
from cluster.worker import language_of
from evolution.pedigree import Births, generation_of, island_of
from evolution.population import State
from evolution.selection import feasible, pareto_ranks
from fitness.files import atomic_write_bytes, atomic_write_text
from fitness.gates import GateReport, Thresholds, annual_sharpe, lockbox_gate, passed_all, pre_lockbox_gates, verdict
from fitness.pooled import Pool, pool
from strategies.codec import express
from strategies.encoding import strategy_of
from strategies.language import DEFAULT, Language
from strategies.species import SPECIES, species_of
from strategies.strategy import Strategy

Append = Callable[[str, dict[str, Any]], object]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A strategy of a last population: its phenotype (N_GENES,), its birth, and its objectives by name."""

    strategy: Strategy
    phenotype: NDArray[np.float64]
    birth_id: int
    family: int
    objectives: dict[str, float]


@dataclass(frozen=True, eq=False)
class Judged:
    """A candidate's figures before the lockbox, and how it stood at the gates there."""

    candidate: Candidate
    in_sample: Examined
    validation: Examined
    pool: Pool
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


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    verdict: str
    n_trials: int
    n_elites: int


def choose(states: Sequence[State], objectives: Sequence[str], n: int, language: Language = DEFAULT) -> list[Candidate]:
    """Return at most `n` strategies of the last populations: by Pareto front, then by the first objective.

    Genomes are read in `language`.

    Strategies of equal objectives trade alike, whatever a rule that never fires says in them; one stands for all.
    """
    fit = [feasible(state.objectives, state.reasons) for state in states]
    values, ids, families, genomes = (
        np.concatenate([getattr(state, name)[rows] for state, rows in zip(states, fit, strict=True)])
        for name in ("objectives", "birth_ids", "families", "genomes")
    )
    by_age = np.lexsort((ids, generation_of(ids)))  # the oldest birth stands for all that trade alike
    distinct = by_age[np.unique(values[by_age], axis=0, return_index=True)[1]]
    order = np.lexsort((ids[distinct], -values[distinct, 0], pareto_ranks(values[distinct])))
    rows = distinct[order][:n]
    return [
        Candidate(
            strategy=strategy_of(phenotype),
            phenotype=phenotype,
            birth_id=int(ids[row]),
            family=int(families[row]),
            objectives=dict(zip(objectives, values[row].tolist(), strict=True)),
        )
        for row, phenotype in zip(rows, express(genomes[rows], language), strict=True)
    ]


class Promotion:
    """The promotion of one job.

    Args:
        run_dir: its folder.
        view: what is journalled so far.
        market: its bars.
        births: all of them.
        states: the last state of every island.
        append: writes a record to the journal.
        stop: asked between candidates.
    """

    def __init__(
        self,
        run_dir: Path,
        view: JobView,
        market: Market,
        *,
        births: Births,
        states: Sequence[State],
        append: Append,
        stop: threading.Event,
    ) -> None:
        self._run_dir, self._view, self._market = run_dir, view, market
        self._births, self._states = births, states
        self._append, self._stop = append, stop
        self._language = language_of(view.config)
        self._examiner = Examiner(market, bank_bytes=view.config.cluster.bank_mib * 2**20, language=self._language)
        self._thresholds = thresholds_of(view.config.gates)
        self._regimes = market_regimes(market)

    def run(self) -> Outcome:
        """Judge the candidates and return how the job ended.

        Raises:
            Interrupted: `stop` was set.
        """
        write_strips(self._run_dir, self._market, self._regimes)
        n_trials = int(self._births.evaluated.sum())
        variance = self._examiner.trial_variance(self._births)
        config = self._view.config
        chosen = choose(self._states, config.evolution.objectives, config.gates.candidates, self._language)
        if self._view.chosen is None:
            self._append(
                "candidates_chosen",
                {
                    "candidates": [{"id": one.strategy.id, "birth_id": one.birth_id} for one in chosen],
                    "n_trials": n_trials,
                    "trial_variance": variance,
                },
            )
        judged = [self._judge(candidate, n_trials, variance) for candidate in chosen]
        readers = sorted(
            (one for one in judged if passed_all(one.gates)), key=lambda one: (-one.deflated_sharpe, one.id)
        )
        records = {record["id"]: record for record in self._view.candidates}
        self._announce([one for one in readers if one.id not in records])
        portfolio = portfolio_of([(one.id, _seen(one)) for one in readers], config.portfolio.max_correlation)
        for one in [*readers, *(one for one in judged if one not in readers)]:  # a better elite is known before a worse
            if one.id not in records:
                kept = [other for other, record in records.items() if record["passed"] and not is_redundant(record)]
                records[one.id] = self._conclude(one, n_readers=len(readers), place=portfolio.place(one.id, kept))
        return self._outcome(judged, [records[one.id] for one in judged], n_trials, variance)

    def _judge(self, candidate: Candidate, n_trials: int, variance: float) -> Judged:
        self._check_stop()
        in_sample = self._examiner.examine(candidate.phenotype, "in_sample")
        validation = self._examiner.examine(candidate.phenotype, "validation")
        whole = pool(in_sample.traces)
        gates = pre_lockbox_gates(
            in_sample=whole,
            validation=pool(validation.traces),
            n_trades=sum(len(one.trades) for one in in_sample.traces),
            n_trials=max(n_trials, 1),
            trial_variance=variance,
            thresholds=self._thresholds,
        )
        return Judged(candidate, in_sample, validation, whole, gates)

    def _announce(self, readers: Sequence[Judged]) -> None:
        if readers:
            ids = [one.id for one in readers]
            self._append("lockbox_read", {"candidates": ids, "again": bool(self._view.lockbox_reads)})

    def _conclude(self, judged: Judged, *, n_readers: int, place: dict[str, Any]) -> dict[str, Any]:
        self._check_stop()
        stretches, gates = [judged.in_sample, judged.validation], list(judged.gates)
        if passed_all(judged.gates):
            lockbox = self._examiner.examine(judged.candidate.phenotype, "lockbox")
            stretches.append(lockbox)
            gates.append(lockbox_gate(pool(lockbox.traces), n_candidates=n_readers, thresholds=self._thresholds))
        record = self._record(judged.candidate, stretches, gates, place)
        self._write_files(judged.candidate, record, stretches)
        self._append("candidate", {"record": record})
        return record

    def _record(
        self,
        candidate: Candidate,
        stretches: Sequence[Examined],
        gates: Sequence[GateReport],
        place: dict[str, Any],
    ) -> dict[str, Any]:
        passed = passed_all(gates) and gates[-1].name == "lockbox"
        birth = np.array([candidate.birth_id])
        pairs = [(one, self._examiner.benchmark(one.stretch)) for one in stretches]
        figures = {one.stretch: one.figures() for one in stretches}
        held = {one.stretch: self._examiner.benchmark(one.stretch).figures() for one in stretches}
        by_shard = {one.stretch: one.shard_figures() for one in stretches}
        record: dict[str, Any] = plain(
            {
                "id": candidate.strategy.id,
                "text": candidate.strategy.text(),
                "strategy": candidate.strategy.to_dict(),
                "birth_id": candidate.birth_id,
                "island": island_of(birth)[0],
                "generation": generation_of(birth)[0],
                "family": candidate.family,
                "species": SPECIES[species_of(candidate.phenotype[np.newaxis])[0]],
                "objectives": candidate.objectives,
                "lockbox": None,
                **figures,
                "benchmark": {"lockbox": None, **held},
                "per_shard": [
                    {
                        "symbol": shard.symbol,
                        "timeframe": shard.timeframe,
                        "lockbox": None,
                        **{stretch: values[number] for stretch, values in by_shard.items()},
                    }
                    for number, shard in enumerate(self._market.shards)
                ],
                "gates": [asdict(report) for report in gates],
                "regimes": regime_record(pairs, self._regimes),
                "passed": passed,
                "portfolio": {**place, "redundant_with": place["redundant_with"] if passed else None},
                "attribution": self._examiner.attribution(candidate.strategy).to_dict() if passed else None,
            }
        )
        return record

    def _write_files(self, candidate: Candidate, record: dict[str, Any], stretches: Sequence[Examined]) -> None:
        base = self._run_dir / CANDIDATES / candidate.strategy.id
        pairs = [(one, self._examiner.benchmark(one.stretch)) for one in stretches]
        atomic_write_bytes(base.with_suffix(".equity.parquet"), parquet_bytes(equity_frame(pairs)))
        atomic_write_bytes(base.with_suffix(".trades.parquet"), parquet_bytes(trades_frame(stretches)))
        atomic_write_text(base.with_suffix(".json"), json.dumps(record, indent=2) + "\n")

    def _outcome(
        self, judged: Sequence[Judged], records: Sequence[dict[str, Any]], n_trials: int, variance: float
    ) -> Outcome:
        elites = [record for record in records if record["passed"]]
        for record in elites:
            text = json.dumps(record["strategy"], sort_keys=True, indent=2) + "\n"
            atomic_write_text(self._run_dir / ELITES / f"{record['id']}.json", text)
        sharpes, limit = [annual_sharpe(one.pool) for one in judged], self._view.config.portfolio.max_correlation
        sentence = verdict(
            n_trials=n_trials,
            best_sharpe=float(np.nanmax(sharpes)) if np.isfinite(sharpes).any() else np.nan,
            trial_variance=variance,
            bars_per_year=judged[0].pool.bars_per_year if judged else 1.0,
            reports=[[_report_of(gate) for gate in record["gates"]] for record in records],
        )
        n_redundant = sum(map(is_redundant, elites))
        return Outcome(sentence + redundancy_sentence(n_redundant, limit), n_trials, len(elites))

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Interrupted("stopped while the candidates were judged")


def _seen(judged: Judged) -> NDArray[np.float64]:
    """Return the pooled per-bar returns (n,) of a candidate outside the lockbox; the same bars for every candidate."""
    return pool([*judged.in_sample.traces, *judged.validation.traces]).returns


def thresholds_of(gates: GateSettings) -> Thresholds:
    """Return the gates section as the gates know it."""
    return Thresholds(
        min_trades=gates.min_trades,
        max_drawdown=gates.max_drawdown,
        dsr=gates.dsr,
        validation_sharpe=gates.validation_sharpe,
        lockbox_alpha=gates.lockbox_alpha,
    )


def _report_of(values: dict[str, Any]) -> GateReport:
    return GateReport(**{**values, "value": np.nan if values["value"] is None else values["value"]})
