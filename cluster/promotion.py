"""From the last populations to elites: candidates, gates, one journalled look into the lockbox, the verdict.

Everything here is a function of the journalled births and states, so a promotion that was cut short is run again and
comes to the same. Two things are not, and are journalled for that: how many trials earlier jobs made on these bars,
which is counted once, with the choice of candidates; and the reading of the lockbox. That is journalled *before* it is
read, and if a crash makes a second reading necessary, that one is journalled too. All readers are read before any is
judged, because the last gate is one test over all of them.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.candidate_record import candidate_record, stretches_of, write_candidate, write_elite
from cluster.choosing import REACH, Candidate, choose, different
from cluster.examination import Examined, Examiner
from cluster.journal import plain
from cluster.judging import Judged, judge
from cluster.market import Market
from cluster.portfolio import is_redundant, portfolio_of, redundancy_sentence
from cluster.prices import write_prices
from cluster.regimes import market_regimes, write_strips
from cluster.signals import Interrupted
from cluster.trial_ledger import count_trials
from cluster.trial_statistics import trial_statistics, tried_of
from cluster.view import JobView
from cluster.worker import language_of
from evolution.pedigree import Births
from evolution.population import State
from fitness.gates import GateReport, annual_sharpe, passed_all
from fitness.lockbox import Reading, lockbox_gates, resamples, verdict
from fitness.pooled import Pool, pool
from fitness.statistics import common_block, draw_counts

__all__ = ["Append", "Candidate", "Outcome", "Promotion", "choose"]

Append = Callable[[str, dict[str, Any]], object]

N_INTERVALS: Final = 1000
"""Resamples of the intervals."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended; `n_trials` are the ways of trading that were ever tried on its bars."""

    verdict: str
    n_trials: int
    n_elites: int


@dataclass(frozen=True, eq=False)
class _Opened:
    """What a reader of the lockbox did there, and how it stood at the last gate."""

    examined: Examined
    reading: Reading
    gate: GateReport


class Promotion:
    """The promotion of one job.

    Args:
        run_dir: its folder.
        view: what is journalled so far.
        market: its bars.
        births: all of them; None where who is judged is `known`, and what was tried journalled.
        states: the last state of every island.
        append: writes a record to the journal.
        stop: asked between candidates.
        known: who is judged, where that was chosen before (a promotion that is verified); None chooses from `states`.
    """

    def __init__(
        self,
        run_dir: Path,
        view: JobView,
        market: Market,
        *,
        births: Births | None,
        states: Sequence[State],
        append: Append,
        stop: threading.Event,
        known: Sequence[Candidate] | None = None,
    ) -> None:
        self._run_dir, self._view, self._market = run_dir, view, market
        self._births, self._states = births, states
        self._append, self._stop, self._known = append, stop, known
        self._gates, self._seed = view.config.gates, view.config.seed
        bank_bytes = view.config.cluster.bank_mib * 2**20
        self._examiner = Examiner(market, bank_bytes=bank_bytes, benchmark=self._gates.benchmark)
        self._regimes = market_regimes(market)

    def run(self) -> Outcome:
        """Judge the candidates and return how the job ended.

        Raises:
            Interrupted: `stop` was set.
            JournalError: what earlier jobs tried on the same bars can't be counted.
        """
        write_strips(self._run_dir, self._market, self._regimes)
        chosen, returns = self._choose() if self._known is None else (list(self._known), np.zeros((0, 1)))
        figures = self._view.chosen or self._begin(chosen, returns)
        judged = [self._judge(candidate, figures) for candidate in chosen]
        readers = sorted(
            (one for one in judged if passed_all(one.gates)), key=lambda one: (-one.deflated_sharpe, one.id)
        )
        records = {record["id"]: record for record in self._view.candidates}
        opened = self._open([one for one in readers if one.id not in records], readers)
        write_prices(self._run_dir, self._market, with_lockbox=bool(opened or self._view.lockbox_reads))
        draws = self._draws(judged, opened)
        limit = self._view.config.portfolio.max_correlation
        portfolio = portfolio_of([(one.id, _seen(one)) for one in readers], limit)
        for one in [*readers, *(one for one in judged if one not in readers)]:  # a better elite is known before a worse
            if one.id not in records:
                kept = [other for other, record in records.items() if record["passed"] and not is_redundant(record)]
                place = portfolio.place(one.id, kept)
                records[one.id] = self._conclude(one, opened.get(one.id), draws, place)
        return self._outcome(judged, [records[one.id] for one in judged], figures)

    def _choose(self) -> tuple[list[Candidate], NDArray[np.float64]]:
        """The candidates, and their returns in sample beyond the benchmark."""
        config, n = self._view.config, self._gates.candidates
        best = choose(self._states, config.evolution.objectives, REACH * n, language_of(config))
        if not best:
            return [], np.zeros((0, 1))
        returns = self._examiner.trial_returns(np.stack([one.phenotype for one in best]))
        places = different(returns, n)
        return [best[place] for place in places], returns[places]

    def _begin(self, chosen: Sequence[Candidate], returns: NDArray[np.float64]) -> dict[str, Any]:
        """Journal who is judged and what was tried to find them."""
        assert self._births is not None, "who chooses has births"
        count = count_trials(self._view, self._births)
        statistics = trial_statistics(
            self._examiner,
            self._births,
            language_of(self._view.config),
            chosen=np.array([one.birth_id for one in chosen], dtype=np.int64),
            most=self._gates.trials_sample,
            block=common_block(returns),
            seed=self._seed,
        )
        figures: dict[str, Any] = plain(
            {
                "candidates": [{"id": one.strategy.id, "birth_id": one.birth_id} for one in chosen],
                "n_trials": count.n_behaviours,
                "trials": asdict(count),
                **statistics,
            }
        )
        self._append("candidates_chosen", figures)
        return figures

    def _judge(self, candidate: Candidate, figures: Mapping[str, Any]) -> Judged:
        self._check_stop()
        return judge(
            candidate,
            self._examiner,
            tried=tried_of(figures),
            regimes=self._regimes,
            settings=self._gates,
            seed=self._seed,
        )

    def _open(self, new: Sequence[Judged], readers: Sequence[Judged]) -> dict[str, _Opened]:
        """Read the lockbox for all readers, unless each of them is on record already; say so first."""
        if not new:
            return {}
        ids = [one.id for one in readers]
        self._append("lockbox_read", {"candidates": ids, "again": bool(self._view.lockbox_reads)})
        examined = [self._examiner.examine(one.candidate.phenotype, "lockbox") for one in readers]
        readings = [Reading(pool(one.traces), self._examiner.pooled_beyond(one)) for one in examined]
        alpha, is_timing = self._gates.lockbox_alpha, self._gates.benchmark == "passive"
        gates = lockbox_gates(readings, alpha=alpha, seed=self._seed, is_timing=is_timing)
        return {each[0]: _Opened(*each[1:]) for each in zip(ids, examined, readings, gates, strict=True)}

    def _draws(self, judged: Sequence[Judged], opened: Mapping[str, _Opened]) -> dict[str, NDArray[np.float64]]:
        """How often each bar of a stretch is drawn in each resample; the same for all candidates."""
        beyond = {
            "in_sample": [one.in_sample_beyond for one in judged],
            "validation": [one.validation_beyond for one in judged],
            "lockbox": [one.reading.beyond for one in opened.values()],
        }
        return {stretch: self._counts(pools) for stretch, pools in beyond.items() if pools}

    def _counts(self, pools: Sequence[Pool]) -> NDArray[np.float64]:
        returns = np.stack([one.returns for one in pools])
        n_bars = returns.shape[1]
        n_resamples = min(N_INTERVALS, resamples(n_bars))
        return draw_counts(n_bars, block=common_block(returns), n_resamples=n_resamples, seed=self._seed)

    def _conclude(
        self,
        judged: Judged,
        opened: _Opened | None,
        draws: Mapping[str, NDArray[np.float64]],
        place: Mapping[str, Any],
    ) -> dict[str, Any]:
        self._check_stop()
        series = {
            "in_sample": (judged.in_sample_pool, judged.in_sample_beyond),
            "validation": (judged.validation_pool, judged.validation_beyond),
        }
        if opened is not None:
            series["lockbox"] = (opened.reading.returns, opened.reading.beyond)
        lockbox = opened.examined if opened is not None else None
        record = candidate_record(
            judged,
            lockbox=lockbox,
            gates=[*judged.gates, *([opened.gate] if opened is not None else [])],
            series=series,
            draws=draws,
            place=place,
            examiner=self._examiner,
            market=self._market,
            regimes=self._regimes,
        )
        write_candidate(self._run_dir, record, stretches_of(judged, lockbox), self._examiner)
        self._append("candidate", {"record": record})
        return record

    def _outcome(
        self, judged: Sequence[Judged], records: Sequence[dict[str, Any]], figures: Mapping[str, Any]
    ) -> Outcome:
        elites = [record for record in records if record["passed"]]
        for record in elites:
            write_elite(self._run_dir, record)
        sharpes = np.array([annual_sharpe(one.in_sample_beyond) for one in judged])
        sentence = verdict(
            tried=tried_of(figures) if figures["n_trials"] else None,
            best_sharpe=float(np.nanmax(sharpes)) if np.isfinite(sharpes).any() else np.nan,
            bars_per_year=judged[0].in_sample_pool.bars_per_year if judged else 1.0,
            reports=[[_report_of(gate) for gate in record["gates"]] for record in records],
        )
        limit, n_redundant = self._view.config.portfolio.max_correlation, sum(map(is_redundant, elites))
        return Outcome(sentence + redundancy_sentence(n_redundant, limit), figures["n_trials"], len(elites))

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Interrupted("stopped while the candidates were judged")


def _seen(judged: Judged) -> NDArray[np.float64]:
    """Return the pooled per-bar returns (n,) of a candidate outside the lockbox; the same bars for every candidate."""
    return pool([*judged.in_sample.traces, *judged.validation.traces]).returns


def _report_of(values: dict[str, Any]) -> GateReport:
    figures = {name: np.nan if values[name] is None else values[name] for name in ("value", "threshold")}
    return GateReport(**{**values, **figures})
