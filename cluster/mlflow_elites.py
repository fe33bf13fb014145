"""What an elite is in MLflow, purely: the name, tags, parameters, metrics and note of its run and of its model.

The tags that a person searches by have plain names (`tags.family = '56'`); those by which Studbook finds its own things
again begin with `studbook.`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cluster.backtest import found_in_job
from cluster.journal import Record
from cluster.mlflow_lineage import Lineage
from cluster.portfolio import redundant_with
from cluster.report.families import founder_of, founders_of
from cluster.report.numbers import SEGMENTS, as_number, by_merit, figure, threshold_figure
from cluster.tracking_figures import LONGEST_TAG
from cluster.tracking_projection import milliseconds
from cluster.view import JobView
from strategies.strategy import Strategy
from strategies.wording import (
    distance_text,
    gate_texts,
    learner_text,
    rule_text,
    size_text,
    voters_of,
)

KIND_TAG: Final = "studbook.kind"
ELITE: Final = "elite"
JOB: Final = "job_id"
SHOWN: Final = ("sharpe", "cagr", "max_drawdown", "n_trades")
"""Measures of the table in an elite's description."""
RUN_ONLY: Final = ("job_name", "n_trials", "birth_id", "parent_a_birth", "parent_b_birth", "founder_kind")
"""Tags that a version goes without: MLflow's page of a model lists all of every version."""


@dataclass(frozen=True)
class Elite:
    """An elite as MLflow is told it.

    Attributes:
        strategy: its rules.
        record: its candidate record.
        rank: by merit among the job's elites, 1 for the best.
        at_ms: when it was judged, milliseconds since 1970.
        timeframe, bars_per_year: of the bars that it was judged on; of the job's first shard.
        tags: what its run, logged model and version are found by.
        params: rules and risk in words.
        metrics: of each stretch as `sharpe.in_sample`, of each gate as `gate.dsr`.
        note: Markdown that MLflow shows above its run.
    """

    strategy: Strategy
    record: Mapping[str, Any]
    rank: int
    at_ms: int
    timeframe: str
    bars_per_year: float
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    note: str

    @property
    def id(self) -> str:
        """The strategy's content hash."""
        return self.strategy.id

    @property
    def name(self) -> str:
        """What its run is called: id and species."""
        return f"{self.id} {self.record['species']}"

    @property
    def version_tags(self) -> dict[str, str]:
        """The tags of its version: where it comes from, and its verdict in figures."""
        tags = {name: value for name, value in self.tags.items() if name not in RUN_ONLY}
        for stretch in SEGMENTS:
            tags[f"sharpe.{stretch}"] = figure("sharpe", (self.record.get(stretch) or {}).get("sharpe"))
        return tags


def elites_of(view: JobView, records: Sequence[Record], lineages: Mapping[int, Lineage]) -> tuple[Elite, ...]:
    """Return the elites of a finished job, best first.

    Args:
        view: the job.
        records: of its journal, which know the time of everything.
        lineages: of its elites by birth id, where births.parquet tells them.
    """
    at = {one.data["record"]["id"]: milliseconds(one.at) for one in records if one.kind == "candidate"}
    ranked = list(enumerate(by_merit(view.elites), start=1))
    return tuple(
        _elite(view, record, rank, at[record["id"]], lineages.get(record["birth_id"])) for rank, record in ranked
    )


def _elite(view: JobView, record: Mapping[str, Any], rank: int, at_ms: int, lineage: Lineage | None) -> Elite:
    found, first = found_in_job(view, record), view.shards[0]
    strategy = found.strategy
    return Elite(
        strategy=strategy,
        record=found.record or record,
        rank=rank,
        at_ms=at_ms,
        timeframe=str(first["timeframe"]),
        bars_per_year=float(first["bars_per_year"]),
        tags={KIND_TAG: ELITE, **_tags(view, record, rank), **(lineage.tags() if lineage else {})},
        params=params_of(strategy),
        metrics=metrics_of(record),
        note=note_of(record, rank, len(view.elites)),
    )


def _tags(view: JobView, record: Mapping[str, Any], rank: int) -> dict[str, str]:
    founder = founder_of(int(record["family"]), founders_of(view.epochs))
    repeated = redundant_with(record)
    tags = {
        "strategy_id": record["id"],
        JOB: view.id,
        "job_name": view.name,
        "job_started": view.created_at,
        "species": record["species"],
        "family": record["family"],
        "founder_kind": founder.text,
        "birth_id": record["birth_id"],
        "island": record["island"],
        "generation": record["generation"],
        "rank": rank,
        "n_trials": view.n_trials,
        "gates": gates_text(record),
        "redundant_with": repeated["id"] if repeated else None,
    }
    return {name: str(value)[:LONGEST_TAG] for name, value in tags.items() if value is not None}


def gates_text(record: Mapping[str, Any]) -> str:
    """Return the gates with value and limit, in words: `dsr 0.97 (limit 0.95)`."""
    return ", ".join(_gate_text(gate) for gate in record["gates"])


def _gate_text(gate: Mapping[str, Any]) -> str:
    limit = "no limit" if gate["threshold"] is None else f"limit {threshold_figure(gate['threshold'])}"
    return f"{gate['name']} {threshold_figure(gate['value'])} ({limit})"


def params_of(strategy: Strategy) -> dict[str, str]:
    """Return rules and risk in words, a parameter each; what a strategy lacks reads `none`."""
    orders = (("stop", strategy.stop), ("target", strategy.target), ("trail", strategy.trail))
    breaker, conflict = strategy.breaker, strategy.conflict
    return {
        "direction": strategy.direction,
        "entry": rule_text(strategy.entry, voters_of(strategy)) or "never",
        "exit": rule_text(strategy.exit) if strategy.exit.conditions else "none",
        "gate": "; ".join(gate_texts(strategy)) or "none",
        **{name: "none" if one is None else distance_text(name, one).removeprefix(f"{name} ") for name, one in orders},
        "time_stop": f"{strategy.time_stop} bars" if strategy.time_stop else "none",
        "cooldown": f"{strategy.cooldown} bars" if strategy.cooldown else "none",
        "size": size_text(strategy.size).removeprefix("size "),
        "breaker": f"{breaker.rearm} bars after {breaker.drawdown * 100:g} %" if breaker else "none",
        **({"conflict": conflict} if strategy.learners else {}),
        **{f"learner_{slot}": learner_text(learner) for slot, learner in enumerate(strategy.learners)},
    }


def metrics_of(record: Mapping[str, Any]) -> dict[str, float]:
    """Return every finite figure of a candidate record under its name in MLflow."""
    values: dict[str, object] = {f"gate.{gate['name']}": gate["value"] for gate in record["gates"]}
    for stretch in SEGMENTS:
        values |= {f"{name}.{stretch}": value for name, value in (record.get(stretch) or {}).items()}
        held = (record["benchmark"].get(stretch) or {}).get("sharpe")
        values |= {f"benchmark_sharpe.{stretch}": held}
        values |= {f"sharpe_beyond.{stretch}": (record.get("sharpe_beyond") or {}).get(stretch)}
        low_high = ((record.get("intervals") or {}).get(stretch) or {}).get("sharpe")
        if low_high:
            values |= {f"sharpe_low.{stretch}": low_high[0], f"sharpe_high.{stretch}": low_high[1]}
    found = ((name, as_number(value)) for name, value in values.items())
    return {name: number for name, number in found if number is not None}


def note_of(record: Mapping[str, Any], rank: int, n_elites: int) -> str:
    """Return what is to be read first of an elite: its rule, its figures, its gates."""
    rows = [
        f"| {title} | " + " | ".join(figure(name, (record.get(stretch) or {}).get(name)) for name in SHOWN) + " |"
        for stretch, title in SEGMENTS.items()
    ]
    head = ["| | Sharpe | CAGR | Max drawdown | Trades |", "| --- | ---: | ---: | ---: | ---: |"]
    title = f"Elite {rank} of {n_elites} by deflated Sharpe ratio."
    return "\n\n".join([title, "\n".join([*head, *rows]), f"Rules: {record['text']}.", f"Gates: {gates_text(record)}."])
