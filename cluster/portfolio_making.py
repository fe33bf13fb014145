"""The elites of a job held together: chosen, weighed, and what came of it, as portfolio.json in the run folder.

A projection: elites and bars give the same bytes every time, and nothing is journalled. Choice and weights see the
folds and the validation stretch. What the whole did in the lockbox is a further look at bars that each member has read
already; it is told, it decides nothing, and it is no gate.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.allocation import HIGHEST, METHODS, weights_of
from cluster.candidate_record import intervals_of
from cluster.examination import Examined, Examiner, Stretch
from cluster.journal import plain
from cluster.market import Market, iso_time
from cluster.portfolio_choice import SEEN, Choice, Elite, choose_members
from cluster.portfolio_document import document_of
from cluster.report.numbers import deflated_sharpe
from cluster.run_folder import PORTFOLIO_FILE
from cluster.shared_capital import contributions, shares, together
from cluster.view import JobView
from fitness.files import atomic_write_text
from fitness.gates import annual_sharpe
from fitness.lockbox import resamples
from fitness.measures import MEASURES
from fitness.pooled import TRADE_MEASURES, Pool, pool, pool_measures, pool_tally
from fitness.statistics import common_block, draw_counts
from strategies.encoding import phenotype_of
from strategies.errors import UsageError
from strategies.strategy_json import strategy_from_dict

Float64 = NDArray[np.float64]
STRETCHES: Final[tuple[Stretch, ...]] = ("in_sample", "validation", "lockbox")
CHOSEN_BY: Final = "what each adds to the Sharpe ratio beyond holding, in sample and in validation"
N_INTERVALS: Final = 1000
MOST_ROWS: Final = 4000
"""Rows of the curve; more bars are thinned evenly."""
_BY_WEIGHT: Final = ("exposure", "turnover")
LOCKBOX_NOTE: Final = (
    "Members and weights were chosen without the lockbox. Each member had read it before; what the whole did there is "
    "a further look at the same bars: told, and no gate."
)


@dataclass(frozen=True)
class PortfolioSettings:
    """How a portfolio is made.

    Attributes:
        method: of weighing, one of `METHODS`.
        size: members; None for as many as add something.
        max_correlation: above it the worse of two is never chosen; None takes the job's.
        max_weight: no member has more.
    """

    method: str = "hrp"
    size: int | None = None
    max_correlation: float | None = None
    max_weight: float = HIGHEST


@dataclass(frozen=True, eq=False)
class _Member:
    """What one elite did in each stretch: traces, pooled returns, and those beyond holding."""

    examined: Mapping[Stretch, Examined]
    returns: Mapping[Stretch, Pool]
    beyond: Mapping[Stretch, Pool]


def make_portfolio(view: JobView, market: Market, settings: PortfolioSettings | None = None) -> dict[str, Any]:
    """Return the portfolio of a job's elites as plain values.

    Args:
        view: of the job.
        market: its bars.
        settings: None takes those that a job ends with.

    Raises:
        UsageError: the job has no elites, or a setting is out of range.
    """
    settings = settings or PortfolioSettings()
    records = {record["id"]: record for record in view.elites}
    if not records:
        raise UsageError(f"A portfolio must have at least one elite to choose from, but {view.id} has none.")
    gates = view.config.gates
    limit = view.config.portfolio.max_correlation if settings.max_correlation is None else settings.max_correlation
    if not -1.0 <= limit <= 1.0:
        raise UsageError(f"`--max-correlation` must be from -1 to 1, but was {limit:g}: 1 makes nobody redundant.")
    examiner = Examiner(market, bank_bytes=view.config.cluster.bank_mib * 2**20, benchmark=gates.benchmark)
    seen = {id_: _member(examiner, record, SEEN) for id_, record in records.items()}
    elites = [Elite(id_, deflated_sharpe(records[id_]), one.returns, one.beyond) for id_, one in seen.items()]
    choice = choose_members(elites, size=settings.size, limit=limit)
    ids = sorted(one.id for one in choice.members)  # weights must not depend on the order of choice
    rows = np.stack([np.concatenate([seen[id_].returns[name].returns for name in SEEN]) for id_ in ids])
    weights = dict(zip(ids, weights_of(rows, settings.method, settings.max_weight).tolist(), strict=True))
    members = {one.id: _and_lockbox(seen[one.id], examiner, records[one.id]) for one in choice.members}
    document = _document(choice, weights, members, examiner, seed=view.config.seed)
    strategies = [strategy_from_dict(records[id_]["strategy"], f"elite {id_}") for id_ in weights]
    identity = document_of(list(zip(strategies, weights.values(), strict=True)))
    found: dict[str, Any] = plain(
        {
            "id": identity.id,
            "method": settings.method,
            "settings": {**asdict(settings), "max_correlation": limit},
            **document,
        }
    )
    return found


def write_portfolio(run_dir: Path, found: Mapping[str, Any]) -> Path:
    """Write a portfolio into a run folder and return its path."""
    return write_to(run_dir / PORTFOLIO_FILE, found)


def end_with_portfolio(view: JobView, market: Market) -> Path | None:
    """Write the portfolio that a job ends with, and return its path; None where there are no two elites to hold."""
    return write_portfolio(view.run_dir, make_portfolio(view, market)) if len(view.elites) > 1 else None


def write_to(path: Path, found: Mapping[str, Any]) -> Path:
    """Write a portfolio to a file, whole, and return its path."""
    atomic_write_text(path, json.dumps(found, indent=1, allow_nan=False) + "\n")
    return path


def settings_of(found: Mapping[str, Any]) -> PortfolioSettings:
    """Return the settings that a portfolio was made with.

    Raises:
        UsageError: it does not say.
    """
    known = found.get("settings")
    try:
        settings = PortfolioSettings(**known) if isinstance(known, dict) else None
    except TypeError:
        settings = None
    if settings is None or settings.method not in METHODS:
        raise UsageError(f"{PORTFOLIO_FILE} must say its settings, but was {known!r:.80}. Make it again.")
    return settings


def _member(examiner: Examiner, record: Mapping[str, Any], stretches: Sequence[Stretch]) -> _Member:
    phenotype = phenotype_of(strategy_from_dict(record["strategy"], f"elite {record['id']}"))
    examined = {name: examiner.examine(phenotype, name) for name in stretches}
    returns = {name: pool(one.traces) for name, one in examined.items()}
    return _Member(examined, returns, {name: examiner.pooled_beyond(one) for name, one in examined.items()})


def _and_lockbox(seen: _Member, examiner: Examiner, record: Mapping[str, Any]) -> _Member:
    """A member with its lockbox too."""
    more = _member(examiner, record, ("lockbox",))
    return _Member({**seen.examined, **more.examined}, {**seen.returns, **more.returns}, {**seen.beyond, **more.beyond})


@dataclass(frozen=True, eq=False)
class _Whole:
    """What a weighing of the members did in one stretch."""

    series: Pool
    beyond: Pool
    figures: dict[str, float]


def _document(
    choice: Choice, weights: Mapping[str, float], members: Mapping[str, _Member], examiner: Examiner, *, seed: int
) -> dict[str, Any]:
    ids = [one.id for one in choice.members]
    held = [members[id_] for id_ in ids]
    mine = np.array([weights[id_] for id_ in ids])
    ways = {"portfolio": mine, "equal_weight": np.full(len(ids), 1.0 / len(ids)), "best_single": np.eye(len(ids))[0]}
    wholes = {name: {stretch: _whole(held, way, stretch) for stretch in STRETCHES} for name, way in ways.items()}
    added = {name: contributions(_rows(held, name), mine) for name in STRETCHES}
    figures = {name: {stretch: one.figures for stretch, one in each.items()} for name, each in wholes.items()}
    compared = {name: figures[name] for name in ("equal_weight", "best_single")}
    places = [choice.ids.index(id_) for id_ in ids]
    return {
        "chosen_by": CHOSEN_BY,
        "members": [
            {
                "id": one.id,
                "weight": weights[one.id],
                "marginal": {"sharpe_beyond": one.sharpe_beyond, "sharpe": one.sharpe},
                "contribution": {name: values[number] for name, values in added.items()},
            }
            for number, one in enumerate(choice.members)
        ],
        "passed_over": [{"id": id_, "reason": choice.passed_over[id_]} for id_ in sorted(choice.passed_over)],
        "correlations": choice.correlations[np.ix_(places, places)].tolist(),
        "stretches": figures["portfolio"],
        "intervals": _intervals(wholes, seed),
        "compared": {**compared, "hold": {name: examiner.benchmark(name).figures() for name in STRETCHES}},
        "best_single": ids[0],
        "equity": _equity(wholes),
        "note": LOCKBOX_NOTE,
    }


def _rows(held: Sequence[_Member], stretch: Stretch) -> Float64:
    return np.stack([one.returns[stretch].returns for one in held])


def _whole(held: Sequence[_Member], weights: Float64, stretch: Stretch) -> _Whole:
    """The members on shares of one capital in a stretch; who has no weight has no trades either."""
    rows = _rows(held, stretch)
    parts = shares(rows, weights)
    first = held[0].returns[stretch]
    series = Pool(first.timestamps, together(rows, parts), first.bars_per_year)
    counted = np.stack([one.beyond[stretch].returns for one in held])
    beyond = Pool(first.timestamps, together(counted, parts), first.bars_per_year)
    tally = pool_tally(series.returns)
    known = [pool_measures(one.examined[stretch].traces) for one in held]
    figures = {
        name: float(one.function(tally, series.bars_per_year))
        for name, one in MEASURES.items()
        if name not in TRADE_MEASURES
    }
    figures |= {name: float(sum(w * one[name] for w, one in zip(weights, known, strict=True))) for name in _BY_WEIGHT}
    figures["n_trades"] = float(sum(one["n_trades"] for w, one in zip(weights, known, strict=True) if w > 0.0))
    figures["sharpe_beyond"] = annual_sharpe(beyond)
    return _Whole(series, beyond, figures)


def _intervals(wholes: Mapping[str, Mapping[Stretch, _Whole]], seed: int) -> dict[str, dict[str, Any]]:
    """95 % intervals of each way in each stretch, all drawn by the same bars."""
    found: dict[str, dict[str, Any]] = {name: {} for name in wholes}
    for stretch in STRETCHES:
        rows = np.stack([each[stretch].beyond.returns for each in wholes.values()])
        n_bars = rows.shape[1]
        n_resamples = min(N_INTERVALS, resamples(n_bars))
        counts = draw_counts(n_bars, block=common_block(rows), n_resamples=n_resamples, seed=seed)
        for name, each in wholes.items():
            found[name][stretch] = intervals_of(each[stretch].series, each[stretch].beyond, counts)
    return found


def _equity(wholes: Mapping[str, Mapping[Stretch, _Whole]]) -> list[list[Any]]:
    """Rows of time, stretch, growth of 1 and growth with equal weights; stretches follow one another."""
    n_bars = sum(wholes["portfolio"][name].series.returns.size for name in STRETCHES)
    step = max(1, -(-n_bars // MOST_ROWS))
    rows: list[list[Any]] = []
    before = {"portfolio": 1.0, "equal_weight": 1.0}
    for stretch in STRETCHES:
        grown = {name: start * np.cumprod(1.0 + wholes[name][stretch].series.returns) for name, start in before.items()}
        times = wholes["portfolio"][stretch].series.timestamps
        shown = sorted({*range(0, times.size, step), times.size - 1})
        rows += [
            [iso_time(times[at]), stretch, float(grown["portfolio"][at]), float(grown["equal_weight"][at])]
            for at in shown
        ]
        before = {name: float(curve[-1]) for name, curve in grown.items()}
    return rows
