"""A run folder as a job leaves it behind, made by hand: the journal of two islands, candidates, equity curves."""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cluster.journal import FILE_NAME, JOURNAL_FORMAT, Journal
from cluster.settings import config_from, config_hash

MEASURES = {"total_return": 0.9, "cagr": 0.08, "sharpe": 0.71, "sortino": 1.0, "calmar": 0.5, "max_drawdown": 0.16,
            "exposure": 0.4, "turnover": 9.0, "n_trades": 64.0, "win_rate": 0.55, "profit_factor": 1.4,
            "expectancy": 0.012, "skew": -0.2, "kurtosis": 6.0}  # fmt: skip
HOLD = {**MEASURES, "cagr": 0.05, "sharpe": 0.33, "max_drawdown": 0.55, "n_trades": 1.0, "profit_factor": None}
CONFIG = {
    "name": "hand",
    "seed": 7,
    "data": {"shards": [{"symbol": "SPX"}, {"symbol": "IXIC"}]},
    "evolution": {"islands": 2, "generations": 6, "epoch_generations": 2, "population_size": 20},
}


def clock_from(start: str = "2026-11-21T10:00:00.000+00:00", step_s: float = 1.5) -> Callable[[], str]:
    """A clock that ticks at every look."""
    ticks = itertools.count()
    return lambda: (datetime.fromisoformat(start) + timedelta(seconds=next(ticks) * step_s)).isoformat(
        timespec="milliseconds"
    )


def candidate_record(number: int, *, passed: bool, read: bool = True) -> dict[str, Any]:
    """A candidate record with made-up figures and a real strategy."""
    from strategies.codec import express
    from strategies.encoding import strategy_of
    from strategies.sampler import random_genomes
    from strategies.templates import TEMPLATES

    strategy = list(TEMPLATES.values())[number] if number < len(TEMPLATES) else None
    if strategy is None:
        strategy = strategy_of(express(random_genomes(1, np.random.default_rng(number)))[0])
    segments = {"in_sample": MEASURES, "validation": {**MEASURES, "sharpe": 0.4}, "lockbox": MEASURES if read else None}
    gates = [
        {"name": "trades", "value": 64.0, "threshold": 30.0, "passed": True, "explanation": "trades in sample"},
        {"name": "max_drawdown", "value": 0.16, "threshold": 0.5, "passed": True, "explanation": "deepest fall"},
        {"name": "dsr", "value": 0.97 if passed else 0.31, "threshold": 0.95, "passed": passed,
         "explanation": "chance that the Sharpe is no luck of 240 tries"},
        {"name": "validation_sharpe", "value": 0.4, "threshold": 0.0, "passed": True, "explanation": "on unseen bars"},
    ]  # fmt: skip
    if read:
        gates.append({"name": "lockbox", "value": 0.999 if passed else 0.4, "threshold": 0.995, "passed": passed,
                      "explanation": "read once"})  # fmt: skip
    return {
        "id": strategy.id, "text": strategy.text(), "species": "ta", "strategy": strategy.to_dict(),
        "birth_id": number, "island": 0, "generation": 6, "family": 1, **segments,
        "benchmark": {name: HOLD if values else None for name, values in segments.items()},
        "per_shard": [{"symbol": symbol, "timeframe": "1d", **segments} for symbol in ("SPX", "IXIC")],
        "gates": gates, "passed": passed,
    }  # fmt: skip


def epoch_data(island: int, epoch: int, rng: np.random.Generator) -> dict[str, Any]:
    """An epoch of two generations (epoch 0 has its founders too)."""
    first = 2 * epoch + 1 if epoch else 0
    generations = list(range(first, 2 * epoch + 3))
    stats = []
    for generation in generations:
        best = 0.3 + 0.1 * generation + 0.05 * float(rng.random())
        stats.append(
            {
                "island": island, "generation": generation, "n_births": 20, "n_evaluated": 18, "n_migrants": 0,
                "n_replaced": 9, "n_feasible": 15, "n_known": 40, "n_families": max(12 - generation, 2),
                "best": {"steady_sharpe": best, "max_drawdown": -0.1},
                "mean": {"steady_sharpe": best - 0.3, "max_drawdown": -0.2},
                "distinct_share": 1.0, "gene_spread": 0.33 / (1 + 0.1 * generation),
                "families": [[island << 40 | index, 8 - 2 * index - generation // 3] for index in range(3)],
                "species": {
                    "ta": {"n_births": 12 - generation, "n": 12 - generation, "n_feasible": 8, "best": best,
                           "median": best - 0.3},
                    "ml": {"n_births": 8, "n": 8, "n_feasible": 7, "best": best - 0.1, "median": best - 0.5},
                    "hybrid": {"n_births": generation, "n": generation, "n_feasible": 0, "best": None, "median": None},
                },
            }
        )  # fmt: skip
    n = len(generations)
    return {
        "island": island, "epoch": epoch, "generations": [generations[0], generations[-1]],
        "births": {"file": f"epochs/i{island:03d}-e{epoch:04d}.births", "sha256": "0" * 64, "n": 20 * n},
        "state": {"file": f"epochs/i{island:03d}-e{epoch:04d}.state", "sha256": "0" * 64},
        "emigrants": {"file": f"epochs/i{island:03d}-e{epoch:04d}.emigrants", "sha256": "0" * 64, "n": 4},
        "templates": [] if epoch else [{"family": island << 40, "name": "sma_cross", "mutated": False},
                                       {"family": island << 40 | 1, "name": "rsi_reversion", "mutated": True}],
        "n_births": 20 * n, "n_evaluated": 18 * n, "n_screened_out": 0, "seconds": 1.25, "stats": stats, "screen": [],
        "validation_best": {"id": "ab" * 8, "text": "long when RSI(14) < 30", "birth_id": 3,
                            "objectives": {"steady_sharpe": best}, "sharpe": 0.1 * epoch},
    }  # fmt: skip


def screened(data: dict[str, Any]) -> dict[str, Any]:
    """The epoch with a screen that is probed, sorts out half of each brood, and turns itself off in generation 4."""
    facts = []
    for stats in data["stats"]:
        generation = stats["generation"]
        mode = "probe" if generation == 0 else "on" if generation < 5 else "off"
        agreement = 0.8 - 0.1 * generation if generation < 5 else None
        facts.append(
            {
                "mode": mode, "n_screened_out": 9 if mode == "on" else 0, "n_audited": 1 if mode == "on" else 0,
                "agreement": agreement, "mean_agreement": agreement, "turned_off": generation == 4,
            }
        )  # fmt: skip
    return {**data, "screen": facts, "n_screened_out": sum(one["n_screened_out"] for one in facts)}


def equity_frame(seed: int, *, read: bool = True) -> pl.DataFrame:
    """Equity and benchmark of two symbols in three segments, daily."""
    rng = np.random.default_rng(seed)
    parts = []
    for symbol in ("SPX", "IXIC", "POOL"):
        start = datetime(2000, 1, 3, tzinfo=UTC)
        for segment, n in (("in_sample", 900), ("validation", 300), ("lockbox", 300)):
            times = [start + timedelta(days=day) for day in range(n)]
            start = times[-1] + timedelta(days=6)
            if segment == "lockbox" and not read:
                continue
            grown = np.cumprod(1 + rng.normal(4e-4, 8e-3, (2, n)), axis=1)
            columns = {"timestamp": times, "equity": grown[0], "benchmark": grown[1]}
            parts.append(pl.DataFrame({"symbol": [symbol] * n, "segment": [segment] * n, **columns}))
    order = ["symbol", "timestamp", "segment", "equity", "benchmark"]
    return pl.concat(parts).select(order).with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")))


def write_run(
    root: Path,
    job_id: str,
    *,
    n_elites: int = 1,
    finished: bool = True,
    screen: bool = False,
    extra: dict[str, Any] | None = None,
) -> Path:
    """A run folder; without `finished` it stops after the second epoch of each island."""
    run = root / job_id
    run.mkdir(parents=True)
    config = config_from({**CONFIG, **(extra or {})}, where="conftest").model_dump(mode="json")
    shards = [
        {"symbol": symbol, "timeframe": "1d", "content_hash": letter * 64, "n_bars": 1512, "quality": 0.98,
         "start": "2000-01-03T00:00:00+00:00", "end": "2004-02-28T00:00:00+00:00", "bars_per_year": 252.0}
        for symbol, letter in (("SPX", "a"), ("IXIC", "b"))
    ]  # fmt: skip
    journal = Journal.create(run / FILE_NAME, clock=clock_from())
    journal.append(
        "job_created",
        {"format": JOURNAL_FORMAT, "config": config, "config_hash": config_hash(config_from(config, where="x")),
         "shards": shards, "gene_table": "0123456789abcdef", "versions": {"studbook": "0.1.0", "numpy": "2.4"}},
    )  # fmt: skip
    rng = np.random.default_rng(3)
    for epoch in range(3 if finished else 2):
        for island in range(2):
            data = epoch_data(island, epoch, rng)
            journal.append("epoch_finished", screened(data) if screen else data)
    journal.append("repair", {"what": "island 1", "island": 1, "epoch": 1, "reason": "worker <killed> & restarted"})
    if finished:
        _finish(run, journal, n_elites)
    journal.close()
    return run


def _finish(run: Path, journal: Journal, n_elites: int) -> None:
    records = [candidate_record(number, passed=number < n_elites, read=number < 3) for number in range(4)]
    chosen = [{"id": record["id"], "birth_id": record["birth_id"]} for record in records]
    journal.append("candidates_chosen", {"candidates": chosen, "n_trials": 252, "trial_variance": 4e-4})
    journal.append("lockbox_read", {"candidates": [record["id"] for record in records[:3]]})
    for number, record in enumerate(records):
        journal.append("candidate", {"record": record})
        for folder in ("candidates", "elites") if record["passed"] else ("candidates",):
            (run / folder).mkdir(exist_ok=True)
            content = record if folder == "candidates" else record["strategy"]
            (run / folder / f"{record['id']}.json").write_text(json.dumps(content))
        equity_frame(number, read=number < 3).write_parquet(run / "candidates" / f"{record['id']}.equity.parquet")
    pl.DataFrame({"birth_id": [1, 2]}).write_parquet(run / "births.parquet")
    verdict = f"{n_elites} of 4 candidates passed every gate." if n_elites else "Nothing passed: a proper ending."
    journal.append(
        "job_finished",
        {"verdict": verdict, "n_trials": 252, "n_elites": n_elites, "seconds": 12.5, "births_sha256": "c" * 64},
    )


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a run folder under `tmp_path / "runs"`."""

    def make(job_id: str = "hand-20261121T100000-00aa", **options: Any) -> Path:
        return write_run(tmp_path / "runs", job_id, **options)

    return make


@pytest.fixture(scope="module")
def market(config):
    """The bars of the job of a module, its fixture `config`."""
    from cluster.market import open_market

    return open_market(config)


@pytest.fixture(scope="module")
def view(config, tmp_path_factory):
    """That job, run."""
    from cluster.driver import run_job

    return run_job(config, root=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def write_small_job() -> Callable[..., Path]:
    """A function that puts bars and the file of a serial job of one symbol into a folder, and returns the folder."""

    def write(root: Path, name: str, *, bars_seed: int, **sections: dict[str, Any]) -> Path:
        import yaml

        from fitness.samples import random_walk
        from fitness.shards import write_shard

        write_shard(random_walk(bars_seed, 600), root / "data", "ONE", "1d", calendar="24/5")
        values: dict[str, Any] = {
            "name": name,
            "seed": 3,
            "data": {"root": str(root / "data"), "source": "files", "shards": [{"symbol": "ONE"}]},
            "split": {"folds": 2, "warm_up": 100},
            "gates": {"candidates": 2, "min_trades": 5, "battery": False},
            "cluster": {"executor": "serial", "workers": 1},
            "tracking": {"enabled": False},
        }
        values |= {key: {**values.get(key, {}), **section} for key, section in sections.items()}
        (root / f"{name}.yaml").write_text(yaml.safe_dump(values))
        return root

    return write


@pytest.fixture(scope="session")
def elite_job(tiny_values, tmp_path_factory):
    """The view of a finished job with elites, by gates that let nearly anybody pass; tests must not write to it."""
    from cluster.driver import run_job

    easy = {
        "min_trades": 1, "dsr": None, "validation_sharpe": None, "max_drawdown": None, "spa": None, "pbo": None,
        "regimes": None, "stability": None, "battery": False, "benchmark": "cash", "lockbox_alpha": 0.999,
        "trials_sample": 100, "candidates": 5,
    }  # fmt: skip
    data = {**tiny_values["data"], "end": "2018-09-20"}
    values = {**tiny_values, "data": data, "gates": easy, "portfolio": {"max_correlation": 0.9}}
    return run_job(config_from(values, where="test"), root=tmp_path_factory.mktemp("elites"))
