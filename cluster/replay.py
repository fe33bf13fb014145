"""A promotion run again from what a job left behind, by the same code, and written nowhere but into memory.

Who is judged comes from the JSON of each candidate; bars, costs, gates and seed from the job's config; what was tried
from the journal, beside which it is counted and tested again here. Nothing is journalled: the lockbox is read a second
time, but by strategies whose word on it is known, and nothing is chosen by it, so this is no new look and no new trial.
"""

import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.births_file import read_births, write_births
from cluster.choosing import Candidate
from cluster.evaluation import ShardBench, assign
from cluster.examination import Examiner
from cluster.journal import plain
from cluster.market import Market
from cluster.promotion import Promotion
from cluster.trial_books import ledger, root_of
from cluster.trial_counting import trials_of
from cluster.trial_ledger import count_of
from cluster.trial_statistics import trial_statistics
from cluster.view import JobView
from cluster.worker import breeding_of, language_of
from evolution.pedigree import Births
from fitness.objectives import score
from fitness.statistics import common_block
from strategies.codec import express
from strategies.encoding import phenotype_of, strategy_of
from strategies.errors import StudbookError, UsageError
from strategies.genes import fingerprint
from strategies.strategy_json import strategy_from_dict


@dataclass(frozen=True, eq=False)
class Replay:
    """What a promotion comes to here and now.

    Attributes:
        records: of every candidate, by the id that its recorded JSON had in the journal.
        readers: ids of those that read the lockbox.
        files: bytes of every file that a promotion writes, by its path in the run folder.
        verdict: of the job.
        born: id of the strategy that each candidate's birth has, by candidate; None where births can't be read.
        chosen: what the journal says with the choice of candidates, made again; None likewise.
        births_sha256: of births.parquet, made again; None likewise.
        untold: why births can't be read; "" where they can.
        is_damaged: whether that is because they are not what was journalled.
        unknown: earlier searches that counted then, and are not in the ledger any more.
    """

    records: Mapping[str, Mapping[str, Any]]
    readers: tuple[str, ...]
    files: Mapping[str, bytes]
    verdict: str
    born: Mapping[str, str] | None
    chosen: Mapping[str, Any] | None
    births_sha256: str | None
    untold: str
    is_damaged: bool
    unknown: tuple[str, ...]


def replay(view: JobView, market: Market) -> Replay:
    """Return what the promotion of a job comes to on `market`, which must hold its bars.

    Raises:
        UsageError: the job has no candidates, or has not judged all of them.
        StrategyError: a candidate's JSON is no strategy here.
    """
    recorded = _in_order(view)
    births, untold = _births(view)
    candidates = [_candidate(record, objectives, births) for record, objectives in _scored(view, market, recorded)]
    with tempfile.TemporaryDirectory(prefix="studbook-verify-") as folder:
        place = Path(folder)
        outcome, records, readers = _promoted(place, view, market, candidates, births)
        written = None if births is None else _births_written(place, view, market, births)
        files = {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}
    chosen, unknown = (None, ()) if births is None else _chosen(view, market, candidates, births)
    return Replay(
        records={old["id"]: records[new.strategy.id] for old, new in zip(recorded, candidates, strict=True)},
        readers=readers,
        files=files,
        verdict=outcome,
        born=None if births is None else {one["id"]: _born(view, births, one["birth_id"]) for one in recorded},
        chosen=chosen,
        births_sha256=written,
        untold=untold,
        is_damaged=births is None and view.created["gene_table"] == fingerprint(),
        unknown=unknown,
    )


def _in_order(view: JobView) -> list[dict[str, Any]]:
    """The candidates' records in the order of their choice: all of them, for intervals are drawn for all at once."""
    by_id = {record["id"]: record for record in view.candidates}
    chosen = [one["id"] for one in (view.chosen or {"candidates": ()})["candidates"]]
    missing = [one for one in chosen if one not in by_id]
    if missing or view.chosen is None:
        state = f"{missing[0]} is not judged yet" if missing else "they are not chosen yet"
        raise UsageError(
            f"A job must have judged its candidates before they can be verified, but {state} "
            f"({view.id}, {view.status})."
        )
    return [by_id[one] for one in chosen]


def _births(view: JobView) -> tuple[Births | None, str]:
    if view.created["gene_table"] != fingerprint():
        return None, f"they are of gene table {view.created['gene_table']}, and this is {fingerprint()}"
    try:
        return read_births(view.run_dir, view.epochs), ""
    except StudbookError as error:
        return None, str(error)


def _scored(
    view: JobView, market: Market, records: Sequence[dict[str, Any]]
) -> list[tuple[dict[str, Any], dict[str, float]]]:
    """Each record with its objectives, evaluated as in evolution."""
    if not records:
        return []
    config = view.config
    rows = np.stack([phenotype_of(strategy_from_dict(one["strategy"], f"candidate {one['id']}")) for one in records])
    shares = assign(len(market.shards), 1)[0]
    bench = ShardBench(shares, market.shards, market.splits, market.costs, bank_bytes=config.cluster.bank_mib * 2**20)
    tallies = np.concatenate(bench.evaluate(rows, "folds"), axis=1)
    rates = np.repeat(np.array(market.bars_per_year), market.n_folds)
    names = config.evolution.objectives
    objectives = breeding_of(config, market.bars_per_year, market.n_folds).settings.objectives
    found = score(tallies, rates, objectives, min_trades=config.gates.min_trades).objectives
    return [(one, dict(zip(names, row, strict=True))) for one, row in zip(records, found.tolist(), strict=True)]


def _candidate(record: Mapping[str, Any], objectives: dict[str, float], births: Births | None) -> Candidate:
    strategy = strategy_from_dict(record["strategy"], f"candidate {record['id']}")
    family = record["family"]
    if births is not None:
        rows = np.flatnonzero(births.birth_id == record["birth_id"])
        family = int(births.family[rows[0]]) if rows.size else -1
    return Candidate(strategy, phenotype_of(strategy), record["birth_id"], family, objectives)


def _promoted(
    place: Path, view: JobView, market: Market, candidates: Sequence[Candidate], births: Births | None
) -> tuple[str, dict[str, dict[str, Any]], tuple[str, ...]]:
    """Verdict, records and readers of the lockbox of a promotion of these candidates, with its files in `place`."""
    records: dict[str, dict[str, Any]] = {}
    readers: list[str] = []

    def listen(kind: str, data: dict[str, Any]) -> None:
        if kind == "candidate":
            records[data["record"]["id"]] = data["record"]
        if kind == "lockbox_read":
            readers.extend(data["candidates"])

    fresh = replace(view, candidates=(), elites=(), lockbox_reads=())
    promotion = Promotion(
        place, fresh, market, births=births, states=(), append=listen, stop=threading.Event(), known=candidates
    )
    return promotion.run().verdict, records, tuple(readers)


def _births_written(place: Path, view: JobView, market: Market, births: Births) -> str:
    names = breeding_of(view.config, market.bars_per_year, market.n_folds).measure_names
    return write_births(place, births, view.config.evolution.objectives, language_of(view.config), names)


def _born(view: JobView, births: Births, birth_id: int) -> str:
    """The id of the strategy that a birth has; "" where there is no such birth."""
    rows = np.flatnonzero(births.birth_id == birth_id)
    if not rows.size:
        return ""
    phenotypes: NDArray[np.float64] = express(births.genome[rows[:1]], language_of(view.config))
    return strategy_of(phenotypes[0]).id


def _chosen(
    view: JobView, market: Market, candidates: Sequence[Candidate], births: Births
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the journal says with the choice of candidates, counted and tested again; earlier searches that are gone."""
    gates, seed = view.config.gates, view.config.seed
    examiner = Examiner(market, bank_bytes=view.config.cluster.bank_mib * 2**20, benchmark=gates.benchmark)
    rows = [one.phenotype for one in candidates]
    returns = examiner.trial_returns(np.stack(rows)) if rows else np.zeros((0, 1))
    statistics = trial_statistics(
        examiner,
        births,
        language_of(view.config),
        chosen=np.array([one.birth_id for one in candidates], dtype=np.int64),
        most=gates.trials_sample,
        block=common_block(returns),
        seed=seed,
    )
    count, unknown = _counted(view, births)
    who = [{"id": one.strategy.id, "birth_id": one.birth_id} for one in candidates]
    figures = {"candidates": who, "n_trials": count["n_behaviours"], "trials": count, **statistics}
    return plain(figures), unknown


def _counted(view: JobView, births: Births) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The trials of the job and of those earlier searches that counted then, as far as the ledger still has them."""
    held = (view.chosen or {})["trials"]
    own = trials_of(view, [births])
    books = ledger(root_of(view), without=view.id, touching=own.shard_hashes) if held["earlier"] else None
    known = {one.name: one for one in books.entries} if books else {}
    earlier = [known[name] for name in held["earlier"] if name in known]
    gone = tuple(name for name in held["earlier"] if name not in known)
    return asdict(count_of(own, earlier, uncounted=held["uncounted"])), gone
