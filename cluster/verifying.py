"""`studbook verify`: every figure on record made again from JSON, bars, costs and engine: reproduced, or stale.

Nothing is written and nothing journalled. Where the bars are not those of the journal, no figure is compared: it would
only say so again.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from cluster.births_file import parquet_bytes, read_births
from cluster.driver import versions
from cluster.genealogy.opening import frame_of
from cluster.genealogy.table import PEDIGREE_FILE
from cluster.job_config import JobConfig
from cluster.market import Market, open_market
from cluster.portfolio_making import make_portfolio, settings_of
from cluster.prices import PRICES_FILE
from cluster.proof import OTHER_VERSIONS, REPRODUCED, STALE, TAKEN, Figure, Proof, compared
from cluster.record_fields import CHOSEN, FIELDS, PORTFOLIO
from cluster.replay import Replay, replay
from cluster.report.regimes import REGIMES_FILE
from cluster.run_folder import BIRTHS_FILE, CANDIDATES, ELITES, PORTFOLIO_FILE
from cluster.view import FINISHED, JobView
from fitness.object_store import place_of
from fitness.shards import load_shard
from strategies.errors import DataError, StrategyError, StudbookError, UsageError
from strategies.genes import fingerprint

NO_NEW_LOOK: Final = (
    "The lockbox was read again only by those whose result there is on record; nothing is chosen by it, so it is no "
    "new look, no trial, and nothing was journalled."
)


@dataclass(frozen=True)
class Verification:
    """What became of the figures of a job.

    Attributes:
        job: its id.
        bars: of each shard, whether they are those of the journal.
        versions: of each package that is another one now: what it was, and is; "gene table" among them.
        tolerance: relative difference that figures were allowed.
        proofs: of what was asked for.
    """

    job: str
    bars: tuple[Figure, ...]
    versions: dict[str, tuple[str | None, str | None]]
    tolerance: float
    proofs: tuple[Proof, ...]

    @property
    def status(self) -> str:
        """REPRODUCED if nothing is stale."""
        statuses = {*(one.status for one in self.bars), *(one.status for one in self.proofs)}
        return STALE if STALE in statuses else REPRODUCED

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "job": self.job,
            "status": self.status,
            "tolerance": self.tolerance,
            "bars": [one.to_dict() for one in self.bars],
            "versions": {name: list(pair) for name, pair in self.versions.items()},
            "note": NO_NEW_LOOK,
            "proofs": [one.to_dict() for one in self.proofs],
        }


def verify(view: JobView, ids: Sequence[str] | None = None, *, data_root: str | None = None) -> Verification:
    """Return what became of the figures of candidates `ids`; None takes all of them, and what the job says as a whole.

    Args:
        view: the job.
        ids: of candidates.
        data_root: folder or URL of the bars; None takes the job's.

    Raises:
        UsageError: the job has not judged its candidates.
        ConfigError, ClusterError: the store can't be reached.
    """
    config = reading(view.config, data_root)
    bars, changed = tuple(_bars(view, config)), _changed(view)
    tolerance = OTHER_VERSIONS if changed else 0.0
    wanted = [one for one in view.candidates if ids is None or one["id"] in ids]
    made: Replay | None = None
    if all(one.status == REPRODUCED for one in bars):
        try:
            made = replay(replace(view, config=config), open_market(config))
        except StrategyError as error:
            why = f"can't be played here: {error}"
        proofs = (
            [_not_compared(record, why) for record in wanted]
            if made is None
            else [proof_of(view, record, made, tolerance) for record in wanted]
        )
        if ids is None and made is not None:
            proofs.append(_of_job(view, made, tolerance))
            proofs += of_portfolio(replace(view, config=config), tolerance)
    else:
        why = "; ".join(one.reason for one in bars if one.status == STALE)
        proofs = [_not_compared(record, why) for record in wanted]
    return Verification(view.id, bars, changed, tolerance, tuple(proofs))


def reading_market(view: JobView, data_root: str | None = None) -> Market:
    """Return the bars of a job as the store has them now; nothing is written to it, not even bundled bars.

    Raises:
        DataError: a shard is missing or damaged.
        ConfigError, ClusterError: the store can't be reached.
    """
    return open_market(reading(view.config, data_root))


def reading(config: JobConfig, data_root: str | None) -> JobConfig:
    """Return a job's config, by which bars are read and never written."""
    changes: dict[str, Any] = {"source": "files", "random_walk_seed": None}
    data = config.data.model_copy(update=changes | ({} if data_root is None else {"root": data_root}))
    return config.model_copy(update={"data": data})


def _bars(view: JobView, config: JobConfig) -> Iterator[Figure]:
    """Each shard of the journal beside what the store has now."""
    root = place_of(config.data.root)
    for then in view.shards:
        name = f"{then['symbol']} {then['timeframe']}"
        old = then["content_hash"]
        try:
            shard = load_shard(root, then["symbol"], then["timeframe"], config.data.start, config.data.end)
        except DataError as error:
            yield Figure(f"bars.{name}", STALE, old, reason=f"bars of {name} can't be read, were {old[:12]}: {error}")
            continue
        new = shard.content_hash
        reason = "" if new == old else f"bars of {name} are {new[:12]}, were {old[:12]}"
        if not reason and shard.bars_per_year != then["bars_per_year"]:
            reason = f"bars a year of {name} are {shard.bars_per_year}, were {then['bars_per_year']}"
        yield Figure(f"bars.{name}", STALE if reason else REPRODUCED, old, new, reason=reason)


def _changed(view: JobView) -> dict[str, tuple[str | None, str | None]]:
    then, now = view.created["versions"], versions()
    then, now = {**then, "gene table": view.created["gene_table"]}, {**now, "gene table": fingerprint()}
    return {name: (then.get(name), now.get(name)) for name in now | then if then.get(name) != now.get(name)}


def _not_compared(record: dict[str, Any], why: str) -> Proof:
    figures = [Figure(name, STALE, reason=f"not compared: {why}") for name in record]
    return Proof(record["id"], _what(record), tuple(figures))


def _what(record: dict[str, Any]) -> str:
    return "elite" if record["passed"] else "candidate"


def proof_of(view: JobView, record: dict[str, Any], made: Replay, tolerance: float) -> Proof:
    """Return what became of the figures of one candidate and of its files, beside a replay of its promotion."""
    id_ = record["id"]
    found = made.records.get(id_)
    if found is None:
        return Proof(id_, _what(record), (Figure("id", STALE, id_, reason="it is not among the candidates chosen"),))
    figures = compared(record, found, fields=FIELDS, tolerance=tolerance)
    figures.append(_birth(made, id_))
    names = [f"{CANDIDATES}/{id_}{suffix}" for suffix in (".json", ".equity.parquet", ".trades.parquet")]
    names += [f"{ELITES}/{id_}.json"] if record["passed"] else []
    figures += [one for name in names for one in _file(view.run_dir, name, made, tolerance)]
    return Proof(id_, _what(record), tuple(figures))


def _birth(made: Replay, id_: str) -> Figure:
    """Whether the birth that a candidate names is of its strategy."""
    if made.born is None:
        reason = f"birth, island, generation and family are as journalled: {made.untold}"
        return Figure("birth", STALE if made.is_damaged else TAKEN, reason=reason)
    born = made.born[id_]
    reason = "" if born == id_ else f"the birth is of {born or 'nobody'}, not of {id_}"
    return Figure("birth", STALE if reason else REPRODUCED, id_, born, reason=reason)


def _of_job(view: JobView, made: Replay, tolerance: float) -> Proof:
    """What a job says as a whole: what was tried, its verdict, births.parquet and regimes."""
    figures = [_plain("lockbox_read", _readers(view), list(made.readers))]
    if view.status == FINISHED:  # else it has none yet
        figures.append(_plain("verdict", view.verdict, made.verdict))
        figures.append(_plain("job_finished.n_trials", view.n_trials, (view.chosen or {}).get("n_trials")))
    if made.chosen is None:
        status = STALE if made.is_damaged else TAKEN
        figures += [Figure(name, status, reason=f"as journalled: {made.untold}") for name in CHOSEN]
    else:
        known = compared(view.chosen or {}, made.chosen, fields=CHOSEN, tolerance=tolerance)
        figures += [_counted(one, made) for one in known]
        if view.births_sha256:
            figures += _births_file(view, made, tolerance)
    figures += _file(view.run_dir, REGIMES_FILE, made, tolerance)
    if (view.run_dir / PRICES_FILE).exists():  # jobs of earlier versions have none
        figures += _file(view.run_dir, PRICES_FILE, made, tolerance)
    if (view.run_dir / PEDIGREE_FILE).exists() and made.born is not None:
        files = {PEDIGREE_FILE: parquet_bytes(frame_of(view, read_births(view.run_dir, view.epochs)))}
        figures += _file(view.run_dir, PEDIGREE_FILE, replace(made, files=files), tolerance)
    return Proof(view.id, "job", tuple(figures))


def _readers(view: JobView) -> list[str]:
    """Who read the lockbox, as the last reading says."""
    return list(view.lockbox_reads[-1]["candidates"]) if view.lockbox_reads else []


def of_portfolio(view: JobView, tolerance: float) -> list[Proof]:
    """Return the portfolio of a job beside one that is made again with its settings; nothing where there is none."""
    path = view.run_dir / PORTFOLIO_FILE
    if not path.is_file():
        return []
    try:
        then = json.loads(path.read_bytes())
        if not isinstance(then, dict):
            raise UsageError(f"{PORTFOLIO_FILE} must hold a mapping, but holds {type(then).__name__}.")
        now = make_portfolio(view, open_market(view.config), settings_of(then))
        figures = compared(then, now, fields=PORTFOLIO, tolerance=tolerance)
    except (TypeError, ValueError, StudbookError) as error:
        figures = [Figure(PORTFOLIO_FILE, STALE, reason=f"{PORTFOLIO_FILE} can't be made again: {error}")]
    return [Proof(view.id, "portfolio", tuple(figures))]


def _births_file(view: JobView, made: Replay, tolerance: float) -> list[Figure]:
    path = view.run_dir / BIRTHS_FILE
    held = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    again = _plain(f"{BIRTHS_FILE}.made", view.births_sha256, made.births_sha256)
    if again.status == STALE and tolerance > 0.0:  # by other versions
        again = Figure(again.name, TAKEN, again.recorded, again.found, reason="other versions may write other bytes")
    return [
        again,
        _plain(f"{BIRTHS_FILE}.file", view.births_sha256, held),
    ]


def _plain(name: str, old: Any, new: Any) -> Figure:
    return Figure(name, REPRODUCED if old == new else STALE, old, new)


def _counted(one: Figure, made: Replay) -> Figure:
    """A figure of the choice; what earlier jobs tried is as journalled where the ledger has them no more."""
    own = one.name.startswith("trials.own_") or one.section not in ("trials", "n_trials")
    if one.status != STALE or own or not made.unknown:
        return one
    reason = f"as journalled: the ledger has no {', '.join(made.unknown)} any more"
    return replace(one, status=TAKEN, reason=reason)


def _file(run_dir: Path, name: str, made: Replay, tolerance: float) -> list[Figure]:
    """A file of the run folder beside the same made again: one figure if all is well, else what differs."""
    path, new = run_dir / name, made.files.get(name)
    if new is None:
        return [Figure(name, STALE, reason=f"{name} is not made here any more")]
    if not path.is_file():
        return [Figure(name, STALE, reason=f"{name} is missing")]
    old = path.read_bytes()
    if old == new:
        return [Figure(name, REPRODUCED)]
    try:
        wrong = _table_differs(old, new, tolerance) if path.suffix == ".parquet" else _json_differs(old, new, tolerance)
    except (ValueError, pl.exceptions.PolarsError) as error:
        wrong = [f"can't be read: {error}"]
    return [Figure(name, STALE, reason=f"{name}: {one}") for one in wrong] or [Figure(name, REPRODUCED)]


def _json_differs(old: bytes, new: bytes, tolerance: float) -> list[str]:
    then, now = json.loads(old), json.loads(new)
    if not isinstance(then, dict):
        return [f"must hold a mapping, but holds {type(then).__name__}"]
    figures = compared(then, now, fields=dict.fromkeys([*then, *now], ""), tolerance=tolerance)
    return [one.sentence() for one in figures if one.status == STALE]


def _table_differs(old: bytes, new: bytes, tolerance: float) -> list[str]:
    """What differs between two tables: the first row of each column that does."""
    then, now = pl.read_parquet(io.BytesIO(old)), pl.read_parquet(io.BytesIO(new))
    if then.schema != now.schema:
        return [f"columns are {', '.join(then.columns)}, should be {', '.join(now.columns)}, with their types"]
    if then.height != now.height:
        return [f"has {then.height:,} rows, should have {now.height:,}"]
    found = []
    for name in now.columns:
        mine, other = then[name], now[name]
        equal = mine.eq_missing(other)
        if mine.dtype.is_float() and tolerance:
            equal = equal | ((mine - other).abs() <= tolerance * other.abs()).fill_null(False)
        if not equal.all():
            row = (~equal).arg_max() or 0
            n = int((~equal).sum())
            found.append(
                f"{name} of row {row} is {mine[row]}, should be {other[row]} ({n} of {now.height:,} rows differ)"
            )
    return found
